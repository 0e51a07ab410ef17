"""Splits a program for differentiation: what a forward pass keeps for a backward pass of its own, and what that computes again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import inf

from tensorc.algebra import ONE
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Tensor
from tensorc.schedule.program import schedule
from tensorc.transform.partition import TRAFFIC, Partition, partition
from tensorc.transform.programs import float_inputs, float_results, pullback
from tensorc.transform.simplify import optimise


def passes(program: Program) -> Partition | None:
    """The two passes, by all float inputs; None where there is no derivative.

    Results, and what the kernels hand to one another in memory, need not be written once more. Of the rest, what is no larger than these
    or an input may be kept, so that a kernel that never stores its large values, as attention's, needs no memory for them.
    """
    wrt = float_inputs(program)
    if not wrt or not float_results(program):
        return None
    back = pullback(program, wrt)
    stored = _stored(program)
    sizes = [Counter(t.extents) for t in (*program.inputs, *program.results, *stored)]

    def moves(t: Tensor) -> float:
        if t in stored or t in program.results:
            return TRAFFIC / 2
        own = Counter(e for e in t.extents if e is not ONE)
        return TRAFFIC if any(own <= s for s in sizes) else inf

    return partition(back, len(program.results), back.inputs[len(program.inputs) :], moves)


def _stored(program: Program) -> set[Tensor]:
    """The tensors that the program's kernels hand to one another in memory."""
    names: dict[Tensor, str] = {t: f"value{n}" for n, t in enumerate(walk.topological(program.outputs)) if not isinstance(t, Input)}
    made = schedule(optimise(replace(program, names={**names, **{i: i.name for i in program.inputs}})))
    buffers = {b.name for b in made.intermediates}
    return {t for t, name in names.items() if name in buffers}
