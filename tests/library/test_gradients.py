"""Gradients of the library's functions against PyTorch's, by the oracle in f64, also where there is no derivative."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from library import elementwise, neural, reductions, structure
from library.judge import NAMES, Array, Case, by_oracle, difference, parameters, to_torch

from tensorc.dtypes import f64

CASES = [c for c in (*elementwise.CASES, *reductions.CASES, *structure.CASES, *neural.CASES) if f64 in c.dtypes and not c.refused]

DIFFERENT = {
    "stop_gradient(x)": "PyTorch's row is the identity",
    "x.detach()": "PyTorch's row is the identity",
    "bitcast(bitcast(x, i64), f64)": "PyTorch's row is the identity",
    "cast(x, f32)": "PyTorch gives the derivative in f32",
    "topk(x, 2)[0]": "PyTorch takes others of equal elements",
    "cast(x, bf16)": "PyTorch gives the derivative in bf16",
    "hardsigmoid(x)": "PyTorch's 1/6 is f32's",
    "cosine_similarity(x, y, axis=0, eps=1.5)": "PyTorch differentiates the norm where eps has replaced it",
    "clamp(x, y, z)": "the row has limits of NaN",
    "std(x, axis=1, correction=5, keepdims=true)": "the deviation is infinite",
}


def gradient(text: str, arrays: list[Array], first: bool) -> list[Array]:
    """The derivative of the sum of sin of the (first) result, by each argument of floats."""
    names = ", ".join(NAMES[: len(arrays)])
    floats = ", ".join(f'"{n}"' for n, a in zip(NAMES, arrays, strict=False) if a.dtype == np.float64)
    call = f"value({names})" + ("[0]" if first else "")
    source = (
        f"fn value({parameters(arrays)}) = {text}\n"
        f"fn total({parameters(arrays)}) = sum(sin({call}))\n"
        f"fn f({parameters(arrays)}) = grad(total, wrt=({floats},))({names})\n"
    )
    return by_oracle(source, arrays)


def by_autograd(function: Callable[..., Any], arrays: list[Array]) -> tuple[list[Array], bool] | None:
    """PyTorch's derivatives, and whether the function has several results; None where it has none to differentiate."""
    leaves = [to_torch(a).requires_grad_() if a.dtype == np.float64 else to_torch(a) for a in arrays]
    try:
        found = function(*leaves)
        first = found[0] if isinstance(found, (tuple, list)) else found
        if not first.dtype.is_floating_point or not first.requires_grad:
            return None
        wrt = [leaf for leaf in leaves if leaf.requires_grad]
        got = torch.autograd.grad(torch.sin(first).sum(), wrt, allow_unused=True)
    except (RuntimeError, IndexError, TypeError, NotImplementedError):
        return None
    zeros = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(wrt, got, strict=True)]
    return [z.detach().numpy() for z in zeros], isinstance(found, (tuple, list))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name}: {c.text}")
def test_gradient(case: Case) -> None:
    if case.text in DIFFERENT:
        pytest.skip(DIFFERENT[case.text])
    random = np.random.default_rng(len(case.text))
    for variant in case.variants:
        if any(g.floats_only or (g.dtype is not None and g.dtype.is_float and g.dtype is not f64) for g in variant):
            continue  # special values; and other floats, which PyTorch computes with in their own precision
        arrays = [g.make(f64, random) for g in variant]
        if any(a.dtype == np.float64 and a.size == 1 and case.name in ("var", "std") for a in arrays):
            continue  # NaN, which PyTorch differentiates
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = by_autograd(case.torch, arrays)
        if expected is None:
            continue
        for ours, theirs in zip(gradient(case.text, arrays, expected[1]), expected[0], strict=True):
            wrong = difference(ours, theirs, 4096, 4096)
            assert wrong is None, f"{case.text} of {[a.shape for a in arrays]}: {wrong}"


