"""Printed derivatives: as small as a careful person would write them, and programs that compile to the same results."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Golden

import tensorc as tc
from tensorc.dtypes import f32, i64
from tensorc.elaborate import ArgumentType, instantiate, load_unit, parameters
from tensorc.ir.check import check
from tensorc.ir.program import Program
from tensorc.ir.source import source
from tensorc.source import Source
from tensorc.transform import programs
from tensorc.transform.readable import readable


def gradient(text: str, file: str) -> Program:
    """What `tensorc grad` prints of the one function of a program."""
    from dataclasses import replace

    unit = load_unit(Source(file, text))
    (name,) = unit.functions
    program = instantiate(unit, name, [ArgumentType(p.dtypes[0], p.rank) for p in parameters(unit, name)]).program
    wrt = programs.float_inputs(program)
    scalar = not program.results[0].extents
    made = programs.value_and_grad(program, wrt) if scalar else programs.pullback(program, wrt)
    return readable(replace(made, name=f"{name}_{'grad' if scalar else 'vjp'}", results=made.results[1:]))


@pytest.mark.golden("derivatives")
def test_printed_derivatives(golden: Golden) -> None:
    made = gradient(golden.program, golden.file_name)
    check(made)
    text = source(made)
    golden.check(text)
    module = tc.compile(text)
    rng = np.random.default_rng(0)
    sizes = {name: 3 + n for n, name in enumerate(sorted({str(e) for i in made.inputs for e in i.extents if e.atom is not None}))}
    sizes |= {"R": 2, "S": 3 if "T" in sizes else 2}
    from tensorc import algebra

    shapes = [[algebra.evaluate(e, sizes) for e in i.extents] for i in made.inputs]
    arrays = [
        rng.integers(0, 2, s) if i.dtype is i64 else rng.standard_normal(s).astype(np.float32)
        for i, s in zip(made.inputs, shapes, strict=True)
    ]
    assert all(i.dtype in (i64, f32) for i in made.inputs)
    found = module[made.name].reference(*arrays)
    original = tc.compile(golden.program, golden.file_name)
    function = original[next(iter(original))]
    expected = tc.grad(function).reference(*arrays) if made.name.endswith("_grad") else tc.vjp(function).reference(*arrays)[1]
    for ours, theirs in zip(
        found if isinstance(found, tuple) else (found,), expected if isinstance(expected, tuple) else (expected,), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
