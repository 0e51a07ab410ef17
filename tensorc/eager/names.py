"""What each operation of PyTorch's face is on tracers: the rows that traced functions use too, and compositions that have no row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from tensorc.dtypes import bool_
from tensorc.elaborate import library_names
from tensorc.frontend import torch_names
from tensorc.frontend.trace import active_trace

Traced = Callable[..., Any]


class _Library:
    """The library's functions in the trace that is active: `of.where(c, x, y)`."""

    def __getattr__(self, name: str) -> Traced:
        trace = active_trace()
        assert trace is not None
        return lambda *args, **kwargs: trace.call(name, *args, **kwargs)


of = _Library()


def _kept(x: Any, axes: Any) -> tuple[int, ...]:
    """Axes as numbers from 0; all where None."""
    if axes is None:
        return tuple(range(x.ndim))
    return tuple(a % max(x.ndim, 1) for a in ([axes] if isinstance(axes, int) else axes))


def _masked_fill(input: Any, mask: Any, value: Any) -> Any:
    return of.where(mask, of.cast(value, input.dtype), input)


def _isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    near = (abs(input - other) <= atol + rtol * abs(other)) & of.isfinite(other) | (input == other)
    return near | (of.isnan(input) & of.isnan(other)) if equal_nan else near


def _order(input: Any, dim: int, descending: bool = False) -> Any:
    order = of.argsort(input, axis=dim, descending=descending)
    return (of.gather(input, dim, order) if input.ndim else input), order


def _nan_first(input: Any, dim: int) -> Any:
    """`_order` from the greatest, which NaN is to PyTorch."""
    order = of.argsort(input, axis=dim, descending=True)
    missing = of.gather(of.isnan(input), dim, order)
    order = of.gather(order, dim, of.argsort(missing, axis=dim, descending=True))
    return of.gather(input, dim, order), order


def _kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    values, order = _order(input, dim)
    if not input.ndim:
        return values, order
    place = (*[slice(None)] * (dim % input.ndim), slice(k - 1, k) if keepdim else k - 1)
    return values[place], order[place]


