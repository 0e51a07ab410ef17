"""Turns the grammar into what the parser runs on: a regular expression for the tokens and the LALR tables, by Lark."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tensorc.grammar import grammar_text

STARTS = ("file", "only_type", "signature", "only_expression")
END = "$END"
UNTERMINATED = "UNTERMINATED"
UNKNOWN = "UNKNOWN"

# Terminals whose text an action needs; the others are keywords and punctuation.
_LITERALS = ("INTEGER", "FLOAT", "STRING", "CONSTANT", "TRUTH", "NONE")
_OPERATORS = ("**", "TIMES", "SIGN", "~", "SHIFT", "&", "^", "|", "COMPARE", "<", ">", "and", "or", "not")
_WITH_TEXT = frozenset(("NAME", *_LITERALS, *_OPERATORS))


@dataclass(frozen=True, slots=True)
class Rule:
    """One production: how many symbols it takes, which of them its action sees, and how runs of `(...)*` are passed on."""

    action: str
    origin: str
    size: int
    kept: tuple[int, ...]
    """The symbols that the action sees, counted from the end."""
    spliced: bool
    """One of them is a run."""
    is_run: bool
    is_unit: bool
    """It only passes its child on."""


@dataclass(frozen=True, slots=True)
class Tables:
    """`actions[state][kind of token]` is the state to shift to or the rule to reduce by; `gotos[state][rule's origin]` a state.

    The kind of a token with one spelling is that spelling (`let`, `->`); the others have names in capitals.
    """

    actions: tuple[dict[str, int | Rule], ...]
    gotos: tuple[dict[str, int], ...]
    starts: dict[str, int]
    ends: dict[str, int]
    token: re.Pattern[str]
    groups: dict[str, str]
    """The kind of token of each group of `token`."""
    chains: dict[tuple[int, int, str], int] = field(default_factory=dict)
    """Where a chain of unit rules leads, by the state below it, its own and the next token; the parser fills it."""


@cache
def tables() -> Tables:
    """Built once a process, when something is first parsed."""
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    lark: Any = Lark(grammar_text(), parser="lalr", lexer="basic", start=list(STARTS), keep_all_tokens=True)
    table = lark.parser.parser._parse_table
    kinds = {terminal.name: _kind(terminal) for terminal in lark.terminals} | {END: END}
    rules = {rule: _rule(rule, kinds) for rule in lark.rules}
    actions: list[dict[str, int | Rule]] = []
    gotos: list[dict[str, int]] = []
    for state in range(len(table.states)):
        row: dict[str, int | Rule] = {}
        goto: dict[str, int] = {}
        for symbol, (action, argument) in table.states[state].items():
            if symbol not in kinds:
                goto[str(symbol)] = argument
            else:
                row[kinds[symbol]] = argument if action is Shift else rules[argument]
        actions.append(row)
        gotos.append(goto)
    token, groups = _token_pattern(lark, kinds)
    return Tables(tuple(actions), tuple(gotos), dict(table.start_states), dict(table.end_states), token, groups)


def _kind(terminal: Any) -> str:
    keyword = re.fullmatch(r"([a-z]+)\\b", terminal.pattern.value)
    if keyword:
        return keyword[1]
    return str(terminal.name if terminal.pattern.type == "re" else terminal.pattern.value)


def _rule(rule: Any, kinds: dict[str, str]) -> Rule:
    size = len(rule.expansion)
    kept = tuple(
        position - size for position, symbol in enumerate(rule.expansion) if not symbol.is_term or kinds[symbol.name] in _WITH_TEXT
    )
    origin = str(rule.origin.name)
    return Rule(
        action=str(rule.alias or origin),
        origin=origin,
        size=size,
        kept=kept,
        spliced=any(rule.expansion[position].name.startswith("__") for position in kept if not rule.expansion[position].is_term),
        is_run=origin.startswith("__"),
        is_unit=size == 1 and not rule.alias and rule.options.expand1 and not rule.expansion[0].is_term,
    )


def _token_pattern(lark: Any, kinds: dict[str, str]) -> tuple[re.Pattern[str], dict[str, str]]:
    """White space and comments, then a token, the end, or what is neither; it matches everywhere."""
    terminals = {terminal.name: terminal for terminal in lark.terminals}
    ignored = "|".join(f"(?:{terminals[name].pattern.value})" for name in lark.ignore_tokens)
    # Lark's own order: by priority, then the longest first.
    order = sorted(terminals.values(), key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    groups: dict[str, str] = {}
    alternatives = []
    for number, terminal in enumerate(order):
        if terminal.name in lark.ignore_tokens:
            continue
        groups[f"g{number}"] = kinds[terminal.name]
        alternatives.append(f"(?P<g{number}>{terminal.pattern.to_regexp()})")
    groups |= {END: END, UNTERMINATED: UNTERMINATED, UNKNOWN: UNKNOWN}
    groups["END"] = groups.pop(END)
    alternatives += [r"(?P<END>\Z)", rf"(?P<{UNTERMINATED}>[\"'][^\r\n]*)", rf"(?P<{UNKNOWN}>[^\x00-\x7f]+|[\s\S])"]
    return re.compile(f"(?:{ignored})*+(?:{'|'.join(alternatives)})"), groups
