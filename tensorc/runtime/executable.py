"""Compiled kernels that run on NumPy memory."""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tensorc import algebra
from tensorc.backends.llvm import library, target
from tensorc.config import log
from tensorc.ir.program import Program
from tensorc.locks import LOCK
from tensorc.runtime import memory, threads
from tensorc.runtime.arrays import Array
from tensorc.runtime.plan import Plan, Strides

if TYPE_CHECKING:
    from tensorc.loops.nest import Schedule

MOST_VARIANTS = 6
"""So many ways of strides get code of their own; the rest share code that relies on none."""

MOST_ORDERS = 4
"""So many orders of axes get loops of their own."""

ENOUGH = 1 << 12
"""An array of so many elements is worth loops that go along its memory."""

MOST_LAYOUTS = 4096
"""So many layouts are remembered."""

DUMMY = 1 << 20
"""An empty array is replaced by one of at most so many bytes, whose elements may be read."""

PASSED = (1 << 63) - 1
"""What a check's cell holds where every place is inside."""

Key = tuple[Strides, ...]

Orders = tuple[tuple[int, ...], ...]
"""For each input the axes in the order in which they lie in memory, the one whose elements are neighbours last."""


@dataclass(frozen=True)
class Image:
    """Object files with the function `entry`, which takes the address of a frame; `symbols` are the C functions that they call."""

    objects: tuple[bytes, ...]
    entry: str
    symbols: tuple[str, ...]


class Kernels(Protocol):
    """What makes the code of a program."""

    @property
    def plan(self) -> Plan: ...

    @property
    def texts(self) -> Mapping[str, str]:
        """The stages of the code for row-major arrays, to be read."""
        ...

    def image(self, key: Key) -> Image:
        """The code for inputs and results of whose strides so much is known."""
        ...


