"""Loads and stores: pointers, and masks of the points that exist and lie inside."""

from __future__ import annotations

from collections.abc import Container, Sequence

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.backends.triton import index, spellings, tiles
from tensorc.backends.triton.context import WIDTH, Axes, Context, Value, expand
from tensorc.backends.triton.spellings import AND, Text
from tensorc.backends.triton.types import plain
from tensorc.ir.tensor import Apply, Load, Nonnegative, Scalar, Tensor
from tensorc.loops import bounds
from tensorc.loops.nest import Memory, Scratch, Var

WIDE = 16
"""Bytes that a thread loads at once, at most."""

Guard = tuple[Scalar, float | int | bool]
"""A condition on a load, and the element where it does not hold."""


def load(
    context: Context, tensor: Tensor, subscripts: tuple[Poly, ...], raw: bool = False, order: Axes | None = None, guard: Guard | None = None
) -> Value:
    """The element in registers; any value where a subscript is outside or there is no such point. Touches nothing outside.

    `raw`: a half float as it is in memory. `order`: the dimensions of the tensor, in another order than usual.
    """
    if isinstance(tensor, Var):
        found = context.recall(("var", tensor))
        assert found is not None, f"{tensor.name} is read where it is not defined"
        return found
    if isinstance(tensor, Scratch):
        return context.rows[tensor]
    assert isinstance(tensor, Memory)
    order = None if order == context.axes_of(frozenset(order or ())) else order
    kind = ("load", tensor, subscripts, context.versions.get(tensor, 0), guard)
    found = context.recall((*kind, order))
    there = context.recall((*kind, "in any order"))
    if found is None and there is not None and len(there.axes) == 2:
        turned = Value(Text(f"tl.trans({there.text.text})"), there.axes[::-1])
        found = context.named((*kind, order), turned, f"{tensor.name}_turned")
    if found is None:
        found = context.named((*kind, order), _load(context, tensor, subscripts, order, guard), tensor.name)
        context.remember((*kind, "in any order"), found)
    if raw or not tensor.dtype.is_half:
        return found
    wide = context.recall((*kind, order, "wide"))
    if wide is None:
        value = Value(spellings.from_memory(found.text, tensor.dtype), found.axes)
        wide = context.named((*kind, order, "wide"), value, f"{tensor.name}_f32")
    return wide


def takes_guard(context: Context, load_: Load, condition: Scalar) -> bool:
    """Whether the load is best masked by a condition: where nothing reads the element otherwise, and the mask is no larger than it."""
    if not is_memory(load_.tensor) or context.uses.get(load_, 0) != 1 or (load_.tensor, load_.subscripts) in context.others:
        return False
    return set(context.axes(condition)) <= set(context.axes(context.situation.address(load_.tensor, load_.subscripts)))


def _load(context: Context, memory: Memory, subscripts: tuple[Poly, ...], order: Axes | None, guard: Guard | None) -> Value:
    from tensorc.backends.triton.scalar import evaluate

    address = context.situation.address(memory, subscripts)
    conditions = outside(context, memory, subscripts)
    parts = [] if guard is None else _conjuncts(guard[0])
    vector = _vector(context, memory, address)
    rough = [part if vector is None else _rough(context, part, *vector) for part in parts]
    conditions += [evaluate(context, part) for part in rough]
    exact = [evaluate(context, part) for part, of_vectors in zip(parts, rough, strict=True) if of_vectors is not part]
    axes = _union(context, [context.axes(address), *(c.axes for c in conditions)])
    if order is not None:
        assert set(order) == set(axes)
        axes = order
    tile = None if conditions else tiles.load(context, memory, subscripts, axes)
    if tile is not None:
        return tile
    mask = masked(context, axes, conditions, _implied(context, axes, [part.value for part in rough if isinstance(part, Nonnegative)]))
    pointer = _pointer(context, memory, address, axes)
    other = context.others.get((memory, subscripts), 0) if guard is None else guard[1]
    value = Value(Text(f"tl.load({pointer}, mask={mask}, other={plain(other, memory.dtype)})" if mask else f"tl.load({pointer})"), axes)
    if not exact:
        return value
    name = context.named(("vectors", memory, subscripts, len(context.lines)), value, memory.name)
    holds = expand(exact[0], axes).text if len(exact) == 1 else " & ".join(expand(c, axes).inside(AND + 1) for c in exact)
    return Value(Text(f"tl.where({holds}, {name.text.text}, {plain(other, memory.dtype)})"), axes)


def _vector(context: Context, memory: Memory, address: Poly) -> tuple[Index, int] | None:
    """The axis whose neighbours lie side by side, and how many of them one wide load has, where they begin at a multiple of that."""
    count = WIDE // memory.dtype.bytes
    for a in context.axes(address):
        parts = algebra.split(address, a)
        if parts is not None and parts[0].constant == 1 and context.bound[a].block % count == 0:
            return (a, count) if context.sizes.multiple(parts[1]) % count == 0 else None
    return None


