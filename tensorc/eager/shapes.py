"""The views of PyTorch's face: reshape, permute, expand, split and the like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.dtypes import DType
from tensorc.eager.tensor import Tensor
from tensorc.eager.views import share, view
from tensorc.runtime.arrays import Array


def sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` alike."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    return tuple(map(int, given))


def resolved(x: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with -1 worked out. RuntimeError where x has another number of elements."""
    if math.prod(shape) == x._array.size and min(shape, default=0) >= 0:
        return shape
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if any(n < -1 for n in shape):
        raise RuntimeError(f"invalid shape dimension {min(shape)}")
    known = 1
    for n in shape:
        known *= n if n != -1 else 1
    total = x._array.size
    if -1 in shape:
        if known == 0:
            raise RuntimeError(
                f"cannot reshape tensor of {total} elements into shape {list(shape)} because the unspecified dimension size -1 can be any "
                "value and is ambiguous"
            )
        if total % known:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {total}")
        return tuple(total // known if n == -1 else n for n in shape)
    if known != total:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {total}")
    return shape


def _is_view_of(array: Array, shape: tuple[int, ...]) -> bool:
    """Whether the shape can be had without a copy."""
    if array.size == 0 or array.flags.c_contiguous:
        return True
    return np.may_share_memory(array.reshape(shape), array)


def view_(x: Tensor, *shape: Any) -> Tensor:
    """`x.view(shape)`, which shares memory. RuntimeError where only a copy could have the shape. `x.view(dtype)`: its bytes as another."""
    if len(shape) == 1 and isinstance(shape[0], DType):
        return _as_dtype(x, shape[0])
    wanted = resolved(x, sizes(shape))
    if not _is_view_of(x._array, wanted):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous "
            "subspaces). Use .reshape(...) instead."
        )
    return view(x, "View", lambda a: a.reshape(wanted))


def _as_dtype(x: Tensor, dtype: DType) -> Tensor:
    size, wanted = x._array.itemsize, dtype.numpy.itemsize
    if size != wanted and (not x.ndim or x._array.strides[-1] != size or x._array.shape[-1] * size % wanted):
        raise RuntimeError(f"self.size(-1) must be divisible by {wanted // size} to view {x.dtype} as {dtype} (different element sizes)")
    made = Tensor._of(x._array.view(dtype.numpy))
    share(made, x)
    return made


def as_strided(x: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """The memory of the base in strides, in elements. RuntimeError for what is outside."""
    base = x if x._base is None else x._base
    shape, strides = sizes((size,)), sizes((stride,))
    start = x.storage_offset() if storage_offset is None else storage_offset
    reach = start + sum((e - 1) * s for e, s in zip(shape, strides, strict=True)) if 0 not in shape else 0
    if reach >= max(base._array.size, 1) or not base._array.flags.c_contiguous or min(strides, default=0) < 0:
        raise RuntimeError(f"setStorage: sizes {list(shape)}, strides {list(strides)} and offset {start} are out of bounds")
    steps = tuple(s * base._array.itemsize for s in strides)
    return view(base, "AsStrided", lambda a: np.lib.stride_tricks.as_strided(a.reshape(-1)[start:], shape, steps))


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """`x.reshape(shape)`: a view where that is possible, else a copy."""
    wanted = resolved(x, sizes(shape))
    if not _is_view_of(x._array, wanted):
        x = x.contiguous()
        return view(x, "UnsafeView", lambda a: a.reshape(wanted))
    return view(x, "View", lambda a: a.reshape(wanted))


def permute(x: Tensor, *dims: Any) -> Tensor:
    order = [x._axis(d) for d in sizes(dims)]
    if len(order) != x.ndim:
        raise RuntimeError(
            f"permute: number of dimensions in the tensor input does not match the length of the desired ordering of dimensions "
            f"i.e. input.dim() = {x.ndim} is not equal to len(dims) = {len(order)}"
        )
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return view(x, "Permute", lambda a: a.transpose(order))


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    a, b = x._axis(dim0), x._axis(dim1)
    return view(x, "Transpose", (lambda array: array.swapaxes(a, b)) if x.ndim else (lambda array: array[...]))


def movedim(x: Tensor, source: Any, destination: Any) -> Tensor:
    pairs = [[x._axis(n) for n in ([v] if isinstance(v, int) else v)] for v in (source, destination)]
    if len(pairs[0]) != len(pairs[1]):
        raise RuntimeError("movedim: Invalid source or destination dims: source and destination must have the same number of elements")
    return view(x, "Permute", lambda a: np.moveaxis(a, *pairs))


def t(x: Tensor) -> Tensor:
    if x.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D")
    return view(x, "T", lambda a: a.T)


def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    axes = range(x.ndim) if dim is None else [x._axis(d) for d in ([dim] if isinstance(dim, int) else dim)]
    gone = tuple(n for n in axes if x.ndim and x._array.shape[n] == 1)
    return view(x, "Squeeze", lambda a: a.squeeze(gone) if gone else a[...])


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    rank = x.ndim + 1
    if not -rank <= dim < rank:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {dim})")
    return view(x, "Unsqueeze", lambda a: np.expand_dims(a, dim % rank))


