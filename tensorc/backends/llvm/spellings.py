"""How each operation of the table is spelled in LLVM IR: one row an operation, one column a kind of dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tensorc.backends.llvm import casts, floats, integers, library
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.functions import exponential, gamma, hyperbolic, inverse, logarithm, power, root, special, trigonometric
from tensorc.backends.llvm.types import Value, constant
from tensorc.dtypes import DType, bool_

Floats = Callable[..., Value]
"""(code, *arguments) of f32 or f64; the half floats come as f32."""

Integers = Callable[..., Value]
"""(code, signed, *arguments); bool comes as an unsigned integer of one bit."""


@dataclass(frozen=True)
class Spelling:
    """None where the operation does not take the kind. `exact`: of half floats the result is one already and is not rounded.

    `long` says that of floats it is many instructions that wait for one another.
    """

    floats: Floats | None = None
    integers: Integers | None = None
    exact: bool = False
    long: bool = False


def _float(instruction: str) -> Floats:
    return lambda code, a, b: code.binary(instruction, a, b)


def _integer(instruction: str) -> Integers:
    return lambda code, signed, a, b: code.binary(instruction, a, b)


def _intrinsic(name: str) -> Floats:
    return lambda code, *arguments: code.intrinsic(name, *arguments)


def _plain_sigmoid(code: Code, x: Value) -> Value:
    """By the C library's exponential."""
    e = library.call(code, "exp", code.negate(code.intrinsic("fabs", x)))
    one = constant(x.type, 1.0)
    top = code.select(code.compare("fcmp olt", x, constant(x.type, 0.0)), e, one)
    return code.binary("fdiv", top, code.binary("fadd", one, e))


INLINED = 24
"""So often an approximation is written out in a module; where there is more of it, it is called."""

LONG = 160
"""One of more instructions is written out once."""


def _own(function: Floats, name: str, compensated: bool = False, plain: Floats | None = None) -> Spelling:
    """An approximation that is written with fused multiply-add; where the CPU has none, `plain` or the C library's function.

    One that is `compensated` in fast mode too would be too far off without.
    """

    def written(code: Code, *xs: Value) -> Value:
        code.approximated += 1
        with code.compensating(compensated or code.compensated):
            return function(code, *xs)

    def spelled(code: Code, *xs: Value) -> Value:
        if not code.module.fused:
            return plain(code, *xs) if plain is not None else library.call(code, name, *xs)
        type = xs[0].type
        # A constant has a form of its own, and so other bits than what does for any argument.
        kind = ".".join([name, type.suffix, *(f"{n}.{code.module.numbered(x.text)}" for n, x in enumerate(xs) if x.is_constant)])
        times = code.module.counted(kind)
        if times <= INLINED and (times == 1 or code.module.counts[f"length of {kind}"] <= LONG):
            before = code.count
            value = written(code, *xs)
            code.module.counts[f"length of {kind}"] = code.count - before
            return value
        varied = [x for x in xs if not x.is_constant]

        def body(inner: Code, given: list[Value]) -> Value:
            rest = iter(given)
            return written(inner, *(x if x.is_constant else next(rest) for x in xs))

        return code.call(code.module.helper(f"tensorc.{kind}", type, [x.type for x in varied], body), type, *varied)

    return Spelling(spelled, long=True)


def _compare(of_floats: str, of_signed: str, of_unsigned: str) -> Spelling:
    return Spelling(
        lambda code, a, b: code.compare(f"fcmp {of_floats}", a, b),
        lambda code, signed, a, b: code.compare(f"icmp {of_signed if signed else of_unsigned}", a, b),
    )


