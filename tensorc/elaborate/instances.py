"""Instances: one function for given dtypes, ranks and static values becomes a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

from tensorc import algebra
from tensorc.algebra import Poly, Size
from tensorc.diagnostics import CompileError, Label
from tensorc.dtypes import DTYPES, KINDS, DType
from tensorc.elaborate import arrays, calls
from tensorc.elaborate.context import Context, merge
from tensorc.elaborate.expressions import Evaluator, Scope, scope_of
from tensorc.elaborate.signatures import Signatures, is_miscounted, key_of
from tensorc.elaborate.tasks import Poisoned, Task, run
from tensorc.elaborate.types import Known, dim, layout, rank_text, type_kind, unknown_dtype
from tensorc.elaborate.units import Unit
from tensorc.elaborate.values import MISSING, Array, List, Tuple, Value, describe, of_tensor
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Tensor
from tensorc.source import Span
from tensorc.syntax import tree

ResultTree = Union[int, tuple["ResultTree", ...]]  # noqa: UP007  (it speaks of itself)
"""Which of a program's results stands where in what the function returns."""


@dataclass(frozen=True)
class ArgumentType:
    """What is known of a tensor argument when compiling. `ones` are the axes whose extent is known to be 1."""

    dtype: DType
    rank: int
    ones: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ParameterInfo:
    """A parameter as its declaration says. `dtypes` are those it takes; `rank` is exact, or the least where `more_axes`."""

    name: str
    span: Span
    is_static: bool
    static_type: str | None
    dtype_text: str
    dims_text: str
    dtypes: tuple[DType, ...]
    rank: int
    more_axes: bool
    has_default: bool


@dataclass(frozen=True)
class Instance:
    """A function compiled to the typed IR for given argument types."""

    program: Program
    result: ResultTree
    signature: str


def parameters(unit: Unit, name: str) -> list[ParameterInfo]:
    """The parameters of a function of the unit."""
    function = unit.functions[name]
    found = []
    for p in function.parameters:
        if isinstance(p.type, tree.TensorType):
            kind = type_kind(function, p.type.dtype)
            dtypes = KINDS[kind] if kind is not None else (DTYPES[p.type.dtype],) if p.type.dtype in DTYPES else ()
            dims = ", ".join(d.span.text for d in p.type.dims)
            loose = sum(isinstance(d, tree.Splice) for d in p.type.dims)
            rank = len(p.type.dims) - loose
            found.append(ParameterInfo(p.name, p.span, False, None, p.type.dtype, dims, dtypes, rank, loose > 0, p.default is not None))
        else:
            kind_name = p.type.name if isinstance(p.type, tree.StaticType) else "tuple"
            found.append(ParameterInfo(p.name, p.span, True, kind_name, "", "", (), 0, False, p.default is not None))
    return found


def signature(function: tree.Function) -> str:
    """The head of a function as it is written, white space made single."""
    return " ".join(function.head.text.split())


def instantiate(unit: Unit, name: str, arguments: Sequence[Any]) -> Instance:
    """The function for argument types (ArgumentType for a tensor, a Python value for a static parameter, MISSING for a default).

    CompileError with every independent mistake of the body. What is made of tensors alone is kept.
    """
    key = key_of(unit.functions[name], arguments)
    found = unit.instances.get(key)
    if found is None:
        found = _instance(unit, name, arguments, Context())
        if all(isinstance(a, ArgumentType) or a is MISSING for a in arguments):
            unit.instances[key] = found
    return found


def check_instance(unit: Unit, name: str, arguments: Sequence[Any], signatures: Signatures) -> None:
    """As `instantiate`, for the mistakes alone."""
    context = Context(signatures=signatures)
    try:
        made = _instance(unit, name, arguments, context)
    except CompileError as e:
        if not is_miscounted(context, e):
            raise
        made = _instance(unit, name, arguments, Context())
    if context.is_whole:
        unit.instances[key_of(unit.functions[name], arguments)] = made


