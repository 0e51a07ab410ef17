"""An order of scalars that is the same in every process: it depends on what they say, not on when they were made."""

from __future__ import annotations

from functools import cache
from typing import assert_never
from zlib import crc32

from tensorc import algebra
from tensorc.algebra import Atom, Element, Poly
from tensorc.ir import walk
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

Key = tuple[int, int, str]
"""(kind, how far from the inputs, text): constants first, then sizes, elements from the inputs on, functions, sums, choices."""


@cache
def key(s: Scalar) -> Key:
    match s:
        case Const(value, _):
            return 0, 0, repr(value)
        case Int(p) | Nonnegative(p) | IsZero(p):
            return 1, 0, f"{type(s).__name__}{text(p)}"
        case Load(tensor, subscripts):
            level, name = describe(tensor)
            return 2, level, f"{name}[{','.join(map(text, subscripts))}]"
        case Apply("cast", (argument,), dtype) if isinstance(argument, (Load, Int)):
            kind, level, inner = key(argument)
            return kind, level, f"{inner}:{dtype}"
        case Apply(operation, arguments, _):
            keys = [key(a) for a in arguments]
            return 3, max((k[1] for k in keys), default=0), _digest(operation, *(k[2] for k in keys))
        case Select(c, a, b):
            keys = [key(c), key(a), key(b)]
            return 4, max(k[1] for k in keys), _digest("select", *(k[2] for k in keys))
        case _:
            assert_never(s)


@cache
def text(p: Poly) -> str:
    return algebra.show(p, _name)


def _name(a: Atom) -> str | None:
    return f"{describe(a.tensor)[1]}[{','.join(map(text, a.subscripts))}]" if isinstance(a, Element) else None


def _digest(head: str, *parts: str) -> str:
    """A short text for a long one, so that shared parts do not multiply."""
    whole = f"{head}({','.join(parts)})"
    return whole if len(whole) < 40 else f"{head}~{crc32(whole.encode()):08x}"


_described: dict[Tensor, tuple[int, str]] = {}


def describe(t: Tensor) -> tuple[int, str]:
    """(the length of the longest path from an input, a short text of its content)."""
    found = _described.get(t)
    if found is None:
        stack = [t]
        while stack:
            missing = [s for s in walk.sources(stack[-1]) if s not in _described]
            if missing:
                stack.extend(missing)
            else:
                last = stack.pop()
                _described[last] = _describe(last)
        found = _described[t]
    return found


def _describe(t: Tensor) -> tuple[int, str]:
    level = 1 + max((_described[s][0] for s in walk.sources(t)), default=-1)
    extents = ",".join(map(text, t.extents))
    inner = [_described[s][1] for s in walk.sources(t)]
    match t:
        case Input(name, _, _):
            return level, name
        case Define(_, monoid, bound, body):
            return level, _digest("define", extents, str(monoid), *map(text, bound), key(body)[2])
        case Scatter(_, iteration, subscripts, body, _):
            return level, _digest("scatter", extents, *map(text, iteration), *map(text, subscripts), key(body)[2], *inner)
        case Scan(monoid, _, _, reverse):
            return level, _digest("scan", extents, monoid, str(reverse), *inner)
        case Sort(_, descending):
            return level, _digest("sort", str(descending), *inner)
        case View() | Stop():
            return level, _digest(type(t).__name__, extents, *inner)
        case _:
            assert_never(t)
