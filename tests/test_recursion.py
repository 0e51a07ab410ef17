"""Calls made with room are made as without."""

from __future__ import annotations

import sys

import pytest

from tensorc.recursion import WORDS, roomy


def test_calls_are_as_without() -> None:
    @roomy
    def divided(a: int, b: int = 2, *, rest: bool = False) -> int:
        """A quotient or a remainder."""
        return a % b if rest else a // b

    assert divided(7) == 3 and divided(7, 4, rest=True) == 3
    assert divided.__name__ == "divided" and divided.__doc__ == "A quotient or a remainder."
    with pytest.raises(ZeroDivisionError):
        divided(1, 0)


def test_the_frame_has_room() -> None:
    @roomy
    def caller() -> int:
        frame = sys._getframe(1)
        return frame.f_code.co_stacksize

    assert caller() == WORDS
