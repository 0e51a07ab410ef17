"""PyTorch's functions on tracers: each is a row of a table, with PyTorch's argument names and defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tensorc.diagnostics import error
from tensorc.frontend.names import Special, apply, rows, unknown
from tensorc.frontend.places import user_span
from tensorc.frontend.trace import Trace, current_trace
from tensorc.frontend.tracers import Tracer

OPERATORS = {
    "mul": "*",
    "multiply": "*",
    "true_divide": "/",
    "floor_divide": "//",
    "remainder": "%",
    "pow": "**",
    "matmul": "@",
    "mm": "@",
    "mv": "@",
    "bmm": "@",
    "eq": "==",
    "ne": "!=",
    "not_equal": "!=",
    "lt": "<",
    "less": "<",
    "le": "<=",
    "less_equal": "<=",
    "gt": ">",
    "greater": ">",
    "ge": ">=",
    "greater_equal": ">=",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "bitwise_xor": "^",
    "bitwise_left_shift": "<<",
    "bitwise_right_shift": ">>",
    "__add__": "+",
    "__sub__": "-",
    "__mul__": "*",
    "__truediv__": "/",
    "__floordiv__": "//",
    "__mod__": "%",
    "__pow__": "**",
    "__matmul__": "@",
    "__and__": "&",
    "__or__": "|",
    "__xor__": "^",
    "__lshift__": "<<",
    "__rshift__": ">>",
    "__eq__": "==",
    "__ne__": "!=",
    "__lt__": "<",
    "__le__": "<=",
    "__gt__": ">",
    "__ge__": ">=",
}
"""Functions of two arguments that are operators, and the methods by which a tensor on the left meets a tracer."""

LOGICAL = {"logical_and": "and", "logical_or": "or", "logical_xor": "!="}

_SAME = (
    "abs neg sign floor ceil trunc exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan "
    "sinh cosh tanh asinh acosh atanh erf erfc erfinv lgamma sigmoid relu selu silu mish softsign hardswish hardsigmoid isnan "
    "isinf isfinite"
)

FUNCTIONS = rows("""
absolute = abs: input
negative = neg: input
arcsin = asin: input
arccos = acos: input
arctan = atan: input
arcsinh = asinh: input
arccosh = acosh: input
arctanh = atanh: input
special_expit expit = sigmoid: input
atan2 arctan2 = atan2: input other
hypot = hypot: input other
copysign = copysign: input other
logaddexp = logaddexp: input other
xlogy = xlogy: input other
fmod = fmod: input other
maximum = maximum: input other
minimum = minimum: input other
lerp = lerp: input end weight
where = where: condition input other
clamp clip = clamp: input min> max>
nan_to_num = nan_to_num: input nan> posinf> neginf>
logit = logit: input eps>
relu6 = hardtanh: input min_val=0.0 max_val=6.0 inplace!
gelu = gelu: input approximate>~'none'
elu = elu: input alpha>~1.0 inplace!
leaky_relu = leaky_relu: input negative_slope>~0.01 inplace!
softplus = softplus: input beta>~1.0 threshold>~20.0
hardtanh = hardtanh: input min_val=-1.0 max_val=1.0 inplace!
softmax = softmax: input dim>axis~-1 _stacklevel? dtype^
log_softmax = log_softmax: input dim>axis~-1 _stacklevel? dtype^
sum = sum: input dim>axis keepdim>keepdims~False dtype> axis>
prod = prod: input dim>axis keepdim>keepdims~False dtype>
mean = mean: input dim>axis keepdim>keepdims~False dtype> axis>
amax = amax: input dim>axis keepdim>keepdims~False
amin = amin: input dim>axis keepdim>keepdims~False
argmax = argmax: input dim>axis keepdim>keepdims~False
argmin = argmin: input dim>axis keepdim>keepdims~False
any = any: input dim>axis keepdim>keepdims~False
all = all: input dim>axis keepdim>keepdims~False
logsumexp = logsumexp: input dim>axis keepdim>keepdims~False
count_nonzero = count_nonzero: input dim>axis
vector_norm linalg_vector_norm = norm: x ord>~2 dim>axis keepdim>keepdims~False dtype^
cumsum = cumsum: input dim>axis dtype>
cumprod = cumprod: input dim>axis dtype>
logcumsumexp = logcumsumexp: input dim>axis
reshape view = reshape: input shape
flatten = flatten: input start_dim=0 end_dim=-1
squeeze = squeeze: input dim>axis
unsqueeze = unsqueeze: input dim
transpose swapaxes swapdims = swapaxes: input dim0 dim1
permute = permute: input dims
broadcast_to = broadcast_to: input size
cat concat concatenate = concat: tensors dim>axis~0
stack = stack: tensors dim>axis~0
chunk = split: input chunks dim>axis~0
flip = flip: input dims
roll = roll: input shifts dims>axis
repeat_interleave = repeat: input repeats dim>axis
tile = tile: input dims
take = take: input index
index_select = take: input dim>axis index
gather = gather: input dim index sparse_grad!
scatter_add = scatter_add: input dim index src
one_hot = one_hot: input num_classes
diagonal = diagonal: input offset=0 dim1=0 dim2=1
tril = tril: input diagonal=0
triu = triu: input diagonal=0
dot vdot = dot: input other
outer ger = outer: input vec2
trace = trace: input
signbit = signbit: input
embedding = embedding: input weight padding_idx> max_norm! norm_type? scale_grad_by_freq! sparse!
mse_loss = mse_loss: input target size_average! reduce! reduction>~'mean' weight>
l1_loss = l1_loss: input target size_average! reduce! reduction>~'mean' weight>
huber_loss = huber_loss: input target reduction>~'mean' delta>~1.0 weight>
nll_loss = nll_loss: input target weight> size_average! ignore_index>~-100 reduce! reduction>~'mean'
cross_entropy = cross_entropy: input target weight> size_average! ignore_index>~-100 reduce! reduction>~'mean' label_smoothing>~0.0
binary_cross_entropy_with_logits = bce_with_logits: input target weight> size_average! reduce! reduction>~'mean' pos_weight>
kl_div = kl_div: input target size_average! reduce! reduction>~'mean' log_target>~False
cosine_similarity = cosine_similarity: x1 x2 dim>axis~1 eps>~1e-08
scaled_dot_product_attention = scaled_dot_product_attention: query key value attn_mask dropout_p>~0.0 is_causal>~False scale> enable_gqa>
max_pool1d max_pool2d max_pool3d = max_pool: input kernel_size stride> padding>~0 dilation>~1 ceil_mode>~False return_indices!
avg_pool1d avg_pool2d avg_pool3d = avg_pool: input kernel_size stride> padding>~0 ceil_mode>~False count_include_pad>~True divisor_override>
argsort = argsort: input dim>axis~-1 descending>~False stable?
topk = topk: input k dim>axis~-1 largest>~True sorted?
""") | rows("\n".join(f"{name} = {name}: input inplace!" for name in _SAME.split()))
"""Functions by the name of PyTorch's, of `torch.nn.functional` and `torch.special` too."""


