"""Elements that are a few places apart, as every second one is: whole registers that are shuffled, in place of one element a lane.

Memory between the elements is touched by no instruction but where the elements on both sides are.
"""

from __future__ import annotations

from tensorc.backends.llvm import access
from tensorc.backends.llvm.context import Context
from tensorc.backends.llvm.types import POINTER, Value, memory_element, of
from tensorc.loops.nest import Memory

MOST = 4
"""Places from one element to the next that are worth it, at most."""


def load(context: Context, memory: Memory, pointer: Value, step: int, valid: Value | None) -> Value:
    """The elements at pointer + step * lane; of lanes that are not valid any value."""
    found = [
        access.load_contiguous(context, memory, _moved(context, memory, pointer, part), _held(context, part, step, valid))
        for part in range(step)
    ]
    total, lanes = found[0], context.lanes
    for part in range(1, step):
        order = [lane if lane * step < part * lanes else lanes + lane * step % lanes for lane in range(lanes)]
        if part == 1:
            order = [lane * step if lane * step < lanes else n for lane, n in enumerate(order)]
        total = shuffle(context, total, found[part], order)
    return total


def store(context: Context, memory: Memory, pointer: Value, step: int, value: Value, mask: Value | None) -> None:
    """Writes lanes to pointer + step * lane, where the mask is true."""
    for part in range(step):
        spread = shuffle(context, value, value, _sources(context, part, step))
        access.store_contiguous(context, memory, _moved(context, memory, pointer, part), spread, _mask(context, part, step, mask))


def _moved(context: Context, memory: Memory, pointer: Value, part: int) -> Value:
    if not part:
        return pointer
    text = f"getelementptr {memory_element(memory.dtype)}, ptr {pointer.text}, i64 {part * context.lanes}"
    return context.code.pure(POINTER, text, pointer)


def _sources(context: Context, part: int, step: int) -> list[int]:
    """The lane whose element is at or before each place of a part."""
    return [(part * context.lanes + n) // step for n in range(context.lanes)]


def _held(context: Context, part: int, step: int, valid: Value | None) -> Value | None:
    """The places of a part that may be read: all but those after the last element, where all lanes are valid."""
    return None if valid is None and part < step - 1 else _mask(context, part, step, valid)


def _mask(context: Context, part: int, step: int, mask: Value | None) -> Value:
    """The places of a part that are elements of lanes in a mask."""
    lanes, code = context.lanes, context.code
    bits = ", ".join(f"i1 {'false' if (part * lanes + n) % step else 'true'}" for n in range(lanes))
    own = Value(f"<{bits}>", of("i1", lanes))
    if mask is None:
        return own
    mask = code.splat(mask, lanes)
    return code.binary("and", shuffle(context, mask, mask, _sources(context, part, step)), own)


def shuffle(context: Context, a: Value, b: Value, order: list[int]) -> Value:
    picked = ", ".join(f"i32 {n}" for n in order)
    text = f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{len(order)} x i32> <{picked}>"
    return context.code.pure(a.type, text, a, b)
