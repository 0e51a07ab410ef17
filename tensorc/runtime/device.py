"""The current GPU: programs compiled for it, and their launches on memory that lies there, of torch or of anyone.

A call is worked out once for its sizes, strides and alignment: which programs run, with which arguments, and where in one workspace lies
what is between kernels. What is left for each call is to put addresses into tuples.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tensorc.backends.triton import compile
from tensorc.backends.triton.compile import ALIGNED, Target
from tensorc.backends.triton.emit import FINISHED, EmittedKernel
from tensorc.config import config
from tensorc.dtypes import bool_
from tensorc.errors import TargetUnavailable
from tensorc.ir.program import Program
from tensorc.loops.nest import Memory
from tensorc.runtime import arrays, dlpack, tuning
from tensorc.runtime.arrays import Array
from tensorc.runtime.dlpack import OnGPU
from tensorc.runtime.gpu import PASSED, RELIEF, Strides, Variant, Variants, grid_of, options, shape_of, workspace
from tensorc.schedule.gpu import Launch

DESCRIPTOR = 128
"""Bytes of a descriptor of tiles, and what it is aligned to."""

MOST_CALLS = 1024
"""So many kinds of calls are remembered."""


def current() -> Target:
    """The target that is the current GPU. TargetUnavailable where there is none that Triton can use."""
    compile.require()
    from triton.runtime import driver

    try:
        found = driver.active.get_current_target()
    except Exception as reason:  # whatever keeps Triton from it
        raise TargetUnavailable(f"the target `triton` finds no GPU that Triton can use ({reason})") from None
    return Target(found.backend, f"sm_{found.arch}" if found.backend == "cuda" else str(found.arch).split(":")[0])


@dataclass(frozen=True)
class Step:
    """One kernel's launch: Triton's launcher, what it is given first, and the arguments, a pointer as (address number, offset in bytes)."""

    name: str
    run: Any
    grid: tuple[int, int, int]
    function: Any
    metadata: Any
    pointers: tuple[tuple[int, int], ...]
    rest: tuple[int, ...]
    scratch: tuple[int, int] | None  # where its descriptors lie

    def __call__(self, addresses: Sequence[int], stream: int) -> None:
        x, y, z = self.grid
        pointers = [addresses[n] + offset for n, offset in self.pointers]
        if self.scratch is None:
            self.run(x, y, z, stream, self.function, self.metadata, None, None, None, *pointers, *self.rest)
            return
        number, offset = self.scratch
        with _memory(addresses[number] + offset):
            self.run(x, y, z, stream, self.function, self.metadata, None, None, None, *pointers, *self.rest)


class _Given:
    """Memory as Triton's launcher asks for it."""

    def __init__(self, address: int) -> None:
        self.address = address

    def data_ptr(self) -> int:
        return self.address


@contextmanager
def _memory(address: int) -> Iterator[None]:
    """Let launches have this memory for their descriptors; what else gives Triton memory does so again afterwards."""
    from triton.runtime import _allocation

    token = _allocation._allocator.set(lambda size, alignment, stream: _Given(address))
    try:
        yield
    finally:
        _allocation._allocator.reset(token)


@dataclass(frozen=True)
class Launches:
    """A call of a program. Addresses are those of the inputs, of the results, of the workspace, and, where programs count those that have
    finished, of a number that is 0.
    """

    steps: tuple[Step, ...]
    results: tuple[tuple[int, ...], ...]  # their shapes
    workspace: int  # bytes
    checks: tuple[int, ...]  # where in the workspace
    counts: bool

    def __call__(self, addresses: Sequence[int], stream: int) -> None:
        for step in self.steps:
            step(addresses, stream)


