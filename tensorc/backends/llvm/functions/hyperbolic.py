"""sinh, cosh, tanh and their inverses. Within 1 unit in the last place."""

from __future__ import annotations

from dataclasses import dataclass

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import ATANH, COSH, SINH
from tensorc.backends.llvm.functions.exponential import LOG2_E, reduced, scale
from tensorc.backends.llvm.functions.logarithm import LN2, log_of_pair
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.types import Value, constant

# Where the results are infinite, tanh is 1, and 2**(-2n) is nothing beside 1.
INFINITE = {"float": 90.0, "double": 711.0}
ONE = {"float": 10.0, "double": 20.0}
FAR = {"float": 30, "double": 60}

# Beyond these a + sqrt(a**2 + 1) is 2 * a, and a**2 may be infinite.
GREAT = {"float": 2.0**20, "double": 2.0**40}

# Within these of 0 asinh x is x.
SMALL = {"float": 2.0**-13, "double": 2.0**-28}


@dataclass(frozen=True)
class Curve:
    """sinh a and cosh a are these times 2**(n-1), n >= 0; `whole` is n."""

    sinh: Pair
    cosh: Pair
    whole: Value
    exponent: Value


def curve(code: Code, a: Value, both: bool = False) -> Curve:
    """a = n * ln 2 + r gives 2 sinh a / 2**n = (1 - k) * cosh r + (1 + k) * sinh r with k = 2**(-2n): nothing cancels, and no division.

    `both` says whether each is to be more accurate than its own rounding, so that their quotient is accurate.
    """
    element = a.type.element
    whole, exponent = n.nearest(code, a, LOG2_E)
    r = reduced(code, a, whole)
    z = n.multiply(code, r.high, r.high)
    c = n.multiply(code, z, n.polynomial(code, z, COSH[element]))  # cosh r - 1
    s = n.plus_product(code, n.multiply(code, z, r.high), n.polynomial(code, z, SINH[element]), r.low)  # sinh r - r.high
    assert s is not None
    limited = code.intrinsic("smin", n.whole_of(code, exponent, a), constant(exponent.type, FAR[element]))
    twice = code.binary("shl", limited, constant(exponent.type, 53 if n.is_double(a) else 24))
    k = n.floating(code, code.binary("sub", n.bits_of(a, 1.0), twice), a)
    one = n.number(a, 1.0)
    difference, total = n.exact_sum(code, one, code.negate(k)), n.exact_sum(code, one, k)
    sinh, cosh = (_combined(code, *pairs, r.high, c, s, both) for pairs in ((difference, total), (total, difference)))
    return Curve(sinh, cosh, whole, exponent)


def _combined(code: Code, a: Pair, b: Pair, r: Value, c: Value, s: Value, wholly: bool) -> Pair:
    """a * (1 + c) + b * (r + s), `wholly` with what is lost of b, which is less than k is."""
    product = n.exact_product(code, b.high, r)
    most = n.exact_sum(code, a.high, product.high)
    low = n.plus(code, n.multiply_add(code, a.high, c, n.multiply(code, b.high, s)), most.low, product.low, a.low)
    return Pair(most.high, n.plus_product(code, b.low, r, low) if wholly else low)


def sinh(code: Code, x: Value) -> Value:
    found = curve(code, n.at_most(code, code.intrinsic("fabs", x), INFINITE[x.type.element]))
    return code.intrinsic("copysign", _half_scaled(code, found, found.sinh), x)


def cosh(code: Code, x: Value) -> Value:
    found = curve(code, n.at_most(code, code.intrinsic("fabs", x), INFINITE[x.type.element]))
    return _half_scaled(code, found, found.cosh)


def _half_scaled(code: Code, found: Curve, pair: Pair) -> Value:
    return scale(code, n.sum_of(code, pair), n.add(code, found.whole, -1.0), n.minus_one(code, found.exponent))


def tanh(code: Code, x: Value) -> Value:
    found = curve(code, n.at_most(code, code.intrinsic("fabs", x), ONE[x.type.element]), both=True)
    bottom = found.cosh if found.cosh.low is None else n.exact_sum(code, found.cosh.high, found.cosh.low)
    return code.intrinsic("copysign", n.sum_of(code, n.quotient(code, found.sinh, bottom)), x)