def compile_schedule(schedule: Schedule, program: Program, *, cpu: str | None = None) -> Executable:
    """The machine code of a schedule of the program, for this CPU or for another model by LLVM's name, which must be able to run here."""
    from tensorc.runtime.kernels import Scheduled

    return Executable(Scheduled(schedule, target.host(cpu)), program.name)


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

    def __init__(
        self,
        kernels: Kernels,
        name: str,
        permit: Callable[[str], None] = lambda name: None,
        reorder: Callable[[Orders], Executable] | None = None,
    ) -> None:
        """`reorder` makes an executable for inputs whose axes are in another order."""
        self.kernels = kernels
        self.plan = kernels.plan
        self.name = name
        self.further = 0
        """How often code was made after the first time, for arrays with other strides."""
        self.seconds = 0.0
        """And how long that took."""
        self._permit = permit
        self._reorder = reorder
        self._reordered: dict[Orders, Executable] = {}
        self._pointers = struct.Struct(f"={self.plan.pointers}q")
        self._variants: dict[Key, Callable[[bytes], None]] = {}
        self._loaded: list[target.Loaded] = []
        self._layouts: dict[Any, Layout] = {}
        self._variant(self.plan.usual)

    @property
    def texts(self) -> Mapping[str, str]:
        return self.kernels.texts

    def _variant(self, key: Key) -> Callable[[bytes], None]:
        with LOCK:
            if key not in self._variants and len(self._variants) >= MOST_VARIANTS:
                key = self.plan.none
            found = self._variants.get(key)
            if found is None:
                found = self._made(key) if not self._variants else self._made_later(key)
                self._variants[key] = found
            return found

    def _made(self, key: Key) -> Callable[[bytes], None]:
        image = self.kernels.image(key)
        loaded = target.load(image.objects, [image.entry], library.addresses(image.symbols))
        self._loaded.append(loaded)
        function: Callable[[bytes], None] = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(loaded.addresses[image.entry])
        return function

    def _made_later(self, key: Key) -> Callable[[bytes], None]:
        self._permit(self.name)
        started = time.perf_counter()
        function = self._made(key)
        seconds = time.perf_counter() - started
        self.further, self.seconds = self.further + 1, self.seconds + seconds
        log("compile", f"{self.name} again in {seconds * 1e3:.0f} ms, for arrays with other strides: {_shown(key)}")
        return function

    def is_usual(self, layout: Layout) -> bool:
        """Whether a layout is of code for row-major arrays."""
        return layout.function is self._variants.get(self.plan.usual)

    def work(self, sizes: Mapping[str, int]) -> int:
        """How much there is to do in one call, in units of `loops.work`."""
        return algebra.evaluate(self.plan.work, self.plan.complete(sizes))

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
        key = (count, tuple([sizes[name] for name in self.plan.sizes]), tuple([a.strides for a in arrays]))
        found = self._layouts.get(key)
        if found is None:
            if len(self._layouts) >= MOST_LAYOUTS:
                self._layouts.clear()
            orders = self._orders(arrays)
            made = self if orders is None else self._of(orders)
            if orders is not None and made is not self:
                arrays = [*(a.transpose(o) for a, o in zip(arrays, orders, strict=False)), *arrays[len(orders) :]]
            found = self._layouts[key] = made._layout(arrays, made.plan.complete(sizes), count)
        return found

    def _orders(self, arrays: Sequence[Array]) -> Orders | None:
        """The orders of the inputs' axes, where some large one's neighbours lie along another axis than its last; else None."""
        if self._reorder is None or any(a.size == 0 or any(s % a.itemsize for s in a.strides) for a in arrays):
            return None
        inputs = arrays[: self.plan.inputs]
        orders = tuple(map(_order, inputs))
        usual = (list(o) == sorted(o) or a.size < ENOUGH for o, a in zip(orders, inputs, strict=True))
        return None if all(usual) else orders

    def _of(self, orders: Orders) -> Executable:
        """The executable for inputs with their axes in these orders; this one, where there are enough of them."""
        with LOCK:
            found = self._reordered.get(orders)
            if found is None:
                if self._reorder is None or len(self._reordered) >= MOST_ORDERS:
                    return self
                started = time.perf_counter()
                found = self._reordered[orders] = self._reorder(orders)
                self.further, self.seconds = self.further + 1, self.seconds + time.perf_counter() - started
            return found

    def _call(self, layout: Layout, arrays: Sequence[Array]) -> int | None:
        try:
            workspace = memory.take(layout.workspace)
        except MemoryError:
            raise self._too_large(layout.shape, layout.workspace) from None
        addresses = [a.__array_interface__["data"][0] for a in arrays]
        layout.function(self._pointers.pack(*addresses, workspace.address) + layout.words)
        threads.raise_if_stopped()
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
        for number, (usual, array) in enumerate(zip(self.plan.usual, arrays, strict=True)):
            if array.size == 0:
                empty[number], steps, facts = _stand_in(usual, array)
            elif any(s % array.itemsize for s in array.strides):
                copied.append(number)
                steps, facts = _row_major(array.shape), usual
            else:
                steps = tuple(s // array.itemsize for s in array.strides)
                facts = _known_strides(usual, array.shape, steps)
            known.append(facts)
            strides += steps
        if known != [*self.plan.usual]:  # nothing is made anew for strides that no element shows
            for number, usual in enumerate(self.plan.usual[: self.plan.inputs]):
                if not _tells(usual, arrays[number].shape):
                    known[number] = (None,) * len(usual)
        running = self.plan.running(sizes)
        regions = [
            threads.region(region.units(sizes) if running[region.kernel] else 0, algebra.evaluate(region.work, sizes), count)
            for region in self.plan.regions
        ]
        offsets, slots, slot = self._places(sizes, running)
        parallel = any(r.chunk for r in regions)
        total = slots + slot * (count if parallel else 1)
        shape = self._largest(sizes, running)
        if total > memory.LARGEST:
            raise self._too_large(shape, total)
        names = (*self.plan.sizes, *(name for name, _ in self.plan.derived))
        runs = (int(r) for r, when in zip(running, self.plan.when, strict=True) if when)
        shared = (count, threads.parallel() if parallel else 0, slots, slot)
        words = self.plan.words((sizes[name] for name in names), strides, offsets, shared, ((r.units, r.chunk) for r in regions), runs, 0)
        checks = tuple(offsets[self.plan.intermediates : self.plan.shared])
        packed = struct.pack(f"={len(words)}q", *words)
        return Layout(self._variant(tuple(known)), packed, total, checks, tuple(copied), empty, shape)

    def _places(self, sizes: Mapping[str, int], running: Sequence[bool]) -> tuple[list[int], int, int]:
        """(where each memory of the workspace lies, a scratch among its thread's; where the threads' begin; how much each has)."""
        blocks = [memory.Block(o.bytes(sizes) if o.is_used(running) else 0, o.first, o.last) for o in self.plan.owned]
        shared = self.plan.shared
        (places, slots), (own, slot) = memory.plan(blocks[:shared]), memory.plan(blocks[shared:])
        return places + own, slots, -(-slot // memory.APART) * memory.APART

    def _largest(self, sizes: Mapping[str, int], running: Sequence[bool]) -> tuple[int, ...]:
        """The shape of the largest intermediate, for messages."""
        largest = max((o for o in self.plan.owned if o.is_used(running)), key=lambda o: o.bytes(sizes), default=None)
        return () if largest is None else tuple(algebra.evaluate(e, sizes) for e in largest.extents)

    def _too_large(self, shape: tuple[int, ...], count: int) -> MemoryError:
        return MemoryError(
            f"{self.name}: its intermediates take {count} bytes, more than there are; the largest has the shape {list(shape)}"
        )


def _first_failed(base: int, checks: Sequence[int]) -> int | None:
    for number, offset in enumerate(checks):
        if ctypes.c_int64.from_address(base + offset).value != PASSED:
            return number
    return None


# Strides.


def _shown(key: Key) -> str:
    """The strides that code relies on, for people: `[_, 1]` for an array of which only the last one is known."""
    return ", ".join(f"[{', '.join('_' if s is None else str(s) for s in strides)}]" for strides in key)


def _row_major(shape: Sequence[int]) -> tuple[int, ...]:
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    return tuple(strides)


def _known_strides(usual: Strides, shape: Sequence[int], strides: Sequence[int]) -> Strides:
    """What code for an array with these strides may rely on: the usual facts where they hold, else which strides are 1 and 0."""
    if all(fact is None or stride == fact or extent == 1 for fact, stride, extent in zip(usual, strides, shape, strict=True)):
        return usual
    unit = next((axis for axis in reversed(range(len(shape))) if strides[axis] == 1 and shape[axis] != 1), None)
    return tuple(1 if axis == unit else 0 if stride == 0 else None for axis, stride in enumerate(strides))


def _order(array: Array) -> tuple[int, ...]:
    """The axes of an array as they lie in memory, those of one point or of one element for all first; as they are where none is last."""
    wide = [a for a in range(array.ndim) if array.shape[a] > 1 and array.strides[a]]
    if not wide or all(array.strides[a] != array.itemsize for a in wide) or any(array.strides[a] < 0 for a in wide):
        return tuple(range(array.ndim))
    narrow = [a for a in range(array.ndim) if a not in wide]
    if array.strides[wide[-1]] == array.itemsize:
        return tuple(range(array.ndim))
    return (*narrow, *sorted(wide, key=lambda a: -array.strides[a]))


def _tells(usual: Strides, shape: Sequence[int]) -> bool:
    """Whether the strides of an array of this shape tell one that is row-major from others."""
    return 0 not in shape and not any(fact == 1 and extent == 1 for fact, extent in zip(usual, shape, strict=True))


def _stand_in(usual: Strides, array: Array) -> tuple[Array, tuple[int, ...], Strides]:
    """Memory in place of an empty array, in which every subscript that is inside may be read; with strides of 0, one element does."""
    shape = tuple(max(extent, 1) for extent in array.shape)
    count = array.itemsize
    for extent in shape:
        count *= extent
    if count <= DUMMY:
        return np.zeros(shape, array.dtype), _row_major(shape), usual
    return np.zeros(1, array.dtype), (0,) * len(shape), (None,) * len(shape)
