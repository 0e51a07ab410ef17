"""Streams through memory: what long loops read is asked for early, and results that no cache can hold are written past the caches."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.algebra import Poly
from tensorc.backends.llvm import index
from tensorc.backends.llvm.code import FLEETING
from tensorc.backends.llvm.context import Context
from tensorc.backends.llvm.types import INT, Value, integer
from tensorc.loops.nest import For, Let, Memory, Scratch, Store

AHEAD = 8192
"""So many bytes ahead of what a loop reads is asked for: memory takes about as long to answer as the fastest loops take to get there."""

LONG = 8 * AHEAD
"""A row of so many bytes is worth it wherever the next one lies."""

LINES, ROWS = 4, 2
"""In a tile, so many lines ahead along a row, and so many registers ahead across rows: the next lines of a row are foreseen."""

LINE = 64
"""Bytes of a line of memory."""

SWEPT = "swept"
"""What memory is remembered by that a loop has read."""


# Reading.


def note(context: Context, memory: Memory, pointer: Value, register: int) -> None:
    """Notes that a loop over lanes reads a register of neighbours, the so manieth of its block, unless a loop before has read the row."""
    if pointer.depth != context.code.depth or pointer.depth != context.streaming or isinstance(memory, Scratch):
        return
    if register * context.lanes * memory.dtype.bytes % LINE == 0 and context.known.get((SWEPT, memory)) is None:
        context.streams[pointer.text] = pointer, integer(LINES * LINE) if context.in_tile else _ahead(context, memory)
        context.sweeps.add(memory)


def swept(context: Context) -> None:
    """At the end of a loop: what it read is near for those that follow it."""
    for memory in context.sweeps:
        context.known.keep((SWEPT, memory), True, context.known.depth)
    context.sweeps.clear()


def note_row(context: Context, memory: Memory, pointer: Value, step: Value) -> None:
    """Notes that a loop over lanes in a tile reads neighbours in one of many rows, a step apart."""
    if pointer.depth == context.code.depth == context.streaming and context.in_tile:
        context.streams[pointer.text] = pointer, context.code.mul(step, integer(ROWS * context.lanes * memory.dtype.bytes))


def ask(context: Context) -> None:
    """Asks for what the loop will read of what was noted: in tiles, whose lines are soon used, no further in than the second cache."""
    code = context.code
    for pointer, ahead in context.streams.values():
        place = code.fresh()
        code.effect(f"{place} = getelementptr i8, ptr {pointer.text}, i64 {ahead.text}")
        code.module.declare("llvm.prefetch.p0", "void", "ptr", "i32", "i32", "i32")
        code.effect(f"call void @llvm.prefetch.p0(ptr {place}, i32 0, i32 {2 if context.in_tile else 3}, i32 1)")
    context.streams.clear()


def _ahead(context: Context, memory: Memory) -> Value:
    """How far ahead a loop along memory asks: not at all where its rows are short and the next ones lie elsewhere."""
    found = context.ahead.get(memory)
    if found is None:
        found = context.ahead[memory] = integer(AHEAD)
        code, whole, apart = context.code, integer(1), list[Value]()
        for extent, stride in reversed(list(zip(memory.extents, context.places[memory].strides, strict=True))):
            if extent.constant != 1:
                if stride.text != whole.text:
                    apart.append(code.compare("icmp ne", stride, whole))
                whole = code.mul(whole, index.number(context, extent, {}))
        if apart:
            row = code.mul(index.number(context, memory.extents[-1], {}), integer(memory.dtype.bytes))
            apart.append(code.compare("icmp slt", row, integer(LONG)))
            scattered = apart[-1]
            for a in apart[1:-1]:
                apart[0] = code.binary("or", apart[0], a)
            scattered = code.binary("and", scattered, apart[0])
            found = context.ahead[memory] = code.select(scattered, integer(0), found)
    return found


# Writing.


def may_pass(context: Context, memory: Memory) -> bool:
    """Whether registers that are stored to memory may be written past the caches."""
    return memory in context.passed and context.mask is None and context.vector is not None


def passed(context: Context, loop: For) -> Store | None:
    """What a loop over lanes stores that may be written past the caches, where all that it does is to store."""
    if loop.bind.kind != "vector" or loop.within or loop.axis in context.extents or context.blocked:
        return None
    if not all(isinstance(s, (Let, Store)) for s in loop.body):
        return None
    return next((s for s in loop.body if isinstance(s, Store) and s.where is None and s.memory in context.passed), None)


def before(context: Context, pointer: Value, bytes: int, itemsize: int) -> Value:
    """How many elements lie between a pointer and the next multiple of so many bytes, where arrays are large; else 0."""
    code = context.code
    place = code.pure(INT, f"ptrtoint ptr {pointer.text} to i64", pointer)
    beside = code.binary("and", code.sub(integer(0), place), integer(bytes - 1))
    elements = beside if itemsize == 1 else code.binary("lshr", beside, integer(itemsize.bit_length() - 1))
    return code.binary("and", elements, code.sub(_are_small(context), integer(1)))


def passes(context: Context, memory: Memory, subscripts: Sequence[Poly], pointer: Value, value: Value) -> Value:
    """Whether a register is to be, and those of the other points of the block: where arrays are large, and all lie at multiples of their
    size.
    """
    code = context.code
    place = code.pure(INT, f"ptrtoint ptr {pointer.text} to i64", pointer)
    rows = frozenset(context.blocked) - {context.vector}
    for subscript, stride in zip(subscripts, context.places[memory].strides, strict=True):
        if not rows.isdisjoint(context.axes(subscript)):
            place = code.binary("or", place, code.mul(stride, integer(memory.dtype.bytes)))
    beside = code.binary("and", place, integer(_bytes(value) - 1))
    return code.compare("icmp eq", code.binary("or", beside, _are_small(context)), integer(0))


def _are_small(context: Context) -> Value:
    """0 where all that the kernel touches is more than the caches hold, else 1."""
    if context.small is None:
        code, total = context.code, integer(0)
        for m in context.places:
            if not isinstance(m, Scratch):
                count = integer(m.dtype.bytes)
                for extent in m.extents:
                    count = code.mul(count, index.number(context, extent, {}))
                total = code.add(total, count)
        context.small = code.convert("zext", code.compare("icmp slt", total, integer(context.cache)), INT)
    return context.small


def store(context: Context, values: Sequence[Value], pointers: Sequence[Value]) -> None:
    """Writes registers past the caches."""
    for value, pointer in zip(values, pointers, strict=True):
        context.code.effect(f"store {value.type} {value.text}, ptr {pointer.text}, align {_bytes(value)}, !nontemporal {FLEETING}")
    context.has_passed = True


def end(context: Context) -> None:
    """What was written so is seen by all from here on."""
    if context.has_passed:
        context.code.module.declare("llvm.x86.sse.sfence", "void")
        context.code.effect("call void @llvm.x86.sse.sfence()")


def _bytes(value: Value) -> int:
    return value.type.bits * value.type.lanes // 8
