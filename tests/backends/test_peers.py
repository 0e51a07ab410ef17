"""Programs as plain functions of NumPy and PyTorch: they compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.backends.peers import NoPeer, peer

torch = pytest.importorskip("torch")

RANDOM = np.random.default_rng(3)

PROGRAMS = {
    "fn f(x: f32[N, M]) = softmax(x)": [(5, 7)],
    "fn f(x: f32[N, K], y: f32[K, M], b: f32[M]) = tanh(x @ y + b)": [(5, 7), (7, 3), (3,)],
    "fn f(x: f32[N, M], y: f32[M, N]) = where(x > 0, x, y.T) / sqrt(N)": [(4, 6), (6, 4)],
    "fn f(x: f32[N, M]) = (x[1:, :-1], pad(x, [[1, 0], [0, 2]]), concat([x, x * 2], axis=1), flip(x, 0))": [(5, 7)],
    "fn f(x: f32[N, M]) = (argmax(x, axis=1), sum(x), max(x, axis=0), any(x > 1, axis=1), prod(x, axis=1))": [(5, 7)],
    "fn f(x: f32[N, M]) = (cumsum(x, axis=1), flip(cummax(x, axis=0), 0), sort(x, axis=1), topk(x, 2))": [(5, 7)],
    "fn f(x: f32[N, M]) = scatter_add(x, 0, cast(floor(abs(x)) % 3, i64)[:, :2], x[:, :2])": [(5, 7)],
    "fn f(x: f32[N]) = cast(reshape(x, [N // 2, 2]), f64) ** 2": [(6,)],
}


@pytest.mark.parametrize("text", PROGRAMS)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_peers_compute_the_same(text: str, library: Any) -> None:
    f = tc.compile(text).f
    given = [RANDOM.standard_normal(shape).astype(np.float32) for shape in PROGRAMS[text]]
    found = peer(f.lower(*given).program, library).function(*(map(torch.from_numpy, given) if library == "torch" else given))
    for a, b in zip(found, flat(f.reference(*given)), strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-5, atol=1e-5)


def flat(value: Any) -> list[Any]:
    return [a for v in value for a in flat(v)] if isinstance(value, tuple) else [value]


def test_what_has_no_peer() -> None:
    program = tc.compile("fn f(x: f32[N]) = logcumsumexp(x, axis=0)").f.lower(tc.spec("f32[N]")).program
    with pytest.raises(NoPeer, match="recurrence"):
        peer(program, "numpy")
