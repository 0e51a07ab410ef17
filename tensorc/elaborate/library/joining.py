"""Built-ins that join, cut, pad and move tensors along axes."""

from __future__ import annotations

from tensorc import algebra
from tensorc.algebra import Poly, fresh, poly
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context
from tensorc.elaborate.hints import agreement
from tensorc.elaborate.library.registry import axis_list, builtin, dims, integer, one_axis, tensor
from tensorc.elaborate.library.shapes import flatten, view
from tensorc.elaborate.values import Array, List, Tuple, Value, describe, static_integer
from tensorc.ir import build
from tensorc.ir.tensor import Scalar


def _tensors(context: Context, value: Value, name: str) -> list[Array]:
    if not isinstance(value, (List, Tuple)) or not value.items:
        raise context.error(
            "E0601",
            f"`{name}` wants a list of tensors, found {describe(value)}",
            context.argument_spans.get("xs"),
            help=f"`{name}([x, y])`",
        )
    return [arrays.as_array(context, v, context.argument_spans.get("xs")) for v in value.items]


@builtin("concat", "xs axis", axis=0)
def concat(context: Context, xs: Value, axis: Value) -> Array:
    """Tensors joined along an axis that they have; their other axes are equal. The dtype is their common one."""
    values = _tensors(context, xs, "concat")
    rank = values[0].rank
    dtype = arrays.common_dtype(context, values)
    at = one_axis(context, axis, rank)
    values = [arrays.convert(context, v, dtype) for v in values]
    extents = list(values[0].extents)
    total = algebra.ZERO
    for n, v in enumerate(values):
        if v.rank != rank:
            raise context.error(
                "E0303", f"`concat` of ranks {rank} and {v.rank}", context.argument_spans.get("xs"), f"tensor {n} is {describe(v)}"
            )
        for k in range(rank):
            if k != at:
                met = context.meet(extents[k], v.extents[k])
                if met is None:
                    raise context.error(
                        "E0302",
                        f"shapes do not fit together in `concat` along axis {at}",
                        context.argument_spans.get("xs"),
                        " and ".join(dict.fromkeys((describe(values[0]), describe(v)))),
                        notes=(f"the axes {k} differ: {context.sized(extents[k])} and {context.sized(v.extents[k])}",),
                        help=agreement(context, extents[k], v.extents[k], (values[0], k, v.extents[k]), (v, k, extents[k])),
                    )
                extents[k] = met
        total = total + v.extents[at]
    extents[at] = total
    axes = tuple(map(fresh, extents))
    ends: list[Poly] = [algebra.ZERO]
    for v in values:
        ends.append(ends[-1] + v.extents[at])

    def part(n: int) -> Scalar:
        place = tuple(poly(a) - ends[n] if k == at else poly(a) for k, a in enumerate(axes))
        return values[n].at(place)

    def choose(low: int, high: int) -> Scalar:
        if high - low == 1:
            return part(low)
        middle = (low + high) // 2
        return build.select(build.nonnegative(ends[middle] - 1 - poly(axes[at])), choose(low, middle), choose(middle, high))

    return context.shallow(Array(axes, choose(0, len(values))))


@builtin("stack", "xs axis", axis=0)
def stack(context: Context, xs: Value, axis: Value) -> Array:
    """Tensors of one shape joined along a new axis at a position in the result. The dtype is their common one."""
    values = _tensors(context, xs, "stack")
    at = one_axis(context, axis, values[0].rank + 1)
    raised = [Array((*v.axes[:at], fresh(1), *v.axes[at:]), v.body, v.weak) for v in values]
    result: Array = concat(context, List(tuple(raised)), arrays.constant(at))
    return result


MOST_PARTS = 4096
"""Each is a value of its own."""


@builtin("split", "x n axis", axis=0)
def split(context: Context, x: Value, n: Value, axis: Value) -> Tuple:
    """n equal parts along an axis, which n must divide; a list of sizes gives parts of these."""
    value = tensor(context, x, "x")
    at = one_axis(context, axis, value.rank)
    extent = value.extents[at]
    span = context.argument_spans.get("n")
    if isinstance(n, (List, Tuple)):
        parts = list(dims(context, n, "n"))
        total = algebra.ZERO
        for p in parts:
            context.require(p, ">=", f"a part is negative: {p}", span)
            total = total + p
        context.require(extent - total, "==", f"the parts have {total} elements, axis {at} has {extent}", span)
    else:
        count = integer(context, n, "n").constant
        if count is None or count < 1:
            raise context.error("E0611", "`split` wants a number of parts known when compiling, at least 1", span)
        if count > MOST_PARTS:
            raise context.error(
                "E0611", f"`split` into {count} parts", span, f"at most {MOST_PARTS}", help="`reshape` gives the parts an axis"
            )
        context.require(algebra.mod(extent, poly(count)), "==", f"`split`: {count} does not divide {extent}, the extent of axis {at}", span)
        parts = [algebra.floordiv(extent, poly(count))] * count
    results, start = [], algebra.ZERO
    for p in parts:
        axes = tuple(fresh(p) if k == at else a for k, a in enumerate(value.axes))
        body = value.at(tuple(poly(a) + start if k == at else poly(a) for k, a in enumerate(axes)))
        results.append(Array(axes, body, value.weak))
        start = start + p
    return Tuple(tuple(results))


