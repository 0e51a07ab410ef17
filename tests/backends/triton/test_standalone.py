"""Stand-alone modules on torch tensors in the interpreter: for the sizes that they were made for, and for others."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from backends.test_llvm_programs import SIZES, arguments, array, check, function, leaves
from backends.triton.test_programs import sizes_of
from backends.triton.worker import Worker

import tensorc as tc
from tensorc.backends.triton.compile import parse
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


def test_tiles_by_descriptors(interpreter: Worker) -> None:
    """Where the target has them: for sizes and memory that are aligned, else without."""
    f = tc.compile("fn f(x: f16[N, K], w: f16[K, M]) = x @ w").f
    made_for = [array("f16", (96, 64)), array("f16", (64, 128))]
    program = simplify(f.lower(*made_for).program)
    text = standalone_text(program, [sizes_of(program, made_for)], parse("cuda:sm_90"))
    assert "triton.set_allocator(" in text and "x.data_ptr() % 16 == 0" in text
    for arrays in (made_for, [array("f16", (96, 63)), array("f16", (63, 128))]):
        (got,) = interpreter.call(text, program.name, arrays)
        check(got, f.reference(*arrays))


def test_wrong_arguments(interpreter: Worker) -> None:
    made_for: list[Any] = arguments("layer_norm", SIZES[0])
    program = simplify(function("layer_norm").lower(*made_for).program)
    text = standalone_text(program, [sizes_of(program, made_for)])
    with pytest.raises(AssertionError, match=r"axis 0 of w must be M"):
        interpreter.call(text, program.name, [made_for[0], made_for[1][:-1], made_for[2]])
    with pytest.raises(AssertionError, match=r"w must be f32\[M\]"):
        interpreter.call(text, program.name, [made_for[0], made_for[1].astype(np.float64), made_for[2]])
