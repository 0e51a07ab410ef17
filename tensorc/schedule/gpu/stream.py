"""Which rules may stream along one axis: what is reduced over it is found in passes over its tiles, and what has it as an axis is only ever
there for the tile at hand.

A reduction that reads another, complete, runs in a later pass; but sums that may be rescaled run with the maximum that they are relative to
(`schedule.online`). A pass makes again what it needs of a tile, products of matrices too: between passes only reductions are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tensorc.algebra import Index
from tensorc.schedule import online
from tensorc.schedule.gpu.space import Space
from tensorc.schedule.members import Member, by_tensor
from tensorc.schedule.memory import Place, lower
from tensorc.schedule.rules import Rule


@dataclass(frozen=True)
class Scale:
    """By what a sum is rescaled when the maximum `of` grows: see `online.Scale`."""

    of: Rule
    by: online.Scale


@dataclass(frozen=True, eq=False)
class Passes:
    """`first`: of a reduction over the axis the pass that finds it; of a rule that has the axis the first pass that can make it; of others
    the pass before which they can be made. `running`: pairs of a rule and the maximum that it reads as it is so far, in that one's pass.
    """

    axis: Index
    tile: int
    count: int
    first: Mapping[Rule, int]
    scales: Mapping[Rule, Scale]
    running: frozenset[tuple[Rule, Rule]]

    def reads_running(self, r: Rule, p: Rule, number: int) -> bool:
        return (r, p) in self.running and self.first[p] == number


def passes(space: Space, axis: Index, tile: int, is_stored: Callable[[Rule], bool]) -> Passes | None:
    """The passes along an axis; None where rules reduce in other ways than one axis at a time."""
    if any(len(space.over[r]) > 1 for r in space.rules) or not space.reducing(axis):
        return None
    if any(axis in space.over[r] and r.body.dtype.is_half and r.monoid not in ("max", "min") for r in space.rules):
        return None
    scales, running = _carried(space, axis)
    while True:
        first = _first(space, axis, scales, running)
        late = [r for r, s in scales.items() if first[r] != first[s.of]]
        if not late:
            count = 1 + max(first[r] for r in space.rules if axis in space.over[r] or (axis in space.out[r] and is_stored(r)))
            return Passes(axis, tile, count, first, scales, running)
        for r in late:
            del scales[r]


def member(space: Space, r: Rule, place: Place | None = None) -> Member:
    """The rule as `online` and `narrow` look at it."""
    out, over = space.out[r], space.over[r]
    return Member(r.name, r.tensor, out, over, (*out, *over), r.monoid, lower(r.body, space.values[r], lambda load: load), place)


def _carried(space: Space, axis: Index) -> tuple[dict[Rule, Scale], frozenset[tuple[Rule, Rule]]]:
    """The sums that may be rescaled, and what reads their maxima. A value in between is made again where the complete ones are wanted."""
    rules = {member(space, r): r for r in space.rules}
    made = by_tensor(tuple(rules))
    sums = ((r, online.scale(m, made, axis)) for m, r in rules.items() if r.monoid == "sum" and axis in m.over)
    scales = {r: Scale(rules[found.of], found) for r, found in sums if found is not None}
    maxima = {s.of.tensor: s.of for s in scales.values()}
    readers = [r for r in space.rules if r in scales or not space.over[r]]
    return scales, frozenset((r, maxima[load.tensor]) for r in readers for load in r.loads if load.tensor in maxima)


def _first(space: Space, axis: Index, scales: Mapping[Rule, Scale], running: frozenset[tuple[Rule, Rule]]) -> dict[Rule, int]:
    first: dict[Rule, int] = {}
    early: dict[Rule, int] = {}  # the same where maxima may be read as they are so far
    for r in space.rules:
        complete = so_far = 0
        for load in r.loads:
            p = space.members.get(load.tensor)
            if p is None:
                continue
            ready = first[p] + (axis in space.over[p])
            complete = max(complete, ready)
            so_far = max(so_far, first[p] if (r, p) in running else early.get(p, ready))
        first[r] = so_far if r in scales else complete
        if axis in space.out[r]:
            early[r] = so_far
    return first


def needed(space: Space, found: Passes, number: int, is_stored: Callable[[Rule], bool]) -> tuple[list[Rule], list[Rule]]:
    """(what a pass finds and stores, what else it makes of a tile), in order."""
    axis = found.axis
    wanted = [r for r in space.rules if found.first[r] == number and (axis in space.over[r] or (axis in space.out[r] and is_stored(r)))]
    made: dict[Rule, None] = {}
    stack = list(wanted)
    while stack:
        for load in stack.pop().loads:
            p = space.members.get(load.tensor)
            if p is not None and axis in space.out[p] and p not in made:
                made[p] = None
                stack.append(p)
    return wanted, [r for r in space.rules if r in made and r not in wanted]
