"""The statements of a function's body, one after the other; what is wrong in one is reported with what is wrong in the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from tensorc.diagnostics import CompileError, Label
from tensorc.dtypes import DTYPES
from tensorc.elaborate import arrays
from tensorc.elaborate.conditions import require
from tensorc.elaborate.context import Context, merge
from tensorc.elaborate.tasks import Poisoned, Task
from tensorc.elaborate.types import conform
from tensorc.elaborate.values import POISON, Array, Poison, Tuple, Value, describe, of_tensor
from tensorc.source import Span
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.elaborate.expressions import Evaluator, Scope


def body(evaluator: Evaluator, function: tree.Function, scope: Scope) -> Task:
    """The value that a function's body returns."""
    errors: list[CompileError] = []
    result: Value = POISON
    returned: tree.Return | None = None
    for s in function.body:
        if returned is not None:
            label = Label(returned.span, "returns here")
            errors.append(evaluator.context.error("E0205", "this statement is never reached", s.span, "after `return`", label))
            break
        try:
            if isinstance(s, tree.Return):
                returned = s
                result = yield evaluator.expression(s.value, scope)
            else:
                yield statement(evaluator, s, scope)
        except CompileError as e:
            errors.append(e)
            _poison(s, scope)
        except Poisoned:
            _poison(s, scope)
    if returned is None:
        help = "end the body with `return ...`"
        errors.append(evaluator.context.error("E0206", f"`{function.name}` returns nothing", function.name_span, "no `return`", help=help))
    if errors:
        raise CompileError(merge(errors))
    if isinstance(result, Poison):
        raise Poisoned
    return result


def statement(evaluator: Evaluator, s: tree.Let | tree.IndexLet | tree.Require, scope: Scope) -> Task:
    """One statement that is not the last."""
    context = evaluator.context
    scope.defining = frozenset(p.name for p in _names(s) if p.name not in scope.names)
    match s:
        case tree.Let():
            value = yield evaluator.expression(s.value, scope)
            if s.type is not None:
                value = yield conform(evaluator, s.type, value, scope, s.value.span, "this value")
            bind(context, s.pattern, value, scope, s.value.span)
        case tree.IndexLet():
            value = yield evaluator.indexed(s.bindings, s.value, scope, "tensor", s.span)
            if s.type is not None:
                value = yield conform(evaluator, s.type, value, scope, s.value.span, f"`{s.name}`")
            bind(context, tree.NamePattern(s.name_span, s.name), arrays.strong(context, value), scope, s.value.span)
        case tree.Require():
            yield require(evaluator, s, scope)
        case _:
            assert_never(s)
    scope.defining = frozenset()


def _names(s: tree.Statement) -> list[tree.NamePattern]:
    """The names that a statement gives values to."""
    if isinstance(s, tree.IndexLet):
        return [tree.NamePattern(s.name_span, s.name)]
    names: list[tree.NamePattern] = []
    stack: list[tree.Pattern] = [s.pattern] if isinstance(s, tree.Let) else []
    while stack:
        p = stack.pop()
        if isinstance(p, tree.TuplePattern):
            stack.extend(reversed(p.items))
        elif p.name != "_":
            names.append(p)
    return names


def _poison(s: tree.Statement, scope: Scope) -> None:
    """The names of a statement that is wrong exist, so that nothing is said about their uses."""
    scope.defining = frozenset()
    for p in _names(s):
        if p.name not in scope.places:
            scope.places[p.name] = p.span
            scope.names[p.name] = POISON


def bind(context: Context, pattern: tree.Pattern, value: Value, scope: Scope, span: Span) -> None:
    """Give a value the names of a pattern."""
    stack: list[tuple[tree.Pattern, Value]] = [(pattern, value)]
    while stack:
        p, v = stack.pop()
        if isinstance(p, tree.TuplePattern):
            if not isinstance(v, Tuple) or len(v.items) != len(p.items):
                count = len(v.items) if isinstance(v, Tuple) else 1
                message = f"{_count(len(p.items), 'name')} for {_count(count, 'value')}"
                raise context.error("E0605", message, p.span, _count(len(p.items), "name"), Label(span, describe(v)))
            stack.extend(reversed(list(zip(p.items, v.items, strict=True))))
        elif p.name != "_":
            _bind_name(context, p, v, scope)


def _bind_name(context: Context, p: tree.NamePattern, value: Value, scope: Scope) -> None:
    if p.name in DTYPES:
        raise context.error("E0208", f"`{p.name}` is a dtype", p.span, "cannot be a name", help=f"choose another name: `{p.name}_`")
    if p.name in scope.places:
        first = Label(scope.places[p.name], "first defined here")
        help = "a name is given one value: choose another name for the second"
        raise context.error("E0204", f"`{p.name}` is defined twice", p.span, "again here", first, help=help)
    scope.places[p.name] = p.span
    rule = context.exact and p.name.startswith("_")
    if isinstance(value, Array) and not rule:
        value = of_tensor(value.tensor()) if context.exact else context.settle(value, p.name, p.span)
    scope.names[p.name] = value


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
