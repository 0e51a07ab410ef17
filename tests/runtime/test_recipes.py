"""Recipes: their numbers are the algebra's."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorc import algebra
from tensorc.algebra import Poly, poly, size
from tensorc.runtime import entry, words
from tensorc.runtime.recipes import Unwritten, _number

NAMES = ("A", "B", "C")


@st.composite
def polys(draw: Any, depth: int = 2) -> Poly:
    kind = draw(st.integers(0, 5 if depth else 1))
    if kind == 0:
        return poly(draw(st.integers(-4, 9)))
    if kind == 1:
        return size(draw(st.sampled_from(NAMES)))
    a, b = draw(polys(depth - 1)), draw(polys(depth - 1))
    match kind:
        case 2:
            return a + b
        case 3:
            return a * b
        case 4:
            return a // b
        case _:
            return a % b


@pytest.fixture(scope="module")
def computed() -> Any:
    """The function that reads a number of a recipe, with where it stops."""
    exported = {**entry.EXPORTED, "computed": "i64 (ptr, ptr)"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry, "EXPORTED", exported)
        made = entry._made_code.__wrapped__()
    function = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(made.addresses["computed"])

    def call(steps: list[int], sizes: list[int]) -> tuple[int, int]:
        memory, values = entry.row(steps), entry.row(sizes)
        cursor = entry.row([entry.address(memory)])
        found = function(entry.address(cursor), entry.address(values))
        return found, (cursor[0] - entry.address(memory)) // 8

    call.kept = made  # type: ignore[attr-defined]
    return call


@given(p=polys(), values=st.tuples(*[st.integers(0, 1000)] * 3))
@settings(max_examples=300, deadline=None)
def test_numbers(computed: Any, p: Poly, values: tuple[int, ...]) -> None:
    try:
        steps = _number(p, {name: n for n, name in enumerate(NAMES)})
    except Unwritten:
        return
    expected = algebra.evaluate(p, dict(zip(NAMES, values, strict=True)))
    if abs(expected) < 1 << 60:
        assert computed(steps, list(values)) == (expected, len(steps))


def test_what_has_no_recipe() -> None:
    deep = size("A")
    for _ in range(20):
        deep = (size("B") * 2 + 1) // (deep + 1)
    with pytest.raises(Unwritten):
        _number(deep, {"A": 0, "B": 1})
    with pytest.raises(Unwritten):
        _number(poly(1 << 62) * size("A"), {"A": 0})
    assert _number(poly(0), {}) == [1, words.CONSTANT, 0]
