"""Says what is wrong where a token cannot stand."""

from __future__ import annotations

from dataclasses import dataclass

from tensorc.diagnostics import Diagnostic, Label
from tensorc.source import Source, Span
from tensorc.syntax.tokens import Token


@dataclass(frozen=True, slots=True)
class Mistake:
    """The token at `position` is not among the expected ones; `start` is the rule that is being parsed."""

    source: Source
    tokens: list[Token]
    position: int
    expected: frozenset[str]
    start: str


def explain(mistake: Mistake) -> Diagnostic:
    token = mistake.tokens[mistake.position]
    return Diagnostic("E0106", f"unexpected `{token.kind}`", (Label(Span(mistake.source, token.start, token.end), "", True),))
