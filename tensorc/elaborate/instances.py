"""Instances: one function for given dtypes, ranks and static values becomes a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Union

from tensorc import algebra
from tensorc.algebra import Poly, Size
from tensorc.diagnostics import CompileError, Label, error
from tensorc.dtypes import DTYPES, KINDS, DType
from tensorc.elaborate import arrays, calls
from tensorc.elaborate.context import Context, merge
from tensorc.elaborate.expressions import Evaluator, Poisoned, Scope, Task, run
from tensorc.elaborate.units import Unit
from tensorc.elaborate.values import MISSING, Array, List, Tuple, Value, describe, of_tensor
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Tensor
from tensorc.source import Span
from tensorc.syntax import tree

ResultTree = Union[int, tuple["ResultTree", ...]]
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
            kind = calls.type_kind(function, p.type.dtype)
            dtypes = KINDS[kind] if kind is not None else (DTYPES[p.type.dtype],) if p.type.dtype in DTYPES else ()
            before, splice, after = calls.split_dims(p.type.dims)
            dims = ", ".join(d.span.text for d in p.type.dims)
            found.append(
                ParameterInfo(p.name, p.span, False, None, p.type.dtype, dims, dtypes, len(before) + len(after), splice is not None, p.default is not None)
            )
        else:
            kind_name = p.type.name if isinstance(p.type, tree.StaticType) else "tuple"
            found.append(ParameterInfo(p.name, p.span, True, kind_name, "", "", (), 0, False, p.default is not None))
    return found


def signature(function: tree.Function) -> str:
    """The head of a function as it is written, white space made single."""
    return " ".join(function.head.text.split())


def instantiate(unit: Unit, name: str, arguments: Sequence[Any]) -> Instance:
    """The function for argument types (ArgumentType for a tensor, a Python value for a static parameter, MISSING for a default).

    CompileError with every independent mistake of the body.
    """
    function = unit.functions[name]
    context = Context()
    evaluator = Evaluator(context)
    try:
        inputs, result = run(build_instance(evaluator, unit, function, arguments))
    except Poisoned:
        raise CompileError(()) from None
    program, tree_ = finish(context, name, inputs, result)
    return Instance(program, tree_, signature(function))


def build_instance(evaluator: Evaluator, unit: Unit, function: tree.Function, arguments: Sequence[Any]) -> Task:
    """(inputs, result) of a function's body for argument types."""
    context = evaluator.context
    scope = Scope(unit)
    given = list(zip(function.parameters, arguments, strict=True))
    for p, a in given:
        if isinstance(p.type, tree.TupleType):
            raise context.error("E0604", "a parameter is a tensor or a static value", p.type.span)
        if isinstance(p.type, tree.StaticType):
            static = {} if a is MISSING else {p.name: (lift(context, a), None)}
            yield calls.bind_static(evaluator, p, static, scope)
    tensors: list[tuple[tree.Parameter, ArgumentType]] = []
    for p, a in given:
        if isinstance(p.type, tree.TensorType):
            tensors.append((p, (yield default_type(evaluator, p, scope)) if a is MISSING else a))
    for p, a in tensors:
        _bind_dtype(context, function, p, a, scope)
        _bind_sizes(context, p, a, scope)
    inputs = []
    for p, a in tensors:
        extents = yield _extents(evaluator, p, a, scope)
        assert isinstance(p.type, tree.TensorType)
        dtype = DTYPES.get(p.type.dtype) or scope.dtypes[p.type.dtype]
        made = Input(p.name, extents, dtype)
        inputs.append(made)
        context.names[made] = p.name
        context.spans[made] = p.span
        scope.names[p.name] = of_tensor(made)
        scope.places[p.name] = p.span
    evaluator.active.append(function)
    result = yield evaluator.statements(function, scope)
    if function.returns is not None:
        last = function.body[-1]
        at = last.value.span if isinstance(last, tree.Return) else function.name_span
        result = yield calls.conform(evaluator, function.returns, result, scope, at)
    return inputs, result


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
    raise context.error("E0601", f"{type(value).__name__} is no value of the language", help="tensors, numbers, strings, dtypes, lists and tuples are")


