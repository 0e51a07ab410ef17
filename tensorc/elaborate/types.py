"""Declared types: dims are bound, evaluated and compared, values are held against the types of parameters, `let`s and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tensorc.algebra import Poly
from tensorc.diagnostics import CompileError, Label
from tensorc.dtypes import DTYPES, DType, bool_, f64
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context
from tensorc.elaborate.hints import agreement, conversion, did_you_mean, equality
from tensorc.elaborate.tasks import Task
from tensorc.elaborate.values import Array, List, Tuple, Value, describe, static_constant, static_integer
from tensorc.ir.walk import loads
from tensorc.source import Span
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.elaborate.expressions import Evaluator, Scope


# Dtypes.


def type_kind(function: tree.Function, name: str) -> str | None:
    """The kind of a function's dtype variable."""
    return next((t.kind for t in function.type_parameters if t.name == name), None)


def known_dtype(type: tree.TensorType, scope: Scope) -> DType | None:
    """The dtype that a type names: a dtype, a variable that is bound, or a static parameter."""
    named = scope.names.get(type.dtype)
    return DTYPES.get(type.dtype) or scope.dtypes.get(type.dtype) or (named if isinstance(named, DType) else None)


def unknown_dtype(context: Context, type: tree.TensorType, variables: Sequence[str] = ()) -> CompileError:
    help = did_you_mean(type.dtype, [*DTYPES, *variables]) or f"the dtypes are {', '.join(DTYPES)}"
    return context.error("E0407", f"unknown dtype `{type.dtype}`", type.dtype_span, "not a dtype", help=help)


def weaken(context: Context, value: Array, want: DType, at: Span | None, what: str, *others: Label) -> Array:
    """A weak value in a declared dtype: a float does not become an integer, nor a number bool, silently."""
    if value.dtype.category > want.category:
        found = describe(value)
        raise context.error("E0401", f"{what} is {found}, expected {want}", at, found, *others, help=conversion(at, want))
    return arrays.convert(context, value, want, at)


# Dims.


@dataclass(frozen=True)
class Known:
    """A dim that a named list stands for."""

    extent: Poly
    splice: tree.Splice


def spread(type: tree.TensorType, scope: Scope) -> list[tree.Dim | Known]:
    """The dims of a type with the named lists that are bound written out."""
    dims: list[tree.Dim | Known] = []
    for d in type.dims:
        bound = scope.names.get(f"...{d.name}") if isinstance(d, tree.Splice) and d.name is not None else None
        if isinstance(d, tree.Splice) and isinstance(bound, List):
            extents = [static_integer(v) for v in bound.items]
            dims += [Known(e, d) for e in extents if e is not None]
        else:
            dims.append(d)
    return dims


@dataclass(frozen=True)
class Layout:
    """The axes of a type for one rank: `dims` has a dim for each, and the same Splice for each axis that `...` stands for."""

    dims: tuple[tree.Dim | Known, ...]
    splice: tree.Splice | None
    start: int
    end: int


def layout(type: tree.TensorType, rank: int, scope: Scope) -> Layout | None:
    """Which axis has which dim; None where the type has another rank."""
    dims = spread(type, scope)
    loose = [n for n, d in enumerate(dims) if isinstance(d, tree.Splice)]
    if not loose:
        return Layout(tuple(dims), None, 0, 0) if len(dims) == rank else None
    at, rest = loose[0], rank - len(dims) + 1
    splice = dims[at]
    assert isinstance(splice, tree.Splice)
    return Layout((*dims[:at], *[splice] * rest, *dims[at + 1 :]), splice, at, at + rest) if rest >= 0 else None


def rank_text(type: tree.TensorType, scope: Scope) -> str:
    """The rank of a type as messages show it."""
    dims = spread(type, scope)
    loose = sum(isinstance(d, tree.Splice) for d in dims)
    return f"{len(dims) - loose} or more" if loose else str(len(dims))


def undeclared_splice(context: Context, splice: tree.Splice, scope: Scope) -> CompileError:
    known = [n.removeprefix("...") for n in scope.names if n.startswith("...")]
    help = did_you_mean(splice.name or "", known, "...") or f"a parameter's type declares it: `x: f32[...{splice.name}]`"
    return context.error("E0203", f"`...{splice.name}` is not declared", splice.span, "in no parameter's type", help=help)


def bind_dims(type: tree.TensorType, value: Array, scope: Scope, static: frozenset[str]) -> None:
    """Bind the plain dims and the splice of a parameter's type that are not bound yet; static parameters bind themselves."""
    found = layout(type, value.rank, scope)
    if found is None:
        return  # check_dims reports it
    for d, extent in zip(found.dims, value.extents, strict=True):
        if isinstance(d, tree.Name) and d.name not in scope.names and d.name not in static:
            scope.names[d.name] = arrays.dimension(extent)
            scope.places[d.name] = d.span
    if found.splice is not None and found.splice.name is not None:
        scope.names[f"...{found.splice.name}"] = List(tuple(map(arrays.dimension, value.extents[found.start : found.end])))


