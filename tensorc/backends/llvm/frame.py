"""The frame: the one array of 64-bit words through which a call gives its pointers, sizes and strides to the kernels of a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tensorc import algebra
from tensorc.backends.llvm.parallel import Piece, pieces
from tensorc.ir.tensor import Input
from tensorc.loops.nest import Buffer, Memory, Schedule, Scratch

Strides = tuple[int | None, ...]
"""What code may rely on of a memory's strides, in elements: 0, 1, or nothing, for each axis."""


@dataclass(frozen=True)
class Frame:
    """Which word of the frame holds what.

    First the addresses of the inputs, of the results and of the workspace, which change with each call; then what follows from sizes and
    strides: the sizes, the strides in elements of inputs and results, and where in the workspace each intermediate and check lies, and each
    scratch in what a thread has for itself. Then how the kernels run on threads: how many there are; the function that runs a region on
    them; where in the workspace the first thread's scratch lies, and how many bytes further each other's; and for each region how many
    units it has, and how many a thread takes at a time, 0 where one takes all; of each kernel that does not run in every call whether it
    runs. The last word is the code's: the address of the words that the kernel that is running has for itself, where its code serves others
    too.
    """

    schedule: Schedule

    @cached_property
    def strided(self) -> tuple[Input, ...]:
        """The memory that the caller brings, whose strides are known at the call only."""
        return (*self.schedule.inputs, *self.schedule.results)

    @cached_property
    def owned(self) -> tuple[tuple[int | None, Memory], ...]:
        """The row-major memory in the workspace, each scratch with its kernel's number, the scratch last."""
        scratch = ((number, s) for number, kernel in enumerate(self.schedule.kernels) for s in kernel.scratch)
        return (*((None, b) for b in (*self.schedule.intermediates, *self.schedule.checks)), *scratch)

    @cached_property
    def sizes(self) -> tuple[str, ...]:
        """Those of the inputs; the derived ones come behind them."""
        return tuple(sorted({s.name for t in self.schedule.inputs for e in t.extents for s in algebra.sizes(e)}))

    @cached_property
    def pieces(self) -> tuple[tuple[Piece, ...], ...]:
        """Each kernel in pieces."""
        return tuple(map(pieces, self.schedule.kernels))

    @cached_property
    def regions(self) -> tuple[tuple[int, int], ...]:
        """The pieces of kernels that are shared out, each by the kernel's number and its own."""
        return tuple((number, n) for number, several in enumerate(self.pieces) for n, piece in enumerate(several) if piece.shared)

    @cached_property
    def switched(self) -> tuple[int, ...]:
        """The kernels that do not run in every call, by their numbers."""
        return tuple(number for number, kernel in enumerate(self.schedule.kernels) if kernel.when)

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
        keys += [("size", name) for name in (*self.sizes, *self.schedule.derived)]
        keys += [("stride", t, axis) for t in self.strided for axis in range(len(t.extents))]
        keys += self.owned
        keys += ["threads", "parallel", "slots", "slot"]
        keys += [(word, region) for region in self.regions for word in ("units", "chunk")]
        keys += [("runs", number) for number in self.switched]
        keys.append("own")
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

    @property
    def own(self) -> int:
        """The word with the address of the running kernel's own words."""
        return self._words["own"]

    def offset(self, kernel: int, memory: Buffer | Scratch) -> int:
        """The word with the place in the workspace, or among a thread's scratch, in bytes."""
        return self._words[(kernel, memory) if isinstance(memory, Scratch) else (None, memory)]

    def runs(self, kernel: int) -> int | None:
        """The word that is 0 where a kernel does not run; None for one that always does."""
        return self._words.get(("runs", kernel))

    def threads(self, word: str, region: tuple[int, int] | None = None) -> int:
        """A word that tells how kernels run on threads: "threads", "parallel", "slots", "slot", or a region's "units" or "chunk"."""
        return self._words[word if region is None else (word, region)]


def usual_strides(memory: Input) -> Strides:
    """What holds of a row-major array: the last axis that is not of one point has stride 1."""
    wide = [axis for axis, e in enumerate(memory.extents) if e.constant != 1]
    return tuple(1 if wide and axis == wide[-1] else None for axis in range(len(memory.extents)))