def _scaled(operator: str) -> Special:
    def call(input: Any, other: Any, *, alpha: Any = 1, out: None = None) -> Any:
        return current_trace((input, other), {}).binary(
            operator, input, other if isinstance(alpha, (int, float)) and alpha == 1 else other * alpha
        )

    return call


def _div(input: Any, other: Any, *, rounding_mode: str | None = None, out: None = None) -> Any:
    trace = current_trace((input, other), {})
    if rounding_mode == "floor":
        return trace.binary("//", input, other)
    quotient = trace.binary("/", input, other)
    return quotient if rounding_mode is None else trace.call("trunc", quotient)


def _extremum(name: str) -> Special:
    """torch.max and torch.min: of all, of an axis (with the indices), or of two arrays."""

    def call(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: None = None) -> Any:
        if dim is None and other is None:
            return getattr(input, name)()
        if dim is None or not isinstance(dim, int) or isinstance(dim, bool):
            return current_trace((input, dim, other), {}).call(f"{name}imum", input, dim if other is None else other)
        return getattr(input, name)(axis=dim, keepdims=keepdim), getattr(input, f"arg{name}")(axis=dim, keepdims=keepdim)

    return call


def _spread(name: str) -> Special:
    def call(
        input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None, out: None = None
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        chosen = correction if correction is not None else 1 if unbiased is None else int(unbiased)
        options = {"correction": chosen, "keepdims": keepdim}
        return getattr(input, name)(**(options if dim is None else {"axis": dim, **options}))

    return call


def _norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: None = None, dtype: Any = None) -> Any:
    options = {"ord": 2 if p in ("fro", None) else p, "keepdims": keepdim}
    x = input if dtype is None else input.astype(dtype)
    return x.norm(**(options if dim is None else {"axis": dim, **options}))


def _split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    if not isinstance(split_size_or_sections, int):
        return current_trace((tensor,), {}).call("split", tensor, list(split_size_or_sections), axis=dim)
    extent = tensor.shape[dim]
    if not isinstance(extent, int):
        raise error(
            "E0908",
            "`torch.split` of an axis whose size is not known cannot be traced",
            user_span(),
            help="`torch.chunk` gives a number of equal parts",
        )
    size = split_size_or_sections
    sizes = [min(size, extent - start) for start in range(0, extent, size)]
    starts = [sum(sizes[:n]) for n in range(len(sizes))]
    before = (slice(None),) * (dim % tensor.ndim)
    return tuple(tensor[(*before, slice(start, start + length))] for start, length in zip(starts, sizes, strict=True))


