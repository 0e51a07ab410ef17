"""Makes a definition of each term that would be computed again for every point of an axis that it does not depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from tensorc.algebra import ONE, Atom, Element, Index, Poly, poly, rebuild
from tensorc.dtypes import bool_
from tensorc.ir import build, walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Const, Define, IsZero, Load, Nonnegative, Scalar, Scan, Scatter, Select, Sort, Stop, Tensor, View
from tensorc.schedule.chains import paired
from tensorc.schedule.factor import factored
from tensorc.schedule.moved import moved
from tensorc.schedule.rules import covers, operations, slides
from tensorc.schedule.sizes import Estimate, estimates

FURTHER = 4
"""Instructions that are not computed again for each point of a further axis."""

LARGE = 10
"""Instructions that are not computed again even where storing what they compute takes more memory than anything that is read."""


def is_worth_storing(body: Scalar, axes: Iterable[Index], work: int) -> bool:
    """Whether a value over the axes should be stored rather than computed again for each point of further axes."""
    return work >= LARGE or (work >= FURTHER and covers(body, axes))


def separate(program: Program, estimate: Estimate | None = None) -> Program:
    """The program with such terms as definitions of their own: `x[i, j] * rsqrt(v[i] + e)` reads one of `rsqrt(v[i] + e)`.

    Equal terms stay equal: they are the same operations in the same order. Sums of products are brought into the form that is least to do.
    """
    made: dict[Tensor, Tensor] = {}
    order = walk.topological(program.outputs)
    single = _single(program, order)
    alone: set[Tensor] = set()
    about = estimates(program) if estimate is None else estimate

    def change(t: Define) -> Define:
        t = moved(t, alone.__contains__, about)
        return factored(paired(t, alone.__contains__, about), program.facts, alone.__contains__)

    for t in order:
        made[t] = _tensor(t, made, change)
        if t in single:
            alone.add(made[t])
    if all(t is u for t, u in made.items()):
        return program
    return replace(
        program,
        results=tuple(made[t] for t in program.results),
        checks=tuple(replace(c, place=made[c.place]) for c in program.checks),
        names={made.get(t, t): name for t, name in program.names.items()},
        spans={made.get(t, t): span for t, span in program.spans.items()},
    )


def _single(program: Program, order: Iterable[Tensor]) -> set[Tensor]:
    """The tensors that one other alone reads, and that are no results."""
    readers: Counter[Tensor] = Counter(program.outputs)
    for t in order:
        readers.update(dict.fromkeys(walk.sources(t), 1))
    return {t for t, count in readers.items() if count == 1} - set(program.outputs)


def _tensor(t: Tensor, made: Mapping[Tensor, Tensor], change: Callable[[Define], Define]) -> Tensor:
    match t:
        case Define(extents, monoid, bound, body):
            return change(Define(extents, monoid, bound, _Separator(made, t.indices + t.reduced).whole(body)))
        case Scatter(extents, iteration, subscripts, body, base):
            separator = _Separator(made, t.indices)
            places = tuple(separator.number(p) for p in subscripts)
            return Scatter(extents, iteration, places, separator.whole(body), None if base is None else made[base])
        case View(source, extents):
            return View(made[source], extents)
        case Scan(monoid, source, decay, reverse):
            return Scan(monoid, made[source], None if decay is None else made[decay], reverse)
        case Sort(keys, descending):
            return Sort(made[keys], descending)
        case Stop(source):
            return Stop(made[source])
        case _:
            return t


def _is_guard(s: Scalar) -> bool:
    """Whether s is made of comparisons of indices alone: where it is the same for many points, it is found out once for all of them."""
    return all(isinstance(p, (Nonnegative, IsZero)) or (isinstance(p, (Apply, Const)) and p.dtype is bool_) for p in walk.postorder(s))


class _Separator:
    """Rewrites the body of one definition, whose loops are `space`."""

    def __init__(self, made: Mapping[Tensor, Tensor], space: tuple[Index, ...]) -> None:
        self.made = made
        self.space = frozenset(a for a in space if a.extent is not ONE)
        self.memo: dict[Scalar, Scalar] = {}

    def whole(self, body: Scalar) -> Scalar:
        renamed = walk.rewrite(body, {}, self.load, self.atom if any(isinstance(a, Element) for a in walk.atoms(body)) else None)
        return self.part(renamed) if self.space else renamed

    def part(self, s: Scalar) -> Scalar:
        found = self.memo.get(s)
        if found is None:
            found = self.memo[s] = self._part(s)
        return found

    def _part(self, s: Scalar) -> Scalar:
        if not isinstance(s, (Apply, Select)):
            return s
        axes = sorted(walk.indices(s), key=lambda a: a.level)
        if not self.space <= walk.indices(s) and is_worth_storing(s, axes, operations(s)) and not slides(s) and not _is_guard(s):
            return Load(build.define(axes, s), tuple(map(poly, axes)))
        if isinstance(s, Select):
            return build.select(self.part(s.condition), self.part(s.then), self.part(s.otherwise))
        return build.apply(s.operation, *map(self.part, s.arguments), dtype=s.dtype)

    def load(self, load: Load) -> Scalar:
        return Load(self.made[load.tensor], load.subscripts)

    def number(self, p: Poly) -> Poly:
        return rebuild(p, self.atom)

    def atom(self, a: Atom) -> Poly | None:
        if isinstance(a, Element):
            return poly(Element(self.made[a.tensor], tuple(map(self.number, a.subscripts))))
        return None
