"""Which way a call with torch tensors goes, and the calls that do not go the direct way."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import Parameter

from tensorc.algebra import poly, size
from tensorc.api.definition import exact
from tensorc.api.function import Function
from tensorc.api.primitive import Primitive
from tensorc.api.specs import Spec
from tensorc.api.taken import TakenCall
from tensorc.config import config
from tensorc.errors import TargetUnavailable
from tensorc.locks import BRIEF
from tensorc.runtime import arrays
from tensorc.runtime.call import flatten, rebuild
from tensorc.torch_bridge.function import apply
from tensorc.torch_bridge.memory import dtype_of, is_plain, of_array
from tensorc.torch_bridge.saving import recorded, traced


def lane(tensors: Sequence[Tensor]) -> Any:
    """What takes a call with these tensors over; None for plain tensors in whose call torch has no say, which are read as they are."""
    if traced() or recorded(tensors) or torch._C._get_tracing_state() is not None:
        return call
    return None if all(map(is_plain, tensors)) else call


def call(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The value of a Function, through torch's dispatch and autograd."""
    key = _key(args, kwargs) if isinstance(function, Function) else None
    known = None if key is None else _known(function).get(key)
    if known is not None:
        with BRIEF:
            function._calls += 1
        given = (*args, *kwargs.values())
        return rebuild(known.tree, apply(known.primitive, [given[n] for n in known.places]))
    taken = TakenCall(function, args, kwargs, lambda value: _stand_in(value, function.name))
    tensors = [v if isinstance(v, Tensor) else of_array(arrays.view(v, "an argument")) for v in taken.leaves]
    _check_devices(taken, tensors, function.name)
    results = apply(taken.primitive, tensors)
    if taken.out is not None:
        return _into(taken, results, function.name)
    if key is not None:
        _remember(function, key, taken, (*args, *kwargs.values()))
    return rebuild(taken.tree, results)


# Calls that were made before.


@dataclass(frozen=True)
class _Call:
    """What calls of one kind come to: the program, which arguments are its inputs, and where results stand."""

    primitive: Primitive
    places: tuple[int, ...]
    tree: Any


_calls: WeakKeyDictionary[Any, dict[Hashable, _Call]] = WeakKeyDictionary()

_STATIC = (str, bool, int, float, type(None))


def _known(function: Any) -> dict[Hashable, _Call]:
    found = _calls.get(function)
    if found is None:
        found = _calls.setdefault(function, {})
    return found


def _key(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Hashable | None:
    """All that the program of a call depends on; None where that is not seen at a glance."""
    if "out" in kwargs:
        return None
    key: list[Hashable] = [len(args), *kwargs, config.current.code]
    for value in (*args, *kwargs.values()):
        if type(value) in (Tensor, Parameter):
            shape = value.shape
            ones = tuple([n for n, e in enumerate(shape) if e == 1]) if 1 in shape else ()
            key += value.dtype, len(shape), ones, value.device
            if value.layout is not torch.strided or value.device.type not in ("cpu", "cuda"):
                return None
        elif type(value) in _STATIC:
            key.append(exact(value))
        else:
            return None
    return tuple(key)


def _remember(function: Any, key: Hashable, taken: TakenCall, given: Sequence[Any]) -> None:
    """Keep what a call came to, where its inputs are arguments as they are: of a number an array was made."""
    places = {id(value): n for n, value in enumerate(given) if isinstance(value, Tensor)}
    if all(id(leaf) in places for leaf in taken.leaves) and not taken.entry.instance.captured:
        tensors = [n for n, value in enumerate(given) if isinstance(value, Tensor)]
        found = tuple(places[id(leaf)] for leaf in taken.leaves)
        if sorted(found) == tensors:  # no tensor was given twice
            _known(function)[key] = _Call(taken.primitive, found, taken.tree)


def _check_devices(taken: TakenCall, tensors: Sequence[Tensor], function: str) -> None:
    """Raise TargetUnavailable where the tensors lie on several devices."""
    there = [n for n, t in enumerate(tensors) if t.device.type != "cpu"]
    here = [n for n, t in enumerate(tensors) if t.device.type == "cpu"]
    if there and here:
        names = taken.primitive.names
        raise TargetUnavailable(
            f"`{names[there[0]]}` of `{function}` is on the device {tensors[there[0]].device}, and `{names[here[0]]}` is on the processor"
        )


def _stand_in(value: Any, function: str) -> Any:
    """What tells a function's definition the dtype and the rank of a tensor, and which of its axes have extent 1."""
    if isinstance(value, Tensor):
        what = f"an argument of `{function}`"
        return Spec(dtype_of(value, what), tuple(poly(1) if _is_one(e) else size(f"_{n}") for n, e in enumerate(value.shape)))
    if isinstance(value, (torch.SymInt, torch.SymFloat)):  # a program takes numbers, and the graph holds for this one
        return int(value) if isinstance(value, torch.SymInt) else float(value)
    return None


def _is_one(extent: Any) -> bool:
    """Whether an extent is known to be 1. One that is a symbol never is where torch knows it to be another number."""
    if type(extent) is int:
        return extent == 1
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    return bool(statically_known_true(extent == 1))


def _into(taken: TakenCall, results: Sequence[Tensor], name: str) -> Any:
    numbers: list[int] = []

    def numbered(tree: Any) -> Any:
        if isinstance(tree, int):
            numbers.append(tree)
            return len(numbers) - 1
        return tuple(map(numbered, tree))

    targets = flatten(numbered(taken.tree), taken.out, name)
    for target, number in zip(targets, numbers, strict=True):
        if not isinstance(target, Tensor):
            raise TypeError(f"`out` of `{name}` must be a torch tensor, as the arguments are")
        if target.dtype != results[number].dtype or target.shape != results[number].shape:
            raise ValueError(
                f"`out` of `{name}` is {target.dtype} of shape {list(target.shape)}, but the result is {results[number].dtype} "
                f"of shape {list(results[number].shape)}"
            )
        if torch.is_grad_enabled() and (target.requires_grad or results[number].requires_grad):
            raise ValueError(f"`out` of `{name}` requires a gradient, and is written to; pass `out.detach()`")
        target.copy_(results[number])
    return taken.out
