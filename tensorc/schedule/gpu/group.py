"""Groups rules into kernels by what they cost: a rule joins the kernel of what it reads, or that reads the same, where that is cheaper."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorc.ir import walk
from tensorc.ir.tensor import Scalar, Tensor, View
from tensorc.schedule.gpu.cost import Plan
from tensorc.schedule.gpu.machine import LAUNCH
from tensorc.schedule.gpu.plan import Planner
from tensorc.schedule.gpu.space import shape
from tensorc.schedule.rules import AnyRule, Rule
from tensorc.schedule.views import stored

RULES = 32
"""Rules in a kernel, at most."""

INSTRUCTIONS = 3000
"""Instructions for a point of all rules of a kernel, at most."""

SIBLINGS = 3
"""Kernels that read the same memory, or have the same loops, the latest first, that a rule is tried in."""


@dataclass(frozen=True)
class Group:
    """Rules with the plan of their kernel, or one that has kernels of its own kind. `space` tells the two apart for `memory.store`."""

    rules: tuple[AnyRule, ...]
    space: Plan | None


def partition(every: Sequence[AnyRule], planner: Planner) -> list[Group] | None:
    """The rules in groups, each group after those that it reads; None where what is of one cluster cannot be of one kernel."""
    every = _with_scalars(every)
    units = _units(every)
    if units is None:
        return None
    for r in every:
        if isinstance(r, Rule):
            planner.add(r)
    groups = _Groups(planner, {r.tensor: r for r in every if isinstance(r, Rule) and r.repeated and r.tensor is not None})
    for unit in units:
        if not (isinstance(unit[0], Rule) and unit[0].repeated) and not groups.add(unit):
            return None
    return groups.finished()


def _units(every: Sequence[AnyRule]) -> list[tuple[AnyRule, ...]] | None:
    """The rules in order, each alone but those that are computed for one kernel, with what reads them and what lies in between."""
    made = {r.tensor: r for r in every if r.tensor is not None}
    sources = {r: [made[t] for load in r.loads if (t := stored(load.tensor)) in made] for r in every}
    cluster_of = {r.tensor: r.cluster for r in every if isinstance(r, Rule) and r.cluster is not None}
    unit_of: dict[AnyRule, int] = {}
    for cluster in dict.fromkeys(cluster_of.values()):
        core = {r for r in every if any(cluster_of.get(t) == cluster for t in (r.tensor, *(load.tensor for load in r.loads)))}
        below, above = set(core), set(core)
        for r in every:
            if any(p in below for p in sources[r]):
                below.add(r)
        for r in reversed(every):
            if r in above:
                above.update(sources[r])
        for r in below & above:
            if unit_of.setdefault(r, cluster) != cluster:
                return None
    units: dict[Hashable, list[AnyRule]] = {}
    for r in every:
        units.setdefault(unit_of.get(r, r), []).append(r)
    return _in_order([tuple(u) for u in units.values()], sources)


def _in_order(units: Sequence[tuple[AnyRule, ...]], sources: Mapping[AnyRule, Sequence[AnyRule]]) -> list[tuple[AnyRule, ...]] | None:
    """The units with each after those that it reads; None where they read one another."""
    home = {r: u for u in units for r in u}
    needs = {u: {home[p] for r in u for p in sources[r]} - {u} for u in units}
    found: dict[tuple[AnyRule, ...], None] = {}
    waiting = list(units)
    while waiting:
        later = []
        for u in waiting:
            if needs[u] <= found.keys():
                found[u] = None
            else:
                later.append(u)
        if len(later) == len(waiting):
            return None
        waiting = later
    return list(found)


def _with_scalars(every: Sequence[AnyRule]) -> list[AnyRule]:
    """The rules with those of one cheap number put into their readers: a kernel computes it again rather than wait for another."""
    numbers: dict[Tensor, Scalar] = {}
    found: list[AnyRule] = []
    for r in every:
        if not isinstance(r, Rule):
            found.append(r)
            continue
        body = walk.rewrite(r.body, {}, lambda load: numbers.get(load.tensor, load))
        if body is not r.body:
            r = replace(r, body=body)
        if not r.axes and not r.over and r.tensor is not None and not walk.loads(body) and walk.depth(body) <= 8:
            numbers[r.tensor] = body
            if not r.targets:
                continue
        found.append(r)
    return found


class _Groups:
    """Groups in the order in which they began. A rule may join any group from its producers' latest on."""

    def __init__(self, planner: Planner, repeated: Mapping[Tensor, Rule]) -> None:
        self.planner = planner
        self.repeated = repeated  # what each kernel that reads it has a copy of
        self.made: list[Group | None] = []
        self.moved: dict[int, int] = {}
        self.home: dict[Tensor, int] = {}
        self.readers: list[set[int]] = []
        self.near: dict[Hashable, list[int]] = {}  # where a tensor is read, and loops of the same extents
        self.finals: list[list[Rule]] = []  # of each group, what completes its partial results

    def add(self, unit: tuple[AnyRule, ...]) -> bool:
        """Whether there is a kernel for the rules, which are now in one."""
        producers = {self._now(self.home[t]) for r in unit for load in r.loads if (t := stored(load.tensor)) in self.home}
        latest = max(producers, default=-1)
        place = self._join(unit[0], latest) if len(unit) == 1 and isinstance(unit[0], Rule) else None
        if place is None:
            place = len(self.made)
            made = self._group(unit)
            if made is None:
                return False
            self.made.append(made)
            self.readers.append(set())
        for r in unit:
            if r.tensor is not None:
                self.home[r.tensor] = place
            for key in _keys(r):
                self.near.setdefault(key, []).append(place)
        for p in producers - {place}:
            self.readers[p].add(place)
        for p in sorted(producers - {place}, reverse=True):
            self._absorb(p, place)
        return True

    def _now(self, place: int) -> int:
        while place in self.moved:
            place = self.moved[place]
        return place

    def _group(self, rules: tuple[AnyRule, ...]) -> Group | None:
        pointwise = [r for r in rules if isinstance(r, Rule)]
        if len(pointwise) < len(rules):
            return Group(rules, None) if len(rules) == 1 else None
        read = dict.fromkeys(self.repeated[load.tensor] for r in pointwise for load in r.loads if load.tensor in self.repeated)
        pointwise = list(dict.fromkeys([*read, *pointwise]))
        plan = self.planner.plan(pointwise)
        return None if plan is None else Group(tuple(pointwise), plan)

    def _together(self, old: Group, others: tuple[AnyRule, ...], apart: float) -> Group | None:
        """The group with more rules, where that costs less than the kernels apart."""
        rules = (*old.rules, *others)
        if old.space is None or not all(isinstance(r, Rule) for r in rules) or not _fits(rules):
            return None
        made = self._group(rules)
        if made is None or made.space is None or made.space.cost > old.space.cost + apart:
            return None
        return made

    def _join(self, r: Rule, latest: int) -> int | None:
        single = self._group((r,))
        alone = None if single is None else single.space
        assert alone is not None, f"{r.name} has no kernel"
        candidates = [latest] if latest >= 0 else []
        near = {self._now(place) for key in _keys(r) for place in self.near.get(key, ())[-SIBLINGS:]}
        candidates += sorted((place for place in near if place > latest), reverse=True)[:SIBLINGS]
        best: tuple[float, int, Group] | None = None
        for place in candidates:
            old = self.made[place]
            made = None if old is None else self._together(old, (r,), alone.cost)
            if old is None or made is None or old.space is None or made.space is None:
                continue
            more = made.space.cost - old.space.cost
            if best is None or more < best[0]:
                best = more, place, made
            if more <= alone.cost - LAUNCH:
                break
        if best is None:
            return None
        _, place, self.made[best[1]] = best
        return place

    def _absorb(self, earlier: int, place: int) -> None:
        """Move the rules of a producer's group into the reader's, where nothing in between reads them."""
        old, reader = self.made[earlier], self.made[place]
        between = {self._now(g) for g in self.readers[earlier]} - {earlier, place}
        if old is None or reader is None or reader.space is None or any(g < place for g in between):
            return
        made = self._together(old, reader.rules, reader.space.cost)
        if made is not None:
            self.made[earlier], self.made[place] = None, made
            self.moved[earlier] = place
            self.readers[place] |= self.readers[earlier]

    def finished(self) -> list[Group]:
        """The groups, with kernels for what completes partial results after those that make them."""
        found: list[Group] = []
        completing: list[Group] = []
        for g in self.made:
            if g is None:
                continue
            found.append(g)
            if g.space is not None and g.space.finals:
                found[-1] = Group(g.space.rules, g.space)
                made = self._finish(g.space.finals)
                completing += made
                found += made
        return self._completed(found, completing)

    def _finish(self, finals: Sequence[Rule]) -> list[Group]:
        """Kernels of rules that complete the partial results of one kernel."""
        for r in finals:
            self.planner.add(r)
        made: list[Group] = []
        for r in finals:
            alone = self._group((r,))
            assert alone is not None and alone.space is not None
            joined = self._completes(made[-1], alone) if made else None
            if joined is None:
                made.append(alone)
            else:
                made[-1] = joined
        return made

    def _completed(self, groups: list[Group], completing: Sequence[Group]) -> list[Group]:
        """The groups with each that completes partial results joined to what first reads it, where that costs less."""
        waiting = list(completing)
        while waiting:
            g = waiting.pop(0)
            place = next(n for n, other in enumerate(groups) if other is g)
            n = next((n for n in range(place + 1, len(groups)) if _is_read(g, groups[n])), None)
            made = None if n is None else self._completes(g, groups[n])
            if n is not None and made is not None:
                waiting = [made if w is groups[n] else w for w in waiting]
                groups[n] = made
                del groups[place]
        return groups

    def _completes(self, g: Group, other: Group) -> Group | None:
        if g.space is None or other.space is None:
            return None
        made = self._together(g, other.rules, other.space.cost)
        return made if made is not None and made.space is not None and not made.space.finals else None


def _keys(r: AnyRule) -> set[Hashable]:
    """What rules may share a kernel by."""
    keys: set[Hashable] = {load.tensor for load in r.loads}
    return keys | {shape(r)} if isinstance(r, Rule) else keys


def _is_read(made: Group, reader: Group) -> bool:
    tensors = {r.tensor for r in made.rules}
    return any(stored(load.tensor) in tensors for r in reader.rules for load in r.loads)


def _fits(rules: Sequence[AnyRule]) -> bool:
    pointwise = [r for r in rules if isinstance(r, Rule)]
    if len(pointwise) > RULES or sum(r.work for r in pointwise) > INSTRUCTIONS:
        return False
    if len({r.cluster for r in pointwise if r.cluster is not None}) > 1:
        return False
    made = {r.tensor for r in pointwise if r.tensor is not None}
    return not any(isinstance(load.tensor, View) and stored(load.tensor) in made for r in pointwise for load in r.loads)
