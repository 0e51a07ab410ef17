"""Sums into places that are data: by atomic additions, or, where results must be the same each time, in order."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Index
from tensorc.backends.triton import access, accumulate, spellings
from tensorc.backends.triton.context import Context, expand, full
from tensorc.backends.triton.scalar import evaluate
from tensorc.backends.triton.spellings import Text
from tensorc.dtypes import DType
from tensorc.loops.nest import Bind, For, Scratch, Statement, Update
from tensorc.schedule.gpu import Sizes

ELEMENTS = 512
"""Points that a program takes."""


def has_atomics(dtype: DType) -> bool:
    """Whether a GPU adds to memory of the dtype atomically, and rounds no more than an addition does."""
    return dtype.bits >= 32


def nest(body: Sequence[Statement]) -> tuple[tuple[For, ...], Update] | None:
    """The loops of a kernel that does nothing but scatter, and the statement in them."""
    loops: list[For] = []
    while len(body) == 1 and isinstance(body[0], For):
        loops.append(body[0])
        body = body[0].body
    if len(body) == 1 and isinstance(body[0], Update) and not isinstance(body[0].memory, Scratch):
        return tuple(loops), body[0]
    return None


def bound(loops: Sequence[For], s: Update, sizes: Sizes, deterministic: bool) -> tuple[list[For], tuple[Statement, ...]]:
    """(the loops of the grid, with blocks; what is in them). In order, only those are of the grid that are subscripts themselves."""
    plain = [p.atom for p in s.subscripts]
    atomic = has_atomics(s.memory.dtype) and not deterministic
    grid = [f for f in loops if atomic or f.axis in plain]
    inner: tuple[Statement, ...] = (s,)
    for f in reversed([f for f in loops if f not in grid]):
        inner = (For(f.axis, f.bind, inner),)
    rest = ELEMENTS
    bounded: list[For] = []
    last = s.subscripts[-1].atom if s.subscripts else None
    for f in sorted(grid, key=lambda f: (f.axis is last, loops.index(f)), reverse=True):
        block = min(sizes.whole(f.axis.extent), rest)
        rest //= max(block, 1)
        bounded.append(For(f.axis, Bind("unroll", block) if block > 1 else Bind(), (), parallel=True))
    order: dict[Index, int] = {f.axis: n for n, f in enumerate(loops)}
    return sorted(bounded, key=lambda f: order[f.axis]), inner


def update(context: Context, s: Update) -> None:
    """One term at each point, added to what is there."""
    value = evaluate(context, s.value)
    conditions = [] if s.where is None else [evaluate(context, s.where)]
    places = {a for p in s.subscripts for a in algebra.indices(p)}
    axes = context.axes_of({*places, *(a for a, b in context.bound.items() if b.block > 1 and a in _around(context))})
    mask = access.masked(context, axes, conditions)
    pointer = access.pointers(context, s.memory, s.subscripts, axes)
    kept = f", mask={mask}" if mask else ""
    dtype = s.memory.dtype
    if context.deterministic or not has_atomics(dtype):
        old = Text(f"tl.load({pointer}{kept})")
        old = spellings.from_memory(old, dtype)
        new = accumulate.combine(s.monoid, old, expand(value, axes), dtype)
        if dtype.is_half:
            new = spellings.rounded(new, dtype)
        context.line(f"tl.store({pointer}, {spellings.to_memory(new, dtype).text}{kept})")
        context.line("tl.debug_barrier()")
        return
    text = full(context, value, axes, accumulate.type_of(dtype))
    context.line(f'tl.atomic_add({pointer}, {text}{kept}, sem="relaxed")')


def _around(context: Context) -> frozenset[Index]:
    return frozenset(context.programs)
