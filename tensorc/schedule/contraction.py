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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import Index, Poly, poly
from tensorc.ir import walk
from tensorc.ir.tensor import Input, Load, Scalar, Tensor
from tensorc.loops.nest import SERIAL, Bind
from tensorc.schedule.members import Member, axes, by_tensor, is_unit
from tensorc.schedule.online import NOTHING, Carried, carried
from tensorc.schedule.rules import Made
from tensorc.schedule.sizes import Estimate
from tensorc.schedule.stages import Loop, Part, Plan, Sweep, arrange, paths

TILE = 64
"""Points of lanes that share a panel: some registers, whatever lanes they have."""

ROWS = 6
"""Rows of a block."""

REGISTERS = 4
"""Registers of lanes of a block."""

STRETCH = 96
"""Rows of a tile in which one thing after the other is done with what a contraction makes: so few that it stays in the nearest cache."""

HEAVY = 8
"""Instructions that are done for one register after the other, so that they are not written out for every register of a block."""

AMORTIZED = 2048
"""Rows for which a panel is worth copying anew."""


@dataclass(frozen=True)
class Roles:
    """`outer` axes have a panel each, `shared` ones share it, with `rows` innermost; `apart` are among the shared ones those that something
    else reduces. `inner` is what the contraction reduces.
    """

    first: Member
    lanes: Index
    rows: Index
    outer: tuple[Index, ...]
    shared: tuple[Index, ...]
    inner: tuple[Index, ...]


@dataclass(frozen=True)
class Found:
    members: tuple[Member, ...]
    plan: Plan
    nest: tuple[Part, ...]
    carried: Carried
    roles: Roles


def contract(members: Sequence[Member], estimate: Estimate) -> Found | None:
    """The nest of members that begin with a contraction; None where it has no two sides, or something has other lanes."""
    first = next((m for m in members if m.is_contraction), None)
    if first is None or not _all_follow(first, members):
        return None
    for roles in _roles(first, members, estimate):
        moved = _turned(members, roles)
        own = replace(roles, first=moved.first)
        able = carried(moved.members, own.rows)
        for each in (able, NOTHING) if able.scales else (NOTHING,):
            plan = _Planner(own, moved, each).plan()
            nest = arrange(moved.members, plan) if plan is not None else None
            if plan is not None and nest is not None and _is_carried_together(nest, each):
                return Found(moved.members, plan, nest, each, own)
    return None


@dataclass(frozen=True)
class _Turned:
    """Members with copies of what lies in memory along another axis than the lanes. `reads` are the copies of what is read."""

    members: tuple[Member, ...]
    first: Member
    reads: frozenset[Member]


def _turned(members: Sequence[Member], roles: Roles) -> _Turned:
    """What is done at each point has its lanes; squares of it are turned on their way from and to memory."""
    read = {load.tensor for m in members for load in m.loads}
    made: list[Member] = []
    copies: dict[Load, Member] = {}
    first = roles.first
    for m in members:
        body = m.body if m is roles.first else _with_copies(m.body, roles, copies)
        made += [c for c in copies.values() if c not in made]
        changed = m if body is m.body else replace(m, body=body)
        if unit_of(m, roles) is not None and (m.over or m.tensor in read):
            tensor = m.tensor if m.tensor is not None else Made(m.name, tuple(a.extent for a in m.out), m.body.dtype)
            stored = Load(tensor, tuple(map(poly, m.out)))
            changed = replace(changed, tensor=tensor, place=None)
            made += [changed, Member(f"{m.name}_copy", None, m.out, (), m.out, None, stored, m.place)]
        else:
            made.append(changed)
        if m is roles.first:
            first = changed
    return _Turned(tuple(made), first, frozenset(copies.values()))


def unit_of(m: Member, roles: Roles) -> Index | None:
    """The axis, other than the lanes, along which a stored value has its neighbours."""
    if m.place is None or is_unit(m.place[1], roles.lanes) or roles.lanes not in m.out:
        return None
    subscripts = m.place[1]
    return next((a for a in m.out if a is not roles.lanes and a not in roles.outer and is_unit(subscripts, a)), None)


