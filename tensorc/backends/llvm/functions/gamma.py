"""lgamma: a polynomial between its zeros at 1 and 2, Stirling's series from 4 on, and the reflection of negative numbers.

f32 is computed in f64, where nothing is compensated, and by shorter polynomials but where the reflection cancels.
"""

from __future__ import annotations

from dataclasses import dataclass

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import ATANH, ATANH_ROUGH, LGAMMA, LGAMMA_ROUGH, STIRLING, STIRLING_ROUGH
from tensorc.backends.llvm.functions.logarithm import log_in_parts, log_of_pair_in_parts, parts
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.functions.trigonometric import cosine, sine
from tensorc.backends.llvm.functions.zeros import near_zeros
from tensorc.backends.llvm.types import Value

MIDDLE = 1.75  # where the variable of the polynomial is 0
OFFSET = 0.46875  # what the polynomial is less than the function
SLOPE = -0.43  # about the polynomial's derivative
STIRLING_FROM = 4.0
LARGEST = 2.5599833278516383e305  # beyond this the result is infinite
TINY = 2.0**-70  # as near to 0, lgamma(-x) is lgamma(x)
HALF_LOG_2_PI_LESS_HALF = (0.4189385332046727, 1.6728209650585413e-17)
LOG_PI = (1.1447298858494002, 1.0265951162707826e-17)
PI = (3.141592653589793, 1.2246467991473532e-16)


@dataclass(frozen=True)
class Tables:
    """The polynomials' coefficients."""

    log: tuple[float, ...]
    near: tuple[float, ...]
    far: tuple[float, ...]


PRECISE = Tables(ATANH["double"], LGAMMA["double"], STIRLING["double"])
ROUGH = Tables(ATANH_ROUGH["double"], LGAMMA_ROUGH["double"], STIRLING_ROUGH["double"])


def lgamma(code: Code, x: Value) -> Value:
    """log |gamma(x)|, infinite at 0 and at negative integers."""
    if n.is_double(x):
        return _lgamma(code, x, PRECISE)
    with code.compensating(False):
        return code.convert("fptrunc", _lgamma(code, code.convert("fpext", x, x.type.with_element("double")), ROUGH), x.type)


def _lgamma(code: Code, x: Value, tables: Tables) -> Value:
    a = code.intrinsic("fabs", x)
    endless = code.binary("or", n.compare(code, "oeq", a, 0.0), n.compare(code, "ogt", a, LARGEST))
    usual = n.choose(code, endless, float("inf"), n.sum_of(code, _positive(code, a, tables, tables is PRECISE)))

    def rare(code: Code, arguments: list[Value]) -> Value:
        x, usual = arguments
        a = code.intrinsic("fabs", x)
        with code.compensating(tables is PRECISE):
            found = _reflected(code, a, _positive(code, a, PRECISE, tables is PRECISE), usual)
        return code.select(n.compare(code, "olt", x, 0.0), near_zeros(code, x, found) if tables is PRECISE else found, usual)

    name = "lgamma" if tables is PRECISE else "lgamma_rough"
    return code.rarely_by(n.compare(code, "olt", x, 0.0), usual, name, rare, x, usual)


def _positive(code: Code, a: Value, tables: Tables, exact_log: bool) -> Pair:
    """lgamma of positive finite numbers: of a < 1 by lgamma(a + 1) - log a, of 3 <= a < 4 by lgamma(a - 1) + log(a - 1)."""
    great, below, above = (n.compare(code, p, a, limit) for p, limit in (("oge", STIRLING_FROM), ("olt", 1.0), ("oge", 3.0)))
    zero, one = n.number(a, 0.0), n.number(a, 1.0)
    less = n.add(code, a, -1.0)
    inner = code.select(below, n.add(code, a, one), code.select(above, less, a))
    argument = code.select(great, a, code.select(below, a, code.select(above, less, one)))
    with code.compensating(exact_log):  # Stirling's series takes 1 from it and multiplies it
        logarithm = log_in_parts(code, parts(code, argument, tail=tables.log))
    near = _near_zeros(code, n.subtract(code, a, code.select(below, zero, n.choose(code, above, 2.0, one))), inner, tables)
    signed = [None if part is None else code.select(below, code.negate(part), part) for part in logarithm]
    assert signed[0] is not None
    total = n.exact_sum_of_any(code, near.high, signed[0])
    small = Pair(total.high, n.plus(code, near.low, signed[1], total.low))
    stirling = _stirling(code, a, logarithm, tables)
    if small.low is None or stirling.low is None:
        return Pair(code.select(great, n.sum_of(code, stirling), n.sum_of(code, small)), None)
    return Pair(code.select(great, stirling.high, small.high), code.select(great, stirling.low, small.low))


