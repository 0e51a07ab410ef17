"""Makes the expressions of the tree: one method for each rule of the grammar, called when the parser has all of its parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tensorc.diagnostics import Diagnostic, Label
from tensorc.source import Source, Span
from tensorc.syntax import literals, tree
from tensorc.syntax.expectation import shortened
from tensorc.syntax.tokens import Token

V = TypeVar("V")

_CONSTANTS = {"inf": float("inf"), "nan": float("nan"), "pi": 3.141592653589793}
_EXPONENT = re.compile("[eE][0-9]*")


@dataclass(frozen=True, slots=True, eq=False)
class Range(tree.Node):
    """`i in low..high` among the items of brackets, until it is known that they bind indices."""

    index: tree.Expr
    low: tree.Expr
    high: tree.Expr


@dataclass(frozen=True, slots=True, eq=False)
class Brackets(tree.Node):
    """`value[items else otherwise]` before it is known whether it reads an element or binds indices."""

    value: tree.Expr
    items: tuple[tree.Expr | tree.Slice | Range, ...]
    otherwise: tree.Expr | None


class ExpressionBuilder:
    """Collects the diagnostics of what the grammar lets through and the language does not; such a node still has some value."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.diagnostics: list[Diagnostic] = []

    def action(self, name: str) -> Callable[[Span, Any], Any]:
        """What makes the node of a rule, from the rule's place and its parts."""
        method: Callable[[Span, Any], Any] = getattr(self, f"_{name}")
        return method

    # Places, texts and mistakes.

    def _at(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def _spelled(self, token: Token) -> str:
        return self.text[token.start : token.end]

    def _report(self, code: str, message: str, span: Span, label: str, *others: Label, help: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, (Label(span, label, primary=True), *others), help=help))

    # Operators.

    def _group(self, span: Span, parts: tuple[Any]) -> Any:
        return parts[0]

    def _binary(self, span: Span, parts: tuple[tree.Expr, Token, tree.Expr]) -> tree.Binary:
        left, operator, right = parts
        return tree.Binary(span, self._spelled(operator), left, right, self._at(operator))

    def _chained(self, span: Span, parts: tuple[tree.Binary, Token, tree.Expr]) -> tree.Binary:
        left, token, _ = parts
        middle = shortened(left.right.span.text)
        help = f"write `... {left.operator} {middle} and {middle} {self._spelled(token)} ...`"
        first = Label(left.operator_span, "after this one")
        self._report("E0108", "comparisons do not chain", self._at(token), "a second comparison", first, help=help)
        return self._binary(span, parts)

    def _unary(self, span: Span, parts: tuple[Token, tree.Expr]) -> tree.Unary:
        return tree.Unary(span, self._spelled(parts[0]), parts[1])

    # Attributes, calls, brackets.

    def _attribute(self, span: Span, parts: tuple[tree.Expr, Token]) -> tree.Attribute:
        value, name = parts
        if isinstance(value, tree.Number) and _EXPONENT.fullmatch(self._spelled(name)) and value.span.end == name.start - 1:
            help = f"write `{value.span.text}.0{self._spelled(name)}`"
            self._report("E0103", "a float has a digit after its point", value.span.to(self._at(name)), "no digit after it", help=help)
        return tree.Attribute(span, value, self._spelled(name), self._at(name))

    def _call(self, span: Span, parts: tuple[tree.Expr, tuple[tree.Argument, ...]]) -> tree.Call:
        return tree.Call(span, *parts)

    def _arguments(self, span: Span, parts: Sequence[tree.Argument]) -> tuple[tree.Argument, ...]:
        named: tree.Argument | None = None
        for argument in parts:
            if argument.name is not None:
                named = argument
            elif named is not None:
                keyword = Label(named.span, "keyword")
                self._report("E0112", "a positional argument follows a keyword argument", argument.span, "positional", keyword)
                break
        return tuple(parts)

    def _positional(self, span: Span, parts: tuple[tree.Expr]) -> tree.Argument:
        return tree.Argument(span, None, parts[0])

    def _keyword(self, span: Span, parts: tuple[Token, tree.Expr]) -> tree.Argument:
        return tree.Argument(span, self._spelled(parts[0]), parts[1])

    def _subscripted(self, span: Span, parts: Sequence[Any]) -> Brackets:
        value, items, *otherwise = parts
        return Brackets(span, value, items, otherwise[0] if otherwise else None)

    def _items(self, span: Span, parts: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(parts)

    def _subscript(self, span: Span, parts: tuple[Brackets]) -> tree.Subscript:
        (brackets,) = parts
        if not brackets.items:
            help = "a 0-d tensor is read by its name"
            self._report("E0114", "a subscript without an index", span, "no index between the brackets", help=help)
        items: list[tree.Expr | tree.Slice] = []
        for item in brackets.items:
            if isinstance(item, Range):
                help = "a range stands where an index is bound: `sum[i in 0..N](...)`, `let y[i in 0..N] = ...`"
                self._report("E0114", "a range in a subscript that reads an element", item.span, "no index is bound here", help=help)
                items.append(item.index)
                continue
            if isinstance(item, tree.Splice) and item.name is not None:
                help = "`...` alone stands for the axes that are left"
                self._report("E0114", f"`...{item.name}` in a subscript", item.span, "a list of dims, not of places", help=help)
            items.append(item)
        return tree.Subscript(span, brackets.value, tuple(items), brackets.otherwise)

    def _comprehension(self, span: Span, parts: tuple[Brackets, tuple[tree.Argument, ...]]) -> tree.Expr:
        brackets, arguments = parts
        head = brackets.value
        if not isinstance(head, tree.Name):
            help = "the brackets of `sum[k](...)` follow a plain name" if isinstance(head, tree.Attribute) else None
            self._report("E0114", "only a reduction or `tensor` binds indices before a call", head.span, "not the name of one", help=help)
            return tree.Call(span, head, arguments)
        return tree.Comprehension(span, head, self._bound(head, brackets), self._body(span, head, arguments))

    def _bound(self, head: tree.Name, brackets: Brackets) -> tuple[tree.Binding, ...]:
        """The items of `sum[...](e)` as the indices that it binds."""
        if not brackets.items:
            help = f"to reduce over every axis write `{head.name}(x)`" if head.name != "tensor" else None
            self._report("E0114", f"`{head.name}[]` binds no index", brackets.span, "no index between the brackets", help=help)
        if brackets.otherwise is not None:
            self._report("E0114", "`else` among bound indices", brackets.otherwise.span, "belongs to a subscript: `x[i - 1 else 0]`")
        found = []
        for item in brackets.items:
            match item:
                case tree.Name(span=span, name=name):
                    found.append(tree.Binding(span, name, None, None))
                case tree.Binary(span=span, operator="<", left=tree.Name(name=name), right=high):
                    found.append(tree.Binding(span, name, None, high))
                case Range(span=span, index=tree.Name(name=name), low=low, high=high):
                    found.append(tree.Binding(span, name, low, high))
                case tree.Binary(operator="<=", left=tree.Name(name=name), right=high):
                    help = f"write `{name} < {shortened(high.span.text)} + 1`"
                    self._report("E0114", "a bound index has no `<=`", item.span, "the end of a range is excluded", help=help)
                case _:
                    help = f"`{head.name}[i](e)`, `{head.name}[i < N](e)` and `{head.name}[i in 1..N](e)` bind `i`"
                    self._report("E0114", f"`{head.name}[...](...)` binds indices", item.span, "not an index to bind", help=help)
        return tuple(found)

    def _body(self, span: Span, head: tree.Name, arguments: tuple[tree.Argument, ...]) -> tree.Expr:
        match arguments:
            case (tree.Argument(name=None, value=body),) if not isinstance(body, tree.Splice):
                return body
            case _:
                where = arguments[1].span if len(arguments) > 1 else span
                self._report("E0114", f"`{head.name}[...](...)` takes one expression", where, f"{len(arguments)} arguments given")
                return tree.Name(head.span, head.name)

    def _range(self, span: Span, parts: tuple[tree.Expr, tree.Expr, tree.Expr]) -> Range:
        return Range(span, *parts)

    def _slice(self, span: Span, parts: Sequence[tree.Expr | None]) -> tree.Slice:
        start, stop, *step = parts
        return tree.Slice(span, start, stop, step[0] if step else None)

    def _slice_bound(self, span: Span, parts: Sequence[tree.Expr]) -> tree.Expr | None:
        return parts[0] if parts else None

    # Atoms.

    def _name(self, span: Span, parts: tuple[Token]) -> tree.Name:
        return tree.Name(span, self._spelled(parts[0]))

    def _integer(self, span: Span, parts: tuple[Token]) -> tree.Number:
        return tree.Number(span, self._literal(literals.integer, parts[0], 1))

    def _float(self, span: Span, parts: tuple[Token]) -> tree.Number:
        return tree.Number(span, self._literal(literals.floating, parts[0], 1.0))

    def _constant(self, span: Span, parts: tuple[Token]) -> tree.Number:
        return tree.Number(span, _CONSTANTS[self._spelled(parts[0])])

    def _truth(self, span: Span, parts: tuple[Token]) -> tree.Boolean:
        return tree.Boolean(span, self._spelled(parts[0]) == "true")

    def _none(self, span: Span, parts: Sequence[Token]) -> tree.NoneLiteral:
        return tree.NoneLiteral(span)

    def _string(self, span: Span, parts: tuple[Token]) -> tree.String:
        return tree.String(span, self._string_value(parts[0]))

    def _string_value(self, token: Token) -> str:
        return self._literal(literals.string, token, "")

    def _literal(self, read: Callable[[str], V], token: Token, otherwise: V) -> V:
        try:
            return read(self._spelled(token))
        except literals.LiteralError as mistake:
            self._report(mistake.code, mistake.message, self._at(token), mistake.label, help=mistake.help)
            return otherwise

    def _tuple(self, span: Span, parts: Sequence[tree.Expr]) -> tree.TupleLiteral:
        return tree.TupleLiteral(span, tuple(parts))

    def _list(self, span: Span, parts: Sequence[tree.Expr]) -> tree.ListLiteral:
        return tree.ListLiteral(span, tuple(parts))

    def _splice(self, span: Span, parts: Sequence[Token]) -> tree.Splice:
        return tree.Splice(span, self._spelled(parts[0]) if parts else None)