KINKS: list[tuple[str, Callable[..., Any], list[Any]]] = [
    ("relu(x)", torch.relu, [0.0, -0.0, 1.0]),
    ("abs(x)", torch.abs, [0.0, -0.0, -1.0]),
    ("leaky_relu(x, 0.1)", lambda x: F.leaky_relu(x, 0.1), [0.0, 1.0, -1.0]),
    ("elu(x, 2.0)", lambda x: F.elu(x, 2.0), [0.0, 800.0, -800.0]),
    ("selu(x)", F.selu, [0.0, 800.0, -800.0]),
    ("silu(x)", F.silu, [0.0, 800.0, -800.0]),
    ("sigmoid(x)", torch.sigmoid, [0.0, 800.0, -800.0, 30.0, -30.0]),
    ("mish(x)", F.mish, [0.0, 800.0, -800.0]),
    ("gelu(x)", F.gelu, [0.0, 40.0, -40.0]),
    ('gelu(x, "tanh")', lambda x: F.gelu(x, approximate="tanh"), [0.0, 40.0, -40.0]),
    ("softplus(x)", F.softplus, [0.0, 20.0, 21.0, 800.0, -800.0]),
    ("softsign(x)", F.softsign, [0.0, 2.0]),
    ("hardtanh(x)", F.hardtanh, [1.0, -1.0, 0.5, 2.0]),
    ("hardswish(x)", F.hardswish, [3.0, -3.0, 0.5, 4.0, -4.0]),
    ("hardsigmoid(x) * 6", lambda x: torch.clamp(x + 3, 0, 6) * (x.abs() < 3), [0.5, 4.0, -4.0]),
    ("clamp(x, -1, 2)", lambda x: torch.clamp(x, -1, 2), [-1.0, 2.0, 0.0, 3.0]),
    ("maximum(x, x)", lambda x: torch.maximum(x, x), [1.0]),
    ("maximum(x, 1)", lambda x: torch.maximum(x, torch.ones_like(x)), [1.0, 2.0]),
    ("minimum(x, 1)", lambda x: torch.minimum(x, torch.ones_like(x)), [1.0, 2.0]),
    ("max(x)", torch.amax, [1.0, 3.0, 3.0]),
    ("min(x, axis=0)", lambda x: torch.amin(x, 0), [1.0, 1.0, 3.0]),
    ("norm(x)", torch.linalg.vector_norm, [0.0, 0.0]),
    ("norm(x, 1)", lambda x: torch.linalg.vector_norm(x, 1), [0.0, -2.0]),
    ("norm(x, 3)", lambda x: torch.linalg.vector_norm(x, 3), [0.0, 0.0]),
    ("norm(x, 0.5)", lambda x: torch.linalg.vector_norm(x, 0.5), [0.0, -2.0, 1.0]),
    ("std(x)", torch.std, [3.0, 3.0, 3.0]),
    ("cummax(x, 0)", lambda x: torch.cummax(x, 0)[0], [1.0, 2.0, 2.0, 1.0]),
    ("x // 2", lambda x: x * 0 + torch.floor_divide(x.detach(), 2), [1.0, 5.0]),
    ("huber_loss(x, 0)", lambda x: F.huber_loss(x, torch.zeros_like(x)), [1.0, -1.0, 0.0, 2.0]),
    ("l1_loss(x, 0)", lambda x: F.l1_loss(x, torch.zeros_like(x)), [0.0, 1.0, -2.0]),
    ("bce_with_logits(x, 0.25)", lambda x: F.binary_cross_entropy_with_logits(x, torch.full_like(x, 0.25)), [0.0, 800.0, -800.0]),
    ("logsumexp(x)", lambda x: torch.logsumexp(x, 0), [800.0, -800.0, 800.0]),
    ("log_softmax(x)", lambda x: torch.log_softmax(x, 0), [800.0, -800.0, 0.0]),
    ("xlogy(x, 2)", lambda x: torch.xlogy(x, torch.full_like(x, 2.0)), [0.0, 1.0]),
    ("logaddexp(x, x)", lambda x: torch.logaddexp(x, x), [0.0, 800.0, -800.0]),
    ("nan_to_num(x)", torch.nan_to_num, [float("nan"), float("inf"), 1.0]),
]


@pytest.mark.parametrize(("text", "function", "values"), KINKS, ids=[k[0] for k in KINKS])
def test_where_there_is_no_derivative(text: str, function: Callable[..., Any], values: list[float]) -> None:
    arrays = [np.array(values)]
    expected = by_autograd(function, arrays)
    assert expected is not None
    (ours,) = gradient(text, arrays, False)
    wrong = difference(ours, expected[0][0], 512, 512)
    assert wrong is None, wrong


def test_square_root_of_zero_has_an_infinite_derivative() -> None:
    (ours,) = gradient("sqrt(x)", [np.array([0.0, 4.0])], False)
    assert ours[0] == np.inf and ours[1] == pytest.approx(0.25 * np.cos(2.0))
