"""What a function remembers of its calls, so that the next ones of the same structure need no Python (see `dispatch`)."""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorc.config import config, log
from tensorc.dtypes import DType, f32, f64, i32, i64
from tensorc.elaborate import ResultTree
from tensorc.locks import LOCK
from tensorc.loops import SMALL
from tensorc.runtime import arrays, dispatch, entry, tensors
from tensorc.runtime.arrays import Array
from tensorc.runtime.call import flatten
from tensorc.runtime.entry import Code, Remembered, Remembering, Words, address, words
from tensorc.runtime.executable import Executable, Layout

MOST_RECORDS = 512
"""A function remembers so many structures; then it forgets them all."""

EAGER = 64
"""Behind so many records a structure is remembered when it comes again: sizes that never do are not worth a record."""

MOST_SEEN = 4096

MOST_FRAME = 4096
"""The longest frame, in words, that lies on the stack."""

NUMBERS = {f64: dispatch.AS_DOUBLE, f32: dispatch.AS_FLOAT, i64: dispatch.AS_LONG, i32: dispatch.AS_INT}

Source = int | None
"""Where an input comes from: the position among the arguments, keywords last; None where no argument brings it."""


@dataclass(frozen=True)
class Record:
    """The memory of one record, and what it refers to."""

    words: Words
    kept: tuple[Any, ...]


