"""A whole file in both notations, against PyTorch: softmax, attention, a loss and a step of gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import tensorc as tc

FILE = """
## Numerically stable softmax along the last axis.
fn softmax<T: float>(x: T[...S, N]) -> T[...S, N] {
    let e = exp(x - max(x, axis=-1, keepdims=true))
    return e / sum(e, axis=-1, keepdims=true)
}

## Scaled dot-product attention, in index notation.
fn attention(q: f32[B, H, S, D], k: f32[B, H, T, D], v: f32[B, H, T, D]) -> f32[B, H, S, D] {
    let score[b, h, s, t] = sum[d](q[b, h, s, d] * k[b, h, t, d]) / sqrt(D)
    let p = softmax(score)
    let out[b, h, s, d] = sum[t](p[b, h, s, t] * v[b, h, t, d])
    return out
}

fn loss(w: f32[D, K], x: f32[N, D], y: i64[N]) -> f32 = cross_entropy(x @ w, y)

fn sgd_step(w: f32[D, K], x: f32[N, D], y: i64[N], lr: f32) -> (f32[D, K], f32) {
    let (l, dw) = value_and_grad(loss, wrt="w")(w, x, y)
    return w - lr * dw, l
}
"""

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def file() -> Any:
    return tc.compile(FILE, name="first.tx")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 7), (4, 1)])
def test_softmax(file: Any, dtype: str, shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape).astype(dtype)
    for found in (file.softmax(x), file.softmax.reference(x)):
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found, F.softmax(torch.from_numpy(x), -1).numpy(), rtol=5e-3 if dtype == "f2" else 1e-5)
    assert file.softmax.__doc__ == "Numerically stable softmax along the last axis."


@pytest.mark.parametrize("size", [(1, 1, 1, 1, 1), (2, 3, 5, 4, 8), (1, 2, 17, 33, 16)])
def test_attention(file: Any, size: tuple[int, ...]) -> None:
    b, h, s, t, d = size
    q, k, v = (RNG.normal(size=(b, h, n, d)).astype("f4") for n in (s, t, t))
    wanted = F.scaled_dot_product_attention(*map(torch.from_numpy, (q, k, v))).numpy()
    for found in (file.attention(q, k, v), file.attention.reference(q, k, v)):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_step_of_gradient_descent(file: Any) -> None:
    w, x, y, lr = RNG.normal(size=(4, 3)).astype("f4"), RNG.normal(size=(6, 4)).astype("f4"), RNG.integers(0, 3, 6), np.float32(0.1)
    tw = torch.from_numpy(w).requires_grad_()
    loss = F.cross_entropy(torch.from_numpy(x) @ tw, torch.from_numpy(y))
    loss.backward()
    assert tw.grad is not None
    for new, value in (file.sgd_step(w, x, y, lr), file.sgd_step.reference(w, x, y, lr)):
        np.testing.assert_allclose(value, loss.item(), rtol=1e-5)
        np.testing.assert_allclose(new, w - 0.1 * tw.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_transforms_are_functions(tx: Any) -> None:
    x = RNG.normal(size=5).astype("f4")
    cubes = "fn cube(x: f32) = x * x * x\nfn s(x: f32[N]) = sum(x * x * x)\n"
    tx.gives(3 * x**2, cubes + "fn f(x: f32[N]) { let g = grad(s) return g(x) }", x)
    tx.gives(6 * x, cubes + "fn f(x: f32[N]) = vmap(grad(grad(cube)))(x)", x)
    tx.gives((x**3, 3 * x**2 * x), cubes + "fn f(x: f32[N]) = jvp(vmap(cube))(x, x)", x)
    tx.gives(np.zeros_like(x), cubes + "fn f(x: f32[N]) = grad(h)(x)\nfn h(x: f32[N]) = s(stop_gradient(x)) + s(detach(x))", x)
    tx.gives(
        (x * 0 + 1, x),
        'fn d(a: f32[N], b: f32[N]) = sum(a * b)\nfn f(x: f32[N]) = (grad(d, wrt="a")(x, ones([N])), grad(d, wrt=("b",))(x, x)[0])',
        x,
    )
    assert tx.refused("fn s(x: f32[N]) = sum(x)\nfn f(x: f32[N]) = grad(s)") == ["E0610"]
