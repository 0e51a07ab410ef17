"""What the scheduler places in kernels: the definitions that are left once cheap ones are put into their readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

from tensorc import algebra
from tensorc.algebra import ONE, ZERO, Atom, Index, Poly, Quotient, Remainder, atoms, elements, indices, is_static, poly
from tensorc.ir import walk
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.tensor import Apply, Const, Input, IsZero, Load, Nonnegative, Scalar, Select, Tensor
from tensorc.node import node


@node
class Made(Input):
    """What a rule makes of a view that is stored for itself: loads name it in place of the view."""


@dataclass(frozen=True)
class Target:
    """Where a rule's value is stored for the caller: result number `result` (checks count after results), at subscripts of the rule's
    axes.
    """

    result: int
    subscripts: tuple[Poly, ...]


@dataclass(frozen=True, eq=False)
class Rule:
    """tensor[axes] = body, or tensor[axes] = monoid[reduced](body).

    Loads in the body are of inputs and of other rules' tensors, at any place.

    `tensor` is what the loads of other rules call it, None where nothing loads it. Indices of extent 1 are 0 in the body and are left out
    of `space`.
    """

    tensor: Tensor | None
    name: str
    axes: tuple[Index, ...]
    monoid: str | None
    reduced: tuple[Index, ...]
    body: Scalar
    targets: list[Target] = field(default_factory=list)
    cluster: int | None = None
    """The number of the kernel that it is computed for, and that alone reads it, because there is too much of it to be kept: see `anew`."""
    repeated: bool = False
    """Whether each program of each kernel that reads it finds it for itself: see `gpu.repeat`."""

    @cached_property
    def out(self) -> tuple[Index, ...]:
        """The axes that are loops."""
        return tuple(a for a in self.axes if a.extent is not ONE)

    @cached_property
    def over(self) -> tuple[Index, ...]:
        """The reduced axes that are loops."""
        return tuple(a for a in self.reduced if a.extent is not ONE)

    @cached_property
    def space(self) -> tuple[Index, ...]:
        return self.out + self.over

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        return walk.loads(self.body)

    @cached_property
    def reads(self) -> tuple[tuple[Tensor, tuple[Index | None, ...]], ...]:
        """What is read, with the index that each subscript is, None where it is none."""
        return tuple((load.tensor, tuple(a if isinstance(a := s.atom, Index) else None for s in load.subscripts)) for load in self.loads)

    @cached_property
    def numbers(self) -> dict[Index, int]:
        """The positions of the indices in `space`."""
        return {a: n for n, a in enumerate(self.space)}

    @cached_property
    def work(self) -> int:
        """Instructions for one point."""
        return operations(self.body)

    @cached_property
    def streams(self) -> frozenset[Tensor]:
        """What is read along every loop, an element for each point."""
        return frozenset(load.tensor for load in self.loads if self._covers(load))

    @cached_property
    def divided(self) -> tuple[tuple[Index, Poly], ...]:
        """The indices that the rule divides, with what it divides them by."""
        found = set(walk.atoms(self.body)).union(*(atoms(s) for t in self.targets for s in t.subscripts))
        divisions = [a for a in found if isinstance(a, (Quotient, Remainder)) and is_static(a.divisor)]
        return tuple((a.numerator.atom, a.divisor) for a in divisions if isinstance(a.numerator.atom, Index))

    @cached_property
    def order(self) -> tuple[Index, ...]:
        """The loops as they go best, the outermost first: results, in the order that they have in memory, before what is reduced, so that
        a reduction is held in registers.

        But a reduction that streams a tensor whose last axis is one of its result goes along that axis innermost, and accumulates in
        memory.
        """
        for load in self.loads if self.over else ():
            last = next(
                (s.atom for s, e in zip(reversed(load.subscripts), reversed(load.tensor.extents), strict=True) if e is not ONE), None
            )
            if isinstance(last, Index) and last in self.out and self._covers(load):
                return (*(a for a in self._stored if a is not last), *self.over, last)
        return self._stored + self.over

    @property
    def _stored(self) -> tuple[Index, ...]:
        """The loops of the result in the order of memory."""
        places = [s for t in self.targets[:1] for s in t.subscripts]
        found = dict.fromkeys(a for s in places for a in sorted(indices(s), key=lambda a: a.level) if a in self.out)
        return (*found, *(a for a in self.out if a not in found))

    @cached_property
    def is_contraction(self) -> bool:
        """Whether every element that it reads is read at many of its points, as in a matrix product: it is bound by arithmetic, not by
        memory.
        """
        return bool(self.over) and contracts(self.loads, self.space)

    @cached_property
    def is_product(self) -> bool:
        """Whether it sums products of two elements, or 0 in place of some."""
        return self.monoid == "sum" and _is_product(self.body)

    @cached_property
    def is_batched(self) -> bool:
        """Whether an axis of the result is an axis of all that is read, so that no element is read for the whole of it."""
        read = [frozenset[Index]().union(*map(indices, load.subscripts)) for load in self.loads if load.tensor.extents]
        return any(all(a in axes for axes in read) for a in self.out)

    def _covers(self, load: Load) -> bool:
        inside = frozenset[Index]().union(*map(indices, load.subscripts))
        return all(a in inside for a in self.space)


@dataclass(frozen=True, eq=False)
class ScanRule:
    """A recurrence along the last axis: see `ir.tensor.Scan`, whose source and decay are scalars here."""

    tensor: Tensor
    name: str
    axes: tuple[Index, ...]
    monoid: str
    body: Scalar
    decay: Scalar | None
    reverse: bool
    targets: list[Target] = field(default_factory=list)

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        return walk.loads(self.body) + (walk.loads(self.decay) if self.decay is not None else ())


@dataclass(frozen=True, eq=False)
class ScatterRule:
    """tensor[axes] = base, then tensor[subscripts] += body for each point of `iteration` in row-major order; places outside are dropped."""

    tensor: Tensor
    name: str
    axes: tuple[Index, ...]
    base: Scalar
    iteration: tuple[Index, ...]
    subscripts: tuple[Poly, ...]
    body: Scalar
    targets: list[Target] = field(default_factory=list)

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        places = tuple(Load(e.tensor, e.subscripts) for p in self.subscripts for e in elements(p))
        return walk.loads(self.base) + walk.loads(self.body) + places


@dataclass(frozen=True, eq=False)
class SortRule:
    """tensor[rows, :] = the stable order of keys[rows, :], which is an input or another rule's tensor."""

    tensor: Tensor
    name: str
    axes: tuple[Index, ...]
    keys: Tensor
    descending: bool
    targets: list[Target] = field(default_factory=list)

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        return (Load(self.keys, tuple(map(poly, self.axes))),)


