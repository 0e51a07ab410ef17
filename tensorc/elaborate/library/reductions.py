"""Built-ins that reduce or scan along axes, and sorts: array notation for the reductions of index notation."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.algebra import Index, fresh, poly
from tensorc.dtypes import DType, bool_, f32, i64
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.registry import axis_list, builtin, element_type, flag, integer, one_axis, tensor
from tensorc.elaborate.library.shapes import flatten, of_tensor_like, to_last
from tensorc.elaborate.values import Array, Tuple, Value
from tensorc.ir import build
from tensorc.ir.tensor import Scan, Sort


def kept(value: Array, axes: Sequence[int], keepdims: bool) -> tuple[Index, ...]:
    """The result's axes after a reduction over some."""
    if keepdims:
        return tuple(fresh(1) if n in axes else a for n, a in enumerate(value.axes))
    return tuple(a for n, a in enumerate(value.axes) if n not in axes)


_WIDENED = "i64 for integers and bool; half floats accumulate in f32. With dtype, of cast(x, dtype)."

_REDUCED = {
    "sum": "The sum along axes, all by default: 0 of nothing. " + _WIDENED,
    "prod": "The product along axes, all by default: 1 of nothing. " + _WIDENED,
    "mean": "The mean along axes, all by default: NaN of nothing. Floats alone, halves accumulate in f32. With dtype, of cast(x, dtype).",
    "max": "The greatest element along axes, all by default; NaN is passed on. Of nothing an error at the call.",
    "min": "The least element along axes, all by default; NaN is passed on. Of nothing an error at the call.",
    "any": "Whether any element along axes, all by default, is not 0: false of nothing. The result is bool.",
    "all": "Whether every element along axes, all by default, is not 0: true of nothing. The result is bool.",
    "argmax": "The first place of the greatest element along an axis, or in the flattened tensor; of a NaN where there is one. i64.",
    "argmin": "The first place of the least element along an axis, or in the flattened tensor; of a NaN where there is one. i64.",
}


def _reduction(name: str, parameters: str = "x axis keepdims") -> None:
    def reduce(context: Context, x: Value, axis: Value, keepdims: Value, dtype: Value = None) -> Array:
        value = tensor(context, x, "x")
        if dtype is not None:
            value = arrays.strong(context, value)
            value = arrays.cast(context, value, element_type(context, dtype, value.dtype))
        axes = axis_list(context, axis, value.rank)
        keep = flag(context, keepdims, "keepdims")
        if not axes:
            return _of_one(context, name, value)
        head = {"amin": "min", "amax": "max"}.get(name, name)
        body = notation.reduce(context, head, [value.axes[a] for a in axes], Array((), value.body), context.current)
        if dtype is not None and body.dtype is not value.dtype and not value.dtype.is_float:
            body = build.cast(body, element_type(context, dtype, i64))
        return context.settle(Array(kept(value, axes, keep), body, value.weak))

    reduce.__doc__ = _REDUCED[{"amin": "min", "amax": "max"}.get(name, name)]
    builtin(name, parameters, axis=None, keepdims=False, dtype=None)(reduce)


def _of_one(context: Context, name: str, value: Array) -> Array:
    """A reduction over no axis: of one element."""
    one = fresh(1)
    head = {"amin": "min", "amax": "max"}.get(name, name)
    return Array(value.axes, notation.reduce(context, head, [one], Array((), value.body), context.current), value.weak)


for _name in ("sum", "prod", "mean"):
    _reduction(_name, "x axis keepdims dtype")
for _name in ("max", "min", "amax", "amin", "any", "all"):
    _reduction(_name)


def _arg_reduction(name: str) -> None:
    def reduce(context: Context, x: Value, axis: Value, keepdims: Value) -> Array:
        value = arrays.strong(context, tensor(context, x, "x"))
        keep = flag(context, keepdims, "keepdims")
        rank = value.rank
        if axis is None:
            flat = flatten(context, value)
            at = 0
            result: tuple[Index, ...] = tuple(fresh(1) for _ in range(rank)) if keep else ()
        else:
            flat = value if rank else flatten(context, value)
            at = one_axis(context, axis, max(rank, 1))
            result = kept(flat, (at,), keep and rank > 0)
        notation.not_empty(context, name, [flat.axes[at]], context.current)
        return context.settle(Array(result, notation.arg_reduce(name, flat.axes[at], flat.body)))

    reduce.__doc__ = _REDUCED[name]
    builtin(name, "x axis keepdims", axis=None, keepdims=False)(reduce)


_arg_reduction("argmax")
_arg_reduction("argmin")