class OnDevice:
    """A program on the GPU that was current when it was made."""

    def __init__(self, program: Program) -> None:
        self.target = current()
        self.program = program
        chosen = options(self.target)
        self.variants = Variants(program, chosen)
        self.plain = Variants(program, replace(chosen, descriptors=False))  # for memory that is not aligned
        self._kernels: dict[Any, tuple[Variant, list[Any]]] = {}
        self._calls: dict[Any, Launches] = {}
        self._tuned: set[Any] = set()
        self._lock = threading.RLock()

    def launches(self, sizes: Mapping[str, int], strides: Sequence[Strides | None], addresses: Sequence[int]) -> Launches:
        """What a call does for the sizes, and for inputs of the strides (None: row-major) that lie at the addresses."""
        unaligned = tuple([n for n, a in enumerate(addresses) if a % ALIGNED])
        key = (tuple(sizes.values()), tuple(strides), unaligned)
        found = self._calls.get(key)
        if found is None:
            with self._lock:
                if len(self._calls) >= MOST_CALLS:
                    self._calls.clear()
                variant, every = self._variants(unaligned).of(sizes, strides)
                found = self._calls[key] = _launches(*self._compiled(variant, unaligned), every)
        return found

    def tune(
        self,
        sizes: Mapping[str, int],
        strides: Sequence[Strides | None],
        addresses: Sequence[int],
        stream: int,
        time: Callable[[Callable[[], None]], float],
    ) -> None:
        """Choose the launches of a call's kernels by what `time` says of running them on this memory, of which results are overwritten."""
        unaligned = tuple([n for n, a in enumerate(addresses[: len(self.program.inputs)]) if a % ALIGNED])
        variant, every = self._variants(unaligned).of(sizes, strides)
        with self._lock:
            variant, compiled = self._compiled(variant, unaligned)
            key = (variant.emitted.planned.situation, unaligned)
            if key in self._tuned:
                return
            self._tuned.add(key)
            _launches(variant, compiled, every)(addresses, stream)  # so that what kernels read from each other is there
            for n, kernel in enumerate(variant.emitted.kernels):

                def measure(launch: Launch, n: int = n, kernel: EmittedKernel = kernel) -> float:
                    try:
                        made = self._kernel(variant, replace(kernel, launch=launch), unaligned)
                    except Exception:  # the GPU has not so much of what it would take
                        return math.inf
                    tried = _launches(variant, [*compiled[:n], made, *compiled[n + 1 :]], every)
                    step = next((s for s in tried.steps if s.name == kernel.name), None)
                    return math.inf if made.n_spills else 0.0 if step is None else time(lambda: step(addresses, stream))

                compiled[n] = self._kernel(variant, tuning.tuned(kernel, self.target, measure), unaligned)
            self._calls.clear()

    def _variants(self, unaligned: tuple[int, ...]) -> Variants:
        return self.plain if unaligned else self.variants

    def _kernel(self, variant: Variant, kernel: EmittedKernel, unaligned: tuple[int, ...]) -> Any:
        """Triton's compiled kernel, loaded."""
        inputs = variant.emitted.planned.schedule.inputs
        crooked = frozenset(inputs[n] for n in unaligned if n < len(inputs))
        made = compile.compile_kernel(variant.emitted, kernel, variant.module, self.target, crooked)
        made._init_handles()
        return made

    def _compiled(self, variant: Variant, unaligned: tuple[int, ...]) -> tuple[Variant, list[Any]]:
        """Triton's compiled kernels, loaded; of a schedule that needs fewer registers, where these do not suffice."""
        key = (variant.emitted.planned.situation, unaligned)
        found = self._kernels.get(key)
        if found is not None:
            return found
        for relief in range(RELIEF):
            tried = variant if not relief else self._variants(unaligned).made_for(replace(variant.emitted.planned.situation, relief=relief))
            made = [self._kernel(tried, k, unaligned) for k in tried.emitted.kernels]
            if found is None or _spilled(made) < _spilled(found[1]):
                found = self._kernels[key] = self._kernels[tried.emitted.planned.situation, unaligned] = tried, made
            if not _spilled(made):
                break
        assert found is not None
        return found


def _spilled(kernels: Sequence[Any]) -> int:
    return sum(k.n_spills for k in kernels)


