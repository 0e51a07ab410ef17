"""Calls: arguments meet parameters, dims and dtypes unify, and the callee's body is evaluated in a scope of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tensorc.diagnostics import CompileError, Diagnostic, Label
from tensorc.dtypes import DTYPES, KINDS, DType, f64
from tensorc.elaborate import arrays, repeated, statements
from tensorc.elaborate.context import Context
from tensorc.elaborate.expressions import Evaluator, Scope, scope_of
from tensorc.elaborate.hints import conversion, did_you_mean
from tensorc.elaborate.tasks import Task
from tensorc.elaborate.types import bind_dims, check_dims, conform, take_static, type_kind, unknown_dtype, weaken
from tensorc.elaborate.values import MISSING, Array, Builtin, Routine, Transformed, Tuple, Value, describe
from tensorc.source import Span
from tensorc.syntax import tree

Argument = tuple[str | None, Value, Span | None]

ALIASES = {
    "dim": ("axis",), "dims": ("axis", "axes", "repeats"), "axes": ("axis",), "dimension": ("axis",), "keepdim": ("keepdims",),
    "dim0": ("axis0",), "dim1": ("axis1",), "dim2": ("axis2",),
    "input": ("x", "ids", "start"), "self": ("x",), "other": ("y",), "vec2": ("y",), "exponent": ("y",), "tensors": ("xs",),
    "tensor": ("y", "x"), "src": ("source",), "index": ("indices",), "chunks": ("n",),
    "weight": ("w", "table"), "bias": ("b",), "query": ("q",), "key": ("k",), "value": ("v",), "mask": ("attn_mask",),
    "size": ("shape",), "fill_value": ("value",), "end": ("stop",), "shifts": ("shift",), "p": ("ord",), "pad": ("pairs",),
}  # fmt: skip
"""PyTorch's names of arguments, and which parameters they are where there is none of the name."""


def invoke(evaluator: Evaluator, callee: Routine | Builtin | Transformed, arguments: Sequence[Argument], span: Span | None) -> Task:
    """The result of a call."""
    context = evaluator.context
    if isinstance(callee, Builtin):
        values = match_builtin(context, callee, arguments, span)
        context.current = span
        return callee.call(context, *values)
    if isinstance(callee, Routine) and callee.unit.is_library:
        return (yield called(evaluator, callee, arguments, span))
    key = repeated.key_of(context, callee, arguments)
    if key is not None and key in context.results:
        return context.results[key]
    if isinstance(callee, Routine):
        result = yield called(evaluator, callee, arguments, span)
    else:
        from tensorc.elaborate import transforms

        result = yield transforms.invoke(evaluator, callee, arguments, span)
    if key is not None:
        context.results[key] = result
    return result


def called(evaluator: Evaluator, callee: Routine, arguments: Sequence[Argument], span: Span | None) -> Task:
    """The result of a call of a function of a file."""
    context = evaluator.context
    function = callee.function
    if any(function is active for active in evaluator.active):
        through = " -> ".join(f"`{f.name}`" for f in (*evaluator.active[evaluator.active.index(function) :], function))
        notes = (f"the calls go {through}",) if evaluator.active[-1] is not function else ()
        help = "write the repetition out, or use a reduction or a scan"
        raise context.error("E0606", f"`{function.name}` calls itself", span, "a recursive call", notes=notes, help=help)
    names = [p.name for p in function.parameters]
    optional = [p.default is not None for p in function.parameters]
    given = match(context, function.name, names, optional, arguments, span, function.head, callee.unit.is_library)
    scope = scope_of(callee.unit, function)
    kept, library_call = context.calls, context.library_call
    if callee.unit.is_library:
        context.library_call = library_call or context.place(span)
    evaluator.active.append(function)
    try:
        weak = yield bind_parameters(evaluator, callee, given, scope)
        if not callee.unit.is_library:
            context.count_calls(function.name, span)
            context.calls = (*kept, (function.name, span))
        known = None
        if context.signatures is not None and not callee.unit.is_library:
            from tensorc.elaborate import signatures

            known = yield signatures.of_call(evaluator, callee, given, scope)
        result = (yield returned(evaluator, function, scope, weak)) if known is None else known[0]
    except CompileError as e:
        if callee.unit.is_library:
            raise CompileError([_outside(d, function.name, context.place(span)) for d in e.diagnostics]) from None
        raise
    finally:
        evaluator.active.pop()
        context.calls, context.library_call = kept, library_call
    if weak and isinstance(result, Array):
        return Array(result.axes, result.body, True)
    return result


