"""Plans of streams: passes over tiles of an axis, where all other axes are whole or of the grid."""

from __future__ import annotations

from tensorc.algebra import Index
from tensorc.schedule.gpu import stream
from tensorc.schedule.gpu.cost import Plan, priced
from tensorc.schedule.gpu.machine import PROCESSORS
from tensorc.schedule.gpu.measure import Measure, fit
from tensorc.schedule.gpu.product import LEAST
from tensorc.schedule.gpu.space import Space

LONG = 4096
"""Elements of a tile of rows that registers do not hold."""

WIDEST = 256
"""The longest rows of matrices of a chain of products, which are whole in registers."""


def streamed(m: Measure, space: Space, axis: Index) -> Plan | None:
    """Passes over tiles of an axis, where all the others are whole or of the grid: chains of matrix products, and the longest rows."""
    reduced = {a for r in space.rules for a in space.over[r]}
    longest = max(space.rules, key=lambda r: len(space.out[r]))
    grid = [a for a in space.out[longest] if a not in reduced and a is not axis and all(a in space.out[r] for r in space.own)]
    again = [a for r in space.rules if r.repeated for a in space.of(r)]
    inner = [a for a in space.loops if a not in grid and a is not axis and a not in again]
    wide = {a: max(m.sizes.whole(a.extent), LEAST) for a in inner}
    if axis not in reduced or not grid or any(n > WIDEST for n in wide.values()):
        return None
    products = [s for r in space.rules if r.is_contraction and (s := m.sides(space, r)) is not None]
    tile = _stream_tile(m, axis) if products else LONG >> m.situation.relief
    found = stream.passes(space, axis, tile, m.is_stored(space))
    if found is None:
        return None
    if not products:
        blocks = dict.fromkeys(grid, 1) | wide | {axis: tile}
        first = tuple((a, min(m.sizes.whole(a.extent), tile)) for a in again)
        loops = tuple((a, blocks[a]) for a in grid), (*wide.items(), *first, (axis, tile))
        return priced(m, Plan(space, *loops, warps=max(tile // 512, 1), passes=found)) if not wide else None
    if again:
        return None
    sides_of = {a for s in products for a in s.rows + s.columns}
    row = max(grid, key=lambda a: (a in sides_of, m.sizes.estimate(a.extent)))
    blocks = dict.fromkeys(grid, 1) | wide | {axis: found.tile}
    blocks[row] = _stream_tile(m, row)
    while blocks[row] > 2 * LEAST and m.points(grid) / blocks[row] < PROCESSORS:
        blocks[row] //= 2
    if not all(any(blocks[a] >= LEAST for a in side) for s in products for side in (s.rows, s.columns)):
        return None  # of some product a program would have a row alone
    widest = max(wide.values(), default=1)
    bits = max(s.dtype.bits for s in products)
    plan = Plan(
        space,
        tuple((a, blocks[a]) for a in grid),
        (*wide.items(), (axis, found.tile)),
        warps=8 if blocks[row] * max(widest, found.tile) > 64 * 64 else 4,
        stages=3 if bits == 16 else 2,
        passes=found,
    )
    return priced(m, plan)


def _stream_tile(m: Measure, a: Index) -> int:
    return max(fit(m.sizes.estimate(a.extent), 64) >> m.situation.relief, LEAST)
