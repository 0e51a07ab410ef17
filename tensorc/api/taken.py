"""A call of a Function that is taken over (see `lanes`): its program, and the inputs as they were given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tensorc.api.function import Function
from tensorc.api.lanes import PLAIN
from tensorc.api.lowered import Compiled
from tensorc.api.primitive import Primitive, primitive_of
from tensorc.locks import BRIEF


class TakenCall:
    """The arguments of a call that is taken over: the function's program for them, and its inputs as they were given.

    `stand_in` gives for an argument what the function's definition can look at: an array or a Spec; None for what it can look at itself.
    """

    def __init__(
        self, function: Function | Compiled, args: Sequence[Any], kwargs: Mapping[str, Any], stand_in: Callable[[Any], Any]
    ) -> None:
        options = dict(kwargs)
        self.out = None if function._takes_out else options.pop("out", None)
        self._stand_in = stand_in
        self._originals: dict[int, Any] = {}
        self._alive: list[Any] = []  # so that no other object gets the number of one of them
        prepared = function._definition.prepare([self._changed(a) for a in args], {k: self._changed(v) for k, v in options.items()})
        self.entry = function._entry(prepared)
        with BRIEF:
            function._calls += 1
        self.leaves = [self._originals.get(id(leaf), leaf) for leaf in prepared.leaves] + list(self.entry.instance.captured)
        self.tree = self.entry.instance.result
        if isinstance(function, Compiled) and all(type(e) is int for leaf in self.leaves for e in leaf.shape):
            function.check(self.leaves)

    @property
    def primitive(self) -> Primitive:
        return primitive_of(self.entry)

    def _changed(self, value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        changed = self._stand_in(value)
        if changed is not None:
            self._originals[id(changed)] = value
            self._alive.append(changed)
            return changed
        if type(value) in (list, tuple):
            return type(value)(map(self._changed, value))
        if type(value) is dict:
            return {k: self._changed(v) for k, v in value.items()}
        return value
