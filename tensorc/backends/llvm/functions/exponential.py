"""exp and its kin: x = n * ln 2 + r with |r| <= ln(2) / 2, a polynomial of r, and the exponent put in by integer arithmetic.

e**r is 1 + r * (1 + r * Q(r)), whose errors other than that of the last rounding add up to 0.4 units in the last place.
"""

from __future__ import annotations

from typing import NamedTuple

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import EXP, EXP2, EXP2_BESIDE, EXP_BESIDE, EXPM1, POWERS
from tensorc.backends.llvm.functions.lookup import lookup
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import Value, constant

LOG2_E = 1.44269504088896341

# ln 2 in two parts, the first with so few bits that its product with n is exact.
LN2_PARTS = {"float": (0.693359375, -2.12194440e-4), "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}

# In two parts, the first with all bits of its type.
LN2_WHOLLY = {"float": (0.693147182464599609375, -1.9046543095e-9), "double": (0.6931471805599453, 2.3190468138462996e-17)}

# Beyond these the result is 0 or infinite, and 2**n has the exponents that `scaled` can make.
RANGE = {"float": (-104.5, 89.0), "double": (-746.0, 710.0)}

# Below this expm1 rounds to -1; within SMALL of 0 it is x.
LEAST_EXPM1 = {"float": -20.0, "double": -40.0}
SMALL = {"float": 2.0**-26, "double": 2.0**-55}

# Where the size of x is less, e**x and e**-x are normal numbers.
LOGISTIC = {"float": 86.0, "double": 700.0}


EIGHTHS = len(POWERS["double"])


class Product(NamedTuple):
    """first * (1 + rest), where rounding has taken little of the two and `first` is a power of two times a number of a table."""

    first: Value
    rest: Value


def exp(code: Code, x: Value) -> Value:
    low, high = RANGE[x.type.element]
    x = n.at_least(code, n.at_most(code, x, high), low)
    whole, exponent = n.nearest(code, x, LOG2_E)
    r = reduced(code, x, whole).high
    slope = n.multiply_add(code, r, n.polynomial(code, r, EXP[r.type.element]), 1.0)
    return scale(code, n.multiply_add(code, r, slope, 1.0), whole, exponent)


def exp2(code: Code, x: Value) -> Value:
    """Where one instruction scales, it makes of NaN and an infinite n what it should be, and nothing need be limited."""
    if not _scales(code, x):
        low, high = (limit * LOG2_E for limit in RANGE[x.type.element])
        x = n.at_least(code, n.at_most(code, x, high), low)
    if n.is_double(x):
        return _exp2_by_table(code, x)
    whole, exponent = (code.intrinsic("roundeven", x), None) if _scales(code, x) else n.nearest(code, x, 1.0)
    r = n.subtract(code, x, whole)
    slope = n.polynomial(code, r, EXP2[r.type.element], short=len(EXP2[r.type.element]))
    return scale(code, n.multiply_add(code, r, slope, 1.0), whole, exponent)


def _exp2_by_table(code: Code, x: Value) -> Value:
    """To the nearest eighth by a table, which leaves a shorter polynomial."""
    whole, place = n.nearest(code, x, 1.0, parts=EIGHTHS)
    whole = _to_eighths(code, x) if _scales(code, x) else whole
    return _power_of_eighths(code, whole, place, n.polynomial(code, n.subtract(code, x, whole), EXP2_BESIDE[x.type.element]))


def exp_of_sum(code: Code, high: Value, low: Value) -> Value:
    """e**(high + low) of f64 for numbers in RANGE and small ones."""
    whole, place = n.nearest(code, high, LOG2_E, parts=EIGHTHS)
    first, second = LN2_WHOLLY["double"]
    r = n.multiply_add(code, whole, -second, n.multiply_add(code, whole, -first, high))
    return _power_of_eighths(code, whole, place, n.polynomial(code, n.add(code, r, low), EXP_BESIDE["double"]))


def _power_of_eighths(code: Code, whole: Value, place: Value, rest: Value) -> Value:
    """2**whole * (1 + rest) * c for a multiple of 1/8, whose eighths `place` counts, and the first c of the powers."""
    power = lookup(code, POWERS["double"], place, whole.type)
    found = n.multiply_add(code, power, rest, power)
    if _scales(code, whole):
        return _scale_by_instruction(code, found, whole)
    eighths = n.whole_of(code, place, whole, parts=EIGHTHS)
    return n.scaled(code, found, code.binary("ashr", eighths, constant(place.type, 3)))


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
    """1 / (1 + e**-x), and what is left of 1 - y * (1 + e**-x) of the quotient y. Far below 0 it is e**x.

    A part of 1 less y * t, with the first factor t of e**-x, and the rest of 1 less y round little: of all of 1 the less the smaller y is,
    as f32 needs it, whose table rounds more; of 3/4 an eighth of a unit in the last place below 1/2, and not more near it.
    """
    t, w = _by_table(code, code.negate(x))
    product = n.multiply(code, t, w)
    y = n.divide(code, 1.0, n.add(code, n.add(code, t, 1.0), product))
    if code.compensated:
        minus = code.negate(y)
        rest = n.subtract(code, 0.25, y) if n.is_double(x) else minus
        left = n.add(code, n.multiply_add(code, minus, t, 0.75 if n.is_double(x) else 1.0), rest)
        y = n.multiply_add(code, y, n.multiply_add(code, minus, product, left), y)
    far = n.compare(code, "uge", code.intrinsic("fabs", x), LOGISTIC[x.type.element])
    return code.rarely_by(far, y, "sigmoid", _sigmoid_far, x, y)


def _sigmoid_far(code: Code, arguments: list[Value]) -> Value:
    x, usual = arguments
    near = n.compare(code, "olt", code.intrinsic("fabs", x), LOGISTIC[x.type.element])
    return code.select(near, usual, exp(code, n.at_most(code, x, 0.0)))


def _by_table(code: Code, x: Value) -> Product:
    """e**x where it is a normal number, with parts of its binary logarithm by a table."""
    table, (*slope, beside) = POWERS[x.type.element], EXP_BESIDE[x.type.element]
    whole, place = n.nearest(code, x, LOG2_E * len(table))
    first, second = (part / len(table) for part in LN2_WHOLLY[x.type.element])
    r = n.multiply_add(code, whole, -first, x)  # exact
    if n.is_double(x):
        r, start = n.multiply_add(code, whole, -second, r), n.number(x, beside)
    else:  # so small a part is sooner added to the result
        start = n.multiply_add(code, whole, -second, beside)
    rest = n.multiply_add(code, n.polynomial(code, r, slope), r, start)
    # The table's place is a part of what is added to the exponent, and so is taken from the table.
    unit = (52 if n.is_double(x) else 23) + 1 - len(table).bit_length()
    power = lookup(code, [n.with_bits_less(v, k << unit, x.type.element) for k, v in enumerate(table)], place, x.type)
    exponent = code.binary("shl", place, constant(place.type, unit))
    return Product(n.floating(code, code.binary("add", n.bits(code, power), exponent), x), rest)


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


def _to_eighths(code: Code, x: Value) -> Value:
    """AVX-512 rounds to eighths too, however large x is."""
    name, mask = "llvm.x86.avx512.mask.rndscale.pd.512", f"i{x.type.lanes}"
    code.module.declare(name, x.type, x.type, "i32", x.type, mask, "i32")
    return code.pure(x.type, f"call {x.type} @{name}({x.type} {x.text}, i32 48, {x.type} zeroinitializer, {mask} -1, i32 4)", x)


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
