"""Evaluates the bodies of functions: AST expressions and statements become arrays and static values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from tensorc.algebra import Index, Poly, fresh, poly
from tensorc.diagnostics import CompileError, Label
from tensorc.dtypes import DTYPES, DType
from tensorc.elaborate import arrays, notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.hints import FOREIGN, did_you_mean
from tensorc.elaborate.indexing import ATTRIBUTES, attribute, index
from tensorc.elaborate.ranges import Ranges, Unknown, placeholder
from tensorc.elaborate.tasks import Poisoned, Task, run, together
from tensorc.elaborate.types import undeclared_splice
from tensorc.elaborate.values import (
    MISSING,
    POISON,
    Array,
    Builtin,
    List,
    Missing,
    Namespace,
    Poison,
    Routine,
    Transformed,
    Tuple,
    Value,
    describe,
    static_integer,
    static_value,
)
from tensorc.ir.tensor import Load
from tensorc.source import Span
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.elaborate.units import Unit

__all__ = ["Evaluator", "Poisoned", "Scope", "Task", "run"]


@dataclass
class Scope:
    """The names of one function's body."""

    unit: Unit
    names: dict[str, Value] = field(default_factory=dict)
    dtypes: dict[str, DType] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    indices: dict[str, Span] = field(default_factory=dict)  # the bound indices that are live
    unknown: list[Unknown] | None = None  # while the ranges of an index definition are inferred
    ranges: dict[int, tuple[Index, Poly]] = field(
        default_factory=dict
    )  # of the index definition that is evaluated: Binding's id -> (index, value)
    defining: frozenset[str] = frozenset()  # the names that the statement being evaluated gives


