"""LLVM types and values: how an element type lies in registers and in memory, for scalars and for vectors of lanes."""

from __future__ import annotations

import struct
from functools import cache, lru_cache

import numpy as np

from tensorc.dtypes import DType, bf16, bool_, f16, f32, f64

FLOATS = {"half": "f16", "float": "f32", "double": "f64"}
BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "i128": 128, "half": 16, "float": 32, "double": 64}


class Type:
    """An LLVM first-class type: `lanes` elements, or a scalar where `lanes` is 0. One object for each; made by `of`."""

    __slots__ = ("bits", "element", "is_float", "lanes", "suffix", "text")

    def __init__(self, element: str, lanes: int) -> None:
        self.element = element
        self.lanes = lanes
        self.text = f"<{lanes} x {element}>" if lanes else element
        self.is_float = element in FLOATS
        self.bits = BITS.get(element, 64)
        self.suffix = (f"v{lanes}" if lanes else "") + FLOATS.get(element, "p0" if element == "ptr" else element)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def with_lanes(self, lanes: int) -> Type:
        return of(self.element, lanes)

    def with_element(self, element: str) -> Type:
        return of(element, self.lanes)

    @property
    def integer(self) -> Type:
        """The integer type of the same width."""
        return of(f"i{self.bits}", self.lanes)


_types: dict[tuple[str, int], Type] = {}


def of(element: str, lanes: int = 0) -> Type:
    found = _types.get((element, lanes))
    return found if found is not None else _types.setdefault((element, lanes), Type(element, lanes))


POINTER = of("ptr")
INT = of("i64")
BIT = of("i1")


class Value:
    """A register or a constant. `depth` numbers the innermost scope that it depends on: it may be used there and further inside.
    `number` is the one that an i64 constant stands for.
    """

    __slots__ = ("depth", "number", "text", "type")

    def __init__(self, text: str, type: Type, depth: int = 0) -> None:
        self.text = text
        self.type = type
        self.depth = depth
        self.number = int(text) if type is INT and text[0] != "%" else None

    @property
    def is_constant(self) -> bool:
        return self.text[0] != "%"


@cache
def register_element(dtype: DType) -> str:
    """The element in registers: bool is one bit, and f16 and bf16 are f32s that hold a value of theirs."""
    if dtype.is_float:
        return "double" if dtype is f64 else "float"
    return "i1" if dtype is bool_ else f"i{dtype.bits}"


@cache
def memory_element(dtype: DType) -> str:
    """The element in memory: bool is a byte of 0 or 1, bf16 its bits."""
    if dtype is bool_:
        return "i8"
    if dtype.is_float:
        return {f16: "half", bf16: "i16", f32: "float", f64: "double"}[dtype]
    return f"i{dtype.bits}"


@cache
def register(dtype: DType, lanes: int = 0) -> Type:
    return of(register_element(dtype), lanes)


def number_text(element: str, value: float | int | bool) -> str:
    """A scalar constant as LLVM reads it. `value` is within the range of the element, or of its unsigned twin."""
    if element in ("float", "double"):
        as_double = struct.pack("<d", float(np.float32(value)) if element == "float" else float(value))
        return f"0x{struct.unpack('<Q', as_double)[0]:016X}"
    if element == "i1":
        return "true" if value else "false"
    bits = BITS[element]
    wrapped = int(value) & ((1 << bits) - 1)
    return str(wrapped - (1 << bits) if wrapped >> (bits - 1) else wrapped)


def constant(type: Type, value: float | int | bool) -> Value:
    """The constant in every lane."""
    text = number_text(type.element, value)
    return Value(f"splat ({type.element} {text})" if type.lanes else text, type)


@lru_cache(maxsize=1024)
def integer(value: int) -> Value:
    """An i64 scalar constant."""
    return Value(str(value), INT)
