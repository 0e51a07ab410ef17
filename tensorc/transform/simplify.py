"""A smaller program with the same results: what is not needed is left out, moves are read through, and what can be decided is.

Sound for a user's arithmetic: operations keep their order and their IEEE meaning. What the conditions of the program say of sizes is
relied on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Element, Facts, Poly
from tensorc.ir import build, walk
from tensorc.ir.program import BoundsCheck, Condition, Program
from tensorc.ir.tensor import (
    Apply,
    Const,
    Define,
    Input,
    Int,
    IsZero,
    Load,
    Nonnegative,
    Scalar,
    Scan,
    Scatter,
    Select,
    Sort,
    Stop,
    Tensor,
    View,
)
from tensorc.transform.stable import stabilise

Label = TypeVar("Label")


def optimise(program: Program) -> Program:
    """What is scheduled: the program simplified, by stable formulas."""
    smaller = simplify(program)
    made = stabilise(smaller)
    return smaller if made is smaller else simplify(made)


def simplify(program: Program) -> Program:
    """The program without what has no effect. Results are in their order, of the same shapes and dtypes; names and spans go along."""
    facts = _facts(program.conditions)
    made: dict[Tensor, Tensor] = {}
    for t in walk.topological(program.outputs):
        made[t] = _tensor(t, made, facts)
    checks = dict.fromkeys(replace(c, place=made[c.place]) for c in program.checks)
    results = tuple(made[t] for t in program.results)
    kept = tuple(c for c in checks if not _holds(c, facts))
    alive = frozenset(walk.topological((*results, *(c.place for c in kept)))) | frozenset(program.inputs)
    return replace(
        program,
        results=results,
        conditions=tuple(c for c in dict.fromkeys(program.conditions) if not _is_true(c)),
        checks=kept,
        names=_renamed(program.names, made, alive),
        spans=_renamed(program.spans, made, alive),
    )


def _facts(conditions: tuple[Condition, ...]) -> Facts:
    equal = frozenset(-c.value for c in conditions if c.relation == "==")
    return frozenset(c.value for c in conditions) | equal


def _is_true(c: Condition) -> bool:
    return c.value is algebra.ZERO or (c.relation == ">=" and algebra.nonnegative(c.value))


def _holds(c: BoundsCheck, facts: Facts) -> bool:
    """Whether every place is inside, by proof."""
    if not isinstance(c.place, Define) or c.place.monoid is not None:
        return False
    value = build.number(c.place.body)
    return value is not None and build.inside(value, c.extent, facts) is build.TRUE


def _renamed(labels: Mapping[Tensor, Label], made: Mapping[Tensor, Tensor], alive: frozenset[Tensor]) -> dict[Tensor, Label]:
    found: dict[Tensor, Label] = {}
    for t, label in labels.items():
        if made.get(t, t) in alive:
            found.setdefault(made.get(t, t), label)
    return found


def _tensor(t: Tensor, made: Mapping[Tensor, Tensor], facts: Facts) -> Tensor:
    """t of what its sources were made."""
    match t:
        case Input():
            return t
        case Define(extents, monoid, bound, body):
            return _define(extents, monoid, bound, _Folder(made, facts).scalar(body))
        case View(source, extents):
            return _view(made[source], extents)
        case Scan(monoid, source, decay, reverse):
            return Scan(monoid, made[source], None if decay is None else made[decay], reverse)
        case Scatter(extents, iteration, subscripts, body, base):
            folder = _Folder(made, facts)
            places = tuple(folder.number(p) for p in subscripts)
            return Scatter(extents, iteration, places, folder.scalar(body), None if base is None else made[base])
        case Sort(keys, descending):
            return Sort(made[keys], descending)
        case Stop(source):
            return made[source] if isinstance(made[source], Stop) else Stop(made[source])
        case _:
            assert_never(t)


def _define(extents: tuple[Poly, ...], monoid: str | None, bound: tuple[Poly, ...], body: Scalar) -> Tensor:
    made = Define(extents, monoid, bound, body)
    if monoid is not None or not isinstance(body, Load) or body.tensor.extents != extents:
        return made
    plain = all(p.atom is a for p, a in zip(body.subscripts, made.indices, strict=True))
    return body.tensor if plain else made


def _view(source: Tensor, extents: tuple[Poly, ...]) -> Tensor:
    while isinstance(source, View):
        source = source.source
    return source if source.extents == extents else View(source, extents)


class _Folder:
    """Rebuilds the scalars of one definition, each shared term once."""

    def __init__(self, made: Mapping[Tensor, Tensor], facts: Facts) -> None:
        self.made, self.facts = made, facts
        self.memo: dict[Scalar, Scalar] = {}

    def scalar(self, s: Scalar) -> Scalar:
        found = self.memo.get(s)
        if found is None:
            found = self.memo[s] = self._scalar(s)
        return found

    def _scalar(self, s: Scalar) -> Scalar:
        match s:
            case Const():
                return s
            case Int(p):
                return build.integer(self.number(p))
            case Nonnegative(p):
                return build.nonnegative(self.number(p), self.facts)
            case IsZero(p):
                return build.is_zero(self.number(p), self.facts)
            case Load(t, subscripts):
                return build.load(self.made[t], [self.number(p) for p in subscripts])
            case Select(condition, then, otherwise):
                return build.select(self.scalar(condition), self.scalar(then), self.scalar(otherwise))
            case Apply(operation, arguments, dtype):
                new = tuple(map(self.scalar, arguments))
                if operation == "pow" and isinstance(new[1], Const):
                    return _power(new[0], new[1])
                return build.apply(operation, *new, dtype=dtype)
            case _:
                assert_never(s)

    def number(self, p: Poly) -> Poly:
        return algebra.rebuild(p, self._atom) if algebra.elements(p) else p

    def _atom(self, a: Atom) -> Poly | None:
        if isinstance(a, Element):
            return build.element(self.made[a.tensor], tuple(map(self.number, a.subscripts)))
        return None


def _power(base: Scalar, exponent: Const) -> Scalar:
    """base ** exponent; by products where that is as exact, or for cubes, of an error that a power may have too."""
    match float(exponent.value):
        case 1.0:
            return base
        case 2.0:
            return build.apply("mul", base, base)
        case 3.0 if base.dtype.bits >= 32:
            return build.apply("mul", build.apply("mul", base, base), base)
        case -1.0 if base.dtype.is_float:
            return build.apply("div", build.constant(1, base.dtype), base)
        case _:
            return build.apply("pow", base, exponent)
