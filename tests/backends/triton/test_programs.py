"""Programs of the language by kernels in the interpreter, against the oracle, at sizes that leave tails in every axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backends.test_llvm_programs import SIZES, arguments, check, function, leaves, rows
from backends.triton.worker import Worker

from tensorc.transform.simplify import simplify


def sizes_of(program: Any, arrays: list[Any]) -> dict[str, int]:
    pairs = ((e, n) for t, a in zip(program.inputs, arrays, strict=True) for e, n in zip(t.extents, a.shape, strict=True))
    return {e.atom.name: n for e, n in pairs if e.atom is not None}


@pytest.mark.parametrize("name", rows())
def test_program(interpreter: Worker, name: str) -> None:
    for sizes in SIZES:
        arrays = arguments(name, sizes)
        program = simplify(function(name).lower(*arrays).program)
        results = interpreter.run(program, arrays, sizes_of(program, arrays))
        for got, want in zip(results, leaves(function(name).reference(*arrays)), strict=True):
            check(got, want)


@pytest.mark.parametrize("name", ["map", "transposed", "softmax", "layer_norm", "matmul", "sums", "cumsum", "sort", "shifted"])
def test_strides(interpreter: Worker, name: str) -> None:
    """Arrays that are transposed, reversed, of every second element, of one element."""
    sizes = SIZES[0]
    changes = (
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, -1)[..., ::2],
        lambda a: a[::-1],
        lambda a: np.broadcast_to(a[:1], a.shape),
    )
    for change in changes:
        arrays = [change(a) if a.ndim else a for a in arguments(name, sizes)]
        program = simplify(function(name).lower(*arrays).program)
        results = interpreter.run(program, arrays, sizes_of(program, arrays))
        for got, want in zip(results, leaves(function(name).reference(*arrays)), strict=True):
            check(got, want)
