"""Monoids on registers: combining two values, many values, and the lanes of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

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


@dataclass(frozen=True)
class _Packed:
    """A register of chunks of equal size, and the number of the vector whose lanes each holds; None where nobody needs it."""

    value: Value
    numbers: tuple[int | None, ...]


def across_lanes(code: Code, monoid: str, vectors: Sequence[Value], dtype: DType) -> list[Value]:
    """The lanes of each vector combined, halves with halves. What is left of several vectors shares registers, and instructions."""
    type = vectors[0].type
    if dtype is bool_ and monoid in ("any", "all", "max", "min"):
        name = "vector.reduce." + ("or" if monoid in ("any", "max") else "and")
        return [code.intrinsic(name, vector, result=type.with_lanes(0)) for vector in vectors]
    packed = [_Packed(vector, (n,)) for n, vector in enumerate(vectors)]
    size = type.lanes
    while size > 1 and (size > 2 or len(vectors) > 1):
        if len(packed) == 1:
            packed = [_halved(code, monoid, packed[0].value, packed[0].value, list(enumerate(packed[0].numbers)), size, dtype)]
        else:
            pairs = zip_longest(packed[::2], packed[1::2])
            packed = [_halved(code, monoid, a.value, (b or a).value, _pair(a, b, size), size, dtype) for a, b in pairs]
        size //= 2
    if size > 1:
        return [combine(code, monoid, code.extract(packed[0].value, 0), code.extract(packed[0].value, 1), dtype)]
    found = {n: (p.value, lane) for p in packed for lane, n in enumerate(p.numbers)}
    return [code.extract(*found[n]) for n in range(len(vectors))]


NEAR = 128
"""The bits of the parts of registers within which processors move lanes at once."""


def _pair(a: _Packed, b: _Packed | None, size: int) -> list[tuple[int, int | None]]:
    """The chunks of two registers, those of the second one numbered on, in the order in which their halves move least."""
    count = len(a.numbers)
    first, second = list(enumerate(a.numbers)), list(enumerate(b.numbers if b is not None else [None] * count, count))
    near = NEAR // a.value.type.bits
    step = count if size >= 2 * near else max(near // size, 1)
    return [chunk for at in range(0, count, step) for part in (first, second) for chunk in part[at : at + step]]


def _halved(code: Code, monoid: str, a: Value, b: Value, chunks: Sequence[tuple[int, int | None]], size: int, dtype: DType) -> _Packed:
    """The halves of the chunks of two registers combined."""
    half = size // 2
    sides = []
    for start in (0, half):
        lanes = ["poison" if n is None else str(at * size + start + lane) for at, n in chunks for lane in range(half)]
        order = ", ".join(f"i32 {lane}" for lane in lanes)
        text = f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{len(lanes)} x i32> <{order}>"
        sides.append(code.pure(a.type.with_lanes(len(lanes)), text, a, b))
    return _Packed(combine(code, monoid, sides[0], sides[1], dtype), tuple(n for _, n in chunks))