def _with_copies(body: Scalar, roles: Roles, copies: dict[Load, Member]) -> Scalar:
    """A body that reads copies in place of memory whose neighbours lie along the rows."""

    def change(load: Load) -> Scalar:
        inside = axes(load)
        if not isinstance(load.tensor, Input) or isinstance(load.tensor, Made) or not {roles.lanes, roles.rows} <= inside:
            return load
        if is_unit(load.subscripts, roles.lanes) or not is_unit(load.subscripts, roles.rows) or not inside <= set(roles.first.out):
            return load
        if load not in copies:
            out = tuple(a for a in roles.first.out if a in inside)
            name = f"{load.tensor.name}_turned"
            made = Made(name, tuple(a.extent for a in out), load.dtype)
            copies[load] = Member(name, made, out, (), out, None, load, None)
        return Load(copies[load].tensor, tuple(map(poly, copies[load].out)))  # type: ignore[arg-type]

    return walk.rewrite(body, {}, change)


def _all_follow(first: Member, members: Sequence[Member]) -> bool:
    """Whether all others are made of the first."""
    made = by_tensor(members)
    follow = {first}
    for m in members:
        if m is not first:
            if not any(made.get(load.tensor) in follow for load in m.loads):
                return False
            follow.add(m)
    return True


def _is_carried_together(nest: Sequence[Part], carried: Carried) -> bool:
    """Whether each sum that is carried is in the tiles that its maximum is in."""
    where = dict(paths(nest))

    def tiles(m: Member) -> list[Sweep]:
        return [s for s in where[m] if s.is_tile]

    return all(tiles(m) == tiles(scale.of) for m, scale in carried.scales.items())


# Roles.


def _roles(first: Member, members: Sequence[Member], estimate: Estimate) -> Iterator[Roles]:
    """The ways of choosing lanes and rows, the best first."""
    found: list[tuple[float, Roles]] = []
    reductions = [m for m in members if m.over and m is not first]
    reduced = {a for m in reductions for a in m.over}
    for number, lanes in enumerate(first.out):
        if lanes in reduced or not all(lanes in m.out for m in members):
            continue
        mine = [load for load in first.loads if lanes in axes(load)]
        side = frozenset[Index]().union(*map(axes, mine))
        free = [a for a in first.out if a not in side]
        wanted = [a for a in free if all(a in m.over for m in reductions)]
        if not free or (reductions and not wanted) or not any(a in side for a in first.over):
            continue
        rows = max(wanted, key=lambda a: (_is_unit_in(first.loads, a), first.out.index(a)))
        found.append((_price(first, members, lanes, mine, estimate) - number * 1e-3, _shared(first, lanes, rows, side, reduced, estimate)))
    found.sort(key=lambda f: f[0])
    for _, roles in found:
        yield roles


