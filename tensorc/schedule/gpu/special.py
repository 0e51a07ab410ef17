"""The kernels of what is no rule of one nest, for a GPU: scans, scatters and sorts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tensorc.algebra import Atom, Index, Poly, poly, substitute
from tensorc.ir import build
from tensorc.ir.tensor import Input, Load
from tensorc.loops.nest import SERIAL, Bind, Carry, For, Init, Kernel, Scratch, SortRow, Statement, Store, Update, read, touched, variable
from tensorc.schedule.gpu.sizes import Sizes
from tensorc.schedule.memory import Names, Storage, lower, lower_places
from tensorc.schedule.rules import ScanRule, ScatterRule, SortRule

NO_BLOCKS: Mapping[Index, int] = MappingProxyType({})

ELEMENTS = 1024
"""What a program takes of a map."""

COLUMNS = 8
"""Neighbours in memory that a program scans at once, each along its own column: memory moves so many numbers at once."""


def scan(name: str, rule: ScanRule, sizes: Sizes, storage: Storage, names: Names) -> Kernel:
    """A program for each row, or for neighbouring columns; the emitter takes the recurrence along them a block at a time."""
    *rows, along = rule.axes
    here = along.extent - 1 - along if rule.reverse else poly(along)
    turned: dict[Atom, Poly] = {along: here} if rule.reverse else {}
    value = lower(rule.body, turned, storage.load)
    decay = None
    if rule.decay is not None:  # the first term alone begins, whatever its decay is
        factor = lower(rule.decay, turned, storage.load)
        decay = build.select(build.is_zero(poly(along)), build.constant(0, factor.dtype), factor)
    memory, place = storage.places[rule]
    place = tuple(substitute(s, turned) for s in place)
    used = Names(names.taken)
    var = variable(used.unique(rule.name), value.dtype, tuple(rows))
    step = (Carry(var, rule.monoid, value, decay), Store(memory, place, read(var)))
    body: tuple[Statement, ...] = (Init(var, rule.monoid, (along,)), For(along, SERIAL, step))
    neighbours = {load.subscripts[-1].atom for load in rule.loads if load.subscripts}
    columns = _tile([a for a in rows if a in neighbours], sizes, COLUMNS)
    return _kernel(name, _programs(rows, body, columns), (*rows, along), used)


def scatter(name: str, taken: Names, rule: ScatterRule, sizes: Sizes, storage: Storage, names: Names) -> list[Kernel]:
    """The base everywhere, then a kernel that adds."""
    memory, place = storage.places[rule]
    base = Store(memory, place, lower(rule.base, {}, storage.load))
    start = len(rule.axes)
    iteration = tuple(Index(start + level, a.extent) for level, a in enumerate(rule.iteration))
    moved: dict[Atom, Poly] = {a: poly(b) for a, b in zip(rule.iteration, iteration, strict=True)}
    value = lower(rule.body, moved, storage.load)
    at = lower_places(rule.subscripts, moved, storage.load)
    where = build.both(*(build.inside(s, a.extent) for s, a in zip(at, rule.axes, strict=True)))
    values: dict[Atom, Poly] = dict(zip(rule.axes, at, strict=True))
    stored = tuple(substitute(s, values) for s in place)
    add: Statement = Update(memory, stored, "sum", value, (), None if where is build.TRUE else where)
    for a in reversed(iteration):
        add = For(a, SERIAL, (add,))
    blocks = _tile(rule.axes, sizes, ELEMENTS)
    filling = _kernel(f"{name}_base", _programs(rule.axes, (base,), blocks), rule.axes, Names(names.taken))
    return [filling, _kernel(name, (add,), iteration, Names(names.taken))]


def sort(name: str, rule: SortRule, storage: Storage, names: Names) -> Kernel:
    """A program for each row."""
    from tensorc.dtypes import i64

    *rows, along = rule.axes
    keys = storage.load(Load(rule.keys, tuple(map(poly, rule.axes)))).tensor
    assert isinstance(keys, Input)
    memory, _ = storage.places[rule]
    used = Names(names.taken)
    work = Scratch(used.unique(f"{rule.name}_work"), (along.extent,), i64)
    statement = SortRow(keys, memory, tuple(map(poly, rows)), along.extent, rule.descending, work)
    return _kernel(name, _programs(rows, (statement,)), rule.axes, used, work)


def _tile(axes: Sequence[Index], sizes: Sizes, most: int) -> dict[Index, int]:
    """How many points a program takes of each axis, of the last ones first."""
    blocks: dict[Index, int] = {}
    for a in reversed(axes):
        blocks[a] = min(sizes.whole(a.extent), most)
        most //= blocks[a]
    return blocks


def _programs(axes: Sequence[Index], body: tuple[Statement, ...], blocks: Mapping[Index, int] = NO_BLOCKS) -> tuple[Statement, ...]:
    """The body at every point of the axes, all at the same time."""
    for a in reversed(axes):
        body = (For(a, Bind("unroll", blocks[a]) if blocks.get(a, 1) > 1 else SERIAL, body, parallel=True),)
    return body


def _kernel(name: str, body: tuple[Statement, ...], axes: Sequence[Index], names: Names, *scratch: Scratch) -> Kernel:
    return Kernel(name, body, *touched(body), scratch, names.letters(axes))
