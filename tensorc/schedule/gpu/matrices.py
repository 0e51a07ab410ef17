"""Plans of matrix products: tiles of rows and columns, and blocks of what is summed over."""

from __future__ import annotations

from dataclasses import replace

from tensorc.algebra import Index
from tensorc.schedule.gpu.cost import Plan, priced
from tensorc.schedule.gpu.machine import PROCESSORS
from tensorc.schedule.gpu.measure import Measure, fit
from tensorc.schedule.gpu.product import LEAST, Sides
from tensorc.schedule.gpu.rows import is_possible
from tensorc.schedule.gpu.space import Space
from tensorc.schedule.rules import Rule


def tiled(m: Measure, space: Space, grid: list[Index], inner: list[Index], products: dict[Rule, Sides]) -> Plan | None:
    """Tiles of rows and columns; the reduced axis that both factors have in blocks, the others point by point."""
    first = next(iter(products.values()))
    if any(set(s.rows) != set(first.rows) or set(s.columns) != set(first.columns) for s in products.values()):
        return None
    if not all(set(space.over[r]) <= set(inner) for r in products) or any(
        a in inner for s in products.values() for a in s.rows + s.columns
    ):
        return None
    weights = m.weights(space)
    row, column = (max(axes, key=lambda a: (min(m.sizes.estimate(a.extent), 128), weights[a])) for axes in (first.rows, first.columns))
    depth = max(first.depth, key=lambda a: (min(m.sizes.estimate(a.extent), 64), weights[a]))
    bits = max(s.dtype.bits for s in products.values())
    blocks = dict.fromkeys((*grid, *inner), 1)
    blocks |= _tile(m, row, column, depth, bits, m.points([a for a in grid if a not in (row, column)]), len(products))
    order = [*(a for a in inner if a is not depth), depth]
    plan = Plan(space, tuple((a, blocks[a]) for a in grid), tuple((a, blocks[a]) for a in order))
    if not is_possible(m, plan):
        return None
    warps = 8 if blocks[row] * blocks[column] >= 128 * 128 else 4
    return priced(m, replace(plan, warps=warps, stages=3 if bits == 16 else 2))


def _tile(m: Measure, row: Index, column: Index, depth: Index, bits: int, batch: float, products: int) -> dict[Index, int]:
    rows, columns, deep = (m.sizes.estimate(a.extent) for a in (row, column, depth))
    for side in (128, 64, 32):
        tile = {row: fit(rows, side), column: fit(columns, side)}
        if batch * -(-rows // tile[row]) * -(-columns // tile[column]) >= PROCESSORS:
            break
    if bits > 16 or products > 1:
        tile = {a: min(n, 64) for a, n in tile.items()}
    tile |= {depth: fit(deep, 64 if bits == 16 else 32)}
    return {a: max(n >> m.situation.relief, LEAST) for a, n in tile.items()}
