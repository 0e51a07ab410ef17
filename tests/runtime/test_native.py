"""The small part of Python that is translated: what it computes is what Python would, of 64-bit words."""

from __future__ import annotations

import ctypes
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorc.backends.llvm import target
from tensorc.runtime.native import External, translate


def compiled(source: str, count: int, names: dict[str, Any] | None = None, imports: dict[str, int] | None = None) -> Callable[..., int]:
    """The function `f` of a module's text, of so many words."""
    signature = f"i64 ({', '.join(['i64'] * count)})"
    text = translate([textwrap.dedent(source)], names or {}, {"f": signature})
    loaded = target.load([target.emit_portable(text)], ["tensorc.f"], imports or {})
    made = ctypes.PYFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(loaded.addresses["tensorc.f"])
    made.loaded = loaded  # type: ignore[attr-defined]
    return made


def python(source: str) -> Callable[..., int]:
    space: dict[str, Any] = {}
    exec(textwrap.dedent(source), space)
    return space["f"]  # type: ignore[no-any-return]


PROGRAMS = {
    "arithmetic": """
        def f(a, b):
            c = a * 3 - b
            c += 7
            return (c ^ b) + (a & 255) - (b | 1) + (a << 2) + -b
        """,
    "branches": """
        def f(a, b):
            if a < b and not b > 10 or a == 7:
                return 1
            elif a >= b or b <= 0:
                if a != 3:
                    return 2
            else:
                a = 9
            return a
        """,
    "loops": """
        def f(a, b):
            total = 0
            for i in range(b & 15):
                if i == 3:
                    continue
                for j in range(i, 12):
                    if j > a:
                        break
                    total = (total * 3 + j) & 4095
            while total > 100:
                total = total - (total & 127) - 1
            return total
        """,
    "calls": """
        def g(a):
            if a < 2:
                return a
            return g(a - 1) + g(a - 2)

        def nothing(a):
            a = a + 1

        def f(a, b):
            return g(a & 15) + nothing(b)
        """,
}


@pytest.mark.parametrize("name", list(PROGRAMS))
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_as_python(name: str, data: st.DataObject) -> None:
    if name not in MADE:
        source = PROGRAMS[name]
        MADE[name] = compiled(source, 2), python(source.replace("a = a + 1\n", "return 0\n"))
    a, b = (data.draw(st.integers(-50, 50)) for _ in range(2))
    machine, plain = MADE[name]
    assert machine(a, b) == plain(a, b)


MADE: dict[str, Any] = {}


def test_memory_and_constants() -> None:
    source = """
        def f(p, n):
            room = stack(4)
            copy(room, p, 4)
            for i in range(n):
                p[i] = room[WORDS - 1 - i] + half(p + 8 * i)
            p[n][0] = divided(room[0], -2)
            return PLACE
        """
    inner = (ctypes.c_int64 * 1)()
    memory = (ctypes.c_int64 * 5)(11, 1 << 33 | 2, 3, 4, ctypes.addressof(inner))
    names = {"WORDS": 4, "PLACE": External("tensorc_place")}
    f = compiled(source, 2, names, {"tensorc_place": ctypes.addressof(inner)})
    memory[4] = ctypes.addressof(inner)
    assert f(ctypes.addressof(memory), 4) == ctypes.addressof(inner)
    assert list(memory)[:4] == [4 + 11, 3 + 2, (1 << 33 | 2) + 3, 11 + 4]
    assert inner[0] == -5


def test_counterparts() -> None:
    """They find what the function would have written, each word at its place, and look no further than at the first that is another."""
    source = """
        def pair(to: Written, at: Word, a, b):
            if a == 99:
                return 0
            to[at] = a
            to[at + 1] = b
            return at + 2

        def row(to: Written, n, seen):
            at = 1
            to[0] = n
            for i in range(n):
                seen[0] = i
                at = pair(to, at, i, i * i)
                if at == 0:
                    return 0
            return at

        def f(p, n, compares):
            seen = stack(1)
            seen[0] = -1
            if compares != 0:
                return again(row, p, n, seen) * 100 + seen[0]
            return row(p, n, seen)
        """
    f = compiled(source, 3)
    memory = (ctypes.c_int64 * 8)(*[-7] * 8)
    where = ctypes.addressof(memory)
    assert f(where, 3, 1) == -1 and list(memory) == [-7] * 8
    assert f(where, 3, 0) == 7 and list(memory) == [3, 0, 0, 1, 1, 2, 4, -7]
    assert f(where, 3, 1) == 702
    for place in range(7):
        memory[place] += 1
        assert f(where, 3, 1) == (place - 1) // 2
        memory[place] -= 1
    assert list(memory) == [3, 0, 0, 1, 1, 2, 4, -7]


def test_functions_of_the_process() -> None:
    source = """
        def f(place, n):
            return labs(n) + invoke(place, n) + narrow(as_double(floating(n)))
        """
    libc = ctypes.CDLL(None)
    address = ctypes.cast(libc.labs, ctypes.c_void_p).value or 0
    identity = compiled("def f(a):\n    return a", 1)
    names = {"labs": External("tensorc_labs"), "as_double": External("tensorc_identity")}
    where = ctypes.cast(identity, ctypes.c_void_p).value or 0
    f = compiled(source, 2, names, {"tensorc_labs": address, "tensorc_identity": where})
    single = ctypes.c_uint32.from_buffer_copy(ctypes.c_float(-3.0)).value
    assert f(address, -3) == 6 + single


@pytest.mark.parametrize(
    "source",
    [
        "def f(a):\n    return a / 2",
        "def f(a):\n    return 1 < a < 3",
        "def f(a):\n    b, c = a, a\n    return b",
        "def f(a):\n    return [a]",
        "def f(a):\n    return unknown(a)",
        "def f(a):\n    with a:\n        pass",
        "def f(a):\n    for i in [1]:\n        pass",
        "def g(a):\n    return a\n\ndef f(a):\n    return again(g, a)",
    ],
)
def test_what_is_no_part_of_it(source: str) -> None:
    with pytest.raises((SyntaxError, KeyError)):
        translate([source], {}, {})
