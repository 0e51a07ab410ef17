"""The meaning in NumPy of the scalar operations that NumPy does not have, or has with other special values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorc.dtypes import DType, bf16, bool_

Array = np.ndarray[Any, Any]


def is_float(x: Array) -> bool:
    return bool(x.dtype.kind == "f")


# Division. np.floor_divide, np.remainder and np.fmod of integers give 0 for a divisor of 0, and wrap INT_MIN // -1.


def floordiv(a: Array, b: Array) -> Array:
    """Integers floor. Floats: the floor of the exact quotient, corrected from fmod as in torch.floor_divide and CPython's float_divmod."""
    if not is_float(a):
        return np.asarray(np.floor_divide(a, b))
    left = np.fmod(a, b)
    quotient = (a - left) / b
    quotient = np.where((left != 0) & ((b < 0) != (left < 0)), quotient - 1, quotient)
    floored = np.floor(quotient)
    floored = np.where(quotient - floored > 0.5, floored + 1, floored)
    floored = np.where(quotient == 0, np.copysign(np.zeros_like(quotient), a / b), floored)
    return np.where(b == 0, a / b, floored)


def remainder(a: Array, b: Array) -> Array:
    """a - b * floor(a / b), with the divisor's sign where it is not 0; a zero keeps the sign that fmod gives it, as in torch.remainder."""
    if not is_float(a):
        return np.asarray(np.remainder(a, b))
    left = np.fmod(a, b)
    return np.where((left != 0) & ((b < 0) != (left < 0)), left + b, left)


def power(a: Array, b: Array) -> Array:
    """C's pow; integers wrap, and a negative exponent gives 0 but for the bases 1 and -1."""
    if is_float(a):
        return np.asarray(np.power(a, b))
    positive = np.power(a, np.where(b > 0, b, np.zeros_like(b)))
    unit = (a == 1) | ((a == -1) if a.dtype.kind == "i" else False)
    odd = (b & 1) == 1
    return np.where(b >= 0, positive, np.where(unit, np.where(odd, a, np.ones_like(a)), np.zeros_like(a)))


def sigmoid(x: Array) -> Array:
    """By e**-|x|, which does not overflow."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, np.ones_like(e)) / (1 + e))


# Order. Comparisons decide, so that the first of two equal zeros is taken whatever their signs.


def sign(x: Array) -> Array:
    return np.asarray(np.subtract((x > 0).astype(x.dtype), (x < 0).astype(x.dtype)))


def maximum(a: Array, b: Array) -> Array:
    return np.where((a >= b) | (a != a), a, b)


def minimum(a: Array, b: Array) -> Array:
    return np.where((a <= b) | (a != a), a, b)


# Bits.


def logical(of_bool: Callable[..., Any], of_bits: Callable[..., Any]) -> Callable[..., Any]:
    """Of bool the logical operation, of integers the bitwise one."""
    return lambda *xs: (of_bool if xs[0].dtype.kind == "b" else of_bits)(*xs)


def shift_left(a: Array, b: Array) -> Array:
    inside = (b >= 0) & (b < 8 * a.dtype.itemsize)
    return np.where(inside, np.left_shift(a, np.where(inside, b, np.zeros_like(b))), np.zeros_like(a))


def shift_right(a: Array, b: Array) -> Array:
    inside = (b >= 0) & (b < 8 * a.dtype.itemsize)
    signs = np.where(a < 0, ~np.zeros_like(a), np.zeros_like(a))
    return np.where(inside, np.right_shift(a, np.where(inside, b, np.zeros_like(b))), signs)


# Special functions, of float64.


def lgamma(x: Array) -> Array:
    return _each(_lgamma)(x)


def _lgamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):  # a pole; or beyond the largest float
        return math.inf


def _each(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return lambda x: np.asarray(np.frompyfunc(function, 1, 1)(x), dtype=np.float64)


erf, erfc = _each(math.erf), _each(math.erfc)


# Conversion.


def cast(x: Array, result: DType) -> Array:
    """To bool: != 0. To a float: one rounding, to nearest, ties to even. Integers wrap; a float saturates an integer, and NaN gives 0."""
    if result is bool_:
        return np.asarray(x != 0)
    if result.is_float:
        return _to_float(x, result)
    return _saturated(x.astype(np.float64), result) if _is_real(x) else x.astype(result.numpy)


def bitcast(x: Array, result: DType) -> Array:
    """The same bits read as another dtype of the same width."""
    return np.ascontiguousarray(x).reshape(x.shape).view(result.numpy)


def _is_real(x: Array) -> bool:
    return x.dtype.kind not in "biu"  # bf16's kind is not `f`


def _saturated(x: Array, result: DType) -> Array:
    low, high = result.range
    over, under = x >= float(high + 1), x <= float(low)
    whole = np.trunc(np.where(over | under | np.isnan(x), 0.0, x))
    inside = whole.astype(np.uint64 if result.kind == "uint" else np.int64).astype(result.numpy)
    return np.where(over, result.numpy.type(high), np.where(under, result.numpy.type(low), inside))


def _to_float(x: Array, result: DType) -> Array:
    if x.dtype == result.numpy:
        return x
    if result is not bf16 or x.dtype.kind not in "iuf" or x.dtype.itemsize < 4 or x.dtype == np.float32:
        return x.astype(result.numpy)  # correctly rounded by NumPy, or exact
    return _to_odd(x if x.dtype.kind == "f" else _sticky(x)).astype(bf16.numpy)


def _to_odd(x: Array) -> Array:
    """f64 to f32, rounded to odd, so that a second rounding to fewer bits is the right one.

    Toward zero, with the last bit set where that loses anything (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
    """
    near = x.astype(np.float32)
    bits = near.view(np.uint32)
    exact = (near.astype(np.float64) == x) | np.isnan(x)
    bits = np.where(~exact & (np.abs(near.astype(np.float64)) > np.abs(x)), bits - np.uint32(1), bits)
    return np.asarray(np.where(exact, bits, bits | np.uint32(1))).view(np.float32)


def _sticky(x: Array) -> Array:
    """An integer as f64, what does not fit there gathered in one sticky bit below the bits that a float of 32 bits keeps."""
    wide = x.astype(np.int64) if x.dtype.kind == "i" else x.astype(np.uint64)
    negative = wide < 0
    magnitude = np.where(negative, (~wide).astype(np.uint64) + np.uint64(1), wide.astype(np.uint64))
    low = magnitude & np.uint64(0xFFF)
    sticky = (magnitude ^ low) | np.where(low != 0, np.uint64(0x1000), np.uint64(0))
    real = np.where(magnitude >= np.uint64(1 << 40), sticky, magnitude).astype(np.float64)
    return np.where(negative, -real, real)
