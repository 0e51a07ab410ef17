"""A schedule's code, made by LLVM, and what a call must know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from tensorc.algebra import ZERO
from tensorc.backends.llvm import target
from tensorc.backends.llvm.emit import ENTRY, Emitted, emit, lanes_of
from tensorc.backends.llvm.frame import Frame, usual_strides
from tensorc.backends.llvm.objects import Objects
from tensorc.loops.nest import Buffer, Memory, Schedule
from tensorc.loops.work import work
from tensorc.recursion import roomy
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
        self.texts: Mapping[str, str] = texts.stages(self.module, cpu)

    @cached_property
    def plan(self) -> Plan:
        schedule, frame = self.schedule, self.frame
        switches = tuple(dict.fromkeys(s for kernel in schedule.kernels for s, _ in kernel.when))
        owned = [Owned(m.extents, m.dtype.bytes, first, last) for (_, m), (first, last) in zip(frame.owned, _lifetimes(frame), strict=True)]
        return Plan(
            sizes=frame.sizes,
            derived=tuple(schedule.derived.items()),
            usual=tuple(map(usual_strides, frame.strided)),
            owned=tuple(owned),
            intermediates=len(schedule.intermediates),
            checks=len(schedule.checks),
            regions=tuple(self._region(number, n) for number, n in frame.regions),
            work=sum((work(kernel.body) for kernel in schedule.kernels if kernel.is_usual), ZERO),
            length=frame.length,
            inputs=len(schedule.inputs),
            switches=switches,
            when=tuple(tuple((switches.index(s), way) for s, way in kernel.when) for kernel in schedule.kernels),
        )

    def _region(self, number: int, n: int) -> Region:
        kernel = self.schedule.kernels[number]
        piece = self.frame.pieces[number][n]
        return Region(number, piece.steps(lanes_of(kernel, self.target)), work(piece.body))

    @property
    def stages(self) -> dict[str, bytes]:
        """What the schedule is, to be read."""
        from tensorc.loops.text import show, show_schedule

        return {"schedule": show_schedule(self.schedule).encode(), "loops": "\n\n".join(map(show, self.schedule.kernels)).encode()}

    def image(self, key: Key) -> Image:
        return self.compiled(key)[1]

    @roomy
    def compiled(self, key: Key) -> tuple[str, Image]:
        """(the module's text, its code)."""
        with Objects(self.target) as objects:
            emitted = self._emitted(key, objects.add)
            return emitted.text, Image(objects.finish(emitted.rest), self.entry, emitted.symbols)

    def module(self) -> str:
        """The module's text for row-major arrays."""
        return self._emitted(self.plan.usual, lambda part: None).text

    def _emitted(self, key: Key, ready: Callable[[str], None]) -> Emitted:
        """The module for arrays of whose strides so much is known."""
        return emit(self.frame, dict(zip(self.frame.strided, key, strict=True)), self.target, ready)


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
