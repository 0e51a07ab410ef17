"""Other ways of doing what a contraction does, for sizes at which its usual nest has little to do at a time: a call takes the best one.

The usual nest is the one for axes that are all long. Where its lanes, its rows or its result are few, others are better; each of those is
the nest of a group about which that much is known. Their code is short rather than as fast as can be, since memory is what they wait for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from tensorc.algebra import ONE, Index, Poly
from tensorc.loops.nest import Bind, For, Init, Kernel, Statement, Test
from tensorc.schedule.axes import Space
from tensorc.schedule.contraction import DEPTH, RESULT, contract
from tensorc.schedule.members import is_unit, members
from tensorc.schedule.memory import Storage
from tensorc.schedule.roles import ENOUGH, FEW, LANES
from tensorc.schedule.rules import overlaps
from tensorc.schedule.sizes import Estimate

FEWEST = 3
"""So few rows are worth no panel that is turned."""

BLOCK = 4
"""Registers of a block of accumulators, which a contraction needs to be worth its arithmetic."""


OFTEN = 32
"""So many results for each term that is summed are few where a window moves along what is summed: an image, all of which is much."""

EVERY = 1 << 10
"""More registers than any block has."""


@dataclass(frozen=True)
class Other:
    """A nest for sizes at which the tests hold, and what it is made by: an estimate, and whether a small result is made of much."""

    tests: tuple[Test, ...]
    estimate: Estimate
    deep: bool = False


def others(space: Space, storage: Storage, estimate: Estimate) -> Iterator[Other]:
    """What other nests than the usual one are worth having for the rules of a space, the first whose tests hold being the best."""
    every = members(space, storage)
    found = contract(every, estimate)
    if found is None:
        return
    roles = found.roles
    lanes, rows = roles.lanes.extent, _points((roles.rows, *roles.shared))
    loads, depth = next(m for m in every if m.over).loads, _points(roles.inner[0])
    image = any(overlaps(load, a) for load in loads for a in roles.shared if estimate(a.extent) < ENOUGH)
    is_along = any(all(is_unit(load.subscripts, a) for load in loads) for a in roles.inner[0])
    sides = (lanes, roles.rows.extent) if image and is_along else (lanes,)  # with few of either, there are taps enough
    for side in sides:
        if side.constant is None:
            yield Other((Test(side, most=FEW - 1),), _about(estimate, dict.fromkeys(sides, 2)))
    if len(every) > len(roles.bases) + 1 or len(roles.bases) > 1:
        return
    few = dict.fromkeys((a.extent for a in (roles.rows, *roles.shared)), FEWEST - 1)
    if rows.constant is None and contract(every, _about(estimate, few)) is None:
        yield Other((Test(rows, most=FEWEST),), _about(estimate, few))
    some = _about(estimate, dict.fromkeys(few, FEW))
    thin = contract(every, some, True)
    if image and depth.constant is None:
        much = Test(depth * OFTEN - _points(roles.out), least=0)
        yield Other((Test(depth, least=4 * DEPTH), much), estimate, True)
    if thin is None or not thin.roles.thin:
        return
    if rows.constant is None:
        yield Other((Test(rows, most=ENOUGH - 1), Test(lanes, least=2 * LANES + 1)), some, True)
    if depth.constant is None:
        yield Other((Test(depth, least=4 * DEPTH), Test(_points(roles.out), most=RESULT)), some, True)


def _points(axes: Sequence[Index]) -> Poly:
    return prod((a.extent for a in axes), start=ONE)


def _about(estimate: Estimate, known: Mapping[Poly, int]) -> Estimate:
    """An estimate that takes some extents to be so large."""
    return lambda extent: known.get(extent) or estimate(extent)


def short(kernel: Kernel, least: int = BLOCK) -> Kernel:
    """A kernel whose loops take one register of lanes at a time, but for blocks of at least so many."""
    return replace(kernel, body=tuple(_short(s, least) for s in kernel.body))


def _short(s: Statement, least: int) -> Statement:
    match s:
        case For():
            return replace(s, bind=_one(s.bind, least), body=tuple(_short(t, least) for t in s.body))
        case Init():
            return replace(s, bind=_one(s.bind, least))
        case _:
            return s


def _one(bind: Bind, least: int) -> Bind:
    return Bind("vector", 1) if bind.kind == "vector" and bind.count < least else bind
