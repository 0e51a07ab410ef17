"""Parts of which the library's own .tx files are made; users do not see them."""

from __future__ import annotations

from tensorc import algebra
from tensorc.algebra import fresh, poly
from tensorc.dtypes import bf16, f16, f32, f64, result_type
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.gathering import checked_place, integers
from tensorc.elaborate.library.making import checked_dims
from tensorc.elaborate.library.registry import axis_list, choice, integer, internal, one_axis, tensor
from tensorc.elaborate.values import Array, List, Tuple, Value, describe, scalar
from tensorc.ir import build

# Dtypes.


@internal("wide", "x")
def wide(context: Context, x: Value) -> Array:
    """x in the dtype that the library computes it in: f32 for half floats, its own otherwise."""
    value = tensor(context, x, "x")
    return arrays.cast(context, value, f32) if value.dtype.is_half else value


@internal("real", "x")
def real(context: Context, x: Value) -> Array:
    """x as floats to compute with: f32 for half floats, integers and bool."""
    value = tensor(context, x, "x")
    if value.weak:
        return arrays.convert_weak(value, f64)
    return value if value.dtype in (f32, f64) else arrays.cast(context, value, f32)


@internal("reals", "xs", variadic=True)
def reals(context: Context, xs: Value) -> Tuple:
    """Several tensors in the dtype that they are computed in together: f64 where that is their common one, else f32."""
    return _reals(context, xs)


@internal("floats", "xs", variadic=True)
def floats(context: Context, xs: Value) -> Tuple:
    """`reals` of tensors of which one has floats."""
    found = xs.items if isinstance(xs, Tuple) else (xs,)
    if not any(tensor(context, x, "xs").dtype.is_float for x in found):
        kinds = " and ".join(describe(x) for x in found)
        raise context.error("E0404", f"this function wants floats, found {kinds}", help="convert an argument: `cast(x, f32)`")
    return _reals(context, xs)


def _reals(context: Context, xs: Value) -> Tuple:
    values = [tensor(context, x, "xs") for x in (xs.items if isinstance(xs, Tuple) else (xs,))]
    if all(v.weak for v in values):
        return Tuple(tuple(arrays.convert_weak(v, f64) for v in values))
    want = f64 if arrays.common_dtype(context, values) is f64 else f32
    return Tuple(tuple(arrays.convert(context, v, want) for v in values))


@internal("narrow", "y xs", variadic=True)
def narrow(context: Context, y: Value, xs: Value) -> Array:
    """y rounded to the dtype that the xs have in common, where that is a half float: undoes `wide` and `real` on a result."""
    value = tensor(context, y, "y")
    operands = [tensor(context, x, "xs").operand for x in (xs.items if isinstance(xs, Tuple) else (xs,))]
    common = result_type(operands)
    return arrays.cast(context, value, common) if common is not None and common.is_half and not value.weak else value


@internal("is_float", "x")
def is_float(context: Context, x: Value) -> Array:
    """Whether the elements of x are floats."""
    return arrays.constant(tensor(context, x, "x").dtype.is_float)


@internal("is_bool", "x")
def is_bool(context: Context, x: Value) -> Array:
    """Whether the elements of x are bool."""
    return arrays.constant(tensor(context, x, "x").dtype.category == 0)


_LARGEST = {f16: 65504.0, bf16: (2 - 2.0**-7) * 2.0**127, f32: (2 - 2.0**-23) * 2.0**127, f64: (2 - 2.0**-52) * 2.0**1023}


@internal("largest", "x")
def largest(context: Context, x: Value) -> Array:
    """The largest finite number of x's dtype."""
    dtype = tensor(context, x, "x").dtype
    return arrays.constant(_LARGEST[dtype] if dtype.is_float else dtype.range[1])


@internal("epsilon", "x")
def epsilon(context: Context, x: Value) -> Array:
    """The distance from 1 to the next number of x's dtype, f32 or f64."""
    return arrays.constant(2.0**-52 if tensor(context, x, "x").dtype is f64 else 2.0**-23)


@internal("fail", "message")
def fail(context: Context, message: Value) -> Value:
    """An error: a static argument is not what it may be."""
    raise context.error("E0611", str(message))


# Axes.


@internal("axis_size", "x axis")
def axis_size(context: Context, x: Value, axis: Value) -> Array:
    """The number of elements along axes."""
    value = tensor(context, x, "x")
    total = algebra.ONE
    for n in axis_list(context, axis, value.rank):
        total = total * value.extents[n]
    return arrays.dimension(total)


@internal("axes_from", "x start")
def axes_from(context: Context, x: Value, start: Value) -> List:
    """The axes of x from one on."""
    first = integer(context, start, "start").constant
    assert first is not None
    return List(tuple(arrays.constant(n) for n in range(first, tensor(context, x, "x").rank)))


@internal("axes_but", "x axis")
def axes_but(context: Context, x: Value, axis: Value) -> List:
    """The axes of x but one."""
    rank = tensor(context, x, "x").rank
    at = one_axis(context, axis, rank)
    return List(tuple(arrays.constant(n) for n in range(rank) if n != at))


