"""PyTorch's core operators as operations on tracers: what the backend of torch.compile can translate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tensorc.dtypes import DType, i64
from tensorc.elaborate.values import of_tensor
from tensorc.frontend.trace import active_trace
from tensorc.frontend.tracers import Tracer
from tensorc.torch_bridge.memory import DTYPE_OF
from tensorc.transform.derive import vjp

Translation = Callable[..., Any]


class Refused(Exception):
    """What cannot be translated, and why."""


class _Library:
    """The library's functions in the trace that is active."""

    def __getattr__(self, name: str) -> Translation:
        trace = active_trace()
        assert trace is not None
        return lambda *args, **kwargs: trace.call(name, *args, **kwargs)


of = _Library()

_UNARY = (
    "abs neg sign floor ceil trunc round exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan asin acos atan sinh cosh "
    "tanh asinh acosh atanh erf erfc lgamma sigmoid relu silu isnan isinf"
)

_BINARY = {
    "mul": "*", "floor_divide": "//", "remainder": "%", "pow": "**", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "bitwise_left_shift": "<<", "bitwise_right_shift": ">>",
}  # fmt: skip


def _operator(symbol: str) -> Translation:
    def call(a: Any, b: Any) -> Any:
        trace = active_trace()
        assert trace is not None
        return trace.binary(symbol, a, b)

    return call


def _sum_of(symbol: str) -> Translation:
    operation = _operator(symbol)
    return lambda a, b, *, alpha=1: operation(a, b if type(alpha) in (int, float) and alpha == 1 else operation_mul(b, alpha))


operation_mul = _operator("*")


