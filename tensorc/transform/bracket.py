"""Bracket solving: for which values of the variables [target = subscript] holds, as substitutions, guards and what is left to sum over.

dx[j] = sum[i, k](c * [j = a(i, k)]) is solved by moves of ranks: the equations' least move is made, substituted everywhere, and again. So a
broadcast becomes a sum, and a convolution's derivative a convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tensorc import algebra
from tensorc.algebra import (
    NO_FACTS,
    ZERO,
    Atom,
    Exact,
    Facts,
    Index,
    Poly,
    Quotient,
    Remainder,
    atoms,
    divide_terms,
    exact,
    floordiv,
    fresh,
    mod,
    poly,
    split,
    substitute,
)
from tensorc.ir import build
from tensorc.ir.tensor import Scalar
from tensorc.transform import canonical

Equation = tuple[Poly, Poly]
"""target = subscript."""


@dataclass
class Solution:
    """`values` of variables that were solved for, `guards` under which they are right, variables that `remain` to be summed over."""

    remaining: list[Index]
    values: dict[Atom, Poly] = field(default_factory=dict)
    guards: list[Scalar] = field(default_factory=list)

    def assign(self, v: Index, value: Poly, *guards: Scalar) -> None:
        at: dict[Atom, Poly] = {v: value}
        self.values = {k: substitute(p, at) for k, p in self.values.items()} | at
        self.guards = [canonical.rewrite(g, at) for g in self.guards] + list(guards)
        self.remaining = [r for r in self.remaining if r is not v]


@dataclass(frozen=True)
class Move:
    """One way to eliminate a variable: the lowest rank is the best. `make` returns equations that take this one's place."""

    rank: int
    order: int
    equation: Equation
    make: Callable[[Solution], Sequence[Equation]]


def solve(
    targets: Sequence[Poly], subscripts: Sequence[Poly], variables: Sequence[Index], reduced: Sequence[Index], facts: Facts = NO_FACTS
) -> Solution | None:
    """Solve target = subscript for all axes; None where it needs a Scatter. Output indices are eliminated before `reduced` ones.

    Only what is not 0 for any sizes of which the facts hold is divided by.
    """
    s = Solution(list(variables))
    equations: list[Equation] = list(zip(targets, subscripts, strict=True))
    while True:
        equations = _recombined(s, equations)
        moves = [m for e in equations for m in _moves(e, s.remaining, frozenset(reduced), facts)]
        if not moves:
            break
        best = min(moves, key=lambda m: (m.rank, m.order))
        equations = [e for e in equations if e != best.equation]
        equations += best.make(s)
        equations = [(substitute(left, s.values), substitute(right, s.values)) for left, right in equations]
    for left, right in equations:
        if not atoms(right).isdisjoint(s.remaining):
            return None
        s.guards.append(build.is_zero(left - right))
    return s


def _recombined(s: Solution, equations: list[Equation]) -> list[Equation]:
    """a = n // d together with b = n % d is d*a + b = n: a reshape between any two shapes."""
    for a, right in equations:
        quotient = right.atom
        if isinstance(quotient, Quotient):
            n, d = quotient.numerator, quotient.divisor
            for b, other in equations:
                if other is poly(Remainder(n, d)):
                    s.guards.append(build.inside(b, d))
                    return _recombined(s, [e for e in equations if e not in ((a, right), (b, other))] + [(d * a + b, n)])
    return equations


