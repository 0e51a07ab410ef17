"""Maps over rows that follow one another in memory run over one long row, with every form of memory and any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorc
from tensorc.backends.llvm.flat import joined
from tensorc.loops.nest import For
from tensorc.schedule.program import schedule

RANDOM = np.random.default_rng(3)
SHAPES = [(5, 7, 3), (1, 1, 1), (0, 4, 3), (4, 0, 3), (300, 61, 3), (40, 33, 32), (7, 1, 100), (3, 100, 1)]
F = tensorc.compile("fn f(x: f32[A, B, C], y: f32[A, B, C], b: f32[B, C]) = (x * y + b, x > y, cast(x, f64) + cast(y, f64))").f


def normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype("f4")


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_maps_over_rows_of_any_memory(threads: int) -> None:
    for a, b, c in SHAPES:
        for x, y, z in (
            (normal(a, b, c), normal(a, b, c), normal(b, c)),
            (normal(a, b, c + 2)[:, :, 1:-1], normal(a, b, c), normal(b, c)),
            (normal(a, b, c), normal(a, 2 * b, c)[:, ::2], normal(b, c)),
            (normal(a, b, c), normal(b, a, c).transpose(1, 0, 2), np.asfortranarray(normal(b, c))),
        ):
            with tensorc.config.scope(num_threads=threads):
                product, greater, total = F(x, y, z)
            np.testing.assert_array_equal(product, x * y + z)
            np.testing.assert_array_equal(greater, x > y)
            np.testing.assert_array_equal(total, x.astype("f8") + y)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("fn f(x: f32[A, B, C]) = x + 1", 3),
        ("fn f(x: f32[A, B, C], y: f32[B, C]) = x + y", 2),
        ("fn f(x: f32[A, B, C], y: f32[A, B]) = x + y[:, :, None]", 0),
        ("fn f(x: f32[A, B], y: f32[A, 512]) = (x[:, 0], y + 1)[1]", 0),
        ("fn f(x: f32[A, B]) = x[:, 1:]", 0),
        ("fn f(x: f32[A, B]) = tensor[i < A, j < B](where(j <= i, x[i, j], 0.0))", 0),
    ],
)
def test_which_loops_may_be_one(text: str, count: int) -> None:
    function = tensorc.compile(text).f
    prepared = function._definition.representative()
    assert prepared is not None
    (kernel,) = schedule(function._entry(prepared).instance.program).kernels
    (root,) = kernel.body
    assert isinstance(root, For) and len(joined(root)) == count


REDUCTIONS = """
fn channels(x: i64[A, B, C, D]) = (sum(x, axis=(0, 2, 3)), max(x, axis=(2, 3)), sum(x))
fn groups(x: i64[A, B, C, D]) {
    let y[a, g in 0..2, r in 0..B // 2, c, d] = x[a, g * (B // 2) + r, c, d]
    let t[a, g] = sum[r, c, d](y[a, g, r, c, d])
    let z[a, g, r, c, d] = y[a, g, r, c, d] * 3 - t[a, g]
    return z
}"""
SUMS = tensorc.compile(REDUCTIONS)


@pytest.mark.parametrize("threads", [1, 3])
def test_reductions_over_rows_of_any_memory(threads: int) -> None:
    for a, b, c, d in ((3, 4, 7, 5), (1, 2, 1, 1), (2, 2, 0, 3), (2, 6, 5, 100), (40, 4, 33, 32), (2, 4, 1, 300)):
        x = RANDOM.integers(-99, 99, (a, b, 2 * c, d + 1))
        for given in (
            x[:, :, :c, :d].copy(),
            x[:, :, :c, :d],
            x[:, :, ::2, :d],
            x[:, :, :c, :d].transpose(0, 1, 3, 2).copy().transpose(0, 1, 3, 2),
        ):
            with tensorc.config.scope(num_threads=threads):
                sums = SUMS.channels(given) if c else None
                centred = SUMS.groups(given)
            if sums is not None:
                for got, want in zip(sums, (given.sum((0, 2, 3)), given.max((2, 3)), given.sum()), strict=True):
                    np.testing.assert_array_equal(got, want)
            y = given.reshape(a, 2, b // 2, c, d)
            np.testing.assert_array_equal(centred, y * 3 - y.sum((2, 3, 4), keepdims=True))
