"""Subscripts and attributes of arrays: slices, new axes, gathers by integer tensors, and single elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorc import algebra
from tensorc.algebra import Index, Poly, fresh, poly
from tensorc.diagnostics import CompileError, Label
from tensorc.dtypes import bool_, i64
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.hints import conversion, did_you_mean
from tensorc.elaborate.values import Array, List, Value, describe, static_integer
from tensorc.ir.tensor import Scalar
from tensorc.source import Span

ATTRIBUTES = ("T", "mT", "shape", "ndim", "size")


def attribute(context: Context, value: Array, name: str, span: Span | None) -> Value:
    """`x.T`, `x.mT`, `x.shape`, `x.ndim`, `x.size`."""
    match name:
        case "shape":
            return List(tuple(map(arrays.dimension, value.extents)))
        case "ndim":
            return arrays.constant(value.rank)
        case "size":
            total = algebra.ONE
            for e in value.extents:
                total = total * e
            return arrays.dimension(total)
        case "T":
            if value.rank > 2:
                raise context.error(
                    "E0303",
                    f"`.T` wants rank 2 at most, found {value.rank}",
                    span,
                    describe(value),
                    help="`.mT` swaps the last two axes; `permute(x, ...)` any",
                )
            return Array(value.axes[::-1], value.body, value.weak)
        case "mT":
            if value.rank < 2:
                raise context.error("E0303", f"`.mT` wants rank 2 at least, found {value.rank}", span, describe(value))
            return Array((*value.axes[:-2], value.axes[-1], value.axes[-2]), value.body, value.weak)
        case _:
            listed = ", ".join(f"`.{a}`" for a in ATTRIBUTES)
            help = did_you_mean(name, ATTRIBUTES, ".") or f"the attributes are {listed}; a function is called: `x.{name}()`"
            raise context.error("E0202", f"a tensor has no attribute `{name}`", span, describe(value), help=help)


def index(
    context: Context,
    array: Array,
    items: Sequence[Any],
    otherwise: Array | None,
    spans: Sequence[Span | None],
    subject: str,
    span: Span | None,
    notation_inside: bool,
    otherwise_span: Span | None = None,
) -> Array:
    """`array[items]`: index notation where every axis has one integer, array indexing otherwise.

    Items are Arrays, Lists, None, Ellipsis, and slices of polynomials. `notation_inside`: bound indices are live.
    """
    plain = [i for i in items if not isinstance(i, slice) and i is not Ellipsis and i is not None]
    values = [arrays.as_array(context, i, s) if isinstance(i, (Array, List)) else i for i, s in zip(items, spans, strict=True)]
    scalars = all(isinstance(v, Array) and not v.axes for v in values)
    moving = any(isinstance(v, Array) and (v.free or (not v.axes and not v.weak and notation_inside)) for v in values)
    if otherwise is not None or moving or (scalars and (notation_inside or context.exact) and len(values) == array.rank):
        if not scalars or len(plain) != array.rank:
            raise _incomplete(context, array, values, spans, subject, span)
        subscripts = [notation.subscript_poly(context, v, s) for v, s in zip(values, spans, strict=True)]
        return notation.read(context, array, subscripts, spans, subject, otherwise, span, otherwise_span)
    return _Indexing(context, array, subject, span).apply(values, spans)


def _incomplete(
    context: Context, array: Array, items: Sequence[Any], spans: Sequence[Span | None], subject: str, span: Span | None
) -> CompileError:
    """What is no subscript of index notation: a slice among the items, or too few or too many of them."""
    help = "bind an index for each axis, as in `sum[j](x[i, j])`; slices and missing axes belong to array notation"
    for item, s in zip(items, spans, strict=True):
        if not isinstance(item, Array) or item.axes:
            what = "a slice" if isinstance(item, slice) else "`...`" if item is Ellipsis else "`none`" if item is None else describe(item)
            return context.error("E0504", f"{what} among the subscripts of one element", s, f"{subject} is {describe(array)}", help=help)
    message = f"{subject} has {array.rank} axes, but {len(items)} subscript{'' if len(items) == 1 else 's'}"
    return context.error("E0504", message, span, f"{subject} is {describe(array)}", help=help)


class _Indexing:
    """Array indexing, NumPy's: each item consumes an axis, adds one, or both."""

    def __init__(self, context: Context, array: Array, subject: str, span: Span | None) -> None:
        self.context = context
        self.array = array
        self.subject = subject
        self.span = span

    def apply(self, items: Sequence[Any], spans: Sequence[Span | None]) -> Array:
        pairs = self._complete(list(zip(items, spans, strict=True)))
        gathers = [(n, v, s) for n, (v, s) in enumerate(pairs) if isinstance(v, Array) and self._is_gather(v, s)]
        gathered = self._gathered(gathers)
        adjacent = bool(gathers) and [n for n, _, _ in gathers] == list(range(gathers[0][0], gathers[-1][0] + 1))
        at = gathers[0][0] if adjacent else 0
        out: list[Index] = []
        subscripts: list[Poly] = []
        axis = 0
        if gathers and not adjacent:
            out.extend(gathered[0])
        for n, (item, s) in enumerate(pairs):
            if gathers and adjacent and n == at:
                out.extend(gathered[0])
            if item is None:
                out.append(fresh(1))
                continue
            extent = self.array.extents[axis]
            if isinstance(item, slice):
                made, place = self._slice(item, extent, axis, s)
                out.append(made)
                subscripts.append(place)
            elif n in gathered[1]:
                subscripts.append(self._gather(gathered[1][n], extent, axis, s))
            else:
                subscripts.append(self._integer(item, extent, axis, s))
            axis += 1
        return self.context.shallow(Array(tuple(out), self.array.at(tuple(subscripts)), self.array.weak))

    def _complete(self, pairs: list[tuple[Any, Span | None]]) -> list[tuple[Any, Span | None]]:
        """The items with `...` written out as full slices, one for each axis that nothing else takes."""
        taken = sum(1 for v, _ in pairs if v is not None and v is not Ellipsis)
        rank = self.array.rank
        if taken > rank:
            message = f"{taken} subscript{'' if taken == 1 else 's'} for a tensor of rank {rank}"
            raise self.context.error("E0510", message, self.span, f"{self.subject} is {describe(self.array)}")
        dots = [n for n, (v, _) in enumerate(pairs) if v is Ellipsis]
        if len(dots) > 1:
            first = pairs[dots[0]][1]
            others = [Label(first, "first")] if first is not None else []
            raise self.context.error("E0511", "`...` stands twice in a subscript", pairs[dots[1]][1], "again", *others)
        at = dots[0] if dots else len(pairs)
        fill: list[tuple[Any, Span | None]] = [(slice(None), self.span)] * (rank - taken)
        done = pairs[:at] + fill + pairs[at + 1 :]
        for v, s in done:
            if not isinstance(v, (Array, slice)) and v is not None:
                raise self.context.error("E0503", f"{describe(v)} cannot be a subscript", s, describe(v))
        return done

    def _is_gather(self, v: Array, span: Span | None) -> bool:
        if v.dtype is bool_:
            help = f"the result's shape would depend on data: keep the shape with `where(mask, {self.subject}, 0)`"
            raise self.context.error("E0503", "a mask cannot be a subscript", span, describe(v), help=help)
        if not v.dtype.is_integer:
            raise self.context.error(
                "E0503", f"a subscript is an integer, found {describe(v)}", span, describe(v), help=conversion(span, i64)
            )
        return static_integer(v) is None

    def _gathered(self, gathers: list[tuple[int, Array, Span | None]]) -> tuple[tuple[Index, ...], dict[int, Scalar]]:
        """The axes that the integer tensors broadcast to, and each one's element at these."""
        if not gathers:
            return (), {}
        tensors = [arrays.convert(self.context, v, i64, s) for _, v, s in gathers]
        axes = tuple(
            fresh(e) for e in arrays.broadcast_extents(self.context, [t.extents for t in tensors], [s for _, _, s in gathers], tensors)
        )
        return axes, {n: arrays.onto(t, axes) for (n, _, _), t in zip(gathers, tensors, strict=True)}

    def _gather(self, body: Scalar, extent: Poly, axis: int, span: Span | None) -> Poly:
        """A data-dependent place: negative ones count from the end; checked while running."""
        place = notation.subscript_poly(self.context, Array((), notation.wrapped(body, extent)), span)
        self.context.check_place(place, extent, self.subject, axis, span)
        return place

    def _integer(self, item: Array, extent: Poly, axis: int, span: Span | None) -> Poly:
        p = static_integer(item)
        assert p is not None
        place = self._from_end(p, extent)
        notation.require_inside(self.context, place, p, extent, self.subject, axis, span)
        return place

    def _from_end(self, p: Poly, extent: Poly) -> Poly:
        return notation.from_end(self.context, p, extent)

    def _slice(self, item: slice, extent: Poly, axis: int, span: Span | None) -> tuple[Index, Poly]:
        """The result's axis and the place it reads: start + step * i."""
        step = item.step
        if step is not None and (step.constant is None or step.constant == 0):
            raise self.context.error("E0611", "the step of a slice is a number other than 0, known when compiling", span, f"step {step}")
        by = 1 if step is None else int(step.constant)
        start = self._from_end(item.start, extent) if item.start is not None else (poly(0) if by > 0 else extent - 1)
        stop = self._from_end(item.stop, extent) if item.stop is not None else (extent if by > 0 else poly(-1))
        shown = f"slice {_slice_text(item)} of axis {axis} of {self.subject}, whose extent is {extent}"

        def require(value: Poly, what: str) -> None:
            self.context.require(value, ">=", f"{shown}, {what}", span, code="E0505", label=f"axis {axis} of {self.subject}")

        if by > 0:
            require(start, "starts outside")
            require(extent - stop, "ends outside")
            length = stop - start
        else:
            if item.start is not None:
                require(start, "starts outside")
                require(extent - 1 - start, "starts outside")
            if item.stop is not None:
                require(stop + 1, "ends outside")
            length = start - stop
        if length.constant is not None and length.constant < 0:  # as in `x[4:2]`, which is empty
            for bound, what in ((start, "starts outside"), (stop, "ends outside")):
                require(bound, what)
                require(extent - bound, what)
            length = algebra.ZERO
        require(length, "is of negative length")
        index = fresh(algebra.floordiv(length + (abs(by) - 1), poly(abs(by))))
        return index, start + poly(by) * poly(index)


def _slice_text(item: slice) -> str:
    parts = ["" if p is None else str(p) for p in (item.start, item.stop)]
    return ":".join(parts) + ("" if item.step is None else f":{item.step}")
