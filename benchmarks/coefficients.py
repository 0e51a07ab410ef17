"""Makes the coefficients of the compiled functions' polynomials, and writes tensorc/backends/llvm/functions/coefficients.py.

`python benchmarks/coefficients.py` prints the module; `--write` writes it. Each polynomial is the best one in the largest error, by Remez's
exchange (E. Remez, 1934; on a grid of Chebyshev points), with arithmetic of mpmath. Its coefficients are rounded one after another, and
those that are left are fitted again. It needs NumPy and SciPy too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from scipy.optimize import linprog

MODULE = Path(__file__).resolve().parents[1] / "tensorc" / "backends" / "llvm" / "functions" / "coefficients.py"
DIGITS = 60
WORDS = 20
"""Of 64 bits, of 2 / pi."""

mp = mpmath.mp
Real = Any
"""A number of mpmath."""


@dataclass(frozen=True)
class Table:
    """A polynomial of `variable` in `interval`, near `function`; the error is multiplied by `weight`, which makes it that of the result.

    `degrees` are those of f32 and of f64, or of one alone; `single` is the interval of f32 where it is another. The function of each may be
    its own.
    """

    name: str
    text: str
    function: Callable[[Real], Real] | Mapping[str, Callable[[Real], Real]]
    weight: Callable[[Real], Real]
    interval: tuple[float, float]
    degrees: dict[str, int]
    single: tuple[float, float] | None = None


def of_square(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """A function of the square of its variable."""
    return lambda z: function(mp.sqrt(z))


def _scaled_erfc(x: Real) -> Real:
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def _lgamma_factor(x: Real) -> Real:
    x += mp.mpf("1e-25")
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def _stirling(x: Real) -> Real:
    return (mp.loggamma(x) - (x - mp.mpf(1) / 2) * mp.log(x) + x - mp.log(2 * mp.pi) / 2) * x


def _first_power(element: str) -> Real:
    """What the powers of two of a table are multiplied by."""
    bits, _, _ = POWERS[element]
    return 1 + mp.mpf(FIRST_POWERS[element]) / 2**bits


def _beside(power: Callable[[Real], Real]) -> Mapping[str, Callable[[Real], Real]]:
    """What a power's factor beside the first number of the table is, less one."""

    def function(element: str) -> Callable[[Real], Real]:
        first = _first_power(element)
        return lambda r: power(r) / first - 1

    return {element: function(element) for element in POWERS}


# Of the tables of powers of two: the bits of a number behind its leading one, the number of powers, and the numbers that are tried as the
# first one.
POWERS = {"float": (23, 16, 1 << 19), "double": (52, 8, 1 << 26)}

# The first power less one in units in its last place: that of those tried with which all are nearest to floats.
FIRST_POWERS = {"float": 212305, "double": 47315318}

NEAR_0 = 1e-10
HALF_LN2 = 0.3501  # a little more than ln(2) / 2, as the others are: reduction rounds
PI_4 = 0.7933
ERF_FAR = 1.0000839233398438  # where log2(erfc(x)) is very nearly a float

