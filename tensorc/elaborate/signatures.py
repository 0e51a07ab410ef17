"""What a check knows of functions that it has been through: the type of the result, so that a call need not go through the body again.

Where a body says no more of a call's arguments than of any of their dtypes and ranks, the call is as good as a new tensor of the result's
type. Every other call is gone through, so that its diagnostics are those of its own arguments.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from tensorc import algebra
from tensorc.algebra import Atom, Poly, Size, fresh, poly, substitute
from tensorc.diagnostics import CompileError
from tensorc.dtypes import DType, bool_
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context, is_unknown
from tensorc.elaborate.tasks import Poisoned, Task
from tensorc.elaborate.values import MISSING, Array, List, Routine, Tuple, Value, static_constant
from tensorc.ir import build
from tensorc.ir.program import Condition
from tensorc.ir.tensor import Const, Define, Input, Int, Load
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.elaborate.calls import Given
    from tensorc.elaborate.expressions import Evaluator, Scope

_number = count()


@dataclass(frozen=True)
class Signature:
    """A function for dtypes, ranks and static values: `conditions` are what its body requires of the inputs' sizes.

    Those of what it divides by depend on the indices in scope where `divides`. `expanded` is the number of calls that it comes to.
    """

    inputs: tuple[Input, ...]
    result: Value
    conditions: tuple[Condition, ...]
    divides: bool
    expanded: int


@dataclass
class Signatures:
    """Those that one check has made, None where a call must be gone through. What is wrong with `reported` ones is said of the function."""

    reported: frozenset[Hashable]
    made: dict[Hashable, Signature | None] = field(default_factory=dict)


def key_of(function: tree.Function, arguments: Iterable[Any]) -> Hashable:
    """What tells instances of a function apart, where 1, 1.0 and True differ."""
    return function, *map(_exact, arguments)


def _exact(value: Any) -> Hashable:
    if isinstance(value, (list, tuple)):
        return (type(value), *map(_exact, value))
    return type(value), value.hex() if isinstance(value, float) else value


def of_call(evaluator: Evaluator, callee: Routine, given: Given, scope: Scope) -> Task:
    """The result of a call whose parameters are bound, in a tuple; None where the function's body must be gone through."""
    context = evaluator.context
    arguments = _types(callee.function, given, scope)
    if arguments is None or context.signatures is None:
        return None
    key = key_of(callee.function, arguments)
    if key not in context.signatures.made:
        made = yield _signature(evaluator, callee, arguments)
        context.signatures.made[key] = made
    found = context.signatures.made[key]
    if found is None:
        if key in context.signatures.reported:
            raise Poisoned
        return None
    tensors = [scope.names[p.name] for p in callee.function.parameters if isinstance(p.type, tree.TensorType)]
    result = _applied(context, callee.function.name, found, [a for a in tensors if isinstance(a, Array)])
    context.is_whole = context.is_whole and result is None
    return result


def _types(function: tree.Function, given: Given, scope: Scope) -> list[Any] | None:
    """The arguments of an instance; None where a static one is a dim of the caller's."""
    types: list[Any] = []
    for p in function.parameters:
        value = scope.names[p.name]
        if isinstance(p.type, tree.TensorType) and isinstance(value, Array):
            from tensorc.elaborate.instances import ArgumentType

            types.append(ArgumentType(value.dtype, value.rank))
        elif p.name not in given:
            types.append(MISSING)
        else:
            known = _known(value)
            if known is MISSING:
                return None
            types.append(known)
    return types


def _known(value: Value) -> Any:
    """A static value as Python's; MISSING where it has none."""
    match value:
        case str() | DType() | None:
            return value
        case Array():
            constant = static_constant(value)
            return MISSING if constant is None else constant
        case List(items):
            known = [_known(v) for v in items]
            return MISSING if MISSING in known else known
        case _:
            return MISSING


