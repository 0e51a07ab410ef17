"""Sorting one row: a stable merge sort of its places, as helper functions for each dtype of keys.

Keys of up to 32 bits become integers in the same order, packed above their place into one 64-bit word: words differ, so any merge of them
is stable, and reads them in sequence. Wider keys are compared through the places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tensorc.algebra import ZERO
from tensorc.backends.llvm import access, casts, floats, index
from tensorc.backends.llvm.code import Code, Module
from tensorc.backends.llvm.context import Context
from tensorc.backends.llvm.types import BIT, INT, POINTER, Value, constant, integer, memory_element, of
from tensorc.dtypes import DType
from tensorc.loops.nest import SortRow

FEW = 64
"""So many leading places are found one by one."""

BLOCK = 16
"""Keys that are compared at once with the last of those."""

RUN = 16
"""What is sorted by insertion before the first merge."""

PLACES = 1 << 32
"""A row as long as this has places that do not fit beside a key."""


def sort_row(context: Context, s: SortRow) -> None:
    code = context.code
    keys = access.address(context, s.keys, (*s.row, ZERO), {}, reading=True).pointer
    permutation = access.address(context, s.permutation, (*s.row, ZERO), {}, reading=False).pointer
    work = access.address(context, s.work, (ZERO,), {}, reading=False).pointer
    strides = [context.places[m].strides[-1] for m in (s.keys, s.permutation)]
    n = index.number(context, s.extent, {})
    arguments = [keys, strides[0], permutation, strides[1], work, n]
    first = None if s.first is None or s.first > FEW or s.keys.dtype.bits > 32 else s.first
    helper = _sort(code.module, s.keys.dtype, s.descending, first)
    code.effect(f"call void @{helper}({', '.join(f'{a.type} {a.text}' for a in arguments)})")
    context.wrote(s.permutation)
    context.wrote(s.work)


@dataclass(frozen=True)
class _Words:
    """A row of 64-bit words in memory."""

    start: Value
    stride: Value

    def slot(self, code: Code, place: Value) -> Value:
        offset = code.mul(place, self.stride)
        return code.pure(POINTER, f"getelementptr i64, ptr {self.start.text}, i64 {offset.text}", self.start, offset)

    def load(self, code: Code, place: Value) -> Value:
        return code.pinned(INT, f"load i64, ptr {self.slot(code, place).text}, align 1")

    def store(self, code: Code, place: Value, word: Value) -> None:
        code.effect(f"store i64 {word.text}, ptr {self.slot(code, place).text}, align 1")


Less = Callable[[Code, Value, Value], Value]
"""Whether the first word comes before the second."""


def _sort(module: Module, dtype: DType, descending: bool, first: int | None) -> str:
    """(keys, their stride, permutation, its stride, work, n): fills the permutation, or its first places alone."""
    suffix = f"{dtype}.{'descending' if descending else 'ascending'}"

    def body(code: Code, values: list[Value]) -> None:
        keys, stride, to, to_stride, work, n = values
        permutation = _Words(to, to_stride)
        before = _before(module, dtype, descending, suffix)

        def less(inner: Code, a: Value, b: Value) -> Value:
            return inner.pinned(BIT, f"call i1 @{before}(ptr {keys.text}, i64 {stride.text}, i64 {a.text}, i64 {b.text})")

        if dtype.bits <= 32:
            short = code.compare("icmp slt", n, integer(PLACES))
            with code.when(short):
                pack = _packed(module, dtype, descending, suffix)
                if first is None:
                    _sort_packed(code, pack, keys, stride, permutation, work, n)
                else:
                    _select_packed(code, pack, dtype, descending, keys, stride, permutation, n, first)
            n = code.select(short, integer(0), n)
        _sort_words(code, permutation, work, n, lambda inner, place: place, less)

    return module.helper(
        f"tensorc.sort.{suffix}{'' if first is None else f'.{first}'}", None, [POINTER, INT, POINTER, INT, POINTER, INT], body
    )


def _sort_packed(code: Code, pack: str, keys: Value, stride: Value, permutation: _Words, work: Value, n: Value) -> None:
    def word(inner: Code, place: Value) -> Value:
        return inner.pinned(INT, f"call i64 @{pack}(ptr {keys.text}, i64 {stride.text}, i64 {place.text})")

    def unpack(inner: Code, place: Value) -> None:
        permutation.store(inner, place, _place_of(inner, permutation.load(inner, place)))

    _sort_words(code, permutation, work, n, word, lambda inner, a, b: inner.compare("icmp ult", a, b))
    _each(code, n, unpack)


def _select_packed(
    code: Code, pack: str, dtype: DType, descending: bool, keys: Value, stride: Value, permutation: _Words, n: Value, first: int
) -> None:
    """The least words, in order: a word that is less than the last of them takes its place, and goes down. Most blocks have none."""

    def word(inner: Code, place: Value) -> Value:
        return inner.pinned(INT, f"call i64 @{pack}(ptr {keys.text}, i64 {stride.text}, i64 {place.text})")

    def less(inner: Code, a: Value, b: Value) -> Value:
        return inner.compare("icmp ult", a, b)

    if first == 0:
        return
    count = code.least(integer(first), n)
    _each(code, count, lambda inner, place: permutation.store(inner, place, word(inner, place)))
    _insert(code, permutation, integer(0), count, less)
    last = integer(first - 1)

    def consider(inner: Code, place: Value) -> None:
        found = word(inner, place)
        with inner.when(less(inner, found, permutation.load(inner, last))):
            permutation.store(inner, last, found)
            _sink(inner, permutation, last, integer(0), less)

    def block(start: Value, carried: list[Value]) -> list[Value]:
        element = of(memory_element(dtype), BLOCK)
        offset = code.pure(POINTER, f"getelementptr {memory_element(dtype)}, ptr {keys.text}, i64 {start.text}", start)
        loaded = casts.from_memory(code, code.pinned(element, f"load {element}, ptr {offset.text}, align 1"), dtype)
        bound = code.convert("trunc", code.binary("lshr", permutation.load(code, last), integer(32)), of("i32"))
        nearer = code.compare("icmp ult", _order(code, loaded, dtype, descending), code.splat(bound, BLOCK))
        with code.when(code.intrinsic("vector.reduce.or", nearer, result=BIT)):
            _each(code, code.add(start, integer(BLOCK)), consider, start)
        return []

    contiguous = code.select(code.compare("icmp eq", stride, integer(1)), n, count)
    rest, _ = code.loop(count, code.sub(contiguous, integer(BLOCK - 1)), BLOCK, [], block)
    _each(code, n, consider, rest)
    _each(code, count, lambda inner, place: permutation.store(inner, place, _place_of(inner, permutation.load(inner, place))))


def _place_of(code: Code, word: Value) -> Value:
    return code.binary("and", word, integer(PLACES - 1))


# Order.


def _load_key(code: Code, dtype: DType, keys: Value, stride: Value, place: Value) -> Value:
    element = of(memory_element(dtype))
    at = code.mul(place, stride)
    pointer = code.pure(POINTER, f"getelementptr {element}, ptr {keys.text}, i64 {at.text}", at)
    return casts.from_memory(code, code.pinned(element, f"load {element}, ptr {pointer.text}, align 1"), dtype)


def _before(module: Module, dtype: DType, descending: bool, suffix: str) -> str:
    """(keys, stride, a, b): whether the key at place a comes before that at b."""

    def body(code: Code, values: list[Value]) -> Value:
        keys, stride, a, b = values
        x, y = (_load_key(code, dtype, keys, stride, place) for place in (a, b))
        low, high = (y, x) if descending else (x, y)
        if not dtype.is_float:
            return code.compare("icmp slt" if dtype.kind == "int" else "icmp ult", low, high)
        only_second = code.binary("and", floats.is_nan(code, y), code.compare("fcmp ord", x, x))
        return code.binary("or", code.compare("fcmp olt", low, high), only_second)

    return module.helper(f"tensorc.before.{suffix}", BIT, [POINTER, INT, INT, INT], body)


def _packed(module: Module, dtype: DType, descending: bool, suffix: str) -> str:
    """(keys, stride, place): the key's order in the upper half of a word, the place in the lower."""

    def body(code: Code, values: list[Value]) -> Value:
        keys, stride, place = values
        order = _order(code, _load_key(code, dtype, keys, stride, place), dtype, descending)
        return code.binary("or", code.binary("shl", code.convert("zext", order, INT), integer(32)), place)

    return module.helper(f"tensorc.packed.{suffix}", INT, [POINTER, INT, INT], body)


