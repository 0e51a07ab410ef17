"""Every row of the table against PyTorch, and against exact arithmetic where PyTorch has no such dtype or another rule."""

from __future__ import annotations

import itertools
import math
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorc.dtypes import DTYPES, DType, bf16, bool_, f16, f32, f64, i8, i32, i64, u8, u32, u64
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.operations import OPERATIONS, Operation, evaluate, evaluate_constant

TORCH = {
    "bool": torch.bool, "i8": torch.int8, "i16": torch.int16, "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8,
    "f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32, "f64": torch.float64,
}  # fmt: skip


def _sigmoid(x: torch.Tensor) -> torch.Tensor:
    """In f64: of f32 it makes small results 0."""
    return torch.sigmoid(x.double()).to(x.dtype)


JUDGE: dict[str, Any] = {
    "neg": torch.neg, "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "floordiv": torch.floor_divide,
    "remainder": torch.remainder, "fmod": torch.fmod, "pow": torch.pow, "abs": torch.abs, "sign": torch.sign, "floor": torch.floor,
    "ceil": torch.ceil, "round": torch.round, "trunc": torch.trunc, "exp": torch.exp, "exp2": torch.exp2, "expm1": torch.expm1,
    "log": torch.log, "log2": torch.log2, "log10": torch.log10, "log1p": torch.log1p, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt,
    "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "asin": torch.asin, "acos": torch.acos, "atan": torch.atan,
    "atan2": torch.atan2, "sinh": torch.sinh, "cosh": torch.cosh, "tanh": torch.tanh, "sigmoid": _sigmoid, "asinh": torch.asinh,
    "acosh": torch.acosh, "atanh": torch.atanh, "erf": torch.erf, "erfc": torch.erfc, "lgamma": torch.lgamma, "maximum": torch.maximum,
    "minimum": torch.minimum, "copysign": torch.copysign, "eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt,
    "ge": torch.ge, "isnan": torch.isnan, "isinf": torch.isinf, "isfinite": torch.isfinite, "signbit": torch.signbit,
    "and": torch.bitwise_and, "or": torch.bitwise_or, "xor": torch.bitwise_xor, "not": torch.bitwise_not,
    "shift_left": torch.bitwise_left_shift, "shift_right": torch.bitwise_right_shift,
    "cbrt": lambda x: torch.copysign(x.double().abs() ** (1 / 3), x.double()).to(x.dtype),
}  # fmt: skip


def to_torch(x: np.ndarray[Any, Any]) -> torch.Tensor:
    if x.dtype == bf16.numpy:
        return torch.from_numpy(x.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(x.copy())


def from_torch(x: torch.Tensor) -> np.ndarray[Any, Any]:
    return np.asarray(x.view(torch.int16).numpy().view(bf16.numpy) if x.dtype == torch.bfloat16 else x.numpy())


def samples(dtype: DType) -> np.ndarray[Any, Any]:
    """Special values, and some others."""
    rng = np.random.default_rng(7)
    if dtype is bool_:
        return np.array([False, True])
    if dtype.is_integer:
        low, high = dtype.range
        near = [low, low + 1, low // 3, -13, -3, -2, -1, 0, 1, 2, 3, 5, 7, 8, 15, 31, 63, high // 3, high - 1, high]
        return np.array(sorted({v for v in near if low <= v <= high}), dtype.numpy)
    special = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 6.25, 10.0, 90.0, 1e3, 6e4, 1e-3, 1e-7, 1e37, math.inf, math.nan]
    values = np.array([s * v for v in special for s in (1, -1)] + list(rng.normal(size=20) * 4))
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(dtype.numpy))


def arguments(row: Operation, dtype: DType) -> list[np.ndarray[Any, Any]]:
    one = samples(dtype)
    return [np.array(x) for x in zip(*itertools.product(one, repeat=row.arity), strict=True)]


