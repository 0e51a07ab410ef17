"""Built-ins over windows: convolutions and pools of any number of spatial axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, fresh, poly
from tensorc.dtypes import i64
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.linear import same_dtype
from tensorc.elaborate.library.registry import builtin, flag, integer, tensor
from tensorc.elaborate.values import Array, List, Tuple, Value, describe
from tensorc.ir import build, walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Scalar

NO_PADDING = (algebra.ZERO, algebra.ZERO)


class _Windows:
    """Windows along the spatial axes of a tensor: place `out * stride + tap * dilation - before` for each of an axis's windows and taps."""

    def __init__(
        self,
        context: Context,
        name: str,
        spatial: Sequence[Poly],
        size: Sequence[Poly],
        stride: Sequence[Poly],
        padding: Sequence[tuple[Poly, Poly]],
        dilation: Sequence[Poly],
        ceil_mode: bool = False,
    ) -> None:
        self.spatial = spatial
        self.padded = [pair != NO_PADDING or ceil_mode for pair in padding]
        self.around = list(padding)
        self.out: list[Index] = []
        self.taps: list[Index] = []
        self.places: list[Poly] = []
        for n, (extent, k, s, (before, after), d) in enumerate(zip(spatial, size, stride, padding, dilation, strict=True)):
            for value, what in ((k, "kernel"), (s, "stride"), (d, "dilation")):
                context.require(value - 1, ">=", f"`{name}`: the {what} along spatial axis {n} is {value}, at least 1 is needed")
            context.require(before, ">=", f"`{name}`: the padding of spatial axis {n} is negative: {before}")
            room = extent + before + after - d * (k - 1) - 1
            context.require(
                room, ">=", f"`{name}`: a window of {d * (k - 1) + 1} in the padded spatial axis {n} of {extent + before + after}"
            )
            count = _covering(context, name, extent, before, room, s, n) if ceil_mode else algebra.floordiv(room, s) + 1
            self.out.append(fresh(count))
            self.taps.append(fresh(k))
            self.places.append(s * poly(self.out[-1]) + d * poly(self.taps[-1]) - before)

    def inside(self, context: Context) -> Scalar:
        """The guard that a place is inside of the tensor, which along an axis without padding it is."""
        facts = context.facts | {a.extent - 1 for a in (*self.out, *self.taps)}
        axes = zip(self.places, self.spatial, self.padded, strict=True)
        return build.both(*(build.inside(p, e, facts) for p, e, padded in axes if padded))

    def inside_padding(self, context: Context) -> Scalar:
        """The guard that a place is inside of the tensor or its padding."""
        facts = context.facts | {a.extent - 1 for a in (*self.out, *self.taps)}
        axes = zip(self.places, self.spatial, self.around, strict=True)
        return build.both(*(build.inside(p + before, before + e + after, facts) for p, e, (before, after) in axes))

    def read(self, context: Context, x: Array, before: Sequence[Poly], outside: float | int | bool) -> Scalar:
        """x[before..., places...], and `outside` where that is outside."""
        guard = self.inside(context)
        value = x.at((*before, *self.places))
        return build.select(guard, value, build.constant(outside, value.dtype))


def _covering(context: Context, name: str, extent: Poly, before: Poly, room: Poly, stride: Poly, n: int) -> Poly:
    """How many windows there are with the last one partly outside, of those that begin inside or in the padding before.

    Both the windows that cover all elements and those that begin soon enough are a quotient by the stride, of which the lesser counts.
    """
    covering, beginning = room + stride - 1, extent + before - 1
    if algebra.nonnegative(beginning - covering, context.facts):
        return algebra.floordiv(covering, stride) + 1
    if algebra.nonnegative(covering - beginning, context.facts):
        return algebra.floordiv(beginning, stride) + 1
    message = f"`{name}`: `ceil_mode` wants the kernel and the stride of spatial axis {n} known when compiling"
    raise context.error("E0604", message, context.argument_spans.get("ceil_mode"))


def _product(extents: Iterable[Poly]) -> Poly:
    total = algebra.ONE
    for e in extents:
        total = total * e
    return total


