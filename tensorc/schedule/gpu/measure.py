"""What plans ask of rules: which memory they touch, how many points they have, along which loop memory is contiguous."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tensorc import algebra
from tensorc.algebra import ONE, Index, Poly
from tensorc.dtypes import DType
from tensorc.ir import walk
from tensorc.ir.tensor import Load, Scalar, Tensor
from tensorc.schedule.gpu import space as spaces
from tensorc.schedule.gpu.product import Sides, sides
from tensorc.schedule.gpu.sizes import Sizes, power_of_two
from tensorc.schedule.gpu.space import Situation, Space
from tensorc.schedule.memory import Names
from tensorc.schedule.rules import Rule, operations


@dataclass(frozen=True)
class Access:
    """Elements that a rule reads or stores at each of its points, at an address in the loops."""

    tensor: Tensor
    address: Poly
    dtype: DType
    store: bool


class Measure:
    """Measures rules of one program. `outputs` are its results and checks; `readers` are the rules that read a tensor."""

    def __init__(self, situation: Situation, outputs: Sequence[Tensor]) -> None:
        self.situation = situation
        self.outputs = outputs
        self.readers: dict[Tensor, set[Rule]] = {}
        self._works: dict[Rule, int] = {}
        self._labels: dict[tuple[Rule, str], str] = {}
        self._names = Names()

    @property
    def sizes(self) -> Sizes:
        return self.situation.sizes

    def add(self, r: Rule) -> None:
        """Note what a rule reads."""
        for load in r.loads:
            self.readers.setdefault(load.tensor, set()).add(r)

    def are_neighbours(self, space: Space, axis: Index) -> bool:
        """Whether no address and no number in any rule divides the merged loop."""
        for r in space.rules:
            numbers = [p for s in _parts(r) for p in s]
            moved = [algebra.substitute(p, space.values[r]) for p in numbers]
            if any(spaces.divides(p, axis) for p in moved) or any(spaces.divides(a.address, axis) for a in self.accesses(space, r)):
                return False
        return True

    def accesses(self, space: Space, r: Rule) -> list[Access]:
        """The memory that a rule touches. What it makes is taken to be stored where anything outside of the space reads it."""
        found = []
        for load in r.loads:
            if load.tensor not in space.members:
                at = [algebra.substitute(s, space.values[r]) for s in load.subscripts]
                found.append(Access(load.tensor, self.situation.address(load.tensor, at), load.dtype, False))
        for t in r.targets:
            at = [algebra.substitute(s, space.values[r]) for s in t.subscripts]
            found.append(
                Access(r.tensor or self.outputs[t.result], self._row_major(self.outputs[t.result].extents, at), r.body.dtype, True)
            )
        if not r.targets and r.tensor is not None and not self.is_inside(space, r):
            at = [algebra.ZERO if a.extent is ONE else space.values[r][a] for a in r.axes]
            found.append(Access(r.tensor, self._row_major([a.extent for a in r.axes], at), r.body.dtype, True))
        return found

    def is_inside(self, space: Space, r: Rule) -> bool:
        """Whether only rules of the space read it."""
        readers = self._readers(r)
        return r.repeated or (bool(readers) and readers <= set(space.rules))

    def _readers(self, r: Rule) -> set[Rule]:
        return self.readers.get(r.tensor, set()) if r.tensor is not None else set()

    @staticmethod
    def _row_major(extents: Sequence[Poly], at: Sequence[Poly]) -> Poly:
        return spaces.dot(at, spaces.row_major(extents))

    def weights(self, space: Space) -> dict[Index, float]:
        """For each loop, the bytes of memory whose neighbours it runs along."""
        found = dict.fromkeys(space.loops, 0.0)
        for r in space.rules:
            for access in self.accesses(space, r):
                for a in algebra.indices(access.address):
                    if a in found and is_unit(access.address, a):
                        found[a] += self.points(algebra.indices(access.address) & set(space.loops)) * access.dtype.bytes
        return found

    def points(self, axes: Iterable[Index]) -> float:
        """How many points the loops have together."""
        total = 1.0
        for a in axes:
            total *= self.sizes.estimate(a.extent)
        return total

    def sides(self, space: Space, r: Rule) -> Sides | None:
        """The sides of a rule that is a product of matrices in the space's loops."""
        if r.monoid != "sum":
            return None
        found = sides(moved(space, r), space.out[r], space.over[r])
        return found if found is not None and r.body.dtype.is_float else None

    def is_product(self, space: Space, r: Rule) -> bool:
        return r.is_contraction and self.sides(space, r) is not None

    def work(self, r: Rule) -> int:
        """Instructions for a point, without what is the same for all points."""
        found = self._works.get(r)
        if found is None:
            found = self._works[r] = operations(r.body, moving=True)
        return found

    def is_stored(self, space: Space) -> Callable[[Rule], bool]:
        return lambda r: bool(r.targets) or not self.is_inside(space, r)

    def label(self, r: Rule, part: str) -> str:
        """A name for something that is made of a rule, always the same."""
        if (r, part) not in self._labels:
            self._labels[r, part] = self._names.unique(f"{r.name}_{part}")
        return self._labels[r, part]


def _parts(r: Rule) -> Iterator[tuple[Poly, ...]]:
    """The numbers that stand in a rule's body, subscripts aside."""
    for s in walk.postorder(r.body):
        if not isinstance(s, Load):
            yield walk.polys(s)


def moved(space: Space, r: Rule) -> Scalar:
    """The rule's body in the loops of the space."""
    return walk.rewrite(r.body, space.values[r])


def is_unit(address: Poly, axis: Index) -> bool:
    """Whether neighbours on the axis are neighbours in memory."""
    parts = algebra.split(address, axis)
    return parts is not None and parts[0].constant in (1, -1)


def fit(count: int, most: int) -> int:
    """A block for an axis of a matrix product."""
    return max(16, min(power_of_two(count), most))


def size_of(blocks: dict[Index, int]) -> int:
    total = 1
    for b in blocks.values():
        total *= b
    return total
