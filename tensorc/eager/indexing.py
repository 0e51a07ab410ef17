"""`x[...]` read and written: integers, slices, None and Ellipsis make views; tensors, lists and masks pick elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.eager import shapes
from tensorc.eager.inplace import as_value, changed, check_writable, copy_, fill_
from tensorc.eager.modes import state
from tensorc.eager.tape import Cotangents, Needed, Node
from tensorc.eager.tensor import Tensor
from tensorc.eager.views import view
from tensorc.runtime.arrays import Array


def _items(x: Tensor, index: Any) -> tuple[list[Any], bool]:
    """The index as a list, tensors as arrays, and whether it picks elements rather than making a view."""
    given = index if isinstance(index, tuple) or _is_tuple(index) else (index,)
    items = [_item(i) for i in given]
    picks = any(isinstance(i, np.ndarray) for i in items)
    used = sum(i.ndim if isinstance(i, np.ndarray) and i.dtype == bool else 0 if i is None or i is Ellipsis else 1 for i in items)
    if used > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}")
    return items, picks


def _is_tuple(index: Any) -> bool:
    """Whether a list stands for a tuple of indices: one that holds more than numbers does."""
    parts = (list, tuple, Tensor, np.ndarray, slice, type(None), type(Ellipsis))
    return isinstance(index, list) and len(index) < MOST_PARTS and any(isinstance(i, parts) for i in index)


MOST_PARTS = 32
"""A longer list is data, whatever it holds."""


def _item(item: Any) -> Any:
    """One part of an index: an int, a slice, None, Ellipsis, or an array of integers or bools."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        if item.step is not None and int(item.step) <= 0:
            raise ValueError("step must be greater than zero")
        return slice(*(None if b is None else _bound(b) for b in (item.start, item.stop, item.step)))
    if isinstance(item, bool):
        return np.array(item)
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    array = item._array if isinstance(item, Tensor) else np.asarray(item)
    if array.size == 0 and not isinstance(item, Tensor):
        array = array.astype(np.int64)
    if array.dtype.kind not in "biu":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if array.ndim == 0 and array.dtype != bool:
        return int(array)
    if array.dtype == np.uint8:
        array = array.astype(bool)
    return array


def _bound(bound: Any) -> int:
    if isinstance(bound, Tensor) or hasattr(bound, "__index__"):
        return int(bound.__index__())
    raise TypeError("slice indices must be integers or None or have an __index__ method")


def getitem(x: Tensor, index: Any) -> Tensor:
    if (found := _simple(x, index)) is not None:
        return found
    items, picks = _items(x, index)
    if not picks:
        _check_integers(x, items)
        return shapes.basic(x, _title(items), tuple(items))
    return _picked(x, items)


def _simple(x: Tensor, index: Any) -> Tensor | None:
    """The view of the index that most are: numbers and slices between numbers, all of them inside; None for any other."""
    given = index if type(index) is tuple else (index,)
    shape = x._array.shape
    if len(given) > len(shape):
        return None
    title = "Alias"
    for item, extent in zip(given, shape, strict=False):
        if type(item) is int:
            if not -extent <= item < extent:
                return None
            title = "Select"
        elif type(item) is slice and item.step is None and type(item.start) in _BOUNDS and type(item.stop) in _BOUNDS:
            if item.start is not None or item.stop is not None:
                title = "Slice"
        else:
            return None
    whole = (*given, Ellipsis)
    return view(x, title, lambda a: a[whole])


_BOUNDS = {int, type(None)}


def _title(items: Sequence[Any]) -> str:
    """What PyTorch calls the view: by the last step of it."""
    last = next((i for i in reversed(items) if i is not Ellipsis and i != slice(None)), None)
    if isinstance(last, int):
        return "Select"
    if last is None:
        return "Unsqueeze" if None in items else "Alias"
    return "Slice"


