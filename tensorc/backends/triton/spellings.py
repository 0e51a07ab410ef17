"""How each operation of the table is spelled in Triton: one row an operation, one column a kind of dtype.

A text stands for its arguments by `{a}`, `{b}`. Names without a module are those of `helpers`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tensorc.backends.triton.types import constant, name_of, register
from tensorc.dtypes import DType, bf16, bool_, f32, f64

# How tightly Python's operators bind, the loosest first.
COMPARE, OR, XOR, AND, SHIFT, SUM, PRODUCT, UNARY, ATOM = range(9)


@dataclass(frozen=True)
class Text:
    """An expression, and how tightly what is outermost in it binds."""

    text: str
    binds: int = ATOM

    def inside(self, least: int) -> str:
        """The text as an operand of what binds as tightly as `least`."""
        return self.text if self.binds >= least else f"({self.text})"


@dataclass(frozen=True)
class Spelling:
    """None where the operation does not take the kind. `exact`: of half floats the result is one already and is not rounded."""

    floats: str | None = None
    signed: str | None = None
    unsigned: str | None = None
    bools: str | None = None
    binds: int = ATOM
    exact: bool = False
    doubles: str | None = None  # of f64, where that is another

    def of(self, dtype: DType) -> str | None:
        if dtype is bool_:
            return self.bools
        if dtype is f64 and self.doubles is not None:
            return self.doubles
        return self.floats if dtype.is_float else self.signed if dtype.kind == "int" else self.unsigned


def _infix(operator: str, binds: int, bools: str | None = None) -> Spelling:
    text = f"{{a}} {operator} {{b}}"
    return Spelling(text, text, text, bools, binds)


def _compare(operator: str, bools: str) -> Spelling:
    text = f"{{a}} {operator} {{b}}"
    return Spelling(text, text, text, bools, COMPARE)


def _library(name: str, exact: bool = False) -> Spelling:
    return Spelling(f"libdevice.{name}({{a}})", exact=exact)


BITWISE = ("{a} & {b}", "{a} | {b}", "{a} ^ {b}")

SPELLINGS: dict[str, Spelling] = {
    "neg": Spelling("{a} * -1.0", "-{a}", "0 - {a}", binds=SUM, exact=True),  # before Triton 3.8, -x is 0 - x: of 0.0 not -0.0
    "add": _infix("+", SUM),
    "sub": _infix("-", SUM),
    "mul": _infix("*", PRODUCT),
    "div": Spelling("tl.div_rn({a}, {b})", doubles="{a} / {b}"),
    "floordiv": Spelling("floordiv_float({a}, {b})", "floordiv_signed({a}, {b})", "floordiv_unsigned({a}, {b})"),
    "remainder": Spelling("remainder_float({a}, {b})", "remainder_signed({a}, {b})", "fmod_unsigned({a}, {b})"),
    "fmod": Spelling("libdevice.fmod({a}, {b})", "fmod_signed({a}, {b})", "fmod_unsigned({a}, {b})", exact=True),
    "pow": Spelling("libdevice.pow({a}, {b})", "power_signed({a}, {b}, {bits})", "power_unsigned({a}, {b}, {bits})"),
    "abs": Spelling("tl.abs({a})", "tl.abs({a})", "{a}", exact=True),
    "sign": Spelling("sign({a})", "sign({a})", "sign_unsigned({a})", exact=True),
    "floor": Spelling("tl.floor({a})", exact=True),
    "ceil": Spelling("tl.ceil({a})", exact=True),
    "round": _library("nearbyint", exact=True),
    "trunc": _library("trunc", exact=True),
    "exp": _library("exp"),
    "exp2": _library("exp2"),
    "expm1": _library("expm1"),
    "sigmoid": Spelling("sigmoid({a})"),
    "log": _library("log"),
    "log2": _library("log2"),
    "log10": _library("log10"),
    "log1p": _library("log1p"),
    "sqrt": Spelling("tl.sqrt_rn({a})", doubles="tl.sqrt({a})"),
    "rsqrt": Spelling("tl.div_rn(1.0, tl.sqrt_rn({a}))", doubles="1.0 / tl.sqrt({a})"),
    "cbrt": _library("cbrt"),
    "sin": _library("sin"),
    "cos": _library("cos"),
    "tan": _library("tan"),
    "asin": _library("asin"),
    "acos": _library("acos"),
    "atan": _library("atan"),
    "atan2": Spelling("libdevice.atan2({a}, {b})"),
    "sinh": _library("sinh"),
    "cosh": _library("cosh"),
    "tanh": _library("tanh"),
    "asinh": _library("asinh"),
    "acosh": _library("acosh"),
    "atanh": _library("atanh"),
    "erf": _library("erf"),
    "erfc": _library("erfc"),
    "lgamma": _library("lgamma"),
    "maximum": Spelling("maximum({a}, {b})", "tl.maximum({a}, {b})", "tl.maximum({a}, {b})", "{a} | {b}", exact=True),
    "minimum": Spelling("minimum({a}, {b})", "tl.minimum({a}, {b})", "tl.minimum({a}, {b})", "{a} & {b}", exact=True),
    "copysign": Spelling("libdevice.copysign({a}, {b})", exact=True),
    "eq": _compare("==", "~({a} ^ {b})"),
    "ne": _compare("!=", "{a} ^ {b}"),
    "lt": _compare("<", "~{a} & {b}"),
    "le": _compare("<=", "~{a} | {b}"),
    "gt": _compare(">", "{a} & ~{b}"),
    "ge": _compare(">=", "{a} | ~{b}"),
    "isnan": Spelling("is_nan({a})"),
    "isinf": Spelling('tl.abs({a}) == float("inf")', binds=COMPARE),
    "isfinite": Spelling('tl.abs({a}) < float("inf")', binds=COMPARE),
    "signbit": Spelling("{a}.to(tl.int{bits}, bitcast=True) < 0", binds=COMPARE),
    "and": _infix("&", AND, "{a} & {b}"),
    "or": _infix("|", OR, "{a} | {b}"),
    "xor": _infix("^", XOR, "{a} ^ {b}"),
    "not": Spelling(None, "~{a}", "~{a}", "~{a}", binds=UNARY),
    "shift_left": Spelling(None, "shift_left({a}, {b}, {bits})", "shift_left({a}, {b}, {bits})"),
    "shift_right": Spelling(None, "shift_right_signed({a}, {b}, {bits})", "shift_right_unsigned({a}, {b}, {bits})"),
}

_BOOLS_BIND = {"maximum": OR, "minimum": AND, "eq": UNARY, "ne": XOR, "lt": AND, "le": OR, "gt": AND, "ge": OR}

OPERANDS = frozenset(
    name for name, row in SPELLINGS.items() if row.floats in ("{a} + {b}", "{a} - {b}", "{a} * {b}", *BITWISE) or row.binds == COMPARE
)
"""Operations whose constant operand is a literal: Triton takes it to be of the other's dtype."""


