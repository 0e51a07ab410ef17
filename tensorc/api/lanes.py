"""Calls that are taken over: those with a tc.Tensor, which has a tape, and those with torch tensors in whose calls torch has a say."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from tensorc.dtypes import DType
from tensorc.runtime import dlpack

if TYPE_CHECKING:
    from tensorc.api.function import Function

Taker = Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]

PLAIN: frozenset[type] = frozenset((np.ndarray, float, int, bool, str, type(None), slice, np.float32, np.float64, np.int64))


def taker(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Taker | None:
    """What takes a call with these arguments over; None where it goes the usual way."""
    tensors: list[Any] = []
    for value in args:
        if type(value) not in PLAIN:
            found = _taker_of(value, tensors)
            if found is not None:
                return found
    for value in kwargs.values():
        if type(value) not in PLAIN:
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
    elif hasattr(type(value), "__dlpack_device__") and not isinstance(value, np.ndarray) and dlpack.is_on_gpu(value):
        taker: Taker = import_module("tensorc.api.on_gpu").call
        return taker
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            found = _taker_of(part, tensors) if type(part) not in PLAIN else None
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
