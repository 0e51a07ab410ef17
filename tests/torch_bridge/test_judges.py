"""PyTorch's judges on every function of the library: gradcheck in all modes, gradgradcheck, opcheck; strided and expanded inputs."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from library import elementwise, neural, reductions, structure  # noqa: E402
from library.judge import NAMES, Case, parameters, to_torch  # noqa: E402
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch.library import opcheck  # noqa: E402

import tensorc as tc  # noqa: E402
from tensorc.api.primitive import primitive_of  # noqa: E402
from tensorc.dtypes import f64  # noqa: E402
from tensorc.torch_bridge.operator import run, text_of  # noqa: E402

DOMAINS = {
    "acosh": (1.1, 3.0), "asin": (-0.8, 0.8), "acos": (-0.8, 0.8), "atanh": (-0.8, 0.8), "log": (0.2, 2.0), "log2": (0.2, 2.0),
    "log10": (0.2, 2.0), "log1p": (-0.5, 2.0), "sqrt": (0.2, 2.0), "rsqrt": (0.3, 2.0), "pow": (0.3, 1.8), "logit": (0.2, 0.8),
    "xlogy": (0.2, 2.0), "lgamma": (0.3, 3.0), "reciprocal": (0.4, 2.0), "div": (0.4, 2.0), "cbrt": (0.3, 2.0), "kl_div": (0.2, 0.9),
    "tan": (-1.0, 1.0), "**": (0.3, 1.8), "batch_norm": (0.3, 2.0), "cumprod": (0.5, 1.5), "prod": (0.5, 1.5),
}  # fmt: skip
"""Where a function is smooth, unless that is nearly everywhere."""

ROUNDED = {
    "cast(x, f32)", "cast(x, bf16)", "bitcast(bitcast(x, i64), f64)", "stop_gradient(x)", "x.detach()",
    "embedding(y, x, padding_idx=-1)", "embedding(y, x, 0)",
}  # fmt: skip
"""What no finite difference can judge: what rounds, and what has no gradient because that is asked for."""


def values(case: Case, given: Any, random: np.random.Generator) -> Any:
    """Generic values of the function's domain: no two equal, none where a function has a kink."""
    if given.dtype is not None or given.values is not None:
        return to_torch(given.make(f64, random))
    low, high = DOMAINS.get(case.name, (-2.0, 2.0))
    count = int(np.prod(given.shape, dtype=np.int64))
    spread = random.permutation(count) + random.uniform(0.2, 0.8)
    return torch.tensor((low + (high - low) * spread / max(count, 1)).reshape(given.shape))


def examples(case: Case, most: int = 1) -> list[list[Any]]:
    """Arguments of the case that PyTorch's own function differentiates."""
    random = np.random.default_rng(7)
    found = []
    for variant in case.variants:
        floats = [g for g in variant if (g.dtype or f64).is_float]
        if any(g.floats_only for g in variant) or any(g.values is not None or g.dtype not in (None, f64) for g in floats):
            continue
        made = [values(case, g, random) for g in variant]
        if all(t.numel() for t in made) and any(t.dtype == torch.float64 for t in made) and max(t.numel() for t in made) <= 64:
            found.append(made)
    return sorted(found, key=lambda made: -sum(t.dim() for t in made))[:most]


def differentiable(case: Case, made: list[Any]) -> bool:
    """Whether the function has float results for these arguments, all finite."""
    try:
        found = case.torch(*made)
    except (RuntimeError, TypeError, IndexError, NotImplementedError, ValueError):
        return False
    results = [t for t in (found if isinstance(found, (tuple, list)) else [found]) if t.is_floating_point()]
    return bool(results) and all(bool(t.isfinite().all()) and t.dtype == torch.float64 for t in results)


ROWS = [
    pytest.param(case, made, id=f"{case.name}: {case.text}")
    for case in {c.text: c for c in (*elementwise.CASES, *reductions.CASES, *structure.CASES, *neural.CASES)}.values()
    if f64 in case.dtypes and not case.refused and case.text not in ROUNDED
    for made in [made for made in examples(case, 9) if differentiable(case, made)][:1]
]


