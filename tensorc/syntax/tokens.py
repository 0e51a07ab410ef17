"""Cuts a source into tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

from tensorc.source import Source
from tensorc.syntax.tables import tables

_COMMENT = re.compile(r"#[^\r\n]*")


class Token(NamedTuple):
    """The characters `start..end`; `kind` is a keyword's or sign's own text, or a name in capitals (NAME, INTEGER, $END, ...)."""

    kind: str
    start: int
    end: int


def tokenize(source: Source) -> list[Token]:
    """Every token, and at last one of kind `$END`. What is no token has the kind UNKNOWN, or UNTERMINATED for a string."""
    groups = tables().groups
    found = []
    for match in tables().token.finditer(source.text):
        group = match.lastgroup
        assert group is not None
        start, end = match.span(group)
        found.append(Token(groups[group], start, end))
        if group == "END":
            break
    return found


def comments(source: Source, tokens: list[Token]) -> list[Token]:
    """The comments between the tokens, in order."""
    found = []
    position = 0
    for token in tokens:
        for match in _COMMENT.finditer(source.text, position, token.start):
            found.append(Token("COMMENT", *match.span()))
        position = token.end
    return found
