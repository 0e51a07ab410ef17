"""Loops over lanes of a tile that leave their values in scratch: the last registers may be computed as whole ones, points or not.

Scratch has a place for every point that a tile may have, so that such a loop needs no second copy of its code for what is left over.
"""

from __future__ import annotations

from tensorc import algebra
from tensorc.algebra import Index, Poly, Remainder, poly
from tensorc.backends.llvm.context import Context
from tensorc.ir import walk
from tensorc.loops.nest import Carry, Fold, For, Init, Scratch, SortRow, Store, Update, Var, scalars, statements


def may_be_padded(context: Context, loop: For, step: int) -> bool:
    """Whether registers of a loop `within` a tile may reach beyond its points, `step` points at a time."""
    count = context.tiles[loop.axis][-1].count
    if count % step or (step > context.lanes and reads_outside(loop)):
        return False
    for s in statements(loop.body):
        match s:
            case Store(memory, places, _, where) | Update(memory, places, _, _, _, where):
                over = s.over if isinstance(s, Update) else ()
                if loop.axis in over or where is not None or not isinstance(memory, Scratch) or not _is_in_tile(places, loop.axis, count):
                    return False
            case Init(_, _, over) | Fold(_, _, _, over):
                if loop.axis in over:
                    return False
            case Carry() | SortRow():
                return False
            case _:
                pass
    return True


def _is_in_tile(places: tuple[Poly, ...], axis: Index, count: int) -> bool:
    """Whether a place depends on the axis by its place in the tile alone."""
    moved = [p for p in places if axis in algebra.indices(p)]
    return bool(moved) and all(p is poly(Remainder(poly(axis), poly(count))) for p in moved)


def reads_outside(loop: For) -> bool:
    """Whether it reads other memory than scratch at places that its lanes move."""
    for s in statements(loop.body):
        for value in scalars(s):
            for load in walk.loads(value):
                if not isinstance(load.tensor, (Scratch, Var)) and any(loop.axis in algebra.indices(p) for p in load.subscripts):
                    return True
    return False
