"""Built-ins that read or write at places that data or strides give: gathers, scatters, diagonals, windows."""

from __future__ import annotations

from tensorc import algebra
from tensorc.algebra import Index, Poly, fresh, poly
from tensorc.dtypes import bool_, i64
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.registry import axis_list, builtin, integer, one_axis, tensor
from tensorc.elaborate.library.shapes import flatten, of_tensor_like
from tensorc.elaborate.values import Array, Value, describe, of_tensor, scalar
from tensorc.ir import build
from tensorc.ir.tensor import Scatter, Stop


def checked_place(context: Context, body: Array, extent: Poly, axis: int, wrap: bool, subject: str, name: str) -> Poly:
    """A data-dependent place along an axis, checked while running; negative ones count from the end where `wrap`."""
    value = arrays.convert(context, body, i64)
    element = notation.wrapped(value.body, extent) if wrap else value.body
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
    """The elements at integer places along an axis (of the flattened tensor without one); negative ones count from the end.

    The axes of indices stand in place of that axis. A place outside is an IndexError.
    """
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
    """y[i, j] = x[index[i, j], j] for axis 0, and so on, of index's shape. A place outside, or below 0, is an IndexError."""
    value, places = tensor(context, x, "x"), integers(context, index, "index")
    if value.rank == 0 and places.rank == 0:
        axis_list(context, axis, 0)
        checked_place(context, scalar(places.body), algebra.ONE, 0, False, _subject(context, "x"), "index")
        return value
    at = one_axis(context, axis, value.rank)
    _same_rank(context, "gather", value, places)
    for n, (own, extent) in enumerate(zip(places.extents, value.extents, strict=True)):
        if n != at:
            context.require(
                extent - own, ">=", f"`gather`: axis {n} of index has {own} elements, of x {extent}", context.argument_spans.get("index")
            )
    p = checked_place(context, scalar(places.body), value.extents[at], at, False, _subject(context, "x"), "index")
    return Array(places.axes, value.at(tuple(p if n == at else poly(a) for n, a in enumerate(places.axes))), value.weak)


def _same_rank(context: Context, name: str, value: Array, places: Array) -> None:
    if places.rank != value.rank:
        raise context.error(
            "E0303",
            f"`{name}` wants an index of rank {value.rank}, found {places.rank}",
            context.argument_spans.get("index"),
            describe(places),
        )


@builtin("scatter_add", "x axis index source")
def scatter_add(context: Context, x: Value, axis: Value, index: Value, source: Value) -> Array:
    """x with y[index[i, j], j] += source[i, j] for axis 0, and so on, in row-major order; half floats accumulate in f32.

    A place outside, or below 0, is an IndexError.
    """
    value, places = arrays.strong(context, tensor(context, x, "x")), integers(context, index, "index")
    added = arrays.convert(context, tensor(context, source, "source"), value.dtype)
    if value.rank == places.rank == added.rank == 0:
        axis_list(context, axis, 0)
        checked_place(context, scalar(places.body), algebra.ONE, 0, False, _subject(context, "x"), "index")
        return arrays.elementwise(context, "or" if value.dtype is bool_ else "add", (value, added))
    at = one_axis(context, axis, value.rank)
    _same_rank(context, "scatter_add", value, places)
    if value.free or places.free or added.free:
        raise context.error("E0504", "`scatter_add` stands outside index definitions", context.current)
    for n, (own, extent) in enumerate(zip(places.extents, value.extents, strict=True)):
        if n != at:
            context.require(
                extent - own,
                ">=",
                f"`scatter_add`: axis {n} of index has {own} elements, of x {extent}",
                context.argument_spans.get("index"),
            )
        context.require(
            added.extents[n] - own,
            ">=",
            f"`scatter_add`: axis {n} of index has {own} elements, of source {added.extents[n]}",
            context.argument_spans.get("index"),
        )
    levels = tuple(Index(n, e) for n, e in enumerate(places.extents))
    p = checked_place(context, scalar(places.at(tuple(map(poly, levels)))), value.extents[at], at, False, _subject(context, "x"), "index")
    subscripts = tuple(p if n == at else poly(a) for n, a in enumerate(levels))
    body = added.at(tuple(map(poly, levels)))
    made = Scatter(value.extents, places.extents, subscripts, body, context.settle(value).tensor())
    context.remember(made, None, context.current)
    return of_tensor(made)