def _scan(name: str, monoid: str) -> None:
    def scan(context: Context, x: Value, axis: Value, dtype: Value = None) -> Array:
        value = arrays.strong(context, tensor(context, x, "x"))
        if dtype is not None:
            value = arrays.cast(context, value, element_type(context, dtype, value.dtype))
        result: DType = value.dtype
        if monoid in ("sum", "prod"):
            value = arrays.cast(context, value, i64 if not value.dtype.is_float else f32 if value.dtype.is_half else value.dtype)
            result = result if result.is_float or dtype is not None else i64
        if value.rank == 0:
            axis_list(context, axis, 0)
            return arrays.cast(context, value, result)
        if axis is None:
            if value.rank > 1:
                raise context.error("E0607", f"`{name}` wants an axis for a tensor of rank {value.rank}")
            at = 0
        else:
            at = one_axis(context, axis, value.rank)
        moved, back = to_last(value, at)
        scanned = of_tensor_like(Scan(monoid, moved.tensor(), None, False), moved)
        return arrays.cast(context, back(scanned), result)

    scan.__doc__ = f"""y[t] = {_SCANS[monoid]} along an axis, which may be left out for a vector. {_SCANNED[monoid in ("sum", "prod")]}"""
    builtin(name, "x axis dtype" if monoid in ("sum", "prod") else "x axis", axis=None, dtype=None)(scan)


_SCANS = {"sum": "sum[s <= t](x[s])", "prod": "prod[s <= t](x[s])", "max": "max[s <= t](x[s])", "min": "min[s <= t](x[s])"}
_SCANNED = {
    True: _WIDENED,
    False: "NaN is passed on. The values alone, no indices.",
}

_scan("cumsum", "sum")
_scan("cumprod", "prod")
_scan("cummax", "max")
_scan("cummin", "min")


def permutation(context: Context, value: Array, at: int, descending: bool) -> tuple[Array, Array]:
    """(the array with axis `at` last, the stable permutation that sorts it)."""
    moved, _ = to_last(value, at)
    moved = context.settle(moved)
    return moved, of_tensor_like(Sort(moved.tensor(), descending), moved)


def gathered(context: Context, moved: Array, order: Array) -> Array:
    """moved[..., order[..., i]]: places of a permutation, which need no check."""
    free = order.body
    place = build.number(free)
    assert place is not None
    axes = order.axes
    return Array(axes, moved.at((*map(poly, axes[:-1]), place)))


@builtin("argsort", "x axis descending stable", axis=None, descending=False, stable=True)
def argsort(context: Context, x: Value, axis: Value, descending: Value, stable: Value) -> Array:
    """The permutation (i64) that sorts x along the axis, the last by default.

    It is stable, whatever `stable` says; NaN is last in both directions.
    """
    value = arrays.strong(context, tensor(context, x, "x"))
    if value.rank == 0:
        axis_list(context, axis, 0)
        return Array((), build.constant(0, i64))
    at = value.rank - 1 if axis is None else one_axis(context, axis, value.rank)
    _, order = permutation(context, value, at, flag(context, descending, "descending"))
    return _back(order, at)


@builtin("sort", "x axis descending stable", axis=None, descending=False, stable=True)
def sort(context: Context, x: Value, axis: Value, descending: Value, stable: Value) -> Array:
    """x sorted along the axis, the last by default; NaN is last in both directions."""
    value = arrays.strong(context, tensor(context, x, "x"))
    if value.rank == 0:
        axis_list(context, axis, 0)
        return value
    at = value.rank - 1 if axis is None else one_axis(context, axis, value.rank)
    moved, order = permutation(context, value, at, flag(context, descending, "descending"))
    return _back(context.settle(gathered(context, moved, order)), at)


@builtin("topk", "x k axis largest sorted", axis=None, largest=True, sorted=True)
def topk(context: Context, x: Value, k: Value, axis: Value, largest: Value, sorted: Value) -> Tuple:
    """(values, indices) of the k greatest elements along the axis, the last by default; with largest=false of the k least.

    They come in order, whatever `sorted` says, equal ones by their place; NaN counts as less than all others, and as greater with
    largest=false.
    """
    value = arrays.strong(context, tensor(context, x, "x"))
    if value.rank == 0:
        raise context.error("E0303", "`topk` wants at least one axis", context.argument_spans.get("x"))
    at = value.rank - 1 if axis is None else one_axis(context, axis, value.rank)
    count = integer(context, k, "k")
    extent = value.axes[at].extent
    context.require(count, ">=", f"`topk`: k = {count} is negative", context.argument_spans.get("k"))
    context.require(extent - count, ">=", f"`topk`: k = {count} of an axis of extent {extent}", context.argument_spans.get("k"))
    moved, order = permutation(context, value, at, flag(context, largest, "largest"))
    first = (*(fresh(a.extent) for a in order.axes[:-1]), fresh(count))
    order = Array(first, order.at(tuple(map(poly, first))))
    return Tuple((_back(context.settle(gathered(context, moved, order)), at), _back(order, at)))


def _back(value: Array, at: int) -> Array:
    """The last axis moved to `at`."""
    axes = list(value.axes)
    axes.insert(at, axes.pop())
    return Array(tuple(axes), value.body, value.weak)


@builtin("count_nonzero", "x axis keepdims", axis=None, keepdims=False)
def count_nonzero(context: Context, x: Value, axis: Value, keepdims: Value) -> Array:
    """How many elements along axes, all by default, are not 0; i64."""
    value = arrays.cast(context, arrays.strong(context, tensor(context, x, "x")), bool_)
    axes = axis_list(context, axis, value.rank)
    if not axes:
        return arrays.cast(context, value, i64)
    body = notation.reduce(context, "sum", [value.axes[a] for a in axes], Array((), value.body), context.current)
    return context.settle(Array(kept(value, axes, flag(context, keepdims, "keepdims")), body))
