"""exp and its kin: x = n * ln 2 + r with |r| <= ln(2) / 2, a polynomial of r, and the exponent put in by integer arithmetic.

Coefficients of f32 are minimax, those of f64 interpolate (e**r - 1 - r) / r**2 at Chebyshev nodes. Within 1.3 units in the last place,
expm1 within 2.2.
"""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.types import Value

LOG2_E = 1.44269504088896341
LN2 = 0.69314718055994531

# ln 2 in two parts, the first with so few bits that its product with n is exact.
LN2_PARTS = {"float": (0.693359375, -2.12194440e-4), "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}

# (e**r - 1 - r) / r**2 on |r| <= ln(2) / 2, the highest degree first.
TAIL = {
    "float": (1.3837752e-3, 8.3752083e-3, 4.1668389e-2, 1.6666418e-1, 4.9999994e-1),
    "double": (
        2.510038549551032e-08,
        2.7620088445409746e-07,
        2.7557268459997064e-06,
        2.4801521295954376e-05,
        0.00019841269863053618,
        0.0013888888917213717,
        0.008333333333330062,
        0.04166666666662413,
        0.16666666666666669,
        0.5000000000000001,
    ),
}

# Beyond these the result is 0 or infinite, and 2**n has the exponents that `scaled` can make.
RANGE = {"float": (-104.5, 89.0), "double": (-746.0, 710.0)}


def exp(code: Code, x: Value) -> Value:
    low, high = RANGE[x.type.element]
    x = n.at_least(code, n.at_most(code, x, high), low)
    whole, exponent = n.nearest(code, x, LOG2_E)
    return _scale(code, n.add(code, less_one(code, reduced(code, x, whole)), 1.0), whole, exponent)


def exp2(code: Code, x: Value) -> Value:
    low, high = RANGE[x.type.element]
    x = n.at_least(code, n.at_most(code, x, high * LOG2_E), low * LOG2_E)
    whole, exponent = n.nearest(code, x, 1.0)
    r = n.multiply(code, n.subtract(code, x, whole), LN2)
    return _scale(code, n.add(code, less_one(code, r), 1.0), whole, exponent)


def expm1(code: Code, x: Value) -> Value:
    result = n.multiply(code, half_expm1(code, x), 2.0)
    return n.choose(code, n.compare(code, "oeq", x, 0.0), x, result)


def half_expm1(code: Code, x: Value) -> Value:
    """(e**x - 1) / 2 = 2**(n-1) * (e**r - 1) + (2**(n-1) - 1/2), by quarters, so that it is finite where e**x may not be."""
    low, high = RANGE[x.type.element]
    limited = n.at_least(code, n.at_most(code, x, high + 0.5), low)
    whole, exponent = n.nearest(code, limited, LOG2_E)
    tail = less_one(code, reduced(code, limited, whole))
    quarter = _scale(code, n.number(x, 0.25), whole, exponent)
    return n.multiply(code, n.multiply_add(code, tail, quarter, n.add(code, quarter, -0.25)), 2.0)


def reduced(code: Code, x: Value, whole: Value) -> Value:
    """x - whole * ln 2."""
    first, second = LN2_PARTS[x.type.element]
    return n.multiply_add(code, whole, -second, n.multiply_add(code, whole, -first, x))


def less_one(code: Code, r: Value) -> Value:
    """e**r - 1 for |r| <= ln(2) / 2."""
    return n.multiply_add(code, n.multiply(code, r, r), n.polynomial(code, r, TAIL[r.type.element]), r)


def _scale(code: Code, x: Value, whole: Value, exponent: Value) -> Value:
    if code.module.scales and x.type.lanes * x.type.bits == 512:
        return _scale_by_instruction(code, x, whole)
    return n.scaled(code, x, exponent)


def _scale_by_instruction(code: Code, x: Value, whole: Value) -> Value:
    """AVX-512 has x * 2**floor(n) as one instruction, rounded once."""
    name = f"llvm.x86.avx512.mask.scalef.{'pd' if n.is_double(x) else 'ps'}.512"
    mask = f"i{x.type.lanes}"
    code.module.declare(name, x.type, x.type, x.type, x.type, mask, "i32")
    return code.pure(
        x.type, f"call {x.type} @{name}({x.type} {x.text}, {x.type} {whole.text}, {x.type} zeroinitializer, {mask} -1, i32 4)", x, whole
    )
