"""Memory for a program's intermediates: one workspace a call, in which those that do not live at once share their place."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIGNMENT = 64

APART = 256
"""So far from each other is what different threads write: processors fetch more than a line at a time."""

LARGEST = 1 << 47
"""More bytes than any machine addresses."""

KEPT = 1 << 28
"""The most bytes that a thread keeps for its next call: fresh pages cost more than most kernels."""


@dataclass(frozen=True)
class Block:
    """`bytes` that are in use from step `first` to step `last`."""

    bytes: int
    first: int
    last: int


def plan(blocks: Sequence[Block]) -> tuple[list[int], int]:
    """(where each block lies, how many bytes there are in all): aligned, and apart from every other that is in use at once."""
    offsets = [0] * len(blocks)
    holes: list[tuple[int, int]] = []  # (start, end), in order
    ending: dict[int, list[int]] = {}
    total, freed = 0, 0
    for number in sorted(range(len(blocks)), key=lambda n: blocks[n].first):
        block = blocks[number]
        while freed < block.first:
            for ended in ending.pop(freed, ()):
                holes = _with_hole(holes, offsets[ended], offsets[ended] + _padded(blocks[ended].bytes))
            freed += 1
        needed = _padded(block.bytes)
        fitting = [h for h in holes if h[1] - h[0] >= needed]
        if fitting:
            start, end = min(fitting, key=lambda h: h[1] - h[0])
            holes[holes.index((start, end))] = (start + needed, end)
        elif holes and holes[-1][1] == total:
            start, _ = holes.pop()
            total = start + needed
        else:
            start, total = total, total + needed
        holes = [h for h in holes if h[0] < h[1]]
        offsets[number] = start
        ending.setdefault(block.last, []).append(number)
    return offsets, total


def _padded(count: int) -> int:
    return max(-(-count // ALIGNMENT), 1) * ALIGNMENT


def _with_hole(holes: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """The holes with one more, joined to its neighbours."""
    result: list[tuple[int, int]] = []
    for low, high in sorted([*holes, (start, end)]):
        if result and result[-1][1] == low:
            result[-1] = (result[-1][0], high)
        else:
            result.append((low, high))
    return result


# Workspaces.


@dataclass
class Workspace:
    memory: NDArray[np.uint8]
    address: int


class _Kept(threading.local):
    def __init__(self) -> None:
        self.free: list[Workspace] = []


_kept = _Kept()


def take(count: int) -> Workspace:
    """A workspace of at least so many bytes, whatever is in them: this thread's last one where it is large enough. Raises MemoryError."""
    if _kept.free:
        found = _kept.free.pop()  # a call inside of this call, by a signal handler, finds none and makes its own
        if found.memory.nbytes >= count + ALIGNMENT:
            return found
    memory = np.empty(count + ALIGNMENT, np.uint8)
    return Workspace(memory, aligned(memory))


def give_back(workspace: Workspace) -> None:
    if workspace.memory.nbytes <= KEPT and not _kept.free:
        _kept.free.append(workspace)


def release() -> None:
    """Forget what this thread keeps for its next call."""
    _kept.free.clear()


def aligned(memory: NDArray[Any]) -> int:
    """The first aligned address in an array."""
    address: int = memory.ctypes.data
    return -(-address // ALIGNMENT) * ALIGNMENT
