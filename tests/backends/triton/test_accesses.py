"""Loads and stores in the machine code of every example and of the library: 128 bits wide wherever memory is contiguous."""

from __future__ import annotations

import re
from importlib.util import find_spec

import numpy as np
import pytest
from backends.triton.widths import narrow, program_of
from examples.test_examples import CASES, Case
from examples.test_examples import program as module_of
from library.test_functions import CASES as ROWS

from tensorc import algebra
from tensorc.backends.triton import compile
from tensorc.dtypes import bf16, f16, f32
from tensorc.runtime.gpu import build, options
from tensorc.schedule.gpu import Situation, Sizes
from tensorc.transform.simplify import simplify

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

FUNCTIONS = {c.place: c for c in reversed(CASES)}

FIRST = {c.name: c for c in reversed(ROWS) if not c.refused and f32 in c.dtypes}
"""A row of each function of the library that takes floats; the sweep of `widths` takes them all."""


@pytest.mark.parametrize("case", FUNCTIONS.values(), ids=FUNCTIONS)
def test_contiguous_memory_of_an_example_is_accessed_128_bits_at_a_time(case: Case) -> None:
    file, name = case.place.split(":")
    made, _ = case.make(np.random.default_rng(7), *case.size)
    program = simplify(getattr(module_of(file), name).lower(*made.arrays, **made.static).program)
    names = {s.name for t in program.inputs for e in t.extents for s in algebra.sizes(e)}
    goal = compile.parse("cuda:sm_90")
    situation = Situation(Sizes.of(dict.fromkeys(names, 1024)))
    trigonometric = re.compile(r"libdevice\.(sin|cos|tan)\(")  # which have a table of their own for large arguments
    variant, found = build(program, situation, goal, options(goal))
    for c in found:
        assert not narrow(c, situation, variant.emitted.text)[0], c.kernel.text
        assert not c.spills or trigonometric.search(c.kernel.text), (c.usage, c.kernel.text)


@pytest.mark.parametrize("number", range(len(FIRST)), ids=FIRST)
def test_contiguous_memory_of_the_library_is_accessed_128_bits_at_a_time(number: int) -> None:
    case = list(FIRST.values())[number]
    dtype = next(d for d in ((f32, bf16, f16) * 2)[number % 3 :] if d in case.dtypes)
    made = program_of(case, dtype)
    assert made is not None
    _, program, situation = made
    goal = compile.parse(("cuda:sm_80", "cuda:sm_90")[number % 2])
    variant, found = build(program, situation, goal, options(goal))
    for c in found:
        assert not narrow(c, situation, variant.emitted.text)[0], c.kernel.text


def test_guards_of_single_elements_leave_loads_wide() -> None:
    """What is wide is judged by what is found: each of these has wide loads in fact."""
    for name in ("tril", "triu", "softmax", "sum"):
        made = program_of(FIRST[name], f32)
        assert made is not None
        goal = compile.parse("cuda:sm_90")
        variant, found = build(made[1], made[2], goal, options(goal))
        assert all(narrow(c, made[2], variant.emitted.text)[1]["wide"] for c in found)
