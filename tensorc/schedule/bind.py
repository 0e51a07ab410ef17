"""Which loop of each path through a nest goes in vector lanes, and which outer loops may be shared out among threads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.ir import walk
from tensorc.ir.tensor import IsZero, Load, Nonnegative
from tensorc.loops import bounds
from tensorc.loops.nest import Bind
from tensorc.schedule.members import Member, axes
from tensorc.schedule.rules import overlaps
from tensorc.schedule.sizes import Estimate
from tensorc.schedule.stages import Part, Sweep, paths, rules

LANES = 16
"""Lanes of a register of f32, of the machine that costs are counted for."""

EXTENT = 64
"""An extent that is not known, at most."""

MERGE = 12
"""Instructions that combine the lanes of a register."""

ROWS = 6
"""Points that contractions take at a time."""

TAPS = 3
"""Points of a window that are taken at a time."""

MORE = 8
"""Points that contractions take at a time where what serves all of them is put together of single elements."""

COLUMNS = 4
"""Rows that are added to columns at a time."""

CHEAP = 4
"""The work at a point that takes less time than its memory."""

LONG = 100
"""The work at a point of one definition, or of a reduction and what it needs, that is done for one register at a time: less of it leaves
a processor waiting.
"""

REGISTERS = 12
"""Registers that accumulators may take."""


@dataclass(frozen=True)
class Access:
    """What a member touches at a point, at subscripts in the nest's axes: what it reads of memory, and where it stores."""

    loads: tuple[Load, ...]
    stores: tuple[tuple[Poly, ...], ...]
    accumulates: bool  # in memory


def bind(nest: Sequence[Part], accesses: Mapping[Member, Access], estimate: Estimate) -> tuple[Part, ...]:
    """The nest with a binding for every loop: at most one vector loop on each path, the one that costs least."""
    fixed = frozenset(a for _, path in paths(nest) for s in path for guard in s.loop.only for a in bounds.fixed(guard))
    bound = tuple(_columns(_reordered(p), accesses) for p in _Binder(accesses, estimate, fixed).parts(nest))
    found = _rows(bound, accesses, estimate, fixed)
    return tuple(_unrolled(p, found) for p in bound) if found else bound


def _columns(part: Part, accesses: Mapping[Member, Access]) -> Part:
    """The nest in which columns that accumulate in memory take several rows at a time: each is loaded and stored once for all of these."""
    if isinstance(part, Member):
        return part
    inside = rules(part.body)
    match part.body:
        case (Sweep() as lanes,) if part.bind.kind == "serial" and lanes.bind.kind == "vector" and not any(map(_sweeps, lanes.body)):
            if all(accesses[m].accumulates and part.axis in m.over for m in inside) and len(inside) <= 2:
                return bound_as(part, Bind("unroll", COLUMNS), (bound_as(lanes, Bind("vector", 2)),))
    return replace(part, body=tuple(_columns(p, accesses) for p in part.body))


def _sweeps(part: Part) -> bool:
    return isinstance(part, Sweep)


def _reordered(part: Part, lanes: Index | None = None) -> Part:
    """The nest in which, of loops that reduce inside of lanes, those come first by which guards of lanes differ: masks are made there, and
    not again for each point of the others.
    """
    if isinstance(part, Member):
        return part
    if part.bind.kind == "vector":
        return replace(part, body=tuple(_reordered(p, part.axis) for p in part.body))
    chain = [part]
    while len(chain[-1].body) == 1 and isinstance(chain[-1].body[0], Sweep):
        chain.append(chain[-1].body[0])
    inside = rules(chain[-1].body)
    if lanes is None or len(chain) < 2 or not all(s.bind.kind == "serial" and s.axis in m.over for s in chain for m in inside):
        return replace(part, body=tuple(_reordered(p, lanes) for p in part.body))
    guards = [algebra.indices(s.value) for m in inside for s in walk.postorder(m.body) if isinstance(s, (Nonnegative, IsZero))]
    along = frozenset[Index]().union(*(g for g in guards if lanes in g))
    body = chain[-1].body
    ordered = sorted(chain, key=lambda s: s.axis not in along)
    for s in ordered[::-1]:
        body = (replace(s, body=body),)
    (made,) = body
    return made


