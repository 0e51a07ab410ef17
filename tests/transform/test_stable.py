"""Formulas made stable: right at extreme inputs where the formula as written is not, the same elsewhere, and nothing else is touched."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.dtypes import DTYPES
from tensorc.ir import walk
from tensorc.ir.tensor import Apply, Define
from tensorc.transform.simplify import optimise, simplify
from tensorc.transform.stable import stabilise

INF, NAN = math.inf, math.nan
DTYPE_NAMES = ("f16", "bf16", "f32", "f64")
EPSILON = {"f16": 2.0**-10, "bf16": 2.0**-7, "f32": 2.0**-23, "f64": 2.0**-52}


def vector(body: str, dtype: str = "f32", dims: str = "N") -> Any:
    return tc.compile(f"fn f(x: {dtype}[{dims}]) {{\n{body}\n}}\n", name="stable.tx").f


def array(values: Any, dtype: str = "f32") -> Any:
    return np.array(values, np.float64).astype(DTYPES[dtype].numpy)


def wide(a: Any) -> Any:
    return np.asarray(a).astype(np.float64)


def operations(f: Any, *arrays: Any) -> set[str]:
    """What the scheduled program computes."""
    program = optimise(f.lower(*arrays).program)
    bodies = [t.body for t in walk.topological(program.results) if isinstance(t, Define)]
    return {s.operation for body in bodies for s in walk.postorder(body) if isinstance(s, Apply)}


def close(got: Any, want: Any, dtype: str, ulps: float = 8) -> None:
    np.testing.assert_allclose(wide(got), want, rtol=ulps * EPSILON[dtype], atol=ulps * EPSILON[dtype] ** 2)


def softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def logsumexp(x: Any) -> Any:
    """Along the last axis, for what IEEE arithmetic may be asked: -inf of nothing, NaN of a NaN."""
    top = np.max(x, axis=-1, initial=-INF, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0)
    with np.errstate(all="ignore"):
        return np.log(np.sum(np.exp(x - shift), axis=-1)) + shift[..., 0]


# Each rule fires.


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
@pytest.mark.parametrize("text", ["log(1 + x)", "log(x + 1)", "log(1 - -x)"])
def test_log_of_one_more(text: str, dtype: str) -> None:
    f, tiny = vector(f"return {text}", dtype), EPSILON[dtype] / 4
    x = array([tiny, -tiny, 0.5, 3.0], dtype)
    assert wide(f.reference(x))[0] == 0
    close(f(x), np.log1p(wide(x)), dtype)
    special = f(array([-1.0, -2.0, INF, -INF, NAN], dtype))
    np.testing.assert_array_equal(wide(special), [-INF, NAN, INF, NAN, NAN])


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
@pytest.mark.parametrize(("text", "sign"), [("exp(x) - 1", 1), ("-1 + exp(x)", 1), ("1 - exp(x)", -1)])
def test_exponential_less_one(text: str, sign: int, dtype: str) -> None:
    f, tiny = vector(f"return {text}", dtype), EPSILON[dtype] / 8
    x = array([tiny, -tiny, 0.5, -3.0], dtype)
    assert wide(f.reference(x))[0] == 0
    close(f(x), sign * np.expm1(wide(x)), dtype)
    special = f(array([0.0, INF, -INF, NAN], dtype))
    np.testing.assert_array_equal(wide(special), [0, sign * INF, -sign, NAN])


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
@pytest.mark.parametrize("body", ["return log(1 + exp(x))", "let e = exp(x)\nlet u = e + 1\nreturn log(u)"])
def test_softplus(body: str, dtype: str) -> None:
    f = vector(body, dtype)
    x = array([1000.0, -9.0, -2.0, 0.0, 0.25, 8.0], dtype)
    assert wide(f.reference(x))[0] == INF
    close(f(x), softplus(wide(x)), dtype)
    np.testing.assert_array_equal(wide(f(array([INF, -INF, NAN], dtype))), [INF, 0, NAN])


LOGSUMEXP = [
    "let y[i] = log(sum[j](exp(x[i, j])))\nreturn y",
    "return log(sum(exp(x), axis=-1))",
    "let e = exp(x)\nreturn log(sum(e, axis=-1))",
]


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
@pytest.mark.parametrize("body", LOGSUMEXP)
def test_logsumexp(body: str, dtype: str) -> None:
    f = vector(body, dtype, "N, D")
    x = array([[1000.0, 1000.0], [-1000.0, -1000.0], [0.5, 1.5], [2.0, -1000.0]], dtype)
    naive = wide(f.reference(x))
    assert naive[0] == INF and naive[1] == -INF
    close(f(x), logsumexp(wide(x)), dtype)
    special = array([[INF, 1], [-INF, -INF], [-INF, 2], [NAN, 1], [NAN, INF], [NAN, -INF], [INF, -INF]], dtype)
    np.testing.assert_array_equal(wide(f(special)), [INF, -INF, 2, NAN, NAN, NAN, INF])
    np.testing.assert_array_equal(wide(f(array(np.zeros((3, 0)), dtype))), [-INF] * 3)


def test_a_masked_logsumexp() -> None:
    f = vector("let y[i] = log(sum[j](where(j < i, exp(x[i, j]), 0)))\nreturn y", dims="N, N")
    x = np.full((4, 4), 500, np.float32) + np.arange(4, dtype=np.float32)
    assert np.isinf(f.reference(x)).all()
    close(f(x), [-INF, *(logsumexp(wide(x[0, :n])) for n in (1, 2, 3))], "f32")


def test_a_sum_over_all_axes() -> None:
    f = vector("return log(sum(exp(x)))", dims="N, D")
    close(f(np.full((20, 30), -400, np.float32)), math.log(600) - 400, "f32")


NAIVE_SOFTMAX = "let e = exp(x)\nreturn log(e / sum(e, axis=-1, keepdims=true))"


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
@pytest.mark.parametrize("body", ["return log(softmax(x))", NAIVE_SOFTMAX])
def test_log_of_softmax(body: str, dtype: str) -> None:
    f = vector(body, dtype, "N, D")
    x = array([[0, -2000], [0.5, 0.25], [-2000, 3]], dtype)
    assert wide(f.reference(x))[0, 1] == -INF
    exact: Any = wide(x) - logsumexp(wide(x))[:, None]
    np.testing.assert_allclose(wide(f(x)), exact, rtol=8 * EPSILON[dtype], atol=8 * EPSILON[dtype])
    special = f(array([[-INF, 2.0], [NAN, 1.0], [-INF, -INF], [INF, 0.0]], dtype))
    want: Any = [[-INF, 0], [NAN, NAN], [NAN, NAN], [NAN, NAN if "softmax" in body else -INF]]
    np.testing.assert_array_equal(wide(special), want)


def test_a_softmax_with_another_reader_stays() -> None:
    f = vector("let p = softmax(x)\nreturn p, -sum(p * log(p), axis=-1)", dims="N, D")
    x = array([[0, -200], [1, 1]])
    p, entropy = f(x)
    np.testing.assert_allclose(p, [[1.0, 0.0], [0.5, 0.5]])
    assert np.isnan(f.reference(x)[1][0])
    np.testing.assert_allclose(entropy, [0, math.log(2)], rtol=1e-6)


# What is left alone.


def test_a_sigmoid_is_stable_as_it_is() -> None:
    f, x = vector("return 1 / (1 + exp(-x))"), array([-1000.0, -INF, 1000.0, INF, 0.0, NAN])
    np.testing.assert_array_equal(f(x), [0, 0, 1, 1, 0.5, NAN])
    assert operations(f, x) == {"div", "add", "exp", "neg"}


TRAPS = {
    "sqrt(x) ** 2": {"sqrt", "mul"},
    "exp(log(x))": {"exp", "log"},
    "log(exp(x))": {"exp", "log"},
    "x / x": {"div"},
    "0 * x": {"mul"},
    "x - x": {"sub"},
    "log(2 + x)": {"log", "add"},
    "exp(x) - 2": {"exp", "sub"},
    "exp(x) + 1": {"exp", "add"},
    "log2(1 + x)": {"log2", "add"},
}


@pytest.mark.parametrize("text", TRAPS)
def test_traps(text: str) -> None:
    f, x = vector(f"return {text}"), array([0.0, -1.0, INF, NAN, 4.0])
    assert operations(f, x) == TRAPS[text]
    np.testing.assert_allclose(f(x), f.reference(x), rtol=1e-6)


KAHAN = {
    "log1p": "let u = 1 + x\nreturn where(u == 1, x, log(u) * x / (u - 1))",
    "expm1": "let u = exp(x)\nreturn where(u == 1, x, (u - 1) * x / log(u))",
    "log1p in two": "return log(1 + x), (1 + x) - 1",
}


@pytest.mark.parametrize("name", KAHAN)
def test_a_rounding_error_that_is_undone_is_left(name: str) -> None:
    f, x = vector(KAHAN[name]), array([1e-7, 3e-7, 1e-10, 0.5])
    assert not {"log1p", "expm1"} & operations(f, x)
    if " " not in name:
        np.testing.assert_allclose(f(x), getattr(np, name)(wide(x)), rtol=2e-6)


def test_results_are_read() -> None:
    f, x = vector("let u = 1 + x\nreturn u, log(u)"), array([0.5])
    assert operations(f, x) == {"add", "log"}


def test_what_is_shifted_is_not_shifted_again() -> None:
    for body in ("return logsumexp(x, axis=-1)", "let m = max(x, axis=-1, keepdims=true)\nreturn log(sum(exp(x - m), axis=-1))"):
        program = simplify(vector(body, dims="N, D").lower(array([[1.0]])).program)
        assert stabilise(program) is program


def test_work_that_is_shared_along_an_axis_is_not_repeated() -> None:
    body = "let u[i] = 1 + sin(x[i, 0])\nlet y[i, j] = log(u[i]) * x[i, j]\nreturn y"
    program = simplify(vector(body, dims="N, D").lower(array([[1.0]])).program)
    assert stabilise(program) is program


def test_long_chains() -> None:
    """Neither the depth of a scalar nor time grows without bound."""
    body = "\n".join(["let t0 = x", *(f"let t{i + 1} = log(t{i}) + 1" for i in range(150))])
    f, x = vector(f"{body}\nreturn t150"), array([1.0, 2.0])
    np.testing.assert_allclose(f(x), f.reference(x), rtol=1e-5)


# Ordinary inputs.

ORDINARY = [
    "let y[i] = log(1 + sum[j](exp(x[i, j])))\nreturn y",
    "let y[i, j] = log(1 + exp(sin(x[i, j]))) * (exp(x[j, i]) - 1)\nreturn y",
    "let y[j] = log(sum[i](exp(2 * x[i, j] - x[j, i])))\nreturn y",
    "let e = exp(tanh(x))\nlet s = sum(e, axis=0)\nreturn log(e / s), e, log(s), s",
    "let e[i, j] = exp(x[i, j] / 2)\nlet y[i, j] = log(e[j, i] / sum[k](e[k, i]))\nreturn y",
    "let e[i, j] = exp(x[i, j])\nlet y[i, j] = log(e[i, j] / sum[k](where(k <= j, e[i, k], 0)))\nreturn y",
    "return log(1 + log(1 + exp(log(sum(exp(x), axis=1)))))",
    "return log(sum(exp(log(1 + exp(x))), axis=1)), log(sum(exp(-x * x)))",
]


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
@pytest.mark.parametrize("body", ORDINARY)
def test_ordinary_inputs(body: str, dtype: str) -> None:
    f = vector(body, dtype, "N, N")
    for n, seed in ((1, 0), (7, 1), (33, 2)):
        x = array(np.random.default_rng(seed).uniform(-2, 2, (n, n)), dtype)
        program = simplify(f.lower(x).program)
        assert stabilise(program) is not program
        got, want = f(x), f.reference(x)
        for g, w in zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]:
            assert g.dtype == w.dtype and g.shape == w.shape
            np.testing.assert_allclose(wide(g), wide(w), rtol=32 * EPSILON[dtype], atol=32 * EPSILON[dtype])


FORMS = [
    "log(1 + exp({}))",
    "exp(sin({})) - 1",
    "log(abs({}) + 1)",
    "log(sum(exp({}), axis=1, keepdims=true))",
    "log(softmax({}))",
    "{} - tanh({})",
]


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines, known = [], ["x"]
    for i in range(4):
        form = FORMS[rng.integers(len(FORMS))]
        lines.append(f"let y{i} = " + form.format(*rng.choice(known, form.count("{}"))))
        known.append(f"y{i}")
    f = vector("\n".join([*lines, "return y3, y2 + y3"]), "f64", "N, D")
    x = rng.uniform(-2, 2, (9, 6))
    for g, w in zip(f(x), f.reference(x), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-11, atol=1e-11)


def test_derivatives_are_those_of_the_formula_as_it_is_written() -> None:
    f, x = vector("return sum(log(1 + exp(x)))"), array([-1.0, 0.5, 2.0])
    np.testing.assert_allclose(tc.grad(f)(x), 1 / (1 + np.exp(-wide(x))), rtol=1e-5)
