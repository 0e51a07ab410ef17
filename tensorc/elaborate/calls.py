"""Calls: arguments meet parameters, dims and dtypes unify, and the callee's body is evaluated in a scope of its own."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from tensorc import algebra
from tensorc.algebra import Poly, poly
from tensorc.diagnostics import Label
from tensorc.dtypes import DTYPES, KINDS, DType, bool_, f64
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context
from tensorc.elaborate.expressions import Evaluator, Scope, Task
from tensorc.elaborate.values import MISSING, Array, Builtin, List, Routine, Tuple, Value, describe, static_constant, static_integer
from tensorc.ir.program import Condition
from tensorc.ir.tensor import Apply, Const, IsZero, Nonnegative, Scalar
from tensorc.ir.walk import loads
from tensorc.source import Span
from tensorc.syntax import tree

Argument = tuple[str | None, Value, Span | None]

ALIASES = {"dim": "axis", "keepdim": "keepdims", "input": "x", "dims": "axis", "axes": "axis", "self": "x"}
"""PyTorch's names of arguments, accepted where the parameter has the other one."""


def invoke(evaluator: Evaluator, callee: Routine | Builtin, arguments: Sequence[Argument], span: Span | None) -> Task:
    """The result of a call."""
    context = evaluator.context
    if isinstance(callee, Builtin):
        values = match_builtin(context, callee, arguments, span)
        context.current = span
        return callee.call(context, *values)
    function = callee.function
    names = [p.name for p in function.parameters]
    given = match(context, function.name, names, [p.default is not None for p in function.parameters], arguments, span, function.head)
    if any(function is active for active in evaluator.active):
        raise context.error("E0606", f"`{function.name}` calls itself", span, "recursion is not supported", help="write the repetition out, or use a reduction or scan")
    scope = Scope(callee.unit)
    kept = context.calls
    if not callee.unit.is_library:
        context.calls = (*kept, (function.name, span))
    evaluator.active.append(function)
    try:
        yield bind_parameters(evaluator, callee, given, scope)
        result = yield evaluator.statements(function, scope)
        weak = callee.unit.is_library and _all_weak(given)
        if function.returns is not None:
            last = function.body[-1]
            at = last.value.span if isinstance(last, tree.Return) else function.name_span
            result = yield conform(evaluator, function.returns, result, scope, at, keep_weak=weak)
    finally:
        evaluator.active.pop()
        context.calls = kept
    if weak and isinstance(result, Array) and not result.axes:
        return Array(result.axes, result.body, True)
    return result


def _all_weak(given: dict[str, tuple[Value, Span | None]]) -> bool:
    tensors = [v for v, _ in given.values() if isinstance(v, Array)]
    return bool(tensors) and all(v.weak and not v.axes for v in tensors)


def match(
    context: Context,
    callee: str,
    names: Sequence[str],
    optional: Sequence[bool],
    arguments: Sequence[Argument],
    span: Span | None,
    declared: Span | None = None,
) -> dict[str, tuple[Value, Span | None]]:
    """Arguments by the name of their parameter; too many, unknown, repeated and missing ones are errors."""
    others = [Label(declared, "declared here")] if declared is not None else []
    given: dict[str, tuple[Value, Span | None]] = {}
    position = 0
    for name, value, at in arguments:
        if name is None:
            if position >= len(names):
                raise context.error("E0607", f"`{callee}` takes {len(names)} arguments, found {len(arguments)}", at or span, "one too many", *others)
            name = names[position]
            position += 1
        elif name not in names and ALIASES.get(name) in names:
            name = ALIASES[name]
        if name not in names:
            close = get_close_matches(name, names, 1)
            raise context.error(
                "E0608", f"`{callee}` has no parameter `{name}`", at or span, "unknown name", *others, help=f"did you mean `{close[0]}`?" if close else None
            )
        if name in given:
            raise context.error("E0609", f"`{callee}` is given `{name}` twice", at or span, "given again", *others)
        given[name] = value, at
    missing = [n for n, o in zip(names, optional, strict=True) if n not in given and not o]
    if missing:
        listed = ", ".join(f"`{m}`" for m in missing)
        raise context.error("E0607", f"`{callee}` is missing {listed}", span, f"{len(arguments)} given, {len(names) - sum(optional)} needed", *others)
    return given


