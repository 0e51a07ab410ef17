"""A schedule's code, made by LLVM, and what a call must know of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from tensorc.algebra import ZERO
from tensorc.backends.llvm import target
from tensorc.backends.llvm.emit import ENTRY, Emitted, emit, lanes_of
from tensorc.backends.llvm.frame import Frame, usual_strides
from tensorc.backends.llvm.parallel import pieces
from tensorc.loops.nest import Buffer, Memory, Schedule
from tensorc.loops.work import work
from tensorc.runtime import texts
from tensorc.runtime.executable import Image, Key
from tensorc.runtime.plan import Owned, Plan, Region


class Scheduled:
    """The kernels of a schedule for a CPU."""

    entry = ENTRY

    def __init__(self, schedule: Schedule, cpu: target.Target) -> None:
        self.schedule = schedule
        self.target = cpu
        self.frame = Frame(schedule)
        self.texts: Mapping[str, str] = texts.stages(lambda: self.emitted().text, cpu)

    @cached_property
    def plan(self) -> Plan:
        schedule, frame = self.schedule, self.frame
        owned = [Owned(m.extents, m.dtype.bytes, first, last) for (_, m), (first, last) in zip(frame.owned, _lifetimes(frame), strict=True)]
        return Plan(
            sizes=frame.sizes,
            derived=tuple(schedule.derived.items()),
            usual=tuple(map(usual_strides, frame.strided)),
            owned=tuple(owned),
            intermediates=len(schedule.intermediates),
            checks=len(schedule.checks),
            regions=tuple(self._region(number, n) for number, n in frame.regions),
            work=sum((work(kernel.body) for kernel in schedule.kernels), ZERO),
            length=frame.length,
        )

    def _region(self, number: int, n: int) -> Region:
        kernel = self.schedule.kernels[number]
        piece = pieces(kernel)[n]
        return Region(piece.steps(lanes_of(kernel, self.target)), work(piece.body))

    @property
    def stages(self) -> dict[str, bytes]:
        """What the schedule is, to be read."""
        from tensorc.loops.text import show, show_schedule

        return {"schedule": show_schedule(self.schedule).encode(), "loops": "\n\n".join(map(show, self.schedule.kernels)).encode()}

    def image(self, key: Key) -> Image:
        emitted = self.emitted(key)
        return Image(target.emit_object(emitted.text, self.target), self.entry, tuple(emitted.symbols))

    def emitted(self, key: Key | None = None) -> Emitted:
        """The module for arrays of whose strides so much is known: by default, row-major ones."""
        known = self.plan.usual if key is None else key
        return emit(self.frame, dict(zip(self.frame.strided, known, strict=True)), self.target)


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
