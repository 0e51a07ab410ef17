"""sin, cos and tan: x = n * pi/2 + r with |r| <= pi/4, and a polynomial of r for the quadrant. Large arguments are rare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import COSINE, SINE
from tensorc.backends.llvm.functions.far import far
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import Value, constant

TWO_OVER_PI = 0.63661977236758134308

# pi / 2 in three parts, each with all bits of its type; so r is right to all of its places for arguments up to LARGEST (W. J. Cody and
# W. Waite, Software Manual for the Elementary Functions, 1980).
PARTS = {
    "float": (1.57079637050628662109375, -4.37113900018624283e-8, -1.71512451306010e-15),
    "double": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33),
}
LARGEST = {"float": 1e5, "double": 1e9}


@dataclass(frozen=True)
class Turn:
    """x = quadrant * pi/2 + angle."""

    angle: Pair
    quadrant: Value


def sin(code: Code, x: Value) -> Value:
    return _near_or_far(code, x, "sin", lambda code, turn: _turned(code, turn, quarter=0), odd=True)


def cos(code: Code, x: Value) -> Value:
    return _near_or_far(code, x, "cos", lambda code, turn: _turned(code, turn, quarter=1), odd=False)


def tan(code: Code, x: Value) -> Value:
    return _near_or_far(code, x, "tan", _tangent, odd=True)


def _tangent(code: Code, turn: Turn) -> Value:
    s, c = sine(code, turn.angle), cosine(code, turn.angle, n.exact_product(code, turn.angle.high, turn.angle.high).low)
    odd = _is_odd(code, turn.quadrant)
    top, bottom = n.chosen(code, odd, c, s), n.chosen(code, odd, s, c)
    found = n.sum_of(code, n.quotient(code, *(p if p.low is None else n.exact_sum(code, p.high, p.low) for p in (top, bottom))))
    return code.select(odd, code.negate(found), found)


def _near_or_far(code: Code, x: Value, name: str, function: Callable[[Code, Turn], Value], odd: bool) -> Value:
    """The function of the angle; one that is odd keeps the sign of zero."""
    result = function(code, _turn(code, x))
    if odd:
        result = n.choose(code, n.compare(code, "oeq", x, 0.0), x, result)

    def rare(code: Code, arguments: list[Value]) -> Value:
        x, usual = arguments
        angle, quadrant = far(code, x)
        return code.select(_is_large(code, x), n.add(code, function(code, Turn(angle, quadrant)), n.subtract(code, x, x)), usual)

    return code.rarely_by(_is_large(code, x), result, name, rare, x, result)


def _is_large(code: Code, x: Value) -> Value:
    return n.compare(code, "oge", code.intrinsic("fabs", x), LARGEST[x.type.element])


def _turn(code: Code, x: Value) -> Turn:
    """By a multiple of each part of pi/2: the first difference is exact, and where the second is of smaller numbers, it is so as well."""
    whole, quadrant = n.nearest(code, x, TWO_OVER_PI)
    first, second, third = PARTS[x.type.element]
    most = n.multiply_add(code, whole, -first, x)
    if not code.compensated:
        return Turn(Pair(n.multiply_add(code, whole, -third, n.multiply_add(code, whole, -second, most)), None), quadrant)
    product = n.exact_product(code, whole, -second)
    left = n.exact_sum(code, most, product.high)
    low = n.plus_product(code, whole, -third, n.plus(code, left.low, product.low))
    assert low is not None
    return Turn(n.exact_sum(code, left.high, low), quadrant)


def sine(code: Code, r: Pair) -> Pair:
    """sin r for |r| <= pi/4; the low part may be a tenth of the high one, as that of the cosine."""
    z = n.multiply(code, r.high, r.high)
    turned = None if r.low is None else n.multiply_add(code, n.multiply(code, z, -0.5), r.low, r.low)
    low = n.plus_product(code, n.multiply(code, r.high, z), n.polynomial(code, z, SINE[r.high.type.element]), turned)
    return Pair(r.high, low)


def cosine(code: Code, r: Pair, square_low: Value | None = None) -> Pair:
    """cos r for |r| <= pi/4; `square_low` is what rounding takes from r**2."""
    z = n.multiply(code, r.high, r.high)
    half = n.multiply(code, z, 0.5)
    most = n.subtract(code, 1.0, half)
    lost = n.subtract(code, n.subtract(code, 1.0, most), half)
    if r.low is not None:
        lost = n.multiply_add(code, code.negate(r.high), r.low, lost)
    if square_low is not None:
        lost = n.multiply_add(code, square_low, -0.5, lost)
    return Pair(most, n.multiply_add(code, n.multiply(code, z, z), n.polynomial(code, z, COSINE[z.type.element]), lost))


def _turned(code: Code, turn: Turn, quarter: int) -> Value:
    """sin(angle + (quadrant + quarter) * pi/2)."""
    s, c = n.sum_of(code, sine(code, turn.angle)), n.sum_of(code, cosine(code, turn.angle))
    i = turn.quadrant
    i = code.binary("add", i, constant(i.type, quarter)) if quarter else i
    value = code.select(_is_odd(code, i), c, s)
    sign = code.binary("shl", code.binary("and", i, constant(i.type, 2)), constant(i.type, i.type.bits - 2))
    return n.floating(code, code.binary("xor", n.bits(code, value), sign), value)


def _is_odd(code: Code, i: Value) -> Value:
    return code.compare("icmp ne", code.binary("and", i, constant(i.type, 1)), constant(i.type, 0))