def expand(x: Tensor, *shape: Any) -> Tensor:
    wanted = list(sizes(shape))
    skip = len(wanted) - x.ndim
    if skip < 0:
        raise RuntimeError(
            f"expand(Tensor{list(x.shape)}, size={wanted}): the number of sizes provided ({len(wanted)}) must be greater or equal to the "
            f"number of dimensions in the tensor ({x.ndim})"
        )
    for n, extent in enumerate(wanted):
        own = x._array.shape[n - skip] if n >= skip else 1
        if extent == -1 and n < skip:
            raise RuntimeError(f"expand: the size -1 at dimension {n} is not allowed in a leading, non-existing dimension")
        wanted[n] = own if extent == -1 else extent
        if own not in (1, wanted[n]):
            raise RuntimeError(
                f"The expanded size of the tensor ({wanted[n]}) must match the existing size ({own}) at non-singleton dimension {n}.  "
                f"Target sizes: {wanted}.  Tensor sizes: {list(x.shape)}"
            )
    target = tuple(wanted)
    return view(x, "Expand", lambda a: _broadcast(a, target), repeats=True)


def _broadcast(array: Array, shape: tuple[int, ...]) -> Array:
    lead = len(shape) - array.ndim
    strides = (0,) * lead + tuple(0 if e == 1 else s for e, s in zip(array.shape, array.strides, strict=True))
    return np.lib.stride_tricks.as_strided(array, shape, strides)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    if x.ndim == 0:
        return reshape(x, 1)
    first, last = x._axis(start_dim), x._axis(end_dim)
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last:
        return x
    extents = x._array.shape
    middle = int(np.prod(extents[first : last + 1], dtype=np.int64))
    return reshape(x, (*extents[:first], middle, *extents[last + 1 :]))


def unflatten(x: Tensor, dim: int, shape: Any) -> Tensor:
    axis, parts = x._axis(dim), list(sizes((shape,)))
    extents = x._array.shape
    known = int(np.prod([p for p in parts if p != -1], dtype=np.int64))
    if -1 in parts:
        parts[parts.index(-1)] = extents[axis] // max(known, 1)
    if int(np.prod(parts, dtype=np.int64)) != extents[axis]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes((shape,)))} don't multiply up to the size of dim {axis} ({extents[axis]}) in the input "
            "tensor"
        )
    return view_(x, (*extents[:axis], *parts, *extents[axis + 1 :]))


def basic(x: Tensor, title: str, items: tuple[Any, ...], fixed: str | None = None) -> Tensor:
    """x[items] of integers, slices, None and Ellipsis."""
    whole = items if Ellipsis in items else (*items, Ellipsis)
    return view(x, title, lambda a: a[whole], fixed=fixed)


