"""Strided loads whose contiguous axis is unrolled: contiguous loads, one a lane, and a network of shuffles that transposes them."""

from __future__ import annotations

from tensorc.algebra import ONE, Index, Poly
from tensorc.backends.llvm import access, index
from tensorc.backends.llvm.context import Context, Coordinates
from tensorc.backends.llvm.types import POINTER, Value, integer, memory_element, number_of
from tensorc.loops.nest import Memory

FENCED = 8
"""Squares of so many lanes and more are slow to compile as one network of shuffles."""


def contiguous_axis(context: Context, memory: Memory, subscripts: tuple[Poly, ...]) -> Index | None:
    """The unrolled axis along which the element's neighbours are loaded too, in whole registers."""
    strides = context.places[memory].strides
    position = next((n for n, stride in enumerate(strides) if number_of(stride) == 1), None)
    if position is None:
        return None
    for axis in context.blocked:
        if axis in context.axes(subscripts[position]) and axis is not context.vector and context.bound[axis].count % context.lanes == 0:
            parts = index.linear(context, subscripts[position], axis)
            others = (s for n, s in enumerate(subscripts) if n != position)
            if parts is not None and parts[0] is ONE and not any(axis in context.axes(s) for s in others):
                return axis
    return None


def load_transposed(context: Context, memory: Memory, subscripts: tuple[Poly, ...], at: Coordinates, axis: Index) -> Value:
    """The lanes at a point, out of a square of lanes x points that is loaded and transposed once."""
    lanes = context.lanes
    first = {**at, axis: at[axis] - at[axis] % lanes}
    axes = frozenset[Index]().union(*map(context.axes, subscripts))
    name = (memory, subscripts, context.key(axes, first), context.version(memory))
    found = [context.recall((name, n)) for n in range(lanes)]
    rows = [value for value in found if value is not None]
    if len(rows) < lanes:
        rows = _transposed(context, _rows(context, memory, subscripts, first))
        for n, row in enumerate(rows):
            context.remember((name, n), row)
    return rows[at[axis] % lanes]


def _rows(context: Context, memory: Memory, subscripts: tuple[Poly, ...], at: Coordinates) -> list[Value]:
    """For each lane, the contiguous elements from there; for lanes that are no points, those of the last that is one."""
    code = context.code
    place = access.address(context, memory, subscripts, at, reading=True)
    rows = []
    for lane in range(context.lanes):
        number = integer(lane) if context.valid_lanes is None else code.least(integer(lane), code.sub(context.valid_lanes, integer(1)))
        offset = code.mul(number, place.step)
        text = f"getelementptr {memory_element(memory.dtype)}, ptr {place.pointer.text}, i64 {offset.text}"
        rows.append(access.load_contiguous(context, memory, code.pure(POINTER, text, place.pointer, offset), None))
    return rows


def _transposed(context: Context, rows: list[Value]) -> list[Value]:
    """Blocks beside the diagonal change places, from halves down to single elements (Eklundh, 1972)."""
    lanes = len(rows)
    half = lanes // 2
    while half:
        for r in range(lanes):
            if not r & half:
                a, b = rows[r], rows[r + half]
                upper = [lane if not lane & half else lanes + (lane ^ half) for lane in range(lanes)]
                lower = [lane ^ half if not lane & half else lanes + lane for lane in range(lanes)]
                rows[r], rows[r + half] = _shuffle(context, a, b, upper), _shuffle(context, a, b, lower)
        half //= 2
        if half and lanes >= FENCED:
            rows = [_fenced(context, row) for row in rows]
    return rows


def _fenced(context: Context, row: Value) -> Value:
    """The same value, out of which LLVM looks for no other shuffles: it takes long and finds none."""
    as_floats = {32: "float", 64: "double"}.get(row.type.bits)
    if as_floats is None:
        return row
    code = context.code
    fenced = code.intrinsic("arithmetic.fence", code.convert("bitcast", row, row.type.with_element(as_floats)))
    return code.convert("bitcast", fenced, row.type)


def _shuffle(context: Context, a: Value, b: Value, order: list[int]) -> Value:
    picked = ", ".join(f"i32 {n}" for n in order)
    text = f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{len(order)} x i32> <{picked}>"
    return context.code.pure(a.type, text, a, b)
