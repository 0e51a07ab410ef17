"""Static parameters: each type of them, defaults, and what they may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

X = np.arange(12, dtype=np.float32).reshape(3, 4)
V = np.arange(6, dtype=np.float32)


def test_int(tx: Any) -> None:
    source = "fn f(x: f32[N], k: int = 2) = x * k"
    tx.gives(V * 2, source, V)
    tx.gives(V * 3, source, V, 3)
    tx.gives(V * -5, source, V, k=-5)
    tx.gives(np.int64(2**62), "fn f(k: int) = k", k=2**62)


def test_float(tx: Any) -> None:
    source = "fn f(x: f32[N], eps: float = 1e-5) = x + eps"
    tx.gives(V + np.float32(1e-5), source, V)
    tx.gives(V + 2, source, V, 2)
    tx.gives(V + np.float32(0.1), source, V, eps=0.1)
    assert tx.refused("fn g(e: float) = e\nfn f(x: f32[N]) = g(1 / N) + g(2) + g(-1.5) + g(inf) + g(sqrt(N))") == []
    assert tx.refused("fn g(e: float) = e\nfn f(x: f32) = g(x)") == ["E0604"]
    assert tx.refused("fn g(e: float) = e\nfn f() = g(true)") == ["E0604"]


def test_bool(tx: Any) -> None:
    source = "fn f(x: f32[N], b: bool = true) = where(b and not false, x, -x)"
    tx.gives(V, source, V)
    tx.gives(-V, source, V, b=False)
    assert tx.refused("fn g(b: bool) = 1\nfn f() = g(1)") == ["E0604"]
    assert tx.refused("fn g(b: bool) = 1\nfn f(x: f32[N]) = g(N == 3)") == ["E0604"]
    assert tx.refused("fn g(b: bool) = 1\nfn f() = g(1 < 2)") == []


def test_str(tx: Any) -> None:
    source = 'fn f(x: f32[N], mode: str = "sum") = where(mode == "mean", mean(x), where(mode != \'sum\', x[0], sum(x)))'
    tx.gives(np.float32(15), source, V)
    tx.gives(np.float32(2.5), source, V, "mean")
    tx.gives(np.float32(0), source, V, mode="first")
    tx.gives(V, 'fn g(x: f32[N], s: str) = where(s == "a", x, -x)\nfn f(x: f32[N], s: str) = g(x, s)', V, "a")
    assert tx.refused("fn g(s: str) = 1\nfn f() = g(2)") == ["E0604"]
    assert tx.refused('fn f(x: f32[N]) = x == "a"') == ["E0601"]


def test_dtype(tx: Any) -> None:
    source = "fn f(x: f32[N], t: dtype = f64) = cast(x, t)"
    tx.gives(V.astype("f8"), source, V)
    tx.gives(V.astype("i4"), source, V, t="i32")
    tx.gives(np.bool_(True), "fn f(t: dtype = f32) = t == f32 and t != i32")
    assert tx.refused('fn g(t: dtype) = 1\nfn f() = g("f32")') == ["E0604"]


def test_dims(tx: Any) -> None:
    source = "fn f(x: f32[N, M], shape: dims) = reshape(x, shape)"
    tx.gives(X.reshape(2, 6), source, X, [2, 6])
    tx.gives(X.reshape(12), source, X, shape=(12,))
    tx.gives(X.reshape(12), source, X, 12)
    tx.gives(X.reshape(4, 3), "fn g(x: f32[N, M], s: dims) = reshape(x, s)\nfn f(x: f32[N, M]) = g(x, [M, N])", X)
    assert tx.refused("fn g(s: dims) = 1\nfn f() = g([1.5])") == ["E0604"]


def test_axes(tx: Any) -> None:
    source = "fn f(x: f32[N, M], axis: axes = none) = sum(x, axis=axis)"
    tx.gives(X.sum(), source, X)
    tx.gives(X.sum(0), source, X, 0)
    tx.gives(X.sum(1), source, X, axis=-1)
    tx.gives(X.sum(), source, X, (0, 1))
    tx.gives(X.sum(0), source, X, [0])
    assert tx.refused("fn g(a: axes) = 1\nfn f() = g(0.5)") == ["E0604"]


@pytest.mark.parametrize("argument", ["1.5", "true", '"a"', "none", "f32", "[1, 2]", "x", "x[0]", "(1, 2)", "g"])
def test_what_is_no_int(tx: Any, argument: str) -> None:
    assert tx.refused(f"fn g(k: int) = k\nfn f(x: f32[N]) = g({argument})") == ["E0604"]


def test_none_is_a_default(tx: Any) -> None:
    source = "fn f(x: f32[N], k: int = none) = where(k == none, x, x + 1)"
    tx.gives(V, source, V)
    tx.gives(V, source, V, k=None)
    tx.gives(V + 1, source, V, k=3)


def test_defaults_may_speak_of_dims_and_parameters_before(tx: Any) -> None:
    tx.gives(V * 3, "fn f(x: f32[N], k: int = N // 2) = x * k", V)
    tx.gives(V * 6, "fn f(x: f32[N], k: int = 2, l: int = k * 3) = x * l", V)
    tx.gives(V * 12, "fn f(x: f32[N], k: int = 2, l: int = k * 3) = x * l", V, k=4)
    tx.gives(V * 3, "fn g(x: f32[N], k: int = N // 2) = x * k\nfn f(x: f32[M]) = g(x)", V)


def test_a_wrong_default(tx: Any) -> None:
    assert tx.refused('fn f(x: f32[N], k: int = "a") = x') == ["E0604"]
    assert tx.refused("fn f(x: f32[N], k: int = y) = x") == ["E0201"]


def test_they_are_known_when_compiling(tx: Any) -> None:
    function = tx.function("fn f(x: f32[N], k: int) = x[:k]")
    function(V, 2)
    function(V[:3], 2)
    assert function.stats.compiles == 1
    function(V, 3)
    assert function.stats.compiles == 2


def test_python_may_not_give_them_arrays(tx: Any) -> None:
    tx.fails("fn f(x: f32[N], k: int) = x * k", V, np.float32(2), error=TypeError)
    tx.fails("fn f(x: f32[N], k: int) = x * k", V, V, error=TypeError)
    tx.fails("fn f(x: f32[N], k: bool) = x", V, 1, error=TypeError)


def test_static_lists_of_pairs(tx: Any) -> None:
    tx.gives(np.pad(X, [(0, 0), (1, 2)]), "fn f(x: f32[N, M]) = pad(x, [[0, 0], [1, 2]], value=0)", X)


def test_a_function_whose_static_value_is_not_known_is_checked_leniently(tx: Any) -> None:
    assert tx.refused('fn f(x: f32[N], mode: str) { require mode == "same" or mode == "valid", "a mode" return x }') == []
    assert tx.refused("fn f(x: f32[N, M], k: int) { require k >= 3 return sum(x, axis=k - 3) }") == []
    assert tx.refused("fn f(x: f32[N, M], k: int) = sum(x, axis=k) + y") == ["E0201"]
