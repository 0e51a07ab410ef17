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

# Between these the logistic function is a normal number that is not 1, and 2**n of e**-x is one or 0.
LOGISTIC = {"float": (-86.0, 88.0), "double": (-700.0, 709.0)}


def exp(code: Code, x: Value) -> Value:
    low, high = RANGE[x.type.element]
    x = n.at_least(code, n.at_most(code, x, high), low)
    whole, exponent = n.nearest(code, x, LOG2_E)
    r = reduced(code, x, whole).high
    slope = n.multiply_add(code, r, n.polynomial(code, r, EXP[r.type.element]), 1.0)
    return scale(code, n.multiply_add(code, r, slope, 1.0), whole, exponent)


def exp2(code: Code, x: Value) -> Value:
    """Where one instruction scales, it makes of NaN and an infinite n what it should be, and nothing need be limited."""
    if _scales(code, x):
        whole, exponent = code.intrinsic("roundeven", x), None
    else:
        low, high = (limit * LOG2_E for limit in RANGE[x.type.element])
        x = n.at_least(code, n.at_most(code, x, high), low)
        whole, exponent = n.nearest(code, x, 1.0)
    r = n.subtract(code, x, whole)
    slope = n.polynomial(code, r, EXP2[r.type.element], short=len(EXP2[r.type.element]))
    return scale(code, n.multiply_add(code, r, slope, 1.0), whole, exponent)


def expm1(code: Code, x: Value) -> Value:
    """2 * (2**(n-1) - 1/2 + 2**(n-1) * (e**r - 1)), by halves, so that 2**n need not be finite."""
    element = x.type.element
    limited = n.at_least(code, n.at_most(code, x, RANGE[element][1]), LEAST_EXPM1[element])
    whole, exponent = n.nearest(code, limited, LOG2_E)
    r = reduced(code, limited, whole)
    half = n.power_of_two(code, exponent, x, 0.5)
    base = n.exact_sum(code, half, n.number(x, -0.5))  # where half is the smaller, the sum is exact
    most = n.exact_sum(code, base.high, n.multiply(code, half, r.high))
    *rest, first = EXPM1[element]
    curve = n.multiply_add(code, n.polynomial(code, r.high, rest), r.high, first)
    tail = n.plus_product(code, n.multiply(code, r.high, r.high), curve, n.plus_product(code, r.low, r.high, r.low))
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
    """1 / (1 + e**-x) with e**-x = s * (1 + w) and s = 2**n, and what is left of 1 - y * (1 + s + s * w) of the quotient y.

    1/2 less y and 1/2 less y * s hardly round. Far below 0 it is e**x.
    """
    low, high = LOGISTIC[x.type.element]
    limited = code.negate(n.at_most(code, x, high))
    whole, exponent = n.nearest(code, limited, LOG2_E)
    r = reduced(code, limited, whole).high
    tail = n.multiply(code, n.multiply(code, r, r), n.polynomial(code, r, EXP[x.type.element], short=4))
    w = n.add(code, r, tail)
    s = n.power_of_two(code, exponent, x)
    y = n.divide(code, 1.0, n.multiply_add(code, s, w, n.add(code, s, 1.0)))
    if code.compensated:
        share = n.multiply(code, y, s)
        left = n.add(code, n.subtract(code, 0.5, share), n.subtract(code, 0.5, y))
        minus = code.negate(share)
        y = n.multiply_add(code, y, n.multiply_add(code, minus, tail, n.multiply_add(code, minus, r, left)), y)
    return code.rarely_by(n.compare(code, "olt", x, low), y, "sigmoid", _sigmoid_below, x, y)


def _sigmoid_below(code: Code, arguments: list[Value]) -> Value:
    x, usual = arguments
    return code.select(n.compare(code, "olt", x, LOGISTIC[x.type.element][0]), exp(code, x), usual)


def of_pair(code: Code, r: Pair) -> Pair:
    """e**r for |r| <= ln(2) / 2, more accurate than its rounding."""
    most = n.exact_sum(code, n.number(r.high, 1.0), r.high)
    slope = n.polynomial(code, r.high, EXP[r.high.type.element])
    tail = n.plus_product(code, n.multiply(code, r.high, r.high), slope, r.low)
    return Pair(most.high, n.plus(code, tail, most.low))


def scale(code: Code, x: Value, whole: Value, exponent: Value | None) -> Value:
    """x * 2**whole, rounded once; the exponent has the same number in its low bits, where no instruction takes a float."""
    if exponent is None or _scales(code, x):
        return _scale_by_instruction(code, x, whole)
    return n.scaled(code, x, n.whole_of(code, exponent, x))


def _scales(code: Code, x: Value) -> bool:
    return code.module.scales and x.type.lanes * x.type.bits == 512


def _scale_by_instruction(code: Code, x: Value, whole: Value) -> Value:
    """AVX-512 has x * 2**floor(n) as one instruction, rounded once."""
    name = f"llvm.x86.avx512.mask.scalef.{'pd' if n.is_double(x) else 'ps'}.512"
    mask = f"i{x.type.lanes}"
    code.module.declare(name, x.type, x.type, x.type, x.type, mask, "i32")
    return code.pure(
        x.type, f"call {x.type} @{name}({x.type} {x.text}, {x.type} {whole.text}, {x.type} zeroinitializer, {mask} -1, i32 4)", x, whole
    )