def _price(first: Member, members: Sequence[Member], lanes: Index, mine: Sequence[Load], estimate: Estimate) -> float:
    """What is bad about lanes along an axis: windows that can't be copied side by side, results that are stored far apart, lanes that are
    idle.
    """
    price = sum(4.0 for load in mine if slides(load, lanes))
    price += sum(1.0 for m in members if m.place is not None and not is_unit(m.place[1], lanes))
    price += sum(0.25 for load in mine if not is_unit(load.subscripts, lanes))
    extent = estimate(lanes.extent)
    return price + 2.0 * (-(-extent // 16) * 16 / max(extent, 1) - 1.0)


def _shared(first: Member, lanes: Index, rows: Index, side: frozenset[Index], reduced: set[Index], estimate: Estimate) -> Roles:
    """Outer axes are those that the panel depends on, and so many before the others that a panel still serves many rows."""
    others = [a for a in first.out if a not in (lanes, rows)]
    free = [a for a in others if a not in side and a not in reduced]
    points = estimate(rows.extent)
    inside = [a for a in others if a in reduced]
    for a in inside:
        points *= estimate(a.extent)
    while free and points < AMORTIZED:
        inside.insert(0, free.pop())
        points *= estimate(inside[0].extent)
    outer = tuple(a for a in others if a not in inside)
    return Roles(first, lanes, rows, outer, tuple(a for a in others if a in inside), first.over)


def slides(load: Load, axis: Index) -> bool:
    """Whether another axis moves a load to elements that this one moves it to as well, as in a window."""
    for s in load.subscripts:
        if axis in algebra.indices(s):
            for other in algebra.indices(s) - {axis}:
                parts = algebra.split(s, other)
                own = algebra.split(s, axis)
                if parts is None or own is None or not _is_apart(own[0], axis, parts[0], other):
                    return True
    return False


def _is_apart(step: Poly, axis: Index, far: Poly, other: Index) -> bool:
    """Whether one of two steps is a multiple of all that the other step reaches."""
    for near, extent, long in ((step, axis.extent, far), (far, other.extent, step)):
        _, rest = algebra.divide_terms(long, near * extent)
        if rest is algebra.ZERO:
            return True
    return False


def _is_unit_in(loads: Sequence[Load], axis: Index) -> bool:
    return any(is_unit(load.subscripts, axis) for load in loads)


# Loops.


class _Planner:
    def __init__(self, roles: Roles, moved: _Turned, able: Carried) -> None:
        self.roles = roles
        self.members = moved.members
        self.reads = moved.reads
        self.able = able
        self.made: Mapping[Tensor, Member] = by_tensor(self.members)
        self.others = [m for m in self.members if m is not roles.first]
        self.seconds = [m for m in self.others if m.over and set(m.out) - set(roles.first.out)]
        self.new = tuple(dict.fromkeys(a for m in self.seconds for a in m.out if a not in roles.first.out))
        self.reduces = any(m.over for m in self.others)
        """Whether something else is reduced, so that its lanes go on through all rows."""
        self.tiled = bool(self.seconds or able.scales) or any(m.work > HEAVY or m in self.reads or self.turns(m) for m in self.others)
        """Whether rows go in tiles, so that one thing is done after the other in each."""
        self.loops: dict[object, Loop] = {}

    def plan(self) -> Plan | None:
        first = self.roles.first
        for m in self.others:
            if not set(m.space) <= set(first.out) | set(self.new):
                return None
            if not m.over and set(m.out) - set(first.out) and not self._follows_second(m):
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
        return any(p is not None and p is not self.roles.first and not p.over and self.is_heavy(p) for p in read)

    # Paths.

    def loop(self, axis: Index, kind: Bind = SERIAL, within: bool = False, name: str = "") -> Loop:
        """The loop of this kind, one for all members."""
        return self.loops.setdefault((axis, kind, within, name), Loop(axis, kind, within))

    def path(self, m: Member) -> Iterator[Loop]:
        r = self.roles
        yield from (self.loop(a) for a in r.outer if a in m.space)
        yield self.loop(r.lanes, Bind("tile", TILE))
        if self.turns(m):
            yield from self.turned(m)
            return
        lanes = self.loop(r.lanes, Bind("vector", REGISTERS), True)
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
            yield self.loop(r.rows, Bind("tile", STRETCH))
        if m in self.reads:
            yield from (self.loop(r.rows, Bind("unroll", 16), True), self.loop(r.lanes, Bind("vector", 1), True))
        elif m in self.seconds:
            yield lanes
            *serial, last = [a for a in m.out if a in self.new]
            yield from map(self.loop, serial)
            yield self.loop(last, Bind("unroll", ROWS))
            yield self.loop(r.rows, SERIAL, True, "reduced")
        else:
            yield from self.rows(m, lanes, early)

    def rows(self, m: Member, lanes: Loop, early: bool) -> Iterator[Loop]:
        """The loops over rows: in blocks, or of what is heavy one row after the other."""
        r = self.roles
        heavy = m is not r.first and self.tiled and self.is_heavy(m)
        rows = self.loop(r.rows, SERIAL if heavy else Bind("unroll", ROWS), self.tiled)
        if heavy and not self.reduces:
            lanes = self.loop(r.lanes, Bind("vector", 2), True)
        if early:
            yield rows
        elif self.reduces:
            yield from (lanes, rows)
        else:
            yield from (rows, lanes)
        if m is r.first:
            yield from (self.loop(a, name="inner") for a in r.inner)

    def turned(self, m: Member) -> Iterator[Loop]:
        """Results that are stored along another axis than the lanes: squares of both are turned in registers."""
        r = self.roles
        unit = unit_of(m, r)
        assert unit is not None
        yield from (self.loop(a) for a in r.shared if a in m.out and a is not unit)
        if r.rows in m.out and self.tiled:
            yield self.loop(r.rows, Bind("tile", STRETCH))
        if r.rows in m.out and r.rows is not unit:
            yield self.loop(r.rows, SERIAL, self.tiled, "turned")
        yield from (self.loop(a, name="turned") for a in m.out if a in self.new and a is not unit)
        yield self.loop(r.lanes, Bind("unroll", 16), True)
        yield self.loop(unit, Bind("vector", 1), self.tiled and unit is r.rows)
