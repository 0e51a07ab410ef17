"""A set of rules as one kernel: which loops make its grid, how many points a program takes at a time, and what that costs.

A program of the grid takes a tile of the loops that no rule reduces. Inside of it the other loops are swept: one of them in blocks, a whole
row at once where registers hold it, the others point by point. A loop that is only reduced by rules that nothing in the kernel reads may be
in chunks, so that more programs run at once: each stores a partial result, and another kernel combines them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import ONE, Index, Poly
from tensorc.dtypes import DType
from tensorc.ir import walk
from tensorc.ir.tensor import Load, Scalar, Tensor
from tensorc.schedule.gpu import space as spaces
from tensorc.schedule.gpu import stream
from tensorc.schedule.gpu.nest import Block, Part, Sweep, sweeps
from tensorc.schedule.gpu.product import Sides, sides
from tensorc.schedule.gpu.sizes import Sizes, power_of_two
from tensorc.schedule.gpu.space import Situation, Space
from tensorc.schedule.memory import Names
from tensorc.schedule.rules import Rule, operations

# The machine that decisions are made for: an H100's figures, rounded. Others differ by factors that change few of them.

PROCESSORS = 132
BANDWIDTH = 3.0e6
"""Bytes of memory a microsecond."""

SECTOR = 32
"""Bytes of memory that are moved at once."""

CACHED = 2
"""How often what is moved with an element is still in the cache when its turn comes, of the times that it would be moved again."""

LAUNCH = 4.0
"""Microseconds that a kernel takes that does nothing."""

MATRIX = {16: 5.0e8, 32: 4.0e7, 64: 2.0e7}
"""Terms of a matrix product a microsecond, by the bits of its elements."""

HALF_EXACT = 8.0e7
"""The same where one side is of half floats and the other of f32, which is three parts of TF32."""

SCALAR = 2.0e7
"""Other operations a microsecond."""

ELEMENTS = 1024
"""What a program takes of a map, so that each of 128 threads has two wide loads of f32."""

WAVES = 4
"""Programs for each processor that keep memory busy."""

ROW = 32768
"""The longest row that registers hold, of one that is live at a time."""

TILE = 8192
"""Elements of a tile of columns that registers hold."""

LONG = 4096
"""Elements of a tile of rows that registers do not hold."""

COLUMNS = 128
"""Columns of a tile that a program goes down where it stores the tile too."""

THREADS = 128
"""Elements at a time below which some threads of a program have nothing to do."""

FEW = 4
"""Programs that one program does one after the other, at most."""

LEAST = 16
"""Points of each axis that a matrix product takes at least."""

WIDEST = 256
"""The longest rows of matrices of a chain of products, which are whole in registers."""

MIXED = 8192
"""Elements of the rows that a program takes at a time where it also adds up columns: there are as many programs as processors."""


@dataclass(frozen=True, eq=False)
class Plan:
    """`grid` and `inner` are the loops, the outermost first, each with the points that are taken at a time. `finals` are rules that
    complete partial results; `exact` is a loop's extent that chunks of the size are taken to divide. `warps` and `stages` are Triton's
    `num_warps` and `num_stages`; `cost` is in microseconds.
    """

    space: Space
    grid: tuple[Block, ...]
    inner: tuple[Block, ...]
    finals: tuple[Rule, ...] = ()
    warps: int = 4
    stages: int = 3
    cost: float = 0.0
    exact: tuple[Poly, int] | None = None
    passes: stream.Passes | None = None  # along one of the inner loops

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.space.rules


@dataclass(frozen=True)
class Access:
    """Elements that a rule reads or stores at each of its points, at an address in the loops."""

    tensor: Tensor
    address: Poly
    dtype: DType
    store: bool


class Planner:
    """Plans sets of rules of one program. `outputs` are its results and checks; `readers` are the rules that read a tensor."""

    def __init__(self, situation: Situation, outputs: Sequence[Tensor]) -> None:
        self.situation = situation
        self.outputs = outputs
        self.readers: dict[Tensor, set[Rule]] = {}
        self._works: dict[Rule, int] = {}
        self._labels: dict[tuple[Rule, str], str] = {}
        self._names = Names()

    @property
    def sizes(self) -> Sizes:
        return self.situation.sizes

    def add(self, r: Rule) -> None:
        """Note what a rule reads."""
        for load in r.loads:
            self.readers.setdefault(load.tensor, set()).add(r)

    def plan(self, rules: Sequence[Rule]) -> Plan | None:
        """The cheapest kernel of the rules; None where one can't hold them."""
        space = spaces.unify(rules)
        if space is None:
            return None
        space = spaces.merged(space, self._are_neighbours)
        found = [p for p in self._candidates(space) if p is not None]
        return min(found, key=lambda p: p.cost, default=None)

    def _candidates(self, space: Space) -> Iterator[Plan | None]:
        yield self._tiled(space, ())
        if not any(space.over.values()):
            return
        if len(space.rules) > 1:
            has_products = any(self._is_product(space, r) for r in space.rules)
            for axis in space.loops:
                if has_products or self.sizes.whole(axis.extent) > ROW // 2:
                    yield self._streamed(space, axis)
        for axis in space.loops:
            reducing = space.reducing(axis)
            if reducing and not space.read & set(reducing) and all(axis in space.of(r) for r in space.rules):
                yield self._chunked(space, axis)

    # Loops that are neighbours in memory.

    def _are_neighbours(self, space: Space, axis: Index) -> bool:
        """Whether no address and no number in any rule divides the merged loop."""
        for r in space.rules:
            numbers = [p for s in _parts(r) for p in s]
            moved = [algebra.substitute(p, space.values[r]) for p in numbers]
            if any(spaces.divides(p, axis) for p in moved) or any(spaces.divides(a.address, axis) for a in self.accesses(space, r)):
                return False
        return True

    def accesses(self, space: Space, r: Rule) -> list[Access]:
        """The memory that a rule touches. What it makes is taken to be stored where anything outside of the space reads it."""
        found = []
        for load in r.loads:
            if load.tensor not in space.members:
                at = [algebra.substitute(s, space.values[r]) for s in load.subscripts]
                found.append(Access(load.tensor, self.situation.address(load.tensor, at), load.dtype, False))
        for t in r.targets:
            at = [algebra.substitute(s, space.values[r]) for s in t.subscripts]
            found.append(
                Access(r.tensor or self.outputs[t.result], self._row_major(self.outputs[t.result].extents, at), r.body.dtype, True)
            )
        if not r.targets and r.tensor is not None and not self._is_inside(space, r):
            at = [algebra.ZERO if a.extent is ONE else space.values[r][a] for a in r.axes]
            found.append(Access(r.tensor, self._row_major([a.extent for a in r.axes], at), r.body.dtype, True))
        return found

    def _is_inside(self, space: Space, r: Rule) -> bool:
        readers = self._readers(r)
        return bool(readers) and readers <= set(space.rules)

    def _readers(self, r: Rule) -> set[Rule]:
        return self.readers.get(r.tensor, set()) if r.tensor is not None else set()

    @staticmethod
    def _row_major(extents: Sequence[Poly], at: Sequence[Poly]) -> Poly:
        return spaces.dot(at, spaces.row_major(extents))

    # Which loop is contiguous.

    def weights(self, space: Space) -> dict[Index, float]:
        """For each loop, the bytes of memory whose neighbours it runs along."""
        found = dict.fromkeys(space.loops, 0.0)
        for r in space.rules:
            for access in self.accesses(space, r):
                for a in algebra.indices(access.address):
                    if a in found and _is_unit(access.address, a):
                        found[a] += self._points(algebra.indices(access.address) & set(space.loops)) * access.dtype.bytes
        return found

    def _points(self, axes: frozenset[Index] | set[Index] | Sequence[Index]) -> float:
        total = 1.0
        for a in axes:
            total *= self.sizes.estimate(a.extent)
        return total

    # Kernels.

    def _tiled(self, space: Space, serial: Sequence[Index]) -> Plan | None:
        """A tile of what no rule reduces for each program. `serial` are loops around the other inner ones, a few points at a time."""
        every = [r for r in space.rules if space.of(r)]
        reduced = {a for r in space.rules for a in space.over[r]}
        if every:
            longest = max(every, key=lambda r: len(space.out[r]))
            grid = [a for a in space.out[longest] if a not in reduced and all(a in space.out[r] for r in space.rules)]
        else:
            grid = []
        inner = [a for a in space.loops if a not in grid]
        products = {r: s for r in space.rules if (s := self._sides(space, r)) is not None and r.is_contraction}
        if products:
            return self._products(space, grid, inner, products)
        return self._swept(space, grid, inner, serial) if inner else self._map(space, grid)

    def _map(self, space: Space, grid: list[Index]) -> Plan:
        """Nothing is reduced: a tile whose last axis is contiguous, and where two are, in different memory, one of both."""
        weights = self.weights(space)
        points = self._points(grid)
        size = ELEMENTS if any(a.dtype.bytes > 2 for r in space.rules for a in self.accesses(space, r)) else 2 * ELEMENTS
        while size > 128 and points / size < WAVES * PROCESSORS:
            size //= 2
        order = sorted(grid, key=lambda a: weights[a])
        blocks = dict.fromkeys(grid, 1)
        if len(order) > 1 and weights[order[-2]] > 0 and min(self.sizes.estimate(a.extent) for a in order[-2:]) >= 16:
            side = 64 if points >= 1 << 20 else 32
            for a in order[-2:]:
                blocks[a] = min(self.sizes.whole(a.extent), side)
        else:
            rest = size
            for a in sorted(grid, key=lambda a: (weights[a], grid.index(a)), reverse=True):
                blocks[a] = self._block(a, rest)
                rest //= blocks[a]
        elements = _size(blocks)
        warps = max(1, min(elements // 256, 8))
        return self._priced(Plan(space, tuple((a, blocks[a]) for a in grid), (), warps=warps))

    def _block(self, a: Index, most: int) -> int:
        """A power of two of points, at most `most`, that leaves little of the last block empty."""
        count = self.sizes.estimate(a.extent)
        block = min(self.sizes.whole(a.extent), most)
        while block > 128 and -(-count // block) * block > 1.25 * count:
            block //= 2
        return max(block, 1)

    def _swept(self, space: Space, grid: list[Index], inner: list[Index], serial: Sequence[Index]) -> Plan | None:
        """Reductions: rows, where the contiguous axis is inside, or columns, where it is in the grid."""
        weights = self.weights(space)
        lane = max(space.loops, key=lambda a: (weights[a], self.sizes.estimate(a.extent)))
        free = [a for a in inner if a not in serial]
        if lane not in grid and lane in serial:
            lane = max(free, key=lambda a: weights[a]) if free else lane
        blocks = dict.fromkeys((*grid, *inner), 1)
        wide = lane if lane in free else max(free, key=lambda a: self.sizes.estimate(a.extent), default=None)
        apart = [a for a in free if wide is not None and a is not wide and not any({a, wide} <= set(space.of(r)) for r in space.rules)]
        order = [*serial, *(a for a in free if a is not wide and a not in apart), *apart, *([wide] if wide is not None else [])]
        if wide is not None:
            self._sweep_blocks(space, grid, order, lane, wide, blocks)
        if wide is not None and serial and not any({wide, *serial} <= set(space.over[r]) for r in space.rules):
            blocks[serial[0]] = min(max((MIXED >> self.situation.relief) // _size(blocks), 1), self.sizes.whole(serial[0].extent))
        if wide is None and lane in grid:  # a tile, of which each column is added up apart
            blocks[lane] = min(self.sizes.whole(lane.extent), COLUMNS)
            blocks[serial[0]] = min(max(2 * ELEMENTS // blocks[lane], 1), self.sizes.whole(serial[0].extent))
        for a in apart[:1]:  # loops that never stand in one another may each have blocks
            blocks[a] = min(self.sizes.whole(a.extent), max(blocks[wide], 32) if wide is not None else 32)
        plan = Plan(space, tuple((a, blocks[a]) for a in grid), tuple((a, blocks[a]) for a in order))
        if not self._is_possible(plan):
            return None
        warps = max(1, min(_size(blocks) // 512, 16))
        if wide is not None and lane is wide and blocks[wide] >= ROW:
            warps = 32
        return self._priced(replace(plan, warps=power_of_two(warps)))

    def _sweep_blocks(
        self, space: Space, grid: list[Index], order: list[Index], lane: Index, wide: Index, blocks: dict[Index, int]
    ) -> None:
        programs = self._points(grid)
        whole = self.sizes.whole(wide.extent)
        live = self._live(space, order, wide)
        if lane is wide:
            limit = max(ROW // power_of_two(live) >> self.situation.relief, 1024)
            part = (2048 if live <= 2 else 1024) >> max(self.situation.relief - 1, 0)
            blocks[wide] = whole if whole <= limit else min(whole, part)
            near = grid[-1] if grid else None
            while near is not None and _size(blocks) < ELEMENTS and blocks[near] < self.sizes.estimate(near.extent):
                if programs / (2 * blocks[near]) < WAVES * PROCESSORS and blocks[near] * blocks[wide] >= 128:
                    break
                blocks[near] *= 2
            return
        columns = min(self.sizes.whole(lane.extent), 64) if lane in grid else 1
        while columns > 16 and programs / columns < WAVES * PROCESSORS:
            columns //= 2
        if lane in grid:
            blocks[lane] = columns
        nest = sweeps(space, space.rules, order)
        several = sum(1 for p in _every_sweep(nest) if p.axis is wide) > 1
        fits = max((TILE >> self.situation.relief) // power_of_two(live) // columns, 1)
        if several and whole <= fits:
            blocks[wide] = whole
        else:
            blocks[wide] = min(whole, max(2048 // columns, 16))

    def _live(self, space: Space, order: Sequence[Index], wide: Index) -> int:
        """How many values of a row registers hold at a time, about: what several sweeps read, and what accumulates."""
        sweeps_of: dict[tuple[Tensor, Poly], set[int]] = {}
        for r, path in _paths(sweeps(space, space.rules, order), ()):
            mine = next((n for n, s in enumerate(path) if s.axis is wide), None)
            if mine is None:
                continue
            for a in self.accesses(space, r):
                if not a.store and wide in algebra.indices(a.address):
                    sweeps_of.setdefault((a.tensor, a.address), set()).add(id(path[mine]))
        held = sum(len(found) > 1 for found in sweeps_of.values())
        accumulated = sum(wide in space.out[r] and bool(space.over[r]) for r in space.rules)
        return max(held + accumulated, 1)

    def _is_possible(self, plan: Plan) -> bool:
        """Whether what must stay in registers is of whole axes."""
        blocks = dict((*plan.grid, *plan.inner))
        space, around = plan.space, {a for a, _ in plan.grid}
        nest = sweeps(space, space.rules, [a for a, _ in plan.inner])
        paths = dict(_paths(nest, ()))
        for r in space.rules:
            if not space.over[r]:
                continue
            first = next(n for n, s in enumerate(paths[r]) if s.axis in space.over[r])
            inside = [a for a in space.out[r] if a not in around and a not in [s.axis for s in paths[r][:first]]]
            later = [other for other in space.rules if other is not r and _reads(space, other, r)]
            elsewhere = any(paths[other][:first] != paths[r][:first] for other in later)
            kept = [*inside, *([s.axis for s in paths[r][:first] if s.axis in space.out[r]] if elsewhere else [])]
            if not all(self.sizes.is_whole(a.extent, blocks[a]) for a in kept) or _size({a: blocks[a] for a in kept}) > ROW:
                return False
            if sum(blocks[a] > 1 for a in kept) > 1 and _size({a: blocks[a] for a in kept}) > TILE // 2:
                return False
        return True

    # Matrix products.

    def _sides(self, space: Space, r: Rule) -> Sides | None:
        if r.monoid != "sum":
            return None
        found = sides(_moved(space, r), space.out[r], space.over[r])
        return found if found is not None and r.body.dtype.is_float else None

    def _is_product(self, space: Space, r: Rule) -> bool:
        return r.is_contraction and self._sides(space, r) is not None

    def _products(self, space: Space, grid: list[Index], inner: list[Index], products: dict[Rule, Sides]) -> Plan | None:
        """Tiles of rows and columns; the reduced axis that both factors have in blocks, the others point by point."""
        first = next(iter(products.values()))
        if any(set(s.rows) != set(first.rows) or set(s.columns) != set(first.columns) for s in products.values()):
            return None
        if not all(set(space.over[r]) <= set(inner) for r in products) or any(
            a in inner for s in products.values() for a in s.rows + s.columns
        ):
            return None
        weights = self.weights(space)
        row, column = (
            max(axes, key=lambda a: (min(self.sizes.estimate(a.extent), 128), weights[a])) for axes in (first.rows, first.columns)
        )
        depth = max(first.depth, key=lambda a: (min(self.sizes.estimate(a.extent), 64), weights[a]))
        bits = max(s.dtype.bits for s in products.values())
        blocks = dict.fromkeys((*grid, *inner), 1)
        blocks |= self._tile(row, column, depth, bits, self._points([a for a in grid if a not in (row, column)]), len(products))
        order = [*(a for a in inner if a is not depth), depth]
        plan = Plan(space, tuple((a, blocks[a]) for a in grid), tuple((a, blocks[a]) for a in order))
        if not self._is_possible(plan):
            return None
        warps = 8 if blocks[row] * blocks[column] >= 128 * 128 else 4
        return self._priced(replace(plan, warps=warps, stages=3 if bits == 16 else 2))

    def _tile(self, row: Index, column: Index, depth: Index, bits: int, batch: float, products: int) -> dict[Index, int]:
        rows, columns, deep = (self.sizes.estimate(a.extent) for a in (row, column, depth))
        for side in (128, 64, 32):
            tile = {row: _fit(rows, side), column: _fit(columns, side)}
            if batch * -(-rows // tile[row]) * -(-columns // tile[column]) >= PROCESSORS:
                break
        if bits > 16 or products > 1:
            tile = {a: min(n, 64) for a, n in tile.items()}
        return tile | {depth: _fit(deep, 64 if bits == 16 else 32)}

    # Streams.

    def _streamed(self, space: Space, axis: Index) -> Plan | None:
        """Passes over tiles of an axis, where all the others are whole or of the grid: chains of matrix products, and the longest rows."""
        reduced = {a for r in space.rules for a in space.over[r]}
        longest = max(space.rules, key=lambda r: len(space.out[r]))
        grid = [a for a in space.out[longest] if a not in reduced and a is not axis and all(a in space.out[r] for r in space.rules)]
        inner = [a for a in space.loops if a not in grid and a is not axis]
        wide = {a: max(self.sizes.whole(a.extent), LEAST) for a in inner}
        if axis not in reduced or not grid or any(n > WIDEST for n in wide.values()):
            return None
        products = [s for r in space.rules if r.is_contraction and (s := self._sides(space, r)) is not None]
        tile = self._stream_tile(axis) if products else LONG >> self.situation.relief
        found = stream.passes(space, axis, tile, self._is_stored(space))
        if found is None:
            return None
        if not products:
            blocks = dict.fromkeys(grid, 1) | wide | {axis: tile}
            loops = tuple((a, blocks[a]) for a in grid), (*wide.items(), (axis, tile))
            return self._priced(Plan(space, *loops, warps=max(tile // 512, 1), passes=found)) if not wide else None
        sides_of = {a for s in products for a in s.rows + s.columns}
        row = max(grid, key=lambda a: (a in sides_of, self.sizes.estimate(a.extent)))
        blocks = dict.fromkeys(grid, 1) | wide | {axis: found.tile}
        blocks[row] = self._stream_tile(row)
        while blocks[row] > 2 * LEAST and self._points(grid) / blocks[row] < PROCESSORS:
            blocks[row] //= 2
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
        return self._priced(plan)

    def _stream_tile(self, a: Index) -> int:
        return max(_fit(self.sizes.estimate(a.extent), 64) >> self.situation.relief, LEAST)

    def _is_stored(self, space: Space) -> Callable[[Rule], bool]:
        return lambda r: bool(r.targets) or not self._is_inside(space, r)

    # Chunks.

    def _chunked(self, space: Space, axis: Index) -> Plan | None:
        """The kernel with a reduced loop in chunks."""
        others = [a for a in space.loops if a is not axis and all(a in space.out[r] for r in space.rules)]
        kept = [a for a in space.loops if a is not axis and a not in others]
        mixed = any(axis in space.out[r] for r in space.rules)
        tiles = max(self._points(others) / (COLUMNS if mixed else 64), 1.0)
        extent = self.sizes.estimate(axis.extent)
        inside = self._points(kept) if kept else 1.0
        wanted = max((1 if mixed and not others else WAVES) * PROCESSORS / tiles, 1.0)
        least = 1 if inside >= 256 else 16
        size = power_of_two(max(int(extent / wanted), least))
        if size >= extent:
            return None
        exact = self.sizes.divides(size, axis.extent)
        made = spaces.chunked(space, axis, size, exact, self.label)
        plan = self._tiled(made.space, [made.within] if mixed else [])
        if plan is None:
            return None
        after = sum(self._final_cost(r) for r in made.finals)
        return replace(plan, finals=made.finals, cost=plan.cost + after, exact=(axis.extent, size) if exact else None)

    def label(self, r: Rule, part: str) -> str:
        """A name for something that is made of a rule, always the same."""
        if (r, part) not in self._labels:
            self._labels[r, part] = self._names.unique(f"{r.name}_{part}")
        return self._labels[r, part]

    def _final_cost(self, r: Rule) -> float:
        if r.monoid is None:
            return 0.0
        return LAUNCH + self._points((*r.axes, *r.reduced)) * r.body.dtype.bytes / BANDWIDTH

    # Cost.

    def _priced(self, plan: Plan) -> Plan:
        """The plan with its cost: a launch, and the longer of what memory and arithmetic take, by as many processors as have work."""
        space = plan.space
        blocks = dict((*plan.grid, *plan.inner))
        programs = 1.0
        for a, block in plan.grid:
            programs *= -(-self.sizes.estimate(a.extent) // block)
        share = min(1.0, max(programs, 1.0) / PROCESSORS) * min(1.0, _size(blocks) / THREADS)
        seen: set[tuple[object, ...]] = set()
        moved = 0.0
        work = 0.0
        for r, where in dict.fromkeys(self._runs(plan, blocks)):
            points = self._points(space.of(r))
            product_ = self._sides(space, r) if r.is_contraction else None
            work += points * (max(self._work(r), 1) / SCALAR if product_ is None else 1 / _rate(product_))
            for access in self.accesses(space, r):
                key = (access.tensor, access.address, access.store, where)
                if key not in seen:
                    seen.add(key)
                    elements = self._points(algebra.indices(access.address) & set(space.loops))
                    moved += elements * max(access.dtype.bytes, self._sector(access, blocks)) * self._again(plan, access, blocks)
        return replace(plan, cost=LAUNCH + max(moved / BANDWIDTH, work) / share)

    def _work(self, r: Rule) -> int:
        """Instructions for a point, without what is the same for all points."""
        found = self._works.get(r)
        if found is None:
            found = self._works[r] = operations(r.body, lambda s: bool(walk.indices(s)))
        return found

    def _runs(self, plan: Plan, blocks: dict[Index, int]) -> Iterator[tuple[Rule, Hashable]]:
        """Each rule as often as it is computed, with the sweep that it is computed in, between which no register keeps anything."""
        space = plan.space
        if plan.passes is None:
            nest = sweeps(space, space.rules, [a for a, _ in plan.inner])
            for r, path in _paths(nest, ()):
                where = tuple(id(s) for s in path if not self.sizes.is_whole(s.axis.extent, blocks[s.axis]))
                yield from ((p, where) for p in _with_pointwise(space, r))
            return
        for number in range(plan.passes.count):
            for part in stream.needed(space, plan.passes, number, self._is_stored(space)):
                yield from ((r, number) for r in part)
        yield from ((r, None) for r in space.rules if plan.passes.axis not in space.of(r))

    @staticmethod
    def _sector(access: Access, blocks: dict[Index, int]) -> float:
        """Bytes that memory moves for an element: its share of a sector. The cache keeps some of what a program takes later."""
        along = [a for a in algebra.indices(access.address) & set(blocks) if _is_unit(access.address, a)]
        return SECTOR / CACHED / max((blocks[a] for a in along), default=1) if along else 0.0

    def is_small(self, plan: Plan) -> bool:
        """Whether one program does all of it in less time than a launch takes."""
        space = plan.space
        programs = sum(-(-self.sizes.estimate(a.extent) // block) for a, block in plan.grid)
        if programs > FEW or plan.passes is not None or any(self._is_product(space, r) for r in space.rules):
            return False
        points = [(self._points(space.of(r)), r) for r in space.rules]
        moved = sum(
            self._points(algebra.indices(a.address) & set(space.loops)) * a.dtype.bytes
            for r in space.rules
            for a in self.accesses(space, r)
        )
        work = sum(n * max(self._work(r), 1) for n, r in points)
        return max(moved / BANDWIDTH, work / SCALAR) * PROCESSORS < 2 * LAUNCH

    def _again(self, plan: Plan, access: Access, blocks: dict[Index, int]) -> float:
        """How often an element is read by different programs, of which the cache serves most."""
        missing = [a for a, _ in plan.grid if a not in algebra.indices(access.address)]
        times = 1.0
        for a in missing:
            times *= max(self.sizes.estimate(a.extent) / blocks[a], 1.0)
        return 1.0 if access.store else min(1.0 + (times - 1.0) / 8, 4.0)


def _rate(product: Sides) -> float:
    """Terms of a matrix product a microsecond."""
    return HALF_EXACT if product.dtype.bits == 32 and product.is_half_exact else MATRIX[product.dtype.bits]


def _parts(r: Rule) -> Iterator[tuple[Poly, ...]]:
    """The numbers that stand in a rule's body, subscripts aside."""
    for s in walk.postorder(r.body):
        if not isinstance(s, Load):
            yield walk.polys(s)


def _moved(space: Space, r: Rule) -> Scalar:
    return walk.rewrite(r.body, space.values[r])


def _is_unit(address: Poly, axis: Index) -> bool:
    parts = algebra.split(address, axis)
    return parts is not None and parts[0].constant in (1, -1)


def _fit(count: int, most: int) -> int:
    return max(16, min(power_of_two(count), most))


def _size(blocks: dict[Index, int]) -> int:
    total = 1
    for b in blocks.values():
        total *= b
    return total


def _paths(parts: Sequence[Part], path: tuple[Sweep, ...]) -> Iterator[tuple[Rule, tuple[Sweep, ...]]]:
    for p in parts:
        if isinstance(p, Rule):
            yield p, path
        else:
            yield from _paths(p.body, (*path, p))


def _every_sweep(parts: Sequence[Part]) -> Iterator[Sweep]:
    for p in parts:
        if isinstance(p, Sweep):
            yield p
            yield from _every_sweep(p.body)


def _with_pointwise(space: Space, r: Rule) -> dict[Rule, None]:
    """A rule and the pointwise ones that it reads: they are made where it is."""
    found: dict[Rule, None] = {}
    stack = [r]
    while stack:
        here = stack.pop()
        found[here] = None
        for load in here.loads:
            p = space.members.get(load.tensor)
            if p is not None and p not in found and not space.over[p]:
                stack.append(p)
    return found


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
