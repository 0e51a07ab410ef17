"""Loads and stores: a subscript becomes an address, and a vector of elements is contiguous, one element in all lanes, or gathered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.backends.llvm import apart, casts, index, stream, transpose
from tensorc.backends.llvm.context import Block, Context, Coordinates, Place
from tensorc.backends.llvm.types import POINTER, Type, Value, constant, integer, memory_element, of
from tensorc.ir.tensor import Apply, Load, Nonnegative, Scalar, Tensor
from tensorc.loops.nest import Memory, Scratch, Store, Var

DEPTH_OF = attrgetter("depth")

GROUP = 4
"""Lanes that are a step apart have their places from every so manieth one's."""


@dataclass(frozen=True)
class Address:
    """Where the lanes of an element are: at `pointer` + step * lane + offsets[lane] elements."""

    pointer: Value
    step: Value
    offsets: Value | None
    valid: Value | None  # the lanes that may be touched: what is beyond lies outside, or is no point


def load(context: Context, tensor: Tensor, subscripts: tuple[Poly, ...], at: Coordinates) -> Value:
    """The element in registers; any value where a subscript is outside or the lane is no point. Touches nothing outside."""
    if isinstance(tensor, Var):
        return context.values[tensor][context.key(frozenset(tensor.axes), at)]
    raw = _load(context, tensor, subscripts, at)  # type: ignore[arg-type]
    return casts.from_memory(context.code, raw, tensor.dtype)


def load_where(context: Context, load: Load, condition: Scalar, decided: Value, at: Coordinates) -> Value | None:
    """The element where a condition holds that says that it is inside, and 0 elsewhere, in one instruction; None where there is none."""
    memory = load.tensor
    if isinstance(memory, Var) or not isinstance(memory, Memory) or memory.dtype.is_half or not decided.type.lanes:
        return None
    code, place = context.code, context.places[memory]
    said = _conjuncts(condition)
    proved = zip(context.inside(memory, load.subscripts), load.subscripts, memory.extents, strict=True)
    if not all(known or all(_holds(context, p) or p in said for p in (s, e - 1 - s)) for known, s, e in proved):
        return None
    first: list[Value] = []
    step = integer(0)
    for subscript, stride in zip(load.subscripts, place.strides, strict=True):
        line = index.along_lanes(context, subscript, at)
        if line is None:
            return None
        first.append(code.mul(line[0], stride))
        step = code.add(step, code.mul(line[1], stride))
    if step.number != 1:
        return None
    mask = both(context, None if context.padded and isinstance(memory, Scratch) else context.mask, decided)
    return casts.from_memory(code, load_contiguous(context, memory, _pointer(context, memory, place, first), mask), memory.dtype)


def _conjuncts(condition: Scalar) -> frozenset[Poly]:
    """What is at least 0 where a condition holds, as far as it says."""
    match condition:
        case Apply("and", (a, b), _):
            return _conjuncts(a) | _conjuncts(b)
        case Nonnegative(p):
            return frozenset((p,))
        case _:
            return frozenset()


def store(context: Context, memory: Memory, subscripts: tuple[Poly, ...], at: Coordinates, value: Value, where: Value | None) -> None:
    """Writes an element in registers, in the lanes that are points and in which `where` holds."""
    code = context.code
    context.wrote(memory)
    place = address(context, memory, subscripts, at, reading=False)
    value = casts.to_memory(code, value, memory.dtype)
    if place.offsets is None and place.step.number == 0:
        if where is None:
            _store_scalar(context, memory, place, value)
            return
        assert not where.type.lanes
        with code.when(where):
            _store_scalar(context, memory, place, value)
        return
    value = code.splat(value, context.lanes)
    mask = both(context, place.valid, where)
    step = place.step.number if place.offsets is None else None
    if step == 1:
        store_contiguous(context, memory, place.pointer, value, mask)
    elif step is not None and 1 < step <= apart.MOST:
        apart.store(context, memory, place.pointer, step, value, mask)
    else:
        _scatter(context, memory, place, value, mask)


def store_many(
    context: Context, memory: Memory, subscripts: tuple[Poly, ...], points: Sequence[Coordinates], values: Sequence[Value]
) -> None:
    """Writes registers of neighbours, one after the other: past the caches where that is better."""
    code = context.code
    context.wrote(memory)
    places = [address(context, memory, subscripts, at, reading=False) for at in points]
    if any(p.offsets is not None or p.step.number != 1 or p.valid is not None for p in places):
        for at, value in zip(points, values, strict=True):
            store(context, memory, subscripts, at, value, None)
        return
    pointers = [p.pointer for p in places]
    made = [code.splat(casts.to_memory(code, v, memory.dtype), context.lanes) for v in values]

    def past() -> None:
        stream.ask(context)
        stream.store(context, made, pointers)

    def usual() -> None:
        for pointer, value in zip(pointers, made, strict=True):
            store_contiguous(context, memory, pointer, value, None)

    code.either(stream.passes(context, memory, subscripts, pointers[0], made[0]), past, usual)


