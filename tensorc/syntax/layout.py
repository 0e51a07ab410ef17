"""Where the lines of a statement end: what is too long for one line is broken, by one set of rules."""

from __future__ import annotations

from typing import NamedTuple

from tensorc.syntax.spacing import Statement

WIDTH = 120
INDENT = 4
DEEPEST = 16
"""Brackets and operators within each other that are broken; what is deeper stays in its line."""
_GROUPS = 8
"""The most brackets that follow each other, `f(...)(...)`, that are broken."""


def lay_out(statement: Statement, indent: int) -> list[str]:
    """The lines of a statement.

    It is one line if it fits, but that a line ends after a comment and, in brackets, after a comma where it ended there before. What does
    not fit is broken

    1. before the value of a `let` or of a function, if that fits in a line of its own, else
    2. after each comma outside of brackets, else
    3. before each of the loosest operators, unless a bracket at its end is longer than all before, else
    4. in its longest bracket, whose content goes between the lines of the brackets: in one line if it fits, else an item a line.
    """
    kept = _after_commas(statement, _lines_of_source(statement))
    while True:
        layout = _Layout(statement, indent, kept)
        layout.settle()
        found = _after_commas(statement, layout.breaks)
        if found == kept:  # else a comma now ends a line, which is kept from here on, and what is around it may need no break
            return layout.lines()
        kept = found


def _lines_of_source(s: Statement) -> set[int]:
    """The tokens and comments that begin a line of the source."""
    text = s.source.text
    return {n for n in range(1, len(s)) if "\n" in text[s.tokens[n - 1].end : s.tokens[n].start]}


def _after_commas(s: Statement, breaks: set[int]) -> frozenset[int]:
    """Of the tokens that begin a line those in brackets after a comma, and those after a bracket with such commas."""
    apart = {n: before for before, n in zip(s.words, s.words[1:], strict=False) if any(m in breaks for m in range(before + 1, n + 1))}
    commas = {n for n, before in apart.items() if s.kind(before) == "," and s.inside[n] >= 0 and not s.closes(n)}
    grouped = {s.inside[n] for n in commas}
    return frozenset(commas | {n for n, before in apart.items() if before in grouped})


class _Place(NamedTuple):
    """Where a line has got to: its indentation, and the characters before the next token."""

    indent: int
    column: int