TABLES = (
    Table(
        "EXP",
        "(e**r - 1 - r) / r**2 for |r| <= ln(2) / 2",
        lambda r: (mp.exp(r) - 1 - r) / r**2,
        lambda r: r**2 / mp.exp(r),
        (-HALF_LN2, HALF_LN2),
        {"float": 4, "double": 9},
    ),
    Table(
        "EXPM1",
        "the same, as precise as e**r - 1 needs it",
        lambda r: (mp.exp(r) - 1 - r) / r**2,
        lambda r: abs(r**2 / mp.expm1(r)),
        (-HALF_LN2, HALF_LN2),
        {"float": 5, "double": 10},
    ),
    Table(
        "EXP2",
        "(2**r - 1) / r for |r| <= 1/2",
        lambda r: (2**r - 1) / r,
        lambda r: abs(r / 2**r),
        (-0.5, 0.5),
        {"float": 5, "double": 10},
    ),
    Table(
        "EXP_BESIDE",
        "e**r / POWERS[0] - 1 for |r| at most half of the logarithm of the powers' ratio",
        _beside(mp.exp),
        lambda r: 1 / mp.exp(r),
        (-0.0434, 0.0434),
        {"float": 3, "double": 7},
        single=(-0.0217, 0.0217),
    ),
    Table(
        "EXP2_BESIDE",
        "2**r / POWERS[0] - 1 for |r| <= 1/16",
        _beside(lambda r: mp.mpf(2) ** r),
        lambda r: 1 / mp.mpf(2) ** r,
        (-0.0625, 0.0625),
        {"double": 7},
    ),
    Table(
        "SINH",
        "(sinh(r) - r) / r**3 by r**2, for |r| <= ln(2) / 2",
        of_square(lambda r: (mp.sinh(r) - r) / r**3),
        of_square(lambda r: r**3 / mp.sinh(r)),
        (NEAR_0, HALF_LN2**2),
        {"float": 2, "double": 4},
    ),
    Table(
        "COSH",
        "(cosh(r) - 1) / r**2 by r**2, for |r| <= ln(2) / 2",
        of_square(lambda r: (mp.cosh(r) - 1) / r**2),
        of_square(lambda r: r**2),
        (NEAR_0, HALF_LN2**2),
        {"float": 2, "double": 4},
    ),
    Table(
        "LOG",
        "(log(1 + f) - f + f**2 / 2) / f**3 for |f| <= 1/3",
        lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: abs(f**3 / mp.log1p(f)),
        (-0.3334, 0.3334),
        {"float": 7},
    ),
    Table(
        "ATANH",
        "(atanh(s) - s) / s**3 by s**2, for |s| <= 0.21",
        of_square(lambda s: (mp.atanh(s) - s) / s**3),
        of_square(lambda s: s**3 / mp.atanh(s)),
        (NEAR_0, 0.21**2),
        {"float": 2, "double": 7},
    ),
    Table(
        "LOG_BEYOND",
        "(log(1 + z) - z + z**2 / 2 - z**3 / 3) / (z**4 / 4) for -0.0704 <= z <= 0.0665",
        lambda z: (mp.log1p(z) - z + z**2 / 2 - z**3 / 3) / (z**4 / 4),
        lambda z: abs(z**3 / 4),
        (-0.0704, 0.0665),
        {"double": 9},
    ),
    *(
        Table(
            f"LOG2_{name}",
            f"log2(1 + f) / f for |f| <= 1/3, for f32{use}",
            lambda f: mp.log1p(f) / f / mp.log(2),
            lambda f: abs(f / mp.log1p(f)),
            (-0.3334, 0.3334),
            {"double": degree},
        )
        for name, degree, use in (("ROUGH", 11, ""), ("ROUGHER", 10, " in fast mode"))
    ),
    Table("EXP2_ROUGH", "2**r for |r| <= 1/2, for f32", lambda r: 2**r, lambda r: 2**-r, (-0.5, 0.5), {"double": 6}),
    Table(
        "EXP2_ROUGHER",
        "(2**r - 1) / r for |r| <= 1/2, for f32 in fast mode",
        lambda r: (2**r - 1) / r,
        lambda r: abs(r / 2**r),
        (-0.5, 0.5),
        {"double": 4},
    ),
    Table(
        "RSQRT",
        "1 / sqrt(h) for 0.929 <= h <= 1.065",
        lambda h: 1 / mp.sqrt(h),
        lambda h: mp.sqrt(h),
        (0.929, 1.065),
        {"float": 2, "double": 3},
    ),
    Table(
        "SINE",
        "(sin(r) - r) / r**3 by r**2, for |r| <= pi/4",
        of_square(lambda r: (mp.sin(r) - r) / r**3),
        of_square(lambda r: r**3 / mp.sin(r)),
        (NEAR_0, PI_4**2),
        {"float": 2, "double": 5},
    ),
    Table(
        "COSINE",
        "(cos(r) - 1 + r**2 / 2) / r**4 by r**2, for |r| <= pi/4",
        of_square(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4),
        of_square(lambda r: r**4 / mp.cos(r)),
        (NEAR_0, PI_4**2),
        {"float": 2, "double": 5},
    ),
    Table(
        "ATAN",
        "(atan(t) - t) / t**3 by t**2, for |t| <= 1/2",
        of_square(lambda t: (mp.atan(t) - t) / t**3),
        of_square(lambda t: t**3 / mp.atan(t)),
        (NEAR_0, 0.2501),
        {"float": 5, "double": 11},
    ),
    Table(
        "ASIN",
        "(asin(t) - t) / t**3 by t**2, for |t| <= 1/2",
        of_square(lambda t: (mp.asin(t) - t) / t**3),
        of_square(lambda t: t**3 / mp.asin(t)),
        (NEAR_0, 0.25),
        {"float": 4, "double": 11},
    ),
    Table(
        "ERF",
        "erf(x) / x - 1 by x**2, for |x| <= 27/32",
        of_square(lambda x: mp.erf(x) / x - 1),
        of_square(lambda x: x / mp.erf(x)),
        (NEAR_0, 0.712),
        {"float": 6, "double": 11},
    ),
    Table(
        "ERF_NEAR_0",
        "erf(x) / x - 1 by x**2, for |x| <= 0.71875, for 1 - erf(x)",
        of_square(lambda x: mp.erf(x) / x - 1),
        of_square(lambda x: x),
        (NEAR_0, 0.517),
        {"float": 5, "double": 10},
    ),
    Table(
        "LOG2_ERFC",
        f"log2(erfc({ERF_FAR} + u)) for 27/32 <= {ERF_FAR} + u <= 6, as precise as 1 - erfc(...) needs it",
        lambda u: mp.log(mp.erfc(ERF_FAR + u), 2),
        lambda u: mp.log(2) * mp.erfc(ERF_FAR + u) / mp.erf(ERF_FAR + u),
        (-0.1564, 5.0),
        {"float": 6, "double": 17},
        single=(-0.1564, 3.0),
    ),
    Table(
        "ERFCX",
        "(1 + 2 x) * e**(x*x) * erfc(x) - 1.25 by q = (x - 3) / (x + 3), for x >= 0.71875",
        lambda q: _scaled_erfc(3 * (1 + q) / (1 - q)) - 1.25,
        lambda q: 1 / _scaled_erfc(3 * (1 + q) / (1 - q)),
        (-0.6135, 0.804),
        {"float": 9, "double": 20},
        single=(-0.6135, 0.5556),
    ),
    Table(
        "ATANH_ROUGH",
        "(atanh(s) - s) / s**3 by s**2, for |s| <= 1/5, for f32",
        of_square(lambda s: (mp.atanh(s) - s) / s**3),
        of_square(lambda s: s**3 / mp.atanh(s)),
        (NEAR_0, 0.2001**2),
        {"double": 2},
    ),
    *(
        Table(
            name,
            f"lgamma(x) / ((x - 1) * (x - 2)) - 15/32 by q = (x - 7/4) / (x + 7/4), for 1 <= x <= 3{use}",
            lambda q: _lgamma_factor(7 * (1 + q) / (1 - q) / 4) - 0.46875,
            lambda q: 1 / _lgamma_factor(7 * (1 + q) / (1 - q) / 4),
            (-0.2728, 0.2632),
            {"double": degree},
        )
        for name, degree, use in (("LGAMMA", 18, ""), ("LGAMMA_ROUGH", 8, ", for f32"))
    ),
    *(
        Table(
            name,
            f"(lgamma(x) - (x - 1/2) * log(x) + x - log(2 pi) / 2) * x by x**-2, for x >= 4{use}",
            lambda z: _stirling(1 / mp.sqrt(z)),
            lambda z: mp.sqrt(z) / mp.loggamma(1 / mp.sqrt(z)),
            (1e-8, 0.0626),
            {"double": degree},
        )
        for name, degree, use in (("STIRLING", 8, ""), ("STIRLING_ROUGH", 2, ", for f32"))
    ),
)


