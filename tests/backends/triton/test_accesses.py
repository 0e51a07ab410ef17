"""Loads and stores in the machine code of every example: 128 bits wide wherever memory is contiguous."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from math import prod

import numpy as np
import pytest
from backends.triton.test_compile import accesses
from examples.test_examples import CASES, Case
from examples.test_examples import program as module_of

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.backends.triton import compile
from tensorc.backends.triton.compile import Compiled
from tensorc.backends.triton.emit import FINISHED
from tensorc.ir import walk
from tensorc.loops.nest import For, Kernel, Memory, Scratch, Store, Update, Var, scalars, statements
from tensorc.runtime.gpu import build, options
from tensorc.schedule.gpu import Situation, Sizes
from tensorc.transform.simplify import simplify

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

FUNCTIONS = {c.place: c for c in reversed(CASES)}

Place = tuple[Memory, tuple[Poly, ...]]


def touched(kernel: Kernel) -> Iterator[tuple[str, Place]]:
    """(`ld` or `st`, memory and subscripts) of each access."""
    for s in statements(kernel.body):
        for load in (load for value in scalars(s) for load in walk.loads(value)):
            if isinstance(load.tensor, Memory) and not isinstance(load.tensor, (Scratch, Var)):
                yield "ld", (load.tensor, load.subscripts)
        if isinstance(s, (Store, Update)) and not isinstance(s.memory, Scratch):
            yield "st", (s.memory, s.subscripts)


def is_contiguous(situation: Situation, blocks: dict[Index, int], place: Place) -> bool:
    """Whether a block's elements are neighbours, in pieces that begin at multiples of 16 bytes."""
    memory, subscripts = place
    width = 16 // memory.dtype.bytes
    address = situation.address(memory, subscripts)
    for a in algebra.indices(address):
        parts = algebra.split(address, a)
        if blocks.get(a, 1) >= width and parts is not None and parts[0].constant == 1:
            return all(_multiple(situation, atoms, c) % width == 0 for atoms, c in parts[1].terms)
    return False


def _multiple(situation: Situation, atoms: tuple[object, ...], factor: int) -> int:
    sizes = [algebra.poly(a) for a in atoms if isinstance(a, algebra.Size)]
    return abs(factor) * prod(situation.sizes.multiple(s) for s in sizes)


def narrow(c: Compiled, situation: Situation) -> Counter[str]:
    """Accesses of fewer bits than 128 that are not of single numbers; none where some of the kernel's memory is not contiguous."""
    blocks = {s.axis: s.bind.count for s in statements(c.kernel.kernel.body) if isinstance(s, For)}
    threads = 32 * c.kernel.launch.warps
    single: Counter[str] = Counter()
    for kind, (memory, subscripts) in touched(c.kernel.kernel):
        block = prod(blocks.get(a, 1) for a in algebra.indices(situation.address(memory, subscripts)))
        if block == 1:
            single[f"{kind} {memory.dtype.bits if memory.dtype.bits > 1 else 8}"] += 1
        elif block < threads * 16 // memory.dtype.bytes or not is_contiguous(situation, blocks, (memory, subscripts)):
            return Counter()
    if FINISHED in c.kernel.pointers:  # what the last program does is little: the rest is judged by what it reads
        return Counter() if accesses(c)["ld 128"] else accesses(c)
    found = Counter({kind: n for kind, n in accesses(c).items() if not kind.endswith(" 128")})
    return found - single - single  # a number may be loaded once in each of two sweeps


@pytest.mark.parametrize("case", FUNCTIONS.values(), ids=FUNCTIONS)
def test_contiguous_memory_of_an_example_is_accessed_128_bits_at_a_time(case: Case) -> None:
    file, name = case.place.split(":")
    made, _ = case.make(np.random.default_rng(7), *case.size)
    program = simplify(getattr(module_of(file), name).lower(*made.arrays, **made.static).program)
    names = {s.name for t in program.inputs for e in t.extents for s in algebra.sizes(e)}
    goal = compile.parse("cuda:sm_90")
    situation = Situation(Sizes.of(dict.fromkeys(names, 1024)))
    trigonometric = re.compile(r"libdevice\.(sin|cos|tan)\(")  # which have a table of their own for large arguments
    for c in build(program, situation, goal, options(goal))[1]:
        assert not narrow(c, situation), (accesses(c), c.kernel.text)
        assert not c.spills or trigonometric.search(c.kernel.text), (c.usage, c.kernel.text)
