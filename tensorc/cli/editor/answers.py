"""What an editor asks of a document: types and documentation, definitions, symbols, completion, formatting."""

from __future__ import annotations

import inspect
from difflib import SequenceMatcher
from importlib import resources
from pathlib import Path
from typing import Any

from tensorc.cli.editor.document import Document, offset, place, range_of, uri_of
from tensorc.cli.editor.names import Binding, resolve
from tensorc.diagnostics import CompileError
from tensorc.elaborate import Unit, library_names, signature
from tensorc.elaborate.library import library
from tensorc.elaborate.values import MISSING, Array, Builtin, static_constant
from tensorc.source import Span
from tensorc.syntax import tree
from tensorc.syntax.tables import END
from tensorc.syntax.tokens import Token, tokenize

Answer = Any
"""JSON."""

KEYWORDS = ("let", "require", "return", "fn", "import", "as", "in", "else", "and", "or", "not", "true", "false", "none", "inf", "nan", "pi")
ATTRIBUTES = ("T", "mT", "shape", "ndim", "size")

# Kinds of the protocol.
_SYMBOL = {"function": 12, "let": 13, "import": 2}
_COMPLETION = {"function": 3, "variable": 6, "module": 9, "keyword": 14, "property": 10}


def _word(document: Document, at: Any) -> tuple[list[Token], int, int] | None:
    """(the tokens, which one is a name at a place, the offset)."""
    position = offset(document.source, at)
    tokens = tokenize(document.source)
    number = next((n for n, t in enumerate(tokens) if t.kind == "NAME" and t.start <= position <= t.end), None)
    return None if number is None else (tokens, number, position)


def _text(document: Document, token: Token) -> str:
    return document.source.text[token.start : token.end]


def _member_of(document: Document, tokens: list[Token], number: int) -> Unit | None:
    """The imported file whose member a name is."""
    unit = document.unit or document.last
    if unit is None or number < 2 or tokens[number - 1].kind != "." or tokens[number - 2].kind != "NAME":
        return None
    return unit.imports.get(_text(document, tokens[number - 2]))


# Hover.


def hover(document: Document, at: Any) -> Answer:
    """The type of a name, or a function's head, with what is said of it."""
    found = _word(document, at)
    if found is None:
        return None
    tokens, number, position = found
    token = tokens[number]
    name = _text(document, token)
    member = _member_of(document, tokens, number)
    if member is not None:
        text = _function_text(member.functions[name]) if name in member.functions else None
    else:
        unit = document.unit or document.last
        binding = resolve(unit, name, position) if unit is not None and tokens[number - 1].kind != "." else None
        text = _binding_text(document, unit, binding) if binding is not None and unit is not None else library_text(name)
    if text is None:
        return None
    return {"contents": {"kind": "markdown", "value": text}, "range": range_of(Span(document.source, token.start, token.end))}


def _binding_text(document: Document, unit: Unit, b: Binding) -> str:
    match b.node:
        case tree.Function():
            return _function_text(b.node)
        case tree.Parameter() if b.kind == "parameter":
            return _code(f"{b.name}: {b.node.type.span.text}") + "\n\na parameter"
        case tree.Parameter():
            assert isinstance(b.node.type, tree.TensorType)
            axis = next(n for n, d in enumerate(b.node.type.dims) if d.span == b.span)
            what = "sizes" if isinstance(b.node.type.dims[axis], tree.Splice) else "a size"
            return _code(b.name) + f"\n\n{what}: axis {axis} of `{b.node.name}`"
        case tree.TypeParameter():
            return _code(f"{b.name}: {b.node.kind}") + "\n\na dtype"
        case tree.Binding():
            return _code(b.node.span.text) + "\n\nan index"
        case None:
            return _code(b.span.source.name) + "\n\nan imported file"
        case _:
            type = _type_of(document, unit, b)
            return _code(f"let {b.name}{f': {type}' if type else ''}")


def _type_of(document: Document, unit: Unit, b: Binding) -> str | None:
    """The type that a `let` has for the dtypes and the ranks that stand for others."""
    from tensorc.ir.text import types

    if b.function is None:
        return None
    program = document.program(unit, b.function.name)
    if program is None:
        return None
    here = [type for t, (_, type) in types(program).items() if program.spans.get(t) == b.span or program.names.get(t) == b.name]
    return here[0] if here else None


def _function_text(function: tree.Function) -> str:
    return _code(signature(function)) + (f"\n\n{function.doc}" if function.doc else "")


def library_text(name: str) -> str | None:
    """The head and the documentation of a function of the library."""
    found = library(name) if name in library_names() else None
    if found is None:
        return None
    if not isinstance(found, Builtin):
        return _function_text(found.function)
    shown = [n if default is MISSING else f"{n}={_literal(default)}" for n, default in found.parameters]
    head = f"{name}({', '.join(shown)}{'...' if found.variadic else ''})"
    return _code(head) + f"\n\n{inspect.cleandoc(found.call.__doc__ or '')}"


