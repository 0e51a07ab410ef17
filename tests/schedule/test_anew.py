"""Pairs that are too many to be kept: computed again in each kernel that reads them, with the same results and little memory."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import tensorc
from tensorc.config import config

RANDOM = np.random.default_rng(8)
SIZES = ({"N": 1, "M": 1}, {"N": 70, "M": 131}, {"N": 200, "M": 65})

SCORES = {
    "plain": ("s[i, j]", lambda s, i, j: s),
    "causal": ("where(j <= i, s[i, j], -inf)", lambda s, i, j: torch.where(j <= i, s, -torch.inf)),
    "capped": ("5 * tanh(s[i, j] / 5) - 0.1 * cast(abs(i - j), f32)", lambda s, i, j: 5 * torch.tanh(s / 5) - 0.1 * abs(i - j)),
}


def attention(score: str, rest: str = "") -> Any:
    text = (
        "fn f(q: f32[N, D], k: f32[M, D], v: f32[M, E]) {\n    let s[i, j] = sum[d](q[i, d] * k[j, d])\n"
        f"    let t[i, j] = {score}\n    let o = softmax(t) @ v\n    return sum(o * o){rest}\n}}"
    )
    return tensorc.grad(tensorc.compile(text)["f"], wrt=["q", "k", "v"])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test of few pairs has too many of them."""
    monkeypatch.setattr(importlib.import_module("tensorc.schedule.anew"), "LARGE", 0)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.usefixtures("small")
def test_gradients_of_attention(name: str) -> None:
    score, meaning = SCORES[name]
    f = attention(score, " + 0 * 3")
    for sizes in SIZES:
        n, m = sizes["N"], sizes["M"]
        q, k, v = (RANDOM.standard_normal(shape, dtype="f4") for shape in ((n, 7), (m, 7), (m, 5)))
        double = [torch.from_numpy(x.astype("f8")).requires_grad_() for x in (q, k, v)]
        i, j = torch.arange(n)[:, None], torch.arange(m)[None]
        o = torch.softmax(meaning(double[0] @ double[1].T, i, j), 1) @ double[2]
        wanted = torch.autograd.grad((o * o).sum(), double)
        for found, want in zip(f(q, k, v), wanted, strict=True):
            np.testing.assert_allclose(found, want.numpy(), rtol=2e-4, atol=2e-5)


def workspace(f: Any, small: list[Any], sizes: dict[str, int], shapes: list[tuple[int, ...]]) -> int:
    """The bytes that a call with two threads takes beside its arguments and results."""
    f(*small)
    executable = next(iter(f._entries.values())).call.executable
    with config.scope(num_threads=2):
        return int(executable.layout([np.empty(shape, "f4") for shape in shapes], sizes).workspace)


def test_gradients_over_many_keys_take_little_memory() -> None:
    keys, depth = 16384, 64
    q = RANDOM.standard_normal((3, depth), dtype="f4")
    sizes = {"N": keys, "M": keys, "D": depth, "E": depth}
    assert workspace(attention("s[i, j]"), [q, q, q], sizes, [(keys, depth)] * 6) < 64 << 20


def test_a_sum_over_pairs_takes_hardly_any_memory() -> None:
    f = tensorc.compile(
        "fn f(p: f32[N, K], q: f32[M, K], w: f32[M]) {\n"
        "    let y[i] = sum[j](exp(-0.5 * sum[k]((p[i, k] - q[j, k]) ** 2)) * w[j])\n    return y\n}"
    )["f"]
    p = RANDOM.standard_normal((3, 8), dtype="f4")
    n = 20000
    assert workspace(f, [p, p, p[:, 0].copy()], {"N": n, "M": n, "K": 8}, [(n, 8), (n, 8), (n,), (n,)]) < 4 << 20
