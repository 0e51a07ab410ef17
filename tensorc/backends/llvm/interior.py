"""Guards that hold in all of a loop but a few points at its ends, where the interior is done without them; and guards that divide a loop.

`where(j >= 1, u[j - 1], 0)` under a loop over j needs its test for the first point only, and `where(j < M, x[j], y[j - M])` none in either
part of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorc import algebra
from tensorc.algebra import Facts, Index, Poly
from tensorc.ir import walk
from tensorc.ir.tensor import Nonnegative, Scalar
from tensorc.loops.nest import For, Let, Store, scalars, statements

FEW = 64
"""An end with more points than this is no end: its guard divides the loop in two."""


SHORT = 8
"""Statements in a loop, at most, that are worth being written twice."""


@dataclass(frozen=True)
class Interior:
    """Within `low` .. extent - `high`, every polynomial of `guards` is at least 0."""

    low: int
    high: int
    guards: frozenset[Poly]


def interior(loop: For, facts: Facts) -> Interior | None:
    """The interior of a loop, where any guard in its body has one."""
    low, high = 0, 0
    found: set[Poly] = set()
    for guard in _guards(loop):
        ends = _ends(guard, loop.axis, facts)
        if ends is not None:
            low, high = max(low, ends[0]), max(high, ends[1])
            found.add(guard)
    return Interior(low, high, frozenset(found)) if found else None


def boundary(loop: For, facts: Facts, known: frozenset[Poly]) -> Poly | None:
    """A guard that divides a loop in two, in each of which it is decided; `known` are those that are already.

    Only where the loop makes every point by itself: what is folded stays in one sweep.
    """
    inside = list(statements(loop.body))
    if not all(isinstance(s, (Let, Store)) or (isinstance(s, For) and not s.only) for s in inside) or len(inside) > SHORT:
        return None
    inner = {s.axis for s in inside if isinstance(s, For)}
    for guard in _guards(loop):
        parts = algebra.split(guard, loop.axis)
        if guard in known or -guard - 1 in known or parts is None or parts[0].constant not in (1, -1):
            continue
        if inner.isdisjoint(algebra.indices(parts[1])) and not algebra.elements(parts[1]) and _ends(guard, loop.axis, facts) is None:
            return guard
    return None


def _guards(loop: For) -> Iterator[Poly]:
    for statement in statements(loop.body):
        for s in scalars(statement):
            yield from (guard for guard in _guards_of(s) if loop.axis in algebra.indices(guard))


def _guards_of(s: Scalar) -> list[Poly]:
    return [part.value for part in walk.postorder(s) if isinstance(part, Nonnegative)]


def _ends(guard: Poly, axis: Index, facts: Facts) -> tuple[int, int] | None:
    """How many points the guard may be false at, at the start and at the end of the axis; None where that may be many."""
    parts = algebra.split(guard, axis)
    if parts is None or parts[0].constant not in (1, -1):
        return None
    least = algebra.bound(parts[1], False, facts)
    if least is None or not algebra.is_static(least):
        return None
    outside = -least if parts[0].constant == 1 else axis.extent - 1 - least
    count = outside.constant
    if count is None or count > FEW:
        return None
    return (max(count, 0), 0) if parts[0].constant == 1 else (0, max(count, 0))
