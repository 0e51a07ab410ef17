"""Measures how far compiled scalar functions are from their exact values, and writes docs/accuracy.md.

`python benchmarks/accuracy.py` prints the tables; `--write` writes the page. It needs SciPy, PyTorch and mpmath.
"""

from __future__ import annotations

import argparse
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import scipy.special
import sections
import torch

import tensorc as tc
from tensorc.backends.llvm import target
from tensorc.ir.operations import OPERATIONS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"
DIGITS = 40
"""Decimal digits that mpmath computes with."""
EXACT_POINTS = 2000
"""The most points of a function that mpmath judges where long doubles tell which."""
MANY_POINTS = 100_000
"""And where there are none of that function."""

Array = np.ndarray[Any, Any]
Interval = tuple[float, float]
Box = tuple[Interval, ...]
"""An interval for each argument."""

ALL: Interval = (-math.inf, math.inf)
POSITIVE: Interval = (0.0, math.inf)
UNIT: Interval = (-1.0, 1.0)


@dataclass(frozen=True)
class Format:
    """A float dtype: its NumPy type, the bits behind its leading one, and the exponent of its least subnormal number."""

    numpy: type[np.floating[Any]]
    word: type[np.signedinteger[Any]]
    digits: int
    least: int

    @property
    def infinity(self) -> int:
        """The pattern of infinity."""
        return int(np.array(math.inf, self.numpy).view(self.word))


FORMATS = {"f32": Format(np.float32, np.int32, 23, -149), "f64": Format(np.float64, np.int64, 52, -1074)}


@dataclass(frozen=True)
class Function:
    """A function with a reference of float64 arrays and one of mpmath's numbers.

    `domain` holds the arguments whose results are finite and not all alike, wherever that is known; `bands` are boxes that are sampled
    uniformly in value, around what is difficult. A function that `cancels` is measured in units of the largest of result and arguments.
    """

    reference: Callable[..., Array]
    exact: Callable[..., Any]
    domain: Box
    bands: tuple[Box, ...]
    cancels: bool = False


def _one(reference: Callable[..., Array], exact: Callable[..., Any], domain: Interval, *bands: Interval, cancels: bool = False) -> Function:
    return Function(reference, exact, (domain,), tuple((band,) for band in bands), cancels)


def _exact_power(a: Any, b: Any) -> Any:
    if a == 0 or b == 0:
        return mpmath.mpf(b == 0)
    size = mpmath.exp(b * mpmath.log(abs(a)))
    return -size if a < 0 and mpmath.fmod(b, 2) != 0 else size


def _exact_erfc(x: Any) -> Any:
    return mpmath.erfc(x) if abs(x) < 40 else mpmath.mpf(2 * (x < 0))  # mpmath's overflows; no float64 holds the rest


def _torch(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Array], Array]:
    return lambda x: np.asarray(function(torch.from_numpy(x)).numpy())


def _lgamma(x: Array) -> Array:
    """PyTorch's, but that is inf for some large numbers whose result is finite."""
    return np.where(x > 1e300, x * (np.log(x) - 1), _torch(torch.lgamma)(x))


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, 1) / (1 + e))


def _softplus(x: Array) -> Array:
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


