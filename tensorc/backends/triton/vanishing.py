"""What values are where a block has no point: loads find there what their reduction begins with, so that it needs no mask of its own."""

from __future__ import annotations

from collections.abc import Mapping

from tensorc.algebra import Index, Poly
from tensorc.backends.triton.context import Context
from tensorc.dtypes import bool_
from tensorc.ir import walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Apply, Load, Scalar, Tensor
from tensorc.loops.nest import Fold, Kernel, Scratch, Update, Var, scalars, statements
from tensorc.schedule.gpu.product import sides

Others = Mapping[tuple[Tensor, tuple[Poly, ...]], float | int]


def others(kernel: Kernel) -> Others:
    """What loads find where there is no point, if it is not 0: the identity of the maximum or minimum that they are of."""
    found: dict[tuple[Tensor, tuple[Poly, ...]], float | int] = {}
    refused: set[tuple[Tensor, tuple[Poly, ...]]] = set()
    for s in statements(kernel.body):
        if isinstance(s, Fold) and s.monoid == "sum" and sides(s.value, s.var.axes, s.over) is not None:
            # products of matrices count on 0
            refused.update((load.tensor, load.subscripts) for value in scalars(s) for load in walk.loads(value))
        if isinstance(s, (Fold, Update)) and s.monoid in ("max", "min") and s.over:
            load = _as_it_is(s.value)
            if isinstance(load, Load) and not isinstance(load.tensor, (Var, Scratch)) and load.dtype is not bool_:
                key = (load.tensor, load.subscripts)
                identity = MONOIDS[s.monoid].identity(load.dtype)
                if found.setdefault(key, identity) != identity:
                    refused.add(key)
    return {key: other for key, other in found.items() if key not in refused}


def is_identity(context: Context, monoid: str, value: Scalar, axis: Index) -> bool:
    """Whether the value is the monoid's identity where the axis has no point."""
    if context.bound[axis].mask is None:
        return True
    if monoid == "sum":
        return value.dtype.is_float and _is_zero(context, value, axis)
    load = _as_it_is(value)
    if not isinstance(load, Load) or axis not in walk.indices(load) or load.dtype is bool_:
        return False
    return context.others.get((load.tensor, load.subscripts)) == MONOIDS[monoid].identity(load.dtype)


def _is_zero(context: Context, s: Scalar, axis: Index) -> bool:
    match s:
        case Load(Var() as var, _):
            value = context.values.get(var)
            return value is not None and _is_zero(context, value, axis)
        case Load(tensor, subscripts):
            return not isinstance(tensor, Scratch) and axis in walk.indices(s) and (tensor, subscripts) not in context.others
        case Apply("exp" | "exp2", (Apply("sub", (value, Load(Var() as top, _)), _),), _):
            return _is_below(context, value, top, axis)
        case Apply("mul" | "add" | "sub" | "neg" | "abs" | "cast", arguments, _):
            return all(a.dtype.is_float and _is_zero(context, a, axis) for a in arguments)
        case _:
            return False


def _is_below(context: Context, value: Scalar, top: Var, axis: Index) -> bool:
    """Whether -inf stands for the value where there is no point, and `top` is the maximum of all that it is, so that exp of the difference
    is 0: or NaN, where it is NaN for every other point too.
    """
    load = _as_it_is(value)
    folded = context.folded.get(top)
    return (
        isinstance(load, Load)
        and context.holds(axis.extent, "%", 1)  # there is a point: of none the maximum is -inf too
        and axis in walk.indices(load)
        and context.others.get((load.tensor, load.subscripts)) == float("-inf")
        and folded is not None
        and folded[1].monoid == "max"
        and _as_it_is(folded[1].value) is load
    )


def _as_it_is(s: Scalar) -> Scalar:
    """The value without conversions to a wider float."""
    while isinstance(s, Apply) and s.operation == "cast" and s.arguments[0].dtype.is_float and s.dtype.bits >= s.arguments[0].dtype.bits:
        s = s.arguments[0]
    return s
