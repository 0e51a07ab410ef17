"""How large sizes are taken to be where they are not known: estimates that decisions rest on, and never what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod

from tensorc.algebra import Index, Poly, Quotient, Remainder, Size, atoms, evaluate, indices, sizes
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Define

UNKNOWN = 512
"""A size of which nothing is known."""

SMALL = 3
"""A size of which it is known that it is subtracted from another, as a window is."""

Estimate = Callable[[Poly], int]


def estimates(program: Program, known: Mapping[str, int] | None = None) -> Estimate:
    """About how large each extent of a program is, where some sizes are known."""
    found = {s.name: UNKNOWN for s in walk.sizes(program.outputs)}
    found |= {s.name: UNKNOWN for t in program.inputs for e in t.extents for s in sizes(e)}
    for t in walk.topological(program.outputs):
        for p in walk.tensor_polys(t):
            found |= {s.name: SMALL for s in _subtracted(p)}
    found |= known or {}

    def estimate(extent: Poly) -> int:
        return max(evaluate(extent, found), 1)

    return estimate


def _subtracted(p: Poly) -> Iterator[Size]:
    """The sizes that are subtracted in a difference."""
    yield from (a for m, c in p.terms if c < 0 and len(m) == 1 for a in m if isinstance(a, Size))
    for a in atoms(p):
        if isinstance(a, (Quotient, Remainder)):
            yield from (b for m, c in a.numerator.terms if c < 0 and len(m) == 1 for b in m if isinstance(b, Size))


# Classes.

Class = tuple[tuple[str, int], ...]
"""Sizes by name, in order, each as that of its class."""


FEW = 1 << 16
"""So few points are done in no time, whatever is decided."""


def class_of(sizes: Mapping[str, int]) -> Class:
    """The class of sizes, for all of which one schedule serves: each from 0 to 3, to 12, to 48 and so on; or all of few points."""
    if prod(sizes.values()) <= FEW:
        return ()
    return tuple((name, _middle(size)) for name, size in sorted(sizes.items()))


def _middle(size: int) -> int:
    middle = 2
    reach = 3
    while size > reach:
        middle, reach = 2 * reach, 4 * reach
    return middle


def deciding(program: Program) -> tuple[str, ...]:
    """The sizes that a schedule of the program depends on: all, where there is a contraction."""
    if not any(isinstance(t, Define) and _is_contraction(t) for t in walk.topological(program.outputs)):
        return ()
    return tuple(sorted({s.name for x in program.inputs for e in x.extents for s in sizes(e)}))


def _is_contraction(t: Define) -> bool:
    """Whether it reduces what is made of several elements, none of which has all of its axes."""
    read = [frozenset[Index]().union(*map(indices, load.subscripts)) for load in walk.loads(t.body) if load.tensor.extents]
    return t.monoid is not None and len(read) > 1 and not any(set(t.indices + t.reduced) <= axes for axes in read)
