"""Products of bf16 matrices, two terms at a time: odd depths, every orientation, with an instruction for it and without."""

from __future__ import annotations

import numpy as np
import pytest

import tensorc as tc
from tensorc.backends.llvm import target

torch = pytest.importorskip("torch")

PRODUCTS = {
    "ab": "fn f(a: bf16[N, K], b: bf16[K, M]) -> f32[N, M] = cast(a, f32) @ cast(b, f32)",
    "abT": "fn f(a: bf16[N, K], b: bf16[M, K]) = a @ b.T",
    "aTb": "fn f(a: bf16[K, N], b: bf16[K, M]) = relu(a.T @ b + 1)",
    "batch": "fn f(a: bf16[B, N, K], b: bf16[B, K, M]) = a @ b",
}

MEANINGS = {
    "ab": lambda a, b: a @ b,
    "abT": lambda a, b: a @ b.mT,
    "aTb": lambda a, b: torch.relu(a.mT @ b + 1),
    "batch": lambda a, b: a @ b,
}


@pytest.mark.parametrize("cpu", [None, "fast", "x86-64-v3"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str, cpu: str | None) -> None:
    math = "fast" if cpu == "fast" else "accurate"
    cpu = None if cpu == "fast" else cpu
    if cpu is not None and target.host().vector_bytes < target.host(cpu).vector_bytes:
        pytest.skip("this processor has shorter vectors")
    with tc.config.scope(cpu=cpu, math=math, cache="off"):
        f = tc.compile(PRODUCTS[name]).f
        for n, k, m in ((37, 131, 70), (20, 64, 130), (70, 1, 33), (26, 2000, 40)):
            shapes = {"ab": ((n, k), (k, m)), "abT": ((n, k), (m, k)), "aTb": ((k, n), (k, m)), "batch": ((3, n, k), (3, k, m))}[name]
            a, b = (torch.randn(s, generator=torch.Generator().manual_seed(n)).bfloat16() for s in shapes)
            expected = MEANINGS[name](a.double(), b.double())
            error = (f(a, b).double() - expected).abs().max()
            assert error <= (2e-6 if name == "ab" else 2**-8) * max(k, 4) ** 0.5 * float(expected.abs().max()), (n, k, m)


def test_what_is_not_finite_stays_where_it_is() -> None:
    f = tc.compile("fn f(a: bf16[N, K], b: bf16[K, M]) = a @ b").f
    a, b = torch.ones(30, 41).bfloat16(), torch.ones(41, 50).bfloat16()
    a[3, 40], b[7, 9] = np.inf, np.nan
    found = f(a, b).float()
    assert torch.isinf(found[3]).sum() == 49 and torch.isnan(found[:, 9]).all() and torch.isfinite(found).sum() == 29 * 49
