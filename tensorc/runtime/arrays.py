"""Arrays of other libraries as NumPy views of their memory, and NumPy's memory as theirs. Nothing is converted."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tensorc.dtypes import DTYPES, DType, bf16, bool_, f32, from_numpy, i64
from tensorc.errors import DTypeError, TargetUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"

_CPU_DEVICES = (1, 3, 11)
"""DLPack's kDLCPU, kDLCUDAHost and kDLROCMHost: memory that the processor reads."""


def is_torch(value: object) -> bool:
    """Whether the value is a torch.Tensor; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


def is_array(value: object) -> bool:
    """Whether the value has memory that `view` may read: NumPy's, torch's, or that of anything with DLPack or `__array_interface__`."""
    if isinstance(value, (np.ndarray, np.generic)) or is_torch(value):
        return True
    return not isinstance(value, type) and (hasattr(value, "__array_interface__") or hasattr(value, "__dlpack__"))


def is_number(value: object) -> bool:
    """Whether the value is a plain Python number."""
    return type(value) in (int, float, bool)


def view(value: Any, what: str) -> Array:
    """The value's memory as a NumPy array of a dtype that tensorc has.

    `what` is what messages call the value. Raises DTypeError for what is no such array, TargetUnavailable for memory of another device.
    """
    if type(value) is np.ndarray:
        array = value
    elif isinstance(value, np.ma.MaskedArray):
        raise DTypeError(f"{what} is a masked array, whose mask would be lost; pass `x.filled(value)`")
    elif isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
    elif is_torch(value):
        return _view_torch(value, what)
    elif hasattr(type(value), "__tensorc_array__"):
        array = value.__tensorc_array__()
    elif not is_array(value):
        raise refusal(value, what)
    elif hasattr(value, "__array_interface__"):
        array = _view_interface(value, what)
    else:
        array = _view_dlpack(value, what)
    if from_numpy(array.dtype) is None:
        raise DTypeError(f"{what} {_why_not(array.dtype)}")
    return array


def refusal(value: object, what: str, otherwise: str = "") -> DTypeError:
    """The error for a value without memory; `otherwise` is added where no better hint is known."""
    return DTypeError(f"{what} must be an array, not {_kind_of(value)}{_hint_for(value) or otherwise}")


def dtype_of(array: Array) -> DType:
    """The dtype of an array that `view` gave."""
    found = _known_dtype(array.dtype)
    assert found is not None
    return found


@cache
def _known_dtype(dtype: np.dtype[Any]) -> DType | None:
    return from_numpy(dtype)


def _view_interface(value: Any, what: str) -> Array:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, AttributeError) as reason:
        raise DTypeError(f"{what} has an `__array_interface__` that cannot be read: {reason}") from None


def _view_dlpack(value: Any, what: str) -> Array:
    try:
        device = value.__dlpack_device__()
    except Exception as reason:
        raise DTypeError(f"{what} has a `__dlpack__` that cannot be read: {reason}") from None
    if int(device[0]) not in _CPU_DEVICES:
        where = f"DLPack device {int(device[0])}:{int(device[1])}"
        raise TargetUnavailable(f"{what} lies on another device ({where}); the target `cpu` reads the processor's memory")
    try:
        return np.from_dlpack(value)
    except Exception as reason:
        raise DTypeError(f"{what} has a `__dlpack__` that cannot be read: {reason}") from None


def _kind_of(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def _hint_for(value: object) -> str:
    if isinstance(value, (list, tuple, range)):
        return "; write `np.array(x, dtype=...)`"
    if hasattr(value, "__array__"):
        return "; write `np.asarray(x)`, or `x.to_numpy()`"
    if isinstance(value, (bytes, bytearray, memoryview)) or type(value).__name__ == "array":
        return "; write `np.frombuffer(x, dtype=...)`"
    return ""


def _why_not(dtype: np.dtype[Any]) -> str:
    if not dtype.isnative and from_numpy(dtype.newbyteorder("=")) is not None:
        return f"is in the other byte order ({dtype.str}); write `x.astype(x.dtype.newbyteorder('='))`"
    if dtype.kind == "O":
        return "holds Python objects (dtype object); write `x.astype(np.float32)`"
    if dtype.kind == "c":
        return f"is complex ({dtype.name}); tensorc has no complex numbers, pass `x.real` and `x.imag`"
    if dtype.names is not None:
        return f"is a structured array; pass its fields, `x[{dtype.names[0]!r}]`"
    return f"has the dtype {dtype.name}, which tensorc does not have"


# torch.


def _view_torch(tensor: Any, what: str) -> Array:
    torch = sys.modules["torch"]
    if tensor.device.type != "cpu":
        raise TargetUnavailable(
            f"{what} is on the device {tensor.device}, and the target `cpu` reads the processor's memory; write `x.cpu()`"
        )
    if tensor.is_quantized:
        raise DTypeError(f"{what} is a quantized tensor; write `x.dequantize()`")
    if tensor.layout != torch.strided:
        raise DTypeError(f"{what} is a {str(tensor.layout)[6:]} tensor; write `x.to_dense()`")
    if tensor.dtype.is_complex:
        raise DTypeError(f"{what} is complex ({str(tensor.dtype)[6:]}); tensorc has no complex numbers, pass `torch.view_as_real(x)`")
    dtype = torch_dtype(tensor.dtype)
    if dtype is None:
        raise DTypeError(f"{what} has the dtype {str(tensor.dtype)[6:]}, which tensorc does not have")
    if tensor.is_neg():
        tensor = tensor.resolve_neg()
    try:
        return memory_of(tensor, dtype)
    except (TypeError, RuntimeError) as reason:
        raise DTypeError(f"{what} is a torch tensor whose memory cannot be read: {reason}") from None


class _Memory:
    """The memory of a torch tensor by NumPy's protocol. `Tensor.numpy` would forbid torch to resize it for ever."""

    __slots__ = ("__array_interface__", "tensor")

    def __init__(self, tensor: Any, dtype: DType) -> None:
        self.tensor = tensor  # which keeps the memory alive
        size = dtype.bytes
        self.__array_interface__ = {
            "version": 3,
            "shape": tuple(tensor.shape),
            "typestr": "<i2" if dtype is bf16 else dtype.numpy.str,
            "data": (tensor.data_ptr(), False),
            "strides": tuple([s * size for s in tensor.stride()]),
        }


