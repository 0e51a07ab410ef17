"""Turns diagnostics into text for people, with the source underlined, and into data for programs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from tensorc.diagnostics import Diagnostic, Label
from tensorc.source import Source, Span

Style = Literal["", "error", "warning", "bold", "frame", "label", "help"]

# SGR codes; an empty style is the terminal's own.
_SGR = {"error": "1;31", "warning": "1;33", "bold": "1", "frame": "1;34", "label": "1;34", "help": "1;36"}

TAB = 4
WIDEST_LINE = 140  # characters
_CUT = "..."
_LEAD = 30  # characters kept in front of what a long line is cut around


def render(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """The diagnostics as text, an empty line between them and no line end after the last."""
    return "\n\n".join(_render_one(diagnostic, color) for diagnostic in diagnostics)


def to_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """The diagnostics as plain data; lines and columns count from 1, ends are excluded, a place that is unknown is null."""
    found = []
    for diagnostic in diagnostics:
        span = location(diagnostic)
        nowhere = dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
        found.append(
            {
                "code": diagnostic.code or None,
                "severity": diagnostic.severity,
                "message": _clean(diagnostic.message),
                **(nowhere if span is None else _place(span)),
                "labels": [{**_place(label.span), "text": _clean(label.text), "primary": label.primary} for label in diagnostic.labels],
                "notes": [_clean(note) for note in diagnostic.notes],
                "help": None if diagnostic.help is None else _clean(diagnostic.help),
            }
        )
    return found


def location(diagnostic: Diagnostic) -> Span | None:
    """The place in the heading: the first of the labels that share the primary one's line, since both sides of `a + b` matter."""
    if not diagnostic.labels:
        return None
    primary = diagnostic.labels[0].span
    beside = [label.span for label in diagnostic.labels if label.span.source is primary.source and label.span.line == primary.line]
    return min(beside, key=lambda span: span.start)


