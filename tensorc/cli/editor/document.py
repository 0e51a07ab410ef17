"""A file as an editor has it: its text, what is wrong with it, and the last state in which it could be read."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from os.path import normpath
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from tensorc.diagnostics import CompileError, Diagnostic
from tensorc.elaborate import Unit, check, load_unit, representative
from tensorc.elaborate.units import Resolver, resolve_path
from tensorc.ir.program import Program
from tensorc.render import location
from tensorc.source import Source, Span
from tensorc.syntax.tokens import tokenize

Place = dict[str, int]
Range = dict[str, Place]


def path_of(uri: str) -> str:
    """The path of a file's URI; of anything else the URI itself, by which messages then call it."""
    parts = urlsplit(uri)
    return normpath(url2pathname(unquote(parts.path))) if parts.scheme == "file" else uri


def uri_of(name: str) -> str:
    """The URI of a source's name."""
    return name if "://" in name or name.startswith("untitled:") else Path(name).absolute().as_uri()


# Places: the protocol counts lines from 0, and in lines the 16-bit units of UTF-16.


def place(source: Source, offset: int) -> Place:
    """An offset as the protocol has it."""
    line, column = source.position(offset)
    before = source.text[offset - column + 1 : offset]
    return {"line": line - 1, "character": len(before.encode("utf-16-le", "surrogatepass")) // 2}


def range_of(span: Span) -> Range:
    return {"start": place(span.source, span.start), "end": place(span.source, span.end)}


def offset(source: Source, at: Place) -> int:
    """The offset of a place, inside of the text whatever is asked for."""
    number = min(max(at["line"], 0), len(source.line_starts) - 1)
    line = source.line(number + 1)
    units = line.encode("utf-16-le", "surrogatepass")[: 2 * max(at["character"], 0)]
    return source.line_starts[number] + len(units.decode("utf-16-le", "ignore"))


@dataclass
class Document:
    """`unit` is the file as it is, None where its syntax is wrong; `last` the last one that there was. `open` are the texts that the editor
    has, by the names of their files."""

    uri: str
    source: Source
    version: int | None
    open: dict[str, Source]
    last: Unit | None = None
    diagnostics: tuple[Diagnostic, ...] = field(default=(), init=False)
    unit: Unit | None = field(default=None, init=False)
    programs: dict[str, Program | None] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        try:
            self.unit = self.last = load_unit(self.source, self._resolver())
            self.diagnostics = tuple(check(self.unit))
        except CompileError as error:
            self.diagnostics = error.diagnostics
        except Exception as failure:  # a mistake of tensorc's own, which must not end an editor's session
            traceback.print_exc(file=sys.stderr)
            self.diagnostics = (Diagnostic("", f"internal error: {type(failure).__name__}: {failure}"),)

    def _resolver(self) -> Resolver:
        """Imports as the editor has them, else as they are on disk."""

        def resolve(path: str, importer: Source) -> Source:
            found = self.open.get(normpath(Path(importer.name).parent / path))
            return resolve_path(path, importer) if found is None else found

        return resolve

    def program(self, unit: Unit, name: str) -> Program | None:
        """A function as a program, for dtypes and ranks that stand for others; None where there is a mistake in it."""
        if name not in self.programs:
            found = representative(unit, name)
            self.programs[name] = None if found is None else found.program
        return self.programs[name]

    @property
    def imports(self) -> set[str]:
        """The names of the files that it is made of, beside its own, or that its text names."""
        tokens = tokenize(self.source)
        texts = (self.source.text[b.start + 1 : b.end - 1] for a, b in pairwise(tokens) if (a.kind, b.kind) == ("import", "STRING"))
        found = {normpath(Path(self.source.name).parent / text) for text in texts}
        pending = [self.last] if self.last is not None else []
        seen: list[Unit] = []
        while pending:
            for unit in pending.pop().imports.values():
                if unit not in seen:
                    seen.append(unit)
                    found.add(unit.source.name)
                    pending.append(unit)
        return found

    @cached_property
    def reported(self) -> list[dict[str, Any]]:
        """The diagnostics as the protocol has them."""
        return [self._reported(d) for d in self.diagnostics]

    def _reported(self, d: Diagnostic) -> dict[str, Any]:
        span = location(d)
        elsewhere = span is not None and span.source.name != self.source.name
        message = "\n".join([f"{span}: {d.message}" if elsewhere else d.message, *d.notes, *([f"help: {d.help}"] if d.help else [])])
        start = {"line": 0, "character": 0}
        labels = [label for label in d.labels if label.text]
        related = [{"location": {"uri": uri_of(n.span.source.name), "range": range_of(n.span)}, "message": n.text} for n in labels]
        return {
            "range": {"start": start, "end": start} if span is None or elsewhere else range_of(span),
            "severity": 1 if d.severity == "error" else 2,
            "code": d.code,
            "source": "tensorc",
            "message": message,
            "relatedInformation": related,
        }
