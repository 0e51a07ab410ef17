"""Says what is wrong where a token cannot stand, and what was likely meant."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from tensorc.diagnostics import Diagnostic, Label
from tensorc.source import Source, Span
from tensorc.syntax.expectation import DECLARATIONS, KEYWORDS, STATEMENTS, after_expression, describe, shortened, wants_expression
from tensorc.syntax.tables import END, UNKNOWN, UNTERMINATED
from tensorc.syntax.tokens import Token

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_OPENERS = {closer: opener for opener, closer in _CLOSERS.items()}

# What stands for nothing here, and what is meant by it.
_SIGNS = {
    ";": "statements are not separated: remove it",
    "!": "write `not`",
    "?": "write `where(condition, a, b)`",
    "\\": "a line end never matters: remove it",
    "−": "write `-`",
    "–": "write `-`",
    "×": "write `*`",
    "·": "write `*`",
    "÷": "write `/`",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "→": "write `->`",
    "“": 'write `"`',
    "”": 'write `"`',
    "‘": "write `'`",
    "’": "write `'`",
    "…": "write `...`",
    "π": "write `pi`",
    "∞": "write `inf`",
    "\u00a0": "write a space",
}

_ONE_VALUE = "every name is given one value: write `let total = ...`"

# Pairs of tokens that other languages write as one.
_PAIRS = {
    "&&": "write `and`",
    "||": "write `or`",
    "=>": "a short function is `fn f(x: f32[N]) = e`",
    "<>": "write `!=`",
    "/*": "a comment starts with `#`",
    ":=": "write `let name = value`",
    "+=": _ONE_VALUE,
    "-=": _ONE_VALUE,
    "*=": _ONE_VALUE,
    "/=": _ONE_VALUE,
    "@=": _ONE_VALUE,
    "|=": _ONE_VALUE,
    "&=": _ONE_VALUE,
}

# Words that start something in other languages.
_WORDS = {
    "if": "`where(condition, a, b)` chooses element by element",
    "elif": "`where(condition, a, b)` chooses element by element",
    "for": "index notation says it without a loop: `let y[i] = ...`, `sum[i](...)`",
    "while": "index notation says it without a loop: `let y[i] = ...`, `sum[i](...)`",
    "def": "write `fn`",
    "func": "write `fn`",
    "function": "write `fn`",
    "fun": "write `fn`",
    "from": 'write `import "file.tx" as name` or `import std.nn as nn`',
    "include": 'write `import "file.tx" as name`',
    "use": 'write `import "file.tx" as name` or `import std.nn as nn`',
    "var": "write `let`",
    "const": "write `let`",
    "val": "write `let`",
    "assert": "write `require`",
    "class": "a file holds functions: `fn name(...) = ...`",
    "lambda": "name the function: `fn name(...) = ...`",
    "yield": "write `return`",
}


@dataclass(frozen=True)
class Mistake:
    """The token at `position` is not among the expected kinds; `start` is the rule that is being parsed."""

    source: Source
    tokens: list[Token]
    position: int
    expected: frozenset[str]
    start: str

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    @property
    def kind(self) -> str:
        return self.token.kind

    @cached_property
    def before(self) -> Token:
        return self.at(-1)

    def at(self, distance: int) -> Token:
        """The token at a distance from the wrong one; one of kind `$END` outside of the text."""
        position = self.position + distance
        if 0 <= position < len(self.tokens):
            return self.tokens[position]
        edge = 0 if position < 0 else len(self.source.text)
        return Token(END, edge, edge)

    def spelled(self, token: Token) -> str:
        return self.source.text[token.start : token.end]

    def span(self, first: Token, last: Token | None = None) -> Span:
        return Span(self.source, first.start, (last or first).end)

    @property
    def found(self) -> str:
        if self.kind == END:
            return "the end of the file" if self.start == "file" else "the end"
        return f"`{shortened(self.spelled(self.token))}`"

    @cached_property
    def place(self) -> Span:
        """The wrong token, or behind the one before it where the line ended too early."""
        early = self.kind == END or self.kind in STATEMENTS or self.kind in DECLARATIONS or self.kind == "}"
        if early and self.on_new_line and self.before.kind != END:
            return Span(self.source, self.before.end, self.before.end)
        return self.span(self.token)

    @cached_property
    def on_new_line(self) -> bool:
        return self.kind == END or "\n" in self.source.text[self.before.end : self.token.start]

    @cached_property
    def opener(self) -> Token | None:
        """The innermost bracket that is open; a new function starts afresh."""
        opened: list[Token] = []
        for token in self.tokens[: self.position]:
            if token.kind in DECLARATIONS:
                opened.clear()
            elif token.kind in STATEMENTS:
                while opened and opened[-1].kind != "{":
                    opened.pop()
            elif token.kind in _CLOSERS:
                opened.append(token)
            elif token.kind in _OPENERS and opened and opened[-1].kind == _OPENERS[token.kind]:
                opened.pop()
        return opened[-1] if opened else None

    def diagnostic(self, code: str, message: str, span: Span, label: str, *others: Label, help: str | None = None) -> Diagnostic:
        return Diagnostic(code, message, (Label(span, label, primary=True), *others), help=help)


def explain(mistake: Mistake) -> Diagnostic:
    """The first explanation that fits; the last one always does."""
    for recognise in _RECOGNISERS:
        found = recognise(mistake)
        if found is not None:
            return found
    return _unexpected(mistake)


def _no_token(m: Mistake) -> Diagnostic | None:
    text = m.spelled(m.token)
    if m.kind == UNTERMINATED:
        return m.diagnostic("E0102", "a string without an end", m.span(m.token), f"expected `{text[0]}` before the end of the line")
    if m.kind != UNKNOWN:
        return None
    name = "" if text.isascii() else f" ({unicodedata.name(text[0], f'U+{ord(text[0]):04X}')})"
    help = _SIGNS.get(text[0])
    if help is None and text[0].isalpha():
        help = "names are made of the letters `a-z` and `A-Z`, digits and `_`"
    return m.diagnostic("E0101", f"unknown character `{shortened(text)}`{name}", m.span(m.token), "means nothing here", help=help)


def _number(m: Mistake) -> Diagnostic | None:
    """`1abc`, `0b1`, `1__0` run on after the number; `1.` wants a digit."""
    before = m.before
    if before.kind in ("INTEGER", "FLOAT") and before.end == m.token.start and m.kind in ("NAME", "INTEGER", "FLOAT", *KEYWORDS):
        span = m.span(before, m.token)
        help = "integers are written as `12`, `1_000` or `0xff`, floats as `1.5`, `.5` or `1e-5`"
        return m.diagnostic("E0103", f"`{shortened(span.text)}` is not a number", span, "a number runs into what follows", help=help)
    if before.kind == "." and m.at(-2).kind == "INTEGER" and m.at(-2).end == before.start:
        span = m.span(m.at(-2), before)
        return m.diagnostic("E0103", "a float has a digit after its point", span, "no digit after it", help=f"write `{span.text}0`")
    return None


def _foreign_operator(m: Mistake) -> Diagnostic | None:
    if m.before.end != m.token.start:
        pair = ""
    else:
        pair = m.spelled(m.before) + m.spelled(m.token)
    if pair in _PAIRS:
        return m.diagnostic("E0116", f"there is no `{pair}`", m.span(m.before, m.token), "not an operator", help=_PAIRS[pair])
    if m.spelled(m.token) == "//" and not after_expression(m.expected):
        return m.diagnostic("E0116", "`//` starts no comment", m.span(m.token), "floor division", help="a comment starts with `#`")
    return None


def _reserved(m: Mistake) -> Diagnostic | None:
    if m.kind not in KEYWORDS or "NAME" not in m.expected:
        return None
    starts_something = m.kind in STATEMENTS or m.kind in DECLARATIONS
    if starts_something and (m.on_new_line or wants_expression(m.expected)) and m.at(1).kind not in ("=", ",", ")", "]"):
        return None
    if wants_expression(m.expected) and m.before.kind not in ("(", ",", "[", "=") and not m.before.kind.isupper():
        return None
    word = m.spelled(m.token)
    help = f"choose another name: `{word}_`"
    return m.diagnostic("E0107", f"`{word}` is a reserved word", m.span(m.token), "cannot be a name", help=help)


def _equals(m: Mistake) -> Diagnostic | None:
    spelled = m.spelled(m.token)
    if m.kind == "=" and "COMPARE" in m.expected:
        return m.diagnostic("E0111", "`=` does not compare", m.span(m.token), "gives a value to a name", help="write `==`")
    if spelled == "==" and "=" in m.expected and not after_expression(m.expected):
        return m.diagnostic("E0111", "`==` gives no value to a name", m.span(m.token), "compares", help="write `=`")
    return None


def _body(m: Mistake) -> Diagnostic | None:
    if "{" not in m.expected or m.kind in (")", "]"):
        return None
    end = Span(m.source, m.before.end, m.before.end)
    help = "braces hold the body: `{ return ... }`" if m.kind in (":", "return", "let") else "write `{ ... }` or `= e`"
    return m.diagnostic("E0117", "a function without a body", end, f"expected `{{` or `=`, found {m.found}", help=help)


def _bracket(m: Mistake) -> Diagnostic | None:
    """A bracket that is never closed, closed by another one, or closes nothing."""
    opener = m.opener
    if opener is None or (opener.kind == "{" and m.kind in (")", "]")):
        if m.kind in _OPENERS:
            return m.diagnostic("E0105", f"`{m.kind}` closes nothing", m.span(m.token), f"no `{_OPENERS[m.kind]}` is open here")
        return None
    closer = _CLOSERS[opener.kind]
    if m.kind in (")", "]") and m.kind != closer:
        opened = Label(m.span(opener), "opened here")
        return m.diagnostic("E0105", f"`{m.kind}` does not close `{opener.kind}`", m.span(m.token), f"expected `{closer}`", opened)
    ends = m.kind in (END, "{", *DECLARATIONS) or (opener.kind != "{" and m.kind in ("}", "=", *STATEMENTS))
    if ends and closer in m.expected:
        others = () if m.kind == END else (Label(m.span(m.token), f"expected `{closer}` before this"),)
        return m.diagnostic("E0105", f"`{opener.kind}` is never closed", m.span(opener), "opened here", *others)
    return None


def _outside(m: Mistake) -> Diagnostic | None:
    """Something at the top of a file that is no function."""
    if "fn" not in m.expected or m.kind == END:
        return None
    text = m.spelled(m.token)
    help = "a file holds functions: `fn name(x: f32[N]) = ...`"
    if m.kind in STATEMENTS:
        return m.diagnostic("E0109", f"`{m.kind}` outside of a function", m.span(m.token), "no function is open here", help=help)
    if m.kind == "NAME":
        help = _likely(text, DECLARATIONS) or help
    return m.diagnostic("E0109", f"expected a function, found {m.found}", m.span(m.token), "not a `fn` or `import`", help=help)


def _statement(m: Mistake) -> Diagnostic | None:
    """A line in a body that starts with no keyword."""
    text = m.spelled(m.token)
    if "let" not in m.expected or m.kind == END or m.kind in DECLARATIONS:
        return None
    following = m.at(1)
    help = None
    if m.kind == "NAME" and following.kind in ("=", "["):
        help = f"write `let {text}{'[...]' if following.kind == '[' else ''} = ...`"
    elif m.kind == "NAME" and m.at(2).kind == "=" and following.end == m.at(2).start:
        help = _ONE_VALUE
    elif m.kind == "NAME":
        help = _likely(text, STATEMENTS)
    if m.before.kind not in ("{", "}") and not m.on_new_line and (help is None or text in ("if", "for")):
        return None
    message = f"expected a statement, found {m.found}"
    return m.diagnostic("E0109", message, m.span(m.token), "a statement starts with `let`, `require` or `return`", help=help)


def _untyped(m: Mistake) -> Diagnostic | None:
    """`fn f(x)`, `fn f<T>(...)`."""
    if m.expected != {":"} or m.before.kind != "NAME":
        return None
    name = m.spelled(m.before)
    if m.opener is None:
        help = f"write `{name}: float`; the kinds are `float`, `int`, `num` and `any`"
        return m.diagnostic("E0115", f"the dtype variable `{name}` has no kind", m.span(m.before), "expected `: kind` after it", help=help)
    return m.diagnostic(
        "E0113", f"the parameter `{name}` has no type", m.span(m.before), "expected `: type` after it", help=f"write `{name}: f32[N]`"
    )


def _likely(word: str, keywords: tuple[str, ...]) -> str | None:
    """A help line for a word that may be meant as one of the keywords."""
    if word in _WORDS:
        return _WORDS[word]
    close = difflib.get_close_matches(word.lower(), keywords, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else None


def _unexpected(m: Mistake) -> Diagnostic:
    expected = describe(m.expected, m.before.kind)
    others: tuple[Label, ...] = ()
    opener = m.opener
    if opener is not None and opener.kind != "{" and _CLOSERS[opener.kind] in m.expected:
        opened = m.span(opener)
        others = (Label(opened, "opened here"),) if opened.line != m.place.line else ()
    label = "unexpected" if m.place.text else f"expected {expected}"
    return m.diagnostic("E0106", f"expected {expected}, found {m.found}", m.place, label, *others, help=_help(m))


def _help(m: Mistake) -> str | None:
    text = m.spelled(m.token)
    if m.kind == "," and "=" in m.expected and m.at(-2).kind == "let":
        return f"to take a tuple apart write `let ({m.spelled(m.before)}, {m.spelled(m.at(1))}) = ...`"
    if m.kind == "..":
        return "a range stands where an index is bound: `i in a..b`; a slice is written `x[a:b]`"
    if "as" in m.expected:
        return 'an import has a name: `import "file.tx" as name`'
    if m.kind == "NAME" and text in ("if", "for"):
        return _WORDS[text]
    if m.kind == "else":
        return "`else` stands last in a subscript: `x[i - 1 else 0]`"
    position = m.position - 1
    while position > 0 and m.source.position(m.tokens[position].start)[0] == m.source.position(m.token.start)[0]:
        if m.spelled(m.tokens[position]) == "//":
            return "`//` divides; a comment starts with `#`"
        position -= 1
    return None


_RECOGNISERS: tuple[Callable[[Mistake], Diagnostic | None], ...] = (
    _no_token,
    _number,
    _foreign_operator,
    _reserved,
    _equals,
    _bracket,
    _body,
    _untyped,
    _outside,
    _statement,
)