def same(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where the values are equal: NaN is NaN, and zeros have signs."""
    if found.dtype.kind in "biu":
        return np.asarray(found == expected)
    a, b = found.astype(np.float64), expected.astype(np.float64)
    return np.asarray(((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b)))


def differences(row: Operation, xs: list[np.ndarray[Any, Any]], found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> str:
    """What is wrong, one element a line; PyTorch's own errors are granted to it."""
    ok = same(found, expected)
    if row.name in ("maximum", "minimum", "sign"):
        ok |= (found == 0) & (expected == 0)  # PyTorch leaves the sign of a zero open
    if found.dtype.kind not in "biu":
        a, b = found.astype(np.float64), expected.astype(np.float64)
        eps, least = {2: (2.0**-6, 2e-7), 4: (3e-6, 1e-44), 8: (1e-13, 1e-320)}[found.dtype.itemsize]
        with np.errstate(all="ignore"):
            if row.rounds or row.name == "sqrt" or (row.name == "floordiv" and found.dtype.itemsize == 2):
                ok |= np.abs(a - b) <= eps * np.abs(b) + least
            if row.name in ("fmod", "remainder"):  # PyTorch's vectors of f32 give NaN for a quotient that overflows
                ok |= np.isnan(b) & np.isinf(xs[0].astype(np.float32) / xs[1].astype(np.float32)) & np.isfinite(xs[0]) & (xs[1] != 0)
    return "\n".join(f"{row.name}({', '.join(str(x[n]) for x in xs)}) = {found[n]}, not {expected[n]}" for n in np.flatnonzero(~ok)[:20])


@pytest.mark.parametrize("name", JUDGE)
def test_every_row_is_pytorchs(name: str) -> None:
    row = OPERATIONS[name]
    wrong = []
    for dtype in (DTYPES[d] for d in TORCH if row.takes(DTYPES[d])):
        xs = arguments(row, dtype)
        if dtype.is_integer and name in ("floordiv", "remainder", "fmod", "pow"):  # by zero, and to a negative power, PyTorch raises
            keep = xs[1] > 0 if name == "pow" else xs[1] != 0
            xs = [x[keep] for x in xs]
        expected = from_torch(JUDGE[name](*map(to_torch, xs)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = evaluate(name, xs, row.result(dtype))
        assert found.dtype == row.result(dtype).numpy
        text = differences(row, xs, found, expected)
        if text:
            wrong.append(f"{dtype}:\n{text}")
    assert not wrong, "\n".join(wrong)


# Integers of every width against Python's own, which do not wrap.


def wrapped(value: int, dtype: DType) -> int:
    return value - (1 << dtype.bits) * ((value - dtype.range[0]) >> dtype.bits)


def whole_power(a: int, b: int) -> int:
    return a**b if b >= 0 else {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)


def fmod(a: int, b: int) -> int:
    return 0 if b == 0 else int(math.copysign(1, a)) * (abs(a) % abs(b))


EXACT: dict[str, Any] = {
    "neg": lambda a: -a, "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b if b else 0, "remainder": lambda a, b: a % b if b else 0, "fmod": fmod, "abs": abs,
    "sign": lambda a: (a > 0) - (a < 0), "maximum": max, "minimum": min, "and": lambda a, b: a & b, "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b, "not": lambda a: ~a, "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
}  # fmt: skip

INTEGERS = [t for t in DTYPES.values() if t.is_integer]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers_wrap_floor_and_are_total(dtype: DType) -> None:
    exact = dict(EXACT)
    exact["pow"] = lambda a, b: whole_power(a, b) if abs(b) < 200 else None  # too large to write out
    exact["shift_left"] = lambda a, b: a << b if 0 <= b < dtype.bits else 0
    exact["shift_right"] = lambda a, b: a >> b if 0 <= b < dtype.bits else -(a < 0)
    assert exact.keys() == {n for n, row in OPERATIONS.items() if row.takes(dtype)} - {"cast", "bitcast"}
    for name, meaning in exact.items():
        row = OPERATIONS[name]
        xs = arguments(row, dtype)
        found = evaluate(name, xs, row.result(dtype))
        for n, values in enumerate(zip(*(map(int, x) for x in xs), strict=True)):
            expected = meaning(*values)
            if expected is not None:
                assert int(found[n]) == (expected if row.boolean else wrapped(expected, dtype)), f"{name}{values} of {dtype}"


def test_an_integer_power_wraps_like_repeated_multiplication() -> None:
    assert evaluate_constant("pow", (3, 100), i64, i64).value == wrapped(3**100, i64)
    assert evaluate_constant("pow", (0, 0), i8, i8).value == 1
    assert evaluate_constant("pow", (2, -1), i8, i8).value == 0
    assert evaluate_constant("pow", (-1, -3), i32, i32).value == -1
    assert evaluate_constant("pow", (0, -3), i32, i32).value == 0


# Casts.


def nearest(value: Fraction, dtype: DType) -> float:
    """The float of the dtype that is nearest to the value, ties to even, by exact arithmetic."""
    digits, least, most = {"f16": (11, -24, 16), "bf16": (8, -133, 128), "f32": (24, -149, 128), "f64": (53, -1074, 1024)}[dtype.name]
    if value == 0:
        return 0.0
    exponent = abs(value).numerator.bit_length() - abs(value).denominator.bit_length() + 1
    while Fraction(2) ** (exponent - 1) > abs(value):
        exponent -= 1
    unit = Fraction(2) ** max(exponent - digits, least)
    rounded = round(value / unit) * unit
    return math.copysign(math.inf, value) if abs(rounded) >= Fraction(2) ** most else float(rounded)


FLOATS = [f16, bf16, f32, f64]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FLOATS), st.floats(allow_nan=False, allow_infinity=False) | st.floats(-7e4, 7e4) | st.floats(-1e-7, 1e-7))
def test_a_float_is_rounded_once(dtype: DType, x: float) -> None:
    assert evaluate_constant("cast", (x,), f64, dtype).value == nearest(Fraction(x), dtype)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FLOATS), st.integers(0, 64), st.integers(0, 64), st.integers(0, 64), st.integers(-2, 2), st.booleans())