def match_builtin(context: Context, callee: Builtin, arguments: Sequence[Argument], span: Span | None) -> list[Any]:
    """The values of a built-in's parameters in order; a variadic one collects what is left into a Tuple for its last parameter."""
    names = [n for n, _ in callee.parameters]
    positional = [a for a in arguments if a[0] is None]
    if callee.variadic and len(positional) > len(names):
        rest = positional[len(names) - 1 :]
        collected: Argument = (None, Tuple(tuple(v for _, v, _ in rest)), rest[0][2])
        arguments = [*positional[: len(names) - 1], collected, *(a for a in arguments if a[0] is not None)]
    given = match(context, callee.name, names, [d is not MISSING for _, d in callee.parameters], arguments, span)
    context.argument_spans = {n: s for n, (_, s) in given.items()}
    return [given[n][0] if n in given else default for n, default in callee.parameters]


# Parameters.


def bind_parameters(evaluator: Evaluator, callee: Routine, given: dict[str, tuple[Value, Span | None]], scope: Scope) -> Task:
    """Give each parameter its argument: tensors first, so that dims and dtypes are known to the defaults of static parameters."""
    function = callee.function
    context = evaluator.context
    tensors = [p for p in function.parameters if isinstance(p.type, tree.TensorType)]
    for p in [p for p in tensors if callee.unit.is_library and is_left_out(p, given)]:
        tensors.remove(p)
        scope.places[p.name] = p.span
        scope.names[p.name] = None
    values = {p.name: (arrays.as_array(context, given[p.name][0], given[p.name][1]), given[p.name][1]) for p in tensors if p.name in given}
    for p in function.parameters:
        if isinstance(p.type, tree.StaticType):
            yield bind_static(evaluator, p, given, scope)
    for p in tensors:
        if p.name not in values:
            assert p.default is not None
            values[p.name] = (yield evaluator.array(p.default, scope)), p.default.span
    weak_dtype = f64 if callee.unit.is_library and all(v.weak for v, _ in values.values()) else None
    for late in (False, True):
        for p in tensors:
            value, at = values[p.name]
            if value.weak is late:
                assert isinstance(p.type, tree.TensorType)
                keeps = late and callee.unit.is_library and weak_dtype is None and is_free(function, p.type, scope)
                taken = take_dtype(context, function, p, value, scope, at, weak_dtype)
                values[p.name] = value if keeps else taken, at
    for p in tensors:
        assert isinstance(p.type, tree.TensorType)
        bind_dims(context, p.type, values[p.name][0], scope)
    for p in tensors:
        value, at = values[p.name]
        assert isinstance(p.type, tree.TensorType)
        yield check_dims(evaluator, p.type, value, scope, at, f"argument `{p.name}` of `{function.name}`", Label(p.span, "declared here"))
        scope.places[p.name] = p.span
        scope.names[p.name] = context.settle(value, None, at)


def is_left_out(p: tree.Parameter, given: dict[str, tuple[Value, Span | None]]) -> bool:
    """Whether a parameter whose default is `none` has no argument."""
    return isinstance(p.default, tree.NoneLiteral) and (p.name not in given or given[p.name][0] is None)


def is_free(function: tree.Function, type: tree.TensorType, scope: Scope) -> bool:
    """Whether a type's dtype is a variable that no argument has bound yet. In the library a weak argument of such a type stays weak."""
    return type.dtype not in DTYPES and type.dtype not in scope.dtypes and type_kind(function, type.dtype) is not None


def type_kind(function: tree.Function, name: str) -> str | None:
    return next((t.kind for t in function.type_parameters if t.name == name), None)


