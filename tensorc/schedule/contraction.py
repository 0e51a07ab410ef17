"""The loops of a nest that is bound by arithmetic, from the index sets of what it reads.

A contraction has two sides. Lanes go along an axis of its result that one side lacks, rows along an axis of its result that the other side
lacks, so that each register that is read serves as many terms as there are rows in a block. Tiles of lanes are outermost: what is read in
lanes is copied once for a tile, next to one another, and serves all rows. What is done with the results has the same lanes, so that nothing
is combined across them:

    for j in M: parallel tile 64                       for i in N: parallel tile 64
      panel[k, j % 64] = b[k, j]                         panel[d, i % 64] = q[i, d]
      for i in N: unroll 6                               for i in tile: vector 4
        for j in tile: vector 4                            for j in M: tile 96
          c[i, j] = sum over k of a[i, k] * panel            for j in tile: unroll 6
                                                               s[j % 96, i % 64] = sum over d of k[j, d] * panel
                                                             (maxima and sums over the tile, then what is made of them)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorc.algebra import Index, indices
from tensorc.ir import walk
from tensorc.ir.tensor import IsZero, Nonnegative, Scalar, Tensor
from tensorc.loops.nest import SERIAL, Bind
from tensorc.schedule.copies import Copied, copied
from tensorc.schedule.members import Member, axes, by_tensor, is_unit
from tensorc.schedule.narrow import limits, narrowed
from tensorc.schedule.online import NOTHING, Carried, carried
from tensorc.schedule.roles import LANES, Roles, unit_of, ways
from tensorc.schedule.rules import overlaps
from tensorc.schedule.sizes import Estimate
from tensorc.schedule.stages import Loop, Part, Plan, Sweep, arrange, paths

STRETCH = 100
"""Rows of a tile in which one thing after the other is done with what a contraction makes, about: so few that it stays in the nearest
cache.
"""

DEPTH = 512
"""Terms that are summed in registers before they are added to what is in memory, where there are many more."""

LEAST = 4
"""Points of such a tile, at least."""

RESULT = 1 << 15
"""Elements of a result that are so few that each of several threads may have all of them."""

HEAVY = 8
"""Instructions that are done for one register after the other, so that they are not written out for every register of a block."""

STREAM = 1024
"""Points of lanes that are read side by side where there are few rows."""

SQUARE = 16
"""Points of a side of a square that is turned in registers."""


PAIR = Bind("unroll", 2)
"""Two terms that are added at a time."""


@dataclass(frozen=True)
class Block:
    """Points that are held in registers: `rows` of `registers` of lanes. A panel has the lanes of a tile."""

    rows: int
    registers: int
    lanes: int = LANES

    @property
    def tile(self) -> int:
        return self.registers * self.lanes

    @property
    def stretch(self) -> int:
        """Rows of a tile: whole blocks, and whole squares."""
        return STRETCH // (whole := math.lcm(self.rows, SQUARE)) * whole or whole


def block_of(roles: Roles, estimate: Estimate) -> Block:
    """As many registers as there are lanes for, and as many rows as leave the others to what is read. Windows along images are often a
    multiple of 7.
    """
    lanes = estimate(roles.lanes.extent)
    if any(overlaps(load, roles.rows) for b in roles.bases for load in b.loads):
        return Block(14, 1 if lanes <= LANES else 2)
    if lanes <= LANES:
        return Block(16, 1)
    return Block(12, 2) if lanes <= 3 * LANES else Block(6, 4)


@dataclass(frozen=True)
class Found:
    """The nest of members, and what is carried in it."""

    nest: tuple[Part, ...]
    carried: Carried
    roles: Roles


def contract(members: Sequence[Member], estimate: Estimate, deep: bool = False) -> Found | None:
    """The nest of members that begin with a contraction; None where it has no two sides, or something has other lanes.

    `deep`: its result is known to be small, and made of much.
    """
    bases = _bases(members)
    if not bases or not _all_follow(bases, members):
        return None
    for chosen in ways(bases, members, estimate):
        made = copied(members, chosen, estimate)
        roles = replace(chosen, bases=made.bases)
        able = carried(made.members, roles.rows)
        block = replace(block_of(roles, estimate), lanes=LANES * 4 // max(roles.bases[0].body.dtype.bytes, 4))
        for each in (able, NOTHING) if able.scales else (NOTHING,):
            plan = _Planner(roles, made, each, block, _deep(roles, made, estimate, deep)).plan()
            nest = arrange(made.members, plan) if plan is not None else None
            if nest is not None and _is_carried_together(nest, each):
                return Found(nest, each, roles)
    return None


def _bases(members: Sequence[Member]) -> list[Member]:
    """The contractions that read no other member, where all of them have the same axes."""
    made = by_tensor(members)
    found = [m for m in members if m.is_contraction and not any(load.tensor in made for load in m.loads)]
    return found if all(set(m.out) == set(found[0].out) for m in found) else []


def _all_follow(bases: Sequence[Member], members: Sequence[Member]) -> bool:
    """Whether all others are made of them."""
    made = by_tensor(members)
    follow = set(bases)
    for m in members:
        if m not in bases:
            if not any(made.get(load.tensor) in follow for load in m.loads):
                return False
            follow.add(m)
    return True


@dataclass(frozen=True)
class Deep:
    """An axis that a contraction reduces in tiles, of `count` points, and what they make is added up."""

    axis: Index
    count: int


def _deep(roles: Roles, made: Copied, estimate: Estimate, is_known: bool) -> Deep | None:
    """Where a small result is made of so much that it is shared out among threads, and little of it is at hand at a time."""
    first, inner = roles.bases[0], roles.inner[0]
    if first.body.dtype.is_half or any(m.over for m in made.members if m is not first):
        return None
    points = [estimate(a.extent) for a in inner]
    if not is_known and (roles.thin or math.prod(points) < 4 * DEPTH or math.prod(estimate(a.extent) for a in first.out) > RESULT):
        return None
    image = next((a for a in inner[:-1] if any(overlaps(load, a) for load in first.loads)), inner[0])
    axis = max(inner, key=lambda a: estimate(a.extent)) if max(points) >= 4 * DEPTH else image
    rest = math.prod(points) // estimate(axis.extent)
    return Deep(axis, max(DEPTH // rest // 2 * 2, LEAST))


def _is_carried_together(nest: Sequence[Part], carried: Carried) -> bool:
    """Whether each sum that is carried is in the tiles that its maximum is in."""
    where = dict(paths(nest))

    def tiles(m: Member) -> list[Sweep]:
        return [s for s in where[m] if s.is_tile]

    return all(tiles(m) == tiles(scale.of) for m, scale in carried.scales.items())


# Loops.


class _Planner:
    def __init__(self, roles: Roles, made: Copied, able: Carried, block: Block, deep: Deep | None) -> None:
        self.roles = roles
        self.deep = deep
        self.block = block
        self.members = made.members
        self.kinds = made.kinds
        self.able = able
        self.made: Mapping[Tensor, Member] = by_tensor(self.members)
        self.others = [m for m in self.members if m not in roles.bases and m not in self.kinds]
        self.seconds = [m for m in self.others if m.over and set(m.out) - set(roles.out)]
        self.new = tuple(dict.fromkeys(a for m in self.seconds for a in m.out if a not in roles.out))
        self.reduces = any(m.over for m in self.others)
        """Whether something else is reduced, so that its lanes go on through all rows."""
        self.tiled = bool(self.seconds or able.scales) or any(m.work > HEAVY or self.turns(m) for m in self.others)
        self.tiled = self.tiled or (self.reduces and bool(roles.shared)) or "square" in self.kinds.values()
        """Whether rows go in tiles, so that one thing is done after the other in each."""
        around = {*roles.outer, *roles.shared}
        self.limits = {a: limits(roles.bases, a, around) for inner in roles.inner for a in inner}
        """What bounds an axis that is reduced, at each point of the axes around."""
        self.only = narrowed(self.members, roles.rows)
        self.pairs = {m.pairs for m in self.members}
        self.panels = {m.name for m, kind in self.kinds.items() if kind == "panel"}
        self.loops: dict[object, Loop] = {}

    def plan(self) -> Plan | None:
        out = set(self.roles.out)
        for m in self.others:
            if not set(m.space) <= out | set(self.new):
                return None
            if not m.over and set(m.out) - out and not self._follows_second(m):
                return None
            if set(m.over) & set(self.new) and m not in self.seconds:
                return None
        return Plan({m: tuple(self.path(m)) for m in self.members}, self.able.running)

    def _follows_second(self, m: Member) -> bool:
        return any(p in self.seconds or self._follows_second(p) for load in m.loads if (p := self.made.get(load.tensor)) and p is not m)

    def turns(self, m: Member) -> bool:
        """Whether a pointwise member stores along another axis than the lanes."""
        return not m.over and unit_of(m, self.roles) is not None

    def is_heavy(self, m: Member) -> bool:
        """Whether a member is done after the block: its own work, or what it reads at its rows, is too much to be written out for each."""
        if m.work > HEAVY:
            return True
        read = (self.made.get(load.tensor) for load in m.loads)
        return any(p is not None and p not in self.roles.bases and not p.over and self.is_heavy(p) for p in read)

    # Paths.

    def loop(self, axis: Index, kind: Bind = SERIAL, within: bool = False, name: str = "") -> Loop:
        """The loop of this kind, one for all members."""
        only = self.only if axis is self.roles.rows and not within else ()
        if kind == SERIAL and axis in self.limits:
            early = {axis, *self.roles.outer} if name in self.panels else set()  # shared axes are inside
            only = tuple(g for g in self.limits[axis] if not early or indices(g) <= early)
        return self.loops.setdefault((axis, kind, within, name), Loop(axis, kind, within, only))

    def inner(self, axis: Index, kind: Bind = SERIAL, name: str = "") -> Loop:
        """The loop over what the contraction reduces, or over a tile of it."""
        return self.loop(axis, kind, self.deep is not None and axis is self.deep.axis, name)

    def path(self, m: Member) -> Iterator[Loop]:
        r = self.roles
        if self.deep is not None and self.deep.axis in m.space:
            yield self.loop(self.deep.axis, Bind("tile", self.deep.count))
        yield from map(self.loop, r.outer)
        yield self.loop(r.lanes, Bind("tile", STREAM if r.thin else self.block.tile))
        if m in self.kinds:
            yield from self.copy(m)
            return
        if self.turns(m):
            yield from self.turned(m)
            return
        lanes = self.loop(r.lanes, Bind("vector", self.block.registers), True)
        early = self.reduces and not self.tiled
        if early:
            yield lanes
        yield from (self.loop(a) for a in r.shared if a in m.space)
        if r.rows not in m.space:
            if not early:
                yield lanes
            yield from (self.loop(a) for a in m.out if a in self.new)
            return
        if self.tiled:
            yield self.loop(r.rows, Bind("tile", self.block.stretch))
        if m in self.seconds:
            yield lanes
            *serial, last = [a for a in m.out if a in self.new]
            yield from map(self.loop, serial)
            yield self.loop(last, Bind("unroll", self.block.rows), name=m.name)
            yield self.loop(r.rows, SERIAL, True, m.name)
            yield from (self.loop(a, name=m.name) for a in m.over if a in self.new)
        else:
            yield from self.rows(m, lanes, early)

    def rows(self, m: Member, lanes: Loop, early: bool) -> Iterator[Loop]:
        """The loops over rows: in blocks, or of what is heavy one row after the other."""
        r = self.roles
        is_base = m in r.bases
        if is_base and r.thin:  # all that is read side by side, for all rows
            *walked, last = r.inner_of(m)
            yield from (self.inner(a, name="inner") for a in walked)
            yield self.inner(last, Bind("unroll", 4), "inner")
            yield self.loop(r.rows, Bind("unroll", 4), self.tiled, "thin")
            yield self.loop(r.lanes, Bind("vector", 2), True, "thin")
            return
        heavy = not is_base and self.tiled and self.is_heavy(m)
        rows = self.loop(r.rows, SERIAL if heavy else Bind("unroll", self.block.rows), self.tiled)
        if heavy and not self.reduces:
            lanes = self.loop(r.lanes, Bind("vector", 2), True)
        if early:
            yield rows
        elif heavy and not self.reduces:
            yield from (rows, lanes)
        else:
            yield from (lanes, rows)
        if is_base:
            name = f"inner {r.bases.index(m)}"
            *walked, last = r.inner_of(m)
            yield from (self.inner(a, name=name) for a in walked)
            yield self.inner(last, PAIR if last in self.pairs else SERIAL, name)

    def turned(self, m: Member) -> Iterator[Loop]:
        """Results that are stored along another axis than the lanes: squares of both are turned in registers."""
        r = self.roles
        unit = unit_of(m, r)
        assert unit is not None
        yield from (self.loop(a) for a in r.shared if a in m.out and a is not unit)
        if r.rows in m.out and self.tiled:
            yield self.loop(r.rows, Bind("tile", self.block.stretch))
        if r.rows in m.out and r.rows is not unit:
            yield self.loop(r.rows, SERIAL, self.tiled, "turned")
        yield from (self.loop(a, name="turned") for a in m.out if a in self.new and a is not unit)
        yield self.loop(r.lanes, Bind("unroll", SQUARE), True)
        yield self.loop(unit, Bind("vector", 1), self.tiled and unit is r.rows)

    def copy(self, m: Member) -> Iterator[Loop]:
        r = self.roles
        match self.kinds[m]:
            case "panel":
                yield from self.panel(m)
            case "window":
                shared = [a for a in r.shared if a in m.out]
                yield from (self.loop(a) for a in r.shared[: 1 + max(map(r.shared.index, shared), default=-1)])
                *walked, last = [a for a in m.out if a not in r.outer and a not in r.shared]
                guarded = guards(m.body)  # a mask is made once for all other axes
                yield from (self.inner(a, name=m.name) for a in walked if a in guarded)
                yield self.inner(last, Bind("vector", 1), m.name)
                yield from (self.inner(a, name=m.name) for a in walked if a not in guarded)
            case "square":
                yield from (self.loop(a) for a in r.shared if a in m.out)
                yield self.loop(r.rows, Bind("tile", self.block.stretch))
                yield from (self.loop(r.rows, Bind("unroll", SQUARE), True), self.loop(r.lanes, Bind("vector", 1), True))

    def panel(self, m: Member) -> Iterator[Loop]:
        """Side by side from side by side, or turned in squares where neighbours lie along an axis that is reduced."""
        r = self.roles
        inner = [a for a in m.out if a is not r.lanes and a not in r.outer]
        read = [load for load in walk.loads(m.body) if r.lanes in axes(load)]
        if all(is_unit(load.subscripts, r.lanes) for load in read):
            yield from (self.inner(a, name=m.name) for a in inner)
            yield self.loop(r.lanes, Bind("vector", 1), True, m.name)
            return
        unit = next((a for a in inner if any(is_unit(load.subscripts, a) for load in read)), None)
        yield from (self.inner(a, name=m.name) for a in inner if a is not unit)
        if unit is not None:
            yield self.inner(unit, Bind("unroll", SQUARE), m.name)
        yield self.loop(r.lanes, Bind("vector", 1), True, m.name)


def guards(body: Scalar) -> frozenset[Index]:
    """The axes that guards in a body depend on."""
    return frozenset(a for s in walk.postorder(body) if isinstance(s, (Nonnegative, IsZero)) for a in walk.indices(s))
