"""The table of built-in functions that are written in Python, and helpers that read their static arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from tensorc.algebra import Poly
from tensorc.dtypes import DType
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context
from tensorc.elaborate.values import MISSING, Array, Builtin, List, Tuple, Value, describe, static_constant, static_integer

BUILTINS: dict[str, Builtin] = {}

INTERNALS: dict[str, Builtin] = {}
"""What only the library's own files and the text of an IR may call."""


def internal(name: str, parameters: str, variadic: bool = False, **defaults: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function that users do not see."""
    return _registered(INTERNALS, name, parameters, variadic, defaults)


def builtin(name: str, parameters: str, variadic: bool = False, **defaults: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function of the library. `parameters` lists its names; those in `defaults` may be left out."""
    return _registered(BUILTINS, name, parameters, variadic, defaults)


def _registered(
    table: dict[str, Builtin], name: str, parameters: str, variadic: bool, defaults: dict[str, Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def lifted(context: Context, *values: Any) -> Value:  # the defaults are Python's values
            result: Value = call(context, *(arrays.constant(v) if isinstance(v, (bool, int, float)) else v for v in values))
            return result

        names = parameters.split()
        table[name] = Builtin(name, tuple((n, defaults.get(n, MISSING)) for n in names), lifted, variadic)
        return call

    return register


def tensor(context: Context, value: Value, name: str) -> Array:
    """An argument that is a tensor."""
    return arrays.as_array(context, value, context.argument_spans.get(name))


def one_axis(context: Context, value: Value, rank: int, name: str = "axis") -> int:
    """An axis as a number in 0..rank-1."""
    p = static_integer(value)
    if p is None or p.constant is None:
        raise context.error(
            "E0604",
            f"`{name}` is a number known when compiling, found {describe(value)}",
            context.argument_spans.get(name),
            describe(value),
        )
    n = p.constant
    if not -rank <= n < rank:
        span = context.argument_spans.get(name)
        raise context.error(
            "E0304", f"axis {n} of a tensor of rank {rank}", span, f"the axes are {-rank}..{rank - 1}" if rank else "it has no axes"
        )
    return n % rank


def axis_list(context: Context, value: Value, rank: int, name: str = "axis") -> tuple[int, ...]:
    """Axes as distinct numbers in order of mention; all axes where the value is none."""
    if value is None:
        return tuple(range(rank))
    items = value.items if isinstance(value, (List, Tuple)) else (value,)
    if rank == 0 and len(items) < 2 and all(static_constant(v) in (0, -1) for v in items):
        return ()
    found = tuple(one_axis(context, v, rank, name) for v in items)
    if len(set(found)) != len(found):
        raise context.error("E0304", f"an axis is given twice: {', '.join(map(str, found))}", context.argument_spans.get(name))
    return found


def flag(context: Context, value: Value, name: str) -> bool:
    """A static bool."""
    found = static_constant(value)
    if not isinstance(found, bool):
        raise context.error(
            "E0604",
            f"`{name}` is true or false, known when compiling; found {describe(value)}",
            context.argument_spans.get(name),
            describe(value),
        )
    return found


def integer(context: Context, value: Value, name: str) -> Poly:
    """A static integer: a number or dims."""
    found = static_integer(value)
    if found is None:
        kind = describe(value)
        raise context.error("E0604", f"`{name}` is an integer known at the call, found {kind}", context.argument_spans.get(name), kind)
    return found


def dims(context: Context, value: Value, name: str = "shape") -> tuple[Poly, ...]:
    """A list of dims; one dim stands for a list of it."""
    items = value.items if isinstance(value, (List, Tuple)) else (value,)
    return tuple(integer(context, v, name) for v in items)


def element_type(context: Context, value: Value, default: DType) -> DType:
    """A static dtype; the default where it is none."""
    if value is None:
        return default
    if not isinstance(value, DType):
        raise context.error("E0604", f"`dtype` is a dtype, found {describe(value)}", context.argument_spans.get("dtype"), describe(value))
    return value


def choice(context: Context, value: Value, name: str, options: Sequence[str]) -> str:
    """A static string, one of the options."""
    if isinstance(value, str) and value in options:
        return value
    listed = ", ".join(f'"{o}"' for o in options)
    raise context.error(
        "E0611",
        f"`{name}` is one of {listed}",
        context.argument_spans.get(name),
        f'"{value}"' if isinstance(value, str) else describe(value),
    )
