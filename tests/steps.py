"""How much Python does, in calls of functions: unlike its time, that is the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def steps(action: Callable[[], Any]) -> int:
    """The calls of Python functions and of C functions that an action makes."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count
