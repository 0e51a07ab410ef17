"""PyTorch's judges on the functions of the examples, in f64."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from examples.test_examples import CASES, Case  # noqa: E402
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch.library import opcheck  # noqa: E402

import tensorc as tc  # noqa: E402
from tensorc.api.primitive import primitive_of  # noqa: E402
from tensorc.torch_bridge.operator import run, text_of  # noqa: E402

OFF = 1e-3
"""Away from zeros, at which some have kinks."""

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@cache
def module(file: str) -> Any:
    """The example, of f64 where it says f32."""
    return tc.compile((EXAMPLES / file).read_text(encoding="utf-8").replace("f32", "f64"), name=file)


def smallest() -> list[Case]:
    """Each function at its smallest size at which no array is empty and one has several elements."""
    found: dict[str, tuple[int, Case]] = {}
    for case in CASES:
        arrays = case.make(np.random.default_rng(0), *case.size)[0].arrays
        sizes = [np.asarray(a).size for a in arrays]
        count = sum(sizes)
        if sizes and min(sizes) and max(sizes) > 3 and (case.place not in found or count < found[case.place][0]):
            found[case.place] = count, case
    return [case for _, case in found.values()]


@pytest.mark.parametrize("case", smallest(), ids=str)
def test_example(case: Case) -> None:
    file, _, name = case.place.partition(":")
    call, _ = case.make(np.random.default_rng(0), *case.size)
    function = getattr(module(file), name)
    arrays = [np.asarray(a, np.float64) + OFF if np.asarray(a).dtype.kind == "f" else np.asarray(a) for a in call.arrays]
    leaves = [torch.tensor(a, requires_grad=a.dtype == np.float64) for a in arrays]

    def floats(*args: Any) -> Any:
        found = function(*args, **call.static)
        return tuple(t for t in (found if isinstance(found, tuple) else (found,)) if t.is_floating_point())

    if not any(leaf.requires_grad for leaf in leaves) or not floats(*leaves):
        pytest.skip("no derivative")
    torch.manual_seed(0)  # fast mode tests in random directions
    assert gradcheck(floats, leaves, fast_mode=True, check_forward_ad=True, check_batched_grad=True)
    assert gradcheck(floats, [strided(leaf) for leaf in leaves], fast_mode=True)
    assert gradgradcheck(floats, leaves, fast_mode=True)
    assert gradcheck(floats, leaves)
    shapes = [leaf.shape for leaf in leaves]
    rows = [one_row(leaf) for leaf in leaves]
    assert gradcheck(lambda *given: floats(*(t.expand(s) for t, s in zip(given, shapes, strict=True))), rows, fast_mode=True)
    lowered = function.lower(*leaves, **call.static)
    opcheck(run, (text_of(primitive_of(lowered._entry)), leaves))


def strided(leaf: Any) -> Any:
    """The same elements, each apart from the others."""
    wide = torch.zeros([2 * n + 1 for n in leaf.shape], dtype=leaf.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in leaf.shape)] if leaf.dim() else wide
    view.copy_(leaf.detach())
    return view.detach().requires_grad_(leaf.requires_grad)


def one_row(leaf: Any) -> Any:
    """The first row of a float, which expands to its shape."""
    return leaf.detach()[:1].clone().requires_grad_() if leaf.requires_grad and leaf.dim() else leaf
