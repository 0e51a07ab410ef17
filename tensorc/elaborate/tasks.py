"""Evaluations as generators that yield those they need, driven with a stack of their own: no depth of a program is one of Python's."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from tensorc.diagnostics import CompileError
from tensorc.elaborate.context import merge

Task = Generator[Any, Any, Any]
"""An evaluation: yields tasks and is sent their results. For a task that has begun it yields that and what it waits for, in a tuple."""

MOST_ERRORS = 20
"""Of one statement; more say nothing new."""


class Poisoned(Exception):
    """An expression uses a name whose definition was wrong: that has been reported."""


def run(task: Task) -> Any:
    """The result of a task, whatever the depth of the tasks it needs."""
    stack: list[Task] = [task]
    value: Any = None
    failure: CompileError | Poisoned | None = None
    while stack:
        try:
            if failure is not None:
                failing, failure = failure, None
                needed = stack[-1].throw(failing.with_traceback(None))
            else:
                needed = stack[-1].send(value)
            if type(needed) is tuple:
                stack += needed
            else:
                stack.append(needed)
            value = None
        except StopIteration as stop:
            stack.pop()
            value = stop.value
        except (CompileError, Poisoned) as e:
            stack.pop()
            failure = e
    if failure is not None:
        raise failure
    return value


def together(tasks: Sequence[Task]) -> Task:
    """The results of tasks that do not depend on one another: what is wrong in each is reported with the others'."""
    results: list[Any] = []
    errors: list[CompileError] = []
    poisoned = False
    for task in tasks:
        try:
            try:
                needed = task.send(None)
            except StopIteration as stop:  # nothing else is needed: most expressions are names and numbers
                results.append(stop.value)
            else:
                results.append((yield (task, *needed) if type(needed) is tuple else (task, needed)))
        except CompileError as e:
            errors.append(e)
        except Poisoned:
            poisoned = True
    if errors:
        enough = len(errors) == 1 or len(errors[0].diagnostics) >= MOST_ERRORS
        raise errors[0] if enough else CompileError(merge(errors)[:MOST_ERRORS])
    if poisoned:
        raise Poisoned
    return results
