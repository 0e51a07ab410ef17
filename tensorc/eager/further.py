"""Functions of PyTorch that are compositions of its others: quantiles, joining and splitting, placing, searching."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorc.dtypes import bool_, i64, promote
from tensorc.eager import shapes
from tensorc.eager.copies import clone
from tensorc.eager.creation import arange, full, zeros
from tensorc.eager.forms import RESULTS, cat, gathered
from tensorc.eager.indexing import getitem, setitem
from tensorc.eager.named import call
from tensorc.eager.tensor import Tensor


def _along(x: Tensor, dim: int | None) -> tuple[Tensor, int]:
    """x with an axis to work along: all elements where none is given."""
    return (shapes.reshape(x, -1), 0) if dim is None else (x if x.ndim else shapes.reshape(x, 1), x._axis(dim))


def _gathered(values: Tensor, dim: int, places: Any) -> Tensor:
    found: Tensor = call("gather", values, dim, Tensor._of(np.asarray(places, np.int64)))
    return found


# Order statistics.


def _ranks(x: Tensor, dim: int, skip: bool) -> tuple[Tensor, Any]:
    """x sorted along an axis, and how many elements of each slice count: without its NaNs, which are last."""
    values = call("sort", x, dim)[0]
    count = np.sum(~np.isnan(x._array), axis=dim, keepdims=True) if skip else np.full([1] * x.ndim, x._array.shape[dim])
    return values, np.broadcast_to(count, [1 if n == dim else e for n, e in enumerate(x._array.shape)])


def _quantile(x: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, skip: bool, title: str) -> Tensor:
    if not x.dtype.is_float:
        raise RuntimeError(f"{title}() input tensor must be either float or double dtype")
    fractions = np.asarray(q._array if isinstance(q, Tensor) else q, np.float64)
    if fractions.ndim > 1:
        raise RuntimeError(f"{title}() q must be a scalar or 1D tensor")
    if ((fractions < 0) | (fractions > 1)).any():
        raise RuntimeError(f"{title}() q must be in the range [0, 1] but got {q}")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(f"{title}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}")
    if not x._array.size:
        raise RuntimeError(f"{title}() input tensor must be non-empty")
    along, axis = _along(x, dim)
    values, count = _ranks(along, axis, skip)
    missing = np.zeros(count.shape, bool) if skip else np.isnan(along._array).any(axis=axis, keepdims=True)
    found = [_interpolated(values, axis, np.maximum(count - 1, 0) * f, interpolation) for f in fractions.reshape(-1)]
    parts = [call("masked_fill", f, Tensor._of(missing | (count == 0)), math.nan) for f in found]
    if dim is None:
        parts = [shapes.reshape(p, [1] * x.ndim if keepdim else []) for p in parts]
    elif not keepdim or not x.ndim:
        parts = [shapes.squeeze(p, axis) for p in parts]
    return parts[0] if fractions.ndim == 0 else call("stack", parts)  # type: ignore[no-any-return]


def _interpolated(values: Tensor, dim: int, rank: Any, how: str) -> Tensor:
    """The elements at fractional places."""
    low = np.floor(rank)
    if how in ("lower", "higher", "nearest"):
        return _gathered(values, dim, low if how == "lower" else np.ceil(rank) if how == "higher" else np.round(rank))
    weight = Tensor._of(np.asarray(rank - low if how == "linear" else np.full(rank.shape, 0.5), values._array.dtype))
    return call("lerp", _gathered(values, dim, low), _gathered(values, dim, np.ceil(rank)), weight)  # type: ignore[no-any-return]


def quantile(x: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The elements below which such fractions of the others lie; NaN where there is one."""
    return _quantile(x, q, dim, keepdim, interpolation, False, "quantile")