def _is_product(body: Scalar) -> bool:
    match body:
        case Select(_, part, Const(0)) | Select(_, Const(0), part):
            return _is_product(part)
        case Apply("mul", (a, b), _):
            return _is_element(a) and _is_element(b)
        case _:
            return False


def _is_element(s: Scalar) -> bool:
    match s:
        case Select(_, part, Const(0)) | Select(_, Const(0), part):
            return isinstance(part, Load)
        case _:
            return isinstance(s, Load)


def contracts(loads: Sequence[Load], space: Sequence[Index]) -> bool:
    """Whether every element that the points of a space read is read at many of them, and each reads several."""
    read = [load for load in loads if load.tensor.extents]
    return len(read) > 1 and not any(_is_read_once(load, space) for load in read)


def _is_read_once(load: Load, space: Sequence[Index]) -> bool:
    """Whether all points of a space read different elements."""
    known = {a for s in load.subscripts for a in indices(s) if algebra.split(s, a) is not None}
    inside = frozenset[Atom]().union(*map(atoms, load.subscripts))
    high, low = ({a for q in inside if isinstance(q, kind) for a in indices(q.numerator)} for kind in (Quotient, Remainder))
    return all(a in known or (a in high and a in low) for a in space) and not any(overlaps(load, a) for a in space)


def covers(body: Scalar, axes: Iterable[Index]) -> bool:
    """Whether some element that is read has each of the axes as a subscript of its own: there is a tensor as large as what is computed."""
    needed = [a for a in axes if a.extent is not ONE]
    return not needed or any({s.atom for s in load.subscripts}.issuperset(needed) for load in walk.loads(body))


def slides(body: Scalar) -> bool:
    """Whether a subscript is of several indices, as a window is: there are more elements than what is read has."""
    return any(len(indices(s)) > 1 for load in walk.loads(body) for s in load.subscripts)


@cache
def operations(body: Scalar, moving: bool = False) -> int:
    """Instructions for one element of a scalar; where `moving`, of the terms alone that are not the same for all elements."""
    return sum(_instructions(s) for s in walk.postorder(body) if not moving or walk.indices(s))


def _instructions(s: Scalar) -> int:
    match s:
        case Apply(operation, _, _):
            return OPERATIONS[operation].cost
        case Select() | Nonnegative() | IsZero():
            return 1
        case _:
            return 0


def overlaps(load: Load, axis: Index) -> bool:
    """Whether another axis moves a load to elements that this one moves it to as well, as in a window; not by places that are data."""
    for s in load.subscripts:
        if axis in algebra.indices(s) and not algebra.elements(s):
            for other in algebra.indices(s) - {axis}:
                parts = algebra.split(s, other)
                own = algebra.split(s, axis)
                if parts is None or own is None or not _is_apart(own[0], axis, parts[0], other):
                    return True
    return False


def _is_apart(step: Poly, axis: Index, far: Poly, other: Index) -> bool:
    """Whether one of two steps is a multiple of all that the other step reaches."""
    for near, extent, long in ((step, axis.extent, far), (far, other.extent, step)):
        _, rest = algebra.divide_terms(long, near * extent)
        if rest is ZERO:
            return True
    return False


AnyRule = Rule | ScanRule | ScatterRule | SortRule
