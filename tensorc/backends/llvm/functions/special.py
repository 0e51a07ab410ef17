"""erf and erfc, of x * P(x * x) near 0 and exponentials elsewhere."""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import ERF, ERF_NEAR_0, ERFCX, EXP2, LOG2_ERFC
from tensorc.backends.llvm.functions.exponential import LOG2_E, of_pair, reduced, scale
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import Value

BETWEEN = 0.84375
FAR = 1.0000839233398438  # where log2(erfc(x)) is very nearly a float

# Where erf is 1, and erfc 0.
ONE = {"float": 4.0, "double": 6.0}
NOTHING = {"float": 10.5, "double": 27.5}
NEAR = 0.71875  # below this it is 1 - erf(x)
MIDDLE = 3.0  # where the variable of erfc's polynomial is 0
OFFSET = 1.25  # what the polynomial is less than the function


def erf(code: Code, x: Value) -> Value:
    """x + x * P(x * x) up to BETWEEN, and from there 1 - 2**(c + u * P(u)) with u = |x| - FAR.

    The whole number that the exponent is near to is taken from c, so that what is rounded is small.
    """
    element = x.type.element
    a, z = code.intrinsic("fabs", x), n.multiply(code, x, x)
    # By Horner's rule: the even and the odd part are greater than the whole, and so is what rounding takes of them.
    small = n.multiply_add(code, n.polynomial(code, z, ERF[element], short=len(ERF[element])), x, x)
    u = n.add(code, n.at_most(code, a, ONE[element]), -FAR)
    *slope, start = LOG2_ERFC[element]
    p = n.polynomial(code, u, slope)
    whole, exponent = n.nearest(code, n.multiply_add(code, p, u, start), 1.0)
    r = n.multiply_add(code, p, u, n.subtract(code, start, whole))
    power = n.multiply_add(code, r, n.polynomial(code, r, EXP2[element]), 1.0)
    rest = n.multiply_add(code, code.negate(n.power_of_two(code, exponent, x)), power, 1.0)
    return n.choose(code, n.compare(code, "ogt", a, BETWEEN), code.intrinsic("copysign", rest, x), small)


def erfc(code: Code, x: Value) -> Value:
    """e**(-a*a) * (1.25 + P(q)) / (1 + 2 a) with q = (a - 3) / (a + 3), of a = |x| (M. M. Shepherd and J. G. Laframboise, 1981).

    Near 0 it is 1 - erf(x).
    """
    element = x.type.element
    a = n.at_most(code, code.intrinsic("fabs", x), NOTHING[element])
    middle = n.number(a, MIDDLE)
    q = n.quotient(code, n.exact_sum_of_any(code, a, n.number(a, -MIDDLE)), n.exact_sum_of_any(code, a, middle))
    slope = n.polynomial(code, q.high, ERFCX[element][:-1])
    most = n.exact_sum(code, n.number(a, OFFSET), n.multiply_add(code, slope, q.high, ERFCX[element][-1]))
    top = Pair(most.high, n.plus_product(code, q.low, slope, most.low))
    share = n.quotient(code, top, n.exact_sum_of_any(code, n.add(code, a, a), n.number(a, 1.0)))
    with code.compensating(True):  # in fast mode too: the square is large
        square = n.exact_product(code, a, a)
    assert square.low is not None
    minus = code.negate(square.high)
    whole, exponent = n.nearest(code, minus, LOG2_E)
    r = reduced(code, minus, whole)
    if r.low is None:
        power = of_pair(code, Pair(n.subtract(code, r.high, square.low), None))
    else:
        power = of_pair(code, n.exact_sum(code, r.high, n.subtract(code, r.low, square.low)))
    product = n.exact_product(code, power.high, share.high)
    low = n.plus_product(code, power.low, share.high, n.plus_product(code, share.low, power.high, product.low))
    tail = scale(code, n.sum_of(code, Pair(product.high, low)), whole, exponent)
    far = n.choose(code, n.compare(code, "olt", x, 0.0), n.subtract(code, 2.0, tail), tail)
    less = n.exact_sum(code, n.number(x, 1.0), code.negate(x))
    rest = n.multiply(code, n.polynomial(code, n.multiply(code, x, x), ERF_NEAR_0[element]), x)
    near = n.subtract(code, less.high, rest if less.low is None else n.subtract(code, rest, less.low))
    return n.choose(code, n.compare(code, "olt", a, NEAR), near, far)
