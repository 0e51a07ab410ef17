"""What is done to each of many registers, as a loop: written out for all of them it is most of a kernel's code, and no faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeGuard

from tensorc.algebra import Index
from tensorc.backends.llvm import transpose
from tensorc.backends.llvm.context import Block, Context, Key
from tensorc.backends.llvm.scalar import evaluate
from tensorc.backends.llvm.types import POINTER, Value, integer
from tensorc.ir import walk
from tensorc.ir.tensor import Const, Load
from tensorc.loops.nest import Let, Memory, Statement, Store, Var, scalars

MOST = 120
"""So much is written out: operations, times the points that they are done at."""

FEWEST = 4
"""Points of an axis that make a loop."""

Plain = Let | Store


def rolled_axis(context: Context, body: Sequence[Statement]) -> Index | None:
    """The unrolled axis that the last statements of a body are to loop over; None where they are better written out.

    That is so where there is little of them, where a later point may read what an earlier one writes, and where some are done once for all
    points.
    """
    if not body or not _are_plain(body):
        return None
    axis = max((a for a in context.blocked if a is not context.vector), key=lambda a: context.bound[a].count, default=None)
    if axis is None or context.bound[axis].count < FEWEST or not all(axis in _axes(context, s) for s in body):
        return None
    loads = {load for s in body for value in scalars(s) for load in walk.loads(value)}
    read, written = {_owner(context, m.tensor) for m in loads}, {_owner(context, s.memory) for s in body if isinstance(s, Store)}
    points = 1
    for a in context.blocked:
        points *= context.bound[a].count
    if read & written or points * sum(map(_operations, body)) < MOST:
        return None
    registers = (v for load in _kept(context, body, axis) if isinstance(load.tensor, Var) for v in context.values[load.tensor].values())
    return axis if all(v.type.element != "i1" for v in registers) else None


def roll(context: Context, body: Sequence[Statement], axis: Index, emit: Callable[[Context, Sequence[Statement]], None]) -> None:
    """Emit the statements as a loop over the points of the axis, with the registers that they begin with in memory."""
    code, block = context.code, context.bound[axis]
    context.passing.clear()
    context.streams.clear()
    kept = [(load, _store_registers(context, load, axis)) for load in _kept(context, body, axis)]
    saved = context.save()

    def inside(counter: Value, _: list[Value]) -> list[Value]:
        with context.loop(frozenset[Memory](s.memory for s in body if isinstance(s, Store))):
            context.bind(axis, Block(code.add(block.base, counter), 1, False))
            for load, registers in kept:
                for key, value in registers(counter).items():
                    if isinstance(load.tensor, Var):
                        context.values.setdefault(load.tensor, {})
                        context.values[load.tensor] = {**context.values[load.tensor], key: value}
                    else:
                        context.known.keep((load, key), value, context.known.depth)
            emit(context, body)
        return []

    code.loop(integer(0), integer(block.count), 1, [], inside)
    context.restore(saved)
    context.passing.clear()


def _store_registers(context: Context, load: Load, axis: Index) -> Callable[[Value], dict[Key, Value]]:
    """Writes the values of a load at all points to memory; what reads those of one point of the axis, by the point of the others."""
    code, count = context.code, context.bound[axis].count
    axes = context.axes(load)
    found = [(at, evaluate(context, load, at)) for at in context.points(axes)]
    type = found[0][1].type
    others = [a for a in context.blocked if a in axes and a is not axis]
    keys = list(dict.fromkeys(tuple(at[a] for a in others) for at, _ in found))
    base = code.alloca(type, count * len(keys))
    for at, value in found:
        place = at[axis] * len(keys) + keys.index(tuple(at[a] for a in others))
        code.effect(f"store {type} {value.text}, ptr {_at(context, base, type.text, integer(place)).text}, align {_align(value)}")

    def registers(counter: Value) -> dict[Key, Value]:
        first = code.mul(counter, integer(len(keys)))
        loaded = {}
        for n, key in enumerate(keys):
            pointer = _at(context, base, type.text, code.add(first, integer(n)))
            loaded[key] = code.pinned(type, f"load {type}, ptr {pointer.text}, align {_align(found[0][1])}")
        return loaded

    return registers


def _at(context: Context, base: Value, type: str, place: Value) -> Value:
    return context.code.pure(POINTER, f"getelementptr {type}, ptr {base.text}, i64 {place.text}", base, place)


def _align(value: Value) -> int:
    return max(value.type.bits // 8, 1) * max(value.type.lanes, 1)


def _are_plain(body: Sequence[Statement]) -> TypeGuard[Sequence[Plain]]:
    return all(isinstance(s, (Let, Store)) for s in body)


def _axes(context: Context, s: Plain) -> frozenset[Index]:
    return frozenset(s.var.axes) if isinstance(s, Let) else frozenset[Index]().union(*map(context.axes, s.subscripts))


def _owner(context: Context, memory: object) -> object:
    return context.owners.get(memory, memory) if isinstance(memory, Memory) else memory


def _operations(s: Plain) -> int:
    return 1 + sum(not isinstance(part, Const) and not _is_variable(part) for value in scalars(s) for part in walk.postorder(value))


def _is_variable(part: object) -> bool:
    return isinstance(part, Load) and isinstance(part.tensor, Var)


def _kept(context: Context, body: Sequence[Statement], axis: Index) -> Iterator[Load]:
    """The loads whose values a point of the axis does not have on its own: variables of before, and squares that are transposed."""
    own = {s.var for s in body if isinstance(s, Let)}
    loads = dict.fromkeys(load for s in body for value in scalars(s) for load in walk.loads(value))
    for load in loads:
        if axis not in context.axes(load):
            continue
        if isinstance(load.tensor, Var):
            if load.tensor not in own:
                yield load
        elif isinstance(load.tensor, Memory) and transpose.contiguous_axis(context, load.tensor, load.subscripts) is axis:
            yield load
