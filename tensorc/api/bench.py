"""Times a call: the median and the least of many runs, with the rates that follow from the program's cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tensorc.api.cost import Cost
from tensorc.api.roofs import Roofs, roofs
from tensorc.dtypes import DType, f32


@dataclass(frozen=True)
class Bench:
    """`median` and `best` are seconds a call, over `runs` timed ones; flops and bytes are those of one call. `roofs` is what generated
    kernels that only copy, or only multiply and add, reach on this machine.
    """

    median: float
    best: float
    runs: int
    flops: int
    bytes: int
    roofs: Roofs

    @property
    def share(self) -> float:
        """The least time that the machine's roofs allow for the call, over its best time. Above 1 where caches help it more."""
        return self.roofs.seconds(self.flops, self.bytes) / self.best

    @property
    def gflops(self) -> float:
        """Billions of operations a second, at the median."""
        return self.flops / self.median / 1e9

    @property
    def gbytes(self) -> float:
        """Billions of bytes a second that had to be moved, at the median."""
        return self.bytes / self.median / 1e9

    def __str__(self) -> str:
        rates = f"{self.gflops:.3g} GFLOP/s, {self.gbytes:.3g} GB/s, {self.share:.0%} of the roof"
        return f"{shown(self.median)} (best {shown(self.best)}, {self.runs} runs), {rates}"


def measure(call: Callable[[], Any], cost: Cost, sizes: Mapping[str, int], seconds: float, dtype: DType = f32) -> Bench:
    """Call for about so many seconds, and hold that against the roofs for such work in a dtype.

    A call too short for the clock is timed in batches; the first one warms up and is not counted.
    """
    median, best, runs = timed(call, seconds)
    flops, moved = cost.evaluate(sizes)
    return Bench(median, best, runs, flops, moved, roofs(moved, dtype))


def timed(call: Callable[[], Any], seconds: float) -> tuple[float, float, int]:
    """(the median and the least seconds of a call, how many were timed)."""
    import statistics

    call()
    started = time.perf_counter()
    call()
    once = max(time.perf_counter() - started, 1e-9)
    batch = max(1, int(20e-6 / once))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 10_000):
        started = time.perf_counter()
        for _ in range(batch):
            call()
        times.append((time.perf_counter() - started) / batch)
    return statistics.median(times), min(times), len(times) * batch


def shown(seconds: float) -> str:
    """A time as one reads it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
