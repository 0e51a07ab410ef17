"""Built-ins that make and move elements: constants, shapes, joins, gathers. Each is an index rule or one of the few nodes that are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tensorc import algebra
from tensorc.algebra import Index, Poly, fresh, poly
from tensorc.dtypes import f32, f64, i64
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.registry import axis_list, builtin, dims, element_type, integer, one_axis, tensor
from tensorc.elaborate.values import Array, List, Tuple, Value, describe, of_tensor, scalar, static_constant, static_integer
from tensorc.ir import build
from tensorc.ir.tensor import Scalar, Scatter, Tensor, View
from tensorc.ir.walk import rewrite


def of_tensor_like(made: Tensor, like: Array) -> Array:
    """A tensor that was made of `like.tensor()`, as an array under the same free indices."""
    return of_tensor(made, like.free)


def to_last(value: Array, at: int) -> tuple[Array, Callable[[Array], Array]]:
    """The array with axis `at` last, and how to move the last axis back."""
    moved = Array((*value.axes[:at], *value.axes[at + 1 :], value.axes[at]), value.body, value.weak)

    def back(result: Array) -> Array:
        axes = list(result.axes)
        axes.insert(at, axes.pop())
        return Array(tuple(axes), result.body, result.weak)

    return moved, back


# Making.


def checked_dims(context: Context, shape: Value, name: str = "shape") -> tuple[Poly, ...]:
    found = dims(context, shape, name)
    for p in found:
        context.require(p, ">=", f"a dim is negative: {p}", context.argument_spans.get(name))
    return found


def filled(extents: Sequence[Poly], body: Scalar) -> Array:
    return Array(tuple(map(fresh, extents)), body)


@builtin("zeros", "shape dtype", dtype=None)
def zeros(context: Context, shape: Value, dtype: Value) -> Array:
    """A tensor of zeros, f32 by default."""
    return filled(checked_dims(context, shape), build.constant(0, element_type(context, dtype, f32)))


@builtin("ones", "shape dtype", dtype=None)
def ones(context: Context, shape: Value, dtype: Value) -> Array:
    """A tensor of ones, f32 by default."""
    return filled(checked_dims(context, shape), build.constant(1, element_type(context, dtype, f32)))


@builtin("full", "shape value dtype", dtype=None)
def full(context: Context, shape: Value, value: Value, dtype: Value) -> Array:
    """A tensor of one value."""
    element = tensor(context, value, "value")
    if element.axes:
        raise context.error("E0303", f"`full` wants one value, found {describe(element)}", context.argument_spans.get("value"))
    want = element_type(context, dtype, arrays.strong(context, element).dtype)
    return filled(checked_dims(context, shape), arrays.cast(context, element, want).body)


@builtin("arange", "start stop step dtype", stop=None, step=1, dtype=None)
def arange(context: Context, start: Value, stop: Value, step: Value, dtype: Value) -> Array:
    """start, start + step, ... below stop; `arange(n)` starts at 0. i64, or f32 where a bound is a float."""
    if stop is None:
        start, stop = arrays.constant(0), start
    if isinstance(step, int):
        step = arrays.constant(step)
    first, last, by = (static_integer(v) for v in (start, stop, step))
    if first is not None and last is not None and by is not None and by.constant:
        count = algebra.floordiv(last - first + (by.constant - (1 if by.constant > 0 else -1)), poly(by.constant))
        context.require(count, ">=", f"`arange` of {count} elements")
        index = fresh(count)
        return arrays.cast(context, Array((index,), build.integer(first + by * poly(index))), element_type(context, dtype, i64))
    values = [static_constant(v) for v in (start, stop, step)]
    if any(v is None for v in values) or not values[2]:
        raise context.error("E0604", "`arange` wants bounds and a step other than 0 that are known when compiling")
    import math

    a, b, s = (float(v) for v in values)  # type: ignore[arg-type]
    index = fresh(max(math.ceil((b - a) / s), 0))
    offset = build.apply("mul", build.cast(build.integer(index), f64), build.constant(s, f64))
    return Array((index,), build.cast(build.apply("add", build.constant(a, f64), offset), element_type(context, dtype, f32)))


@builtin("linspace", "start stop steps dtype", dtype=None)
def linspace(context: Context, start: Value, stop: Value, steps: Value, dtype: Value) -> Array:
    """`steps` evenly spaced numbers from start to stop, both included."""
    count = integer(context, steps, "steps")
    context.require(count, ">=", f"`linspace` of {count} elements", context.argument_spans.get("steps"))
    want = element_type(context, dtype, f32)
    wide = f64 if want is f64 else f32
    a, b = (arrays.cast(context, tensor(context, v, n), wide) for v, n in ((start, "start"), (stop, "stop")))
    if a.axes or b.axes:
        raise context.error("E0303", "`linspace` wants numbers as ends")
    index = fresh(count)
    # As torch does it: from the start in the first half, from the end in the second, so that both ends are exact.
    gap = build.apply("div", build.apply("sub", b.body, a.body), build.cast(build.integer(count - 1), wide))
    low = build.apply("add", a.body, build.apply("mul", gap, build.cast(build.integer(index), wide)))
    high = build.apply("sub", b.body, build.apply("mul", gap, build.cast(build.integer(count - 1 - poly(index)), wide)))
    half = build.select(build.nonnegative(algebra.floordiv(count, poly(2)) - 1 - poly(index)), low, high)
    only = build.select(build.is_zero(count - 1), a.body, half)
    return Array((index,), build.cast(only, want))


# Shapes.


@builtin("reshape", "x shape", variadic=True)
def reshape(context: Context, x: Value, shape: Value) -> Array:
    """The same elements in row-major order under another shape; one dim may be -1."""
    value = tensor(context, x, "x")
    wanted = list(dims(context, shape))
    total = _product(value.extents)
    unknown = [n for n, p in enumerate(wanted) if p.constant == -1]
    span = context.argument_spans.get("shape")
    if len(unknown) > 1:
        raise context.error("E0305", "`reshape` can work out one dim, found two -1", span)
    if unknown:
        others = _product(p for n, p in enumerate(wanted) if n != unknown[0])
        wanted[unknown[0]] = _quotient(context, total, others, span)
    for p in wanted:
        context.require(p, ">=", f"a dim is negative: {p}", span)
    context.require(_product(wanted) - total, "==", f"`reshape` keeps the number of elements: {total} before, {_product(wanted)} after", span)
    return view(context, value, tuple(wanted))


def _quotient(context: Context, total: Poly, others: Poly, span: object) -> Poly:
    """total / others, exactly where it is a product of the same sizes."""
    q, r = algebra.divide_terms(total, others)
    return q if r is algebra.ZERO else algebra.floordiv(total, others)


def _product(extents: Sequence[Poly] | object) -> Poly:
    total = algebra.ONE
    for e in extents:  # type: ignore[attr-defined]
        total = total * e
    return total


def view(context: Context, value: Array, extents: tuple[Poly, ...]) -> Array:
    """The array's elements under other extents. Axes of extent 1 come and go as index rules, so that nothing stands between definitions."""
    if value.extents == extents:
        return value
    kept = [a for a in value.axes if a.extent is not algebra.ONE]
    if not context.exact and [a.extent for a in kept] == [e for e in extents if e is not algebra.ONE]:
        rest = iter(kept)
        body = rewrite(value.body, {a: algebra.ZERO for a in value.axes if a.extent is algebra.ONE}, lambda m: build.load(m.tensor, m.subscripts))
        return Array(tuple(fresh(1) if e is algebra.ONE else next(rest) for e in extents), body, value.weak)
    if value.weak:
        value = arrays.strong(context, value)
    own = context.settle(value)
    return of_tensor_like(View(own.tensor(), (*(a.extent for a in own.free), *extents)), own)


