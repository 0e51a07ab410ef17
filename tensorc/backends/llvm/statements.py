"""Statements of the loop IR as code: loops in whole blocks and their tails, definitions and stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Index, Poly, Remainder, poly
from tensorc.backends.llvm import access, accumulate, flat, index, overlap, padding, panels, parallel, prefetch, rolled, sort, stream
from tensorc.backends.llvm.context import Block, Context, Tile
from tensorc.backends.llvm.interior import boundary, interior
from tensorc.backends.llvm.scalar import evaluate, evaluate_all
from tensorc.backends.llvm.types import Value, integer
from tensorc.ir import walk
from tensorc.loops import bounds, work
from tensorc.loops.nest import Carry, Done, Fold, For, Init, Let, Memory, SortRow, Statement, Store, Update, Var, scalars, statements


def emit(context: Context, body: Sequence[Statement]) -> None:
    end = next((n + 1 for n in reversed(range(len(body))) if not isinstance(body[n], (Let, Store))), 0)
    _emit(context, body[:end])
    axis = rolled.rolled_axis(context, body[end:])
    if axis is None:
        _emit(context, body[end:])
    else:
        rolled.roll(context, body[end:], axis, _emit)


def _emit(context: Context, body: Sequence[Statement]) -> None:
    for n, s in enumerate(body):
        context.passing.clear()
        match s:
            case For():
                loop(context, s, panels.unless(context, s, body[n + 1 :]))
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
            case Carry():
                accumulate.carry(context, s)
            case Update():
                accumulate.update(context, s)
            case SortRow():
                sort.sort_row(context, s)
            case _:
                assert_never(s)


def _let(context: Context, s: Let) -> None:
    axes = frozenset(s.var.axes)
    points = list(context.points(axes))
    context.values[s.var] = dict(zip((context.key(axes, at) for at in points), evaluate_all(context, s.value, points), strict=True))


def _store(context: Context, s: Store) -> None:
    axes = frozenset[Index]().union(*map(context.axes, s.subscripts))
    points = list(context.points(axes))
    values = evaluate_all(context, s.value, points)
    if s.where is None and len(points) <= PASSED and stream.may_pass(context, s.memory):
        access.store_many(context, s.memory, s.subscripts, points, values)
        return
    conditions = [None if s.where is None else evaluate(context, s.where, at) for at in points]
    for at, value, where in zip(points, values, conditions, strict=True):
        access.store(context, s.memory, s.subscripts, at, value, where)


# Loops.

PARTS = 3
"""Into so many loops guards divide one, at most."""

SHORTER = ((7, 4), (5, 2))
"""Blocks of accumulators of at least so many points leave enough for shorter ones to be worth their code."""


NARROW = range(4, 13)
"""Blocks of so many accumulators a register are worth twice as many where the lanes are fewer registers than elsewhere: with more, one
register keeps a processor busy.
"""

LONG = 100
"""A register's instructions beside which masking it costs nothing."""

SQUARE = 8
"""Points that are worth a loop, whatever the lanes."""


PASSED = 16
"""So many registers are written past the caches at a time, at most: there is code for each of them twice."""

PREFETCHED = 6
"""Blocks of at least so many points ask for what the next one reads."""


def loop(context: Context, s: For, unless: Value | None = None) -> None:
    """Whole blocks, then what is left: shorter blocks and single points, or one register at a time with the lanes masked that are none.
    Nothing, where `unless` holds.
    """
    start, stop, count = _range(context, s)
    proved = context.proved
    if unless is not None:
        stop, count = context.code.select(unless, start, stop), None
    if s.only:
        start, stop, count = *_narrowed(context, s, start, stop), None
        exact = (g for g in s.only if s.bind.kind == "serial" or _ends(g, s.axis))
        context.proved |= {guard for guard in exact if _is_at_points(context, guard, s.axis)}
    extents = context.extents
    rows = flat.rows(context, s)
    if rows:
        context.extents = dict(extents)
        stop, count = flat.join_rows(context, rows, start, stop), None
    _between(context, s, start, stop, count, PARTS)
    context.proved, context.extents = proved, extents


