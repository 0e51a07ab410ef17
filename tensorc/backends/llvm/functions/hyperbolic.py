"""sinh, cosh, tanh and their inverses, by way of expm1 and log1p. Within 3 units in the last place."""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.exponential import LN2, exp, half_expm1
from tensorc.backends.llvm.functions.logarithm import log1p
from tensorc.backends.llvm.types import Value

# Beyond these a + sqrt(a**2 + 1) is 2 * a, and a**2 may be infinite.
GREAT = {"float": 1e9, "double": 1e150}


def sinh(code: Code, x: Value) -> Value:
    """d + d / (2 d + 1) with d = (e**|x| - 1) / 2."""
    d = half_expm1(code, code.intrinsic("fabs", x))
    result = n.add(code, d, n.divide(code, d, n.multiply_add(code, d, 2.0, 1.0)))
    infinite = n.compare(code, "oeq", d, float("inf"))
    return code.intrinsic("copysign", code.select(infinite, d, result), x)


def cosh(code: Code, x: Value) -> Value:
    d = half_expm1(code, code.intrinsic("fabs", x))
    return n.add(code, n.add(code, d, 0.5), n.divide(code, 0.5, n.multiply_add(code, d, 2.0, 1.0)))


def tanh(code: Code, x: Value) -> Value:
    """f32: N. Juffa's polynomial for small |x|."""
    a = code.intrinsic("fabs", x)
    if n.is_double(x):
        a = n.at_most(code, a, 20.0)
        d = half_expm1(code, n.add(code, a, a))
        return code.intrinsic("copysign", n.divide(code, d, n.add(code, d, 1.0)), x)
    y = exp(code, n.at_most(code, n.add(code, a, a), 40.0))
    large = n.subtract(code, 1.0, n.divide(code, 2.0, n.add(code, y, 1.0)))
    z = n.multiply(code, x, x)
    p = n.polynomial(code, z, (1.57394409e-2, -5.23025580e-2, 1.33152470e-1, -3.33327681e-1))
    small = n.multiply_add(code, n.multiply(code, p, z), x, x)
    result = n.choose(code, n.compare(code, "olt", a, 0.55), small, code.intrinsic("copysign", large, x))
    return n.choose(code, n.compare(code, "oeq", x, 0.0), x, result)


def asinh(code: Code, x: Value) -> Value:
    """log1p(a + a**2 / (1 + sqrt(a**2 + 1)))."""
    a = code.intrinsic("fabs", x)
    square = n.multiply(code, a, a)
    root = code.intrinsic("sqrt", n.add(code, square, 1.0))
    usual = n.add(code, a, n.divide(code, square, n.add(code, root, 1.0)))
    return code.intrinsic("copysign", _log1p_or_double(code, a, usual), x)


def acosh(code: Code, x: Value) -> Value:
    """log1p(t + sqrt(2 t + t**2)) with t = x - 1."""
    t = n.add(code, x, -1.0)
    usual = n.add(code, t, code.intrinsic("sqrt", n.multiply_add(code, t, t, n.add(code, t, t))))
    return n.choose(code, n.compare(code, "olt", x, 1.0), float("nan"), _log1p_or_double(code, x, usual))


def _log1p_or_double(code: Code, a: Value, usual: Value) -> Value:
    """log1p(usual), or log(2 a) where a is great."""
    great = n.compare(code, "ogt", a, GREAT[a.type.element])
    result = log1p(code, code.select(great, a, usual))
    return code.select(great, n.add(code, result, LN2), result)


def atanh(code: Code, x: Value) -> Value:
    """log1p(2 a / (1 - a)) / 2."""
    a = code.intrinsic("fabs", x)
    result = log1p(code, n.divide(code, n.add(code, a, a), n.subtract(code, 1.0, a)))
    return code.intrinsic("copysign", n.multiply(code, result, 0.5), x)