def rounded(c: Real, element: str) -> float:
    """The nearest float of the element."""
    with mpmath.workprec(24 if element == "float" else 53):
        return float(+c)


def coefficients(table: Table, element: str) -> tuple[list[float], float]:
    """Rounded coefficients, the lowest degree first, and the largest weighted error that they have on the grid."""
    with mpmath.workdps(DIGITS):
        degree = table.degrees[element]
        low, high = map(mp.mpf, (element == "float" and table.single) or table.interval)
        count = 24 * (degree + 2)
        points = [low + (high - low) * (1 - mp.cos(mp.pi * (k + 0.5) / count)) / 2 for k in range(count)]
        function = table.function[element] if isinstance(table.function, Mapping) else table.function
        values, weights = [function(x) for x in points], [table.weight(x) for x in points]
        found = exchange(points, values, weights, degree)
        for k in range(degree + 1):
            found[k] = mp.mpf(rounded(found[k], element))
            if k < degree:
                found[k + 1 :] = adjusted(points, values, weights, found, k + 1)
        return [float(c) for c in found], float(max(map(abs, errors_of(points, values, weights, found))))


def errors_of(points: Sequence[Real], values: Sequence[Real], weights: Sequence[Real], found: Sequence[Real]) -> list[Real]:
    """The weighted errors of a polynomial."""
    return [w * (v - mp.polyval(list(found[::-1]), x)) for x, v, w in zip(points, values, weights, strict=True)]