@cache
def program(text: str, declared: str) -> Any:
    return tc.compile(f"fn f({declared}) = {text}").f


def function(case: Case, made: list[Any]) -> Any:
    """The case as a function of its arguments whose results are all floats."""
    compiled = program(case.text, parameters([t.numpy() for t in made]))

    def call(*args: Any) -> Any:
        found = compiled(*args)
        return tuple(t for t in found if t.is_floating_point()) if isinstance(found, tuple) else found

    return call


def leaves(made: list[Any]) -> list[Any]:
    return [t.detach().clone().requires_grad_() if t.is_floating_point() else t for t in made]


@pytest.mark.parametrize(("case", "made"), ROWS)
def test_gradcheck(case: Case, made: list[Any]) -> None:
    f = function(case, made)
    expected = case.torch(*made)
    first = expected[0] if isinstance(expected, (tuple, list)) else expected
    got = f(*made)
    assert (
        torch.allclose(got[0] if isinstance(got, tuple) else got, first.to(torch.float64), equal_nan=True) or not first.is_floating_point()
    )
    assert gradcheck(f, leaves(made), check_forward_ad=True)
    assert gradcheck(f, leaves(made), fast_mode=True, check_batched_grad=True)


@pytest.mark.parametrize(("case", "made"), ROWS)
def test_gradgradcheck(case: Case, made: list[Any]) -> None:
    assert gradgradcheck(function(case, made), leaves(made), fast_mode=True)


@pytest.mark.parametrize(("case", "made"), ROWS)
def test_strided_and_expanded(case: Case, made: list[Any]) -> None:
    f = function(case, made)

    def strided(t: Any) -> Any:
        wide = torch.zeros([2 * n + 1 for n in t.shape], dtype=t.dtype)
        view = wide[tuple(slice(1, None, 2) for _ in t.shape)] if t.dim() else wide
        view.copy_(t)
        return view.requires_grad_() if t.is_floating_point() else view

    assert gradcheck(f, [strided(t) for t in made], fast_mode=True)
    turned = [t.detach().clone().transpose(0, -1).contiguous().transpose(0, -1) if t.dim() > 1 else t.detach() for t in made]
    assert gradcheck(f, [t.requires_grad_() if t.is_floating_point() else t for t in turned], fast_mode=True)


@pytest.mark.parametrize(("case", "made"), ROWS)
def test_operator(case: Case, made: list[Any]) -> None:
    compiled = program(case.text, parameters([t.numpy() for t in made]))
    primitive = primitive_of(compiled.lower(*made)._entry)
    opcheck(run, (text_of(primitive), leaves(made)))


@pytest.mark.parametrize(("case", "made"), ROWS)
def test_broadcast(case: Case, made: list[Any]) -> None:
    """Inputs whose rows are one row, as a gradient's leaves."""
    f = function(case, made)
    shapes = [t.shape for t in made]
    rows = [t[:1] if t.is_floating_point() and t.dim() else t for t in made]
    assert gradcheck(lambda *given: f(*(t.expand(s) for t, s in zip(given, shapes, strict=True))), leaves(rows), fast_mode=True)


def test_expanded_inputs() -> None:
    f = tc.jit(lambda x, y: tc.softmax(x * y + tc.sin(x)))
    x = torch.rand(3, 1, dtype=torch.float64).expand(3, 4).requires_grad_()
    y = torch.rand(4, dtype=torch.float64, requires_grad=True)
    x.retain_grad()
    f(x, y).square().sum().backward()
    twin = x.detach().clone().requires_grad_(), y.detach().clone().requires_grad_()
    torch.softmax(twin[0] * twin[1] + twin[0].sin(), -1).square().sum().backward()
    assert torch.allclose(y.grad, twin[1].grad) and torch.allclose(x.grad, twin[0].grad)


def test_names_are_those_of_the_table() -> None:
    assert len(ROWS) > 150 and len(NAMES) == 4