def flatten(context: Context, value: Array, start: int = 0, end: int | None = None) -> Array:
    """Axes start..end made one."""
    end = value.rank - 1 if end is None else end
    if value.rank == 0:
        return view(context, value, (algebra.ONE,))
    if start == end:
        return value
    middle = _product(value.extents[start : end + 1])
    return view(context, value, (*value.extents[:start], middle, *value.extents[end + 1 :]))


@builtin("flatten", "x start_dim end_dim", start_dim=0, end_dim=-1)
def flatten_(context: Context, x: Value, start_dim: Value, end_dim: Value) -> Array:
    """Axes start_dim..end_dim made one."""
    value = tensor(context, x, "x")
    if value.rank == 0:
        return flatten(context, value)
    ends = [one_axis(context, arrays.constant(v) if isinstance(v, int) else v, value.rank, n) for v, n in ((start_dim, "start_dim"), (end_dim, "end_dim"))]
    if ends[0] > ends[1]:
        raise context.error("E0304", f"`flatten` from axis {ends[0]} to {ends[1]}", help="start_dim comes before end_dim")
    return flatten(context, value, *ends)


@builtin("squeeze", "x axis", axis=None)
def squeeze(context: Context, x: Value, axis: Value) -> Array:
    """Axes of extent 1 removed: those given, or all whose extent is 1 when compiling."""
    value = tensor(context, x, "x")
    axes = axis_list(context, axis, value.rank) if axis is not None else [n for n, e in enumerate(value.extents) if e is algebra.ONE]
    for n in axes:
        if value.extents[n] is not algebra.ONE:
            e = value.extents[n]
            context.require(e - 1, "==", f"`squeeze` of axis {n}, whose extent is {e}", context.argument_spans.get("axis"))
    body = rewrite(value.body, {value.axes[n]: algebra.ZERO for n in axes}, lambda m: build.load(m.tensor, m.subscripts))
    return Array(tuple(a for n, a in enumerate(value.axes) if n not in axes), body, value.weak)


