"""What a recorded call keeps for its backward pass: what is cheap to keep and not to compute again, and never a tie's one side."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

import tensorc as tc  # noqa: E402

MODULE = tc.compile("""
fn chain(x: f64[N, D], w: f64[D], b: f64[D]) = gelu(layer_norm(x, w, b) * sigmoid(x))
fn layers(x: f64[N, D], a: f64[D, H], b: f64[H, K]) = tanh(relu(x @ a) @ b)
fn attention(q: f64[B, S, D], k: f64[B, T, D], v: f64[B, T, D]) = scaled_dot_product_attention(q, k, v)
fn nearest(x: f64[N, D], z: f64[M, D]) { let y[i] = min[j](sum[k]((x[i, k] - z[j, k]) ** 2)) return y }
fn picked(x: f64[N, D], w: f64[D, K]) { let y = x @ w  return max(y, axis=1), argmax(y, axis=1), y }
fn scaled(x: f64[N], y: f64[N]) = x * y
""")

CASES: dict[str, tuple[list[tuple[int, ...]], Any, set[tuple[int, ...]]]] = {
    # shapes of the inputs, PyTorch's function, shapes of what is kept beside inputs and results
    "chain": ([(3, 4), (4,), (4,)], lambda x, w, b: F.gelu(F.layer_norm(x, (4,), w, b) * x.sigmoid()), {(3, 1)}),
    "layers": ([(3, 4), (4, 5), (5, 2)], lambda x, a, b: ((x @ a).relu() @ b).tanh(), {(3, 5)}),
    "attention": ([(2, 3, 4), (2, 5, 4), (2, 5, 4)], F.scaled_dot_product_attention, {(2, 3)}),
    "nearest": ([(3, 4), (5, 4)], lambda x, z: ((x[:, None] - z) ** 2).sum(2).amin(1), set()),
    "picked": ([(3, 4), (4, 2)], lambda x, w: ((x @ w).amax(1), (x @ w).argmax(1), x @ w), {(3,)}),  # the number of ties
    "scaled": ([(3,), (3,)], lambda x, y: x * y, set()),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_kept(name: str) -> None:
    shapes, theirs, expected = CASES[name]
    torch.manual_seed(0)
    leaves = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    saved: list[Any] = []

    def pack(t: Any) -> Any:
        saved.append(t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        found = MODULE[name](*leaves)
    results = found if isinstance(found, tuple) else (found,)
    wanted = theirs(*leaves)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    known = {t.data_ptr() for t in (*leaves, *results)}
    assert {tuple(t.shape) for t in saved if t.data_ptr() not in known} == expected
    for again in range(2):  # the first derivative, and the second one of what the first keeps
        ours, judge = (sum((t**2).sum() for t in ts if t.is_floating_point()) for ts in (results, wanted))
        results, wanted = (torch.autograd.grad(t, leaves, create_graph=again == 0) for t in (ours, judge))
        for a, b in zip(results, wanted, strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


def test_the_stage_says_what_is_kept() -> None:
    text = MODULE.layers.inspect("grad", *(tc.spec(t) for t in ("f64[N, D]", "f64[D, H]", "f64[H, K]")))
    assert "kept of the forward pass (8*H*N + 8*K*N bytes)" in text, text  # the second is the result
