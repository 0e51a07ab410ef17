"""pow: 2 ** (y * log2 |x|), f32 in f64 and f64 by pairs, with the sign and the special cases of IEEE 754 where they are needed."""

from __future__ import annotations

from collections.abc import Callable

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import EXP2_ROUGH, LOG2_ROUGH, POWER_ATANH
from tensorc.backends.llvm.functions.exponential import of_pair, scale
from tensorc.backends.llvm.functions.logarithm import exponent_and_rest
from tensorc.backends.llvm.functions.numeric import Pair
from tensorc.backends.llvm.functions.root import rsqrt
from tensorc.backends.llvm.types import Value

LN2 = (0.6931471805599453, 2.3190468138462996e-17)
TWO_LOG2_E = (2.8853900817779268, 4.0710547481862066e-17)
THIRD = (0.3333333333333333, 1.850371707708594e-17)

# |y| beyond this is as good as this, and exponents beyond RANGE are.
LARGEST_Y = 2.0**80
RANGE = {"float": 160.0, "double": 1100.0}


def power(code: Code, x: Value, y: Value) -> Value:
    """x ** y. A few constant powers are products and roots."""
    simple = next((make for constant, make in SIMPLE_POWERS.items() if n.number(y, constant).text == y.text), None)
    if simple is not None:
        return simple(code, x)
    unusual = n.is_edge(code, x, least=n.LEAST_NORMAL[x.type.element])
    unusual = code.binary("or", unusual, n.compare(code, "uge", code.intrinsic("fabs", y), float("inf")))
    return code.rarely_by(unusual, _size(code, x, y, subnormal=False), "pow", _special, x, y)


def _size(code: Code, x: Value, y: Value, subnormal: bool) -> Value:
    """x ** y of positive finite x and finite y."""
    return _pairs(code, x, y, subnormal) if n.is_double(x) else _widened(code, x, y)


def _special(code: Code, arguments: list[Value]) -> Value:
    x, y = arguments
    a = code.intrinsic("fabs", x)
    size = _size(code, a, y, subnormal=True)
    at_end = code.binary("or", n.compare(code, "oeq", a, 0.0), n.compare(code, "oeq", a, float("inf")))
    at_end = code.binary("or", at_end, n.compare(code, "oeq", code.intrinsic("fabs", y), float("inf")))
    grows = code.compare("icmp eq", n.compare(code, "ogt", a, 1.0), n.compare(code, "ogt", y, 0.0))
    end = n.choose(code, grows, float("inf"), n.number(x, 0.0))
    size = code.select(at_end, n.choose(code, n.compare(code, "oeq", a, 1.0), 1.0, end), size)
    half = n.multiply(code, y, 0.5)
    whole = n.compare(code, "oeq", code.intrinsic("floor", y), y)
    odd = code.binary("and", whole, n.compare(code, "one", code.intrinsic("floor", half), half))
    result = code.select(odd, code.intrinsic("copysign", size, x), size)
    negative = code.binary("and", n.compare(code, "olt", x, 0.0), n.compare(code, "ogt", x, float("-inf")))
    undefined = code.binary("and", negative, n.compare(code, "one", code.intrinsic("floor", y), y))
    undefined = code.binary("or", undefined, n.compare(code, "uno", x, y))
    result = n.choose(code, undefined, float("nan"), result)
    one = code.binary("or", n.compare(code, "oeq", y, 0.0), n.compare(code, "oeq", x, 1.0))
    return n.choose(code, one, 1.0, result)


def _limited(code: Code, x: Value, limit: float) -> Value:
    return n.at_least(code, n.at_most(code, x, limit), -limit)


def _widened(code: Code, x: Value, y: Value) -> Value:
    """f32 by polynomials of f64 that are as precise as f32 needs: log2 to 36 bits, since it is multiplied by up to 150."""
    double = x.type.with_element("double")
    a, b = code.convert("fpext", x, double), code.convert("fpext", y, double)
    exponent, f, *_ = exponent_and_rest(code, a, subnormal=False)
    logarithm = n.multiply_add(code, n.polynomial(code, f, LOG2_ROUGH["double"]), f, exponent)
    product = _limited(code, n.multiply(code, b, logarithm), RANGE["float"])
    whole, i = n.nearest(code, product, 1.0)
    r = n.subtract(code, product, whole)
    size = n.multiply(code, n.polynomial(code, r, EXP2_ROUGH["double"]), n.power_of_two(code, i, r))
    return code.convert("fptrunc", size, x.type)