def _div(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return _operator("//")(a, b)
    quotient = _operator("/")(a, b)
    return quotient if rounding_mode is None else of.trunc(quotient)


def _reduction(name: str) -> Translation:
    def call(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        x = x if dtype is None else of.cast(x, _dtype(dtype))
        return getattr(of, name)(x, axis=_axes(dim), keepdims=keepdim)

    return call


def _axes(dim: Any) -> Any:
    """Axes as the library takes them: an empty list stands for all."""
    return None if dim is None or dim == [] else tuple(dim) if isinstance(dim, (list, tuple)) else dim


def _dtype(value: Any) -> DType:
    if value not in DTYPE_OF:
        raise Refused(f"the dtype {str(value).removeprefix('torch.')}")
    return DTYPE_OF[value]


def _extremum(name: str) -> Translation:
    def call(x: Any, dim: int, keepdim: bool = False) -> Any:
        options = {"axis": dim, "keepdims": keepdim}
        return getattr(of, name)(x, **options), getattr(of, f"arg{name}")(x, **options)

    return call


def _variance(x: Any, dim: Any = None, *, correction: Any = 1, keepdim: bool = False) -> Any:
    if not isinstance(correction, int):
        raise Refused("a correction that is no integer")
    return of.var(x, axis=_axes(dim), correction=correction, keepdims=keepdim)


def _slice(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    if step == 1 and start in (None, 0) and isinstance(end, int) and end >= 1 << 62:
        return x
    first, last = _bounds(x.shape[dim], start, end)
    return x[(*[slice(None)] * (dim % x.ndim), slice(first, last, step))]


def _bounds(extent: Any, start: Any, end: Any) -> tuple[Any, Any]:
    """A slice's bounds, inside of an axis."""
    bounds = []
    for bound, usual in ((start, 0), (end, extent)):
        value = usual if bound is None else bound
        if isinstance(value, int) and isinstance(extent, int):
            value = min(max(value + extent if value < 0 else value, 0), extent)
        elif isinstance(value, int) and value >= 1 << 62:
            value = extent
        elif isinstance(value, int) and value < 0:
            value = extent + value
        bounds.append(value)
    if all(isinstance(b, int) for b in bounds) and bounds[1] < bounds[0]:
        bounds[1] = bounds[0]
    return bounds[0], bounds[1]


def _select(x: Any, dim: int, index: Any) -> Any:
    return x[(*[slice(None)] * (dim % x.ndim), index)]


def _slice_scatter(x: Any, source: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    if step != 1:
        raise Refused("a step in slice_scatter")
    axis = dim % x.ndim
    first, last = _bounds(x.shape[axis], start, end)
    lead = [slice(None)] * axis
    return of.concat([x[(*lead, slice(0, first))], of.cast(source, x.dtype), x[(*lead, slice(last, x.shape[axis]))]], axis=axis)


def _select_scatter(x: Any, source: Any, dim: int, index: Any) -> Any:
    axis = dim % x.ndim
    place = index + x.shape[axis] if isinstance(index, int) and index < 0 else index
    return _slice_scatter(x, of.unsqueeze(source, axis), axis, place, place + 1)


def _split(x: Any, size: Any, dim: int = 0) -> Any:
    extent = x.shape[dim]
    if not isinstance(extent, int) or not isinstance(size, int):
        raise Refused("a split of an axis whose size is a symbol")
    return _split_with_sizes(x, [min(size, extent - n) for n in range(0, extent, size)], dim)


def _split_with_sizes(x: Any, sizes: Sequence[Any], dim: int = 0) -> Any:
    lead = [slice(None)] * (dim % x.ndim)
    found, start = [], 0
    for length in sizes:
        found.append(x[(*lead, slice(start, start + length))])
        start = start + length
    return tuple(found)


def _unbind(x: Any, dim: int = 0) -> Any:
    if not isinstance(x.shape[dim], int):
        raise Refused("unbind along an axis whose size is a symbol")
    return tuple(_select(x, dim, n) for n in range(x.shape[dim]))


def _wrapped(index: Any, extent: Any) -> Any:
    """Places with the negative ones counted from the end."""
    return of.where(index < 0, index + extent, index)


def _one_index(indices: Sequence[Any]) -> tuple[int, Any]:
    """The axis and the places of an index by one tensor."""
    given = [(n, i) for n, i in enumerate(indices) if i is not None]
    if len(given) != 1 or not given[0][1].dtype.is_integer:
        raise Refused("an index by several tensors, or by a mask")
    return given[0]


def _index(x: Any, indices: Sequence[Any]) -> Any:
    axis, places = _one_index(indices)
    return of.take(x, places, axis=axis)


def _index_put(x: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    axis, places = _one_index(indices)
    if not accumulate or places.ndim != 1:
        raise Refused("index_put that overwrites, or by places of several axes")
    shape = [places.shape[0] if n == axis else e for n, e in enumerate(x.shape)]
    wide = of.broadcast_to(of.reshape(_wrapped(places, x.shape[axis]), [-1 if n == axis else 1 for n in range(x.ndim)]), shape)
    return of.scatter_add(x, axis, wide, of.broadcast_to(values, shape))


def _convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any, groups: int
) -> Any:
    if transposed:
        raise Refused("a transposed convolution")
    rank = weight.ndim - 2
    wide = {n: tuple(v) * rank if len(v) == 1 else tuple(v) for n, v in (("stride", stride), ("padding", padding), ("dilation", dilation))}
    result = getattr(of, f"conv{rank}d")(x, weight, **wide, groups=groups)
    return result if bias is None else result + bias[(slice(None), *[None] * rank)]


def _layer_norm(x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float) -> Any:
    """(result, mean, the reciprocal of the deviation)."""
    if x.dtype.is_half:
        raise Refused("layer_norm of half floats, whose statistics are f32")
    axes = tuple(range(-len(shape), 0))
    mean = of.mean(x, axis=axes, keepdims=True)
    scale = of.rsqrt(of.var(x, axis=axes, correction=0, keepdims=True) + eps)
    result = (x - mean) * scale
    result = result if weight is None else result * weight
    return result if bias is None else result + bias, mean, scale


def _softmax(name: str) -> Translation:
    def call(x: Any, dim: int, half_to_float: bool) -> Any:
        if half_to_float:
            raise Refused("half_to_float")
        return getattr(of, name)(x, axis=dim) if x.ndim else getattr(of, name)(x[None], axis=0)[0]

    return call


def _scatter(x: Any, dim: int, index: Any, value: Any) -> Any:
    """One element of each row along an axis, overwritten."""
    axis = dim % max(x.ndim, 1)
    others = [n for n in range(x.ndim) if n != axis]
    if not x.ndim or not (isinstance(index.shape[axis], int) and index.shape[axis] == 1):
        raise Refused("scatter of several elements of a row")
    if any(index.value.extents[n] is not x.value.extents[n] for n in others):
        raise Refused("scatter by an index that is smaller than the tensor")
    place = of.reshape(of.arange(x.shape[axis]), [-1 if n == axis else 1 for n in range(x.ndim)])
    return of.where(place == index, of.cast(value, x.dtype), x)


def _convolution_backward(
    gradient: Any,
    x: Any,
    weight: Any,
    bias_sizes: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    mask: Any,
) -> Any:
    """The cotangents of the input, the weight and the bias of a convolution; None for those that are not wanted."""
    options = (None, stride, padding, dilation, transposed, output_padding, groups)
    found = _cotangents(lambda x, weight: _convolution(x, weight, *options), (x, weight), gradient, mask[:2])
    axes = tuple(n for n in range(gradient.ndim) if n != 1)
    return *found, of.sum(gradient, axis=axes) if mask[2] else None


def _cotangents(function: Translation, arguments: Sequence[Any], gradient: Any, wanted: Sequence[bool]) -> list[Any]:
    """The cotangents of the wanted arguments of a function, given its result's; None for the others."""
    trace = active_trace()
    assert trace is not None
    tensors = [a.value.tensor() for a in arguments]
    result = function(*(Tracer(trace, of_tensor(t)) for t in tensors))
    wrt = [t for t, w in zip(tensors, wanted, strict=True) if w]
    found = iter(vjp([result.value.tensor()], [gradient.value.tensor()], wrt) if wrt else ())
    return [Tracer(trace, of_tensor(next(found))) if w else None for w in wanted]


def _pad(x: Any, pad: Sequence[int], value: Any = 0) -> Any:
    pairs = [[0, 0]] * (x.ndim - len(pad) // 2) + [list(pad[n : n + 2]) for n in range(len(pad) - 2, -1, -2)]
    return of.pad(x, pairs, value=value)


def _copy(x: Any, *, dtype: Any = None, **options: Any) -> Any:
    return x if dtype is None else of.cast(x, _dtype(dtype))


def _full(shape: Sequence[Any], value: Any, *, dtype: Any = None, **options: Any) -> Any:
    return of.cast(of.broadcast_to(value, list(shape)), _dtype(dtype) if dtype is not None else i64)


def _like(value: Any) -> Translation:
    return lambda x, *, dtype=None, **options: of.cast(of.broadcast_to(value, list(x.shape)), x.dtype if dtype is None else _dtype(dtype))


def _full_like(x: Any, value: Any, *, dtype: Any = None, **options: Any) -> Any:
    return _like(value)(x, dtype=dtype)


def _arange(start: Any, end: Any, step: Any = 1, *, dtype: Any = None, **options: Any) -> Any:
    if not all(not isinstance(v, float) for v in (start, end, step)):
        raise Refused("arange of floats")
    return of.arange(start, end, step, _dtype(dtype) if dtype is not None else i64)


def _expand(x: Any, shape: Sequence[Any], *, implicit: bool = False) -> Any:
    return of.expand(x, list(shape))


def _squeeze(x: Any, dim: Any = None) -> Any:
    axes = range(x.ndim) if dim is None else [d % max(x.ndim, 1) for d in ([dim] if isinstance(dim, int) else dim)]
    gone = tuple(n for n in axes if x.ndim and isinstance(x.shape[n], int) and x.shape[n] == 1)
    return of.squeeze(x, gone) if gone else x


def _addmm(x: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    product = a @ b if alpha == 1 else (a @ b) * alpha
    return product + (x if beta == 1 else x * beta)


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    return x if min is None and max is None else of.clamp(x, min=min, max=max)


def _sort(x: Any, dim: int = -1, descending: bool = False) -> Any:
    order = of.argsort(x, axis=dim, descending=descending)
    return (of.gather(x, dim, order) if x.ndim else x), order


def _logical(symbol: str) -> Translation:
    return lambda a, b: _operator(symbol)(of.cast(a, "bool"), of.cast(b, "bool"))


def _not(x: Any) -> Any:
    return of.cast(x, "bool") == False  # noqa: E712


VIEWS = frozenset(
    [
        "view",
        "reshape",
        "_unsafe_view",
        "expand",
        "permute",
        "transpose",
        "t",
        "squeeze",
        "unsqueeze",
        "slice",
        "select",
        "alias",
        "detach",
        "clone",
        "split",
        "split_with_sizes",
        "unbind",
        "lift_fresh_copy",
        "full",
        "zeros_like",
        "ones_like",
        "full_like",
        "scalar_tensor",
        "arange",
    ]
)
"""Operators that only move or make elements: of these alone no kernel is made."""

TABLE: dict[str, Translation] = {
    **{name: (lambda x, name=name: getattr(of, name)(x)) for name in _UNARY.split()},
    **{name: _operator(symbol) for name, symbol in _BINARY.items()},
    "add": _sum_of("+"), "sub": _sum_of("-"), "div": _div, "rsub": lambda a, b, *, alpha=1: _sum_of("-")(b, a, alpha=alpha),
    "maximum": lambda a, b: of.maximum(a, b), "minimum": lambda a, b: of.minimum(a, b), "atan2": lambda a, b: of.atan2(a, b),
    "fmod": lambda a, b: of.fmod(a, b), "hypot": lambda a, b: of.hypot(a, b), "copysign": lambda a, b: of.copysign(a, b),
    "logical_and": _logical("and"), "logical_or": _logical("or"), "logical_xor": _logical("!="), "logical_not": _not,
    "bitwise_not": lambda x: ~x, "where": lambda c, a, b: of.where(c, a, b), "clamp": _clamp,
    "clamp_min": lambda x, min: of.clamp(x, min=min), "clamp_max": lambda x, max: of.clamp(x, max=max),
    "addcmul": lambda x, a, b, *, value=1: x + (a * b if value == 1 else a * b * value),
    "addcdiv": lambda x, a, b, *, value=1: x + (a / b if value == 1 else a * value / b),
    "gelu": lambda x, *, approximate="none": of.gelu(x, approximate=approximate),
    "leaky_relu": lambda x, slope=0.01: of.leaky_relu(x, slope),
    "elu": lambda x, alpha=1, scale=1, input_scale=1: _elu(x, alpha, scale, input_scale),
    "hardtanh": lambda x, low=-1, high=1: of.hardtanh(x, low, high), "hardswish": lambda x: of.hardswish(x),
    "hardsigmoid": lambda x: of.hardsigmoid(x), "mish": lambda x: of.mish(x),
    "softplus": lambda x, beta=1, threshold=20: of.softplus(x, beta, threshold),
    **{name: _reduction(name) for name in ("sum", "mean", "prod", "amax", "amin", "any", "all", "argmax", "argmin")},
    "max": lambda x, dim=None, keepdim=False: of.max(x) if dim is None else _extremum("max")(x, dim, keepdim),
    "min": lambda x, dim=None, keepdim=False: of.min(x) if dim is None else _extremum("min")(x, dim, keepdim),
    "var": _variance, "var_mean": lambda x, dim=None, *, correction=1, keepdim=False: (
        _variance(x, dim, correction=correction, keepdim=keepdim), of.mean(x, axis=_axes(dim), keepdims=keepdim)),
    "cumsum": lambda x, dim, *, dtype=None: of.cumsum(_copy(x, dtype=dtype), axis=dim),
    "cumprod": lambda x, dim, *, dtype=None: of.cumprod(_copy(x, dtype=dtype), axis=dim),
    "logcumsumexp": lambda x, dim: of.logcumsumexp(x, axis=dim),
    "logsumexp": lambda x, dim, keepdim=False: of.logsumexp(x, axis=_axes(dim), keepdims=keepdim),
    "mm": lambda a, b: a @ b, "bmm": lambda a, b: a @ b, "mv": lambda a, b: a @ b, "dot": lambda a, b: a @ b,
    "addmm": _addmm, "baddbmm": _addmm, "convolution": _convolution, "convolution_backward": _convolution_backward, "scatter": _scatter,
    "_softmax": _softmax("softmax"), "_log_softmax": _softmax("log_softmax"), "native_layer_norm": _layer_norm,
    "view": lambda x, shape: of.reshape(x, list(shape)), "reshape": lambda x, shape: of.reshape(x, list(shape)),
    "_unsafe_view": lambda x, shape: of.reshape(x, list(shape)), "expand": _expand,
    "permute": lambda x, dims: of.permute(x, tuple(dims)), "transpose": lambda x, a, b: of.swapaxes(x, a, b), "t": lambda x: x.T,
    "squeeze": _squeeze, "unsqueeze": lambda x, dim: of.unsqueeze(x, dim), "slice": _slice, "select": _select,
    "slice_scatter": _slice_scatter, "select_scatter": _select_scatter, "split": _split, "split_with_sizes": _split_with_sizes,
    "unbind": _unbind, "cat": lambda xs, dim=0: of.concat(list(xs), axis=dim), "stack": lambda xs, dim=0: of.stack(list(xs), axis=dim),
    "flip": lambda x, dims: of.flip(x, tuple(dims)) if dims else x,
    "roll": lambda x, shifts, dims=(): of.roll(x, list(shifts), tuple(dims) or None),
    "repeat": lambda x, repeats: of.tile(x, list(repeats)),
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: of.diagonal(x, offset, dim1, dim2),
    "constant_pad_nd": _pad, "index": _index, "index_put": _index_put, "_unsafe_index_put": _index_put,
    "index_select": lambda x, dim, index: of.take(x, index, axis=dim),
    "gather": lambda x, dim, index, *, sparse_grad=False: of.gather(x, dim, index) if x.ndim else x,
    "embedding": lambda weight, ids, *rest: of.embedding(ids, weight),
    "scatter_add": lambda x, dim, index, source: of.scatter_add(x, dim, index, source),
    "alias": lambda x: x, "detach": lambda x: x, "clone": lambda x, *, memory_format=None: x, "lift_fresh_copy": lambda x: x,
    "_to_copy": _copy, "convert_element_type": lambda x, dtype: of.cast(x, _dtype(dtype)),
    "full": _full, "zeros_like": _like(0), "ones_like": _like(1), "full_like": _full_like,
    "scalar_tensor": lambda value, *, dtype=None, **options: _full([], value, dtype=dtype), "arange": _arange,
    "sort": _sort, "topk": lambda x, k, dim=-1, largest=True, sorted=True: of.topk(x, k, axis=dim, largest=largest),
    "tril": lambda x, diagonal=0: of.tril(x, diagonal), "triu": lambda x, diagonal=0: of.triu(x, diagonal),
}  # fmt: skip
"""Translations by the name of the operator, for all of its overloads."""


def _elu(x: Any, alpha: Any, scale: Any, input_scale: Any) -> Any:
    if scale != 1 or input_scale != 1:
        raise Refused("a scaled elu")
    return of.elu(x, alpha)