def _between(context: Context, s: For, start: Value, stop: Value, count: int | None, parts: int) -> None:
    kind, width = s.bind.kind, _fitting(context, s)
    guard = boundary(s, context.facts, context.proved) if parts > 1 and kind in ("serial", "vector") and not s.within else None
    if guard is not None and _is_at_points(context, guard, s.axis):
        middle, before, after = _divided(context, s, guard, start, stop)
        for low, high, known in ((start, middle, before), (middle, stop, after)):
            context.proved, proved = context.proved | {known}, context.proved
            _between(context, s, low, high, None, parts - 1)
            context.proved = proved
        return
    if kind == "tile":
        _run(context, s, start, stop, width, None)
        return
    vector = kind == "vector"
    step = width * (context.lanes if vector else 1)
    if step == 1:
        _run(context, s, start, stop, 1, Block(start, 1, False))
        return
    if vector and s.within and padding.may_be_padded(context, s, step):
        context.padded, saved = True, context.padded
        if padding.reads_outside(s):
            end = context.code.add(start, integer(context.tiles[s.axis][-1].count))
            _run(context, s, start, end, step, Block(start, width, True), stop)
        else:
            if width > 1:
                whole = context.code.sub(stop, integer(step - context.lanes))
                start = _run(context, s, start, whole, step, Block(start, width, True))
            _run(context, s, start, stop, context.lanes, Block(start, 1, True))
        context.padded = saved
        return
    small = context.lanes if vector else 1
    if vector and width == 1 and ((context.compact and not _folds_lanes(s)) or work.instructions(s.body) > LONG):
        _run(context, s, start, stop, small, Block(start, 1, True), stop)
        return
    inner = interior(s, context.facts) if vector and width > 1 and (count is None or count > 2 * step) else None
    if inner is None and count is None and context.code.depth and (passed := stream.passed(context, s)) is not None:
        _aligned(context, s, start, stop, width, access.before(context, passed, s.axis, start))
        return
    end = stop
    if inner is not None:
        if inner.low:
            first = context.code.least(context.code.greatest(start, integer(inner.low)), stop)
            _run(context, s, start, first, small, Block(start, 1, True), first)
            start = first
        end = context.code.sub(stop, integer(inner.high))
    shorter = next((n for least, n in SHORTER if width >= least), 1) if not vector and _accumulates(s.body) else 1
    if shorter > 1 and count is None and overlap.may_overlap(s):
        for size, smaller in ((width, shorter), (shorter, 1)):
            whole = overlap.end(context, s, start, stop, size, smaller)
            start = _run(context, s, start, whole, size, Block(start, size, False), last=stop)
        _run(context, s, start, stop, 1, Block(start, 1, False))
        return
    if count is None or count >= step:
        whole = context.code.sub(end, integer(step - 1))
        proved = frozenset[Poly]() if inner is None else inner.guards
        start = _run(context, s, start, whole, step, Block(start, width, vector), proved=proved)
    if shorter > 1 and (count is None or count % step >= shorter):
        start = _run(context, s, start, context.code.sub(stop, integer(shorter - 1)), shorter, Block(start, shorter, False))
    if count is None or count % step or inner is not None:
        compact = context.compact
        context.compact |= kind == "unroll" and step >= context.lanes and not _accumulates(s.body)
        _run(context, s, start, stop, small, Block(start, 1, vector), stop if vector else None)
        context.compact = compact


def _aligned(context: Context, s: For, start: Value, stop: Value, width: int, before: Value) -> None:
    """A loop over lanes whose whole blocks begin after so many points: the code for what is left of a row does these first."""
    code, step = context.code, width * context.lanes
    first = code.least(code.add(start, before), stop)
    whole = code.sub(stop, integer(step - 1))

    @context.loop(_written(s))
    def body(counter: Value, _: list[Value]) -> list[Value]:
        is_last = code.compare("icmp ne", counter, integer(0))
        low, middle, high = (code.select(is_last, a, b) for a, b in ((first, start), (whole, start), (stop, first)))
        after = _run(context, s, low, middle, step, Block(low, width, True))
        _run(context, s, after, high, context.lanes, Block(after, 1, True), high)
        return []

    fits = code.convert("zext", code.compare("icmp eq", before, integer(0)), before.type)
    code.loop(fits, integer(2), 1, [], body)


def _ends(guard: Poly, axis: Index) -> bool:
    """Whether a guard holds before a point of an axis, so that a loop that ends there has no point at which it does not."""
    parts = algebra.split(guard, axis)
    return parts is not None and parts[0].constant == -1


def _is_at_points(context: Context, guard: Poly, axis: Index) -> bool:
    """Whether the other axes of a guard are bound to a point each, so that it changes at one place."""
    others = algebra.indices(guard) - {axis}
    return all(a in context.bound and context.bound[a].count == 1 and not context.bound[a].vector for a in others)