def asinh(code: Code, x: Value) -> Value:
    """log(1 + w) with w = a + a**2 / (1 + sqrt(a**2 + 1))."""
    a = code.intrinsic("fabs", x)
    great = n.compare(code, "ogt", a, GREAT[x.type.element])
    square = n.exact_product(code, n.choose(code, great, 1.0, a), a)
    under = n.exact_sum_of_any(code, square.high, n.number(a, 1.0))
    root = n.root_of(code, Pair(under.high, n.plus(code, under.low, square.low)))
    below = n.exact_sum_of_any(code, root.high, n.number(a, 1.0))
    more = n.quotient(code, square, Pair(below.high, n.plus(code, below.low, root.low)))
    result = _log1p_or_double(code, a, great, n.exact_sum(code, a, more.high), more.low)
    return n.choose(code, n.compare(code, "ult", a, SMALL[x.type.element]), x, code.intrinsic("copysign", result, x))


def acosh(code: Code, x: Value) -> Value:
    """log(1 + w) with w = t + sqrt(2 t + t**2) and t = x - 1."""
    great = n.compare(code, "ogt", x, GREAT[x.type.element])
    t = n.add(code, n.choose(code, great, 1.0, x), -1.0)
    square = n.exact_product(code, t, t)
    under = n.exact_sum_of_any(code, n.add(code, t, t), square.high)
    root = n.root_of(code, Pair(under.high, n.plus(code, under.low, square.low)))
    result = _log1p_or_double(code, x, great, n.exact_sum(code, root.high, t), root.low)
    return n.choose(code, n.compare(code, "ult", x, 1.0), float("nan"), result)


def _log1p_or_double(code: Code, a: Value, great: Value, w: Pair, low: Value | None) -> Value:
    """log1p(w + low), or log(2 a) where a is great."""
    u, lost = _one_more(code, w.high)
    more = n.plus(code, lost, w.low, low)
    assert more is not None
    twice = n.choose(code, great, 1.0, n.number(a, 0.0))
    result = log_of_pair(code, code.select(great, a, u), n.choose(code, great, 0.0, more), twice)
    return n.choose(code, n.compare(code, "oeq", a, float("inf")), a, result)


def _one_more(code: Code, w: Value) -> tuple[Value, Value]:
    """1 + w and what rounding takes from it, of a w that is not negative nor so great that a 1 is nothing beside it."""
    u = n.add(code, w, 1.0)
    return u, n.subtract(code, w, n.add(code, u, -1.0))


def _atanh_by_log1p(code: Code, a: Value) -> Value:
    """log(1 + 2 a / (1 - a)) / 2."""
    u, lost = _one_more(code, n.divide(code, n.add(code, a, a), n.subtract(code, 1.0, a)))
    return n.multiply(code, log_of_pair(code, u, lost), 0.5)


def atanh(code: Code, x: Value) -> Value:
    a = code.intrinsic("fabs", x)
    result = _atanh_by_quotient(code, a) if code.compensated else _atanh_by_log1p(code, a)
    result = n.choose(code, n.compare(code, "oeq", a, 1.0), float("inf"), result)
    result = n.choose(code, n.compare(code, "ugt", a, 1.0), float("nan"), result)
    return code.intrinsic("copysign", result, x)


def _atanh_by_quotient(code: Code, a: Value) -> Value:
    """k * ln(2) / 2 + atanh(s) with (1 + a) / (1 - a) = 2**k * (1 + s) / (1 - s)."""
    one = n.number(a, 1.0)
    above, below = n.exact_sum(code, one, a), n.exact_sum(code, one, code.negate(a))
    bits = code.binary("sub", n.bits(code, above.high), n.bits(code, below.high))
    mantissa = 52 if n.is_double(a) else 23
    k = code.binary("ashr", code.binary("add", bits, constant(bits.type, 1 << mantissa - 1)), constant(bits.type, mantissa))
    factor = n.power_of_two(code, k, a)
    scaled = Pair(n.multiply(code, below.high, factor), None if below.low is None else n.multiply(code, below.low, factor))
    bottom = n.exact_sum(code, above.high, scaled.high)
    less = None if above.low is None or scaled.low is None else n.subtract(code, above.low, scaled.low)
    top = Pair(n.subtract(code, above.high, scaled.high), less)  # exact, since neither is twice the other
    s = n.quotient(code, top, Pair(bottom.high, n.plus(code, bottom.low, above.low, scaled.low)))
    z = n.multiply(code, s.high, s.high)
    tail = n.plus_product(code, n.multiply(code, z, s.high), n.polynomial(code, z, ATANH[a.type.element]), s.low)
    first, second = (part / 2 for part in LN2[a.type.element])
    whole = code.convert("sitofp", k, a.type)
    most = n.exact_sum(code, n.multiply(code, whole, first), s.high)
    assert tail is not None
    return n.sum_of(code, Pair(most.high, n.plus(code, n.multiply_add(code, whole, second, tail), most.low)))
