"""A program whose inputs have their axes in another order, as they lie in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tensorc import algebra
from tensorc.ir import build
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Tensor
from tensorc.transform.graph import substituted


def reordered(program: Program, orders: Sequence[Sequence[int]]) -> Program:
    """The program of inputs whose axis n is what was axis `order[n]`."""
    inputs = tuple(Input(t.name, tuple(t.extents[a] for a in o), t.dtype) for t, o in zip(program.inputs, orders, strict=True))
    old: Mapping[Tensor, Tensor] = {t: _as_it_was(n, o) for t, n, o in zip(program.inputs, inputs, orders, strict=True)}
    new = substituted([*program.inputs, *program.outputs], old)
    return replace(
        program,
        inputs=inputs,
        results=tuple(new[t] for t in program.results),
        checks=tuple(replace(c, place=new[c.place]) for c in program.checks),
        names={new[t]: name for t, name in program.names.items() if t in new},
        spans={new[t]: span for t, span in program.spans.items() if t in new},
    )


def _as_it_was(t: Input, order: Sequence[int]) -> Tensor:
    """The input with its axes where they were."""
    if list(order) == sorted(order):
        return t
    axes = [algebra.fresh(e) for e in t.extents]
    places = sorted(range(len(order)), key=lambda n: order[n])
    return build.define([axes[n] for n in places], build.load(t, tuple(map(algebra.poly, axes))))
