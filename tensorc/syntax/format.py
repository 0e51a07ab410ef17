"""Formats a .tx file: only its white space changes, by one set of rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from tensorc.errors import InternalError
from tensorc.source import Source, Span
from tensorc.syntax import tree
from tensorc.syntax.layout import INDENT, lay_out
from tensorc.syntax.parse import parse
from tensorc.syntax.spacing import Statement
from tensorc.syntax.tables import END
from tensorc.syntax.tokens import Token, comments, tokenize

_BEGINNINGS = frozenset(("fn", "import", "let", "require", "return", "}", END))


def format_source(source: Source) -> str:
    """The text of a file, formatted: a statement a line, functions a blank line apart, 4 characters of indentation a block, and lines of at
    most 120 characters where brackets and operators let them. Comments stay as they are. Lines end as the first one did.

    Raises CompileError for what cannot be parsed, and InternalError if the result would not parse to the same tree.
    """
    before = parse(source)
    text = "".join(f"{line}\n" for line in _lines(source))
    formatted = Source(source.name, text)
    if _words(source) != _words(formatted) or not _alike(before, parse(formatted)):
        raise InternalError("formatting would change what the file says, which is left as it is", "fmt")
    return text.replace("\n", "\r\n") if source.text.partition("\n")[0].endswith("\r") else text


@dataclass(frozen=True)
class _Unit:
    """What has lines of its own: a statement, a head, a `}`, or comments that stand alone. `blank`: a blank line stands before it."""

    tokens: list[Token]
    indent: int
    blank: bool

    @property
    def kind(self) -> str:
        return self.tokens[0].kind

    @property
    def opens(self) -> bool:
        """Whether it is the head of a block."""
        return self.kind == "fn" and any(t.kind == "{" for t in self.tokens)


def _lines(source: Source) -> Iterator[str]:
    units = _set_apart(_units(source))
    for number, unit in enumerate(units):
        if unit.blank and number and unit.kind != "}" and not units[number - 1].opens:
            yield ""
        yield from lay_out(Statement(source, unit.tokens), unit.indent)


def _units(source: Source) -> list[_Unit]:
    """The file in pieces, in order. A comment that ends a line belongs to what stands before it, one between statements to none."""
    tokens = tokenize(source)
    notes = iter([*comments(source, tokens), Token(END, len(source.text), len(source.text))])
    note = next(notes)
    found: list[_Unit] = []
    end = indent = 0
    for token in tokens:
        begins = token.kind in _BEGINNINGS
        while note.start < token.start:
            gap = source.text[end : note.start]
            if begins and (not found or "\n" in gap):
                found.append(_Unit([note], indent, gap.count("\n") > 1))
            else:
                found[-1].tokens.append(note)
            end = note.end
            note = next(notes)
        indent = 0 if token.kind == "}" else indent
        if begins:
            found.append(_Unit([token], indent, source.text.count("\n", end, token.start) > 1))
        else:
            found[-1].tokens.append(token)
        indent = INDENT if token.kind == "{" else indent
        end = token.end
    return found[:-1]


def _set_apart(units: list[_Unit]) -> list[_Unit]:
    """With a blank line between functions, before the comments that stand directly above."""
    found = list(units)
    first = 0  # of the comments above
    for number, unit in enumerate(units):
        if unit.blank:
            first = number
        if unit.kind in ("fn", "import") and not units[first].blank and first and not unit.kind == units[first - 1].kind == "import":
            found[first] = replace(units[first], blank=True)
        if unit.kind != "COMMENT":
            first = number + 1
    return found


def _words(source: Source) -> list[str]:
    """What is no white space."""
    tokens = tokenize(source)
    every = sorted([*tokens[:-1], *comments(source, tokens)], key=lambda t: t.start)
    return [f"{t.kind} {source.text[t.start : t.end].rstrip()}" for t in every]


def _alike(first: tree.Node, second: tree.Node) -> bool:
    """Whether two trees are the same but for places."""
    pending: list[tuple[Any, Any]] = [(first, second)]
    while pending:
        a, b = pending.pop()
        if type(a) is not type(b):
            return False
        match a:
            case tree.Node():
                pending += [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
            case tuple():
                if len(a) != len(b):
                    return False
                pending += zip(a, b, strict=True)
            case Span() | Source():
                pass
            case _:
                if repr(a) != repr(b):  # nan is no more than its spelling
                    return False
    return True