@builtin("unsqueeze", "x axis")
def unsqueeze(context: Context, x: Value, axis: Value) -> Array:
    """A new axis of extent 1 at each position given."""
    value = tensor(context, x, "x")
    items = axis.items if isinstance(axis, (List, Tuple)) else (axis,)
    rank = value.rank + len(items)
    places = sorted(one_axis(context, v, rank) for v in items)
    axes = list(value.axes)
    for n in places:
        axes.insert(n, fresh(1))
    return Array(tuple(axes), value.body, value.weak)


@builtin("permute", "x axes", variadic=True)
def permute(context: Context, x: Value, axes: Value) -> Array:
    """The axes in another order."""
    value = tensor(context, x, "x")
    order = axis_list(context, axes if isinstance(axes, (List, Tuple)) else Tuple((axes,)), value.rank, "axes")
    if len(order) != value.rank:
        raise context.error("E0304", f"`permute` wants each of {value.rank} axes once, found {len(order)}", context.argument_spans.get("axes"))
    return Array(tuple(value.axes[n] for n in order), value.body, value.weak)


def _swap(name: str) -> None:
    @builtin(name, "x axis0 axis1")
    def swap(context: Context, x: Value, axis0: Value, axis1: Value) -> Array:
        value = tensor(context, x, "x")
        a, b = one_axis(context, axis0, value.rank, "axis0"), one_axis(context, axis1, value.rank, "axis1")
        axes = list(value.axes)
        axes[a], axes[b] = axes[b], axes[a]
        return Array(tuple(axes), value.body, value.weak)


_swap("transpose")
_swap("swapaxes")


@builtin("broadcast_to", "x shape", variadic=True)
def broadcast_to(context: Context, x: Value, shape: Value) -> Array:
    """x under a shape that it broadcasts to."""
    value = tensor(context, x, "x")
    return _broadcast(context, value, dims(context, shape))


def _broadcast(context: Context, value: Array, wanted: tuple[Poly, ...]) -> Array:
    if len(wanted) < value.rank:
        raise context.error("E0301", f"{describe(value)} does not broadcast to rank {len(wanted)}", context.argument_spans.get("x"))
    for p in wanted:
        context.require(p, ">=", f"a dim is negative: {p}", context.argument_spans.get("shape"))
    for own, p in zip(value.extents, wanted[len(wanted) - value.rank :], strict=True):
        if own is not algebra.ONE and context.meet(p, own) is None:
            raise context.error(
                "E0301", f"an axis of extent {own} does not broadcast to {p}", context.argument_spans.get("x"), describe(value), notes=context.origin(own, p)
            )
    return arrays.broadcast_to(context, value, wanted)