def _literal(value: object) -> str:
    value = static_constant(value) if isinstance(value, Array) else value
    return {None: "none", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)


def _code(text: str) -> str:
    return f"```tx\n{text}\n```"


# Definitions and symbols.


def definition(document: Document, at: Any) -> Answer:
    """Where a name is bound."""
    found = _word(document, at)
    unit = document.unit or document.last
    if found is None or unit is None:
        return None
    tokens, number, position = found
    name = _text(document, tokens[number])
    member = _member_of(document, tokens, number)
    if member is not None:
        return _location(member.functions[name].name_span) if name in member.functions else None
    binding = resolve(unit, name, position) if tokens[number - 1].kind != "." else None
    if binding is not None:
        return _location(binding.span)
    routine = library(name) if name in library_names() else None
    return None if routine is None or isinstance(routine, Builtin) else _location(routine.function.name_span)


def _location(span: Span) -> Answer:
    name = span.source.name
    if name.startswith("std/"):
        name = str(Path(str(resources.files("tensorc"))) / name)
    return {"uri": uri_of(name), "range": range_of(span)}


def symbols(document: Document) -> Answer:
    """The functions, and what each binds by `let`."""
    unit = document.unit or document.last
    if unit is None:
        return []
    functions = unit.functions.values()
    return [_symbol(f.name, "function", f.span, f.name_span, signature(f), [c for s in f.body for c in _bound(s)]) for f in functions]


def _bound(s: tree.Statement) -> list[Answer]:
    match s:
        case tree.IndexLet():
            return [_symbol(s.name, "let", s.span, s.name_span)]
        case tree.Let(pattern=tree.NamePattern(name=name) as pattern) if name != "_":
            return [_symbol(name, "let", s.span, pattern.span)]
        case _:
            return []


def _symbol(name: str, kind: str, whole: Span, own: Span, detail: str = "", children: list[Answer] | None = None) -> Answer:
    found = {"name": name, "kind": _SYMBOL[kind], "range": range_of(whole), "selectionRange": range_of(own), "children": children or []}
    return {**found, "detail": detail} if detail else found


# Completion.


def completion(document: Document, at: Any) -> Answer:
    """The names that may stand at a place: those of the function, of the file, of the library. The text may be unfinished."""
    position = offset(document.source, at)
    tokens = [t for t in tokenize(document.source) if t.kind != END and t.start < position]
    if tokens and tokens[-1].kind == "NAME" and tokens[-1].end >= position:
        tokens.pop()
    unit = document.unit or document.last
    if tokens and tokens[-1].kind == ".":
        module = unit.imports.get(_text(document, tokens[-2])) if unit is not None and len(tokens) > 1 else None
        if module is not None:
            return [_item(n, "function") for n in module.functions]
        return [*(_item(n, "property") for n in ATTRIBUTES), *(_item(n, "function") for n in sorted(library_names()))]
    own = {} if unit is None else {**dict.fromkeys(unit.functions, "function"), **dict.fromkeys(unit.imports, "module")}
    found = dict.fromkeys(sorted(library_names()), "function") | own
    found |= dict.fromkeys(_locals(document, position), "variable") | dict.fromkeys(KEYWORDS, "keyword")
    return [_item(n, kind) for n, kind in found.items()]


def _locals(document: Document, position: int) -> list[str]:
    """The names in the function around a place, by its tokens alone, since its syntax may be wrong while it is written."""
    tokens = tokenize(document.source)
    heads = [n for n, t in enumerate(tokens) if t.kind == "fn"]
    first = max((n for n in heads if tokens[n].start < position), default=0)
    last = min((n for n in heads if tokens[n].start >= position), default=len(tokens))
    inside = [t for t in tokens[first + 2 : last] if t.kind == "NAME" and not t.start <= position <= t.end]
    named = dict.fromkeys(_text(document, t) for t in inside)
    return [n for n in named if n not in library_names()]


def _item(name: str, kind: str) -> Answer:
    return {"label": name, "kind": _COMPLETION[kind]}


def completed(item: Any) -> Answer:
    """A completion with its documentation."""
    text = library_text(str(item.get("label", "")))
    return {**item, "documentation": {"kind": "markdown", "value": text}} if text is not None else item


# Formatting.


def formatting(document: Document) -> Answer:
    """The lines that formatting changes; nothing where the text cannot be parsed."""
    from tensorc.syntax.format import format_source

    source = document.source
    try:
        text = format_source(source)
    except CompileError:
        return []
    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    return [
        {"range": {"start": place(source, starts[i]), "end": place(source, starts[j])}, "newText": "".join(after[k:m])}
        for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        if tag != "equal"
    ]
