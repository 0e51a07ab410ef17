"""Derivatives of scalars: the partial derivatives of each kind of scalar by its arguments, and of a whole body by its loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tensorc.dtypes import DType
from tensorc.ir import build
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.tensor import Apply, Load, Scalar, Select
from tensorc.ir.walk import loads
from tensorc.transform.canonical import (
    PRODUCT,
    SUM,
    add,
    constant,
    convert,
    factors,
    is_constant,
    mul,
    negation,
    power,
    scale,
    select,
    terms,
)


class _Term:
    """A scalar with Python's operators, for the entries of `ir/derivatives.py`."""

    def __init__(self, scalar: Scalar) -> None:
        self.scalar = scalar

    def _other(self, other: Any) -> Scalar:
        return other.scalar if isinstance(other, _Term) else constant(other, self.scalar.dtype)

    def __add__(self, other: Any) -> _Term:
        return _Term(add(self.scalar, self._other(other)))

    __radd__ = __add__

    def __neg__(self) -> _Term:
        return _Term(scale(-1.0, self.scalar))

    def __sub__(self, other: Any) -> _Term:
        return _Term(add(self.scalar, scale(-1.0, self._other(other))))

    def __rsub__(self, other: Any) -> _Term:
        return _Term(add(scale(-1.0, self.scalar), self._other(other)))

    def __mul__(self, other: Any) -> _Term:
        return _Term(mul(self.scalar, self._other(other)))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> _Term:
        return _Term(mul(self.scalar, power(self._other(other), -1)))

    def __rtruediv__(self, other: Any) -> _Term:
        return _Term(mul(self._other(other), power(self.scalar, -1)))


class _Operations:
    """The rows of the operations' table as functions of terms."""

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype

    def __getattr__(self, operation: str) -> Callable[..., _Term]:
        return lambda *xs: _Term(build.apply(operation, *map(self._scalar, xs)))

    def where(self, condition: _Term, then: Any, otherwise: Any) -> _Term:
        return _Term(select(condition.scalar, self._scalar(then), self._scalar(otherwise)))

    def _scalar(self, x: Any) -> Scalar:
        return x.scalar if isinstance(x, _Term) else constant(x, self.dtype)


Local = tuple[Scalar, Callable[[Scalar], Scalar]]
"""An argument, and what multiplies by the partial derivative by it: a cotangent of the result to one of the argument, or a tangent back."""


def local(s: Scalar, forward: bool = False) -> Iterator[Local]:
    """The float arguments of a canonical scalar on which it depends, each with how a cotangent (or where `forward` a tangent) passes."""
    match s:
        case Select(c, a, b):
            zero = constant(0.0, s.dtype)
            yield a, lambda x: select(c, x, zero)
            yield b, lambda x: select(negation(c), x, zero)
        case Apply(operation, _, _) if operation == SUM:
            for t, k in terms(s):
                yield t, partial(scale, k)
        case Apply(operation, _, _) if operation == PRODUCT:
            found = factors(s)
            for b, n in found:
                others = [power(c, m - 1 if c is b else m) for c, m in found]
                yield b, partial(_times, n, others)
        case Apply("cast", (a,), _):
            if a.dtype.is_float:
                yield a, partial(convert, dtype=s.dtype if forward else a.dtype if not a.dtype.is_half else s.dtype)
        case Apply(operation, arguments, dtype):
            rule = OPERATIONS[operation].derivative
            if rule is not None and dtype.is_float:
                by = rule(_Operations(dtype), *map(_Term, arguments), _Term(s))
                for a, d in zip(arguments, by, strict=True):
                    yield a, partial(mul, d.scalar if isinstance(d, _Term) else constant(d, dtype))
        case _:
            pass


def _times(n: int, others: list[Scalar], x: Scalar) -> Scalar:
    return mul(constant(n, x.dtype), x, *others)


def _arguments(s: Scalar) -> tuple[Scalar, ...]:
    """What s may depend on smoothly: not its conditions, nor integers."""
    match s:
        case Select(_, a, b):
            return (a, b)
        case Apply(_, arguments, _):
            return tuple(a for a in arguments if a.dtype.is_float)
        case _:
            return ()


def _float_order(body: Scalar) -> list[Scalar]:
    """The body and all that it may depend on smoothly, arguments first."""
    seen: dict[Scalar, None] = {}

    def go(s: Scalar) -> None:
        if s not in seen:
            for c in _arguments(s):
                go(c)
            seen[s] = None

    go(body)
    return list(seen)


def partials(body: Scalar, seed: Scalar, wanted: frozenset[Load]) -> dict[Load, Scalar]:
    """seed * (d body / d load) for each wanted load: reverse mode over the scalar. `body` is canonical; so are the results."""
    order = _float_order(body)
    matters = {s for s in order if not wanted.isdisjoint(loads(s))}
    adjoint: dict[Scalar, list[Scalar]] = {body: [seed]}
    found: dict[Load, Scalar] = {}
    for s in reversed(order):
        if s not in adjoint or s not in matters:
            continue
        total = add(*adjoint[s])
        if isinstance(s, Load):
            found[s] = total
        elif not is_constant(total, 0):
            for argument, passes in local(s):
                if argument in matters:
                    adjoint.setdefault(argument, []).append(passes(total))
    return {s: found[s] for s in order if isinstance(s, Load) and s in found}


def tangent(body: Scalar, known: Callable[[Load], Scalar | None]) -> Scalar:
    """The tangent of a canonical body; `known` gives that of a load, in the dtype that it is computed in, or None where it is 0."""
    tangents: dict[Scalar, Scalar | None] = {}
    for s in _float_order(body):
        if isinstance(s, Load):
            tangents[s] = known(s)
            continue
        if all(tangents[c] is None for c in _arguments(s)):
            tangents[s] = None
            continue
        parts = [passes(x) for a, passes in local(s, forward=True) if (x := tangents.get(a)) is not None]
        tangents[s] = add(*parts) if parts else None
    result = tangents.get(body)
    return constant(0.0, body.dtype) if result is None else result
