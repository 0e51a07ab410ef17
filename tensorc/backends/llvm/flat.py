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
from tensorc.loops.nest import SERIAL, Fold, For, Let, Memory, Scratch, Statement, Store, Var, scalars

LONG = 512
"""Rows of so many points, where that is known, are long enough."""


def joined(loop: For) -> tuple[For, ...]:
    """The loops of a nest of maps that can be one, the outermost first; none where fewer than two can."""
    chain = _chain(loop)
    *outer, last = chain
    if (
        not _are_plain(chain)
        or not all(s.parallel and s.part is None for s in chain)
        or not all(isinstance(s, (Let, Store)) for s in last.body)
    ):
        return ()
    return next((tuple(chain[n:]) for n in range(len(outer)) if _can_be_one([s.axis for s in chain[n:]], last.body)), ())


def rows(context: Context, loop: For) -> tuple[For, ...]:
    """The loops of a nest inside of a kernel's other loops, of maps and of what they all fold over, where it can be one; else none."""
    chain = _chain(loop)
    axes, body = [s.axis for s in chain], chain[-1].body
    if len(chain) < 2 or not _are_plain(chain) or any(s.part is not None for s in chain[1:]):
        return ()
    if any(a in context.shares or a in context.extents for a in axes):
        return ()
    if not all(isinstance(s, (Let, Store)) or (isinstance(s, Fold) and set(axes) <= set(s.over)) for s in body):
        return ()
    return tuple(chain) if _can_be_one(axes, body, context) else ()


def _chain(loop: For) -> list[For]:
    """A loop and those inside of it, as long as nothing stands beside them."""
    chain = [loop]
    while len(chain[-1].body) == 1 and isinstance(chain[-1].body[0], For):
        chain.append(chain[-1].body[0])
    return chain


def _are_plain(chain: Sequence[For]) -> bool:
    """Whether loops are over whole axes, a point at a time but for lanes at last."""
    *outer, last = chain
    if last.bind.kind != "vector" or any(s.bind != SERIAL for s in outer) or _is_long(last):
        return False
    return not any(s.within or s.only for s in chain)


def _is_long(loop: For) -> bool:
    return loop.axis.extent.constant is not None and loop.axis.extent.constant >= LONG


def _can_be_one(axes: Sequence[Index], body: Sequence[Statement], context: Context | None = None) -> bool:
    """Whether the statements use these axes as all subscripts of a part of some memory, and for nothing else.

    Where there is a context that proves it inside, the first of them may be a range of an axis.
    """
    for memory, subscripts in _accesses(body):
        place = _first(axes, subscripts)
        if place is None:
            continue
        if isinstance(memory, Scratch) or any(not algebra.indices(s).isdisjoint(axes) for s in subscripts[place + len(axes) :]):
            return False
        first, own = subscripts[place] - axes[0], slice(place + 1, place + len(axes))
        if [s.atom for s in subscripts[own]] != list(axes[1:]) or [*memory.extents[own]] != [a.extent for a in axes[1:]]:
            return False
        is_whole = first == algebra.ZERO and memory.extents[place] == axes[0].extent
        may_start = context is not None and algebra.indices(first).isdisjoint(axes) and context.inside(memory, subscripts)[place]
        if not is_whole and not may_start:
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
    apart = _are_apart(context, loops, extents[1:])
    whole = integer(1)
    for extent in extents:
        whole = code.mul(whole, extent)
    for axis, extent in zip(axes, extents, strict=True):
        joint = whole if axis is axes[-1] else integer(1)
        context.extents[axis] = joint if apart is None else code.select(apart, extent, joint)


def join_rows(context: Context, loops: Sequence[For], start: Value, stop: Value) -> Value:
    """The same of loops of which the outermost runs from `start` to `stop`: gives where it ends."""
    code, axes = context.code, [s.axis for s in loops[1:]]
    extents = [index.number(context, a.extent, {}) for a in axes]
    apart = _are_apart(context, loops, extents)
    whole = code.sub(stop, start)
    for extent in extents:
        whole = code.mul(whole, extent)
    for axis, extent in zip(axes, extents, strict=True):
        joint = whole if axis is axes[-1] else integer(1)
        context.extents[axis] = joint if apart is None else code.select(apart, extent, joint)
    once = code.least(stop, code.add(start, integer(1)))
    return once if apart is None else code.select(apart, stop, once)


def _are_apart(context: Context, loops: Sequence[For], inner: Sequence[Value]) -> Value | None:
    """Whether rows of some memory do not follow one another; `inner` are the extents of all loops but the outermost."""
    code, axes = context.code, [s.axis for s in loops]
    apart: dict[str, Value] = {}
    for memory, subscripts in _accesses(loops[-1].body):
        place = _first(axes, subscripts)
        if place is not None:
            strides = context.places[memory].strides[place : place + len(axes)]
            for outer, along, extent in zip(strides, strides[1:], inner, strict=False):
                row = code.mul(along, extent)
                if row.text != outer.text:
                    made = code.compare("icmp ne", outer, row)
                    apart[made.text] = made
    found: Value | None = None
    for made in apart.values():
        found = made if found is None else code.binary("or", found, made)
    return found
