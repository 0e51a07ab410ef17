"""What a recorded call keeps for its backward pass, and the backward pass: shared by the autograd.Function and the operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from tensorc.api.primitive import Primitive
from tensorc.diagnostics import CompileError
from tensorc.torch_bridge.memory import TORCH_OF, execute, is_plain, run, witness

Run = Callable[[Primitive, Sequence[Tensor]], Sequence[Tensor]]


@dataclass(frozen=True)
class Kept:
    """For inputs that need gradients: which these are, and which inputs and results (numbered behind them) the backward program reads."""

    wanted: tuple[int, ...]
    values: tuple[int, ...]


def kept(primitive: Primitive, needs: tuple[bool, ...]) -> Kept:
    """What to keep, worked out once."""
    key = ("kept", needs)
    found: Kept | None = primitive.memory.get(key)
    if found is None:
        inputs, floats = primitive.program.inputs, primitive.floats
        wanted = tuple(n for n, (need, i) in enumerate(zip(needs, inputs, strict=True)) if need and i.dtype.is_float)
        given = tuple(n for n, is_float in enumerate(floats) if is_float)
        own = tuple(n for n in given if n < primitive.own)
        count = len(inputs) + len(floats)
        try:
            reads: Sequence[bool] = [False] * count
            for seeded in {own, given} if wanted and own else ():  # what is kept has cotangents in a backward pass of the backward pass
                reads = [a or b for a, b in zip(reads, primitive.vjp(wanted, seeded).reads, strict=False)]
        except CompileError:  # there is no derivative, which the backward pass will say
            reads = [True] * count
        found = primitive.memory[key] = Kept(wanted, tuple(n for n, r in enumerate(reads) if r))
    return found


def save(ctx: Any, primitive: Primitive, needs: tuple[bool, ...], tensors: Sequence[Tensor], results: Sequence[Tensor]) -> None:
    """Keep what the backward program reads, and the shapes of all."""
    ctx.kept = kept(primitive, needs)
    values = (*tensors, *results)
    ctx.shapes = [v.shape for v in values]
    ctx.save_for_backward(*[values[n] for n in ctx.kept.values])


def cotangents(ctx: Any, primitive: Primitive, wanted: tuple[int, ...], given: Sequence[Tensor | None], call: Run) -> dict[int, Tensor]:
    """The cotangents of the wanted inputs, by their numbers. `call` applies a program to tensors where torch has a say."""
    known = tuple([n for n, is_float in enumerate(primitive.floats) if is_float and given[n] is not None])
    if not wanted or not known:
        return {}
    saved = dict(zip(ctx.kept.values, ctx.saved_tensors, strict=True))
    derived = primitive.vjp(wanted, known)
    count = len(ctx.shapes)
    if any(r and n not in saved for n, r in enumerate(derived.reads[:count])):
        known = tuple(n for n, is_float in enumerate(primitive.floats) if is_float)
        derived, wanted = primitive.vjp(ctx.kept.wanted, known), ctx.kept.wanted
    like = next(c for c in given if c is not None)
    first = count - len(primitive.floats)
    seeds = [c if (c := given[n]) is not None else _zeros(primitive, n, ctx.shapes[first + n], like) for n in known]
    if is_direct((*saved.values(), *seeds)):
        return dict(zip(wanted, _direct(derived, ctx.shapes, saved, seeds), strict=True))
    inputs = derived.program.inputs
    values = [
        saved[n] if derived.reads[n] else witness(shape, TORCH_OF[i.dtype], like)
        for n, (shape, i) in enumerate(zip(ctx.shapes, inputs, strict=False))
    ]
    return dict(zip(wanted, call(derived, [*values, *seeds]), strict=True))


def _direct(derived: Primitive, shapes: Sequence[torch.Size], saved: dict[int, Tensor], seeds: Sequence[Tensor]) -> Sequence[Tensor]:
    """The results of a backward program for plain tensors; those that are a cotangent as it stands need no run."""
    count = len(shapes)
    every = (*shapes, *[s.shape for s in seeds])
    passed = derived.passed
    if all(p is not None and p >= count for p in passed):
        found = [seeds[p - count] for p in passed if p is not None]
        if derived.shapes(every) == tuple([f.shape for f in found]):
            return found
    try:
        return run(derived, [*[saved.get(n) for n in range(count)], *seeds], every)
    except (RuntimeError, TypeError):  # tensors whose memory cannot be read after all
        inputs = zip(every, derived.program.inputs, strict=True)
        stand_ins = [witness(shape, TORCH_OF[i.dtype], seeds[0]) for shape, i in inputs]
        return execute(derived, [*[saved.get(n, stand_ins[n]) for n in range(count)], *seeds])


def _zeros(primitive: Primitive, result: int, shape: Sequence[Any], like: Tensor) -> Tensor:
    return torch.zeros(tuple(shape), dtype=TORCH_OF[primitive.program.results[result].dtype], device=like.device)


def recorded(tensors: Sequence[Tensor]) -> bool:
    """Whether derivatives of a call are asked for, or it is inside of a transform of torch.func."""
    if torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0:
        return True
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def functionalized() -> bool:
    """Whether the innermost transform is torch.func.functionalize."""
    transform: Any = torch._C._functorch.peek_interpreter_stack()
    return transform is not None and bool(transform.key() == torch._C._functorch.TransformType.Functionalize)


def keeps(tensors: Sequence[Tensor]) -> bool:
    """Whether a backward pass of plain tensors is all that is asked for: then a call may keep more than its results."""
    if traced() or torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0:
        return False
    return all(map(is_plain, tensors))


def traced() -> bool:
    """Whether something looks at operators as they are called: FakeTensor, make_fx, export."""
    return bool(torch._C._len_torch_dispatch_stack())


def is_direct(tensors: Sequence[Tensor]) -> bool:
    """Whether torch has no say in a call with these tensors, so that their memory can be read as it is."""
    return not traced() and not recorded(tensors) and all(map(is_plain, tensors))