def apply(operation: str, arguments: Sequence[Text], argument: DType, result: DType, vendor: str) -> Text:
    """The operation on values of the argument dtype, as one of the result's. `vendor` is `cuda` or `hip`."""
    if operation == "cast":
        return cast(arguments[0], argument, result)
    if operation == "bitcast":
        return bitcast(arguments[0], argument, result)
    shift = _shift(operation, arguments, argument)
    if shift is not None:
        return shift
    row = SPELLINGS[operation]
    form = row.of(argument)
    assert form is not None, f"{operation} of {argument}"
    if operation == "cbrt" and vendor == "hip":
        form = "cube_root({a})"
    binds = _BOOLS_BIND.get(operation, row.binds) if argument is bool_ else PRODUCT if " / " in form or " * " in form else row.binds
    made = _filled(form, arguments, binds, register(argument).bits)
    if not argument.is_half or result is bool_ or row.exact:
        return made
    return rounded(made, argument)


def _shift(operation: str, arguments: Sequence[Text], argument: DType) -> Text | None:
    """A shift by a number that is known, and less than the bits that there are."""
    if operation not in ("shift_left", "shift_right"):
        return None
    by = re.fullmatch(r"(?:tl\.full\(\(\), )?(\d+)(?:, tl\.u?int\d+\))?", arguments[1].text)
    if by is None or int(by[1]) >= argument.bits:
        return None
    return Text(f"{arguments[0].inside(SHIFT)} {'<<' if operation == 'shift_left' else '>>'} {by[1]}", SHIFT)


