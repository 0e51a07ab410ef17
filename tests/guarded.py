"""Arrays between pages that nobody may touch: what reads or writes beside one ends the process."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Pages:
    """Whole pages with a closed one on each side, given back with the last array in them."""

    def __init__(self, count: int) -> None:
        self.memory = mmap.mmap(-1, (count + 2) * PAGE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory)) + PAGE
        for page in (self.start - PAGE, self.start + count * PAGE):
            assert LIBC is not None and LIBC.mprotect(ctypes.c_void_p(page), PAGE, 0) == 0


def guarded(a: Any, at_end: bool = True) -> Any:
    """A copy, contiguous, that ends with a page, or begins with one. The array itself where the system is not Linux."""
    if LIBC is None:
        return a
    count = max(-(-a.nbytes // PAGE), 1)
    pages = _Pages(count)
    offset = PAGE + (count * PAGE - a.nbytes if at_end else 0)
    copy = np.ndarray(a.shape, a.dtype, pages.memory, offset)
    copy[...] = a
    return copy
