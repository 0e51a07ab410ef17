"""Index notation: definitions, reductions, what a subscript may be, and reads with a value outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

RNG = np.random.default_rng(0)
V = np.arange(6, dtype=np.float32)
X = RNG.normal(size=(3, 4)).astype("f4")
Y = RNG.normal(size=(4, 5)).astype("f4")


# The page's examples.


def test_matrix_product(tx: Any) -> None:
    tx.gives(X @ Y, "fn f(a: f32[I, K], b: f32[K, J]) { let c[i, j] = sum[k](a[i, k] * b[k, j]) return c }", X, Y)
    tx.gives(X @ Y, "fn f(a: f32[I, K], b: f32[K, J]) = tensor[i, j](sum[k](a[i, k] * b[k, j]))", X, Y)


def test_convolution(tx: Any) -> None:
    x, w = RNG.normal(size=(2, 3, 7, 6)).astype("f4"), RNG.normal(size=(4, 3, 3, 2)).astype("f4")
    source = """
    fn f(x: f32[N, C, H, W], f: f32[O, C, R, S]) -> f32[N, O, H - R + 1, W - S + 1] {
        let y[n, o, h, w] = sum[c, r, s](x[n, c, h + r, w + s] * f[o, c, r, s])
        return y
    }
    """
    tx.gives(F.conv2d(torch.from_numpy(x), torch.from_numpy(w)).numpy(), source, x, w)
    assert "negative" in tx.fails(source, x[:, :, :1], w)
    assert tx.run(source, x[:, :, :2], w).shape == (2, 4, 0, 5)


def test_reads_outside(tx: Any) -> None:
    u = RNG.normal(size=(4, 5)).astype("f4")
    p = np.pad(u, 1)
    wanted = (p[:-2, 1:-1] + p[2:, 1:-1]) / 2
    tx.gives(wanted, "fn f(u: f32[H, W]) { let v[i, j] = (u[i-1, j else 0] + u[i+1, j else 0]) / 2 return v }", u)


def test_gather(tx: Any) -> None:
    ids, table = np.array([[2, 0], [1, 1]]), X
    tx.gives(X[ids], "fn f(table: f32[V, D], ids: i64[B, T]) { let e[b, t, d] = table[ids[b, t], d] return e }", table, ids)


def test_written_ranges(tx: Any) -> None:
    source = "fn f(x: f32[N]) { let tril[i < N, j < N] = where(j <= i, 1.0, 0.0) return tril }"
    tx.gives(np.tri(6, dtype="f4"), source, V)


def test_nearest_neighbour(tx: Any) -> None:
    p, q = RNG.normal(size=(5, 3)).astype("f4"), RNG.normal(size=(4, 3)).astype("f4")
    wanted = ((p[:, None] - q) ** 2).sum(2).min(1)
    tx.gives(wanted, "fn f(p: f32[N, K], q: f32[M, K]) { let d[i] = min[j](sum[k]((p[i, k] - q[j, k]) ** 2)) return d }", p, q)


# Definitions.


def test_definitions_and_expressions_mean_the_same(tx: Any) -> None:
    tx.gives(X.T * 2, "fn f(x: f32[N, M]) { let y[j, i] = x[i, j] * 2 return y }", X)
    tx.gives(X.T * 2, "fn f(x: f32[N, M]) = tensor[j, i](x[i, j] * 2)", X)
    tx.gives(X.T[1:] * 2, "fn f(x: f32[N, M]) = tensor[j, i](x[i, j] * 2)[1:]", X)
    tx.gives(X + X.T.T, "fn f(x: f32[N, M]) = x + tensor[i, j](x[i, j])", X)


def test_the_body_is_one_element(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) { let y[i] = x return y }") == ["E0509"]
    assert tx.refused("fn f(x: f32[N, M]) { let y[i] = x[i] return y }") == ["E0504"]
    assert tx.refused("fn f(x: f32[N, M]) { let y[i] = x[i, :] return y }") == ["E0504"]
    assert tx.refused("fn f(x: f32[N, M]) = sum[i](x[i])") == ["E0504"]
    assert tx.refused("fn f(x: f32[N, M]) = sum[i](x[i, 0, 0])") == ["E0504"]
    assert tx.refused("fn f(x: f32[N, M]) = sum[i](x[..., i])") == ["E0504"]
    assert tx.refused("fn f(x: f32[N, M]) = sum[i](x[i, None])") == ["E0504"]
    assert tx.refused("fn f(x: f32[N]) { let y[i] = (x[i], x[i]) return y }") == ["E0601"]
    assert tx.refused("fn f(x: f32[N]) { let y[i] = [x[i], x[i]] return y }") == ["E0509"]


def test_a_definition_may_not_read_itself(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) { let y[i] = x[i] + y[i - 1 else 0] return y }") == ["E0210"]


def test_definitions_read_definitions(tx: Any) -> None:
    source = """
    fn f(x: f32[N, M]) {
        let m[i] = max[j](x[i, j])
        let e[i, j] = exp(x[i, j] - m[i])
        let s[i] = sum[j](e[i, j])
        let y[i, j] = e[i, j] / s[i]
        return y
    }
    """
    e = np.exp(X - X.max(1, keepdims=True))
    tx.gives(e / e.sum(1, keepdims=True), source, X)


def test_nested_reductions_and_definitions(tx: Any) -> None:
    tx.gives((X @ Y).sum(), "fn f(a: f32[I, K], b: f32[K, J]) = sum[i, j](sum[k](a[i, k] * b[k, j]))", X, Y)
    tx.gives(np.float32((X.max(1) ** 2).sum()), "fn f(x: f32[N, M]) = sum[i](max[j](x[i, j]) ** 2)", X)
    tx.gives(X.max(1).min() + X.sum(), "fn f(x: f32[N, M]) = min[i](max[j](x[i, j])) + sum[i, j](x[i, j])", X)
    tx.gives(X.sum(1), "fn f(x: f32[N, M]) = tensor[i](sum(tensor[j](x[i, j])))", X)
    tx.gives(X[:, ::-1].copy(), "fn f(x: f32[N, M]) = tensor[i, j](tensor[k](x[i, k])[M - 1 - j])", X)
    tx.gives(np.sort(X, 1), "fn f(x: f32[N, M]) = tensor[i, j](sort(tensor[k](x[i, k]))[j])", X)


def test_constant_definitions(tx: Any) -> None:
    tx.gives(np.full((2, 3), 7), "fn f() = tensor[i < 2, j < 3](7)")
    tx.gives(np.arange(6).reshape(2, 3), "fn f() = tensor[i < 2, j < 3](3 * i + j)")
    tx.gives(V * 0 + 5, "fn f(x: f32[N], k: f32) = tensor[i < N](k)", V, np.float32(5))


# Reductions.


@pytest.mark.parametrize("name", ["sum", "prod", "min", "max", "mean", "any", "all", "argmin", "argmax"])
def test_each_reduction_is_that_of_arrays(tx: Any, name: str) -> None:
    tx.gives(getattr(X, name)(1), f"fn f(x: f32[N, M]) {{ let y[i] = {name}[j](x[i, j]) return y }}", X)
    tx.gives(getattr(X, name)(1), f"fn f(x: f32[N, M]) = {name}(x, axis=1)", X)
    if not name.startswith("arg"):
        tx.gives(getattr(X, name)(), f"fn f(x: f32[N, M]) = {name}[i, j](x[i, j])", X)


def test_argmax_gives_the_indexs_own_value(tx: Any) -> None:
    x = np.array([9, 1, 5, 3, 8, 0], "f4")
    tx.gives(np.int64(4), "fn f(x: f32[N]) { require N >= 5 return argmax[i in 2..5](x[i]) }", x)
    tx.gives(np.int64(3), "fn f(x: f32[N]) { require N >= 5 return argmin[i in 2..5](x[i]) }", x)
    tx.gives(np.int64(3), "fn f(x: f32[N]) = argmax[i](x[N - 1 - i] * 0 + where(i == 3, 1.0, 0.0))", x)
    assert tx.refused("fn f(x: f32[N, M]) = argmax[i, j](x[i, j])") == ["E0506"]


def test_only_reductions_bind_indices(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) = exp[i](x[i])") == ["E0507"]
    assert tx.refused("fn f(x: f32[N]) = cumsum[i](x[i])") == ["E0507"]
    assert tx.refused("fn f(x: f32[N]) = amax[i](x[i])") == ["E0507"]
    assert "did you mean `max`?" in tx.message("fn f(x: f32[N]) = amax[i](x[i])")


# Bound indices as values.


def test_a_bound_index_is_an_integer(tx: Any) -> None:
    tx.gives(V * np.arange(6, dtype="f4") * np.float32(0.1), "fn f(x: f32[N]) { let y[i] = x[i] * (i * 0.1) return y }", V)
    tx.gives(np.arange(6) % 4 * 2, "fn f(x: f32[N]) = tensor[i < N](i % 4 * 2)", V)
    tx.gives(np.arange(6) // 4, "fn f(x: f32[N]) = tensor[i < N](i // 4)", V)
    tx.gives(np.arange(6) ** 2 - 3, "fn f(x: f32[N]) = tensor[i < N](i ** 2 - 3)", V)
    tx.gives(np.sqrt(np.arange(6)).astype("f4"), "fn f(x: f32[N]) = tensor[i < N](sqrt(i))", V)
    tx.gives(np.arange(6) & 3, "fn f(x: f32[N]) = tensor[i < N](i & 3)", V)
    tx.gives(np.where(np.arange(6) % 2 == 0, V, -V), "fn f(x: f32[N]) { let y[i] = where(i % 2 == 0, x[i], -x[i]) return y }", V)
    tx.gives(np.array([0, 0, 0, 0, 0, 0]), "fn f(x: f32[N]) { let z = N - 6 return tensor[i < N](i % z) }", V)


@pytest.mark.parametrize(
    "condition",
    ["i < j", "i <= j", "i > j", "i >= j", "i == j", "i != j", "i + 1 == 2 * j", "not i < j", "i < 2 and j > 1", "i < 1 or j > 2"],
)
def test_comparisons_of_indices(tx: Any, condition: str) -> None:
    i, j = np.indices((3, 4))
    python = {"not i < j": "~(i < j)", "i < 2 and j > 1": "(i < 2) & (j > 1)", "i < 1 or j > 2": "(i < 1) | (j > 2)"}.get(
        condition, condition
    )
    wanted = np.where(eval(python, {"i": i, "j": j}), X, np.float32(0))
    tx.gives(wanted, f"fn f(x: f32[N, M]) {{ let y[i, j] = where({condition}, x[i, j], 0) return y }}", X)


# Subscripts.


@pytest.mark.parametrize(
    ("subscript", "python"),
    [
        ("N - 1 - i", "N - 1 - i"),
        ("(i + 1) % N", "(i + 1) % N"),
        ("(i - 1) % N", "(i - 1) % N"),
        ("(3 * i + 2) % N", "(3 * i + 2) % N"),
        ("i // 2", "i // 2"),
        ("i - i % 2", "i - i % 2"),
        ("abs(i - 2)", "np.abs(i - 2)"),
        ("maximum(i - 1, 0)", "np.maximum(i - 1, 0)"),
        ("minimum(i + 1, N - 1)", "np.minimum(i + 1, N - 1)"),
        ("where(i > 2, 0, i)", "np.where(i > 2, 0, i)"),
        ("k[i]", "k[i]"),
        ("k[k[i]]", "k[k[i]]"),
        ("N - 1 - k[i]", "N - 1 - k[i]"),
        ("(k[i] + i) % N", "(k[i] + i) % N"),
        ("k[i] // 2", "k[i] // 2"),
        ("0", "0 * i"),
        ("-1", "0 * i - 1"),
        ("N // 2", "0 * i + N // 2"),
        ("N - 1", "0 * i + N - 1"),
        ("s", "0 * i + s"),
        ("i * 0 + 2", "0 * i + 2"),
        ("i & 3", "i & 3"),
        ("i >> 1", "i >> 1"),
        ("cast(k[i], i32)", "k[i]"),
    ],
)
def test_a_subscript_is_any_integer_expression(tx: Any, subscript: str, python: str) -> None:
    k = np.array([3, 0, 5, 1, 1, 2])
    wanted = V[eval(python, {"np": np, "N": 6, "i": np.arange(6), "k": k, "s": 3})]
    source = f"fn f(x: f32[N], k: i64[N], s: int) {{ require N >= 6 let y[i < N] = x[{subscript}] return y }}"
    tx.gives(wanted, source, V, k, s=3)


@pytest.mark.parametrize("subscript", ["x[i]", "0.5", "i / 2", "i > 0", "sqrt(i)", "b[i]"])
def test_a_subscript_is_an_integer(tx: Any, subscript: str) -> None:
    assert tx.refused(f"fn f(x: f32[N], b: bool[N]) {{ let y[i < N] = x[{subscript}] return y }}") == ["E0503"]


def test_subscripts_of_several_axes(tx: Any) -> None:
    i, j = np.indices((3, 4))
    tx.gives(X[i, (j + i) % 4], "fn f(x: f32[N, M]) { let y[i < N, j < M] = x[i, (j + i) % M] return y }", X)
    tx.gives(np.diag(X[:, :3]), "fn f(x: f32[N, M]) { require M >= N let y[i < N] = x[i, i] return y }", X)
    tx.gives(X.reshape(12), "fn f(x: f32[N, M]) { let y[k < N * M] = x[k // M, k % M] return y }", X)


# Reads with a value outside.


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        ("x[i - 2 else 0]", [0, 0, 0, 1, 2, 3]),
        ("x[i + 2 else -1]", [2, 3, 4, 5, -1, -1]),
        ("x[i + 2 else inf]", [2, 3, 4, 5, np.inf, np.inf]),
        ("x[-1 else 9]", [9] * 6),
        ("x[99 else 9]", [9] * 6),
        ("x[2 else 9]", [2] * 6),
        ("x[N else 9]", [9] * 6),
        ("x[2 * i else 0]", [0, 2, 4, 0, 0, 0]),
        ("x[N - i else 7]", [7, 5, 4, 3, 2, 1]),
        ("x[k[i] else -1]", [3, -1, 5, -1, 1, 2]),
        ("x[k[i] - 1 else x[i]]", [2, 1, 4, 5, 0, 1]),
        ("x[i - 1 else x[N - 1]]", [5, 0, 1, 2, 3, 4]),
        ("x[i - 1 else i * 10]", [0, 0, 1, 2, 3, 4]),
        ("x[i - 1 else x[i + 1 else 0]]", [1, 0, 1, 2, 3, 4]),
        ("x[i // 2 - 1 else 8]", [8, 8, 0, 0, 1, 1]),
        ("x[i, else 5]", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_reads_with_else(tx: Any, read: str, wanted: list[float]) -> None:
    k = np.array([3, -1, 5, 6, 1, 2])
    tx.gives(np.array(wanted, "f4"), f"fn f(x: f32[N], k: i64[N]) {{ require N >= 1 let y[i < N] = {read} return y }}", V, k)


def test_else_covers_all_subscripts(tx: Any) -> None:
    p = np.pad(X, 1, constant_values=-5)
    tx.gives(p[:-2, 2:].copy(), "fn f(x: f32[N, M]) { let y[i, j] = x[i - 1, j + 1 else -5] return y }", X)
    ids = np.array([0, -1, 3, 2])
    wanted = np.where((ids >= 0) & (ids < 3), X[ids % 3, np.arange(4)], np.float32(0))
    tx.gives(wanted, "fn f(x: f32[N, M], k: i64[M]) { let y[j] = x[k[j], j else 0] return y }", X, ids)


def test_the_value_outside_is_weak_or_of_the_tensors_dtype(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N], v: f32) = tensor[i](x[i - 1 else v])") == []
    assert tx.refused("fn f(x: f32[N], v: f64) = tensor[i](x[i - 1 else v])") == ["E0401"]
    assert tx.refused("fn f(x: f32[N], v: i64) = tensor[i](x[i - 1 else v])") == ["E0401"]
    assert tx.refused("fn f(x: i64[N]) = tensor[i](x[i - 1 else 0.5])") == ["E0401"]
    assert tx.refused("fn f(x: u8[N]) = tensor[i](x[i - 1 else 256])") == ["E0403"]
    assert tx.refused("fn f(x: bool[N]) = tensor[i](x[i - 1 else 1])") == ["E0401"]
    assert tx.refused("fn f(x: f32[N]) = tensor[i](x[i - 1 else x])") == ["E0509"]
    tx.gives(np.array([False, True]), "fn f(x: bool[N]) = tensor[i](x[i - 1 else false])", np.array([True, True]))


def test_else_stands_in_complete_subscripts(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N, M]) = x[0 else 0]") == ["E0504"]
    assert tx.refused("fn f(x: f32[N, M]) = x[1:, 0 else 0]") == ["E0504"]
    tx.gives(np.float32(7), "fn f(x: f32[N]) = x[9 else 7]", V)
    tx.gives(np.float32(2), "fn f(x: f32[N]) = x[2 else 7]", V)


# Functions inside of definitions.


def test_functions_of_elements(tx: Any) -> None:
    tx.gives(np.maximum(X, 0), "fn f(x: f32[N, M]) = tensor[i, j](relu(x[i, j]))", X)
    tx.gives(
        X * 2 + 1, "fn g(a: f32, b: f32) -> f32 { let c = a + b return c + 1 }\nfn f(x: f32[N, M]) = tensor[i, j](g(x[i, j], x[i, j]))", X
    )
    source = """
    fn row(x: f32[N, M], k: i64) -> f32 { let r[j] = x[k, j] return sum(r) }
    fn f(x: f32[N, M], k: i64[K]) { let y[a] = row(x, k[a]) return y }
    """
    tx.gives(X.sum(1)[[2, 0]], source, X, np.array([2, 0]))


def test_functions_of_open_arrays(tx: Any) -> None:
    e = np.exp(X - X.max(1, keepdims=True))
    tx.gives(
        (e / e.sum(1, keepdims=True))[:, 0], "fn f(x: f32[N, M]) { require M >= 1 let y[i] = softmax(tensor[j](x[i, j]))[0] return y }", X
    )
    source = """
    fn normed(v: f32[K]) -> f32 { let y[k] = v[k] / sum[l](v[l] ** 2) return max(y) }
    fn f(x: f32[N, M]) { let y[i] = normed(tensor[j](x[i, j])) return y }
    """
    tx.gives((X / (X**2).sum(1, keepdims=True)).max(1), source, X)
    tx.gives(np.cumsum(X, 1)[:, -1], "fn f(x: f32[N, M]) { let y[i] = cumsum(tensor[j](x[i, j]), axis=0)[-1] return y }", X)


def test_lets_are_read_in_definitions(tx: Any) -> None:
    source = "fn f(x: f32[N, M], k: f32) { let c = k * 2 let r = sum(x, axis=1) let y[i, j] = x[i, j] * c + r[i] return y }"
    tx.gives(X * 6 + X.sum(1, keepdims=True), source, X, np.float32(3))
