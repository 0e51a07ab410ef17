"""NumPy's functions on tracers: each is a row of a table, with NumPy's argument names and defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tensorc.diagnostics import error
from tensorc.frontend.names import Special, apply, rows, unknown
from tensorc.frontend.places import user_span
from tensorc.frontend.trace import current_trace
from tensorc.frontend.tracers import Tracer

OPERATORS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "true_divide": "/",
    "floor_divide": "//",
    "remainder": "%",
    "mod": "%",
    "power": "**",
    "matmul": "@",
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "bitwise_xor": "^",
    "left_shift": "<<",
    "right_shift": ">>",
    "logical_and": "and",
    "logical_or": "or",
    "logical_xor": "!=",
}
"""Ufuncs of two arguments that are operators."""

LOGICAL = frozenset(("logical_and", "logical_or", "logical_xor", "logical_not"))
"""Those that take any number as its being other than 0."""

UNARY = {"negative": "-", "positive": "+", "invert": "~", "bitwise_not": "~", "logical_not": "not"}

_SAME = (
    "sign floor ceil trunc exp exp2 expm1 log log2 log10 log1p sqrt cbrt reciprocal square sin cos tan sinh cosh tanh "
    "maximum minimum fmod hypot copysign isnan isinf isfinite logaddexp"
)

UFUNCS = {
    "absolute": "abs",
    "abs": "abs",
    "fabs": "abs",
    "rint": "round",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "float_power": "pow",
    **{name: name for name in _SAME.split()},
}
"""Ufuncs that are functions of the library."""

REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
    "logaddexp": "logsumexp",
}
"""What `ufunc.reduce` of each is."""

FUNCTIONS = rows("""
sum = sum: a axis> dtype^ out! keepdims> initial! where!
prod = prod: a axis> dtype^ out! keepdims> initial! where!
mean = mean: a axis> dtype^ out! keepdims> where!
var = var: a axis> dtype^ out! ddof>correction=0 keepdims> where! mean! correction>
std = std: a axis> dtype^ out! ddof>correction=0 keepdims> where! mean! correction>
max amax = max: a axis> out! keepdims> initial! where!
min amin = min: a axis> out! keepdims> initial! where!
any = any: a axis> out! keepdims> where!
all = all: a axis> out! keepdims> where!
argmax = argmax: a axis> out! keepdims>
argmin = argmin: a axis> out! keepdims>
count_nonzero = count_nonzero: a axis> keepdims>
clip = clamp: a a_min>min a_max>max out! min> max>
where = where: condition x y
reshape = reshape: a shape order! copy!
squeeze = squeeze: a axis>
expand_dims = unsqueeze: a axis
swapaxes = swapaxes: a axis1 axis2
broadcast_to = broadcast_to: array shape subok!
concatenate concat = concat: arrays axis>=0 out! dtype! casting!
stack = stack: arrays axis>=0 out! dtype! casting!
flip = flip: m axis>
roll = roll: a shift axis>
repeat = repeat: a repeats axis>
tile = tile: A reps
tril = tril: m k=0
triu = triu: m k=0
outer = outer: a b out!
trace = trace: a
diagonal = diagonal: a offset=0 axis1=0 axis2=1
nan_to_num = nan_to_num: x copy! nan>=0.0 posinf> neginf>
sort = sort: a axis>=-1 kind! order! stable!
argsort = argsort: a axis>=-1 kind! order! stable!
vector_norm = norm: x axis> keepdims> ord>=2
""")
"""Functions by the name of NumPy's, of `np.linalg` too."""


def _transpose(a: Any, axes: Any = None) -> Any:
    return a.transpose() if axes is None else a.transpose(tuple(axes))


