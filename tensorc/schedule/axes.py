"""Which loops can be shared: the indices of several rules, as axes of one nest.

A rule that reads another element by element makes their indices one axis; two rules that read the same memory at the same place do so
where nothing speaks against it. An axis that is only read as `a // d` and `a % d` of a divisor of its extent is split in two, so that a
reshape costs no division.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tensorc import algebra
from tensorc.algebra import NO_FACTS, ONE, Atom, Facts, Index, Poly, Quotient
from tensorc.ir.tensor import Tensor
from tensorc.schedule.rules import Rule

Loops = tuple[Index, ...]


@dataclass(frozen=True, eq=False)
class Space:
    """Rules in order, and their indices as axes of one nest: `digits` gives the loops of an index of a rule, the outermost first."""

    rules: tuple[Rule, ...]
    digits: Mapping[tuple[Rule, Index], Loops]

    @cached_property
    def members(self) -> Mapping[Tensor, Rule]:
        return {r.tensor: r for r in self.rules if r.tensor is not None}

    @cached_property
    def out(self) -> Mapping[Rule, Loops]:
        """The loops of each rule's result."""
        return {r: self._loops(r, r.out) for r in self.rules}

    @cached_property
    def over(self) -> Mapping[Rule, Loops]:
        """The loops that each rule reduces."""
        return {r: self._loops(r, r.over) for r in self.rules}

    @cached_property
    def order(self) -> Mapping[Rule, Loops]:
        """Each rule's loops as they go best, the outermost first."""
        return {r: self._loops(r, r.order) for r in self.rules}

    def values(self, rule: Rule) -> dict[Atom, Poly]:
        """What the rule's indices are in the nest, but for those that keep their name."""
        values: dict[Atom, Poly] = {a: algebra.ZERO for a in rule.axes if a.extent is ONE}
        for a in rule.space:
            loops = self.digits[rule, a]
            if loops != (a,):
                place = algebra.ZERO
                for loop in loops:
                    place = place * loop.extent + loop
                values[a] = place
        return values

    def _loops(self, rule: Rule, indices: Iterable[Index]) -> Loops:
        return tuple(loop for a in indices for loop in self.digits[rule, a])


def unify(rules: Sequence[Rule], facts: Facts = NO_FACTS) -> Space | None:
    """The rules in one nest, given what holds of sizes; None where one reads another elsewhere than at its own indices."""
    members = {r.tensor: r for r in rules if r.tensor is not None}
    classes = _Classes(rules)
    for r in rules:
        for load in r.loads:
            p = members.get(load.tensor)
            if p is None:
                continue
            for sub, axis in zip(load.subscripts, p.axes, strict=True):
                if axis.extent is not ONE and not (isinstance(sub.atom, Index) and classes.union((r, sub.atom), (p, axis))):
                    return None
    first: dict[tuple[Tensor, int, Poly], tuple[Rule, Index]] = {}
    for r in rules:
        for load in r.loads:
            if load.tensor not in members:
                for position, sub in enumerate(load.subscripts):
                    if isinstance(sub.atom, Index) and sub.atom.extent is not ONE:
                        mine = (r, sub.atom)
                        classes.union(mine, first.setdefault((load.tensor, position, sub.atom.extent), mine))
    return Space(tuple(rules), classes.loops(facts))


class _Classes:
    """Union-find over (rule, index); a class has at most one index of a rule, and one extent."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.parent = {(r, a): (r, a) for r in rules for a in r.space}
        self.rules = {key: {key[0]} for key in self.parent}

    def find(self, key: tuple[Rule, Index]) -> tuple[Rule, Index]:
        while self.parent[key] is not key:
            key = self.parent[key]
        return key

    def union(self, a: tuple[Rule, Index], b: tuple[Rule, Index]) -> bool:
        """Make the two one; False where they may not be."""
        if a not in self.parent or b not in self.parent or a[1].extent is not b[1].extent:
            return False
        a, b = self.find(a), self.find(b)
        if a is b:
            return True
        if len(self.rules[a]) < len(self.rules[b]):
            a, b = b, a
        if not self.rules[a].isdisjoint(self.rules[b]):
            return False
        self.parent[b] = a
        self.rules[a] |= self.rules.pop(b)
        return True

    def loops(self, facts: Facts = NO_FACTS) -> dict[tuple[Rule, Index], Loops]:
        divisors: dict[tuple[Rule, Index], set[Poly]] = {}
        for r in {key[0] for key in self.parent}:
            for a, d in r.divided:
                if (r, a) in self.parent:
                    divisors.setdefault(self.find((r, a)), set()).add(d)
        made: dict[tuple[Rule, Index], Loops] = {}
        count = 0
        for key in self.parent:
            root = self.find(key)
            if root not in made:
                extents = _digits(root[1].extent, divisors.get(root, ()), facts)
                made[root] = tuple(Index(count + n, e) for n, e in enumerate(extents))
                count += len(extents)
        return {key: made[self.find(key)] for key in self.parent}


def _digits(extent: Poly, divisors: Iterable[Poly], facts: Facts) -> list[Poly]:
    """Extents whose product is `extent`, so that each divisor that can be is a product of the last of them."""
    extents: list[Poly] = []
    for d in sorted(divisors, key=lambda d: (-max(len(m) for m, _ in d.terms), str(d))):
        quotient = _quotient(extent, d, facts)
        if quotient is not None and quotient is not ONE and d is not ONE:
            extents.append(quotient)
            extent = d
    return [*extents, extent]


def _quotient(extent: Poly, divisor: Poly, facts: Facts) -> Poly | None:
    """q with extent = q * divisor: by their terms, or as facts say of the extent or of its parts."""
    quotient, rest = algebra.divide_terms(extent, divisor)
    if rest is algebra.ZERO:
        return quotient
    match divisor.atom:
        case Quotient(n, parts) if n is extent and algebra.equal(algebra.mod(extent, parts), algebra.ZERO, facts):
            return parts
    if extent.atom is not None:
        for f in facts:
            found = algebra.split(f, extent.atom)
            if found is not None and found[0] is ONE and algebra.equal(f, algebra.ZERO, facts):
                quotient, rest = algebra.divide_terms(-found[1], divisor)
                if rest is algebra.ZERO:
                    return quotient
    return None
