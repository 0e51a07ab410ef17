"""Integer operations as LLVM instructions, total: no division traps, no shift is out of range, everything wraps."""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.types import Type, Value, constant, of


def maximum(code: Code, signed: bool, a: Value, b: Value) -> Value:
    return code.intrinsic("smax" if signed else "umax", a, b)


def minimum(code: Code, signed: bool, a: Value, b: Value) -> Value:
    return code.intrinsic("smin" if signed else "umin", a, b)


def negate(code: Code, signed: bool, x: Value) -> Value:
    return code.binary("sub", constant(x.type, 0), x)


def absolute(code: Code, signed: bool, x: Value) -> Value:
    return code.intrinsic("abs", x, extra="i1 false") if signed else x


def sign(code: Code, signed: bool, x: Value) -> Value:
    zero = constant(x.type, 0)
    above = code.convert("zext", code.compare("icmp ne" if not signed else "icmp sgt", x, zero), x.type)
    return code.binary("sub", above, code.convert("zext", code.compare("icmp slt", x, zero), x.type)) if signed else above


def invert(code: Code, signed: bool, x: Value) -> Value:
    return code.binary("xor", x, constant(x.type, -1 if x.type.element != "i1" else 1))


# Division.


def floordiv(code: Code, signed: bool, a: Value, b: Value) -> Value:
    """The floored quotient; 0 for a divisor of 0, and the least integer // -1 wraps."""
    zero = constant(b.type, 0)
    divisor, quotient = _divide(code, signed, a, b)
    if signed:
        left = code.binary("sub", a, code.binary("mul", quotient, divisor))
        opposite = code.compare("icmp slt", code.binary("xor", left, divisor), zero)
        lower = code.binary("and", opposite, code.compare("icmp ne", left, zero))
        quotient = code.binary("add", quotient, code.convert("sext", lower, a.type))
    return code.select(code.compare("icmp eq", b, zero), zero, quotient)


def remainder(code: Code, signed: bool, a: Value, b: Value) -> Value:
    """a - b * floordiv(a, b), but 0 for a divisor of 0."""
    left = fmod(code, signed, a, b)
    if not signed:
        return left
    zero = constant(b.type, 0)
    opposite = code.compare("icmp slt", code.binary("xor", left, b), zero)
    lower = code.binary("and", opposite, code.compare("icmp ne", left, zero))
    return code.binary("add", left, code.select(lower, b, zero))


def fmod(code: Code, signed: bool, a: Value, b: Value) -> Value:
    """The remainder of truncated division, with the dividend's sign; 0 for a divisor of 0: that one is divided by 1."""
    divisor, quotient = _divide(code, signed, a, b)
    return code.binary("sub", a, code.binary("mul", quotient, divisor))


def _divide(code: Code, signed: bool, a: Value, b: Value) -> tuple[Value, Value]:
    """(divisor, a / divisor truncated): b, or 1 where the division by b would trap."""
    one = constant(b.type, 1)
    if b.is_constant and b.text not in ("0", "-1") and not b.text.endswith((" 0)", " -1)")):
        return b, _quotient(code, signed, a, b)
    traps = code.compare("icmp eq", b, constant(b.type, 0))
    if signed:
        least = code.compare("icmp eq", a, constant(a.type, -1 << (a.type.bits - 1)))
        negated = code.compare("icmp eq", b, constant(b.type, -1))
        # The least integer divided by -1 is itself when it wraps, as when divided by 1, but its remainder by the divisor 1 is 0 too.
        traps = code.binary("or", traps, code.binary("and", least, negated))
    divisor = code.select(traps, one, b)
    return divisor, _quotient(code, signed, a, divisor)


def _quotient(code: Code, signed: bool, a: Value, divisor: Value) -> Value:
    """Vector units have no integer division, but the truncated float quotient of integers of half as many bits is exact."""
    bits = a.type.bits
    instruction = "sdiv" if signed else "udiv"
    if a.type.lanes == 0 or divisor.is_constant:
        return code.binary(instruction, a, divisor)
    if bits <= 32:
        wide = a.type.with_element("float" if bits <= 16 else "double")
        up, down = ("sitofp", "fptosi") if signed else ("uitofp", "fptoui")
        middle = a.type.with_element("i32")
        quotient = code.binary("fdiv", code.convert(up, a, wide), code.convert(up, divisor, wide))
        whole = code.convert(down, quotient, middle)
        return code.convert("trunc", whole, a.type)
    name = f"tensorc.{instruction}.{a.type.suffix}"
    code.module.helper(name, a.type, [a.type, a.type], lambda inner, values: inner.binary(instruction, *values))
    return code.call(name, a.type, a, divisor)


# Bits.


def shift_left(code: Code, signed: bool, a: Value, b: Value) -> Value:
    width = constant(b.type, b.type.bits)
    inside = code.compare("icmp ult", b, width)  # a negative amount is a great unsigned one
    return code.select(inside, code.binary("shl", a, code.select(inside, b, constant(b.type, 0))), constant(a.type, 0))


def shift_right(code: Code, signed: bool, a: Value, b: Value) -> Value:
    inside = code.compare("icmp ult", b, constant(b.type, b.type.bits))
    if signed:
        return code.binary("ashr", a, code.select(inside, b, constant(b.type, b.type.bits - 1)))
    return code.select(inside, code.binary("lshr", a, code.select(inside, b, constant(b.type, 0))), constant(a.type, 0))


# Power.


def power(code: Code, signed: bool, a: Value, b: Value) -> Value:
    """a ** b by repeated squaring, wrapped; a negative exponent gives 0, but for the bases 1 and -1."""
    name = f"tensorc.pow.{'s' if signed else 'u'}.{a.type.suffix}"
    code.module.helper(name, a.type, [a.type, b.type], lambda inner, values: _power(inner, signed, *values))
    return code.call(name, a.type, a, b)


def _power(code: Code, signed: bool, a: Value, b: Value) -> Value:
    one, zero = constant(a.type, 1), constant(a.type, 0)
    odd = code.compare("icmp ne", code.binary("and", b, one), zero)
    exponent = code.intrinsic("smax", b, zero) if signed else b
    steps = _bit_length(code, exponent)

    def square(counter: Value, carried: list[Value]) -> list[Value]:
        result, base, left = carried
        taken = code.compare("icmp ne", code.binary("and", left, one), zero)
        return [
            code.select(taken, code.binary("mul", result, base), result),
            code.binary("mul", base, base),
            code.binary("lshr", left, one),
        ]

    start = [one, a, exponent]
    _, (result, _, _) = code.loop(Value("0", of("i64")), steps, 1, start, square)
    if not signed:
        return result
    unit = code.binary("or", code.compare("icmp eq", a, one), code.compare("icmp eq", a, constant(a.type, -1)))
    below = code.select(unit, code.select(odd, a, one), zero)
    return code.select(code.compare("icmp slt", b, zero), below, result)


def _bit_length(code: Code, x: Value) -> Value:
    """How many bits the greatest lane of an unsigned x has, as i64."""
    greatest = code.intrinsic("vector.reduce.umax", x, result=x.type.with_lanes(0)) if x.type.lanes else x
    leading = code.intrinsic("ctlz", greatest, extra="i1 false")
    bits = code.binary("sub", constant(leading.type, x.type.bits), leading)
    return code.convert("zext", bits, of("i64"))


def resize(code: Code, signed: bool, x: Value, type: Type) -> Value:
    """x with more bits, by its sign where it is signed, or with its low bits."""
    return code.convert("trunc" if x.type.bits > type.bits else "sext" if signed else "zext", x, type)
