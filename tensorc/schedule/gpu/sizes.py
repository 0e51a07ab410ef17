"""What a GPU schedule knows of sizes: the class that each belongs to, and what follows from it for polynomials of them.

A schedule is made for a class of sizes and serves all of it: a size is known exactly where it is a power of two, else to lie between two
of them and whether 16 divides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly, Quotient, Remainder, Size, poly

MULTIPLES = (16, 8, 4, 1)
"""Which of these divides a row's length says how wide its loads may be."""

MOST = 1 << 40
"""No size is larger."""

ASSUMED = 1 << 10
"""A size of which nothing is known."""


@dataclass(frozen=True)
class Range:
    """The sizes of a class: `low` <= size <= `high`, and `multiple` divides them."""

    low: int
    high: int
    multiple: int

    @property
    def typical(self) -> int:
        if self.low == self.high:
            return self.low
        return max(self.high * 3 // 4 // self.multiple * self.multiple, self.low) if self.high < MOST else 4 * ASSUMED


def class_of(size: int) -> Range:
    """The class of a size."""
    power = power_of_two(size)
    if size in (0, power):
        return Range(size, size, max(size, 1))
    multiple = next(m for m in MULTIPLES if size % m == 0)
    return Range(power // 2 + multiple, power - multiple, multiple)


def power_of_two(count: int) -> int:
    """The least power of two that is at least `count` and 1."""
    return 1 << max(count - 1, 0).bit_length()


@dataclass(frozen=True)
class Sizes:
    """The classes of a program's sizes, by name."""

    ranges: tuple[tuple[str, Range], ...]

    @classmethod
    def of(cls, sizes: Mapping[str, int]) -> Sizes:
        return cls(tuple((name, class_of(n)) for name, n in sorted(sizes.items())))

    @classmethod
    def any(cls, names: Iterable[str]) -> Sizes:
        """Sizes of which nothing is known."""
        return cls(tuple((name, Range(0, MOST, 1)) for name in sorted(names)))

    @cached_property
    def by_name(self) -> Mapping[str, Range]:
        return dict(self.ranges)

    @cached_property
    def typical(self) -> Mapping[str, int]:
        """A size of each class, the same for all of it: decisions are made for these."""
        return {name: r.typical for name, r in self.ranges}

    def estimate(self, p: Poly) -> int:
        """The value of an extent for typical sizes; one that depends on data or on an index is of its bound."""
        if not algebra.is_static(p):
            return self.upper(p)
        return max(algebra.evaluate(p, self.typical), 0)

    def upper(self, p: Poly) -> int:
        """The most that a polynomial of sizes and indices may be in this class."""
        return self.bounds(p)[1]

    def magnitude(self, p: Poly) -> int:
        """The greatest absolute value that the polynomial or anything in it may have, elements of tensors aside: they have 64 bits."""
        inner = [self.magnitude(q) for a in algebra.atoms(p) if isinstance(a, (Quotient, Remainder)) for q in (a.numerator, a.divisor)]
        terms = sum(abs(c) * _product([self._size(a) for a in m]) for m, c in p.terms)
        return max([terms, *inner])

    def _size(self, a: Atom) -> int:
        return 0 if isinstance(a, Element) else max(map(abs, self._atom(a)))

    def bounds(self, p: Poly) -> tuple[int, int]:
        """(least, most) by intervals: what an index's extent, a quotient and a remainder allow."""
        low = high = 0
        for m, c in p.terms:
            ends = (c, c)
            for a in m:
                ends = _times(ends, self._atom(a))
            low, high = low + min(ends), high + max(ends)
        return low, high

    def _atom(self, a: Atom) -> tuple[int, int]:
        match a:
            case Size(name):
                r = self.by_name.get(name)
                return (0, ASSUMED) if r is None else (r.low, r.high)
            case Index(_, extent):
                return 0, max(self.bounds(extent)[1] - 1, 0)
            case Quotient(n, d):
                (low, high), (least, most) = self.bounds(n), self.bounds(d)
                least, most = max(least, 1), max(most, 1)
                return min(low // least, low // most), max(high // least, high // most)
            case Remainder(_, d):
                return 0, max(self.bounds(d)[1] - 1, 0)
            case Element(t, _):
                return t.dtype.range

    def multiple(self, p: Poly) -> int:
        """A power of two that divides the polynomial for all sizes of the class."""
        found = 0
        for m, c in p.terms:
            found = gcd(found, abs(c) * _product([self._multiple(a) for a in m]))
        return found & -found if found else 1 << 30

    def _multiple(self, a: Atom) -> int:
        match a:
            case Size(name) if name in self.by_name:
                return max(self.by_name[name].multiple, 1)
            case Quotient(n, d) if d.constant is not None and d.constant > 0:
                whole = self.multiple(n)
                return whole // d.constant if whole % d.constant == 0 else 1
            case _:
                return 1

    def whole(self, extent: Poly) -> int:
        """The least block that holds all of an axis; of one point only where there is always one."""
        return 1 if self.bounds(extent) == (1, 1) else power_of_two(max(self.upper(extent), 2))

    def is_whole(self, extent: Poly, block: int) -> bool:
        """Whether one block of so many points holds all of an axis."""
        return self.upper(extent) <= block

    def divides(self, block: int, extent: Poly) -> bool:
        """Whether an axis is whole blocks, so that none of them has a tail."""
        return self.multiple(extent) % block == 0 and self.bounds(extent)[0] > 0


def _product(factors: list[int]) -> int:
    result = 1
    for f in factors:
        result *= f
    return result


def _times(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    products = [x * y for x in a for y in b]
    return min(products), max(products)


def index_bits(sizes: Sizes, polys: list[Poly]) -> int:
    """How many bits indices must have, 32 or 64, so that none of the polynomials overflows."""
    return 32 if all(sizes.magnitude(poly(p)) < 1 << 31 for p in polys) else 64
