"""The abstract syntax tree: what a .tx file says, with the place of each part, before any meaning is given to it."""

from __future__ import annotations

from dataclasses import dataclass

from tensorc.source import Source, Span


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Named(Node):
    """What starts with the name that it binds."""

    name: str

    @property
    def name_span(self) -> Span:
        return Span(self.span.source, self.span.start, self.span.start + len(self.name))


# Expressions.


@dataclass(frozen=True, slots=True, eq=False)
class Number(Node):
    """An integer or float literal; `inf`, `nan` and `pi` are floats too."""

    value: int | float


@dataclass(frozen=True, slots=True, eq=False)
class Boolean(Node):
    value: bool


@dataclass(frozen=True, slots=True, eq=False)
class NoneLiteral(Node):
    """`none`: a static value, or a new axis in a subscript."""


@dataclass(frozen=True, slots=True, eq=False)
class String(Node):
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Splice(Node):
    """`...S` or `...` in a list, a tuple or a type's dims; `...` alone in a subscript."""

    name: str | None


@dataclass(frozen=True, slots=True, eq=False)
class ListLiteral(Node):
    """`[a, b]`: an array literal or a list of dims, axes or pairs."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TupleLiteral(Node):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Node):
    """`operator` is one of `- + ~ not`."""

    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Node):
    """`operator` is one of `** * / // % @ + - << >> & ^ | == != < <= > >= and or`; `operator_span` is its own place."""

    operator: str
    left: Expr
    right: Expr
    operator_span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Attribute(Node):
    """`value.name`; a method call is a Call of it, a member of an imported module too."""

    value: Expr
    name: str
    name_span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Argument(Node):
    name: str | None
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Call(Node):
    callee: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Slice(Node):
    start: Expr | None
    stop: Expr | None
    step: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Subscript(Node):
    """`value[items]`, or `value[items else otherwise]`: a load that reads `otherwise` outside."""

    value: Expr
    items: tuple[Expr | Slice, ...]
    otherwise: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Binding(Named):
    """A bound index: `i`, `i < high`, or `i in low..high` (the end excluded)."""

    low: Expr | None
    high: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Comprehension(Node):
    """`head[bindings](body)`: a reduction in index notation, or `tensor[i, j](body)`. `head` is not resolved yet."""

    head: Name
    bindings: tuple[Binding, ...]
    body: Expr


Expr = (
    Number
    | Boolean
    | NoneLiteral
    | String
    | Name
    | Splice
    | ListLiteral
    | TupleLiteral
    | Unary
    | Binary
    | Attribute
    | Call
    | Subscript
    | Comprehension
)


# Types.


@dataclass(frozen=True, slots=True, eq=False)
class Wildcard(Node):
    """`_` as a dim: one axis without a name."""


Dim = Number | Name | Unary | Binary | Call | Attribute | Subscript | Splice | Wildcard


@dataclass(frozen=True, slots=True, eq=False)
class TensorType(Node):
    """`dtype[dims]`; `f32` alone has no dims. `dtype` names a dtype or a dtype variable. `bool` alone is a StaticType."""

    dtype: str
    dtype_span: Span
    dims: tuple[Dim, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StaticType(Node):
    """`int float bool str dtype dims axes`: a parameter known when compiling."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class TupleType(Node):
    items: tuple[Type, ...]


Type = TensorType | StaticType | TupleType


# Statements.


@dataclass(frozen=True, slots=True, eq=False)
class NamePattern(Node):
    """A name to bind; `_` discards."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class TuplePattern(Node):
    items: tuple[Pattern, ...]


Pattern = NamePattern | TuplePattern


@dataclass(frozen=True, slots=True, eq=False)
class Let(Node):
    pattern: Pattern
    type: Type | None
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class IndexLet(Node):
    """`let name[bindings] = value`, or with a type `let name[bindings]: type = value`."""

    name: str
    name_span: Span
    bindings: tuple[Binding, ...]
    type: Type | None
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Require(Node):
    condition: Expr
    message: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Return(Node):
    """`return e`, `return a, b`: a TupleLiteral where there are several."""

    value: Expr


Statement = Let | IndexLet | Require | Return


# Files.


@dataclass(frozen=True, slots=True, eq=False)
class TypeParameter(Named):
    """`T: float`; `kind` is one of `float int num any`."""

    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Named):
    type: Type
    default: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Function(Node):
    """`fn name<type_parameters>(parameters) -> returns { body }`; `short` is the form `= e`, whose body is one Return.

    `head` spans `fn` to the return type.
    """

    name: str
    name_span: Span
    doc: str
    type_parameters: tuple[TypeParameter, ...]
    parameters: tuple[Parameter, ...]
    returns: Type | None
    body: tuple[Statement, ...]
    short: bool
    head: Span


@dataclass(frozen=True, slots=True, eq=False)
class Import(Node):
    """`import "nn.tx" as nn` (`path`) or `import std.nn as nn` (`module`)."""

    path: str | None
    module: str | None
    alias: str


@dataclass(frozen=True, slots=True, eq=False)
class File(Node):
    source: Source
    imports: tuple[Import, ...]
    functions: tuple[Function, ...]
