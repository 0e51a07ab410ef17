"""Programs run by Triton kernels: variants for classes of sizes, memory for what lies between kernels, and the launches of a call."""

from __future__ import annotations

import atexit
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc import algebra
from tensorc.algebra import Poly
from tensorc.backends.triton import compile, interpreter, launcher, modules
from tensorc.backends.triton.compile import Compiled, Target
from tensorc.backends.triton.emit import FINISHED, Emitted, EmittedKernel, Options, emit
from tensorc.config import config
from tensorc.ir.program import Program
from tensorc.loops.nest import Buffer, Memory
from tensorc.runtime import cache, memory
from tensorc.runtime.arrays import Array
from tensorc.schedule.gpu import Situation, Sizes, schedule
from tensorc.schedule.gpu.space import stride_name

if TYPE_CHECKING:
    from tensorc.runtime.device import Moved

PASSED = (1 << 63) - 1
"""What a check's cell holds where every place is inside."""

GUARD = 64
"""Elements before and after each array that the interpreter is given, which no kernel may touch."""

Strides = tuple[int, ...]


@dataclass(frozen=True)
class Variant:
    """The kernels of a program for a class of sizes and strides."""

    emitted: Emitted

    @cached_property
    def module(self) -> ModuleType:
        return modules.load(modules.write(self.emitted.text, self.emitted.planned.schedule.name, _folder()))


def _folder() -> Path:
    """Where the generated modules are: in the cache, or, where nothing is written there, in a folder of this process alone."""
    return cache.folder() / "triton" if config.cache == "rw" else _own_folder()


@lru_cache
def _own_folder() -> Path:
    made = tempfile.TemporaryDirectory(prefix="tensorc_triton_")
    atexit.register(made.cleanup)
    return Path(made.name)


class Variants:
    """The variants of a program, each made when a call first needs it."""

    def __init__(self, program: Program, options: Options | None = None) -> None:
        self.program = program
        self.options = options or Options()
        self._made: dict[Situation, Variant] = {}
        self._lock = threading.RLock()

    def of(self, sizes: Mapping[str, int], strides: Sequence[Strides | None]) -> tuple[Variant, dict[str, int]]:
        """The variant for the sizes and for inputs of these strides in elements (None: row-major), and all that kernels take as sizes."""
        every = dict(sizes)
        known: list[tuple[str, tuple[int | None, ...]]] = []
        for tensor, given in zip(self.program.inputs, strides, strict=True):
            if given is not None:
                known.append((tensor.name, tuple(s if s in (0, 1) else None for s in given)))
                every |= {stride_name(tensor.name, n): s for n, s in enumerate(given) if s not in (0, 1)}
        return self.made_for(Situation(Sizes.of(every), tuple(known))), every

    def made_for(self, situation: Situation) -> Variant:
        """The variant for a situation."""
        with self._lock:
            found = self._made.get(situation)
            if found is None:
                found = self._made[situation] = Variant(emit(schedule(self.program, situation), self.options))
            return found

    @property
    def made(self) -> tuple[Variant, ...]:
        """The variants that there are."""
        return tuple(self._made.values())


