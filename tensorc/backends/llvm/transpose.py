"""Strided loads whose contiguous axis is unrolled: contiguous loads, one a lane, and a network of shuffles that transposes them."""

from __future__ import annotations

from tensorc.algebra import ONE, Index, Poly
from tensorc.backends.llvm import access, index, stream
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.context import Context, Coordinates
from tensorc.backends.llvm.types import INT, POINTER, Type, Value, integer, memory_element, of
from tensorc.loops.nest import Memory

FENCED = 8
"""Squares of so many lanes and more are slow to compile as one network of shuffles."""


def contiguous_axis(context: Context, memory: Memory, subscripts: tuple[Poly, ...]) -> Index | None:
    """The unrolled axis along which the element's neighbours are loaded too, in whole registers."""
    strides = context.places[memory].strides
    position = next((n for n, stride in enumerate(strides) if stride.number == 1), None)
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
    rows: list[Value] | None = context.known.get(name)
    if rows is None:
        rows = (
            _called(context, memory, subscripts, first)
            if context.valid_lanes is not None and not context.padded
            else _transposed(context.code, _rows(context, memory, subscripts, first))
        )
        context.remember(name, rows, max(row.depth for row in rows))
    return rows[at[axis] % lanes]


def _called(context: Context, memory: Memory, subscripts: tuple[Poly, ...], at: Coordinates) -> list[Value]:
    """The same by a function, which does for all squares of a module that are at the edge of a loop."""
    code, lanes = context.code, context.lanes
    place = access.address(context, memory, subscripts, at, reading=True)
    element = of(memory_element(memory.dtype))
    align = context.places[memory].alignment
    type = element.with_lanes(lanes)
    assert context.valid_lanes is not None

    def body(inner: Code, given: list[Value]) -> None:
        source, step, count, target = given
        rows = [_row(inner, memory, source, step, lane, count) for lane in range(lanes)]
        loads = [inner.pinned(type, f"load {type}, ptr {row.text}, align {align}") for row in rows]
        for n, row in enumerate(_transposed(inner, loads)):
            to = inner.pure(POINTER, f"getelementptr {type}, ptr {target.text}, i64 {n}", target)
            inner.effect(f"store {type} {row.text}, ptr {to.text}, align {_align(type)}")

    square = code.square(type, lanes)
    name = code.module.helper(f"tensorc.square.{type.suffix}.{align}", None, [POINTER, INT, INT, POINTER], body)
    code.effect(f"call void @{name}(ptr {place.pointer.text}, i64 {place.step.text}, i64 {context.valid_lanes.text}, ptr {square.text})")
    places = [code.pure(POINTER, f"getelementptr {type}, ptr {square.text}, i64 {n}", square) for n in range(lanes)]
    return [code.pinned(type, f"load {type}, ptr {p.text}, align {_align(type)}") for p in places]


def _align(type: Type) -> int:
    return type.bits // 8 * type.lanes


def _rows(context: Context, memory: Memory, subscripts: tuple[Poly, ...], at: Coordinates) -> list[Value]:
    """For each lane, the contiguous elements from there; for lanes that are no points, those of the last that is one."""
    code = context.code
    place = access.address(context, memory, subscripts, at, reading=True)
    rows = [_row(code, memory, place.pointer, place.step, lane, context.valid_lanes) for lane in range(context.lanes)]
    for row in rows:
        stream.note_row(context, memory, row, place.step)
    return [access.load_contiguous(context, memory, row, None) for row in rows]


def _row(code: Code, memory: Memory, pointer: Value, step: Value, lane: int, count: Value | None) -> Value:
    """Where a lane's elements begin; of a lane beyond `count` those of the last that is not."""
    number = integer(lane) if count is None else code.least(integer(lane), code.sub(count, integer(1)))
    offset = code.mul(number, step)
    return code.pure(POINTER, f"getelementptr {memory_element(memory.dtype)}, ptr {pointer.text}, i64 {offset.text}", pointer, offset)


def _transposed(code: Code, rows: list[Value]) -> list[Value]:
    """Blocks beside the diagonal change places, from halves down to single elements (Eklundh, 1972)."""
    lanes = len(rows)
    half = lanes // 2
    while half:
        for r in range(lanes):
            if not r & half:
                a, b = rows[r], rows[r + half]
                upper = [lane if not lane & half else lanes + (lane ^ half) for lane in range(lanes)]
                lower = [lane ^ half if not lane & half else lanes + lane for lane in range(lanes)]
                rows[r], rows[r + half] = _shuffle(code, a, b, upper), _shuffle(code, a, b, lower)
        half //= 2
        if half and lanes >= FENCED:
            rows = [_fenced(code, row) for row in rows]
    return rows


def _fenced(code: Code, row: Value) -> Value:
    """The same value, out of which LLVM looks for no other shuffles: it takes long and finds none."""
    as_floats = {32: "float", 64: "double"}.get(row.type.bits)
    if as_floats is None:
        return row
    fenced = code.intrinsic("arithmetic.fence", code.convert("bitcast", row, row.type.with_element(as_floats)))
    return code.convert("bitcast", fenced, row.type)


def _shuffle(code: Code, a: Value, b: Value, order: list[int]) -> Value:
    picked = ", ".join(f"i32 {n}" for n in order)
    text = f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{len(order)} x i32> <{picked}>"
    return code.pure(a.type, text, a, b)
