"""What a name means: parameters and `let`s, dims, functions of the file, imports, the library; and attributes and methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

X = np.arange(12, dtype=np.float32).reshape(3, 4)
V = np.arange(6, dtype=np.float32)


def test_a_files_functions_shadow_the_library(tx: Any) -> None:
    tx.gives(V + 1, "fn exp(x: f32[N]) = x + 1\nfn f(x: f32[N]) = exp(x)", V)
    tx.gives(V + 1, "fn exp(x: f32[N]) = x + 1\nfn f(x: f32[N]) = x.exp()", V)
    tx.gives(np.exp(V) / np.exp(V).sum(), "fn max(x: f32[N]) = x\nfn f(x: f32[N]) = softmax(x)", V)


def test_parameters_and_lets_shadow_functions(tx: Any) -> None:
    tx.gives(V * 2, "fn g(x: f32[N]) = x\nfn f(g: f32[N]) = g * 2", V)
    tx.gives(V * 2, "fn f(sum: f32[N]) = sum * 2", V)
    tx.gives(V * 2, "fn f(x: f32[N]) { let max = x * 2 return max }", V)
    assert tx.refused("fn f(exp: f32[N]) = exp(exp)") == ["E0603"]


def test_a_bound_index_shadows_names(tx: Any) -> None:
    tx.gives(V * V, "fn f(x: f32[N], i: f32) { let y[i] = x[i] * i return y }", V, np.float32(7))
    tx.gives(V + 7, "fn f(x: f32[N], i: f32) { let y[j] = x[j] + sum[i < 1](i) return y + i }", V, np.float32(7))
    tx.gives(np.arange(6.0, dtype="f4") ** 2, "fn f(N: int, x: f32[N]) { let y[N < 6] = x[N] * N return y }", 6, V)


def test_a_live_index_is_not_bound_again(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) { let y[i] = x[i] * sum[i](x[i]) return y }") == ["E0207"]
    assert tx.refused("fn f(x: f32[N, M]) = sum[i, i](x[i, i])") == ["E0207"]
    assert tx.refused("fn f(x: f32[N]) { let y[i, i] = x[i] return y }") == ["E0207"]
    assert tx.refused("fn f(x: f32[N]) = sum[i](x[i] + sum[j](x[j] * max[i](x[i])))") == ["E0207"]
    tx.gives(V.sum() * 2 + V.max(), "fn f(x: f32[N]) = sum[i](x[i]) + sum[i](x[i]) + max[i](x[i])", V)


def test_a_reduction_keeps_its_meaning(tx: Any) -> None:
    tx.gives(V.sum(), "fn sum(x: f32[N]) = x\nfn f(x: f32[N]) = sum[k](x[k])", V)
    tx.gives(V, "fn sum(x: f32[N]) = x\nfn f(x: f32[N]) = sum(x)", V)
    assert tx.refused("fn f(x: f32[N], sum: f32) = sum[k](x[k])") == ["E0603"]
    assert tx.refused("fn f(x: f32[N]) { let sum = x return sum[k](x[k]) }") == ["E0603"]
    assert tx.refused("fn f(x: f32[N]) = norm[k](x[k])") == ["E0507"]
    assert tx.refused("fn g(x: f32) = x\nfn f(x: f32[N]) = g[k](x[k])") == ["E0507"]


def test_functions_have_names(tx: Any) -> None:
    tx.gives(np.exp(V) / np.exp(V).sum(), "fn f(x: f32[N]) { let g = softmax return g(x) }", V)
    tx.gives(V + 1, "fn h(x: f32[N]) = x + 1\nfn f(x: f32[N]) { let g = h return x.g() }", V)
    assert tx.refused("fn f(x: f32[N]) { let g = softmax return g + x }") == ["E0601"]
    assert tx.refused("fn f(x: f32[N]) = softmax") == ["E0610"]


@pytest.mark.parametrize(
    ("expression", "codes"),
    [
        ("y", ["E0201"]),
        ("softmx(x)", ["E0201"]),
        ("x.softmx()", ["E0201"]),
        ("x.foo", ["E0202"]),
        ("x.Shape", ["E0202"]),
        ("x.shape()", ["E0603"]),
        ("x.T()", ["E0603"]),
        ("x(1)", ["E0603"]),
        ("x[0](1)", ["E0114"]),
        ("3(x)", ["E0603"]),
        ("softmax[0]", ["E0603"]),
        ("softmax.T", ["E0601"]),
        ("f32[0]", ["E0603"]),
        ("sum[i](x[i]) + i", ["E0201"]),
        ("foo(x) + bar(x)", ["E0201", "E0201"]),
        ("where(aa, bb, cc)", ["E0201", "E0201", "E0201"]),
        ("[aa, bb]", ["E0201", "E0201"]),
        ("x[aa, bb]", ["E0201", "E0201"]),
    ],
)
def test_unknown_names(tx: Any, expression: str, codes: list[str]) -> None:
    assert tx.refused(f"fn f(x: f32[N]) = {expression}") == codes


def test_suggestions(tx: Any) -> None:
    assert "did you mean `softmax`?" in tx.message("fn f(x: f32[N]) = softmx(x)")
    assert "did you mean `.shape`?" in tx.message("fn f(x: f32[N]) = x.shap")
    assert "did you mean `total`?" in tx.message("fn f(x: f32[N]) { let total = x return totl }")
    assert "write `true`" in tx.message("fn f(x: f32[N]) = sum(x, keepdims=True)")
    assert "did you mean `f32`?" in tx.message("fn f(x: f23[N]) = x")
    assert "did you mean `N`?" in tx.message("fn f(x: f32[N]) -> f32[n] = x")


# Attributes and methods.


def test_attributes(tx: Any) -> None:
    tx.gives(X.T, "fn f(x: f32[N, M]) = x.T", X)
    tx.gives(V, "fn f(x: f32[N]) = x.T", V)
    tx.gives(np.float32(2), "fn f(x: f32) = x.T", np.float32(2))
    tx.gives(np.moveaxis(X[None], 1, 2), "fn f(x: f32[B, N, M]) = x.mT", X[None])
    tx.gives(np.array([3, 4]), "fn f(x: f32[N, M]) = [x.shape[0], x.shape[-1]]", X)
    tx.gives(np.array([3, 4]), "fn f(x: f32[N, M]) = x.shape", X)
    tx.gives(np.array([2, 12, 4]), "fn f(x: f32[N, M]) = [x.ndim, x.size, x.T.shape[0]]", X)
    tx.gives(np.zeros((3,), "f4"), "fn f(x: f32[N, M]) = zeros(x.shape[:1])", X)
    tx.gives(np.zeros((4, 3), "f4"), "fn f(x: f32[N, M]) = zeros([x.shape[1], x.shape[0]])", X)
    tx.gives(np.float32(3), "fn f(x: f32[N, M]) = x[0].shape[0] - 1.0", X)


def test_wrong_attributes(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[A, B, C]) = x.T") == ["E0303"]
    assert tx.refused("fn f(x: f32[N]) = x.mT") == ["E0303"]
    assert tx.refused("fn f(x: f32[N]) = x.shape[1]") == ["E0505"]
    assert tx.refused("fn f(x: f32[N]) = x.shape[-2]") == ["E0505"]


def test_methods(tx: Any) -> None:
    tx.gives(X.sum(0), "fn f(x: f32[N, M]) = x.sum(axis=0)", X)
    tx.gives(X.sum(0), "fn f(x: f32[N, M]) = x.sum(0)", X)
    tx.gives(X.reshape(12), "fn f(x: f32[N, M]) = x.reshape([N * M])", X)
    tx.gives(X + 3, "fn g(x: f32[N, M], k: int) = x + k\nfn f(x: f32[N, M]) = x.g(3)", X)
    tx.gives(np.abs(-X).max(), "fn f(x: f32[N, M]) = (-x).abs().max()", X)
    tx.gives(np.float32(2), "fn f() = 4.0.sqrt()")
