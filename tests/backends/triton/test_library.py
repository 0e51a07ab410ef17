"""Every function of the library by kernels in the interpreter, against the oracle: each row of the tables that PyTorch judges."""

from __future__ import annotations

from typing import Any

import pytest
from backends.triton.worker import Worker
from library.judge import Case, by_oracle, difference, parameters
from library.test_functions import CASES, generator
from library.variants import given

import tensorc as tc
from tensorc.dtypes import DType, bf16, f32
from tensorc.transform.simplify import simplify

ACCURATE = {"lgamma": 64, "erfc": 16, "gelu": 16, "pow": 8}
"""Units in the last place by which kernels may differ from the oracle where that is more than 8."""


def arguments(case: Case, dtype: DType) -> list[list[Any]]:
    random = generator(case, dtype)
    return [[g.make(dtype, random) for g in variant] for variant in given(case, dtype)]


@pytest.mark.parametrize("case", [c for c in CASES if not c.refused], ids=lambda c: f"{c.name}: {c.text}")
def test_function(interpreter: Worker, case: Case) -> None:
    dtype = f32 if f32 in case.dtypes else case.dtypes[0]
    own = arguments(case, dtype)
    kinds = [(dtype, arrays) for arrays in own[:1] + own[1:][-1:]]  # the plainest and the strangest
    if bf16 in case.dtypes:
        kinds += [(bf16, arrays) for arrays in arguments(case, bf16)[:1]]
    for kind, arrays in kinds:
        try:
            expected = by_oracle(case.text, arrays)
        except (tc.CompileError, ValueError, IndexError):
            continue
        for ours, exact in zip(run(interpreter, case.text, arrays), expected, strict=True):
            ulps = 1.01 if kind is bf16 else max(case.ulps, ACCURATE.get(case.name, 8))
            wrong = difference(ours, exact, ulps, max(case.slack, 2))
            assert wrong is None, f"{case.text} of {[(a.dtype, a.shape) for a in arrays]}: {wrong}"


def run(interpreter: Worker, text: str, arrays: list[Any]) -> list[Any]:
    program = simplify(tc.compile(f"fn f({parameters(arrays)}) = {text}").f.lower(*arrays).program)
    sizes = {str(e): n for t, a in zip(program.inputs, arrays, strict=True) for e, n in zip(t.extents, a.shape, strict=True)}
    return interpreter.run(program, arrays, sizes)