def grid_of(kernel: EmittedKernel, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The programs of a launch, in each dimension."""
    return tuple(prod(-(-algebra.evaluate(e, sizes) // block) for e, block in dimension) for dimension in kernel.grid)


def row_major(shape: Sequence[int]) -> Strides:
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)


def shape_of(extents: Sequence[Poly], sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(algebra.evaluate(e, sizes) for e in extents)


@dataclass(frozen=True)
class Workspace:
    """Where what lies between kernels is in one piece of memory of `bytes`."""

    offsets: Mapping[Memory, int]
    bytes: int


def workspace(emitted: Emitted, sizes: Mapping[str, int]) -> Workspace:
    """A place for each intermediate and check: those that are not in use at once share theirs."""
    s = emitted.planned.schedule
    first: dict[Memory, int] = {}
    last: dict[Memory, int] = {}
    for number, kernel in enumerate(s.kernels):
        for m in kernel.memory:
            owner = s.aliases.get(m, m) if isinstance(m, Buffer) else m
            first.setdefault(owner, number)
            last[owner] = number
    end = len(s.kernels)
    last |= dict.fromkeys(s.checks, end)
    owned = (*s.intermediates, *s.checks)
    blocks = [memory.Block(max(prod(shape_of(m.extents, sizes)), 1) * m.dtype.bytes, first.get(m, 0), last.get(m, end)) for m in owned]
    offsets, total = memory.plan(blocks)
    return Workspace(dict(zip(owned, offsets, strict=True)), total)


def options(target: Target | None = None) -> Options:
    """What the settings say of kernels, for a target, or for any of NVIDIA's."""
    vendor = "cuda" if target is None else target.vendor
    return Options(vendor, config.precision, config.deterministic, config.fp_fusion, target is not None and target.has_descriptors)


# Texts.

STAGES = ("schedule", "loops", *compile.STAGES)
"""The stages that depend on the GPU, or on that there is one."""

DEFAULT = "cuda:sm_90"
"""The target of stages that need one where none is given."""

USUAL = 1024
"""A size of which nothing is said, in what is printed."""


def stage_text(program: Program, stage: str, target: str, sizes: Mapping[str, int]) -> str:
    """What a stage makes of a program for a GPU, for sizes such as these and row-major inputs."""
    from tensorc.loops.text import show, show_schedule

    goal = compile.parse(DEFAULT if target in ("cpu", "cpu:fast", "triton", "reference") else target)
    named = usual(program, sizes)
    if stage in ("schedule", "loops"):
        planned = schedule(program, Situation(Sizes.of(named)))
        return show_schedule(planned.schedule) if stage == "schedule" else "\n\n".join(map(show, planned.schedule.kernels))
    if stage == "triton":
        return standalone_text(program, [named], goal).rstrip()
    compiled = machine_code(program, str(goal), named)
    return "\n\n".join(f"{'//' if stage != 'sass' else '#'} {c.kernel.name}\n{c.text(stage).rstrip()}" for c in compiled)


def standalone_text(program: Program, sizes: Sequence[Mapping[str, int]], target: Target | None = None) -> str:
    """A module with kernels for each of the sizes, and for any; for a target, or for all of NVIDIA's."""
    chosen = options(target)
    found = [emit(schedule(program, Situation(Sizes.of(s))), replace(chosen, suffix=f"_{n}" if n else "")) for n, s in enumerate(sizes)]
    names = {s.name for t in program.inputs for e in t.extents for s in algebra.sizes(e)}
    if names:
        found.append(emit(schedule(program, Situation(Sizes.any(names))), replace(chosen, suffix="_any" if found else "")))
    return launcher.standalone(program, found)


def machine_code(program: Program, target: str, sizes: Mapping[str, int]) -> list[Compiled]:
    """The kernels of a program compiled for a target and for sizes such as these."""
    goal = compile.parse(target)
    return build(program, Situation(Sizes.of(usual(program, sizes))), goal, options(goal))[1]


def usual(program: Program, sizes: Mapping[str, int]) -> dict[str, int]:
    """All sizes of a program, those that are not given too."""
    return {s.name: sizes.get(s.name, USUAL) for t in program.inputs for e in t.extents for s in algebra.sizes(e)}


def build(program: Program, situation: Situation, target: Target, chosen: Options) -> tuple[Variant, list[Compiled]]:
    """The kernels of a program compiled for a target; where registers do not suffice, those of a schedule that needs fewer."""
    compile.require()
    best: tuple[Variant, list[Compiled]] | None = None
    for relief in range(RELIEF):
        variant = Variant(emit(schedule(program, replace(situation, relief=relief)), chosen))
        compiled = compile.compile_all(variant.emitted, variant.module, target)
        spilled = sum(c.spilled for c in compiled)
        if best is None or spilled < sum(c.spilled for c in best[1]):
            best = variant, compiled
        if not spilled:
            break
    assert best is not None
    return best


RELIEF = 4
"""How often rows in registers are halved."""


def executable(program: Program) -> Interpreted | Moved:
    """The program for the target `triton`. TargetUnavailable where neither a GPU nor the interpreter can run it."""
    if config.triton == "interpret":
        return Interpreted(program, options())
    from tensorc.runtime.device import Moved

    return Moved(program)


class Interpreted:
    """A program run by Triton's interpreter on NumPy arrays. `guard`: arrays get margins, and one that a kernel writes is an error."""

    def __init__(self, program: Program, options: Options | None = None, guard: bool = False) -> None:
        interpreter.prepare()
        self.program = program
        self.guard = guard
        self.variants = Variants(program, options)

    def run(self, inputs: Sequence[Array], sizes: Mapping[str, int], outputs: Sequence[Array]) -> int | None:
        """Write the results; the index of a check of the program that failed, if one did."""
        given = [np.ascontiguousarray(a) if any(s < 0 or s % a.itemsize for s in a.strides) else a for a in inputs]
        strides = [tuple(s // a.itemsize for s in a.strides) for a in given]
        shapes = [a.shape for a in given]
        known = [None if a.flags.c_contiguous else s for a, s in zip(given, strides, strict=True)]
        variant, every = self.variants.of(sizes, known)
        s = variant.emitted.planned.schedule
        arrays: dict[Memory, Array] = {}
        for m, a, k, shape in zip(s.inputs, given, known, shapes, strict=True):
            arrays[m] = self._margins(a) if k is None else a.reshape(shape)
        for b in (*s.results, *s.intermediates, *s.checks):
            arrays[b] = self._margins(np.empty(shape_of(b.extents, every), b.dtype.numpy), written=True)
        for alias, base in s.aliases.items():
            arrays[alias] = arrays[base]
        arrays[FINISHED] = np.zeros((), np.int32)
        for kernel in variant.emitted.kernels:
            _interpret(variant.module, kernel, arrays, every)
        assert int(arrays[FINISHED]) == 0
        for b in (*s.results, *s.intermediates, *s.checks):
            self._check(b, arrays[b])
        for output, b in zip(outputs, s.results, strict=True):
            output[...] = arrays[b]
        return next((n for n, b in enumerate(s.checks) if int(arrays[b]) != PASSED), None)

    def _margins(self, array: Array, written: bool = False) -> Array:
        """The array between margins whose values show where they are read: NaN, or the greatest integer."""
        if not self.guard:
            return array
        whole = np.empty(array.size + 2 * GUARD, array.dtype)
        whole.fill(np.nan if array.dtype.kind not in "biu" else np.iinfo(array.dtype).max if array.dtype.kind != "b" else True)
        inside = whole[GUARD : GUARD + array.size].reshape(array.shape)
        if not written:
            inside[...] = array
        return inside

    def _check(self, b: Buffer, array: Array) -> None:
        if not self.guard:
            return
        whole = array
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        margins = np.concatenate([whole[:GUARD], whole[-GUARD:]])
        untouched = (
            np.isnan(margins.astype(np.float32))
            if array.dtype.kind not in "biu"
            else margins == margins.dtype.type(np.iinfo(array.dtype).max if array.dtype.kind != "b" else True)
        )
        assert untouched.all(), f"a kernel wrote outside of {b.name}"


def _interpret(module: ModuleType, kernel: EmittedKernel, arrays: Mapping[Memory, Array], sizes: Mapping[str, int]) -> None:
    grid = grid_of(kernel, sizes)
    if 0 in grid:
        return
    pointers = [interpreter.Pointer(interpreter.bits_of(arrays[m], m.dtype), m.dtype) for m in kernel.pointers]
    function: Any = getattr(module, kernel.name)
    with np.errstate(all="ignore"):
        function[grid](*pointers, *(sizes[name] for name in kernel.sizes), **kernel.constants)
