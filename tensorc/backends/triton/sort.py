"""Sorting one row: keys become integers in the same order, NaN last.

A row that fits in a block is sorted there, each key of at most 32 bits packed above its place into one word, so that no two are equal. In
other rows each element's place is how many elements come before it.
"""

from __future__ import annotations

from tensorc.algebra import Index, fresh, poly
from tensorc.backends.triton import access, index, spellings, statements
from tensorc.backends.triton.context import Bound, Context, Value
from tensorc.backends.triton.spellings import Text
from tensorc.dtypes import f64, i32, i64
from tensorc.loops.nest import Bind, For, SortRow
from tensorc.schedule.gpu import Sizes

WHOLE = 4096
"""The longest row that is sorted in a block."""

RANKED = 64
"""Elements whose places a program finds, and how many it compares them with at a time."""


def is_whole(s: SortRow, sizes: Sizes) -> bool:
    return s.keys.dtype.bits <= 32 and sizes.upper(s.extent) <= WHOLE


def ranks(s: SortRow) -> For:
    """The loop of the grid over the elements of a row whose places are counted."""
    return For(fresh(s.extent), Bind("unroll", RANKED), (), parallel=True)


def sort_row(context: Context, s: SortRow) -> None:
    statements.comment(context, s)
    if is_whole(s, context.sizes) and context.holds(s.extent, "<=", max(context.sizes.whole(s.extent), 2)):
        _sort(context, s)
    else:
        _rank(context, s)


def _key(context: Context, s: SortRow, axis: Index) -> Text:
    """The integers by which the elements at the points of an axis are sorted."""
    dtype = s.keys.dtype
    key = access.load(context, s.keys, (*s.row, poly(axis))).text
    if dtype.is_float:
        ordered = f"ordered{64 if dtype is f64 else 32}({key.text}, {s.descending})"
        return Text(ordered)
    wide = i64 if dtype.bits == 64 else i32
    if dtype.kind == "uint" and dtype.bits >= 32:
        made = Text(f"{spellings.bitcast(key, dtype, wide).text} ^ {wide.range[0]}", spellings.XOR)
    else:
        made = spellings.cast(key, dtype, wide)
    return Text(f"~{made.inside(spellings.ATOM)}", spellings.UNARY) if s.descending else made


def _sort(context: Context, s: SortRow) -> None:
    axis = fresh(s.extent)
    _bind(context, axis, max(context.sizes.whole(s.extent), 2), "place")
    context.line(f"place = {statements.arange(context, context.block_name(axis))}")
    statements.mask(context, axis)
    key = _key(context, s, axis)
    packed = f"({key.inside(spellings.ATOM)}.to(tl.int64) << 32) | place.to(tl.int64)"
    mask = context.bound[axis].mask
    context.line(f"word = {packed}" if mask is None else f"word = tl.where({mask}, {packed}, tl.full((), {i64.range[1]}, tl.int64))")
    context.line("order = tl.sort(word) & 0xFFFFFFFF")
    access.store(context, s.permutation, (*s.row, poly(axis)), Value(Text("order"), (axis,)), None)


def _rank(context: Context, s: SortRow) -> None:
    """`one` are the elements whose places are sought, `other` those that may come before."""
    one = next(a for a in context.programs if context.kernel.names.get(a) is None)
    other = fresh(s.extent)
    _bind(context, other, RANKED, "other")
    key = _key(context, s, one)
    name, block = context.bound[one].name, context.block_name(one)
    context.line(f"key = {key.text}")
    context.line(f"rank = tl.full([{block}], 0, tl.int64)")
    stop = index.number(context, s.extent).text.text
    width = context.block_name(other)
    with context.block(f"for start in range(0, {stop}, {width}):"):
        context.line(f"other = start + {statements.arange(context, width)}")
        statements.mask(context, other)
        context.line(f"other_key = {_key(context, s, other).text}")
        ties = f"(other_key[None, :] == key[:, None]) & (other[None, :] < {name}[:, None])"
        context.line(f"before = (other_key[None, :] < key[:, None]) | ({ties})")
        mask = context.bound[other].mask
        if mask is not None:
            context.line(f"before = before & {mask}[None, :]")
        context.line("rank += tl.sum(before.to(tl.int64), 1)")
    where = context.bound[one].mask
    kept = f", mask={where}" if where else ""
    row = access.pointers(context, s.permutation, (*s.row, poly(0)), ())
    stride = context.situation.strides_of(s.permutation)[-1]
    step = "" if stride.constant == 1 else f" * {index.number(context, stride).text.text}"
    context.line(f"tl.store({row} + rank{step}, {name}.to(tl.int64){kept})")


def _bind(context: Context, axis: Index, block: int, name: str) -> None:
    context.order[axis] = len(context.order)
    context.names.of(axis, name)
    context.bound[axis] = Bound(name, block, None)
