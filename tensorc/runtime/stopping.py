"""How Ctrl-C ends kernels: their threads ask between two chunks whether they should stop, and the call raises what a signal's handler did.
Translated, like `dispatch`."""

from __future__ import annotations

from tensorc.runtime.native import Word, stack
from tensorc.runtime.words import (
    MAIN_THREAD,
    MONOTONIC,
    POLLED,
    RAISED,
    STOPPED_AT,
    Context,
    PyErr_CheckSignals,
    PyErr_Fetch,
    PyErr_Restore,
    PyGILState_Ensure,
    PyGILState_Release,
    PyThread_get_thread_ident,
    clock_gettime,
)


def poll() -> Word:
    """Whether the running kernels should stop, since a signal's handler raised an exception. Looks at times, and in the main thread."""
    context = Context
    if PyThread_get_thread_ident() != context[MAIN_THREAD]:
        return 0
    time = stack(2)
    clock_gettime(MONOTONIC, time)
    now = time[0] * 60 + (time[1] >> 24)  # sixtieths of a second
    if now - context[POLLED] < 3:
        return 0
    context[POLLED] = now
    state = PyGILState_Ensure()
    stops = PyErr_CheckSignals() & 0xFFFFFFFF
    if stops != 0:
        PyErr_Fetch(context + RAISED * 8, context + (RAISED + 1) * 8, context + (RAISED + 2) * 8)
    PyGILState_Release(state)
    return stops


def raise_stopped() -> Word:
    """Raises again what stopped the kernels."""
    context = Context
    context[STOPPED_AT][0] = 0
    PyErr_Restore(context[RAISED], context[RAISED + 1], context[RAISED + 2])
    return 0


def is_stopped(context: Word, frame: Word) -> Word:
    """Whether the call with this frame was interrupted."""
    if context[STOPPED_AT] == 0:
        return 0
    if context[STOPPED_AT][0] == frame:
        return 1
    return 0
