"""How much there is to do in a nest, from the sizes: an estimate that decides how it is shared out among threads."""

from __future__ import annotations

from functools import cache

from tensorc.algebra import ONE, ZERO, Poly, poly
from tensorc.ir import walk
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.tensor import Apply, IsZero, Load, Nonnegative, Scalar, Select
from tensorc.loops import SMALL as SMALL
from tensorc.loops.nest import For, SortRow, Statement, scalars, statements

LANES = 16
"""What a point costs that is done for itself, in points that are done in lanes."""

SORTED = 4096
"""What an element costs that is sorted."""


def work(body: tuple[Statement, ...]) -> Poly:
    """Instructions for all points of a nest, where one instruction does a register of points: some ten picoseconds a unit."""
    numbers = frozenset(s.part.number for s in statements(body) if isinstance(s, For) and s.part is not None)
    return _work(body, numbers, poly(LANES))


def instructions(body: tuple[Statement, ...]) -> int:
    """Instructions for a point of each of the loops of a body."""
    return sum(_instructions(value) for s in statements(body) for value in scalars(s))


def _work(body: tuple[Statement, ...], numbers: frozenset[object], each: Poly) -> Poly:
    total = ZERO
    for s in body:
        match s:
            case For(axis, bind):
                trips = ONE if axis in numbers or bind.kind == "tile" else axis.extent
                total = total + trips * _work(s.body, numbers, ONE if bind.kind == "vector" else each)
            case SortRow():
                total = total + s.extent * SORTED
            case _:
                total = total + each * (1 + sum(map(_instructions, scalars(s))))
    return total


@cache
def _instructions(s: Scalar) -> int:
    return sum(map(_cost, walk.postorder(s)))


def _cost(s: Scalar) -> int:
    match s:
        case Apply(operation, _, _):
            return OPERATIONS[operation].cost
        case Load() | Select() | Nonnegative() | IsZero():
            return 1
        case _:
            return 0
