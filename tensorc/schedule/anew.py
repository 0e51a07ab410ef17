"""Computes what is too large to be kept anew in each kernel that reads it: scores of attention, of which there are as many as pairs.

A rule of pairs is a contraction of little depth, or pointwise over such. What reduces pairs has few results: these are taken together where
they keep the same axes, and each such cluster has the pairs that it reads for itself. A contraction of pairs that reads the results of a
cluster is of a later one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from tensorc.algebra import Element
from tensorc.ir import walk
from tensorc.ir.tensor import Load, Scalar, Tensor
from tensorc.schedule.rules import AnyRule, Made, Rule
from tensorc.schedule.sizes import Estimate

LARGE = 1 << 22
"""So many elements are computed again in less time than they are fetched."""

DEPTH = 512
"""Terms of a contraction that is not done again."""

Cluster = tuple[tuple[int, ...], int]
"""The positions of the axes of pairs that are kept, and how many clusters one after the other it waits for."""


def anew(rules: Sequence[AnyRule], estimate: Estimate, large: int = LARGE) -> tuple[AnyRule, ...]:
    """The rules with those of pairs once for each cluster; the same where nothing is too large, that is of more than so many elements."""
    pairs = _pairs(rules, estimate, large)
    made = {r.tensor: r for r in pairs if r.tensor is not None}
    if sum(any(load.tensor in made for load in r.loads) for r in rules if r not in pairs) < 2:
        return tuple(rules)
    return tuple(_Copies(made).all(rules, pairs))


def _pairs(rules: Sequence[AnyRule], estimate: Estimate, least: int) -> set[Rule]:
    """The rules whose values are too many to be kept, and can be computed again from few: read elementwise, and by reductions."""
    known = {r.tensor: r for r in rules if r.tensor is not None}
    places = {a.tensor for r in rules if isinstance(r, Rule) for a in walk.atoms(r.body) if isinstance(a, Element)}
    large = {r for r in rules if isinstance(r, Rule) and not r.targets and prod(estimate(a.extent) for a in r.out) > least}
    large = {r for r in large if r.tensor not in places}
    while True:
        found = {r for r in large if _is_cheap(r, large, known, estimate)}
        read = {known[load.tensor] for r in rules if r not in found and not _reduces(r) for load in r.loads if load.tensor in known}
        found -= {r for r in found if r in read}
        if found == large:
            return found
        large = found


def _is_cheap(r: Rule, large: set[Rule], known: Mapping[Tensor, AnyRule], estimate: Estimate) -> bool:
    if not all(p in large for load in r.loads if (p := known.get(load.tensor)) is not None and _is_elementwise(load, r)):
        return False
    return not r.over or (r.is_contraction and prod(estimate(a.extent) for a in r.over) <= DEPTH)


def _is_elementwise(load: Load, r: Rule) -> bool:
    return set(r.out) <= {s.atom for s in load.subscripts}


def _reduces(r: AnyRule) -> bool:
    return isinstance(r, Rule) and bool(r.over)


@dataclass
class _Copies:
    made: Mapping[Tensor, Rule]
    stages: dict[AnyRule, int] = field(default_factory=dict)
    copies: dict[tuple[Cluster, Rule], Rule] = field(default_factory=dict)
    numbers: dict[Cluster, int] = field(default_factory=dict)
    used: set[Rule] = field(default_factory=set)

    def all(self, rules: Sequence[AnyRule], pairs: set[Rule]) -> list[AnyRule]:
        known = {r.tensor: r for r in rules if r.tensor is not None}
        result: list[AnyRule] = []
        for r in rules:
            sources = [known[load.tensor] for load in r.loads if load.tensor in known]
            later = isinstance(r, Rule) and r in pairs and r.is_contraction
            self.stages[r] = max((self.stages[p] + (later and p not in pairs and _reduces(p)) for p in sources), default=0)
            if r in pairs:
                continue
            if isinstance(r, Rule) and any(load.tensor in self.made for load in r.loads):
                result.append(self.reader(r, (_kept(r, self.made), self.stages[r]), result))
            else:
                result.append(r)
        return result

    def reader(self, r: Rule, cluster: Cluster, result: list[AnyRule]) -> Rule:
        """The rule that reads the pairs of its cluster."""

        def load(found: Load) -> Scalar:
            p = self.made.get(found.tensor)
            if p is None:
                return found
            copy = self.copy(p, cluster, result)
            assert copy.tensor is not None
            return Load(copy.tensor, found.subscripts)

        body = walk.rewrite(r.body, {}, load)
        return r if body is r.body else replace(r, body=body)

    def copy(self, p: Rule, cluster: Cluster, result: list[AnyRule]) -> Rule:
        found = self.copies.get((cluster, p))
        if found is None:
            number = self.numbers.setdefault(cluster, len(self.numbers))
            found = replace(self.reader(p, cluster, result), cluster=number)
            if p in self.used:
                assert p.tensor is not None
                name = f"{p.name}_again"
                found = replace(found, tensor=Made(f"{name}{len(self.copies)}", p.tensor.extents, p.tensor.dtype), name=name)
            self.used.add(p)
            self.copies[cluster, p] = found
            result.append(found)
        return found


def _kept(r: Rule, made: Mapping[Tensor, Rule]) -> tuple[int, ...]:
    """The positions of the axes of the pairs that a rule reads that it does not reduce."""
    load = next(load for load in r.loads if load.tensor in made)
    return tuple(n for n, s in enumerate(load.subscripts) if s.atom in r.out)
