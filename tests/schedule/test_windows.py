"""Windows that slide over images: with a sum behind them, and with borders."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc
from tensorc.loops.interpret import interpret
from tensorc.schedule.program import schedule


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


SLIDING = {
    "depthwise": ("fn f(x: f32[N, C, H, W], w: f32[C, 1, R, S]) = conv2d(x, w, padding=1, groups=3)", (3, 1, 3, 3)),
    "steps": ("fn f(x: f32[N, C, H, W], w: f32[O, 1, R, S]) = conv2d(x, w, padding=2, stride=2, groups=3)", (6, 1, 3, 2)),
    "apart": ("fn f(x: f32[N, C, H, W], w: f32[C, 1, R, S]) = conv2d(x, w, padding=4, dilation=3, groups=3)", (3, 1, 3, 3)),
    "maxima": ("fn f(x: f32[N, C, H, W], w: f32[C, 1, R, S]) = max_pool2d(x, 3, stride=2, padding=1)", (3, 1, 1, 1)),
}


@pytest.mark.parametrize("name", SLIDING)
def test_parts_of_an_image_are_copied_with_their_borders(name: str) -> None:
    text, filters = SLIDING[name]
    f = tc.compile(text).f
    random = np.random.default_rng(1)
    for n, h, w in ((2, 5, 9), (1, 37, 38), (1, 75, 17)):
        x, k = (random.standard_normal(s, dtype=np.float32) for s in ((n, 3, h, w), filters))
        expected = f.reference(x, k)
        np.testing.assert_allclose(f(x, k), expected, rtol=1e-5, atol=1e-5)
    assert "_window" in f.inspect("loops", x, k)
    lowered = f.lower(x, k)
    found, _ = interpret(schedule(lowered.optimised), [x, k][: len(lowered.optimised.inputs)], lowered.sizes)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-5)
    head, _, body = text.partition(" = ")
    gradient = tc.grad(tc.compile(f"{head} = sum(({body}) ** 2)").f, wrt="x")
    np.testing.assert_allclose(gradient(x, k), gradient.reference(x, k), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 3])
def test_borders_are_zeros_that_weights_multiply(groups: int) -> None:
    """0 * inf is NaN, as the program says: a tap is left out only where the program lets nothing in."""
    f = tc.compile(f"fn f(x: f32[N, C, H, W], w: f32[O, I, R, S]) = conv2d(x, w, padding=1, groups={groups})").f
    x = np.ones((2, 36, 13, 14), "f4")
    for place in ((0, 0), (2, 1), (1, 2)):
        w = np.ones((36, 36 // groups, 3, 3), "f4")
        w[5, 1, *place] = np.inf
        np.testing.assert_array_equal(f(x, w), f.reference(x, w))


@pytest.mark.parametrize(("groups", "padding"), [(1, 0), (4, 1)])
def test_gradients_of_filters(groups: int, padding: int) -> None:
    """With few channels on either side, of which many taps are summed at a time; of much and of little, in tiles of an image or not."""
    conv = f"conv2d(x, w, padding={padding}, groups={groups})"
    reach = 2 * padding + 1
    text = f"fn f(x: f32[N, C, H, W], w: f32[O, I, R, S], g: f32[N, O, H + {reach} - R, W + {reach} - S]) = sum({conv} * g)"
    f = tc.grad(tc.compile(text).f, wrt="w")
    random = np.random.default_rng(2)
    for n, c, o, h, w, r, s in (
        (2, 1, 9, 9, 20, 3, 3),
        (1, 3, 2, 5, 37, 5, 2),
        (3, 1, 1, 8, 17, 4, 7),
        (3, 7, 18, 27, 29, 3, 3),
        (2, 20, 40, 4, 6, 2, 3),
    ):
        shapes = (n, c * groups, h, w), (o * groups, c, r, s), (n, o * groups, h + reach - r, w + reach - s)
        arrays = [random.standard_normal(shape, dtype=np.float32) for shape in shapes]
        expected = f.reference(*arrays)
        np.testing.assert_allclose(f(*arrays), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    loops = f.inspect("loops", *arrays)
    assert loops.count("unroll 3") >= 2 and "_part" in loops