def take_dtype(
    context: Context, function: tree.Function, p: tree.Parameter, value: Array, scope: Scope, at: Span | None, weak_dtype: DType | None
) -> Array:
    """The argument in the parameter's dtype, which it has already unless it is weak; binds a dtype variable."""
    type = p.type
    assert isinstance(type, tree.TensorType)
    what = f"argument `{p.name}` of `{function.name}`"
    want = DTYPES.get(type.dtype) or scope.dtypes.get(type.dtype)
    if want is None:
        kind = type_kind(function, type.dtype)
        if kind is None:
            raise unknown_dtype(context, type, function)
        want = value.dtype
        if value.weak:
            want = weak_dtype or arrays.strong_dtype(value.dtype) if not (kind == "float" and not value.dtype.is_float) else weak_dtype or DTYPES["f32"]
            if kind in ("int", "num", "any") and weak_dtype is not None and not value.dtype.is_float:
                want = value.dtype
        if want not in KINDS[kind]:
            raise context.error(
                "E0406",
                f"{what} is {want}, but `{type.dtype}` stands for {'an integer' if kind == 'int' else 'a ' + kind} dtype",
                at,
                describe(value),
                Label(p.span, f"{type.dtype}: {kind}"),
                help=f"convert it: `cast({p.name}, {KINDS[kind][0]})`",
            )
        scope.dtypes[type.dtype] = want
    if value.weak:
        return weaken(context, value, want, at, what)
    if value.dtype is not want:
        raise context.error(
            "E0401", f"{what} is {value.dtype}, expected {want}", at, describe(value), Label(p.span, f"declared {want}"), help=f"convert it: `cast(..., {want})`"
        )
    return value


def weaken(context: Context, value: Array, want: DType, at: Span | None, what: str) -> Array:
    """A weak value in a declared dtype: a float does not become an integer, nor a number bool, silently."""
    if value.dtype.category > want.category:
        raise context.error("E0401", f"{what} is {describe(value)}, expected {want}", at, describe(value), help=f"convert it: `cast(..., {want})`")
    return arrays.convert(context, value, want, at)


def unknown_dtype(context: Context, type: tree.TensorType, function: tree.Function | None) -> Exception:
    known = [*DTYPES, *(t.name for t in function.type_parameters)] if function else list(DTYPES)
    close = get_close_matches(type.dtype, known, 1)
    return context.error("E0407", f"unknown dtype `{type.dtype}`", type.dtype_span, help=f"did you mean `{close[0]}`?" if close else f"the dtypes are {', '.join(DTYPES)}")


def split_dims(dims: Sequence[tree.Dim]) -> tuple[Sequence[tree.Dim], tree.Splice | None, Sequence[tree.Dim]]:
    """Dims before and after the splice."""
    at = next((i for i, d in enumerate(dims) if isinstance(d, tree.Splice)), None)
    if at is None:
        return dims, None, ()
    splice = dims[at]
    assert isinstance(splice, tree.Splice)
    return dims[:at], splice, dims[at + 1 :]


def bind_dims(context: Context, type: tree.TensorType, value: Array, scope: Scope) -> None:
    """Bind the plain dims and the splice of a parameter's type, where they are not bound yet and the ranks agree."""
    before, splice, after = split_dims(type.dims)
    if value.rank < len(before) + len(after) or (splice is None and value.rank != len(before)):
        return  # check_dims reports it
    for d, extent in [*zip(before, value.extents, strict=False), *zip(after, value.extents[value.rank - len(after) :], strict=True)]:
        if isinstance(d, tree.Name) and d.name not in scope.names:
            scope.names[d.name] = arrays.dimension(extent)
            scope.places[d.name] = d.span
    if splice is not None and splice.name is not None and f"...{splice.name}" not in scope.names:
        middle = value.extents[len(before) : value.rank - len(after)]
        scope.names[f"...{splice.name}"] = List(tuple(map(arrays.dimension, middle)))


