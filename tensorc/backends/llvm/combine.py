"""Monoids on registers: combining two values, many values, and the lanes of one."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.backends.llvm import spellings
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.types import Value, constant, register
from tensorc.dtypes import DType, bool_
from tensorc.ir.monoids import MONOIDS


def identity(monoid: str, dtype: DType, lanes: int) -> Value:
    return constant(register(dtype, lanes), MONOIDS[monoid].identity(dtype))


def combine(code: Code, monoid: str, a: Value, b: Value, dtype: DType) -> Value:
    """a and b combined; of half floats the result is an f32, to be rounded when all are combined.

    Which of two equal zeros is the greater is left open: the CPU's own instruction then does, and NaN is still passed on.
    """
    if dtype.is_float and monoid in ("max", "min"):
        name = f"llvm.{'maximum' if monoid == 'max' else 'minimum'}.{a.type.suffix}"
        code.module.declare(name, a.type, a.type, a.type)
        return code.pure(a.type, f"call nsz {a.type} @{name}({a.type} {a.text}, {a.type} {b.text})", a, b)
    if dtype is bool_ and monoid == "sum":
        monoid = "any"  # true + true is true
    spelling = spellings.SPELLINGS[MONOIDS[monoid].combine]
    if dtype.is_float:
        assert spelling.floats is not None
        return spelling.floats(code, a, b)
    assert spelling.integers is not None
    return spelling.integers(code, dtype.kind == "int", a, b)


def add_product(code: Code, total: Value, a: Value, b: Value) -> Value:
    """total + a * b, rounded once."""
    return code.intrinsic("fma", a, b, total)


def tree(code: Code, monoid: str, values: Sequence[Value], dtype: DType) -> Value:
    """The values combined in pairs."""
    left = list(values)
    while len(left) > 1:
        pairs = [combine(code, monoid, a, b, dtype) for a, b in zip(left[::2], left[1::2], strict=False)]
        left = pairs + (left[-1:] if len(left) % 2 else [])
    return left[0]


def across_lanes(code: Code, monoid: str, vector: Value, dtype: DType) -> Value:
    """The lanes combined, halves with halves."""
    if dtype is bool_ and monoid in ("any", "all", "max", "min"):
        name = "vector.reduce." + ("or" if monoid in ("any", "max") else "and")
        return code.intrinsic(name, vector, result=vector.type.with_lanes(0))
    while vector.type.lanes > 1:
        half = vector.type.lanes // 2
        low, high = (_slice(code, vector, start, half) for start in (0, half))
        vector = combine(code, monoid, low, high, dtype)
    return code.extract(vector, 0)


def _slice(code: Code, vector: Value, start: int, count: int) -> Value:
    type = vector.type.with_lanes(count)
    order = ", ".join(f"i32 {n}" for n in range(start, start + count))
    return code.pure(type, f"shufflevector {vector.type} {vector.text}, {vector.type} poison, <{count} x i32> <{order}>", vector)
