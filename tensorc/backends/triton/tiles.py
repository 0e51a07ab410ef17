"""Loads of whole tiles by descriptors, which the hardware of a GPU walks by itself where it can (TMA): of what matrix products multiply.

A descriptor is made once in a program; what it loads beyond the ends of a tensor is 0. It takes rows that lie 16 bytes, or a multiple of
that, apart, and whose elements are neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tensorc import algebra
from tensorc.algebra import ONE, Index, Poly, Size
from tensorc.backends.triton import index
from tensorc.backends.triton.context import Axes, Context, Value
from tensorc.backends.triton.spellings import Text
from tensorc.dtypes import f32
from tensorc.ir.tensor import Apply, Load, Scalar, Tensor
from tensorc.loops.nest import Fold, Memory, Scratch, Var
from tensorc.schedule.gpu.product import sides

ALIGNED = 16
"""Bytes."""

LONGEST = 256
"""Points of a tile along an axis, at most."""


def operands(products: Iterable[Fold]) -> frozenset[tuple[Tensor, tuple[Poly, ...]]]:
    """What products of matrices multiply as it is in memory."""
    return frozenset((load.tensor, load.subscripts) for s in products for load in _operands(s))


def _operands(s: Fold) -> Iterator[Load]:
    found = sides(s.value, s.var.axes, s.over) if s.monoid == "sum" else None
    for side in () if found is None else (found.left, found.right):
        inner: Scalar = side
        while isinstance(inner, Apply) and inner.operation == "cast":
            (inner,) = inner.arguments
        if isinstance(inner, Load) and not isinstance(inner.tensor, (Var, Scratch)):
            yield inner


def load(context: Context, memory: Memory, subscripts: tuple[Poly, ...], axes: Axes) -> Value | None:
    """The tile, with its dimensions in the order of the axes; None where no descriptor can be of it."""
    if not context.descriptors or context.index_bits == 64 or (memory, subscripts) not in context.operands:
        return None
    if not (memory.dtype.is_half or (memory.dtype is f32 and context.precision != "ieee")):
        return None
    places = [(n, s.atom) for n, s in enumerate(subscripts) if context.axes(s)]
    if len(places) != 2 or len(axes) != 2 or not all(isinstance(a, Index) for _, a in places):
        return None
    (row, i), (column, j) = places
    assert isinstance(i, Index) and isinstance(j, Index)
    strides = context.situation.strides_of(memory)
    step = ALIGNED // memory.dtype.bytes
    blocks = [context.bound[a].block for a in (i, j)]
    if strides[column] is not ONE or max(blocks) > LONGEST or blocks[1] < step or not context.holds(strides[row], "%", step):
        return None
    rest = algebra.ZERO
    for n, s in enumerate(subscripts):
        if n not in (row, column):
            rest = rest + s * strides[n]
    known = set(context.programs)  # before the loops
    if not (algebra.indices(rest) <= known and not algebra.elements(rest) and _is_aligned(context, rest, step)):
        return None
    name = _descriptor(context, memory, (row, column), (i, j), strides[row], rest)
    text = f"{name}.load([{context.bound[i].start}, {context.bound[j].start}])"
    return Value(Text(text), (i, j)) if axes == (i, j) else Value(Text(f"tl.trans({text})"), axes)


def _is_aligned(context: Context, offset: Poly, step: int) -> bool:
    """Whether every element at the offset begins 16 bytes."""
    for atoms, c in offset.terms:
        part = algebra.poly(c)
        for a in atoms:
            part = part * a if isinstance(a, Size) else part
        if part.constant is None and not context.holds(part, "%", step):
            return False
        if part.constant is not None and part.constant % step:
            return False
    return True


def _descriptor(context: Context, memory: Memory, places: tuple[int, int], axes: tuple[Index, Index], stride: Poly, offset: Poly) -> str:
    """The name of the descriptor, which is made before the loops."""
    key = ("descriptor", memory, places, axes, offset)
    if key in context.names.given:
        return context.names.given[key]
    name = context.names.of(key, f"{memory.name}_tiles")
    context.described.setdefault(memory)
    base = context.pointers[memory]
    if offset is not algebra.ZERO:
        base = f"{base} + {index.number(context, offset).text.text}"
    shape = ", ".join(index.number(context, memory.extents[n]).text.text for n in places)
    block = ", ".join(context.block_name(a) for a in axes)
    step = index.number(context, stride).text.text
    context.line_before_loops(f"{name} = tl.make_tensor_descriptor({base}, [{shape}], [{step}, 1], [{block}])")
    return name
