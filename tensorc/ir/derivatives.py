"""The partial derivatives of the scalar operations: one entry for each that is not constant wherever it has a derivative.

An entry is given `ops`, the arguments and the result, and gives the partial derivative by each argument. They are values with Python's
operators; `ops.exp(x)`, `ops.eq(a, b)` apply a row of the operations' table, `ops.where(c, a, b)` chooses, and a number may stand for a
value. Where a function has no derivative, the subgradient is PyTorch's. `add sub mul div neg cast` are linear or products: no entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Partials = Callable[..., tuple[Any, ...]]

LN2, LN10 = math.log(2), math.log(10)


def _pow(ops: Any, x: Any, y: Any, r: Any) -> tuple[Any, Any]:
    by_base = ops.where(ops.eq(y, 0), 0, y * ops.pow(x, y - 1))
    by_exponent = ops.where(getattr(ops, "and")(ops.eq(x, 0), ops.ge(y, 0)), 0, r * ops.log(x))
    return by_base, by_exponent


def _extremum(loses: str) -> Partials:
    """Half to each argument where they are equal, all to both where one is NaN."""

    def partials(ops: Any, a: Any, b: Any, r: Any) -> tuple[Any, ...]:
        test = getattr(ops, loses)
        return tuple(ops.where(ops.eq(a, b), 0.5, ops.where(test(x, y), 0, 1)) for x, y in ((a, b), (b, a)))

    return partials


def _atan2(ops: Any, a: Any, b: Any, r: Any) -> tuple[Any, Any]:
    square = a * a + b * b
    return b / square, -a / square


def _digamma(ops: Any, x: Any, r: Any) -> tuple[Any]:
    """psi(x): reflected to the right half, moved beyond 9 by psi(y) = psi(y + 1) - 1 / y, then an asymptotic series.

    Abramowitz and Stegun, "Handbook of Mathematical Functions", 6.3.18.
    """
    left = ops.lt(x, 0.5)
    y = ops.where(left, 1 - x, x)
    z = y + 9
    q = 1 / (z * z)
    series = 0
    for b in (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12):
        series = (series + b) * q
    moved = ops.log(z) - 0.5 / z - series - sum(1 / (y + n) for n in range(9))
    return (moved - ops.where(left, math.pi / ops.tan(math.pi * x), 0),)


DERIVATIVES: dict[str, Partials] = {
    "pow": _pow,
    "remainder": lambda ops, a, b, r: (1, -ops.floor(a / b)),
    "fmod": lambda ops, a, b, r: (1, -ops.trunc(a / b)),
    "abs": lambda ops, x, r: (ops.sign(x),),
    "exp": lambda ops, x, r: (r,),
    "exp2": lambda ops, x, r: (LN2 * r,),
    "expm1": lambda ops, x, r: (r + 1,),
    "sigmoid": lambda ops, x, r: (r * (1 - r),),
    "log": lambda ops, x, r: (1 / x,),
    "log2": lambda ops, x, r: (1 / (LN2 * x),),
    "log10": lambda ops, x, r: (1 / (LN10 * x),),
    "log1p": lambda ops, x, r: (1 / (1 + x),),
    "sqrt": lambda ops, x, r: (0.5 / r,),
    "rsqrt": lambda ops, x, r: (-0.5 * r * r * r,),
    "cbrt": lambda ops, x, r: (1 / (3 * r * r),),
    "sin": lambda ops, x, r: (ops.cos(x),),
    "cos": lambda ops, x, r: (-ops.sin(x),),
    "tan": lambda ops, x, r: (1 + r * r,),
    "asin": lambda ops, x, r: (ops.rsqrt(1 - x * x),),
    "acos": lambda ops, x, r: (-ops.rsqrt(1 - x * x),),
    "atan": lambda ops, x, r: (1 / (1 + x * x),),
    "atan2": _atan2,
    "sinh": lambda ops, x, r: (ops.cosh(x),),
    "cosh": lambda ops, x, r: (ops.sinh(x),),
    "tanh": lambda ops, x, r: (1 - r * r,),
    "asinh": lambda ops, x, r: (ops.rsqrt(x * x + 1),),
    "acosh": lambda ops, x, r: (ops.rsqrt(x * x - 1),),
    "atanh": lambda ops, x, r: (1 / (1 - x * x),),
    "erf": lambda ops, x, r: (2 / math.sqrt(math.pi) * ops.exp(-x * x),),
    "erfc": lambda ops, x, r: (-2 / math.sqrt(math.pi) * ops.exp(-x * x),),
    "lgamma": _digamma,
    "maximum": _extremum("lt"),
    "minimum": _extremum("gt"),
    "copysign": lambda ops, a, b, r: (ops.where(ops.eq(a, 0), 0, r / a), 0),
}
