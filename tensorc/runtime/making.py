"""Makes records of calls: what the code needs to answer the next call of the same structure, or of the same but for sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tensorc.dtypes import DType, f32, f64, i32, i64
from tensorc.elaborate import ResultTree
from tensorc.loops import SMALL
from tensorc.runtime import arrays, entry, tensors, words
from tensorc.runtime.arrays import Array
from tensorc.runtime.call import flatten
from tensorc.runtime.entry import Code, Remembered, Remembering, Words, address, row
from tensorc.runtime.executable import Executable, Layout
from tensorc.runtime.recipes import Place, Unwritten, recipe

MOST_FRAME = 4096
"""The longest frame, in words, that lies on the stack."""

NUMBERS = {f64: words.AS_DOUBLE, f32: words.AS_FLOAT, i64: words.AS_LONG, i32: words.AS_INT}

Source = int | None
"""Where an input comes from: the position among the arguments, keywords last; None where no argument brings it."""


@dataclass(frozen=True)
class Record:
    """The memory of one record, and what it refers to."""

    words: Words
    kept: tuple[Any, ...]


@dataclass
class _Parts:
    """A record that is being made: its words by position, and what they refer to."""

    words: dict[int, int] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)

    def refer(self, position: int, values: Sequence[int] | Words) -> None:
        """Let a word be the address of memory with these values."""
        memory = row(values)
        self.words[position] = address(memory)
        self.kept.append(memory)

    def record(self) -> Record:
        return Record(row([self.words.get(n, 0) for n in range(words.RECORD_WORDS)]), tuple(self.kept))


class Maker:
    """Makes the records of one callable."""

    def __init__(self, code: Code, definition: Remembering, takes_out: bool) -> None:
        self._code = code
        self._prepare = definition.prepare
        self._positions = tuple(definition.numbers)
        self._numbers = dict(zip(definition.parameters, definition.numbers, strict=True))
        self._takes_out = takes_out

    # Arguments.

    def is_known(self, made: Remembered) -> bool:
        """Whether the structure says all of the arguments that matters."""
        if made.out is None and "out" in made.kwargs and not self._takes_out:
            return False
        return all(self._is_known(made, n, value) for n, value in enumerate(made.given))

    def _is_known(self, made: Remembered, position: int, value: Any) -> bool:
        """Whether the structure says all of an argument that matters."""
        if self._is_out(made, position):
            return all(map(is_memory, value if type(value) is tuple else (value,)))
        return is_memory(value) or _is_immutable(value)

    def _is_data(self, made: Remembered, position: int) -> bool:
        """Whether a number at that position is data, so that its value is no part of the structure."""
        if position < len(made.args):
            return position < len(self._positions) and self._positions[position]
        return self._numbers.get(tuple(made.kwargs)[position - len(made.args)], False)

    def _is_out(self, made: Remembered, position: int) -> bool:
        return position >= len(made.args) and not self._takes_out and tuple(made.kwargs)[position - len(made.args)] == "out"

    def mask(self, made: Remembered) -> tuple[list[int], dict[int, int], list[int]]:
        """(for each word of the structure -1, or 0 for a dim or a stride; where the axes of each argument are; where those of `out`)."""
        found = [-1]
        places: dict[int, int] = {}
        outs: list[int] = []

        def array(value: Any) -> int:
            found.extend([-1] * 3)
            rank = int(value.ndim)
            found.extend([0] * (2 * rank))
            return len(found) - 2 * rank

        for position, value in enumerate(made.given):
            if position >= len(made.args):
                found.append(-1)
            if self._is_out(made, position):
                found.append(-1)
                outs += [array(o) for o in (value if type(value) is tuple else (value,))]
            elif is_memory(value):
                places[position] = array(value)
            else:
                found += [-1] if type(value) in (int, float) and self._is_data(made, position) else [-1, -1]
        return found, places, outs

    # Records.

    def record(self, made: Remembered, structure: Words) -> Record | None:
        """A record of exactly this call; None where there can be none."""
        found = self._parts(made, structure)
        return None if found is None else found[0].record()

    def general(self, made: Remembered, structure: Words) -> Record | None:
        """A record of calls that differ from this one in sizes, each but those of 1; None where there is none."""
        found = self._parts(made, structure)
        if found is None or made.captured:
            return None
        parts, layout, origins, outputs = found
        assert isinstance(made.call.executable, Executable)
        executable = made.call.executable
        if layout.empty or not executable.is_usual(layout):
            return None
        mask, places, outs = self.mask(made)
        try:
            inputs = [_place(made, origin, places, array) for origin, array in zip(origins, made.inputs, strict=True)]
            results = [_result_place(made, outs, number, array) for number, array in enumerate(outputs)]
            written = recipe(made.call, executable.plan, inputs, results)
        except Unwritten:
            return None
        parts.refer(words.RECIPE, written)
        parts.refer(words.KIND, structure)
        parts.refer(words.MASK, mask)
        parts.refer(words.STRUCTURE, [0] * len(structure))
        parts.words[words.RELEASE] = 0
        return parts.record()

    def _parts(self, made: Remembered, structure: Words) -> tuple[_Parts, Layout, list[Source], list[Array]] | None:
        if not isinstance(made.call.executable, Executable) or not made.call.is_plain:
            return None
        sizes, shapes = made.call.sizes_and_shapes(made.inputs)
        executable = made.call.executable
        outputs = _outputs(made, shapes)
        layout = executable.layout([*made.inputs, *outputs], sizes)
        length = executable.plan.pointers + len(layout.words) // 8
        if length > MOST_FRAME or layout.copied or (made.out is not None and any(map(arrays.repeats_itself, outputs))):
            return None
        parts = _Parts()
        origins = self._origins(made)
        if origins is None or not self._add_sources(parts, made, layout, origins) or not self._add_captures(parts, made):
            return None
        _add_results(parts, outputs, layout, len(made.inputs), made.torch)
        form, tail = _form(made.call.tree), np.frombuffer(layout.words, np.int64).tolist()
        parts.refer(words.STRUCTURE, structure)
        parts.refer(words.FRAME, [*[0] * (length - len(tail)), *tail])
        parts.refer(words.FORM, form)
        parts.refer(words.CHECKED, layout.checks)
        parts.refer(words.BOUNDS, [b for a in (*made.inputs, *outputs) for b in _bounds(a)])
        parts.words |= {
            words.LENGTH: len(structure),
            words.CODE: entry.function_address(layout.function),
            words.FRAME_LENGTH: length,
            words.TAIL: parts.words[words.FRAME] + 8 * (length - len(tail)),
            words.INPUTS: len(made.inputs),
            words.RESULTS: len(outputs),
            words.WORKSPACE_BYTES: layout.workspace,
            words.CHECKS: len(layout.checks),
            words.RELEASE: executable.work(sizes) >= SMALL,
            words.FORM_LENGTH: len(form),
            words.TORCH: made.torch,
        }
        parts.kept += layout, made.call, list(map(_told_apart, made.given))
        return parts, layout, origins, outputs

    def _add_sources(self, parts: _Parts, made: Remembered, layout: Layout, origins: Sequence[Source]) -> bool:
        """For each input how it is had and from where; false where the code cannot do it."""
        found: list[int] = []
        for number, (origin, array) in enumerate(zip((*origins, *[None] * len(made.captured)), made.inputs, strict=True)):
            if number in layout.empty:
                found += words.FROM_ADDRESS, layout.empty[number].ctypes.data
            elif number >= len(origins):
                found += words.FROM_CAPTURE, number - len(origins)
            elif origin is None:
                found += words.FROM_ADDRESS, array.ctypes.data
                parts.kept.append(array)
            elif is_memory(made.given[origin]):
                found += words.FROM_ARGUMENT, origin
            elif (how := NUMBERS.get(arrays.dtype_of(array))) is not None:
                found += how, origin
            else:
                return False
        parts.refer(words.SOURCES, found)
        return True

    def _add_captures(self, parts: _Parts, made: Remembered) -> bool:
        """The structure of the arrays that the function closes over; false where the code cannot tell it."""
        found: list[int] = []
        for value in made.captured:
            room = row([0] * words.ROOM)
            length = self._code.structure_of_value(address(self._code.context), id(value), address(room)) if is_memory(value) else 0
            if not length:
                return False
            structure = row(room[:length])
            found += id(value), length, address(structure)
            parts.kept += value, _told_apart(value), structure
        parts.refer(words.CAPTURED, found)
        return True

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
            elif is_memory(value):
                seen = arrays.view(value, "")
                found.append(np.broadcast_to(np.empty((), seen.dtype), seen.shape).view(np.ndarray))
            else:
                found.append(type(value)(start + position))
        return found

    def _changes(self, made: Remembered, position: int, value: Any) -> bool:
        if self._is_out(made, position):
            return False
        return is_memory(value) or (type(value) in (int, float) and self._is_data(made, position))

    def _prepared(self, made: Remembered, given: Sequence[Any]) -> Sequence[Any] | None:
        """The leaves of these arguments; None where they are not of the same kinds as the call's."""
        options = dict(zip(made.kwargs, given[len(made.args) :], strict=True))
        if made.out is not None:
            del options["out"]
        prepared = self._prepare(given[: len(made.args)], options)
        return prepared.leaves if prepared.key == made.key else None


