"""vmap: the same graph with more leading axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly, poly, substitute
from tensorc.ir import build, walk
from tensorc.ir.tensor import Define, Input, Load, Scalar, Scan, Scatter, Sort, Stop, Tensor, View


def batch(outputs: Sequence[Tensor], batched: Mapping[Tensor, Tensor], lead: Sequence[Poly]) -> list[Tensor]:
    """The outputs with leading axes of the extents `lead`; `batched` gives some tensors of the graph as tensors that have these axes."""
    lifting = _Lifting(tuple(lead), dict(batched))
    for t in walk.topological(outputs):
        if t not in lifting.new and any(s in lifting.new for s in walk.sources(t)):
            lifting.new[t] = lifting.tensor(t)
    return [lifting.whole(t) for t in outputs]


class _Lifting:
    def __init__(self, lead: tuple[Poly, ...], new: dict[Tensor, Tensor]) -> None:
        self.lead = lead
        self.new = new
        self.axes = tuple(Index(level, e) for level, e in enumerate(lead))
        self.at = tuple(map(poly, self.axes))

    def tensor(self, t: Tensor) -> Tensor:
        """t with the leading axes."""
        match t:
            case Define(extents, monoid, bound, body):
                changed = self.body(body, t.indices + t.reduced)
                return Define((*self.lead, *extents), monoid, bound, changed)
            case Scatter(extents, iteration, subscripts, body, base):
                places = tuple(self.number(substitute(p, self.moved(t.indices))) for p in subscripts)
                under = None if base is None else self.whole(base)
                return Scatter((*self.lead, *extents), (*self.lead, *iteration), (*self.at, *places), self.body(body, t.indices), under)
            case View(x, extents):
                return View(self.new[x], (*self.lead, *extents))
            case Scan(monoid, x, decay, reverse):
                return Scan(monoid, self.whole(x), None if decay is None else self.whole(decay), reverse)
            case Sort(x, descending):
                return Sort(self.new[x], descending)
            case Stop(x):
                return Stop(self.new[x])
            case Input():
                return self.whole(t)
            case _:
                assert_never(t)

    def whole(self, t: Tensor) -> Tensor:
        """t with the leading axes, where it has not depended on them by repeating it."""
        if t in self.new:
            return self.new[t]
        axes = tuple(algebra.fresh(e) for e in (*self.lead, *t.extents))
        return build.define(axes, build.load(t, tuple(map(poly, axes[len(self.lead) :]))))

    def moved(self, indices: Sequence[Index]) -> dict[Atom, Poly]:
        return {i: poly(Index(i.level + len(self.lead), i.extent)) for i in indices}

    def number(self, p: Poly) -> Poly:
        return algebra.rebuild(p, self.element) if algebra.elements(p) else p

    def element(self, a: Atom) -> Poly | None:
        if isinstance(a, Element) and a.tensor in self.new:
            return build.element(self.new[a.tensor], (*self.at, *map(self.number, a.subscripts)))
        return None

    def body(self, s: Scalar, indices: Sequence[Index]) -> Scalar:
        names = self.moved(indices)

        def atom(a: Atom) -> Poly | None:
            if isinstance(a, Element) and a.tensor in self.new:
                return build.element(self.new[a.tensor], (*self.at, *(algebra.rebuild(p, atom) for p in a.subscripts)))
            return names.get(a)

        def load(moved: Load) -> Scalar:
            if moved.tensor in self.new:
                return build.load(self.new[moved.tensor], (*self.at, *moved.subscripts))
            return build.load(moved.tensor, moved.subscripts)

        return walk.rewrite(s, {}, load, atom)
