"""Turns the tensor IR into kernels: what is fused, what is stored, the order of the loops, and which go in vector lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Facts
from tensorc.dtypes import i64
from tensorc.ir import build as scalars
from tensorc.ir.program import BoundsCheck, Program
from tensorc.ir.tensor import Tensor
from tensorc.loops.nest import Buffer, Kernel, Schedule, Switch, Test
from tensorc.schedule import special
from tensorc.schedule.anew import anew
from tensorc.schedule.derived import Derived
from tensorc.schedule.group import Group, partition
from tensorc.schedule.inline import inline
from tensorc.schedule.memory import Names, Storage, store
from tensorc.schedule.nests import kernel
from tensorc.schedule.partial import share
from tensorc.schedule.rows import divide
from tensorc.schedule.rules import AnyRule, Rule, ScanRule, ScatterRule, SortRule
from tensorc.schedule.running import share_scan
from tensorc.schedule.separate import separate
from tensorc.schedule.sizes import Estimate, estimates, many
from tensorc.schedule.switches import EVERY, others, short
from tensorc.schedule.views import flatten

NO_POSITION = i64.range[1]
"""What a check finds where every place is inside."""


def schedule(program: Program, sizes: Mapping[str, int] | None = None) -> Schedule:
    """The program's kernels, for all sizes, and best about these. Results that are inputs or other results are copied."""
    return grouped(program, sizes)[0]


def grouped(program: Program, sizes: Mapping[str, int] | None = None) -> tuple[Schedule, list[tuple[Group, tuple[Kernel, ...]]]]:
    """The schedule of a program, and which kernels each group of its rules became."""
    estimate = estimates(program, sizes)
    program = separate(program, estimate)
    outputs = (*program.results, *(_first_outside(c) for c in program.checks))
    inlined = inline(program, outputs)
    rules, groups = _groups(inlined.rules, estimate, many(program, sizes), program.facts)
    names = Names(t.name for t in program.inputs)
    storage = store(program, outputs, groups, inlined.aliases, names)
    titles, derived = Names(), Derived(program)
    kernels: list[tuple[Group, tuple[Kernel, ...]]] = []
    partial: list[Buffer] = []
    contracting = [g for g in groups if any(isinstance(r, Rule) and r.is_contraction for r in g.rules)]
    alone = contracting[0] if len(contracting) == 1 else None  # of several the usual nests are code enough
    for g in groups:
        title = titles.unique(_title(g))
        usual = _kernel(title, g, rules, storage, names, estimate)
        divided = divide(usual, names, titles, derived, estimate)
        if divided is not None and divided[0]:
            divided = divided[0], tuple(short(k, EVERY) for k in divided[1]), divided[2]
        ways: list[_Way] = [] if divided is None else [divided]
        if divided is None or divided[0]:
            ways.append(((), *(share_scan if isinstance(g.rules[0], ScanRule) else share)(usual, names, titles, derived)))
        if g.space is not None and alone is g:
            for o in others(g.space, storage, estimate):
                other = short(kernel(titles.unique(title), g.space, storage, names, o.estimate, o.deep))
                ways.insert(-1, (o.tests, *share(other, names, titles, derived)))
        kernels.append((g, _switched(ways)))
        partial += [b for *_, totals in ways for b in totals]
    count = len(program.results)
    found = Schedule(
        program.name,
        program.inputs,
        storage.results[:count],
        storage.results[count:],
        (*storage.intermediates, *partial),
        storage.aliases,
        tuple(k for _, several in kernels for k in several),
        program.facts,
        derived.values,
    )
    return found, kernels


_Way = tuple[tuple[Test, ...], tuple[Kernel, ...], tuple[Buffer, ...]]
"""Kernels of a group, with the tests of sizes at which they are best, and the memory for what one leaves for another."""


def _switched(ways: Sequence[_Way]) -> tuple[Kernel, ...]:
    """The kernels of all ways, each of which runs where its own is the first whose tests hold."""
    if len(ways) == 1:
        return ways[0][1]
    switch = Switch(tuple(tests for tests, _, _ in ways))
    return tuple(replace(k, when=((switch, n),)) for n, (_, made, _) in enumerate(ways) for k in made)


def _groups(rules: Sequence[AnyRule], estimate: Estimate, many: Estimate, facts: Facts) -> tuple[Sequence[AnyRule], list[Group]]:
    """The rules, and groups of them, where what is too large to be kept is in the group of what reads it, if that can be."""
    changed = anew(rules, many)
    groups = partition(changed, estimate, facts)
    home = {r.tensor: g for g in groups for r in g.rules if isinstance(r, Rule) and r.cluster is not None}
    if all(home.get(load.tensor, g) is g for g in groups for r in g.rules for load in r.loads):
        return changed, groups
    return rules, partition(rules, estimate, facts)


def _kernel(name: str, g: Group, every: Sequence[AnyRule], storage: Storage, names: Names, estimate: Estimate) -> Kernel:
    if g.space is not None:
        return kernel(name, g.space, storage, names, estimate)
    (rule,) = g.rules
    match rule:
        case ScanRule():
            return special.scan(name, rule, storage, names)
        case ScatterRule():
            return special.scatter(name, rule, storage, names)
        case SortRule():
            return special.sort(name, rule, storage, names, special.read_of(rule, every))
        case Rule():
            raise AssertionError("a rule has a space")
        case _:
            assert_never(rule)


def _title(g: Group) -> str:
    """The name of a kernel: of its rules, as far as they fit."""
    title = "_".join(r.name for r in g.rules)
    return title if len(title) <= 40 else f"{title[:40]}_"


def _first_outside(check: BoundsCheck) -> Tensor:
    """The least row-major position of an element of the place that is not in 0 .. extent-1, or NO_POSITION."""
    axes = [algebra.fresh(e) for e in check.place.extents]
    position = flatten([algebra.poly(a) for a in axes], check.place.extents)
    place = scalars.element(check.place, tuple(map(algebra.poly, axes)))
    inside = scalars.inside(place, check.extent)
    return scalars.reduction("min", (), axes, scalars.select(inside, scalars.constant(NO_POSITION, i64), scalars.integer(position)))


def _facts(program: Program) -> Facts:
    """What holds of sizes wherever a kernel runs, at least 0 each."""
    return program.facts
