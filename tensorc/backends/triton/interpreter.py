"""Triton's interpreter on NumPy memory, with its faults put right from outside.

It runs only where `TRITON_INTERPRET=1` is set before Triton is imported: `prepare` sees to that.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorc.backends.triton.types import TRITON
from tensorc.dtypes import DType, bf16
from tensorc.errors import TargetUnavailable

Array = np.ndarray[Any, Any]

_fixed = False


def prepare() -> None:
    """Import Triton as an interpreter. TargetUnavailable where it is missing, or was imported to compile."""
    global _fixed
    if _fixed:
        return
    if "triton" in sys.modules and os.environ.get("TRITON_INTERPRET") != "1":
        raise TargetUnavailable("Triton was imported before tensorc could choose its interpreter; set TRITON_INTERPRET=1")
    os.environ["TRITON_INTERPRET"] = "1"
    try:
        import triton  # noqa: F401
    except ImportError as reason:
        raise TargetUnavailable(f"Triton is not installed ({reason}); it is the extra `gpu`") from None
    _fix()
    _fixed = True


class Pointer:
    """An array as an argument of a kernel: what Triton and its interpreter ask of a tensor, and no copy."""

    def __init__(self, array: Array, dtype: DType) -> None:
        self.array = array
        self.dtype = "bool" if TRITON[dtype] == "int1" else TRITON[dtype]

    def data_ptr(self) -> int:
        return int(self.array.ctypes.data)

    def untyped_storage(self) -> Pointer:
        return self

    def cpu(self) -> Pointer:
        return self

    def copy_(self, other: Any) -> None:
        pass

    def new_empty(self, *_: Any, **__: Any) -> Pointer:
        return self

    def set_(self, *_: Any) -> Pointer:
        return self

    def storage_offset(self) -> int:
        return 0

    def size(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    def stride(self) -> tuple[int, ...]:
        return tuple(s // self.array.itemsize for s in self.array.strides)


# What the interpreter has not, or has wrong.


def _fix() -> None:
    _fix_library()
    _fix_halves()
    _fix_comparisons()
    _fix_reductions()
    _fix_numbers()
    _fix_sorting()
    from triton.runtime import interpreter

    # Integers wrap: no overflow is a fault.
    object.__setattr__(interpreter.interpreter_builder.options, "sanitize_overflow", False)
    object.__setattr__(
        interpreter.interpreter_builder.options, "allowed_dot_input_precisions", ("tf32", "tf32x3", "ieee", "bf16x3", "bf16x6")
    )


def _each(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return lambda x: np.asarray(np.frompyfunc(function, 1, 1)(x.astype(np.float64)), dtype=np.float64)


def _lgamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):
        return math.inf


_LIBRARY: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "sin", "cos", "tan")},
    **{name: getattr(np, name) for name in ("sinh", "cosh", "tanh", "trunc", "fmod", "copysign", "floor", "ceil")},
    **{f"a{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "tan", "tan2", "sinh", "cosh", "tanh")},
    "nearbyint": np.rint,
    "pow": np.power,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "erf": _each(math.erf),
    "erfc": _each(math.erfc),
    "lgamma": _each(_lgamma),
}


def _fix_library() -> None:
    """`libdevice` computes nothing there: NumPy does, in f64."""
    import triton.language as tl
    from triton.language.extra import libdevice
    from triton.runtime import interpreter

    def made(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, _semantic: Any = None) -> Any:
            tensors = [a for a in arguments if isinstance(a, tl.tensor)]
            scalar = tensors[0].dtype.scalar
            numpy = tensors[0].handle.data.dtype
            values = [np.asarray(a.handle.data if isinstance(a, tl.tensor) else a, numpy).astype(np.float64) for a in arguments]
            with np.errstate(all="ignore"):
                found = np.asarray(function(*values)).astype(numpy)
            block = any(t.type.is_block() for t in tensors)
            return tl.tensor(interpreter.TensorHandle(found, scalar), tl.block_type(scalar, list(found.shape)) if block else scalar)

        return call

    for name, function in _LIBRARY.items():
        setattr(libdevice, name, made(function))


def _fix_halves() -> None:
    """Conversions to bf16 round to nearest, ties to even, and products of bf16 matrices are of their values, not of their bits."""
    import triton.language as tl
    from triton.runtime import interpreter

    builder = interpreter.InterpreterBuilder
    cast, to_fp, dot = builder.cast_impl, builder.create_fp_to_fp, builder.create_dot

    def halves(source: Any, result: Any) -> bool:
        return {source.dtype.scalar, result.scalar} == {tl.float32, tl.bfloat16}

    def converted(source: Any, result: Any) -> Any:
        if result.scalar == tl.bfloat16:
            return interpreter.TensorHandle(to_bf16(source.data), tl.bfloat16)
        return interpreter.TensorHandle(from_bf16(source.data), tl.float32)

    def cast_impl(self: Any, source: Any, result: Any) -> Any:
        return converted(source, result) if halves(source, result) else cast(self, source, result)

    def create_fp_to_fp(self: Any, source: Any, result: Any, rounding: Any) -> Any:
        return converted(source, result) if halves(source, result) else to_fp(self, source, result, rounding)

    def create_dot(self: Any, a: Any, b: Any, d: Any, precision: Any, most: Any) -> Any:
        if a.dtype.scalar == tl.bfloat16:
            a, b = (interpreter.TensorHandle(from_bf16(x.data), tl.float32) for x in (a, b))
        elif a.dtype.scalar == tl.float32 and "TF32" in str(precision).upper() and "X3" not in str(precision).upper():
            a, b = (interpreter.TensorHandle(to_tf32(x.data), tl.float32) for x in (a, b))
        return dot(self, a, b, d, precision, most)

    builder.cast_impl, builder.create_fp_to_fp, builder.create_dot = cast_impl, create_fp_to_fp, create_dot
    builder.get_bf16 = lambda self, value: interpreter.TensorHandle(to_bf16(np.array([value], np.float32)), tl.bfloat16)


def to_bf16(x: Array) -> Array:
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)
    return np.where(np.isnan(x), np.uint16(0x7FC0), rounded).astype(np.uint16)


def from_bf16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def to_tf32(x: Array) -> Array:
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))) & np.uint32(0xFFFFE000)).view(np.float32)


def _fix_comparisons() -> None:
    """What a comparison gives is of one bit, also where it is broadcast."""
    import triton.language as tl
    from triton.runtime import interpreter

    builder = interpreter.InterpreterBuilder

    def fixed(compare: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, a, b: interpreter.TensorHandle(compare(self, a, b).data, tl.int1)

    for name in dir(builder):
        if name.startswith(("create_icmp", "create_fcmp")):
            setattr(builder, name, fixed(getattr(builder, name)))


def _fix_numbers() -> None:
    """A number is an array of one element there, which NumPy takes for no bound of a loop before Triton 3.7. An unsigned one of all bits is
    made of -1 before Triton 3.9, which NumPy refuses.
    """
    from triton.runtime import interpreter

    ones = interpreter.InterpreterBuilder.get_all_ones_value

    def all_ones(self: Any, type: Any) -> Any:
        dtype = np.dtype(interpreter._get_np_dtype(type))
        if dtype.kind != "u":
            return ones(self, type)
        return interpreter.TensorHandle(np.full(1, np.iinfo(dtype).max, dtype), type.scalar)

    interpreter.InterpreterBuilder.get_all_ones_value = all_ones

    patch = interpreter._patch_lang_tensor

    def patched(tensor: Any, scope: Any) -> None:
        patch(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.reshape(())))

    interpreter._patch_lang_tensor = patched


def _fix_sorting() -> None:
    """A sorting network takes seconds there."""
    import triton.language as tl
    from triton.runtime import interpreter

    def sort(x: Any) -> Any:
        return tl.tensor(interpreter.TensorHandle(np.sort(x.handle.data), x.dtype.scalar), x.type)

    tl.sort = sort


def _fix_reductions() -> None:
    """Reductions and scans by a helper function of ours are NumPy's: the interpreter would run them element by element."""
    from triton.runtime import interpreter

    ufuncs = {
        "largest": np.maximum,
        "smallest": np.minimum,
        "times": np.multiply,
        "plus": np.add,
        "either": np.bitwise_or,
        "both": np.bitwise_and,
    }
    reduce, scan = interpreter.ReduceOps.apply_impl, interpreter.ScanOps.apply_impl

    def ufunc(self: Any) -> Any:
        return ufuncs.get(getattr(self.combine_fn, "__name__", ""))

    def apply_reduce(self: Any, given: Any) -> Any:
        function = ufunc(self)
        if function is None:
            return reduce(self, given)
        data = given[0].handle.data
        with np.errstate(all="ignore"):
            return self.to_tensor(function.reduce(data, axis=self.axis, dtype=data.dtype, keepdims=self.keep_dims), given[0].dtype)

    def apply_scan(self: Any, given: Any) -> Any:
        function = ufunc(self)
        if getattr(self.combine_fn, "__name__", "") == "recur":
            return _recur(self, given)
        if function is None:
            return scan(self, given)
        data = given[0].handle.data
        with np.errstate(all="ignore"):
            return [self.to_tensor(function.accumulate(data, axis=self.axis, dtype=data.dtype), given[0].dtype)]

    interpreter.ReduceOps.apply_impl, interpreter.ScanOps.apply_impl = apply_reduce, apply_scan


def _recur(self: Any, given: Any) -> Any:
    """The scan of pairs by `recur`, step by step along the axis."""
    decay, drive = (np.moveaxis(g.handle.data, self.axis, 0) for g in given)
    products, sums = np.empty_like(decay), np.empty_like(drive)
    with np.errstate(all="ignore"):
        for n in range(len(decay)):
            products[n] = decay[n] if n == 0 else products[n - 1] * decay[n]
            sums[n] = drive[n] if n == 0 else decay[n] * sums[n - 1] + drive[n]
    return [
        self.to_tensor(np.ascontiguousarray(np.moveaxis(x, 0, self.axis)), g.dtype) for x, g in zip((products, sums), given, strict=True)
    ]


def bits_of(array: Array, dtype: DType) -> Array:
    """The array as the interpreter takes it: bf16 as its bits."""
    return array.view(np.uint16) if dtype is bf16 else array