def before(context: Context, s: Store, axis: Index, start: Value) -> Value:
    """How many points of an axis from `start` on, which are to be lanes, lie before the first at which s may be written past the caches."""
    saved = context.save()
    with context.known.aside():  # where the lanes are elsewhere
        context.bind(axis, Block(start, 1, True))
        context.vector, context.mask = axis, None
        place = address(context, s.memory, s.subscripts, {}, reading=False)
    context.restore(saved)
    if place.offsets is not None or place.step.number != 1:
        return integer(0)
    return stream.before(context, place.pointer, context.lanes * s.memory.dtype.bytes, s.memory.dtype.bytes)


def both(context: Context, a: Value | None, b: Value | None) -> Value | None:
    """The lanes that are in both masks; None is all lanes."""
    if a is None or b is None:
        return b if a is None else a
    return context.code.binary("and", *context.code.unify(a, b))


# Addresses.


def address(context: Context, memory: Memory, subscripts: tuple[Poly, ...], at: Coordinates, reading: bool) -> Address:
    """Subscripts that are not proved inside are clamped where that is one number for all lanes, else they mask lanes."""
    code, place = context.code, context.places[memory]
    proved = _inside(context, memory, subscripts) if reading else (True,) * len(subscripts)
    linear: list[Value] = []
    step, offsets = integer(0), None
    valid = None if context.padded and isinstance(memory, Scratch) else context.mask
    masking: tuple[Value, Poly] | None = None
    for subscript, extent, stride, inside in zip(subscripts, memory.extents, place.strides, proved, strict=True):
        if stride.number == 0:
            continue
        if inside:
            terms = _terms(context, subscript, stride, at)
            if terms is None:
                offsets = _add_lanes(context, offsets, subscript, None, stride, at)
            else:
                linear.append(terms[0])
                step = code.add(step, terms[1])
            continue
        line = index.along_lanes(context, subscript, at)
        if line is not None and line[1].number == 0:
            linear.append(code.mul(_clamp(context, line[0], extent, at), stride))
        elif line is not None and line[1].number == 1 and stride.number == 1 and masking is None:
            masking = (line[0], extent)
        else:
            offsets = _add_lanes(context, offsets, subscript, extent, stride, at)
    if masking is not None:
        first, extent = masking
        if offsets is None and step.number == 0:
            valid = both(context, valid, index.lanes_from(context, code.sub(integer(0), first)))
            valid = both(context, valid, index.lanes_below(context, code.sub(index.number(context, extent, at), first)))
            linear.append(first)
            step = integer(1)
        else:
            lanes = code.add(first, code.iota(context.lanes))
            lanes = _clamp(context, lanes, extent, at)
            offsets = lanes if offsets is None else code.add(offsets, lanes)
    vector = offsets is not None or step.number != 0
    return Address(_pointer(context, memory, place, linear), step, offsets, valid if vector else None)


def _terms(context: Context, subscript: Poly, stride: Value, at: Coordinates) -> tuple[Value, Value] | None:
    """What a subscript adds to the place of the first lane, and between neighbours; None where it is not linear in the lanes."""
    key = (subscript, stride, context.point(subscript, at))
    found: tuple[Value, Value] | None = context.known.get(key)
    if found is None:
        line = index.along_lanes(context, subscript, at)
        if line is None:
            return None
        found = context.code.mul(line[0], stride), context.code.mul(line[1], stride)
        if not algebra.elements(subscript):
            context.remember(key, found, max(found[0].depth, found[1].depth))
    return found


def _inside(context: Context, memory: Memory, subscripts: tuple[Poly, ...]) -> tuple[bool, ...]:
    """Which subscripts are proved to be inside, by what holds of sizes or by guards that hold here."""
    proved = context.inside(memory, subscripts)
    if not context.proved:
        return proved
    here = (_holds(context, s) and _holds(context, e - 1 - s) for s, e in zip(subscripts, memory.extents, strict=True))
    return tuple(a or b for a, b in zip(proved, here, strict=True))


def _holds(context: Context, p: Poly) -> bool:
    return p in context.proved or algebra.nonnegative(p, context.facts)


def _add_lanes(context: Context, offsets: Value | None, subscript: Poly, extent: Poly | None, stride: Value, at: Coordinates) -> Value:
    """offsets + subscript * stride, the subscript clamped to the extent where there is one."""
    lanes = index.number(context, subscript, at)
    if extent is not None:
        lanes = _clamp(context, lanes, extent, at)
    lanes = context.code.mul(context.code.splat(lanes, context.lanes), stride)
    return lanes if offsets is None else context.code.add(offsets, lanes)


