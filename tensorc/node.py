"""Interned immutable nodes: building the same node twice gives the same object, so `is` is equality and sharing is free."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import count
from typing import Any, TypeVar, dataclass_transform

_serial = count()
_table: dict[tuple[Any, ...], Any] = {}
_NUMBERS = {"float", "int", "bool"}


def _exactly(number: float | int) -> str:
    """The text of a number that no other number has: a NaN has a sign too."""
    return repr(number) if number == number else f"{math.copysign(1, number)} nan"


class Interned(type):
    """A node class whose calls return the one instance with these fields. `has_numbers`: whether one of them may be a number."""

    has_numbers = True

    def __call__(cls, *fields: Any) -> Any:
        # 0.0 == -0.0 == False == 0 and nan != nan: numbers are keyed by type and by their exact text.
        if cls.has_numbers:
            key = (cls, *[(type(f), _exactly(f)) if isinstance(f, (float, int)) else f for f in fields])
        else:
            key = (cls, *fields)
        found = _table.get(key)
        if found is None:
            made = super().__call__(*fields)
            object.__setattr__(made, "serial", next(_serial))
            found = _table.setdefault(key, made)  # atomic: of two threads that build it at once, one wins for both
        return found


class Node(metaclass=Interned):
    """`serial` grows with creation: an argument is older than what is built of it."""

    serial: int

    def __reduce__(self) -> Any:
        return type(self), tuple(getattr(self, f) for f in type(self).__dataclass_fields__)  # type: ignore[attr-defined]

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


T = TypeVar("T", bound=type)


@dataclass_transform(frozen_default=True, eq_default=False)
def node(cls: T) -> T:
    """A frozen dataclass compared by identity. All fields are hashable and are given by position."""
    made: Any = dataclass(frozen=True, eq=False, repr=False)(cls)
    made.has_numbers = any(not _NUMBERS.isdisjoint(str(f.type).split(" | ")) for f in fields(made))
    return made  # type: ignore[no-any-return]
