"""What the parser runs on: a regular expression for the tokens and LALR tables, which are made of the grammar beforehand."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tensorc.grammar import grammar_text

STARTS = ("file", "only_type", "signature", "only_expression")
END = "$END"
UNTERMINATED = "UNTERMINATED"
UNKNOWN = "UNKNOWN"


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


FILE = Path(__file__).with_name("tables.json")


@cache
def tables() -> Tables:
    """Read from `tables.json`; made anew, which takes Lark and a while, where that is of another grammar than the one that is there."""
    grammar = grammar_text()
    try:
        made = json.loads(FILE.read_text(encoding="utf-8"))
        if made["grammar"] == digest(grammar):
            return unpacked(made)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    from tensorc.syntax.generate import generate

    return generate(grammar)


def digest(grammar: str) -> str:
    return hashlib.sha256(grammar.encode()).hexdigest()


# Tables as JSON: a state's actions by kind, where n >= 0 shifts to a state and -1 - n reduces by a rule.


def packed(tables: Tables, grammar: str) -> dict[str, Any]:
    """The tables of a grammar as what JSON can say."""
    rules = sorted({a for row in tables.actions for a in row.values() if isinstance(a, Rule)}, key=repr)
    numbers = {rule: -1 - n for n, rule in enumerate(rules)}
    return {
        "grammar": digest(grammar),
        "rules": [[r.action, r.origin, r.size, r.kept, r.spliced, r.is_run, r.is_unit] for r in rules],
        "actions": [{k: numbers[a] if isinstance(a, Rule) else a for k, a in sorted(row.items())} for row in tables.actions],
        "gotos": [dict(sorted(row.items())) for row in tables.gotos],
        "starts": dict(sorted(tables.starts.items())),
        "ends": dict(sorted(tables.ends.items())),
        "token": tables.token.pattern,
        "groups": tables.groups,
    }


def unpacked(made: Mapping[str, Any]) -> Tables:
    rules = [Rule(action, origin, size, tuple(kept), *flags) for action, origin, size, kept, *flags in made["rules"]]
    actions = tuple([{k: a if a >= 0 else rules[-1 - a] for k, a in row.items()} for row in made["actions"]])
    return Tables(actions, tuple(made["gotos"]), made["starts"], made["ends"], re.compile(made["token"]), made["groups"])
