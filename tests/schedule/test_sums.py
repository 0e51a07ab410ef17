"""Sums of products in another form than the program's: in pairs, in another order, without what divides all terms."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc
from tensorc.loops.check import check

RANDOM = np.random.default_rng(11)
SIZES = {"B": 3, "I": 5, "J": 6, "K": 7, "L": 4}

SUMS = {
    "bij,bjk,kl->bil": 2,
    "ij,jk,kl->il": 2,
    "ij,jk,k->i": 2,
    "i,ij,jk,k->": 2,
    "ij,ij,jk->ik": 1,
    "ij,j,k->ik": 1,
    "ijk,ijk,ijk->": 1,
    "ij,kl,jk->il": 2,
}
"""Each with how many kernels it is, at most."""


@pytest.mark.parametrize("formula", SUMS)
def test_products_of_several_factors(formula: str) -> None:
    factors = formula.split("->")[0].split(",")
    parameters = ", ".join(f"x{n}: f32[{', '.join(axes.upper())}]" for n, axes in enumerate(factors))
    f = tensorc.compile(f'fn f({parameters}) = einsum("{formula}", {", ".join(f"x{n}" for n in range(len(factors)))})')["f"]
    usual = [line for line in f.inspect("schedule").splitlines() if line.startswith("  kernel ") and " if " not in line]
    assert len(usual) <= SUMS[formula] + 1
    for sizes in (SIZES, dict.fromkeys(SIZES, 1), {**SIZES, "J": 0}):
        arrays = [RANDOM.standard_normal([sizes[a.upper()] for a in axes]).astype("f4") for axes in factors]
        wanted = np.einsum(formula, *(a.astype("f8") for a in arrays))
        np.testing.assert_allclose(f(*arrays), wanted, rtol=1e-4, atol=1e-4)


def kernels(text: str) -> list[str]:
    """What of a program runs and is stored where sizes are large."""
    lines = [line for line in tensorc.compile(text)["f"].inspect("schedule").splitlines() if " if " not in line and "_part" not in line]
    return [line.strip() for line in lines if line.startswith(("  kernel", "  intermediate"))]


def test_a_product_with_a_vector_is_with_vectors_only() -> None:
    found = kernels("fn f(a: f32[N, K], b: f32[K, M], v: f32[M]) = a @ b @ v")
    assert found[0] == "intermediate t0: f32[K]"


def test_a_product_that_something_else_reads_is_not_taken_apart() -> None:
    found = kernels("fn f(a: f32[N, K], b: f32[K, M], v: f32[M]) {\n    let c = a @ b\n    return c @ v, c\n}")
    assert not any(line.startswith("intermediate") for line in found)


def test_products_of_like_cost_keep_the_order_of_the_program() -> None:
    (found,) = (line for line in kernels("fn f(a: f32[N, K], b: f32[K, M], c: f32[M, L]) = a @ b @ c") if "intermediate" in line)
    assert found == "intermediate t0: f32[N, M]"


def loops(text: str) -> str:
    found = tensorc.compile(text)["f"].inspect("loops").split("\n\n")
    return "\n\n".join(k for k in found if " if " not in k.splitlines()[0])


def test_a_division_by_a_sum_leaves_a_sum() -> None:
    divided = "fn f(x: f32[N, M], v: f32[M, D]) {\n    let e = exp(x)\n    return (e / sum(e, axis=1, keepdims=true)) @ v\n}"
    assert " / " in loops(divided).splitlines()[-1] and loops(divided).count(" / ") == 1
    f = tensorc.compile(divided)["f"]
    x, v = RANDOM.standard_normal((5, 33)).astype("f4"), RANDOM.standard_normal((33, 7)).astype("f4")
    e = np.exp(x.astype("f8"))
    np.testing.assert_allclose(f(x, v), e / e.sum(1, keepdims=True) @ v, rtol=1e-5, atol=1e-5)
    assert np.array_equal(f(np.ones((2, 0), "f4"), np.ones((0, 3), "f4")), np.zeros((2, 3)))


@pytest.mark.parametrize(
    "body",
    [
        "sum[j, k, l](x[j, k] * x[j, k] * y[l, k])",  # l is an axis of one factor alone
        "sum[j, l](x[j, k] * x[j, k] * y[l, k])",
        "sum[j, k, l, m < 3](x[j, k] * x[j, k] * y[l, k])",  # m is an axis of none
    ],
)
def test_axes_of_one_factor_are_summed_too(body: str) -> None:
    result = "let r[k < K]" if body.startswith("sum[j, l]") else "let r"
    f = tensorc.compile(f"fn f(x: f64[J, K], y: f64[L, K]) {{\n    {result} = {body}\n    return r\n}}")["f"]
    for j, k, n in ((3, 5, 4), (33, 40, 1), (0, 2, 3)):
        arrays = RANDOM.standard_normal((j, k)), RANDOM.standard_normal((n, k))
        np.testing.assert_allclose(f(*arrays), f.reference(*arrays), rtol=1e-9, atol=1e-12)


def test_a_sum_over_lanes_and_over_what_is_done_at_once_around_them() -> None:
    f = tensorc.compile("""
fn f(x: f64[J, L], y: f64[K, I]) {
    let a[j < J, k < K, l < L] = sum[i](x[j, l] + y[k, i] - x[j, l])
    let b[j < J] = sum[k, l](a[j, k, l])
    return b
}""").f
    x, y = RANDOM.standard_normal((7, 33)), RANDOM.standard_normal((20, 18))
    check(f.lower(x, y).compilation.schedule)
    np.testing.assert_allclose(f(x, y), f.reference(x, y), rtol=1e-12)
