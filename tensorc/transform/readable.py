"""A program made pleasant to read: axes of extent 1 go from what lies between, and what has no name and is read once goes into its reader.

The order of arithmetic is kept, so results are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.ir import build, walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Define, Load, Scalar, Scatter, Tensor
from tensorc.transform.graph import elements_changed, number_changed, with_sources
from tensorc.transform.simplify import simplify

BODY = 24
"""Scalars of a body that still reads well."""


def readable(program: Program) -> Program:
    return _inlined(_squeezed(simplify(program)))


def _rebuilt(program: Program, read: Callable[[Load, dict[Tensor, Tensor]], Scalar], change: Callable[[Tensor, Tensor], Tensor]) -> Program:
    """The program with each load made by read(load, new tensors), and each tensor by change(old, rebuilt)."""
    new: dict[Tensor, Tensor] = {}
    for t in walk.topological(program.outputs):
        made = t
        if isinstance(t, (Define, Scatter)):
            body = walk.rewrite(t.body, {}, lambda moved: read(moved, new), elements_changed(new))
            if isinstance(t, Scatter):
                made = Scatter(t.extents, t.iteration, tuple(number_changed(p, new) for p in t.subscripts), body, t.base and new[t.base])
            elif body is not t.body:
                made = Define(t.extents, t.monoid, t.bound, body)
        else:
            made = with_sources(t, new)
        new[t] = change(t, made)
    names = {new[t]: name for t, name in reversed(program.names.items()) if t in new}
    checks = tuple(replace(c, place=new[c.place]) for c in program.checks)
    return replace(program, results=tuple(new[t] for t in program.results), checks=checks, names={**names, **{i: i.name for i in program.inputs}})


def _squeezed(program: Program) -> Program:
    """Definitions that only bodies read, without their axes of extent 1."""
    chosen = {t for t in walk.topological(program.outputs) if isinstance(t, Define) and algebra.ONE in t.extents} - set(program.outputs)
    for t in walk.topological(program.outputs):
        if not isinstance(t, (Define, Scatter)):
            chosen -= set(walk.sources(t))
        else:
            chosen -= {e.tensor for p in _subscripts(t) for e in algebra.elements(p)}
            if isinstance(t, Scatter):
                chosen.discard(t.base)  # type: ignore[arg-type]
    if not chosen:
        return program
    squeezed: dict[Tensor, tuple[bool, ...]] = {}

    def read(moved: Load, new: dict[Tensor, Tensor]) -> Scalar:
        t = new.get(moved.tensor, moved.tensor)
        kept = squeezed.get(t)
        return build.load(t, moved.subscripts if kept is None else tuple(p for p, k in zip(moved.subscripts, kept, strict=True) if k))

    def change(old: Tensor, t: Tensor) -> Tensor:
        if old not in chosen or not isinstance(t, Define):
            return t
        kept = tuple(e is not algebra.ONE for e in t.extents)
        values: dict[Atom, Poly] = {}
        for i, k in zip((*t.indices, *t.reduced), (*kept, *[True] * len(t.bound)), strict=True):
            values[i] = poly(Index(sum(v is not algebra.ZERO for v in values.values()), i.extent)) if k else algebra.ZERO
        extents = tuple(e for e, k in zip(t.extents, kept, strict=True) if k)
        made = Define(extents, t.monoid, t.bound, walk.rewrite(t.body, values, lambda moved: build.load(moved.tensor, moved.subscripts)))
        squeezed[made] = kept
        return made

    return _rebuilt(program, read, change)


def _subscripts(t: Define | Scatter) -> list[Poly]:
    found = [p for read in walk.loads(t.body) for p in read.subscripts] + [p for s in walk.postorder(t.body) for p in walk.polys(s)]
    return found + list(t.subscripts) if isinstance(t, Scatter) else found


def _inlined(program: Program) -> Program:
    """Pointwise definitions without a name that one pointwise definition reads in one place, in its body."""
    order = walk.topological(program.outputs)
    readers: dict[Tensor, list[Tensor]] = {}
    for r in order:
        for s in walk.sources(r):
            readers.setdefault(s, []).append(r)
    chosen: set[Tensor] = set()
    for t in order:
        if isinstance(t, Define) and t.monoid is None and t not in program.outputs and t not in program.names and len(readers[t]) == 1:
            (r,) = readers[t]
            single = isinstance(r, Define) and r.monoid is None and sum(read.tensor is t for read in walk.loads(r.body)) == 1
            if single and len(walk.postorder(t.body)) + len(walk.postorder(r.body)) <= BODY:  # type: ignore[union-attr]
                if not any(e.tensor is t for p in _subscripts(r) for e in algebra.elements(p)):  # type: ignore[arg-type]
                    chosen.add(t)

    def read(moved: Load, new: dict[Tensor, Tensor]) -> Scalar:
        t = new.get(moved.tensor, moved.tensor)
        if moved.tensor not in chosen or not isinstance(t, Define):
            return build.load(t, moved.subscripts)
        values: dict[Atom, Poly] = dict(zip(t.indices, moved.subscripts, strict=True))
        return walk.rewrite(t.body, values, lambda inner: build.load(inner.tensor, inner.subscripts))

    return _rebuilt(program, read, lambda old, t: t)