def adjusted(points: Sequence[Real], values: Sequence[Real], weights: Sequence[Real], found: Sequence[Real], start: int) -> list[Real]:
    """The coefficients from `start` on, changed so that the largest error is the least: a linear program of the small changes."""
    errors = errors_of(points, values, weights, found)
    unit, reach = max(map(abs, errors)), max(map(abs, points))
    powers = range(start, len(found))
    change = np.array([[float(w * (x / reach) ** k) for k in powers] for x, w in zip(points, weights, strict=True)])
    change /= (scale := np.abs(change).max(axis=0))
    error, ones = np.array([float(e / unit) for e in errors]), np.ones((len(points), 1))
    rows, limits = np.block([[change, -ones], [-change, -ones]]), np.concatenate([error, -error])
    cost = np.array([0.0] * len(powers) + [1.0])
    solved = linprog(cost, A_ub=rows, b_ub=limits, bounds=[(None, None)] * len(cost), method="highs")
    assert solved.success, solved.message
    return [found[k] + mp.mpf(d / s) * unit / reach**k for k, d, s in zip(powers, solved.x, scale, strict=False)]


def exchange(points: Sequence[Real], values: Sequence[Real], weights: Sequence[Real], degree: int) -> list[Real]:
    """The coefficients of the best polynomial."""
    free = degree + 1
    chosen = [round((len(points) - 1) * (1 - float(mp.cos(mp.pi * k / free))) / 2) for k in range(free + 1)]
    best: tuple[Real, list[Real]] | None = None
    for _ in range(30):
        rows, right = mp.matrix(free + 1, free + 1), mp.matrix(free + 1, 1)
        for row, k in enumerate(chosen):
            for column in range(free):
                rows[row, column] = points[k] ** column
            rows[row, free], right[row] = (-1) ** row / weights[k], values[k]
        solved = list(mp.lu_solve(rows, right))
        found, level = solved[:free], abs(solved[free])
        errors = errors_of(points, values, weights, found)
        largest = max(map(abs, errors))
        if best is None or largest < best[0]:
            best = largest, found
        extremes = alternating(errors, free + 1)
        if largest <= level * 1.01 or len(extremes) <= free:
            break
        chosen = extremes
    assert best is not None
    return best[1]


def alternating(errors: Sequence[Real], count: int) -> list[int]:
    """The places of the largest error of each stretch of one sign: at most `count`, those that are least left out."""
    found: list[int] = []
    for k, error in enumerate(errors):
        if found and (error >= 0) == (errors[found[-1]] >= 0):
            if abs(error) > abs(errors[found[-1]]):
                found[-1] = k
        else:
            found.append(k)
    while len(found) > count:
        if len(found) == count + 1:
            del found[0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1]
        else:
            weakest = min(range(len(found) - 1), key=lambda k: max(abs(errors[found[k]]), abs(errors[found[k + 1]])))
            del found[weakest : weakest + 2]
    return found


HEAD = '''"""Coefficients of polynomials, the highest degree first, for f32 and f64. Made by `benchmarks/coefficients.py --write`."""

from __future__ import annotations

Coefficients = dict[str, tuple[float, ...]]
'''


def _made(task: tuple[int, str]) -> tuple[list[float], float]:
    return coefficients(TABLES[task[0]], task[1])