SPELLINGS: dict[str, Spelling] = {
    "neg": Spelling(lambda code, x: code.negate(x), integers.negate, exact=True),
    "add": Spelling(_float("fadd"), _integer("add")),
    "sub": Spelling(_float("fsub"), _integer("sub")),
    "mul": Spelling(_float("fmul"), _integer("mul")),
    "div": Spelling(_float("fdiv")),
    "floordiv": Spelling(floats.floordiv, integers.floordiv),
    "remainder": Spelling(floats.remainder, integers.remainder),
    "fmod": Spelling(floats.fmod, integers.fmod, exact=True),
    "pow": Spelling(_own(power.power, "pow").floats, integers.power, long=True),
    "abs": Spelling(_intrinsic("fabs"), integers.absolute, exact=True),
    "sign": Spelling(floats.sign, integers.sign, exact=True),
    "floor": Spelling(_intrinsic("floor"), exact=True),
    "ceil": Spelling(_intrinsic("ceil"), exact=True),
    "round": Spelling(_intrinsic("roundeven"), exact=True),
    "trunc": Spelling(_intrinsic("trunc"), exact=True),
    "exp": _own(exponential.exp, "exp"),
    "exp2": _own(exponential.exp2, "exp2"),
    "expm1": _own(exponential.expm1, "expm1"),
    "log": _own(logarithm.log, "log"),
    "log2": _own(logarithm.log2, "log2"),
    "log10": _own(logarithm.log10, "log10"),
    "log1p": _own(logarithm.log1p, "log1p"),
    "sigmoid": _own(exponential.sigmoid, "sigmoid", plain=_plain_sigmoid),
    "sqrt": Spelling(_intrinsic("sqrt")),
    "rsqrt": Spelling(root.rsqrt),
    "cbrt": _own(root.cube_root, "cbrt"),
    "sin": _own(trigonometric.sin, "sin"),
    "cos": _own(trigonometric.cos, "cos"),
    "tan": _own(trigonometric.tan, "tan"),
    "asin": _own(inverse.asin, "asin"),
    "acos": _own(inverse.acos, "acos"),
    "atan": _own(inverse.atan, "atan"),
    "atan2": _own(inverse.atan2, "atan2"),
    "sinh": _own(hyperbolic.sinh, "sinh"),
    "cosh": _own(hyperbolic.cosh, "cosh"),
    "tanh": _own(hyperbolic.tanh, "tanh"),
    "asinh": _own(hyperbolic.asinh, "asinh"),
    "acosh": _own(hyperbolic.acosh, "acosh"),
    "atanh": _own(hyperbolic.atanh, "atanh"),
    "erf": _own(special.erf, "erf"),
    "erfc": _own(special.erfc, "erfc"),
    "lgamma": _own(gamma.lgamma, "lgamma"),
    "maximum": Spelling(floats.maximum, integers.maximum, exact=True),
    "minimum": Spelling(floats.minimum, integers.minimum, exact=True),
    "copysign": Spelling(_intrinsic("copysign"), exact=True),
    "eq": _compare("oeq", "eq", "eq"),
    "ne": _compare("une", "ne", "ne"),
    "lt": _compare("olt", "slt", "ult"),
    "le": _compare("ole", "sle", "ule"),
    "gt": _compare("ogt", "sgt", "ugt"),
    "ge": _compare("oge", "sge", "uge"),
    "isnan": Spelling(floats.is_nan),
    "isinf": Spelling(floats.is_infinite),
    "isfinite": Spelling(floats.is_finite),
    "signbit": Spelling(floats.sign_bit),
    "and": Spelling(None, _integer("and")),
    "or": Spelling(None, _integer("or")),
    "xor": Spelling(None, _integer("xor")),
    "not": Spelling(None, integers.invert),
    "shift_left": Spelling(None, integers.shift_left),
    "shift_right": Spelling(None, integers.shift_right),
}

CONVERSIONS: dict[str, Callable[[Code, Value, DType, DType], Value]] = {"cast": casts.cast, "bitcast": casts.bitcast}
"""The operations whose result is of another dtype: (code, x, its dtype, the result's)."""


def approximates(operation: str) -> bool:
    """Whether of floats an operation is many instructions that wait for one another."""
    spelling = SPELLINGS.get(operation)
    return spelling is not None and spelling.long


def apply(code: Code, operation: str, arguments: Sequence[Value], argument: DType, result: DType) -> Value:
    """The operation on registers of the argument dtype, as a register of the result's. All arguments have as many lanes."""
    convert = CONVERSIONS.get(operation)
    if convert is not None:
        return convert(code, arguments[0], argument, result)
    spelling = SPELLINGS[operation]
    if not argument.is_float:
        assert spelling.integers is not None, f"{operation} of {argument}"
        return spelling.integers(code, argument.kind == "int", *arguments)
    assert spelling.floats is not None, f"{operation} of {argument}"
    value = spelling.floats(code, *arguments)
    return value if not argument.is_half or result is bool_ or spelling.exact else casts.round_half(code, value, result)
