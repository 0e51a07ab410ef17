"""pow: 2 ** (y * log2 |x|) of f32 in f64, e ** (y * log |x|) of f64 by sums of two, and the sign and special cases where they are rare."""

from __future__ import annotations

from collections.abc import Callable

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions import precise
from tensorc.backends.llvm.functions.coefficients import EXP2_ROUGH, EXP2_ROUGHER, LOG2_ROUGH, LOG2_ROUGHER
from tensorc.backends.llvm.functions.exponential import exp_of_sum
from tensorc.backends.llvm.functions.logarithm import exponent_and_rest
from tensorc.backends.llvm.functions.root import rsqrt
from tensorc.backends.llvm.types import Value

# |y| beyond LARGEST_Y is as good as this, and the size of exponents beyond RANGE is. What rounding takes from y * log x is small where |y|
# is less than GREAT.
LARGEST_Y = 2.0**80
RANGE = {"float": 160.0, "double": 760.0}
GREAT = {"float": float("inf"), "double": 2.0**40}


def power(code: Code, x: Value, y: Value) -> Value:
    """x ** y. A few constant powers are products and roots."""
    simple = next((make for constant, make in SIMPLE_POWERS.items() if n.number(y, constant).text == y.text), None)
    if simple is not None:
        return simple(code, x)
    unusual = n.is_edge(code, x, least=n.LEAST_NORMAL[x.type.element])
    unusual = code.binary("or", unusual, n.compare(code, "uge", code.intrinsic("fabs", y), GREAT[y.type.element]))
    return code.rarely_by(unusual, _size(code, x, y, rare=False), "pow", _special, x, y)


def _size(code: Code, x: Value, y: Value, rare: bool) -> Value:
    """x ** y of positive finite x and finite y; x may be subnormal and y GREAT where it is rare."""
    return _precise(code, x, y, rare) if n.is_double(x) else _widened(code, x, y)


def _special(code: Code, arguments: list[Value]) -> Value:
    x, y = arguments
    a = code.intrinsic("fabs", x)
    size = _size(code, a, y, rare=True)
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
    of_log2, of_exp2 = LOG2_ROUGH["double"], EXP2_ROUGH["double"]
    if not code.compensated:
        of_log2, of_exp2 = LOG2_ROUGHER["double"], (*EXP2_ROUGHER["double"], 1.0)
    a, b = code.convert("fpext", x, double), code.convert("fpext", y, double)
    exponent, f, *_ = exponent_and_rest(code, a, subnormal=False)
    logarithm = n.multiply_add(code, n.polynomial(code, f, of_log2), f, exponent)
    product = _limited(code, n.multiply(code, b, logarithm), RANGE["float"])
    whole, i = n.nearest(code, product, 1.0)
    r = n.subtract(code, product, whole)
    size = n.multiply(code, n.polynomial(code, r, of_exp2), n.power_of_two(code, i, r))
    return code.convert("fptrunc", size, x.type)


def _precise(code: Code, x: Value, y: Value, rare: bool) -> Value:
    """e ** (y * log x), of which the product is to be off by little where it is as large as 745."""
    y = _limited(code, y, LARGEST_Y) if rare else y
    logarithm = precise.log(code, x, subnormal=rare)
    log = n.add(code, logarithm.high, logarithm.low)
    log_low = n.add(code, n.subtract(code, logarithm.high, log), logarithm.low)
    high = n.multiply(code, y, log)
    low = n.multiply_add(code, y, log_low, n.multiply_add(code, y, log, code.negate(high)))
    limited = _limited(code, high, RANGE["double"])
    if rare:
        low = n.choose(code, n.compare(code, "oeq", limited, high), low, n.number(low, 0.0))
    return exp_of_sum(code, limited, low)


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
