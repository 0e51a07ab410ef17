"""Dtypes in Triton, and constants of them as text."""

from __future__ import annotations

import math

import numpy as np

from tensorc.dtypes import DType, bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64

TRITON: dict[DType, str] = {
    bool_: "int1",
    i8: "int8",
    i16: "int16",
    i32: "int32",
    i64: "int64",
    u8: "uint8",
    u16: "uint16",
    u32: "uint32",
    u64: "uint64",
    f16: "float16",
    bf16: "bfloat16",
    f32: "float32",
    f64: "float64",
}
"""What `triton.language` calls a dtype."""


def pointer(dtype: DType) -> str:
    """What signatures call a pointer to a dtype."""
    if dtype.is_float:
        return "*bf16" if dtype is bf16 else f"*fp{dtype.bits}"
    return f"*u{dtype.bits}" if dtype.kind == "uint" else f"*i{dtype.bits}"


def register(dtype: DType) -> DType:
    """What values of a dtype are computed in: half floats in f32, rounded after each operation."""
    return f32 if dtype.is_half else dtype


def name_of(dtype: DType) -> str:
    return f"tl.{TRITON[dtype]}"


def constant(value: float | int | bool, dtype: DType) -> str:
    """A constant's text, which means the same dtype wherever it stands: bare only where Triton makes it that dtype by itself."""
    if dtype is bool_:
        return "True" if value else "False"
    if register(dtype) is f32:
        text = _float(float(np.float32(value)), short=True)
        magnitude = abs(float(value))
        usual = magnitude == 0 or math.isinf(value) or math.isnan(value) or magnitude >= 2.0**-126
        return text if usual else f"tl.full((), {text}, tl.float32)"
    if dtype is f64:
        return f"tl.full((), {_float(float(value), short=False)}, tl.float64)"
    if dtype is i32:
        return str(int(value))
    return f"tl.full((), {int(value)}, {name_of(dtype)})"


def plain(value: float | int | bool, dtype: DType) -> str:
    """The same where it is the operand of an infix operator whose other operand has the dtype: the literal alone."""
    if dtype is bool_ or register(dtype) is f32:
        return constant(value, dtype)
    return _float(float(value), short=False) if dtype.is_float else str(int(value))


def _float(value: float, short: bool) -> str:
    if math.isnan(value):
        return 'float("nan")'
    if math.isinf(value):
        return 'float("inf")' if value > 0 else 'float("-inf")'
    return str(np.float32(value)) if short else repr(value)
