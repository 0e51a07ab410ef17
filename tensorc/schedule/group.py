"""Groups rules into kernels: each joins the kernel of what it reads where one nest can hold them, else it begins one of its own.

Rules are taken in order and kernels stay in the order in which they began, so that a rule may join any kernel from its producers' latest
on. The work is linear in the number of rules: a kernel holds a bounded number of them and few are tried.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from tensorc.algebra import NO_FACTS, Facts
from tensorc.ir.tensor import Tensor, View
from tensorc.schedule.alike import Forms
from tensorc.schedule.axes import Space, unify
from tensorc.schedule.members import Unplaced
from tensorc.schedule.nests import fits
from tensorc.schedule.rules import AnyRule, Rule, covers
from tensorc.schedule.sizes import Estimate
from tensorc.schedule.stages import Sweep, rules
from tensorc.schedule.views import stored

RULES = 32
"""Rules in a kernel, at most."""

INSTRUCTIONS = 1600
"""Instructions for a point of all rules of a kernel, at most."""

SIBLINGS = 2
"""Kernels that read the same memory, the latest first, that a rule is tried in."""


@dataclass(frozen=True)
class Group:
    """Rules of one nest, or one rule that has a kernel of its own kind."""

    rules: tuple[AnyRule, ...]
    space: Space | None = None


def partition(every: Sequence[AnyRule], estimate: Estimate, facts: Facts = NO_FACTS) -> list[Group]:
    """The rules in groups, each group after those that it reads."""
    groups = _Groups(estimate, facts)
    for r in every:
        groups.add(r)
    return [groups.finished(members) for members in groups.made if members is not None]


class _Groups:
    def __init__(self, estimate: Estimate, facts: Facts) -> None:
        self.estimate = estimate
        self.facts = facts
        self.unplaced = Unplaced()
        self.made: list[tuple[AnyRule, ...] | None] = []
        self.forms = Forms()
        self.held: dict[Hashable, bool] = {}  # of groups that were tried, by their form, whether one nest holds them
        self.moved: dict[int, int] = {}  # where the rules of a group went
        self.home: dict[Tensor, int] = {}  # the group of what makes a tensor
        self.readers: list[set[int]] = []  # of each group, the groups that read it
        self.streamed: dict[Tensor, list[int]] = {}  # the groups that read all of a tensor, element by element

    def add(self, r: AnyRule) -> None:
        producers = {self._now(self.home[t]) for load in r.loads if (t := stored(load.tensor)) in self.home}
        latest = max(producers, default=-1)
        place = self._join(r, latest) if isinstance(r, Rule) else None
        if place is None:
            place = len(self.made)
            self.made.append((r,))
            self.readers.append(set())
        if r.tensor is not None:
            self.home[r.tensor] = place
        if isinstance(r, Rule):
            for t in r.streams:
                self.streamed.setdefault(t, []).append(place)
        for p in producers - {place}:
            self.readers[p].add(place)
        for p in sorted(producers - {place}, reverse=True):
            self._absorb(p, place)

    def _now(self, place: int) -> int:
        while place in self.moved:
            place = self.moved[place]
        return place

    def _join(self, r: Rule, latest: int) -> int | None:
        """The group that takes the rule: that of its latest producer, or a later one that reads the same memory."""
        candidates = [latest] if latest >= 0 else []
        if not r.is_contraction:
            near = {self._now(place) for t in r.streams for place in self.streamed.get(t, ())[-SIBLINGS:]}
            candidates += sorted((place for place in near if place > latest), reverse=True)[:SIBLINGS]
        for place in candidates:
            old = self.made[place]
            if old is not None and self._holds((*old, r)):
                self.made[place] = (*old, r)
                return place
        return None

    def _absorb(self, earlier: int, place: int) -> None:
        """Move the rules of a producer's group into the reader's, where nothing in between reads them."""
        old, reader = self.made[earlier], self.made[place]
        between = {self._now(g) for g in self.readers[earlier]} - {earlier, place}
        if old is None or reader is None or any(g < place for g in between):
            return
        if self._holds((*old, *reader)):
            self.made[earlier], self.made[place] = None, (*old, *reader)
            self.moved[earlier] = place
            self.readers[place] |= self.readers[earlier]

    def _holds(self, members: Sequence[AnyRule]) -> bool:
        """Whether one nest holds the rules."""
        pointwise = [r for r in members if isinstance(r, Rule)]
        if len(pointwise) < len(members) or not _fits(pointwise):
            return False
        form = self.forms.of(pointwise)
        found = self.held.get(form)
        if found is None:
            found = self.held[form] = self._has_nest(pointwise)
        return found

    def _has_nest(self, members: Sequence[Rule]) -> bool:
        space = unify(members, self.facts)
        nest = None if space is None else fits(space, self.estimate, self.unplaced)
        if nest is None:
            return False
        root = nest[0]
        # What is bound by arithmetic is shared out among threads.
        return not (isinstance(root, Sweep) and not root.is_tile and any(r.is_contraction for r in members) and _reduces(root))

    def finished(self, members: tuple[AnyRule, ...]) -> Group:
        pointwise = [r for r in members if isinstance(r, Rule)]
        return Group(members, unify(pointwise, self.facts) if pointwise else None)


def _fits(members: Sequence[Rule]) -> bool:
    if len(members) > RULES or sum(r.work for r in members) > INSTRUCTIONS:
        return False
    if len({r.cluster for r in members if r.cluster is not None}) > 1:
        return False
    made = {r.tensor: r for r in members if r.tensor is not None}
    for r in members:
        if any(isinstance(load.tensor, View) and stored(load.tensor) in made for load in r.loads):
            return False  # another shape of it is read when all of it is stored
    contractions = [r for r in members if r.is_contraction]
    return not contractions or _begins(contractions, made)


def _begins(contractions: Sequence[Rule], made: Mapping[Tensor, Rule]) -> bool:
    """Whether what is bound by arithmetic begins the kernel, so that its loops are its own choice and the rest is done with each result.

    A second contraction is of what the first makes, where that had better not be stored: it is of pairs of elements and no product, which
    there are as many as pairs; or there is a statistic of its rows beside it, and either the second is batched or nothing else that the
    kernel reads is as large. What is computed anew may be several of them, whatever follows.
    """
    first, *others = contractions
    if first.cluster is not None:
        return all(_before(r, made) == {r} for r in contractions if r.cluster is not None)
    if len(others) > 1 or _before(first, made) - {first}:
        return False
    for second in others:
        if first not in _before(second, made):
            return False
        statistic = any(r.over and first in _before(r, made) for r in made.values() if r not in (first, second))
        if first.is_product and not (statistic and (second.is_batched or not _is_matched(first, made))):
            return False
    return True


def _is_matched(first: Rule, made: Mapping[Tensor, Rule]) -> bool:
    """Whether something from outside is read beside the elements of the first contraction's result."""
    readers = [r for r in made.values() if any(load.tensor is first.tensor for load in r.loads)]
    return any(load.tensor not in made and covers(load, r.space) for r in readers for load in r.loads)


def _before(r: Rule, made: Mapping[Tensor, Rule]) -> set[Rule]:
    """The rule and all that it is made of in the kernel."""
    seen, stack = {r}, [r]
    while stack:
        for load in stack.pop().loads:
            p = made.get(load.tensor)
            if p is not None and p not in seen:
                seen.add(p)
                stack.append(p)
    return seen


def _reduces(root: Sweep) -> bool:
    return any(root.axis in m.over for m in rules(root.body))
