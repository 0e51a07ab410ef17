"""Room on the interpreter's stack: calls made in it need no memory from the system.

CPython keeps the frames of Python functions in chunks of 16 KiB, and gets a chunk from the system for a call that no longer fits, which it
gives back when that call returns. A function that is called at the edge of a chunk so asks the system for memory each time, and each time
waits for its first touch: a third of the time of a compile. A function whose frame is large has a chunk as large, which all calls from it
fit into.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

WORDS = 1 << 15
"""Of a frame that takes half of a chunk of half a MiB: as much is left for what it calls, which only then costs memory."""


def roomy(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function, called with room for all that it calls."""

    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return function(*args, **kwargs)

    run.__code__ = run.__code__.replace(co_stacksize=WORDS)
    return wraps(function)(run)
