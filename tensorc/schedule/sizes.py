"""How large sizes are taken to be where they are not known: estimates that decisions rest on, and never what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tensorc.algebra import Poly, Quotient, Remainder, Size, atoms, evaluate, sizes
from tensorc.ir import walk
from tensorc.ir.program import Program

UNKNOWN = 512
"""A size of which nothing is known."""

MANY = 4096
"""Rows, where there may be many."""

PART = 64
"""The least that a part of an axis is taken to be of which nothing is known."""

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
        whole = evaluate(extent.atom.numerator, found) if isinstance(extent.atom, Quotient) else 0
        return max(evaluate(extent, found), PART if whole >= UNKNOWN else 1)

    return estimate


def many(program: Program, known: Mapping[str, int] | None = None) -> Estimate:
    """The same where there are many rows in arrays: as is to be feared where what there is for each pair of them would be kept."""
    rows = {e.atom.name for t in program.inputs for e in t.extents[:-1] if isinstance(e.atom, Size)}
    return estimates(program, {**dict.fromkeys(rows, MANY), **(known or {})})


def _subtracted(p: Poly) -> Iterator[Size]:
    """The sizes that are subtracted in a difference."""
    yield from (a for m, c in p.terms if c < 0 and len(m) == 1 for a in m if isinstance(a, Size))
    for a in atoms(p):
        if isinstance(a, (Quotient, Remainder)):
            yield from (b for m, c in a.numerator.terms if c < 0 and len(m) == 1 for b in m if isinstance(b, Size))
