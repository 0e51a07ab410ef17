"""A schedule as machine code that runs on NumPy memory."""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tensorc import algebra
from tensorc.algebra import Index, Poly, poly
from tensorc.backends.llvm import library, target
from tensorc.backends.llvm.emit import ENTRY, Emitted, emit, lanes_of
from tensorc.backends.llvm.frame import Frame, Strides, usual_strides
from tensorc.backends.llvm.parallel import pieces
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input
from tensorc.loops.nest import Buffer, For, Kernel, Memory, Schedule, Statement
from tensorc.loops.work import work
from tensorc.runtime import memory, threads
from tensorc.runtime.arrays import Array

MOST_VARIANTS = 6
"""So many ways of strides get code of their own; the rest share code that relies on none."""

MOST_LAYOUTS = 4096
"""So many layouts are remembered."""

DUMMY = 1 << 20
"""An empty array is replaced by one of at most so many bytes, whose elements may be read."""

PASSED = (1 << 63) - 1
"""What a check's cell holds where every place is inside."""

Key = tuple[Strides, ...]


def compile_schedule(schedule: Schedule, program: Program, *, cpu: str | None = None) -> Executable:
    """The machine code of a schedule of the program, for this CPU or for another model by LLVM's name, which must be able to run here."""
    return Executable(schedule, program, cpu)


@dataclass(frozen=True)
class Layout:
    """What follows from the sizes and strides of a call."""

    function: Callable[[bytes], None]
    words: bytes  # the frame after the pointers
    workspace: int  # bytes
    checks: tuple[int, ...]  # where in the workspace
    copied: tuple[int, ...]  # the arrays whose strides are no multiple of their elements, by number: inputs, then outputs
    empty: Mapping[int, Array]  # what stands for arrays without elements
    shape: tuple[int, ...]  # of the largest intermediate


