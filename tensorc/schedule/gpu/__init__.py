"""Turns the tensor IR into kernels for a GPU: the same loop IR as for a processor, with other loops.

The outermost loops of a kernel are parallel, one block of them is a program of the grid; the loops inside are bound to blocks too
(`unroll`), and a block that holds a whole axis is no loop at all where it is emitted. Nothing is kept in memory within a kernel: `Scratch`
has only axes that are whole, or points of blocks that are bound around it, and so is registers.

A schedule is made for a class of sizes (`sizes.Sizes`): it is right for all of that class, and in fact for all sizes but those for which an
axis that must be whole is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from tensorc.algebra import Poly
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Tensor
from tensorc.loops.nest import Kernel, Memory, Schedule
from tensorc.schedule.anew import anew
from tensorc.schedule.gpu import special, streamed, tail, titles
from tensorc.schedule.gpu.group import Group, partition
from tensorc.schedule.gpu.nest import kernel
from tensorc.schedule.gpu.plan import Planner
from tensorc.schedule.gpu.repeat import repeated
from tensorc.schedule.gpu.sizes import Sizes
from tensorc.schedule.gpu.space import Situation
from tensorc.schedule.inline import inline
from tensorc.schedule.memory import Names, Storage, store
from tensorc.schedule.program import _facts, _first_outside
from tensorc.schedule.rules import AnyRule, Rule, ScanRule, ScatterRule, SortRule
from tensorc.schedule.separate import separate
from tensorc.transform.ties import COMPARISONS

MANY = 1 << 20
"""More elements than these are never kept where they can be computed again."""

FEW = 1 << 14
"""So few elements are kept."""


@dataclass(frozen=True)
class Launch:
    """How a kernel's programs run: Triton's `num_warps` and `num_stages`."""

    warps: int = 4
    stages: int = 3


@dataclass(frozen=True)
class Planned:
    """A schedule for a class of sizes, with each kernel's launch, by its name. Each of `exact`, (extent, size), is taken to divide."""

    schedule: Schedule
    situation: Situation
    launches: Mapping[str, Launch]
    exact: tuple[tuple[Poly, int], ...] = ()


def schedule(program: Program, situation: Situation) -> Planned:
    """The program's kernels for sizes of a class and inputs of the given strides. Results are row-major."""
    program = separate(program)
    outputs = (*program.results, *(_first_outside(c) for c in program.checks))
    inlined = inline(program, outputs)
    names = Names(t.name for t in program.inputs)
    groups = _groups(titles.named(inlined.rules, program), situation, outputs)
    storage = store(program, outputs, groups, inlined.aliases, names)  # type: ignore[arg-type]
    taken = Names(names.taken)
    made: list[tuple[Kernel, Launch]] = []
    before: Group | None = None
    stored: set[Memory] = set()  # by what the last program of that kernel does
    for g in groups:
        title = taken.unique(titles.title(program, g.rules, storage))
        found = _kernels(title, g, situation.sizes, storage, names, taken)
        if before is not None and _is_tail(Planner(situation, outputs), before, g) and stored.isdisjoint(found[0][0].reads):
            first, launch = made.pop()
            made.append((tail.joined(first, found[0][0]), launch))
            stored |= set(found[0][0].writes)
            continue
        made += found
        before, stored = g, set()
    if len(made) == 1:
        made = [(replace(k, name=f"{program.name}_kernel"), launch) for k, launch in made]
    count = len(program.results)
    whole = Schedule(
        program.name,
        program.inputs,
        storage.results[:count],
        storage.results[count:],
        storage.intermediates,
        storage.aliases,
        tuple(k for k, _ in made),
        _facts(program),
    )
    exact = dict.fromkeys(g.space.exact for g in groups if g.space is not None and g.space.exact is not None)
    return Planned(whole, situation, {k.name: launch for k, launch in made}, tuple(exact))


def _groups(rules: Sequence[AnyRule], situation: Situation, outputs: Sequence[Tensor]) -> list[Group]:
    """The rules in groups. What is of pairs of elements, of which there are many, is computed anew in each kernel that reads it; of fewer
    pairs, and numbers, where that costs less.
    """
    stored = partition(rules, Planner(situation, outputs))
    assert stored is not None
    for least in (MANY, FEW):
        again = anew(rules, situation.sizes.estimate, least)
        found = None if again == tuple(rules) or _compares(again) else partition(again, Planner(situation, outputs))
        if found is not None and (least == MANY or _cost(found) < _cost(stored)):
            return found
    again = repeated(rules, situation.sizes.estimate)
    if len(stored) > 1 and again != tuple(rules) and not _compares(again):
        found = partition(again, Planner(situation, outputs))
        if found is not None and _cost(found) < _cost(stored):
            return found
    return stored


def _compares(rules: Sequence[AnyRule]) -> bool:
    """Whether what is computed anew is compared with something: two kernels may add up the terms of a product in another order."""
    anew_ = {r.tensor for r in rules if isinstance(r, Rule) and (r.cluster is not None or r.repeated)}
    read = (r.body for r in rules if isinstance(r, Rule) and any(t in anew_ for t in (r.tensor, *(load.tensor for load in r.loads))))
    applied = (s for body in read for s in walk.postorder(body) if isinstance(s, Apply))
    return any(s.operation in COMPARISONS and s.arguments[0].dtype.is_float for s in applied)


def _cost(groups: Sequence[Group]) -> float:
    return sum(g.space.cost for g in groups if g.space is not None)


def _is_tail(planner: Planner, before: Group, g: Group) -> bool:
    """Whether the last program of the kernel before, which has one, does better to run a group than another launch does."""
    if before.space is None or g.space is None or not before.space.grid:
        return False
    return all(planner.measure.sizes.bounds(a.extent)[0] > 0 for a, _ in before.space.grid) and planner.is_small(g.space)


def _kernels(name: str, g: Group, sizes: Sizes, storage: Storage, names: Names, taken: Names) -> list[tuple[Kernel, Launch]]:
    if g.space is not None:
        plan, launch = g.space, Launch(g.space.warps, g.space.stages)
        if plan.passes is not None:
            return [(streamed.kernel(name, plan.space, plan.grid, plan.inner, plan.passes, storage, names), launch)]
        return [(kernel(name, plan.space, plan.grid, plan.inner, storage, names), launch)]
    (rule,) = g.rules
    match rule:
        case ScanRule():
            return [(special.scan(name, rule, sizes, storage, names), Launch())]
        case ScatterRule():
            return [(k, Launch()) for k in special.scatter(name, taken, rule, sizes, storage, names)]
        case SortRule():
            return [(special.sort(name, rule, storage, names), Launch())]
        case Rule():
            raise AssertionError("a rule has a plan")
        case _:
            assert_never(rule)


__all__ = ["Launch", "Planned", "Situation", "Sizes", "schedule"]
