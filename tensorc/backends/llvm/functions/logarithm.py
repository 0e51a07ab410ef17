"""log and its kin: x = 2**e * (1 + f) with f near 0, and log(1 + f) = f + a polynomial's rest.

f32: N. Juffa's minimax approximation. f64: fdlibm's e_log.c (Sun Microsystems, 1993). Within 2 units in the last place.
"""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.types import Value, constant

# Constants in two parts; the first has so few bits that its product with an exponent is exact.
LN2 = {"float": (0.693145752, 1.42860677e-6), "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}
LOG10_2 = {"float": (0.301025391, 4.60503907e-6), "double": (3.01029995663611771306e-01, 3.69423907715893078616e-13)}
LOG2_E = {"float": (1.44269502, 1.92596299e-8), "double": (1.4426950408889634, 2.0355273740931033e-17)}
LOG10_E = {"float": (0.434294492, -1.01030500e-8), "double": (0.4342944819032518, 1.098319650216765e-17)}


def log(code: Code, x: Value) -> Value:
    e, f, rest = _parts(code, x)
    first, second = LN2[x.type.element]
    return _special(code, x, n.multiply_add(code, e, first, n.multiply_add(code, e, second, n.add(code, f, rest))))


def log2(code: Code, x: Value) -> Value:
    e, f, rest = _parts(code, x)
    first, second = LOG2_E[x.type.element]
    small = n.multiply_add(code, f, second, n.multiply(code, rest, first))
    return _special(code, x, n.add(code, e, n.multiply_add(code, f, first, small)))


def log10(code: Code, x: Value) -> Value:
    e, f, rest = _parts(code, x)
    first, second = LOG10_2[x.type.element]
    factor, more = LOG10_E[x.type.element]
    small = n.multiply_add(code, e, second, n.multiply_add(code, f, more, n.multiply(code, rest, factor)))
    return _special(code, x, n.multiply_add(code, e, first, n.multiply_add(code, f, factor, small)))


def log1p(code: Code, x: Value) -> Value:
    """log(u) for u = 1 + x rounded, and what the rounding lost, divided by u."""
    u = n.add(code, x, 1.0)
    lost = n.subtract(code, x, n.add(code, u, -1.0))
    result = n.add(code, log(code, u), n.divide(code, lost, u))
    outside = code.binary("or", n.compare(code, "oeq", u, 0.0), n.compare(code, "oeq", u, float("inf")))
    result = n.choose(code, outside, log(code, u), result)
    return n.choose(code, n.compare(code, "oeq", x, 0.0), x, result)


def _parts(code: Code, x: Value) -> tuple[Value, Value, Value]:
    """(e, f, log(1 + f) - f) with 1 + f in about sqrt(1/2) .. sqrt(2); any values where x is not positive and finite."""
    double = n.is_double(x)
    mantissa, least, low = (52, 2.0**-1022, 0x3FE6A09E667F3BCD) if double else (23, 2.0**-126, 0x3F2AAAAB)
    scale = 2.0 ** (mantissa + 1)
    tiny = n.compare(code, "olt", x, least)  # subnormal: brought into range
    bits = n.bits(code, n.choose(code, tiny, n.multiply(code, x, scale), x))
    above = code.binary("and", code.binary("sub", bits, constant(bits.type, low)), constant(bits.type, -1 << mantissa))
    m = n.floating(code, code.binary("sub", bits, above), x)
    e = code.convert("sitofp", code.binary("ashr", above, constant(bits.type, mantissa)), x.type)
    e = n.choose(code, tiny, n.add(code, e, -float(mantissa + 1)), e)
    f = n.add(code, m, -1.0)
    return e, f, (_rest_double if double else _rest_single)(code, f)


def _rest_single(code: Code, f: Value) -> Value:
    """Two chains at once."""
    z = n.multiply(code, f, f)
    even = n.polynomial(code, z, (-0.130310059, -0.121484190, -0.166846052, -0.249996200))
    odd = n.polynomial(code, z, (0.140869141, 0.139814854, 0.200120345))
    r = n.multiply_add(code, odd, f, even)
    r = n.multiply_add(code, r, f, 0.333331972)
    r = n.multiply_add(code, r, f, -0.5)
    return n.multiply(code, r, z)


def _rest_double(code: Code, f: Value) -> Value:
    """s * (f*f/2 + R(s*s)) - f*f/2 with s = f / (2 + f)."""
    s = n.divide(code, f, n.add(code, f, 2.0))
    z = n.multiply(code, s, s)
    w = n.multiply(code, z, z)
    odd = n.polynomial(code, w, (1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01))
    even = n.polynomial(code, w, (1.479819860510658591e-01, 1.818357216161805012e-01, 2.857142874366239149e-01, 6.666666666666735130e-01))
    rest = n.multiply_add(code, odd, w, n.multiply(code, even, z))
    half = n.multiply(code, n.multiply(code, f, f), 0.5)
    return n.subtract(code, n.multiply(code, s, n.add(code, half, rest)), half)


def _special(code: Code, x: Value, result: Value) -> Value:
    """-inf of 0, NaN of what is negative, and infinity and NaN of themselves."""
    result = n.choose(code, n.compare(code, "olt", x, float("inf")), result, x)
    result = n.choose(code, n.compare(code, "olt", x, 0.0), float("nan"), result)
    return n.choose(code, n.compare(code, "oeq", x, 0.0), float("-inf"), result)
