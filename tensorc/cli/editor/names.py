"""What a name in a file stands for: what binds it, where, and in what part of the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from tensorc.elaborate import Unit
from tensorc.source import Span
from tensorc.syntax import tree

Kind = Literal["parameter", "let", "index", "size", "dtype", "function", "import"]


@dataclass(frozen=True)
class Binding:
    """A name, the place that binds it, and the part of the text in which it holds."""

    name: str
    kind: Kind
    span: Span
    scope: Span
    node: tree.Node | None = None
    function: tree.Function | None = None


def function_at(unit: Unit, offset: int) -> tree.Function | None:
    """The function around an offset."""
    return next((f for f in unit.functions.values() if f.span.start <= offset <= f.span.end), None)


def nodes(root: tree.Node) -> Iterator[tree.Node]:
    """Every node of a tree."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        for f in fields(node):
            value = getattr(node, f.name)
            pending += [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, tree.Node)]


def bindings(function: tree.Function) -> Iterator[Binding]:
    """All that a function binds."""
    whole = function.span
    for t in function.type_parameters:
        yield Binding(t.name, "dtype", t.name_span, whole, t, function)
    for p in function.parameters:
        yield Binding(p.name, "parameter", p.name_span, whole, p, function)
    for p in function.parameters:
        for d in p.type.dims if isinstance(p.type, tree.TensorType) else ():
            if isinstance(d, (tree.Name, tree.Splice)) and d.name is not None:
                yield Binding(d.name, "size", d.span, whole, p, function)
    for node in nodes(function):
        match node:
            case tree.Let(pattern=pattern):
                after = Span(whole.source, node.span.end, whole.end)
                for part in nodes(pattern):
                    if isinstance(part, tree.NamePattern) and part.name != "_":
                        yield Binding(part.name, "let", part.span, after, node, function)
            case tree.IndexLet():
                yield Binding(node.name, "let", node.name_span, Span(whole.source, node.span.end, whole.end), node, function)
                yield from (Binding(b.name, "index", b.name_span, node.span, b, function) for b in node.bindings)
            case tree.Comprehension():
                yield from (Binding(b.name, "index", b.name_span, node.span, b, function) for b in node.bindings)
            case _:
                pass


def resolve(unit: Unit, name: str, offset: int) -> Binding | None:
    """What a name at an offset stands for in its file; None for what the library has, or nothing."""
    function = function_at(unit, offset)
    found: list[Binding] = []
    if function is not None:
        for b in bindings(function):
            if b.name == name and (_holds(b.scope, offset) or _holds(b.span, offset)):
                found.append(b)
    if found:
        return min(found, key=lambda b: (not _holds(b.span, offset), b.scope.end - b.scope.start, b.span.start))
    if name in unit.functions:
        f = unit.functions[name]
        return Binding(name, "function", f.name_span, f.span, f, f)
    if name in unit.imports:
        source = unit.imports[name].source
        return Binding(name, "import", Span(source, 0, 0), Span(source, 0, 0))
    return None


def _holds(span: Span, offset: int) -> bool:
    return span.start <= offset <= span.end
