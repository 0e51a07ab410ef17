"""Scalar expressions as values, at one point of the blocks in scope: each is computed once in the outermost loop that it depends on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import assert_never

from tensorc.backends.llvm import access, index, spellings
from tensorc.backends.llvm.context import Context, Coordinates
from tensorc.backends.llvm.types import Value, constant, register
from tensorc.ir import walk
from tensorc.ir.tensor import Apply, Const, Int, IsZero, Load, Nonnegative, Scalar, Select
from tensorc.loops.nest import Var


def evaluate(context: Context, s: Scalar, at: Coordinates) -> Value:
    """The value of s at a point of the blocks, in registers of its dtype: a scalar, or a vector where it differs between the lanes."""
    if isinstance(s, Const):
        return _constant(s)
    if isinstance(s, Load) and isinstance(s.tensor, Var):
        return access.load(context, s.tensor, s.subscripts, at)
    key = (s, context.point(s, at))
    found = context.known.get(key)
    if found is None:
        found = context.passing.get(key)
    if found is None:
        found = _compute(context, s, at)
        if is_passing(context, s):
            context.passing[key] = found
        else:
            context.remember(key, found, found.depth)
    return found


@cache
def _constant(s: Const) -> Value:
    return constant(register(s.dtype), s.value)


def evaluate_all(context: Context, s: Scalar, points: Sequence[Coordinates]) -> list[Value]:
    """The values of s at several points."""
    return context.code.together([partial(evaluate, context, s, at) for at in points])


def is_passing(context: Context, s: Scalar) -> bool:
    """Whether the value may change when the kernel writes."""
    if not context.written:
        return False
    found = context.known_passing.get(s)
    if found is None:
        found = context.known_passing[s] = any(load.tensor in context.written for load in walk.loads(s))
    return found


def _compute(context: Context, s: Scalar, at: Coordinates) -> Value:
    match s:
        case Const():
            return _constant(s)
        case Int(p):
            return index.number(context, p, at)
        case Nonnegative(p):
            return index.is_nonnegative(context, p, at)
        case IsZero(p):
            return index.is_zero(context, p, at)
        case Load(tensor, subscripts):
            return access.load(context, tensor, subscripts, at)
        case Select(condition, then, otherwise):
            decided = evaluate(context, condition, at)
            if decided.text in ("true", "false"):
                return evaluate(context, then if decided.text == "true" else otherwise, at)
            if isinstance(then, Load) and isinstance(otherwise, Const) and not otherwise.value:
                guarded = access.load_where(context, then, condition, decided, at)
                if guarded is not None:
                    return guarded
            return context.code.select(*context.code.unify(decided, evaluate(context, then, at), evaluate(context, otherwise, at)))
        case Apply("and", (Nonnegative(p), Nonnegative(q)), _) if (between := index.is_between(context, p, q, at)) is not None:
            return between
        case Apply(operation, arguments, dtype):
            values = [evaluate(context, a, at) for a in arguments]
            if operation == "and" and any(v.text == "true" for v in values):
                return values[1] if values[0].text == "true" else values[0]
            operands = context.code.unify(*values)
            return spellings.apply(context.code, operation, operands, arguments[0].dtype, dtype)
        case _:
            assert_never(s)


def fused_factors(context: Context, s: Scalar) -> tuple[Scalar, Scalar] | None:
    """The factors of a product that may be multiplied and added with one rounding where a sum folds it."""
    while isinstance(s, Select) and isinstance(s.condition, Nonnegative) and s.condition.value in context.proved:
        s = s.then
    if context.code.module.fused and isinstance(s, Apply) and s.operation == "mul" and s.dtype.is_float and not s.dtype.is_half:
        return s.arguments[0], s.arguments[1]
    return None
