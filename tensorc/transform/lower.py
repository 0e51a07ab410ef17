"""Canonical scalars as ordinary ones: sums and products become operations in a fixed order, so that nothing else sees canonical form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Exact, Poly, floordiv
from tensorc.dtypes import DType
from tensorc.ir import build, walk
from tensorc.ir.build import DEPTH
from tensorc.ir.tensor import Apply, Const, Define, Int, IsZero, Load, Nonnegative, Scalar, Scatter, Select, Tensor
from tensorc.transform.canonical import PRODUCT, SUM, constant, factors, is_product, terms
from tensorc.transform.graph import elements_changed, with_sources
from tensorc.transform.workspace import Workspace

REPEATED = 8
"""The greatest exponent that is written as a chain of products."""

LONG = 12
"""The longest sum or product that is written as a chain; a longer one is halved, so that its depth stays bounded."""


def lower(work: Workspace, outputs: Sequence[Tensor]) -> list[Tensor]:
    """The outputs with ordinary bodies. What the program had before is left as it is."""
    new: dict[Tensor, Tensor] = {}
    for t in walk.topological(outputs):
        new[t] = t if t in work.program else _tensor(t, new)
    return [new[t] for t in outputs]


def _tensor(t: Tensor, new: dict[Tensor, Tensor]) -> Tensor:
    match t:
        case Define(extents, monoid, bound, body):
            lowered = _Body(new).lower(body)
            return build.define(t.indices, lowered) if monoid is None else Define(extents, monoid, bound, lowered)
        case Scatter(extents, iteration, subscripts, body, base):
            lowering = _Body(new)
            return Scatter(
                extents, iteration, tuple(map(lowering.number, subscripts)), lowering.lower(body), None if base is None else new[base]
            )
        case _:
            return with_sources(t, new)


class _Body:
    """Lowers one body."""

    def __init__(self, new: dict[Tensor, Tensor]) -> None:
        self.new = new
        self.memo: dict[Scalar, Scalar] = {}
        self.changed = elements_changed(new)

    def lower(self, body: Scalar) -> Scalar:
        lowered = self.scalar(body)
        return shallow(lowered) if walk.depth(lowered) > DEPTH else lowered

    def number(self, p: Poly) -> Poly:
        return algebra.rebuild(p, self._atom) if any(isinstance(a, (Exact, algebra.Element)) for a in algebra.atoms(p)) else p

    def _atom(self, a: Atom) -> Poly | None:
        if isinstance(a, Exact):
            return floordiv(self.number(a.numerator), self.number(a.divisor))
        return self.changed(a)

    def scalar(self, s: Scalar) -> Scalar:
        found = self.memo.get(s)
        if found is None:
            found = self.memo[s] = self._scalar(s)
        return found

    def _scalar(self, s: Scalar) -> Scalar:
        match s:
            case Const(value, dtype):
                return build.constant(value, dtype)
            case Int(p):
                return build.integer(self.number(p))
            case Nonnegative(p):
                return build.nonnegative(self.number(p))
            case IsZero(p):
                return build.is_zero(self.number(p))
            case Load(tensor, subscripts):
                return build.load(self.new.get(tensor, tensor), tuple(map(self.number, subscripts)))
            case Select(Apply("not", (c,), _), a, b):
                return build.select(self.scalar(c), self.scalar(b), self.scalar(a))
            case Select(c, a, b):
                return build.select(self.scalar(c), self.scalar(a), self.scalar(b))
            case Apply(operation, arguments, dtype):
                if operation == SUM:
                    return self._sum(s)
                if operation == PRODUCT:
                    return self._product(s, 1.0)
                return build.apply(operation, *map(self.scalar, arguments), dtype=dtype)
            case _:
                assert_never(s)

    def _sum(self, s: Scalar) -> Scalar:
        return self._added(list(terms(s)))

    def _added(self, parts: list[tuple[Scalar, float]]) -> Scalar:
        if len(parts) > LONG:
            half = len(parts) // 2
            return build.apply("add", self._added(parts[:half]), self._added(parts[half:]))
        parts = list(map(_of_positive, parts))
        first = next((n for n, (t, k) in enumerate(parts) if k > 0 and not isinstance(t, Const)), None)
        if first is None:
            first = next((n for n, (_, k) in enumerate(parts) if k > 0), 0)
        parts.insert(0, parts.pop(first))
        (t, k), *rest = parts
        total = self._scaled(t, k)
        for t, k in rest:
            total = build.apply("add" if k > 0 else "sub", total, self._scaled(t, abs(k)))
        return total

    def _scaled(self, t: Scalar, k: float) -> Scalar:
        if isinstance(t, Const):
            return build.constant(k * t.value, t.dtype)
        if k < 0 and any(n > 0 for _, n in factors(t)):
            return build.apply("neg", self._scaled(t, -k))
        if is_product(t):
            return self._product(t, k)
        return self.scalar(t) if k == 1 else build.apply("mul", build.constant(k, t.dtype), self.scalar(t))

    def _product(self, s: Scalar, coefficient: float) -> Scalar:
        above = [(b, n) for b, n in factors(s) if n > 0]
        below = [(b, -n) for b, n in factors(s) if n < 0]
        if not below or above:
            top = self._chain(above, coefficient, s.dtype)
        else:
            top = build.constant(coefficient, s.dtype)
        return build.apply("div", top, self._chain(below, 1.0, s.dtype)) if below else top

    def _chain(self, powers: Sequence[tuple[Scalar, int]], coefficient: float, dtype: DType) -> Scalar:
        parts: list[Scalar] = [] if coefficient == 1 else [build.constant(coefficient, dtype)]
        size = algebra.ONE
        for b, n in powers:
            if isinstance(b, Apply) and b.operation == "cast" and isinstance(whole := b.arguments[0], Int):
                for _ in range(n):
                    size = size * self.number(whole.value)
                continue
            base = self.scalar(b)
            parts += [base] * n if n <= REPEATED else [build.apply("pow", base, build.constant(n, dtype))]
        if size is not algebra.ONE:
            parts.append(build.cast(build.integer(size), dtype))
        return _multiplied(parts) if parts else constant(1.0, dtype)


def _of_positive(part: tuple[Scalar, float]) -> tuple[Scalar, float]:
    """where(c, -1, 0) is taken off where(c, 1, 0)."""
    match part:
        case Select(c, Const(value, dtype), Const() as zero), k if isinstance(value, float) and value < 0 and zero.value == 0:
            return Select(c, constant(-value, dtype), zero), -k
        case _:
            return part


def _multiplied(parts: list[Scalar]) -> Scalar:
    if len(parts) > LONG:
        half = len(parts) // 2
        return build.apply("mul", _multiplied(parts[:half]), _multiplied(parts[half:]))
    total = parts[0]
    for p in parts[1:]:
        total = build.apply("mul", total, p)
    return total


def shallow(body: Scalar) -> Scalar:
    """The body with parts that are deep made definitions of their own."""
    memo: dict[Scalar, Scalar] = {}

    def go(s: Scalar) -> Scalar:
        found = memo.get(s)
        if found is None:
            found = memo[s] = cut(s)
        return found

    def cut(s: Scalar) -> Scalar:
        match s:
            case Select(c, a, b):
                s = build.select(go(c), go(a), go(b))
            case Apply(operation, arguments, dtype):
                s = build.apply(operation, *map(go, arguments), dtype=dtype)
            case _:
                return s
        return build.hoist(s) if walk.depth(s) >= DEPTH // 2 else s

    result = go(body)
    assert walk.depth(result) <= DEPTH
    return result
