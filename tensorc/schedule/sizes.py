"""How large sizes are taken to be where they are not known: estimates that decisions rest on, and never what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tensorc.algebra import ONE, Index, Poly, Quotient, Remainder, Size, atoms, evaluate, sizes
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Define, Tensor
from tensorc.schedule.rules import contracts

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


FEW_ROWS, LONG_ROW = 16, 1 << 16
"""Fewer rows than the first, each at least as long as the second, are divided among threads (see `rows`)."""


@dataclass(frozen=True)
class Deciding:
    """What of a call's sizes decides about its schedule. `sizes`: those that do. `rows`: of each reduction how many rows it has, and how
    long they are, where nothing else matters; None where there is a contraction, for which every size matters.
    """

    sizes: tuple[str, ...]
    rows: tuple[tuple[Poly, Poly], ...] | None

    def class_of(self, known: Mapping[str, int]) -> Class:
        """The class of sizes, of which some may not be known."""
        found = {name: known[name] for name in self.sizes if name in known}
        if self.rows is None:
            return class_of(found)
        if len(found) < len(self.sizes) or not any(_is_long(evaluate(n, found), evaluate(m, found)) for n, m in self.rows):
            return ()
        return tuple(
            (name, 2 if size < FEW_ROWS else 2 * LONG_ROW if size >= LONG_ROW else UNKNOWN) for name, size in sorted(found.items())
        )


def _is_long(rows: int, length: int) -> bool:
    return rows < FEW_ROWS and length >= LONG_ROW


def deciding(program: Program) -> Deciding | None:
    """What decides about the program's schedule; None where nothing does."""
    tensors = walk.topological(program.outputs)
    every = tuple(sorted({s.name for x in program.inputs for e in x.extents for s in sizes(e)}))
    if any(isinstance(t, Define) and _is_contraction(t) for t in tensors):
        return Deciding(every, None)
    reductions = [t for t in tensors if isinstance(t, Define) and t.monoid is not None]
    rows = {(_points(t.indices), _points(t.reduced)) for t in reductions}
    rows = {(n, m) for n, m in rows if n is not ONE or _is_read_along(m, tensors)}
    rows = {(n, m) for n, m in rows if n.constant is None or n.constant < FEW_ROWS}
    needed = {s for pair in rows for p in pair for s in sizes(p)}
    return Deciding(every, tuple(rows)) if needed and {s.name for s in needed} <= set(every) else None


def _is_read_along(count: Poly, tensors: Sequence[Tensor]) -> bool:
    """Whether something that depends on a total of so many points has as many itself: then one sweep is not all. `tensors` are in order."""
    made: set[Tensor] = set()  # totals, and what depends on them
    for t in tensors:
        depends = any(s in made for s in walk.sources(t))
        if isinstance(t, Define):
            if depends and _points(t.indices + t.reduced) is count:
                return True
            depends = depends or (t.monoid is not None and _points(t.indices) is ONE and _points(t.reduced) is count)
        if depends:
            made.add(t)
    return False


def _points(axes: Sequence[Index]) -> Poly:
    total = ONE
    for a in axes:
        total = total * a.extent
    return total


def _is_contraction(t: Define) -> bool:
    """Whether it reduces what is made of several elements, each of which is read many times."""
    return t.monoid is not None and contracts(walk.loads(t.body), t.indices + t.reduced)
