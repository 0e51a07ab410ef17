"""Sums of products of three or more factors, as sums of products of two: in the order that takes the fewest multiplications.

`sum[j, k](a[i, j] * b[j, k] * c[k, l])` is `sum[k](t[i, k] * c[k, l])` with `t[i, k] = sum[j](a[i, j] * b[j, k])`, or the other way
round; and `(a @ b) @ v` is `a @ (b @ v)`. A product that the program writes itself is only taken apart where nothing else reads it and much
is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, fresh, poly
from tensorc.ir import build, walk
from tensorc.ir.tensor import Apply, Define, Load, Scalar, Tensor
from tensorc.schedule.sizes import Estimate

MOST = 8
"""Factors of a product whose order is thought about."""

WORTH = 2
"""So many times fewer multiplications are worth another order than the program's."""


@dataclass(frozen=True)
class _Way:
    """How some of the factors are multiplied: these alone, or two groups of them with one another."""

    cost: int
    halves: tuple[int, int] | None


def paired(t: Define, single: Callable[[Tensor], bool], estimate: Estimate) -> Define:
    """The definition of a sum of products, or one of the same values by other sums. `single` says whether one alone reads a tensor."""
    if t.monoid != "sum" or not t.dtype.is_float:
        return t
    given = list(_factors(t.body))
    bound = list(t.reduced)
    factors: list[Scalar] = []
    before = 0
    for factor in given:
        before += _opened(factor, single, factors, bound, estimate)
    if len(factors) < 3 or len(factors) > MOST or len(bound) < 2:
        return t
    return _Chain(t, factors, bound, estimate).best(before if len(factors) > len(given) else None)


def _factors(s: Scalar) -> Iterator[Scalar]:
    match s:
        case Apply("mul", (a, b), _):
            yield from _factors(a)
            yield from _factors(b)
        case _:
            yield s


def _opened(factor: Scalar, single: Callable[[Tensor], bool], factors: list[Scalar], bound: list[Index], estimate: Estimate) -> int:
    """Appends a factor, or those of the sum that it is an element of; the multiplications that this sum takes."""
    match factor:
        case Load(Define(extents, "sum", more, body) as read, subscripts) if single(read):
            reduced = [fresh(e) for e in more]
            values: dict[Atom, Poly] = dict(zip(read.indices, subscripts, strict=True))
            values |= {a: poly(b) for a, b in zip(read.reduced, reduced, strict=True)}
            bound += reduced
            factors += _factors(walk.rewrite(body, values))
            return prod(map(estimate, (*extents, *more)))
        case _:
            factors.append(factor)
            return 0


class _Chain:
    def __init__(self, t: Define, factors: Sequence[Scalar], bound: Sequence[Index], estimate: Estimate) -> None:
        self.t = t
        self.factors = factors
        self.bound = frozenset(bound)
        self.space = self.bound | frozenset(t.indices)
        self.estimate = estimate
        self.sets = [frozenset(walk.indices(f)) & self.space for f in factors]
        self.whole = (1 << len(factors)) - 1
        self.ways: dict[int, _Way] = {}

    def best(self, before: int | None) -> Define:
        """The best order, where it is better than what there is: sums inside of sums that take `before`, or one sum of all."""
        direct = self.volume(self.space)
        found = self.way(self.whole)
        if not self.bound <= self.touched(self.whole) or not any(self.removed(mask) for mask in self.inner(self.whole)):
            return self.t
        if before is not None:
            own = before + self.volume(frozenset(self.t.indices) | frozenset(self.t.reduced))
            if found.cost * WORTH > own:
                return self.t
        elif found.cost > direct * WORTH:
            return self.t
        return self.root()

    def volume(self, axes: frozenset[Index]) -> int:
        return prod(self.estimate(a.extent) for a in axes)

    def touched(self, mask: int) -> frozenset[Index]:
        return frozenset[Index]().union(*(s for n, s in enumerate(self.sets) if mask >> n & 1))

    def kept(self, mask: int) -> frozenset[Index]:
        """The axes of the product of some factors, summed over all that no other factor and no result has; one alone has all its own."""
        if mask & (mask - 1) == 0:
            return self.touched(mask)
        return self.touched(mask) & (self.touched(self.whole & ~mask) | frozenset(self.t.indices))

    def removed(self, mask: int) -> frozenset[Index]:
        """What is summed where the factors of a group meet, and not before."""
        halves = self.way(mask).halves
        if halves is None:
            return frozenset()
        return (self.kept(halves[0]) | self.kept(halves[1])) - self.kept(mask)

    def way(self, mask: int) -> _Way:
        found = self.ways.get(mask)
        if found is None:
            found = self.ways[mask] = self._way(mask)
        return found

    def _way(self, mask: int) -> _Way:
        if mask & (mask - 1) == 0:
            return _Way(0, None)
        ways = []
        part = (mask - 1) & mask
        while part:
            other = mask & ~part
            if part > other:
                cost = self.way(part).cost + self.way(other).cost + self.volume(self.kept(part) | self.kept(other))
                ways.append(_Way(cost, (part, other)))
            part = (part - 1) & mask
        return min(ways, key=lambda w: w.cost)

    def inner(self, mask: int) -> Iterator[int]:
        """The groups inside of a group."""
        for half in self.way(mask).halves or ():
            yield half
            yield from self.inner(half)

    # Building.

    def root(self) -> Define:
        halves = self.way(self.whole).halves
        assert halves is not None
        removed = [a for a in self.t.reduced + tuple(self.bound - set(self.t.reduced)) if a in self.removed(self.whole)]
        body = _product([*self.terms(halves[0]), *self.terms(halves[1])])
        made = build.reduction("sum", self.t.indices, removed, body) if removed else build.define(self.t.indices, body)
        assert isinstance(made, Define)
        return made

    def terms(self, mask: int) -> list[Scalar]:
        """The factors of a group: one, where it is summed."""
        halves = self.way(mask).halves
        if halves is None:
            return [self.factors[mask.bit_length() - 1]]
        inside = [*self.terms(halves[0]), *self.terms(halves[1])]
        removed = self.removed(mask)
        if not removed:
            return inside
        axes = sorted(self.kept(mask), key=lambda a: a.level)
        made = build.reduction("sum", axes, sorted(removed, key=lambda a: a.level), _product(inside))
        return [build.load(made, tuple(map(algebra.poly, axes)))]


def _product(factors: Sequence[Scalar]) -> Scalar:
    value = factors[0]
    for factor in factors[1:]:
        value = build.apply("mul", value, factor)
    return value
