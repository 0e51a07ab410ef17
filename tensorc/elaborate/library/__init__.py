"""The built-in library by name: functions written in .tx (tensorc/std), and in Python where a static argument decides the rule's form."""

from __future__ import annotations

from functools import cache

from tensorc.elaborate import transforms  # noqa: F401  (registers its functions)
from tensorc.elaborate.library import (  # noqa: F401  (each registers its functions)
    elementwise,
    gathering,
    joining,
    linear,
    making,
    nodes,
    parts,
    reductions,
    shapes,
    windows,
)
from tensorc.elaborate.library.linear import matmul
from tensorc.elaborate.library.registry import BUILTINS, INTERNALS
from tensorc.elaborate.units import library_units
from tensorc.elaborate.values import Builtin, Routine

__all__ = ["library", "library_names", "matmul"]


def library(name: str, internal: bool = False) -> Routine | Builtin | None:
    """The library's function of a name; with `internal`, also those that only the library's own files use."""
    if name in BUILTINS:
        return BUILTINS[name]
    if internal and name in INTERNALS:
        return INTERNALS[name]
    for unit in library_units().values():
        if name in unit.functions and (internal or not unit.is_internal):
            return Routine(unit, unit.functions[name])
    return None


@cache
def library_names() -> frozenset[str]:
    """The names of the whole library that users see."""
    return frozenset(BUILTINS) | {name for unit in library_units().values() if not unit.is_internal for name in unit.functions}
