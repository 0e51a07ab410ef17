"""Diagnostics as data: what is wrong, where, what was found on each side, and what would help. `render.py` makes them text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tensorc.source import Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Label:
    """A place with a short text beside its underline; the primary one is where the mistake is."""

    span: Span
    text: str = ""
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake. `code` names a row of `rules`, or is empty for what is no mistake in a program; the first label is the primary one."""

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    severity: Severity = "error"

    @property
    def span(self) -> Span | None:
        return self.labels[0].span if self.labels else None


class CompileError(Exception):
    """The program is wrong. The text is its rendered diagnostics, without colour; `diagnostics` is the data."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...] | list[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from tensorc.render import render

        return render(self.diagnostics)


def error(
    code: str, message: str, span: Span | None, label: str = "", *others: Label, notes: tuple[str, ...] = (), help: str | None = None
) -> CompileError:
    """A CompileError of one diagnostic, to be raised."""
    primary = () if span is None else (Label(span, label, primary=True),)
    return CompileError((Diagnostic(code, message, primary + others, notes, help),))