def _clamp(context: Context, value: Value, extent: Poly, at: Coordinates) -> Value:
    """Into 0 .. extent-1, and to 0 where that is empty: memory has at least the element 0."""
    code = context.code
    last = code.sub(index.number(context, extent, at), integer(1))
    if not value.type.lanes:
        return code.greatest(code.least(value, last), integer(0))
    return code.intrinsic("smax", code.intrinsic("smin", value, code.splat(last, context.lanes)), constant(value.type, 0))


def _pointer(context: Context, memory: Memory, place: Place, terms: list[Value]) -> Value:
    """The address moved by each term, outer ones first, so that each loop adds what it changes; a constant last, into the instruction."""
    code = context.code
    element = memory_element(memory.dtype)
    pointer = place.pointer
    fixed = 0
    by_depth: dict[int, Value] = {}
    for term in sorted(terms, key=DEPTH_OF) if len(terms) > 1 else terms:
        term, constant_part = code.without_constant(term)
        fixed += constant_part
        if term.number != 0:
            by_depth[term.depth] = code.add(by_depth[term.depth], term) if term.depth in by_depth else term
    for offset in by_depth.values():
        pointer = code.pure(POINTER, f"getelementptr {element}, ptr {pointer.text}, i64 {offset.text}", pointer, offset)
    return pointer if not fixed else code.pure(POINTER, f"getelementptr {element}, ptr {pointer.text}, i64 {fixed}", pointer)


def _lane_pointers(context: Context, memory: Memory, place: Address) -> Value:
    """One pointer a lane; lanes that are not valid get the first lane's, or an element 0, and where no lane is a point the last one's."""
    code = context.code
    pointer = place.pointer
    if context.padded and context.valid_lanes is not None:
        back = code.mul(place.step, code.least(code.sub(context.valid_lanes, integer(1)), integer(0)))
        pointer = code.pure(POINTER, f"getelementptr {memory_element(memory.dtype)}, ptr {pointer.text}, i64 {back.text}", pointer, back)
    steps = code.mul(place.step, code.iota(context.lanes))
    offsets = code.splat(steps, context.lanes) if place.offsets is None else code.add(steps, place.offsets)
    if place.valid is not None:
        offsets = code.select(place.valid, offsets, constant(offsets.type, 0))
    text = f"getelementptr {memory_element(memory.dtype)}, ptr {pointer.text}, {offsets.type} {offsets.text}"
    return code.pure(of("ptr", context.lanes), text, pointer, offsets)


# Loads.


def _load(context: Context, memory: Memory, subscripts: tuple[Poly, ...], at: Coordinates) -> Value:
    place = address(context, memory, subscripts, at, reading=True)
    element = of(memory_element(memory.dtype))
    step = place.step.number
    align = context.places[memory].alignment
    if place.offsets is None and step == 0:
        return placed(context, memory, element, f"load {element}, ptr {place.pointer.text}, align {align}", place.pointer)
    if place.offsets is None and step == 1:
        if place.valid is None:
            stream.note(context, memory, place.pointer, at.get(context.vector, 0) if context.vector is not None else 0)
        return load_contiguous(context, memory, place.pointer, place.valid)
    if place.offsets is None and step == -1:
        return _load_reversed(context, memory, place)
    if place.offsets is None and place.valid is context.mask and all(_inside(context, memory, subscripts)):
        axis = transpose.contiguous_axis(context, memory, subscripts)
        if axis is not None:
            return transpose.load_transposed(context, memory, subscripts, at, axis)
    if place.offsets is None and step is not None and 1 < step <= apart.MOST:
        return apart.load(context, memory, place.pointer, step, place.valid)
    type = element.with_lanes(context.lanes)
    if place.offsets is None and place.valid is None and not _is_outside(context, memory, place):
        return _load_strided(context, memory, place, type)
    pointers = _lane_pointers(context, memory, place)
    name = f"llvm.masked.gather.{type.suffix}.{pointers.type.suffix}"
    mask = of("i1", context.lanes)
    context.code.module.declare(name, type, pointers.type, "i32", mask, type)
    text = f"call {type} @{name}({pointers.type} {pointers.text}, i32 {align}, {mask} splat (i1 true), {type} zeroinitializer)"
    return placed(context, memory, type, text, pointers)


def _is_outside(context: Context, memory: Memory, place: Address) -> bool:
    """Whether a load stands outside of the innermost loop, or where code is to be short."""
    return context.compact or (memory not in context.written and max(place.pointer.depth, place.step.depth) < context.code.depth)


