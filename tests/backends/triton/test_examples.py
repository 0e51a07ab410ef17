"""Every function of every example by kernels in the interpreter, against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from backends.test_llvm_programs import leaves
from backends.triton.test_programs import sizes_of
from backends.triton.worker import Worker
from examples.test_examples import CASES, Case, agree, program

from tensorc.transform.simplify import simplify


@pytest.mark.parametrize("case", CASES, ids=str)
def test_example(interpreter: Worker, case: Case) -> None:
    file, name = case.place.split(":")
    function = getattr(program(file), name)
    made, _ = case.make(np.random.default_rng(7), *case.size)
    lowered = simplify(function.lower(*made.arrays, **made.static).program)
    arrays = [np.asarray(a) for a in made.arrays]
    results = interpreter.run(lowered, arrays, sizes_of(lowered, arrays))
    for result, expected in zip(results, leaves(function.reference(*made.arrays, **made.static)), strict=True):
        agree(result, expected)
