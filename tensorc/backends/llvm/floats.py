"""Float operations as LLVM instructions, without fast-math flags: every result is the IEEE one."""

from __future__ import annotations

from tensorc.backends.llvm import library
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.types import Value, constant


def is_nan(code: Code, x: Value) -> Value:
    return code.compare("fcmp uno", x, x)


def is_infinite(code: Code, x: Value) -> Value:
    return code.compare("fcmp oeq", code.intrinsic("fabs", x), constant(x.type, float("inf")))


def is_finite(code: Code, x: Value) -> Value:
    return code.compare("fcmp olt", code.intrinsic("fabs", x), constant(x.type, float("inf")))


def sign_bit(code: Code, x: Value) -> Value:
    bits = code.convert("bitcast", x, x.type.integer)
    return code.compare("icmp slt", bits, constant(bits.type, 0))


def maximum(code: Code, a: Value, b: Value) -> Value:
    """The larger, a where they are equal; NaN where either is: of a where both are."""
    larger = code.select(code.compare("fcmp oge", a, b), a, b)
    return code.select(is_nan(code, a), a, larger)


def minimum(code: Code, a: Value, b: Value) -> Value:
    smaller = code.select(code.compare("fcmp ole", a, b), a, b)
    return code.select(is_nan(code, a), a, smaller)


def sign(code: Code, x: Value) -> Value:
    zero, one, minus = (constant(x.type, v) for v in (0.0, 1.0, -1.0))
    below = code.select(code.compare("fcmp olt", x, zero), minus, zero)
    return code.select(code.compare("fcmp ogt", x, zero), one, below)


def fmod(code: Code, a: Value, b: Value) -> Value:
    """a - b * trunc(a / b) exactly. The rounded quotient of moderate size is right or one too far from 0, and the remainder shows it."""
    if not code.module.fused:
        return library.call(code, "fmod", a, b)
    quotient = code.intrinsic("trunc", code.binary("fdiv", a, b))
    left = code.intrinsic("fma", code.negate(quotient), b, a)
    back = code.binary("fadd", left, code.intrinsic("copysign", b, a))
    along = code.binary("fmul", left, code.intrinsic("copysign", constant(a.type, 1.0), a))
    too_far = code.compare("fcmp olt", along, constant(a.type, 0.0))
    left = code.intrinsic("copysign", code.select(too_far, back, left), a)
    largest = constant(a.type, 2.0 ** (50 if a.type.element == "double" else 21))
    unusual = code.compare("fcmp uge", code.intrinsic("fabs", quotient), largest)
    unusual = code.binary("or", unusual, is_nan(code, left))
    return code.rarely(unusual, left, lambda: library.call(code, "fmod", a, b))


def remainder(code: Code, a: Value, b: Value) -> Value:
    """With the divisor's sign, as torch.remainder."""
    left = fmod(code, a, b)
    return code.select(_sign_differs(code, left, b), code.binary("fadd", left, b), left)


def floordiv(code: Code, a: Value, b: Value) -> Value:
    """As torch.floor_divide and CPython's float_divmod: the quotient corrected from the exact fmod."""
    zero, one = constant(a.type, 0.0), constant(a.type, 1.0)
    left, exact = fmod(code, a, b), code.binary("fdiv", a, b)
    quotient = code.binary("fdiv", code.binary("fsub", a, left), b)
    quotient = code.select(_sign_differs(code, left, b), code.binary("fsub", quotient, one), quotient)
    floored = code.intrinsic("floor", quotient)
    far = code.compare("fcmp ogt", code.binary("fsub", quotient, floored), constant(a.type, 0.5))
    floored = code.select(far, code.binary("fadd", floored, one), floored)
    signed_zero = code.intrinsic("copysign", zero, exact)
    floored = code.select(code.compare("fcmp oeq", quotient, zero), signed_zero, floored)
    return code.select(code.compare("fcmp oeq", b, zero), exact, floored)


def _sign_differs(code: Code, left: Value, b: Value) -> Value:
    zero = constant(b.type, 0.0)
    opposite = code.binary("xor", code.compare("fcmp olt", b, zero), code.compare("fcmp olt", left, zero))
    return code.binary("and", opposite, code.compare("fcmp une", left, zero))
