"""The tokens of one statement, the brackets and operators among them, and the space before each where it is on one line."""

from __future__ import annotations

from functools import cached_property

from tensorc.source import Source
from tensorc.syntax.tokens import Token

OPERATORS = {
    "else": 0,
    "or": 1,
    "and": 2,
    **dict.fromkeys(("<", ">", "COMPARE"), 3),
    "|": 4,
    "^": 5,
    "&": 6,
    "SHIFT": 7,
    "SIGN": 8,
    "TIMES": 9,
    "**": 10,
}
"""What stands between two operands, the loosest first."""

_OPERANDS = frozenset((")", "]", "NAME", "INTEGER", "FLOAT", "CONSTANT", "TRUTH", "NONE", "STRING"))


class Statement:
    """A statement, or the head of a function (with what follows its `=`), as tokens and comments."""

    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.words = [n for n, t in enumerate(tokens) if t.kind != "COMMENT"]
        self.partner: dict[int, int] = {}
        """Where the bracket that opens at a token closes, and the other way round."""
        self.inside: list[int] = []
        """The bracket around each token, as the number of the token that opens it; -1 outside of all."""
        self._find_brackets()

    def __len__(self) -> int:
        return len(self.tokens)

    def kind(self, number: int) -> str:
        return self.tokens[number].kind

    def text(self, number: int) -> str:
        token = self.tokens[number]
        return self.source.text[token.start : token.end].rstrip()

    def opens(self, number: int) -> bool:
        return self.partner.get(number, -1) > number

    def closes(self, number: int) -> bool:
        return 0 <= self.partner.get(number, -1) < number

    def _find_brackets(self) -> None:
        first, last = self._type_parameters()
        open_: list[int] = []
        for number, token in enumerate(self.tokens):
            if token.kind in (")", "]") or number == last:
                self.partner[number] = open_.pop()
                self.partner[self.partner[number]] = number
            self.inside.append(open_[-1] if open_ else -1)
            if token.kind in ("(", "[") or number == first:
                open_.append(number)

    def _type_parameters(self) -> tuple[int, int]:
        """The brackets of `fn f<T: float>`; -1 where there are none."""
        if [self.kind(n) for n in self.words[:3]] != ["fn", "NAME", "<"]:
            return -1, -1
        return self.words[2], next(n for n in self.words if self.kind(n) == ">")

    @cached_property
    def openings(self) -> frozenset[int]:
        """The brackets that open."""
        return frozenset(first for first, last in self.partner.items() if first < last)

    @cached_property
    def level(self) -> dict[int, int]:
        """How tightly each operator between two operands binds; those before one operand are none of these."""
        found = {}
        for before, number in zip(self.words, self.words[1:], strict=False):
            kind = self.kind(number)
            if kind in OPERATORS and number not in self.partner and (self.kind(before) in _OPERANDS or kind == "else"):
                found[number] = OPERATORS[kind]
        return found

    @cached_property
    def item(self) -> list[int]:
        """How many commas of the same bracket stand before each token."""
        counts: dict[int, int] = {}
        found = []
        for number, bracket in enumerate(self.inside):
            counts[bracket] = counts.get(bracket, 0) + (self.kind(number) == ",")
            found.append(counts[bracket])
        return found

    @cached_property
    def widths(self) -> list[int]:
        """The characters of each token with its gap; none of comments, for which no line is broken."""
        return [0 if t.kind == "COMMENT" else len(gap) + t.end - t.start for t, gap in zip(self.tokens, self.gaps, strict=True)]

    @cached_property
    def gaps(self) -> list[str]:
        """What stands before each token within a line."""
        found = ["  " if n else "" for n in range(len(self))]
        for before, number in zip(self.words, self.words[1:], strict=False):
            found[number] = " " if self._apart(before, number) else ""
        return found

    def _apart(self, before: int, number: int) -> bool:
        """Whether there is a space between two tokens, the second after the first."""
        first, second = self.kind(before), self.kind(number)
        if self.opens(before) or self.closes(number) or second in (",", ".") or first == ".":
            return False
        if second == ":":
            return first == ","
        if "=" in (first, second):
            return not self._is_keyword(number if second == "=" else before)
        if first == ":":
            return self.inside[before] < 0 or self.kind(self.inside[before]) != "["
        if ".." in (first, second):
            return first == ".." and self.text(number).startswith(".")
        if first == "..." and second == "NAME":
            return False
        if first in ("SIGN", "~") and before not in self.level:
            return False
        if self.opens(number):
            return first not in _OPERANDS and not self.closes(before) and second != "<"
        return not (self._is_tight(before) or self._is_tight(number))

    def _is_keyword(self, equals: int) -> bool:
        """Whether a `=` names an argument: in round brackets other than those of a function's parameters."""
        bracket = self.inside[equals]
        if bracket < 0 or self.kind(bracket) != "(":
            return False
        return self.kind(self.words[0]) != "fn" or bracket != self._parameters

    @cached_property
    def _parameters(self) -> int:
        return next(n for n in self.words if self.kind(n) == "(")

    def _is_tight(self, number: int) -> bool:
        """Whether an operator stands in the bounds of a slice or a range: `x[1:N-1]`, `i in 1..N-1`."""
        return self.level.get(number, 0) > 3 and (self.inside[number], self.item[number]) in self._bounds

    @cached_property
    def _bounds(self) -> set[tuple[int, int]]:
        """The items of square brackets that are slices or ranges."""
        marks = [n for n in self.words if self.kind(n) in (":", "..") and self.inside[n] >= 0]
        return {(self.inside[n], self.item[n]) for n in marks if self.kind(self.inside[n]) == "["}
