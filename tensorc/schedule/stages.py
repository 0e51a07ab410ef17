"""The order of a nest's loops: which member runs in which sweep over which axis.

The outermost loop is chosen for all members at once, the next for the members of each of its sweeps, and so on. Over a loop, sweeps are
numbered: odd stages are inside of it, even ones stand outside. A reader of an element is in its producer's sweep or later; a reader of what
is reduced over the loop's axis is later. Where everything lives follows: see `build`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensorc.algebra import Index, Poly
from tensorc.ir.tensor import Tensor
from tensorc.loops.nest import SERIAL, Bind
from tensorc.schedule.members import Member, by_tensor


@dataclass(frozen=True, eq=False)
class Loop:
    """A loop that members may go along together, over all points of an axis or those of its tile: see `loops.nest.For`."""

    axis: Index
    bind: Bind = SERIAL
    within: bool = False
    only: tuple[Poly, ...] = ()


@dataclass(frozen=True)
class Plan:
    """`paths`: the loops around each member, the outermost first.

    `running`: pairs of a member and the maximum that it reads, over the same axis, whose value so far will do in a tile: see `online`.
    """

    paths: Mapping[Member, tuple[Loop, ...]]
    running: frozenset[tuple[Member, Member]] = frozenset()


@dataclass(frozen=True, eq=False)
class Sweep:
    """A loop, with the members and loops that run in it, in order. What is parallel is chosen later."""

    loop: Loop
    body: tuple[Part, ...]
    parallel: bool = False

    @property
    def axis(self) -> Index:
        return self.loop.axis

    @property
    def bind(self) -> Bind:
        return self.loop.bind

    @property
    def is_tile(self) -> bool:
        return self.loop.bind.kind == "tile"


Part = Sweep | Member


def arrange(members: Sequence[Member], plan: Plan | None = None) -> tuple[Part, ...] | None:
    """The nest of members, in the loops of a plan, or with a loop for each axis; None where one loop over the outermost axis does not do.

    That loop runs once, so that its points may be shared out among threads. Small members may follow where it reduces, and so can't be
    shared out anyway.
    """
    chosen = plan if plan is not None else _loops(members)
    body = _Arranger(by_tensor(members), chosen, _first if plan is not None else _best).nest(members, frozenset())
    if body is None or not any(isinstance(part, Sweep) for part in body):
        return body
    root, rest = body[0], body[1:]
    if not isinstance(root, Sweep):
        return None
    inside = rules(root.body)
    if rest:
        if not any(root.axis in m.over for m in inside):
            return None
        made = {a for m in inside for a in m.out}
        if not all(set(m.out) <= made - {root.axis} and not m.over for m in rules(rest)):
            return None
    return body


def rules(parts: Sequence[Part]) -> list[Member]:
    """The members of a nest, in order."""
    return [m for m, _ in paths(parts)]


def paths(parts: Sequence[Part], path: tuple[Sweep, ...] = ()) -> Iterator[tuple[Member, tuple[Sweep, ...]]]:
    """The members of a nest, each with the sweeps around it."""
    for p in parts:
        if isinstance(p, Sweep):
            yield from paths(p.body, (*path, p))
        else:
            yield p, path


def _loops(members: Sequence[Member]) -> Plan:
    """A loop for each axis."""
    made: dict[Index, Loop] = {}
    return Plan({m: tuple(made.setdefault(a, Loop(a)) for a in m.order) for m in members})


Pick = Callable[[Sequence[tuple[Member, Sequence[Loop]]]], Loop | None]
"""From members with the loops that each still goes along: the next."""


@dataclass
class _Arranger:
    members: Mapping[Tensor, Member]
    plan: Plan
    pick: Pick

    def nest(self, members: Sequence[Member], bound: frozenset[Loop]) -> tuple[Part, ...] | None:
        left = [(m, [a for a in self.plan.paths[m] if a not in bound]) for m in members]
        waiting = [(m, loops) for m, loops in left if loops]
        if not waiting:
            return tuple(members)
        loop = self.pick(waiting)
        if loop is None:
            return None
        stages = self.stages(members, loop)
        parts: list[Part] = []
        for stage in sorted(set(stages.values())):
            sweep = [m for m in members if stages[m] == stage]
            inner = self.nest(sweep, bound | {loop} if stage % 2 else bound)
            if inner is None:
                return None
            parts += [Sweep(loop, inner)] if stage % 2 else inner
        return tuple(parts)

    def stages(self, members: Sequence[Member], loop: Loop) -> dict[Member, int]:
        stages: dict[Member, int] = {}
        for m in members:
            low = 0
            inside = loop in self.plan.paths[m]
            for load in m.loads:
                p = self.members.get(load.tensor)
                if p is not None and p in stages:
                    reduced = loop.axis in p.over and loop in self.plan.paths[p]
                    exempt = inside and loop.bind.kind == "tile" and (m, p) in self.plan.running
                    low = max(low, stages[p] + (reduced and not exempt))
            stages[m] = low if low % 2 == inside else low + 1
        return stages


def _first(waiting: Sequence[tuple[Member, Sequence[Loop]]]) -> Loop | None:
    """The loop that most go along first, of those that no other goes along further inside."""
    later = {loop for _, loops in waiting for loop in loops[1:]}
    found = Counter(loops[0] for _, loops in waiting if loops[0] not in later)
    return max(found, key=lambda loop: found[loop], default=None)


def _best(waiting: Sequence[tuple[Member, Sequence[Loop]]]) -> Loop | None:
    """Where they agree, the loop that each would go along first; else one over an axis that none of them reduces, results before others."""
    waiting = sorted(waiting, key=lambda w: not w[0].is_result)
    leaders = [loops for _, loops in waiting if len(loops) > 1] or [loops for _, loops in waiting]
    if len({loops[0] for loops in leaders}) == 1:
        return leaders[0][0]
    reduced = {a for m, _ in waiting for a in m.over}
    common = [a for a in leaders[0] if a.axis not in reduced and all(a in loops for _, loops in waiting)]
    if common:
        return common[0]
    free = [a for _, loops in reversed(waiting) for a in loops if a.axis not in reduced]
    if free:
        return free[0]
    kept = {a for m, _ in waiting for a in m.out}
    return next((a for a in leaders[0] if a.axis in kept), leaders[0][0])