@builtin("expand", "x shape", variadic=True)
def expand(context: Context, x: Value, shape: Value) -> Array:
    """broadcast_to, where -1 keeps an axis."""
    value = tensor(context, x, "x")
    wanted = list(dims(context, shape))
    skip = len(wanted) - value.rank
    for n, p in enumerate(wanted):
        if p.constant == -1:
            if n < skip:
                raise context.error("E0301", "`expand`: -1 keeps an axis that there is", context.argument_spans.get("shape"))
            wanted[n] = value.extents[n - skip]
    return _broadcast(context, value, tuple(wanted))


# Joining and rearranging.


def _tensors(context: Context, value: Value, name: str) -> list[Array]:
    if not isinstance(value, (List, Tuple)) or not value.items:
        raise context.error("E0601", f"`{name}` wants a list of tensors, found {describe(value)}", context.argument_spans.get("xs"), help=f"`{name}([x, y])`")
    return [arrays.as_array(context, v, context.argument_spans.get("xs")) for v in value.items]


@builtin("concat", "xs axis", axis=0)
def concat(context: Context, xs: Value, axis: Value) -> Array:
    """Tensors joined along an axis that they have."""
    values = _tensors(context, xs, "concat")
    rank = values[0].rank
    dtype = arrays.common_dtype(context, values)
    at = one_axis(context, arrays.constant(axis) if isinstance(axis, int) else axis, rank)
    values = [arrays.convert(context, v, dtype) for v in values]
    extents = list(values[0].extents)
    total = algebra.ZERO
    for n, v in enumerate(values):
        if v.rank != rank:
            raise context.error("E0303", f"`concat` of ranks {rank} and {v.rank}", context.argument_spans.get("xs"), f"tensor {n} is {describe(v)}")
        for k in range(rank):
            if k != at:
                met = context.meet(extents[k], v.extents[k])
                if met is None:
                    raise context.error(
                        "E0302",
                        f"`concat` along axis {at}: axis {k} is {extents[k]} and {v.extents[k]}",
                        context.argument_spans.get("xs"),
                        f"tensor {n} is {describe(v)}",
                        notes=context.origin(extents[k], v.extents[k]),
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
    """Tensors of one shape joined along a new axis."""
    values = _tensors(context, xs, "stack")
    at = one_axis(context, arrays.constant(axis) if isinstance(axis, int) else axis, values[0].rank + 1)
    raised = [Array((*v.axes[:at], fresh(1), *v.axes[at:]), v.body, v.weak) for v in values]
    result: Array = concat(context, List(tuple(raised)), arrays.constant(at))
    return result


@builtin("split", "x n axis", axis=0)
def split(context: Context, x: Value, n: Value, axis: Value) -> Tuple:
    """n equal parts along an axis, which n must divide; a list of sizes gives parts of these."""
    value = tensor(context, x, "x")
    at = one_axis(context, arrays.constant(axis) if isinstance(axis, int) else axis, value.rank)
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
            raise context.error("E0604", "`split` wants a number of parts known when compiling, at least 1", span)
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
    raise context.error("E0604", f"`pad` wants one pair of integers for each of {rank} axes", span, describe(value), help="`pad(x, [[0, 0], [1, 2]])`")


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
        raise context.error("E0604", f"`roll` has {len(shifts)} shifts for {len(axes)} axes", context.argument_spans.get("shift"))
    for a, s in zip(axes, shifts, strict=True):
        value = _rolled(value, a, s)
    return value


def _rolled(value: Array, at: int, by: Poly) -> Array:
    places = [algebra.mod(poly(a) - by, a.extent) if n == at else poly(a) for n, a in enumerate(value.axes)]
    return Array(value.axes, value.at(tuple(places)), value.weak)


@builtin("repeat", "x repeats axis", axis=None)
def repeat(context: Context, x: Value, repeats: Value, axis: Value) -> Array:
    """Each element several times in a row, along an axis or of the flattened tensor."""
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


# Gathers and scatters.


def checked_place(context: Context, body: Array, extent: Poly, axis: int, wrap: bool, subject: str, name: str) -> Poly:
    """A data-dependent place along an axis, checked while running; negative ones count from the end where `wrap`."""
    value = arrays.convert(context, body, i64)
    element = value.body
    if wrap:
        element = build.select(build.apply("lt", element, build.constant(0, i64)), build.apply("add", element, build.integer(extent)), element)
    place = notation.subscript_poly(context, Array((), element), context.argument_spans.get(name))
    context.check_place(place, extent, subject, axis, context.argument_spans.get(name))
    return place


def integers(context: Context, value: Value, name: str) -> Array:
    found = tensor(context, value, name)
    if not found.dtype.is_integer:
        raise context.error("E0404", f"`{name}` wants integers, found {found.dtype}", context.argument_spans.get(name), describe(found))
    return found


def _subject(context: Context, name: str) -> str:
    span = context.argument_spans.get(name)
    return span.text if span is not None and len(span.text) < 40 else name


@builtin("take", "x indices axis", axis=None)
def take(context: Context, x: Value, indices: Value, axis: Value) -> Array:
    """The elements at integer places along an axis (of the flattened tensor without one); negative ones count from the end."""
    value, places = tensor(context, x, "x"), integers(context, indices, "indices").renewed()
    if axis is None:
        value, at = flatten(context, value), 0
    else:
        at = one_axis(context, axis, value.rank)
    p = checked_place(context, scalar(places.body), value.extents[at], at, True, _subject(context, "x"), "indices")
    axes = (*value.axes[:at], *places.axes, *value.axes[at + 1 :])
    return Array(axes, value.at(tuple(p if n == at else poly(a) for n, a in enumerate(value.axes))), value.weak)


@builtin("gather", "x axis index")
def gather(context: Context, x: Value, axis: Value, index: Value) -> Array:
    """y[i, j] = x[index[i, j], j] for axis 0, and so on; places do not wrap."""
    value, places = tensor(context, x, "x"), integers(context, index, "index")
    at = one_axis(context, axis, value.rank)
    _same_rank(context, "gather", value, places)
    for n, (own, extent) in enumerate(zip(places.extents, value.extents, strict=True)):
        if n != at:
            context.require(extent - own, ">=", f"`gather`: axis {n} of index has {own} elements, of x {extent}", context.argument_spans.get("index"))
    p = checked_place(context, scalar(places.body), value.extents[at], at, False, _subject(context, "x"), "index")
    return Array(places.axes, value.at(tuple(p if n == at else poly(a) for n, a in enumerate(places.axes))), value.weak)


def _same_rank(context: Context, name: str, value: Array, places: Array) -> None:
    if places.rank != value.rank:
        raise context.error("E0303", f"`{name}` wants an index of rank {value.rank}, found {places.rank}", context.argument_spans.get("index"), describe(places))


@builtin("scatter_add", "x axis index source")
def scatter_add(context: Context, x: Value, axis: Value, index: Value, source: Value) -> Array:
    """x with y[index[i, j], j] += source[i, j] for axis 0, and so on, in row-major order of the source."""
    value, places = arrays.strong(context, tensor(context, x, "x")), integers(context, index, "index")
    added = arrays.convert(context, tensor(context, source, "source"), value.dtype)
    at = one_axis(context, axis, value.rank)
    _same_rank(context, "scatter_add", value, places)
    if value.free or places.free or added.free:
        raise context.error("E0504", "`scatter_add` stands outside index definitions", context.current)
    for n, (own, extent) in enumerate(zip(places.extents, value.extents, strict=True)):
        if n != at:
            context.require(extent - own, ">=", f"`scatter_add`: axis {n} of index has {own} elements, of x {extent}", context.argument_spans.get("index"))
        context.require(added.extents[n] - own, ">=", f"`scatter_add`: axis {n} of index has {own} elements, of source {added.extents[n]}", context.argument_spans.get("index"))
    levels = tuple(Index(n, e) for n, e in enumerate(places.extents))
    p = checked_place(context, scalar(places.at(tuple(map(poly, levels)))), value.extents[at], at, False, _subject(context, "x"), "index")
    subscripts = tuple(p if n == at else poly(a) for n, a in enumerate(levels))
    body = added.at(tuple(map(poly, levels)))
    made = Scatter(value.extents, places.extents, subscripts, body, context.settle(value).tensor())
    context.remember(made, None, context.current)
    return of_tensor(made)


@builtin("diagonal", "x offset axis0 axis1", offset=0, axis0=0, axis1=1)
def diagonal(context: Context, x: Value, offset: Value, axis0: Value, axis1: Value) -> Array:
    """x[i, i + offset] as a last axis."""
    value = tensor(context, x, "x")
    first, second = (one_axis(context, arrays.constant(v) if isinstance(v, int) else v, value.rank, n) for v, n in ((axis0, "axis0"), (axis1, "axis1")))
    if first == second:
        raise context.error("E0304", "`diagonal` wants two different axes")
    k = integer(context, offset, "offset").constant
    if k is None:
        raise context.error("E0604", "`offset` is a number known when compiling", context.argument_spans.get("offset"))
    rows, columns = value.extents[first] - max(-k, 0), value.extents[second] - max(k, 0)
    if algebra.nonnegative(rows - columns, context.facts):
        count = columns
    elif algebra.nonnegative(columns - rows, context.facts) or context.meet(rows, columns) is not None:
        count = rows
    else:
        raise context.error(
            "E0302", f"`diagonal` of axes {value.extents[first]} and {value.extents[second]}: which is shorter is not known", context.current,
            help=f"say so: `require {rows} <= {columns}`",
        )  # fmt: skip
    context.require(count, ">=", f"`diagonal` of {count} elements")
    index = fresh(count)
    places = tuple(poly(index) + max(-k, 0) if n == first else poly(index) + max(k, 0) if n == second else poly(a) for n, a in enumerate(value.axes))
    rest = tuple(a for n, a in enumerate(value.axes) if n not in (first, second))
    return Array((*rest, index), value.at(places), value.weak)


@builtin("unfold", "x axis size step")
def unfold(context: Context, x: Value, axis: Value, size: Value, step: Value) -> Array:
    """Windows of an axis: a new last axis of `size` elements, every `step`."""
    value = tensor(context, x, "x")
    at = one_axis(context, axis, value.rank)
    width, by = integer(context, size, "size"), integer(context, step, "step")
    context.require(by - 1, ">=", f"`unfold` with step {by}", context.argument_spans.get("step"))
    context.require(width, ">=", f"`unfold` with size {width}", context.argument_spans.get("size"))
    context.require(value.extents[at] - width, ">=", f"`unfold`: windows of {width} in an axis of {value.extents[at]}", context.argument_spans.get("size"))
    count = algebra.floordiv(value.extents[at] - width, by) + 1
    window, inner = fresh(count), fresh(width)
    places = tuple(by * poly(window) + poly(inner) if n == at else poly(a) for n, a in enumerate(value.axes))
    axes = tuple(window if n == at else a for n, a in enumerate(value.axes))
    return Array((*axes, inner), value.at(places), value.weak)


@builtin("one_hot", "x num_classes")
def one_hot(context: Context, x: Value, num_classes: Value) -> Array:
    """1 at each element's class along a new last axis (i64); a class outside is an error."""
    value = integers(context, x, "x")
    count = integer(context, num_classes, "num_classes")
    context.require(count, ">=", f"`one_hot` of {count} classes", context.argument_spans.get("num_classes"))
    p = checked_place(context, scalar(value.body), count, 0, False, "the classes", "x")
    k = fresh(count)
    return Array((*value.axes, k), build.cast(build.is_zero(p - poly(k)), i64))




@builtin("embedding", "ids table")
def embedding(context: Context, ids: Value, table: Value) -> Array:
    """The rows of a table at integer places, which do not wrap: y[i, d] = table[ids[i], d]."""
    places, rows = integers(context, ids, "ids").renewed(), tensor(context, table, "table")
    if rows.rank != 2:
        raise context.error("E0303", f"`embedding` wants a table of rank 2, found {rows.rank}", context.argument_spans.get("table"), describe(rows))
    p = checked_place(context, scalar(places.body), rows.extents[0], 0, False, _subject(context, "table"), "ids")
    return Array((*places.axes, rows.axes[1]), rows.at((p, poly(rows.axes[1]))), rows.weak)
