"""Index notation: reads proved in bounds, and reductions over bound indices."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, Quotient, Remainder, fresh, poly
from tensorc.diagnostics import CompileError
from tensorc.dtypes import bool_, f32, i64
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Access, Context
from tensorc.elaborate.hints import conversion, inequality
from tensorc.elaborate.values import Array, describe
from tensorc.ir import build
from tensorc.ir.tensor import Apply, Const, Input, Load, Scalar, Select
from tensorc.source import Span

# Reads.


MOST_ELEMENTS = 8
"""A subscript that nests more elements in one another than this is a tensor of its own."""


def subscript_poly(context: Context, value: Array, span: Span | None) -> Poly:
    """A 0-d integer as a subscript: a polynomial, or an element that is known while running."""
    if not value.dtype.is_integer or value.axes:
        text = span.text if span is not None else ""
        help = "`//` divides integers" if "/" in text and "//" not in text else conversion(span, i64)
        raise context.error("E0503", f"a subscript is an integer, found {describe(value)}", span, describe(value), help=help)
    found = build.number(value.body)
    if found is not None and algebra.depth(found) <= MOST_ELEMENTS:
        return found
    hoisted = build.hoist(build.cast(value.body, i64))
    assert isinstance(hoisted, Load)
    context.remember(hoisted.tensor, None, span)
    return algebra.poly(algebra.Element(hoisted.tensor, hoisted.subscripts))


def read(
    context: Context,
    array: Array,
    subscripts: Sequence[Poly],
    spans: Sequence[Span | None],
    subject: str,
    otherwise: Array | None,
    span: Span | None,
    otherwise_span: Span | None = None,
) -> Array:
    """The element of an array at complete subscripts: proved inside, guarded by `otherwise`, or checked at the call or while running."""
    places = []
    for axis, (p, extent, at) in enumerate(zip(subscripts, array.extents, spans, strict=True)):
        if otherwise is None and not context.exact:
            p = from_end(context, p, extent)
        places.append(p)
        if context.accesses is not None:
            where = context.place(at or span)
            assert where is not None
            context.accesses.append(Access(p, extent, otherwise is not None, subject, axis, where))
        elif otherwise is None and not context.exact:
            _prove(context, p, extent, subject, axis, at or span)
    value = array.at(tuple(places))
    if otherwise is None:
        return context.shallow(Array((), value, array.weak))
    weak = array.weak and otherwise.weak
    outside = _outside(context, array, otherwise, subject, otherwise_span or span)
    facts = algebra.NO_FACTS if context.exact else context.here
    guard = build.both(*(build.inside(p, e, facts) for p, e in zip(places, array.extents, strict=True)))
    return context.shallow(Array((), build.select(guard, value, outside), weak))


def _outside(context: Context, array: Array, otherwise: Array, subject: str, span: Span | None) -> Scalar:
    """What a read gives outside, in the array's dtype: weak, or of that dtype."""
    found = describe(otherwise)
    if otherwise.axes:
        raise context.error("E0509", f"`else` gives one element, found {found}", span, found, help="subscript it completely, or reduce it")
    if (not otherwise.weak and otherwise.dtype is not array.dtype) or otherwise.dtype.category > array.dtype.category:
        message = f"the value after `else` is {found if otherwise.weak else otherwise.dtype}, but {subject} holds {array.dtype}"
        raise context.error("E0401", message, span, f"{subject} is {describe(array)}", help=conversion(span, array.dtype))
    return otherwise.body if otherwise.dtype is array.dtype else arrays.convert(context, otherwise, array.dtype, span).body


def _narrower(context: Context, p: Poly, extent: Poly) -> str:
    """The advice to give an index a range in which the subscript p stays inside: that range, where p moves by one with one index."""
    found = sorted(algebra.indices(p), key=lambda a: a.level)
    index, (name, first) = found[-1], context.index_names[found[-1]]
    rest = p - poly(index)
    if len(found) > 1 or not algebra.is_static(rest):
        return f"give `{name}` a range that stays inside, as `{name} in 1..N-1`"
    low, high = first - rest, first - rest + extent
    end = first + index.extent
    low = low if context.nonnegative(low - first) else first
    if not context.nonnegative(end - high):
        if not context.nonnegative(high - end) and (order := inequality(context, end, high)) is not None:
            return order
        high = end
    return f"give it a range: `{name} < {high}`" if low is algebra.ZERO else f"give it a range: `{name} in {low}..{high}`"


def from_end(context: Context, p: Poly, extent: Poly) -> Poly:
    """A place of sizes alone that is never positive counts from the end: `x[-1]`, `x[-K:]`."""
    return extent + p if p.constant != 0 and algebra.is_static(p) and algebra.nonnegative(-p, context.facts) else p


def _prove(context: Context, p: Poly, extent: Poly, subject: str, axis: int, span: Span | None) -> None:
    low, high = context.nonnegative(p), context.nonnegative(extent - 1 - p)
    if low and high:
        context.require_divisors(p, span)
        return
    if algebra.is_static(p):
        require_inside(context, p, p, extent, subject, axis, span)
        return
    if any(isinstance(a, (algebra.Element, Quotient, Remainder)) and not isinstance(a, Index) for a in _moving(p)):
        context.check_place(p, extent, subject, axis, span)
        return
    raise _outside_error(context, p, extent, subject, axis, span, low)


def require_inside(context: Context, place: Poly, p: Poly, extent: Poly, subject: str, axis: int, span: Span | None) -> None:
    """Have the call check a place of sizes alone, which the program writes as p."""
    message = f"subscript {p} is outside axis {axis} of {subject}, whose extent is {extent}"
    for gap in (place, extent - 1 - place):
        context.require(gap, ">=", message, span, code="E0505", label=f"axis {axis} of {subject}")