def scope_of(unit: Unit, function: tree.Function) -> Scope:
    """The scope of a function's body before its parameters are bound."""
    return Scope(unit, places={t.name: t.name_span for t in function.type_parameters})


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
                raise context.error("E0602", "dims are spliced into a list", e.span, "not in a list", help=f"write `[...{e.name or 'S'}]`")
            case tree.Unary(operator=operator, operand=operand):
                value = yield self.array(operand, scope)
                context.current = e.span
                return arrays.unary(context, operator, value, operand.span)
            case tree.Binary(operator=operator, left=left, right=right):
                values = yield together([self.expression(left, scope), self.expression(right, scope)])
                context.current = e.span
                return self.binary(operator, values, (left.span, right.span))
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

    def binary(self, operator: str, values: Sequence[Value], spans: Sequence[Span]) -> Value:
        """An infix operator. Static values that are no numbers can be told apart by `==` and `!=`."""
        context = self.context
        if operator in ("==", "!=") and any(isinstance(v, (str, DType)) or v is None for v in values):
            left, right = values
            if type(left) is not type(right) and left is not None and right is not None:
                found = Label(spans[0], describe(left))
                raise context.error("E0601", f"{describe(left)} is compared with {describe(right)}", spans[1], describe(right), found)
            same = (left is not None and right is not None and left == right) or (left is None and right is None)
            return arrays.constant(same if operator == "==" else not same)
        a, b = (arrays.as_array(context, v, s) for v, s in zip(values, spans, strict=True))
        if operator == "@":
            from tensorc.elaborate.library import matmul

            return matmul(context, a, b, spans)
        return arrays.binary(context, operator, a, b, spans)

    def array(self, e: tree.Expr, scope: Scope) -> Task:
        """The value of an expression that must be an array."""
        value = yield self.expression(e, scope)
        return arrays.as_array(self.context, value, e.span)

    def items(self, items: Sequence[tree.Expr], scope: Scope) -> Task:
        """The values of a list's items; a splice gives its dims."""
        groups = yield together([self.spliced(i, scope) if isinstance(i, tree.Splice) else self.one(i, scope) for i in items])
        return tuple(value for group in groups for value in group)

    def one(self, item: tree.Expr, scope: Scope) -> Task:
        return ((yield self.expression(item, scope)),)

    def spliced(self, splice: tree.Splice, scope: Scope) -> Task:
        """The dims that `...S` stands for."""
        yield from ()
        if splice.name is None:
            raise self.context.error(
                "E0602", "`...` without a name in a list", splice.span, "which dims?", help="name it in the type too: `[...S, N]`"
            )
        dims = scope.names.get(f"...{splice.name}")
        if not isinstance(dims, List):
            raise undeclared_splice(self.context, splice, scope)
        return dims.items

    def name(self, e: tree.Name, scope: Scope) -> Value:
        value = lookup(e.name, scope)
        if value is None:
            raise self.unknown_name(e.name, e.span, scope)
        if isinstance(value[0], Poison):
            raise Poisoned
        return value[0]

    def unknown_name(self, name: str, span: Span, scope: Scope) -> CompileError:
        from tensorc.elaborate.library import library_names

        if name in scope.defining:
            help = "a recurrence is a scan: `cumsum(x, axis=0)`" if scope.indices else "give the value that it is made of another name"
            return self.context.error("E0210", f"`{name}` is used in its own definition", span, "has no value yet", help=help)
        known = [*(n for n in scope.names if not n.startswith("...")), *scope.unit.functions, *scope.unit.imports, *library_names()]
        hint = FOREIGN.get(name) or did_you_mean(name, known)
        if any(name == bound for bound, _ in self.context.index_names.values()):
            hint = f"the index `{name}` is known only in the brackets' expression that binds it"
        return self.context.error("E0201", f"unknown name `{name}`", span, "not found here", help=hint)

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
        found = yield together([self.callee(e.callee, scope), *(self.expression(a.value, scope) for a in e.arguments)])
        (callee, arguments), *values = found
        arguments += [(a.name, v, a.value.span) for a, v in zip(e.arguments, values, strict=True)]
        self.context.current = e.span
        result = yield invoke(self, callee, arguments, e.span)
        self.context.current = e.span
        return result

    def callee(self, e: tree.Expr, scope: Scope) -> Task:
        """(the function that is called, its first argument in a list where it is called as a method)."""
        callee: Value
        arguments: list[tuple[str | None, Value, Span]] = []
        if isinstance(e, tree.Attribute):
            base = yield self.expression(e.value, scope)
            if isinstance(base, Namespace):
                callee = member(self.context, base, e)
            else:
                callee = self.method(e, scope)
                arguments.append((None, base, e.value.span))
        else:
            callee = yield self.expression(e, scope)
        if not isinstance(callee, (Routine, Builtin, Transformed)):
            help = "to read an element write `x[i]`" if isinstance(callee, Array) else None
            raise self.context.error("E0603", f"{describe(callee)} cannot be called", e.span, describe(callee), help=help)
        return callee, arguments

    def pick(self, e: tree.Call, scope: Scope) -> Task:
        """`pick(value, key, result, ..., otherwise)`, in the library's own files: the result whose key is the static value.

        No other is evaluated.
        """
        value, *cases, otherwise = (a.value for a in e.arguments)
        known = static_value((yield self.expression(value, scope)))
        for key, result in zip(cases[::2], cases[1::2], strict=True):
            if static_value((yield self.expression(key, scope))) == known:
                return (yield self.expression(result, scope))
        return (yield self.expression(otherwise, scope))

    def method(self, e: tree.Attribute, scope: Scope) -> Value:
        """`f` of `x.f(a)`."""
        if e.name in ATTRIBUTES and lookup(e.name, scope) is None:
            message = f"`.{e.name}` is an attribute, not a function"
            raise self.context.error("E0603", message, e.name_span, "cannot be called", help=f"write `.{e.name}` without parentheses")
        return self.name(tree.Name(e.name_span, e.name), scope)

    # Subscripts.

    def subscript(self, e: tree.Subscript, scope: Scope) -> Task:
        context = self.context
        parts = [self.expression(e.value, scope), *(self.item(i, scope) for i in e.items)]
        if e.otherwise is not None:
            parts.append(self.array(e.otherwise, scope))
        value, *items = yield together(parts)
        otherwise = None if e.otherwise is None else items.pop()
        context.current = e.span
        if isinstance(value, Routine | Builtin | Transformed | Namespace | str | DType) or value is None:
            raise context.error("E0603", f"{describe(value)} cannot be subscripted", e.value.span, describe(value))
        if isinstance(value, (List, Tuple)) and len(items) == 1:
            found = part_of(context, value, items[0], e)
            if found is not None:
                return found[0]
        spans = [i.span for i in e.items]
        subject = " ".join(e.value.span.text.split())
        return index(
            context,
            arrays.as_array(context, value, e.value.span),
            items,
            otherwise,
            spans,
            subject,
            e.span,
            bool(scope.indices),
            e.otherwise.span if e.otherwise else None,
        )

    def item(self, item: tree.Expr | tree.Slice, scope: Scope) -> Task:
        """A subscript: a value, a slice of polynomials, or an Ellipsis."""
        if isinstance(item, tree.Splice):
            return Ellipsis
        if isinstance(item, tree.Slice):
            given = (item.start, item.stop, item.step)
            found = iter((yield together([self.static(b, scope, "a slice bound") for b in given if b is not None])))
            return slice(*(None if b is None else next(found) for b in given))
        return (yield self.expression(item, scope))

    def static(self, e: tree.Expr, scope: Scope, what: str) -> Task:
        """The value of an expression that must be an integer known at the call."""
        value = yield self.expression(e, scope)
        found = static_integer(value)
        if found is None:
            found_, help = describe(value), None
            if isinstance(value, Array) and value.free:
                found_ = "depends on a bound index"
                help = "give the index the whole range, and make the other terms the identity: `where(j < i, ..., 0)`"
            elif isinstance(value, Array) and value.dtype.is_integer:
                found_ = f"{found_}, known while running"
                help = "a static parameter is known: `n: int`"
            message = f"{what} is an integer known at the call: literals, dims and arithmetic on them"
            raise self.context.error("E0604", message, e.span, found_, help=help if what.endswith("range") or "known" in found_ else None)
        self.context.require_divisors(found, e.span)
        return found

    # Index notation.

    def comprehension(self, e: tree.Comprehension, scope: Scope) -> Task:
        """A reduction over bound indices, or `tensor[i, j](body)`."""
        name = e.head.name
        if name in scope.names:
            found = describe(scope.names[name])
            message = f"`{name}` is {found} here, not a reduction"
            places = [Label(scope.places[name], "defined here")] if name in scope.places else []  # a bound index has none
            raise self.context.error("E0603", message, e.head.span, found, *places, help="rename the value")
        if name != "tensor" and name not in notation.REDUCTIONS:
            help = did_you_mean(name, notation.REDUCTIONS) or f"these do: `{'`, `'.join(notation.REDUCTIONS)}` and `tensor`"
            raise self.context.error("E0507", f"`{name}` does not take bound indices", e.head.span, "not a reduction", help=help)
        value = yield self.indexed(e.bindings, e.body, scope, name, e.span)
        return arrays.strong(self.context, value) if name == "tensor" else value

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
                solved = Ranges(context, scope.unknown, accesses)
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
            context.require_divisors(extent, at)
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
        self.distinct(bindings, scope)
        ranges = yield together([self.range(b, scope) for b in bindings])
        bound = [(index, value, b) for (index, value), b in zip(ranges, bindings, strict=True)]
        with self.binding(scope, bound), context.scope([i for i, _, _ in bound]):
            value = arrays.as_array(context, (yield self.expression(body, scope)), body.span)
            if value.axes:
                message = f"the body of an index definition is one element, found {describe(value)}"
                raise context.error("E0509", message, body.span, describe(value), help="subscript every tensor completely, or reduce it")
            context.current = span
            if head == "tensor":
                return Array(tuple(i for i, _, _ in bound), value.body, value.weak)
            result = notation.reduce(context, head, [i for i, _, _ in bound], value, span)
        if head in ("argmin", "argmax"):
            from tensorc.ir import build

            low = bound[0][1] - poly(bound[0][0])
            result = build.apply("add", result, build.integer(low)) if low.constant != 0 else result
        if isinstance(result, Load):
            context.remember(result.tensor, None, span)
        return Array((), result, value.weak and not context.exact)

    def distinct(self, bindings: Sequence[tree.Binding], scope: Scope) -> None:
        """An error where an index is bound that is live already."""
        live = dict(scope.indices)
        for b in bindings:
            if b.name in live:
                others = (Label(live[b.name], "first bound here"),)
                raise self.context.error(
                    "E0207", f"index `{b.name}` is bound already", b.name_span, "bound again", *others, help="use another letter"
                )
            if b.name in DTYPES:
                raise self.context.error("E0208", f"`{b.name}` is a dtype", b.name_span, "cannot be an index", help="use another letter")
            live[b.name] = b.name_span

    def range(self, b: tree.Binding, scope: Scope) -> Task:
        """(index, its value) of a binding: the index runs from 0, its value from the low end of the range."""
        if id(b) in scope.ranges:
            return scope.ranges[id(b)]
        low = poly(0) if b.low is None else (yield self.static(b.low, scope, "the start of a range"))
        if b.high is None:
            index = placeholder()
            assert scope.unknown is not None
            scope.unknown.append(Unknown(b.name, index, b.name_span))
        else:
            high = yield self.static(b.high, scope, "the end of a range")
            extent = high - low
            if extent.constant is not None and extent.constant < 0:
                raise self.context.error("E0508", f"the range {low}..{high} is negative", b.span, f"{extent} elements")
            index = fresh(extent)
        scope.ranges[id(b)] = index, low + poly(index)
        return scope.ranges[id(b)]

    @contextmanager
    def binding(self, scope: Scope, bound: Sequence[tuple[Index, Poly, tree.Binding]]) -> Iterator[None]:
        """The indices as names, for the time of the body."""
        hidden = {b.name: scope.names.get(b.name, MISSING) for _, _, b in bound}
        for bound_index, value, b in bound:
            scope.names[b.name] = arrays.dimension(value)
            scope.indices[b.name] = b.name_span
            self.context.index_names[bound_index] = b.name, value - poly(bound_index)
        try:
            yield
        finally:
            for name, old in hidden.items():
                del scope.indices[name]
                del scope.names[name]
                if not isinstance(old, Missing):
                    scope.names[name] = old


