"""Copies of what lies side by side already: where a call has few rows of them to copy, they are read where they are.

A panel has the lanes of a tile next to one another for all that is reduced. Where memory has them so too, all that a copy does is to bring
rows closer together, which is worth its time if they are many. So what reads the panel reads through an address and strides that are those
of the memory itself where they are few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, Remainder, poly
from tensorc.backends.llvm import access, index, padding
from tensorc.backends.llvm.context import Block, Context, Place
from tensorc.backends.llvm.types import Value, integer
from tensorc.ir import walk
from tensorc.ir.tensor import Input, Load
from tensorc.loops.nest import SERIAL, Bind, For, Memory, Scratch, Statement, Store, Var, scalars, statements

LINES = 48
"""So many rows of memory that lie apart are as near as a copy of them is: the nearest cache holds them until the next block reads them."""


@dataclass(frozen=True)
class _Copy:
    panel: Scratch
    memory: Memory
    subscripts: tuple[Poly, ...]
    inner: tuple[Index, ...]
    lanes: Index


def unless(context: Context, s: For, rest: Sequence[Statement]) -> Value | None:
    """Where a loop makes a panel of what lies side by side: the condition on which that is left out, what `rest` reads being changed
    accordingly.
    """
    copy = _copy(context, s)
    if copy is None or not _may_be_direct(context, copy, rest):
        return None
    code = context.code
    lines = integer(1)
    for a in copy.inner:
        lines = code.mul(lines, index.number(context, a.extent, {}))
    few = code.compare("icmp sle", lines, integer(LINES))
    own, memory = context.own_places.setdefault(copy.panel, context.places[copy.panel]), context.places[copy.memory]
    steps = [_step(context, copy, memory, a) for a in copy.inner]
    strides = tuple(code.select(few, a, b) for a, b in zip(steps, own.strides[:-1], strict=True))
    pointer = code.select(few, _first(context, copy), own.pointer)
    context.places[copy.panel] = Place(pointer, (*strides, own.strides[-1]), 1)
    return few


def _copy(context: Context, s: For) -> _Copy | None:
    """The panel that a loop makes, all of it, of memory that nothing writes."""
    inner: list[Index] = []
    while s.bind == SERIAL and not s.within and s.part is None and not s.only and len(s.body) == 1 and isinstance(s.body[0], For):
        inner.append(s.axis)
        s = s.body[0]
    match s:
        case For(lanes, Bind("vector", 1), (Store(Scratch() as panel, places, Load(Input() as memory, subscripts), None),), within=True):
            if isinstance(memory, (Scratch, Var)) or memory in context.written or not inner or lanes not in context.tiles:
                return None
            wanted = (*map(poly, inner), poly(Remainder(poly(lanes), poly(context.tiles[lanes][-1].count))))
            return _Copy(panel, memory, subscripts, tuple(inner), lanes) if places == wanted else None
        case _:
            return None


def _may_be_direct(context: Context, copy: _Copy, rest: Sequence[Statement]) -> bool:
    """Whether the memory may be read wherever the panel is, lanes being next to one another."""
    side_by_side = _step(context, copy, context.places[copy.memory], copy.lanes).number == 1
    if not side_by_side or not all(context.inside(copy.memory, copy.subscripts)):
        return False
    if any(algebra.split(p, a) is None for p in copy.subscripts for a in (*copy.inner, copy.lanes)):
        return False
    readers = list(_readers(rest, copy.panel))
    return bool(readers) and all(
        r.axis is copy.lanes and r.within and not any(padding.may_be_padded(context, r, n * context.lanes) for n in {1, r.bind.count})
        for r in readers
    )


def _readers(body: Sequence[Statement], panel: Scratch) -> Iterator[For]:
    """The loops over lanes in which a panel is read."""
    for s in body:
        if isinstance(s, For):
            inside = (load.tensor for t in statements(s.body) for value in scalars(t) for load in walk.loads(value))
            if s.bind.kind != "vector":
                yield from _readers(s.body, panel)
            elif any(t is panel for t in inside):
                yield s


def _step(context: Context, copy: _Copy, memory: Place, axis: Index) -> Value:
    """How many elements of the memory a step along an axis is."""
    code, total = context.code, integer(0)
    for p, stride in zip(copy.subscripts, memory.strides, strict=True):
        parts = algebra.split(p, axis)
        if parts is not None and axis in algebra.indices(p):
            total = code.add(total, code.mul(index.number(context, parts[0], {}), stride))
    return total


def _first(context: Context, copy: _Copy) -> Value:
    """The address of the first element that the panel has."""
    values: dict[Atom, Poly] = dict.fromkeys(copy.inner, algebra.ZERO)
    subscripts = tuple(algebra.substitute(p, values) for p in copy.subscripts)
    with context.known.aside():  # where the lanes are elsewhere
        context.bind(copy.lanes, Block(context.tiles[copy.lanes][-1].start, 1, False))
        found = access.address(context, copy.memory, subscripts, {}, reading=False).pointer
    del context.bound[copy.lanes]
    return found