def _each(context: Context, value: Value, rank: int, name: str) -> list[Poly]:
    """One integer for all spatial axes, or one for each."""
    if isinstance(value, (List, Tuple)):
        items = [integer(context, v, name) for v in value.items]
        if len(items) == 1:
            return items * rank
        if len(items) != rank:
            raise context.error("E0611", f"`{name}` has {len(items)} numbers for {rank} spatial axes", context.argument_spans.get(name))
        return items
    return [integer(context, value, name)] * rank


def _batched(context: Context, name: str, x: Array, rank: int) -> tuple[Array, bool]:
    """x with a batch axis, and whether it had none."""
    if x.rank == rank + 2:
        return x, False
    if x.rank == rank + 1:
        return Array((fresh(1), *x.axes), x.body, x.weak), True
    wants = f"[N, C, {rank} spatial ax{'is' if rank == 1 else 'es'}], or without N"
    raise context.error("E0303", f"`{name}` wants {wants}, found rank {x.rank}", context.argument_spans.get("x"), describe(x))


def _unbatched(context: Context, value: Array, axes: Sequence[Index], alone: bool) -> Array:
    """The result, without the batch axis that was added."""
    made = Array(tuple(axes), value.body)
    if not alone:
        return context.settle(made)
    rest = tuple(axes[1:])
    return context.settle(Array(rest, made.at((algebra.ZERO, *map(poly, rest)))))


# Convolutions.


def _convolution(name: str, digits: int | None) -> None:
    def convolve(context: Context, x: Value, w: Value, b: Value, stride: Value, padding: Value, dilation: Value, groups: Value) -> Array:
        names = ("x", "w") if b is None else ("x", "w", "b")
        values = [tensor(context, v, n) for v, n in zip((x, w, b), names, strict=False)]
        values = same_dtype(context, name, values, [context.argument_spans.get(n) for n in names])
        given, filters = values[:2]
        rank = filters.rank - 2 if digits is None else digits
        if filters.rank != rank + 2 or rank < 1:
            message = f"`{name}` wants filters [O, C / groups, {'...' if digits is None else f'{rank} more'}], found rank {filters.rank}"
            raise context.error("E0303", message, context.argument_spans.get("w"), describe(filters))
        image, alone = _batched(context, name, given, rank)
        size = list(filters.extents[2:])
        by, apart = _each(context, stride, rank, "stride"), _each(context, dilation, rank, "dilation")
        around = _padding(context, name, padding, size, by, apart)
        image = _bordered(context, image, around)
        batch, out, own = fresh(image.extents[0]), fresh(filters.extents[0]), fresh(filters.extents[1])
        group, mine, by_out = _grouped(context, name, image.extents[1], own, out, integer(context, groups, "groups"))
        windows = _Windows(context, name, image.extents[2:], size, by, [NO_PADDING] * rank, apart)
        read = image.at((poly(batch), group * own.extent + own, *windows.places))
        weight = context.settle(filters).at((mine, poly(own), *map(poly, windows.taps)))
        total = build.reduce("sum", (own, *windows.taps), build.apply("mul", notation.widen(read), notation.widen(weight)))
        total = walk.rewrite(total, by_out)
        if b is not None:
            if values[2].rank != 1 or context.meet(values[2].extents[0], out.extent) is None:
                message = f"`{name}` wants a b of one number for each of {out.extent} filters, found {describe(values[2])}"
                raise context.error("E0302", message, context.argument_spans.get("b"))
            total = build.apply("add", total, notation.widen(values[2].at((poly(out),))))
        return _unbatched(context, Array((), build.cast(total, given.dtype)), (batch, out, *windows.out), alone)

    convolve.__doc__ = f"""y[n, o, p] = b[o] + sum[c, r](x[n, c, p * stride + r * dilation - padding] * w[o, c, r]).

    x is [N, C, ...] (or without N) and w [O, C / groups, ...], with {_spatial(digits)}; x is 0 outside. Filter o sees the channels of
    one group, the (o // (O / groups))-th. stride, padding and dilation are a number, or one for each spatial axis; padding may be
    "valid" (none) or "same" (as much as keeps the size, the greater half after). The filter is not flipped. Half floats accumulate in
    f32.
    """
    builtin(name, "x w b stride padding dilation groups", b=None, stride=1, padding=0, dilation=1, groups=1)(convolve)