def _divided(context: Context, s: For, guard: Poly, start: Value, stop: Value) -> tuple[Value, Poly, Poly]:
    """(where a guard changes, within the loop's range; what is at least 0 before that; and from there on)."""
    code = context.code
    parts = algebra.split(guard, s.axis)
    assert parts is not None
    rest = index.number(context, parts[1], {})
    ends = parts[0].constant == -1
    place = code.add(rest, integer(1)) if ends else code.sub(integer(0), rest)
    middle = code.greatest(code.least(place, stop), start)
    return (middle, guard, -guard - 1) if ends else (middle, -guard - 1, guard)


def _fitting(context: Context, s: For) -> int:
    """How many points or registers a loop takes at a time: of registers as many as there are for blocks of accumulators, and of points
    no more than make a square with the lanes, where nothing is folded.
    """
    width = s.bind.count
    square = max(context.lanes, SQUARE)
    if s.bind.kind == "unroll" and width % square == 0 and all(isinstance(t, (For, Let, Store)) for t in statements(s.body)):
        return square
    if s.bind.kind == "unroll" and context.is_narrow and 2 * width + 2 <= context.registers and _may_be_longer(s, 2 * width):
        return 2 * width
    if s.bind.kind == "vector" and (s.within or s.axis not in context.shares):
        rows = _most_rows(s.body)
        for block in context.bound.values():
            rows *= 1 if block.vector else block.count
        while rows > 1 and width > 1 and width * rows + width > context.registers:
            width //= 2
    return width


def _may_be_longer(s: For, width: int) -> bool:
    """Whether a loop of blocks of accumulators may take so many points at a time: none of them share a place in a tile of rows."""
    if s.bind.count not in NARROW or not any(isinstance(t, Init) for t in s.body):
        return False
    divisors = {
        a.divisor.constant
        for p in _subscripts(s.body)
        for a in algebra.atoms(p)
        if isinstance(a, Remainder) and a.numerator is poly(s.axis)
    }
    return all(d is not None and d % width == 0 for d in divisors)


def _subscripts(body: Sequence[Statement]) -> Iterator[Poly]:
    for s in statements(tuple(body)):
        if isinstance(s, (Store, Update)):
            yield from s.subscripts
        yield from (p for value in scalars(s) for load in walk.loads(value) for p in load.subscripts)


def _folds_lanes(s: For) -> bool:
    return any(isinstance(t, Fold) and s.axis in t.over for t in statements(s.body))


def _accumulates(body: Sequence[Statement]) -> bool:
    return any(isinstance(s, (Init, Fold, Update)) for s in statements(tuple(body)))


def _most_rows(body: Sequence[Statement]) -> int:
    """The most points of accumulators that blocks inside of a nest have, apart from lanes."""
    inside = [
        (s.bind.count if s.bind.kind == "unroll" and not _is_folded(s) else 1) * _most_rows(s.body) for s in body if isinstance(s, For)
    ]
    return max(inside, default=1)


def _is_folded(loop: For) -> bool:
    """Whether what a loop makes is folded into what is outside of it."""
    return all(isinstance(s, Fold) and loop.axis in s.over for s in loop.body)


def _narrowed(context: Context, s: For, start: Value, stop: Value) -> tuple[Value, Value]:
    """The range of a loop without blocks at its ends that do nothing."""
    code = context.code

    def corner(axis: Index, last: bool) -> Value:
        block = context.bound.get(axis)
        if block is not None:
            reach = block.count * (context.lanes if block.vector else 1) - 1
            return code.add(block.base, integer(reach)) if last else block.base
        tiles = context.tiles.get(axis)
        low, high = (tiles[-1].start, tiles[-1].stop) if tiles else (integer(0), index.number(context, axis.extent, {}))
        return code.sub(high, integer(1)) if last else low

    def total(sizes: Poly, terms: Iterable[tuple[int, Value]]) -> Value:
        found = index.number(context, sizes, {})
        for c, n in terms:
            found = code.add(found, code.mul(integer(c), n))
        return found

    step = s.bind.count * (context.lanes if s.bind.kind == "vector" else 1)
    first = start
    for guard in s.only:
        parts = algebra.split(guard, s.axis)
        assert parts is not None
        most = bounds.greatest(parts[1], corner, total)
        if parts[0].constant == 1:
            skipped = code.sub(code.sub(integer(0), most), first)
            blocks = code.binary("sdiv", code.greatest(skipped, integer(0)), integer(step))
            start = code.greatest(start, code.add(first, code.mul(blocks, integer(step))))
        else:
            stop = code.least(stop, code.add(most, integer(1)))
    return start, stop


