"""Every function of the library against PyTorch: each row of the tables, each dtype, by the oracle and compiled."""

from __future__ import annotations

import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from library import elementwise, neural, reductions, structure
from library.judge import Case, by_oracle, by_torch, compiled, difference, wide, wrong_zeros

import tensorc as tc
from tensorc.dtypes import DType, f32
from tensorc.elaborate import library_names

CASES = [*elementwise.CASES, *reductions.CASES, *structure.CASES, *neural.CASES]


def arguments(case: Case, dtype: DType) -> list[list[Any]]:
    random = np.random.default_rng(zlib.crc32(f"{case.text} {dtype}".encode()))
    return [
        [g.make(dtype, random) for g in variant] for variant in case.variants if dtype.is_float or not any(g.floats_only for g in variant)
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name}: {c.text}")
def test_by_oracle(case: Case) -> None:
    for dtype in case.dtypes:
        check(case, dtype)


def check(case: Case, dtype: DType) -> None:
    """The row by the oracle, for one dtype."""
    name = str(dtype)
    compared = 0
    for arrays in arguments(case, dtype):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = by_torch(case.torch, arrays)
            except (RuntimeError, TypeError, NotImplementedError, IndexError, ValueError):
                expected = None
        if name in case.fewer or (expected is None and name not in case.more):
            with pytest.raises((tc.CompileError, ValueError, IndexError)):
                by_oracle(case.text, arrays)
                pytest.fail(f"{case.text} takes {name}, which PyTorch refuses")
            continue
        found = by_oracle(case.text, arrays)
        compared += 1
        if expected is None:
            continue
        assert len(found) == len(expected)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            better = by_torch(case.torch, wide(arrays)) if dtype.is_half else [None] * len(found)
        for ours, theirs, exact in zip(found, expected, better, strict=True):
            wrong = difference(ours, theirs, case.ulps, case.slack, exact)
            assert wrong is None, f"{case.text} of {[(a.dtype, a.shape) for a in arrays]}: {wrong}"
            assert not (case.zeros and dtype.is_float and wrong_zeros(ours, theirs)), f"{case.text}: {ours} {theirs}"
    assert compared or case.refused or dtype not in (case.dtypes[0], f32), "neither takes this row"


ACCURATE = {"lgamma": 64, "erfc": 16, "gelu": 16, "pow": 8}
"""Units in the last place by which compiled code may differ from the oracle where that is more than 8."""


@pytest.mark.parametrize("case", [c for c in CASES if not c.refused], ids=lambda c: f"{c.name}: {c.text}")
def test_compiled(case: Case) -> None:
    dtype = f32 if f32 in case.dtypes else case.dtypes[0]
    given = arguments(case, dtype)
    for arrays in given[:1] + given[1:][-1:]:  # the plainest and the strangest
        try:
            expected = by_oracle(case.text, arrays)
        except (tc.CompileError, ValueError, IndexError):
            continue
        for ours, exact in zip(compiled(case.text, arrays), expected, strict=True):
            wrong = difference(ours, exact, max(case.ulps, ACCURATE.get(case.name, 8)), max(case.slack, 2))
            assert wrong is None, f"{case.text} of {[(a.dtype, a.shape) for a in arrays]}: {wrong}"


def test_every_function_has_a_row() -> None:
    tested = {case.name for case in CASES}
    random = {"random_uniform", "random_normal", "dropout"}  # test_random.py
    transforms = {"grad", "value_and_grad", "vjp", "jvp", "vmap"}
    operators = {"add", "sub", "mul", "div", "floordiv"}
    assert library_names() - tested == random | transforms | operators
