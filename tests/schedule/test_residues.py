"""Derivatives of windows that move in steps: axes are divided by their remainders, so that no term tests one, at any sizes."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc

RANDOM = np.random.default_rng(5)


def gradient(rank: int, options: str) -> tc.Function:
    axes, taps = (", ".join(names[:rank]) for names in ("UVW", "RST"))
    text = f"fn f(x: f32[N, C, {axes}], w: f32[O, I, {taps}]) = sum(conv{rank}d(x, w, {options}) ** 2)"
    return tc.grad(tc.compile(text).f, wrt="x")


@pytest.mark.parametrize(
    ("rank", "options", "divisor"),
    [(1, "stride=2", 2), (2, "stride=2, padding=1", 2), (2, "stride=3, padding=2, dilation=2", 3), (1, "stride=4, padding=1, groups=2", 4)],
)
def test_windows_that_move_in_steps(rank: int, options: str, divisor: int) -> None:
    f = gradient(rank, options)
    groups = 2 if "groups" in options else 1
    for n, c, o, reach, taps in ((2, 1, 2, 23, 4), (1, 9, 20, 14, 3), (3, 4, 6, 9, 1), (1, 2, 70, 17, 5)):
        c, o = c * groups, o * groups
        x = RANDOM.standard_normal((n, c, *(reach + 7 * d for d in range(rank))), dtype=np.float32)
        w = RANDOM.standard_normal((o, c // groups, *(max(taps - d, 1) for d in range(rank))), dtype=np.float32)
        expected = f.reference(x, w)
        np.testing.assert_allclose(f(x, w), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert f"% {divisor} ==" in f.inspect("opt", x, w) and f"% {divisor} ==" not in f.inspect("loops", x, w)


def test_what_is_not_finite_stays_where_it_is_seen() -> None:
    """A tap beyond the last one of a remainder is no tap of weight 0."""
    f = tc.grad(
        tc.compile(
            "fn f(x: f32[N], w: f32[K], g: f32[(K + N) // 2 + 1 - K]) = sum(g * conv1d(x[None, None], w[None, None], stride=2)[0, 0])"
        ).f,
        wrt="x",
    )
    x, w, g = np.ones(41, "f4"), np.ones(3, "f4"), np.full(20, np.inf, "f4")
    g[3] = 1
    np.testing.assert_array_equal(f(x, w, g), f.reference(x, w, g))


def test_what_is_made_at_all_points_keeps_its_axes() -> None:
    """Long terms are made in steps, which a reduction reads at each of its points."""
    term = "x[(l + a) // 2]"
    for n in range(40):
        term = f"where(x[a] > {n}, {n}.0, {term})"
    f = tc.compile(
        f"fn f(x: f32[N], w: f32[K]) {{\n    require N >= K\n    let y[l < N] = sum[a < K](where((l + a) % 2 == 0, {term} * w[a], 0.0))\n"
        "    return y\n}"
    ).f
    x, w = RANDOM.standard_normal(19, dtype=np.float32), RANDOM.standard_normal(7, dtype=np.float32)
    np.testing.assert_allclose(f(x, w), f.reference(x, w), rtol=1e-5, atol=1e-6)