def _rough(context: Context, condition: Scalar, axis: Index, count: int) -> Scalar:
    """The condition where it holds for one of the `count` neighbours of a point, so that it is the same for all that one load moves."""
    parts = algebra.split(condition.value, axis) if isinstance(condition, Nonnegative) else None
    if parts is None or parts[0].constant not in (1, -1):
        return condition
    rises = parts[0].constant == 1
    if context.sizes.multiple(parts[1] if rises else parts[1] + 1) % count == 0:
        return condition  # it is already
    first = algebra.floordiv(algebra.poly(axis), algebra.poly(count)) * count
    return Nonnegative(parts[1] + (first + count - 1 if rises else -first))


def _implied(context: Context, axes: Axes, guards: Sequence[Poly]) -> set[Index]:
    """The axes all of whose points exist for which one of the guards is at least 0."""
    return {a for a in axes if any(algebra.nonnegative(a.extent - 1 - a - p, context.facts) for p in guards)}


def _conjuncts(s: Scalar) -> list[Scalar]:
    """The conditions that all hold where s does."""
    match s:
        case Apply("and", (a, b), _):
            return [*_conjuncts(a), *_conjuncts(b)]
        case _:
            return [s]


def store(context: Context, memory: Memory, subscripts: Sequence[Poly], value: Value, where: Value | None) -> None:
    """Writes an element at every point of the place where `where` holds."""
    address = context.situation.address(memory, subscripts)
    conditions = [] if where is None else [where]
    axes = _union(context, [context.axes(address), *(context.axes(s) for s in subscripts), *(c.axes for c in conditions), value.axes])
    mask = masked(context, axes, conditions)
    pointer = _pointer(context, memory, address, axes)
    if len(pointer) + len(value.text.text) > WIDTH:
        value = context.named(("stored", memory, tuple(subscripts), len(context.lines)), value, memory.name)
    text = expand(Value(spellings.to_memory(value.text, memory.dtype), value.axes), axes).text
    context.wrote(memory)
    context.line(f"tl.store({pointer}, {text}, mask={mask})" if mask else f"tl.store({pointer}, {text})")


def is_memory(tensor: Tensor) -> bool:
    """Whether the tensor is memory, and not a value in registers."""
    return not isinstance(tensor, (Var, Scratch))


def pointers(context: Context, memory: Memory, subscripts: Sequence[Poly], axes: Axes) -> str:
    return _pointer(context, memory, context.situation.address(memory, subscripts), axes)


def _pointer(context: Context, memory: Memory, address: Poly, axes: Axes) -> str:
    name = context.pointers[memory]
    if address is algebra.ZERO:
        return name
    offset = index.number(context, address, axes)
    text = f"{name} + {offset.text.text}"
    missing = [a for a in axes if a not in context.axes(address)]
    return f"{text} + tl.zeros({context.shape(axes)}, {context.index_type})" if missing else text


def outside(context: Context, memory: Tensor, subscripts: tuple[Poly, ...]) -> list[Value]:
    """What must hold for subscripts that are not proved to be inside."""
    found: list[Value] = []
    inside = bounds.inside(memory, subscripts, context.facts)
    for s, extent, proved in zip(subscripts, memory.extents, inside, strict=True):
        if proved:
            continue
        if not algebra.nonnegative(s, context.facts):
            found.append(index.comparison(context, s, ">="))
        if not algebra.nonnegative(extent - 1 - s, context.facts):
            found.append(index.comparison(context, extent - 1 - s, ">="))
    return found


def masked(context: Context, axes: Axes, conditions: Sequence[Value] = (), implied: Container[Index] = ()) -> str | None:
    """The mask over the axes of the points that exist and for which the conditions hold; None where that is all of them. Points of the
    `implied` axes exist where the conditions hold.
    """
    parts = [Value(Text(mask), (a,)) for a in axes if (mask := context.bound[a].mask) is not None and a not in implied]
    parts += conditions
    if not parts:
        return None
    texts = list(dict.fromkeys(expand(p, axes).inside(AND + 1) for p in parts))
    if len(texts) == 1 and (len(parts[0].axes) == len(axes) or not axes):
        return (
            texts[0]
            if parts[0].is_name
            else context.named(("mask", *texts, axes), Value(Text(expand(parts[0], axes).text), axes), "mask").text.text
        )
    text = " & ".join(texts)
    key = ("mask", text, axes)
    found = context.recall(key)
    return (found or context.named(key, Value(Text(text, AND), axes), "mask")).text.text


def _union(context: Context, parts: Sequence[Axes]) -> Axes:
    axes: set[Index] = set()
    for p in parts:
        axes.update(p)
    return context.axes_of(axes)
