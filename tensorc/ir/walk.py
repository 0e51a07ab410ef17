"""Walks over scalars and tensors, and rewriting of scalars. Graphs of tensors are walked without recursion; a scalar's depth is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, Size
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


def children(s: Scalar) -> tuple[Scalar, ...]:
    match s:
        case Select(c, a, b):
            return (c, a, b)
        case Apply(_, arguments):
            return arguments
        case Const() | Int() | Load() | Nonnegative() | IsZero():
            return ()
        case _:
            assert_never(s)


def polys(s: Scalar) -> tuple[Poly, ...]:
    """The polynomials that stand in s itself."""
    match s:
        case Int(p) | Nonnegative(p) | IsZero(p):
            return (p,)
        case Load(_, subscripts):
            return subscripts
        case _:
            return ()


@cache
def depth(s: Scalar) -> int:
    return 1 + max((depth(c) for c in children(s)), default=0)


@cache
def atoms(s: Scalar) -> frozenset[Atom]:
    """Every atom in s, in its subscripts and guards too."""
    return frozenset[Atom]().union(*(atoms(c) for c in children(s)), *(algebra.atoms(p) for p in polys(s)))


@cache
def indices(s: Scalar) -> frozenset[Index]:
    return frozenset(a for a in atoms(s) if isinstance(a, Index))


@cache
def loads(s: Scalar) -> tuple[Load, ...]:
    """Every load in s, in order, those of integer elements inside subscripts too."""
    found: dict[Load, None] = {}
    for c in children(s):
        found.update(dict.fromkeys(loads(c)))
    if isinstance(s, Load):
        found[s] = None
    for p in polys(s):
        found.update((Load(a.tensor, a.subscripts), None) for a in sorted(algebra.elements(p), key=lambda a: a.serial))
    return tuple(found)


@cache
def unguarded(s: Scalar) -> frozenset[Load]:
    """The loads in s that stand under no choice: their subscripts are inside, by proof or by a check."""
    match s:
        case Load():
            return frozenset((s,))
        case Select(c, _, _):
            return unguarded(c)
        case Apply(_, arguments, _):
            return frozenset[Load]().union(*map(unguarded, arguments))
        case Const() | Int() | Nonnegative() | IsZero():
            return frozenset()
        case _:
            assert_never(s)


@cache
def postorder(s: Scalar) -> tuple[Scalar, ...]:
    """s and all under it, arguments first, each once."""
    seen: dict[Scalar, None] = {}

    def go(s: Scalar) -> None:
        if s not in seen:
            for c in children(s):
                go(c)
            seen[s] = None

    go(s)
    return tuple(seen)


@cache
def sources(t: Tensor) -> tuple[Tensor, ...]:
    """The tensors that t is made of, each once, in order."""
    match t:
        case Input():
            return ()
        case Define():
            return tuple(dict.fromkeys(load.tensor for load in loads(t.body)))
        case Scatter():
            inside = [load.tensor for load in loads(t.body)]
            inside += [a.tensor for p in t.subscripts for a in sorted(algebra.elements(p), key=lambda a: a.serial)]
            return tuple(dict.fromkeys(inside + ([t.base] if t.base is not None else [])))
        case View(x, _) | Sort(x, _) | Stop(x):
            return (x,)
        case Scan(_, x, decay, _):
            return (x,) if decay is None else (x, decay)
        case _:
            assert_never(t)


def topological(outputs: Iterable[Tensor]) -> list[Tensor]:
    """Everything that the outputs are made of, and they, each once, sources first."""
    order: dict[Tensor, None] = {}
    stack = [(t, False) for t in reversed(list(outputs))]
    while stack:
        t, done = stack.pop()
        if t in order:
            continue
        if done:
            order[t] = None
        else:
            stack.append((t, True))
            stack.extend((u, False) for u in reversed(sources(t)) if u not in order)
    return list(order)


def tensor_polys(t: Tensor) -> tuple[Poly, ...]:
    """The extents and other polynomials that stand in t itself, outside its body."""
    match t:
        case Define():
            return t.extents + t.bound
        case Scatter():
            return t.extents + t.iteration + t.subscripts
        case _:
            return t.extents


def sizes(outputs: Iterable[Tensor]) -> frozenset[Size]:
    """Every size that anything in the graph of the outputs mentions."""
    found: set[Size] = set()
    for t in topological(outputs):
        for p in tensor_polys(t):
            found |= algebra.sizes(p)
        if isinstance(t, (Define, Scatter)):
            found |= {a for a in atoms(t.body) if isinstance(a, Size)}
    return frozenset(found)


def rewrite(
    s: Scalar,
    values: Mapping[Atom, Poly],
    load: Callable[[Load], Scalar] | None = None,
    change: Callable[[Atom], Poly | None] | None = None,
) -> Scalar:
    """s with atoms replaced by `values` (or by `change`, where that is given), then each Load by load(it), rebuilt by `build`.

    The same object where nothing changes.
    """
    from tensorc.ir import build

    memo: dict[Scalar, Scalar] = {}

    def number(p: Poly) -> Poly:
        return algebra.substitute(p, values) if change is None else algebra.rebuild(p, change)

    def go(s: Scalar) -> Scalar:
        found = memo.get(s)
        if found is not None:
            return found
        if change is None and (load is None or not loads(s)) and atoms(s).isdisjoint(values):
            return s
        result: Scalar
        match s:
            case Const():
                result = s
            case Int(p):
                result = build.integer(number(p))
            case Nonnegative(p):
                result = build.nonnegative(number(p))
            case IsZero(p):
                result = build.is_zero(number(p))
            case Load(t, subscripts):
                moved = Load(t, tuple([number(p) for p in subscripts]))
                result = load(moved) if load is not None else moved
            case Select(c, a, b):
                result = build.select(go(c), go(a), go(b))
            case Apply(operation, arguments, dtype):
                new = tuple([go(a) for a in arguments])
                result = s if new == arguments else build.apply(operation, *new, dtype=dtype)
            case _:
                assert_never(s)
        memo[s] = result
        return result

    return go(s)
