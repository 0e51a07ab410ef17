"""What the functions' approximations are written with: polynomials, rounding to an integer, and choices that keep NaN."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.types import Value, constant


def number(x: Value, value: float) -> Value:
    """A constant of x's type."""
    return constant(x.type, value)


def multiply_add(code: Code, a: Value, b: Value | float, c: Value | float) -> Value:
    """a * b + c, rounded once."""
    b, c = (v if isinstance(v, Value) else number(a, v) for v in (b, c))
    return code.intrinsic("fma", a, b, c)


def polynomial(code: Code, x: Value, coefficients: Sequence[float]) -> Value:
    """The coefficients' polynomial by Horner's rule, the highest degree first."""
    total = number(x, coefficients[0])
    for c in coefficients[1:]:
        total = code.intrinsic("fma", total, x, number(x, c))
    return total


def multiply(code: Code, a: Value, b: Value | float) -> Value:
    return code.binary("fmul", a, b if isinstance(b, Value) else number(a, b))


def add(code: Code, a: Value, b: Value | float) -> Value:
    return code.binary("fadd", a, b if isinstance(b, Value) else number(a, b))


def subtract(code: Code, a: Value | float, b: Value) -> Value:
    return code.binary("fsub", a if isinstance(a, Value) else number(b, a), b)


def divide(code: Code, a: Value | float, b: Value) -> Value:
    return code.binary("fdiv", a if isinstance(a, Value) else number(b, a), b)


def compare(code: Code, predicate: str, a: Value, b: Value | float) -> Value:
    """`predicate` of fcmp: ordered ones are false of NaN."""
    return code.compare(f"fcmp {predicate}", a, b if isinstance(b, Value) else number(a, b))


def at_most(code: Code, x: Value, limit: float) -> Value:
    """The limit where x is greater; NaN stays."""
    return code.select(compare(code, "ogt", x, limit), number(x, limit), x)


def at_least(code: Code, x: Value, limit: float) -> Value:
    return code.select(compare(code, "olt", x, limit), number(x, limit), x)


def choose(code: Code, condition: Value, then: Value | float, otherwise: Value) -> Value:
    return code.select(condition, then if isinstance(then, Value) else number(otherwise, then), otherwise)


def is_double(x: Value) -> bool:
    return x.type.element == "double"


def bits(code: Code, x: Value) -> Value:
    return code.convert("bitcast", x, x.type.integer)


def floating(code: Code, x: Value, like: Value) -> Value:
    return code.convert("bitcast", x, like.type)


def nearest(code: Code, x: Value, scale: float) -> tuple[Value, Value]:
    """(n, i): the integer nearest to x * scale as a float and as an integer; |n| is less than 2**21 (f32) or 2**50.

    Adding 1.5 * 2**23 (2**52) rounds to an integer and leaves it in the low bits: no conversion that a NaN could break.
    """
    magic = 1.5 * 2.0 ** (52 if is_double(x) else 23)
    shifted = multiply_add(code, x, scale, magic)
    i = code.binary("sub", bits(code, shifted), bits_of(shifted, magic))
    return code.binary("fsub", shifted, number(x, magic)), i


def bits_of(like: Value, value: float) -> Value:
    """The bits of a constant of the type, as an integer constant."""
    form = ("<d", "<q") if is_double(like) else ("<f", "<i")
    (found,) = struct.unpack(form[1], struct.pack(form[0], value))
    return constant(like.type.integer, found)


def scaled(code: Code, x: Value, n: Value) -> Value:
    """x * 2**n for an integer n, rounded once: in two steps, since 2**n alone may be out of range."""
    mantissa, bias = (52, 1023) if is_double(x) else (23, 127)
    half = code.binary("ashr", n, constant(n.type, 1))
    for part in (half, code.binary("sub", n, half)):
        power = code.binary("shl", code.binary("add", part, constant(n.type, bias)), constant(n.type, mantissa))
        x = code.binary("fmul", x, floating(code, power, x))
    return x


def power_of_two(code: Code, n: Value, like: Value) -> Value:
    """2**n for an integer n in the range of exponents of normal numbers."""
    mantissa, bias = (52, 1023) if is_double(like) else (23, 127)
    return floating(code, code.binary("shl", code.binary("add", n, constant(n.type, bias)), constant(n.type, mantissa)), like)
