"""Calls a function with arrays of a library that is not torch, on a driver that only writes down: `python elsewhere.py DRIVER SOURCE`.

What the library calls a GPU is this process's own memory, which nothing reads. The addresses that were launched with, and those of the
arrays, go to the standard output as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

import numpy as np
from backends.triton.launch import NoTorch


class Library:
    """The part of the array API that a call needs."""

    float32, int32, int64 = np.float32, np.int32, np.int64

    def empty(self, shape: Any, dtype: Any) -> Array:
        return Array(np.zeros(shape, dtype))

    zeros = empty


class Array:
    def __init__(self, memory: Any) -> None:
        self.memory = memory

    def __dlpack__(self, stream: int) -> Any:
        assert stream == 1
        return self.memory.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __array_namespace__(self) -> Library:
        return Library()


def main(driver: str, source: str) -> None:
    sys.meta_path.insert(0, NoTorch())  # type: ignore[arg-type]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    library = ctypes.CDLL(driver, mode=ctypes.RTLD_GLOBAL)
    sys.setrecursionlimit(100_000)
    import tensorc as tc

    f = tc.compile(source).f
    whole = np.zeros((64, 48), np.float32)
    given = [Array(whole), Array(whole.T[:48])]
    counts = (ctypes.c_uint * 64).in_dll(library, "driver_count")
    counts[0] = 3
    result = f(*given)
    arguments = (ctypes.c_uint64 * 24 * 64).in_dll(library, "driver_arguments")
    launched = ctypes.c_uint.in_dll(library, "driver_launches").value
    try:
        f(given[0], np.zeros((48, 64), np.float32))
        refused = ""
    except tc.TargetUnavailable as reason:
        refused = str(reason)
    answer = {
        "launched": launched,
        "arguments": list(arguments[0])[:3],
        "addresses": [a.memory.ctypes.data for a in (*given, result)],
        "shape": result.memory.shape,
        "refused": refused,
    }
    json.dump(answer, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
