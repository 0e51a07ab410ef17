"""The rules of a nest as it sees them: their indices are its axes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tensorc import algebra
from tensorc.algebra import ONE, Atom, Index, Poly, indices, substitute
from tensorc.ir import build, walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Apply, Const, Load, Nonnegative, Scalar, Select, Tensor
from tensorc.schedule.axes import Loops, Space
from tensorc.schedule.memory import Place, Storage, lower
from tensorc.schedule.rules import Rule, contracts, operations


@dataclass(eq=False)
class Member:
    """tensor[out] = body, or tensor[out] = monoid[over](body), in a nest whose axes these are.

    `place` is where the value is stored for others than the nest's members, None where they alone read it. Loads in the body are of memory
    and of other members' tensors, at axes of the nest. `order` are the axes as they go best, the outermost first.
    """

    name: str
    tensor: Tensor | None
    out: Loops
    over: Loops
    order: Loops
    monoid: str | None
    body: Scalar
    place: Place | None
    where: Scalar | None = None
    """Where it is stored; None is everywhere."""
    is_result: bool = False
    """Whether the caller gets it."""
    is_copy: bool = False
    """Whether others may read it at other places than at its axes: its axes are those of its tensor."""

    pairs: Index | None = None
    """Of a copy, the axis whose points lie in pairs, both of one place of the other axes side by side."""

    lets: frozenset[Poly] = frozenset()
    """Of a reduction, what is at least 0 wherever a term is anything but the identity, whatever its factors are."""

    @cached_property
    def space(self) -> Loops:
        return self.out + self.over

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        return walk.loads(self.body)

    @cached_property
    def work(self) -> int:
        """Instructions for one point."""
        return operations(self.body)

    @cached_property
    def is_contraction(self) -> bool:
        """Whether every element that it reads is read at many of its points, as in a matrix product: it is bound by arithmetic, not by
        memory.
        """
        return bool(self.over) and contracts(self.loads, self.space)


def members(space: Space, storage: Storage) -> tuple[Member, ...]:
    """The rules of a space, in order."""
    return tuple(_member(space, r, space.values(r), storage) for r in space.rules)


class Unplaced:
    """Members of which it is not known yet where they are stored: their loads name tensors. Each is made once for its axes in a nest."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Member] = {}

    def members(self, space: Space) -> tuple[Member, ...]:
        """The rules of a space, in order."""
        return tuple(self._member(space, r) for r in space.rules)

    def _member(self, space: Space, r: Rule) -> Member:
        values = space.values(r)
        key = r, space.out[r], space.over[r], tuple(values.items())
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = _member(space, r, values, None)
        return found


def _member(space: Space, r: Rule, values: Mapping[Atom, Poly], storage: Storage | None) -> Member:
    def memory(load: Load) -> Load:
        return load if storage is None or load.tensor in space.members else storage.load(load)

    found = storage.places.get(r) if storage is not None else None
    place = None if found is None else (found[0], tuple(substitute(s, values) for s in found[1]))
    body = lower(r.body, values, memory)
    lets = frozenset(s.value for s in conditions(body, r.monoid) if isinstance(s, Nonnegative)) if r.over else frozenset()
    if r.monoid == "sum" and r.over:
        body = with_factors(body)
    out, over, order = space.out[r], space.over[r], space.order[r]
    return Member(r.name, r.tensor, out, over, order, r.monoid, body, place, is_result=bool(r.targets), lets=lets)


def conditions(body: Scalar, monoid: str | None) -> Iterator[Scalar]:
    """What must hold for a term of a reduction to be anything but the identity."""
    identity = None if monoid is None else MONOIDS[monoid].identity(body.dtype)
    while isinstance(body, Select) and isinstance(body.otherwise, Const) and body.otherwise.value == identity:
        stack = [body.condition]
        while stack:
            match stack.pop():
                case Apply("and", (a, b), _):
                    stack += [b, a]
                case condition:
                    yield condition
        body = body.then


def with_factors(body: Scalar) -> Scalar:
    """A product that is 0 where a factor lies outside of its tensor, as one of which that factor is 0: the others are free of the guard.

    A guard that says anything else stays round the whole product, since another factor may be NaN or infinite where it does not hold.
    """
    match body:
        case Select(condition, Apply("mul", (a, b), _), Const(0)) if body.dtype.is_float:
            zero = build.constant(0.0, body.dtype)
            if _is_bounds(condition, b):
                return build.apply("mul", a, with_factors(build.select(condition, b, zero)))
            if _is_bounds(condition, a):
                return build.apply("mul", with_factors(build.select(condition, a, zero)), b)
            return body
        case _:
            return body


def _is_bounds(condition: Scalar, factor: Scalar) -> bool:
    """Whether a condition only says that a factor's loads are inside of their tensors."""
    match condition:
        case Apply("and", (a, b), _):
            return _is_bounds(a, factor) and _is_bounds(b, factor)
        case Nonnegative(value):
            places = [p for load in walk.loads(factor) for p in zip(load.subscripts, load.tensor.extents, strict=True)]
            return any(value is s or value is e - 1 - s for s, e in places)
        case _:
            return False


def axes(load: Load) -> frozenset[Index]:
    """The axes that a load's place depends on."""
    return frozenset[Index]().union(*map(indices, load.subscripts))


def by_tensor(every: Sequence[Member]) -> Mapping[Tensor, Member]:
    return {m.tensor: m for m in every if m.tensor is not None}


def is_unit(subscripts: Sequence[Poly], axis: Index) -> bool:
    """Whether neighbours along an axis are neighbours in row-major memory."""
    return _step(subscripts, axis) is ONE


NEAR = 4
"""Elements between neighbours that are still near, at most: registers hold several of them."""


def is_near(subscripts: Sequence[Poly], axis: Index) -> bool:
    """Whether neighbours along an axis are few elements apart in row-major memory."""
    step = _step(subscripts, axis)
    return step is not None and step.constant is not None and 1 <= step.constant <= NEAR


def _step(subscripts: Sequence[Poly], axis: Index) -> Poly | None:
    """How many elements lie between neighbours along an axis in row-major memory; None where more than those of a row do."""
    touched = [s for s in subscripts if axis in algebra.indices(s)]
    last = next((s for s in reversed(subscripts) if s.constant is None), None)
    if len(touched) != 1 or touched[0] is not last:
        return None
    parts = algebra.split(touched[0], axis)
    return None if parts is None else parts[0]