def share(nest: tuple[Part, ...]) -> tuple[Part, ...]:
    """Mark the outer loops that may run in parallel: those that stand alone and that nothing inside reduces over."""
    if len(nest) != 1 or not isinstance(nest[0], Sweep) or any(nest[0].axis in m.over for m in rules(nest[0].body)):
        return nest
    root = nest[0]
    return (replace(root, parallel=True, body=share(root.body) if root.bind.kind == "serial" else root.body),)


def bound_as(s: Sweep, kind: Bind, body: tuple[Part, ...] | None = None) -> Sweep:
    """A sweep over the same axis, bound so."""
    return Sweep(replace(s.loop, bind=kind), s.body if body is None else body, s.parallel)


@dataclass(frozen=True)
class _Binder:
    accesses: Mapping[Member, Access]
    estimate: Estimate
    fixed: frozenset[Index]

    def trips(self, axis: Index) -> int:
        return min(self.estimate(axis.extent), EXTENT) if axis.extent.constant is None else max(axis.extent.constant, 1)

    def parts(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        return tuple(self.sweep(p, True)[0] if isinstance(p, Sweep) else p for p in parts)

    def sweep(self, s: Sweep, is_outermost: bool = False) -> tuple[Sweep, float]:
        """The loop bound at its best, and the cost of a point of what is around it."""
        inner = [self.sweep(p) for p in s.body if isinstance(p, Sweep)]
        serial = sum(cost for _, cost in inner) + sum(self.point(p, None) for p in s.body if isinstance(p, Member))
        lanes = self.lanes(s.body, s.axis) if self.may_be_vector(s) else None
        if lanes is None or serial <= lanes:
            bound = iter(inner)
            return replace(s, body=tuple(next(bound)[0] if isinstance(p, Sweep) else p for p in s.body)), self.trips(s.axis) * serial
        return bound_as(s, Bind("vector", self.count(s, is_outermost))), self.trips(s.axis) * lanes

    def lanes(self, parts: Sequence[Part], axis: Index) -> float:
        """The cost of a point where `axis` is in lanes and all loops inside are serial."""
        total = 0.0
        for p in parts:
            total += self.point(p, axis) if isinstance(p, Member) else self.trips(p.axis) * self.lanes(p.body, axis)
        return total

    def point(self, m: Member, axis: Index | None) -> float:
        """The cost of a point of a member, in instructions: `axis` in lanes, or none."""
        a = self.accesses[m]
        if axis is None:
            return 1.0 + m.work + len(a.loads) + len(a.stores)
        idle = max(1.0, LANES / self.trips(axis))
        cost = (1.0 + m.work + sum(lane(load.subscripts, axis) / self.shared(m, load) for load in a.loads)) / LANES
        terms = 1 if a.accumulates else math.prod(map(self.trips, m.over))
        cost += sum(lane(subscripts, axis) for subscripts in a.stores) / LANES / terms
        if axis in m.over:
            cost += MERGE / self.trips(axis)
        return cost * idle

    def shared(self, m: Member, load: Load) -> int:
        """How many points of a block of rows read an element of a contraction."""
        inside = axes(load)
        return max((min(self.trips(a), ROWS) for a in m.out if a not in inside), default=1) if m.is_contraction else 1

    def may_be_vector(self, s: Sweep) -> bool:
        """Not where lanes would be combined into one place in memory."""
        return s.axis not in self.fixed and not any(self.accesses[m].accumulates and s.axis in m.over for m in rules(s.body))

    def count(self, s: Sweep, is_outermost: bool) -> int:
        """Registers a block: several accumulators hide the latency of one another; a map needs no more than two, and one where it is long.

        What only streams through memory, and does so once, has more: more is on its way at a time.
        """
        inside = rules(s.body)
        folds = sum(bool(m.over) for m in inside)
        if not folds:
            return 1 if sum(m.work for m in inside) > (LONG if len(inside) == 1 else 2 * LANES) else 2
        if is_outermost and sum(m.work for m in inside) <= CHEAP and 2 * 4 * folds <= REGISTERS:
            return 8
        if sum(m.work for m in inside) > LONG:
            return 1
        return next((n for n in (4, 2) if n * folds <= REGISTERS), 1)


def lane(subscripts: Sequence[Poly], axis: Index) -> float:
    """The instructions, over those of one element, that a register of elements at the subscripts takes: one where they are neighbours, a
    shuffle for each further register where they are a few places apart, else one a lane, of which neighbours share lines of memory.
    """
    touched = [s for s in subscripts if axis in algebra.indices(s)]
    if not touched:
        return 1.0
    parts = algebra.split(touched[0], axis)
    step = parts[0].constant if len(touched) == 1 and touched[0] is subscripts[-1] and parts is not None else None
    if step is None:
        return float(LANES)
    return 1.0 if step == 1 else min(2.0 * abs(step), LANES / 2)


def _rows(nest: Sequence[Part], accesses: Mapping[Member, Access], estimate: Estimate, fixed: frozenset[Index]) -> dict[Sweep, int]:
    """The loops that contractions go along several points at a time, so that each register that they read serves as many terms, and how
    many points of each.

    The first is the innermost one, outside of lanes, over an axis of the result that what is read in lanes does not have, or along which a
    window slides: for all contractions, and for a sum of products that is the only one. Where lanes are summed, a window's own axis is
    another, since its points read neighbours.
    """
    reductions = [m for m, _ in paths(nest) if m.over]
    alone = reductions[0] if len(reductions) == 1 else None
    common: list[Sweep] | None = None
    windows: set[Sweep] = set()
    is_scattered = False
    for m, path in paths(nest):
        if not (m.is_contraction or (m is alone and len(m.loads) > 1)):
            continue
        lanes = next((n for n, s in enumerate(path) if s.bind.kind == "vector"), 0)
        wide = [found for load in accesses[m].loads if path[lanes].axis in (found := axes(load))]
        outer = [s for s in path[:lanes] if s.axis in m.out and s.axis not in fixed]
        mine = [s for s in outer if not all(s.axis in found for found in wide)]
        mine += [s for s in outer if s not in mine and any(overlaps(load, s.axis) for load in accesses[m].loads)]
        is_scattered |= path[lanes].axis in m.over and any(lane(load.subscripts, path[lanes].axis) > 1 for load in accesses[m].loads)
        if m is alone and path[lanes].axis in m.over:
            windows = {s for s in mine if s.bind.kind == "serial" and any(overlaps(load, s.axis) for load in accesses[m].loads)}
        common = mine if common is None else [s for s in common if s in mine]
    if not common:
        return {}
    first = max(common, key=lambda s: (min(estimate(s.axis.extent), ROWS), common.index(s)))
    second = next((s for s in reversed(common) if s in windows and s is not first), None)
    if second is None:
        return {first: MORE if is_scattered else ROWS}
    return {first: TAPS if estimate(first.axis.extent) <= TAPS else REGISTERS // TAPS, second: TAPS}


def _unrolled(part: Part, found: Mapping[Sweep, int], block: int = 1) -> Part:
    """The nest with some loops unrolled, and with fewer registers of lanes inside of them: a block has so many points."""
    if isinstance(part, Member):
        return part
    if part in found:
        return bound_as(part, Bind("unroll", found[part]), tuple(_unrolled(p, found, block * found[part]) for p in part.body))
    bound = part.bind
    if block > 1 and bound.kind == "vector":
        folds = sum(m.is_contraction for m in rules(part.body)) or sum(bool(m.over) for m in rules(part.body))
        bound = Bind("vector", next((n for n in (4, 2) if n <= bound.count and n * block * max(folds, 1) <= REGISTERS), 1))
    return bound_as(part, bound, tuple(_unrolled(p, found, block) for p in part.body))
