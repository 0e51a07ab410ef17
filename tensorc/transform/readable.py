"""A program made pleasant to read: axes of extent 1 go from what lies between, what has no name and is read once goes into its reader,
and what several definitions compute has one of its own.

The order of arithmetic is kept, so results are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.ir import build, walk
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Define, Load, Scalar, Scatter, Select, Tensor
from tensorc.transform.graph import elements_changed, number_changed, with_sources
from tensorc.transform.simplify import simplify

ROUNDS = 8

FUNCTION = 6
"""Instructions of what is called a function here."""

BODY = 24
"""Scalars of a body that still reads well."""


def readable(program: Program) -> Program:
    return _shared(_inlined(_squeezed(simplify(program))))


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
    names: dict[Tensor, str] = {i: i.name for i in program.inputs}
    for t, name in program.names.items():
        if t in new:
            names.setdefault(new[t], name)
    checks = tuple(replace(c, place=new[c.place]) for c in program.checks)
    return replace(program, results=tuple(new[t] for t in program.results), checks=checks, names=names)


def _squeezed(program: Program) -> Program:
    """Definitions that only bodies read, without their axes of extent 1."""
    every = walk.topological(program.outputs)
    chosen: set[Tensor] = {t for t in every if isinstance(t, Define) and algebra.ONE in t.extents and t not in program.outputs}
    for t in every:
        if not isinstance(t, (Define, Scatter)):
            chosen -= set(walk.sources(t))
        else:
            chosen -= {e.tensor for p in _subscripts(t) for e in algebra.elements(p)}
            if isinstance(t, Scatter):
                chosen -= {u for u in (t.base,) if u is not None}
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


def _fits(t: Tensor, reader: Tensor) -> bool:
    """Whether both are pointwise, and one body reads the other in one place, no subscript, and stays short."""
    if not isinstance(t, Define) or not isinstance(reader, Define) or t.monoid is not None or reader.monoid is not None:
        return False
    single = sum(read.tensor is t for read in walk.loads(reader.body)) == 1
    subscript = any(e.tensor is t for p in _subscripts(reader) for e in algebra.elements(p))
    return single and not subscript and len(walk.postorder(t.body)) + len(walk.postorder(reader.body)) <= BODY


def _inlined(program: Program) -> Program:
    """Pointwise definitions without a name that one pointwise definition reads in one place, in its body."""
    order = walk.topological(program.outputs)
    readers: dict[Tensor, list[Tensor]] = {}
    for r in order:
        for s in walk.sources(r):
            readers.setdefault(s, []).append(r)
    chosen: set[Tensor] = set()
    for t in order:
        if t not in program.outputs and t not in program.names and len(readers[t]) == 1 and _fits(t, readers[t][0]):
            chosen.add(t)

    def read(moved: Load, new: dict[Tensor, Tensor]) -> Scalar:
        t = new.get(moved.tensor, moved.tensor)
        if moved.tensor not in chosen or not isinstance(t, Define):
            return build.load(t, moved.subscripts)
        values: dict[Atom, Poly] = dict(zip(t.indices, moved.subscripts, strict=True))
        return walk.rewrite(t.body, values, lambda inner: build.load(inner.tensor, inner.subscripts))

    return _rebuilt(program, read, lambda old, t: t)


def _shared(program: Program) -> Program:
    """The program with a definition of each function of elements that several definitions compute."""
    for _ in range(ROUNDS):
        after = _shared_once(program)
        if after.results == program.results:
            break
        program = after
    return program


def _shared_once(program: Program) -> Program:
    readers: dict[Scalar, set[Tensor]] = {}
    for t in walk.topological(program.outputs):
        for s in walk.postorder(t.body) if isinstance(t, (Define, Scatter)) else ():
            if _is_function(s):
                readers.setdefault(_renamed(s)[0], set()).add(t)
    chosen = {s for s, found in readers.items() if len(found) > 1}

    def named(body: Scalar) -> Scalar:
        memo: dict[Scalar, Scalar] = {}

        def go(s: Scalar) -> Scalar:
            found = memo.get(s)
            if found is None:
                found = memo[s] = one(s)
            return found

        def one(s: Scalar) -> Scalar:
            if _is_function(s):
                own, at = _renamed(s)
                if own in chosen:
                    return Load(Define(tuple(i.extent for i in at), None, (), inner(own)), tuple(map(poly, at)))
            return inner(s)

        def inner(s: Scalar) -> Scalar:
            match s:
                case Apply(operation, arguments, dtype):
                    return build.apply(operation, *map(go, arguments), dtype=dtype)
                case Select(c, a, b):
                    return build.select(go(c), go(a), go(b))
                case _:
                    return s

        return go(body)

    def change(old: Tensor, t: Tensor) -> Tensor:
        if not chosen or not isinstance(t, (Define, Scatter)):
            return t
        if isinstance(t, Define) and t.monoid is None and _is_function(t.body):  # it is the definition itself
            return t
        body = named(t.body)
        if isinstance(t, Define):
            return Define(t.extents, t.monoid, t.bound, body)
        return Scatter(t.extents, t.iteration, t.subscripts, body, t.base)

    return _rebuilt(program, lambda moved, new: build.load(new.get(moved.tensor, moved.tensor), moved.subscripts), change)


def _is_function(s: Scalar) -> bool:
    """Whether s is a function, as exp, of what reads elements: dearer than to read a definition of it."""
    return isinstance(s, Apply) and s.dtype.is_float and OPERATIONS[s.operation].cost >= FUNCTION and bool(walk.loads(s))


def _renamed(s: Scalar) -> tuple[Scalar, tuple[Index, ...]]:
    """(s over the levels 0, 1, ..., the indices that these stand for)."""
    at = tuple(sorted(walk.indices(s), key=lambda i: i.level))
    return walk.rewrite(s, {i: poly(Index(level, i.extent)) for level, i in enumerate(at)}), at
