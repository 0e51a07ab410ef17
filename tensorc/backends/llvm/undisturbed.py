"""LLVM is called where no signal interrupts it.

Python answers a signal on the main thread, between any two steps of it, so that Ctrl-C may leave the binding's own lock taken for ever. On
another thread it cannot: the main one waits, and is interrupted when that is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from tensorc.locks import LOCK

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_local = threading.local()


def alone(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function, called while the lock is held, and undisturbed."""

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if is_undisturbed():
            return function(*args, **kwargs)
        made: list[Result] = []
        failed: list[BaseException] = []

        def call() -> None:
            try:
                made.append(function(*args, **kwargs))
            except BaseException as failure:
                failed.append(failure)

        with LOCK:
            thread = start(call)
            if thread is None:
                call()
            else:
                wait([thread])
        if failed:
            raise failed[0]
        return made[0]

    return run


def is_undisturbed() -> bool:
    """Whether this thread is one of `start`, whose starter holds the lock."""
    return getattr(_local, "undisturbed", False)


def start(call: Callable[[], None]) -> threading.Thread | None:
    """A thread that makes a call; None where no more threads can be had, as in the end of the interpreter."""

    def run() -> None:
        _local.undisturbed = True
        call()

    thread = threading.Thread(target=run, name="tensorc-compile")
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def wait(threads: Sequence[threading.Thread]) -> None:
    """Wait for threads to end, whatever interrupts that, and only then be interrupted."""
    interrupt: KeyboardInterrupt | None = None
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except KeyboardInterrupt as caught:
                interrupt = caught
    if interrupt is not None:
        raise interrupt