def _near_zeros(code: Code, first: Value, x: Value, tables: Tables) -> Pair:
    """(x - 1) * (x - 2) * P of 1 <= x <= 3, of which x - 1 is given exactly."""
    u = n.exact_product(code, first, n.add(code, first, -1.0))
    q = n.quotient(code, Pair(n.add(code, x, -MIDDLE), None), n.exact_sum(code, x, n.number(x, MIDDLE)))
    most = n.exact_sum(code, n.number(x, OFFSET), n.polynomial(code, q.high, tables.near))
    factor = Pair(most.high, n.plus_product(code, q.low, SLOPE, most.low))
    product = n.exact_product(code, u.high, factor.high)
    return Pair(product.high, n.plus_product(code, u.low, factor.high, n.plus_product(code, factor.low, u.high, product.low)))


def _stirling(code: Code, a: Value, logarithm: Pair, tables: Tables) -> Pair:
    """(a - 1/2) * (log a - 1) + (log(2 pi) - 1) / 2 + P(a**-2) / a."""
    inverse = n.divide(code, 1.0, a)
    series = n.multiply(code, n.polynomial(code, n.multiply(code, inverse, inverse), tables.far), inverse)
    factor = n.exact_sum_of_any(code, logarithm.high, n.number(a, -1.0))
    w = n.exact_sum(code, a, n.number(a, -0.5))
    product = n.exact_product(code, w.high, factor.high)
    first, second = HALF_LOG_2_PI_LESS_HALF
    total = n.exact_sum_of_any(code, product.high, n.number(a, first))
    low = n.plus_product(code, n.plus(code, factor.low, logarithm.low), w.high, n.plus(code, product.low, total.low))
    low = n.plus_product(code, w.low, factor.high, low)
    series = n.add(code, series, second)
    return Pair(total.high, series if low is None else n.add(code, low, series))


def _reflected(code: Code, a: Value, pair: Pair, usual: Value) -> Value:
    """log(pi) - log(a * |sin(pi a)|) - lgamma(a), which is lgamma(-a)."""
    r = code.intrinsic("fabs", n.subtract(code, a, code.intrinsic("roundeven", a)))
    by_cosine = n.compare(code, "ogt", r, 0.25)
    y = n.choose(code, by_cosine, n.subtract(code, 0.5, r), r)
    turn = n.exact_product(code, y, PI[0])
    angle = turn if turn.low is None else n.exact_sum(code, turn.high, n.multiply_add(code, y, PI[1], turn.low))
    s = n.chosen(code, by_cosine, cosine(code, angle), sine(code, angle))
    s = s if s.low is None else n.exact_sum(code, s.high, s.low)
    product = n.exact_product(code, s.high, a)
    product = Pair(product.high, n.plus_product(code, s.low, a, product.low))
    zero = n.number(a, 0.0)
    logarithm = log_in_parts(code, log_of_pair_in_parts(code, product.high, zero if product.low is None else product.low))
    first = n.exact_sum_of_any(code, n.number(a, LOG_PI[0]), code.negate(logarithm.high))
    total = n.exact_sum_of_any(code, first.high, code.negate(pair.high))
    low = n.plus(code, first.low, total.low)
    for part in (logarithm.low, pair.low):
        low = low if part is None or low is None else n.subtract(code, low, part)
    result = n.sum_of(code, Pair(total.high, None if low is None else n.add(code, low, LOG_PI[1])))
    result = n.choose(code, n.compare(code, "oeq", r, 0.0), float("inf"), result)
    keep = code.binary("or", n.compare(code, "olt", a, TINY), n.compare(code, "oeq", a, float("inf")))
    return code.select(keep, usual, result)
