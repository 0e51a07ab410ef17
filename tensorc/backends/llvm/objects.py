"""Object files of modules, which threads of their own compile while later modules are still being written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType

from tensorc.backends.llvm.target import Target, object_of
from tensorc.backends.llvm.undisturbed import start, wait

MOST = 4
"""So many threads at once are as many as a program's modules keep busy."""

TURN = 1e-4
"""Seconds after which Python hands its lock to a thread that waits for it: usually it is 50 times as long, as long as a module takes."""

IDLE = 0.5
"""Seconds after which a thread ends that is given nothing: one that an interrupt made its owner forget does too."""


class Objects:
    """For who holds the lock, as a context: LLVM runs beside Python, and is at rest when the context is left."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._texts: SimpleQueue[tuple[int, str] | None] = SimpleQueue()
        self._count = 0
        self._made: dict[int, bytes] = {}
        self._failures: list[Exception] = []
        self._threads: list[Thread] = []
        self._turn = sys.getswitchinterval()

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None) -> None:
        if failure is not None:
            self._each(lambda number, text: None)
        self._rest()

    def add(self, text: str) -> None:
        """Compile a module, and go on meanwhile."""
        self._texts.put((self._count, text))
        self._count += 1
        self._threads = [t for t in self._threads if t.is_alive()]
        if len(self._threads) < min(self._count, _processors()):
            sys.setswitchinterval(TURN)
            thread = start(self._run)
            if thread is not None:
                self._threads.append(thread)

    def finish(self, text: str) -> tuple[bytes, ...]:
        """The object files of all modules and of a last one, in their order."""
        self.add(text)
        self._rest()
        self._each(self._make)  # where no thread could be had
        for failure in self._failures:
            raise failure
        return tuple(self._made[n] for n in range(self._count))

    def _rest(self) -> None:
        for _ in self._threads:
            self._texts.put(None)
        try:
            wait(self._threads)
        finally:
            sys.setswitchinterval(self._turn)

    def _run(self) -> None:
        with suppress(Empty):
            while (given := self._texts.get(timeout=IDLE)) is not None:
                self._make(*given)

    def _each(self, action: Callable[[int, str], None]) -> None:
        """Take the modules that no thread has begun with."""
        with suppress(Empty):
            while True:
                given = self._texts.get_nowait()
                if given is not None:
                    action(*given)

    def _make(self, number: int, text: str) -> None:
        try:
            self._made[number] = object_of(text, self._target)
        except Exception as failure:
            self._failures.append(failure)


def _processors() -> int:
    """How many threads may compile at once."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(found, MOST)
