"""Makes the nodes of the tree: one method for each rule of the grammar, called when the parser has all of its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tensorc.diagnostics import Diagnostic, Label
from tensorc.source import Source, Span
from tensorc.syntax import literals, tree
from tensorc.syntax.tokens import Token

V = TypeVar("V")

STATIC_TYPES = ("int", "float", "bool", "str", "dtype", "dims", "axes")
KINDS = ("float", "int", "num", "any")
_CONSTANTS = {"inf": float("inf"), "nan": float("nan"), "pi": 3.141592653589793}
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_DIM_OPERATORS = ("+", "-", "*", "//", "%", "**", "/", "<<", ">>")


@dataclass(frozen=True, slots=True, eq=False)
class Range(tree.Node):
    """`i in low..high` among the items of brackets, until it is known that they bind indices."""

    index: tree.Expr
    low: tree.Expr
    high: tree.Expr


@dataclass(frozen=True, slots=True, eq=False)
class Results(tree.Node):
    """What a function returns: `e`, or `a, b` as a TupleLiteral."""

    value: tree.Expr


@dataclass(frozen=True, slots=True, eq=False)
class Head(tree.Node):
    """A function up to its body."""

    name: Token
    type_parameters: tuple[tree.TypeParameter, ...]
    parameters: tuple[tree.Parameter, ...]
    returns: tree.Type | None


@dataclass(frozen=True, slots=True, eq=False)
class Brackets(tree.Node):
    """`value[items else otherwise]` before it is known whether it reads an element or binds indices."""

    value: tree.Expr
    items: tuple[tree.Expr | tree.Slice | Range, ...]
    otherwise: tree.Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Signature(tree.Node):
    parameters: tuple[tree.Type, ...]
    returns: tree.Type | None


class Builder:
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

    # Files.

    def _file(self, span: Span, parts: Sequence[tree.Import | tree.Function]) -> tree.File:
        imports = tuple(part for part in parts if isinstance(part, tree.Import))
        functions = tuple(part for part in parts if isinstance(part, tree.Function))
        return tree.File(Span(self.source, 0, len(self.text)), self.source, imports, functions)

    def _import_file(self, span: Span, parts: tuple[Token, Token]) -> tree.Import:
        path, alias = parts
        return tree.Import(span, self._string_value(path), None, self._spelled(alias))

    def _import_module(self, span: Span, parts: tuple[str, Token]) -> tree.Import:
        module, alias = parts
        return tree.Import(span, None, module, self._spelled(alias))

    def _module(self, span: Span, parts: Sequence[Token]) -> str:
        return ".".join(map(self._spelled, parts))

    # Functions.

    def _function(self, span: Span, parts: tuple[Head, tuple[tree.Statement, ...]]) -> tree.Function:
        head, body = parts
        return self._make_function(span, head, body, short=False)

    def _short_function(self, span: Span, parts: tuple[Head, Results]) -> tree.Function:
        head, results = parts
        return self._make_function(span, head, (tree.Return(results.span, results.value),), short=True)

    def _make_function(self, span: Span, head: Head, body: tuple[tree.Statement, ...], short: bool) -> tree.Function:
        return tree.Function(
            span,
            self._spelled(head.name),
            self._at(head.name),
            documentation(self.source, span.start),
            head.type_parameters,
            head.parameters,
            head.returns,
            body,
            short,
            head.span,
        )

    def _head(self, span: Span, parts: Sequence[Any]) -> Head:
        name, *rest = parts
        type_parameters = rest.pop(0) if rest and _holds(rest[0], tree.TypeParameter) else ()
        parameters = rest.pop(0) if rest and isinstance(rest[0], tuple) else ()
        return Head(span, name, type_parameters, parameters, rest[0] if rest else None)

    def _type_parameters(self, span: Span, parts: Sequence[Any]) -> tuple[tree.TypeParameter, ...]:
        return tuple(parts[1:-1])

    def _type_parameter(self, span: Span, parts: tuple[Token, Token]) -> tree.TypeParameter:
        name, kind = map(self._spelled, parts)
        if kind not in KINDS:
            help = "the kinds are `float`, `int`, `num` and `any`"
            self._report("E0115", f"`{kind}` is not a kind of dtypes", self._at(parts[1]), "not a kind", help=help)
        return tree.TypeParameter(span, name, kind)

    def _parameters(self, span: Span, parts: Sequence[tree.Parameter]) -> tuple[tree.Parameter, ...]:
        return tuple(parts)

    def _parameter(self, span: Span, parts: Sequence[Any]) -> tree.Parameter:
        name, type, *default = parts
        return tree.Parameter(span, self._spelled(name), type, default[0] if default else None)

    def _block(self, span: Span, parts: Sequence[tree.Statement]) -> tuple[tree.Statement, ...]:
        return tuple(parts)

    # Types.

    def _plain_type(self, span: Span, parts: tuple[Token]) -> tree.Type:
        name = self._spelled(parts[0])
        return tree.StaticType(span, name) if name in STATIC_TYPES else tree.TensorType(span, name, span, ())

    def _tensor_type(self, span: Span, parts: tuple[Token, tuple[tree.Dim, ...]]) -> tree.TensorType:
        token, dims = parts
        name = self._spelled(token)
        if name in STATIC_TYPES and name != "bool":
            suggested = {"int": "i64", "float": "f32"}.get(name)
            help = f"for a tensor write `{suggested}[...]`" if suggested else None
            self._report("E0113", f"`{name}` is the type of a static parameter and has no dims", self._at(token), "not a dtype", help=help)
        return tree.TensorType(span, name, self._at(token), dims)

    def _tuple_type(self, span: Span, parts: Sequence[tree.Type]) -> tree.TupleType:
        return tree.TupleType(span, tuple(parts))

    def _dims(self, span: Span, parts: Sequence[tree.Dim]) -> tuple[tree.Dim, ...]:
        return tuple(parts)

    def _dim(self, span: Span, parts: tuple[tree.Expr]) -> tree.Dim:
        match parts[0]:
            case tree.Name(name="_"):
                return tree.Wildcard(span)
            case tree.Number(value=float()):
                found = "a float"
            case tree.Binary(operator=operator) if operator not in _DIM_OPERATORS:
                found = f"the result of `{operator}`"
            case tree.Number() | tree.Name() | tree.Unary() | tree.Binary() | tree.Call() | tree.Attribute() | tree.Subscript() | tree.Splice() as dim:
                return dim
            case tree.NoneLiteral() | tree.String() | tree.Boolean() | tree.ListLiteral() | tree.TupleLiteral() | tree.Comprehension():
                found = f"`{span.text}`" if len(span.text) <= 24 else "this"
        help = "a dim is an integer, a name, or arithmetic on those: `f32[2*N + 1]`"
        self._report("E0113", f"{found} is not a dim", span, "not an integer", help=help)
        return tree.Wildcard(span)

    # Statements.

    def _let(self, span: Span, parts: Sequence[Any]) -> tree.Let:
        pattern, *type, value = parts
        return tree.Let(span, pattern, type[0] if type else None, value)

    def _index_let(self, span: Span, parts: Sequence[Any]) -> tree.IndexLet:
        name, bindings, *type, value = parts
        if not bindings:
            spelled = self._spelled(name)
            self._report(
                "E0114", f"`{spelled}[]` binds no index", span, "no index between the brackets", help=f"a 0-d value is `let {spelled} = ...`"
            )
        return tree.IndexLet(span, self._spelled(name), self._at(name), bindings, type[0] if type else None, value)

    def _require(self, span: Span, parts: Sequence[Any]) -> tree.Require:
        condition, *message = parts
        return tree.Require(span, condition, self._string_value(message[0]) if message else None)

    def _return(self, span: Span, parts: tuple[Results]) -> tree.Return:
        return tree.Return(span, parts[0].value)

    def _one_result(self, span: Span, parts: tuple[tree.Expr]) -> Results:
        return Results(span, parts[0])

    def _several_results(self, span: Span, parts: Sequence[tree.Expr]) -> Results:
        return Results(span, tree.TupleLiteral(span, tuple(parts)))

    def _name_pattern(self, span: Span, parts: tuple[Token]) -> tree.NamePattern:
        return tree.NamePattern(span, self._spelled(parts[0]))

    def _tuple_pattern(self, span: Span, parts: Sequence[tree.Pattern]) -> tree.TuplePattern:
        return tree.TuplePattern(span, tuple(parts))

    def _bindings(self, span: Span, parts: Sequence[tree.Binding]) -> tuple[tree.Binding, ...]:
        return tuple(parts)

    def _index(self, span: Span, parts: tuple[Token]) -> tree.Binding:
        return tree.Binding(span, self._spelled(parts[0]), None, None)

    def _index_below(self, span: Span, parts: tuple[Token, Token, tree.Expr]) -> tree.Binding:
        return tree.Binding(span, self._spelled(parts[0]), None, parts[2])

    def _index_within(self, span: Span, parts: tuple[Token, tree.Expr, tree.Expr]) -> tree.Binding:
        name, low, high = parts
        return tree.Binding(span, self._spelled(name), low, high)

    def _index_pack(self, span: Span, parts: tuple[Token]) -> tree.Binding:
        return tree.Binding(span, f"...{self._spelled(parts[0])}", None, None)

    # Operators.

    def _group(self, span: Span, parts: tuple[Any]) -> Any:
        return parts[0]

    def _binary(self, span: Span, parts: tuple[tree.Expr, Token, tree.Expr]) -> tree.Binary:
        left, operator, right = parts
        return tree.Binary(span, self._spelled(operator), left, right, self._at(operator))

    def _chained(self, span: Span, parts: tuple[tree.Binary, Token, tree.Expr]) -> tree.Binary:
        left, token, right = parts
        middle = left.right.span.text
        help = None
        if len(middle) <= 24:
            help = f"write `... {left.operator} {middle} and {middle} {self._spelled(token)} ...`"
        others = Label(left.operator_span, "after this one")
        self._report("E0108", "comparisons do not chain", self._at(token), "a second comparison", others, help=help)
        return self._binary(span, parts)

    def _unary(self, span: Span, parts: tuple[Token, tree.Expr]) -> tree.Unary:
        return tree.Unary(span, self._spelled(parts[0]), parts[1])

    # Attributes, calls, brackets.

    def _attribute(self, span: Span, parts: tuple[tree.Expr, Token]) -> tree.Attribute:
        value, name = parts
        return tree.Attribute(span, value, self._spelled(name), self._at(name))

    def _call(self, span: Span, parts: tuple[tree.Expr, tuple[tree.Argument, ...]]) -> tree.Call:
        return tree.Call(span, *parts)

    def _arguments(self, span: Span, parts: Sequence[tree.Argument]) -> tuple[tree.Argument, ...]:
        named: tree.Argument | None = None
        for argument in parts:
            if argument.name is not None:
                named = argument
            elif named is not None:
                self._report(
                    "E0112", "a positional argument follows a keyword argument", argument.span, "positional", Label(named.span, "keyword")
                )
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
            self._report("E0114", "a subscript without an index", span, "no index between the brackets", help="a 0-d tensor is read by its name")
        items: list[tree.Expr | tree.Slice] = []
        for item in brackets.items:
            if isinstance(item, Range):
                help = "a range stands where an index is bound: `sum[i in 0..N](...)`, `let y[i in 0..N] = ...`"
                self._report("E0114", "a range in a subscript that reads an element", item.span, "no index is bound here", help=help)
                items.append(item.index)
            else:
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
                case tree.Splice(span=span, name=str(name)):
                    found.append(tree.Binding(span, f"...{name}", None, None))
                case tree.Binary(span=span, operator="<", left=tree.Name(name=name), right=high):
                    found.append(tree.Binding(span, name, None, high))
                case Range(span=span, index=tree.Name(name=name), low=low, high=high):
                    found.append(tree.Binding(span, name, low, high))
                case tree.Binary(operator="<=", left=tree.Name(name=name), right=high):
                    self._report(
                        "E0114", "a bound index has no `<=`", item.span, "the end of a range is excluded", help=f"write `{name} < {high.span.text} + 1`"
                    )
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

    # The other starts.

    def _only_type(self, span: Span, parts: tuple[tree.Type]) -> tree.Type:
        return parts[0]

    def _only_expression(self, span: Span, parts: tuple[tree.Expr]) -> tree.Expr:
        return parts[0]

    def _types(self, span: Span, parts: Sequence[tree.Type]) -> tuple[tree.Type, ...]:
        return tuple(parts)

    def _signature(self, span: Span, parts: Sequence[Any]) -> Signature:
        parameters, *returns = parts
        return Signature(span, parameters, returns[0] if returns else None)


def documentation(source: Source, start: int) -> str:
    """The text of the `##` lines directly above the line of an offset."""
    number = source.position(start)[0] - 1
    lines: list[str] = []
    while number > 0:
        line = source.line(number).strip()
        if not line.startswith("##") or line.startswith("###"):
            break
        lines.append(line[2:].removeprefix(" ").rstrip())
        number -= 1
    return "\n".join(reversed(lines))


def _holds(part: object, node: type) -> bool:
    return isinstance(part, tuple) and bool(part) and isinstance(part[0], node)