def check_dims(
    evaluator: Evaluator, type: tree.TensorType, value: Array, scope: Scope, at: Span | None, what: str, declared: Label | None = None
) -> Task:
    """Whether an array has the rank and dims of a type; unnamed dims are not checked."""
    context = evaluator.context
    others = [declared] if declared is not None and at is not None else []
    for splice in type.dims:
        if isinstance(splice, tree.Splice) and splice.name is not None and f"...{splice.name}" not in scope.names:
            raise undeclared_splice(context, splice, scope)
    found = layout(type, value.rank, scope)
    if found is None:
        raise context.error("E0303", f"{what} has rank {value.rank}, expected {rank_text(type, scope)}", at, describe(value), *others)
    for axis, (d, extent) in enumerate(zip(found.dims, value.extents, strict=True)):
        if isinstance(d, (tree.Wildcard, tree.Splice)):
            continue
        want = d.extent if isinstance(d, Known) else (yield dim(evaluator, d, scope))
        if context.meet(want, extent) is None:
            notes = (f"axis {axis} is {context.sized(extent)}, expected {context.sized(want)}",)
            help = equality(context, extent, want) or agreement(context, extent, want, (value, axis, want))
            raise context.error("E0302", f"{what} has another shape", at, describe(value), *others, notes=notes, help=help)


def dim(evaluator: Evaluator, d: tree.Expr, scope: Scope) -> Task:
    """A dim of a type as a polynomial."""
    stack = [d]
    while stack:
        match stack.pop():
            case tree.Name(name=name, span=span) if name not in scope.names:
                known = [n for n in scope.names if static_integer(scope.names[n]) is not None]
                help = (
                    did_you_mean(name, known) or f"a parameter declares it where it stands alone: `x: f32[{name}]`; `_` leaves a dim open"
                )
                raise evaluator.context.error("E0203", f"the dim `{name}` is not declared", span, "bound by no parameter", help=help)
            case tree.Binary(left=left, right=right):
                stack += [right, left]
            case tree.Unary(operand=operand):
                stack.append(operand)
            case _:
                pass
    return (yield evaluator.static(d, scope, "a dim"))


# Static values.

_WANTS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a string",
    "dtype": "a dtype",
    "dims": "a list of dims",
    "axes": "an axis or a list of axes",
}


def take_static(context: Context, kind: str, value: Value, at: Span | None, what: str, declared: Label | None = None) -> Value:
    """A value of one of the static types, or a diagnostic."""
    match kind:
        case "int" if static_integer(value) is not None:
            return value
        case "float" if isinstance(value, Array) and _is_static_number(value):
            return arrays.convert_weak(value, f64)
        case "bool" if isinstance(static_constant(value), bool):
            return value
        case "str" if isinstance(value, str):
            return value
        case "dtype" if isinstance(value, DType):
            return value
        case "dims":
            items = value.items if isinstance(value, (List, Tuple)) else (value,)
            if all(static_integer(v) is not None for v in items):
                return List(items)
        case "axes":
            if value is None or static_integer(value) is not None:
                return value
            if isinstance(value, (List, Tuple)) and all(static_integer(v) is not None for v in value.items):
                return List(value.items)
    found = describe(value)
    others = [declared] if declared is not None and at is not None and declared.span is not at else []
    tensor = {"bool": "bool[]", "int": "i64", "float": "f32"}.get(kind)
    help = f"a 0-d tensor is declared `{tensor}`" if tensor is not None and isinstance(value, Array) else None
    raise context.error("E0604", f"{what} is {_WANTS[kind]} known when compiling, found {found}", at, found, *others, help=help)


def _is_static_number(value: Array) -> bool:
    return value.weak and not value.axes and value.dtype is not bool_ and not value.free and not loads(value.body)


# Declared types of values.


def conform(evaluator: Evaluator, type: tree.Type, value: Value, scope: Scope, span: Span, what: str, keep_weak: bool = False) -> Task:
    """A value checked against a declared type; a declared dtype converts only weak values."""
    context = evaluator.context
    declared = Label(type.span, "declared here")
    if isinstance(type, tree.TupleType):
        count = len(value.items) if isinstance(value, Tuple) else 1
        if not isinstance(value, Tuple) or count != len(type.items):
            message = f"{what} is {_values(count)}, but {_values(len(type.items))} are declared"
            raise context.error("E0605", message, span, describe(value), declared)
        items = []
        for n, (t, v) in enumerate(zip(type.items, value.items, strict=True)):
            items.append((yield conform(evaluator, t, v, scope, span, f"item {n} of {what}", keep_weak)))
        return Tuple(tuple(items))
    if isinstance(type, tree.StaticType):
        return take_static(context, type.name, value, span, what, declared)
    if isinstance(value, Tuple):
        raise context.error("E0605", f"{what} is {_values(len(value.items))}, but one is declared", span, describe(value), declared)
    array = arrays.as_array(context, value, span)
    want = known_dtype(type, scope)
    if want is None:
        raise unknown_dtype(context, type, [*scope.dtypes])
    declared = Label(type.span, f"declared {want}")
    if array.weak and not (keep_weak and array.dtype is want):
        array = weaken(context, array, want, span, what, declared)
    elif array.dtype is not want:
        raise context.error(
            "E0401", f"{what} is {array.dtype}, expected {want}", span, describe(array), declared, help=conversion(span, want)
        )
    yield check_dims(evaluator, type, array, scope, span, what, Label(type.span, "declared here"))
    return array


def _values(count: int) -> str:
    return "one value" if count == 1 else f"{count} values"
