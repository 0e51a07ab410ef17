"""Operators on arrays: how they bind, broadcasting, and which dtypes they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

X = np.arange(12, dtype=np.float32).reshape(3, 4)
V = np.arange(1, 5, dtype=np.float32)
W = np.array([3, -1, 2, 0.5], np.float32)
I = np.array([5, -7, 2, 12], np.int64)  # noqa: E741
J = np.array([3, 2, -5, 0], np.int64)
A = np.array([True, True, False, False])
B = np.array([True, False, True, False])


@pytest.mark.parametrize(
    "expression",
    [
        "-x ** 2",
        "x ** -0.5",
        "2 ** x ** 0.5",
        "-x * y",
        "x - y - x",
        "x / y / 2",
        "x * y + x / y - 2 ** x",
        "x // y * 2 % 3",
        "(x + y) * 2",
        "- -x",
        "+x",
        "abs(-x)[0] + x",
    ],
)
def test_arithmetic_binds_as_in_python(tx: Any, expression: str) -> None:
    wanted = eval(expression, {"abs": np.abs}, {"x": V, "y": W})
    tx.gives(wanted, f"fn f(x: f32[N], y: f32[N]) = {expression}", V, W)


@pytest.mark.parametrize(
    "expression",
    ["i & 7 | j ^ 3", "~i", "i << 2 + 1", "i >> 1 & 3", "i | j == 2", "i & 6 << 1", "-i // 3", "i % 4 - j", "i ^ j & i", "i < j | i"],
)
def test_integers_bind_as_in_python(tx: Any, expression: str) -> None:
    tx.gives(eval(expression, {}, {"i": I, "j": J}), f"fn f(i: i64[N], j: i64[N]) = {expression}", I, J)


@pytest.mark.parametrize(
    ("expression", "python"),
    [
        ("a and b", "a & b"),
        ("a or b", "a | b"),
        ("not a", "~a"),
        ("not a == b", "~(a == b)"),
        ("a and b or not b", "(a & b) | ~b"),
        ("not a and b", "~a & b"),
        ("a & b | a ^ b", "(a & b) | (a ^ b)"),
        ("~a", "~a"),
        ("a == b", "a == b"),
        ("a < b", "a < b"),
        ("a * b", "a & b"),
    ],
)
def test_bool(tx: Any, expression: str, python: str) -> None:
    tx.gives(eval(python, {}, {"a": A, "b": B}), f"fn f(a: bool[N], b: bool[N]) = {expression}", A, B)


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
def test_comparisons(tx: Any, operator: str) -> None:
    x, y = np.array([1, 2, np.nan, -0.0], "f4"), np.array([2, 2, np.nan, 0.0], "f4")
    tx.gives(eval(f"x {operator} y"), f"fn f(x: f32[N], y: f32[N]) = x {operator} y", x, y)
    tx.gives(eval(f"I {operator} J"), f"fn f(x: i64[N], y: i64[N]) = x {operator} y", I, J)


def test_matrix_products(tx: Any) -> None:
    tx.gives(X @ X.T, "fn f(x: f32[N, M]) = x @ x.T", X)
    tx.gives(X @ V, "fn f(x: f32[N, M], y: f32[M]) = x @ y", X, V)
    tx.gives(V @ X.T, "fn f(x: f32[N, M], y: f32[M]) = y @ x.T", X, V)
    tx.gives(V @ V, "fn f(y: f32[M]) = y @ y", V)
    tx.gives(-X @ V * 2, "fn f(x: f32[N, M], y: f32[M]) = -x @ y * 2", X, V)
    b = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    tx.gives(b @ b.swapaxes(1, 2), "fn f(b: f32[B, N, M]) = b @ b.mT", b)
    tx.gives(b @ X.T, "fn f(b: f32[B, N, M], x: f32[N, M]) = b @ x.T", b, X)
    tx.gives(I @ J, "fn f(x: i64[N], y: i64[N]) = x @ y", I, J)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("fn f(x: f32[N, M]) = x @ x", "E0302"),
        ("fn f(x: f32[N], y: f32[M]) = x @ y", "E0302"),
        ("fn f(x: f32[N], y: f32) = x @ y", "E0303"),
        ("fn f(x: f32[N], y: f64[N]) = x @ y", "E0402"),
        ("fn f(x: f32[N], y: f64[N]) = dot(x, y)", "E0402"),
        ('fn f(x: f32[N], y: f64[N]) = einsum("i,i->", x, y)', "E0402"),
        ('fn f(x: f32[N], y: f32[M]) = einsum("i,i->", x, y)', "E0302"),
        ("fn f(x: bool[N]) = x @ x", "E0404"),
        ("fn f(x: f32[A, N, M], y: f32[B, M, N]) = x @ y", "E0301"),
    ],
)
def test_wrong_matrix_products(tx: Any, source: str, code: str) -> None:
    assert tx.refused(source) == [code]


# Broadcasting.


@pytest.mark.parametrize(
    ("left", "right", "shapes"),
    [
        ("N, M", "M", ((3, 4), (4,))),
        ("N, M", "N, 1", ((3, 4), (3, 1))),
        ("N, M", "1, M", ((3, 4), (1, 4))),
        ("N, M", "1, 1", ((3, 4), (1, 1))),
        ("N, 1", "1, M", ((3, 1), (1, 4))),
        ("N, M", "", ((3, 4), ())),
        ("A, 1, M", "N, 1", ((2, 1, 4), (3, 1))),
        ("1", "1", ((1,), (1,))),
        ("3", "1, 3", ((3,), (1, 3))),
        ("...S, M", "M", ((2, 3, 4), (4,))),
        ("...S", "...S", ((2, 3), (2, 3))),
    ],
)
def test_broadcasting(tx: Any, left: str, right: str, shapes: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=s).astype("f4") for s in shapes)
    tx.gives(x - y, f"fn f(x: f32[{left}], y: f32[{right}]) = x - y", x, y)
    tx.gives(y - x, f"fn f(x: f32[{left}], y: f32[{right}]) = y - x", x, y)


@pytest.mark.parametrize("dims", [("N", "M"), ("N", "3"), ("3", "4"), ("N, M", "M, N"), ("N", "N + 1"), ("H // 2, H", "H"), ("N, M", "N")])
def test_what_does_not_broadcast(tx: Any, dims: tuple[str, str]) -> None:
    extra = ", h: f32[H]" if "H" in dims[0] else ""
    wrong = [] if dims == ("H // 2, H", "H") else ["E0301"]
    assert tx.refused(f"fn f(x: f32[{dims[0]}], y: f32[{dims[1]}]{extra}) = x + y") == wrong


def test_axes_known_to_be_1_broadcast(tx: Any) -> None:
    tx.gives(X - X.mean(1, keepdims=True), "fn f(x: f32[N, M]) = x - mean(x, axis=1, keepdims=true)", X)
    tx.gives(X * X[:, :1], "fn f(x: f32[N, M]) = x * x[:, :1]", X)
    tx.gives(V[:, None] * V, "fn f(x: f32[N]) = x[:, None] * x", V)
    tx.gives(X - X[0:1], "fn f(x: f32[N, M]) = x - x[0:1]", X)


def test_where_broadcasts(tx: Any) -> None:
    tx.gives(np.where(X > 5, V, X[:, :1]), "fn f(x: f32[N, M], v: f32[M]) = where(x > 5, v, x[:, :1])", X, V)
    tx.gives(np.where(V > 2, np.float32(1), np.float32(0)), "fn f(v: f32[N]) = where(v > 2, 1.0, 0)", V)
    assert tx.refused("fn f(v: f32[N]) = where(v, 1.0, 0)") == ["E0404"]


# What operators want.


@pytest.mark.parametrize("expression", ["b + b", "b - b", "b // b", "b % b", "-b", "true + false", "b + true"])
def test_bool_is_no_number(tx: Any, expression: str) -> None:
    assert tx.refused(f"fn f(b: bool[N]) = {expression}") == ["E0404"]


def test_the_error_suggests_what_bool_has(tx: Any) -> None:
    assert "`or`" in tx.message("fn f(b: bool[N]) = b + b")
    assert "`^`" in tx.message("fn f(b: bool[N]) = b - b")
    tx.gives(A + np.int64(1), "fn f(b: bool[N]) = b + 1", A)


@pytest.mark.parametrize(
    "expression",
    [
        "x & x",
        "x | 1",
        "x ^ x",
        "~x",
        "x << 1",
        "x >> 1",
        "x and x",
        "x or true",
        "not x",
        "i and i",
        "not i",
        "i or true",
        "mean(i)",
        "softmax(i)",
        "var(i)",
        "std(i)",
        "norm(i)",
        "mean(i > 0)",
    ],
)
def test_wrong_dtypes(tx: Any, expression: str) -> None:
    codes = tx.refused(f"fn f(x: f32[N], i: i64[N]) = {expression}")
    assert codes in (["E0404"], ["E0406"]), codes


def test_a_negative_literal_exponent_of_an_integer(tx: Any) -> None:
    assert tx.refused("fn f(i: i64[N]) = i ** -1") == ["E0405"]
    assert tx.refused("fn f(i: i32[N]) = pow(i, -2)") == ["E0405"]
    assert tx.refused("fn f() = 2 ** -1") == ["E0405"]
    tx.gives(np.float32(0.5), "fn f() = 2.0 ** -1")
    tx.gives(W**-2, "fn f(x: f32[N]) = x ** -2", W)
