"""Turns the grammar into the parser's tables, by Lark. `python -m tensorc.syntax.generate` writes them to `tables.json`."""

from __future__ import annotations

import json
import re
from typing import Any

from tensorc.grammar import grammar_text
from tensorc.syntax.tables import END, FILE, STARTS, UNKNOWN, UNTERMINATED, Rule, Tables, packed

# Terminals whose text an action needs; the others are keywords and punctuation.
_LITERALS = ("INTEGER", "FLOAT", "STRING", "CONSTANT", "TRUTH", "NONE")
_OPERATORS = ("**", "TIMES", "SIGN", "~", "SHIFT", "&", "^", "|", "COMPARE", "<", ">", "and", "or", "not")
_WITH_TEXT = frozenset(("NAME", *_LITERALS, *_OPERATORS))


def generate(grammar: str) -> Tables:
    """The tables of a grammar, the same in every process."""
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    lark: Any = Lark(grammar, parser="lalr", lexer="basic", start=list(STARTS), keep_all_tokens=True)
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
    starts, ends = dict(table.start_states), dict(table.end_states)
    return _renumbered(Tables(tuple(actions), tuple(gotos), starts, ends, token, groups))


def _renumbered(made: Tables) -> Tables:
    """With states numbered in the order in which they are reached: Lark's numbers are others in each process."""
    order: dict[int, int] = {}
    waiting = [made.starts[start] for start in reversed(STARTS)]
    while waiting:
        state = waiting.pop()
        if state not in order:
            order[state] = len(order)
            shifts = [made.actions[state][kind] for kind in sorted(made.actions[state])]
            waiting += [s for s in shifts if isinstance(s, int)] + [made.gotos[state][o] for o in sorted(made.gotos[state])]
    states = list(order)
    return Tables(
        tuple([{k: order[a] if isinstance(a, int) else a for k, a in made.actions[s].items()} for s in states]),
        tuple([{o: order[t] for o, t in made.gotos[s].items()} for s in states]),
        {start: order[s] for start, s in made.starts.items()},
        {start: order[s] for start, s in made.ends.items()},
        made.token,
        made.groups,
    )


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


def main() -> None:
    grammar = grammar_text()
    FILE.write_text(written(packed(generate(grammar), grammar)), encoding="utf-8")


def written(made: dict[str, Any]) -> str:
    """As JSON with a line for each state and rule, so that a change of the grammar is a change of some lines."""

    def text(value: Any) -> str:
        if isinstance(value, list):
            return "[\n" + ",\n".join(map(text, value)) + "\n]" if value and isinstance(value[0], (list, dict)) else compact(value)
        return compact(value)

    compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
    return "{\n" + ",\n".join(f"{compact(key)}:{text(value)}" for key, value in made.items()) + "\n}\n"


if __name__ == "__main__":
    main()
