"""Asks for the rows that the next block of a loop reads while this one is computed: processors foresee a row once they are in it, and no
sooner.
"""

from __future__ import annotations

from collections.abc import Iterator

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.backends.llvm import access, index
from tensorc.backends.llvm.context import Block, Context
from tensorc.backends.llvm.types import Value, integer
from tensorc.ir import walk
from tensorc.ir.tensor import Load, Tensor
from tensorc.loops.nest import Bind, Fold, For, Memory, Scratch, Statement, Store, Update, Var, scalars

LINES = 4
"""Lines of memory at the begin of a row, until the processor sees what comes."""

SWIFT = 2
"""The same of rows that are read a register at a time: it sees sooner."""

AHEAD = 12
"""Rows between a piece that is copied and one that is fetched."""

LINE = 64
"""Bytes of a line."""

GATHERED = 12
"""Rows between those that are read at places that are data and those that are fetched, which no processor foresees."""


def next_rows(context: Context, loop: For, count: int) -> None:
    """Prefetches the begins of what the folds in the next block of `count` points read along each of its points."""
    for load, lines in dict.fromkeys(_rows(loop)):
        memory = load.tensor
        assert isinstance(memory, Memory)
        values: dict[Atom, Poly] = {a: algebra.ZERO for s in load.subscripts for a in algebra.indices(s) if a not in context.bound}
        values[loop.axis] = loop.axis + poly(count)
        subscripts = tuple(algebra.substitute(s, values) for s in load.subscripts)
        for at in context.points(frozenset((loop.axis,))):
            place = access.address(context, memory, subscripts, at, reading=False)
            for line in range(1 if context.is_narrow else lines):
                _prefetch(context, place.pointer.text, line * LINE)


def copied(context: Context, loop: For) -> None:
    """Prefetches what a loop that copies a piece of a row at each of its points copies some points later: pieces lie far apart."""
    match loop.body:
        case (For(lanes, Bind("vector"), (Store(Scratch(), _, Load(memory, subscripts)),), within=True),):
            if isinstance(memory, (Scratch, Var)) or not isinstance(memory, Memory) or not subscripts:
                return
            if lanes not in algebra.indices(subscripts[-1]) or loop.axis in algebra.indices(subscripts[-1]):
                return
            if not any(loop.axis in algebra.indices(s) for s in subscripts):
                return
            values: dict[Atom, Poly] = {loop.axis: loop.axis + poly(AHEAD)}
            tile = context.tiles[lanes][-1]
            with context.known.aside():  # where the lanes are elsewhere
                context.bind(lanes, Block(tile.start, 1, False))
                place = access.address(context, memory, tuple(algebra.substitute(s, values) for s in subscripts), {}, reading=False)
            del context.bound[lanes]
            for offset in range(0, tile.count * memory.dtype.bytes, LINE):
                _prefetch(context, place.pointer.text, offset)
        case _:
            pass


def gathered(context: Context, loop: For, count: int) -> None:
    """Notes where the rows begin that a loop over lanes inside of this one reads some points later, at places that are data; `ask` asks for
    what lies there where it reads.
    """
    context.coming = []
    match loop.body:
        case (For(lanes, Bind("vector"), within=False) as inner,) if loop.axis.extent.constant != 1 and not loop.within:
            for memory, subscripts in dict.fromkeys(_at_data(inner, loop.axis)):
                around = frozenset[Index]().union(*map(algebra.indices, subscripts)) - {lanes, loop.axis}
                base = context.bound[loop.axis].base
                for point in range(count):
                    saved = context.save()
                    with context.known.aside(anew=True):
                        _move(context, loop.axis, around, context.code.add(base, integer(point + max(GATHERED, count))))
                        context.bind(lanes, Block(integer(0), 1, False))
                        pointer = access.address(context, memory, subscripts, {}, reading=False).pointer
                    context.coming.append((lanes, pointer, memory.dtype.bytes))
                    context.restore(saved)
        case _:
            pass


