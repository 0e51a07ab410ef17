"""Sums of products of bf16 elements, two terms at a time: `c[i, j] += a[i, k] * b[k, j] + a[i, k + 1] * b[k + 1, j]`.

What lanes read lies in pairs, (b[k, j], b[k + 1, j]) for one j after the other, so that a register holds both terms. Processors with
AVX512-BF16 multiply and add them in one instruction (VDPBF16PS), where functions may be fast; else each half of a pair is an f32 after a
shift or a mask.
"""

from __future__ import annotations

from collections.abc import Callable

from tensorc import algebra
from tensorc.algebra import ONE, ZERO, Index, Poly, Remainder
from tensorc.backends.llvm import access, combine
from tensorc.backends.llvm.context import Accumulator, Context, Coordinates
from tensorc.backends.llvm.types import Value, constant, of
from tensorc.dtypes import bf16, f32
from tensorc.ir.tensor import Apply, Load, Scalar
from tensorc.loops.nest import Fold, Memory, Scratch, Var

DOTS = "llvm.x86.avx512bf16.dpbf16ps.512"

Pair = tuple[Index, Load, Load]
"""The axis whose two points are paired, what lanes read, and what is the same for all of them."""


def pair(context: Context, s: Fold) -> Pair | None:
    """The factors of what is folded, where two terms of them are folded at once."""
    if s.monoid != "sum" or s.var.dtype is not f32 or context.vector not in s.var.axes or not context.code.module.fused:
        return None
    match s.value:
        case Apply("mul", (a, b), _):
            first, second = _element(a), _element(b)
        case _:
            return None
    if first is None or second is None:
        return None
    for wide, narrow in ((first, second), (second, first)):
        axis = _paired(wide)
        if axis in s.over and context.bound[axis].count == 2 and context.vector not in context.axes(narrow):
            return axis, wide, narrow
    return None


def _element(s: Scalar) -> Load | None:
    match s:
        case Apply("cast", (Load(tensor, _) as load,), _) if s.dtype is f32 and load.dtype is bf16 and not isinstance(tensor, Var):
            return load
        case _:
            return None


def _paired(load: Load) -> Index | None:
    """The axis along which a copy lies in pairs."""
    last = load.subscripts[-1].atom if load.subscripts and isinstance(load.tensor, Scratch) else None
    if not isinstance(last, Remainder) or last.divisor.constant != 2:
        return None
    axis = last.numerator.atom
    while isinstance(axis, Remainder):
        axis = axis.numerator.atom
    return axis if isinstance(axis, Index) else None


def fold(context: Context, s: Fold, accumulator: Accumulator, found: Pair) -> None:
    """Both terms of a pair, folded into what has been so far."""
    axis, wide, narrow = found
    axes, over = frozenset(s.var.axes), frozenset(s.over)
    for at in context.points(axes):
        registers = accumulator.registers[context.key(axes, at)]
        for inner in context.points(over):
            if inner[axis] == 0:
                place = {**at, **inner}
                registers[0] = _folded(context, registers[0], _lanes(context, wide, place), _scalar(context, narrow, axis, place))


def _folded(context: Context, total: Value, pairs: Value, scalar: Value) -> Value:
    code, lanes = context.code, context.lanes
    same = code.splat(scalar, lanes)
    if code.module.dots and lanes == 16:
        operands = [code.convert("bitcast", v, of("bfloat", 2 * lanes)) for v in (same, pairs)]
        code.module.declare(DOTS, total.type, total.type, *(v.type for v in operands))
        return code.call(DOTS, total.type, total, *operands)
    for move, by in (("shl", 16), ("and", -65536)):
        a, b = (code.convert("bitcast", code.binary(move, v, constant(v.type, by)), total.type) for v in (same, pairs))
        total = combine.add_product(code, total, a, b)
    return total


def _lanes(context: Context, load: Load, at: Coordinates) -> Value:
    """The pairs of all lanes."""
    return _once(context, load, at, lambda: _load(context, load, (*load.subscripts[:-1], ZERO), at, context.lanes))


def _scalar(context: Context, load: Load, axis: Index, at: Coordinates) -> Value:
    """The pair of elements at a point of the axis and at the next."""

    def read() -> Value:
        if _is_along(context, load, axis):
            return _load(context, load, load.subscripts, at, 0)
        code = context.code
        low, high = (_load(context, load, load.subscripts, {**at, axis: n}, 0, "i16") for n in range(2))
        low, high = (code.convert("zext", v, of("i32")) for v in (low, high))
        return code.binary("or", low, code.binary("shl", high, constant(high.type, 16)))

    return _once(context, load, at, read)


def _once(context: Context, load: Load, at: Coordinates, make: Callable[[], Value]) -> Value:
    """What is read, once for all points of the statement that read it."""
    key = ("pair", load, context.point(load, at))
    found = context.passing.get(key)
    if found is None:
        found = context.passing[key] = make()
    return found


def _is_along(context: Context, load: Load, axis: Index) -> bool:
    """Whether the next element along an axis is the next in memory, and both are inside."""
    memory = load.tensor
    assert isinstance(memory, Memory)
    touched = [n for n, s in enumerate(load.subscripts) if axis in context.axes(s)]
    parts = algebra.split(load.subscripts[touched[0]], axis) if len(touched) == 1 else None
    if parts is None or parts[0] is not ONE or context.places[memory].strides[touched[0]].number != 1:
        return False
    return all(context.inside(memory, load.subscripts))


def _load(context: Context, load: Load, subscripts: tuple[Poly, ...], at: Coordinates, lanes: int, element: str = "i32") -> Value:
    memory = load.tensor
    assert isinstance(memory, Memory)
    place = access.address(context, memory, subscripts, at, reading=True)
    type = of(element, lanes)
    align = context.places[memory].alignment
    return access.placed(context, memory, type, f"load {type}, ptr {place.pointer.text}, align {align}", place.pointer)