mp = mpmath.mp
FUNCTIONS: dict[str, Function] = {
    "exp": _one(np.exp, mp.exp, (-746, 710), (-1, 1), (-104, -87), (88, 89), (-746, -708), (709, 710)),
    "exp2": _one(np.exp2, lambda x: mp.power(2, x), (-1076, 1024), (-1, 1), (-150, -125), (127, 128), (-1075, -1020)),
    "expm1": _one(np.expm1, mp.expm1, (-746, 710), (-1, 1), (-0.01, 0.01), (-40, 89)),
    "log": _one(np.log, mp.log, POSITIVE, (0.5, 2), (0.99, 1.01)),
    "log2": _one(np.log2, lambda x: mp.log(x, 2), POSITIVE, (0.5, 2), (0.99, 1.01)),
    "log10": _one(np.log10, mp.log10, POSITIVE, (0.5, 2), (0.99, 1.01)),
    "log1p": _one(np.log1p, mp.log1p, (-1, math.inf), (-1, 1), (-0.01, 0.01), (0, 100)),
    "rsqrt": _one(lambda x: 1 / np.sqrt(x), lambda x: 1 / mp.sqrt(x), POSITIVE, (0.5, 4)),
    "cbrt": _one(np.cbrt, lambda x: mp.sign(x) * mp.cbrt(abs(x)), ALL, (-8, 8)),
    "sin": _one(np.sin, mp.sin, ALL, (-7, 7), (3.14, 3.15), (-1e5, 1e5)),
    "cos": _one(np.cos, mp.cos, ALL, (-7, 7), (1.57, 1.58), (-1e5, 1e5)),
    "tan": _one(np.tan, mp.tan, ALL, (-7, 7), (1.57, 1.58), (-1e5, 1e5)),
    "asin": _one(np.arcsin, mp.asin, UNIT, UNIT, (0.49, 0.51), (0.99, 1)),
    "acos": _one(np.arccos, mp.acos, UNIT, UNIT, (0.49, 0.51), (0.99, 1)),
    "atan": _one(np.arctan, mp.atan, ALL, (-3, 3), (0.4, 0.5), (0.9, 1.1)),
    "atan2": Function(np.arctan2, mp.atan2, (ALL, ALL), ((UNIT, UNIT), ((-10, 10), (-1e-3, 1e-3)))),
    "sinh": _one(np.sinh, mp.sinh, (-711, 711), (-3, 3), (-90, 90)),
    "cosh": _one(np.cosh, mp.cosh, (-711, 711), (-3, 3), (-90, 90)),
    "tanh": _one(np.tanh, mp.tanh, (-25, 25), (-2, 2), (-10, 10)),
    "asinh": _one(np.arcsinh, mp.asinh, ALL, (-3, 3), (-0.1, 0.1)),
    "acosh": _one(np.arccosh, mp.acosh, (1, math.inf), (1, 3), (1, 1.01)),
    "atanh": _one(np.arctanh, mp.atanh, UNIT, UNIT, (0.99, 1)),
    "erf": _one(scipy.special.erf, mp.erf, (-7, 7), (-1, 1), (-4, 4)),
    "erfc": _one(_torch(torch.erfc), _exact_erfc, (-7, 28), (-1, 1), (-4, 11), (9, 27.3)),
    "lgamma": _one(_lgamma, lambda x: mp.re(mp.loggamma(x)), ALL, (-8, 8), (0.9, 2.1), (-2.8, -2.4), (0, 100)),
    "pow": Function(np.power, _exact_power, (POSITIVE, ALL), (((0, 10), (-30, 30)), ((0.9, 1.1), (-900, 900)), ((-5, 5), (-20, 20)))),
    "fmod": Function(np.fmod, lambda a, b: mp.mpf(math.fmod(a, b)), (ALL, ALL), (((-100, 100), (-10, 10)), ((-1e9, 1e9), UNIT))),
    "sigmoid": _one(_sigmoid, lambda x: 1 / (1 + mp.exp(-x)), (-746, 746), (-10, 10), (-104, -80)),
    "softplus": _one(_softplus, lambda x: x if x > 20 else mp.log1p(mp.exp(x)), (-746, 746), (-10, 10), (-104, -80), (19, 21)),
    "gelu": _one(
        lambda x: 0.5 * x * scipy.special.erfc(-x / math.sqrt(2)),
        lambda x: x * _exact_erfc(-x / mp.sqrt(2)) / 2,
        (-38, 38),
        (-6, 6),
        cancels=True,
    ),
    "logaddexp": Function(
        np.logaddexp,
        lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
        ((-1e4, 1e4), (-1e4, 1e4)),
        (((-5, 5), (-5, 5)), ((-100, 100), (-100, 100))),
        cancels=True,
    ),
}


