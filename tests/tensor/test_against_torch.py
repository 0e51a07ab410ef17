"""tc.Tensor beside PyTorch's tensors: the same expressions give the same dtypes, shapes, elements, and types of exceptions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tensor.expressions import ALL, SETUP, STATEMENTS

import tensorc as tc

DTYPES = {"f32": "float32", "f64": "float64", "f16": "float16", "bf16": "bfloat16", "u8": "uint8"}
DTYPES |= {f"i{n}": f"int{n}" for n in (8, 16, 32, 64)}

LINES = [(group, line) for group, text in ALL.items() for line in text.strip().splitlines()]


def evaluate(library: Any, text: str) -> Any:
    """The value of an expression, or the exception that it raises."""
    names = {"tc": library}
    exec(SETUP, names)
    *before, last = text.split("; ")
    try:
        for statement in before:
            exec(statement, names)
        return eval(last, names)
    except Exception as error:
        return error


def plain(value: Any) -> Any:
    """A value without what belongs to one library."""
    if isinstance(value, (tc.Tensor, torch.Tensor)):
        wide = value.detach().double() if str(value.dtype).endswith(("bfloat16", "bf16")) else value.detach()
        return "tensor", plain(value.dtype), tuple(value.shape), np.asarray(wide.numpy())
    if isinstance(value, (type(tc.f32), torch.dtype)):
        return str(DTYPES.get(str(value), value)).removeprefix("torch.")
    if isinstance(value, (tuple, list)):
        return tuple(map(plain, value))
    return value


def same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and bool(np.allclose(a, b, rtol=2e-6 if a.dtype.itemsize > 2 else 2e-3, atol=1e-6, equal_nan=True))
    return bool(a == b) or (a != a and b != b)


@pytest.mark.parametrize(("group", "text"), [*LINES, *(("statements", s) for s in STATEMENTS.strip().splitlines())])
def test_expression(group: str, text: str) -> None:
    ours, theirs = evaluate(tc, text), evaluate(torch, text)
    if isinstance(theirs, Exception):
        assert isinstance(ours, Exception), f"PyTorch raises {theirs!r}, tensorc gives {ours!r}"
        assert isinstance(ours, type(theirs)), f"PyTorch raises {theirs!r}, tensorc {ours!r}"
    else:
        if isinstance(ours, Exception):
            raise ours
        assert same(plain(ours), plain(theirs)), f"PyTorch gives\n{theirs}\ntensorc\n{ours}"


def test_there_are_enough() -> None:
    assert len(LINES) >= 300