def _bind_dtype(context: Context, function: tree.Function, p: tree.Parameter, a: ArgumentType, scope: Scope) -> None:
    type = p.type
    assert isinstance(type, tree.TensorType)
    want = DTYPES.get(type.dtype) or scope.dtypes.get(type.dtype)
    if want is None:
        kind = calls.type_kind(function, type.dtype)
        if kind is None:
            raise calls.unknown_dtype(context, type, function)
        if a.dtype not in KINDS[kind]:
            raise context.error("E0406", f"`{p.name}` is {a.dtype}, but `{type.dtype}` stands for a {kind} dtype", p.span)
        scope.dtypes[type.dtype] = want = a.dtype
    if want is not a.dtype:
        raise context.error("E0401", f"`{p.name}` is {a.dtype}, expected {want}", p.span, f"declared {type.dtype}")


def _bind_sizes(context: Context, p: tree.Parameter, a: ArgumentType, scope: Scope) -> None:
    """Declare the sizes that a parameter's type names."""
    type = p.type
    assert isinstance(type, tree.TensorType)
    before, splice, after = calls.split_dims(type.dims)
    rest = a.rank - len(before) - len(after)
    if rest < 0 or (splice is None and rest):
        raise context.error("E0303", f"`{p.name}` has rank {a.rank}, declared {len(before) + len(after)}{' or more' if splice else ''}", p.span)
    for d in (*before, *after):
        if isinstance(d, tree.Name) and d.name not in scope.names:
            declare(context, scope, d.name, d.span, p.name)
    if splice is not None and splice.name is not None and f"...{splice.name}" not in scope.names:
        names = [f"{splice.name}{n}" for n in range(rest)]
        sizes = tuple(arrays.dimension(declared(context, fresh_name(scope, n), splice.span, p.name)) for n in names)
        scope.names[f"...{splice.name}"] = List(sizes)


def fresh_name(scope: Scope, name: str) -> str:
    while name in scope.names:
        name += "_"
    return name


def declared(context: Context, name: str, span: Span, parameter: str) -> Poly:
    context.origins[Size(name)] = Label(span, parameter)
    return algebra.size(name)


def declare(context: Context, scope: Scope, name: str, span: Span, parameter: str) -> None:
    scope.names[name] = arrays.dimension(declared(context, name, span, parameter))
    scope.places[name] = span


def _extents(evaluator: Evaluator, p: tree.Parameter, a: ArgumentType, scope: Scope) -> Task:
    """The extents of a parameter: named ones as declared, unnamed ones by the name of the parameter and the axis."""
    type = p.type
    assert isinstance(type, tree.TensorType)
    context = evaluator.context
    before, splice, after = calls.split_dims(type.dims)
    extents: list[Poly] = []

    def unnamed(span: Span) -> Poly:
        return declared(context, fresh_name(scope, f"{p.name}_{len(extents)}"), span, p.name)

    for d in before:
        extents.append(unnamed(d.span) if isinstance(d, tree.Wildcard) else (yield calls.dim(evaluator, d, scope)))
    if splice is not None:
        bound = scope.names.get(f"...{splice.name}") if splice.name is not None else None
        rest = a.rank - len(before) - len(after)
        if isinstance(bound, List):
            if len(bound.items) != rest:
                raise context.error("E0303", f"`...{splice.name}` has {rest} axes in `{p.name}` and {len(bound.items)} elsewhere", p.span)
            extents.extend((yield _splice(bound)))
        else:
            for _ in range(rest):
                extents.append(unnamed(splice.span))
    for d in after:
        extents.append(unnamed(d.span) if isinstance(d, tree.Wildcard) else (yield calls.dim(evaluator, d, scope)))
    for e in extents:
        if e.constant is not None and e.constant < 0:
            raise context.error("E0305", f"a dim of `{p.name}` is negative: {e}", p.span)
    return tuple(extents)


