"""exp and its kin: x = n * ln 2 + r with |r| <= ln(2) / 2, a polynomial of r, and the exponent put in by integer arithmetic.

e**r is 1 + r * (1 + r * Q(r)), whose errors other than that of the last rounding add up to 0.4 units in the last place.
"""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import EXP, EXP2, EXPM1
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import Value

LOG2_E = 1.44269504088896341

# ln 2 in two parts, the first with so few bits that its product with n is exact.
LN2_PARTS = {"float": (0.693359375, -2.12194440e-4), "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}

# Beyond these the result is 0 or infinite, and 2**n has the exponents that `scaled` can make.
RANGE = {"float": (-104.5, 89.0), "double": (-746.0, 710.0)}

# Below this expm1 rounds to -1; within SMALL of 0 it is x.
LEAST_EXPM1 = {"float": -20.0, "double": -40.0}
SMALL = {"float": 2.0**-26, "double": 2.0**-55}


# expm1 takes n from this much less, since 2**n - 1 and r cancel where n is 1 and r is -0.35.
SHIFT = 0.053


def exp(code: Code, x: Value) -> Value:
    low, high = RANGE[x.type.element]
    x = n.at_least(code, n.at_most(code, x, high), low)
    whole, exponent = n.nearest(code, x, LOG2_E)
    r = reduced(code, x, whole).high
    slope = n.multiply_add(code, r, n.polynomial(code, r, EXP[r.type.element]), 1.0)
    return scale(code, n.multiply_add(code, r, slope, 1.0), whole, exponent)


def exp2(code: Code, x: Value) -> Value:
    low, high = (limit * LOG2_E for limit in RANGE[x.type.element])
    x = n.at_least(code, n.at_most(code, x, high), low)
    whole, exponent = n.nearest(code, x, 1.0)
    r = n.subtract(code, x, whole)
    return scale(code, n.multiply_add(code, r, n.polynomial(code, r, EXP2[r.type.element]), 1.0), whole, exponent)


def expm1(code: Code, x: Value) -> Value:
    """2 * (2**(n-1) - 1/2 + 2**(n-1) * (e**r - 1)), by halves, so that 2**n need not be finite."""
    element = x.type.element
    limited = n.at_least(code, n.at_most(code, x, RANGE[element][1]), LEAST_EXPM1[element])
    whole, exponent = n.nearest(code, n.add(code, limited, -SHIFT), LOG2_E)
    r = reduced(code, limited, whole)
    half = n.power_of_two(code, n.minus_one(code, exponent), x)
    base = n.exact_sum(code, half, n.number(x, -0.5))  # where half is the smaller, the sum is exact
    most = n.exact_sum(code, base.high, n.multiply(code, half, r.high))
    square = n.exact_product(code, r.high, r.high)
    lost = n.plus_product(code, square.low, 0.5, r.low)
    tail = n.plus_product(code, square.high, n.polynomial(code, r.high, EXPM1[element]), lost)
    result = n.sum_of(code, Pair(most.high, n.plus_product(code, tail, half, n.plus(code, most.low, base.low))))
    small = n.compare(code, "olt", code.intrinsic("fabs", x), SMALL[element])
    return n.choose(code, small, x, n.add(code, result, result))


def reduced(code: Code, x: Value, whole: Value) -> Pair:
    """x - whole * ln 2."""
    first, second = LN2_PARTS[x.type.element]
    most = n.multiply_add(code, whole, -first, x)
    high = n.multiply_add(code, whole, -second, most)
    return Pair(high, n.multiply_add(code, whole, -second, n.subtract(code, most, high)) if code.compensated else None)


def sigmoid(code: Code, x: Value) -> Value:
    """1 / (1 + e) with e = e**-|x|, or e / (1 + e), where e is needed to more than its rounding."""
    negative = n.compare(code, "olt", x, 0.0)
    limited = n.at_least(code, code.negate(code.intrinsic("fabs", x)), RANGE[x.type.element][0])
    whole, exponent = n.nearest(code, limited, LOG2_E)
    r = n.multiply_add(code, whole, -LN2_PARTS[x.type.element][1], n.multiply_add(code, whole, -LN2_PARTS[x.type.element][0], limited))
    slope = n.multiply_add(code, r, n.polynomial(code, r, EXP[x.type.element]), 1.0)
    one, zero = n.number(x, 1.0), n.number(x, 0.0)
    power = n.multiply_add(code, r, slope, one)
    e = scale(code, power, whole, exponent)
    top, bottom = code.select(negative, e, one), n.exact_sum(code, one, e)
    if not code.compensated:
        return n.divide(code, top, bottom.high)
    lost = scale(code, n.multiply_add(code, r, slope, n.subtract(code, one, power)), whole, exponent)
    return n.sum_of(code, n.quotient(code, Pair(top, code.select(negative, lost, zero)), bottom))


def of_pair(code: Code, r: Pair) -> Pair:
    """e**r for |r| <= ln(2) / 2, more accurate than its rounding."""
    most = n.exact_sum(code, n.number(r.high, 1.0), r.high)
    slope = n.polynomial_in_chains(code, r.high, EXP[r.high.type.element])
    tail = n.plus_product(code, n.multiply(code, r.high, r.high), slope, r.low)
    return Pair(most.high, n.plus(code, tail, most.low))


def scale(code: Code, x: Value, whole: Value, exponent: Value) -> Value:
    """x * 2**whole, rounded once; the exponent is the same number as an integer."""
    if code.module.scales and x.type.lanes * x.type.bits == 512:
        return _scale_by_instruction(code, x, whole)
    return n.scaled(code, x, exponent)


def _scale_by_instruction(code: Code, x: Value, whole: Value) -> Value:
    """AVX-512 has x * 2**floor(n) as one instruction, rounded once."""
    name = f"llvm.x86.avx512.mask.scalef.{'pd' if n.is_double(x) else 'ps'}.512"
    mask = f"i{x.type.lanes}"
    code.module.declare(name, x.type, x.type, x.type, x.type, mask, "i32")
    return code.pure(
        x.type, f"call {x.type} @{name}({x.type} {x.text}, {x.type} {whole.text}, {x.type} zeroinitializer, {mask} -1, i32 4)", x, whole
    )