class Executable:
    """Compiled kernels. `run` may be called by several threads at once."""

    def __init__(self, schedule: Schedule, program: Program, cpu: str | None = None) -> None:
        self.schedule = schedule
        self.program = program
        self.target = target.host(cpu)
        self.frame = Frame(schedule)
        self._strided = self.frame.strided
        self._pointers = struct.Struct(f"={self.frame.pointers}q")
        self._usual: Key = tuple(map(usual_strides, self._strided))
        self._variants: dict[Key, Callable[[bytes], None]] = {}
        self._loaded: list[target.Loaded] = []
        self._layouts: dict[Any, Layout] = {}
        self._lock = threading.RLock()
        self._lifetimes = _lifetimes(self.frame)
        self._regions = [_Region(schedule.kernels[number], n, self.target) for number, n in self.frame.regions]
        self.texts: Mapping[str, str] = _Texts({"llvm": lambda: self.emitted().text, "asm": self.assembly})
        self._variant(self._usual)

    # Code.

    def emitted(self, key: Key | None = None) -> Emitted:
        """The module for arrays of whose strides so much is known: by default, contiguous ones."""
        return emit(self.frame, dict(zip(self._strided, self._usual if key is None else key, strict=True)), self.target)

    def assembly(self) -> str:
        return target.emit_assembly(self.emitted().text, self.target)

    def _variant(self, key: Key) -> Callable[[bytes], None]:
        with self._lock:
            if key not in self._variants and len(self._variants) >= MOST_VARIANTS:
                key = tuple((None,) * len(t.extents) for t in self._strided)
            found = self._variants.get(key)
            if found is None:
                emitted = self.emitted(key)
                image = target.emit_object(emitted.text, self.target)
                loaded = target.load(image, [ENTRY], library.addresses(emitted.symbols))
                self._loaded.append(loaded)
                found = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(loaded.addresses[ENTRY])
                self._variants[key] = found
            return found

    def points(self, sizes: Mapping[str, int]) -> int:
        """How often a statement is done in one call: a measure of how long it takes."""
        return sum(algebra.evaluate(p, sizes) for p in self._work)

    @cached_property
    def _work(self) -> list[Poly]:
        return [points for kernel in self.schedule.kernels for points in _points(kernel.body, ())]

    # Calls.

    def run(self, inputs: Sequence[Array], sizes: Mapping[str, int], outputs: Sequence[Array]) -> int | None:
        """Write the results into the outputs, which overlap no input; the index of the first check of the program that failed, if one did.

        Raises MemoryError where the intermediates do not fit.
        """
        arrays = [*inputs, *outputs]
        layout = self.layout(arrays, sizes)
        if layout.copied or layout.empty:
            return self._run_replaced(layout, inputs, outputs)
        return self._call(layout, arrays)

    def layout(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> Layout:
        """What follows from the sizes of a call and from the strides of its inputs and outputs."""
        count = threads.count()
        key = (count, tuple([sizes[name] for name in self.frame.sizes]), tuple([a.strides for a in arrays]))
        found = self._layouts.get(key)
        if found is None:
            if len(self._layouts) >= MOST_LAYOUTS:
                self._layouts.clear()
            found = self._layouts[key] = self._layout(arrays, sizes, count)
        return found

    def _call(self, layout: Layout, arrays: Sequence[Array]) -> int | None:
        try:
            workspace = memory.take(layout.workspace)
        except MemoryError:
            raise _too_large(self.program, layout.shape, layout.workspace) from None
        addresses = [a.__array_interface__["data"][0] for a in arrays]
        layout.function(self._pointers.pack(*addresses, workspace.address) + layout.words)
        failed = None
        if layout.checks:
            failed = _first_failed(workspace.address, layout.checks)
        memory.give_back(workspace)
        return failed

    def _run_replaced(self, layout: Layout, inputs: Sequence[Array], outputs: Sequence[Array]) -> int | None:
        """With contiguous copies of arrays whose strides no code can use, and memory that may be read in place of empty arrays."""
        given = [*inputs, *outputs]
        arrays = list(given)
        for number in layout.copied:
            arrays[number] = (
                np.ascontiguousarray(given[number]) if number < len(inputs) else np.empty(given[number].shape, given[number].dtype)
            )
        for number, dummy in layout.empty.items():
            arrays[number] = dummy
        failed = self._call(layout, arrays)
        for number in layout.copied:
            if number >= len(inputs):
                given[number][...] = arrays[number]
        return failed

    def _layout(self, arrays: Sequence[Array], sizes: Mapping[str, int], count: int) -> Layout:
        known: list[Strides] = []
        strides: list[int] = []
        copied: list[int] = []
        empty: dict[int, Array] = {}
        for number, (tensor, array) in enumerate(zip(self._strided, arrays, strict=True)):
            if array.size == 0:
                empty[number], steps, facts = _stand_in(tensor, array)
            elif any(s % array.itemsize for s in array.strides):
                copied.append(number)
                steps, facts = _row_major(array.shape), usual_strides(tensor)
            else:
                steps = tuple(s // array.itemsize for s in array.strides)
                facts = _known_strides(tensor, array.shape, steps)
            known.append(facts)
            strides += steps
        regions = [threads.region(region.units(sizes), region.work(sizes), count) for region in self._regions]
        offsets, slots, slot = self._places(sizes)
        parallel = any(r.chunk for r in regions)
        total = slots + slot * (count if parallel else 1)
        shape = self._largest(sizes)
        if total > memory.LARGEST:
            raise _too_large(self.program, shape, total)
        words = [*(sizes[name] for name in self.frame.sizes), *strides, *offsets]
        words += [count, threads.parallel() if parallel else 0, slots, slot, *(word for r in regions for word in (r.units, r.chunk))]
        start = len(self.schedule.intermediates)
        checks = tuple(offsets[start : start + len(self.schedule.checks)])
        packed = struct.pack(f"={len(words)}q", *words)
        return Layout(self._variant(tuple(known)), packed, total, checks, tuple(copied), empty, shape)

    def _places(self, sizes: Mapping[str, int]) -> tuple[list[int], int, int]:
        """(where each memory of the workspace lies, a scratch among its thread's; where the threads' begin; how much each has)."""
        blocks = [memory.Block(self._bytes(m, sizes), *life) for (_, m), life in zip(self.frame.owned, self._lifetimes, strict=True)]
        shared = sum(kernel is None for kernel, _ in self.frame.owned)
        (places, slots), (own, slot) = memory.plan(blocks[:shared]), memory.plan(blocks[shared:])
        return places + own, slots, -(-slot // memory.APART) * memory.APART

    def _bytes(self, m: Memory, sizes: Mapping[str, int]) -> int:
        """At least one element along each axis: a clamped subscript reads the first."""
        count = m.dtype.bytes
        for extent in m.extents:
            count *= max(algebra.evaluate(extent, sizes), 1)
        return count

    def _largest(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of the largest intermediate, for messages."""
        largest = max((m for _, m in self.frame.owned), key=lambda m: self._bytes(m, sizes), default=None)
        return () if largest is None else tuple(algebra.evaluate(e, sizes) for e in largest.extents)


class _Region:
    """A piece of a kernel that is shared out among threads."""

    def __init__(self, kernel: Kernel, number: int, cpu: target.Target) -> None:
        self._piece = pieces(kernel)[number]
        self._lanes = lanes_of(kernel, cpu)
        self._work = work(self._piece.body)

    def units(self, sizes: Mapping[str, int]) -> int:
        return self._piece.units(self._lanes, sizes)

    def work(self, sizes: Mapping[str, int]) -> int:
        return algebra.evaluate(self._work, sizes)


def _points(body: Sequence[Statement], axes: tuple[Index, ...]) -> Iterator[Poly]:
    """How often each statement of a nest is done that is no loop."""
    for statement in body:
        if isinstance(statement, For):
            yield from _points(statement.body, tuple(dict.fromkeys((*axes, statement.axis))))
        else:
            count = poly(1)
            for axis in axes:
                count *= axis.extent
            yield count


class _Texts(Mapping[str, str]):
    """Texts that are made when they are asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], str]]) -> None:
        self._makers = makers

    def __getitem__(self, stage: str) -> str:
        return self._makers[stage]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _too_large(program: Program, shape: tuple[int, ...], count: int) -> MemoryError:
    return MemoryError(
        f"{program.name}: its intermediates take {count} bytes, more than there are; the largest has the shape {list(shape)}"
    )