def select(x: Tensor, dim: int, index: int) -> Tensor:
    if not x.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    axis = x._axis(dim)
    extent = x._array.shape[axis]
    if not -extent <= index < extent:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension {axis}")
    return basic(x, "Select", (*[slice(None)] * axis, int(index)))


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    axis, start, length = x._axis(dim), int(start), int(length)
    extent = x._array.shape[axis]
    if length < 0 or not -extent <= start <= extent:
        raise (IndexError if length >= 0 else RuntimeError)(
            f"narrow(): start {start} or length {length} is out of range for an axis of {extent}"
        )
    first = start + extent if start < 0 else start
    if first + length > extent:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({extent}).")
    return basic(x, "Slice", (*[slice(None)] * axis, slice(first, first + length)))


def _several(title: str) -> str:
    return (
        f"Output 0 of {title}Backward0 is a view and is being modified inplace. This view is the output of a function that returns "
        "multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation "
        "by an out-of-place one."
    )


def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    if not x.ndim:
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    axis = x._axis(dim)
    lead = [slice(None)] * axis
    return tuple(basic(x, "Unbind", (*lead, n), _several("Unbind")) for n in range(x._array.shape[axis]))


def split(x: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of so many elements each along an axis; or of the numbers of elements given."""
    axis = x._axis(dim)
    extent, given = x._array.shape[axis], split_size_or_sections
    if isinstance(given, int):
        if given < 0 or (given == 0 and extent):
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={given}")
        parts = [min(given, extent - start) for start in range(0, extent, given)] if extent else [0]
    else:
        parts = list(sizes((given,)))
        if sum(parts) != extent or min(parts, default=0) < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {extent} (input tensor's size at dimension {axis}), "
                f"but got split_sizes={parts}"
            )
    return _parts(x, axis, parts, "Split")


def _parts(x: Tensor, axis: int, parts: Sequence[int], title: str) -> tuple[Tensor, ...]:
    found, start = [], 0
    for length in parts:
        found.append(basic(x, title, (*[slice(None)] * axis, slice(start, start + length)), _several(title)))
        start += length
    return tuple(found)


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many equal parts along an axis, the last one the rest."""
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    extent = x._array.shape[x._axis(dim)]
    return split(x, max(-(-extent // chunks), 1) if extent else [0] * chunks, dim)


def tensor_split(x: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    axis = x._axis(dim)
    extent = x._array.shape[axis]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count < 1:
            raise RuntimeError(f"number of sections must be larger than 0, got {count}")
        return _parts(x, axis, [extent // count + (n < extent % count) for n in range(count)], "Slice")
    ends = [*(range(extent)[slice(n)].stop for n in sizes((indices_or_sections,))), extent]
    starts = [0, *ends[:-1]]
    return tuple(basic(x, "Slice", (*[slice(None)] * axis, slice(a, max(a, b)))) for a, b in zip(starts, ends, strict=True))


def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    a, b = x._axis(dim1), x._axis(dim2)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")

    def look(array: Array) -> Array:
        square = np.moveaxis(array, (a, b), (-2, -1))[..., max(-offset, 0) :, max(offset, 0) :]
        strides = (*square.strides[:-2], square.strides[-2] + square.strides[-1])
        return np.lib.stride_tricks.as_strided(square, (*square.shape[:-2], min(square.shape[-2:])), strides)

    return view(x, "Diagonal", look)


def unfold(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    axis = x._axis(dimension)
    extent = x._array.shape[axis] if x.ndim else 1
    if size > extent:
        raise RuntimeError(f"maximum size for tensor at dimension {axis} is {extent} but size is {size}")
    windows = np.lib.stride_tricks.sliding_window_view
    if step >= size:
        return view(
            x, "Unfold", lambda a: windows(a, size, axis, writeable=a.flags.writeable)[(*[slice(None)] * axis, slice(None, None, step))]
        )
    from tensorc.eager.named import call

    return call("unfold", x, axis, size, step)  # type: ignore[no-any-return]