def _outside(d: Diagnostic, name: str, span: Span | None) -> Diagnostic:
    """A mistake found inside a function of the library, at the call: the user has written that."""
    inside = d.span
    if inside is None or span is None or not inside.source.name.startswith("std/"):
        return d
    theirs = [label for label in d.labels if label.span.source.name.startswith("std/")]
    labels = (Label(span, theirs[0].text if len(theirs) == 1 else "", primary=True), *(label for label in d.labels if label not in theirs))
    return replace(d, labels=labels, notes=(*d.notes, f"found in `{name}`, at {inside}"))


def returned(evaluator: Evaluator, function: tree.Function, scope: Scope, keep_weak: bool = False) -> Task:
    """What the function's body returns, held against the declared type."""
    result = yield statements.body(evaluator, function, scope)
    if function.returns is None:
        return result
    last = function.body[-1]
    at = last.value.span if isinstance(last, tree.Return) else function.name_span
    return (yield conform(evaluator, function.returns, result, scope, at, f"the result of `{function.name}`", keep_weak))


def match(
    context: Context,
    callee: str,
    names: Sequence[str],
    optional: Sequence[bool],
    arguments: Sequence[Argument],
    span: Span | None,
    declared: Span | None = None,
    library: bool = False,
) -> dict[str, tuple[Value, Span | None]]:
    """Arguments by the name of their parameter; too many, unknown, repeated and missing ones are errors.

    The library takes PyTorch's names too.
    """
    others = [Label(declared, "declared here")] if declared is not None else []
    given: dict[str, tuple[Value, Span | None]] = {}
    position = 0
    for name, value, at in arguments:
        if name is None:
            if position >= len(names):
                takes = f"{len(names)} argument{'' if len(names) == 1 else 's'}"
                message = f"`{callee}` takes {'at most ' if any(optional) else ''}{takes}, found {len(arguments)}"
                raise context.error("E0607", message, at or span, "one too many", *others)
            name = names[position]
            position += 1
        elif library and name not in names:
            name = next((a for a in ALIASES.get(name, ()) if a in names), name)
        if name not in names:
            help = did_you_mean(name, names) or f"it has {', '.join(f'`{n}`' for n in names)}"
            raise context.error(
                "E0608", f"`{callee}` has no parameter `{name}`", _keyword(name, at) or span, "not a parameter", *others, help=help
            )
        if name in given:
            first = given[name][1]
            others = [*others, Label(first, "first given here")] if first is not None else others
            raise context.error("E0609", f"`{callee}` is given `{name}` twice", at or span, "given again", *others)
        given[name] = value, at
    missing = [n for n, o in zip(names, optional, strict=True) if n not in given and not o]
    if missing:
        listed = " and ".join(f"`{m}`" for m in missing)
        needed = f"{len(given)} given, {len(names) - sum(optional)} needed"
        raise context.error("E0607", f"`{callee}` is missing {listed}", span, needed, *others)
    return given


