"""Describes tokens in a message: what could have stood somewhere, and what was found instead."""

from __future__ import annotations

from collections.abc import Iterable

from tensorc.syntax.tables import END

STATEMENTS = ("let", "require", "return")
DECLARATIONS = ("fn", "import")
KEYWORDS = frozenset(("as", "in", "else", "and", "or", "not", "TRUTH", "NONE", "CONSTANT", *STATEMENTS, *DECLARATIONS))

_STARTERS = frozenset(("NAME", "INTEGER", "FLOAT", "CONSTANT", "TRUTH", "NONE", "STRING", "(", "[", "SIGN", "~", "not", "..."))
_OPERATORS = frozenset(("**", "TIMES", "SIGN", "SHIFT", "&", "^", "|", "COMPARE", "<", ">", "and", "or"))
_POSTFIX = frozenset(("(", "[", "."))
_ENDS_BLOCK = frozenset(("}", END, *STATEMENTS, *DECLARATIONS))
_NAMED = {"NAME": "a name", "STRING": "a string", "INTEGER": "an integer", END: "the end"}
_MOST_NAMED = 4


def wants_expression(expected: frozenset[str]) -> bool:
    return "INTEGER" in expected


def after_expression(expected: frozenset[str]) -> bool:
    """Whether a complete expression stands in front."""
    return not expected.isdisjoint(("TIMES", "COMPARE", "or"))


def describe(expected: frozenset[str], previous: str) -> str:
    """What could stand after a token of kind `previous`, in words."""
    rest = set(expected)
    words = []
    if wants_expression(expected):
        words.append("an expression")
        rest -= _STARTERS
    elif after_expression(expected):
        rest -= _OPERATORS | _POSTFIX | {"="}
        if rest <= _ENDS_BLOCK:
            words.append("an operator")
    elif {"NAME", "("} <= rest and previous in (":", "->", END):
        words.append("a type")
        rest -= {"NAME", "("}
    if rest.issuperset(STATEMENTS):
        words.append("a statement")
        rest -= {*STATEMENTS}
    if rest.issuperset(DECLARATIONS):
        words.append("a function")
        rest -= {*DECLARATIONS, END}
    named = sorted(rest, key=_order)
    words += [_NAMED.get(kind, f"`{kind}`") for kind in named][:_MOST_NAMED]
    return join(words) or "something else"


def join(words: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *front, last = [*words] or [""]
    return f"{', '.join(front)} or {last}" if front else last


def shortened(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _order(kind: str) -> tuple[bool, str]:
    return kind in _ENDS_BLOCK, kind