def lgamma_zeros() -> str:
    """Rows of what lgamma is near its zeros below 0, and between those of -3 .. -2."""
    with ProcessPoolExecutor() as pool:
        rows = [*pool.map(_zero, POLES), _least()]
    width = max(map(len, rows))
    text = "\n# lgamma(x) = c + (x - z) * (s + (x - z) * P(x - z)) - log(1 + (x - z) / e): z, e, s and c in two parts each, and\n"
    text += (
        "# coefficients. For each zero z from -2 down, with its distance e from the pole beside it; and for the middle of -2.66 .. -2.55.\n"
    )
    text += "LGAMMA_ZEROS = (\n"
    for row in rows:
        numbers = [*row[:8], *[0.0] * (width - len(row)), *row[:7:-1]]
        text += f"    ({', '.join(map(repr, numbers))}),\n"
    return text + ")\n"


POLES = ((-2, -1), *((p, side) for p in range(-3, -18, -1) for side in (1, -1)))
"""The pole and on which of its sides the zero is."""

# Of the zeros that are not very near to their poles: where they lie, the interval that is theirs, and the degree of the polynomial.
WIDE_ZEROS = {
    (-2, -1): ((-2.46, -2.45), (-2.55, -2.28), 18),
    (-3, 1): ((-2.75, -2.74), (-2.875, -2.659), 17),
    (-3, -1): ((-3.15, -3.14), (-3.23, -3.085), 13),
    (-4, 1): ((-3.96, -3.95), (-3.974, -3.925), 9),
    (-4, -1): ((-4.04, -4.03), (-4.065, -4.023), 9),
    (-5, 1): ((-4.992, -4.991), (-4.9948, -4.9866), 7),
    (-5, -1): ((-5.0083, -5.0081), (-5.0131, -5.0051), 7),
}


def _zero(place: tuple[int, int]) -> list[float]:
    with mpmath.workdps(120):
        pole, side = place

        def value(x: Real) -> Real:
            return mp.log(abs(mp.gamma(x)))

        near = mp.mpf(side) / mp.factorial(-pole)
        between, interval, degree = WIDE_ZEROS.get(place, ((pole + near * mp.mpf("0.9"), pole + near * mp.mpf("1.1")), None, 4))
        z = mp.findroot(value, between, tol=mp.mpf(10) ** -200)
        e = z - pole

        steepness = mp.psi(0, z) + 1 / e

        def rest(d: Real) -> Real:
            return ((value(z + d) + mp.log1p(d / e)) / d - steepness) / d

        if interval is None:
            found = [float(c) for c in mp.taylor(lambda d: value(z + d) + mp.log1p(d / e), 0, degree + 1, singular=True)[2:]]
        else:
            tiny = mp.mpf(10) ** -30
            table = Table(
                "",
                "",
                lambda d: rest(d + tiny),
                lambda d: abs((d + tiny) ** 2 / value(z + d + tiny)),
                (interval[0] - z, interval[1] - z),
                {"double": degree},
            )
            found, error = coefficients(table, "double")
            assert error < 2.0**-58, (place, float(mp.log(error, 2)))
        return [*_parts(z, e, steepness, mp.mpf(0)), *found]


def _least() -> list[float]:
    """Where lgamma is about its greatest number below 0 between -3 and -2; the logarithm is of 1."""
    with mpmath.workdps(120):
        middle = mp.mpf(-2.605)
        value, slope = mp.log(abs(mp.gamma(middle))), mp.psi(0, middle)
        tiny = mp.mpf(10) ** -30
        table = Table(
            "",
            "",
            lambda d: ((mp.log(abs(mp.gamma(middle + d + tiny))) - value) / (d + tiny) - slope) / (d + tiny),
            lambda d: (d + tiny) ** 2,
            (-0.0555, 0.0555),
            {"double": 12},
        )
        found, error = coefficients(table, "double")
        assert error < 2.0**-59, float(mp.log(error, 2))
        return [*_parts(middle, mp.mpf(2) ** 900, slope, value), *found]


def _parts(*numbers: Real) -> list[float]:
    return [float(part) for x in numbers for part in (x, x - float(x))]


def powers() -> str:
    """The text of the tables of powers of two."""
    text = "\n# c * 2**(k / n) for k in 0 .. n - 1, with a c of which all are very nearly floats.\nPOWERS: Coefficients = {\n"
    for element, (bits, count, tried) in POWERS.items():
        assert nearest_powers(bits, count, tried) == FIRST_POWERS[element]
        with mpmath.workdps(DIGITS):
            found = [rounded(_first_power(element) * mp.mpf(2) ** (mp.mpf(k) / count), element) for k in range(count)]
        text += f'    "{element}": (\n{"".join(f"        {v!r},{chr(10)}" for v in found)}    ),\n'
    return text + "}\n"