def _signature(evaluator: Evaluator, callee: Routine, arguments: Sequence[Any]) -> Task:
    """The signature of an instance, of which None is known where it is wrong. A function that calls itself is an error at once."""
    from tensorc.elaborate.expressions import Evaluator
    from tensorc.elaborate.instances import build_instance

    outer = evaluator.context
    for known in (outer.signatures, None):
        context = Context(signatures=known)
        context.calls = outer.calls
        inner = Evaluator(context)
        inner.active = evaluator.active[:-1]
        try:
            inputs, result = yield build_instance(inner, callee.unit, callee.function, arguments)
            arrays.nested(context, (result,), None)
            return Signature(tuple(inputs), result, tuple(dict.fromkeys(context.conditions)), context.divides, context.expanded)
        except CompileError as e:
            if all(d.code == "E0606" for d in e.diagnostics):
                raise
            if not is_miscounted(context, e):
                break
        except Poisoned:
            break
    return None


def is_miscounted(context: Context, failure: CompileError) -> bool:
    """Whether there may be fewer calls than were counted: those that are equal, inside of functions that were not gone through."""
    return not context.is_whole and any(d.code == "E0614" for d in failure.diagnostics)


def _applied(context: Context, name: str, signature: Signature, arguments: Sequence[Array]) -> tuple[Value] | None:
    """The result for arguments, in a tuple; None where more is known of them than their types."""
    values = _sizes(signature, arguments)
    if values is None or any(a.free or _is_number(a) for a in arguments) or (context.live and signature.divides):
        return None
    result = _result(name, signature, arguments, values)
    if result is None:
        return None
    for c in signature.conditions:
        value = substitute(c.value, values)
        if context.refutes(value, c.relation):
            return None
        context.require(value, c.relation, c.message, c.span)
    context.count_calls(name, None, signature.expanded)
    return result


def _sizes(signature: Signature, arguments: Sequence[Array]) -> dict[Atom, Poly] | None:
    """What the function's sizes are in the call, where each is a size."""
    values: dict[Atom, Poly] = {}
    for i, a in zip(signature.inputs, arguments, strict=True):
        for own, extent in zip(i.extents, a.extents, strict=True):
            if own is extent and own.constant is not None:
                continue
            if not isinstance(own.atom, Size) or not isinstance(extent.atom, Size) or is_unknown(extent):
                return None
            if values.setdefault(own.atom, extent) is not extent:
                return None
    return values


def _is_number(a: Array) -> bool:
    """Whether the elements may be known as integers, which subscripts are proved by."""
    if not a.dtype.is_integer:
        return False
    return not isinstance(a.body, Load) or (isinstance(a.body.tensor, Define) and build.is_move(a.body.tensor))


def _result(name: str, signature: Signature, arguments: Sequence[Array], values: dict[Atom, Poly]) -> tuple[Value] | None:
    """The signature's result, of the call's sizes."""
    places = dict(zip(signature.inputs, arguments, strict=True))

    def change(value: Value) -> tuple[Value] | None:
        if isinstance(value, Tuple):
            items = [change(v) for v in value.items]
            return None if any(i is None for i in items) else (Tuple(tuple(i[0] for i in items if i is not None)),)
        if not isinstance(value, Array):
            return None
        axes = tuple(fresh(substitute(a.extent, values)) for a in value.axes)
        inside: dict[Atom, Poly] = values | dict(zip(value.axes, map(poly, axes), strict=True))
        match value.body:
            case Const():
                return (Array(axes, value.body, value.weak),)
            case Int(p) if not algebra.elements(p):
                return (Array(axes, build.integer(substitute(p, inside)), value.weak),)
            case Load(Input() as t, subscripts) if t in places and not any(map(algebra.elements, subscripts)):
                return (Array(axes, places[t].at(tuple(substitute(s, inside) for s in subscripts)), value.weak),)
            case _ if value.weak or not (value.dtype.is_float or value.dtype is bool_):
                return None
        made = Input(f"{name}~{next(_number)}", tuple(a.extent for a in axes), value.dtype)
        return (Array(axes, Load(made, tuple(map(poly, axes)))),)

    return change(signature.result)
