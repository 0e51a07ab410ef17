"""Python's garbage collector is as it was after a compile, and rarer inside."""

from __future__ import annotations

import gc

import pytest

import tensorc as tc
from tensorc.collector import SELDOM, seldom
from tensorc.transform import simplify


def test_all_objects_are_seldom_looked_through_while_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    optimise = simplify.optimise
    monkeypatch.setattr(simplify, "optimise", lambda program: (seen.append(gc.get_threshold()[2]), optimise(program))[1])
    before = gc.get_threshold()
    tc.compile("fn f(x: f32[N]) = x + 1").f.lower(tc.spec("f32[N]")).as_text("opt")
    assert seen == [SELDOM]
    assert gc.get_threshold() == before


@pytest.mark.parametrize("threshold", [(0, 10, 10), (700, 10, 5 * SELDOM), (500, 5, 5)])
def test_what_was_set_is_set_again(threshold: tuple[int, int, int]) -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(*threshold)
        with pytest.raises(KeyError), seldom(), seldom():
            assert gc.get_threshold()[2] >= SELDOM or threshold[0] == 0
            assert gc.get_threshold()[:2] == threshold[:2]
            raise KeyError
        assert gc.get_threshold() == threshold
    finally:
        gc.set_threshold(*before)