def _load_strided(context: Context, memory: Memory, place: Address, type: Type) -> Value:
    """Elements a step apart, one by one: faster than an instruction that gathers them, which makes as many loads of more steps."""
    code, element = context.code, type.with_lanes(0)
    align = context.places[memory].alignment
    vector = Value("poison", type)
    for lane in range(context.lanes):
        pointer = place.pointer
        for steps in (lane - lane % GROUP, lane % GROUP):  # few products of the step are kept in registers
            if steps:
                offset = code.mul(integer(steps), place.step)
                text = f"getelementptr {element}, ptr {pointer.text}, i64 {offset.text}"
                pointer = code.pure(POINTER, text, pointer, offset)
        loaded = placed(context, memory, element, f"load {element}, ptr {pointer.text}, align {align}", pointer)
        text = f"insertelement {type} {vector.text}, {element} {loaded.text}, i64 {lane}"
        vector = code.pure(type, text, loaded, vector)
    return vector


def load_contiguous(context: Context, memory: Memory, pointer: Value, mask: Value | None) -> Value:
    element, align = of(memory_element(memory.dtype)), context.places[memory].alignment
    type = element.with_lanes(context.lanes)
    if mask is None:
        return placed(context, memory, type, f"load {type}, ptr {pointer.text}, align {align}", pointer)
    loaded = _maskable(type)
    bits = of("i1", context.lanes)
    name = f"llvm.masked.load.{loaded.suffix}.p0"
    context.code.module.declare(name, loaded, "ptr", "i32", bits, loaded)
    text = f"call {loaded} @{name}(ptr {pointer.text}, i32 {align}, {bits} {mask.text}, {loaded} zeroinitializer)"
    return context.code.convert("bitcast", placed(context, memory, loaded, text, pointer, mask), type)


def _maskable(type: Type) -> Type:
    """Not every CPU has masked loads and stores of half floats as such."""
    return type.integer if type.element == "half" else type


def _load_reversed(context: Context, memory: Memory, place: Address) -> Value:
    """Contiguous from the last lane's element, in the opposite order."""
    code = context.code
    element = memory_element(memory.dtype)
    last = code.pure(POINTER, f"getelementptr {element}, ptr {place.pointer.text}, i64 {1 - context.lanes}", place.pointer)
    mask = None if place.valid is None else _reverse(context, place.valid)
    return _reverse(context, load_contiguous(context, memory, last, mask))


def _reverse(context: Context, value: Value) -> Value:
    order = ", ".join(f"i32 {n}" for n in reversed(range(context.lanes)))
    return context.code.pure(
        value.type, f"shufflevector {value.type} {value.text}, {value.type} poison, <{context.lanes} x i32> <{order}>", value
    )


def placed(context: Context, memory: Memory, type: Type, text: str, *operands: Value) -> Value:
    """A load outside every loop that it does not depend on; inside those that write the memory, and again after each write."""
    if memory not in context.written:
        return context.code.pure(type, text, *operands)
    depth = max(context.depth_of_writes(memory), *(o.depth for o in operands))
    return context.code.placed(type, text, depth, context.version(memory))


# Stores.


def _store_scalar(context: Context, memory: Memory, place: Address, value: Value) -> None:
    assert not value.type.lanes, f"{memory.name} is stored to in one place by several lanes"
    align = context.places[memory].alignment
    context.code.effect(f"store {value.type} {value.text}, ptr {place.pointer.text}, align {align}")


def store_contiguous(context: Context, memory: Memory, pointer: Value, value: Value, mask: Value | None) -> None:
    code, align = context.code, context.places[memory].alignment
    if mask is None:
        code.effect(f"store {value.type} {value.text}, ptr {pointer.text}, align {align}")
        return
    mask = code.splat(mask, context.lanes)
    value = code.convert("bitcast", value, _maskable(value.type))
    name = f"llvm.masked.store.{value.type.suffix}.p0"
    code.module.declare(name, "void", value.type, "ptr", "i32", mask.type)
    code.effect(f"call void @{name}({value.type} {value.text}, ptr {pointer.text}, i32 {align}, {mask.type} {mask.text})")


def _scatter(context: Context, memory: Memory, place: Address, value: Value, mask: Value | None) -> None:
    code, align = context.code, context.places[memory].alignment
    pointers = _lane_pointers(context, memory, place)
    mask = constant(of("i1", context.lanes), True) if mask is None else code.splat(mask, context.lanes)
    name = f"llvm.masked.scatter.{value.type.suffix}.{pointers.type.suffix}"
    code.module.declare(name, "void", value.type, pointers.type, "i32", mask.type)
    code.effect(f"call void @{name}({value.type} {value.text}, {pointers.type} {pointers.text}, i32 {align}, {mask.type} {mask.text})")
