"""asin, acos, atan and atan2: the argument brought near 0, then t + t**3 * P(t**2).

P interpolates (atan(t) - t) / t**3, or asin's, at Chebyshev nodes. Within 3 units in the last place.
"""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.types import Value

# pi/2 and pi/4 in two parts.
HALF_PI = {"float": (1.5707963705062866, -4.3711390001862426e-08), "double": (1.5707963267948966, 6.123233995736766e-17)}
QUARTER_PI = {"float": (0.7853981852531433, -2.1855695000931213e-08), "double": (0.7853981633974483, 3.061616997868383e-17)}
TAN_PI_8 = 0.41421356237309503

ATAN = {
    "float": (-0.06449835002422333, 0.10743099451065063, -0.14263896644115448, 0.19999538362026215, -0.3333333134651184),
    "double": (
        0.016271944751537433,
        -0.034558092551328114,
        0.04551108126321486,
        -0.0523034787301517,
        0.05878914544400483,
        -0.06666423628069243,
        0.07692296304974469,
        -0.09090908751076636,
        0.11111111105106705,
        -0.14285714285659326,
        0.199999999999998,
        -0.3333333333333333,
    ),
}
ASIN = {
    "float": (0.03371555358171463, 0.01713542640209198, 0.031103327870368958, 0.04459919407963753, 0.07500094920396805, 0.1666666567325592),
    "double": (
        0.028809360730948315,
        -0.014925759769005951,
        0.017447131447477147,
        0.005440910449263212,
        0.010326580981648487,
        0.011478614420740805,
        0.013971268926651865,
        0.017352389073635503,
        0.022372173092238483,
        0.030381944134904228,
        0.04464285714640047,
        0.07499999999998411,
        0.16666666666666669,
    ),
}


def atan(code: Code, x: Value) -> Value:
    a = code.intrinsic("fabs", x)
    result = code.intrinsic("copysign", _quotient_angle(code, a, n.number(x, 1.0)), x)
    return n.choose(code, n.compare(code, "uno", x, 0.0), x, result)


def atan2(code: Code, y: Value, x: Value) -> Value:
    """The angle in the first quadrant, turned into the one that the signs say."""
    a, b = code.intrinsic("fabs", x), code.intrinsic("fabs", y)
    endless = code.binary("and", n.compare(code, "oeq", a, float("inf")), n.compare(code, "oeq", b, float("inf")))
    nothing = code.binary("and", n.compare(code, "oeq", a, 0.0), n.compare(code, "oeq", b, 0.0))
    one = n.number(x, 1.0)
    b, a = n.choose(code, endless, one, b), n.choose(code, code.binary("or", endless, nothing), one, a)
    angle = _quotient_angle(code, b, a)
    first, second = (2 * part for part in HALF_PI[x.type.element])
    opposite = n.add(code, n.subtract(code, first, angle), second)
    left = n.compare(code, "olt", code.intrinsic("copysign", one, x), 0.0)
    result = code.intrinsic("copysign", code.select(left, opposite, angle), y)
    return n.choose(code, n.compare(code, "uno", x, y), n.add(code, x, y), result)


def _quotient_angle(code: Code, numerator: Value, denominator: Value) -> Value:
    """atan(numerator / denominator) of two that are not negative: by atan(1 / t), and about pi/4 by (t - 1) / (t + 1)."""
    steep = n.compare(code, "ogt", numerator, denominator)
    low, high = code.select(steep, denominator, numerator), code.select(steep, numerator, denominator)
    middle = n.compare(code, "ogt", low, n.multiply(code, high, TAN_PI_8))
    factor = n.choose(code, n.compare(code, "ogt", high, 1e30), 0.5, n.number(high, 1.0))  # so that the sum is finite
    small_low, small_high = n.multiply(code, low, factor), n.multiply(code, high, factor)
    top = code.select(middle, n.subtract(code, small_low, small_high), low)
    bottom = code.select(middle, n.add(code, small_low, small_high), high)
    t = n.divide(code, top, bottom)
    z = n.multiply(code, t, t)
    tail = n.multiply(code, n.multiply(code, z, t), n.polynomial(code, z, ATAN[t.type.element]))
    first, second = QUARTER_PI[t.type.element]
    turned = n.add(code, n.add(code, n.add(code, tail, second), t), first)
    angle = code.select(middle, turned, n.add(code, tail, t))
    first, second = HALF_PI[t.type.element]
    return code.select(steep, n.add(code, n.subtract(code, first, angle), second), angle)


def asin(code: Code, x: Value) -> Value:
    a = code.intrinsic("fabs", x)
    large, t, tail = _arcsine(code, a)
    first, second = HALF_PI[x.type.element]
    result = n.subtract(code, first, n.multiply_add(code, n.add(code, t, tail), 2.0, -second))
    return code.intrinsic("copysign", code.select(large, result, n.add(code, t, tail)), x)


def acos(code: Code, x: Value) -> Value:
    large, t, tail = _arcsine(code, code.intrinsic("fabs", x))
    angle = n.add(code, t, tail)
    first, second = HALF_PI[x.type.element]
    signed = code.intrinsic("copysign", angle, x)
    small = n.add(code, n.subtract(code, second, signed), first)
    doubled = n.add(code, angle, angle)
    reflected = n.add(code, n.subtract(code, 2 * first, doubled), 2 * second)
    return code.select(large, code.select(n.compare(code, "olt", x, 0.0), reflected, doubled), small)


def _arcsine(code: Code, a: Value) -> tuple[Value, Value, Value]:
    """(large, t, tail): asin(a) = t + tail, or where a > 1/2 acos(a) = 2 * (t + tail); NaN where a > 1."""
    large = n.compare(code, "ogt", a, 0.5)
    z = n.choose(code, large, n.multiply_add(code, a, -0.5, 0.5), n.multiply(code, a, a))
    t = code.select(large, code.intrinsic("sqrt", z), a)
    return large, t, n.multiply(code, n.multiply(code, z, t), n.polynomial(code, z, ASIN[a.type.element]))