def _place(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {"file": _clean(span.source.name), "line": line, "column": column, "end_line": end_line, "end_column": end_column}


# Rows of styled text.


@dataclass(slots=True)
class _Row:
    """A line of output as cells, each a piece of text with a style; a wide character is one cell and an empty one."""

    cells: list[tuple[str, Style]] = field(default_factory=list)

    def put(self, column: int, text: str, style: Style) -> None:
        """Write over what is there, from a column on."""
        self.cells += [(" ", "")] * (column - len(self.cells))
        pieces: list[tuple[str, Style]] = []
        for character in text:
            width = _width(character)
            if width == 0 and pieces:
                pieces[-1] = (pieces[-1][0] + character, style)
            else:
                pieces += [(character, style)] + [("", style)] * (width - 1)
        self.cells[column : column + len(pieces)] = pieces

    def text(self, color: bool) -> str:
        plain = "".join(text for text, _ in self.cells).rstrip()
        if not color:
            return plain
        parts = []
        for style, cells in groupby(self.cells, key=lambda cell: cell[1]):
            piece = "".join(text for text, _ in cells)
            parts.append(f"\x1b[{_SGR[style]}m{piece}\x1b[0m" if style and piece.strip() else piece)
        return "".join(parts).rstrip()


def _row(*pieces: tuple[str, Style]) -> _Row:
    row = _Row()
    for text, style in pieces:
        row.put(len(row.cells), text, style)
    return row


def _render_one(diagnostic: Diagnostic, color: bool) -> str:
    code = f"[{diagnostic.code}]" if diagnostic.code else ""
    rows = [_row((f"{diagnostic.severity}{code}", diagnostic.severity), (f": {_clean(diagnostic.message)}", "bold"))]
    pieces = [piece for label in diagnostic.labels for piece in _pieces(label)]
    gutter = len(str(max((piece.line for piece in pieces), default=1))) + 1
    files = list(dict.fromkeys(label.span.source for label in diagnostic.labels))
    for number, source in enumerate(files):
        labels = [label for label in diagnostic.labels if label.span.source is source]
        place = location(diagnostic) if number == 0 else labels[0].span
        rows.append(_row((" " * gutter + ("-->" if number == 0 else ":::"), "frame"), (f" {_clean(str(place))}", "")))
        rows.append(_row((" " * gutter + " |", "frame")))
        rows += _excerpt(source, [piece for piece in pieces if piece.source is source], gutter, diagnostic.severity)
    for note in diagnostic.notes:
        rows += _note(gutter, "", note)
    if diagnostic.help is not None:
        rows += _note(gutter, "help: ", diagnostic.help)
    return "\n".join(row.text(color) for row in rows)


def _note(gutter: int, kind: str, text: str) -> list[_Row]:
    first, *rest = [_clean(line) for line in text.split("\n")]
    rows = [_row((" " * gutter + " = ", "frame"), (kind, "help"), (first, ""))]
    return rows + [_row((" " * (gutter + 3 + len(kind)) + line, "")) for line in rest]


# Excerpts.


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a label underlines in one line: the characters `start..end` of it."""

    source: Source
    line: int
    start: int
    end: int
    text: str
    primary: bool


def _pieces(label: Label) -> list[_Piece]:
    """A label in the line it lies in; one of several lines is shown in its first line and, with its text, in its last."""
    span = label.span
    source = span.source
    first, start = source.position(span.start)
    last, end = source.position(max(span.end - 1, span.start))
    text = _clean(label.text)
    if first == last:
        return [_Piece(source, first, start - 1, max(span.end - span.start, 1) + start - 1, text, label.primary)]
    line = source.line(last)
    return [
        _Piece(source, first, start - 1, max(len(source.line(first)), start), "", label.primary),
        _Piece(source, last, min(len(line) - len(line.lstrip()), end - 1), end, text, label.primary),
    ]


def _excerpt(source: Source, pieces: Sequence[_Piece], gutter: int, severity: Style) -> list[_Row]:
    """The lines that have labels, each with its labels under it; a gap of one line is shown too, a longer one as dots."""
    rows: list[_Row] = []
    previous = None
    for number in sorted({piece.line for piece in pieces}):
        if previous is not None and number == previous + 2:
            rows += _line(source, previous + 1, [], gutter, severity)
        elif previous is not None and number > previous + 2:
            rows.append(_row(("...", "frame")))
        rows += _line(source, number, [piece for piece in pieces if piece.line == number], gutter, severity)
        previous = number
    return rows


def _line(source: Source, number: int, pieces: Sequence[_Piece], gutter: int, severity: Style) -> list[_Row]:
    text, cut = _window(source.line(number), pieces)
    shown, columns = _display(text)
    marks = [_Mark(*_cells(columns, piece, cut), piece.text, severity if piece.primary else "label", piece.primary) for piece in pieces]
    first = _row((f"{number:>{gutter}} | ", "frame"))
    first.put(len(first.cells), shown, "")
    rows = [first]
    for drawn in _draw(marks):
        row = _row((" " * gutter + " | ", "frame"))
        row.cells += drawn.cells
        rows.append(row)
    return rows


def _window(line: str, pieces: Sequence[_Piece]) -> tuple[str, int]:
    """A long line as the part around its primary label, or its first one, and how many characters are left out in front."""
    if len(line) <= WIDEST_LINE:
        return line, 0
    first = min(pieces, key=lambda piece: (not piece.primary, piece.start)).start if pieces else 0
    low = max(0, min(first - _LEAD, len(line) - WIDEST_LINE))
    high = low + WIDEST_LINE
    front = _CUT + line[low + len(_CUT) : high] if low else line[:high]
    return front if high == len(line) else front[: -len(_CUT)] + _CUT, low


@dataclass(frozen=True, slots=True)
class _Mark:
    """An underline of the cells `start..end` of a line as it is shown."""

    start: int
    end: int
    text: str
    style: Style
    primary: bool


def _draw(marks: Sequence[_Mark]) -> list[_Row]:
    """The underlines, the text of the last one beside it if nothing is in the way, and the other texts hanging below."""
    if not marks:
        return []
    underlines = _Row()
    for mark in sorted(marks, key=lambda mark: mark.primary):
        underlines.put(mark.start, ("^" if mark.primary else "-") * (mark.end - mark.start), mark.style)
    rows = [underlines]
    hanging = sorted((mark for mark in marks if mark.text), key=lambda mark: (mark.start, -mark.end))
    if hanging and hanging[-1].end == len(underlines.cells):
        beside = hanging.pop()
        underlines.put(beside.end + 1, beside.text, beside.style)
    if hanging:
        rows.append(_bars(hanging))
    while hanging:
        mark = hanging.pop()
        row = _bars([other for other in hanging if other.start < mark.start])
        row.put(mark.start, mark.text, mark.style)
        rows.append(row)
    return rows


def _bars(marks: Sequence[_Mark]) -> _Row:
    row = _Row()
    for mark in marks:
        row.put(mark.start, "|", mark.style)
    return row


# Characters.


def _display(line: str) -> tuple[str, list[int]]:
    """A line as it is shown, and the cell where each of its characters starts, one more for its end."""
    shown: list[str] = []
    columns = [0]
    for character in line:
        column = columns[-1]
        piece = " " * (TAB - column % TAB) if character == "\t" else _clean(character)
        shown.append(piece)
        columns.append(column + sum(map(_width, piece)))
    return "".join(shown), columns


def _cells(columns: Sequence[int], piece: _Piece, cut: int) -> tuple[int, int]:
    """The cells of a piece in a line that was cut in front; one outside of what is shown is moved to its edge."""
    last = len(columns) - 1
    start = columns[min(max(piece.start - cut, 0), last)]
    end = columns[min(max(piece.end - cut, 0), last)]
    return start, max(end, start + 1)


def _width(character: str) -> int:
    """The cells that a terminal gives to a character."""
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _clean(text: str) -> str:
    """The text without characters that would break the line, move the cursor, or turn the writing direction."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or _joins(character) else _picture(character) for character in text)


def _joins(character: str) -> bool:
    """Marks and joiners, which are harmless; the bidirectional controls are not."""
    return unicodedata.category(character) in ("Mn", "Me") or character in "\u200c\u200d\u00a0\u3000"


def _picture(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
