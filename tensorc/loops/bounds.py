"""Which subscripts are proved to lie inside their tensor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from tensorc import algebra
from tensorc.algebra import Facts, Index, Poly, poly
from tensorc.ir.tensor import Tensor


def inside(tensor: Tensor, subscripts: tuple[Poly, ...], facts: Facts) -> tuple[bool, ...]:
    """For each subscript, whether 0 <= subscript < extent is proved at every point that a loop visits (so that each of its axes has an
    extent of at least 1).
    """
    return tuple(_inside(s, e, facts) for s, e in zip(subscripts, tensor.extents, strict=True))


def _inside(subscript: Poly, extent: Poly, facts: Facts) -> bool:
    atom = subscript.atom
    if isinstance(atom, algebra.Index) and atom.extent is extent:
        return True
    if isinstance(atom, algebra.Quotient):  # n // d < e where n < d * e
        return algebra.nonnegative(atom.numerator, facts) and algebra.nonnegative(extent * atom.divisor - 1 - atom.numerator, facts)
    return algebra.nonnegative(subscript, facts) and algebra.nonnegative(extent - 1 - subscript, facts)


Number = TypeVar("Number")


def is_bound(guard: Poly, axis: Index, points: Collection[Index] = ()) -> bool:
    """Whether a loop over the axis, in serial ones over `points`, may be narrowed by a guard: see `nest.For.only`."""
    parts = algebra.split(guard, axis)
    if parts is None or parts[0].constant not in (1, -1):
        return False
    return fixed(guard) <= set(points)


def fixed(guard: Poly) -> frozenset[Index]:
    """The axes that loops outside of one that a guard narrows are over, each a point at a time: it is no sum of multiples of them."""
    return frozenset(i for m, _ in guard.terms for a in m if not (isinstance(a, Index) and len(m) == 1) for i in algebra.indices(poly(a)))


def greatest(rest: Poly, end: Callable[[Index, bool], Number], total: Callable[[Poly, Iterable[tuple[int, Number]]], Number]) -> Number:
    """The most that the rest of such a guard is: `end` gives the first or last point of an axis, `total` adds to a sum of all else."""
    sizes = Poly(tuple((m, c) for m, c in rest.terms if not any(isinstance(a, Index) for a in m)))
    terms = [(c, end(m[0], c > 0)) for m, c in rest.terms if len(m) == 1 and isinstance(m[0], Index)]
    return total(sizes, terms)