def nanquantile(x: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The same of the elements that are not NaN."""
    return _quantile(x, q, dim, keepdim, interpolation, True, "nanquantile")


def nanmedian(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of the elements that are not NaN; with an axis, and its place."""
    along, axis = _along(x, dim)
    order = call("sort", along, axis)[1]
    _, count = _ranks(along, axis, x.dtype.is_float)
    place = _gathered(order, axis, np.maximum(count - 1, 0) // 2)
    value = call("gather", along, axis, place)
    if dim is None:
        return shapes.reshape(value, [])
    pair = (value, place) if keepdim and x.ndim else (shapes.squeeze(value, axis), shapes.squeeze(place, axis))
    return RESULTS["nanmedian"](*pair)


def mode(x: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along an axis, the least of several, and its last place."""
    along, axis = _along(x, dim)
    rows = np.moveaxis(along._array, axis, -1)
    places = np.empty(rows.shape[:-1], np.int64)
    for where in np.ndindex(*places.shape):
        values, counts = np.unique(rows[where], return_counts=True)
        places[where] = np.flatnonzero(rows[where] == values[np.argmax(counts)])[-1]
    place = Tensor._of(np.expand_dims(places, axis))
    value = call("gather", along, axis, place)
    return RESULTS["mode"](*((value, place) if keepdim and x.ndim else (shapes.squeeze(value, axis), shapes.squeeze(place, axis))))


def msort(x: Tensor) -> Tensor:
    return call("sort", x, 0)[0]  # type: ignore[no-any-return]


# Joining, splitting and turning.


def atleast(rank: int) -> Any:
    """`atleast_2d` and its kin: axes of extent 1 where there are too few."""

    def one(x: Tensor) -> Tensor:
        extents = tuple(x._array.shape)
        lead = {0: (1,) * rank, 1: (1, *extents) if rank > 1 else extents, 2: extents}.get(len(extents), extents)
        return x if len(extents) >= rank else shapes.reshape(x, (*lead, *[1] * (rank - len(lead))))

    def operation(*tensors: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 else tensors
        return tuple(map(one, given)) if isinstance(given, (tuple, list)) else one(given)

    return operation


def stacked(rank: int, axis: int) -> Any:
    """`vstack` and its kin: tensors of this rank at least, joined along an axis."""

    def operation(tensors: Sequence[Tensor]) -> Tensor:
        return cat([atleast(rank)(t) for t in tensors], axis)

    return operation


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    return cat([shapes.reshape(t, (t.numel(), 1)) if t.ndim < 2 else t for t in tensors], 1)


def stack(tensors: Sequence[Tensor], dim: int = 0, **options: Any) -> Tensor:
    if not len(tensors):
        raise RuntimeError("stack expects a non-empty TensorList")
    return call("stack", list(tensors), dim, **options)  # type: ignore[no-any-return]


def splitting(axis: int, least: int, title: str) -> Any:
    """`hsplit` and its kin."""

    def operation(x: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if x.ndim < least:
            raise RuntimeError(f"torch.{title} requires a tensor with at least {least} dimension, but got a tensor with {x.ndim}")
        along = 0 if axis == 1 and x.ndim == 1 else axis
        if isinstance(indices_or_sections, int) and (indices_or_sections < 1 or x._array.shape[along] % indices_or_sections):
            raise RuntimeError(
                f"torch.{title} attempted to split along dimension {along}, but the size of the dimension {x._array.shape[along]} is not "
                f"divisible by the split_size {indices_or_sections}!"
            )
        return shapes.tensor_split(x, indices_or_sections, along)

    return operation


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of one."""
    blocks = [atleast(2)(t) for t in tensors]
    width = sum(b._array.shape[1] for b in blocks)
    rows, before = [], 0
    for b in blocks:
        height, own = b._array.shape
        left, right = (zeros(height, e, dtype=b.dtype) for e in (before, width - before - own))
        rows.append(cat([left, b, right], 1))
        before += own
    return cat(rows, 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    if len(tensors) == 1:
        return tensors[0]
    if len({t.dtype for t in tensors}) > 1:
        raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    places = np.meshgrid(*(np.arange(t.numel()) for t in tensors), indexing="ij")
    return stack([getitem(t, Tensor._of(p.reshape(-1))) for t, p in zip(tensors, places, strict=True)], 1)


def combinations(x: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(x.numel()), r)), np.int64).reshape(-1, r)
    return getitem(x, Tensor._of(places))


def flip(x: Tensor, *dims: Any) -> Tensor:
    return call("flip", x, list(shapes.sizes(dims)))  # type: ignore[no-any-return]


def fliplr(x: Tensor) -> Tensor:
    if x.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(x, 1)


def flipud(x: Tensor) -> Tensor:
    if x.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(x, 0)


def rot90(x: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """x turned by quarters, from the first axis to the second."""
    a, b = (x._axis(d) for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    match k % 4:
        case 1:
            return clone(shapes.transpose(flip(x, b), a, b))
        case 2:
            return flip(x, a, b)
        case 3:
            return clone(shapes.transpose(flip(x, a), a, b))
        case _:
            return clone(x)


def tile(x: Tensor, *dims: Any) -> Tensor:
    return call("tile", x, list(shapes.sizes(dims)))  # type: ignore[no-any-return]


def repeat_interleave(x: Tensor, repeats: Any, dim: int | None = None, **options: Any) -> Tensor:
    """Each element so many times in a row; or each as often as a tensor says."""
    if not isinstance(repeats, Tensor) or repeats.numel() == 1:
        count = int(repeats.item()) if isinstance(repeats, Tensor) else repeats
        return call("repeat_interleave", x, count, dim)  # type: ignore[no-any-return]
    along, axis = _along(x, dim)
    if repeats.shape != (along._array.shape[axis],):
        raise RuntimeError("repeats must have the same size as input along dim")
    places = np.repeat(np.arange(along._array.shape[axis]), repeats._array)
    return call("index_select", along, axis, Tensor._of(places))  # type: ignore[no-any-return]


def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix; of a vector, the matrix that has it there."""
    if x.ndim == 2:
        return clone(shapes.diagonal(x, diagonal))
    if x.ndim != 1:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {x.ndim}D")
    count = x.numel() + abs(diagonal)
    made = zeros(count, count, dtype=x.dtype)
    places = np.arange(x.numel())
    setitem(made, (Tensor._of(places + max(-diagonal, 0)), Tensor._of(places + max(diagonal, 0))), x)
    return made


def adjoint(x: Tensor) -> Tensor:
    if x.ndim < 2:
        raise RuntimeError(f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {x.ndim}-D tensor.")
    return shapes.transpose(x, -2, -1)


# Placing.


def where_method(x: Tensor, condition: Tensor, other: Any) -> Tensor:
    return call("where", condition, x, other)  # type: ignore[no-any-return]


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype.name not in ("i32", "i64"):
        raise RuntimeError(f"index_select(): Expected dtype int32 or int64 for index but got {index.dtype}")
    return call("index_select", x, dim, shapes.reshape(index, -1))  # type: ignore[no-any-return]


def index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    made = clone(x)
    setitem(made, (*[slice(None)] * x._axis(dim), index), source)
    return made


def index_put(x: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """x with the values at places; added there, also where a place comes several times."""
    where = tuple(indices)
    if not accumulate:
        made = clone(x)
        setitem(made, where, values)
        return made
    numbers = getitem(shapes.reshape(arange(x.numel()), x.shape), where)
    source = shapes.reshape(shapes.expand(values, numbers.shape), -1)
    flat = call("scatter_add", shapes.reshape(x, -1), 0, shapes.reshape(numbers, -1), source)
    return shapes.reshape(flat, x.shape)


def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """x with elements at places of the flattened tensor."""
    found = index_put(shapes.reshape(x, -1), (shapes.reshape(index, -1),), shapes.reshape(source, -1), accumulate)
    return shapes.reshape(found, x.shape)


def scatter_reduce(x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
    """x combined with src's elements at the places of index along an axis."""
    if reduce not in ("sum", "mean", "amax", "amin", "prod"):
        raise RuntimeError("reduce argument must be either sum, prod, mean, amax or amin.")
    axis = x._axis(dim)
    part = getitem(src, tuple(slice(e) for e in index._array.shape))
    counts = gathered("scatter_add")(zeros(x.shape, dtype=i64), axis, index, full(index.shape, 1, dtype=i64))
    own = x if include_self else call("where", counts > 0, full(x.shape, _IDENTITY[reduce](x), dtype=x.dtype), x)
    if reduce in ("sum", "mean"):
        total = call("scatter_add", own, axis, index, part)
        if reduce == "sum":
            return total  # type: ignore[no-any-return]
        several = call("clamp", counts + int(include_self), min=1)
        return total / several if x.dtype.is_float else call("floor_divide", total, several)  # type: ignore[no-any-return]
    return _combined(own, axis, index, part, reduce)


_IDENTITY: dict[str, Callable[[Tensor], float]] = {
    "sum": lambda x: 0,
    "mean": lambda x: 0,
    "prod": lambda x: 1,
    "amax": lambda x: -math.inf if x.dtype.is_float else x.dtype.range[0],
    "amin": lambda x: math.inf if x.dtype.is_float else x.dtype.range[1],
}


def _combined(x: Tensor, dim: int, index: Tensor, part: Tensor, reduce: str) -> Tensor:
    """Products and extrema, one slice of index after the other, in which no place comes twice."""
    combine = {"prod": "mul", "amax": "maximum", "amin": "minimum"}[reduce]
    made = x
    for n in range(index._array.shape[dim] if index.ndim else 1):
        places, value = (shapes.narrow(t, dim, n, 1) if index.ndim else t for t in (index, part))
        made = made.scatter(dim, places, call(combine, call("gather", made, dim, places), value))
    return made


def fill_diagonal_(x: Tensor, value: Any, wrap: bool = False) -> Tensor:
    if x.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    place = Tensor._of(np.arange(min(x._array.shape)))
    setitem(x, (place,) * x.ndim, value)
    return x


# Searching and counting.


def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Any = None
) -> Tensor:
    """Where elements would be put in, along the last axis, so that the order stays."""
    values = input if isinstance(input, Tensor) else full((), input)
    rows, wanted = sorted_sequence._array, values._array
    if sorter is not None:
        rows = np.take_along_axis(rows, sorter._array, -1)
    where: Any = "right" if right or side == "right" else "left"
    if rows.ndim == 1:
        found = np.searchsorted(rows, wanted, where)
    else:
        if rows.shape[:-1] != wanted.shape[:-1]:
            raise RuntimeError(
                "boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value match"
            )
        found = np.empty(wanted.shape, np.int64)
        for place in np.ndindex(*rows.shape[:-1]):
            found[place] = np.searchsorted(rows[place], wanted[place], where)
    return Tensor._of(np.asarray(found, np.int32 if out_int32 else np.int64))


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    a, b = (t._array if isinstance(t, Tensor) else np.asarray(t) for t in (elements, test_elements))
    return Tensor._of(np.isin(a, b, invert=invert))


def unique_consecutive(x: Tensor, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The elements without repetitions of the one before."""
    flat = x._array.reshape(-1)
    first = np.concatenate([np.ones(min(flat.size, 1), bool), flat[1:] != flat[:-1]])
    found: list[Tensor] = [Tensor._of(flat[first])]
    if return_inverse:
        found.append(Tensor._of((np.cumsum(first) - 1).reshape(x._array.shape)))
    if return_counts:
        found.append(Tensor._of(np.diff(np.append(np.flatnonzero(first), flat.size))))
    return found[0] if len(found) == 1 else tuple(found)


def histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    low, high = (min, max) if min != max else (float(x._array.min()), float(x._array.max())) if x._array.size else (0.0, 1.0)
    if low == high:
        low, high = low - 1, high + 1
    inside = x._array[(x._array >= low) & (x._array <= high)]
    return Tensor._of(np.histogram(inside, bins, (low, high))[0].astype(x._array.dtype))


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral along an axis of what is linear between the elements."""
    axis, count = y._axis(dim), y._array.shape[dim]
    low, high = (shapes.narrow(y, axis, start, count - 1) for start in (0, 1))
    if x is None:
        return call("sum", low + high, axis) * (dx / 2)  # type: ignore[no-any-return]
    along = x._axis(dim) if x.ndim > 1 else 0
    steps = call("diff", x, 1, along)
    if x.ndim == 1:
        steps = shapes.reshape(steps, [-1 if n == axis else 1 for n in range(y.ndim)])
    return call("sum", (low + high) * steps, axis) / 2  # type: ignore[no-any-return]


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    return call("vander", x, x.numel() if N is None else N, increasing)  # type: ignore[no-any-return]


def of_integers(name: str, function: Any) -> Any:
    """`gcd` and `lcm`."""

    def operation(input: Tensor, other: Any) -> Tensor:
        given = other if isinstance(other, Tensor) else full((), other, dtype=input.dtype)
        dtype = promote(input.dtype, given.dtype)
        if dtype is None or not dtype.is_integer or dtype is bool_:
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{dtype}'")
        return Tensor._of(np.asarray(function(input._array, given._array), dtype.numpy))

    return operation


def sinc(x: Tensor) -> Tensor:
    """sin(pi x) / (pi x)."""
    angle = x * math.pi
    return call("where", x == 0, call("cos", angle), call("sin", angle) / angle)  # type: ignore[no-any-return]


def chain_matmul(*matrices: Any) -> Tensor:
    """The product of several matrices."""
    given = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)) else matrices
    product = given[0]
    for m in given[1:]:
        product = product @ m
    return product  # type: ignore[no-any-return]


def triangle(upper: bool) -> Any:
    """`tril_indices` and `triu_indices`."""

    def operation(row: int, col: int, offset: int = 0, *, dtype: Any = i64, **options: Any) -> Tensor:
        places = np.triu_indices(row, offset, col) if upper else np.tril_indices(row, offset, col)
        return Tensor._of(np.stack(places).astype(dtype.numpy))

    return operation


FUNCTIONS: dict[str, Any] = {
    "quantile": quantile, "nanquantile": nanquantile, "nanmedian": nanmedian, "mode": mode, "msort": msort, "stack": stack,
    "atleast_1d": atleast(1), "atleast_2d": atleast(2), "atleast_3d": atleast(3), "vstack": stacked(2, 0), "row_stack": stacked(2, 0),
    "dstack": stacked(3, 2), "column_stack": column_stack, "hsplit": splitting(1, 1, "hsplit"), "vsplit": splitting(0, 2, "vsplit"),
    "dsplit": splitting(2, 3, "dsplit"), "block_diag": block_diag, "cartesian_prod": cartesian_prod, "combinations": combinations,
    "flip": flip, "fliplr": fliplr, "flipud": flipud, "rot90": rot90, "tile": tile, "repeat_interleave": repeat_interleave, "diag": diag,
    "adjoint": adjoint, "index_select": index_select, "index_copy": index_copy, "index_put": index_put, "put": put,
    "scatter_reduce": scatter_reduce, "searchsorted": searchsorted, "bucketize": bucketize, "isin": isin,
    "unique_consecutive": unique_consecutive, "histc": histc, "trapezoid": trapezoid, "trapz": trapezoid, "vander": vander,
    "gcd": of_integers("gcd", np.gcd), "lcm": of_integers("lcm", np.lcm), "sinc": sinc, "chain_matmul": chain_matmul,
    "tril_indices": triangle(False), "triu_indices": triangle(True),
}  # fmt: skip
