"""Makes the files, functions, types and statements of the tree, one method for each rule of the grammar as for the expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tensorc.source import Source, Span
from tensorc.syntax import tree
from tensorc.syntax.build_expressions import ExpressionBuilder
from tensorc.syntax.expectation import shortened
from tensorc.syntax.tokens import Token

STATIC_TYPES = ("int", "float", "bool", "str", "dtype", "dims", "axes")
KINDS = ("float", "int", "num", "any")
_DIM_OPERATORS = ("+", "-", "*", "//", "%", "**", "/", "<<", ">>")


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
class Signature(tree.Node):
    parameters: tuple[tree.Type, ...]
    returns: tree.Type | None


class Builder(ExpressionBuilder):
    """Makes every node."""

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
            case tree.Number() | tree.Name() | tree.Unary() | tree.Binary() as dim:
                return dim
            case tree.Call() | tree.Attribute() | tree.Subscript() | tree.Splice() as dim:
                return dim
            case _:
                found = f"`{shortened(span.text)}`"
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
            help = f"a 0-d value is `let {spelled} = ...`"
            self._report("E0114", f"`{spelled}[]` binds no index", span, "no index between the brackets", help=help)
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
    """The text of the `##` lines directly above an offset, which is the first of its line."""
    line, column = source.position(start)
    number = 0 if source.line(line)[: column - 1].strip() else line - 1
    lines: list[str] = []
    while number > 0:
        above = source.line(number).strip()
        if not above.startswith("##") or above.startswith("###"):
            break
        lines.append(above[2:].removeprefix(" ").rstrip())
        number -= 1
    return "\n".join(reversed(lines))


def _holds(part: object, node: type) -> bool:
    return isinstance(part, tuple) and bool(part) and isinstance(part[0], node)
