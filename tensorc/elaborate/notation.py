"""Index notation: ranges of bound indices inferred in rounds, reads proved in bounds, and reductions over bound indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, Remainder, Quotient, Size, fresh, poly
from tensorc.diagnostics import Label
from tensorc.dtypes import bool_, f32, i64
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Access, Context, is_unknown
from tensorc.elaborate.values import Array, describe
from tensorc.ir import build
from tensorc.ir.tensor import Apply, Const, Input, Load, Scalar, Select
from tensorc.source import Span


@dataclass(frozen=True)
class Unknown:
    """A bound index whose range is not written: `index` stands for it while its range is inferred."""

    name: str
    index: Index
    span: Span


def placeholder() -> Index:
    """An index whose extent is not known yet."""
    made = fresh(0)
    return Index(made.level, algebra.size(f"?{made.level}"))


# Ranges, in rounds.


class Ranges:
    """Solves for the extents of unknown indices from the reads in which they stand."""

    def __init__(self, context: Context, unknown: Sequence[Unknown], accesses: Sequence[Access]) -> None:
        self.context = context
        self.unknown = {u.index: u for u in unknown}
        self.accesses = accesses
        self.extents: dict[Index, Poly] = {}
        self.values: dict[Atom, Poly] = {}
        self.shown_by: dict[Index, Access] = {}

    def solve(self) -> dict[Index, Poly]:
        """The extent of each unknown index, or a diagnostic for the first that has none."""
        self._round(self._plain)
        while self._round(self._compound):
            pass
        self._round(self._guarded)
        while self._round(self._compound):
            pass
        for u in self.unknown.values():
            if u.index not in self.extents:
                raise self.context.error(
                    "E0502",
                    f"the range of index `{u.name}` is not known",
                    u.span,
                    "no read determines it",
                    help=f"write its range: `{u.name} < N`, or `{u.name} in 1..N`",
                )
        return self.extents

    def _round(self, propose: Callable[[Access, Poly, Poly], tuple[Index, Poly] | None]) -> bool:
        """One round: what all reads propose, then accepted together. Whether anything new was found."""
        proposals: dict[Index, list[tuple[Poly, Access]]] = {}
        for a in self.accesses:
            extent = algebra.substitute(a.extent, self.values)
            if is_unknown(extent):
                continue
            found = propose(a, algebra.substitute(a.subscript, self.values), extent)
            if found is not None and found[0] not in self.extents:
                proposals.setdefault(found[0], []).append((found[1], a))
        for index, offers in proposals.items():
            extent, access = self._agree(index, offers, propose == self._compound)
            self.extents[index] = extent
            self.shown_by[index] = access
            if isinstance(size := index.extent.atom, Size):
                self.values[size] = extent
            self.values[index] = poly(Index(index.level, extent))
        return bool(proposals)

    def _agree(self, index: Index, offers: list[tuple[Poly, Access]], smallest: bool) -> tuple[Poly, Access]:
        extent, access = offers[0]
        for other, at in offers[1:]:
            if self.context.equal(extent, other):
                continue
            if smallest and algebra.nonnegative(extent - other, self.context.facts):
                extent, access = other, at
                continue
            if smallest and algebra.nonnegative(other - extent, self.context.facts):
                continue
            name = self.unknown[index].name
            raise self.context.error(
                "E0501",
                f"index `{name}` has two ranges: {extent} and {other}",
                at.span,
                f"axis {at.axis} of {at.subject}: {name} < {other}",
                Label(access.span, f"axis {access.axis} of {access.subject}: {name} < {extent}"),
                notes=self.context.origin(extent, other),
                help=f"if they are always equal, say so: `require {extent} == {other}`; or write the range `{name} < ...`",
            )
        return extent, access

    def _unsolved(self, p: Poly) -> list[Index]:
        return [a for a in self.unknown if a in algebra.atoms(p) and a not in self.extents]

    def _plain(self, a: Access, subscript: Poly, extent: Poly) -> tuple[Index, Poly] | None:
        atom = subscript.atom
        return (atom, extent) if not a.guarded and isinstance(atom, Index) and atom in self.unknown else None

    def _compound(self, a: Access, subscript: Poly, extent: Poly) -> tuple[Index, Poly] | None:
        inside = self._unsolved(subscript)
        if a.guarded or len(inside) != 1 or algebra.elements(subscript):
            return None
        parts = algebra.split(subscript, inside[0])
        if parts is None or parts[0].constant is None:
            return None
        c, rest = parts[0].constant, parts[1]
        if c > 0:
            high = algebra.bound(rest, True, self.context.facts)
            return None if high is None else (inside[0], algebra.floordiv(extent - 1 - high, poly(c)) + 1)
        low = algebra.bound(rest, False, self.context.facts)
        return None if low is None else (inside[0], algebra.floordiv(low, poly(-c)) + 1)

    def _guarded(self, a: Access, subscript: Poly, extent: Poly) -> tuple[Index, Poly] | None:
        for index in self._unsolved(subscript):
            parts = algebra.split(subscript, index)
            if parts is not None and parts[0].constant == 1:
                return index, extent
        return None


# Reads.


def subscript_poly(context: Context, value: Array, span: Span | None) -> Poly:
    """A 0-d integer as a subscript: a polynomial, or an element that is known while running."""
    if not value.dtype.is_integer or value.axes:
        raise context.error("E0503", f"a subscript is an integer, found {describe(value)}", span, describe(value), help="convert it: `cast(x, i64)`")
    found = build.number(value.body)
    if found is not None:
        return found
    hoisted = build.hoist(build.cast(value.body, i64))
    assert isinstance(hoisted, Load)
    context.remember(hoisted.tensor, None, span)
    return algebra.poly(algebra.Element(hoisted.tensor, hoisted.subscripts))


def read(
    context: Context, array: Array, subscripts: Sequence[Poly], spans: Sequence[Span | None], subject: str, otherwise: Array | None, span: Span | None
) -> Array:
    """The element of an array at complete subscripts: proved inside, guarded by `otherwise`, or checked at the call or while running."""
    places = []
    for axis, (p, extent, at) in enumerate(zip(subscripts, array.extents, spans, strict=True)):
        if otherwise is None and not context.exact and p.constant is not None and p.constant < 0:
            p = extent + p
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
    if not otherwise.weak and otherwise.dtype is not array.dtype:
        raise context.error(
            "E0401",
            f"`else` gives {otherwise.dtype} where {subject} holds {array.dtype}",
            span,
            f"{subject} is {describe(array)}",
            help=f"`cast(..., {array.dtype})` converts it",
        )
    if otherwise.axes:
        raise context.error("E0504", f"`else` gives one element, found {describe(otherwise)}", span, describe(otherwise))
    outside = arrays.convert(context, otherwise, array.dtype, span).body
    facts = algebra.NO_FACTS if context.exact else context.facts | {a.extent - 1 for a in context.live}
    guard = build.both(*(build.inside(p, e, facts) for p, e in zip(places, array.extents, strict=True)))
    return context.shallow(Array((), build.select(guard, value, outside)))


def _prove(context: Context, p: Poly, extent: Poly, subject: str, axis: int, span: Span | None) -> None:
    low, high = context.nonnegative(p), context.nonnegative(extent - 1 - p)
    if low and high:
        return
    if algebra.is_static(p):
        message = f"subscript {p} is outside axis {axis} of {subject}, whose extent is {extent}"
        context.require(p, ">=", message, span, code="E0505")
        context.require(extent - 1 - p, ">=", message, span, code="E0505")
        return
    if any(isinstance(a, (algebra.Element, Quotient, Remainder)) and not isinstance(a, Index) for a in _moving(p)):
        context.check_place(p, extent, subject, axis, span)
        return
    side = "below 0" if not low else f"above {extent - 1}"
    smallest = algebra.bound(p if not low else -(p), False, context.facts)
    reach = "" if smallest is None else f": it reaches {smallest if not low else -smallest}"
    raise context.error(
        "E0505",
        f"subscript {_shown(context, p)} of {subject} can be {side}{reach}",
        span,
        f"axis {axis} has extent {extent}",
        notes=tuple(f"{_shown(context, poly(a))} runs over 0..{a.extent}" for a in sorted(algebra.indices(p), key=lambda a: a.level)) + context.origin(extent),
        help="give the index a range that stays inside (`i in 1..N-1`), or a value outside (`x[... else 0]`)",
    )


def _moving(p: Poly) -> list[Atom]:
    """The atoms of p that change from element to element or are known only while running."""
    return [a for m, _ in p.terms for a in m if not algebra.is_static(poly(a))]


def _shown(context: Context, p: Poly) -> str:
    return algebra.show(p, lambda a: context.index_names.get(a) if isinstance(a, Index) else None)


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
    """`name[bound](body)` of a 0-d body, with the dtype and the empty case that the language gives each reduction."""
    value = arrays.strong(context, body)
    dtype = value.dtype
    if context.exact:
        return build.reduce(name, bound, value.body)
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
                raise context.error("E0506", f"`{name}` runs over one index, found {len(bound)}", span, help="flatten the axes first, or nest two reductions")
            not_empty(context, name, bound, span)
            return arg_reduce(name, bound[0], value.body)


def not_empty(context: Context, name: str, bound: Sequence[Index], span: Span | None) -> None:
    for index in bound:
        context.require(index.extent - 1, ">=", f"`{name}` of an empty axis: its extent {index.extent} must be at least 1", span, code="E0307")


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