class Recorder:
    """The records of one callable. `slow` is called with it before the arguments."""

    def __init__(self, code: Code, slow: Any, definition: Remembering, takes_out: bool) -> None:
        parameters, numbers = definition.parameters, definition.numbers
        self.code = code
        self._slow = slow
        self._prepare = definition.prepare
        self._numbers = dict(zip(parameters, numbers, strict=True))
        self._positions = tuple(numbers)
        self._names = [sys.intern(p) for p in parameters]
        self._takes_out = takes_out
        self._memory = (words([id(n) for n in self._names]), words(numbers))
        self.records: list[Record] = []
        self._retired: list[Record] = []
        self._seen: set[bytes] = set()
        self._known: set[bytes] = set()  # structures that have a record, or can have none
        self._table: Words = words([0])
        self.state = words([0] * dispatch.STATE_WORDS)
        self.state[dispatch.SLOW] = id(slow)
        self.state[dispatch.CONTEXT] = address(code.context)
        self.state[dispatch.TAKES_OUT] = takes_out
        self.state[dispatch.PARAMETERS] = len(parameters)
        self.state[dispatch.NAMES], self.state[dispatch.NUMBERS] = map(address, self._memory)
        _recorders.add(self)

    @property
    def calls(self) -> int:
        """How many calls were answered without Python."""
        return self.state[dispatch.CALLS]

    def forget(self) -> None:
        """Drops every record; those that a call is using, when it no longer is."""
        self.state[dispatch.LAST] = self.state[dispatch.TABLE] = 0
        self._retired = [r for r in (*self._retired, *self.records) if r.words[dispatch.ACTIVE]]
        self.records = []
        self._known.clear()
        self._seen.clear()

    def remember(self, made: Remembered) -> None:
        """Keep a call for the next ones of its structure, where there is a way to."""
        if not LOCK.acquire(blocking=False):  # another thread compiles: the next call will do
            return
        try:
            structure = self._structure(made)
            if structure is not None and self._is_worth(bytes(structure)):
                self._know(bytes(structure))
                record = self._record(made, structure)
                if record is not None:
                    self._insert(record)
        except Exception as failure:  # the call itself is done, and right
            log("calls", f"a call is not remembered: {type(failure).__name__}: {failure}")
        finally:
            LOCK.release()

    def _is_worth(self, structure: bytes) -> bool:
        if structure in self._known:
            return False
        if len(self.records) < EAGER or structure in self._seen:
            return True
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen.add(structure)
        return False

    def _know(self, structure: bytes) -> None:
        if len(self._known) >= MOST_SEEN:
            self._known.clear()
        self._known.add(structure)

    def _insert(self, record: Record) -> None:
        if len(self.records) >= MOST_RECORDS:
            self.forget()
        places = self._table[dispatch.T_MASK] + 1
        if not self.state[dispatch.TABLE] or 2 * (len(self.records) + 1) > places:
            self._grow(max(16, 2 * places if self.state[dispatch.TABLE] else 0))
        if self.code.insert(address(self.state), address(record.words)):
            self.records.append(record)

    def _grow(self, places: int) -> None:
        """A larger table; that in use is replaced in one step, since a call may come between any two."""
        state = words(list(self.state))
        table = words([places - 1, *[0] * places])
        state[dispatch.LAST], state[dispatch.TABLE] = 0, address(table)
        for record in self.records:
            self.code.insert(address(state), address(record.words))
        self._table, old = table, self._table
        self.state[dispatch.TABLE] = address(table)
        del old

    # Structure.

    def _structure(self, made: Remembered) -> Words | None:
        """The words that the code makes of the arguments; None where it makes none, or where an object may become another."""
        given = made.given
        if (made.out is None and "out" in made.kwargs and not self._takes_out) or not all(
            self._is_known(made, n, value) for n, value in enumerate(given)
        ):
            return None
        pointers = words([id(value) for value in given])
        names = tuple(made.kwargs)
        found = words([0] * dispatch.ROOM)
        arguments = address(self.state), address(pointers), len(made.args), id(names) if names else None, address(found)
        length = self.code.structure_of(*arguments)
        return words(found[:length]) if length else None

    def _is_known(self, made: Remembered, position: int, value: Any) -> bool:
        """Whether the structure says all of an argument that matters."""
        if position >= len(made.args):
            name = tuple(made.kwargs)[position - len(made.args)]
            if name == "out" and not self._takes_out:
                return all(map(_is_memory, value if type(value) is tuple else (value,)))
        return _is_memory(value) or _is_immutable(value)

    def _is_data(self, made: Remembered, position: int) -> bool:
        """Whether a number at that position is data, so that its value is no part of the structure."""
        if position < len(made.args):
            return position < len(self._positions) and self._positions[position]
        return self._numbers.get(tuple(made.kwargs)[position - len(made.args)], False)

    # Records.

    def _record(self, made: Remembered, structure: Words) -> Record | None:
        executable = made.call.executable
        if not isinstance(executable, Executable) or not made.call.is_plain:
            return None
        sizes, shapes = made.call.sizes_and_shapes(made.inputs)
        outputs = _outputs(made, shapes)
        layout = executable.layout([*made.inputs, *outputs], sizes)
        length = executable.plan.length
        if layout.copied or length > MOST_FRAME or (made.out is not None and any(map(arrays.repeats_itself, outputs))):
            return None
        sources = self._sources(made, layout)
        captures = self._captures(made)
        if sources is None or captures is None:
            return None
        results = _results(outputs, layout, len(made.inputs), made.torch)
        tail = (ctypes.c_int64 * (len(layout.words) // 8)).from_buffer_copy(layout.words + bytes(8))
        form, checks = words(_form(made.call.tree)), words(layout.checks)
        bounds = words([b for a in (*made.inputs, *outputs) for b in _bounds(a)])
        parts: dict[int, int] = {
            dispatch.LENGTH: len(structure),
            dispatch.STRUCTURE: address(structure),
            dispatch.CODE: entry.function_address(layout.function),
            dispatch.FRAME: length,
            dispatch.TAIL: address(tail),
            dispatch.TAIL_LENGTH: len(layout.words) // 8,
            dispatch.INPUTS: len(made.inputs),
            dispatch.SOURCES: address(sources[0]),
            dispatch.CAPTURED: address(captures[0]),
            dispatch.RESULTS: len(outputs),
            dispatch.SHAPES: address(results[0]),
            dispatch.WORKSPACE_BYTES: layout.workspace,
            dispatch.CHECKS: len(layout.checks),
            dispatch.CHECKED: address(checks),
            dispatch.RELEASE: executable.work(sizes) >= SMALL,
            dispatch.FORM: address(form),
            dispatch.FORM_LENGTH: len(_form(made.call.tree)),
            dispatch.BOUNDS: address(bounds),
            dispatch.TORCH: made.torch,
        }
        record = words([parts.get(n, 0) for n in range(dispatch.RECORD_WORDS)])
        still = list(map(_told_apart, made.given))
        return Record(record, (structure, tail, form, checks, bounds, sources, captures, results, layout, still, made.call))

    def _sources(self, made: Remembered, layout: Layout) -> tuple[Words, list[Array]] | None:
        """(for each input how it is had and from where, the arrays that are always the same); None where the code cannot do it."""
        origins = self._origins(made)
        if origins is None:
            return None
        found: list[int] = []
        kept: list[Array] = []
        for number, (origin, array) in enumerate(zip((*origins, *[None] * len(made.captured)), made.inputs, strict=True)):
            if number in layout.empty:
                found += dispatch.FROM_ADDRESS, layout.empty[number].ctypes.data
            elif number >= len(origins):
                found += dispatch.FROM_CAPTURE, number - len(origins)
            elif origin is None:
                found += dispatch.FROM_ADDRESS, array.ctypes.data
                kept.append(array)
            elif _is_memory(made.given[origin]):
                found += dispatch.FROM_ARGUMENT, origin
            elif (how := NUMBERS.get(arrays.dtype_of(array))) is not None:
                found += how, origin
            else:
                return None
        return words(found), kept

    def _origins(self, made: Remembered) -> list[Source] | None:
        """For each leaf the argument that it comes from: seen by preparing others of the same kinds, all different, in their place."""
        first, second = self._stand_ins(made, 2), self._stand_ins(made, 50)
        try:
            leaves, others = self._prepared(made, first), self._prepared(made, second)
        except (TypeError, ValueError, IndexError):
            return None
        if leaves is None or others is None:
            return None
        found: list[Source] = []
        for leaf, other in zip(leaves, others, strict=True):
            found.append(next((n for n, (a, b) in enumerate(zip(first, second, strict=True)) if _is(leaf, a) and _is(other, b)), None))
        expected = [n for n, value in enumerate(made.given) if self._changes(made, n, value)]
        return found if sorted(n for n in found if n is not None) == expected else None

    def _stand_ins(self, made: Remembered, start: int) -> list[Any]:
        """For each argument that may be another next time, one of its kind that no other is the same as: numbers count from `start`."""
        found: list[Any] = []
        for position, value in enumerate(made.given):
            if not self._changes(made, position, value):
                found.append(value)
            elif _is_memory(value):
                seen = arrays.view(value, "")
                found.append(np.broadcast_to(np.empty((), seen.dtype), seen.shape).view(np.ndarray))
            else:
                found.append(type(value)(start + position))
        return found

    def _changes(self, made: Remembered, position: int, value: Any) -> bool:
        if position >= len(made.args) and made.out is not None and tuple(made.kwargs)[position - len(made.args)] == "out":
            return False
        return _is_memory(value) or (type(value) in (int, float) and self._is_data(made, position))

    def _prepared(self, made: Remembered, given: Sequence[Any]) -> Sequence[Any] | None:
        """The leaves of these arguments; None where they are not of the same kinds as the call's."""
        options = dict(zip(made.kwargs, given[len(made.args) :], strict=True))
        if made.out is not None:
            del options["out"]
        prepared = self._prepare(given[: len(made.args)], options)
        return prepared.leaves if prepared.key == made.key else None

    def _captures(self, made: Remembered) -> tuple[Any, ...] | None:
        """(the captured arrays' words, what they refer to); None where the code cannot tell one's structure."""
        found: list[int] = []
        kept: list[Any] = []
        for value in made.captured:
            room = words([0] * dispatch.ROOM)
            length = self.code.structure_of_value(address(self.code.context), id(value), address(room)) if _is_memory(value) else 0
            if not length:
                return None
            structure = words(room[:length])
            found += id(value), length, address(structure)
            kept += value, _told_apart(value), structure
        return words(found), kept


def _outputs(made: Remembered, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """The results' arrays: those given, or new ones like those that will be made."""
    if made.out is None:
        return [np.empty(shape, dtype) for shape, (dtype, _) in zip(shapes, made.call.results, strict=True)]
    return [arrays.view(o, "`out`") for o in flatten(made.call.tree, made.out, "")]


def _results(outputs: Sequence[Array], layout: Layout, first: int, torch: bool) -> tuple[Words, list[Any]]:
    """(the results' words, what they refer to); `first` is the number of the first among the call's arrays."""
    found: list[int] = []
    kept: list[Any] = []
    for number, array in enumerate(outputs, first):
        dims, strides, dtype = words(array.shape), words(_strides(array.shape)), array.dtype
        stand_in = layout.empty[number].ctypes.data if number in layout.empty else 0
        found += tensors.dtype_number(arrays.dtype_of(array)) if torch else id(dtype), array.ndim, address(dims), address(strides), stand_in
        kept += dims, strides, dtype
    return words(found), kept


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _is_memory(value: Any) -> bool:
    """Whether the code reads the value's memory."""
    return type(value) is np.ndarray or tensors.is_plain(value)


def _told_apart(value: Any) -> Any:
    """The objects whose addresses tell a value from others; while these live, no other object has their addresses."""
    if type(value) is tuple:
        return value if not any(map(_is_memory, value)) else list(map(_told_apart, value))
    return value.dtype if _is_memory(value) else value


def _is_immutable(value: Any) -> bool:
    """Whether an object that is the same is equal."""
    if type(value) is tuple:
        return all(map(_is_immutable, value))
    return value is None or type(value) in (int, float, bool, str) or isinstance(value, (DType, np.dtype, type))


def _is(leaf: Array, given: Any) -> bool:
    """Whether a leaf is what became of a stand-in."""
    return leaf is given or (type(given) in (int, float) and leaf.ndim == 0 and bool(leaf == given))


def _bounds(array: Array) -> tuple[int, int]:
    """The first byte and the end of an array, from its address; both 0 where it is empty."""
    if array.size == 0:
        return 0, 0
    reaches = [(extent - 1) * stride for extent, stride in zip(array.shape, array.strides, strict=True)]
    return sum(r for r in reaches if r < 0), sum(r for r in reaches if r > 0) + array.itemsize


def _strides(shape: Sequence[int]) -> list[int]:
    """Row-major strides in elements, of empty arrays too."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return strides[::-1]


def _form(tree: ResultTree) -> list[int]:
    """How values are put together: n takes the n-th result, -1 - n makes a tuple of the last n."""
    if isinstance(tree, int):
        return [tree]
    return [step for part in tree for step in _form(part)] + [-1 - len(tree)]


def _changed(scopes: int) -> None:
    """The settings are others: inside of a scope every call is Python's, and what was recorded for others is dropped."""
    entry.bypass(scopes)
    if not scopes:
        for recorder in list(_recorders):
            recorder.forget()


config.watch(_changed)
