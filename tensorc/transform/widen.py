"""A program in float64: each float of 16 or 32 bits is one of 64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from tensorc import algebra
from tensorc.dtypes import DType, f64
from tensorc.errors import DTypeError
from tensorc.ir import build, walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Const, Define, Input, Int, IsZero, Load, Nonnegative, Scalar, Scatter, Select, Tensor
from tensorc.transform.graph import elements_changed, number_changed, with_sources


def widened(program: Program) -> Program:
    """The program with float64 in place of every other float dtype. DTypeError where it reads the bits of floats."""
    new: dict[Tensor, Tensor] = {}
    for t in walk.topological([*program.inputs, *program.outputs]):
        match t:
            case Input(name, extents, dtype):
                new[t] = Input(name, extents, _wide(dtype))
            case Define(extents, monoid, bound, body):
                new[t] = Define(extents, monoid, bound, _body(body, new))
            case Scatter(extents, iteration, subscripts, body, base):
                places = tuple(number_changed(p, new) for p in subscripts)
                new[t] = Scatter(extents, iteration, places, _body(body, new), None if base is None else new[base])
            case _:
                new[t] = with_sources(t, new)
    inputs = [new[t] for t in program.inputs]
    return replace(
        program,
        inputs=tuple(t for t in inputs if isinstance(t, Input)),
        results=tuple(new[t] for t in program.results),
        checks=tuple(replace(c, place=new[c.place]) for c in program.checks),
        names={new[t]: name for t, name in program.names.items() if t in new},
        spans={new[t]: span for t, span in program.spans.items() if t in new},
    )


def _wide(dtype: DType) -> DType:
    return f64 if dtype.is_float else dtype


def _body(body: Scalar, new: Mapping[Tensor, Tensor]) -> Scalar:
    """The body that reads the new tensors, in float64."""
    change = elements_changed(new)
    made: dict[Scalar, Scalar] = {}
    for s in walk.postorder(body):
        match s:
            case Const(value, dtype):
                made[s] = build.constant(value, _wide(dtype))
            case Int(p):
                made[s] = build.integer(algebra.rebuild(p, change))
            case Nonnegative(p):
                made[s] = build.nonnegative(algebra.rebuild(p, change))
            case IsZero(p):
                made[s] = build.is_zero(algebra.rebuild(p, change))
            case Load(t, subscripts):
                made[s] = build.load(new[t], tuple(algebra.rebuild(p, change) for p in subscripts))
            case Select(condition, then, otherwise):
                made[s] = build.select(made[condition], made[then], made[otherwise])
            case Apply("bitcast", (argument,), dtype) if dtype.is_float or argument.dtype.is_float:
                raise DTypeError(f"bitcast from {argument.dtype} to {dtype} has no meaning in f64")
            case Apply(operation, arguments, dtype):
                made[s] = build.apply(operation, *(made[a] for a in arguments), dtype=_wide(dtype))
            case _:
                assert_never(s)
    return made[body]


__all__ = ["widened"]
