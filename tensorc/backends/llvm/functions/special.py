"""erf, pow and the cube root. f32: erf after N. Juffa, the others in f64. Within 2 units in the last place."""

from __future__ import annotations

from collections.abc import Callable

from tensorc.backends.llvm import library
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.exponential import exp, exp2
from tensorc.backends.llvm.functions.logarithm import log2
from tensorc.backends.llvm.types import Value, constant


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


def cube_root(code: Code, x: Value) -> Value:
    """A third of the exponent, then Halley's iteration: each step has three times as many right digits."""
    double = x.type.with_element("double")
    wide = code.convert("fpext", x, double)
    a = code.intrinsic("fabs", wide)
    one = n.number(a, 1.0)
    tiny, huge = n.compare(code, "olt", a, 2.0**-1022), n.compare(code, "ogt", a, 2.0**1020)
    a = n.multiply(code, a, n.choose(code, tiny, 2.0**54, n.choose(code, huge, 2.0**-54, one)))
    bits = n.bits(code, a)
    high = code.convert("sitofp", code.binary("lshr", bits, constant(bits.type, 32)), double)
    third = code.convert("fptosi", n.multiply_add(code, high, 1 / 3, 715094163.0), bits.type)
    t = n.floating(code, code.binary("shl", third, constant(bits.type, 32)), a)
    for _ in range(3 if n.is_double(x) else 2):
        cube = n.multiply(code, n.multiply(code, t, t), t)
        change = n.divide(code, n.subtract(code, a, cube), n.multiply_add(code, cube, 2.0, a))
        t = n.multiply_add(code, t, change, t)
    t = n.multiply(code, t, n.choose(code, tiny, 2.0**-18, n.choose(code, huge, 2.0**18, one)))
    t = code.intrinsic("copysign", t, wide)
    special = code.binary("or", n.compare(code, "ueq", wide, 0.0), n.compare(code, "oeq", a, float("inf")))
    return code.convert("fptrunc", code.select(special, wide, t), x.type)
