"""Maps between memory whose neighbours lie along different axes, as `x + y.T`: in squares, which registers turn.

Tiles of both axes keep the lines that a square touches in the nearest cache until the squares beside it have used the rest of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.algebra import Index
from tensorc.loops.nest import Bind
from tensorc.schedule.members import Member, axes, is_unit
from tensorc.schedule.stages import Loop, Plan

TILE = 64
"""Points of a side of a tile, along what is read."""

LONG = 256
"""And along what is stored, whose neighbours are fetched ahead."""

SIDE = 16
"""Points of a side of a square."""


def turned(members: Sequence[Member]) -> Plan | None:
    """The loops of maps of the same axes where some read along another axis than they store; None where none does."""
    if any(m.over or set(m.out) != set(members[0].out) for m in members):
        return None
    found = [_sides(m) for m in members]
    pairs = {frozenset(f) for f in found if f is not None}
    if len(pairs) != 1:
        return None
    outer, lanes = next(f for f in found if f is not None)
    serial = [Loop(a) for a in members[0].out if a not in (outer, lanes)]
    tiles = [Loop(outer, Bind("tile", TILE)), Loop(lanes, Bind("tile", LONG))]
    inner: dict[tuple[Index, Index], list[Loop]] = {}
    paths = {}
    for m, own in zip(members, found, strict=True):
        u, v = own if own is not None else (outer, lanes)
        inner.setdefault((u, v), [Loop(u, Bind("unroll", SIDE), True), Loop(v, Bind("vector", 1), True)])
        paths[m] = (*serial, *tiles, *inner[u, v])
    return Plan(paths)


def _sides(m: Member) -> tuple[Index, Index] | None:
    """(the axis that something is read along, the axis of lanes) where they differ."""
    if m.place is None:
        return None
    subscripts = m.place[1]
    lanes = next((a for a in m.out if is_unit(subscripts, a)), None)
    if lanes is None:
        return None
    for load in m.loads:
        if lanes in axes(load) and not is_unit(load.subscripts, lanes):
            outer = next((a for a in m.out if is_unit(load.subscripts, a)), None)
            if outer is not None:
                return outer, lanes
    return None