def _median(input: Any, dim: int, keepdim: bool = False) -> Any:
    """The lower median along an axis; NaN where there is one."""
    if not input.ndim:
        return input, of.cast(input * 0, "i64")
    values, order = _order(input, dim)
    extent = input.shape[dim]
    middle = of.full([1] * input.ndim, (extent - 1) // 2)
    if input.dtype.is_float:
        missing = of.any(of.isnan(input), axis=dim, keepdims=True)
        first = of.argmax(of.isnan(values), axis=dim, keepdims=True)
        middle = of.where(missing, first, middle)
    shape = [1 if n == dim % input.ndim else e for n, e in enumerate(input.shape)]
    place = of.broadcast_to(middle, shape)
    found = of.gather(values, dim, place), of.gather(order, dim, place)
    return found if keepdim else tuple(of.squeeze(f, dim) for f in found)


def _diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    if prepend is not None or append is not None:
        input = of.concat([part for part in (prepend, input, append) if part is not None], axis=dim)
    for _ in range(n):
        lead = [slice(None)] * (dim % input.ndim)
        high, low = input[(*lead, slice(1, None))], input[(*lead, slice(None, -1))]
        input = (high != low) if input.dtype.name == "bool" else high - low
    return input


def _spread(name: str) -> Traced:
    def call(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        chosen = correction if correction is not None else 1 if unbiased is None else int(unbiased)
        options = {"keepdims": keepdim} if dim is None else {"axis": dim, "keepdims": keepdim}
        return getattr(of, name)(input, correction=chosen, **options), of.mean(input, **options)

    return call


def _nan_sum(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    options = {"keepdims": keepdim} if dim is None else {"axis": dim, "keepdims": keepdim}
    return of.sum(of.where(of.isnan(input), 0, input), **options)


def _nan_mean(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    options = {"keepdims": keepdim} if dim is None else {"axis": dim, "keepdims": keepdim}
    return _nan_sum(input, dim, keepdim) / of.sum(of.cast(of.isnan(input) == False, input.dtype), **options)  # noqa: E712


def _tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    left, right = (range(a.ndim - dims, a.ndim), range(dims)) if isinstance(dims, int) else dims
    first, second = _kept(a, tuple(left)), _kept(b, tuple(right))
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = list(letters[: a.ndim])
    others = list(letters[a.ndim : a.ndim + b.ndim])
    for m, n in zip(first, second, strict=True):
        others[n] = names[m]
    result = [c for n, c in enumerate(names) if n not in first] + [c for n, c in enumerate(others) if n not in second]
    return of.einsum(f"{''.join(names)},{''.join(others)}->{''.join(result)}", a, b)


def _cross(input: Any, other: Any, dim: int = -1) -> Any:
    def part(x: Any, n: int) -> Any:
        return x[(*[slice(None)] * (dim % x.ndim), n)]

    a, b = [part(input, n) for n in range(3)], [part(other, n) for n in range(3)]
    return of.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=dim % input.ndim)


def _kron(input: Any, other: Any) -> Any:
    rank = max(input.ndim, other.ndim)
    a = of.reshape(input, [1] * (rank - input.ndim) + list(input.shape))
    b = of.reshape(other, [1] * (rank - other.ndim) + list(other.shape))
    wide = [e for extent in a.shape for e in (extent, 1)], [e for extent in b.shape for e in (1, extent)]
    product = of.reshape(a, wide[0]) * of.reshape(b, wide[1])
    return of.reshape(product, [m * n for m, n in zip(a.shape, b.shape, strict=True)])


def _cov(input: Any, correction: int = 1) -> Any:
    rows = input if input.ndim > 1 else input[None]
    centred = rows - of.mean(rows, axis=1, keepdims=True)
    found = centred @ centred.mT / (rows.shape[1] - correction)
    return found if input.ndim > 1 else found[0, 0]


def _corrcoef(input: Any) -> Any:
    if input.ndim < 2:
        return input[0] * 0 + 1
    found = _cov(input)
    scale = of.sqrt(of.diagonal(found))
    return of.clamp(found / scale[:, None] / scale[None, :], -1, 1)


def _index_add(input: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> Any:
    if not input.ndim:
        return input + source * alpha
    axis = dim % input.ndim
    places = of.broadcast_to(of.reshape(index, [-1 if n == axis else 1 for n in range(input.ndim)]), list(source.shape))
    return of.scatter_add(input, axis, places, source if isinstance(alpha, int) and alpha == 1 else source * alpha)


def _distances(x1: Any, x2: Any, p: float = 2.0) -> Any:
    apart = x1[..., :, None, :] - x2[..., None, :, :]
    return of.norm(apart, ord=p, axis=-1)


def _matrix_power(input: Any, n: int) -> Any:
    if n < 0:
        raise ValueError("matrix_power of a negative power needs an inverse, which tensorc does not have")
    result = of.cast(of.eye(input.shape[-1]), input.dtype) if n == 0 else input
    result = of.broadcast_to(result, list(input.shape)) if n == 0 else result
    for _ in range(n - 1):
        result = result @ input
    return result


def _add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """A sum; of bools, whether one is true."""
    if all(getattr(x, "dtype", None) is bool_ for x in (input, other)):
        return input | other
    return torch_names.SPECIAL["add"](input, other, alpha=alpha)


COMPOSED: dict[str, Traced] = {
    "add": _add,
    "cast": lambda input, dtype: of.cast(input, dtype),
    "clamp_min": lambda input, min: of.clamp(input, min=min),
    "clamp_max": lambda input, max: of.clamp(input, max=max),
    "fix": lambda input: of.trunc(input),
    "sgn": lambda input: of.sign(input),
    "positive": lambda input: input,
    "frac": lambda input: input - of.trunc(input),
    "logsigmoid": lambda input: -of.softplus(-input),
    "softmin": lambda input, dim: of.softmax(-input, axis=dim),
    "deg2rad": lambda input: input * 0.017453292519943295,
    "rad2deg": lambda input: input * 57.29577951308232,
    "fmax": lambda input, other: of.where(of.isnan(input), other, of.where(of.isnan(other), input, of.maximum(input, other))),
    "fmin": lambda input, other: of.where(of.isnan(input), other, of.where(of.isnan(other), input, of.minimum(input, other))),
    "heaviside": lambda input, values: of.where(input == 0, values, of.cast(input > 0, input.dtype)),
    "logaddexp2": lambda input, other: of.log2(of.exp2(input - of.maximum(input, other)) + of.exp2(other - of.maximum(input, other)))
    + of.maximum(input, other),
    "float_power": lambda input, exponent: of.cast(input, "f64") ** (
        of.cast(exponent, "f64") if hasattr(exponent, "ndim") else float(exponent)
    ),
    "masked_fill": _masked_fill,
    "isclose": _isclose,
    "isposinf": lambda input: input == float("inf"),
    "isneginf": lambda input: input == -float("inf"),
    "isreal": lambda input: input == input if not input.dtype.is_float else of.isnan(input) | (input == input),
    "addmv": lambda input, mat, vec, *, beta=1, alpha=1: beta * input + alpha * (mat @ vec),
    "addr": lambda input, vec1, vec2, *, beta=1, alpha=1: beta * input + alpha * of.outer(vec1, vec2),
    "addbmm": lambda input, batch1, batch2, *, beta=1, alpha=1: beta * input + alpha * of.sum(batch1 @ batch2, axis=0),
    "dist": lambda input, other, p=2.0: of.norm(input - other, ord=p),
    "nansum": _nan_sum,
    "nanmean": _nan_mean,
    "aminmax": lambda input, *, dim=None, keepdim=False: (
        (of.min(input), of.max(input)) if dim is None
        else (of.min(input, axis=dim, keepdims=keepdim), of.max(input, axis=dim, keepdims=keepdim))
    ),
    "std_mean": _spread("std"),
    "var_mean": _spread("var"),
    "median": _median,
    "kthvalue": _kthvalue,
    "nan_first": _nan_first,
    "diff": _diff,
    "tensordot": _tensordot,
    "cross": _cross,
    "kron": _kron,
    "cov": _cov,
    "corrcoef": _corrcoef,
    "cdist": _distances,
    "pairwise_distance": lambda x1, x2, p=2.0, eps=1e-6, keepdim=False: of.norm(x1 - x2 + eps, ord=p, axis=-1, keepdims=keepdim),
    "index_add": _index_add,
    "matrix_power": _matrix_power,
    "repeat": lambda input, repeats: of.tile(input, repeats),
    "unfold": lambda input, dimension, size, step: of.unfold(input, dimension, size, step),
    "diag_embed": lambda input: of.where(of.cast(of.eye(input.shape[-1]), "bool"), input[..., None], of.cast(0, input.dtype)),
    "hstack": lambda tensors: of.concat(list(tensors), axis=0 if tensors[0].ndim < 2 else 1),
    "vander": lambda x, n, increasing=False: of.stack([x ** (k if increasing else n - 1 - k) for k in range(n)], axis=-1),
}  # fmt: skip
"""Compositions, by PyTorch's names and with its arguments."""

NUMBERS = frozenset(
    [
        "add",
        "sub",
        "subtract",
        "rsub",
        "mul",
        "multiply",
        "div",
        "divide",
        "true_divide",
        "floor_divide",
        "remainder",
        "fmod",
        "eq",
        "ne",
        "not_equal",
        "lt",
        "less",
        "le",
        "less_equal",
        "gt",
        "greater",
        "ge",
        "greater_equal",
        "where",
        "clamp",
        "clip",
        "clamp_min",
        "clamp_max",
        "lerp",
        "addcmul",
        "addcdiv",
        "addmv",
        "addr",
        "addbmm",
        "masked_fill",
        "xlogy",
        "copysign",
        "maximum",
        "minimum",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
    ]
)
"""Operations whose numbers are inputs of their program: another number needs no other program."""


@cache
def traced(name: str) -> Traced | None:
    """The operation of a name on tracers; None where there is none."""
    if name in COMPOSED:
        return COMPOSED[name]
    tables: Sequence[Any] = (torch_names.SPECIAL, torch_names.OPERATORS, torch_names.LOGICAL, torch_names.FUNCTIONS)
    if any(name in table for table in tables):
        return lambda *args, **kwargs: torch_names.apply_function(name, args, kwargs)
    if name in library_names():
        return lambda *args, **kwargs: getattr(of, name)(*args, **kwargs)
    return None


@cache
def names() -> frozenset[str]:
    """Every name that `traced` knows."""
    tables: Sequence[Any] = (torch_names.SPECIAL, torch_names.OPERATORS, torch_names.LOGICAL, torch_names.FUNCTIONS, COMPOSED)
    return library_names().union(*tables)