def ask(context: Context) -> None:
    """Asks for what lies in coming rows where the lanes are."""
    for lanes, pointer, bytes in context.coming:
        block = context.bound.get(lanes)
        if block is not None and block.vector and context.mask is None:
            at = context.code.mul(block.base, integer(bytes))
            text = f"getelementptr i8, ptr {pointer.text}, i64 {at.text}"
            moved = context.code.pure(pointer.type, text, pointer, at)
            for offset in range(0, block.count * context.lanes * bytes, LINE):
                _prefetch(context, moved.text, offset)


def _at_data(lanes: For, axis: Index) -> Iterator[tuple[Memory, tuple[Poly, ...]]]:
    """Memory that a loop over lanes goes along, where data says at which row for each point of an axis."""

    def is_row(memory: Tensor, subscripts: tuple[Poly, ...]) -> bool:
        if isinstance(memory, (Scratch, Var)) or not subscripts:
            return False
        *rows, last = subscripts
        parts = algebra.split(last, lanes.axis)
        data = [algebra.indices(p) for p in rows if algebra.elements(p)]
        own = parts is not None and parts[0] is algebra.ONE and not algebra.elements(last)
        return own and any(axis in found for found in data) and all(lanes.axis not in algebra.indices(p) for p in rows)

    for s in lanes.body:
        if isinstance(s, Update) and is_row(s.memory, s.subscripts):
            yield s.memory, s.subscripts
        for load in (load for value in scalars(s) for load in walk.loads(value)):
            if isinstance(load.tensor, Memory) and is_row(load.tensor, load.subscripts):
                yield load.tensor, load.subscripts


def _move(context: Context, axis: Index, around: frozenset[Index], place: Value) -> None:
    """Binds an axis to a point: beyond its end, to one of the next point of the axis around it, where there is one."""
    code = context.code
    extent = index.number(context, axis.extent, {})
    last = code.sub(extent, integer(1))
    others = [a for a in around if a in context.bound and context.bound[a].count == 1 and not context.bound[a].vector]
    if len(others) != 1:
        context.bind(axis, Block(code.least(place, last), 1, False))
        return
    fits = code.compare("icmp slt", place, extent)
    here, end = context.bound[others[0]].base, code.sub(index.number(context, others[0].extent, {}), integer(1))
    context.bind(axis, Block(code.least(code.select(fits, place, code.sub(place, extent)), last), 1, False))
    context.bind(others[0], Block(code.select(fits, here, code.least(code.add(here, integer(1)), end)), 1, False))


def _prefetch(context: Context, pointer: str, offset: int) -> None:
    code = context.code
    moved = code.fresh()
    code.effect(f"{moved} = getelementptr i8, ptr {pointer}, i64 {offset}")
    code.module.declare("llvm.prefetch.p0", "void", "ptr", "i32", "i32", "i32")
    code.effect(f"call void @llvm.prefetch.p0(ptr {moved}, i32 0, i32 3, i32 1)")


def _rows(loop: For) -> Iterator[tuple[Load, int]]:
    """What folds inside of a loop read along the innermost of their loops, at each point of the loop and whatever other lanes, and how many
    lines of it are asked for.
    """

    def go(body: tuple[Statement, ...], inner: Index | None, lanes: frozenset[Index]) -> Iterator[tuple[Load, int]]:
        for s in body:
            match s:
                case For(axis, bind):
                    yield from go(s.body, axis, lanes | {axis} if bind.kind == "vector" else lanes)
                case Fold(_, _, value, over) if inner in over:
                    for load in walk.loads(value):
                        last = load.subscripts[-1] if load.subscripts else algebra.ZERO
                        inside = frozenset[Index]().union(*map(algebra.indices, load.subscripts))
                        moves = loop.axis in inside and inner in algebra.indices(last) and inside.isdisjoint(lanes - {inner})
                        if moves and not isinstance(load.tensor, (Scratch, Var)):
                            yield load, SWIFT if inner in lanes else LINES
                case _:
                    pass

    return go(loop.body, None, frozenset())
