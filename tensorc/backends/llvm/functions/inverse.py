"""asin, acos, atan and atan2: the argument brought near 0 as t, and the angle as a multiple of pi/4 and t + t**3 * P(t**2)."""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import ASIN, ATAN
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import Value, constant

# pi/4 in two parts, the first with so few bits that three times it has them all.
QUARTER_PI = {"float": (0.7853982448577881, -8.146034247147327e-08), "double": (0.7853981633974483, 3.061616997868383e-17)}

# Beyond this atan is pi/2. Sides of triangles are brought below it and above its inverse by a power of two.
STEEP = {"float": 2.0**40, "double": 2.0**100}
LONG = {"float": (2.0**90, 2.0**30), "double": (2.0**800, 2.0**200)}


def atan(code: Code, x: Value) -> Value:
    a = n.at_most(code, code.intrinsic("fabs", x), STEEP[x.type.element])
    return code.intrinsic("copysign", _angle(code, a, n.number(x, 1.0)), x)


def atan2(code: Code, y: Value, x: Value) -> Value:
    limit, power = LONG[x.type.element]
    a, b = code.intrinsic("fabs", x), code.intrinsic("fabs", y)
    factor = n.choose(code, n.compare(code, "ogt", n.at_least_of(code, a, b), limit), 1 / power, n.number(x, power))
    angle = _angle(code, n.multiply(code, b, factor), n.multiply(code, a, factor), _has_sign(code, x))
    usual = code.intrinsic("copysign", angle, y)
    return code.rarely_by(n.is_edge(code, n.add(code, a, b)), usual, "atan2", _atan2_at_ends, y, x, usual)


def _atan2_at_ends(code: Code, arguments: list[Value]) -> Value:
    """Where both are 0 or infinite the angle is a multiple of pi/4, of which the signs decide."""
    y, x, usual = arguments
    sides = [code.intrinsic("fabs", side) for side in (y, x)]
    total = n.add(code, *sides)
    endless = [n.compare(code, "oeq", side, float("inf")) for side in sides]
    origin = n.compare(code, "oeq", total, 0.0)
    ends = [n.choose(code, end, 1.0, n.number(x, 0.0)) for end in endless]
    angle = _angle(code, ends[0], n.choose(code, origin, 1.0, ends[1]), _has_sign(code, x))
    edge = code.binary("or", origin, code.binary("or", *endless))
    found = code.select(edge, code.intrinsic("copysign", angle, y), usual)
    return n.choose(code, n.compare(code, "uno", total, 0.0), total, found)


def _has_sign(code: Code, x: Value) -> Value:
    """Whether x is less than 0, or -0."""
    return code.compare("icmp slt", n.bits(code, x), constant(x.type.integer, 0))


def _angle(code: Code, top: Value, bottom: Value, left: Value | None = None) -> Value:
    """atan(top / bottom) of two that are not negative, or where `left` pi less that.

    With t of low / high, or of (low - high) / (low + high) from 1/2 on, it is base + t or base - t.
    """
    steep = n.compare(code, "ogt", top, bottom)
    low, high = code.select(steep, bottom, top), code.select(steep, top, bottom)
    middle = n.compare(code, "ogt", n.add(code, low, low), high)
    difference, total = n.subtract(code, low, high), n.exact_sum(code, high, low)  # the difference is exact where it is taken
    t = n.quotient(code, Pair(code.select(middle, difference, low), None), _where(code, middle, total, high))
    z = n.multiply(code, t.high, t.high)
    tail = n.plus_product(code, n.multiply(code, z, t.high), n.polynomial(code, z, ATAN[z.type.element]), t.low)
    assert tail is not None
    quarters = n.choose(code, middle, 1.0, n.choose(code, steep, 2.0, n.number(z, 0.0)))
    down = steep
    if left is not None:
        quarters = code.select(left, n.subtract(code, 4.0, quarters), quarters)
        down = code.binary("xor", steep, left)
    high, tail = (code.select(down, code.negate(v), v) for v in (t.high, tail))
    first, second = QUARTER_PI[z.type.element]
    most = n.exact_sum(code, n.multiply(code, quarters, first), high)
    return n.sum_of(code, Pair(most.high, n.plus(code, n.multiply_add(code, quarters, second, tail), most.low)))


def _where(code: Code, condition: Value, a: Pair, b: Value) -> Pair:
    low = None if a.low is None else code.select(condition, a.low, n.number(b, 0.0))
    return Pair(code.select(condition, a.high, b), low)


def asin(code: Code, x: Value) -> Value:
    """pi/2 - acos(a) where a is large."""
    large, t, tail = _arcsine(code, code.intrinsic("fabs", x))
    first, second = (2 * part for part in QUARTER_PI[x.type.element])
    most = n.exact_sum(code, n.number(t, first), n.multiply(code, t, -2.0))
    turned = n.sum_of(code, Pair(most.high, n.plus(code, n.multiply_add(code, tail, -2.0, second), most.low)))
    return code.intrinsic("copysign", code.select(large, turned, n.add(code, t, tail)), x)


def acos(code: Code, x: Value) -> Value:
    """2 * (t + tail) or pi less that where |x| is large, else pi/2 - x - tail."""
    large, t, tail = _arcsine(code, code.intrinsic("fabs", x))
    negative = n.compare(code, "olt", x, 0.0)
    first, second = QUARTER_PI[x.type.element]
    base, low = (
        n.choose(code, large, n.choose(code, negative, 4 * part, n.number(x, 0.0)), n.number(x, 2 * part)) for part in (first, second)
    )
    factor = n.choose(code, large, 2.0, n.number(x, 1.0))
    factor = n.choose(code, code.compare("icmp eq", large, negative), code.negate(factor), factor)
    most = n.exact_sum(code, base, n.multiply(code, t, factor))
    return n.sum_of(code, Pair(most.high, n.plus(code, n.multiply_add(code, tail, factor, low), most.low)))


def _arcsine(code: Code, a: Value) -> tuple[Value, Value, Value]:
    """(large, t, tail): asin(a) = t + tail, or where a > 1/2 acos(a) = 2 * (t + tail); NaN where a > 1."""
    large = n.compare(code, "ogt", a, 0.5)
    half = n.multiply_add(code, a, -0.5, 0.5)
    root = n.root_of(code, Pair(half, None))
    z = code.select(large, half, n.multiply(code, a, a))
    t = code.select(large, root.high, a)
    low = None if root.low is None else code.select(large, root.low, n.number(a, 0.0))
    tail = n.plus_product(code, n.multiply(code, z, t), n.polynomial(code, z, ASIN[a.type.element]), low)
    assert tail is not None
    return large, t, tail
