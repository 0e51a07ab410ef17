"""The logarithm of f64 as the sum of two numbers, to some 65 bits: what pow and lgamma multiply or subtract.

x = 2**k * m with m in 0.71875 .. 1.4375, and log x = k * ln 2 - log c + log(1 + z) with z = c * m - 1, which is exact for the short c of a
table (P.-T. P. Tang, Table-driven implementation of the logarithm function, 1990).
"""

from __future__ import annotations

from dataclasses import dataclass

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import INVERSES, LOG_BEYOND, LOGS_OF_INVERSES, LOGS_OF_INVERSES_LOW
from tensorc.backends.llvm.functions.logarithm import LN2
from tensorc.backends.llvm.functions.lookup import lookup
from tensorc.backends.llvm.types import Value, constant

MANTISSA = 52
LEAST = 0.71875
TWO_THIRDS = (-0.6666666666666666, -3.700743415417188e-17)


@dataclass(frozen=True)
class Sum:
    """A number as the sum of two, the second of which may be some units in the last place of the first."""

    high: Value
    low: Value


def log(code: Code, x: Value, subnormal: bool) -> Sum:
    """log x of a positive finite number, which may be subnormal or not; fast, to 61 bits."""
    bits = n.bits(code, x)
    tiny = n.compare(code, "olt", x, n.LEAST_NORMAL["double"])
    if subnormal:
        bits = n.bits(code, n.choose(code, tiny, n.multiply(code, x, 2.0 ** (MANTISSA + 1)), x))
    above = code.binary("sub", bits, n.bits_of(x, LEAST))
    place = code.binary("lshr", above, constant(bits.type, MANTISSA - 3))
    above = code.binary("and", above, constant(bits.type, -1 << MANTISSA))
    k = code.convert("sitofp", above, x.type)  # times 2**MANTISSA
    if subnormal:
        k = n.choose(code, tiny, n.add(code, k, -(MANTISSA + 1) * 2.0**MANTISSA), k)
    c, start, start_low = (lookup(code, t["double"], place, x.type) for t in (INVERSES, LOGS_OF_INVERSES, LOGS_OF_INVERSES_LOW))
    z = n.multiply_add(code, n.floating(code, code.binary("sub", bits, above), x), c, -1.0)
    first, second = (part / 2.0**MANTISSA for part in LN2["double"])
    most = n.multiply_add(code, k, first, start)  # exact
    low = n.multiply_add(code, k, second, start_low)
    total = n.add(code, most, z)
    low = n.add(code, low, n.add(code, n.subtract(code, most, total), z))
    return _with_curve(code, total, low, z)


def _with_curve(code: Code, total: Value, low: Value, z: Value) -> Sum:
    """total + low and what log(1 + z) is beyond z: -z**2 / 2 and, but in fast mode, z**3 / 3 with what rounding takes from them."""
    half = n.multiply(code, z, -0.5)
    square = n.multiply(code, half, z)
    square_low = n.multiply_add(code, half, z, code.negate(square))
    high = n.add(code, total, square)
    low = n.add(code, low, n.add(code, n.add(code, n.subtract(code, total, high), square), square_low))
    factor = n.multiply(code, z, TWO_THIRDS[0])
    tail = n.multiply(code, n.polynomial(code, z, LOG_BEYOND["double"]), n.multiply(code, square, square))
    if not code.compensated:
        return Sum(high, n.add(code, low, n.multiply_add(code, factor, square, tail)))
    factor_low = n.multiply_add(code, z, TWO_THIRDS[1], n.multiply_add(code, z, TWO_THIRDS[0], code.negate(factor)))
    cube = n.multiply(code, factor, square)
    cube_low = n.multiply_add(code, factor, square, code.negate(cube))
    cube_low = n.multiply_add(code, factor_low, square, n.multiply_add(code, factor, square_low, cube_low))
    sum = n.add(code, high, cube)
    low = n.add(code, low, n.add(code, n.add(code, n.subtract(code, high, sum), cube), n.add(code, cube_low, tail)))
    return Sum(sum, low)
