"""Runs a schedule by NumPy, block by block as its loops bind them: slow, and close to what its statements say. For tests of the scheduler.

A block value is an array with an axis for each loop around it, as long as the loop's block. Statements are done one after the other, each
for the whole block, so that a nest whose points depend on one another gives wrong results here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np

from tensorc import algebra
from tensorc.algebra import Element, Index, Poly, Quotient, Remainder, Size
from tensorc.dtypes import from_numpy, i64
from tensorc.ir import arithmetic, operations
from tensorc.ir.arithmetic import Array
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Apply, Const, Int, IsZero, Load, Nonnegative, Scalar, Select, Tensor
from tensorc.loops import bounds
from tensorc.loops.nest import (
    Bind,
    Carry,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Memory,
    Schedule,
    SortRow,
    Statement,
    Store,
    Update,
    Var,
)

LANES = 4


def interpret(schedule: Schedule, arrays: Sequence[Array], sizes: Mapping[str, int]) -> tuple[list[Array], list[int]]:
    """The results, and what each check found, for inputs in order; memory that nothing wrote is NaN or the least integer."""
    sizes = dict(sizes)
    for name, value in schedule.derived.items():
        sizes[name] = algebra.evaluate(value, sizes)
    memory: dict[Memory, Array] = {m: np.asarray(a) for m, a in zip(schedule.inputs, arrays, strict=True)}
    for buffer in (*schedule.results, *schedule.checks, *schedule.intermediates):
        memory[buffer] = _unwritten(buffer, sizes)
    for alias, base in schedule.aliases.items():
        memory[alias] = memory[base].reshape(_shape(alias, sizes))
    with np.errstate(all="ignore"):
        for k in schedule.kernels:
            if k.runs(sizes):
                _run(k, memory, sizes)
    return [memory[b] for b in schedule.results], [int(memory[b]) for b in schedule.checks]


def _run(kernel: Kernel, memory: Mapping[Memory, Array], sizes: Mapping[str, int]) -> None:
    touched = {m: memory[m] for m in kernel.memory}
    for written in kernel.writes:
        touched[written] = memory[written]
    for scratch in kernel.scratch:
        touched[scratch] = _unwritten(scratch, sizes)
    _body(kernel.body, _Scope(touched, sizes))


def _shape(m: Memory, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(algebra.evaluate(e, sizes) for e in m.extents)


def _unwritten(m: Memory, sizes: Mapping[str, int]) -> Array:
    value = np.nan if m.dtype.is_float else m.dtype.range[0]
    return np.full(_shape(m, sizes), value, m.dtype.numpy)


@dataclass
class _Scope:
    """The memory, the block of each axis in scope, in the order of the loops, and the variables, with as many axes as there were loops."""

    memory: Mapping[Memory, Array]
    sizes: Mapping[str, int]
    blocks: Mapping[Index, Array] = field(default_factory=dict)
    tiles: Mapping[Index, tuple[int, int]] = field(default_factory=dict)
    values: dict[Var, Array] = field(default_factory=dict)

    def enter(self, axis: Index, points: Array) -> _Scope:
        # An inner body sees what is defined outside, and accumulates there; what it defines ends with it.
        return _Scope(self.memory, self.sizes, {**self.blocks, axis: points}, self.tiles, dict(self.values))

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(points) for points in self.blocks.values())

    def raised(self, value: Array) -> Array:
        """A value of fewer loops with an axis for each."""
        return value.reshape(value.shape + (1,) * (self.depth - value.ndim))


def _body(body: Sequence[Statement], scope: _Scope) -> None:
    for s in body:
        _statement(s, scope)


def _statement(s: Statement, scope: _Scope) -> None:
    match s:
        case For():
            _loop(s, scope)
        case Let(var, value):
            scope.values[var] = _scalar(value, scope)
        case Init(var, monoid, _, _):
            scope.values[var] = np.full(scope.shape, MONOIDS[monoid].identity(var.dtype), var.dtype.numpy)
        case Fold(var, monoid, value, over):
            found = np.broadcast_to(_scalar(value, scope), scope.shape)
            axes = tuple(n for n, a in enumerate(scope.blocks) if a in over)
            combined = found if not axes else arithmetic.cast(MONOIDS[monoid].reduce(found, axes), var.dtype)
            # The accumulator has an axis for each loop around its Init: those inside are folded, and have length 1 where they are not.
            kept = scope.values[var]
            kept[...] = _combine(monoid, kept, combined.reshape(kept.shape))
        case Carry(var, monoid, value, decay):
            kept = scope.values[var]
            old = scope.raised(kept)
            if decay is not None:
                old = operations.evaluate("mul", [_scalar(decay, scope), old], var.dtype)
            kept[...] = np.broadcast_to(_combine(monoid, old, _scalar(value, scope)), scope.shape).reshape(kept.shape)
        case Done():
            pass
        case Store(memory, subscripts, value, where):
            for place, element in _elements(memory, subscripts, value, where, scope):
                scope.memory[memory][place] = element
        case Update(memory, subscripts, monoid, value, _, where):
            array = scope.memory[memory]
            for place, element in _elements(memory, subscripts, value, where, scope):
                array[place] = _combine(monoid, array[place], element)
        case SortRow(keys, permutation, row, _, descending, _):
            at = tuple(int(_number(p, scope).item()) for p in row)
            scope.memory[permutation][at] = _order(scope.memory[keys][at], descending)
        case _:
            assert_never(s)


def _loop(s: For, scope: _Scope) -> None:
    begin, end = scope.tiles[s.axis] if s.within else (0, algebra.evaluate(s.axis.extent, scope.sizes))
    if s.part is not None:
        size = algebra.evaluate(s.part.size, scope.sizes)
        begin = int(scope.blocks[s.part.number].item()) * size
        end = min(begin + size, end)
    step = _block(s.bind)
    for start in range(*_narrowed(s, begin, end, step, scope), step):
        if s.bind.kind == "tile":
            _body(
                s.body,
                _Scope(
                    scope.memory, scope.sizes, scope.blocks, {**scope.tiles, s.axis: (start, min(start + step, end))}, dict(scope.values)
                ),
            )
        else:
            _body(s.body, scope.enter(s.axis, np.arange(start, min(start + step, end), dtype=np.int64)))


def _narrowed(s: For, begin: int, end: int, step: int, scope: _Scope) -> tuple[int, int]:
    """Without blocks at the ends that do nothing."""

    def corner(axis: Index, last: bool) -> int:
        if axis in scope.blocks:
            return int(scope.blocks[axis][-1 if last else 0])
        low, high = scope.tiles.get(axis, (0, algebra.evaluate(axis.extent, scope.sizes)))
        return high - 1 if last else low

    first = begin
    for guard in s.only:
        parts = algebra.split(guard, s.axis)
        assert parts is not None
        most = bounds.greatest(parts[1], corner, lambda p, terms: np.asarray(_number(p, scope)).item() + sum(c * n for c, n in terms))
        if parts[0].constant == 1:
            begin = max(begin, first + (-most - first) // step * step)
        else:
            end = min(end, most + 1)
    return begin, end


def _block(bind: Bind) -> int:
    return 1 if bind.kind == "serial" else bind.count * (LANES if bind.kind == "vector" else 1)


def _combine(monoid: str, a: Array, b: Array) -> Array:
    row = MONOIDS[monoid]
    return operations.evaluate(row.combine, [a, b], from_numpy(a.dtype) or i64)


def _elements(memory: Memory, subscripts: Sequence[Poly], value: Scalar, where: Scalar | None, scope: _Scope) -> Any:
    """The places and elements of a block, in the order of the loops."""
    places = [np.broadcast_to(_number(p, scope), scope.shape).ravel() for p in subscripts]
    elements = np.broadcast_to(_scalar(value, scope), scope.shape).ravel()
    kept = np.broadcast_to(np.True_ if where is None else _scalar(where, scope), scope.shape).ravel()
    shape = scope.memory[memory].shape
    for n in np.flatnonzero(kept):
        place = tuple(int(p[n]) for p in places)
        assert all(0 <= p < e for p, e in zip(place, shape, strict=True)), f"{memory.name}{list(place)} is outside of {shape}"
        yield place, elements[n]


def _order(keys: Array, descending: bool) -> Array:
    keys = keys.astype(np.float32) if keys.dtype.itemsize == 2 and keys.dtype.kind not in "iu" else keys
    if not descending:
        return np.argsort(keys, kind="stable")
    backward = len(keys) - 1 - np.argsort(keys[::-1], kind="stable")[::-1]
    return np.asarray(backward[np.argsort((keys != keys)[backward], kind="stable")])


# Scalars: arrays with an axis for each loop around.


def _scalar(s: Scalar, scope: _Scope) -> Array:
    memo: dict[Scalar, Array] = {}

    def go(s: Scalar) -> Array:
        if s not in memo:
            memo[s] = np.asarray(compute(s))
        return memo[s]

    def compute(s: Scalar) -> Any:
        match s:
            case Const(value, dtype):
                return np.full((1,) * scope.depth, value, dtype.numpy)
            case Int(p):
                return _number(p, scope)
            case Nonnegative(p):
                return _number(p, scope) >= 0
            case IsZero(p):
                return _number(p, scope) == 0
            case Load(t, subscripts):
                return _load(t, subscripts, scope)
            case Select(condition, then, otherwise):
                return np.where(go(condition), go(then), go(otherwise))
            case Apply(operation, arguments, dtype):
                return operations.evaluate(operation, [go(a) for a in arguments], dtype)
            case _:
                assert_never(s)

    return go(s)


def _load(t: Tensor, subscripts: Sequence[Poly], scope: _Scope) -> Array:
    """A place outside reads the nearest one inside, or 0 where there is none."""
    if isinstance(t, Var):
        assert t in scope.values, f"{t.name} is read where it is not defined"
        return scope.raised(scope.values[t])
    assert isinstance(t, Memory)
    array, places = scope.memory[t], [_number(p, scope) for p in subscripts]
    if array.size == 0:
        return np.zeros((1,) * scope.depth, array.dtype)
    found = array[tuple(np.clip(p, 0, n - 1) for p, n in zip(places, array.shape, strict=True))]
    return np.asarray(found).reshape((1,) * scope.depth if not subscripts else found.shape)


def _number(p: Poly, scope: _Scope) -> Array:
    total = np.zeros((1,) * scope.depth, np.int64)
    for monomial, coefficient in p.terms:
        product = np.full((1,) * scope.depth, coefficient, np.int64)
        for a in monomial:
            product = product * _atom(a, scope)
        total = total + product
    return total


def _atom(a: algebra.Atom, scope: _Scope) -> Array:
    match a:
        case Size(name):
            return np.full((1,) * scope.depth, scope.sizes[name], np.int64)
        case Index():
            return scope.blocks[a].reshape(tuple(-1 if axis is a else 1 for axis in scope.blocks))
        case Quotient(numerator, divisor):
            return np.asarray(np.floor_divide(_number(numerator, scope), _number(divisor, scope)))
        case Remainder(numerator, divisor):
            return np.asarray(np.remainder(_number(numerator, scope), _number(divisor, scope)))
        case Element(t, subscripts):
            return _load(t, subscripts, scope).astype(np.int64)
        case _:
            assert_never(a)
