"""sin, cos and tan: x = n * pi/2 + r, and a polynomial of r for the quadrant. Large arguments are rare, and are the C library's.

f32: minimax polynomials. f64: fdlibm's k_sin.c and k_cos.c (Sun Microsystems, 1993). Within 2 units in the last place,
tan within 3.
"""

from __future__ import annotations

from collections.abc import Callable

from tensorc.backends.llvm import library
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.types import Value, constant

TWO_OVER_PI = 0.63661977236758134308

# pi / 2 in three parts; with as many bits as they have, r is exact to the last place for arguments up to LARGEST.
PARTS = {
    "float": (-1.57079601, -3.13916473e-7, -5.39030253e-15),
    "double": (-1.5707963267948966, -6.123233995736766e-17, 1.4973849048591833e-33),
}
LARGEST = {"float": 4e4, "double": 1e6}

SINE = {
    "float": (2.86567956e-6, -1.98559923e-4, 8.33338592e-3, -1.66666672e-1),
    "double": (
        1.58969099521155010221e-10,
        -2.50507602534068634195e-08,
        2.75573137070700676789e-06,
        -1.98412698298579493134e-04,
        8.33333333332248946124e-03,
        -1.66666666666666324348e-01,
    ),
}
COSINE = {
    "float": (2.44677067e-5, -1.38877297e-3, 4.16666567e-2),
    "double": (
        -1.13596475577881948265e-11,
        2.08757232129817482790e-09,
        -2.75573143513906633035e-07,
        2.48015872894767294178e-05,
        -1.38888888888741095749e-03,
        4.16666666666666019037e-02,
    ),
}


def sin(code: Code, x: Value) -> Value:
    return _or_large(code, x, "sin", lambda: _turned(code, x, *_small(code, x), quarter=0))


def cos(code: Code, x: Value) -> Value:
    return _or_large(code, x, "cos", lambda: _turned(code, x, *_small(code, x), quarter=1))


def tan(code: Code, x: Value) -> Value:
    def small() -> Value:
        sine, cosine, i = _small(code, x)
        odd = _is_odd(code, i)
        quotient = n.divide(code, code.select(odd, cosine, sine), code.select(odd, sine, cosine))
        return code.select(odd, code.negate(quotient), quotient)

    return _or_large(code, x, "tan", small)


def _or_large(code: Code, x: Value, name: str, small: Callable[[], Value]) -> Value:
    large = n.compare(code, "ogt", code.intrinsic("fabs", x), LARGEST[x.type.element])
    return code.rarely(large, small(), lambda: library.call(code, name, x))


def _small(code: Code, x: Value) -> tuple[Value, Value, Value]:
    """(sin r, cos r, n) with x = n * pi/2 + r."""
    whole, i = n.nearest(code, x, TWO_OVER_PI)
    r = x
    for part in PARTS[x.type.element]:
        r = n.multiply_add(code, whole, part, r)
    z = n.multiply(code, r, r)
    sine = n.multiply_add(code, n.multiply(code, r, z), n.polynomial(code, z, SINE[x.type.element]), r)
    sine = n.choose(code, n.compare(code, "oeq", r, 0.0), r, sine)  # the sign of zero
    half = n.multiply(code, z, 0.5)
    most = n.subtract(code, 1.0, half)
    lost = n.subtract(code, n.subtract(code, 1.0, most), half)
    cosine = n.add(code, most, n.multiply_add(code, n.multiply(code, z, z), n.polynomial(code, z, COSINE[x.type.element]), lost))
    return sine, cosine, i


def _turned(code: Code, x: Value, sine: Value, cosine: Value, i: Value, quarter: int) -> Value:
    """sin(r + (i + quarter) * pi/2)."""
    i = code.binary("add", i, constant(i.type, quarter)) if quarter else i
    value = code.select(_is_odd(code, i), cosine, sine)
    sign = code.binary("shl", code.binary("and", i, constant(i.type, 2)), constant(i.type, i.type.bits - 2))
    return n.floating(code, code.binary("xor", n.bits(code, value), sign), x)


def _is_odd(code: Code, i: Value) -> Value:
    return code.compare("icmp ne", code.binary("and", i, constant(i.type, 1)), constant(i.type, 0))
