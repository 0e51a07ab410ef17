"""1 / sqrt and the cube root."""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.functions.coefficients import RSQRT
from tensorc.backends.llvm.types import Value, constant

# What is about 1 / sqrt(x) less half of the bits of x, as if they were a number. Times its square x is in the interval of RSQRT.
ABOUT_RSQRT = {"float": 0x5F370000, "double": 0x5FE6E00000000000}

# From here on the square of 1 / sqrt(x) is subnormal.
LARGE = {"float": 2.0**124, "double": 2.0**1020}


def rsqrt(code: Code, x: Value) -> Value:
    """y by the bits of x and a polynomial of x * y**2, then the first terms of what it is off by: sooner than a root and a quotient."""
    if not code.module.fused:
        return n.divide(code, 1.0, code.intrinsic("sqrt", x))
    bits = n.bits(code, x)
    half = code.binary("lshr", bits, constant(bits.type, 1))
    y = n.floating(code, code.binary("sub", constant(bits.type, ABOUT_RSQRT[x.type.element]), half), x)
    square = n.multiply(code, n.multiply(code, x, y), y)
    y = n.multiply(code, y, n.polynomial(code, square, RSQRT[x.type.element]))
    usual = _improved(code, x, y)
    return code.rarely_by(_is_far(code, x), usual, "rsqrt", _rsqrt_at_edges, x, usual)


def _improved(code: Code, x: Value, y: Value) -> Value:
    """y * (1 + e / 2 + 3 e**2 / 8) with e = 1 - x * y**2; the square's rounding moves the result by a third of its last place at most."""
    error = n.multiply_add(code, code.negate(x), n.multiply(code, y, y), 1.0)
    if n.is_double(x):
        return n.multiply_add(code, n.multiply(code, y, error), n.multiply_add(code, error, 0.375, 0.5), y)
    return n.multiply_add(code, n.multiply(code, y, 0.5), error, y)


def _rsqrt_at_edges(code: Code, arguments: list[Value]) -> Value:
    """Of x that is not in between, scaled if it is positive and finite; 1 / sqrt(x) is exact if it is not."""
    x, usual = arguments
    small = n.compare(code, "olt", x, 1.0)
    power = LARGE[x.type.element] ** 0.5
    scaled = n.multiply(code, x, n.choose(code, small, power, n.number(x, 1 / power)))
    y = n.divide(code, 1.0, code.intrinsic("sqrt", scaled))
    better = n.multiply(code, _improved(code, scaled, y), n.choose(code, small, power**0.5, n.number(x, power**-0.5)))
    found = code.select(n.compare(code, "ord", better, 0.0), better, y)  # of 0 and infinity the error is NaN
    return code.select(_is_far(code, x), found, usual)


def _is_far(code: Code, x: Value) -> Value:
    return n.is_edge(code, x, LARGE[x.type.element], n.LEAST_NORMAL[x.type.element])


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