def _moves(e: Equation, variables: Sequence[Index], reduced: frozenset[Index], facts: Facts) -> Iterator[Move]:
    left, right = e
    for v in variables:
        order = -v.level if v in reduced else v.level
        late = 2 if v in reduced else 0
        if right is poly(v):
            yield Move(0, order, e, lambda s, v=v: _assign(s, v, left))  # type: ignore[misc]
            continue
        parts = split(right, v)
        if parts is None or not parts[0].terms:
            continue
        c, rest = parts
        if c.constant in (1, -1):
            yield Move(2 + late, order, e, lambda s, v=v, value=(left - rest) * c: _assign(s, v, value))  # type: ignore[misc]
        elif not atoms(rest).isdisjoint(variables) and algebra.nonnegative(rest) and algebra.nonnegative(c - 1 - rest):
            some = build.TRUE if _is_positive(c, left, facts) else build.nonnegative(c - 1)
            yield Move(1, order, e, lambda s, v=v, c=c, rest=rest, some=some: _digits(s, left, v, c, rest, some))  # type: ignore[misc]
        elif not algebra.indices(c) and not algebra.elements(c):
            if algebra.nonnegative(c - 1, facts):
                yield Move(3 + late, order, e, lambda s, v=v, c=c, rest=rest: _strided(s, left - rest, v, c))  # type: ignore[misc]
            elif algebra.nonnegative(-c - 1, facts):
                yield Move(3 + late, order, e, lambda s, v=v, c=-c, rest=rest: _strided(s, rest - left, v, c))  # type: ignore[misc]
    divisions = sorted((a for m, _ in right.terms for a in m if isinstance(a, (Quotient, Remainder))), key=lambda a: a.key)
    for a in divisions:
        if not _is_positive(a.divisor, left, facts):
            continue
        outer = split(right, a)
        for v in variables:
            inner = split(a.numerator, v)
            if (
                outer is not None
                and outer[0].constant in (1, -1)
                and inner is not None
                and inner[0].constant in (1, -1)
                and v not in atoms(outer[1])
            ):
                value = (left - outer[1]) * outer[0]
                yield Move(6, v.level, e, lambda s, a=a, v=v, inner=inner, value=value: _division(s, a, v, inner, value))  # type: ignore[misc]
            if a.numerator is poly(v) and not algebra.indices(a.divisor):
                yield Move(7, v.level, e, lambda s, v=v, a=a: _split(s, v, a, e))  # type: ignore[misc]


def _is_positive(d: Poly, target: Poly, facts: Facts) -> bool:
    """Whether d >= 1 where there is such a target at all: an index has an extent of at least 1, and so has what divides it."""
    if algebra.nonnegative(d - 1, facts):
        return True
    return any(divide_terms(i.extent, d)[1] is ZERO for i in algebra.indices(target))


def _assign(s: Solution, v: Index, value: Poly) -> Sequence[Equation]:
    s.assign(v, value, build.inside(value, v.extent))
    return ()


def _digits(s: Solution, left: Poly, v: Index, c: Poly, rest: Poly, some: Scalar) -> Sequence[Equation]:
    """left = c*v + rest with rest a digit of base c: v = left // c and rest = left % c, where there are `some` digits."""
    high = floordiv(left, c)
    s.assign(v, high, build.both(some, build.inside(high, v.extent)))
    return [(mod(left, c), rest)]


def _strided(s: Solution, value: Poly, v: Index, c: Poly) -> Sequence[Equation]:
    """value = c*v for a positive c."""
    inside = canonical.both(build.nonnegative(value), build.nonnegative(c * (v.extent - 1) - value))
    s.assign(v, exact(value, c), build.is_zero(mod(value, c)), inside)
    return ()


def _split(s: Solution, v: Index, a: Quotient | Remainder, equation: Equation) -> Sequence[Equation]:
    """v = d*q + r: an index that stands both in v // d and in v % d becomes its two digits; r is 0 where d must divide v."""
    d = a.divisor
    value = d * _remaining(s, _rounded_up(v.extent, d))
    if not isinstance(a, Exact):
        value += _remaining(s, d)
    s.assign(v, value, build.nonnegative(v.extent - 1 - value))
    return [equation]


def _remaining(s: Solution, extent: Poly) -> Poly:
    """A new index, to be solved for."""
    index = fresh(extent)
    s.remaining.append(index)
    return poly(index)


def _division(s: Solution, a: Atom, v: Index, inner: tuple[Poly, Poly], value: Poly) -> Sequence[Equation]:
    """value = (±v + offset) // d has d solutions v; value = (±v + offset) % d has one in each period of d."""
    assert isinstance(a, (Quotient, Remainder))
    unit, offset = inner
    d = a.divisor
    if isinstance(a, Quotient):
        digit = fresh(d)
        s.remaining.append(digit)
        solved = (d * value + digit - offset) * unit
        s.assign(v, solved, build.inside(solved, v.extent))
        return ()
    solved = mod((value - offset) * unit, d)
    if v.extent is not d:
        period = fresh(_rounded_up(v.extent, d))
        if period.extent is not algebra.ONE:
            s.remaining.append(period)
            solved = solved + d * period
    s.assign(v, solved, build.inside(value, d), build.nonnegative(v.extent - 1 - solved))
    return ()


def _rounded_up(n: Poly, d: Poly) -> Poly:
    whole, part = divide_terms(n, d)
    return whole if part is ZERO else floordiv(n + d - 1, d)