def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    rank = a.ndim
    sources = [s % rank for s in ([source] if isinstance(source, int) else source)]
    destinations = [d % rank for d in ([destination] if isinstance(destination, int) else destination)]
    order = [n for n in range(rank) if n not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return a.permute(tuple(order))


def _cumulative(name: str) -> Special:
    def call(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
        a = a if dtype is None else a.astype(dtype)
        return getattr(a.ravel() if axis is None else a, name)(axis=0 if axis is None else axis)

    return call


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    if not isinstance(indices_or_sections, int):
        raise error("E0908", "`np.split` can be traced into equal parts only", user_span(), help="slice: `x[:n]`, `x[n:]`")
    return ary.split(indices_or_sections, axis=axis)


def _pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant":
        raise error("E0908", f"`np.pad` cannot be traced with `mode={mode!r}`", user_span())
    pairs: list[Any] = [pad_width] * 2 if isinstance(pad_width, int) else list(pad_width)
    if len(pairs) == 2 and all(isinstance(p, int) for p in pairs):
        pairs = [pairs] * array.ndim
    elif len(pairs) == 1:
        pairs = pairs * array.ndim
    return array.pad([list(p) for p in pairs], value=constant_values)


def _stacked(axis: int) -> Special:
    def call(tup: Sequence[Any], dtype: Any = None, casting: str = "same_kind") -> Any:
        least = 2 if axis == 0 else 1
        parts = [
            (p[None] if p.ndim == 1 else p[None, None]) if axis == 0 and p.ndim < least else p[None] if p.ndim == 0 else p for p in tup
        ]
        along = axis if axis == 0 or parts[0].ndim > 1 else 0
        return current_trace(tup, {}).call("concat", parts, axis=along)

    return call


def _take(a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    a = a.ravel() if axis is None else a
    return current_trace((a, indices), {}).call("take", a, indices, axis=0 if axis is None else axis)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord == "fro" or (ord is None):
        ord = 2
    elif (axis is None and x.ndim == 2) or isinstance(axis, tuple):
        raise error("E0908", f"`np.linalg.norm` of a matrix cannot be traced with `ord={ord!r}`", user_span())
    return x.norm(ord=ord, keepdims=keepdims) if axis is None else x.norm(ord=ord, axis=axis, keepdims=keepdims)


def _dot(a: Any, b: Any, out: None = None) -> Any:
    ranks = np.ndim(a), np.ndim(b)
    if 0 in ranks:
        return a * b
    if ranks[0] > 2 and ranks[1] > 2:
        raise error("E0908", "`np.dot` of arrays of more than 2 axes cannot be traced", user_span(), help="write `np.einsum` or `@`")
    return a @ b


def _vdot(a: Any, b: Any) -> Any:
    return a.ravel() @ b.ravel()


def _inner(a: Any, b: Any) -> Any:
    return a @ (b if np.ndim(b) < 2 else b.mT)


def _einsum(subscripts: str, *operands: Any, optimize: Any = False, **ignored: None) -> Any:
    return current_trace(operands, {}).call("einsum", subscripts, *operands)


def _like(name: str) -> Special:
    def call(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, device: None = None) -> Any:
        return current_trace((a,), {}).call(name, list(a.shape if shape is None else shape), a.dtype if dtype is None else dtype)

    return call


def _full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, device: None = None
) -> Any:
    made = current_trace((a, fill_value), {})
    return made.call(
        "cast", made.call("broadcast_to", fill_value, list(a.shape if shape is None else shape)), a.dtype if dtype is None else dtype
    )


def _round(a: Any, decimals: int = 0, out: None = None) -> Any:
    if decimals:
        return (a * 10.0**decimals).round() / 10.0**decimals
    return a.round()


def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return a


def _isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    return abs(a - b) <= atol + rtol * abs(b)


SPECIAL: dict[str, Special] = {
    "transpose": _transpose,
    "permute_dims": _transpose,
    "matrix_transpose": lambda x: x.mT,
    "moveaxis": _moveaxis,
    "cumsum": _cumulative("cumsum"),
    "cumprod": _cumulative("cumprod"),
    "split": _split,
    "pad": _pad,
    "vstack": _stacked(0),
    "hstack": _stacked(1),
    "take": _take,
    "take_along_axis": lambda arr, indices, axis=-1: arr.gather(axis, indices),
    "norm": _norm,
    "dot": _dot,
    "vdot": _vdot,
    "inner": _inner,
    "vecdot": lambda a, b, axis=-1: (a * b).sum(axis=axis),
    "einsum": _einsum,
    "zeros_like": _like("zeros"),
    "ones_like": _like("ones"),
    "empty_like": _like("zeros"),
    "full_like": _full_like,
    "round": _round,
    "around": _round,
    "ravel": lambda a, order="C": a.ravel(),
    "copy": _copy,
    "real": _copy,
    "isclose": _isclose,
    "ptp": lambda a, axis=None, out=None, keepdims=False: np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims),
    "astype": lambda x, dtype, copy=True, device=None: x.astype(dtype),
    "shape": lambda a: a.shape,
    "ndim": lambda a: a.ndim,
    "size": lambda a, axis=None: a.size if axis is None else a.shape[axis],
    "result_type": lambda *values: _result_type(values),
}
"""Functions whose arguments need more than other names."""


def _result_type(values: Sequence[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total.dtype.numpy


def apply_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A ufunc, or `ufunc.reduce`, with a tracer among its inputs."""
    name = str(ufunc.__name__)
    out = kwargs.get("out")
    if out is not None:
        raise error("E0904", f"`np.{name}` cannot write to `out` while it is traced", user_span(), help="use its result")
    dtype = kwargs.get("dtype")
    rest = [
        k
        for k, v in kwargs.items()
        if k not in ("out", "dtype", "axis", "keepdims", "casting", "order") and v is not True and v is not None
    ]
    if rest:
        raise error("E0908", f"`np.{name}` cannot be traced with `{rest[0]}`", user_span())
    trace = current_trace(inputs, {})
    if dtype is not None:
        inputs = [trace.call("cast", i, dtype) if isinstance(i, Tracer) else i for i in inputs]
    if method == "reduce" and name in REDUCTIONS:
        axis = kwargs.get("axis", 0)
        options = {"keepdims": bool(kwargs.get("keepdims", False))}
        return trace.call(REDUCTIONS[name], *inputs, **(options if axis is None else {"axis": axis, **options}))
    if method == "outer" and name == "multiply":
        return trace.call("outer", *inputs)
    if method != "__call__":
        raise unknown("np", f"{name}.{method}", {})
    if name in LOGICAL:
        inputs = [trace.call("cast", i, np.bool_) for i in inputs]
    if name in OPERATORS:
        return trace.binary(OPERATORS[name], *inputs)
    if name in UNARY:
        return trace.unary(UNARY[name], *inputs)
    if name in UFUNCS:
        return trace.call(UFUNCS[name], *inputs)
    raise unknown("np", name, {**OPERATORS, **UNARY, **UFUNCS, **FUNCTIONS, **SPECIAL})


def apply_function(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A function of NumPy with a tracer among its arguments."""
    name = str(function.__name__)
    if name in SPECIAL:
        return SPECIAL[name](*args, **{k: v for k, v in kwargs.items() if v is not None})
    if name in FUNCTIONS:
        return apply("np", name, FUNCTIONS[name], args, kwargs)
    raise unknown("np", name, {**OPERATORS, **UNARY, **UFUNCS, **FUNCTIONS, **SPECIAL})
