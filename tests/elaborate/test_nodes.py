"""The built-ins `scan` and `scatter`: what they compute, and mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc


def run(text: str, *arrays: object) -> object:
    return tc.compile(text).f.reference(*arrays)


def test_scan() -> None:
    x, d = np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 0.5, 2.0]])
    np.testing.assert_array_equal(run('fn f(x: f64[N, T], d: f64[N, T]) = scan(x, "sum", decay=d)', x, d), [[1, 2.5, 8]])
    np.testing.assert_array_equal(run('fn f(x: f64[N, T]) = scan(x, "max", reverse=true)', x), [[3, 3, 3]])
    rows = run('fn f(x: f64[N, T]) { let y[n] = sum[t < T](scan(tensor[k](x[n, k]), "sum")[t])  return y }', x)
    np.testing.assert_array_equal(rows, [1 + 3 + 6])  # type: ignore[arg-type]


def test_scatter() -> None:
    x, i, b = np.array([1.0, 2.0, 3.0]), np.array([1, 1, 7]), np.array([10.0, 20.0])
    np.testing.assert_array_equal(run("fn f(x: f64[N], i: i64[N]) = scatter([4], none, x, i)", x, i), [0, 3, 0, 0])
    np.testing.assert_array_equal(run("fn f(x: f64[N], i: i64[N], b: f64[M]) = scatter([M], b, x, i)", x, i, b), [10, 23])
    np.testing.assert_array_equal(run("fn f(x: f64[N], i: i64[N]) = scatter([2, N], none, x, i * 0, arange(N))", x, i), [x, 0 * x])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('scan(sum(x), "sum")', "E0303"),
        ('scan(x, "any")', "E0611"),
        ('scan(x, "max", decay=x)', "E0302"),
        ('scan(x, "sum", decay=y)', "E0302"),
        ("scatter([N, N], none, x, i)", "E0303"),
        ("scatter([N], none, x, j)", "E0302"),
        ("scatter([N], y, x, i)", "E0302"),
        ("scatter([N], none, x, x)", "E0503"),
    ],
)
def test_mistakes(body: str, code: str) -> None:
    with pytest.raises(tc.CompileError) as failure:
        tc.compile(f"fn f(x: f32[N], y: f32[M], i: i64[N], j: i64[M]) = {body}")
    assert failure.value.diagnostics[0].code == code