def _order(code: Code, x: Value, dtype: DType, descending: bool) -> Value:
    """An unsigned i32 by which x is sorted: equal zeros are one, and every NaN is the greatest."""
    word = of("i32", x.type.lanes)
    flip = (1 << 31) - 1 if descending else 1 << 31
    if not dtype.is_float:
        wide = code.convert("sext" if dtype.kind == "int" else "zext", x, word)
        return code.binary("xor", wide, constant(word, flip if dtype.kind == "int" else -1 if descending else 0))
    bits = code.convert("bitcast", code.binary("fadd", x, constant(x.type, 0.0)), word)
    sign = code.binary("ashr", bits, constant(word, 31))
    ordered = code.binary("xor", bits, code.binary("or", sign, constant(word, 1 << 31)))
    if descending:
        ordered = code.binary("xor", ordered, constant(word, -1))
    return code.select(floats.is_nan(code, x), constant(word, -1), ordered)


# The sort.


def _each(code: Code, n: Value, act: Callable[[Code, Value], None], start: Value | None = None) -> None:
    def body(place: Value, carried: list[Value]) -> list[Value]:
        act(code, place)
        return []

    code.loop(integer(0) if start is None else start, n, 1, [], body)


def _sort_words(code: Code, result: _Words, work: Value, n: Value, word: Callable[[Code, Value], Value], less: Less) -> None:
    """Fills `result` with the n words in order. An odd number of merges starts in `work`, so that the last ends in the result."""

    def wider(state: list[Value]) -> list[Value]:
        return [code.binary("shl", state[0], integer(1)), code.binary("xor", state[1], constant(BIT, True))]

    _, odd = code.while_loop([integer(RUN), constant(BIT, False)], lambda state: code.compare("icmp slt", state[0], n), wider)
    first = _Words(code.select(odd, work, result.start), code.select(odd, integer(1), result.stride))
    second = _Words(code.select(odd, result.start, work), code.select(odd, result.stride, integer(1)))
    _each(code, n, lambda inner, place: first.store(inner, place, word(inner, place)))

    def run(start: Value, carried: list[Value]) -> list[Value]:
        _insert(code, first, start, code.least(code.add(start, integer(RUN)), n), less)
        return []

    code.loop(integer(0), n, RUN, [], run)

    def merge_all(state: list[Value]) -> list[Value]:
        width, *buffers = state
        source, target = _Words(buffers[0], buffers[1]), _Words(buffers[2], buffers[3])
        twice = code.binary("shl", width, integer(1))

        def pair(start: list[Value]) -> list[Value]:
            (low,) = start
            _merge(code, source, target, low, code.least(code.add(low, width), n), code.least(code.add(low, twice), n), less)
            return [code.add(low, twice)]

        code.while_loop([integer(0)], lambda start: code.compare("icmp slt", start[0], n), pair)
        return [twice, *buffers[2:], *buffers[:2]]

    buffers = [first.start, first.stride, second.start, second.stride]
    code.while_loop([integer(RUN), *buffers], lambda state: code.compare("icmp slt", state[0], n), merge_all)


