"""A set of rules as one kernel: which loops make its grid, how many points a program takes at a time; the cheapest of several ways.

A program of the grid takes a tile of the loops that no rule reduces. Inside of it the other loops are swept: one of them in blocks, a whole
row at once where registers hold it, the others point by point. A loop that is only reduced by rules that nothing in the kernel reads may be
in chunks, so that more programs run at once: each stores a partial result, and another kernel combines them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tensorc.algebra import Index
from tensorc.ir.tensor import Tensor
from tensorc.schedule.gpu import chains, cost, matrices, rows
from tensorc.schedule.gpu import space as spaces
from tensorc.schedule.gpu.cost import Plan
from tensorc.schedule.gpu.machine import BANDWIDTH, LAUNCH, PROCESSORS
from tensorc.schedule.gpu.measure import Measure
from tensorc.schedule.gpu.rows import COLUMNS, ROW, WAVES
from tensorc.schedule.gpu.sizes import power_of_two
from tensorc.schedule.gpu.space import Situation, Space
from tensorc.schedule.rules import Rule


class Planner:
    """Plans sets of rules of one program. `outputs` are its results and checks."""

    def __init__(self, situation: Situation, outputs: Sequence[Tensor]) -> None:
        self.measure = Measure(situation, outputs)

    def add(self, r: Rule) -> None:
        """Note what a rule reads."""
        self.measure.add(r)

    def is_small(self, plan: Plan) -> bool:
        """Whether one program does all of it in less time than a launch takes."""
        return cost.is_small(self.measure, plan)

    def plan(self, rules: Sequence[Rule]) -> Plan | None:
        """The cheapest kernel of the rules; None where one can't hold them."""
        space = spaces.unify(rules)
        if space is None:
            return None
        space = spaces.merged(space, self.measure.are_neighbours)
        found = [p for p in self._candidates(space) if p is not None]
        return min(found, key=lambda p: p.cost, default=None)

    def _candidates(self, space: Space) -> Iterator[Plan | None]:
        yield self._tiled(space, ())
        if not any(space.over.values()):
            return
        if len(space.rules) > 1:
            has_products = any(self.measure.is_product(space, r) for r in space.rules)
            for axis in space.loops:
                if has_products or self.measure.sizes.whole(axis.extent) > ROW // 2:
                    yield chains.streamed(self.measure, space, axis)
        for axis in space.loops:
            reducing = space.reducing(axis)
            if reducing and not space.read & set(reducing) and all(axis in space.of(r) for r in space.own):
                yield self._chunked(space, axis)

    def _tiled(self, space: Space, serial: Sequence[Index]) -> Plan | None:
        """A tile of what no rule reduces for each program. `serial` are loops around the other inner ones, a few points at a time."""
        every = [r for r in space.rules if space.of(r)]
        reduced = {a for r in space.rules for a in space.over[r]}
        if every:
            longest = max(every, key=lambda r: len(space.out[r]))
            grid = [a for a in space.out[longest] if a not in reduced and all(a in space.out[r] for r in space.own)]
        else:
            grid = []
        inner = [a for a in space.loops if a not in grid]
        products = {r: s for r in space.rules if (s := self.measure.sides(space, r)) is not None and r.is_contraction}
        if products:
            return matrices.tiled(self.measure, space, grid, inner, products)
        return rows.swept(self.measure, space, grid, inner, serial) if inner else rows.map_(self.measure, space, grid)

    def _chunked(self, space: Space, axis: Index) -> Plan | None:
        """The kernel with a reduced loop in chunks."""
        others = [a for a in space.loops if a is not axis and all(a in space.out[r] for r in space.own)]
        kept = [a for a in space.loops if a is not axis and a not in others]
        mixed = any(axis in space.out[r] for r in space.rules)
        tiles = max(self.measure.points(others) / (COLUMNS if mixed else 64), 1.0)
        extent = self.measure.sizes.estimate(axis.extent)
        inside = self.measure.points(kept) if kept else 1.0
        wanted = max((1 if mixed and not others else WAVES) * PROCESSORS / tiles, 1.0)
        least = 1 if inside >= 256 else 16
        size = power_of_two(max(int(extent / wanted), least))
        if size >= extent:
            return None
        exact = self.measure.sizes.divides(size, axis.extent)
        made = spaces.chunked(space, axis, size, exact, self.measure.label)
        plan = self._tiled(made.space, [made.within] if mixed else [])
        if plan is None:
            return None
        after = sum(self._final_cost(r) for r in made.finals)
        return replace(plan, finals=made.finals, cost=plan.cost + after, exact=(axis.extent, size) if exact else None)

    def _final_cost(self, r: Rule) -> float:
        if r.monoid is None:
            return 0.0
        return LAUNCH + self.measure.points((*r.axes, *r.reduced)) * r.body.dtype.bytes / BANDWIDTH
