"""Each function in all its spellings: as a function and a method, in .tx and in Python, on arrays and tensors, and PyTorch's on tracers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from library.judge import NAMES, Case, by_oracle, by_torch, difference, from_torch, to_torch
from library.test_functions import CASES, generator
from library.variants import given

import tensorc as tc
from tensorc.dtypes import DTYPES, f32
from tensorc.elaborate import library_names


@pytest.fixture(autouse=True)
def oracle() -> Iterator[None]:
    """What kernels compute is tested elsewhere."""
    with tc.config.scope(target="reference"):
        yield


ROWS = [case for case in CASES if not case.refused]
FIRST = {case.name: case for case in reversed(ROWS)}

WORDS = {"none": None, "true": True, "false": False, "inf": float("inf"), "nan": float("nan"), **{name: name for name in DTYPES}}


def arguments(case: Case) -> list[Any]:
    dtype = f32 if f32 in case.dtypes else case.dtypes[0]
    return [g.make(dtype, generator(case, dtype)) for g in given(case, dtype)[0]]


def python(text: str, arrays: dict[str, Any]) -> Any:
    """The expression as Python: its functions are tc's."""
    return eval(text, {**{name: getattr(tc, name) for name in library_names()}, **WORDS, **arrays})


def as_method(text: str) -> str | None:
    """`f(x, a)` as `x.f(a)`; None where it is no call of that form."""
    match = re.fullmatch(r"(\w+)\(([xyz])(?:, (.*))?\)", text)
    return f"{match[2]}.{match[1]}({match[3] or ''})" if match and ")" not in (match[3] or "").replace("()", "")[:-1] else None


def as_function(text: str) -> str | None:
    match = re.fullmatch(r"([xyz])\.(\w+)\((.*)\)", text)
    return f"{match[2]}({match[1]}{', ' if match[3] else ''}{match[3]})" if match else None


def equal(found: Any, expected: list[Any]) -> None:
    results = list(found) if isinstance(found, tuple) else [found]
    assert len(results) == len(expected)
    for a, b in zip(results, expected, strict=True):
        array = from_torch(a) if isinstance(a, torch.Tensor) else np.asarray(a)
        assert array.dtype == b.dtype and array.shape == b.shape
        assert np.array_equal(array.astype("f8"), b.astype("f8"), equal_nan=True)


@pytest.mark.parametrize("case", [c for c in ROWS if c.fixed != "it takes no tensor"], ids=lambda c: f"{c.name}: {c.text}")
def test_every_spelling(case: Case) -> None:
    arrays = arguments(case)
    expected = by_oracle(case.text, arrays)
    other = as_method(case.text) or as_function(case.text)
    if other is not None:
        equal(tuple(by_oracle(other, arrays)), expected)
    by_name = dict(zip(NAMES, arrays, strict=False))
    tensors = {name: to_torch(a) for name, a in by_name.items()}
    if case.name == "scatter":  # on arrays `tc.scatter` is PyTorch's
        return
    if as_method(case.text) or not re.search(r"\b[xyz]\.|[@%]|[<>]|\*", case.text):  # NumPy's own methods and operators are not ours
        equal(python(case.text, by_name), expected)
        equal(python(case.text, tensors), expected)
    names = ", ".join(by_name)
    traced = eval(f"lambda {names}: read({names})", {"read": lambda *xs: python(case.text, dict(zip(NAMES, xs, strict=False)))})
    equal(tc.jit(traced)(*arrays), expected)
    if other is not None:
        traced = eval(f"lambda {names}: read({names})", {"read": lambda *xs: python(other, dict(zip(NAMES, xs, strict=False)))})
        equal(tc.jit(traced)(*arrays), expected)


UNTRACEABLE = {
    "full([2, 3], x)": "it asks for the value of x",
    "scatter([4], none, x, y)": "it makes zeros of x's dtype, which is not PyTorch's",
    "scatter([4, 2], ones([4, 2]), x, y, z)": "PyTorch's index_put has no counterpart",
    "hypot(x, 0.1)": "it converts a tensor of its own to x's dtype",
    "logaddexp(0.1, x)": "it converts a tensor of its own to x's dtype",
    'scan(x, "sum", y)': "it is a loop over the elements",
    "batch_norm(x, y, z, y, none, true)": "it updates the running statistics",
}
"""Rows whose judge is no function of tracers, with the reason."""


@pytest.mark.parametrize("case", [c for c in ROWS if c.fixed != "it takes no tensor"], ids=lambda c: f"{c.name}: {c.text}")
def test_pytorch_s_function_on_tracers(case: Case) -> None:
    if case.text in UNTRACEABLE:
        pytest.skip(UNTRACEABLE[case.text])
    arrays = arguments(case)
    found = tc.jit(lambda *xs: case.torch(*xs))(*map(to_torch, arrays))
    for ours, theirs in zip(found if isinstance(found, tuple) else (found,), by_torch(case.torch, arrays), strict=True):
        assert isinstance(ours, torch.Tensor)
        wrong = difference(from_torch(ours), theirs, max(case.ulps, 16), max(case.slack, 4))
        assert wrong is None, wrong
