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
    """The rules in one nest; None where one reads another elsewhere than at its own indices."""
    classes = joined(rules)
    return None if classes is None else Space(tuple(rules), classes.loops(facts))


def joined(rules: Sequence[Rule]) -> Classes | None:
    """The classes of indices that are one axis, where the rules are in one nest; None where they can't be."""
    members = {r.tensor: r for r in rules if r.tensor is not None}
    classes = Classes(rules)
    for r in rules:
        for tensor, places in r.reads:
            p = members.get(tensor)
            if p is None:
                continue
            for place, axis in zip(places, p.axes, strict=True):
                if axis.extent is not ONE and (place is None or not classes.union(r, place, p, axis)):
                    return None
    first: dict[tuple[Tensor, int, Poly, bool], tuple[Rule, Index]] = {}
    for r in rules:
        for tensor, places in r.reads:
            if tensor not in members:
                for position, place in enumerate(places):
                    if place is not None and place.extent is not ONE:
                        other, axis = first.setdefault((tensor, position, place.extent, r.repeated), (r, place))
                        if other is not r or axis is not place:
                            classes.union(r, place, other, axis)
    return classes


class Classes:
    """Union-find over the indices of rules, which are numbered; a class has at most one index of a rule, and one extent."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.start: dict[Rule, int] = {}
        self.indices: list[Index] = []
        self.inside: list[int] = []  # of each root, a bit for each rule that has an index in the class
        for bit, r in enumerate(rules):
            self.start[r] = len(self.indices)
            self.indices += r.space
            self.inside += [1 << bit] * len(r.space)
        self.parent = list(range(len(self.indices)))

    def find(self, number: int) -> int:
        parent = self.parent
        while parent[number] != number:
            number = parent[number]
        return number

    def union(self, r: Rule, a: Index, p: Rule, b: Index) -> bool:
        """Make the two one; False where they may not be."""
        m, n = r.numbers.get(a), p.numbers.get(b)
        if m is None or n is None or a.extent is not b.extent:
            return False
        x, y = self.find(self.start[r] + m), self.find(self.start[p] + n)
        if x == y:
            return True
        inside = self.inside
        if inside[x] & inside[y]:
            return False
        if inside[x].bit_count() < inside[y].bit_count():
            x, y = y, x
        self.parent[y] = x
        inside[x] |= inside[y]
        return True

    def loops(self, facts: Facts = NO_FACTS) -> dict[tuple[Rule, Index], Loops]:
        divisors: dict[int, set[Poly]] = {}
        for r in self.rules:
            for a, d in r.divided:
                number = r.numbers.get(a)
                if number is not None:
                    divisors.setdefault(self.find(self.start[r] + number), set()).add(d)
        made: dict[int, Loops] = {}
        result: dict[tuple[Rule, Index], Loops] = {}
        count = 0
        for r in self.rules:
            for number, a in enumerate(r.space, self.start[r]):
                root = self.find(number)
                found = made.get(root)
                if found is None:
                    extents = _digits(self.indices[root].extent, divisors.get(root, ()), facts)
                    found = made[root] = tuple(Index(count + n, e) for n, e in enumerate(extents))
                    count += len(extents)
                result[r, a] = found
        return result


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