def _spatial(digits: int | None) -> str:
    return "any number of spatial axes" if digits is None else "one spatial axis" if digits == 1 else f"{digits} spatial axes"


def _padding(
    context: Context, name: str, padding: Value, size: Sequence[Poly], stride: Sequence[Poly], dilation: Sequence[Poly]
) -> list[tuple[Poly, Poly]]:
    span = context.argument_spans.get("padding")
    if padding == "valid":
        return [NO_PADDING] * len(size)
    if padding == "same":
        for s in stride:
            context.require(s - 1, "==", f'`{name}`: padding="same" wants a stride of 1', span)
        total = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
        return [(algebra.floordiv(t, poly(2)), t - algebra.floordiv(t, poly(2))) for t in total]
    if isinstance(padding, str):
        raise context.error("E0611", f'`padding` is a number, a list of numbers, "valid" or "same", found "{padding}"', span)
    return [(p, p) for p in _each(context, padding, len(size), "padding")]


def _bordered(context: Context, image: Array, padding: Sequence[tuple[Poly, Poly]]) -> Array:
    """The image with zeros around its spatial axes, as a tensor of its own: each element is read many times."""
    if all(pair == NO_PADDING for pair in padding):
        return context.settle(image)
    axes, places, guards = list(image.axes[:2]), list(map(poly, image.axes[:2])), []
    for axis, (before, after) in zip(image.axes[2:], padding, strict=True):
        context.require(before, ">=", f"the padding of a spatial axis is negative: {before}")
        made = fresh(axis.extent + before + after)
        axes.append(made)
        places.append(poly(made) - before)
        if (before, after) != NO_PADDING:
            guards.append(build.inside(places[-1], axis.extent, context.facts))
    body = build.select(build.both(*guards), image.at(tuple(places)), build.constant(0, image.dtype))
    return context.settle(Array(tuple(axes), body))


def _grouped(context: Context, name: str, channels: Poly, own: Index, out: Index, groups: Poly) -> tuple[Poly, Poly, Mapping[Atom, Poly]]:
    """The group that a filter is in and its number, over an index of groups and one of the filters of a group; and these by `out`."""
    span = context.argument_spans.get("groups")
    context.require(groups - 1, ">=", f"`{name}` in {groups} groups", span)
    message = f"`{name}`: x has {channels} channels, but {groups} group{'s' if groups is not algebra.ONE else ''} of {own.extent} are in w"
    if context.meet(channels, groups * own.extent) is None:
        context.require(channels - groups * own.extent, "==", message, context.argument_spans.get("w"))
    if groups is algebra.ONE:
        return algebra.ZERO, poly(out), {}
    context.require(algebra.mod(out.extent, groups), "==", f"`{name}`: {groups} groups do not divide {out.extent} filters", span)
    each = algebra.floordiv(out.extent, groups)
    group, place = fresh(groups), fresh(each)
    return poly(group), group * each + place, {group: algebra.floordiv(poly(out), each), place: algebra.mod(poly(out), each)}


for _digits in (None, 1, 2, 3):
    _convolution("conv" if _digits is None else f"conv{_digits}d", _digits)


# Pools.


def _pooled(context: Context, name: str, x: Value, digits: int | None) -> tuple[Array, int, bool]:
    value = arrays.strong(context, tensor(context, x, "x"))
    if value.dtype.category == 0:
        raise context.error("E0404", f"`{name}` is not defined for bool", context.argument_spans.get("x"), describe(value))
    rank = value.rank - 2 if digits is None else digits
    if rank < 1:
        raise context.error(
            "E0303", f"`{name}` wants [N, C, ...] with a spatial axis at least, found rank {value.rank}", context.argument_spans.get("x")
        )
    batched, alone = _batched(context, name, value, rank)
    return context.settle(batched), rank, alone


def _half_padding(context: Context, name: str, padding: Sequence[Poly], size: Sequence[Poly]) -> list[tuple[Poly, Poly]]:
    for p, k in zip(padding, size, strict=True):
        context.require(
            k - 2 * p, ">=", f"`{name}`: the padding {p} is more than half of the kernel {k}", context.argument_spans.get("padding")
        )
    return [(p, p) for p in padding]


