"""Loops over rows that follow one another in memory, as one long loop: where they do, the outer ones run over one point, the innermost over
all points, and addresses come out right by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.backends.llvm import index
from tensorc.backends.llvm.context import Context
from tensorc.backends.llvm.types import Value, integer
from tensorc.ir import walk
from tensorc.ir.tensor import Int, IsZero, Load, Nonnegative
from tensorc.loops.nest import SERIAL, For, Let, Memory, Scratch, Statement, Store, Var, scalars

LONG = 512
"""Rows of so many points, where that is known, are long enough."""


def joined(loop: For) -> tuple[For, ...]:
    """The loops of a nest of maps that can be one, the outermost first; none where fewer than two can."""
    chain = [loop]
    while len(chain[-1].body) == 1 and isinstance(chain[-1].body[0], For):
        chain.append(chain[-1].body[0])
    *outer, last = chain
    if last.bind.kind != "vector" or any(s.bind != SERIAL for s in outer) or not all(isinstance(s, (Let, Store)) for s in last.body):
        return ()
    if not all(s.parallel and not s.within and s.part is None and not s.only for s in chain) or _is_long(last):
        return ()
    return next((tuple(chain[n:]) for n in range(len(outer)) if _can_be_one([s.axis for s in chain[n:]], last.body)), ())


def _is_long(loop: For) -> bool:
    return loop.axis.extent.constant is not None and loop.axis.extent.constant >= LONG


def _can_be_one(axes: Sequence[Index], body: Sequence[Statement]) -> bool:
    """Whether the statements use these axes as all subscripts of a part of some memory, and for nothing else."""
    for memory, subscripts in _accesses(body):
        place = _first(axes, subscripts)
        if place is not None and (
            isinstance(memory, Scratch)
            or [s.atom for s in subscripts[place : place + len(axes)]] != list(axes)
            or [*memory.extents[place : place + len(axes)]] != [a.extent for a in axes]
            or any(not algebra.indices(s).isdisjoint(axes) for s in subscripts[place + len(axes) :])
        ):
            return False
    for value in (v for s in body for v in scalars(s)):
        for part in walk.postorder(value):
            if isinstance(part, (Int, Nonnegative, IsZero)) and not algebra.indices(part.value).isdisjoint(axes):
                return False
    return True


def _accesses(body: Sequence[Statement]) -> list[tuple[Memory, tuple[Poly, ...]]]:
    """What statements read and write of memory, each place once."""
    found: dict[tuple[Memory, tuple[Poly, ...]], None] = {}
    for s in body:
        if isinstance(s, Store):
            found[s.memory, s.subscripts] = None
        for load in (load for value in scalars(s) for load in walk.loads(value)):
            assert isinstance(load, Load)
            if not isinstance(load.tensor, Var):
                found[load.tensor, load.subscripts] = None  # type: ignore[index]  # what a nest reads is memory
    return list(found)


def _first(axes: Sequence[Index], subscripts: Sequence[Poly]) -> int | None:
    return next((n for n, s in enumerate(subscripts) if not algebra.indices(s).isdisjoint(axes)), None)


def join(context: Context, loops: Sequence[For]) -> None:
    """Gives loops their extents: where the rows of all memory follow one another, that of one long row."""
    code, axes = context.code, [s.axis for s in loops]
    extents = [index.number(context, a.extent, {}) for a in axes]
    apart: dict[str, Value] = {}
    for memory, subscripts in _accesses(loops[-1].body):
        place = _first(axes, subscripts)
        if place is not None:
            strides = context.places[memory].strides[place : place + len(axes)]
            for outer, inner, extent in zip(strides, strides[1:], extents[1:], strict=False):
                row = code.mul(inner, extent)
                if row.text != outer.text:
                    made = code.compare("icmp ne", outer, row)
                    apart[made.text] = made
    whole = integer(1)
    for extent in extents:
        whole = code.mul(whole, extent)
    are_apart: Value | None = None
    for made in apart.values():
        are_apart = made if are_apart is None else code.binary("or", are_apart, made)
    for axis, extent in zip(axes, extents, strict=True):
        joint = whole if axis is axes[-1] else integer(1)
        context.extents[axis] = joint if are_apart is None else code.select(are_apart, extent, joint)
