"""Which loops of a kernel are shared out among threads, and where in them a chunk begins and ends.

A kernel runs in pieces, one after the other. A piece whose outer loops are parallel is a function of a range of their blocks, counted
through all of them: a chunk of a nest of 3 rows of 1000 blocks may begin in the middle of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorc.algebra import Poly
from tensorc.backends.llvm import flat, index
from tensorc.backends.llvm.context import Context, Share
from tensorc.backends.llvm.types import Value, integer
from tensorc.ir import walk
from tensorc.ir.tensor import Input
from tensorc.loops.nest import (
    SERIAL,
    Bind,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Scratch,
    SortRow,
    Statement,
    Store,
    Update,
    Var,
    scalars,
    statements,
)

SHORT = 512
"""A loop of so many points, where that is known, is not divided."""


@dataclass(frozen=True)
class Piece:
    """Statements that run together. `shared`: the loops whose blocks are shared out, the outermost first, each all that stands in the one
    around it; none where the piece runs as a whole. `joined`: those of them that may be one (see `flat`).
    """

    body: tuple[Statement, ...]
    shared: tuple[For, ...]
    joined: tuple[For, ...] = ()

    def steps(self, lanes: int) -> tuple[tuple[Poly, int], ...]:
        """The extents of the loops that are shared out, and how many points a block of each has."""
        return tuple((loop.axis.extent, _step(loop.bind, lanes)) for loop in self.shared)


def pieces(kernel: Kernel) -> tuple[Piece, ...]:
    """A kernel in pieces that share neither variables nor scratch; in one piece, run as a whole, where some would."""
    found: list[list[Statement]] = []
    for s in kernel.body:
        shared = isinstance(s, For) and s.parallel
        if shared or not found or _is_shared(found[-1]):
            found.append([s])
        else:
            found[-1].append(s)
    used: set[Input] = set()
    for part in found:
        own = _own(part)
        if used & own:
            return (Piece(kernel.body, ()),)
        used |= own
    return tuple(_piece(tuple(part)) for part in found)


def _piece(part: tuple[Statement, ...]) -> Piece:
    root = part[0]
    if not isinstance(root, For) or not root.parallel:
        return Piece(part, ())
    joined = flat.joined(root)
    return Piece(part, _shared(root, bool(joined)), joined)


def _is_shared(part: Sequence[Statement]) -> bool:
    return isinstance(part[0], For) and part[0].parallel


def _own(part: Sequence[Statement]) -> set[Input]:
    """The variables and the scratch that statements name."""
    found: set[Input] = set()
    for s in statements(tuple(part)):
        found |= {load.tensor for value in scalars(s) for load in walk.loads(value) if isinstance(load.tensor, (Var, Scratch))}
        match s:
            case Let(var) | Init(var) | Fold(var) | Done(var):
                found.add(var)
            case Store(Scratch() as memory) | Update(Scratch() as memory):
                found.add(memory)
            case SortRow():
                found.add(s.work)
            case _:
                pass
    return found


def _shared(loop: For, is_joined: bool) -> tuple[For, ...]:
    match loop:
        case For(_, bind, (For(parallel=True, part=None) as inner,)) if bind == SERIAL and not inner.within:
            return (loop, *_shared(inner, is_joined)) if is_joined or not _is_short(inner) else (loop,)
        case _:
            return (loop,)


def _is_short(loop: For) -> bool:
    return loop.bind.kind == "vector" and loop.axis.extent.constant is not None and loop.axis.extent.constant <= SHORT


def _step(bind: Bind, lanes: int) -> int:
    return bind.count * (lanes if bind.kind == "vector" else 1)


# Chunks.


def begin(context: Context, piece: Piece, low: Value, high: Value) -> None:
    """From here on the loops of a piece run over the blocks from `low` on and before `high`; where some are one, over that share of it."""
    code = context.code
    if piece.joined:
        counted = _blocks(context, piece)
        flat.join(context, piece.joined)
        whole = _blocks(context, piece)
        low, high = (code.binary("sdiv", code.mul(n, whole), counted) for n in (low, high))
    inner, inside = None, integer(1)
    for loop in reversed(piece.shared):
        step = _step(loop.bind, context.lanes)
        context.shares[loop.axis] = Share(low, high, step, inside, inner)
        inner, inside = loop.axis, code.mul(inside, _blocks_of(context, loop))


def _blocks(context: Context, piece: Piece) -> Value:
    total = integer(1)
    for loop in piece.shared:
        total = context.code.mul(total, _blocks_of(context, loop))
    return total


def _blocks_of(context: Context, loop: For) -> Value:
    code, step = context.code, _step(loop.bind, context.lanes)
    extent = context.extents.get(loop.axis) or index.number(context, loop.axis.extent, {})
    return extent if step == 1 else code.binary("sdiv", code.add(extent, integer(step - 1)), integer(step))


def span(context: Context, share: Share, extent: Value) -> tuple[Value, Value]:
    """The first point and the end of a loop's chunk."""
    code = context.code
    low, high = share.low, share.high
    if share.inner is not None:
        low = code.binary("sdiv", low, share.inside)
        high = code.binary("sdiv", code.add(high, code.sub(share.inside, integer(1))), share.inside)
    step = integer(share.step)
    return code.mul(low, step), code.least(code.mul(high, step), extent)


def enter(context: Context, share: Share, block: Value) -> None:
    """At a block of a loop, the chunk of the loop inside: of the blocks that it has there, those in the range."""
    if share.inner is None:
        return
    code = context.code
    before = code.mul(block, share.inside)
    inner = context.shares[share.inner]
    low = code.greatest(code.sub(share.low, before), integer(0))
    high = code.least(code.sub(share.high, before), share.inside)
    context.shares[share.inner] = Share(low, high, inner.step, inner.inside, inner.inner)
