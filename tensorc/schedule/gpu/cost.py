"""One kernel of rules, and what it costs: a launch, and the longer of what memory and arithmetic take, by the processors that have work."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.schedule.gpu import stream
from tensorc.schedule.gpu.machine import BANDWIDTH, CACHED, HALF_EXACT, LAUNCH, MATRIX, PROCESSORS, SCALAR, SECTOR
from tensorc.schedule.gpu.measure import Access, Measure, is_unit, size_of
from tensorc.schedule.gpu.nest import Block, Part, Sweep, sweeps
from tensorc.schedule.gpu.product import Sides
from tensorc.schedule.gpu.space import Space
from tensorc.schedule.rules import Rule

THREADS = 128
"""Elements at a time below which some threads of a program have nothing to do."""

FASTER = 2
"""How often the cache gives what memory gives once."""

FEW = 4
"""Programs that one program does one after the other, at most."""


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


def priced(m: Measure, plan: Plan) -> Plan:
    """The plan with its cost: a launch, and the longer of what memory and arithmetic take, by as many processors as have work."""
    space = plan.space
    blocks = dict((*plan.grid, *plan.inner))
    programs = 1.0
    for a, block in plan.grid:
        programs *= -(-m.sizes.estimate(a.extent) // block)
    share = min(1.0, max(programs, 1.0) / PROCESSORS) * min(1.0, size_of(blocks) / THREADS)
    seen: set[tuple[object, ...]] = set()
    moved = 0.0
    work = 0.0
    for r, where in dict.fromkeys(_runs(m, plan, blocks)):
        points = m.points(space.of(r))
        product_ = m.sides(space, r) if r.is_contraction else None
        if r.repeated:
            points *= programs
        work += points * (max(m.work(r), 1) / SCALAR if product_ is None else 1 / _rate(product_))
        for access in m.accesses(space, r):
            key = (access.tensor, access.address, access.store, where)
            if key not in seen:
                seen.add(key)
                elements = m.points(algebra.indices(access.address) & set(space.loops))
                times = 1 + programs / FASTER if r.repeated else _again(m, plan, access, blocks)
                moved += elements * max(access.dtype.bytes, _sector(access, blocks)) * times
    return replace(plan, cost=LAUNCH + max(moved / BANDWIDTH, work) / share)


def _runs(m: Measure, plan: Plan, blocks: dict[Index, int]) -> Iterator[tuple[Rule, Hashable]]:
    """Each rule as often as it is computed, with the sweep that it is computed in, between which no register keeps anything."""
    space = plan.space
    if plan.passes is None:
        nest = sweeps(space, space.rules, [a for a, _ in plan.inner])
        for r, path in paths(nest, ()):
            where = tuple(id(s) for s in path if not m.sizes.is_whole(s.axis.extent, blocks[s.axis]))
            yield from ((p, where) for p in _with_pointwise(space, r))
        return
    for number in range(plan.passes.count):
        for part in stream.needed(space, plan.passes, number, m.is_stored(space)):
            yield from ((r, number) for r in part)
    yield from ((r, None) for r in space.rules if plan.passes.axis not in space.of(r))


def _sector(access: Access, blocks: dict[Index, int]) -> float:
    """Bytes that memory moves for an element: its share of a sector. The cache keeps some of what a program takes later."""
    along = [a for a in algebra.indices(access.address) & set(blocks) if is_unit(access.address, a)]
    return SECTOR / CACHED / max((blocks[a] for a in along), default=1) if along else 0.0


def _again(m: Measure, plan: Plan, access: Access, blocks: dict[Index, int]) -> float:
    """How often an element is read by different programs, of which the cache serves most."""
    missing = [a for a, _ in plan.grid if a not in algebra.indices(access.address)]
    times = 1.0
    for a in missing:
        times *= max(m.sizes.estimate(a.extent) / blocks[a], 1.0)
    return 1.0 if access.store else min(1.0 + (times - 1.0) / 8, 4.0)


def is_small(m: Measure, plan: Plan) -> bool:
    """Whether one program does all of it in less time than a launch takes."""
    space = plan.space
    programs = sum(-(-m.sizes.estimate(a.extent) // block) for a, block in plan.grid)
    if programs > FEW or plan.passes is not None or any(m.is_product(space, r) for r in space.rules):
        return False
    points = [(m.points(space.of(r)), r) for r in space.rules]
    moved = sum(m.points(algebra.indices(a.address) & set(space.loops)) * a.dtype.bytes for r in space.rules for a in m.accesses(space, r))
    work = sum(n * max(m.work(r), 1) for n, r in points)
    return max(moved / BANDWIDTH, work / SCALAR) * PROCESSORS < 2 * LAUNCH


def _rate(product: Sides) -> float:
    """Terms of a matrix product a microsecond."""
    return HALF_EXACT if product.dtype.bits == 32 and product.is_half_exact else MATRIX[product.dtype.bits]


def paths(parts: Sequence[Part], path: tuple[Sweep, ...]) -> Iterator[tuple[Rule, tuple[Sweep, ...]]]:
    for p in parts:
        if isinstance(p, Rule):
            yield p, path
        else:
            yield from paths(p.body, (*path, p))


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
