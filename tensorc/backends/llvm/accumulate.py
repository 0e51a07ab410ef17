"""Reductions: accumulators in registers that are started, folded, merged and carried, and accumulators in memory that are updated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tensorc.algebra import Index, Poly
from tensorc.backends.llvm import access, casts, combine, dots, spellings
from tensorc.backends.llvm.context import Accumulator, Context, Coordinates
from tensorc.backends.llvm.scalar import evaluate, evaluate_all, fused_factors
from tensorc.backends.llvm.types import Value
from tensorc.dtypes import DType
from tensorc.ir import walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Apply, Nonnegative, Scalar
from tensorc.loops.nest import Carry, Done, Fold, Init, Update

APART = 16
"""Registers that are accumulated apart, at most."""


def init(context: Context, s: Init) -> None:
    """Registers that hold the identity: as many as the loop's block has, and lanes apart, where there is one for what is folded.

    Where the result has many elements already, one each does.
    """
    axes = frozenset(s.var.axes)
    across = s.bind.kind == "vector"
    lanes = context.lanes if across or context.vector in axes else 0
    points = list(context.points(axes))
    several = s.bind.count if s.bind.kind in ("vector", "unroll") and len(points) * s.bind.count <= APART else 1
    start = combine.identity(s.monoid, s.var.dtype, lanes)
    registers = {context.key(axes, at): [start] * several for at in points}
    context.accumulators[s.var] = Accumulator(s.monoid, across, registers)


def fold(context: Context, s: Fold) -> None:
    axes = frozenset(s.var.axes)
    accumulator = context.accumulators[s.var]
    over = frozenset(s.over)
    pair = dots.pair(context, s)
    if pair is not None:
        dots.fold(context, s, accumulator, pair)
        return
    apart = next((a for a in context.blocked if a in over), None)
    factors = _factors(context, accumulator.monoid, s.value)
    _prepare(context, factors, context.points(axes | over))
    for at in _in_order(context, axes):
        registers = accumulator.registers[context.key(axes, at)]
        for inner in context.points(over):
            number = 0 if apart is None else inner[apart] % len(registers)
            old = registers[number]
            new = _step(context, accumulator.monoid, old, factors, {**at, **inner}, s.var.dtype)
            if accumulator.across and context.mask is not None:
                new = context.code.select(context.mask, new, old)
            registers[number] = new


def _in_order(context: Context, axes: frozenset[Index]) -> list[Coordinates]:
    """The points of a block, so that its accumulators and what is read for them fit into registers: along the axis of the most of them
    last, where what is read at its points would otherwise be needed until the end.
    """
    points, several = list(context.points(axes)), [a for a in context.blocked if a in axes]
    if not several or len(points) + context.bound[several[-1]].count < context.registers:
        return points
    longest = max(several, key=lambda a: context.bound[a].count)
    return sorted(points, key=lambda at: at[longest])


def _factors(context: Context, monoid: str, value: Scalar) -> tuple[Scalar, ...]:
    """The factors of a product that is added with one rounding, or the value."""
    return (fused_factors(context, value) if monoid == "sum" else None) or (value,)


def _prepare(context: Context, factors: Sequence[Scalar], points: Sequence[Coordinates]) -> None:
    """Evaluates approximations at several points together, before what folds them finds them known."""
    for part in factors:
        if any(isinstance(a, Apply) and spellings.approximates(a.operation) for a in walk.postorder(part)):
            evaluate_all(context, part, points)


def _step(context: Context, monoid: str, old: Value, factors: Sequence[Scalar], at: Coordinates, dtype: DType) -> Value:
    """The accumulator combined with a value: with one rounding where it is a product that is added."""
    code, lanes = context.code, old.type.lanes
    values = [code.splat(evaluate(context, f, at), lanes) if lanes else evaluate(context, f, at) for f in factors]
    return combine.add_product(code, old, *values) if len(values) == 2 else combine.combine(code, monoid, old, values[0], dtype)


def done(context: Context, s: Done) -> None:
    """Merges what was kept apart; a half float is rounded here, once."""
    axes = frozenset(s.var.axes)
    accumulator = context.accumulators.pop(s.var)
    values = [combine.tree(context.code, accumulator.monoid, registers, s.var.dtype) for registers in accumulator.registers.values()]
    if accumulator.across:
        values = combine.across_lanes(context.code, accumulator.monoid, values, s.var.dtype)
    rounded_values = (rounded(context, value, s.var.dtype) for value in values)
    context.values[s.var] = found = dict(zip(accumulator.registers, rounded_values, strict=True))
    assert all(context.key(axes, at) in found for at in context.points(axes))


def rounded(context: Context, value: Value, dtype: DType) -> Value:
    return casts.round_half(context.code, value, dtype) if dtype.is_half else value


def carry(context: Context, s: Carry) -> None:
    """A step of a recurrence; every operation rounds."""
    code, dtype = context.code, s.var.dtype
    axes = frozenset(s.var.axes)
    accumulator = context.accumulators[s.var]
    row = MONOIDS[s.monoid].combine
    found = {}
    for at in context.points(axes):
        key = context.key(axes, at)
        (old,) = accumulator.registers[key]
        lanes = old.type.lanes
        value = evaluate(context, s.value, at)
        if s.decay is not None:
            decay = evaluate(context, s.decay, at)
            old = spellings.apply(code, "mul", [code.splat(decay, lanes) if lanes else decay, old], dtype, dtype)
        new = spellings.apply(code, row, [old, code.splat(value, lanes) if lanes else value], dtype, dtype)
        accumulator.registers[key] = [new]
        found[key] = new
    context.values[s.var] = found


# Accumulators in memory.


def update(context: Context, s: Update) -> None:
    axes = frozenset[Index]().union(*map(context.axes, s.subscripts))
    guards = _guards(s.where) if s.where is not None and frozenset(s.over).isdisjoint(context.axes(s.where)) else None
    for at in context.points(axes):
        condition = evaluate(context, s.where, at) if s.where is not None and guards else None
        if condition is None or condition.type.lanes:
            _update(context, s, axes, at)
        else:
            with context.where(condition, guards or frozenset()):
                _update(context, replace(s, where=None), axes, at)


def _update(context: Context, s: Update, axes: frozenset[Index], at: Coordinates) -> None:
    old = access.load(context, s.memory, s.subscripts, at)
    if context.vector in axes:
        old = context.code.splat(old, context.lanes)
    new, where = _terms(context, s, old, at)
    access.store(context, s.memory, s.subscripts, at, rounded(context, new, s.memory.dtype), where)


def _guards(condition: Scalar) -> frozenset[Poly] | None:
    """What is at least 0 where a condition holds, if that is all it says."""
    match condition:
        case Nonnegative(p):
            return frozenset((p,))
        case Apply("and", (a, b)):
            first, second = _guards(a), _guards(b)
            return None if first is None or second is None else first | second
        case _:
            return None


def _terms(context: Context, s: Update, old: Value, at: Coordinates) -> tuple[Value, Value | None]:
    """(the value with all terms, where it is to be stored)."""
    code, dtype = context.code, s.memory.dtype
    over = frozenset(s.over)
    points = [{**at, **inner} for inner in context.points(over)]
    across = context.vector in over
    depends = s.where is not None and not over.isdisjoint(context.axes(s.where))
    if not across and not depends:
        factors = _factors(context, s.monoid, s.value)
        for point in points:
            old = _step(context, s.monoid, old, factors, point, dtype)
        return old, None if s.where is None else evaluate(context, s.where, at)
    lanes = context.lanes if across else old.type.lanes
    neutral = combine.identity(s.monoid, dtype, lanes)
    terms, taken = [], []
    for point in points:
        where = evaluate(context, s.where, point) if s.where is not None else None
        condition = access.both(context, context.mask if across else None, where)
        value = evaluate(context, s.value, point)
        value = code.splat(value, lanes) if lanes else value
        terms.append(value if condition is None else code.select(condition, value, neutral))
        if depends and condition is not None:
            taken.append(condition)
    total = combine.tree(code, s.monoid, terms, dtype)
    if across:
        (total,) = combine.across_lanes(code, s.monoid, [total], dtype)
        taken = [code.intrinsic("vector.reduce.or", t, result=t.type.with_lanes(0)) if t.type.lanes else t for t in taken]
    return combine.combine(code, s.monoid, old, total, dtype), _any(context, s, taken, at)


def _any(context: Context, s: Update, taken: list[Value], at: Coordinates) -> Value | None:
    """Whether any of several conditions holds; with none, what `where` says of the place."""
    if not taken:
        return None if s.where is None else evaluate(context, s.where, at)
    total = taken[0]
    for t in taken[1:]:
        total = context.code.binary("or", *context.code.unify(total, t))
    return total
