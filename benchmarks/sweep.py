"""Compares compiled functions of f32 with float64 ones at every one of the 2**32 bit patterns, and writes a table to docs/accuracy.md.

`python benchmarks/sweep.py exp log` sweeps these functions, all by default, which takes one or two minutes each; `--write` keeps the rows.
The float64 functions are other algorithms, NumPy's, SciPy's, PyTorch's and the C library's. mpmath judges the largest errors.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import sections
from accuracy import FORMATS, FUNCTIONS, PAGE, Array, compiled, exact_error, place, promised

import tensorc as tc

TITLE = "Every number of f32"
CHUNK = 1 << 19
JUDGED = 24
"""So many of the largest errors of chunks are judged by mpmath."""

SCALE = np.int64(0x7FF) << np.int64(52)


@dataclass(frozen=True)
class Sweep:
    """The largest error in units in the last place and where it is, the mean, and the mismatches of NaN and infinity."""

    largest: float
    at: float
    mean: float
    mismatches: int
    seconds: float


def reference(name: str) -> Any:
    """The float64 function: of lgamma the C library's, which a CPU without fused multiply-add is compiled for."""
    if name != "lgamma":
        return FUNCTIONS[name].reference
    with tc.config.scope(cpu="x86-64-v2"):
        function = tc.compile("fn f(x: f64[N]) = lgamma(x)").f
        function.warmup(tc.spec("f64[N]"))

    def run(x: Array) -> Array:
        with tc.config.scope(cpu="x86-64-v2"):
            return np.asarray(function(x))

    return run


def errors(got: Array, want: Array) -> tuple[Array, int]:
    """The errors in units in the last place, 0 where not both are finite, and how often they are not alike then."""
    unit = np.maximum((want.view(np.int64) & SCALE).view(np.float64) * 2.0**-23, 2.0**-149)
    error = np.abs(got - want) / unit
    odd = np.flatnonzero(~np.isfinite(got.astype(np.float32)) | ~np.isfinite(want) | (np.abs(want) >= 2.0**128 - 2.0**103))
    if not len(odd):
        return error, 0
    error[odd] = 0
    rounded, found = want[odd].astype(np.float32), got[odd].astype(np.float32)
    return error, int((~((rounded == found) | (np.isnan(rounded) & np.isnan(found)))).sum())


def sweep(name: str) -> Sweep:
    started = time.perf_counter()
    function, exact = compiled(name, "f32"), reference(name)
    worst: list[tuple[float, float, float]] = []
    total, mismatches = 0.0, 0
    with np.errstate(all="ignore"):
        for first in range(0, 1 << 32, CHUNK):
            x = np.arange(first, first + CHUNK, dtype=np.uint32).view(np.float32)
            got = function(x)
            error, odd = errors(got.astype(np.float64), exact(x.astype(np.float64)))
            at = int(np.argmax(error))
            worst.append((float(error[at]), float(x[at]), float(got[at])))
            total += float(error.sum())
            mismatches += odd
    worst.sort(reverse=True)
    judged = [(exact_error(FUNCTIONS[name], [x], y, FORMATS["f32"]), x) for _, x, y in worst[:JUDGED]]
    largest, at_x = max(judged)
    return Sweep(largest, at_x, total / 2**32, mismatches, time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    unary = [name for name, f in FUNCTIONS.items() if len(f.domain) == 1 and not f.cancels]
    parser.add_argument("names", nargs="*", default=unary)
    parser.add_argument("--write", action="store_true", help="keep the rows in docs/accuracy.md")
    options = parser.parse_args()
    for name in options.names:
        found = sweep(name)
        row = f"| `{name}` | {found.largest:.3f} | {place((found.at,), 'f32')} | {found.mean:.3f} | {promised(name)} | {found.mismatches} |"
        print(row, f"{found.seconds:.0f} s", flush=True)
        if options.write:
            write({f"`{name}`": row})


def write(new: dict[str, str]) -> None:
    known = sections.rows(PAGE, TITLE) | new
    order = [f"`{name}`" for name in FUNCTIONS if f"`{name}`" in known]
    head = "| function | largest | at | mean | bound | mismatches |\n| --- | --- | --- | --- | --- | --- |\n"
    text = (
        "The errors at all 2**32 bit patterns, against float64 functions of other libraries; mpmath judged the largest. "
        "`benchmarks/sweep.py --write` made this table.\n\n"
    )
    sections.replace(PAGE, TITLE, text + head + "".join(known[k] + "\n" for k in order))


if __name__ == "__main__":
    main()
