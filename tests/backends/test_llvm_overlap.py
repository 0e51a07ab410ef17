"""Blocks of rows at the end of a loop: every number of rows, alone and where what is done with them may not be done twice."""

from __future__ import annotations

import numpy as np

import tensorc as tc

RANDOM = np.random.default_rng(9)


def test_every_number_of_rows() -> None:
    """All from blocks that overlap to single points; lanes of one register and of several."""
    f = tc.compile("fn f(a: f32[N, K], b: f32[K, M]) = relu(a @ b) + 1").f
    b = RANDOM.standard_normal((70, 150), dtype=np.float32)
    for m in (16, 40, 150):
        for n in range(14, 45):
            a = RANDOM.standard_normal((n, 70), dtype=np.float32)
            out = np.full((n + 1, m), 7, np.float32)
            f(a, b[:, :m], out=out[:n])
            np.testing.assert_allclose(out[:n], np.maximum(a.astype("f8") @ b[:, :m], 0) + 1, rtol=1e-5, atol=1e-4)
            assert (out[n] == 7).all()


def test_rows_that_are_added_up_are_added_once() -> None:
    f = tc.compile("fn f(a: f32[N, K], b: f32[K, M]) = (sum(a @ b, axis=0), sum(tanh(a @ b), axis=1))").f
    b = RANDOM.standard_normal((30, 40), dtype=np.float32)
    for n in (14, 17, 23, 35):
        a = RANDOM.standard_normal((n, 30), dtype=np.float32)
        for found, expected in zip(f(a, b), f.reference(a, b), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
