"""Programs as torch.autograd.Functions: differentiable any number of times, forward and backward, and batched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from tensorc.api.primitive import Primitive
from tensorc.torch_bridge.memory import execute, is_on_gpu, is_plain
from tensorc.torch_bridge.operator import in_front, text_of
from tensorc.torch_bridge.saving import cotangents, functionalized, keeps, recorded, save, traced


def apply(primitive: Primitive, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The results of a program, recorded where torch asks for it."""
    if functionalized():  # torch has no rule for an autograd.Function there
        return tuple(torch.ops.tensorc.run(text_of(primitive), list(tensors)))
    if recorded(tensors):
        whole = primitive.recording if keeps(tensors) else primitive
        return Applied.apply(whole, *tensors)[: len(primitive.floats)]  # type: ignore[no-any-return, no-untyped-call]
    return _run(primitive, tensors)


def _run(primitive: Primitive, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    if traced() or not (all(map(is_plain, tensors)) or all(map(is_on_gpu, tensors))):
        return tuple(torch.ops.tensorc.run(text_of(primitive), list(tensors)))
    return tuple(execute(primitive, tensors))


class Applied(torch.autograd.Function):
    """A program applied to tensors; its results are a tuple."""

    @staticmethod
    def forward(primitive: Primitive, *tensors: Tensor) -> tuple[Tensor, ...]:
        return _run(primitive, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: tuple[Tensor, ...]) -> None:
        primitive, *tensors = inputs
        ctx.primitive = primitive
        if not all(primitive.floats):
            ctx.mark_non_differentiable(*(r for r, is_float in zip(output, primitive.floats, strict=True) if not is_float))
        ctx.set_materialize_grads(False)
        save(ctx, primitive, ctx.needs_input_grad[1:], tensors, output)
        if forward_ad._current_level >= 0:
            ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        primitive: Primitive = ctx.primitive
        wanted = tuple([n for n in ctx.kept.wanted if ctx.needs_input_grad[n + 1]])
        found = cotangents(ctx, primitive, wanted, given, apply)
        return None, *(found.get(n) for n in range(len(primitive.program.inputs)))

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        primitive: Primitive = ctx.primitive
        inputs = primitive.program.inputs
        given = tuple(n for n, t in enumerate(tangents[1:]) if t is not None and inputs[n].dtype.is_float)
        wanted = tuple(n for n, is_float in enumerate(primitive.floats) if is_float)
        if not given or not wanted:
            return (None,) * len(primitive.floats)
        derived = primitive.jvp(given, wanted)
        values = list(ctx.saved_tensors)
        seeds: list[Any] = [tangents[n + 1] for n in given]
        found = dict(zip(wanted, apply(derived, [*values, *seeds]), strict=True))
        return tuple(found.get(n) for n in range(len(primitive.floats)))

    @staticmethod
    def vmap(info: Any, in_dims: Any, primitive: Primitive, *tensors: Tensor) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        batched, moved = in_front(in_dims[1:], tensors)
        results = apply(primitive.vmap(batched), moved)
        return results, (0,) * len(results)