def check_dims(
    evaluator: Evaluator, type: tree.TensorType, value: Array, scope: Scope, at: Span | None, what: str, declared: Label | None = None
) -> Task:
    """Whether an array has the rank and dims of a type; unnamed dims are not checked."""
    context = evaluator.context
    before, splice, after = split_dims(type.dims)
    others = [declared] if declared is not None and at is not None else []
    least = len(before) + len(after)
    if value.rank < least or (splice is None and value.rank != least):
        rank = f"at least {least}" if splice else f"{least}"
        raise context.error("E0303", f"{what} has rank {value.rank}, expected {rank}", at, describe(value), *others)
    extents = list(value.extents)
    middle = extents[len(before) : value.rank - len(after)]
    pairs = [*zip(before, extents, strict=False), *zip(after, extents[value.rank - len(after) :], strict=True)]
    for d, extent in pairs:
        if isinstance(d, (tree.Wildcard, tree.Splice)):
            continue
        want = yield dim(evaluator, d, scope)
        if context.meet(want, extent) is None:
            raise dim_mismatch(context, what, value, extent, want, d, at, others)
    if splice is not None and splice.name is not None:
        bound = scope.names.get(f"...{splice.name}")
        if not isinstance(bound, List):
            raise context.error("E0203", f"`...{splice.name}` is not declared", splice.span, help="a parameter's type declares it")
        wanted = [static_integer(v) for v in bound.items]
        if len(wanted) != len(middle):
            raise context.error("E0303", f"{what}: `...{splice.name}` has {len(middle)} axes here and {len(wanted)} elsewhere", at, describe(value), *others)
        for w, extent in zip(wanted, middle, strict=True):
            assert w is not None
            if context.meet(w, extent) is None:
                raise dim_mismatch(context, what, value, extent, w, splice, at, others)


def dim_mismatch(
    context: Context, what: str, value: Array, extent: Poly, want: Poly, d: tree.Dim, at: Span | None, others: Sequence[Label | None]
) -> Exception:
    axis = value.extents.index(extent)
    return context.error(
        "E0302",
        f"{what}: axis {axis} is {extent}, expected {want}",
        at,
        describe(value),
        *[o for o in others if o is not None],
        notes=context.origin(extent, want),
        help=f"if they are always equal, say so first: `require {extent} == {want}`",
    )


def dim(evaluator: Evaluator, d: tree.Expr | tree.Wildcard, scope: Scope) -> Task:
    """A dim of a type as a polynomial."""
    context = evaluator.context
    assert not isinstance(d, tree.Wildcard)
    if isinstance(d, tree.Name) and d.name not in scope.names:
        raise context.error(
            "E0203", f"dim `{d.name}` is not declared", d.span, "bound by no parameter", help=f"a plain use among the parameters declares it: `x: f32[{d.name}]`"
        )
    value = yield evaluator.static(d, scope, "a dim")
    return value


# Static parameters.


def bind_static(evaluator: Evaluator, p: tree.Parameter, given: dict[str, tuple[Value, Span | None]], scope: Scope) -> Task:
    context = evaluator.context
    assert isinstance(p.type, tree.StaticType)
    if p.name in given:
        value, at = given[p.name]
    else:
        assert p.default is not None
        value, at = (yield evaluator.expression(p.default, scope)), p.default.span
    if value is None and isinstance(p.default, tree.NoneLiteral):
        scope.names[p.name] = value
        scope.places[p.name] = p.span
        return
    scope.names[p.name] = take_static(context, p.type.name, value, at, f"`{p.name}`", Label(p.span, "declared here"))
    scope.places[p.name] = p.span


def take_static(context: Context, kind: str, value: Value, at: Span | None, what: str, declared: Label | None = None) -> Value:
    """A static argument of one of the kinds, or a diagnostic."""
    others = [declared] if declared is not None and at is not None and declared.span is not at else []
    match kind:
        case "int" if static_integer(value) is not None:
            return value
        case "float" if isinstance(value, Array) and value.weak and not value.axes and value.dtype is not bool_ and not loads(value.body) and not value.free:
            return arrays.convert_weak(value, f64)
        case "bool" if isinstance(static_constant(value), bool):
            return value
        case "str" if isinstance(value, str) or value is None:
            return value
        case "dtype" if isinstance(value, DType) or value is None:
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
    wants = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "a string", "dtype": "a dtype", "dims": "a list of dims", "axes": "an axis or a list of axes"}
    raise context.error("E0604", f"{what} wants {wants[kind]} known when compiling, found {describe(value)}", at, describe(value), *others)