def test_an_integer_is_rounded_once(dtype: DType, a: int, b: int, c: int, d: int, unsigned: bool) -> None:
    source = u64 if unsigned else i64
    value = wrapped((1 << a) + (1 << b) + (1 << c) + d, source)  # close to a tie, or just beside one
    assert evaluate_constant("cast", (value,), source, dtype).value == nearest(Fraction(value), dtype)


def test_a_tie_in_f64_that_f32_would_hide() -> None:
    just_above = 1 + 2.0**-8 + 2.0**-40  # f32 rounds it to the tie 1 + 2**-8, and that to 1
    assert evaluate_constant("cast", (just_above,), f64, bf16).value == 1 + 2.0**-7
    assert evaluate_constant("cast", (-just_above,), f64, bf16).value == -1 - 2.0**-7


@pytest.mark.parametrize("source", FLOATS, ids=str)
@pytest.mark.parametrize("dtype", [*INTEGERS, bool_], ids=str)
def test_a_float_saturates_an_integer(source: DType, dtype: DType) -> None:
    values = samples(source)
    found = evaluate("cast", [values], dtype)
    low, high = dtype.range
    for x, y in zip(values.astype(np.float64), found, strict=True):
        if dtype is bool_:
            assert y == (x != 0)
        elif math.isnan(x):
            assert y == 0
        else:
            assert int(y) == (high if x >= high else low if x <= low else math.trunc(x))


def test_casts_between_integers_wrap() -> None:
    for source, dtype in itertools.product(INTEGERS, INTEGERS):
        values = samples(source)
        assert [int(v) for v in evaluate("cast", [values], dtype)] == [wrapped(int(v), dtype) for v in values]


def test_casts_from_and_to_bool() -> None:
    for dtype in DTYPES.values():
        assert evaluate("cast", [np.array([False, True])], dtype).astype(np.float64).tolist() == [0, 1]
    assert evaluate("cast", [np.array([0.0, -0.0, 1e-300, math.nan])], bool_).tolist() == [False, False, True, True]


def test_bitcast_keeps_the_bits_and_the_shape() -> None:
    assert evaluate_constant("bitcast", (1.0,), f32, u32).value == 0x3F800000
    assert evaluate_constant("bitcast", (255,), u8, i8).value == -1
    assert evaluate_constant("bitcast", (0x3F80,), DTYPES["u16"], bf16).value == 1.0
    x = np.arange(6, dtype=np.float64).reshape(2, 3).T
    assert np.array_equal(evaluate("bitcast", [x], i64).view(np.float64), x)
    assert evaluate("bitcast", [np.array(-0.0, np.float32)], i32) == -(2**31)


# Halves, special values and constants.


@pytest.mark.parametrize("dtype", [f16, bf16], ids=str)
def test_half_arithmetic_is_rounded_once(dtype: DType) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=300).astype(dtype.numpy) for _ in range(2))
    for name, exact in {"add": Fraction.__add__, "sub": Fraction.__sub__, "mul": Fraction.__mul__, "div": Fraction.__truediv__}.items():
        found = evaluate(name, [a, b], dtype)
        assert [float(x) for x in found] == [
            nearest(exact(Fraction(float(x)), Fraction(float(y))), dtype) for x, y in zip(a, b, strict=True)
        ]