@builtin("diagonal", "x offset axis1 axis2", offset=0, axis1=0, axis2=1)
def diagonal(context: Context, x: Value, offset: Value, axis1: Value, axis2: Value) -> Array:
    """x[i, i + offset] along two axes as a new last axis; which of them is shorter must be known when compiling."""
    value = tensor(context, x, "x")
    first, second = (one_axis(context, v, value.rank, n) for v, n in ((axis1, "axis1"), (axis2, "axis2")))
    if first == second:
        raise context.error("E0304", "`diagonal` wants two different axes")
    k = integer(context, offset, "offset").constant
    if k is None:
        raise context.error("E0604", "`offset` is a number known when compiling", context.argument_spans.get("offset"))
    rows, columns = value.extents[first] - max(-k, 0), value.extents[second] - max(k, 0)
    if algebra.nonnegative(rows - columns, context.facts):
        count = columns
    elif algebra.nonnegative(columns - rows, context.facts):
        count = rows
    elif context.meet(value.extents[first], value.extents[second]) is not None:
        count = value.extents[first] - abs(k)
    elif context.meet(rows, columns) is not None:
        count = rows
    else:
        raise context.error(
            "E0302",
            f"`diagonal` of axes {value.extents[first]} and {value.extents[second]}: which is shorter is not known",
            context.current,
            help=f"say so: `require {rows} <= {columns}`",
        )
    context.require(count, ">=", f"`diagonal` of {count} elements")
    index = fresh(count)
    places = tuple(
        poly(index) + max(-k, 0) if n == first else poly(index) + max(k, 0) if n == second else poly(a) for n, a in enumerate(value.axes)
    )
    rest = tuple(a for n, a in enumerate(value.axes) if n not in (first, second))
    return Array((*rest, index), value.at(places), value.weak)


@builtin("unfold", "x axis size step")
def unfold(context: Context, x: Value, axis: Value, size: Value, step: Value) -> Array:
    """Windows of an axis: `size` elements, as a new last axis, every `step` elements; what fills no window is left out."""
    value = tensor(context, x, "x")
    at = one_axis(context, axis, value.rank)
    width, by = integer(context, size, "size"), integer(context, step, "step")
    context.require(by - 1, ">=", f"`unfold` with step {by}", context.argument_spans.get("step"))
    context.require(width, ">=", f"`unfold` with size {width}", context.argument_spans.get("size"))
    context.require(
        value.extents[at] - width,
        ">=",
        f"`unfold`: windows of {width} in an axis of {value.extents[at]}",
        context.argument_spans.get("size"),
    )
    count = algebra.floordiv(value.extents[at] - width, by) + 1
    window, inner = fresh(count), fresh(width)
    places = tuple(by * poly(window) + poly(inner) if n == at else poly(a) for n, a in enumerate(value.axes))
    axes = tuple(window if n == at else a for n, a in enumerate(value.axes))
    return Array((*axes, inner), value.at(places), value.weak)


@builtin("one_hot", "x num_classes")
def one_hot(context: Context, x: Value, num_classes: Value) -> Array:
    """1 at each element's class along a new last axis, else 0; i64. A class outside 0..num_classes-1 is an IndexError."""
    value = integers(context, x, "x")
    count = integer(context, num_classes, "num_classes")
    context.require(count, ">=", f"`one_hot` of {count} classes", context.argument_spans.get("num_classes"))
    p = checked_place(context, scalar(value.body), count, 0, False, "classes", "x")
    k = fresh(count)
    return Array((*value.axes, k), build.cast(build.is_zero(p - poly(k)), i64))


@builtin("embedding", "ids table padding_idx", padding_idx=None)
def embedding(context: Context, ids: Value, table: Value, padding_idx: Value) -> Array:
    """The rows of a table at integer places: y[i, d] = table[ids[i], d]. A place outside, or below 0, is an IndexError.

    The row padding_idx, from the end where it is negative, gets no gradient.
    """
    places, rows = integers(context, ids, "ids").renewed(), tensor(context, table, "table")
    if rows.rank != 2:
        raise context.error(
            "E0303", f"`embedding` wants a table of rank 2, found {rows.rank}", context.argument_spans.get("table"), describe(rows)
        )
    p = checked_place(context, scalar(places.body), rows.extents[0], 0, False, _subject(context, "table"), "ids")
    found = rows.at((p, poly(rows.axes[1])))
    if padding_idx is not None:
        fixed = integer(context, padding_idx, "padding_idx")
        fixed = fixed + rows.extents[0] if fixed.constant is not None and fixed.constant < 0 else fixed
        message = f"`embedding`: row {fixed} of a table of {rows.extents[0]} rows"
        context.require(fixed, ">=", message, context.argument_spans.get("padding_idx"))
        context.require(rows.extents[0] - 1 - fixed, ">=", message, context.argument_spans.get("padding_idx"))
        constant = of_tensor_like(Stop(context.settle(rows).tensor()), rows)
        found = build.select(build.is_zero(p - fixed), constant.at((p, poly(rows.axes[1]))), found)
    return Array((*places.axes, rows.axes[1]), found, rows.weak)
