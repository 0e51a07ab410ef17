"""Kernels that are alike but for their memory are compiled once, and compute what each would by itself."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc
from tensorc.backends.llvm import twins

LAYERS = "".join(f"    let x{k + 1} = softmax(x{k}) + x{k} * w\n" for k in range(72))
DEEP = f"fn f(x0: f32[N, D], w: f32[D]) {{\n{LAYERS}    return x72, x5\n}}"


def test_layers_share_their_code(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((70, 33), dtype=np.float32), rng.standard_normal(33, dtype=np.float32)
    f, g = tc.compile(DEEP).f, tc.compile(DEEP).f
    with tc.config.scope(cache="off"):
        shared, text = f(x, w), f.inspect("llvm")
        monkeypatch.setattr(twins, "SAVED", 1 << 30)
        alone, own = g(x, w), g.inspect("llvm")
    for a, b in zip(shared, alone, strict=True):
        np.testing.assert_array_equal(a, b)
    assert "@copy.words" in text and "@copy.words" not in own
    assert len(text) < len(own) / 2
