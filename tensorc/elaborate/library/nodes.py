"""Built-ins for the nodes of the IR that are no index rule, and those by which its text names guards and subscripts."""

from __future__ import annotations

from tensorc.algebra import Index, Poly, poly
from tensorc.dtypes import f32
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.registry import builtin, choice, dims, flag, internal, tensor
from tensorc.elaborate.values import Array, Tuple, Value, describe, of_tensor
from tensorc.ir import build
from tensorc.ir.tensor import Scan, Scatter, Tensor


@builtin("scan", "x monoid decay reverse", decay=None, reverse=False)
def scan(context: Context, x: Value, monoid: Value, decay: Value, reverse: Value) -> Array:
    """The recurrence s[t] = x[t] combined with s[t-1] along the last axis, by "sum", "prod", "max" or "min"; from the end where reverse.

    With decay, of x's shape: s[t] = decay[t] * s[t-1] + x[t]. Half floats accumulate in f32.
    """
    value = arrays.strong(context, tensor(context, x, "x"))
    span = context.argument_spans
    if value.rank == 0:
        raise context.error("E0303", "`scan` runs along an axis, and x has none", span.get("x"), describe(value))
    name = choice(context, monoid, "monoid", ("sum", "prod", "max", "min"))
    by = None
    if decay is not None:
        factor = tensor(context, decay, "decay")
        factor = arrays.convert(context, factor, value.dtype) if factor.weak else factor
        met = factor.rank == value.rank and all(context.meet(p, q) is not None for p, q in zip(factor.extents, value.extents, strict=True))
        if name != "sum" or factor.dtype is not value.dtype or not met:
            help = 'a decay has x\'s shape and dtype, and its monoid is "sum"'
            raise context.error(
                "E0302", f"`scan` of {describe(value)} with a decay of {describe(factor)}", span.get("decay"), describe(factor), help=help
            )
        by = Array(factor.axes, factor.body)
    result = value.dtype
    if result.is_half and name in ("sum", "prod") and not context.exact:
        value, by = arrays.cast(context, value, f32), None if by is None else arrays.cast(context, by, f32)
    free = tuple(sorted({*value.free, *(() if by is None else by.free)}, key=lambda i: i.level))
    made = Scan(name, _over(free, value), None if by is None else _over(free, by), flag(context, reverse, "reverse"))
    return arrays.cast(context, of_tensor(made, free), result)


@builtin("scatter", "shape base values places", variadic=True)
def scatter(context: Context, shape: Value, base: Value, values: Value, places: Value) -> Array:
    """base (zeros where none) with values[i, ...] added at [places[i, ...], ...]: one tensor of integers for each axis of the shape.

    A place outside is dropped. Values for one place are added in row-major order.
    """
    span = context.argument_spans
    added = arrays.strong(context, tensor(context, values, "values"))
    extents = dims(context, shape)
    given = [tensor(context, p, "places") for p in (places.items if isinstance(places, Tuple) else (places,))]
    if len(given) != len(extents):
        raise context.error(
            "E0303", f"`scatter` wants one tensor of places for each of {len(extents)} axes, found {len(given)}", span.get("places")
        )
    levels = tuple(Index(n, e) for n, e in enumerate(added.extents))
    at = tuple(map(poly, levels))
    found = [_place(context, p, added, at) for p in given]
    under = None
    if base is not None:
        start = tensor(context, base, "base")
        start = arrays.convert(context, start, added.dtype) if start.weak else start
        if (
            start.dtype is not added.dtype
            or start.rank != len(extents)
            or any(context.meet(p, q) is None for p, q in zip(start.extents, extents, strict=True))
        ):
            raise context.error("E0302", f"`scatter` into {describe(start)} of {describe(added)}", span.get("base"), describe(start))
        under = start.tensor()
    if added.free or any(p.free for p in given):
        raise context.error("E0504", "`scatter` inside an index definition", context.current, help="make the whole tensor before")
    return of_tensor(Scatter(extents, added.extents, tuple(found), added.at(at), under))


def _place(context: Context, place: Array, added: Array, at: tuple[Poly, ...]) -> Poly:
    """The subscript that a tensor of places gives at the indices of the values."""
    if place.rank != added.rank or any(context.meet(p, q) is None for p, q in zip(place.extents, added.extents, strict=True)):
        message = f"`scatter` of values of {describe(added)} at places of {describe(place)}"
        raise context.error(
            "E0302", message, context.argument_spans.get("places"), describe(place), help="places have the shape of the values"
        )
    return notation.subscript_poly(context, Array((), place.at(at)), context.argument_spans.get("places"))


def _over(free: tuple[Index, ...], value: Array) -> Tensor:
    return build.define((*free, *value.axes), value.body)


def _polynomial(context: Context, value: Value) -> Poly:
    return notation.subscript_poly(context, tensor(context, value, "x"), context.current)


@internal("integer", "x")
def integer(context: Context, x: Value) -> Array:
    """A subscript as a value: Int."""
    return Array((), build.integer(_polynomial(context, x)))


@internal("nonnegative", "x")
def nonnegative(context: Context, x: Value) -> Array:
    """The guard x >= 0."""
    return Array((), build.nonnegative(_polynomial(context, x)))


@internal("is_zero", "x")
def is_zero(context: Context, x: Value) -> Array:
    """The guard x == 0."""
    return Array((), build.is_zero(_polynomial(context, x)))