def _pad(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    if mode != "constant":
        raise error("E0908", f"`torch.nn.functional.pad` cannot be traced with `mode={mode!r}`", user_span())
    pairs = [[0, 0]] * (input.ndim - len(pad) // 2) + [list(pad[n : n + 2]) for n in range(len(pad) - 2, -1, -2)]
    return input.pad(pairs, value=0 if value is None else value)


def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    product = current_trace((input, weight, bias), {}).call("linear", input, weight)
    return product if bias is None else product + bias


def _convolution(rank: int) -> Special:
    def call(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1) -> Any:
        trace = current_trace((input, weight, bias), {})
        given = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1), "groups": (groups, 1)}
        options = {name: value for name, (value, usual) in given.items() if value not in (usual, (usual,) * rank, [usual] * rank)}
        result = trace.call(f"conv{rank}d", input, weight, **options)
        return result if bias is None else result + _item(trace, bias, (slice(None), *[None] * rank))

    return call


def _group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    trace = current_trace((input, weight, bias), {})
    result = trace.call("group_norm", input, num_groups, **({} if eps == 1e-5 else {"eps": eps}))
    along = (slice(None), *[None] * (input.ndim - 2))
    result = result if weight is None else result * _item(trace, weight, along)
    return result if bias is None else result + _item(trace, bias, along)


def _item(trace: Trace, tensor: Any, items: tuple[Any, ...]) -> Any:
    """tensor[items] of a tracer or a tensor of the surrounding code."""
    return trace.subscript(tensor if isinstance(tensor, Tracer) else trace.capture(tensor), items)


def _layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    axes = tuple(range(-len(normalized_shape), 0))
    if weight is not None and bias is not None:
        return current_trace((input,), {}).call("layer_norm", input, weight, bias, eps=eps)
    scaled = (input - input.mean(axis=axes, keepdims=True)) / (input.var(axis=axes, correction=0, keepdims=True) + eps).sqrt()
    scaled = scaled if weight is None else scaled * weight
    return scaled if bias is None else scaled + bias


def _rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    axes = tuple(range(-len(normalized_shape), 0))
    least = _epsilon(input.dtype) if eps is None else eps
    scaled = input * ((input * input).mean(axis=axes, keepdims=True) + least).rsqrt()
    return scaled if weight is None else scaled * weight


def _epsilon(dtype: Any) -> float:
    return {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}[dtype.name]


def _batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if training and (running_mean is not None or running_var is not None):
        raise error(
            "E0908", "`batch_norm` that updates its running statistics cannot be traced", user_span(), help="call it with `training=False`"
        )
    trace = current_trace((input, running_mean, running_var, weight, bias), {})
    return trace.call("batch_norm", input, running_mean, running_var, weight, bias, training=training, eps=eps)


def _running(name: str) -> Special:
    """(values, indices) of a running maximum or minimum; of equal elements, the later one."""

    def call(input: Any, dim: int) -> Any:
        trace = current_trace((input,), {})
        values = trace.call(name, input, axis=dim)
        if not input.ndim:
            return values, trace.call("cast", input * 0, "i64")
        shape = [1] * input.ndim
        shape[dim] = input.shape[dim]
        at = trace.call("reshape", trace.call("arange", shape[dim]), shape)
        hit = (input == values) | (trace.call("isnan", input) if input.dtype.is_float else input != input)
        return values, trace.call("cummax", trace.call("where", hit, at, 0), axis=dim)

    return call


def _dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    if training and p:
        help = "use `tc.dropout(x, p, key)`, whose randomness is an argument, or `training=False`"
        raise error("E0908", "`dropout` with PyTorch's hidden random state cannot be traced", user_span(), help=help)
    return input


def _sort(input: Any, dim: int = -1, descending: bool = False, stable: bool | None = None, out: None = None) -> Any:
    order = input.argsort(axis=dim, descending=descending)
    return input.gather(dim, order), order


def _einsum(equation: str, *operands: Any) -> Any:
    parts = operands[0] if len(operands) == 1 and isinstance(operands[0], (tuple, list)) else operands
    return current_trace(parts, {}).call("einsum", equation, *parts)


def _like(name: str) -> Special:
    def call(input: Any, *, dtype: Any = None, **ignored: Any) -> Any:
        return current_trace((input,), {}).call(name, list(input.shape), input.dtype if dtype is None else dtype)

    return call


