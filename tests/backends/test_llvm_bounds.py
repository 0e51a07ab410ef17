"""Compiled code touches nothing beside its arrays."""

from __future__ import annotations

import numpy as np
import pytest
from guarded import guarded

import tensorc as tc

PROGRAMS = {
    "product with a transpose": "fn f(x: f32[N, K], y: f32[M, K]) = x @ y.T",
    "product": "fn f(x: f32[N, K], y: f32[M, K]) = x.T @ y[:N]",
    "softmax of a product": "fn f(x: f32[N, K], y: f32[M, K]) = softmax(x @ y.T)",
    "sum": "fn f(x: f32[N, K], y: f32[M, K]) = sum(x, axis=0) + sum(y.T, axis=1)",
    "windows": "fn f(x: f32[N, K], y: f32[M, K]) { let z[i, k] = sum[r](x[i + r, k] * y[r, k]) return z }",
    "guarded reads": "fn f(x: f32[N, K], y: f32[M, K]) { let z[i, k] = x[i - 1, k + 1 else 0] + y[0, k - 1 else 0] return z }",
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_nothing_beside_arrays_is_touched(text: str) -> None:
    f = tc.compile(text).f
    random = np.random.default_rng(0)
    for n, m, k in ((6, 5, 4), (70, 23, 36), (33, 7, 17), (19, 18, 1)):
        x, y = (random.random((e, k), np.float32) for e in (n, m))
        try:
            expected = f.reference(x, y)
        except ValueError:  # the sizes do not fit the program
            continue
        for at_end in (True, False):
            found = guarded(np.zeros_like(expected), at_end)
            f(guarded(x, at_end), guarded(y, at_end), out=found)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
