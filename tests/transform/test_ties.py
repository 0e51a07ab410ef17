"""A derivative of max and min finds what attained it, however both were computed: in other kernels, passes, dtypes and orders of sums."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tensorc as tc
from tensorc.elaborate import ArgumentType, instantiate, load_unit, parameters
from tensorc.ir import walk
from tensorc.ir.tensor import Define, Load
from tensorc.source import Source
from tensorc.transform.partition import partition
from tensorc.transform.programs import float_inputs, pullback
from tensorc.transform.ties import separable, ties

EXAMPLES = max(12, int(os.environ.get("RANDOM_PROGRAMS", "0")) // 60)

DTYPES = {"f64": np.float64, "f32": np.float32, "f16": np.float16}
SLACK = {"f64": 1e-9, "f32": 1e-4, "f16": 2e-2}

SUMS = (
    "sum[k](x[i, k] * z[j, k])",
    "sum[k]((x[i, k] - z[j, k]) ** 2)",
    "sum[k](x[i, k] * w[k] * z[j, k])",
    "sum[k](abs(x[i, k] - z[j, k]))",
    "prod[k](1 + x[i, k] * z[j, k] / 9)",
    "sum[k](exp(x[i, k]) * z[j, k])",
)
AROUND = (
    "{s}",
    "({s} / (1 + sum[k](z[j, k] ** 2)))",
    "exp({s} / 8)",
    "log(1 + {s} ** 2)",
    "({s} * w[0] + x[i, 0] * z[j, 0])",
    "sqrt(1 + {s} ** 2)",
    "sigmoid({s})",
    "({s} / 3 - z[j, 0] / 7)",
)
SHIFTED = ("{e} + b[i]", "{e} + sum[k](b[i] * u[k])", "b[i] - {e}")
"""Bodies whose derivative by b[i] is 1: the rows' shares among ties must add up to that. The u[k] add up to 1."""


@st.composite
def bodies(draw: Any) -> str:
    e = draw(st.sampled_from(AROUND)).format(s=draw(st.sampled_from(SUMS)))
    if draw(st.booleans()):
        e = f"({e} + {draw(st.sampled_from(AROUND)).format(s=draw(st.sampled_from(SUMS)))})"
    return draw(st.sampled_from(SHIFTED)).format(e=e)


def module(body: str, dtype: str, monoid: str) -> Any:
    types = f"x: {dtype}[N, K], z: {dtype}[M, K], w: {dtype}[K], u: {dtype}[K], b: {dtype}[N]"
    names = "x, z, w, u, b"
    return tc.compile(f"""
fn f({types}) -> {dtype}[N] {{
    let y[i] = {monoid}[j]({body})
    return y
}}
fn total({types}, c: {dtype}[N]) -> {dtype} = sum(f({names}) * c)
fn slopes({types}, c: {dtype}[N]) -> {dtype} = sum(grad(total, wrt="b")({names}, c) * f({names}))
""")


DISTANCES = "fn f(x: f32[N, K], z: f32[M, K]) { let d[i] = min[j](sum[k]((x[i, k] - z[j, k]) ** 2)) return d }"

SHAPES = ((5, 7, 3), (1, 1, 1), (33, 65, 17), (70, 64, 16), (3, 130, 9), (130, 3, 40))


def draw_arrays(shape: tuple[int, int, int], dtype: str, seed: int) -> list[Any]:
    n, m, k = shape
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal((n, k)), rng.standard_normal((m, k))
    w, u = rng.uniform(0.5, 1.5, k), np.eye(k)[0]
    arrays = [x / np.sqrt(k), z / np.sqrt(k), w, u, rng.standard_normal(n), rng.integers(1, 4, n)]
    return [a.astype(DTYPES[dtype]) for a in arrays]


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(bodies(), st.sampled_from(sorted(DTYPES)), st.sampled_from(("max", "min")), st.integers(0, 99))
def test_every_row_has_what_attains_its_maximum(body: str, dtype: str, monoid: str, seed: int) -> None:
    made = module(body, dtype, monoid)
    gradient, curvature = made.total.grad(wrt="b"), made.slopes.grad(wrt="b")
    for shape in SHAPES:
        arrays = draw_arrays(shape, dtype, seed)
        c = arrays[-1].astype(np.float64)
        what = f"{body} {dtype} {monoid} {shape}"

        def rows(found: Any, wanted: Any, what: str = what) -> None:
            np.testing.assert_allclose(np.asarray(found, np.float64), wanted, rtol=0, atol=SLACK[dtype] * max(wanted), err_msg=what)

        rows(gradient(*arrays), c)
        rows(curvature(*arrays), c)
        leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
        y = made.f(*leaves[:-1])
        first = torch.autograd.grad((y * leaves[-1]).sum(), leaves[:5], create_graph=True)
        rows(first[4].detach(), c)
        (second,) = torch.autograd.grad((first[4] * y).sum(), leaves[4])
        rows(second, c)


@pytest.mark.parametrize("shape", SHAPES)
def test_second_derivatives_of_distances_are_pytorchs(shape: tuple[int, int, int]) -> None:
    ours = tc.compile(DISTANCES.replace("f32", "f64")).f
    x, z, *_, c = (torch.tensor(a, requires_grad=True) for a in draw_arrays(shape, "f64", 3))
    found = []
    for f in (ours, lambda x, z: ((x[:, None] - z[None]) ** 2).sum(-1).amin(1)):
        first = torch.autograd.grad((f(x, z) * c).sum(), (x, z), create_graph=True)
        found.append(torch.autograd.grad((first[0] * x.detach() + 1).sum() + (first[1] ** 2).sum(), (x, z, c)))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


def program(text: str) -> Any:
    unit = load_unit(Source("p.tx", text))
    return instantiate(unit, "f", [ArgumentType(p.dtypes[0], p.rank) for p in parameters(unit, "f")]).program


def test_what_a_maximum_compares_is_one_load() -> None:
    made = program("fn f(x: f32[N, M], w: f32[M]) { let y[i] = max[j](x[i, j] * w[j] + 1) return y }")
    (y,) = made.results
    assert isinstance(y, Define) and isinstance(y.body, Load)
    padded = program("fn f(x: f32[N, M]) { let y[i] = max[j in 0 .. M + 2](x[i, j - 1 else 0]) return y }").results[0]
    assert not isinstance(padded.body, Load)  # a choice among elements is the same wherever it is made


def test_a_minimum_is_kept_with_what_it_is_compared_with_or_not_at_all() -> None:
    made = program(DISTANCES)
    back = pullback(made, float_inputs(made))
    found = partition(back, 1, back.inputs[len(made.inputs) :])
    compared = ties(walk.topological(back.results))
    assert compared
    for tie in compared:
        assert len({t in found.recomputed for t in tie.compared}) == 1
        assert len({t in found.kept for t in tie.compared}) == 1
    assert separable(walk.topological(back.results), made.results) == set()
    loaded = program("fn f(x: f32[N, M]) { let y[i] = max[j](x[i, j]) return y }")
    back = pullback(loaded, float_inputs(loaded))
    assert separable(walk.topological(back.results), loaded.results) == set(loaded.results)