def lookup(name: str, scope: Scope) -> tuple[Value] | None:
    """What a name means: a parameter, let or dim, then the file's functions and imports, then the library and the dtypes."""
    if name in scope.names:
        return (scope.names[name],)
    if name in scope.dtypes:
        return (scope.dtypes[name],)
    if name in scope.unit.broken:
        return (POISON,)
    if name in scope.unit.functions:
        return (Routine(scope.unit, scope.unit.functions[name]),)
    if name in scope.unit.imports:
        return (Namespace(name, scope.unit.imports[name]),)
    if name in DTYPES:
        return (DTYPES[name],)
    from tensorc.elaborate.library import library

    found = library(name, internal=scope.unit.is_library)
    return None if found is None else (found,)


def member(context: Context, module: Namespace, e: tree.Attribute) -> Value:
    """A function of an imported module. Every module of the library has all that the library holds."""
    from tensorc.elaborate.library import library, library_names

    function = module.unit.functions.get(e.name)
    if e.name in module.unit.broken:
        raise Poisoned
    if function is not None:
        return Routine(module.unit, function)
    built_in = library(e.name) if module.unit.is_library else None
    if built_in is not None:
        return built_in
    help = did_you_mean(e.name, library_names() if module.unit.is_library else module.unit.functions, f"{module.name}.")
    raise context.error("E0202", f"`{module.name}` has no function `{e.name}`", e.name_span, "not found there", help=help)


def part_of(context: Context, value: List | Tuple, item: object, e: tree.Subscript) -> tuple[Value] | None:
    """The item or the part of a list or tuple at constant places; None where they are not constant, and an array literal is meant."""
    count = len(value.items)
    if isinstance(item, slice):
        bounds = [None if b is None else b.constant for b in (item.start, item.stop, item.step)]
        if (
            any(b is None and given is not None for b, given in zip(bounds, (item.start, item.stop, item.step), strict=True))
            or bounds[2] == 0
        ):
            return None
        return (type(value)(value.items[slice(*bounds)]),)
    at = static_integer(item) if isinstance(item, Array) else None
    if at is None or at.constant is None:
        return None
    if not -count <= at.constant < count:
        held = f"it has {count}" if isinstance(value, Tuple) else f"{e.value.span.text} has {count}"
        raise context.error("E0505", f"there is no item {at}", e.items[0].span, held)
    return (value.items[at.constant],)
