"""Sums that may be taken while the maximum that they are relative to is still growing: each time it grows, what there is is rescaled.

Take a maximum m over an axis, and a sum over the same axis of terms whose factors are each free of m, or exp(e) with e = c * m + (what is
free of m) for a constant c < 0. The sum relative to a new maximum is the one relative to the old one times exp(c * (new - old)). (Minima
with c > 0 are the same.) So both are found in one pass over tiles of the axis, and so is every value in between, of which only the tile at
hand is kept. Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensorc.algebra import Index
from tensorc.ir import build, walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Apply, Const, Load, Scalar, Select, Tensor
from tensorc.schedule.members import Member, by_tensor

EXPONENTIALS = ("exp", "exp2")


@dataclass(frozen=True)
class Scale:
    """By what a sum is rescaled: `function`(`rate` * (new - old)) of the maximum `of`."""

    of: Member
    function: str
    rate: float


@dataclass(frozen=True)
class Carried:
    """`scales`: of each sum that is carried. `running`: pairs of a member and the maximum that it reads as it is so far."""

    scales: Mapping[Member, Scale]
    running: frozenset[tuple[Member, Member]]

    @property
    def maxima(self) -> frozenset[Member]:
        return frozenset(s.of for s in self.scales.values())

    def is_carried(self, m: Member) -> bool:
        return m in self.scales or m in self.maxima

    def is_running(self, m: Member, p: Member) -> bool:
        return (m, p) in self.running


NOTHING = Carried({}, frozenset())


def carried(members: Sequence[Member], axis: Index) -> Carried:
    """What can be carried along an axis."""
    made = by_tensor(members)
    scales: dict[Member, Scale] = {}
    for m in members:
        found = scale(m, made, axis) if m.monoid == "sum" and axis in m.over else None
        if found is not None:
            scales[m] = found
    return _consistent(members, made, scales)


def scale(m: Member, made: Mapping[Tensor, Member], axis: Index) -> Scale | None:
    """How a sum over an axis is rescaled; None where that is not all that a growing maximum changes in it."""
    body = _expanded(m.body, made)
    reductions = {p for load in walk.loads(body) if (p := made.get(load.tensor)) is not None and axis in p.over}
    if len(reductions) != 1:
        return None
    (top,) = reductions
    if top.monoid not in ("max", "min") or set(top.over) != set(m.over) or not set(top.out) <= set(m.out) or not m.body.dtype.is_float:
        return None
    found = _rate(body, top)
    if found is None or found[1] == 0 or (found[1] < 0) != (top.monoid == "max"):
        return None
    return Scale(top, *found)


def _expanded(body: Scalar, made: Mapping[Tensor, Member]) -> Scalar:
    """The body with the pointwise members that it reads put in."""

    def load(found: Load) -> Scalar:
        p = made.get(found.tensor)
        return found if p is None or p.over else _expanded(p.body, made)

    return walk.rewrite(body, {}, load)


def _rate(body: Scalar, top: Member) -> tuple[str, float] | None:
    """(function, c) where all factors of the body that read `top` are function(c' * top + ...), and c is the sum of the c'."""
    functions: set[str] = set()
    rate = 0.0
    for sign, factor in _factors(body, 1):
        if not _reads(factor, top):
            continue
        match factor:
            case Apply(function, (exponent,), _) if function in EXPONENTIALS:
                c = _coefficient(exponent, top)
                if c is None:
                    return None
                functions.add(function)
                rate += sign * c
            case _:
                return None
    return (functions.pop(), rate) if len(functions) == 1 else None


def _factors(s: Scalar, sign: int) -> Iterator[tuple[int, Scalar]]:
    """The factors of a product, with -1 for what is divided by; a choice of a product or 0 is a factor that is chosen or not."""
    match s:
        case Apply("mul", (a, b), _):
            yield from _factors(a, sign)
            yield from _factors(b, sign)
        case Apply("div", (a, b), _):
            yield from _factors(a, sign)
            yield from _factors(b, -sign)
        case Select(condition, then, Const(0)):
            yield sign, condition
            yield from _factors(then, sign)
        case Select(condition, Const(0), otherwise):
            yield sign, condition
            yield from _factors(otherwise, sign)
        case _:
            yield sign, s


def _coefficient(s: Scalar, top: Member) -> float | None:
    """c with s = c * top + (what is free of it); None where there is none."""
    if not _reads(s, top):
        return 0.0
    match s:
        case Load():
            return 1.0
        case Select(Apply("eq", (Load() as a, Const(limit)), _), Const(0), Load() as b) if a is b and math.isinf(limit):
            return 1.0  # the maximum, but 0 where it is that of nothing: as it is carried
        case Apply("neg", (a,), _):
            return _scaled(_coefficient(a, top), -1.0)
        case Apply("add" | "sub" as operation, (a, b), _):
            x, y = _coefficient(a, top), _coefficient(b, top)
            return None if x is None or y is None else x + y if operation == "add" else x - y
        case Apply("mul", (Const(c), a), _) | Apply("mul", (a, Const(c)), _):
            return _scaled(_coefficient(a, top), float(c))
        case Apply("div", (a, Const(c)), _) if c:
            return _scaled(_coefficient(a, top), 1.0 / float(c))
        case _:
            return None


def _scaled(c: float | None, by: float) -> float | None:
    return None if c is None else c * by


def _reads(s: Scalar, m: Member) -> bool:
    return any(load.tensor is m.tensor for load in walk.loads(s))


def _consistent(members: Sequence[Member], made: Mapping[Tensor, Member], scales: dict[Member, Scale]) -> Carried:
    """Without sums that read a maximum by way of a value that something else wants to know when the maximum is complete."""
    while True:
        maxima = {s.of for s in scales.values()}
        between = [m for m in members if not m.over and m.place is None]
        while True:
            may_wait = {m: maxima & _below(m, made) for m in between}
            readers = {m: [r for r in members if any(load.tensor is m.tensor for load in r.loads)] for m in between}
            fine = [m for m in between if may_wait[m] and all(r in scales or r in between for r in readers[m])]
            if len(fine) == len(between):
                break
            between = fine
        direct = ((m, made.get(load.tensor)) for m in (*between, *scales) for load in m.loads)
        running = frozenset((m, p) for m, p in direct if p in maxima and p is not None)
        bad = [m for m in scales if not _is_direct(m, scales[m].of, made, set(between))]
        if not bad:
            return Carried(scales, running) if scales else NOTHING
        for m in bad:
            del scales[m]


def _below(m: Member, made: Mapping[Tensor, Member]) -> set[Member]:
    """What a member reads, through pointwise members too."""
    found: set[Member] = set()
    for load in m.loads:
        p = made.get(load.tensor)
        if p is not None and p not in found:
            found.add(p)
            if not p.over:
                found |= _below(p, made)
    return found


def _is_direct(m: Member, top: Member, made: Mapping[Tensor, Member], between: set[Member]) -> bool:
    """Whether every way from a sum to its maximum is by values that are only kept for a tile."""
    for load in m.loads:
        p = made.get(load.tensor)
        if p is None or p is top or p.over:
            continue
        if top in _below(p, made) and (p not in between or not _is_direct(p, top, made, between)):
            return False
    return True


def step(old: Scalar, part: Scalar, top: Member) -> Scalar:
    """The maximum with what a tile adds."""
    assert top.monoid is not None
    return build.apply(MONOIDS[top.monoid].combine, old, part)


def finite(value: Scalar, top: Member) -> Scalar:
    """A maximum as exponents are relative to it: that of nothing would make NaN of -inf - -inf."""
    assert top.monoid is not None
    nothing = build.constant(MONOIDS[top.monoid].identity(value.dtype), value.dtype)
    return build.select(build.apply("eq", value, nothing), build.constant(0.0, value.dtype), value)


def factor(scale: Scale, old: Scalar, new: Scalar) -> Scalar:
    """By what a sum relative to the old maximum is multiplied to be relative to the new one."""
    difference = build.apply("sub", old, new)
    rate = build.constant(-scale.rate, difference.dtype)
    return build.apply(scale.function, difference if rate.value == 1.0 else build.apply("mul", rate, difference))