def _instance(unit: Unit, name: str, arguments: Sequence[Any], context: Context) -> Instance:
    function = unit.functions[name]
    if name in unit.broken:
        raise CompileError(merge(unit.errors))
    evaluator = Evaluator(context)
    try:
        inputs, result = run(build_instance(evaluator, unit, function, arguments))
    except Poisoned:
        raise CompileError(()) from None
    last = function.body[-1]
    program, tree_ = finish(context, name, inputs, result, last.span if isinstance(last, tree.Return) else function.name_span)
    return Instance(program, tree_, signature(function))


def build_instance(evaluator: Evaluator, unit: Unit, function: tree.Function, arguments: Sequence[Any]) -> Task:
    """(inputs, result) of a function's body for argument types."""
    context = evaluator.context
    scope = scope_of(unit, function)
    given = list(zip(function.parameters, arguments, strict=True))
    static = {p.name: (lift(context, a), None) for p, a in given if isinstance(p.type, tree.StaticType) and a is not MISSING}
    yield calls.bind_statics(evaluator, function, static, scope, defaults=False)
    tensors: list[tuple[tree.Parameter, ArgumentType]] = []
    for p, a in given:
        if isinstance(p.type, tree.TensorType):
            tensors.append((p, (yield default_type(evaluator, p, scope)) if a is MISSING else a))
    for p, a in tensors:
        _bind_dtype(context, function, p, a, scope)
        _bind_sizes(context, p, a, scope, calls.static_names(function))
    yield calls.bind_statics(evaluator, function, static, scope, defaults=True)
    inputs = []
    for p, a in tensors:
        extents = yield _extents(evaluator, p, a, scope)
        assert isinstance(p.type, tree.TensorType)
        dtype = DTYPES.get(p.type.dtype) or scope.dtypes[p.type.dtype]
        made = Input(p.name, extents, dtype)
        inputs.append(made)
        context.names[made] = p.name
        context.spans[made] = p.span
        context.parameters[made] = p
        scope.names[p.name] = of_tensor(made)
        scope.places[p.name] = p.name_span
    evaluator.active.append(function)
    return inputs, (yield calls.returned(evaluator, function, scope))


def default_type(evaluator: Evaluator, p: tree.Parameter, scope: Scope) -> Task:
    """The type of a tensor parameter's default, which is a 0-d literal."""
    assert p.default is not None
    value = yield evaluator.array(p.default, scope)
    return ArgumentType(arrays.strong_dtype(value.dtype), value.rank)


def lift(context: Context, value: Any) -> Value:
    """A Python value as a value of the language: numbers are weak, lists are lists, a string may name a dtype."""
    if isinstance(value, (Array, List, Tuple, DType, str)) or value is None:
        return value
    if isinstance(value, (bool, int, float)):
        if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 64:
            raise context.error("E0403", f"{value} does not fit in 64 bits")
        return arrays.constant(value)
    if isinstance(value, Poly):
        return arrays.dimension(value)
    if isinstance(value, list):
        return List(tuple(lift(context, v) for v in value))
    if isinstance(value, tuple):
        return Tuple(tuple(lift(context, v) for v in value))
    raise context.error(
        "E0601", f"{type(value).__name__} is no value of the language", help="tensors, numbers, strings, dtypes, lists and tuples are"
    )


def _bind_dtype(context: Context, function: tree.Function, p: tree.Parameter, a: ArgumentType, scope: Scope) -> None:
    type = p.type
    assert isinstance(type, tree.TensorType)
    want = DTYPES.get(type.dtype) or scope.dtypes.get(type.dtype)
    if want is None:
        kind = type_kind(function, type.dtype)
        if kind is None:
            raise unknown_dtype(context, type, [t.name for t in function.type_parameters])
        if a.dtype not in KINDS[kind]:
            message = f"`{p.name}` is {a.dtype}, but `{type.dtype}` stands for a dtype of the kind `{kind}`"
            raise context.error("E0406", message, p.span, f"{type.dtype}: {kind}")
        scope.dtypes[type.dtype] = want = a.dtype
    if want is not a.dtype:
        raise context.error("E0401", f"`{p.name}` is {a.dtype}, expected {want}", p.span, f"declared {type.dtype}")