def _insert(code: Code, words: _Words, start: Value, stop: Value, less: Less) -> None:
    """Insertion sort of a run."""

    def one(place: Value, carried: list[Value]) -> list[Value]:
        _sink(code, words, place, start, less)
        return []

    code.loop(code.add(start, integer(1)), stop, 1, [], one)


def _sink(code: Code, words: _Words, place: Value, start: Value, less: Less) -> None:
    """The word at a place goes down among the sorted ones from `start` to there."""
    moved = words.load(code, place)

    def goes_down(state: list[Value]) -> Value:
        # The word before the first is never looked at: the first is compared with itself, and is not less.
        above = code.greatest(code.sub(state[0], integer(1)), start)
        return code.binary("and", code.compare("icmp sgt", state[0], start), less(code, moved, words.load(code, above)))

    def shift(state: list[Value]) -> list[Value]:
        above = code.sub(state[0], integer(1))
        words.store(code, state[0], words.load(code, above))
        return [above]

    (hole,) = code.while_loop([place], goes_down, shift)
    words.store(code, hole, moved)


def _merge(code: Code, source: _Words, target: _Words, low: Value, middle: Value, high: Value, less: Less) -> None:
    """source[low:middle] and source[middle:high] into target[low:high], without a branch on which is taken; ties take the first."""

    def both(state: list[Value]) -> Value:
        return code.binary("and", code.compare("icmp slt", state[0], middle), code.compare("icmp slt", state[1], high))

    def take(state: list[Value]) -> list[Value]:
        i, j, k = state
        a, b = source.load(code, i), source.load(code, j)
        second = less(code, b, a)
        target.store(code, k, code.select(second, b, a))
        step = code.convert("zext", second, INT)
        return [code.sub(code.add(i, integer(1)), step), code.add(j, step), code.add(k, integer(1))]

    i, j, k = code.while_loop([low, middle, low], both, take)
    k = _copy(code, source, target, i, middle, k)
    _copy(code, source, target, j, high, k)


def _copy(code: Code, source: _Words, target: _Words, place: Value, stop: Value, to: Value) -> Value:
    """source[place:stop] into target from `to` on; the place after it."""

    def copy(state: list[Value]) -> list[Value]:
        target.store(code, state[1], source.load(code, state[0]))
        return [code.add(state[0], integer(1)), code.add(state[1], integer(1))]

    return code.while_loop([place, to], lambda state: code.compare("icmp slt", state[0], stop), copy)[1]
