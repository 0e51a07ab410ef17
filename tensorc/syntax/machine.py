"""The LALR automaton: takes one token after the other and calls the actions of the rules that they complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tensorc.source import Span
from tensorc.syntax.build import Builder
from tensorc.syntax.tables import END, Rule, tables
from tensorc.syntax.tokens import Token


class Machine:
    """Its stacks are as deep as the text nests, the interpreter's is not. Lark's own loop would do the same, but it tells
    neither where a node ends nor lets go of a broken statement, and it walks fourteen unit rules for each operand.
    """

    def __init__(self, builder: Builder, start: str) -> None:
        self.tables = tables()
        self.builder = builder
        self._actions: dict[str, Callable[[Span, Any], Any]] = {}
        self._end_state = self.tables.ends[start]
        self.states = [self.tables.starts[start]]
        self.values: list[Any] = [None]
        self._starts = [0]
        self._ends = [0]

    def feed(self, token: Token) -> bool:
        """Shift a token; false, and only reductions made, if it cannot stand here."""
        states, actions, chains = self.states, self.tables.actions, self.tables.chains
        kind = token.kind
        while True:
            state = states[-1]
            action = actions[state].get(kind)
            if action is None:
                return kind == END and state == self._end_state
            if isinstance(action, int):
                states.append(action)
                self.values.append(token)
                self._starts.append(token.start)
                self._ends.append(token.end)
                return True
            if action.is_unit:
                key = (states[-2], state, kind)
                target = chains.get(key)
                states[-1] = self._follow_chain(*key) if target is None else target
            else:
                self._reduce(action, token.start)

    def _follow_chain(self, below: int, state: int, kind: str) -> int:
        """The state after all unit rules that follow one another, remembered."""
        reached = state
        while isinstance(action := self.tables.actions[reached].get(kind), Rule) and action.is_unit:
            reached = self.tables.gotos[below][action.origin]
        self.tables.chains[below, state, kind] = reached
        return reached

    def _reduce(self, rule: Rule, here: int) -> None:
        states, values, starts, ends = self.states, self.values, self._starts, self._ends
        parts = [values[position] for position in rule.kept]
        if rule.spliced:
            parts = _spliced(parts)
        size = rule.size
        if size:
            start, end = starts[-size], ends[-1]
            del states[-size:], values[-size:], starts[-size:], ends[-size:]
        else:
            start = end = here
        if rule.is_run:
            value: Any = parts
        else:
            action = self._actions.get(rule.action)
            if action is None:
                action = self._actions[rule.action] = self.builder.action(rule.action)
            value = action(Span(self.builder.source, start, end), parts)
        states.append(self.tables.gotos[states[-1]][rule.origin])
        values.append(value)
        starts.append(start)
        ends.append(end)

    @property
    def result(self) -> Any:
        """The value of the start rule, once the end has been fed."""
        return self.values[-1]

    def accepts(self, kind: str) -> bool:
        """Whether a token of this kind could stand here."""
        depth = len(self.states)
        pushed: list[int] = []
        while True:
            state = pushed[-1] if pushed else self.states[depth - 1]
            action = self.tables.actions[state].get(kind)
            if action is None:
                return kind == END and state == self._end_state
            if isinstance(action, int):
                return True
            popped = min(action.size, len(pushed))
            del pushed[len(pushed) - popped :]
            depth -= action.size - popped
            state = pushed[-1] if pushed else self.states[depth - 1]
            pushed.append(self.tables.gotos[state][action.origin])

    def expected(self) -> frozenset[str]:
        """The kinds of token that could stand here."""
        kinds: Iterable[str] = self.tables.actions[self.states[-1]]
        found = {kind for kind in kinds if self.accepts(kind)}
        if self.states[-1] == self._end_state:
            found.add(END)
        return frozenset(found)

    def depths(self, kinds: Iterable[str]) -> dict[str, int]:
        """For each kind of token that is shifted somewhere on the stack, the depth of the innermost such place."""
        wanted = set(kinds)
        found: dict[str, int] = {}
        for depth in range(len(self.states), 0, -1):
            row = self.tables.actions[self.states[depth - 1]]
            here = {kind for kind in wanted if isinstance(row.get(kind), int)}
            found |= dict.fromkeys(here, depth)
            wanted -= here
            if not wanted:
                break
        return found

    def unwind(self, depth: int) -> None:
        """Drop what is unfinished above a depth."""
        for stack in (self.states, self.values, self._starts, self._ends):
            del stack[depth:]


def _spliced(parts: list[Any]) -> list[Any]:
    """The parts with each run (a list) replaced by its own; a run at the front is extended in place, or long ones take quadratic time."""
    first = parts[0]
    if isinstance(first, list):
        for part in parts[1:]:
            first.append(part)
        return first
    flat: list[Any] = []
    for part in parts:
        if isinstance(part, list):
            flat += part
        else:
            flat.append(part)
    return flat