def _bind_sizes(context: Context, p: tree.Parameter, a: ArgumentType, scope: Scope, static: frozenset[str]) -> None:
    """Declare the sizes that a parameter's type names."""
    type = p.type
    assert isinstance(type, tree.TensorType)
    found = layout(type, a.rank, scope)
    if found is None:
        raise context.error("E0303", f"`{p.name}` has rank {a.rank}, declared {rank_text(type, scope)}", p.span)
    for d in found.dims:
        if isinstance(d, tree.Name) and d.name not in scope.names and d.name not in static:
            scope.names[d.name] = arrays.dimension(_declared(context, d.name, d.span, p.name))
            scope.places[d.name] = d.span
    splice = found.splice
    if splice is not None and splice.name is not None:
        names = [_free_name(scope, f"{splice.name}{n}") for n in range(found.end - found.start)]
        sizes = tuple(arrays.dimension(_unnamed(context, n, splice.span, p.name)) for n in names)
        scope.names[f"...{splice.name}"] = List(sizes)


def _free_name(scope: Scope, name: str) -> str:
    while name in scope.names:
        name += "_"
    return name


def _declared(context: Context, name: str, span: Span, parameter: str) -> Poly:
    context.origins[Size(name)] = Label(span, parameter)
    return algebra.size(name)


def _unnamed(context: Context, name: str, span: Span, parameter: str) -> Poly:
    """A size that the program's text has no name for."""
    context.unnamed.add(Size(name))
    return _declared(context, name, span, parameter)


def _extents(evaluator: Evaluator, p: tree.Parameter, a: ArgumentType, scope: Scope) -> Task:
    """The extents of a parameter: named ones as declared, unnamed ones by the name of the parameter and the axis."""
    assert isinstance(p.type, tree.TensorType)
    context = evaluator.context
    found = layout(p.type, a.rank, scope)
    assert found is not None
    extents: list[Poly] = []
    for axis, d in enumerate(found.dims):
        if isinstance(d, Known):
            extents.append(d.extent)
        elif isinstance(d, (tree.Wildcard, tree.Splice)):
            extents.append(_unnamed(context, _free_name(scope, f"{p.name}_{axis}"), d.span, p.name))
        else:
            extents.append((yield dim(evaluator, d, scope)))
            if extents[-1].constant is not None and extents[-1].constant < 0:
                raise context.error("E0308", f"a dim of `{p.name}` is negative: {extents[-1]}", d.span, str(extents[-1]))
            if not context.exact and not isinstance(d, tree.Name):
                context.learn(extents[-1], ">=")
    return tuple(extents)


def finish(context: Context, name: str, inputs: Sequence[Input], result: Value, span: Span | None = None) -> tuple[Program, ResultTree]:
    """The program of a built result, and which of its results stands where. `span` is where the result is given."""
    flat: list[Tensor] = []

    def store(value: Value) -> ResultTree:
        if isinstance(value, Tuple):
            return tuple(store(v) for v in value.items)
        if isinstance(value, List):
            value = arrays.as_array(context, value, span)
        if not isinstance(value, Array):
            found = describe(value)
            raise context.error("E0610", f"`{name}` returns {found}", span, found, help="return tensors, or tuples of tensors")
        flat.append(arrays.strong(context, value, span).tensor())
        return len(flat) - 1

    arrays.nested(context, (result,), span)
    result_tree = store(result)
    conditions = tuple(dict.fromkeys(context.conditions))
    checks = tuple(dict.fromkeys(context.checks))
    return Program(name, tuple(inputs), tuple(flat), conditions, checks, context.names, context.spans), result_tree
