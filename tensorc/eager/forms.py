"""Operations of several forms, whose form follows from their arguments, and those whose shapes depend on elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tensorc.dtypes import i64
from tensorc.eager import indexing, inplace, shapes
from tensorc.eager.copies import clone
from tensorc.eager.creation import full, ones, rand, tensor, zeros
from tensorc.eager.errors import PlaceError, SizeError
from tensorc.eager.named import Function, call, elementwise, renamed
from tensorc.eager.tensor import Tensor


class _Pair(NamedTuple):
    """What gives values and their places; it shows as PyTorch's do."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return f"tc.return_types.{type(self).__name__}(\nvalues={self.values},\nindices={self.indices})"


RESULTS: dict[str, Callable[..., Any]] = {
    t: type(t, (_Pair,), {}) for t in ("max", "min", "sort", "topk", "median", "nanmedian", "kthvalue", "mode", "cummax", "cummin")
}


def pair(title: str) -> Function:
    def operation(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return RESULTS[title](*call(title, input, *args, **kwargs))

    return operation


def _nan_leads(input: Tensor) -> bool:
    return input.ndim > 0 and input.dtype.is_float and bool(np.isnan(input._array).any())


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The elements in order, and their places. NaN is greater than all others."""
    if descending and _nan_leads(input):
        return RESULTS["sort"](*call("nan_first", input, input._axis(dim)))
    return RESULTS["sort"](*call("sort", input, dim, descending))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    if descending and _nan_leads(input):
        return call("nan_first", input, input._axis(dim))[1]  # type: ignore[no-any-return]
    return call("argsort", input, dim, descending)  # type: ignore[no-any-return]


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k greatest elements along an axis, or the least, and their places."""
    axis = input._axis(dim)
    if largest and _nan_leads(input) and 0 <= k <= input._array.shape[axis]:
        pair = call("nan_first", input, axis)
        return RESULTS["topk"](*(shapes.narrow(p, axis, 0, k) for p in pair))
    return RESULTS["topk"](*call("topk", input, k, dim, largest))


def extremum(title: str) -> Function:
    """Of all elements; of an axis, with the places; of two tensors."""

    def operation(
        input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None, axis: Any = None, keepdims: bool = False
    ) -> Any:
        dim = axis if dim is None else dim
        other = dim if isinstance(dim, Tensor) else other
        if other is not None:
            return elementwise(f"{title}imum")(input, other)
        if dim is None:
            _not_empty(input, title)
            return call(title, input)
        _not_empty(input, title, dim)
        place = call(f"arg{title}", input, dim, True)
        value = call("gather", input, dim, place) if input.ndim else clone(input)
        if input.ndim and not (keepdim or keepdims):
            value, place = shapes.squeeze(value, dim), shapes.squeeze(place, dim)
        return RESULTS[title](renamed(value, title.capitalize()), place)

    return operation


def _not_empty(input: Tensor, title: str, dim: int | None = None) -> None:
    if dim is None and not input._array.size:
        raise RuntimeError(
            f"{title}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
        )
    if dim is not None and input.ndim and not input._array.shape[input._axis(dim)]:
        raise IndexError(f"{title}(): Expected reduction dim {dim} to have non-zero size.")


def arg_extremum(title: str) -> Function:
    def operation(input: Tensor, dim: int | None = None, keepdim: bool = False, **options: Any) -> Any:
        dim = options.get("axis", dim)
        if dim is None and not input._array.size:
            raise IndexError(f"{title}(): Expected reduction dim to be specified for input.numel() == 0.")
        _not_empty(input, title, dim)
        return call(title, input, dim, options.get("keepdims", keepdim))

    return operation


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    if dim is not None:
        return RESULTS["median"](*call("median", input, dim, keepdim))
    if not input._array.size and input.dtype.is_float:
        return full((), float("nan"), dtype=input.dtype)
    return call("median", shapes.flatten(input) if input.ndim else input, 0)[0]


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    if input is None:
        return nonzero(condition, as_tuple=True)
    return call("where", condition, input, other)


def nonzero(x: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not 0: a row for each, or a tensor for each axis."""
    if as_tuple:
        array = x._array if x.ndim else x._array.reshape(1)
        return tuple(Tensor._of(np.ascontiguousarray(p)) for p in array.nonzero())
    return Tensor._of(np.argwhere(x._array).astype(np.int64))


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    shape = np.broadcast_shapes(x._array.shape, mask._array.shape)
    return indexing.getitem(shapes.expand(x, shape), shapes.expand(mask, shape))


def take(x: Tensor, index: Tensor) -> Tensor:
    """The elements at places of the flattened tensor."""
    return indexing.getitem(shapes.reshape(x, -1), index)


def sum_to_size(x: Tensor, *size: Any) -> Tensor:
    """x summed along the axes that the shape broadcasts to it."""
    shape = shapes.sizes(size)
    lead = x.ndim - len(shape)
    axes = [*range(lead), *(n + lead for n, e in enumerate(shape) if e == 1 and x._array.shape[n + lead] != 1)]
    if lead < 0 or any(e not in (1, x._array.shape[n + lead]) for n, e in enumerate(shape)):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(x.shape)}}}.")
    return shapes.reshape(call("sum", x, axes, True), shape) if axes else x


def repeat(x: Tensor, *repeats: Any) -> Tensor:
    counts = shapes.sizes(repeats)
    if len(counts) < x.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    return call("repeat", x, list(counts))  # type: ignore[no-any-return]


def unique(x: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    found: Any = np.unique(x._array, return_inverse=return_inverse, return_counts=return_counts, axis=dim)  # type: ignore[call-overload]
    if not (return_inverse or return_counts):
        return Tensor._of(found)
    parts = [Tensor._of(f) for f in found]
    if return_inverse and dim is None:
        parts[1] = shapes.reshape(parts[1], x.shape)
    return tuple(parts)


def bincount(x: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    if x.dtype.is_float:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{inplace.NAMES[x.dtype.name]}'")
    if x.ndim != 1 or (x._array.size and int(x._array.min()) < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    count = max(int(x._array.max()) + 1 if x._array.size else 0, minlength)
    added = ones(x.shape, dtype=i64) if weights is None else weights
    return call("scatter_add", zeros(count, dtype=added.dtype), 0, x.to(i64), added)  # type: ignore[no-any-return]


def trace(x: Tensor) -> Tensor:
    if x.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.ndim}")
    return renamed(call("sum", shapes.diagonal(x)), "Trace")


def gathered(name: str) -> Function:
    """An operation whose places must be inside; PyTorch says so by a RuntimeError."""

    def operation(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(name, *args, **kwargs)
        except IndexError as error:
            raise PlaceError(str(error)) from None

    return operation


def equal(x: Tensor, other: Tensor) -> bool:
    """Whether shapes and elements are the same."""
    return x._array.shape == other._array.shape and bool((x == other).all())


def allclose(x: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    return bool(call("isclose", x, other, rtol, atol, equal_nan).all())


def scatter(x: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Tensor:
    """x with src's elements at the places of index along an axis."""
    source = full(index.shape, value if src is None else src, dtype=x.dtype) if not isinstance(src, Tensor) else src
    if reduce == "add":
        return call("scatter_add", x, dim, index, source)  # type: ignore[no-any-return]
    if reduce is not None:
        raise RuntimeError(f"scatter reduces by `add` alone, not by `{reduce}`")
    made = clone(x)
    axis = x._axis(dim)
    grid = [Tensor._of(g.astype(np.int64)) for g in np.meshgrid(*map(np.arange, index._array.shape), indexing="ij")]
    if not x.ndim:
        return source.reshape(())  # type: ignore[no-any-return]
    grid[axis] = index
    part = source[tuple(slice(e) for e in index._array.shape)]
    try:
        indexing.setitem(made, tuple(grid), part)
    except IndexError as error:
        raise PlaceError(str(error)) from None
    return made


def index_fill(x: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    made = clone(x)
    indexing.setitem(made, (*[slice(None)] * x._axis(dim), index), value)
    return made


def new_made(make: Function) -> Function:
    def method(x: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Any:
        return make(*size, dtype=x.dtype if dtype is None else dtype, **options)

    return method


def new_tensor(x: Tensor, data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    return tensor(data, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def clamp(input: Tensor, min: Any = None, max: Any = None, **options: Any) -> Tensor:
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    return call("clamp", input, min, max, **options)  # type: ignore[no-any-return]


def whole(name: str) -> Function:
    """A division of integers, none of which is by 0; and the same of floats."""
    usual = elementwise(name)

    def operation(input: Any, other: Any, **options: Any) -> Any:
        if isinstance(input, Tensor) and not input.dtype.is_float:
            divisor = other._array if isinstance(other, Tensor) else np.asarray(other)
            if divisor.dtype.kind in "biu" and not divisor.all():
                raise RuntimeError("ZeroDivisionError")
        return usual(input, other, **options)

    return operation


_quotient, _floored, _remainder = elementwise("div"), whole("floor_divide"), whole("fmod")


def div(input: Any, other: Any, *, rounding_mode: str | None = None, **options: Any) -> Any:
    """The quotient; rounded down ("floor") or towards 0 ("trunc"), of integers an integer."""
    if rounding_mode is None:
        return _quotient(input, other, **options)
    if rounding_mode not in ("floor", "trunc"):
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    if rounding_mode == "floor":
        return _floored(input, other, **options)
    if any(isinstance(v, float) or (isinstance(v, Tensor) and v.dtype.is_float) for v in (input, other)):
        return call("div", input, other, rounding_mode=rounding_mode, **options)
    return _floored(input - _remainder(input, other), other, **options)


def checked_ranks(name: str, ranks: tuple[int, ...], message: str) -> Function:
    """A product that takes operands of these ranks alone."""

    def operation(input: Tensor, other: Tensor, **options: Any) -> Any:
        found = input.ndim, other.ndim
        if found != ranks:
            raise RuntimeError(message.format(*found))
        try:
            return call(name, input, other, **options)
        except SizeError:
            shapes = " and ".join("x".join(map(str, x.shape)) for x in (input, other))
            raise SizeError(f"{name}: the shapes cannot be multiplied ({shapes})") from None

    return operation


def matmul(input: Any, other: Any, **options: Any) -> Any:
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise TypeError("matmul(): both arguments must be tensors")
    if not (input.ndim and other.ndim):
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {input.ndim}D and {other.ndim}D")
    return call("matmul", input, other, **options)


def norm(x: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    return renamed(call("norm", x, p, dim, keepdim, dtype=dtype), "LinalgVectorNorm")


def renorm(x: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each part of x along an axis with a norm of `maxnorm` at most: what is longer is made so long."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if x.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {x.ndim} dimensions")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if not x.is_floating_point():
        raise RuntimeError("linalg.vector_norm: Expected a floating point or complex tensor as input.")
    own = x._axis(dim)
    lengths = call("norm", x, p, [axis for axis in range(x.ndim) if axis != own], True)
    scales: Tensor = call("where", lengths > maxnorm, maxnorm / (lengths + 1e-7), 1.0)
    made: Tensor = x * scales
    return made


def cat(tensors: Sequence[Tensor], dim: int = 0, **options: Any) -> Tensor:
    """Tensors joined along an axis; empty vectors among them do not matter."""
    given = list(tensors)
    if not given:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    kept = [t for t in given if t._array.shape != (0,)] or given[:1]
    rank = kept[0].ndim
    if any(t.ndim == 0 for t in given):
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    if any(t.ndim != rank for t in kept):
        raise RuntimeError("Tensors must have same number of dimensions: got " + " and ".join(str(t.ndim) for t in kept[:2]))
    axis = kept[0]._axis(dim)
    return call("cat", kept, axis, **options)  # type: ignore[no-any-return]


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    given = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else list(tensors)
    shape = [t.numel() for t in given]
    grids = [shapes.expand(shapes.reshape(t, [-1 if k == n else 1 for k in range(len(given))]), shape) for n, t in enumerate(given)]
    return tuple(g.swapaxes(0, 1) for g in grids) if indexing == "xy" and len(grids) > 1 else tuple(grids)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    shape = np.broadcast_shapes(*(t._array.shape for t in tensors))
    return tuple(shapes.expand(t, shape) for t in tensors)


def fill_random(make: Function) -> Function:
    def method(x: Tensor, *parameters: float, generator: Any = None) -> Tensor:
        inplace.check_writable(x)
        low, high = parameters or (0.0, 1.0)
        drawn = make(x.shape, dtype=x.dtype, generator=generator)
        x._array[...] = (drawn * (high - low) + low if make is rand else drawn * high + low)._array
        return inplace.changed(x, None, "Random")

    return method