# Declared types of values.


def conform(evaluator: Evaluator, type: tree.Type, value: Value, scope: Scope, span: Span, keep_weak: bool = False) -> Task:
    """A value checked against a declared type; a declared dtype converts only weak values."""
    context = evaluator.context
    if isinstance(type, tree.TupleType):
        count = len(value.items) if isinstance(value, Tuple) else 1
        if not isinstance(value, Tuple) or count != len(type.items):
            raise context.error("E0605", f"{count} value{'s' if count != 1 else ''} where {len(type.items)} are declared", span, describe(value), Label(type.span, "declared here"))
        items = []
        for t, v in zip(type.items, value.items, strict=True):
            items.append((yield conform(evaluator, t, v, scope, span, keep_weak)))
        return Tuple(tuple(items))
    if isinstance(type, tree.StaticType):
        return take_static(context, type.name, value, span, "this value", Label(type.span, "declared here"))
    array = arrays.as_array(context, value, span)
    want = DTYPES.get(type.dtype) or scope.dtypes.get(type.dtype)
    if want is None:
        raise unknown_dtype(context, type, None)
    if array.weak and not (keep_weak and array.dtype is want):
        array = weaken(context, array, want, span, "this value")
    elif array.dtype is not want:
        raise context.error("E0401", f"this value is {array.dtype}, declared {want}", span, describe(array), Label(type.span, f"declared {want}"), help=f"convert it: `cast(..., {want})`")
    yield check_dims(evaluator, type, array, scope, span, "this value", Label(type.span, "declared here"))
    return array


# Requirements.


def require(evaluator: Evaluator, condition: tree.Expr, message: str | None, scope: Scope, span: Span) -> Task:
    """`require condition, "message"`: conjunctions of comparisons of dims and static values."""
    context = evaluator.context
    if context.exact:
        c = condition
        assert isinstance(c, tree.Binary)
        left = yield evaluator.static(c.left, scope, "a condition")
        right = yield evaluator.static(c.right, scope, "a condition")
        context.conditions.append(Condition(left - right, "==" if c.operator == "==" else ">=", message or "", span))
        return
    stack = [condition]
    while stack:
        c = stack.pop()
        if isinstance(c, tree.Binary) and c.operator == "and":
            stack.extend((c.right, c.left))
            continue
        text = message or f"`{c.span.text}` does not hold"
        if isinstance(c, tree.Binary) and c.operator in ("==", "<", "<=", ">", ">="):
            left = yield evaluator.expression(c.left, scope)
            right = yield evaluator.expression(c.right, scope)
            p, q = static_integer(left), static_integer(right)
            if p is not None and q is not None:
                value = {"==": p - q, "<": q - p - 1, "<=": q - p, ">": p - q - 1, ">=": p - q}[c.operator]
                context.require(value, "==" if c.operator == "==" else ">=", text, span)
                continue
            if isinstance(left, (str, DType)) or left is None:
                if left != right:
                    raise context.error("E0305", text, span)
                continue
        value = yield evaluator.array(c, scope)
        known = static_condition(value.body)
        if known is None:
            raise context.error("E0604", "`require` wants a condition on dims and static values", c.span, describe(value), help="data is checked with `where`, or by the caller")
        for p, relation in known:
            context.require(p, relation, text, span)


def static_condition(body: Scalar) -> list[tuple[Poly, Any]] | None:
    """A bool scalar as relations of sizes, where it is a conjunction of such."""
    match body:
        case Const(value, _):
            return [] if value else [(poly(-1), ">=")]
        case Nonnegative(p) if algebra.is_static(p):
            return [(p, ">=")]
        case IsZero(p) if algebra.is_static(p):
            return [(p, "==")]
        case Apply("and", (a, b), _):
            x, y = static_condition(a), static_condition(b)
            return None if x is None or y is None else x + y
        case _:
            return None
