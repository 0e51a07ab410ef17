"""1 / sqrt and the cube root."""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import numeric as n
from tensorc.backends.llvm.types import Value, constant


def rsqrt(code: Code, x: Value) -> Value:
    """y = 1 / sqrt(x) with the first term of what it is off by, y * (1 - x * y**2) / 2."""
    y = n.divide(code, 1.0, code.intrinsic("sqrt", x))
    if not code.compensated or not code.module.fused:
        return y
    root = n.exact_product(code, x, y)
    error = n.multiply_add(code, code.negate(root.high), y, 1.0)
    assert root.low is not None
    error = n.multiply_add(code, code.negate(root.low), y, error)
    better = n.multiply_add(code, n.multiply(code, y, 0.5), error, y)
    return code.select(n.compare(code, "ord", better, 0.0), better, y)  # of 0 and infinity the error is NaN


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
