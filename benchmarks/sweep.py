"""Measures compiled functions of f32 at every one of the 2**32 bit patterns, and writes a table to docs/accuracy.md.

`python benchmarks/sweep.py exp log` sweeps these functions, all by default; `--write` keeps the rows. A sweep takes a quarter of a minute:
one kernel computes the function of f32, that of f64 as the reference, and their difference. `benchmarks/accuracy.py` compares both with
other libraries. mpmath judges the largest errors.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import sections
from accuracy import FORMATS, FUNCTIONS, PAGE, Array, compiled, exact_error, place, promised

import tensorc as tc

TITLE = "Every number of f32"
CHUNK = 1 << 17
JUDGED = 24
"""So many of the largest errors of chunks are judged by mpmath."""

ERRORS = """
## (the largest error in units in the last place, the sum of the errors, how often only one is NaN or infinite), of results whose exact
## value is within the range of f32.
fn errors(x: f32[N]) -> (f64, f64, i64) {
    let got = FUNCTION(x)
    let want = FUNCTION(cast(x, f64))
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


def sweep(name: str) -> Sweep:
    started = time.perf_counter()
    function, exact, errors = compiled(name, "f32"), compiled(name, "f64"), tc.compile(ERRORS.replace("FUNCTION", name)).errors
    found = [(*map(float, errors(patterns(first))), first) for first in range(0, 1 << 32, CHUNK)]
    judged = []
    with np.errstate(all="ignore"):
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
        "The errors at all bit patterns, against the same functions of f64, which the samples below compare with those of\n"
        "other libraries; mpmath judged the largest. `benchmarks/sweep.py --write` made this table.\n\n"
    )
    sections.replace(PAGE, TITLE, text + head + "".join(known[k] + "\n" for k in order))


if __name__ == "__main__":
    main()