class _Layout:
    """`breaks` are the tokens that begin a line. A line in a bracket is indented by 4 more than the line in which the bracket opens."""

    def __init__(self, statement: Statement, indent: int, kept: frozenset[int]) -> None:
        s = self.statement = statement
        self.start = _Place(indent, indent)
        self.opened = {-1: indent}
        """The indentation of the line in which a bracket opens."""
        comments = [n for n in range(len(s)) if s.kind(n) == "COMMENT"]
        ends = _lines_of_source(s)
        self.breaks = {*kept, *(n for n in comments if n in ends), *(n + 1 for n in comments if n + 1 < len(s))}
        self.rows = {s.inside[n]: [s.inside[n] + 1] for n in sorted(kept)}
        """For each bracket with lines of its own where each begins."""
        before = dict(zip(s.words[1:], s.words, strict=False))
        for n in sorted(kept):
            if before[n] != s.inside[n]:
                self.rows[s.inside[n]].append(n)
            else:
                self.breaks.add(s.partner[s.inside[n]])
        for first in {s.inside[n] for n in comments} - self.rows.keys() - {-1}:
            self._open(first)

    def _open(self, first: int) -> None:
        """Put the content of a bracket between the lines of the bracket."""
        if self.statement.kind(first + 1) != "COMMENT":
            self.breaks.add(first + 1)
        self.breaks.add(self.statement.partner[first])

    # Lines.

    def _follow(self, start: int, stop: int, place: _Place) -> tuple[int, _Place]:
        """The widest of the lines that the tokens stand on, and where the last one ends."""
        s = self.statement
        widest, (indent, column), openings = 0, place, s.openings
        for n in range(start, stop):
            if n in self.breaks:
                widest = max(widest, column)
                indent = column = self._indent(n)
                column -= len(s.gaps[n])
            column += s.widths[n]
            if n in openings:
                self.opened[n] = indent
        return max(widest, column), _Place(indent, column)

    def _indent(self, n: int) -> int:
        """The indentation of a line that begins with a token."""
        s = self.statement
        return self.opened[s.partner[n]] if s.closes(n) else self.opened[s.inside[n]] + INDENT

    def lines(self) -> list[str]:
        """The statement as text."""
        s = self.statement
        found = [" " * self.start.indent]
        self._follow(0, len(s), self.start)
        for n in range(len(s)):
            if n in self.breaks:
                found.append(" " * self._indent(n) + s.text(n))
            else:
                found[-1] += s.gaps[n] + s.text(n)
        return found

    # Breaking.

    def settle(self) -> None:
        """Break what is too long."""
        s = self.statement
        if self._fits(0, len(s), self.start):
            return
        equals = next((n for n in s.words if s.kind(n) == "=" and s.inside[n] < 0), None)
        if equals is None:
            self._part(0, len(s), self.start)
            return
        value = equals + 1
        place = self._part(0, value, self.start)
        alone = not any(n in self.breaks for n in range(value, len(s)))
        if self._fits(value, len(s), place):
            return
        if alone and self.start.indent + INDENT + sum(s.widths[value:]) - len(s.gaps[value]) <= WIDTH:
            self.breaks.add(value)
        else:
            self._part(value, len(s), place)

    def _fits(self, start: int, stop: int, place: _Place, tail: int = 0) -> bool:
        """Whether no line is too long, the last one with the characters that follow it."""
        widest, end = self._follow(start, stop, place)
        return max(widest, end.column + tail) <= WIDTH

    def _part(self, start: int, stop: int, place: _Place, tail: int = 0, depth: int = 0) -> _Place:
        """Break what does not fit of tokens that no bracket parts. Gives where their last line ends."""
        if depth == DEEPEST or self._fits(start, stop, place, tail):
            return self._follow(start, stop, place)[1]
        points = self._points(start, stop)
        if not points:
            self._brackets(start, stop, place, tail, depth)
            return self._follow(start, stop, place)[1]
        self.breaks.update(points)
        for first, last in zip([start, *points], [*points, stop], strict=True):
            place = self._part(first, last, place, tail if last == stop else 0, depth + 1)
        return place

    def _points(self, start: int, stop: int) -> list[int]:
        """What follows commas; without any, the loosest operators, but where a bracket at the end is most of it."""
        s = self.statement
        around = s.inside[start]
        here = [n for n in range(start + 1, stop) if s.inside[n] == around]
        commas = [n + 1 for n in here if s.kind(n) == "," and n + 1 < stop and not s.closes(n + 1)]
        if commas:
            return commas
        opens = s.partner.get(stop - 1, stop)
        if start < opens < stop - 2 and s.inside[opens] == around and 2 * sum(s.widths[opens:stop]) > sum(s.widths[start:stop]):
            return []
        loosest = min((s.level[n] for n in here if n in s.level), default=None)
        return [n for n in here if s.level.get(n) == loosest and loosest is not None]

    def _brackets(self, start: int, stop: int, place: _Place, tail: int, depth: int) -> None:
        """Break the longest bracket among the tokens, and further ones as long as that is not enough."""
        s = self.statement
        around = s.inside[start]
        groups = [n for n in range(start, stop) if n in s.openings and s.inside[n] == around and s.partner[n] > n + 1]
        lengths = {n: sum(s.widths[n : s.partner[n]]) for n in groups}
        for first in sorted(groups, key=lambda n: -lengths[n])[:_GROUPS]:
            self._group(first, self._follow(start, first + 1, place)[1], sum(s.widths[s.partner[first] : stop]) + tail, depth)
            if self._fits(start, stop, place, tail):
                break

    def _group(self, first: int, place: _Place, tail: int, depth: int) -> None:
        """Break the content of a bracket, in whose lines only what is too long if it has lines of its own."""
        last = self.statement.partner[first]
        if first not in self.rows:
            self._open(first)
        starts = self.rows.get(first, [first + 1])
        for row, following in zip(starts, [*starts[1:], last], strict=True):
            place = self._part(row, following, place, tail if following == last and last not in self.breaks else 0, depth + 1)
