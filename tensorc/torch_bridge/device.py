"""Programs on CUDA tensors (ROCm's are called so too): Triton's kernels, on the tensors' device and its current stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tensorc.api.primitive import Primitive
from tensorc.errors import TargetUnavailable
from tensorc.runtime import arrays, device
from tensorc.runtime.call import Call


@dataclass(frozen=True)
class _Program:
    """A program on one device: what binds its sizes and says what is wrong with a call, and its kernels."""

    call: Call
    kernels: device.OnDevice


def execute(primitive: Primitive, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The results of a program for tensors of one GPU. Raises IndexError where a subscript is out of range."""
    found = _program(primitive, _device(primitive, tensors))
    sizes = found.call.bind(tensors)  # type: ignore[arg-type]
    results, failed = device.run(found.kernels, sizes, tensors)
    if failed is not None:
        raise IndexError(found.call.out_of_range(failed, [arrays.view(t.cpu(), "an input") for t in tensors], sizes))
    return results


def _device(primitive: Primitive, tensors: Sequence[Tensor]) -> torch.device:
    """The device of all tensors. TargetUnavailable where they have several."""
    first = tensors[0]
    for name, t in zip(primitive.names, tensors, strict=True):
        if t.device != first.device:
            raise TargetUnavailable(f"`{name}` is on the device {t.device}, and `{primitive.names[0]}` is on {first.device}")
    return first.device


def _program(primitive: Primitive, place: torch.device) -> _Program:
    key = ("gpu", place.index, *device.settings())
    found = primitive.memory.get(key)
    if found is None:
        program = primitive.compilation.optimised
        call = Call(program, tuple(range(len(program.results))), _NoCode(), primitive.names)
        with device._on(place):
            found = primitive.memory[key] = _Program(call, device.OnDevice(program))
    assert isinstance(found, _Program)
    return found


class _NoCode:
    def run(self, *_: object) -> int | None:
        raise AssertionError("a call that binds sizes is not run")
