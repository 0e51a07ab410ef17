"""Statements of the loop IR as lines: loops, definitions and stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Index, Quotient
from tensorc.backends.triton import access, accumulate, index, scan, scatter, sort
from tensorc.backends.triton.context import Bound, Context, Value
from tensorc.backends.triton.scalar import evaluate
from tensorc.backends.triton.spellings import AND, Text
from tensorc.ir import walk
from tensorc.loops import text
from tensorc.loops.nest import Carry, Done, Fold, For, Init, Let, Scratch, SortRow, Statement, Store, Update, scalars, statements

MULTIPLE = 16
"""What numbers are a multiple of that Triton is told to be multiples."""


def emit(context: Context, body: Sequence[Statement]) -> None:
    for s in body:
        match s:
            case For():
                loop(context, s)
            case Let():
                _let(context, s)
            case Store():
                _store(context, s)
            case Init():
                accumulate.init(context, s)
            case Fold():
                accumulate.fold(context, s)
            case Done():
                accumulate.done(context, s)
            case Update():
                _update(context, s)
            case Carry():
                raise AssertionError("a recurrence stands in a loop of its own")
            case SortRow():
                sort.sort_row(context, s)
            case _:
                assert_never(s)


def comment(context: Context, s: Statement) -> None:
    """What the statement says, as a comment."""
    context.comment(text.statement(s, context.kernel.names))


def _let(context: Context, s: Let) -> None:
    key = ("var", s.var)
    if context.recall(key) is not None:  # another sweep over a whole axis made it
        return
    comment(context, s)
    context.named(key, evaluate(context, s.value, s.var.name), s.var.name)


def _store(context: Context, s: Store) -> None:
    if isinstance(s.memory, Scratch):
        _keep(context, s, s.memory)
        return
    comment(context, s)
    value = evaluate(context, s.value)
    where = None if s.where is None else evaluate(context, s.where)
    access.store(context, s.memory, s.subscripts, value, where)


def _keep(context: Context, s: Store, row: Scratch) -> None:
    """A row in registers: begun with the identity, or another name for a value."""
    axes = context.axes_of({a for p in s.subscripts for a in algebra.indices(p)})
    value = evaluate(context, s.value)
    if value.is_name and row in context.named_rows:
        context.rows[row] = value
        return
    comment(context, s)
    name = context.names.of(("row", row), row.name)
    dtype = accumulate.type_of(row.dtype)
    filled = f"tl.full({context.shape(axes)}, {value.text.text}, {dtype})" if value.axes != axes else value.text.text
    context.line(f"{name} = {filled}")
    context.rows[row] = Value(Text(name), axes)


def _update(context: Context, s: Update) -> None:
    comment(context, s)
    if isinstance(s.memory, Scratch):
        accumulate.update(context, s)
    else:
        scatter.update(context, s)


# Loops.


def loop(context: Context, s: For) -> None:
    """One block that is the whole axis is no loop; else a block or a point at a time."""
    if any(isinstance(inner, Carry) for inner in s.body):
        scan.scan(context, s)
        return
    if context.is_whole(s):
        bind_whole(context, s)
        emit(context, s.body)
        return
    if s.bind.kind == "tile":
        _before(context, s)
    elif context.holds(s.axis.extent, "==", 1):
        context.bound[s.axis] = Bound("0", 1, None)
        emit(context, s.body)
        return
    name = context.names.of(s.axis, context.kernel.names[s.axis])
    stop = index.number(context, s.axis.extent).text.text
    if s.bind.count == 1:
        with context.block(f"for {name} in range({stop}):"):
            context.bound[s.axis] = Bound(name, 1, None)
            emit(context, s.body)
        return
    start = context.names.of(("start", s.axis), f"{name}_start")
    context.bound[s.axis] = Bound(name, s.bind.count, None, False)
    block = context.block_name(s.axis)
    first, stop = _narrowed(context, s, stop, block)
    with context.block(f"for {start} in range({first}, {stop}, {block}):"):
        context.bound[s.axis] = Bound(name, s.bind.count, None, start=start)
        context.line(f"{name} = {start} + {arange(context, block)}")
        mask(context, s.axis)
        emit(context, s.body)


def _narrowed(context: Context, s: For, stop: str, block: str) -> tuple[str, str]:
    """Where the loop begins and ends: where nothing is left out but what its guards let be for every point at hand."""
    first = "0"
    name = context.kernel.names[s.axis]
    for guard in s.only:
        parts = algebra.split(guard, s.axis)
        assert parts is not None
        up = parts[0].constant == 1  # axis + rest >= 0; else rest - axis >= 0
        rest = index.number(context, -parts[1] if up else parts[1])
        if len(rest.axes) > 1 or not all(context.bound[a].is_here for a in algebra.indices(parts[1])):
            continue
        text_ = f"tl.{'min' if up else 'max'}({rest.text.text}, 0)" if rest.axes else rest.text.text
        if up:
            line = f"tl.maximum({first}, {text_}) // {block} * {block}"
            first = context.names.of(("first", s.axis, guard), f"{name}_first")
            context.line(f"{first} = {line}")
        else:
            line = f"tl.minimum({stop}, {text_} + 1)"
            stop = context.names.of(("stop", s.axis, guard), f"{name}_stop")
            context.line(f"{stop} = {line}")
    return first, stop


def _before(context: Context, s: For) -> None:
    """Load what is the same for all tiles."""
    known = {a for a, b in context.bound.items() if b.is_here}
    for inner in statements((s,)):
        for load in (load for value in scalars(inner) for load in walk.loads(value) if access.is_memory(load.tensor)):
            axes = walk.indices(load)
            if axes <= known and axes and load.tensor not in context.kernel.writes and not any(map(algebra.elements, load.subscripts)):
                access.load(context, load.tensor, load.subscripts, raw=True)


def bind_whole(context: Context, s: For) -> None:
    """All points of an axis at once; what was bound before stays."""
    if s.axis in context.bound:
        return
    name = context.names.of(s.axis, context.kernel.names[s.axis])
    context.bound[s.axis] = Bound(name, s.bind.count, None)
    context.line(f"{name} = {arange(context, context.block_name(s.axis))}")
    mask(context, s.axis)


def arange(context: Context, block: str) -> str:
    text_ = f"tl.arange(0, {block})"
    return text_ if context.index_bits == 32 else f"{text_}.to(tl.int64)"


def mask(context: Context, axis: Index) -> None:
    """Name which points of a block exist, unless all do."""
    bound = context.bound[axis]
    if context.holds(axis.extent, "%", bound.block):
        return
    name = context.names.of(("mask", axis), f"{bound.name}_mask")
    stop = index.number(context, axis.extent).text.inside(AND + 1)
    if any(isinstance(a, Quotient) for a in algebra.atoms(axis.extent)) and context.holds(axis.extent, "%", MULTIPLE):
        stop = f"tl.multiple_of({stop}, {MULTIPLE})"  # Triton does not follow divisions
    context.line(f"{name} = {bound.name} < {stop}")
    context.bound[axis] = replace(bound, mask=name)