def nearest_powers(bits: int, count: int, tried: int) -> int:
    """Which first power, in units in the last place from 1 on, makes all of them nearest to floats: by their bits behind the last place.

    What rounding takes of a small power is more of an inverse's last place.
    """
    with mpmath.workdps(DIGITS):
        ratios = [mp.mpf(2) ** (mp.mpf(k) / count) for k in range(count)]
        starts = [int(mp.floor(mp.frac(x * 2**bits) * 2**64)) for x in ratios]
        steps = [int(mp.floor(mp.frac(x) * 2**64)) for x in ratios]
    weights = [max(1.0, 2 / float(x) ** 2) for x in ratios]
    best, chunk = (1.0, 0), 1 << 20
    for first in range(0, tried, chunk):
        units = np.arange(first, min(first + chunk, tried), dtype=np.uint64)
        worst = np.zeros(len(units))
        for start, step, weight in zip(starts, steps, weights, strict=True):
            lost = (np.uint64(start) + units * np.uint64(step)).view(np.int64).astype(float) / 2.0**64
            worst = np.maximum(worst, abs(lost) * weight)
        at = int(worst.argmin())
        best = min(best, (float(worst[at]), int(units[at])))
    return best[1]


INVERSES = (21 / 16, 5 / 4, 9 / 8, 17 / 16, 1.0, 7 / 8, 13 / 16, 23 / 32)
"""Of numbers m in eighths of 0.71875 .. 1.4375: with so few bits that m times its inverse less one is a float."""


def inverses() -> str:
    """The inverses and less their logarithms, the first part with so few bits that exponents times ln 2 can be added exactly."""
    with mpmath.workdps(DIGITS):
        logs = [-mp.log(c) for c in INVERSES]
        high = [float(mp.nint(mp.ldexp(v, 40)) / 2**40) for v in logs]
        low = [float(v - h) for v, h in zip(logs, high, strict=True)]
    text = ""
    for name, values, what in (
        ("INVERSES", INVERSES, "Inverses, about, of numbers in eighths of 0.71875 .. 1.4375"),
        ("LOGS_OF_INVERSES", high, "Less their logarithms, to 40 bits behind the point"),
        ("LOGS_OF_INVERSES_LOW", low, "And what is left of them"),
    ):
        rows = "".join(f"        {v!r},\n" for v in values)
        text += f'\n# {what}.\n{name}: Coefficients = {{\n    "double": (\n{rows}    ),\n}}\n'
    return text


def two_over_pi() -> str:
    """The bits of 2 / pi behind the point, in words: so many that angles of f64 can be reduced."""
    with mpmath.workprec(WORDS * 64 + 64):
        whole = int(mp.floor(mp.ldexp(2 / mp.pi, WORDS * 64)))
    words = [whole >> 64 * (WORDS - 1 - k) & (1 << 64) - 1 for k in range(WORDS)]
    return f"\n# The bits of 2 / pi behind the point.\nTWO_OVER_PI = (\n{''.join(f'    0x{word:016X},{chr(10)}' for word in words)})\n"


def module() -> str:
    """The text of the module of coefficients."""
    tasks = [(k, element) for k, table in enumerate(TABLES) for element in table.degrees]
    with ProcessPoolExecutor() as pool:
        made = dict(zip(tasks, pool.map(_made, tasks), strict=True))
    text = HEAD
    for k, table in enumerate(TABLES):
        rows = ""
        for element in table.degrees:
            found, error = made[k, element]
            numbers = "".join(f"        {c!r},\n" for c in reversed(found))
            rows += f'    "{element}": (  # within 2**{float(mp.log(error, 2)):.1f}\n{numbers}    ),\n'
        text += f"\n# {table.text}.\n{table.name}: Coefficients = {{\n{rows}}}\n"
    return text + powers() + inverses() + two_over_pi() + lgamma_zeros()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="write the module")
    options = parser.parse_args()
    text = module()
    print(text)
    if options.write:
        MODULE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
