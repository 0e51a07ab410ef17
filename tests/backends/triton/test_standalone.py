"""Stand-alone modules on torch tensors in the interpreter: for the sizes that they were made for, and for others."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from backends.test_llvm_programs import SIZES, arguments, check, function, leaves
from backends.triton.test_programs import sizes_of
from backends.triton.worker import Worker

from tensorc.runtime.gpu import standalone_text
from tensorc.transform.simplify import simplify

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

NAMES = ["map", "softmax", "layer_norm", "gelu_matmul", "sums", "cumsum", "sort", "transposed", "scalar", "argmax", "scattered", "halves"]


@pytest.mark.parametrize("name", NAMES)
def test_module(interpreter: Worker, name: str) -> None:
    made_for = arguments(name, SIZES[0])
    program = simplify(function(name).lower(*made_for).program)
    text = standalone_text(program, [sizes_of(program, made_for)])
    for sizes in (SIZES[0], SIZES[1], SIZES[3]):
        arrays = arguments(name, sizes)
        results = interpreter.call(text, program.name, arrays)
        for got, want in zip(results, leaves(function(name).reference(*arrays)), strict=True):
            check(got, want)


def test_wrong_arguments(interpreter: Worker) -> None:
    made_for: list[Any] = arguments("layer_norm", SIZES[0])
    program = simplify(function("layer_norm").lower(*made_for).program)
    text = standalone_text(program, [sizes_of(program, made_for)])
    with pytest.raises(AssertionError, match=r"axis 0 of w must be M"):
        interpreter.call(text, program.name, [made_for[0], made_for[1][:-1], made_for[2]])
    with pytest.raises(AssertionError, match=r"w must be f32\[M\]"):
        interpreter.call(text, program.name, [made_for[0], made_for[1].astype(np.float64), made_for[2]])