@pytest.mark.parametrize("name", [n for n, row in OPERATIONS.items() if row.rounds and row.arity == 1])
def test_f32_functions_are_f64s_rounded(name: str) -> None:
    x = np.random.default_rng(1).uniform(0.01, 0.99, 200).astype(np.float32)
    wide = evaluate(name, [x.astype(np.float64)], f64)
    assert np.array_equal(evaluate(name, [x], f32), wide.astype(np.float32), equal_nan=True)


def test_special_functions_at_their_edges() -> None:
    def at(name: str, x: float) -> Any:
        return evaluate_constant(name, (x,), f64, f64).value

    inf, nan = math.inf, math.nan
    assert [at("lgamma", x) for x in (0.0, -0.0, -1.0, -2.0, inf, -inf, 1e308, 1.0, 2.0)] == [inf] * 7 + [0, 0]
    assert [at("erf", x) for x in (inf, -inf, 0.0)] == [1, -1, 0] and [at("erfc", x) for x in (inf, -inf, 0.0)] == [0, 2, 1]
    assert at("erfc", 20.0) == pytest.approx(5.395865611607901e-176, rel=1e-13)
    assert math.copysign(1, at("cbrt", -0.0)) == -1 and at("cbrt", -27.0) == -3
    assert all(math.isnan(at(n, nan)) for n, row in OPERATIONS.items() if row.arity == 1 and row.rounds)
    assert [at("round", x) for x in (0.5, 1.5, 2.5, -0.5)] == [0, 2, 2, 0]
    assert at("sign", nan) == 0 and at("rsqrt", -0.0) == -inf


def test_the_first_tie_wins_in_maximum_and_minimum() -> None:
    for name in ("maximum", "minimum"):
        for first, second in ((0.0, -0.0), (-0.0, 0.0)):
            found = evaluate_constant(name, (first, second), f32, f32).value
            assert math.copysign(1, found) == math.copysign(1, first)
        assert all(math.isnan(evaluate_constant(name, p, f32, f32).value) for p in ((math.nan, 1.0), (1.0, math.nan)))


def test_constants_are_python_numbers_that_the_dtype_holds() -> None:
    tenth = evaluate_constant("cast", (0.1,), f64, f32)
    assert type(tenth.value) is float and tenth.value == float(np.float32(0.1)) and tenth.dtype is f32
    assert type(evaluate_constant("cast", (0.1,), f64, bf16).value) is float
    assert type(evaluate_constant("add", (2**63, 2**63 - 1), u64, u64).value) is int
    assert evaluate_constant("lt", (1, 2), i8, bool_).value is True


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n not in ("cast", "bitcast")])
def test_constants_fold_to_what_is_evaluated(name: str) -> None:
    row = OPERATIONS[name]
    for dtype in (t for t in DTYPES.values() if row.takes(t)):
        xs = arguments(row, dtype)
        chosen = np.random.default_rng(3).choice(len(xs[0]), min(len(xs[0]), 12), replace=False)
        found = evaluate(name, xs, row.result(dtype))
        for n in chosen:
            folded = evaluate_constant(name, [x[n].item() if dtype is not bf16 else float(x[n]) for x in xs], dtype, row.result(dtype))
            assert same(np.array([folded.value], found.dtype), found[n : n + 1]).all()


def test_scalars_and_broadcasting() -> None:
    assert evaluate("add", [np.array(127, np.int8), np.array(1, np.int8)], i8) == -128
    assert evaluate("add", [np.zeros((2, 1), np.float32), np.ones(3, np.float32)], f32).shape == (2, 3)


def test_the_table_is_complete_and_unambiguous() -> None:
    assert JUDGE.keys() | {"cast", "bitcast"} == OPERATIONS.keys()
    assert all(name == row.name and row.doc and row.cost > 0 for name, row in OPERATIONS.items())
    spelled = [row.infix for row in OPERATIONS.values() if row.infix]
    assert sorted(spelled) == sorted(["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "&", "|", "^", "<<", ">>"])
    assert all(row.combine in OPERATIONS for row in MONOIDS.values())
