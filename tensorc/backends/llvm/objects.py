"""Object files of modules, the first of which are compiled on a thread of its own while the later ones are still being written."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread
from types import TracebackType

from tensorc.backends.llvm.target import Target, object_of


class Objects:
    """For who holds the lock, as a context: LLVM runs beside Python, and is at rest when the context is left."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._texts: SimpleQueue[str | None] = SimpleQueue()
        self._made: list[bytes] = []
        self._failure: Exception | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None) -> None:
        self._join()

    def add(self, text: str) -> None:
        """Compile a module, and go on meanwhile."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="tensorc-compile")
            self._thread.start()
        self._texts.put(text)

    def finish(self, text: str) -> tuple[bytes, ...]:
        """The object files of all modules and of a last one."""
        if self._thread is None:
            return (object_of(text, self._target),)
        self.add(text)
        self._join()
        if self._failure is not None:
            raise self._failure
        return tuple(self._made)

    def _join(self) -> None:
        if self._thread is not None:
            self._texts.put(None)
            self._thread.join()

    def _run(self) -> None:
        try:
            while (text := self._texts.get()) is not None:
                self._made.append(object_of(text, self._target))
        except Exception as failure:
            self._failure = failure
