"""Has Python look through all objects for garbage less often while a program is compiled: nearly all that is made then is kept."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = 1000
"""Collections of the middle generation to one of all objects. The first two generations find what is dropped while compiling."""


@contextmanager
def seldom() -> Iterator[None]:
    """Inside, and in nested uses, Python's collector goes seldom through all objects. One that is as rare already, or off, stays so."""
    kept = gc.get_threshold()
    if kept[0] == 0 or kept[2] >= SELDOM:
        yield
        return
    gc.set_threshold(kept[0], kept[1], SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*kept)
