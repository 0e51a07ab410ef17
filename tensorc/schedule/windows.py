"""Copies, a part of an image at a time, of what windows slide over where its guards would be tested for every tap.

A sum over the taps of a window, of few images at a time, is bound by what reads them; with padding by its guards:

    y[c, i, j] = sum[a, b](where(i + a >= 1 and ..., x[c, i + a - 1, j + b - 1], 0) * w[c, a, b])

The image with its borders is copied first, of so many rows of the result as fill the nearest cache:

    for c, i': copy[p, q] = where(T*i' + p >= 1 and ..., x[c, T*i' + p - 1, q - 1], 0)
               for i, j: y[c, T*i' + i, j] = sum over a, b of copy[i + a, j + b] * w[c, a, b]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.ir import build, walk
from tensorc.ir.tensor import Apply, Load, Scalar, Select
from tensorc.schedule.copies import copy_of
from tensorc.schedule.members import Member, is_near
from tensorc.schedule.narrow import limits
from tensorc.schedule.sizes import Estimate
from tensorc.schedule.stages import Loop, Plan

LEVEL = 1 << 11
"""The level of the first axis that is made here."""

ROWS = {1: 2048, 2: 36, 3: 8}
"""Points of the outermost axis that a window slides along, by how many it slides along, for which an image is copied at a time."""


@dataclass(frozen=True)
class _Slide:
    """A subscript `step * outer + by * inner + rest`, of a result's axis and of one that is reduced."""

    outer: Index
    inner: Index
    step: int
    by: int

    @property
    def low(self) -> Poly:
        """The least that the sum of both is."""
        return (self.inner.extent - 1) * self.by if self.by < 0 else algebra.ZERO

    def place(self, level: int) -> Index:
        """An axis of all that the points of the outer axis see."""
        return Index(level, (self.outer.extent - 1) * self.step + (self.inner.extent - 1) * abs(self.by) + 1)


def windows(members: Sequence[Member], estimate: Estimate) -> tuple[tuple[Member, ...], Plan] | None:
    """The members with a copy, and their loops; None where there is nothing that is worth one."""
    bases = [m for m in members if m.over and m.monoid is not None]
    if len(bases) != 1 or any(set(m.out) != set(bases[0].out) for m in members):
        return None
    for term in _guarded(bases[0].body):
        slides = _slides(term, bases[0])
        if slides and _is_along_lanes(members, slides, estimate):
            return _copied(members, bases[0], term, slides)
    return None


def _guarded(body: Scalar) -> Iterator[Scalar]:
    """The factors of a body that read something under a guard."""
    match body:
        case Apply(_, arguments, _):
            for a in arguments:
                yield from _guarded(a)
        case Select(_, Load(), _):
            yield body
        case Select(_, then, _):
            yield from _guarded(then)


def _slides(term: Scalar, m: Member) -> list[_Slide]:
    """What slides in a term, the outermost first; nothing where a term depends on one of two axes in another way too."""
    found: dict[Index, _Slide] = {}
    for load in walk.loads(term):
        for s in load.subscripts:
            slide = _slide(s, m)
            if slide is not None:
                found.setdefault(slide.outer, slide)
    slides = list(found.values())
    free = walk.indices(_at_places(term, slides, LEVEL)[0])
    if any(s.outer in free or s.inner in free for s in slides) or len({s.inner for s in slides}) < len(slides):
        return []
    return slides if len(slides) in ROWS else []


def _slide(subscript: Poly, m: Member) -> _Slide | None:
    inside = algebra.indices(subscript)
    outer, inner = ([a for a in axes if a in inside and algebra.split(subscript, a) is not None] for axes in (m.out, m.over))
    if len(outer) != 1 or len(inner) != 1:
        return None
    first = algebra.split(subscript, outer[0])
    second = None if first is None else algebra.split(first[1], inner[0])
    if first is None or second is None:
        return None
    step, by = first[0].constant, second[0].constant
    if step is None or by is None or step < 1 or (abs(by) != 1 and step != 1):
        return None
    return _Slide(outer[0], inner[0], step, by)


def _is_along_lanes(members: Sequence[Member], slides: Sequence[_Slide], estimate: Estimate) -> bool:
    """Whether neighbours in the window are so in results too, and there are more of them than taps."""
    if not all(n.place is None or is_near(n.place[1], slides[-1].outer) for n in members):
        return False
    return all(estimate(s.outer.extent) >= estimate(s.inner.extent) for s in slides)