def _outputs(made: Remembered, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """The results' arrays: those given, or new ones like those that will be made."""
    if made.out is None:
        return [np.empty(shape, dtype) for shape, (dtype, _) in zip(shapes, made.call.results, strict=True)]
    return [arrays.view(o, "`out`") for o in flatten(made.call.tree, made.out, "")]


def _add_results(parts: _Parts, outputs: Sequence[Array], layout: Layout, first: int, torch: bool) -> None:
    """What the results are like; `first` is the number of the first among the call's arrays."""
    found: list[int] = []
    for number, array in enumerate(outputs, first):
        dims, strides, dtype = row(array.shape), row(_strides(array.shape)), array.dtype
        stand_in = layout.empty[number].ctypes.data if number in layout.empty else 0
        kind = tensors.dtype_number(arrays.dtype_of(array)) if torch else id(dtype)
        found += kind, array.ndim, address(dims), address(strides), stand_in, dtype.itemsize
        parts.kept += dims, strides, dtype
    parts.refer(words.SHAPES, found)


def _place(made: Remembered, origin: Source, places: Mapping[int, int], array: Array) -> Place:
    """Where the structure describes an input; a number has no axes."""
    ones = tuple(extent == 1 for extent in array.shape)
    if origin is None or origin not in places:
        if array.ndim:
            raise Unwritten("an array is no argument")
        return Place(words.NEW, 1, array.itemsize, ())
    unit = 1 if tensors.is_plain(made.given[origin]) else array.itemsize
    return Place(places[origin], unit, array.itemsize, ones)


def _result_place(made: Remembered, outs: Sequence[int], number: int, array: Array) -> Place:
    if not outs:
        return Place(words.NEW, 1, array.itemsize, (False,) * array.ndim)
    given = made.out[number] if type(made.out) is tuple else made.out
    return Place(outs[number], 1 if tensors.is_plain(given) else array.itemsize, array.itemsize, (False,) * array.ndim)


def is_memory(value: Any) -> bool:
    """Whether the code reads the value's memory."""
    return type(value) is np.ndarray or tensors.is_plain(value)


def _told_apart(value: Any) -> Any:
    """The objects whose addresses tell a value from others; while these live, no other object has their addresses."""
    if type(value) is tuple:
        return value if not any(map(is_memory, value)) else list(map(_told_apart, value))
    return value.dtype if is_memory(value) else value


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