def _filled(form: str, arguments: Sequence[Text], binds: int, bits: int) -> Text:
    if binds == ATOM:
        texts = [a.text for a in arguments]
    elif form.startswith("~("):
        texts = [a.inside(XOR) for a in arguments]
    elif form in BITWISE:  # of different operators few know which binds first
        texts = [a.inside(binds if a.binds == binds and n == 0 else ATOM) for n, a in enumerate(arguments)]
    elif "~" in form or form.startswith("-") or ".to(" in form:
        texts = [a.inside(ATOM) for a in arguments]
    else:  # the left operand of what associates to the left may bind as loosely as the whole
        texts = [a.inside(binds + (n > 0 or form.startswith("1.0") or binds == COMPARE)) for n, a in enumerate(arguments)]
    names = dict(zip("ab", texts, strict=False))
    return Text(form.format(**names, bits=bits), UNARY if form.startswith("-") else binds)


def rounded(x: Text, dtype: DType) -> Text:
    """A half float's value, which is computed in f32, rounded to one."""
    return Text(f"{dtype}({x.text})")


# Conversions.


def cast(x: Text, source: DType, result: DType) -> Text:
    """x as another dtype: floats round, integers wrap, a float outside an integer's range saturates and NaN gives 0; bool is != 0."""
    if source is result:
        return x
    if result is bool_:
        return Text(f"{x.inside(SHIFT)} != 0", COMPARE)
    if source.is_float:
        return _float_to_float(x, source, result) if result.is_float else _float_to_integer(x, result)
    return _integer_to_float(x, source, result) if result.is_float else convert(x, result)


_LITERAL = re.compile(r"-?[\d.]+(e[+-]?\d+)?|True|False|float\(.*\)")


def convert(x: Text, result: DType) -> Text:
    """The value as another type, by Triton's conversion."""
    if _LITERAL.fullmatch(x.text):
        return Text(f"tl.full((), {x.text}, {name_of(result)})")
    return Text(f"{x.inside(ATOM)}.to({name_of(result)})")


def _float_to_float(x: Text, source: DType, result: DType) -> Text:
    if result is f64:
        return convert(x, f64)
    if result is f32:
        return convert(x, f32) if source is f64 else x
    return rounded(Text(f"to_odd({x.text})") if source is f64 else x, result)


def _integer_to_float(x: Text, source: DType, result: DType) -> Text:
    if result is not bf16 or source.bits < 32:
        made = convert(x, register(result))
        # An integer that f32 rounds is beyond f16's range, or the small one is exact: one rounding either way.
        return rounded(made, result) if result.is_half and source is not bool_ else made
    if source.bits == 64:
        x = Text(f"gather_low_bits_{'signed' if source.kind == 'int' else 'unsigned'}({x.text})")
    return rounded(Text(f"to_odd({convert(x, f64).text})"), result)


def _float_to_integer(x: Text, result: DType) -> Text:
    low, high = result.range
    bounds = f"{float(low)!r}, {float(high + 1)!r}, {constant(low, result)}, {constant(high, result)}, {name_of(result)}"
    return Text(f"float_to_integer({x.text}, {bounds})")


def bitcast(x: Text, source: DType, result: DType) -> Text:
    """The same bits as another dtype of the same width."""
    if source.is_half:
        x = convert(x, source)
    made = Text(f"{x.inside(ATOM)}.to({name_of(result)}, bitcast=True)")
    return convert(made, f32) if result.is_half else made


_CALL = re.compile(r"\w+|[\w.]+\([^()]*\)")
"""A name, or a call without others in it."""


def from_memory(x: Text, dtype: DType) -> Text:
    """What is loaded of a dtype, as it is in registers."""
    return convert(x, f32) if dtype.is_half else x


def to_memory(x: Text, dtype: DType) -> Text:
    """The element to store. What is rounded to a half float is rounded once."""
    if not dtype.is_half:
        return x
    inner = x.text.removeprefix(f"{dtype}(").removesuffix(")")
    is_rounded = rounded(Text(inner), dtype) == x
    return convert(Text(inner, ATOM if _CALL.fullmatch(inner) else COMPARE) if is_rounded else x, dtype)
