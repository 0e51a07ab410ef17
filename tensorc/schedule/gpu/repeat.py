"""Lets every program find a number for itself, where that takes less than to wait for the kernel that finds it.

The mean of a loss over those rows that count is one: how many these are takes a look at a few bytes of each, and without it the gradient of
a row could not be in the kernel that has the row in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from tensorc.ir import walk
from tensorc.ir.tensor import Input, Load, Scalar, Tensor
from tensorc.schedule.rules import AnyRule, Made, Rule
from tensorc.schedule.sizes import Estimate

POINTS = 1 << 14
"""Terms of a number that is found again, at most."""


def repeated(rules: Sequence[AnyRule], estimate: Estimate) -> tuple[AnyRule, ...]:
    """The rules with copies of reductions to one number, which what has many elements reads; the same where there are none."""
    known = {r.tensor for r in rules}
    copies: dict[Tensor, Rule] = {}
    for r in rules:
        if isinstance(r, Rule) and _is_few(r, known, estimate):
            assert r.tensor is not None
            name = f"{r.name}_again"
            copies[r.tensor] = replace(r, tensor=Made(name, r.tensor.extents, r.tensor.dtype), name=name, targets=[], repeated=True)
    found: list[AnyRule] = []
    used: dict[Tensor, None] = {}
    for r in rules:
        if isinstance(r, Rule) and r.out:
            used |= dict.fromkeys(load.tensor for load in r.loads if load.tensor in copies)
            found.append(replace(r, body=walk.rewrite(r.body, {}, lambda load: _copied(load, copies))))
        else:
            found.append(r)
    if not used:
        return tuple(rules)
    read = {load.tensor for r in found for load in r.loads}
    kept = [r for r in found if not (isinstance(r, Rule) and r.tensor in used and r.tensor not in read and not r.targets)]
    return (*(copies[t] for t in used), *kept)


def _copied(load: Load, copies: dict[Tensor, Rule]) -> Scalar:
    copy = copies.get(load.tensor)
    return load if copy is None or copy.tensor is None else Load(copy.tensor, load.subscripts)


def _is_few(r: Rule, made: set[Tensor | None], estimate: Estimate) -> bool:
    if r.tensor is None or r.axes or len(r.over) != 1:
        return False
    few = prod(estimate(a.extent) for a in r.over) <= POINTS
    return few and all(isinstance(load.tensor, Input) and load.tensor not in made for load in r.loads)
