"""What the axes of a contraction are for, from the index sets of what it reads: which go in lanes, along rows, outside, inside."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import Index
from tensorc.ir import walk
from tensorc.ir.tensor import IsZero, Load, Nonnegative
from tensorc.schedule.members import Member, axes, is_near, is_unit
from tensorc.schedule.rules import overlaps
from tensorc.schedule.sizes import Estimate

CHEAP, AMORTIZED = 256, 2048
"""Rows for which a panel may be copied anew, so that there is something to do for several threads; and for which it is, without more."""

LANES = 16
"""Lanes of a register of f32."""

FEW = 5
"""Lanes that are too few to be worth a register."""

LONG = 256
"""Terms whose lanes are worth to be added up in the end."""

ENOUGH = 12
"""Points of an axis that is worth to be gone along."""

LITTLE = 64
"""So many times fewer elements than something else has are no matter."""

COPY, TURN, GATHER = 2, 5, 20
"""Instructions that copy a register, that turn it on the way, and that put it together of elements."""


DEAR = 2.0
"""Instructions beside each product that take longer than to read everything for each of them."""


@dataclass(frozen=True)
class Roles:
    """Of contractions of the same axes: `outer` axes have a panel each, `shared` ones share it, with `rows` innermost. `inner` is what each
    contraction reduces, what rows read side by side or the longest last.
    """

    bases: tuple[Member, ...]
    lanes: Index
    rows: Index
    outer: tuple[Index, ...]
    shared: tuple[Index, ...]
    inner: tuple[tuple[Index, ...], ...]
    thin: bool = False
    """Whether there are so few rows that what is read in lanes is read once or twice, and is best read as it lies in memory."""

    @property
    def out(self) -> tuple[Index, ...]:
        return self.bases[0].out

    def inner_of(self, m: Member) -> tuple[Index, ...]:
        return self.inner[self.bases.index(m)]


def ways(bases: Sequence[Member], members: Sequence[Member], estimate: Estimate) -> Iterator[Roles]:
    """The ways of choosing lanes and rows for contractions among members that are made of them, the best first."""
    found: list[tuple[float, Roles]] = []
    out = bases[0].out
    loads = [load for b in bases for load in b.loads]
    reductions = [m for m in members if m.over and m not in bases]
    reduced = {a for m in reductions for a in m.over}
    for lanes in reversed(out):
        if lanes in reduced or not all(lanes in m.out for m in members) or estimate(lanes.extent) < FEW:
            continue
        mine = [load for load in loads if lanes in axes(load)]
        side = frozenset[Index]().union(*map(axes, mine))
        wanted = [a for a in out if a not in side and all(a in m.over for m in reductions)]
        if not wanted or not all(any(a in side for a in b.over) for b in bases):
            continue
        rows = max(wanted, key=lambda a: (min(estimate(a.extent), ENOUGH), _nearness(loads, a), out.index(a)))
        roles = _shared(bases, members, lanes, rows, side, reduced, estimate)
        points = math.prod(estimate(a.extent) for a in (rows, *roles.shared))
        if len(bases) == 1:
            if points < (ENOUGH if any(overlaps(load, lanes) for load in mine) else 2) or _is_of_dots(bases[0], lanes, estimate):
                continue
            if points < ENOUGH <= estimate(lanes.extent) and not reductions and all(is_unit(load.subscripts, lanes) for load in mine):
                roles = replace(roles, thin=True)
        price = _price(roles, members, mine, estimate)
        if price < DEAR or len(bases) > 1 or not _has_other_lanes(bases[0], lanes, estimate):
            found.append((price + _idle(estimate(lanes.extent)), roles))
    found.sort(key=lambda f: f[0])
    for _, roles in found:
        yield roles


def _is_of_dots(first: Member, lanes: Index, estimate: Estimate) -> bool:
    """Whether lanes are few, and what is multiplied lies side by side along what is reduced, which is long."""
    if 2 * estimate(lanes.extent) > LANES:
        return False
    return any(estimate(a.extent) >= LONG and all(is_unit(load.subscripts, a) for load in first.loads) for a in first.over)


def _has_other_lanes(first: Member, lanes: Index, estimate: Estimate) -> bool:
    """Whether there is another axis along which all that is read lies side by side, or is the same: all but what is little."""
    others = [a for a in first.space if a is not lanes and estimate(a.extent) >= LANES]
    count = {load: math.prod(estimate(a.extent) for a in axes(load)) for load in first.loads}
    large = [load for load, n in count.items() if n * LITTLE >= max(count.values())]
    return any(all(a not in axes(load) or is_near(load.subscripts, a) for load in large) for a in others)


def _nearness(loads: Sequence[Load], axis: Index) -> int:
    """Whether neighbours along an axis are neighbours in what is read, or in one row of it."""
    last = [load.subscripts[-1] for load in loads if load.subscripts]
    return max(2 * any(is_unit(load.subscripts, axis) for load in loads), any(axis in algebra.indices(s) for s in last))


def _idle(extent: int) -> float:
    """The lanes that are computed for nothing, for each one that is not."""
    return -(-extent // LANES) * LANES / extent - 1.0


def _price(roles: Roles, members: Sequence[Member], mine: Sequence[Load], estimate: Estimate) -> float:
    """What lanes along an axis cost beyond the products themselves, in instructions for each of them."""
    lanes = roles.lanes
    price = 0.0
    depth = sum(math.prod(estimate(a.extent) for a in inner) for inner in roles.inner)
    turned = sum(m.place is not None and not is_unit(m.place[1], lanes) for m in members)
    price += turned * TURN / depth
    rows = math.prod(estimate(a.extent) for a in (roles.rows, *roles.shared))
    for load in mine:
        if overlaps(load, lanes):  # which can't be copied side by side
            price += 1.0
        else:
            price += _copying(load, roles, estimate) / rows
    terms = [s for b in roles.bases for s in walk.postorder(b.body)]
    guards = [s for s in terms if isinstance(s, (Nonnegative, IsZero)) and lanes in walk.indices(s)]
    return price + len(guards) * TURN / (1 if any(overlaps(load, lanes) for load in mine) else rows)


def _copying(load: Load, roles: Roles, estimate: Estimate) -> int:
    """What a register of a panel costs: squares are turned where there are enough neighbours along what is reduced."""
    if is_unit(load.subscripts, roles.lanes):
        return COPY
    reduced = [a for inner in roles.inner for a in inner if is_unit(load.subscripts, a)]
    return TURN if any(2 * estimate(a.extent) >= LANES for a in reduced) else GATHER


def _shared(
    bases: Sequence[Member],
    members: Sequence[Member],
    lanes: Index,
    rows: Index,
    side: frozenset[Index],
    reduced: set[Index],
    estimate: Estimate,
) -> Roles:
    """Outer axes are those that the panel depends on, and so many before the others that a panel still serves many rows."""
    others = [a for a in _as_stored(bases[0], members) if a not in (lanes, rows)]
    free = [a for a in others if a not in side and a not in reduced]
    points = estimate(rows.extent)
    inside = [a for a in others if a in reduced]
    for a in inside:
        points *= estimate(a.extent)
    tiles = -(-estimate(lanes.extent) // (4 * LANES))
    while free:
        left = tiles * math.prod(estimate(a.extent) for a in others if a in side or a in free[:-1])
        if points >= (AMORTIZED if left > 1 else CHEAP):
            break
        inside.insert(0, free.pop())
        points *= estimate(inside[0].extent)
    outer = tuple(a for a in others if a not in inside)
    inner = tuple(_inner(b, lanes, estimate) for b in bases)
    return Roles(tuple(bases), lanes, rows, outer, tuple(a for a in others if a in inside), inner)


def _inner(base: Member, lanes: Index, estimate: Estimate) -> tuple[Index, ...]:
    read = [load for load in base.loads if lanes not in axes(load)]

    def last(a: Index) -> tuple[bool, int]:
        points = estimate(a.extent)
        return points >= ENOUGH and any(is_unit(load.subscripts, a) for load in read), points

    return tuple(sorted(base.over, key=last))


def _as_stored(first: Member, members: Sequence[Member]) -> list[Index]:
    """The axes of the result in the order that they have in memory, where it is known."""
    places = [m.place[1] for m in members if m.place is not None]
    order = [a for s in max(places, key=len, default=()) for a in sorted(algebra.indices(s), key=lambda a: a.level)]
    return [a for a in order if a in first.out] + [a for a in first.out if a not in order]


def unit_of(m: Member, roles: Roles) -> Index | None:
    """The axis, other than the lanes, along which a stored value has its neighbours."""
    if m.place is None or is_unit(m.place[1], roles.lanes) or roles.lanes not in m.out:
        return None
    subscripts = m.place[1]
    return next((a for a in m.out if a is not roles.lanes and a not in roles.outer and is_near(subscripts, a)), None)
