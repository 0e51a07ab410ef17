"""In-place operations: memory is overwritten, the identity of the tensor stays, and the tape knows both the old and the new elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorc.dtypes import DType, bool_, f64
from tensorc.eager.applied import Applied
from tensorc.eager.modes import state
from tensorc.eager.tape import Cotangents, Edge, Needed, Node
from tensorc.eager.tensor import Tensor
from tensorc.eager.views import Replaced, look_of


def check_writable(x: Tensor) -> None:
    """Raise RuntimeError where an in-place operation on x is not allowed."""
    if state.recording:
        if x._requires_grad and x.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        base = x._base
        if base is not None and base._gradient_edge() is not None:
            if base._edge is None:
                raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
            if x._fixed is not None:
                raise RuntimeError(x._fixed)
    array = x._array
    flags = array.flags
    if not flags.writeable:
        raise RuntimeError("the tensor lies on read-only memory and cannot be written to; use x.clone()")
    if not flags.c_contiguous and any(s == 0 and e > 1 for s, e in zip(array.strides, array.shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


class Overwritten(Node):
    """Elements that were replaced: none of the old ones has a gradient."""

    def __init__(self, title: str, edges: Sequence[Edge | None]) -> None:
        super().__init__(f"{title}Backward0", edges)

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        return [None for _ in self.next_edges]


def assign(x: Tensor, result: Tensor) -> Tensor:
    """Make the result's elements x's own, and the result's history too."""
    edge = result._edge if state.recording else None
    if edge is not None and isinstance(edge[0], Applied) and edge[0].plan.primitive.floats == (True,):
        edge[0].overwrite(x)
    np.copyto(x._array, result._array)
    return changed(x, edge)


def changed(x: Tensor, edge: Edge | None, title: str = "Overwritten") -> Tensor:
    """Note that x was overwritten by what has this edge."""
    version = x._changes or x._shared_version()
    if state.recording and (x._watched or edge is not None):
        old = x._gradient_edge()
        base = x._base
        if base is None:
            if edge is not None or old is not None:
                x._follow(edge or (Overwritten(title, [old]), 0))
        else:
            before = base._gradient_edge()
            if (edge is not None or before is not None) and x._chain is not None:
                base._follow((Replaced([before, edge], base._array, look_of(x._chain)), 0))
    version.count += 1
    if x._base is None:
        x._seen = version.count
    return x


def check_result(x: Tensor, result: Tensor) -> None:
    """Raise RuntimeError where the result of an operation cannot be written over x."""
    if result._array.shape != x._array.shape:
        raise RuntimeError(f"output with shape {list(x._array.shape)} doesn't match the broadcast shape {list(result._array.shape)}")


def check_dtype(result: DType, x: DType) -> None:
    """Raise RuntimeError where elements of a dtype cannot become those of x: floats no integers, numbers no bools."""
    if result.category > x.category:
        raise RuntimeError(f"result type {NAMES.get(result.name, result)} can't be cast to the desired output type {NAMES.get(x.name, x)}")


NAMES = {
    "f32": "Float",
    "f64": "Double",
    "f16": "Half",
    "bf16": "BFloat16",
    "i64": "Long",
    "i32": "Int",
    "i16": "Short",
    "i8": "Char",
    "u8": "Byte",
    "bool": "Bool",
}


def inplace(x: Tensor, operation: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
    """x made what the operation computes of it."""
    check_writable(x)
    result = operation(x, *args, **kwargs)
    if result._array.dtype is not x._array.dtype and result.dtype is not x.dtype:
        check_dtype(result.dtype, x.dtype)
        result = result.to(x.dtype)
    check_result(x, result)
    return assign(x, result)


def turned(look: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """x made a view of itself: the same memory in another shape."""

    def method(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if state.recording and x._requires_grad and x.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        made = look(x, *args, **kwargs)
        if made._edge is not None:
            x._follow(made._edge)
        if x._base is not None:
            x._chain = made._chain
        x._array = made._array
        return changed_shape(x)

    return method


def changed_shape(x: Tensor) -> Tensor:
    """Note that x has another shape: what was saved of it has the old one."""
    x._shared_version().count += 1
    x._seen = x._version
    return x


def resize_(x: Tensor, *size: Any, memory_format: Any = None) -> Tensor:
    """x in another shape, with as many of its elements as there is room for; whatever is in the others."""
    if x.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    count = int(np.prod(shape, dtype=np.int64))
    flat = x._array.reshape(-1)
    if count > flat.size:
        flat = np.concatenate([flat, np.zeros(count - flat.size, flat.dtype)])
    x._array = flat[:count].reshape(shape)
    return changed_shape(x)


def set_(x: Tensor, source: Tensor) -> Tensor:
    """x on the memory of another tensor."""
    x._array = source._array
    return changed_shape(x)


def copy_(x: Tensor, source: Any, non_blocking: bool = False) -> Tensor:
    """The elements of the source, broadcast and cast."""
    check_writable(x)
    value = as_value(source, x.dtype)
    if value._array.shape != x._array.shape:
        value = value.expand(x._array.shape) if value.ndim <= x.ndim else value.reshape(_without_leading_ones(value, x))
    same = value._array.dtype == x._array.dtype
    if not state.recording or (value._gradient_edge() is None):
        np.copyto(x._array, (value if same else value.to(x.dtype))._array)
        return changed(x, None, "Copy")
    return assign(x, value.to(x.dtype, copy=same))


def _without_leading_ones(value: Tensor, x: Tensor) -> tuple[int, ...]:
    lead = value.ndim - x.ndim
    if any(e != 1 for e in value._array.shape[:lead]):
        raise RuntimeError(
            f"expand: the number of sizes provided ({x.ndim}) must be greater or equal to the number of dimensions in the tensor "
            f"({value.ndim})"
        )
    return value._array.shape[lead:]


def as_value(value: Any, dtype: DType) -> Tensor:
    """What is written to a tensor of a dtype, as a tensor: a number is rounded to that dtype at once."""
    from tensorc.eager.creation import as_tensor

    if type(value) is float:
        value = as_tensor(value, dtype=f64).to(dtype)
    return value if isinstance(value, Tensor) else as_tensor(value)


def fill_(x: Tensor, value: Any) -> Tensor:
    """Every element the value: a number or a 0-d tensor."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return copy_(x, value)
    check_writable(x)
    x._array[...] = value if x.dtype is not bool_ else bool(value)
    return changed(x, None, "Fill")


def zero_(x: Tensor) -> Tensor:
    check_writable(x)
    x._array[...] = 0
    return changed(x, None, "Zero")
