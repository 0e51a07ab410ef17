"""The order of a nest's loops: which rules run in which sweep over which axis.

The outermost axis is chosen for all rules at once, the next for the rules of each of its sweeps, and so on. Over an axis `a`, sweeps are
numbered: odd stages loop over `a`, even ones stand outside. A reader of an element is in its producer's sweep or later; a reader of what
is reduced over `a` is later. Where everything lives follows: see `build`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorc.algebra import Index
from tensorc.loops.nest import SERIAL, Bind
from tensorc.schedule.axes import Space
from tensorc.schedule.rules import Rule


@dataclass(frozen=True, eq=False)
class Sweep:
    """A loop over an axis, with the rules and loops that run in it, in order. `bind` and `parallel` are chosen later."""

    axis: Index
    body: tuple[Part, ...]
    bind: Bind = SERIAL
    parallel: bool = False


Part = Sweep | Rule


def arrange(space: Space) -> tuple[Part, ...] | None:
    """The nest of a space; None where one loop over the outermost axis does not do.

    That loop runs once, so that its points may be shared out among threads. Small rules may follow where it reduces, and so can't be
    shared out anyway.
    """
    body = _nest(space, space.rules, ())
    sweeps = [part for part in body if isinstance(part, Sweep)]
    if not sweeps:
        return body
    root, rest = body[0], body[1:]
    if not isinstance(root, Sweep):
        return None
    inside = rules(root.body)
    if rest:
        if not any(root.axis in space.over[r] for r in inside):
            return None
        made = {a for r in inside for a in space.out[r]}
        if not all(set(space.out[r]) <= made - {root.axis} and not space.over[r] for r in rules(rest)):
            return None
    return body


def rules(parts: Sequence[Part]) -> list[Rule]:
    """The rules of a nest, in order."""
    found: list[Rule] = []
    for part in parts:
        if isinstance(part, Rule):
            found.append(part)
        else:
            found.extend(rules(part.body))
    return found


def _nest(space: Space, members: Sequence[Rule], bound: tuple[Index, ...]) -> tuple[Part, ...]:
    axis = _pick(space, members, bound)
    if axis is None:
        return tuple(members)
    stages = _stages(space, members, axis)
    parts: list[Part] = []
    for stage in sorted(set(stages.values())):
        sweep = [r for r in members if stages[r] == stage]
        if stage % 2:
            parts.append(Sweep(axis, _nest(space, sweep, (*bound, axis))))
        else:
            parts.extend(_nest(space, sweep, bound))
    return tuple(parts)


def _stages(space: Space, members: Sequence[Rule], axis: Index) -> dict[Rule, int]:
    stages: dict[Rule, int] = {}
    for r in members:
        low = 0
        for load in r.loads:
            p = space.members.get(load.tensor)
            if p in stages:
                low = max(low, stages[p] + (axis in space.over[p]))
        has = axis in space.out[r] or axis in space.over[r]
        stages[r] = low if low % 2 == has else low + 1
    return stages


def _pick(space: Space, members: Sequence[Rule], bound: tuple[Index, ...]) -> Index | None:
    """The next loop of these rules: where they agree, the axis that each would go along first; else one that none of them reduces."""
    orders = [order for r in members if (order := [a for a in space.order[r] if a not in bound])]
    if not orders:
        return None
    leaders = [order for order in orders if len(order) > 1] or orders
    if len({order[0] for order in leaders}) == 1:
        return leaders[0][0]
    reduced = {a for r in members for a in space.over[r]}
    common = [a for a in leaders[0] if a not in reduced and all(a in order for order in orders)]
    if common:
        return common[0]
    free = [a for order in reversed(orders) for a in order if a not in reduced]
    if free:
        return free[0]
    kept = {a for r in members for a in space.out[r]}
    return next((a for a in leaders[0] if a in kept), leaders[0][0])
