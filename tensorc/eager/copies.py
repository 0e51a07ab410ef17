"""Casts and copies of tensors, and tensors without their history."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorc.api.definition import as_dtype
from tensorc.eager import inplace, views
from tensorc.eager.modes import state
from tensorc.eager.named import call, renamed
from tensorc.eager.tape import Cotangents, Needed, Node
from tensorc.eager.tensor import Tensor, device


def to(
    x: Tensor, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False, memory_format: Any = None
) -> Tensor:
    """x in another dtype: that given, or that of another tensor. x itself where nothing changes."""
    for value in args:
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif isinstance(value, bool):
            copy = copy or value
        elif as_dtype(value) is not None and not (isinstance(value, str) and value == "cpu"):
            dtype = value
        else:
            device = value
    if device is not None:
        _on_cpu(device)
    wanted = x.dtype if dtype is None else as_dtype(dtype)
    if wanted is None:
        raise TypeError(f"to() received {dtype!r}, which is no dtype")
    if wanted is not x.dtype:
        return renamed(call("cast", x, wanted), "ToCopy")
    return clone(x) if copy else x


def _on_cpu(where: Any) -> None:
    if not isinstance(where, device):
        device(where)


class Copied(Node):
    """A copy, whose gradient is the same."""

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        return cotangents


def clone(x: Tensor, memory_format: Any = None) -> Tensor:
    """A copy in memory of its own, which gradients pass through."""
    made = Tensor._of(np.array(x._array, order="K"))
    edge = x._gradient_edge() if state.recording else None
    if edge is not None:
        made._follow((Copied("CloneBackward0", [edge]), 0))
    return made


def contiguous(x: Tensor, memory_format: Any = None) -> Tensor:
    """x with its elements in row-major order: itself where it is so."""
    if x._array.flags.c_contiguous:
        return x
    made = clone(x)
    made._array = np.ascontiguousarray(made._array)
    return made


def detach(x: Tensor) -> Tensor:
    """The same memory, without a history."""
    made = Tensor._of(x._array)
    views.share(made, x)
    return made


def detach_(x: Tensor) -> Tensor:
    if x._base is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    x._edge, x._requires_grad = None, False
    return x


def data(x: Tensor) -> Tensor:
    return Tensor._of(x._array)


def set_data(x: Tensor, value: Tensor) -> None:
    x._array = value._array
    if x._leaf is not None:
        x._leaf[0].moved(value._array)


def type_(x: Tensor, dtype: Any = None) -> Any:
    return x.to(dtype) if dtype is not None else f"tc.{inplace.NAMES.get(x.dtype.name, x.dtype.name)}Tensor"
