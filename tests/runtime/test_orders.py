"""Inputs whose neighbours do not lie along their last axis: loops that go along their memory, in every call of a structure."""

from __future__ import annotations

from itertools import permutations

import numpy as np

import tensorc

RANDOM = np.random.default_rng(4)
PROGRAM = tensorc.compile("""
fn sums(x: i64[A, B, C], w: i64[C]) = (sum(x * w, axis=-1), max(x, axis=0), x + 1)
fn places(x: f32[N, M]) = (argmax(x, axis=-1), cumsum(x, axis=0), sort(x, axis=-1), reshape(x, (-1,)))
fn product(x: i64[N, K], y: i64[K, M]) = x @ y
fn picked(x: f32[N, M], i: i64[K]) = x[:, i]
""")


def test_every_order_of_three_axes() -> None:
    w = RANDOM.integers(-9, 9, 20)
    for order in permutations(range(3)):
        shape = [(18, 16, 20)[a] for a in order]
        x = RANDOM.integers(-99, 99, shape).transpose(np.argsort(order))
        for given in (x, x, x[1:], x[:, 1:-1]):
            for got, want in zip(PROGRAM.sums(given, w), ((given * w).sum(-1), given.max(0), given + 1), strict=True):
                np.testing.assert_array_equal(got, want)


def test_what_is_no_map_of_one_nest() -> None:
    x = np.asfortranarray(RANDOM.standard_normal((70, 90)).astype("f4"))
    for given in (x, x[:-1], x[3:].copy()):
        at, total, ordered, flat = PROGRAM.places(given)
        np.testing.assert_array_equal(at, given.argmax(-1))
        np.testing.assert_allclose(total, given.cumsum(0), rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(ordered, np.sort(given, -1))
        np.testing.assert_array_equal(flat, given.reshape(-1))


def test_products_and_places_that_are_data() -> None:
    x, y = RANDOM.integers(-9, 9, (65, 70)), RANDOM.integers(-9, 9, (75, 65)).T
    for a in (x.T, np.ascontiguousarray(x.T)):
        for b in (y, np.ascontiguousarray(y)):
            np.testing.assert_array_equal(PROGRAM.product(a, b), a @ b)
    z = np.asfortranarray(RANDOM.standard_normal((70, 90)).astype("f4"))
    i = RANDOM.integers(0, 90, 13)
    np.testing.assert_array_equal(PROGRAM.picked(z, i), z[:, i])
    try:
        PROGRAM.picked(z, i + 90)
    except IndexError as error:
        assert "90" in str(error)
    else:
        raise AssertionError("places outside are refused")


def test_small_arrays_need_no_further_program() -> None:
    function = tensorc.compile("fn f(x: f32[N, M]) = x * 2").f
    small = np.asfortranarray(RANDOM.standard_normal((5, 7)).astype("f4"))
    np.testing.assert_array_equal(function(small), small * 2)
    large = np.asfortranarray(RANDOM.standard_normal((80, 70)).astype("f4"))
    before = function.stats.compiles
    for _ in range(5):
        np.testing.assert_array_equal(function(large), large * 2)
    assert function.stats.compiles == before + 1
