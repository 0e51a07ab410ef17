"""Maps between memory whose neighbours lie along different axes."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc

RANDOM = np.random.default_rng(5)
NUMPY = {"f32": "f4", "f64": "f8", "i32": "i4", "i8": "i1", "f16": "f2"}
SHAPES = [(0, 3), (3, 0), (1, 1), (1, 40), (16, 16), (17, 31), (64, 65), (130, 79)]


@pytest.mark.parametrize("dtype", NUMPY)
def test_a_sum_with_a_transpose(dtype: str) -> None:
    f = tensorc.compile(f"fn f(x: {dtype}[N, M], y: {dtype}[M, N]) = (x + y.T, x.T - y)")["f"]
    for n, m in SHAPES:
        x, y = (RANDOM.integers(-9, 9, shape) for shape in ((n, m), (m, n)))
        found = f(*(a.astype(NUMPY[dtype]) for a in (x, y)))
        for a, b in zip(found, (x + y.T, x.T - y), strict=True):
            assert np.array_equal(np.asarray(a).astype("f8"), b)


def test_axes_in_another_order() -> None:
    f = tensorc.compile("fn f(x: f32[A, B, C], y: f32[C, B, A]) {\n    let z[a, b, c] = x[a, b, c] * y[c, b, a]\n    return z\n}")["f"]
    for shape in ((1, 2, 3), (17, 5, 33), (40, 1, 70)):
        x, y = RANDOM.standard_normal(shape).astype("f4"), RANDOM.standard_normal(shape[::-1]).astype("f4")
        assert np.array_equal(f(x, y), x * y.T)


def test_squares_are_turned_in_registers() -> None:
    f = tensorc.compile("fn f(x: f32[N, M], y: f32[M, N]) = x + y.T")["f"]
    whole = f.inspect("loops")
    assert "i in block of i: unroll 16" in whole and "j in block of j: vector 1" in whole
    assert "tile" not in tensorc.compile("fn f(x: f32[N, M], y: f32[M]) = x + y")["f"].inspect("loops")