def _first_failed(base: int, checks: Sequence[int]) -> int | None:
    for number, offset in enumerate(checks):
        if ctypes.c_int64.from_address(base + offset).value != PASSED:
            return number
    return None


def _lifetimes(frame: Frame) -> list[tuple[int, int]]:
    """The first and last kernel that each memory of the workspace is used by; checks are read after the last."""
    schedule = frame.schedule
    first: dict[Memory, int] = {}
    last: dict[Memory, int] = {}
    for number, kernel in enumerate(schedule.kernels):
        for m in kernel.memory:
            owner = schedule.aliases.get(m, m) if isinstance(m, Buffer) else m
            first.setdefault(owner, number)
            last[owner] = number
    end = len(schedule.kernels)
    last |= dict.fromkeys(schedule.checks, end)
    return [(kernel, kernel) if kernel is not None else (first.get(m, 0), last.get(m, end)) for kernel, m in frame.owned]


# Strides.


def _row_major(shape: Sequence[int]) -> tuple[int, ...]:
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    return tuple(strides)


def _known_strides(tensor: Input, shape: Sequence[int], strides: Sequence[int]) -> Strides:
    """What code for an array with these strides may rely on: the usual facts where they hold, else which strides are 1 and 0."""
    usual = usual_strides(tensor)
    if all(fact is None or stride == fact or extent == 1 for fact, stride, extent in zip(usual, strides, shape, strict=True)):
        return usual
    unit = next((axis for axis in reversed(range(len(shape))) if strides[axis] == 1 and shape[axis] != 1), None)
    return tuple(1 if axis == unit else 0 if stride == 0 else None for axis, stride in enumerate(strides))


def _stand_in(tensor: Input, array: Array) -> tuple[Array, tuple[int, ...], Strides]:
    """Memory in place of an empty array, in which every subscript that is inside may be read; with strides of 0, one element does."""
    shape = tuple(max(extent, 1) for extent in array.shape)
    count = array.itemsize
    for extent in shape:
        count *= extent
    if count <= DUMMY:
        return np.zeros(shape, array.dtype), _row_major(shape), usual_strides(tensor)
    return np.zeros(1, array.dtype), (0,) * len(shape), (None,) * len(shape)
