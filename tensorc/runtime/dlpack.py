"""Arrays of any library on a GPU, read by DLPack: their address, dtype, shape and strides, without a copy.

The structures are those of dlpack.h 0.8 (https://dmlc.github.io/dlpack/latest/c_api.html).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from tensorc.dtypes import DTYPES, DType, bf16, bool_
from tensorc.errors import DTypeError

CUDA, ROCM = 2, 10
"""Devices whose memory kernels read: DLPack's kDLCUDA and kDLROCM."""

STREAM = {CUDA: 1, ROCM: 0}
"""What `__dlpack__` calls the default stream."""


class _Device(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int32), ("number", ctypes.c_int32))


class _Type(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _Type),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("offset", ctypes.c_uint64),
    )


_KINDS = {0: "int", 1: "uint", 2: "float", 6: "bool"}
_DTYPES: dict[tuple[str, int], DType] = {(t.kind, t.bits): t for t in DTYPES.values() if t is not bf16 and t is not bool_}


@dataclass(frozen=True)
class OnGPU:
    """Memory on a GPU. `strides` count elements; None where they are row-major. `owner` keeps the memory alive."""

    address: int
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    number: int  # of the device
    owner: Any

    @property
    def ndim(self) -> int:
        return len(self.shape)


def is_on_gpu(value: Any) -> bool:
    """Whether the value is an array whose memory lies on a GPU."""
    return hasattr(value, "__dlpack__") and _device(value)[0] in STREAM


def _device(value: Any) -> tuple[int, int]:
    try:
        kind, number = value.__dlpack_device__()
        return int(kind), int(number)
    except Exception:  # what cannot say where it is, is refused where its memory is read
        return 0, 0


def read(value: Any, what: str) -> OnGPU:
    """The array's memory. DTypeError for a dtype that tensorc does not have."""
    kind, number = _device(value)
    capsule = value.__dlpack__(stream=STREAM[kind])
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    t = _Tensor.from_address(get(capsule, b"dltensor"))
    found = bool_ if t.dtype.code == 6 else bf16 if t.dtype.code == 4 else _DTYPES.get((_KINDS.get(t.dtype.code, ""), t.dtype.bits))
    if found is None or t.dtype.lanes != 1:
        raise DTypeError(f"{what} has a dtype that tensorc does not have (DLPack's code {t.dtype.code} of {t.dtype.bits} bits)")
    shape = tuple(t.shape[n] for n in range(t.ndim))
    strides = tuple(t.strides[n] for n in range(t.ndim)) if t.strides else None
    return OnGPU(int(t.data or 0) + t.offset, found, shape, None if strides == _row_major(shape) else strides, number, (value, capsule))


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)
