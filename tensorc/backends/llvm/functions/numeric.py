"""What the functions' approximations are written with: polynomials, rounding to an integer, and choices that keep NaN."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.types import Value, constant


def number(x: Value, value: float) -> Value:
    """A constant of x's type."""
    return constant(x.type, value)


def multiply_add(code: Code, a: Value, b: Value | float, c: Value | float) -> Value:
    """a * b + c, rounded once."""
    b, c = (v if isinstance(v, Value) else number(a, v) for v in (b, c))
    return code.intrinsic("fma", a, b, c)


class Pair(NamedTuple):
    """A number as the sum of two, the second what rounding took from the first. In fast mode nothing is kept of it: it is None."""

    high: Value
    low: Value | None


def exact_sum(code: Code, a: Value, b: Value) -> Pair:
    """a + b, where |a| >= |b| or a = 0 (T. J. Dekker, 1971)."""
    high = add(code, a, b)
    return Pair(high, subtract(code, b, subtract(code, high, a)) if code.compensated else None)


def exact_sum_of_any(code: Code, a: Value, b: Value) -> Pair:
    """a + b (D. E. Knuth, The Art of Computer Programming 2, 4.2.2)."""
    high = add(code, a, b)
    if not code.compensated:
        return Pair(high, None)
    of_b = subtract(code, high, a)
    of_a = subtract(code, high, of_b)
    return Pair(high, add(code, subtract(code, a, of_a), subtract(code, b, of_b)))


def exact_product(code: Code, a: Value, b: Value | float) -> Pair:
    """a * b."""
    high = multiply(code, a, b)
    return Pair(high, multiply_add(code, a, b, code.negate(high)) if code.compensated else None)


def plus(code: Code, *terms: Value | None) -> Value | None:
    """The sum from left to right of those that there are."""
    found = [t for t in terms if t is not None]
    total = found[0] if found else None
    for t in found[1:]:
        assert total is not None
        total = add(code, total, t)
    return total


def plus_product(code: Code, a: Value | None, b: Value | float, c: Value | None) -> Value | None:
    """a * b + c, of those that there are."""
    if a is None:
        return c
    return multiply(code, a, b) if c is None else multiply_add(code, a, b, c)


def sum_of(code: Code, pair: Pair) -> Value:
    return pair.high if pair.low is None else add(code, pair.high, pair.low)


def chosen(code: Code, condition: Value, a: Pair, b: Pair) -> Pair:
    """a where the condition holds, else b."""
    low = None if a.low is None or b.low is None else code.select(condition, a.low, b.low)
    if low is None and (a.low is not None or b.low is not None):
        return Pair(code.select(condition, sum_of(code, a), sum_of(code, b)), None)
    return Pair(code.select(condition, a.high, b.high), low)


def quotient(code: Code, a: Pair, b: Pair) -> Pair:
    """a / b, of normal numbers whose quotient is one; b.low is what rounding takes, a.low may be far greater."""
    if not code.compensated:
        return Pair(divide(code, sum_of(code, a), sum_of(code, b)), None)
    inverse = divide(code, 1.0, b.high)
    high = multiply(code, a.high, inverse)
    left = multiply_add(code, code.negate(high), b.high, a.high)
    left = left if a.low is None else add(code, left, a.low)
    left = left if b.low is None else multiply_add(code, code.negate(high), b.low, left)
    return Pair(high, multiply(code, left, inverse))


def root_of(code: Code, x: Pair) -> Pair:
    """The square root of a number that is not negative."""
    high = code.intrinsic("sqrt", x.high)
    if not code.compensated:
        return Pair(high, None)
    left = multiply_add(code, code.negate(high), high, x.high)
    left = left if x.low is None else add(code, left, x.low)
    return Pair(high, multiply(code, left, about_half_inverse(code, high)))


def about_half_inverse(code: Code, x: Value) -> Value:
    """1 / (2 x) of a normal number within an eighth, by the bits of its exponent: enough for a correction."""
    pattern = bits(code, x)
    return floating(code, code.binary("sub", constant(pattern.type, HALF_INVERSE[x.type.element]), pattern), x)


# What makes 1 / (2 x) of x where their bits are subtracted: the bits of 1/2 and 1, less what makes the error least on both sides.
HALF_INVERSE = {"float": 0x7E6EEEEF, "double": 0x7FCDDDDDDDDDDDDE}


SHORT = 6
"""Coefficients that are added up one after another."""