def _pairs(code: Code, x: Value, y: Value, subnormal: bool) -> Value:
    """log2 by 2 atanh(s) with s = f / (2 + f), to 66 bits, since it is multiplied by up to 1074."""
    y = _limited(code, y, LARGEST_Y)
    exponent, f, *_ = exponent_and_rest(code, x, subnormal)
    logarithm = log2_of_parts(code, exponent, f)
    high = n.multiply(code, y, logarithm.high)
    limited = _limited(code, high, RANGE["double"])
    low = n.plus_product(code, logarithm.low, y, n.exact_product(code, y, logarithm.high).low)
    whole, i = n.nearest(code, limited, 1.0)
    r = n.subtract(code, limited, whole)
    product = n.exact_product(code, r, LN2[0])
    if low is not None and product.low is not None:
        low = code.select(n.compare(code, "oeq", limited, high), low, n.number(low, 0.0))
        low = n.multiply_add(code, r, LN2[1], n.multiply_add(code, low, LN2[0], product.low))
        product = n.exact_sum(code, product.high, low)
    return scale(code, n.sum_of(code, of_pair(code, product)), whole, i)


def log2_of_parts(code: Code, exponent: Value, f: Value) -> Pair:
    """exponent + log2(1 + f) for |f| <= 1/3, to 66 bits."""
    s = n.quotient(code, Pair(f, None), n.exact_sum(code, n.number(f, 2.0), f))
    z = n.multiply(code, s.high, s.high)
    z_low = n.exact_product(code, s.high, s.high).low
    if s.low is not None:
        z_low = n.plus_product(code, n.add(code, s.high, s.high), s.low, z_low)
    third = n.exact_sum(code, n.number(z, THIRD[0]), n.multiply(code, z, n.polynomial(code, z, POWER_ATANH["double"])))
    factor = n.exact_product(code, z, third.high)
    if factor.low is not None and third.low is not None and z_low is not None:
        more = n.multiply_add(code, z, n.add(code, third.low, THIRD[1]), n.multiply_add(code, z_low, third.high, factor.low))
        factor = Pair(factor.high, more)
    rest = n.exact_product(code, s.high, factor.high)
    low = n.plus_product(code, factor.low, s.high, n.plus_product(code, s.low, factor.high, rest.low))
    most = n.exact_sum(code, s.high, rest.high)
    low = n.plus(code, most.low, s.low, low)
    scaled = n.exact_product(code, most.high, TWO_LOG2_E[0])
    total = n.exact_sum(code, exponent, scaled.high)
    if low is None:
        return total
    low = n.plus_product(code, most.high, TWO_LOG2_E[1], n.plus_product(code, low, TWO_LOG2_E[0], scaled.low))
    assert low is not None
    return n.exact_sum(code, total.high, low if total.low is None else n.add(code, total.low, low))


def _product(factors: int) -> Callable[[Code, Value], Value]:
    """x**3 and x**4 from an exact square, rounded once."""

    def product(code: Code, x: Value) -> Value:
        square = n.exact_product(code, x, x)
        second = x if factors == 3 else square.high
        rounded = n.multiply(code, square.high, second)
        if square.low is None:
            return rounded
        lost = square.low if factors == 3 else n.add(code, square.low, square.low)
        better = n.multiply_add(code, square.high, second, n.multiply(code, lost, second))
        return code.select(n.compare(code, "olt", code.intrinsic("fabs", rounded), float("inf")), better, rounded)

    return product


def _root(code: Code, x: Value) -> Value:
    """pow's square root: of -0 it is 0, of -inf inf."""
    root = code.intrinsic("sqrt", n.add(code, x, 0.0))
    return n.choose(code, n.compare(code, "oeq", x, float("-inf")), float("inf"), root)


def _inverse_root(code: Code, x: Value) -> Value:
    return n.choose(code, n.compare(code, "oeq", x, float("-inf")), 0.0, rsqrt(code, n.add(code, x, 0.0)))


SIMPLE_POWERS: dict[float, Callable[[Code, Value], Value]] = {
    0.0: lambda code, x: n.number(x, 1.0),
    0.5: _root,
    1.0: lambda code, x: x,
    2.0: lambda code, x: n.multiply(code, x, x),
    3.0: _product(3),
    4.0: _product(4),
    -0.5: _inverse_root,
    -1.0: lambda code, x: n.divide(code, 1.0, x),
}
