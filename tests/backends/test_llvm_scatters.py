"""Elements that are added to places that are data: one after the other, rows in registers, places outside left alone."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc

RANDOM = np.random.default_rng(9)
PROGRAM = tensorc.compile("""
fn points(x: f32[N], i: i64[M], v: f32[M]) = scatter_add(x, 0, i, v)
fn taken(e: f32[V, D], ids: i64[B], g: f32[B, D]) {
    let y[b, d] = e[ids[b], d]
    return sum(y * g)
}
fn rows(e: f32[V, D], ids: i64[B], g: f32[B, D]) = grad(taken, wrt="e")(e, ids, g)
""")


@pytest.mark.parametrize("count", [0, 1, 3, 4, 103])
def test_the_order_is_that_of_the_elements(count: int) -> None:
    x, v = (RANDOM.standard_normal(n).astype("f4") for n in (7, count))
    i = RANDOM.integers(0, 7, count)
    want = x.copy()
    np.add.at(want, i, v)
    np.testing.assert_array_equal(PROGRAM.points(x, i, v), want)


@pytest.mark.parametrize(("count", "width"), [(0, 5), (9, 0), (9, 1), (50, 16), (50, 37), (8, 100)])
def test_rows(count: int, width: int) -> None:
    e, g = (RANDOM.standard_normal((n, width)).astype("f4") for n in (6, count))
    ids = RANDOM.integers(0, 6, count)
    want = np.zeros_like(e)
    np.add.at(want, ids, g)
    np.testing.assert_array_equal(PROGRAM.rows(e, ids, g), want)
    turned = np.asfortranarray(g)
    np.testing.assert_array_equal(PROGRAM.rows(e, ids, turned), want)


def test_places_outside_are_refused() -> None:
    x, v = np.zeros(7, "f4"), np.ones(9, "f4")
    for bad in (-1, 7, 1 << 40, -(1 << 63)):
        i = np.arange(9) % 7
        i[5] = bad
        with pytest.raises(IndexError):
            PROGRAM.points(x, i, v)


BAGS = tensorc.compile("""
fn bags(e: i64[V, D], ids: i64[B, T]) {
    let y[b, d] = sum[t](e[ids[b, t], d])
    return y
}
fn rows(e: i64[V, D], ids: i64[B]) = e[ids]
fn means(e: f64[V, D], ids: i64[B, T]) {
    let y[b, d] = mean[t](e[ids[b, t], d])
    return y
}
""")


@pytest.mark.parametrize(("bags", "terms", "width"), [(1, 1, 16), (3, 5, 64), (2, 40, 33), (7, 3, 100), (0, 4, 16), (4, 0, 16)])
def test_rows_that_are_gathered(bags: int, terms: int, width: int) -> None:
    e = RANDOM.integers(-99, 99, (11, width))
    ids = RANDOM.integers(0, 11, (bags, terms))
    for given in (ids, np.repeat(ids, 2, 1)[:, ::2]):
        np.testing.assert_array_equal(BAGS.bags(e, given), e[ids].sum(1))
        if terms:
            np.testing.assert_allclose(BAGS.means(e.astype("f8"), given), e[ids].mean(1))
    np.testing.assert_array_equal(BAGS.rows(e, ids.ravel()), e[ids.ravel()])


MEANS = tensorc.compile("""
fn f(e: f32[V, D], ids: i64[B, T]) {
    let y[b, d] = mean[t](e[ids[b, t], d])
    return y
}
""")


@pytest.mark.parametrize(("bags", "terms", "width"), [(3, 4, 33), (7, 2, 100)])
def test_rows_that_are_scattered_and_divided_by_their_number(bags: int, terms: int, width: int) -> None:
    e, g = (RANDOM.integers(-9, 9, (n, width)).astype("f4") * terms for n in (11, bags))
    ids = RANDOM.integers(0, 11, (bags, terms))
    want = np.zeros_like(e)
    np.add.at(want, ids, g[:, None] / terms)
    _, found = tensorc.vjp(MEANS.f)(e, ids, g)
    np.testing.assert_allclose(found, want, rtol=1e-6)
