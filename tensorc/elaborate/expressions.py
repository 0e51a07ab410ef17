"""Evaluates the bodies of functions: AST expressions and statements become arrays and static values.

Each evaluation is a generator that yields the evaluations it needs; `run` drives them with a stack of its own, so that no depth of nesting of a program
is a depth of Python's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, assert_never

from tensorc.algebra import Index, Poly, poly
from tensorc.diagnostics import CompileError, Label
from tensorc.dtypes import DTYPES, DType
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context, merge
from tensorc.elaborate.indexing import attribute, index
from tensorc.elaborate.values import POISON, Array, Builtin, List, Namespace, Poison, Routine, Tuple, Value, describe, static_integer, static_value
from tensorc.ir.tensor import Load
from tensorc.source import Span
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.elaborate.units import Unit

Task = Generator[Any, Any, Any]
"""An evaluation: yields tasks and is sent their results."""


def run(task: Task) -> Any:
    """The result of a task, whatever the depth of the tasks it needs."""
    stack, value, failure = [task], None, None
    while stack:
        try:
            if failure is not None:
                failing, failure = failure, None
                needed = stack[-1].throw(failing)
            else:
                needed = stack[-1].send(value)
            stack.append(needed)
            value = None
        except StopIteration as stop:
            stack.pop()
            value = stop.value
        except (CompileError, Poisoned) as e:
            stack.pop()
            failure = e
    if failure is not None:
        raise failure
    return value


class Poisoned(Exception):
    """An expression uses a name whose definition was wrong: that has been reported."""


@dataclass
class Scope:
    """The names of one function's body. `frame` is shared by all index definitions of one call."""

    unit: Unit
    names: dict[str, Value] = field(default_factory=dict)
    dtypes: dict[str, DType] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    indices: dict[str, Span] = field(default_factory=dict)  # the bound indices that are live
    unknown: list[notation.Unknown] | None = None  # while the ranges of an index definition are inferred
    ranges: dict[int, tuple[Index, Poly]] = field(default_factory=dict)  # of the index definition that is evaluated: Binding's id -> (index, value)


