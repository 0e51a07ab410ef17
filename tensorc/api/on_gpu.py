"""Calls with arrays on a GPU that are not torch's: they come in by DLPack, and results are arrays of the first one's library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorc.algebra import poly, size
from tensorc.api.function import Function
from tensorc.api.primitive import Primitive
from tensorc.api.specs import Spec
from tensorc.api.taken import TakenCall
from tensorc.errors import TargetUnavailable
from tensorc.runtime import device, dlpack
from tensorc.runtime.call import Call, rebuild
from tensorc.runtime.dlpack import OnGPU


@dataclass(frozen=True)
class _Program:
    call: Call
    kernels: device.OnDevice


def call(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The value of a Function. TargetUnavailable where not all arrays are on one GPU, IndexError where a subscript is out of range."""
    assert isinstance(function, Function)
    read: dict[int, OnGPU] = {}

    def stand_in(value: Any) -> Spec | None:
        if not dlpack.is_on_gpu(value):
            return None
        found = read[id(value)] = dlpack.read(value, f"an argument of `{function.name}`")
        return Spec(found.dtype, tuple(poly(1) if e == 1 else size(f"_{n}") for n, e in enumerate(found.shape)))

    taken = TakenCall(function, args, kwargs, stand_in)
    if taken.out is not None:
        raise TypeError(f"`{function.name}` takes no `out` of arrays that come by DLPack")
    names = taken.primitive.names
    for name, leaf in zip(names, taken.leaves, strict=True):
        if id(leaf) not in read:
            raise TargetUnavailable(f"`{name}` of `{function.name}` is not on the GPU that other arguments are on")
    given = [read[id(leaf)] for leaf in taken.leaves]
    apart = next((n for n, a in enumerate(given) if a.number != given[0].number), None)
    if apart is not None:
        raise TargetUnavailable(f"`{names[apart]}` is on the GPU {given[apart].number}, and `{names[0]}` is on {given[0].number}")
    found = _program(taken.primitive, given[0].number)
    sizes = found.call.bind(given)  # type: ignore[arg-type]
    library = taken.leaves[0].__array_namespace__()
    results, failed = device.run_arrays(found.kernels, sizes, given, library)
    if failed is not None:
        raise IndexError(found.call.out_of_range(failed, [np.zeros(a.shape, a.dtype.numpy) for a in given], sizes))
    return rebuild(taken.tree, results)


def _program(primitive: Primitive, number: int) -> _Program:
    key = ("dlpack", number, *device.settings())
    found = primitive.memory.get(key)
    if found is None:
        program = primitive.compilation.optimised
        made = Call(program, tuple(range(len(program.results))), _NoCode(), primitive.names)
        found = primitive.memory[key] = _Program(made, device.OnDevice(program))
    assert isinstance(found, _Program)
    return found


class _NoCode:
    def run(self, *_: object) -> int | None:
        raise AssertionError("a call that binds sizes is not run")
