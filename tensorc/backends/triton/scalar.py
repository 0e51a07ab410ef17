"""Scalar expressions as Triton expressions: each term is a tensor over the axes that it depends on, and broadcasts where it is read."""

from __future__ import annotations

from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Element
from tensorc.backends.triton import access, index, spellings
from tensorc.backends.triton.context import WIDTH, Axes, Context, Value, expand
from tensorc.backends.triton.spellings import OPERANDS, Text, convert
from tensorc.backends.triton.types import constant, plain
from tensorc.dtypes import i64
from tensorc.ir import walk
from tensorc.ir.tensor import Apply, Const, Int, IsZero, Load, Nonnegative, Scalar, Select
from tensorc.loops.nest import Memory


def evaluate(context: Context, s: Scalar, wanted: str | None = None) -> Value:
    """The value of s in registers of its dtype; half floats are f32. What several terms read is given a name: the wanted one, if any."""
    if isinstance(s, Const):
        return Value(Text(constant(s.value, s.dtype)), ())
    if isinstance(s, Load):
        return access.load(context, s.tensor, s.subscripts)
    key = ("scalar", s)
    found = None if context.is_first else context.recall(key)
    if found is None:
        if isinstance(s, Apply) and not walk.indices(s) and not walk.loads(s):  # of sizes alone
            return _of_sizes(context, s, wanted)
        found = _compute(context, s)
        if context.is_first:
            return found
        if (context.uses.get(s, 0) > 1 or len(found.text.text) > WIDTH) and not _passes(context, s):
            found = context.named(key, found, wanted or _wanted(s))
    return found


def _of_sizes(context: Context, s: Scalar, wanted: str | None) -> Value:
    if context.is_first:
        return _compute(context, s)
    context.is_first = True
    found = _compute(context, s)
    context.is_first = False
    return context.named_first(("scalar", s), found, wanted or _wanted(s))


LETTERS = 24
"""Of a name that is made up, at most."""


def _wanted(s: Scalar) -> str:
    """A name for a value that the program has none for: of the first thing that it is made of, and what is done with it."""
    loads = [load.tensor.name for load in walk.loads(s) if isinstance(load.tensor, Memory)]
    names = [*loads, *(size.name for part in walk.postorder(s) for p in walk.polys(part) for size in algebra.sizes(p)), "value"]
    base = names[0].removesuffix("_row")
    match s:
        case Nonnegative() | IsZero():
            return "inside"
        case Select():
            name = f"{base}_or"
        case Apply():
            name = f"{base}_{s.operation}"
        case _:
            name = base
    return name if len(name) <= LETTERS else "value"


def _passes(context: Context, s: Scalar) -> bool:
    """Whether the value may change when the kernel writes."""
    return any(load.tensor in context.kernel.writes for load in walk.loads(s))


def _compute(context: Context, s: Scalar) -> Value:
    match s:
        case Const() | Load():
            return evaluate(context, s)
        case Int(p):
            made = index.number(context, p)
            if isinstance(p.atom, Element):
                return made
            return Value(convert(made.text, i64) if made.axes else Text(f"tl.cast({made.text.text}, tl.int64)"), made.axes)
        case Nonnegative(p):
            return index.comparison(context, p, ">=")
        case IsZero(p):
            return index.comparison(context, p, "==")
        case Select(condition, Load() as then, Const(other)) if access.takes_guard(context, then, condition):
            return access.load(context, then.tensor, then.subscripts, guard=(condition, other))
        case Select(condition, then, otherwise):
            parts = [evaluate(context, part) for part in (condition, then, otherwise)]
            axes = union(context, parts)
            texts = [expand(p, axes).text for p in parts]
            return Value(Text(f"tl.where({', '.join(texts)})"), axes)
        case Apply():
            return _apply(context, s)
        case _:
            assert_never(s)


def _apply(context: Context, s: Apply) -> Value:
    if s.operation in ("xor", "or") and s.dtype.is_integer:
        for a, b in (s.arguments, s.arguments[::-1]):
            if isinstance(b, Const) and b.value == 0:
                return evaluate(context, a)
    parts = [evaluate(context, a) for a in s.arguments]
    axes = union(context, parts)
    texts = [expand(p, axes) for p in parts]
    if s.operation in OPERANDS and not all(isinstance(a, Const) for a in s.arguments):
        texts = [Text(plain(a.value, a.dtype)) if isinstance(a, Const) else t for a, t in zip(s.arguments, texts, strict=True)]
    return Value(spellings.apply(s.operation, texts, s.arguments[0].dtype, s.dtype, context.vendor), axes)


def union(context: Context, parts: list[Value]) -> Axes:
    return context.axes_of({a for p in parts for a in p.axes})
