"""Plans of maps and of reductions: rows, which registers hold where they fit, else in blocks, and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.ir.tensor import Tensor
from tensorc.schedule.gpu.cost import Plan, paths, priced
from tensorc.schedule.gpu.machine import PROCESSORS
from tensorc.schedule.gpu.measure import Measure, size_of
from tensorc.schedule.gpu.nest import Part, Sweep, sweeps
from tensorc.schedule.gpu.sizes import power_of_two
from tensorc.schedule.gpu.space import Space
from tensorc.schedule.rules import Rule

ELEMENTS = 1024
"""What a program takes of a map, so that each of 128 threads has two wide loads of f32."""

WIDTH = 16
"""Bytes that a thread loads or stores at once."""

WAVES = 4
"""Programs for each processor that keep memory busy."""

ROW = 32768
"""The longest row that registers hold, of one that is live at a time."""

TILE = 8192
"""Elements of a tile of columns that registers hold."""

COLUMNS = 128
"""Columns of a tile that a program goes down where it stores the tile too."""

MIXED = 8192
"""Elements of the rows that a program takes at a time where it also adds up columns: there are as many programs as processors."""


def map_(m: Measure, space: Space, grid: list[Index]) -> Plan:
    """Nothing is reduced: a tile whose last axis is contiguous, and where two are, in different memory, one of both."""
    weights = m.weights(space)
    points = m.points(grid)
    bytes_ = [a.dtype.bytes for r in space.rules for a in m.accesses(space, r)]
    size = ELEMENTS if max(bytes_, default=4) > 2 else 2 * ELEMENTS
    least = 32 * WIDTH // min(bytes_, default=4)  # one wide load of each of the fewest threads
    while size > least and points / size < WAVES * PROCESSORS:
        size //= 2
    order = sorted(grid, key=lambda a: weights[a])
    blocks = dict.fromkeys(grid, 1)
    if len(order) > 1 and weights[order[-2]] > 0 and min(m.sizes.estimate(a.extent) for a in order[-2:]) >= 16:
        side = 64 if points >= 1 << 20 else 32
        for a in order[-2:]:
            blocks[a] = min(m.sizes.whole(a.extent), side)
    else:
        rest = size
        for a in sorted(grid, key=lambda a: (weights[a], grid.index(a)), reverse=True):
            blocks[a] = _block(m, a, rest)
            rest //= blocks[a]
    each = max(8, WIDTH // min(bytes_, default=4))  # elements of a thread
    warps = max(1, min(size_of(blocks) // (32 * each), 8))
    return priced(m, Plan(space, tuple((a, blocks[a]) for a in grid), (), warps=warps))


def _block(m: Measure, a: Index, most: int) -> int:
    """A power of two of points, at most `most`, that leaves little of the last block empty."""
    count = m.sizes.estimate(a.extent)
    block = min(m.sizes.whole(a.extent), most)
    while block > 128 and -(-count // block) * block > 1.25 * count:
        block //= 2
    return max(block, 1)


def swept(m: Measure, space: Space, grid: list[Index], inner: list[Index], serial: Sequence[Index]) -> Plan | None:
    """Reductions: rows, where the contiguous axis is inside, or columns, where it is in the grid."""
    weights = m.weights(space)
    lane = max(space.loops, key=lambda a: (weights[a], m.sizes.estimate(a.extent)))
    free = [a for a in inner if a not in serial]
    if lane not in grid and lane in serial:
        lane = max(free, key=lambda a: weights[a]) if free else lane
    blocks = dict.fromkeys((*grid, *inner), 1)
    wide = lane if lane in free else max(free, key=lambda a: m.sizes.estimate(a.extent), default=None)
    apart = [a for a in free if wide is not None and a is not wide and not any({a, wide} <= set(space.of(r)) for r in space.rules)]
    order = [*serial, *(a for a in free if a is not wide and a not in apart), *apart, *([wide] if wide is not None else [])]
    if wide is not None:
        _sweep_blocks(m, space, grid, order, lane, wide, blocks)
    if serial and wide is not None and blocks[wide] >= ROW and len(space.own) < len(space.rules):
        return None  # a loop around such a row keeps more in registers than there is room for
    if wide is not None and serial and not any({wide, *serial} <= set(space.over[r]) for r in space.rules):
        blocks[serial[0]] = min(max((MIXED >> m.situation.relief) // size_of(blocks), 1), m.sizes.whole(serial[0].extent))
    if wide is None and lane in grid:  # a tile, of which each column is added up apart
        blocks[lane] = min(m.sizes.whole(lane.extent), COLUMNS)
        blocks[serial[0]] = min(max(2 * ELEMENTS // blocks[lane], 1), m.sizes.whole(serial[0].extent))
    for a in apart[:1]:  # loops that never stand in one another may each have blocks
        blocks[a] = min(m.sizes.whole(a.extent), max(blocks[wide], 32) if wide is not None else 32)
    plan = Plan(space, tuple((a, blocks[a]) for a in grid), tuple((a, blocks[a]) for a in order))
    if not is_possible(m, plan):
        return None
    warps = max(1, min(size_of(blocks) // (512 >> m.situation.relief), 16))
    if wide is not None and lane is wide and blocks[wide] >= ROW:
        warps = 32
    return priced(m, replace(plan, warps=power_of_two(warps)))


def _sweep_blocks(
    m: Measure, space: Space, grid: list[Index], order: list[Index], lane: Index, wide: Index, blocks: dict[Index, int]
) -> None:
    programs = m.points(grid)
    whole = m.sizes.whole(wide.extent)
    live = _live(m, space, order, wide)
    if lane is wide:
        limit = max(ROW // power_of_two(live) >> m.situation.relief, 1024)
        part = (2048 if live <= 2 else 1024) >> max(m.situation.relief - 1, 0)
        blocks[wide] = whole if whole <= limit else min(whole, part)
        near = grid[-1] if grid else None
        while near is not None and size_of(blocks) < ELEMENTS and blocks[near] < m.sizes.estimate(near.extent):
            if programs / (2 * blocks[near]) < WAVES * PROCESSORS and blocks[near] * blocks[wide] >= 128:
                break
            blocks[near] *= 2
        return
    columns = min(m.sizes.whole(lane.extent), 64) if lane in grid else 1
    while columns > 16 and programs / columns < WAVES * PROCESSORS:
        columns //= 2
    if lane in grid:
        blocks[lane] = columns
    nest = sweeps(space, space.rules, order)
    several = sum(1 for p in _every_sweep(nest) if p.axis is wide) > 1
    fits = max((TILE >> m.situation.relief) // power_of_two(live) // columns, 1)
    if several and whole <= fits:
        blocks[wide] = whole
    else:
        blocks[wide] = min(whole, max(2048 // columns, 16))


def _live(m: Measure, space: Space, order: Sequence[Index], wide: Index) -> int:
    """How many values of a row registers hold at a time, about: what several sweeps read, and what accumulates."""
    sweeps_of: dict[tuple[Tensor, Poly], set[int]] = {}
    for r, path in paths(sweeps(space, space.rules, order), ()):
        mine = next((n for n, s in enumerate(path) if s.axis is wide), None)
        if mine is None:
            continue
        for a in m.accesses(space, r):
            if not a.store and wide in algebra.indices(a.address):
                sweeps_of.setdefault((a.tensor, a.address), set()).add(id(path[mine]))
    held = sum(len(found) > 1 for found in sweeps_of.values())
    accumulated = sum(wide in space.out[r] and bool(space.over[r]) for r in space.rules)
    return max(held + accumulated, 1)


def is_possible(m: Measure, plan: Plan) -> bool:
    """Whether what must stay in registers is of whole axes."""
    blocks = dict((*plan.grid, *plan.inner))
    space, around = plan.space, {a for a, _ in plan.grid}
    nest = sweeps(space, space.rules, [a for a, _ in plan.inner])
    path_of = dict(paths(nest, ()))
    for r in space.rules:
        if not space.over[r]:
            continue
        first = next(n for n, s in enumerate(path_of[r]) if s.axis in space.over[r])
        inside = [a for a in space.out[r] if a not in around and a not in [s.axis for s in path_of[r][:first]]]
        later = [other for other in space.rules if other is not r and _reads(space, other, r)]
        elsewhere = any(path_of[other][:first] != path_of[r][:first] for other in later)
        kept = [*inside, *([s.axis for s in path_of[r][:first] if s.axis in space.out[r]] if elsewhere else [])]
        if not all(m.sizes.is_whole(a.extent, blocks[a]) for a in kept) or size_of({a: blocks[a] for a in kept}) > ROW:
            return False
        if sum(blocks[a] > 1 for a in kept) > 1 and size_of({a: blocks[a] for a in kept}) > TILE // 2:
            return False
    return True


def _every_sweep(parts: Sequence[Part]) -> Iterator[Sweep]:
    for p in parts:
        if isinstance(p, Sweep):
            yield p
            yield from _every_sweep(p.body)


def _reads(space: Space, reader: Rule, made: Rule) -> bool:
    """Whether a rule reads another, or makes again what reads it."""
    stack, seen = [reader], {reader}
    while stack:
        for load in stack.pop().loads:
            p = space.members.get(load.tensor)
            if p is made:
                return True
            if p is not None and p not in seen and not space.over[p]:
                seen.add(p)
                stack.append(p)
    return False
