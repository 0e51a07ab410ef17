"""Copies in scratch of what a contraction and what follows it read, where it is read far more often than it is worth to read it there.

- Panels: terms that are read in lanes and are the same for every row, next to one another, a tile of lanes at a time.
- Windows: terms that rows read, in which guards would be tested anew for each point of a window that slides along the rows. They depend on
  the place that the window is at alone.
- Squares: what is read at lanes and rows and has its neighbours along the rows, turned in registers. What is stored so is turned too, by a
  member of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.dtypes import bf16, f32
from tensorc.ir import build, walk
from tensorc.ir.tensor import Apply, Input, IsZero, Load, Nonnegative, Scalar, Select
from tensorc.schedule.members import Member, axes, is_unit
from tensorc.schedule.roles import Roles, unit_of
from tensorc.schedule.rules import Made, operations, overlaps
from tensorc.schedule.sizes import Estimate

LINES = 32
"""Rows of memory that may lie apart: with more, the nearest cache does not hold what one block of rows leaves for the next."""

WINDOW = 1 << 22
"""Elements of a window, at most."""

LEVEL = 1 << 10
"""The level of the first axis that copies have of their own."""

Kind = Literal["panel", "window", "square"]


@dataclass(frozen=True)
class Copied:
    """The members with copies among them, and the contractions as they read them."""

    members: tuple[Member, ...]
    bases: tuple[Member, ...]
    kinds: dict[Member, Kind]


def copied(members: Sequence[Member], roles: Roles, estimate: Estimate) -> Copied:
    """The members of roles with copies of what is worth one."""
    read = {load.tensor for m in members for load in m.loads}
    made: list[Member] = []
    kinds: dict[Member, Kind] = {}
    squares: dict[Load, Member] = {}
    bases: list[Member] = []
    for m in members:
        if m in roles.bases:
            known = len(kinds)
            changed = _with_terms(m, roles, estimate, kinds)
            made += list(kinds)[known:]
        else:
            known = len(squares)
            body = _with_squares(m.body, roles, squares)
            made += list(squares.values())[known:]
            changed = m if body is m.body else replace(m, body=body)
        if unit_of(m, roles) is not None and (m.over or m.tensor in read):
            changed, copy = _apart(changed)
            made += [changed, copy]
        else:
            made.append(changed)
        if m in roles.bases:
            bases.append(changed)
    for square in squares.values():
        kinds[square] = "square"
    return Copied(tuple(made), tuple(bases), kinds)


def _apart(m: Member) -> tuple[Member, Member]:
    """A member that is stored nowhere, and one that stores it."""
    tensor = m.tensor if m.tensor is not None else Made(m.name, tuple(a.extent for a in m.out), m.body.dtype)
    stored = Load(tensor, tuple(map(poly, m.out)))
    copy = replace(_pointwise(f"{m.name}_copy", m.out, stored), place=m.place, where=m.where)
    return replace(m, tensor=tensor, place=None, where=None), copy


def _pointwise(name: str, out: tuple[Index, ...], body: Scalar) -> Member:
    return Member(name, None, out, (), out, None, body, None)


def copy_of(name: str, out: tuple[Index, ...], body: Scalar) -> Member:
    """A member that keeps a scalar in scratch for others, which may read it at any places."""
    made = Made(name, tuple(a.extent for a in out), body.dtype)
    return replace(_pointwise(name, out, body), tensor=made, is_copy=True)


def _reads(m: Member, subscripts: Sequence[Poly]) -> Load:
    assert m.tensor is not None
    return Load(m.tensor, tuple(subscripts))


# Squares.


def _with_squares(body: Scalar, roles: Roles, squares: dict[Load, Member]) -> Scalar:
    """A body that reads copies in place of memory whose neighbours lie along the rows."""

    def change(load: Load) -> Scalar:
        inside = axes(load)
        if not isinstance(load.tensor, Input) or isinstance(load.tensor, Made) or not {roles.lanes, roles.rows} <= inside:
            return load
        if is_unit(load.subscripts, roles.lanes) or not is_unit(load.subscripts, roles.rows) or not inside <= set(roles.out):
            return load
        if load not in squares:
            squares[load] = copy_of(f"{load.tensor.name}_square", tuple(a for a in roles.out if a in inside), load)
        return _reads(squares[load], tuple(map(poly, squares[load].out)))

    return walk.rewrite(body, {}, change)


# Panels and windows: terms of the contraction itself.


def _with_terms(first: Member, roles: Roles, estimate: Estimate, kinds: dict[Member, Kind]) -> Member:
    reads: dict[Scalar, Scalar] = {}
    inner = roles.inner_of(first)
    for number, term in enumerate(_terms(first.body, {roles.lanes, *roles.outer, *inner}, roles.lanes)):
        if _is_worth_a_panel(term, roles, inner, estimate):
            inside = walk.indices(term)
            out = (*(a for a in (*roles.outer, *inner) if a in inside), roles.lanes)
            halves = _in_pairs(first, term, inner)
            kept = term if halves is None else halves
            panel = replace(copy_of(f"{first.name}_panel{number or ''}", out, kept), pairs=None if halves is None else inner[-1])
            kinds[panel] = "panel"
            read = _reads(panel, tuple(map(poly, out)))
            reads[term] = read if halves is None else build.cast(read, term.dtype)
    allowed = {roles.rows, *roles.outer, *roles.shared, *inner}
    for number, term in enumerate(_terms(first.body, allowed, roles.rows)):
        window = _window(f"{first.name}_window{number or ''}", term, roles, inner, estimate) if _has_guards(term, roles) else None
        if window is not None:
            kinds[window[0]] = "window"
            reads[term] = window[1]
    return first if not reads else replace(first, body=_replaced(first.body, reads))


def _in_pairs(first: Member, term: Scalar, inner: Sequence[Index]) -> Load | None:
    """What a term reads, where it and the other factor of a product are bf16 elements as f32: two terms are then added at a time."""
    match first.body:
        case Apply("mul", (Apply("cast", (Load() as a,), _), Apply("cast", (Load() as b,), _)), _) if first.monoid == "sum":
            own = a if first.body.arguments[0] is term else b if first.body.arguments[1] is term else None
            if own is not None and first.body.dtype is f32 and a.dtype is bf16 and b.dtype is bf16:
                return own if inner and inner[-1] in axes(a) and inner[-1] in axes(b) else None
    return None


def _terms(body: Scalar, allowed: set[Index], needed: Index) -> list[Scalar]:
    """The largest terms that read something, at `needed` and at no other axes than those allowed."""
    terms: dict[Scalar, None] = {}

    def go(s: Scalar) -> None:
        inside = walk.indices(s)
        if needed in inside and inside <= allowed and walk.loads(s):
            terms[s] = None
        else:
            for c in walk.children(s):
                go(c)

    go(body)
    return list(terms)


def _is_worth_a_panel(term: Scalar, roles: Roles, inner: Sequence[Index], estimate: Estimate) -> bool:
    read = [load for load in walk.loads(term) if roles.lanes in axes(load)]
    if roles.thin or walk.indices(term).isdisjoint(inner) or any(overlaps(load, roles.lanes) for load in read):
        return False
    if not all(isinstance(load.tensor, Input) for load in read):
        return False
    if operations(term) or not all(is_unit(load.subscripts, roles.lanes) for load in read):
        return True
    lines = 1
    for a in walk.indices(term):
        if a in inner:
            lines *= estimate(a.extent)
    return lines > LINES


def _has_guards(term: Scalar, roles: Roles) -> bool:
    """Whether a guard in a term depends on rows."""
    return any(isinstance(s, (Nonnegative, IsZero)) and roles.rows in walk.indices(s) for s in walk.postorder(term))


def _window(name: str, term: Scalar, roles: Roles, over: Sequence[Index], estimate: Estimate) -> tuple[Member, Load] | None:
    """The copy of a term that depends on the rows and on one other axis by a sum of multiples of both, and the term as a read of it."""
    if not all(isinstance(load.tensor, Input) for load in walk.loads(term)):
        return None
    steps = (_steps(s, roles.rows, over) for load in walk.loads(term) for s in load.subscripts)
    found = next((f for f in steps if f is not None), None)
    if found is None:
        return None
    step, slide, by = found
    low = by * (slide.extent - 1) if by < 0 else algebra.ZERO
    reach = step * (roles.rows.extent - 1) + abs(by) * (slide.extent - 1) + 1
    place = Index(LEVEL + slide.level, reach)
    rows, along = poly(roles.rows), poly(slide)
    at = low + place  # = step * rows + by * slide
    values: dict[Atom, Poly] = {slide: by * (at - step * rows)} if abs(by) == 1 else {roles.rows: at - by * along}
    moved = walk.rewrite(term, values)
    inside = walk.indices(moved)
    inner = tuple(a for a in over if a in inside)
    if roles.rows in inside or slide in inside or (abs(by) != 1 and step != 1):
        return None
    size = estimate(reach)
    for a in inner:
        size *= estimate(a.extent)
    if size > WINDOW:
        return None
    walked = sorted((*inner, place), key=lambda a: any(is_unit(load.subscripts, a) for load in walk.loads(moved)))
    out = (*(a for a in (*roles.outer, *roles.shared) if a in inside), *walked)
    window = copy_of(name, out, moved)
    return window, _reads(window, [step * rows + by * along - low if a is place else poly(a) for a in out])


def _steps(subscript: Poly, rows: Index, over: Sequence[Index]) -> tuple[int, Index, int] | None:
    """(a, s, b) of a subscript a * rows + b * s + (what is free of both), for constants a >= 1 and b."""
    parts = algebra.split(subscript, rows)
    step = None if parts is None else parts[0].constant
    if parts is None or step is None or step < 1:
        return None
    for slide in over:
        inner = algebra.split(parts[1], slide) if slide in algebra.indices(parts[1]) else None
        by = None if inner is None else inner[0].constant
        if by:
            return step, slide, by
    return None


def _replaced(s: Scalar, terms: dict[Scalar, Scalar]) -> Scalar:
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
