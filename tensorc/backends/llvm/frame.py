"""The frame: the one array of 64-bit words through which a call gives its pointers, sizes and strides to the kernels of a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tensorc import algebra
from tensorc.ir.tensor import Input
from tensorc.loops.nest import Buffer, Memory, Schedule, Scratch

Strides = tuple[int | None, ...]
"""What code may rely on of a memory's strides, in elements: 0, 1, or nothing, for each axis."""


@dataclass(frozen=True)
class Frame:
    """Which word of the frame holds what.

    First the addresses of the inputs, of the results and of the workspace, which change with each call; then what follows from sizes and
    strides: the sizes, the strides in elements of inputs and results, and where in the workspace each intermediate, check and scratch lies.
    """

    schedule: Schedule

    @cached_property
    def strided(self) -> tuple[Input, ...]:
        """The memory that the caller brings, whose strides are known at the call only."""
        return (*self.schedule.inputs, *self.schedule.results)

    @cached_property
    def owned(self) -> tuple[tuple[int | None, Memory], ...]:
        """The row-major memory in the workspace, each scratch with its kernel's number."""
        scratch = ((number, s) for number, kernel in enumerate(self.schedule.kernels) for s in kernel.scratch)
        return (*((None, b) for b in (*self.schedule.intermediates, *self.schedule.checks)), *scratch)

    @cached_property
    def sizes(self) -> tuple[str, ...]:
        return tuple(sorted({s.name for t in self.schedule.inputs for e in t.extents for s in algebra.sizes(e)}))

    @property
    def workspace(self) -> int:
        return len(self.strided)

    @property
    def pointers(self) -> int:
        """How many words at the start change with each call."""
        return len(self.strided) + 1

    @cached_property
    def _words(self) -> Mapping[object, int]:
        keys: list[object] = [*self.strided, "workspace"]
        keys += [("size", name) for name in self.sizes]
        keys += [("stride", t, axis) for t in self.strided for axis in range(len(t.extents))]
        keys += self.owned
        return {key: word for word, key in enumerate(keys)}

    @property
    def length(self) -> int:
        return len(self._words)

    def pointer(self, memory: Input) -> int:
        return self._words[memory]

    def size(self, name: str) -> int:
        return self._words["size", name]

    def stride(self, memory: Input, axis: int) -> int:
        return self._words["stride", memory, axis]

    def offset(self, kernel: int, memory: Buffer | Scratch) -> int:
        """The word with the place in the workspace, in bytes."""
        return self._words[(kernel, memory) if isinstance(memory, Scratch) else (None, memory)]


def usual_strides(memory: Input) -> Strides:
    """What holds of a row-major array: the last axis that is not of one point has stride 1."""
    wide = [axis for axis, e in enumerate(memory.extents) if e.constant != 1]
    return tuple(1 if wide and axis == wide[-1] else None for axis in range(len(memory.extents)))
