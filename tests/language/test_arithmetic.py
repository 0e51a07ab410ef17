"""Arithmetic is total: the same for constants as for data, at every edge."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

WIDTHS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "u8": 8, "u16": 16, "u32": 32, "u64": 64}


def numpy_dtype(name: str) -> Any:
    return np.dtype(f"{name[0]}{int(name[1:]) // 8}")


def limits(name: str) -> tuple[int, int]:
    bits = WIDTHS[name]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if name[0] == "i" else (0, (1 << bits) - 1)


def wrap(value: int, name: str) -> int:
    low, _ = limits(name)
    return (value - low) % (1 << WIDTHS[name]) + low


def shift_left(a: int, b: int, bits: int) -> int:
    return a << b if 0 <= b < bits else 0


def shift_right(a: int, b: int, bits: int) -> int:
    return a >> b if 0 <= b < bits else -1 if a < 0 else 0


def power(a: int, b: int, bits: int) -> int:
    if b >= 0:
        return pow(a, b, 1 << bits)
    return 1 if a == 1 or (a == -1 and b % 2 == 0) else -1 if a == -1 else 0


INTEGER: dict[str, Callable[[int, int, int], int]] = {
    "a + b": lambda a, b, bits: a + b,
    "a - b": lambda a, b, bits: a - b,
    "a * b": lambda a, b, bits: a * b,
    "a // b": lambda a, b, bits: a // b if b else 0,
    "a % b": lambda a, b, bits: a % b if b else 0,
    "fmod(a, b)": lambda a, b, bits: int(math.copysign(1, a)) * (abs(a) % abs(b)) if b else 0,
    "a << b": shift_left,
    "a >> b": shift_right,
    "a ** b": power,
    "a & b": lambda a, b, bits: a & b,
    "a | b": lambda a, b, bits: a | b,
    "a ^ b": lambda a, b, bits: a ^ b,
    "maximum(a, b)": lambda a, b, bits: max(a, b),
    "minimum(a, b)": lambda a, b, bits: min(a, b),
    "-a + b * 0": lambda a, b, bits: -a,
    "abs(a) + b * 0": lambda a, b, bits: abs(a),
    "~a + b * 0": lambda a, b, bits: ~a,
}


@pytest.mark.parametrize("expression", INTEGER)
@pytest.mark.parametrize("name", WIDTHS)
def test_integers(tx: Any, name: str, expression: str) -> None:
    low, high = limits(name)
    bits = WIDTHS[name]
    edge = [v for v in (low, low + 1, -9, -2, -1, 0, 1, 2, 3, 7, bits - 1, bits, bits + 1, high - 1, high) if low <= v <= high]
    pairs = [(a, b) for a in edge for b in edge]
    dtype = numpy_dtype(name)
    wanted = np.array([wrap(INTEGER[expression](a, b, bits), name) for a, b in pairs], dtype)
    left, right = (np.array(side, dtype) for side in zip(*pairs, strict=True))
    tx.gives(wanted, f"fn f(a: {name}[N], b: {name}[N]) = {expression}", left, right)
    for n in range(0, len(pairs), 7):  # the same of constants
        a, b = (f"cast({v}, {name})" for v in pairs[n])
        folded = _put(expression, a, b)
        assert tx.constant(folded) == wanted[n].item(), folded


def _put(expression: str, a: str, b: str) -> str:
    return re.sub(r"\b[ab]\b", lambda m: a if m[0] == "a" else b, expression)


FLOATS = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 3.0, 7.25, -7.25, 1e30, -1e30, math.inf, -math.inf, math.nan]

FLOAT: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "a + b": torch.add,
    "a - b": torch.sub,
    "a * b": torch.mul,
    "a / b": torch.div,
    "a // b": torch.floor_divide,
    "a % b": torch.remainder,
    "fmod(a, b)": torch.fmod,
    "a ** b": torch.pow,
    "maximum(a, b)": torch.maximum,
    "minimum(a, b)": torch.minimum,
    "sign(a) + b * 0": lambda a, b: torch.sign(a) + b * 0,
    "round(a) + b * 0": lambda a, b: torch.round(a) + b * 0,
    "copysign(a, b)": torch.copysign,
    "hypot(a, b)": torch.hypot,
    "atan2(a, b)": torch.atan2,
}


@pytest.mark.parametrize("expression", FLOAT)
@pytest.mark.parametrize("name", ["f32", "f64", "f16"])
def test_floats(tx: Any, name: str, expression: str) -> None:
    dtype = numpy_dtype(name)
    with np.errstate(over="ignore"):
        left, right = (np.array(side, "f8").astype(dtype) for side in zip(*[(a, b) for a in FLOATS for b in FLOATS], strict=True))
    wanted = FLOAT[expression](torch.from_numpy(left), torch.from_numpy(right)).numpy()
    tx.gives(wanted, f"fn f(a: {name}[N], b: {name}[N]) = {expression}", left, right)
    for n in range(0, len(left), 11):
        a, b = (f"cast({_literal(v)}, {name})" for v in (left[n], right[n]))
        folded = tx.constant(_put(expression, a, b))
        np.testing.assert_allclose(folded, wanted[n], rtol=1e-3 if name == "f16" else 1e-6, err_msg=_put(expression, a, b))
        if wanted[n] == 0 and "sign" not in expression:
            assert math.copysign(1, folded) == math.copysign(1, wanted[n])


def _literal(value: Any) -> str:
    return "nan" if np.isnan(value) else repr(float(value)).replace("e+", "e")


def test_rounding_is_half_even(tx: Any) -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 2.4], np.float32)
    tx.gives(np.array([0, 2, 2, -0.0, -2, 2], "f4"), "fn f(x: f32[N]) = round(x)", x)
    tx.is_equal("round(2.5)", np.float32(2))


def test_sign_of_nan_is_0(tx: Any) -> None:
    tx.gives(np.array([0, 1, -1, 0], "f4"), "fn f(x: f32[N]) = sign(x)", np.array([np.nan, 3, -np.inf, 0], "f4"))
    tx.is_equal("sign(nan)", np.float32(0))


def test_clamp_with_min_above_max_gives_max(tx: Any) -> None:
    x = np.array([-1, 2, 9, np.nan], "f4")
    tx.gives(np.array([1, 1, 1, np.nan], "f4"), "fn f(x: f32[N]) = clamp(x, 5, 1)", x)
    tx.gives(np.array([0, 2, 5, np.nan], "f4"), "fn f(x: f32[N]) = clamp(x, 0, 5)", x)
    tx.gives(np.array([0, 2, 9, np.nan], "f4"), "fn f(x: f32[N]) = clamp(x, min=0)", x)
    tx.gives(np.array([-1, 2, 5, np.nan], "f4"), "fn f(x: f32[N]) = clamp(x, max=5)", x)
    tx.is_equal("clamp(3, 5, 1)", np.int64(1))


# Casts.


@pytest.mark.parametrize("target", WIDTHS)
@pytest.mark.parametrize("source", WIDTHS)
def test_casts_of_integers_wrap(tx: Any, source: str, target: str) -> None:
    low, high = limits(source)
    values = [v for v in (low, -129, -1, 0, 1, 127, 128, 255, 256, 65535, 65536, high) if low <= v <= high]
    wanted = np.array([wrap(v, target) for v in values], numpy_dtype(target))
    tx.gives(wanted, f"fn f(x: {source}[N]) = cast(x, {target})", np.array(values, numpy_dtype(source)))
    for v, w in zip(values, wanted, strict=True):
        assert tx.constant(f"cast(cast({v}, {source}), {target})") == w


@pytest.mark.parametrize("name", WIDTHS)
def test_casts_of_floats_saturate(tx: Any, name: str) -> None:
    low, high = limits(name)
    values = [math.nan, math.inf, -math.inf, 0.0, -0.0, 0.9, -0.9, 1.5, -1.5, 1e10, -1e10, 1e30, -1e30]
    wanted = [0 if math.isnan(v) else high if v > high else low if v < low else int(v) for v in values]
    for float_ in ("f32", "f64"):
        x = np.array(values, numpy_dtype(float_))
        tx.gives(np.array(wanted, numpy_dtype(name)), f"fn f(x: {float_}[N]) = cast(x, {name})", x)
    for v, w in zip(values, wanted, strict=True):
        assert tx.constant(f"cast({_literal(v)}, {name})") == w


def test_casts_to_bool(tx: Any) -> None:
    x = np.array([0, -0.0, 0.1, np.nan, -3], "f4")
    tx.gives(np.array([False, False, True, True, True]), "fn f(x: f32[N]) = cast(x, bool)", x)
    tx.gives(np.array([False, True]), "fn f(x: i32[N]) = cast(x, bool)", np.array([0, 256], "i4"))
    tx.gives(np.array([0, 1], "f2"), "fn f(x: bool[N]) = cast(x, f16)", np.array([False, True]))
    tx.is_equal("cast(0.5, bool)", np.bool_(True))
    tx.is_equal("cast(nan, bool)", np.bool_(True))


def test_folding_keeps_the_dtypes_precision(tx: Any) -> None:
    tx.is_equal("cast(0.1, f32) + cast(0.2, f32)", np.float32(0.1) + np.float32(0.2))
    tx.is_equal("cast(1, f16) / cast(3, f16)", np.float16(1) / np.float16(3))
    tx.is_equal("cast(0.1 + 0.2, f64)", np.float64(0.1 + 0.2))


# Reductions at their edges.

EMPTY = np.zeros(0, np.float32)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("sum", np.float32(0)),
        ("prod", np.float32(1)),
        ("any", np.bool_(False)),
        ("all", np.bool_(True)),
        ("mean", np.float32(np.nan)),
        ("logsumexp", np.float32(-np.inf)),
    ],
)
def test_reductions_of_nothing(tx: Any, expression: str, wanted: Any) -> None:
    tx.gives(wanted, f"fn f(x: f32[N]) = {expression}(x)", EMPTY)
    if expression != "logsumexp":
        tx.gives(wanted, f"fn f(x: f32[N]) = {expression}[i](x[i])", EMPTY)
    tx.gives(np.full(2, wanted), f"fn f(x: f32[M, N]) = {expression}(x, axis=1)", np.zeros((2, 0), "f4"))


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "amax", "amin"])
def test_reductions_that_have_no_value_for_nothing(tx: Any, name: str) -> None:
    assert "empty" in tx.fails(f"fn f(x: f32[N]) = {name}(x)", EMPTY)
    assert "empty" in tx.fails(f"fn f(x: f32[M, N]) = {name}(x, axis=1)", np.zeros((2, 0), "f4"))
    assert tx.refused(f"fn f() = {name}(zeros([0]))") == ["E0307"]
    if not name.startswith("am"):
        assert "empty" in tx.fails(f"fn f(x: f32[N]) = {name}[i](x[i])", EMPTY)
    tx.gives(np.zeros(0, "f4" if "arg" not in name else "i8"), f"fn f(x: f32[M, N]) = {name}(x, axis=1)", np.zeros((0, 2), "f4"))


def test_nan_passes_and_the_first_tie_wins(tx: Any) -> None:
    cases = [[1, 3, 3, 0, 0], [1, np.nan, 3, np.nan, 0], [np.nan] * 5, [-np.inf, -np.inf, np.inf, np.inf, 0], [0.0, -0.0, 0.0, -0.0, 0.0]]
    for case in cases:
        x = np.array(case, np.float32)
        tx.gives(x.max(), "fn f(x: f32[N]) = max(x)", x)
        tx.gives(x.min(), "fn f(x: f32[N]) = min[i](x[i])", x)
        tx.gives(np.argmax(x), "fn f(x: f32[N]) = argmax(x)", x)
        tx.gives(np.argmin(x), "fn f(x: f32[N]) = argmin(x)", x)
        tx.gives(np.argmax(x), "fn f(x: f32[N]) = argmax[i](x[i])", x)
        tx.gives(np.argmin(x), "fn f(x: f32[N]) = argmin[i](x[i])", x)
        tx.gives(np.maximum(x, x[::-1]), "fn f(x: f32[N]) = maximum(x, x[::-1])", x)
        tx.gives(np.minimum(x, x[::-1]), "fn f(x: f32[N]) = minimum(x, x[::-1])", x)
    tx.gives(np.array([1, 0]), "fn f(x: bool[N, M]) = argmax(x, axis=1)", np.array([[False, True], [True, True]]))


def test_any_and_all_take_what_is_not_0_as_true(tx: Any) -> None:
    x = np.array([0, 0, np.nan], "f4")
    tx.gives(np.bool_(True), "fn f(x: f32[N]) = any(x)", x)
    tx.gives(np.bool_(False), "fn f(x: f32[N]) = all[i](x[i])", x)
    tx.gives(np.bool_(True), "fn f(x: i64[N]) = all(x)", np.array([1, -2]))


def test_sums_of_integers_wrap(tx: Any) -> None:
    x = np.full(3, 2**62)
    tx.gives(x.sum(), "fn f(x: i64[N]) = sum(x)", x)
    tx.gives(np.int64(200 * 3), "fn f(x: u8[N]) = sum(x)", np.full(3, 200, "u1"))
    tx.gives(np.full(3, 2**62).prod(), "fn f(x: i64[N]) = prod(x)", x)
