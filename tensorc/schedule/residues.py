"""Divides axes by their remainders, where a guard lets a term in only where a sum of two of them is a multiple of a number.

Every other point of an image is seen by every other tap of a window that moves in steps of 2. The derivative of such a convolution is

    dx[l] = sum[a](where((l + a) % 2 == 0, g[(l + a) // 2 - a] * w[a], 0))

With l = 2 l' + r, the taps that are seen are a = 2 a' + (r's own), which is a convolution in l' and a' for each r, whose subscripts have no
quotients of them: no term is made for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, Remainder, poly
from tensorc.ir import build, walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Apply, IsZero, Nonnegative, Scalar, Select
from tensorc.schedule.members import Member, conditions, with_factors

LEVEL = 1 << 9
"""The level of the first axis that is made here."""

MOST = 16
"""Remainders that are told apart, at most."""


@dataclass(frozen=True)
class _Found:
    """(outer + factor * inner + rest) % divisor == 0 is what lets a term in; `outer` is an axis of the result, `inner` is reduced."""

    guard: IsZero
    outer: Index
    inner: Index
    factor: int
    rest: Poly
    divisor: int


def by_residues(members: Sequence[Member]) -> tuple[Member, ...]:
    """The members, with axes that are divided where a guard of a reduction tells their points apart by remainders."""
    made = tuple(members)
    while (found := next((f for m in made for f in _found(m, made)), None)) is not None:
        made = _divided(made, found)
    return made


def _found(m: Member, members: Sequence[Member]) -> list[_Found]:
    if not m.over or m.monoid is None:
        return []
    found = []
    for guard in conditions(m.body, m.monoid):
        if isinstance(guard, IsZero) and isinstance(guard.value.atom, Remainder):
            found += [f for f in _pairs(guard, guard.value.atom, m) if not any(_needs(other, f) for other in members if other is not m)]
    return found


def _needs(other: Member, f: _Found) -> bool:
    """Whether something else is made at every point of the axes in their own order."""
    return f.outer in other.over or f.inner in other.space


def _pairs(guard: IsZero, remainder: Remainder, m: Member) -> list[_Found]:
    divisor = remainder.divisor.constant
    inside = algebra.indices(remainder.numerator)
    outer, inner = ([a for a in several if a in inside] for several in (m.out, m.over))
    if divisor is None or not 1 < divisor <= MOST or len(inside) != 2 or len(outer) != 1 or len(inner) != 1:
        return []
    first = algebra.split(remainder.numerator, outer[0])
    second = None if first is None else algebra.split(first[1], inner[0])
    if first is None or second is None or first[0].constant is None or second[0].constant is None:
        return []
    if math.gcd(first[0].constant, divisor) != 1 or math.gcd(second[0].constant, divisor) != 1:
        return []
    unit = pow(first[0].constant, -1, divisor)
    return [_Found(guard, outer[0], inner[0], second[0].constant * unit % divisor, second[1] * unit, divisor)]


def _divided(members: Sequence[Member], f: _Found) -> tuple[Member, ...]:
    level = max((a.level for m in members for a in m.space), default=0)
    fresh = max(level + 1, LEVEL)
    d = f.divisor
    outer, inner = (Index(fresh + n, algebra.floordiv(a.extent + d - 1, poly(d))) for n, a in enumerate((f.outer, f.inner)))
    part = Index(fresh + 2, poly(d))
    # Of the inner axis those points are let in that are (factor' * (part + rest)) % d, where factor' * factor = -1.
    own = (f.rest + part) * (-pow(f.factor, -1, d) % d)
    steps = algebra.floordiv(own, poly(d))
    places: dict[Atom, Poly] = {f.outer: poly(outer) * d + part, f.inner: poly(inner) * d + own - steps * d}
    inside = steps + algebra.floordiv(f.inner.extent - 1 - own, poly(d)) - inner  # at least 0, as extent - 1 - place is
    return tuple(_member(m, f, places, {f.outer: (part, outer), f.inner: (inner,)}, inside) for m in members)


def _member(m: Member, f: _Found, places: Mapping[Atom, Poly], loops: Mapping[Index, tuple[Index, ...]], inside: Poly) -> Member:
    lets = any(s is f.guard for s in walk.postorder(m.body))
    if f.outer not in m.space and not lets:
        return m
    values: dict[Atom, Poly] = dict(places) if lets else {f.outer: places[f.outer]}
    own = {a: loops[a] for a in values if isinstance(a, Index)}

    def changed(axes: Sequence[Index]) -> tuple[Index, ...]:
        return tuple(b for a in axes for b in own.get(a, (a,)))

    body = walk.rewrite(_with(m.body, f.guard), values)
    if lets:
        assert m.monoid is not None
        body = _in_steps(body, f.divisor)
        body = build.select(build.nonnegative(inside), body, build.constant(MONOIDS[m.monoid].identity(body.dtype), body.dtype))
    place, where = m.place, m.where
    if f.outer in m.out and place is not None:
        place = place[0], tuple(algebra.substitute(s, values) for s in place[1])
        some = algebra.floordiv(f.outer.extent - 1 - loops[f.outer][0], poly(f.divisor)) - loops[f.outer][1]
        exists = build.nonnegative(some)
        where = exists if where is None else build.both(walk.rewrite(where, values), exists)
    made = replace(m, out=changed(m.out), over=changed(m.over), order=changed(m.order), body=body, place=place, where=where)
    stepped = frozenset(_step(algebra.substitute(p, values), f.divisor) if lets else algebra.substitute(p, values) for p in m.lets)
    return replace(made, lets=stepped | {inside} if lets else stepped)


def _with(s: Scalar, guard: IsZero) -> Scalar:
    """A scalar where the guard holds."""
    match s:
        case IsZero() if s is guard:
            return build.TRUE
        case Select(c, a, b):
            return build.select(_with(c, guard), _with(a, guard), _with(b, guard))
        case Apply("and", (a, b), _):
            return build.both(_with(a, guard), _with(b, guard))
        case _:
            return s


def _in_steps(s: Scalar, divisor: int) -> Scalar:
    """The same guards in steps of a divisor, as subscripts are, on the factors that they are about."""
    match s:
        case Nonnegative(p):
            return build.nonnegative(_step(p, divisor))
        case Select(c, a, b):
            return with_factors(build.select(_in_steps(c, divisor), _in_steps(a, divisor), b))
        case Apply("and", (a, b), _):
            return build.both(_in_steps(a, divisor), _in_steps(b, divisor))
        case _:
            return s


def _step(p: Poly, divisor: int) -> Poly:
    """What is at least 0 where p is, in steps of a divisor where p moves in such."""
    quotient, rest = algebra.divide_terms(p, poly(divisor))
    return p if rest.constant is None else quotient + rest.constant // divisor
