"""Dtypes of results: torch.result_type for tensors of every rank and for weak values, and where literals do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

TORCH = {
    "bool": torch.bool,
    "i8": torch.int8,
    "i16": torch.int16,
    "i32": torch.int32,
    "i64": torch.int64,
    "u8": torch.uint8,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "f64": torch.float64,
}
NAMES = {dtype: name for name, dtype in TORCH.items()}

V = np.arange(4, dtype=np.float32)


def result_dtype(tx: Any, source: str) -> str:
    return str(tx.program(source).results[0].dtype)


@pytest.mark.parametrize("left", TORCH)
@pytest.mark.parametrize("right", TORCH)
def test_two_tensors(tx: Any, left: str, right: str) -> None:
    """Multiplication is defined for all; dims say which are 0-d."""
    for dims in (("[N]", "[N]"), ("[N]", ""), ("", "[N]"), ("[]", "[]")):
        shapes = [(2,) if d == "[N]" else () for d in dims]
        wanted = torch.result_type(torch.ones(shapes[0], dtype=TORCH[left]), torch.ones(shapes[1], dtype=TORCH[right]))
        types = [f"{n}[]" if not d else n + d for n, d in zip((left, right), dims, strict=True)]
        assert result_dtype(tx, f"fn f(x: {types[0]}, y: {types[1]}) = x * y") == NAMES[wanted]


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize(("literal", "value"), [("true", True), ("3", 3), ("2.5", 2.5), ("[true]", True), ("[3, 4]", 3), ("[2.5]", 2.5)])
def test_weak_operands(tx: Any, name: str, literal: str, value: Any) -> None:
    for dims, shape in (("[N]", (2,)), ("[]", ())):
        wanted = torch.result_type(torch.ones(shape, dtype=TORCH[name]), value)
        if literal.startswith("[") and dims == "[N]":
            continue  # the shapes do not broadcast
        assert result_dtype(tx, f"fn f(x: {name}{dims}) = x * {literal}") == NAMES[wanted]


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ("u16", "u16", "u16"),
        ("u16", "u8", "u16"),
        ("u32", "u16", "u32"),
        ("u64", "u8", "u64"),
        ("u16", "i8", "i32"),
        ("u16", "i32", "i32"),
        ("u32", "i8", "i64"),
        ("u32", "i64", "i64"),
        ("u64", "f32", "f32"),
        ("u16", "bool", "u16"),
        ("u64", "u32", "u64"),
    ],
)
def test_unsigned_integers_follow_the_array_api(tx: Any, left: str, right: str, wanted: str) -> None:
    assert result_dtype(tx, f"fn f(x: {left}[N], y: {right}[N]) = x * y") == wanted
    assert result_dtype(tx, f"fn f(x: {left}[N], y: {right}[N]) = y * x") == wanted


def test_what_has_no_common_dtype(tx: Any) -> None:
    assert tx.refused("fn f(x: u64[N], y: i64[N]) = x + y") == ["E0402"]
    assert tx.refused("fn f(x: u64[N], y: i8[N]) = where(x > 0, x, y)") == ["E0402"]


def test_division_of_integers_gives_f32(tx: Any) -> None:
    i = np.array([1, 2, 7])
    tx.gives((i / 2).astype("f4"), "fn f(x: i64[N]) = x / 2", i)
    tx.gives((i / i).astype("f4"), "fn f(x: i64[N]) = x / x", i)
    tx.gives(np.float32(0.5), "fn f() = 1 / 2")
    assert result_dtype(tx, "fn f(x: bool[N]) = x / x") == "f32"
    assert result_dtype(tx, "fn f(x: i64[N], y: f64[N]) = x / y") == "f64"
    assert result_dtype(tx, "fn f(x: i64[N], y: f16[N]) = x / y") == "f16"


# Elements rank as their tensors.


def test_an_element_ranks_as_its_tensor(tx: Any) -> None:
    for expression in ("x * y", "where(x > 0, x, y)", "maximum(x, y)"):
        array = result_dtype(tx, f"fn f(x: f32[N], y: f64[N]) = {expression}")
        element = expression.replace("x", "x[i]").replace("y", "y[i]").replace("ma[i]", "max").replace("x[i]imum", "ximum")
        assert array == result_dtype(tx, f"fn f(x: f32[N], y: f64[N]) {{ let z[i] = {element} return z }}") == "f64"


def test_a_0d_tensor_ranks_below_elements(tx: Any) -> None:
    assert result_dtype(tx, "fn f(x: f32[N], y: f64) = x * y") == "f32"
    assert result_dtype(tx, "fn f(x: f32[N], y: f64) { let z[i] = x[i] * y return z }") == "f32"
    assert result_dtype(tx, "fn f(x: i64[N], y: f64) { let z[i] = x[i] * y return z }") == "f64"
    assert result_dtype(tx, "fn f(x: f32[N], y: f64[M]) { let z[i] = x[i] * sum[j](y[j]) return z }") == "f32"
    assert result_dtype(tx, "fn f(x: f32[N], y: f64[N, M]) { let z[i] = x[i] * sum[j](y[i, j]) return z }") == "f64"
    assert result_dtype(tx, "fn f(x: f32, y: f64) = x * y") == "f64"


# Weak values.


def test_weak_values_take_the_others_dtype(tx: Any) -> None:
    h = np.ones(4, np.float16)
    tx.gives((h * 3).astype("f2"), "fn f(x: f16[N]) = x * 3", h)
    tx.gives(h * np.float16(0.1), "fn f(x: f16[N]) = x * 0.1", h)
    tx.gives(h * 4, "fn f(x: f16[N]) = x * N", h)
    tx.gives(h * 2, "fn f(x: f16[N]) = x * sqrt(N)", h)
    tx.gives(np.arange(4).astype("f2"), "fn f(x: f16[N]) { let y[i] = x[i] * i return y }", h)
    tx.gives((np.arange(4) * 0.5).astype("f2"), "fn f(x: f16[N]) { let y[i] = x[i] * (i * 0.5) return y }", h)
    tx.gives(h * np.array([1, 2, 3, 4], "f2"), "fn f(x: f16[4]) = x * [1, 2, 3, 4]", h)
    tx.gives(h * np.float16(np.pi), "fn f(x: f16[N]) { let k = pi return x * k }", h)


def test_weak_values_are_computed_wide(tx: Any) -> None:
    x = np.ones(2, np.float64)
    third = (1 / 3) * 0.1
    tx.gives(x * third, "fn f(x: f64[N]) = x * (1 / 3 * 0.1)", x)
    tx.gives(x * np.sqrt(2 / 3), "fn f(x: f64[N]) = x * sqrt(N / 3)", x)
    tx.gives(x * (1 + 1 / 2 + 1 / 3), "fn f(x: f64[N]) { let y[i] = x[i] * sum[k < 3](1 / (k + 1)) return y }", x)
    tx.gives(x * 1.1 * 2.2, "fn f(x: f64[N]) = x * prod([1.1, 2.2])", x)
    tx.gives(x * 0.1, "fn f(x: f64[N]) = x * clamp(0.1, 0, 1)", x)
    tx.gives(x * (1 / (1 + np.exp(-0.3))), "fn f(x: f64[N]) = x * sigmoid(0.3)", x)
    tx.gives(x * [0.1, 0.2], "fn f(x: f64[2]) { let w[i < 2] = x[i] * [0.1, 0.2][i else 0.3] return w }", x)


def test_what_weak_values_are_stored_as(tx: Any) -> None:
    tx.is_equal("3", np.int64(3))
    tx.is_equal("0.1", np.float32(0.1))
    tx.is_equal("true", np.bool_(True))
    tx.is_equal("[1, 2]", np.array([1, 2]))
    tx.is_equal("[0.1]", np.array([0.1], "f4"))
    tx.is_equal("sqrt(2)", np.float32(np.sqrt(2)))
    tx.is_equal("softmax([0.0, 0.0])", np.array([0.5, 0.5], "f4"))
    tx.is_equal("sum([1, 2])", np.int64(3))
    tx.is_equal("sum([0.5, 2])", np.float32(2.5))
    tx.is_equal("where(true, 1, 2.5)", np.float32(1))
    tx.gives(np.arange(3), "fn f() { let y[i < 3] = i return y }")
    tx.gives(np.arange(3, dtype="f4") / 2, "fn f() = tensor[i < 3](i / 2)")
    tx.gives(np.array([True, False, False]), "fn f() = tensor[i < 3](i < 1)")
    assert result_dtype(tx, "fn f(x: f64[N]) = where(x > 0, 1.0, 0.0)") == "f32"


@pytest.mark.parametrize(
    ("dtype", "expression", "codes"),
    [
        ("u8", "x + 255", []),
        ("u8", "x + 256", ["E0403"]),
        ("u8", "x - 1", []),
        ("u8", "x * -1", ["E0403"]),
        ("u8", "x > 300", ["E0403"]),
        ("i8", "x + 127", []),
        ("i8", "x + 128", ["E0403"]),
        ("i8", "x + -128", []),
        ("i8", "x * (100 + 100)", ["E0403"]),
        ("i32", "x & 0xffffffff", ["E0403"]),
        ("i32", "x & 0x7fffffff", []),
        ("u64", "x & 0xffffffffffffffff", []),
        ("i64", "x + 9223372036854775808", ["E0403"]),
        ("u8", "where(x > 0, x, 256)", ["E0403"]),
        ("u8", "maximum(x, -1)", ["E0403"]),
        ("u8", "x + 256.0", []),
        ("u8", "x + [300, 1]", ["E0403"]),
        ("bool", "x + 300", []),
        ("f16", "x + 100000", []),
    ],
)
def test_literals_outside_the_others_range(tx: Any, dtype: str, expression: str, codes: list[str]) -> None:
    dims = "[2]" if "[" in expression else "[N]"
    assert tx.refused(f"fn f(x: {dtype}{dims}) = {expression}") == codes


def test_a_named_literal_array_is_checked_too(tx: Any) -> None:
    assert tx.refused("fn f(x: u8[2]) { let w = [300, 1] return x + w }") == ["E0403"]
    tx.gives(np.uint8([4, 6]), "fn f(x: u8[2]) { let w = [3, 4] return x + w }", np.uint8([1, 2]))


# Reductions.


def test_sums_of_integers_and_bool_give_i64(tx: Any) -> None:
    for name in ("bool", "i8", "u8", "i32", "i64"):
        for head in ("sum", "prod"):
            assert result_dtype(tx, f"fn f(x: {name}[N]) = {head}(x)") == "i64"
            assert result_dtype(tx, f"fn f(x: {name}[N]) = {head}[i](x[i])") == "i64"
    for name in ("f16", "bf16", "f32", "f64"):
        for head in ("sum", "prod", "mean", "max", "min"):
            assert result_dtype(tx, f"fn f(x: {name}[N]) = {head}(x)") == name
            assert result_dtype(tx, f"fn f(x: {name}[N]) = {head}[i](x[i])") == name
    for name in ("bool", "u8", "i32"):
        assert result_dtype(tx, f"fn f(x: {name}[N]) = max(x)") == name
        assert result_dtype(tx, f"fn f(x: {name}[N]) = min[i](x[i])") == name
    for head in ("any", "all"):
        assert result_dtype(tx, f"fn f(x: f32[N]) = {head}(x)") == result_dtype(tx, f"fn f(x: i8[N]) = {head}[i](x[i])") == "bool"
    for head in ("argmax", "argmin"):
        assert result_dtype(tx, f"fn f(x: f32[N]) = {head}(x)") == result_dtype(tx, f"fn f(x: u8[N]) = {head}[i](x[i])") == "i64"


def test_half_floats_round_once(tx: Any) -> None:
    x = np.full(4096, 0.1, np.float16)
    exact = np.float16(x.astype("f8").sum())
    tx.gives(exact, "fn f(x: f16[N]) = sum(x)", x)
    tx.gives(exact, "fn f(x: f16[N]) = sum[i](x[i])", x)
    y = np.float16(x.astype("f8") @ x.astype("f8"))
    tx.gives(y, "fn f(x: f16[N]) = x @ x", x)
    tx.gives(y, "fn f(x: f16[N]) = sum[i](x[i] * x[i])", x)
    tx.gives(y, 'fn f(x: f16[N]) = einsum("i,i->", x, x)', x)


def test_products_of_matrices_keep_the_dtype(tx: Any) -> None:
    for name in ("i8", "u16", "i64", "f16", "bf16", "f64"):
        assert result_dtype(tx, f"fn f(x: {name}[N, N]) = x @ x") == name
        assert result_dtype(tx, f"fn f(x: {name}[N]) = dot(x, x)") == name
        assert result_dtype(tx, f'fn f(x: {name}[N, N]) = einsum("ij,jk->ik", x, x)') == name
    tx.gives(np.int8([[4]]), "fn f(x: i8[1, N]) = x @ x.T", np.full((1, 65), 2, "i1"))
