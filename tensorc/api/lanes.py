"""Calls that are taken over: those with a tc.Tensor, which has a tape, and those with torch tensors in whose calls torch has a say."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from tensorc import compiler
from tensorc.api.primitive import Primitive, primitive_of
from tensorc.dtypes import DType
from tensorc.locks import BRIEF

if TYPE_CHECKING:
    from tensorc.api.function import Function

Taker = Callable[["Function", Sequence[Any], Mapping[str, Any]], Any]

_PLAIN: frozenset[type] = frozenset((np.ndarray, float, int, bool, str, type(None), slice, np.float32, np.float64, np.int64))


def taker(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Taker | None:
    """What takes a call with these arguments over; None where it goes the usual way."""
    tensors: list[Any] = []
    for value in args:
        if type(value) not in _PLAIN:
            found = _taker_of(value, tensors)
            if found is not None:
                return found
    for value in kwargs.values():
        if type(value) not in _PLAIN:
            found = _taker_of(value, tensors)
            if found is not None:
                return found
    if not tensors:
        return None
    lane: Taker | None = import_module("tensorc.torch").lane(tensors)
    return lane


def _taker_of(value: Any, tensors: list[Any]) -> Taker | None:
    """The taker that an argument itself names. Torch tensors are collected, in lists and dicts too."""
    found: Taker | None = getattr(type(value), "__tensorc_function__", None)
    if found is not None:
        return found
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, getattr(torch, "Tensor", ())):
        tensors.append(value)
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            found = _taker_of(part, tensors) if type(part) not in _PLAIN else None
            if found is not None:
                return found
    return None


# torch.compile.

_functions: WeakValueDictionary[str, Function] = WeakValueDictionary()
_numbers = itertools.count()


def handle(function: Function) -> str:
    """A name for a Function, by which a graph of torch.compile holds it."""
    made = f"{function._definition.name}:{next(_numbers)}"
    _functions[made] = function
    return made


def held(name: str) -> Function:
    """The Function of a handle."""
    return _functions[name]


def in_graph(arguments: Any) -> Any:
    """Arguments as a graph of torch.compile can hold them: dtypes by their names."""
    if isinstance(arguments, dict):
        return {k: in_graph(v) for k, v in arguments.items()}
    if isinstance(arguments, (tuple, list)):
        return tuple([in_graph(a) for a in arguments])
    return arguments.name if isinstance(arguments, DType) else arguments


def is_dynamo() -> bool:
    """Whether torch.compile is reading this code. Run as usual, it is never so."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_dynamo_compiling()


class TakenCall:
    """The arguments of a call that is taken over: the function's program for them, and its inputs as they were given.

    `stand_in` gives for an argument what the function's definition can look at: an array or a Spec; None for what it can look at itself.
    """

    def __init__(self, function: Function, args: Sequence[Any], kwargs: Mapping[str, Any], stand_in: Callable[[Any], Any]) -> None:
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

    @property
    def primitive(self) -> Primitive:
        return primitive_of(self.entry)

    def _changed(self, value: Any) -> Any:
        if type(value) in _PLAIN:
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


def compiled(primitive: Primitive) -> Primitive:
    """The primitive with its machine code made, unless that is forbidden here."""
    if "call" not in vars(primitive):
        compiler.refuse_compile(primitive.program.name)
    return primitive
