"""The conventions where a function has no derivative: one test for each row of the table in docs/derivatives.md, through second order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import tensorc as tc

DOCUMENT = Path(__file__).parents[2] / "docs" / "derivatives.md"

INF, NAN = math.inf, math.nan


def norm2(x: Any) -> Any:
    return torch.linalg.vector_norm(x)


# name in the table: (expression of x and y, arguments, first derivative by x, second, PyTorch's function where it agrees)
ROWS: dict[str, tuple[str, tuple[Any, ...], Any, Any, Callable[..., Any] | None]] = {
    "relu(0)": ("relu(x)", ([0.0, -0.0],), [0, 0], [0, 0], torch.relu),
    "abs(0)": ("abs(x)", ([0.0],), [0], [0], torch.abs),
    "sign, floor, ceil, round, trunc": (
        "sign(x) + floor(x) + ceil(x) + round(x) + trunc(x)",
        ([0.0, 0.5, 2.0],),
        [0, 0, 0],
        [0, 0, 0],
        None,
    ),
    "sqrt(0)": ("sqrt(x)", ([0.0],), [INF], [-INF], torch.sqrt),
    "norm(0), std of equal elements": ("norm(x)", ([0.0, 0.0],), [0, 0], [0, 0], None),
    "maximum(a, a), minimum(a, a)": (
        "maximum(x, y) + 2 * minimum(x, y)",
        ([1.0, 2.0], [1.0, 3.0]),
        [1.5, 2],
        [0, 0],
        lambda x, y: torch.maximum(x, y) + 2 * torch.minimum(x, y),
    ),
    "max, min, amax, amin": ("max(x) + 2 * amin(x)", ([3.0, 1.0, 3.0, 1.0],), [0.5, 1, 0.5, 1], [0] * 4, lambda x: x.amax() + 2 * x.amin()),
    "cummax, cummin": (
        "cummax(x, 0) * y",
        ([1.0, 1.0, 0.0], [1.0, 10.0, 100.0]),
        [1, 110, 0],
        [0, 0, 0],
        lambda x, y: x.cummax(0).values * y,
    ),
    "clamp(x, a, b)": ("clamp(x, 0, 1) * x", ([-1.0, 0.0, 1.0, 2.0],), [0, 0, 2, 1], [0, 2, 2, 0], lambda x: x.clamp(0, 1) * x),
    "hardtanh": ("hardtanh(x) * x", ([-1.0, 1.0],), [-1, 1], [0, 0], lambda x: F.hardtanh(x) * x),
    "leaky_relu(0), elu(0), selu(0)": ("leaky_relu(x, 0.25) + elu(x, 0.5)", ([0.0],), [0.75], [0.5], None),
    "a // b": ("x // y", ([4.0, 5.0], [2.0, 2.0]), [0, 0], [0, 0], None),
    "a % b, fmod(a, b)": (
        "x % y + fmod(x, y)",
        ([4.0, 5.0], [2.0, 2.0]),
        [2, 2],
        [0, 0],
        lambda x, y: torch.remainder(x, y) + torch.fmod(x, y),
    ),
    "where(c, f, g)": ("where(x > 0, log(x), 0)", ([0.0, -1.0, 2.0],), [0, 0, 0.5], [0, 0, -0.25], None),
    "xlogy(0, y)": ("xlogy(x, y)", ([0.0, 0.0], [2.0, 1.0]), [math.log(2), 0], [0, 0], torch.xlogy),
    "a ** b": ("x ** 2 + x ** 0 + x ** 1", ([0.0],), [1], [2], None),
    "a ** b of tensors": ("x ** y", ([0.0, 0.0], [2.0, 0.0]), [0, 0], [2, 0], None),
    "copysign(0, b)": ("copysign(x, y)", ([0.0, 2.0], [-1.0, -1.0]), [0, -1], [0, 0], None),
    "prod, cumprod": ("prod(x)", ([0.0, 2.0, 0.0],), [0, 0, 0], [2, 0, 2], torch.prod),
    "l1_loss": ("l1_loss(x, y)", ([1.0, 2.0], [1.0, 1.0]), [0, 0.5], [0, 0], F.l1_loss),
    "huber_loss": ("huber_loss(x, y, delta=1.0)", ([1.0, 2.0], [1.0, 1.0]), [0, 0.5], [0.5, 0.5], None),
    "NaN in maximum, max": ("maximum(x, y)", ([NAN, 1.0], [1.0, NAN]), [1, 1], [0, 0], torch.maximum),
    "stop_gradient, detach": ("stop_gradient(x) * x", ([3.0],), [3], [0], lambda x: x.detach() * x),
    "integers and bools": ("x * cast(cast(x, i64), f64)", ([2.5],), [2], [0], None),
}


def derivatives(expression: str, arrays: list[Any]) -> tuple[Any, Any]:
    """The first derivative of the sum by x, and the second along ones."""
    names = ["x", "y"][: len(arrays)]
    parameters = ", ".join(f"{n}: f64[N]" for n in names)
    arguments = ", ".join(names)
    module = tc.compile(f"""
fn total({parameters}) = sum({expression})
fn slope({parameters}) = grad(total, wrt="x")({arguments})
fn slopes({parameters}) = sum(slope({arguments}))
fn curve({parameters}) = grad(slopes, wrt="x")({arguments})
""")
    return module.slope.reference(*arrays), module.curve.reference(*arrays)


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    expression, lists, first, second, theirs = ROWS[name]
    arrays = [np.array(v, np.float64) for v in lists]
    slope, curve = derivatives(expression, arrays)
    np.testing.assert_allclose(slope, first, err_msg="first")
    np.testing.assert_allclose(curve, second, err_msg="second")
    if theirs is not None:
        leaf = torch.tensor(arrays[0], requires_grad=True)
        (expected,) = torch.autograd.grad(theirs(leaf, *map(torch.tensor, arrays[1:])).sum(), leaf, create_graph=True)
        np.testing.assert_allclose(slope, expected.detach().numpy(force=True))
        if expected.requires_grad:
            (again,) = torch.autograd.grad(expected.sum(), leaf, allow_unused=True)
            np.testing.assert_allclose(curve, np.zeros_like(curve) if again is None else again.numpy(force=True))


def test_std_of_equal_elements() -> None:
    slope, curve = derivatives("std(x)", [np.array([1.0, 1.0])])
    np.testing.assert_array_equal([slope, curve], np.zeros((2, 2)))


def test_a_dead_branch_is_silent_in_every_mode() -> None:
    x = np.array([0.0, -1.0, 2.0])
    module = tc.compile("fn f(x: f64[N]) = where(x > 0, log(x) * sqrt(x), 0)")
    _, tangent = tc.jvp(module.f).reference(x, np.ones(3))
    assert np.all(np.isfinite(tangent)) and np.all(tangent[:2] == 0)
    _, cotangent = tc.vjp(module.f).reference(x, np.ones(3))
    np.testing.assert_allclose(cotangent, tangent)


def test_every_row_is_in_the_document() -> None:
    table = DOCUMENT.read_text(encoding="utf-8").split("## Where there is no derivative")[1].split("\n## ")[0]
    listed = [re.sub(r"`", "", row.split("|")[1]).strip() for row in table.splitlines() if row.startswith("| ")][1:]
    assert listed == list(ROWS)
