"""Conversions between dtypes, each rounded once, and the half floats' ways in and out of memory."""

from __future__ import annotations

from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.integers import resize
from tensorc.backends.llvm.types import Type, Value, constant, memory_element, of, register
from tensorc.dtypes import DType, bf16, bool_, f16, f32, f64

ROUND = "llvm.x86.avx512bf16.cvtneps2bf16.512"
"""Rounds a register of f32 to bf16, but takes subnormal numbers as 0."""

CLASS, SUBNORMAL = "llvm.x86.avx512.fpclass.ps.512", 0x20
"""Tells of each lane whether it is in a class."""


def cast(code: Code, x: Value, source: DType, result: DType) -> Value:
    """x as another dtype: floats round, integers wrap, a float outside an integer's range saturates and NaN gives 0; bool is != 0."""
    if source is result:
        return x
    target = register(result, x.type.lanes)
    if source.is_float:
        if result.is_float:
            return _float_to_float(code, x, source, result)
        if result is bool_:
            return code.compare("fcmp une", x, constant(x.type, 0.0))
        return _float_to_integer(code, x, result, target)
    if result is bool_:
        return code.compare("icmp ne", x, constant(x.type, 0))
    if result.is_float:
        return _integer_to_float(code, x, source, result)
    return x if x.type is target else resize(code, source.kind == "int", x, target)


def bitcast(code: Code, x: Value, source: DType, result: DType) -> Value:
    """The same bits as another dtype of the same width."""
    bits = to_memory(code, x, source)
    return from_memory(code, code.convert("bitcast", bits, of(memory_element(result), x.type.lanes)), result)


# Memory.


def from_memory(code: Code, x: Value, dtype: DType) -> Value:
    """What a load of the memory's element gives, as it is in registers."""
    if dtype is bool_:
        return code.compare("icmp ne", x, constant(x.type, 0))
    if dtype is f16:
        return _extend_half(code, x)
    if dtype is bf16:
        return _extend_bf16(code, x)
    return x


def to_memory(code: Code, x: Value, dtype: DType) -> Value:
    """The element to store: a half float's value is one already, so nothing is rounded."""
    if dtype is bool_:
        return code.convert("zext", x, x.type.with_element("i8"))
    if dtype is f16:
        return _truncate_to_half(code, x)
    if dtype is bf16:
        if x.text in code.narrow:
            return code.narrow[x.text]
        bits = code.convert("bitcast", x, x.type.with_element("i32"))
        return code.convert("trunc", code.binary("lshr", bits, constant(bits.type, 16)), x.type.with_element("i16"))
    return x


# Rounding.


def round_half(code: Code, x: Value, dtype: DType) -> Value:
    """An f32 rounded to f16 or bf16, to nearest, ties to even; still an f32 in the register."""
    if dtype is f16:
        return _extend_half(code, _truncate_to_half(code, x))
    if code.module.rounds and x.type.lanes == 16:
        bits = _round_to_bf16(code, x)
        wide = _extend_bf16(code, bits)
        code.narrow[wide.text] = bits
        return wide
    return code.convert("bitcast", _bits_rounded_to_bf16(code, x), x.type)


def _bits_rounded_to_bf16(code: Code, x: Value) -> Value:
    """The bits of an f32 that is one of bf16."""
    bits = code.convert("bitcast", x, x.type.with_element("i32"))
    high = constant(bits.type, -65536)
    odd = code.binary("and", code.binary("lshr", bits, constant(bits.type, 16)), constant(bits.type, 1))
    rounded = code.binary("and", code.binary("add", bits, code.binary("add", odd, constant(bits.type, 0x7FFF))), high)
    quiet = code.binary("or", code.binary("and", bits, high), constant(bits.type, 0x400000))
    return code.select(code.compare("fcmp uno", x, x), quiet, rounded)


def _round_to_bf16(code: Code, x: Value) -> Value:
    """The bits of the bf16, by one instruction where no lane is subnormal."""
    code.module.declare(ROUND, of("bfloat", 16), x.type)
    bits = code.convert("bitcast", code.call(ROUND, of("bfloat", 16), x), of("i16", 16))
    mask = of("i1", 16)
    code.module.declare(CLASS, mask, x.type, "i32")
    subnormal = code.pure(mask, f"call {mask} @{CLASS}({x.type} {x.text}, i32 {SUBNORMAL})", x)

    def exactly() -> Value:
        found = _bits_rounded_to_bf16(code, x)
        return code.convert("trunc", code.binary("lshr", found, constant(found.type, 16)), bits.type)

    return code.rarely(subnormal, bits, exactly)


def _extend_bf16(code: Code, x: Value) -> Value:
    wide = code.convert("zext", x, x.type.with_element("i32"))
    return code.convert("bitcast", code.binary("shl", wide, constant(wide.type, 16)), x.type.with_element("float"))


def _extend_half(code: Code, x: Value) -> Value:
    if code.module.halves:
        return code.convert("fpext", x, x.type.with_element("float"))
    bits = code.convert("zext", code.convert("bitcast", x, x.type.integer), x.type.with_element("i32"))
    sign = code.binary("shl", code.binary("and", bits, constant(bits.type, 0x8000)), constant(bits.type, 16))
    magnitude = code.binary("shl", code.binary("and", bits, constant(bits.type, 0x7FFF)), constant(bits.type, 13))
    small = code.convert("bitcast", magnitude, x.type.with_element("float"))
    finite = code.convert("bitcast", code.binary("fmul", small, constant(small.type, 2.0**112)), bits.type)  # exact, of subnormals too
    special = code.compare("icmp uge", magnitude, constant(bits.type, 0x7C00 << 13))
    magnitude = code.select(special, code.binary("or", magnitude, constant(bits.type, 0x7F800000)), finite)
    return code.convert("bitcast", code.binary("or", sign, magnitude), small.type)