@builtin("pad", "x pairs value", value=None)
def pad(context: Context, x: Value, pairs: Value, value: Value) -> Array:
    """x with `value` (0 by default) around it: a pair (before, after) for each axis, one pair or one number for all; negative ones crop."""
    source = arrays.strong(context, tensor(context, x, "x"))
    widths = _pairs(context, pairs, source.rank)
    outside = tensor(context, value, "value") if value is not None else arrays.constant(0)
    if not outside.weak and outside.dtype is not source.dtype:
        raise context.error("E0401", f"`pad` of {source.dtype} with {outside.dtype}", context.argument_spans.get("value"))
    axes, places, guards = [], [], []
    for axis, (before, after) in zip(source.axes, widths, strict=True):
        extent = axis.extent + before + after
        context.require(extent, ">=", f"`pad` leaves {extent} elements of an axis of {axis.extent}", context.argument_spans.get("pairs"))
        made = fresh(extent)
        axes.append(made)
        places.append(poly(made) - before)
        guards.append(build.inside(poly(made) - before, axis.extent, context.facts))
    body = build.select(build.both(*guards), source.at(tuple(places)), arrays.convert(context, outside, source.dtype).body)
    return context.shallow(Array(tuple(axes), body))


def _pairs(context: Context, value: Value, rank: int) -> list[tuple[Poly, Poly]]:
    span = context.argument_spans.get("pairs")
    one = static_integer(value)
    if one is not None:
        return [(one, one)] * rank
    if isinstance(value, (List, Tuple)):
        numbers = [static_integer(v) for v in value.items]
        if len(numbers) == 2 and all(n is not None for n in numbers):
            return [(numbers[0], numbers[1])] * rank  # type: ignore[list-item]
        found = [tuple(static_integer(w) for w in v.items) for v in value.items if isinstance(v, (List, Tuple))]
        if len(found) == len(value.items) == rank and all(len(p) == 2 and None not in p for p in found):
            return found  # type: ignore[return-value]
    raise context.error(
        "E0611", f"`pad` wants one pair of integers for each of {rank} axes", span, describe(value), help="`pad(x, [[0, 0], [1, 2]])`"
    )


@builtin("flip", "x axis", axis=None)
def flip(context: Context, x: Value, axis: Value) -> Array:
    """The order of elements reversed along axes, all by default."""
    value = tensor(context, x, "x")
    axes = axis_list(context, axis, value.rank)
    places = tuple(a.extent - 1 - poly(a) if n in axes else poly(a) for n, a in enumerate(value.axes))
    return Array(value.axes, value.at(places), value.weak)


@builtin("roll", "x shift axis", axis=None)
def roll(context: Context, x: Value, shift: Value, axis: Value) -> Array:
    """Elements moved round along axes: y[(i + shift) % N] = x[i]; without axes, of the flattened tensor."""
    value = tensor(context, x, "x")
    shifts = dims(context, shift, "shift")
    if axis is None:
        flat = flatten(context, value)
        rolled = _rolled(flat, 0, shifts[0])
        return view(context, context.settle(rolled), value.extents)
    axes = axis_list(context, axis, value.rank)
    if len(axes) != len(shifts):
        raise context.error("E0611", f"`roll` has {len(shifts)} shifts for {len(axes)} axes", context.argument_spans.get("shift"))
    for a, s in zip(axes, shifts, strict=True):
        value = _rolled(value, a, s)
    return value


def _rolled(value: Array, at: int, by: Poly) -> Array:
    """Two pieces that change places: a guard between them is cheaper than a remainder for each element."""
    axis = value.axes[at]
    first = algebra.mod(by, axis.extent)

    def read(place: Poly) -> Scalar:
        return value.at(tuple(place if n == at else poly(a) for n, a in enumerate(value.axes)))

    body = build.select(build.nonnegative(poly(axis) - first), read(poly(axis) - first), read(poly(axis) - first + axis.extent))
    return Array(value.axes, body, value.weak)


@builtin("repeat", "x repeats axis", axis=None)
def repeat(context: Context, x: Value, repeats: Value, axis: Value) -> Array:
    """Each element several times in a row, along an axis or of the flattened tensor; `repeats` is a number."""
    value = tensor(context, x, "x")
    count = integer(context, repeats, "repeats")
    context.require(count, ">=", f"`repeat` {count} times", context.argument_spans.get("repeats"))
    if axis is None:
        value, at = flatten(context, value), 0
    else:
        at = one_axis(context, axis, value.rank)
    axes = tuple(fresh(a.extent * count) if n == at else a for n, a in enumerate(value.axes))
    return Array(axes, value.at(tuple(algebra.floordiv(poly(a), count) if n == at else poly(a) for n, a in enumerate(axes))), value.weak)


@builtin("tile", "x repeats", variadic=True)
def tile(context: Context, x: Value, repeats: Value) -> Array:
    """The whole tensor several times along each axis."""
    value = tensor(context, x, "x")
    counts = list(dims(context, repeats, "repeats"))
    for p in counts:
        context.require(p, ">=", f"`tile` {p} times", context.argument_spans.get("repeats"))
    counts = [algebra.ONE] * (value.rank - len(counts)) + counts
    source = [*(fresh(1) for _ in range(len(counts) - value.rank)), *value.axes]
    axes = tuple(fresh(a.extent * c) for a, c in zip(source, counts, strict=True))
    places = tuple(algebra.mod(poly(a), s.extent) for a, s in list(zip(axes, source, strict=True))[len(counts) - value.rank :])
    return Array(axes, value.at(places), value.weak)
