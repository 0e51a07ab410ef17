"""The C library's functions, called for one lane at a time, under names of tensorc's own: nothing depends on what a process exports."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from functools import cache

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.types import POINTER, Value, integer, of

PREFIX = "tensorc_"

# What LLVM's code generator calls by itself where a CPU has no instruction.
GENERATED = ("fma", "floor", "ceil", "trunc", "rint", "roundeven", "memset", "memcpy", "memmove")


def call(code: Code, name: str, *arguments: Value) -> Value:
    """The C function of doubles, or its twin of floats, of each lane of the arguments."""
    element = arguments[0].type.with_lanes(0)
    function = name if element.element == "double" else name + "f"
    symbol = PREFIX + function
    code.module.symbols[function] = None
    code.module.declare(symbol, element, *[element] * len(arguments))
    lanes = arguments[0].type.lanes
    if not lanes:
        return code.call(symbol, element, *arguments)
    types = [a.type for a in arguments]
    helper = code.module.helper(f"tensorc.{function}.{lanes}", types[0], types, lambda inner, values: _each_lane(inner, symbol, values))
    return code.call(helper, types[0], *arguments)


def _each_lane(code: Code, symbol: str, vectors: list[Value]) -> Value:
    """The lanes pass through memory in a loop: as short as a call, however many lanes there are."""
    vector = vectors[0].type
    element = vector.with_lanes(0)
    places = [code.alloca(vector) for _ in vectors]
    for place, value in zip(places, vectors, strict=True):
        code.effect(f"store {vector} {value.text}, ptr {place.text}, align 64")

    def one(lane: Value, carried: list[Value]) -> list[Value]:
        slots = [code.pure(POINTER, f"getelementptr {element}, ptr {p.text}, i64 {lane.text}", lane) for p in places]
        values = [code.pinned(element, f"load {element}, ptr {s.text}") for s in slots]
        result = code.pinned(element, f"call {element} @{symbol}({', '.join(f'{element} {v.text}' for v in values)})")
        code.effect(f"store {element} {result.text}, ptr {slots[0].text}")
        return []

    code.loop(integer(0), integer(vector.lanes), 1, [], one)
    return code.pinned(of(vector.element, vector.lanes), f"load {vector}, ptr {places[0].text}, align 64")


# Where the functions are; None is what the process has loaded already. Looking further takes a subprocess.
NAMES = {"linux": ("libm.so.6", None), "darwin": ("libSystem.B.dylib", None), "win32": ("ucrtbase", "msvcrt")}


@cache
def address(function: str) -> int | None:
    """Where a function of the C library is in this process; None where there is none of the name."""
    for library in _libraries():
        found = getattr(library, function, None)
        if found is not None:
            return ctypes.cast(found, ctypes.c_void_p).value
    return None


@cache
def _libraries() -> tuple[ctypes.CDLL, ...]:
    opened = []
    for name in NAMES.get(sys.platform) or _others():
        try:
            opened.append(ctypes.CDLL(name))
        except (OSError, TypeError):
            continue
    return tuple(opened)


def _others() -> tuple[str | None, ...]:
    from ctypes.util import find_library

    return find_library("m"), None


def addresses(functions: Iterable[str]) -> dict[str, int]:
    """The symbols to link for these functions and for what the code generator calls: name to address."""
    found: dict[str, int] = {}
    for function in functions:
        place = address(function)
        if place is None:
            raise OSError(f"the C library has no function {function}")
        found[PREFIX + function] = place
    for name in GENERATED:
        for function in (name, name + "f"):
            place = address(function)
            if place is not None:
                found[function] = place
    return found