def _splice(bound: List) -> Task:
    from tensorc.elaborate.values import static_integer

    return [static_integer(v) for v in bound.items]
    yield


def finish(context: Context, name: str, inputs: Sequence[Input], result: Value) -> tuple[Program, ResultTree]:
    """The program of a built result, and which of its results stands where."""
    flat: list[Tensor] = []

    def store(value: Value) -> ResultTree:
        if isinstance(value, Tuple):
            return tuple(store(v) for v in value.items)
        if isinstance(value, List):
            value = arrays.as_array(context, value)
        if not isinstance(value, Array):
            raise context.error("E0610", f"`{name}` returns {describe(value)}", None, describe(value), help="return tensors, or tuples of tensors")
        if value.free:
            raise context.error("E0504", f"`{name}` returns a value that depends on a bound index")
        flat.append(arrays.strong(context, value).tensor())
        return len(flat) - 1

    result_tree = store(result)
    conditions = tuple(dict.fromkeys(context.conditions))
    checks = tuple(dict.fromkeys(context.checks))
    return Program(name, tuple(inputs), tuple(flat), conditions, checks, context.names, context.spans), result_tree


# Checking a file without arguments.


def check(unit: Unit) -> list[Any]:
    """The diagnostics of all functions of a unit, each checked in representative instances of its dtypes, ranks and static values."""
    errors: list[CompileError] = []
    for name in unit.functions:
        errors.extend(check_function(unit, name))
    return merge(errors)


def check_function(unit: Unit, name: str) -> list[CompileError]:
    function = unit.functions[name]
    failures: list[CompileError] = []
    try:
        for dtypes in _representative_dtypes(function):
            attempts = []
            for statics in _representative_statics(function):
                try:
                    instantiate(unit, name, [_representative(p, dtypes, statics) for p in function.parameters])
                    attempts = []
                    break
                except CompileError as e:
                    attempts.append(e)
            if attempts:
                failures.append(attempts[0])
    except KeyError as e:
        failures.append(error("E0407", f"unknown dtype `{e.args[0]}`", function.head))
    return failures


def _representative_dtypes(function: tree.Function) -> list[dict[str, DType]]:
    choices = {"float": ("f32",), "int": ("i64",), "num": ("f32", "i64"), "any": ("f32", "i64", "bool")}
    count = max((len(choices[t.kind]) for t in function.type_parameters), default=1)
    return [{t.name: DTYPES[choices[t.kind][min(n, len(choices[t.kind]) - 1)]] for t in function.type_parameters} for n in range(count)]


def _representative_statics(function: tree.Function) -> list[int]:
    needed = any(isinstance(p.type, tree.StaticType) and p.default is None for p in function.parameters)
    return [0, 1, 2] if needed else [0]


_STATICS: dict[str, Callable[[int], Any]] = {
    "int": lambda n: (1, 2, 0)[n],
    "float": lambda n: (0.5, 1.0, 2.0)[n],
    "bool": lambda n: n == 1,
    "str": lambda n: ("none", "mean", "sum")[n],
    "dtype": lambda n: DTYPES[("f32", "i64", "bool")[n]],
    "dims": lambda n: [1] * (n + 1),
    "axes": lambda n: (-1, 0, None)[n],
}


def _representative(p: tree.Parameter, dtypes: dict[str, DType], statics: int) -> Any:
    if not isinstance(p.type, tree.TensorType):
        kind = p.type.name if isinstance(p.type, tree.StaticType) else "int"
        return MISSING if p.default is not None else _STATICS[kind](statics)
    before, splice, after = calls.split_dims(p.type.dims)
    dtype = dtypes.get(p.type.dtype) or DTYPES.get(p.type.dtype)
    if dtype is None:
        raise KeyError(p.type.dtype)
    return ArgumentType(dtype, len(before) + len(after) + (2 if splice is not None else 0))