def _truncate_to_half(code: Code, x: Value) -> Value:
    """Rounded to nearest, ties to even."""
    if code.module.halves:
        return code.convert("fptrunc", x, x.type.with_element("half"))
    bits = code.convert("bitcast", x, x.type.with_element("i32"))
    sign = code.binary("and", code.binary("lshr", bits, constant(bits.type, 16)), constant(bits.type, 0x8000))
    a = code.intrinsic("fabs", x)
    magnitude = code.convert("bitcast", a, bits.type)
    odd = code.binary("and", code.binary("lshr", magnitude, constant(bits.type, 13)), constant(bits.type, 1))
    rounded = code.binary("add", code.binary("add", magnitude, odd), constant(bits.type, 0xFFF - (112 << 23)))
    normal = code.binary("lshr", rounded, constant(bits.type, 13))
    # The last place of 0.5 in f32 is that of f16's subnormals: the addition rounds.
    added = code.convert("bitcast", code.binary("fadd", a, constant(a.type, 0.5)), bits.type)
    subnormal = code.binary("sub", added, constant(bits.type, 0x3F000000))
    half = code.select(code.compare("fcmp olt", a, constant(a.type, 2.0**-14)), subnormal, normal)
    half = code.select(code.compare("fcmp oge", a, constant(a.type, 65520.0)), constant(bits.type, 0x7C00), half)
    half = code.select(code.compare("fcmp uno", x, x), constant(bits.type, 0x7E00), half)
    narrow = code.convert("trunc", code.binary("or", sign, half), x.type.with_element("i16"))
    return code.convert("bitcast", narrow, x.type.with_element("half"))


def _to_odd(code: Code, x: Value) -> Value:
    """An f64 as f32, toward zero with the last bit set where that loses anything, so that rounding it again to fewer bits rounds x itself.

    Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd" (2008).
    """
    near = code.convert("fptrunc", x, x.type.with_element("float"))
    back = code.convert("fpext", near, x.type)
    bits = code.convert("bitcast", near, near.type.with_element("i32"))
    farther = code.compare("fcmp ogt", code.intrinsic("fabs", back), code.intrinsic("fabs", x))
    toward = code.binary("add", bits, code.convert("sext", farther, bits.type))
    lost = code.convert("zext", code.compare("fcmp one", back, x), bits.type)
    return code.convert("bitcast", code.binary("or", toward, lost), near.type)


def _float_to_float(code: Code, x: Value, source: DType, result: DType) -> Value:
    if result is f64:
        return code.convert("fpext", x, x.type.with_element("double"))
    if result is f32:
        return code.convert("fptrunc", x, x.type.with_element("float")) if source is f64 else x
    return round_half(code, _to_odd(code, x) if source is f64 else x, result)


def _integer_to_float(code: Code, x: Value, source: DType, result: DType) -> Value:
    instruction = "sitofp" if source.kind == "int" else "uitofp"
    target = register(result, x.type.lanes)
    if result is not bf16 or source.bits < 32:
        value = code.convert(instruction, x, target)
        # An integer that f32 rounds is beyond f16's range, or the small one is exact: one rounding either way.
        return round_half(code, value, result) if result.is_half and source is not bool_ else value
    if source.bits == 64:
        x = _gather_low_bits(code, x, source.kind == "int")
    wide = code.convert(instruction, x, x.type.with_element("double"))
    return round_half(code, _to_odd(code, wide), result)


def _gather_low_bits(code: Code, x: Value, signed: bool) -> Value:
    """A 64-bit integer rounded to odd at bit 12 where f64 would round it: what is left fits into its 53 bits."""
    small = constant(x.type, 1 << 52)
    if signed:
        fits = code.compare("icmp ult", code.binary("add", x, small), constant(x.type, 1 << 53))
    else:
        fits = code.compare("icmp ult", x, small)
    low = code.compare("icmp ne", code.binary("and", x, constant(x.type, 0xFFF)), constant(x.type, 0))
    sticky = code.select(low, constant(x.type, 0x1000), constant(x.type, 0))
    return code.select(fits, x, code.binary("or", code.binary("and", x, constant(x.type, ~0xFFF)), sticky))


def _float_to_integer(code: Code, x: Value, result: DType, target: Type) -> Value:
    """Saturated, and 0 of NaN. What the instruction makes of numbers outside of the range is not looked at."""
    low, high = result.range
    if result.bits < 32:
        least, most = constant(x.type, float(low)), constant(x.type, float(high))
        inside = code.select(code.compare("fcmp ogt", x, least), x, least)
        inside = code.select(code.compare("fcmp olt", inside, most), inside, most)
        value = code.convert("trunc", code.convert("fptosi", inside, x.type.with_element("i32")), target)
    else:
        value = code.convert("fptosi" if result.kind == "int" else "fptoui", x, target)
        value = code.select(code.compare("fcmp oge", x, constant(x.type, float(high + 1))), constant(target, high), value)
        value = code.select(code.compare("fcmp olt", x, constant(x.type, float(low))), constant(target, low), value)
    return code.select(code.compare("fcmp uno", x, x), constant(target, 0), value)