def _max_pool(name: str, digits: int | None) -> None:
    def pool(context: Context, x: Value, kernel_size: Value, stride: Value, padding: Value, dilation: Value, ceil_mode: Value) -> Array:
        value, rank, alone = _pooled(context, name, x, digits)
        size = _each(context, kernel_size, rank, "kernel_size")
        by = size if stride is None else _each(context, stride, rank, "stride")
        around = _half_padding(context, name, _each(context, padding, rank, "padding"), size)
        apart = _each(context, dilation, rank, "dilation")
        windows = _Windows(context, name, value.extents[2:], size, by, around, apart, flag(context, ceil_mode, "ceil_mode"))
        outer = tuple(fresh(e) for e in value.extents[:2])
        read = windows.read(context, value, tuple(map(poly, outer)), MONOIDS["max"].identity(value.dtype))
        return _unbatched(context, Array((), build.reduce("max", windows.taps, read)), (*outer, *windows.out), alone)

    pool.__doc__ = f"""The greatest element of each window: y[n, c, p] = max[r](x[n, c, p * stride + r * dilation - padding]).

    x is [N, C, ...] (or, where the name says the rank, without N), with {_spatial(digits)}. What is outside of x does not count; NaN is
    passed on. stride is kernel_size by default; each is a number, or one for each spatial axis. Windows that do not fit are left out,
    with ceil_mode only those that begin beyond x and its padding before. The gradient is shared evenly among ties, as that of `max`.
    """
    builtin(name, "x kernel_size stride padding dilation ceil_mode", stride=None, padding=0, dilation=1, ceil_mode=False)(pool)


def _average_pool(name: str, digits: int | None) -> None:
    def pool(
        context: Context,
        x: Value,
        kernel_size: Value,
        stride: Value,
        padding: Value,
        ceil_mode: Value,
        count_include_pad: Value,
        divisor_override: Value,
    ) -> Array:
        value, rank, alone = _pooled(context, name, x, digits)
        if not value.dtype.is_float:
            raise context.error(
                "E0404", f"`{name}` wants floats, found {value.dtype}", context.argument_spans.get("x"), help="`cast(x, f32)`"
            )
        size = _each(context, kernel_size, rank, "kernel_size")
        by = size if stride is None else _each(context, stride, rank, "stride")
        around = _half_padding(context, name, _each(context, padding, rank, "padding"), size)
        partly = flag(context, ceil_mode, "ceil_mode")
        windows = _Windows(context, name, value.extents[2:], size, by, around, [algebra.ONE] * rank, partly)
        outer = tuple(fresh(e) for e in value.extents[:2])
        wide = notation.widen(windows.read(context, value, tuple(map(poly, outer)), 0))
        total = build.reduce("sum", windows.taps, wide)
        if divisor_override is not None:
            count: Scalar = build.integer(integer(context, divisor_override, "divisor_override"))
        elif flag(context, count_include_pad, "count_include_pad"):
            whole = build.integer(_product(size))
            count = build.reduce("sum", windows.taps, build.cast(windows.inside_padding(context), i64)) if partly else whole
        else:
            count = build.reduce("sum", windows.taps, build.cast(windows.inside(context), i64))
        mean = build.apply("div", total, build.cast(count, total.dtype))
        return _unbatched(context, Array((), build.cast(mean, value.dtype)), (*outer, *windows.out), alone)

    pool.__doc__ = f"""The mean of each window: y[n, c, p] = mean[r](x[n, c, p * stride + r - padding]), where x is 0 outside.

    x is [N, C, ...] (or, where the name says the rank, without N), with {_spatial(digits)}. stride is kernel_size by default; each is a
    number, or one for each spatial axis. With count_include_pad=false the mean is over what is inside of x; divisor_override replaces
    the count. Windows that do not fit are left out, with ceil_mode only those that begin beyond x and its padding before; these count
    what is inside of x and its padding. Half floats accumulate in f32.
    """
    builtin(
        name,
        "x kernel_size stride padding ceil_mode count_include_pad divisor_override",
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    )(pool)


for _digits in (None, 1, 2, 3):
    _max_pool("max_pool" if _digits is None else f"max_pool{_digits}d", _digits)
    _average_pool("avg_pool" if _digits is None else f"avg_pool{_digits}d", _digits)