def match_builtin(context: Context, callee: Builtin, arguments: Sequence[Argument], span: Span | None) -> list[Any]:
    """The values of a built-in's parameters in order; a variadic one collects what is left into a Tuple for its last parameter."""
    names = [n for n, _ in callee.parameters]
    positional = [a for a in arguments if a[0] is None]
    if callee.variadic and len(positional) > len(names):
        rest = positional[len(names) - 1 :]
        collected: Argument = (None, Tuple(tuple(v for _, v, _ in rest)), rest[0][2])
        arguments = [*positional[: len(names) - 1], collected, *(a for a in arguments if a[0] is not None)]
    given = match(context, callee.name, names, [d is not MISSING for _, d in callee.parameters], arguments, span, library=True)
    context.argument_spans = {n: s for n, (_, s) in given.items()}
    return [given[n][0] if n in given else default for n, default in callee.parameters]


# Parameters.


def _keyword(name: str, value: Span | None) -> Span | None:
    """The place of the keyword in front of a value."""
    if value is None:
        return None
    start = value.source.text.rfind(name, 0, value.start)
    return Span(value.source, start, start + len(name)) if start >= 0 else value


Given = Mapping[str, tuple[Value, Span | None]]
"""Arguments with their places, by the names of the parameters."""


def bind_parameters(evaluator: Evaluator, callee: Routine, given: Given, scope: Scope) -> Task:
    """Give each parameter its argument. Dims and dtypes are known before the defaults of static parameters, which may speak of them.

    Whether the function is of the library and all of its tensors are weak, in dtypes of their own: then so is its result.
    """
    function = callee.function
    context = evaluator.context
    tensors = [p for p in function.parameters if isinstance(p.type, tree.TensorType)]
    for p in [p for p in tensors if callee.unit.is_library and is_left_out(p, given)]:
        tensors.remove(p)
        scope.places[p.name] = p.name_span
        scope.names[p.name] = None
    values = {p.name: (arrays.as_array(context, given[p.name][0], given[p.name][1]), given[p.name][1]) for p in tensors if p.name in given}
    yield bind_statics(evaluator, function, given, scope, defaults=False)
    for p in tensors:
        if p.name not in values:
            assert p.default is not None
            values[p.name] = (yield evaluator.array(p.default, scope)), p.default.span
    taken = take_dtypes(context, callee, tensors, values, scope)
    static = static_names(function)
    for p in tensors:
        assert isinstance(p.type, tree.TensorType)
        bind_dims(p.type, taken[p.name], scope, static)
    yield bind_statics(evaluator, function, given, scope, defaults=True)
    for p in tensors:
        value, at = taken[p.name], values[p.name][1]
        assert isinstance(p.type, tree.TensorType)
        yield check_dims(evaluator, p.type, value, scope, at, f"argument `{p.name}` of `{function.name}`", Label(p.span, "declared here"))
        scope.places[p.name] = p.name_span
        scope.names[p.name] = context.settle(value, None, at)
    variables = {t.name for t in function.type_parameters}
    weak = (values[p.name][0].weak and isinstance(p.type, tree.TensorType) and p.type.dtype in variables for p in tensors)
    return callee.unit.is_library and bool(tensors) and all(weak)


def is_left_out(p: tree.Parameter, given: Given) -> bool:
    """Whether a parameter whose default is `none` has no argument."""
    return isinstance(p.default, tree.NoneLiteral) and (p.name not in given or given[p.name][0] is None)


# Dtypes.


def take_dtypes(context: Context, callee: Routine, tensors: Sequence[tree.Parameter], values: Given, scope: Scope) -> dict[str, Array]:
    """The arguments in their parameters' dtypes; those that are not weak bind the dtype variables first.

    In the library a weak argument stays weak where its variable is bound by nothing else, unless all are weak: then they compute in
    i64 or f64.
    """
    function, library = callee.function, callee.unit.is_library
    arguments: dict[str, Array] = {n: v for n, (v, _) in values.items() if isinstance(v, Array)}
    wide = library and all(v.weak for v in arguments.values())
    kept = set()
    for late in (False, True):
        for p in tensors:
            value = arguments[p.name]
            assert isinstance(p.type, tree.TensorType)
            if value.weak is late and p.type.dtype not in DTYPES and p.type.dtype not in scope.dtypes:
                weak = [arguments[q.name] for q in tensors if isinstance(q.type, tree.TensorType) and q.type.dtype == p.type.dtype]
                bind_dtype(
                    context,
                    function,
                    p,
                    arrays.weak_dtype([v.dtype for v in weak]) if late else value.dtype,
                    value,
                    values[p.name][1],
                    scope,
                    wide,
                )
                kept |= {p.type.dtype} if late and library and not wide else set()
    return {
        p.name: arguments[p.name]
        if isinstance(p.type, tree.TensorType) and p.type.dtype in kept
        else take_dtype(context, function, p, arguments[p.name], scope, values[p.name][1])
        for p in tensors
    }


