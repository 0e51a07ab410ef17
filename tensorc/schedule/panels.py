"""Copies of what a contraction reads in lanes, next to one another: of all terms that are the same for every row, a tile at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tensorc.algebra import poly
from tensorc.ir import build, walk
from tensorc.ir.tensor import Apply, Input, Load, Scalar, Select
from tensorc.loops.nest import Bind
from tensorc.schedule.contraction import TILE, Found, slides
from tensorc.schedule.members import Member, axes, is_unit
from tensorc.schedule.rules import Made, operations
from tensorc.schedule.sizes import Estimate
from tensorc.schedule.stages import Loop, Plan

LINES = 32
"""Rows of memory that may lie apart: with more, the nearest cache does not hold what one block of rows leaves for the next."""


@dataclass(frozen=True)
class _Panel:
    term: Scalar
    member: Member
    path: tuple[Loop, ...]


def with_panels(found: Found, estimate: Estimate) -> tuple[tuple[Member, ...], Plan]:
    """The members with copies before the contraction that reads them, and a plan for all."""
    roles = found.roles
    terms = [t for t in _terms(roles.first.body, found) if _is_worth(t, found, estimate)]
    panels = [_panel(t, number, found) for number, t in enumerate(terms)]
    if not panels:
        return found.members, found.plan
    reads = {p.term: Load(p.member.tensor, tuple(map(poly, p.member.out))) for p in panels if p.member.tensor is not None}
    first = replace(roles.first, body=_replaced(roles.first.body, reads))
    plan = {first if m is roles.first else m: path for m, path in found.plan.paths.items()} | {p.member: p.path for p in panels}
    every = (*(p.member for p in panels), *(first if m is roles.first else m for m in found.members))
    return every, Plan(plan, found.plan.running)


def _terms(body: Scalar, found: Found) -> list[Scalar]:
    """The largest terms that are read in lanes and are the same for all rows."""
    roles = found.roles
    allowed = {roles.lanes, *roles.outer, *roles.inner}
    terms: dict[Scalar, None] = {}

    def go(s: Scalar) -> None:
        inside = walk.indices(s)
        if roles.lanes in inside and inside <= allowed and not inside.isdisjoint(roles.inner) and walk.loads(s):
            terms[s] = None
        else:
            for c in walk.children(s):
                go(c)

    go(body)
    return list(terms)


def _is_worth(term: Scalar, found: Found, estimate: Estimate) -> bool:
    roles = found.roles
    read = [load for load in walk.loads(term) if roles.lanes in axes(load)]
    if any(slides(load, roles.lanes) for load in read) or not all(isinstance(load.tensor, Input) for load in read):
        return False
    if operations(term) or not all(is_unit(load.subscripts, roles.lanes) for load in read):
        return True
    lines = 1
    for a in walk.indices(term):
        if a in roles.inner:
            lines *= estimate(a.extent)
    return lines > LINES


def _panel(term: Scalar, number: int, found: Found) -> _Panel:
    roles = found.roles
    inside = walk.indices(term)
    inner = [a for a in roles.inner if a in inside]
    outer = [a for a in roles.outer if a in inside]
    out = (*outer, *inner, roles.lanes)
    name = f"{roles.first.name}_panel{number or ''}"
    made = Made(name, tuple(a.extent for a in out), term.dtype)
    member = Member(name, made, out, (), out, None, term, None)
    around = found.plan.paths[roles.first][: len(roles.outer) + 1]
    read = [load for load in walk.loads(term) if roles.lanes in axes(load)]
    if all(is_unit(load.subscripts, roles.lanes) for load in read):
        return _Panel(term, member, (*around, *map(Loop, inner), Loop(roles.lanes, Bind("vector", TILE // 16), True)))
    unit = next((a for a in inner if any(is_unit(load.subscripts, a) for load in read)), None)
    loops = [Loop(a) for a in inner if a is not unit]
    if unit is not None:
        loops.append(Loop(unit, Bind("unroll", 16)))
    return _Panel(term, member, (*around, *loops, Loop(roles.lanes, Bind("vector", 1), True)))


def _replaced(s: Scalar, terms: dict[Scalar, Load]) -> Scalar:
    found = terms.get(s)
    if found is not None:
        return found
    match s:
        case Select(c, a, b):
            return build.select(*(_replaced(x, terms) for x in (c, a, b)))
        case Apply(operation, arguments, dtype):
            return build.apply(operation, *(_replaced(a, terms) for a in arguments), dtype=dtype)
        case _:
            return s
