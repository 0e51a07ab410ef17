"""Compares compiled functions of f32 with float64 ones at every one of the 2**32 bit patterns, and writes a table to docs/accuracy.md.

`python benchmarks/sweep.py exp log` sweeps these functions, all by default; `--near` takes the numbers of 1/8 <= |x| < 8 alone, which is 32
times as fast; `--write` keeps the rows.
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

TITLES = {False: "Every number of f32", True: "Every number of f32 from 1/8 to 8"}
CHUNK = 1 << 17
JUDGED = 24
"""So many of the largest errors of chunks are judged by mpmath."""

ERRORS = """
## (the largest error in units in the last place, the sum of the errors, how often only one is NaN or infinite), of results whose exact
## value is within the range of f32.
fn errors(got: f32[N], want: f64[N]) -> (f64, f64, i64) {
    let size = bitcast(bitcast(want, i64) & 9218868437227405312, f64)
    let unit = maximum(size * 1.1920928955078125e-07, 1.401298464324817e-45)
    let finite = isfinite(got) and abs(want) < 3.4028235677973366e+38
    let error = where(finite, abs(cast(got, f64) - want) / unit, 0)
    let rounded = cast(want, f32)
    let alike = finite or got == rounded or (isnan(got) and isnan(rounded))
    return (max(error), sum(error), sum(where(alike, cast(0, i64), 1)))
}
"""


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


def chunks(near: bool) -> list[int]:
    """The first pattern of each chunk."""
    if not near:
        return list(range(0, 1 << 32, CHUNK))
    return [sign | first for sign in (0, 1 << 31) for first in range(124 << 23, 130 << 23, CHUNK)]


def sweep(name: str, near: bool) -> Sweep:
    started = time.perf_counter()
    function, exact, errors = compiled(name, "f32"), reference(name), tc.compile(ERRORS).errors
    found = []
    with np.errstate(all="ignore"):
        for first in chunks(near):
            x = patterns(first)
            found.append((*map(float, errors(function(x), exact(x.astype(np.float64)))), first))
        judged = []
        for _, _, _, first in sorted(found, reverse=True)[:JUDGED]:
            x = patterns(first)
            got, want = function(x), exact(x.astype(np.float64))
            unit = np.maximum(np.spacing(np.abs(want).astype(np.float32)), 2.0**-149)
            at = int(np.nanargmax(np.where(np.isfinite(got), np.abs(got - want) / unit, 0)))
            judged.append((exact_error(FUNCTIONS[name], [x[at]], got[at], FORMATS["f32"]), float(x[at])))
    _, sums, mismatches, _ = (sum(column) for column in zip(*found, strict=True))
    return Sweep(*max(judged), sums / (len(found) * CHUNK), int(mismatches), time.perf_counter() - started)


def patterns(first: int) -> Array:
    """The floats of the bit patterns of a chunk."""
    return np.arange(first, first + CHUNK, dtype=np.uint32).view(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    unary = [name for name, f in FUNCTIONS.items() if len(f.domain) == 1 and not f.cancels]
    parser.add_argument("names", nargs="*", default=unary)
    parser.add_argument("--near", action="store_true", help="only the numbers of 1/8 <= |x| < 8")
    parser.add_argument("--write", action="store_true", help="keep the rows in docs/accuracy.md")
    options = parser.parse_args()
    for name in options.names:
        found = sweep(name, options.near)
        row = f"| `{name}` | {found.largest:.3f} | {place((found.at,), 'f32')} | {found.mean:.3f} | {promised(name)} | {found.mismatches} |"
        print(row, f"{found.seconds:.0f} s", flush=True)
        if options.write:
            write(TITLES[options.near], {f"`{name}`": row})


def write(title: str, new: dict[str, str]) -> None:
    known = sections.rows(PAGE, title) | new
    order = [f"`{name}`" for name in FUNCTIONS if f"`{name}`" in known]
    head = "| function | largest | at | mean | bound | mismatches |\n| --- | --- | --- | --- | --- | --- |\n"
    text = (
        "The errors at all bit patterns, against float64 functions of other libraries; mpmath judged the largest.\n"
        "`benchmarks/sweep.py --write` made this table.\n\n"
    )
    sections.replace(PAGE, title, text + head + "".join(known[k] + "\n" for k in order))


if __name__ == "__main__":
    main()
