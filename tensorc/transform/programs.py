"""Transforms of programs: gradients, pullbacks, pushforwards and batching, over the same inputs and the further ones that they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tensorc import algebra
from tensorc.ir import build
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Tensor
from tensorc.transform.batch import batch
from tensorc.transform.derive import derivative_tensors, jvp, vjp


def float_inputs(program: Program) -> list[Input]:
    return [i for i in program.inputs if i.dtype.is_float]


def float_results(program: Program) -> list[Tensor]:
    return [t for t in program.results if t.dtype.is_float]


def value_and_grad(program: Program, wrt: Sequence[Input]) -> Program:
    """The result, a float scalar, and its gradient by each of the inputs `wrt`."""
    (value,) = program.results
    one = build.define((), build.constant(1, value.dtype))
    found = vjp([value], [one], wrt, program.facts)
    return _extended(program, (), found, {t: f"d{i.name}" for i, t in zip(wrt, found, strict=True)})


def pullback(program: Program, wrt: Sequence[Input]) -> Program:
    """The results, and the cotangents of the inputs `wrt`: given, as further inputs, one of each float result."""
    outputs = float_results(program)
    taken = {i.name for i in program.inputs}
    seeds = [_further(t, _result_name(program, t, len(outputs)), taken) for t in outputs]
    found = vjp(outputs, seeds, wrt, program.facts)
    return _extended(program, seeds, found, {t: f"d{i.name}" for i, t in zip(wrt, found, strict=True)})


def pushforward(program: Program, wrt: Sequence[Input]) -> Program:
    """The results, and the tangents of the float ones: given, as further inputs, one of each input `wrt`."""
    outputs = float_results(program)
    taken = {i.name for i in program.inputs}
    given: dict[Tensor, Input] = {i: _further(i, f"d{i.name}", taken) for i in wrt}
    found = jvp(outputs, given)
    names = {t: _result_name(program, y, len(outputs)) for y, t in zip(outputs, found, strict=True)}
    return _extended(program, tuple(given.values()), found, names)


def batched(program: Program, axes: Sequence[int | None]) -> Program:
    """The program for each place along the given axes of its inputs; its results have that axis first."""
    known = {s.name for i in program.inputs for e in i.extents for s in algebra.sizes(e)}
    extent = algebra.size(_unique("V", known))
    inputs: list[Input] = []
    lifted: dict[Tensor, Tensor] = {}
    for i, axis in zip(program.inputs, axes, strict=True):
        if axis is None:
            inputs.append(i)
            continue
        extents = (*i.extents[:axis], extent, *i.extents[axis:])
        inputs.append(Input(i.name, extents, i.dtype))
        at = tuple(map(algebra.fresh, extents))
        lifted[i] = build.define((at[axis], *at[:axis], *at[axis + 1 :]), build.load(inputs[-1], tuple(map(algebra.poly, at))))
    outputs = batch(program.outputs, lifted, [extent])
    count = len(program.results)
    checks = tuple(replace(c, place=p) for c, p in zip(program.checks, outputs[count:], strict=True))
    names: dict[Tensor, str] = dict(program.names)
    names.update((i, i.name) for i in inputs)
    names |= {new: program.names[old] for old, new in zip(program.outputs, outputs, strict=True) if old in program.names}
    return replace(program, inputs=tuple(inputs), results=tuple(outputs[:count]), checks=checks, names=names)


def _further(like: Tensor, name: str, taken: set[str]) -> Input:
    return Input(_unique(name, taken), like.extents, like.dtype)


def _unique(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _result_name(program: Program, t: Tensor, count: int) -> str:
    """What the cotangent or tangent of a result is called: `dy` where there is one alone."""
    return "dy" if count == 1 else f"d{program.names.get(t, 'y')}"


def _extended(program: Program, inputs: Iterable[Input], results: Iterable[Tensor], names: Mapping[Tensor, str]) -> Program:
    further = tuple(inputs)
    kept = dict(program.names)
    for t, name in (*names.items(), *((i, i.name) for i in further)):
        if not isinstance(t, Input) or t in further:
            kept.setdefault(t, name)
    return replace(program, inputs=(*program.inputs, *further), results=(*program.results, *results), names=kept)


def jacobian(program: Program, wrt: Sequence[Input], forward: bool) -> Program:
    """The derivative of each float result by each of the inputs `wrt`, with the axes [*result, *input], results outermost."""
    found = [one for y in float_results(program) for one in derivative_tensors(y, wrt, forward, program.facts)]
    return replace(program, results=tuple(found))