def _launches(variant: Variant, compiled: Sequence[Any], sizes: Mapping[str, int]) -> Launches:
    """What a call does whose kernels these are."""
    s = variant.emitted.planned.schedule
    space = workspace(variant.emitted, sizes)
    numbers: dict[Memory, tuple[int, int]] = {m: (n, 0) for n, m in enumerate((*s.inputs, *s.results))}
    place = len(numbers)
    numbers |= {m: (place, offset) for m, offset in space.offsets.items()} | {FINISHED: (place + 1, 0)}
    numbers |= {alias: numbers[base] for alias, base in s.aliases.items()}
    steps = []
    scratch, own = (
        -(-space.bytes // DESCRIPTOR) * DESCRIPTOR,
        0,
    )  # one kernel's descriptors take the place of another's
    for kernel, made in zip(variant.emitted.kernels, compiled, strict=True):
        grid = grid_of(kernel, sizes)
        if 0 in grid:
            continue
        x, y, z = (*grid, 1, 1)[:3]
        rest = (*(sizes[name] for name in kernel.sizes), *kernel.constants.values())
        pointers = tuple(numbers[m] for m in kernel.pointers)
        size = int(made.metadata.global_scratch_size) * x * y * z
        own = max(own, size)
        at = (place, scratch) if size else None
        steps.append(Step(kernel.name, made.run, (x, y, z), made.function, made.packed_metadata, pointers, rest, at))
    results = tuple(shape_of(b.extents, sizes) for b in s.results)
    counts = any(FINISHED in k.pointers for k in variant.emitted.kernels)
    return Launches(tuple(steps), results, scratch + own if own else space.bytes, tuple(space.offsets[b] for b in s.checks), counts)


def settings() -> tuple[object, ...]:
    """The settings that kernels depend on."""
    return config.precision, config.deterministic, config.fp_fusion


# Arrays that come by DLPack.


def run_arrays(kernels: OnDevice, sizes: Mapping[str, int], given: Sequence[OnGPU], library: Any) -> tuple[list[Any], int | None]:
    """The results of a program, as arrays of a library that follows the array API, on the default stream; the first check that failed."""
    launches = kernels.launches(sizes, [a.strides for a in given], [a.address for a in given])
    types = [getattr(library, "bool" if r.dtype is bool_ else arrays.torch_name(r.dtype)) for r in kernels.program.results]
    results = [library.empty(shape, dtype=t) for shape, t in zip(launches.results, types, strict=True)]
    space = library.empty((-(-launches.workspace // 8),), dtype=library.int64)
    finished = library.zeros((1,), dtype=library.int32)
    every = [*given, *(dlpack.read(a, "a result") for a in (*results, space, finished))]
    launches([a.address for a in every], 0)
    cells = [int(space[offset // 8]) for offset in launches.checks]
    return results, next((n for n, cell in enumerate(cells) if cell != PASSED), None)


# Tensors of torch.


def run(kernels: OnDevice, sizes: Mapping[str, int], tensors: Sequence[Any]) -> tuple[list[Any], int | None]:
    """The results of a program for tensors of one device, on its current stream; and the first check that failed.

    Nothing waits for the results but a check, which is left out while a CUDA graph is recorded, where nothing can wait.
    """
    import torch

    tensors = [t.resolve_neg() if t.is_neg() else t for t in tensors]
    device = tensors[0].device
    with _on(device):
        addresses = [t.data_ptr() for t in tensors]
        strides = [None if t.is_contiguous() else t.stride() for t in tensors]
        launches = kernels.launches(sizes, strides, addresses)
        types = [getattr(torch, arrays.torch_name(r.dtype)) for r in kernels.program.results]
        results = [torch.empty(shape, dtype=t, device=device) for shape, t in zip(launches.results, types, strict=True)]
        space = torch.empty(launches.workspace, dtype=torch.uint8, device=device) if launches.workspace else None
        addresses += [r.data_ptr() for r in results]
        addresses.append(0 if space is None else space.data_ptr())
        stream = _stream(device)
        finished = _finished(device, stream) if launches.counts else None
        addresses.append(0 if finished is None else finished.data_ptr())
        if config.autotune and not _is_captured():
            kernels.tune(sizes, strides, addresses, stream, _seconds)
            launches = kernels.launches(sizes, strides, addresses[: len(tensors)])
        launches(addresses, stream)
        if space is None or not launches.checks or _is_captured():
            return results, None
        cells = [int(space[offset : offset + 8].view(torch.int64)) for offset in launches.checks]
    return results, next((n for n, cell in enumerate(cells) if cell != PASSED), None)


def _on(device: Any) -> AbstractContextManager[object]:
    import torch

    made: AbstractContextManager[object] = torch.cuda.device(device)
    return made


def _stream(device: Any) -> int:
    import torch

    return int(torch._C._cuda_getCurrentRawStream(device.index))


def _seconds(call: Callable[[], None]) -> float:
    """The least time of several runs."""
    import torch

    found = []
    event: Any = torch.cuda.Event
    for _ in range(6):
        begin, end = event(enable_timing=True), event(enable_timing=True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        found.append(float(begin.elapsed_time(end)))
    return min(found[1:])


_counters: dict[tuple[int, int], Any] = {}


def _finished(device: Any, stream: int) -> Any:
    """A number that is 0 for a launch on the stream, and again after it: one for each stream, whose launches run one after the other. A
    graph that is captured makes its own, since it may run on any stream."""
    import torch

    if _is_captured():
        return torch.zeros((), dtype=torch.int32, device=device)
    found = _counters.get((device.index, stream))
    if found is None:
        found = _counters[device.index, stream] = torch.zeros((), dtype=torch.int32, device=device)
    return found


def _is_captured() -> bool:
    import torch

    return torch.cuda.is_current_stream_capturing()


class Moved:
    """A program on the current GPU for NumPy arrays, which torch takes there and back."""

    def __init__(self, program: Program) -> None:
        self.kernels = OnDevice(program)
        try:
            import torch
        except ImportError:
            raise TargetUnavailable("the target `triton` moves NumPy arrays by torch, which is not installed") from None
        if not torch.cuda.is_available():
            raise TargetUnavailable("the target `triton` moves NumPy arrays by torch, which finds no GPU")

    def run(self, inputs: Sequence[Array], sizes: Mapping[str, int], outputs: Sequence[Array]) -> int | None:
        """Write the results; the index of a check of the program that failed, if one did."""
        given = [arrays.to_torch(np.array(a)).cuda() for a in inputs]
        results, failed = run(self.kernels, sizes, given)
        for output, found in zip(outputs, results, strict=True):
            output[...] = arrays.view(found.cpu(), "a result")
        return failed