def _full_like(input: Any, fill_value: Any, *, dtype: Any = None, **ignored: Any) -> Any:
    trace = current_trace((input,), {})
    return trace.call("cast", trace.call("broadcast_to", fill_value, list(input.shape)), input.dtype if dtype is None else dtype)


def _logical_not(input: Any) -> Any:
    return current_trace((input,), {}).unary("not", input.astype("bool"))


def _round(input: Any, *, decimals: int = 0) -> Any:
    return (input * 10.0**decimals).round() / 10.0**decimals if decimals else input.round()


SPECIAL: dict[str, Special] = {
    "add": _scaled("+"),
    "sub": _scaled("-"),
    "subtract": _scaled("-"),
    "rsub": lambda input, other, *, alpha=1: other - (input if alpha == 1 else input * alpha),
    "__radd__": lambda a, b: b + a,
    "__rsub__": lambda a, b: b - a,
    "__rmul__": lambda a, b: b * a,
    "__rtruediv__": lambda a, b: b / a,
    "__rdiv__": lambda a, b: b / a,
    "__rpow__": lambda a, b: b**a,
    "__rmatmul__": lambda a, b: b @ a,
    "div": _div,
    "divide": _div,
    "addcmul": lambda input, tensor1, tensor2, *, value=1: input + value * tensor1 * tensor2,
    "addcdiv": lambda input, tensor1, tensor2, *, value=1: input + value * tensor1 / tensor2,
    "addmm": lambda input, mat1, mat2, *, beta=1, alpha=1: (
        (input if beta == 1 else beta * input) + (mat1 @ mat2 if alpha == 1 else alpha * (mat1 @ mat2))
    ),
    "baddbmm": lambda input, mat1, mat2, *, beta=1, alpha=1: (
        (input if beta == 1 else beta * input) + (mat1 @ mat2 if alpha == 1 else alpha * (mat1 @ mat2))
    ),
    "bitwise_not": lambda input: ~input,
    "inner": lambda input, other: input @ (other if other.ndim < 2 else other.mT),
    "logical_not": _logical_not,
    "max": _extremum("max"),
    "min": _extremum("min"),
    "var": _spread("var"),
    "std": _spread("std"),
    "norm": _norm,
    "split": _split,
    "pad": _pad,
    "linear": _linear,
    "conv1d": _convolution(1),
    "conv2d": _convolution(2),
    "conv3d": _convolution(3),
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "batch_norm": _batch_norm,
    "cummax": _running("cummax"),
    "cummin": _running("cummin"),
    "dropout": _dropout,
    "sort": _sort,
    "einsum": _einsum,
    "zeros_like": _like("zeros"),
    "ones_like": _like("ones"),
    "empty_like": _like("zeros"),
    "full_like": _full_like,
    "round": _round,
    "t": lambda input: input.T,
    "clone": lambda input, **ignored: input,
    "detach": lambda input: input.detach(),
    "numel": lambda input: input.size,
    "take_along_dim": lambda input, indices, dim: input.gather(dim, indices),
    "unbind": lambda input, dim=0: tuple(input[(*[slice(None)] * (dim % input.ndim), n)] for n in range(input.shape[dim])),
    "is_tensor": lambda obj: True,
    "is_floating_point": lambda input: input.dtype.is_float,
    "__getitem__": lambda tensor, items: current_trace((tensor, items), {}).capture(tensor)[items],
}
"""Functions whose arguments need more than other names."""
SPECIAL["moveaxis"] = SPECIAL["movedim"] = lambda input, source, destination: _moveaxis(input, source, destination)


def _moveaxis(input: Any, source: Any, destination: Any) -> Any:
    from tensorc.frontend.numpy_names import SPECIAL as NUMPY

    return NUMPY["moveaxis"](input, source, destination)


def apply_function(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A function of PyTorch, or a method of its tensors, with a tracer among its arguments."""
    name = str(getattr(function, "__name__", function))
    if kwargs.get("out") is not None:
        raise error("E0904", f"`torch.{name}` cannot write to `out` while it is traced", user_span(), help="use its result")
    if name in SPECIAL:
        return SPECIAL[name](*args, **kwargs)
    if name in OPERATORS:
        return current_trace(args, kwargs).binary(
            OPERATORS[name], *args, *[v for k, v in kwargs.items() if k in ("other", "mat2", "exponent")]
        )
    if name in LOGICAL:
        trace = current_trace(args, kwargs)
        return trace.binary(
            LOGICAL[name], *(trace.call("cast", a, "bool") if isinstance(a, Tracer) else a for a in (*args, *kwargs.values()))
        )
    if name in FUNCTIONS:
        return apply("torch", name, FUNCTIONS[name], args, kwargs)
    raise unknown("torch", name, {**OPERATORS, **LOGICAL, **FUNCTIONS, **SPECIAL})
