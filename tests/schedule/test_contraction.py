"""Contractions and what is done with them, compiled: against float64 at extents of 0 and 1 and with tails on every axis, in any strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc

RANDOM = np.random.default_rng(3)
Numbers = Any

PROGRAMS: dict[str, tuple[str, dict[str, str], Callable[..., Numbers]]] = {
    "product": ("fn f(a: f32[N, K], b: f32[K, M]) = a @ b", {"a": "NK", "b": "KM"}, lambda a, b: a @ b),
    "left_transposed": ("fn f(a: f32[K, N], b: f32[K, M]) = a.T @ b", {"a": "KN", "b": "KM"}, lambda a, b: a.T @ b),
    "right_transposed": ("fn f(a: f32[N, K], b: f32[M, K]) = a @ b.T", {"a": "NK", "b": "MK"}, lambda a, b: a @ b.T),
    "both_transposed": ("fn f(a: f32[K, N], b: f32[M, K]) = a.T @ b.T", {"a": "KN", "b": "MK"}, lambda a, b: a.T @ b.T),
    "batched": ("fn f(a: f32[B, N, K], b: f32[B, K, M]) = a @ b", {"a": "BNK", "b": "BKM"}, lambda a, b: a @ b),
    "one_matrix_for_all": ("fn f(a: f32[B, N, K], b: f32[K, M]) = a @ b", {"a": "BNK", "b": "KM"}, lambda a, b: a @ b),
    "perceptron": (
        "fn f(x: f32[N, K], w: f32[K, M], b: f32[M]) = tanh(relu(x) @ w + b) + 1",
        {"x": "NK", "w": "KM", "b": "M"},
        lambda x, w, b: np.tanh(np.maximum(x, 0) @ w + b) + 1,
    ),
    "double": ("fn f(a: f64[N, K], b: f64[K, M]) = a @ b", {"a": "NK", "b": "KM"}, lambda a, b: a @ b),
    "half": ("fn f(a: f16[N, K], b: f16[M, K]) = a @ b.T", {"a": "NK", "b": "MK"}, lambda a, b: a @ b.T),
    "integers": ("fn f(a: i32[N, K], b: i32[K, M]) = a @ b", {"a": "NK", "b": "KM"}, lambda a, b: a @ b),
    "with_itself": ("fn f(a: f32[N, K]) = a @ a.T", {"a": "NK"}, lambda a: a @ a.T),
    "turned": (
        "fn f(a: f32[N, K], b: f32[K, M]) {\n    let y[j, i] = sum[k](a[i, k] * b[k, j])\n    return y\n}",
        {"a": "NK", "b": "KM"},
        lambda a, b: (a @ b).T,
    ),
    "nearest": (
        "fn f(p: f32[N, K], q: f32[M, K]) {\n    let d[i] = min[j](sum[k]((p[i, k] - q[j, k]) ** 2))\n    return d\n}",
        {"p": "NK", "q": "MK"},
        lambda p, q: ((p[:, None] - q[None]) ** 2).sum(-1).min(1),
    ),
    "kernel_sum": (
        "fn f(p: f32[N, K], q: f32[M, K], w: f32[M]) {\n"
        "    let y[i] = sum[j](exp(-0.5 * sum[k]((p[i, k] - q[j, k]) ** 2)) * w[j])\n    return y\n}",
        {"p": "NK", "q": "MK", "w": "M"},
        lambda p, q, w: np.exp(-0.5 * ((p[:, None] - q[None]) ** 2).sum(-1)) @ w,
    ),
    "columns": (
        "fn f(x: f32[N, K], w: f32[K, M]) = (sum(tanh(x @ w), axis=0), tanh(x @ w))",
        {"x": "NK", "w": "KM"},
        lambda x, w: (np.tanh(x @ w).sum(0), np.tanh(x @ w)),
    ),
    "softmax_of_a_product": (
        "fn f(x: f32[N, K], w: f32[K, M]) = softmax(x @ w)",
        {"x": "NK", "w": "KM"},
        lambda x, w: softmax(x @ w),
    ),
    "attention": (
        "fn f(q: f32[B, N, K], k: f32[B, M, K], v: f32[B, M, D]) = softmax(q @ k.mT / sqrt(K)) @ v",
        {"q": "BNK", "k": "BMK", "v": "BMD"},
        lambda q, k, v: softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])) @ v,
    ),
    "attention_and_its_weights": (
        "fn f(q: f32[N, K], k: f32[M, K], v: f32[M, D]) {\n    let p = softmax(q @ k.T)\n    return p @ v, p\n}",
        {"q": "NK", "k": "MK", "v": "MD"},
        lambda q, k, v: (softmax(q @ k.T) @ v, softmax(q @ k.T)),
    ),
    "causal_attention": (
        "fn f(q: f32[N, K], k: f32[N, K], v: f32[N, D]) {\n"
        "    let s[i, j] = where(j <= i, sum[d](q[i, d] * k[j, d]), -inf)\n    return softmax(s) @ v\n}",
        {"q": "NK", "k": "NK", "v": "ND"},
        lambda q, k, v: softmax(np.where(np.tri(len(q), dtype=bool), q @ k.T, -np.inf)) @ v,
    ),
    "convolution": (
        "fn f(x: f32[B, K, N, M], w: f32[D, K, 3, 2]) {\n"
        "    let y[b, o, i, j] = sum[c, r, s](x[b, c, i + r, j + s] * w[o, c, r, s])\n    return y\n}",
        {"x": "BKNM", "w": "DK32"},
        lambda x, w: convolution(x, w),
    ),
    "padded_convolution": (
        "fn f(x: f32[B, K, N, M], w: f32[D, K, 3, 3]) {\n"
        "    let y[b, o, i < N, j < M] = sum[c, r, s](x[b, c, i + r - 1, j + s - 1 else 0] * w[o, c, r, s])\n    return tanh(y)\n}",
        {"x": "BKNM", "w": "DK33"},
        lambda x, w: np.tanh(convolution(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), w)),
    ),
}

SIZES = [
    dict(zip("BNMKD", sizes, strict=True))
    for sizes in ((1, 1, 1, 1, 1), (2, 7, 70, 3, 5), (1, 65, 33, 17, 18), (3, 13, 131, 40, 9), (1, 100, 5, 66, 70), (2, 6, 64, 64, 64))
]
EMPTY = [
    dict(zip("BNMKD", sizes, strict=True))
    for sizes in ((2, 0, 3, 2, 4), (1, 4, 0, 3, 2), (2, 3, 5, 0, 1), (0, 3, 3, 3, 3), (1, 2, 3, 4, 0))
]
NOT_EMPTY = ("nearest", "softmax_of_a_product", "attention", "attention_and_its_weights", "causal_attention")


def softmax(x: Numbers) -> Numbers:
    e = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
    return e / e.sum(-1, keepdims=True)


def convolution(x: Numbers, w: Numbers) -> Numbers:
    h, v = w.shape[2:]
    rows, columns = max(x.shape[2] - h + 1, 0), max(x.shape[3] - v + 1, 0)
    y = np.zeros((x.shape[0], w.shape[0], rows, columns))
    for r in range(h):
        for s in range(v):
            y += np.einsum("bcij,oc->boij", x[:, :, r : r + rows, s : s + columns], w[:, :, r, s])
    return y


def made(axes: str, sizes: dict[str, int], dtype: str) -> Numbers:
    shape = [int(a) if a.isdigit() else sizes[a] for a in axes]
    if dtype.startswith("i"):
        return RANDOM.integers(-9, 9, shape).astype("i4")
    return RANDOM.standard_normal(shape).astype({"f32": "f4", "f64": "f8", "f16": "f2"}[dtype])


def strides(a: Numbers, kind: int) -> Numbers:
    """The same numbers in other places: turned, with gaps, backward."""
    match kind:
        case 1:
            return np.asfortranarray(a)
        case 2:
            return np.repeat(a, 2, axis=-1)[..., ::2] if a.shape[-1] else a
        case 3:
            return np.ascontiguousarray(a[..., ::-1])[..., ::-1]
        case _:
            return a


def compare(name: str, sizes: dict[str, int], kind: int = 0) -> None:
    text, inputs, reference = PROGRAMS[name]
    f = compiled(name)
    dtype = text[text.index(":") + 2 :][:3]
    arrays = [made(axes, sizes, dtype) for axes in inputs.values()]
    with np.errstate(all="ignore"):
        wanted = reference(*(a.astype(np.float64 if dtype[0] == "f" else a.dtype) for a in arrays))
    found = f(*(strides(a, kind) for a in arrays))
    tolerance = {"f32": 2e-6, "f64": 1e-14, "f16": 1e-3, "i32": 0.0}[dtype] * max(sizes["K"], 4) ** 0.5
    for x, y in zip(found if isinstance(found, tuple) else (found,), wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        scale = np.abs(y[np.isfinite(y)]).max(initial=1.0)
        np.testing.assert_allclose(np.asarray(x, y.dtype), y, rtol=0, atol=4 * tolerance * scale)


COMPILED: dict[str, Any] = {}


def compiled(name: str) -> Any:
    if name not in COMPILED:
        COMPILED[name] = tensorc.compile(PROGRAMS[name][0])["f"]
    return COMPILED[name]


@pytest.mark.parametrize("name", PROGRAMS)
def test_tails(name: str) -> None:
    for sizes in SIZES:
        if "convolution" in name and name != "padded_convolution":
            sizes = {**sizes, "N": sizes["N"] + 2, "M": sizes["M"] + 1}
        compare(name, sizes)


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n not in NOT_EMPTY])
def test_empty(name: str) -> None:
    for sizes in EMPTY:
        if name == "convolution":
            sizes = {**sizes, "N": sizes["N"] + 2, "M": sizes["M"] + 1}
        compare(name, sizes)


@pytest.mark.parametrize("name", ["product", "left_transposed", "both_transposed", "batched", "attention", "nearest", "padded_convolution"])
@pytest.mark.parametrize("kind", [1, 2, 3])
def test_strides(name: str, kind: int) -> None:
    compare(name, {"B": 2, "N": 37, "M": 70, "K": 19, "D": 21}, kind)


MASKS: dict[str, Callable[[Any, Any], Any]] = {
    "j <= i": lambda i, j: j <= i,
    "j < i + 3": lambda i, j: j < i + 3,
    "i - j < 70 and j <= i + 1": lambda i, j: (i - j < 70) & (j <= i + 1),
    "j >= i": lambda i, j: j >= i,
    "j >= i - 100 and j < i + 5": lambda i, j: (j >= i - 100) & (j < i + 5),
}


@pytest.mark.parametrize("mask", MASKS)
def test_masks_bound_the_loop_over_keys(mask: str) -> None:
    f = tensorc.compile(
        "fn f(q: f32[N, K], k: f32[N, K], v: f32[N, D]) {\n"
        f"    let s[i, j] = where({mask}, sum[d](q[i, d] * k[j, d]), -inf)\n    return softmax(s) @ v\n}}"
    )["f"]
    assert f.inspect("loops").count(" in N where ") == 1
    for n in (1, 2, 63, 64, 65, 97, 200, 300):
        q, k, v = (made(axes, {"N": n, "K": 5, "D": 3}, "f32") for axes in ("NK", "NK", "ND"))
        i, j = np.ogrid[:n, :n]
        wanted = softmax(np.where(MASKS[mask](i, j), q.astype("f8") @ k.T.astype("f8"), -np.inf)) @ v
        np.testing.assert_allclose(f(q, k, v), wanted, rtol=1e-5, atol=1e-5)


def test_a_stored_value_is_not_left_out() -> None:
    """What is masked is stored too, so the loop goes over all of it."""
    f = tensorc.compile(
        "fn f(q: f32[N, K], k: f32[N, K]) {\n"
        "    let s[i, j] = where(j <= i, sum[d](q[i, d] * k[j, d]), -inf)\n    return max(s, axis=1), s\n}"
    )["f"]
    q, k = made("NK", {"N": 100, "K": 4}, "f32"), made("NK", {"N": 100, "K": 4}, "f32")
    wanted = np.where(np.tri(100, dtype=bool), q @ k.T, -np.inf)
    top, s = f(q, k)
    np.testing.assert_allclose(s, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(top, wanted.max(1), rtol=1e-5, atol=1e-5)


def test_maxima_of_nothing_and_of_infinity() -> None:
    """A row that sees no key has no softmax; neither has one that sees an infinite score, or NaN; others are not touched."""
    f = tensorc.compile("fn f(q: f32[N, K], k: f32[M, K], v: f32[M, D], seen: bool[N, M]) = softmax(where(seen, q @ k.T, -inf)) @ v")["f"]
    q, k, v = (made(axes, {"N": 9, "M": 250, "K": 5, "D": 3}, "f32") for axes in ("NK", "MK", "MD"))
    seen = RANDOM.random((9, 250)) < 0.5
    seen[2] = False
    seen[3, :200] = False
    q[4], q[5] = np.nan, np.inf
    with np.errstate(all="ignore"):
        wanted = softmax(np.where(seen, q.astype("f8") @ k.T.astype("f8"), -np.inf)) @ v
    found = f(q, k, v, seen)
    assert np.isnan(found[[2, 4, 5]]).all()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_what_follows_a_contraction_may_reduce_an_axis_that_another_has() -> None:
    """As in the derivative of forces between bodies, along several directions at once."""
    f = tensorc.compile(
        """fn f(p: f64[N, D], c: f64[B, N, D]) {
    let d = sum[k]((p[:, none] - p[none])[i, j, k] ** 2) + 0.1
    let s[b, j, k] = sum[i](c[b, i, k] * d[i, j] ** -1.5)
    let t[b, j] = sum[i, k](c[b, i, k] * (p[j, k] - p[i, k]) * d[i, j] ** -1.5)
    return s, t
}""".replace("sum[k]((p[:, none] - p[none])[i, j, k] ** 2) + 0.1", "sum((p[:, none] - p[none]) ** 2, axis=-1) + 0.1")
    ).f
    random = np.random.default_rng(0)
    for b, n, d in ((2, 5, 3), (3, 40, 4), (7, 33, 1)):
        arrays = random.standard_normal((n, d)), random.standard_normal((b, n, d))
        for got, wanted in zip(f(*arrays), f.reference(*arrays), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