class Evaluator:
    """Evaluates expressions and statements in scopes, building one program's context."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.active: list[tree.Function] = []  # the functions whose bodies are being evaluated

    # Expressions.

    def expression(self, e: tree.Expr, scope: Scope) -> Task:
        """The value of an expression."""
        context = self.context
        match e:
            case tree.Number(value=value) | tree.Boolean(value=value):
                return arrays.constant(value)
            case tree.String(value=text):
                return text
            case tree.NoneLiteral():
                return None
            case tree.Name():
                return self.name(e, scope)
            case tree.ListLiteral(items=items):
                return List((yield self.items(items, scope)))
            case tree.TupleLiteral(items=items):
                return Tuple((yield self.items(items, scope)))
            case tree.Splice():
                raise context.error("E0602", "dims are spliced only inside a list", e.span, help="write `[...S, N]`")
            case tree.Unary(operator=operator, operand=operand):
                value = yield self.array(operand, scope)
                context.current = e.span
                return arrays.unary(context, operator, value, operand.span)
            case tree.Binary(operator=operator, left=left, right=right):
                a = yield self.array(left, scope)
                b = yield self.array(right, scope)
                context.current = e.span
                spans = (left.span, right.span)
                if operator == "@":
                    from tensorc.elaborate.library import matmul

                    return matmul(context, a, b, spans)
                return arrays.binary(context, operator, a, b, spans)
            case tree.Attribute():
                return (yield self.attribute(e, scope))
            case tree.Call():
                return (yield self.call(e, scope))
            case tree.Subscript():
                return (yield self.subscript(e, scope))
            case tree.Comprehension():
                return (yield self.comprehension(e, scope))
            case _:
                assert_never(e)

    def array(self, e: tree.Expr, scope: Scope) -> Task:
        """The value of an expression that must be an array."""
        value = yield self.expression(e, scope)
        return arrays.as_array(self.context, value, e.span)

    def items(self, items: Sequence[tree.Expr], scope: Scope) -> Task:
        """The values of a list's items; a splice gives its dims."""
        values: list[Value] = []
        for item in items:
            if isinstance(item, tree.Splice):
                name = item.name or ""
                dims = scope.names.get(f"...{name}")
                if not isinstance(dims, List):
                    raise self.context.error("E0203", f"`...{name}` is not declared", item.span, help="a parameter's type declares it: `x: f32[...S, N]`")
                values.extend(dims.items)
            else:
                values.append((yield self.expression(item, scope)))
        return tuple(values)

    def name(self, e: tree.Name, scope: Scope) -> Value:
        value = lookup(e.name, scope)
        if value is None:
            raise self.unknown_name(e.name, e.span, scope)
        if isinstance(value[0], Poison):
            raise Poisoned
        return value[0]

    def unknown_name(self, name: str, span: Span, scope: Scope) -> CompileError:
        from difflib import get_close_matches

        from tensorc.elaborate.library import library_names

        known = [*(n for n in scope.names if not n.startswith("...")), *scope.unit.functions, *scope.unit.imports, *library_names()]
        close = get_close_matches(name, known, 1)
        return self.context.error("E0201", f"unknown name `{name}`", span, "not found here", help=f"did you mean `{close[0]}`?" if close else None)

    def attribute(self, e: tree.Attribute, scope: Scope) -> Task:
        value = yield self.expression(e.value, scope)
        self.context.current = e.span
        if isinstance(value, Namespace):
            return member(self.context, value, e)
        return attribute(self.context, arrays.as_array(self.context, value, e.value.span), e.name, e.name_span)

    # Calls.

    def call(self, e: tree.Call, scope: Scope) -> Task:
        from tensorc.elaborate.calls import invoke

        if isinstance(e.callee, tree.Name) and e.callee.name == "pick" and scope.unit.is_library:
            return (yield self.pick(e, scope))
        arguments: list[tuple[str | None, Value, Span]] = []
        callee: Value
        if isinstance(e.callee, tree.Attribute):
            base = yield self.expression(e.callee.value, scope)
            if isinstance(base, Namespace):
                callee = member(self.context, base, e.callee)
            else:
                callee = self.function(e.callee.name, e.callee.name_span, scope)
                arguments.append((None, base, e.callee.value.span))
        elif isinstance(e.callee, tree.Name):
            callee = self.function(e.callee.name, e.callee.span, scope)
        else:
            callee = yield self.expression(e.callee, scope)
        for a in e.arguments:
            arguments.append((a.name, (yield self.expression(a.value, scope)), a.value.span))
        self.context.current = e.span
        if not isinstance(callee, (Routine, Builtin)):
            raise self.context.error("E0603", f"{describe(callee)} cannot be called", e.callee.span, describe(callee))
        result = yield invoke(self, callee, arguments, e.span)
        self.context.current = e.span
        return result

    def pick(self, e: tree.Call, scope: Scope) -> Task:
        """`pick(value, key, result, ..., otherwise)`, in the library's own files: the result whose key is the static value. No other is evaluated."""
        value, *cases, otherwise = (a.value for a in e.arguments)
        known = static_value((yield self.expression(value, scope)))
        for key, result in zip(cases[::2], cases[1::2], strict=True):
            if static_value((yield self.expression(key, scope))) == known:
                return (yield self.expression(result, scope))
        return (yield self.expression(otherwise, scope))

    def function(self, name: str, span: Span, scope: Scope) -> Value:
        value = lookup(name, scope)
        if value is None:
            raise self.unknown_name(name, span, scope)
        if isinstance(value[0], Poison):
            raise Poisoned
        return value[0]

    # Subscripts.

    def subscript(self, e: tree.Subscript, scope: Scope) -> Task:
        value = yield self.expression(e.value, scope)
        context = self.context
        if isinstance(value, Routine | Builtin | Namespace | str | DType) or value is None:
            raise context.error("E0603", f"{describe(value)} cannot be subscripted", e.value.span, describe(value))
        items: list[Value | slice | type[Ellipsis]] = []  # type: ignore[valid-type]
        for item in e.items:
            if isinstance(item, tree.Slice):
                parts = []
                for part in (item.start, item.stop, item.step):
                    parts.append(None if part is None else (yield self.static(part, scope, "a slice bound")))
                items.append(slice(*parts))
            elif isinstance(item, tree.Splice):
                items.append(Ellipsis)
            else:
                items.append((yield self.expression(item, scope)))
        otherwise = None if e.otherwise is None else (yield self.array(e.otherwise, scope))
        context.current = e.span
        if isinstance(value, (List, Tuple)) and len(items) == 1 and (at := static_integer(items[0])) is not None and at.constant is not None:  # type: ignore[arg-type]
            if not -len(value.items) <= at.constant < len(value.items):
                raise context.error("E0505", f"item {at} of {len(value.items)}", e.span)
            return value.items[at.constant]
        spans = [i.span for i in e.items]
        subject = e.value.name if isinstance(e.value, tree.Name) else e.value.span.text
        return index(context, arrays.as_array(context, value, e.value.span), items, otherwise, spans, subject, e.span, bool(scope.indices))

    def static(self, e: tree.Expr, scope: Scope, what: str) -> Task:
        """The value of an expression that must be an integer known at the call."""
        value = yield self.expression(e, scope)
        found = static_integer(value)
        if found is None:
            raise self.context.error("E0604", f"{what} is an integer known at the call: literals, dims and arithmetic on them", e.span, describe(value))
        return found

    # Index notation.

    def comprehension(self, e: tree.Comprehension, scope: Scope) -> Task:
        """A reduction over bound indices, or `tensor[i, j](body)`."""
        name = e.head.name
        if name in scope.names:
            raise self.context.error("E0603", f"`{name}` is {describe(scope.names[name])} here, not a reduction", e.head.span, help="rename the value")
        if name != "tensor" and name not in notation.REDUCTIONS:
            raise self.context.error(
                "E0507", f"`{name}` does not take bound indices", e.head.span, help=f"these do: {', '.join(notation.REDUCTIONS)}, tensor"
            )
        return (yield self.indexed(e.bindings, e.body, scope, name, e.span))

    def indexed(self, bindings: Sequence[tree.Binding], body: tree.Expr, scope: Scope, head: str, span: Span) -> Task:
        """`head[bindings](body)`. The outermost one infers the ranges of all indices inside it, then evaluates once more."""
        outermost = scope.unknown is None and not scope.ranges
        if not outermost:
            return (yield self.body(bindings, body, scope, head, span))
        context = self.context
        with context.collecting() as accesses:
            scope.unknown = []
            try:
                draft = yield self.body(bindings, body, scope, head, span)
                solved = notation.Ranges(context, scope.unknown, accesses)
                extents = solved.solve() if scope.unknown else {}
            finally:
                scope.unknown = None
                drafts, scope.ranges = scope.ranges, {}
        if context.accesses is not None:
            known = [solved.values.get(a, poly(a)).atom for a in draft.axes]
            return notation.dummy([a.extent for a in known if isinstance(a, Index)], draft)
        for key, (old, value) in drafts.items():
            extent = extents.get(old, old.extent)
            at = solved.shown_by[old].span if old in extents else span
            context.require(extent, ">=", f"the range of an index is negative: {extent}", at, code="E0508")
            new = Index(old.level, extent)
            scope.ranges[key] = new, value - poly(old) + poly(new)
        try:
            return (yield self.body(bindings, body, scope, head, span))
        finally:
            scope.ranges = {}

    def body(self, bindings: Sequence[tree.Binding], body: tree.Expr, scope: Scope, head: str, span: Span) -> Task:
        """One evaluation of an index definition's body, its indices bound."""
        context = self.context
        bound: list[tuple[Index, Poly, tree.Binding]] = []
        for b in bindings:
            index, value = yield self.range(b, scope)
            bound.append((index, value, b))
        with self.binding(scope, bound), context.scope([i for i, _, _ in bound]):
            value = arrays.as_array(context, (yield self.expression(body, scope)), body.span)
            if value.axes:
                raise context.error(
                    "E0504",
                    f"the body of an index definition is one element, found {describe(value)}",
                    body.span,
                    describe(value),
                    help="subscript every tensor completely, or reduce it",
                )
            context.current = span
            if head == "tensor":
                return self.defined(bound, value)
            result = notation.reduce(context, head, [i for i, _, _ in bound], value, span)
        if head in ("argmin", "argmax"):
            from tensorc.ir import build

            low = bound[0][1] - poly(bound[0][0])
            result = build.apply("add", result, build.integer(low)) if low.constant != 0 else result
        if isinstance(result, Load):
            context.remember(result.tensor, None, span)
        return Array((), result)

    def defined(self, bound: Sequence[tuple[Index, Poly, tree.Binding]], value: Array) -> Array:
        return Array(tuple(i for i, _, _ in bound), arrays.strong(self.context, value).body)

    def range(self, b: tree.Binding, scope: Scope) -> Task:
        """(index, its value) of a binding: the index runs from 0, its value from the low end of the range."""
        if b.name in scope.indices:
            raise self.context.error(
                "E0204", f"index `{b.name}` is already bound here", b.span, "bound again", Label(scope.indices[b.name], "first bound here"), help="use another letter"
            )
        if id(b) in scope.ranges:
            return scope.ranges[id(b)]
        low = poly(0) if b.low is None else (yield self.static(b.low, scope, "the start of a range"))
        if b.high is None:
            index = notation.placeholder()
            assert scope.unknown is not None
            scope.unknown.append(notation.Unknown(b.name, index, b.span))
        else:
            high = yield self.static(b.high, scope, "the end of a range")
            extent = high - low
            if extent.constant is not None and extent.constant < 0:
                raise self.context.error("E0508", f"the range {low}..{high} is negative", b.span)
            from tensorc.algebra import fresh

            index = fresh(extent)
        scope.ranges[id(b)] = index, low + poly(index)
        return scope.ranges[id(b)]

    @contextmanager
    def binding(self, scope: Scope, bound: Sequence[tuple[Index, Poly, tree.Binding]]) -> Iterator[None]:
        """The indices as names, for the time of the body."""
        hidden = {b.name: scope.names.get(b.name) for _, _, b in bound}
        for index, value, b in bound:
            scope.names[b.name] = arrays.dimension(value)
            scope.indices[b.name] = b.span
            self.context.index_names[index] = b.name
        try:
            yield
        finally:
            for name, old in hidden.items():
                del scope.indices[name]
                del scope.names[name]
                if old is not None:
                    scope.names[name] = old

    # Statements.

    def statements(self, function: tree.Function, scope: Scope) -> Task:
        """The value that a function's body returns. All independent errors of the body are reported together."""
        errors: list[CompileError] = []
        result: Value = POISON
        returned: tree.Return | None = None
        for s in function.body:
            if returned is not None:
                errors.append(self.context.error("E0205", "this statement is never reached", s.span, "after `return`", Label(returned.span, "returns here")))
                break
            try:
                match s:
                    case tree.Let():
                        value = yield self.expression(s.value, scope)
                        if s.type is not None:
                            value = yield self.typed(s.type, value, scope, s.value.span)
                        self.bind(s.pattern, value, scope, s.value.span)
                    case tree.IndexLet():
                        value = yield self.indexed(s.bindings, s.value, scope, "tensor", s.span)
                        if s.type is not None:
                            value = yield self.typed(s.type, value, scope, s.value.span)
                        self.bind(tree.NamePattern(s.name_span, s.name), value, scope, s.value.span)
                    case tree.Require():
                        yield self.require(s, scope)
                    case tree.Return():
                        returned = s
                        result = yield self.expression(s.value, scope)
                    case _:
                        assert_never(s)
            except (CompileError, Poisoned) as e:
                if isinstance(e, CompileError):
                    errors.append(e)
                if isinstance(s, tree.Let):
                    self.bind(s.pattern, POISON, scope, s.value.span)
                elif isinstance(s, tree.IndexLet):
                    scope.names[s.name] = POISON
        if returned is None and not errors:
            errors.append(self.context.error("E0206", f"`{function.name}` returns nothing", function.name_span, help="end the body with `return e`"))
        if errors:
            raise CompileError(merge(errors))
        if isinstance(result, Poison):
            raise Poisoned
        return result

    def bind(self, pattern: tree.Pattern, value: Value, scope: Scope, span: Span) -> None:
        """Give a value the names of a pattern."""
        stack: list[tuple[tree.Pattern, Value]] = [(pattern, value)]
        while stack:
            p, v = stack.pop()
            if isinstance(p, tree.TuplePattern):
                if isinstance(v, Poison):
                    stack.extend((q, POISON) for q in p.items)
                    continue
                if not isinstance(v, Tuple) or len(v.items) != len(p.items):
                    count = len(v.items) if isinstance(v, Tuple) else 1
                    raise self.context.error(
                        "E0605", f"{len(p.items)} names for {count} value{'s' if count != 1 else ''}", p.span, f"{len(p.items)} names", Label(span, describe(v))
                    )
                stack.extend(zip(p.items, v.items, strict=True))
                continue
            if p.name == "_":
                continue
            if p.name in scope.places:
                raise self.context.error(
                    "E0204", f"`{p.name}` is defined twice", p.span, "again here", Label(scope.places[p.name], "first defined here"), help="a name has one value: choose another"
                )
            scope.places[p.name] = p.span
            rule = self.context.exact and p.name.startswith("_")
            if isinstance(v, Array) and not rule:
                v = self.context.settle(v, p.name, p.span)
            scope.names[p.name] = v

    def typed(self, type: tree.Type, value: Value, scope: Scope, span: Span) -> Task:
        from tensorc.elaborate.calls import conform

        return (yield conform(self, type, value, scope, span))

    def require(self, s: tree.Require, scope: Scope) -> Task:
        """A condition on dims and static values: proved, or checked at the call."""
        from tensorc.elaborate.calls import require

        yield require(self, s.condition, s.message, scope, s.span)


def lookup(name: str, scope: Scope) -> tuple[Value] | None:
    """What a name means: a parameter, let or dim, then the file's functions and imports, then the library and the dtypes."""
    from tensorc.elaborate.library import library

    if name in scope.names:
        return (scope.names[name],)
    if name in scope.dtypes:
        return (scope.dtypes[name],)
    if name in scope.unit.functions:
        return (Routine(scope.unit, scope.unit.functions[name]),)
    if name in scope.unit.imports:
        return (Namespace(name, scope.unit.imports[name]),)
    if name in DTYPES:
        return (DTYPES[name],)
    found = library(name, internal=scope.unit.is_library)
    return None if found is None else (found,)


def member(context: Context, module: Namespace, e: tree.Attribute) -> Value:
    """A function of an imported module."""
    from difflib import get_close_matches

    function = module.unit.functions.get(e.name)
    if function is None:
        close = get_close_matches(e.name, module.unit.functions, 1)
        raise context.error("E0202", f"`{module.name}` has no function `{e.name}`", e.name_span, help=f"did you mean `{close[0]}`?" if close else None)
    return Routine(module.unit, function)