def memory_of(tensor: Any, dtype: DType) -> Array:
    """The memory of a torch tensor on the processor, whose dtype this is."""
    array: Array = np.asarray(_Memory(tensor, dtype))
    return array.view(bf16.numpy) if dtype is bf16 else array


def to_torch(array: Array) -> Any:
    """The array's memory as a torch tensor."""
    import torch

    if array.dtype == bf16.numpy:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def empty_torch(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """New memory of torch's, for a result."""
    import torch

    found = _known_dtype(dtype)
    assert found is not None
    return torch.empty(shape, dtype=getattr(torch, torch_name(found)), device="cpu")


def torch_name(dtype: DType) -> str:
    """What torch calls the dtype."""
    return "bfloat16" if dtype is bf16 else str(dtype.numpy.name)


def torch_dtype(value: object) -> DType | None:
    """The dtype of a torch.dtype; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, getattr(torch, "dtype", ())):
        return None
    return _torch_dtypes().get(str(value))


@cache
def _torch_dtypes() -> dict[str, DType]:
    return {f"torch.{torch_name(t)}": t for t in DTYPES.values()}


# Numbers.


def number(value: int | float | bool, dtype: DType, what: str) -> Array:
    """A Python number as a 0-d array of the dtype. DTypeError where the dtype has no such value: a fraction, or what is too great."""
    kind = "a bool" if isinstance(value, bool) else "an int" if isinstance(value, int) else "a float"
    if dtype is bool_ and not isinstance(value, bool):
        raise DTypeError(f"{what} is bool, and {value!r} is {kind}; write `{bool(value)}`")
    if dtype.is_integer and isinstance(value, float):
        raise DTypeError(f"{what} is {dtype}, and {value!r} is a float; write `int(x)`")
    if dtype.is_integer:
        low, high = dtype.range
        if not low <= value <= high:
            raise DTypeError(f"{what} is {dtype}, which ends at {low if value < low else high}; {value!r} is outside")
        return np.array(value, dtype.numpy)
    try:
        with np.errstate(over="ignore"):
            array = np.array(float(value)).astype(dtype.numpy)
    except OverflowError:
        raise DTypeError(f"{what} is {dtype}; the integer is too great for it") from None
    if np.isinf(array.astype(np.float64)) and abs(value) != float("inf"):
        raise DTypeError(f"{what} is {dtype}; {value!r} is too great for it")
    return array


def natural_dtype(value: int | float | bool) -> DType:
    """The dtype that a Python number is stored as where nothing else decides."""
    return bool_ if isinstance(value, bool) else i64 if isinstance(value, int) else f32


# Memory.


def may_overlap(a: Array, b: Array) -> bool:
    """Whether two arrays may have memory in common: True wherever their bounds meet."""
    return bool(a.size and b.size and np.may_share_memory(a, b))


def repeats_itself(array: Array) -> bool:
    """Whether two elements of the array may have memory in common; False is certain."""
    if array.size == 0:
        return False
    reach = array.itemsize
    for extent, stride in sorted(zip(array.shape, map(abs, array.strides), strict=True), key=lambda axis: axis[1]):
        if extent > 1:
            if stride < reach:
                return True
            reach += (extent - 1) * stride
    return False