def _range(context: Context, s: For) -> tuple[Value, Value, int | None]:
    """The first point, the end, and how many points there are where that is known."""
    if s.within:
        tile = context.tiles[s.axis][-1]
        return tile.start, tile.stop, None
    stop = context.extents.get(s.axis) or index.number(context, s.axis.extent, {})
    if s.part is not None:
        size = index.number(context, s.part.size, {})
        start = context.code.mul(context.bound[s.part.number].base, size)
        return start, context.code.least(context.code.add(start, size), stop), None
    if s.axis in context.shares:
        return *parallel.span(context, context.shares[s.axis], stop), None
    return integer(0), stop, stop.number


def _run(
    context: Context,
    s: For,
    start: Value,
    stop: Value,
    step: int,
    block: Block | None,
    masked: Value | None = None,
    proved: frozenset[Poly] = frozenset(),
    last: Value | None = None,
) -> Value:
    """One loop over blocks, in which the guards `proved` hold; gives the point after the last block. Lanes are masked from `masked` on; a
    block that would reach beyond `last` begins before, so that it ends there.
    """
    if start.number is not None and stop.number is not None and start.number >= stop.number:
        return start
    code = context.code
    folded = _folded(context, s)
    folds = any(isinstance(t, Fold) for t in s.body)
    carried = [r for var in folded for registers in context.accumulators[var].registers.values() for r in registers]
    saved = context.save()
    outer = context.streaming, context.in_tile
    coming = context.coming

    @context.loop(_written(s))
    def body(counter: Value, phis: list[Value]) -> list[Value]:
        _set_registers(context, folded, phis)
        context.proved |= proved
        if block is None:
            end = code.least(code.add(counter, integer(step)), stop)
            context.tiles[s.axis] = (*context.tiles.get(s.axis, ()), Tile(counter, end, step))
        else:
            first = counter if last is None else code.least(counter, code.sub(last, integer(step)))
            context.bind(s.axis, Block(first, block.count, block.vector))
            if s.axis in context.shares:
                parallel.enter(context, context.shares[s.axis], counter)
            if block.vector:
                context.vector, context.is_narrow = s.axis, block.count < s.bind.count
                context.valid_lanes = None if masked is None else code.sub(masked, counter)
                context.mask = index.lanes_below(context, context.valid_lanes) if context.valid_lanes is not None else None
                prefetch.ask(context)
            elif block.count >= PREFETCHED:
                prefetch.next_rows(context, s, block.count)
            elif block.count == 1:
                prefetch.copied(context, s)
            if not block.vector:
                prefetch.gathered(context, s, block.count)
        context.streams.clear()
        is_stream = block is not None and block.vector and masked is None and not (folds and (s.within or _goes_along_rows(context, s)))
        context.streaming, context.in_tile = code.depth if is_stream else None, s.within
        emit(context, s.body)
        if context.streaming is not None and folds:
            stream.ask(context)
        context.streaming, context.in_tile = outer
        return [r for var in folded for registers in context.accumulators[var].registers.values() for r in registers]

    after, results = code.loop(start, stop, step, carried, body)
    context.restore(saved)
    context.coming = coming
    stream.swept(context)
    _set_registers(context, folded, results)
    context.passing.clear()
    return after


def _goes_along_rows(context: Context, s: For) -> bool:
    """Whether a loop goes along several rows at a time, which the processor foresees better than one."""
    return any(a is not s.axis and context.bound[a].count >= PREFETCHED for a in context.blocked)


def _folded(context: Context, s: For) -> list[Var]:
    """The accumulators that were started outside of a loop and that it changes."""
    inside = {t.var for t in statements(s.body) if isinstance(t, (Fold, Carry))}
    return [var for var in context.accumulators if var in inside]


def _set_registers(context: Context, variables: Sequence[Var], values: Sequence[Value]) -> None:
    remaining = iter(values)
    for var in variables:
        old = context.accumulators[var]
        registers = {key: [next(remaining) for _ in several] for key, several in old.registers.items()}
        context.accumulators[var] = replace(old, registers=registers)


def _written(s: For) -> frozenset[Memory]:
    found: set[Memory] = set()
    for t in statements(s.body):
        match t:
            case Store(memory) | Update(memory):
                found.add(memory)
            case SortRow(_, permutation, _, _, _, work):
                found |= {permutation, work}
            case _:
                pass
    return frozenset(found)