def wrapped(place: Scalar, extent: Poly) -> Scalar:
    """A place in which -extent .. -1 count from the end; one outside stays as it is, to be reported."""
    zero, end = build.constant(0, i64), build.integer(extent)
    negative = build.both(build.apply("lt", place, zero), build.apply("ge", place, build.apply("neg", end)))
    return build.select(negative, build.apply("add", place, end), place)


def _outside_error(context: Context, p: Poly, extent: Poly, subject: str, axis: int, span: Span | None, low: bool) -> CompileError:
    """`low`: the subscript is never below 0."""
    text = span.text if span is not None and "\n" not in span.text else str(p)
    smallest = algebra.bound(-p if low else p, False, context.facts)
    side = f"beyond {extent - 1}" if low else "below 0"
    reach = "" if smallest is None else f": it reaches {-smallest if low else smallest}"
    ranges = []
    for a in sorted(algebra.indices(p), key=lambda a: a.level):
        name, first = context.index_names[a]
        ranges.append(f"{name} runs over {first}..{first + a.extent}")
    notes = (f"{', '.join(ranges)}; axis {axis} of {subject} has extent {context.sized(extent)}",)
    help = f"{_narrower(context, p, extent)}, or the read a value outside: `{subject}[... else 0]`"
    return context.error(
        "E0505", f"subscript `{text}` of {subject} can be {side}{reach}", span, f"axis {axis} of {subject}", notes=notes, help=help
    )


def _moving(p: Poly) -> list[Atom]:
    """The atoms of p that change from element to element or are known only while running."""
    return [a for m, _ in p.terms for a in m if not algebra.is_static(poly(a))]


# Reductions.

REDUCTIONS = ("sum", "prod", "min", "max", "mean", "any", "all", "argmin", "argmax")
"""What may stand before bound indices in brackets, besides `tensor`."""


def widen(body: Scalar) -> Scalar:
    """A half float computed in f32: arithmetic on halves is redone in f32, so that a reduction rounds once."""
    if not body.dtype.is_half:
        return body
    match body:
        case Apply(("add" | "sub" | "mul" | "neg") as operation, arguments, _):
            return build.apply(operation, *map(widen, arguments))
        case Select(c, a, b):
            return build.select(c, widen(a), widen(b))
        case Apply("cast", (inner,), _) if inner.dtype is f32:
            return build.cast(body, f32)
        case Const(value, _):
            return build.constant(value, f32)
        case _:
            return build.cast(body, f32)


def accumulate(monoid: str, bound: Sequence[Index], body: Scalar) -> Scalar:
    """monoid[bound](body) in the body's dtype; half floats accumulate in f32 and are rounded once."""
    if body.dtype.is_half and monoid in ("sum", "prod"):
        return build.cast(build.reduce(monoid, bound, widen(body)), body.dtype)
    return build.reduce(monoid, bound, body)


def reduce(context: Context, name: str, bound: Sequence[Index], body: Array, span: Span | None) -> Scalar:
    """`name[bound](body)` of a 0-d body, with the dtype and the empty case that the language gives each reduction.

    A weak body stays in i64 or f64.
    """
    if context.exact:
        return build.reduce(name, bound, arrays.strong(context, body).body)
    value, dtype = body, body.dtype
    match name:
        case "sum" | "prod":
            return accumulate(name, bound, value.body if dtype.is_float else build.cast(value.body, i64))
        case "mean":
            if not dtype.is_float:
                raise context.error("E0404", f"`mean` wants floats, found {dtype}", span, describe(value), help="`mean(cast(x, f32))`")
            return _mean(bound, value.body)
        case "any" | "all":
            return build.reduce(name, bound, build.cast(value.body, bool_))
        case "min" | "max":
            not_empty(context, name, bound, span)
            return build.reduce(name, bound, value.body)
        case _:
            if len(bound) != 1:
                help = "flatten the axes first, or nest two reductions"
                raise context.error("E0506", f"`{name}` runs over one index, found {len(bound)}", span, f"{len(bound)} indices", help=help)
            not_empty(context, name, bound, span)
            return arg_reduce(name, bound[0], value.body)


def not_empty(context: Context, name: str, bound: Sequence[Index], span: Span | None) -> None:
    for index in bound:
        message = f"`{name}` of an empty axis: its extent {index.extent} must be at least 1"
        context.require(index.extent - 1, ">=", message, span, code="E0307", label="no element to choose")


def _mean(bound: Sequence[Index], body: Scalar) -> Scalar:
    wide = widen(body)
    count = algebra.ONE
    for index in bound:
        count = count * index.extent
    quotient = build.apply("div", build.reduce("sum", bound, wide), build.cast(build.integer(count), wide.dtype))
    return build.cast(quotient, body.dtype)


def arg_reduce(name: str, bound: Index, body: Scalar) -> Scalar:
    """The first index at which the extremum is, or the first NaN.

    The extremum and the test for it read one definition, so that they see the same bits.
    """
    value = body if isinstance(body, Load) else build.hoist(body)
    extremum = build.reduce("max" if name == "argmax" else "min", (bound,), value)
    found = build.apply("eq", value, extremum)
    if value.dtype.is_float:
        found = build.apply("or", found, build.apply("isnan", value))
    return build.reduce("min", (bound,), build.select(found, build.integer(bound), build.integer(bound.extent)))


def dummy(extents: Sequence[Poly], like: Array) -> Array:
    """An array of the given extents that stands for one of which only the dtype matters, while ranges are inferred."""
    axes = tuple(map(fresh, extents))
    every = (*like.free, *axes)
    return Array(axes, Load(Input("?", tuple(a.extent for a in every), like.dtype), tuple(map(poly, every))), like.weak)
