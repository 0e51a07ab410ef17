"""Short tables of numbers that are looked up in registers, or where a CPU has no instruction for that in memory."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.types import POINTER, Type, Value, constant, number_text, of


def lookup(code: Code, table: Sequence[float], place: Value, type: Type) -> Value:
    """The number of a table of 2**k at each lane's place, whose low k bits count."""
    if code.module.scales and type.lanes * type.bits == 512 and len(table) == type.lanes:
        return _permuted(code, table, place, type)
    if code.module.scales and type.lanes * type.bits == 1024:
        return _by_halves(code, table, place, type)
    inside = code.binary("and", place, constant(place.type, len(table) - 1))
    name = _table(code, table, type.element)
    if not type.lanes:
        slot = code.pure(POINTER, f"getelementptr {type}, ptr @{name}, {inside.type} {inside.text}", inside)
        return code.pure(type, f"load {type}, ptr {slot.text}", slot)
    pointers = of("ptr", type.lanes)
    slots = code.pure(pointers, f"getelementptr {type.element}, ptr @{name}, {inside.type} {inside.text}", inside)
    gather, mask = f"llvm.masked.gather.{type.suffix}.{pointers.suffix}", of("i1", type.lanes)
    code.module.declare(gather, type, pointers, "i32", mask, type)
    every = f"i32 {type.bits // 8}, {mask} splat (i1 true), {type} poison"
    return code.pure(type, f"call {type} @{gather}({pointers} {slots.text}, {every})", slots)


def _permuted(code: Code, table: Sequence[float], place: Value, type: Type) -> Value:
    """By AVX-512's permutation of a register's elements."""
    numbers = ", ".join(f"{type.element} {number_text(type.element, v)}" for v in table)
    name = f"llvm.x86.avx512.permvar.{'df' if type.bits == 64 else 'sf'}.512"
    code.module.declare(name, type, type, place.type)
    return code.pure(type, f"call {type} @{name}({type} <{numbers}>, {place.type} {place.text})", place)


def _by_halves(code: Code, table: Sequence[float], place: Value, type: Type) -> Value:
    """Of two registers, one after the other."""
    half = type.lanes // 2

    def shuffled(a: Value, b: Value, first: int, count: int) -> Value:
        lanes = ", ".join(f"i32 {k}" for k in range(first, first + count))
        return code.pure(a.type.with_lanes(count), f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{count} x i32> <{lanes}>", a, b)

    parts = (shuffled(place, place, first, half) for first in (0, half))
    low, high = (lookup(code, table, part, type.with_lanes(half)) for part in parts)
    return shuffled(low, high, 0, type.lanes)


def _table(code: Code, table: Sequence[float], element: str) -> str:
    numbers = ", ".join(f"{element} {number_text(element, v)}" for v in table)
    name = f"tensorc.table.{code.module.numbered(numbers)}"
    code.module.once(name, lambda: f"@{name} = internal constant [{len(table)} x {element}] [{numbers}], align 64\n")
    return name
