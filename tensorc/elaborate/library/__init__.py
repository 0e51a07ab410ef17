"""The built-in library by name: functions written in .tx (tensorc/std), and in Python where a static argument decides the rule's form."""

from __future__ import annotations

from functools import cache

from tensorc.elaborate.library import elementwise, internal, linear, reductions, structure  # noqa: F401  (each registers its functions)
from tensorc.elaborate.library.linear import matmul
from tensorc.elaborate.library.registry import BUILTINS
from tensorc.elaborate.units import library_units
from tensorc.elaborate.values import Builtin, Routine

__all__ = ["library", "library_names", "matmul"]

INTERNAL = internal.NAMES | {"pick", "axis_size"}
"""What only the library's own files use."""


def library(name: str) -> Routine | Builtin | None:
    """The library's function of a name."""
    if name in BUILTINS:
        return BUILTINS[name]
    for unit in library_units().values():
        if name in unit.functions:
            return Routine(unit, unit.functions[name])
    return None


@cache
def library_names() -> frozenset[str]:
    """The names of the whole library."""
    return frozenset(BUILTINS) - INTERNAL | {name for unit in library_units().values() for name in unit.functions}
