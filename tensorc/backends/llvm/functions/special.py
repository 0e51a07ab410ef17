"""tanh, erf and pow by way of exp and log.

f32: tanh and erf after N. Juffa, pow in f64. Within 2 units in the last place, tanh of f64 within 2.5.
"""

from __future__ import annotations

from collections.abc import Callable

from tensorc.backends.llvm import library
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.exponential import exp, exp2, expm1
from tensorc.backends.llvm.functions.logarithm import log2
from tensorc.backends.llvm.types import Value


def tanh(code: Code, x: Value) -> Value:
    if n.is_double(x):
        a = n.at_most(code, code.intrinsic("fabs", x), 20.0)
        tail = expm1(code, n.add(code, a, a))
        result = n.divide(code, tail, n.add(code, tail, 2.0))
        return code.intrinsic("copysign", result, x)
    a = code.intrinsic("fabs", x)
    y = exp(code, n.at_most(code, n.add(code, a, a), 40.0))
    large = n.subtract(code, 1.0, n.divide(code, 2.0, n.add(code, y, 1.0)))
    z = n.multiply(code, x, x)
    p = n.polynomial(code, z, (1.57394409e-2, -5.23025580e-2, 1.33152470e-1, -3.33327681e-1))
    small = n.multiply_add(code, n.multiply(code, p, z), x, x)
    result = n.choose(code, n.compare(code, "olt", a, 0.55), small, code.intrinsic("copysign", large, x))
    return n.choose(code, n.compare(code, "oeq", x, 0.0), x, result)


def erf(code: Code, x: Value) -> Value:
    if n.is_double(x):
        return library.call(code, "erf", x)
    a, z = code.intrinsic("fabs", x), n.multiply(code, x, x)
    r = n.multiply_add(code, n.number(x, -1.72853470e-5), a, 3.83197126e-4)
    u = n.multiply_add(code, n.number(x, -3.88396438e-3), a, 2.42546219e-2)
    r = n.multiply_add(code, r, z, u)
    for c in (-1.06777877e-1, -6.34846687e-1, -1.28717512e-1):
        r = n.multiply_add(code, r, a, c)
    r = n.multiply_add(code, r, a, code.negate(a))
    large = n.subtract(code, 1.0, exp(code, r))
    p = n.polynomial(code, z, (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1))
    small = n.multiply_add(code, p, x, x)
    result = n.choose(code, n.compare(code, "ogt", a, 0.921875), code.intrinsic("copysign", large, x), small)
    return n.choose(code, n.compare(code, "oeq", x, 0.0), x, result)


def power(code: Code, x: Value, y: Value) -> Value:
    """x ** y. A few constant powers are products and roots."""
    simple = next((make for constant, make in SIMPLE_POWERS.items() if n.number(y, constant).text == y.text), None)
    if simple is not None:
        return simple(code, x)
    if n.is_double(x):
        return library.call(code, "pow", x, y)
    return _power(code, x, y)


def _product(factors: int) -> Callable[[Code, Value], Value]:
    def product(code: Code, x: Value) -> Value:
        square = n.multiply(code, x, x)
        return {1: x, 2: square, 3: n.multiply(code, square, x), 4: n.multiply(code, square, square)}[factors]

    return product


def _root(code: Code, x: Value) -> Value:
    """pow's square root: of -0 it is 0, of -inf inf."""
    root = code.intrinsic("sqrt", n.add(code, x, 0.0))
    return n.choose(code, n.compare(code, "oeq", x, float("-inf")), float("inf"), root)


SIMPLE_POWERS: dict[float, Callable[[Code, Value], Value]] = {
    0.0: lambda code, x: n.number(x, 1.0),
    0.5: _root,
    1.0: _product(1),
    2.0: _product(2),
    3.0: _product(3),
    4.0: _product(4),
    -0.5: lambda code, x: n.divide(code, 1.0, _root(code, x)),
    -1.0: lambda code, x: n.divide(code, 1.0, x),
}


def _power(code: Code, x: Value, y: Value) -> Value:
    """2 ** (y * log2 |x|), in f64 so that f32 loses nothing, with the sign of an odd power."""
    double = x.type.with_element("double")
    a, b = code.convert("fpext", code.intrinsic("fabs", x), double), code.convert("fpext", y, double)
    size = code.convert("fptrunc", exp2(code, n.multiply(code, b, log2(code, a))), x.type)
    half = n.multiply(code, y, 0.5)
    whole = n.compare(code, "oeq", code.intrinsic("floor", y), y)
    odd = code.binary("and", whole, n.compare(code, "one", code.intrinsic("floor", half), half))
    result = code.select(odd, code.intrinsic("copysign", size, x), size)
    negative = code.binary("and", n.compare(code, "olt", x, 0.0), n.compare(code, "ogt", x, float("-inf")))
    undefined = code.binary("and", negative, n.compare(code, "one", code.intrinsic("floor", y), y))
    result = n.choose(code, undefined, float("nan"), result)
    endless = n.compare(code, "oeq", code.intrinsic("fabs", y), float("inf"))
    one = code.binary("or", n.compare(code, "oeq", y, 0.0), n.compare(code, "oeq", x, 1.0))
    one = code.binary("or", one, code.binary("and", endless, n.compare(code, "oeq", x, -1.0)))
    return n.choose(code, one, 1.0, result)
