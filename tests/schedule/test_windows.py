"""A convolution with a sum behind it, whose result lies along an axis that has an outer loop."""

from __future__ import annotations

import numpy as np

import tensorc as tc


def test_a_bias_behind_a_convolution() -> None:
    module = tc.compile("""
fn f(x: f32[B, 1, H, W], w: f32[O, 1, 3, 3], b: f32[O]) {
    let t[n, o, i, j] = sum[c, r, s](x[n, c, i + r, j + s] * w[o, c, r, s])
    let u[n, o, i, j] = t[n, o, i, j] + b[o]
    return u
}
""")
    random = np.random.default_rng(0)
    x, w, b = (random.standard_normal(s, dtype=np.float32) for s in ((3, 1, 8, 9), (4, 1, 3, 3), (4,)))
    np.testing.assert_allclose(module.f(x, w, b), module.f.reference(x, w, b), rtol=1e-5, atol=1e-5)


def test_the_sum_of_a_small_convolution() -> None:
    """Rows are taken several at a time, and lanes run along what is summed too."""
    module = tc.compile("""
fn f(x: f32[5, 1, 8, 8], w: f32[4, 1, 3, 3], b: f32[4]) {
    let t[n, o, i < 6, j < 6] = sum[c, r, s](x[n, c, i + r, j + s] * w[o, c, r, s])
    let u[n, o, i, j] = t[n, o, i, j] + b[o]
    let total[o] = sum[n, i, j](u[n, o, i, j])
    return u, total
}
""")
    random = np.random.default_rng(0)
    x, w, b = (random.standard_normal(s, dtype=np.float32) for s in ((5, 1, 8, 8), (4, 1, 3, 3), (4,)))
    for found, expected in zip(module.f(x, w, b), module.f.reference(x, w, b), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