def _at_places(term: Scalar, slides: Sequence[_Slide], level: int) -> tuple[Scalar, list[Index]]:
    """A term at places that windows see, in place of the axes that make them."""
    values: dict[Atom, Poly] = {}
    places = []
    for n, s in enumerate(slides):
        place = s.place(level + n)
        at = s.low + place
        if abs(s.by) == 1:
            values[s.inner] = (at - poly(s.outer) * s.step) * s.by
        else:
            values[s.outer] = at - poly(s.inner) * s.by
        places.append(place)
    return walk.rewrite(term, values), places


def _copied(members: Sequence[Member], base: Member, term: Scalar, slides: Sequence[_Slide]) -> tuple[tuple[Member, ...], Plan]:
    first, rows = slides[0].outer, ROWS[len(slides)]
    whole, part = Index(LEVEL, algebra.floordiv(first.extent + rows - 1, poly(rows))), Index(LEVEL + 1, poly(rows))
    split: dict[Atom, Poly] = {first: poly(whole) * rows + part}
    exists = first.extent - 1 - poly(whole) * rows - part
    divided = {m: _divided(m, first, (whole, part), split, exists) for m in members}
    slides = [replace(s, outer=part) if s.outer is first else s for s in slides]
    moved, places = _at_places(walk.rewrite(term, split), slides, LEVEL + 2)
    inside = walk.indices(moved)
    m = divided[base]
    outer = tuple(a for a in m.order if a in m.out and a in inside and a not in places)
    inner = tuple(a for a in m.over if a in inside)
    copy = copy_of(f"{m.name}_window", (*outer, *inner, *places), moved)
    at = {p: poly(s.outer) * s.step + poly(s.inner) * s.by - s.low for p, s in zip(places, slides, strict=True)}
    assert copy.tensor is not None
    read = Load(copy.tensor, tuple(at.get(a, poly(a)) for a in copy.out))
    divided[base] = replace(m, body=_replaced(m.body, walk.rewrite(term, split), read))
    made = []
    for n in members:
        made += [copy] * (n is base) + [divided[n]]
    around = [a for a in m.order if a in m.out and a not in {s.outer for s in slides}]
    around = [a for a in around if a in outer] + [a for a in around if a not in outer]
    seen = (exists + part) * slides[0].step + (slides[0].inner.extent - 1) * abs(slides[0].by) - places[0]
    only: dict[Index, tuple[Poly, ...]] = {part: (exists,), places[0]: (seen,)}
    only |= {a: limits((m,), a, around) for a in m.over}
    loops = {a: Loop(a, only=only.get(a, ())) for n in made for a in n.space}
    taps = [s.inner for s in slides]
    paths = {}
    for n in made:  # masks of lanes are made once for all rows; the innermost loops are over taps
        own = [a for a in n.order if a not in around]
        own.sort(key=lambda a: 0 if a in m.out else 2 if a in taps else 1)
        order = (*outer, *inner, places[-1], *places[:-1]) if n is copy else (*around, *own)
        paths[n] = tuple(loops[a] for a in order)
    return tuple(made), Plan(paths)


def _divided(m: Member, axis: Index, parts: tuple[Index, Index], split: Mapping[Atom, Poly], exists: Poly) -> Member:
    def changed(axes: Sequence[Index]) -> tuple[Index, ...]:
        return tuple(b for a in axes for b in (parts if a is axis else (a,)))

    lets = frozenset(algebra.substitute(p, split) for p in m.lets)
    made = replace(m, out=changed(m.out), order=changed(m.order), body=walk.rewrite(m.body, split), lets=lets)
    if m.place is None:
        return made
    condition = build.nonnegative(exists)
    where = condition if m.where is None else build.both(walk.rewrite(m.where, split), condition)
    return replace(made, place=(m.place[0], tuple(algebra.substitute(s, split) for s in m.place[1])), where=where)


def _replaced(s: Scalar, term: Scalar, read: Scalar) -> Scalar:
    if s is term:
        return read
    match s:
        case Apply(operation, arguments, dtype):
            return build.apply(operation, *(_replaced(a, term, read) for a in arguments), dtype=dtype)
        case Select(condition, then, otherwise):
            return build.select(condition, _replaced(then, term, read), otherwise)
        case _:
            return s
