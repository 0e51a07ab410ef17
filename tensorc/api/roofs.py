"""What the machine can do: how fast a generated kernel copies, and how fast one multiplies and adds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tensorc.dtypes import DType, f32, f64

LEAST, MOST = 1 << 15, 1 << 28
"""Bytes that a copy is measured with: as many as the call moves, within these."""

SIDE = 384
"""Rows and columns of the matrices whose product is the most arithmetic that there is for so little memory."""

SECONDS = 0.05

_PROGRAM = """
fn copy(x: i64[N]) = x
fn product<T: float>(x: T[N, K], y: T[K, M]) = x @ y
"""


@dataclass(frozen=True)
class Roofs:
    """Bytes and operations a second that generated kernels reach here, with the threads that there are."""

    bytes: float
    flops: float

    def seconds(self, flops: int, bytes: int) -> float:
        """The least time for so much work: whichever of the two takes longer."""
        return max(flops / self.flops, bytes / self.bytes)


def roofs(bytes: int, dtype: DType = f32) -> Roofs:
    """The roofs for a call that moves so many bytes and computes in a dtype; measured once for each power of two."""
    from tensorc.runtime import threads

    size = min(max(1 << max(bytes - 1, 1).bit_length(), LEAST), MOST)
    return Roofs(_copying(size, threads.count()), _computing(f64 if dtype is f64 else f32, threads.count()))


@cache
def _module() -> Any:
    from tensorc.api.module import compile as compiled

    return compiled(_PROGRAM, "roofs.tx")


@cache
def _copying(bytes: int, threads: int) -> float:
    x = np.ones(bytes // 16, np.int64)
    out = np.zeros_like(x)
    return bytes / best(lambda: _module().copy(x, out=out))


@cache
def _computing(dtype: DType, threads: int) -> float:
    x = np.ones((SIDE, SIDE), dtype.numpy)
    out = np.zeros_like(x)
    return 2 * SIDE**3 / best(lambda: _module().product(x, x, out=out))


def best(call: Callable[[], Any]) -> float:
    """The least seconds of a call, among as many as fit into a moment, and five at least."""
    call()
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < 5 or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return max(min(times), 1e-9)
