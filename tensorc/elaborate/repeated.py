"""Calls of the same function with the same arguments: the first one's result is that of the others, so that doubling costs nothing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from tensorc.dtypes import DType
from tensorc.elaborate.context import Context
from tensorc.elaborate.values import Array, Builtin, List, Routine, Transformed, Tuple, Value

if TYPE_CHECKING:
    from tensorc.elaborate.calls import Argument

MOST_ITEMS = 100
"""Values in the arguments of a call that is remembered."""


def key_of(context: Context, callee: Routine | Transformed, arguments: Sequence[Argument]) -> Hashable:
    """What a call's result follows from, or None where that is too much to remember."""
    parts: list[Hashable] = [context.live]
    stack: list[Value] = [callee]
    for name, value, _ in arguments:
        parts.append(name)
        stack.append(value)
    while stack:
        if len(parts) > MOST_ITEMS:
            return None
        value = stack.pop()
        match value:
            case Array(axes, body, weak):
                parts += [axes, body, weak]
            case List(items) | Tuple(items):
                parts.append((type(value).__name__, len(items)))
                stack += items
            case Routine(_, function):
                parts.append(function)
            case Transformed(kind, transformed, option):
                parts.append(("function of", kind))
                stack += [transformed, option]
            case Builtin(name=name):
                parts.append(("function", name))
            case str() | DType() | None:
                parts.append(value)
            case _:
                return None
    return tuple(parts)