def bind_dtype(
    context: Context, function: tree.Function, p: tree.Parameter, dtype: DType, value: Array, at: Span | None, scope: Scope, wide: bool
) -> None:
    """Bind the dtype variable of a parameter's type to the dtype of its argument, a weak one to what it is stored as."""
    type = p.type
    assert isinstance(type, tree.TensorType)
    kind = type_kind(function, type.dtype)
    if kind is None:
        raise unknown_dtype(context, type, [t.name for t in function.type_parameters])
    if value.weak:
        dtype = f64 if kind == "float" and not dtype.is_float else dtype
        dtype = dtype if wide else arrays.strong_dtype(dtype)
    if dtype not in KINDS[kind]:
        stands = {"float": "a float", "int": "an integer", "num": "a number"}.get(kind, kind)
        message = f"argument `{p.name}` of `{function.name}` is {dtype}, but `{type.dtype}` stands for {stands} dtype"
        declared = Label(p.span, f"{type.dtype}: {kind}")
        raise context.error("E0406", message, at, describe(value), declared, help=conversion(at, KINDS[kind][0]))
    scope.dtypes[type.dtype] = dtype


def take_dtype(context: Context, function: tree.Function, p: tree.Parameter, value: Array, scope: Scope, at: Span | None) -> Array:
    """The argument in the parameter's dtype, which it has already unless it is weak."""
    type = p.type
    assert isinstance(type, tree.TensorType)
    what = f"argument `{p.name}` of `{function.name}`"
    want = DTYPES.get(type.dtype) or scope.dtypes[type.dtype]
    declared = Label(p.span, f"declared {want}")
    if value.weak:
        return weaken(context, value, want, at, what, declared)
    if value.dtype is not want:
        raise context.error("E0401", f"{what} is {value.dtype}, expected {want}", at, describe(value), declared, help=conversion(at, want))
    return value


# Static parameters.


def static_names(function: tree.Function) -> frozenset[str]:
    """The parameters that are known when compiling: a dim of such a name has its value."""
    return frozenset(p.name for p in function.parameters if isinstance(p.type, tree.StaticType))


def bind_statics(evaluator: Evaluator, function: tree.Function, given: Given, scope: Scope, defaults: bool) -> Task:
    """Bind the static parameters that are given, or those that are not to their defaults."""
    for p in function.parameters:
        if isinstance(p.type, tree.StaticType) and (p.name not in given) is defaults:
            yield bind_static(evaluator, function, p, given, scope)


def bind_static(evaluator: Evaluator, function: tree.Function, p: tree.Parameter, given: Given, scope: Scope) -> Task:
    assert isinstance(p.type, tree.StaticType)
    if p.name in given:
        value, at = given[p.name]
    else:
        assert p.default is not None
        value, at = (yield evaluator.expression(p.default, scope)), p.default.span
    if value is not None or not isinstance(p.default, tree.NoneLiteral):
        what = f"argument `{p.name}` of `{function.name}`" if p.name in given else f"the default of `{p.name}`"
        value = take_static(evaluator.context, p.type.name, value, at, what, Label(p.span, "declared here"))
    scope.names[p.name] = value
    scope.places[p.name] = p.name_span