def patterns(low: float, high: float, count: int, form: Format, random: np.random.Generator) -> Array:
    """Finite floats of low..high, even in their bit patterns: of f32 by a stride, of f64 at random."""

    def key(x: float) -> int:  # counts the floats from 0
        size = min(int(np.array(abs(x), form.numpy).view(form.word)), form.infinity - 1)
        return -size if x < 0 else size

    first, last = key(low), key(high)
    if form.digits == 23:
        keys = first + np.arange(count, dtype=np.int64) * (last - first) // max(count - 1, 1)
    else:
        keys = random.integers(first, last, count, dtype=np.int64, endpoint=True)
    return np.copysign(np.abs(keys).astype(form.word).view(form.numpy), keys).astype(form.numpy)


def arguments(function: Function, count: int, form: Format, seed: int = 0) -> list[Array]:
    """`count` points even in the bit patterns of the domain, a quarter as many in the bands, a few of any float, and special values."""
    random = np.random.default_rng(seed)
    special = np.array(
        [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, 2.0**form.least, -(2.0**form.least), math.inf, -math.inf, math.nan], form.numpy
    )
    columns: list[Array] = []
    for k, interval in enumerate(function.domain):
        wide = patterns(*interval, count, form, random)
        anything = patterns(*ALL, count // 16, form, random)
        if k:  # every column but the first in another order, so that pairs are of any two sizes
            wide, anything = random.permutation(wide), random.permutation(anything)
        share = count // 4 // len(function.bands)
        dense = [random.uniform(*box[k], share).astype(form.numpy) for box in function.bands]
        specials = np.repeat(special, len(special)) if k else np.tile(special, len(special))
        columns.append(np.concatenate([wide, anything, *dense, specials]))
    return columns


def unit_in_last_place(x: Array, form: Format) -> Array:
    """The distance between floats of the size of x, of float64, which in the subnormal range is that of the least numbers."""
    exponent = np.where(x == 0, form.least, np.frexp(x)[1] - 1 - form.digits)
    return np.ldexp(1.0, np.maximum(exponent, form.least))


def exact_error(function: Function, point: Sequence[float], got: float, form: Format) -> float:
    """The error at one point in units in the last place of the result, by mpmath."""
    with mpmath.workdps(DIGITS):
        given = [mpmath.mpf(float(x)) for x in point]
        value = function.exact(*given)
        size = max([abs(value), *map(abs, given)]) if function.cancels else abs(value)
        exponent = max(mpmath.frexp(size)[1] - 1 - form.digits, form.least) if size else form.least
        return float(abs(mpmath.mpf(float(got)) - value) / mpmath.ldexp(1, exponent))


@dataclass(frozen=True)
class Comparison:
    """Arguments, results, and the errors against the float64 reference in units in the last place: -1 where either is not finite."""

    columns: list[Array]
    got: Array
    error: Array
    mismatches: int
    """Points where only one of the two is NaN or infinite, or they are infinities of other signs."""

    def point(self, k: int) -> tuple[float, ...]:
        return tuple(float(column[k]) for column in self.columns)


@dataclass(frozen=True)
class Measurement:
    """The largest and the mean error in units in the last place; `difference` is the largest one from the float64 reference."""

    name: str
    points: int
    largest: float
    mean: float
    argument: tuple[float, ...]
    difference: float
    difference_at: tuple[float, ...]
    mismatches: int


def compiled(name: str, dtype: str) -> Callable[..., Array]:
    names = "xy"[: len(FUNCTIONS[name].domain)]
    parameters = ", ".join(f"{x}: {dtype}[N]" for x in names)
    program = tc.compile(f"fn f({parameters}) = {name}({', '.join(names)})")
    return lambda *xs: np.asarray(program.f(*xs))


def compare(function: Function, form: Format, columns: list[Array], got: Array, working: type[np.floating[Any]] = np.float64) -> Comparison:
    with np.errstate(all="ignore"):
        wide = [c.astype(working) for c in columns]
        want = function.reference(*wide)
        rounded = want.astype(form.numpy)
        finite = np.isfinite(got) & np.isfinite(rounded)
        different = ~finite & (got != rounded) & ~(np.isnan(got) & np.isnan(rounded))
        size = np.max([np.abs(want), *map(np.abs, wide)], axis=0) if function.cancels else want
        unit = unit_in_last_place(np.where(finite, size, 1.0), form)
        error = np.where(finite, np.abs(got.astype(working) - want) / unit, -1.0)
    return Comparison(columns, got, error, int(different.sum()))


def measure(name: str, dtype: str, points: int, exact_points: int | None = None) -> Measurement:
    """Compiles the function, runs it on about 1.3 times `points` points, and compares.

    Errors of f32 are those against float64, the largest of them confirmed by mpmath. Errors of f64 are those that mpmath finds at
    `exact_points` points.
    """
    function, form = FUNCTIONS[name], FORMATS[dtype]
    columns = arguments(function, points, form)
    compared = compare(function, form, columns, compiled(name, dtype)(*columns))
    worst = int(np.argmax(compared.error))
    difference = float(compared.error[worst])
    if dtype == "f32":
        at, largest, mean = confirm(function, form, compared, exact_points or EXACT_POINTS)
    else:
        expected = closest(function, form, compared)
        most = EXACT_POINTS if expected is not None else MANY_POINTS
        at, largest, mean = judge(function, form, compared, compared.error if expected is None else expected, exact_points or most)
    return Measurement(name, len(compared.got), largest, mean, compared.point(at), difference, compared.point(worst), compared.mismatches)


def confirm(function: Function, form: Format, compared: Comparison, exact_points: int) -> tuple[int, float, float]:
    """The place of the largest error, it, and the mean: the worst is judged until it is one that has been, at most `exact_points` times."""
    error = compared.error.copy()
    judged: set[int] = set()
    while (at := int(np.argmax(error))) not in judged and len(judged) < exact_points:
        judged.add(at)
        error[at] = exact_error(function, compared.point(at), float(compared.got[at]), form)
    return at, float(error[at]), float(error[error >= 0].mean())


def closest(function: Function, form: Format, compared: Comparison) -> Array | None:
    """The errors of f64 by NumPy's functions of long doubles; None of a function that NumPy has not."""
    try:
        return compare(function, form, compared.columns, compared.got, np.longdouble).error
    except TypeError:
        return None


def judge(function: Function, form: Format, compared: Comparison, expected: Array, exact_points: int) -> tuple[int, float, float]:
    """The place of the largest error, it, and the mean: half of the points are random, and give the mean, half those expected worst."""
    half, random = exact_points // 2, np.random.default_rng(1)
    some = random.choice(np.flatnonzero(compared.error >= 0), half, replace=False)
    ranked = np.lexsort((random.random(len(expected)), np.where(compared.error >= 0, expected, -1.0)))  # of equals any
    places = np.concatenate([some, ranked[-half:]])
    error = np.array([exact_error(function, compared.point(k), float(compared.got[k]), form) for k in places])
    at = int(np.argmax(error))
    return int(places[at]), float(error[at]), float(error[:half].mean())


def machine() -> str:
    """What of the machine and of its libraries may change the results."""
    host = target.host()
    enabled = set(host.features.split(","))
    features = [name for name in ("sse4.2", "avx2", "fma", "avx512f", "avx512vl", "neon", "sve") if f"+{name}" in enabled]
    library = " ".join(platform.libc_ver()).strip() or "the system's C library"
    versions = f"NumPy {np.__version__}, SciPy {scipy.__version__}, PyTorch {torch.__version__}"
    return f"{platform.machine()} with {', '.join(features)}; {library}; {versions}"


INTRODUCTION = """\
# Accuracy

How far the functions that tensorc compiles for a CPU are from their exact values, and how fast they are. The table of operations
promises a *bound* for each: 1 unit in the last place, or 4 with the setting `math="fast"` (see [settings](cli.md#settings)), which leaves
out what keeps the error small where that is worth time. The functions are tensorc's own (`tensorc/backends/llvm/functions/`), written
with fused multiply-add; an element has the same bits wherever it stands in an array and however wide the vectors are. A CPU without fused
multiply-add gets the C library's functions, whose bounds are that library's. Half floats are computed in f32 and rounded once.

Errors are in units in the last place of the result: the distance between neighbouring floats of the exact value's size, in the subnormal
range the least float. A correctly rounded result is off by 0.5 at most. *Mismatches* counts points where only one of the two is NaN or
infinite. `benchmarks/coefficients.py` makes the polynomials.
"""

SAMPLED = """\
Each function is compiled alone and run on {points:,} points or more: {share:,} even in the bit patterns of its domain (f32 by a stride
through them, f64 at random), a quarter as many dense where the function is difficult, some of any bits, and zeros, infinities and NaN.
The functions without a bound are written in the language from those that have one. `gelu` and `logaddexp` subtract nearly equal numbers
where the result is small, so that their errors are in the last place of the largest of the result and the arguments.
`benchmarks/accuracy.py --write` made this table on {machine}.
"""

OF_F32 = (
    "The errors are those against float64 functions of NumPy, SciPy and PyTorch, and mpmath with {digits} digits confirms the largest.\n"
)

OF_F64 = """\
mpmath judges {exact:,} points a function, half of them at random, which give the mean, and half those that NumPy's long doubles find worst;
of `erf`, `erfc`, `lgamma` and `gelu`, which NumPy has not, {many:,}. The difference of the two float64 functions, tensorc's and the
library's, is over all points; neither is exact, and where it is great, as for `lgamma` near its zeros, it is mostly the library's error.
"""


def place(point: tuple[float, ...], dtype: str) -> str:
    return ", ".join(f"{x:.9g}" if dtype == "f32" else f"{x:.17g}" for x in point)


def promised(name: str) -> str:
    return str(OPERATIONS[name].accuracy) if name in OPERATIONS else ""


def table(dtype: str, measurements: Sequence[Measurement]) -> str:
    """The measurements as a Markdown table."""
    head = ["function", "largest", "at", "mean", "bound", "mismatches"]
    if dtype == "f64":
        head += ["largest difference of two float64 functions", "at"]
    rows = [head, ["---"] * len(head)]
    for m in measurements:
        row = [f"`{m.name}`", f"{m.largest:.2f}", place(m.argument, dtype), f"{m.mean:.3f}", promised(m.name), str(m.mismatches)]
        rows.append([*row, f"{m.difference:.0f}", place(m.difference_at, dtype)] if dtype == "f64" else row)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=1_000_000, help="points of the domain for each function")
    parser.add_argument("--dtype", default="f32,f64", help="f32, f64 or both with a comma")
    parser.add_argument("--write", action="store_true", help="write docs/accuracy.md")
    options = parser.parse_args()
    if options.write:
        sections.introduce(PAGE, INTRODUCTION)
    for dtype in options.dtype.split(","):
        measurements = [measure(name, dtype, options.points) for name in FUNCTIONS]
        fewest = min(m.points for m in measurements)
        text = SAMPLED.format(points=fewest, share=options.points, machine=machine())
        text += OF_F32.format(digits=DIGITS) if dtype == "f32" else OF_F64.format(exact=EXACT_POINTS, many=MANY_POINTS)
        text += f"\n{table(dtype, measurements)}"
        print(text)
        if options.write:
            sections.replace(PAGE, f"Samples of {dtype}", text)


if __name__ == "__main__":
    main()