def polynomial(code: Code, x: Value, coefficients: Sequence[float], short: int = SHORT) -> Value:
    """The coefficients' polynomial, the highest degree first: by Horner's rule, or where it is longer than `short` by its even and its odd
    part. These are computed at once: sooner, with one more multiplication.
    """
    if len(coefficients) > short:
        square = multiply(code, x, x)
        even, odd = coefficients[-1::-2][::-1], coefficients[-2::-2][::-1]
        return multiply_add(code, polynomial(code, square, odd, short), x, polynomial(code, square, even, short))
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


def at_least_of(code: Code, a: Value, b: Value) -> Value:
    """The larger; b where either is NaN."""
    return code.select(compare(code, "ogt", a, b), a, b)


def choose(code: Code, condition: Value, then: Value | float, otherwise: Value) -> Value:
    return code.select(condition, then if isinstance(then, Value) else number(otherwise, then), otherwise)


def is_double(x: Value) -> bool:
    return x.type.element == "double"


def bits(code: Code, x: Value) -> Value:
    return code.convert("bitcast", x, x.type.integer)


def floating(code: Code, x: Value, like: Value) -> Value:
    return code.convert("bitcast", x, like.type)


def nearest(code: Code, x: Value, scale: float, parts: int = 1) -> tuple[Value, Value]:
    """(n, i): the integer nearest to x * scale as a float, and an integer whose low bits are its; |n| is less than 2**21 (f32) or 2**50.

    Adding 1.5 * 2**23 (2**52) rounds to an integer and leaves it in the low bits: no conversion that a NaN could break. With `parts` n is
    the nearest multiple of 1 / parts, and i counts these.
    """
    magic = MAGIC[x.type.element] / parts
    shifted = add(code, x, magic) if scale == 1.0 else multiply_add(code, x, scale, magic)
    return code.binary("fsub", shifted, number(x, magic)), bits(code, shifted)


MAGIC = {"float": 1.5 * 2.0**23, "double": 1.5 * 2.0**52}


def whole_of(code: Code, i: Value, like: Value, parts: int = 1) -> Value:
    """The integer whose low bits `nearest` gives."""
    return code.binary("sub", i, bits_of(like, MAGIC[like.type.element] / parts))


def minus_one(code: Code, n: Value) -> Value:
    """n - 1 of an integer."""
    return code.binary("add", n, constant(n.type, -1))


LEAST_NORMAL = {"float": 2.0**-126, "double": 2.0**-1022}


def is_edge(code: Code, x: Value, last: float = float("inf"), least: float | None = None) -> Value:
    """Whether x is less than `least`, by default whether it is 0 or negative, or it is at least `last` or NaN."""
    first = constant(x.type.integer, 1) if least is None else bits_of(x, least)
    size = code.binary("sub", bits_of(x, last), first)
    return code.compare("icmp uge", code.binary("sub", bits(code, x), first), size)


def bits_of(like: Value, value: float) -> Value:
    """The bits of a constant of the type, as an integer constant."""
    number, word = FORMS[like.type.element]
    (found,) = struct.unpack(word, struct.pack(number, value))
    return constant(like.type.integer, found)


FORMS = {"float": ("<f", "<i"), "double": ("<d", "<q")}


def with_bits_less(value: float, less: int, element: str) -> float:
    """The float whose bits are this one's less an integer."""
    number, word = FORMS[element]
    (found,) = struct.unpack(word, struct.pack(number, value))
    (result,) = struct.unpack(number, struct.pack(word, found - less))
    return float(result)


def subtract_bits(code: Code, a: float, b: float, like: Value) -> Value:
    """The bits of a less those of b, as an integer constant."""
    return code.binary("sub", bits_of(like, a), bits_of(like, b))


def scaled(code: Code, x: Value, n: Value) -> Value:
    """x * 2**n for an integer n, rounded once: in two steps, since 2**n alone may be out of range."""
    mantissa, bias = (52, 1023) if is_double(x) else (23, 127)
    half = code.binary("ashr", n, constant(n.type, 1))
    for part in (half, code.binary("sub", n, half)):
        power = code.binary("shl", code.binary("add", part, constant(n.type, bias)), constant(n.type, mantissa))
        x = code.binary("fmul", x, floating(code, power, x))
    return x


def power_of_two(code: Code, n: Value, like: Value, factor: float = 1.0) -> Value:
    """2**n * factor, in the range of exponents of normal numbers. Only as many bits of n count as an exponent has."""
    place = constant(n.type, 52 if is_double(like) else 23)
    return floating(code, code.binary("add", code.binary("shl", n, place), bits_of(like, factor)), like)
