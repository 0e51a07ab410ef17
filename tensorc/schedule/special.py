"""The kernels of what is no rule of one nest: scans, scatters and sorts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tensorc.algebra import Atom, Index, Poly, elements, indices, poly, substitute
from tensorc.dtypes import i64
from tensorc.ir import build, walk
from tensorc.ir.tensor import Input, Load, Scalar
from tensorc.loops.nest import (
    SERIAL,
    Bind,
    Carry,
    For,
    Init,
    Kernel,
    Scratch,
    SortRow,
    Statement,
    Store,
    Update,
    read,
    touched,
    variable,
)
from tensorc.schedule.bind import LANES, lane
from tensorc.schedule.memory import Names, Storage, lower, lower_places
from tensorc.schedule.rules import AnyRule, ScanRule, ScatterRule, SortRule

ROWS = 6
"""Rows that are scanned side by side: the next element of one need not wait for another's."""


SCATTERED = 4
"""Points that are scattered one after the other in a step of the loop."""


def scan(name: str, rule: ScanRule, storage: Storage, names: Names) -> Kernel:
    """Rows outside, the recurrence along each; where the elements of neighbouring rows are neighbours, a register of rows at a time."""
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
    accesses = [load.subscripts for s in (value, decay) if s is not None for load in walk.loads(s)] + [place]
    lanes = _lanes(rows, accesses)
    binds = {lanes: Bind("vector", 1)} if lanes is not None else {rows[-1]: Bind("unroll", ROWS)} if rows else {}
    return _kernel(name, _rows(rows, body, binds), (*rows, along), used)


def _lanes(rows: Sequence[Index], accesses: Sequence[tuple[Poly, ...]]) -> Index | None:
    """The axis of rows whose lanes cost less than an element at a time."""
    best = min(rows, key=lambda a: sum(lane(s, a) for s in accesses), default=None)
    return best if best is not None and sum(lane(s, best) for s in accesses) < LANES else None


def scatter(name: str, rule: ScatterRule, storage: Storage, names: Names) -> Kernel:
    """The base everywhere, then one point after the other; of rows, whose neighbours go to neighbours, a register after the other."""
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
    along = _along(iteration, stored, value)
    if along is None:
        binds = {iteration[-1]: Bind("unroll", SCATTERED)} if iteration else {}
    else:
        binds = {along: Bind("vector", 2)}
        iteration = (*(a for a in iteration if a is not along), along)
    for a in reversed(iteration):
        add = For(a, binds.get(a, SERIAL), (add,))
    body = (*_rows(rule.axes, (base,), {a: Bind("vector", 1) for a in rule.axes[-1:]}), add)
    return _kernel(name, body, (*rule.axes, *iteration), Names(names.taken))


def _along(iteration: Sequence[Index], place: tuple[Poly, ...], value: Scalar) -> Index | None:
    """The axis whose neighbours are added to neighbours, whatever the others are; None where there is none, or reading it takes longer."""
    last = place[-1].atom if place else None
    if not isinstance(last, Index) or any(last in indices(s) for s in place[:-1]):
        return None
    if any(last in indices(poly(e)) for load in walk.loads(value) for s in load.subscripts for e in elements(s)):
        return None
    reads = sum(lane(load.subscripts, last) for load in walk.loads(value))
    return last if last in iteration and reads < LANES else None


def sort(name: str, rule: SortRule, storage: Storage, names: Names, first: int | None) -> Kernel:
    """Row by row; of each the `first` places alone, where that is given."""
    *rows, along = rule.axes
    keys = storage.load(Load(rule.keys, tuple(map(poly, rule.axes)))).tensor
    assert isinstance(keys, Input)
    memory, _ = storage.places[rule]
    used = Names(names.taken)
    work = Scratch(used.unique(f"{rule.name}_work"), (along.extent,), i64)
    statement = SortRow(keys, memory, tuple(map(poly, rows)), along.extent, rule.descending, work, first)
    return _kernel(name, _rows(rows, (statement,), {}), rule.axes, used, work)


def read_of(rule: SortRule, every: Iterable[AnyRule]) -> int | None:
    """How many leading places of a permutation are read; None where that may be all."""
    if rule.targets:
        return None
    most = 0
    for load in (load for r in every for load in _every_load(r) if load.tensor is rule.tensor):
        last = load.subscripts[-1]
        place = last.atom if last.constant is None else None
        read = last.constant + 1 if last.constant is not None else place.extent.constant if isinstance(place, Index) else None
        if read is None:
            return None
        most = max(most, read)
    return most


def _every_load(rule: AnyRule) -> Iterator[Load]:
    """What a rule loads, in subscripts too."""
    for load in rule.loads:
        yield load
        for s in load.subscripts:
            yield from (Load(e.tensor, e.subscripts) for e in elements(s))


def _rows(axes: Sequence[Index], body: tuple[Statement, ...], binds: Mapping[Index, Bind]) -> tuple[Statement, ...]:
    """The body in a loop over each axis; the outer ones may run in parallel."""
    for a in reversed(axes):
        body = (For(a, binds.get(a, SERIAL), body),)
    return _parallel(body)


def _parallel(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    if len(body) != 1 or not isinstance(body[0], For):
        return body
    loop = body[0]
    return (replace(loop, parallel=True, body=_parallel(loop.body) if loop.bind is SERIAL else loop.body),)


def _kernel(name: str, body: tuple[Statement, ...], axes: Sequence[Index], names: Names, *scratch: Scratch) -> Kernel:
    return Kernel(name, body, *touched(body), scratch, names.letters(axes))