def _check_integers(x: Tensor, items: Sequence[Any]) -> None:
    if not x.ndim and any(isinstance(i, (int, slice)) for i in items):
        raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` to convert it to a number")
    axis = 0
    for place, item in enumerate(items):
        if item is Ellipsis:
            axis = x.ndim - sum(1 for i in items[place + 1 :] if i is not None)
        elif item is not None:
            if isinstance(item, int) and not -x._array.shape[axis] <= item < x._array.shape[axis]:
                raise IndexError(f"index {item} is out of bounds for dimension {axis} with size {x._array.shape[axis]}")
            axis += 1


class _Pick:
    """An index with arrays: a view of x, and the places that are picked along some of the view's axes."""

    def __init__(self, x: Tensor, items: Sequence[Any]) -> None:
        steps = _steps(x, items)
        self.plain = tuple(item for item, _ in steps)
        kept = [places for item, places in steps if not isinstance(item, int)]
        self.axes = [axis for axis, places in enumerate(kept) if places is not None]
        self.places = [p for p in kept if p is not None]
        try:
            self.shape = np.broadcast_shapes(*(p.shape for p in self.places))
        except ValueError:
            listed = ", ".join(str(list(p.shape)) for p in self.places)
            raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {listed}") from None

    @property
    def together(self) -> bool:
        """Whether the axes are neighbours, so that the new ones take their place; else they come first."""
        return self.axes == list(range(self.axes[0], self.axes[0] + len(self.axes)))

    def numbers(self, extents: Sequence[int]) -> Array:
        """The places along all axes as one number each. IndexError where one is outside."""
        total = np.zeros(self.shape, np.int64)
        for axis, array, extent in zip(self.axes, self.places, extents, strict=True):
            wide = array.astype(np.int64)
            outside = (wide < -extent) | (wide >= extent)
            if outside.any():
                raise IndexError(f"index {int(wide[outside][0])} is out of bounds for dimension {axis} with size {extent}")
            total = total * extent + np.where(wide < 0, wide + extent, wide)
        return total


def _steps(x: Tensor, items: Sequence[Any]) -> list[tuple[Any, Array | None]]:
    """For each axis of x in order, and each new one, how it is viewed and which places are picked of it; of a mask, where it is true."""
    used = sum(i.ndim if isinstance(i, np.ndarray) and i.dtype == bool else 0 if i is None or i is Ellipsis else 1 for i in items)
    at = next((n for n, i in enumerate(items) if i is Ellipsis), len(items))
    found: list[tuple[Any, Array | None]] = []
    axis = 0
    for item in [*items[:at], *[slice(None)] * (x.ndim - used), *items[at + 1 :]]:
        if not isinstance(item, np.ndarray):
            found.append((item, None))
            axis += item is not None
        elif item.dtype != bool:
            found.append((slice(None), item))
            axis += 1
        elif item.ndim == 0:
            found.append((None, np.zeros(int(item), np.int64)))
        else:
            _check_mask(x, item, axis)
            found += [(slice(None), places) for places in item.nonzero()]
            axis += item.ndim
    return found


def _check_mask(x: Tensor, mask: Array, axis: int) -> None:
    for n, (own, extent) in enumerate(zip(mask.shape, x._array.shape[axis:], strict=False)):
        if own != extent:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {n} does not match the shape of the indexed tensor "
                f"{list(x.shape)} at index {axis + n}"
            )


def _picked(x: Tensor, items: list[Any]) -> Tensor:
    """The elements that arrays of integers and masks pick: a view first, then elements along one axis that holds those picked from."""
    pick = _Pick(x, items)
    lead = shapes.basic(x, "Slice", pick.plain)
    rest = [n for n in range(lead.ndim) if n not in pick.axes]
    extents = [lead._array.shape[n] for n in pick.axes]
    kept = [lead._array.shape[n] for n in rest]
    numbers = pick.numbers(extents)
    flat = shapes.permute(lead, [*pick.axes, *rest]).reshape((int(np.prod(extents, dtype=np.int64)), *kept))
    result: Tensor = flat.index_select(0, Tensor._of(numbers.reshape(-1)))
    if result._edge is not None:
        result._edge[0].name = "IndexBackward0"
    if len(pick.shape) != 1:
        result = result.reshape((*pick.shape, *kept))
    if not pick.together or pick.axes[0] == 0:
        return result
    front, count = pick.axes[0], len(pick.shape)
    return shapes.permute(result, [*range(count, count + front), *range(count), *range(count + front, result.ndim)])


_WIDE = {np.dtype(np.float32), np.dtype(np.float64)}

_SURE = 2.0**24
"""Numbers below are elements of these dtypes, rounded to them or exact."""


def setitem(x: Tensor, index: Any, value: Any) -> None:
    if value is None or isinstance(value, str):
        raise TypeError(f"can't assign a {type(value).__name__} to a tensor")
    place = _simple(x, index)
    if place is not None:
        if type(value) in (int, float) and x._array.dtype in _WIDE and -_SURE < value < _SURE:
            fill_(place, value)
        else:
            copy_(place, value)
        return
    items, picks = _items(x, index)
    if not picks:
        _check_integers(x, items)
        copy_(shapes.basic(x, _title(items), tuple(items)), value)
        return
    check_writable(x)
    values = as_value(value, x.dtype)
    if values._array.dtype != x._array.dtype:
        if isinstance(value, Tensor) and values.ndim:
            raise RuntimeError(
                f"Index put requires the source and destination dtypes match, got {x.dtype} for the destination and {values.dtype} "
                "for the source."
            )
        values = values.to(x.dtype)
    pick = _Pick(x, items)
    lead = x._array[(*pick.plain, *(() if Ellipsis in pick.plain else (Ellipsis,)))]
    pick.numbers([lead.shape[n] for n in pick.axes])
    where: list[Any] = [slice(None)] * lead.ndim
    for axis, places in zip(pick.axes, pick.places, strict=True):
        where[axis] = places
    node = None
    if state.recording and (x._gradient_edge() is not None or values._gradient_edge() is not None):
        node = IndexPut(x, values, tuple(items))
    try:
        lead[tuple(where)] = values._array
    except ValueError as error:
        raise RuntimeError(f"shape mismatch: {error}") from None
    changed(x, None if node is None else (node, 0))


class IndexPut(Node):
    """Elements that were overwritten at picked places."""

    def __init__(self, x: Tensor, values: Tensor, where: tuple[Any, ...]) -> None:
        super().__init__("IndexPutBackward0", [x._gradient_edge(), values._gradient_edge()])
        self.where = tuple(i.copy() if isinstance(i, np.ndarray) else i for i in where)
        self.shape = values._array.shape

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        (gradient,) = cotangents
        if gradient is None:
            return (None, None)
        where = tuple(Tensor._of(i) if isinstance(i, np.ndarray) else i for i in self.where)
        old, new = self.needs(needed)
        kept = None
        if old:
            kept = gradient.clone()
            setitem(kept, where, 0.0)
        return (kept, getitem(gradient, where).sum_to_size(self.shape) if new else None)