@internal("move_axis", "x source target")
def move_axis(context: Context, x: Value, source: Value, target: Value) -> Array:
    """x with an axis at another place, the others in their order."""
    value = tensor(context, x, "x")
    axes = list(value.axes)
    if axes:
        moved = axes.pop(one_axis(context, source, value.rank))
        axes.insert(one_axis(context, target, value.rank), moved)
    return Array(tuple(axes), value.body, value.weak)


@internal("along", "w x axis")
def along(context: Context, w: Value, x: Value, axis: Value) -> Array:
    """The vector w as it broadcasts along an axis of x."""
    value, rank = tensor(context, w, "w"), tensor(context, x, "x").rank
    at = one_axis(context, axis, rank)
    return Array((*value.axes, *(fresh(1) for _ in range(rank - 1 - at))), value.body, value.weak)


@internal("split_axis", "x axis parts")
def split_axis(context: Context, x: Value, axis: Value, parts: Value) -> Array:
    """An axis as two: its parts, and the elements of one part."""
    value, count = tensor(context, x, "x"), integer(context, parts, "parts")
    at = one_axis(context, axis, value.rank)
    extent = value.extents[at]
    context.require(count - 1, ">=", f"an axis in {count} parts")
    inner = algebra.floordiv(extent, count)
    context.require(extent - count * inner, "==", f"{count} parts of an axis of {extent}: it does not divide")
    outer, own = fresh(count), fresh(inner)
    places = tuple(inner * poly(outer) + poly(own) if n == at else poly(a) for n, a in enumerate(value.axes))
    return Array((*value.axes[:at], outer, own, *value.axes[at + 1 :]), value.at(places), value.weak)


@internal("spread_axis", "x axis extent")
def spread_axis(context: Context, x: Value, axis: Value, extent: Value) -> Array:
    """Each element of an axis as often as makes `extent` of them, in a row."""
    value, whole = tensor(context, x, "x"), integer(context, extent, "extent")
    at = one_axis(context, axis, value.rank)
    own = value.extents[at]
    times = algebra.floordiv(whole, own)
    context.require(whole - own * times, "==", f"{whole} elements of {own}: it does not divide")
    made = fresh(whole)
    places = tuple(algebra.floordiv(poly(made), times) if n == at else poly(a) for n, a in enumerate(value.axes))
    return Array((*value.axes[:at], made, *value.axes[at + 1 :]), value.at(places), value.weak)


@internal("previous", "x otherwise")
def previous(context: Context, x: Value, otherwise: Value) -> Array:
    """x moved on by one along the last axis: y[..., t] = x[..., t - 1 else otherwise]."""
    value = tensor(context, x, "x")
    outside = arrays.convert(context, tensor(context, otherwise, "otherwise"), value.dtype).body
    if not value.axes:
        return Array((), outside)
    last = poly(value.axes[-1])
    before = value.at((*map(poly, value.axes[:-1]), last - 1))
    return Array(value.axes, build.select(build.nonnegative(last - 1), before, outside))


@internal("positions", "shape")
def positions(context: Context, shape: Value) -> Array:
    """The number of each element in row-major order (i64)."""
    axes = tuple(map(fresh, checked_dims(context, shape)))
    place = algebra.ZERO
    for a in axes:
        place = place * a.extent + poly(a)
    return Array(axes, build.integer(place))


# Reductions.


@internal("peak", "x axis")
def peak(context: Context, x: Value, axis: Value) -> Array:
    """The maximum along axes, which stay with extent 1; where there are no elements, the least number of the dtype."""
    value = arrays.strong(context, tensor(context, x, "x"))
    axes = axis_list(context, axis, value.rank)
    if not axes:
        return value
    body = build.reduce("max", [value.axes[n] for n in axes], value.body)
    return context.settle(Array(tuple(fresh(1) if n in axes else a for n, a in enumerate(value.axes)), body))


@internal("reduced", "e reduction")
def reduced(context: Context, e: Value, reduction: Value) -> Array:
    """A loss of each element as `reduction` says: its mean, its sum, or as it is."""
    value = arrays.strong(context, tensor(context, e, "e"))
    chosen = choice(context, reduction, "reduction", ("mean", "sum", "none"))
    if chosen == "none":
        return value
    bound = value.axes or (fresh(1),)
    return context.settle(Array((), notation.reduce(context, chosen, bound, Array((), value.body), context.current)))


# Elements at data-dependent places.


@internal("at_class", "x axis classes")
def at_class(context: Context, x: Value, axis: Value, classes: Value) -> Array:
    """x without an axis: along it, the element at the place that `classes` gives, which is checked while running."""
    value, places = tensor(context, x, "x"), integers(context, classes, "classes")
    at = one_axis(context, axis, value.rank)
    rest = (*value.axes[:at], *value.axes[at + 1 :])
    if places.rank != len(rest):
        raise context.error(
            "E0303", f"the target has rank {places.rank}, expected {len(rest)} for an input of rank {value.rank}", None, describe(places)
        )
    for n, (own, other) in enumerate(zip(places.extents, (a.extent for a in rest), strict=True)):
        if context.meet(own, other) is None:
            raise context.error("E0302", f"axis {n} of the target is {own}, of the input {other}", None, notes=context.origin(own, other))
    picked = checked_place(context, scalar(places.at(tuple(map(poly, rest)))), value.extents[at], at, False, "x", "classes")
    return Array(rest, value.at(tuple(picked if n == at else poly(a) for n, a in enumerate(value.axes))), value.weak)
