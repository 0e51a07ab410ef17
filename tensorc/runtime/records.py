"""What a callable remembers of its calls, so that the next ones like them need no Python (see `dispatch`)."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from tensorc.config import config, log
from tensorc.locks import LOCK
from tensorc.runtime import entry, words
from tensorc.runtime.entry import Code, Remembered, Remembering, Words, address, row
from tensorc.runtime.making import Maker, Record

MOST_GENERAL = 16
"""So many records for any sizes: one for each combination of types, dtypes, ranks and axes of size 1."""

MOST_RECORDS = 512
"""So many structures have a record of their own; then they are forgotten, all of them."""

EAGER = 16
"""Behind so many records a structure gets one when it comes again: sizes that never do are not worth a record."""

MOST_SEEN = 4096


class Recorder:
    """The records of one callable. `slow` is called with it before the arguments."""

    def __init__(self, code: Code, slow: Any, definition: Remembering, takes_out: bool) -> None:
        self.code = code
        self._slow = slow
        self._maker = Maker(code, definition, takes_out)
        self._names = [sys.intern(p) for p in definition.parameters]
        self._memory = (row([id(n) for n in self._names]), row(definition.numbers))
        self.records: list[Record] = []
        self.general: list[Record] = []
        self._retired: list[Record] = []
        self._kinds: set[bytes] = set()  # of calls for which it is known whether there is a record for any sizes
        self._known: set[bytes] = set()  # structures that have a record, or can have none
        self._seen: set[bytes] = set()
        self._table: Words = row([0])
        self._list: Words = row([0])
        self.state = row([0] * words.STATE_WORDS)
        self.state[words.SLOW] = id(slow)
        self.state[words.CONTEXT] = address(code.context)
        self.state[words.TAKES_OUT] = takes_out
        self.state[words.PARAMETERS] = len(self._names)
        self.state[words.NAMES], self.state[words.NUMBERS] = map(address, self._memory)
        _recorders.add(self)

    @property
    def calls(self) -> int:
        """How many calls were answered without Python."""
        return self.state[words.CALLS]

    def forget(self) -> None:
        """Drops every record; those that a call is using, when it no longer is."""
        self.state[words.LAST] = self.state[words.TABLE] = self.state[words.GENERAL] = 0
        self._retired = [r for r in (*self._retired, *self.records, *self.general) if r.words[words.ACTIVE]]
        self.records, self.general = [], []
        for found in (self._kinds, self._known, self._seen):
            found.clear()

    def remember(self, made: Remembered) -> None:
        """Keep a call for the next ones like it, where there is a way to."""
        if entry.bypassing():
            return
        if not LOCK.acquire(blocking=False):  # another thread compiles: the next call will do
            return
        try:
            structure = self._structure(made)
            if structure is not None and bytes(structure) not in self._known and not self._generalized(made, structure):
                self._remember(made, structure)
        except Exception as failure:  # the call itself is done, and right
            log("calls", f"a call is not remembered: {type(failure).__name__}: {failure}")
        finally:
            LOCK.release()

    def _structure(self, made: Remembered) -> Words | None:
        """The words that the code makes of the arguments; None where it makes none, or where an object may become another."""
        if not self._maker.is_known(made):
            return None
        pointers = row([id(value) for value in made.given])
        names = tuple(made.kwargs)
        found = row([0] * words.ROOM)
        arguments = address(self.state), address(pointers), len(made.args), id(names) if names else None, address(found)
        length = self.code.structure_of(*arguments)
        return row(found[:length]) if length else None

    # Records for any sizes.

    def _generalized(self, made: Remembered, structure: Words) -> bool:
        """Whether there is now a record for any sizes that this call is one of; there was none."""
        mask, _, _ = self._maker.mask(made)
        kind = bytes(row([word & m if m or word != 1 else 1 for word, m in zip(structure, mask, strict=True)]))
        if kind in self._kinds or len(self._kinds) >= MOST_GENERAL:
            return False
        self._kinds.add(kind)
        record = self._maker.general(made, structure)
        if record is None:
            return False
        self.general.append(record)
        self._list, old = row([len(self.general), *(address(r.words) for r in self.general)]), self._list
        self.state[words.GENERAL] = address(self._list)
        del old
        return bool(self.code.evaluate(address(record.words), address(structure)))

    # Records of one structure.

    def _remember(self, made: Remembered, structure: Words) -> None:
        name = bytes(structure)
        if len(self.records) < EAGER or name in self._seen:
            _add(self._known, name)
            record = self._maker.record(made, structure)
            if record is not None:
                self._insert(record)
        else:
            _add(self._seen, name)

    def _insert(self, record: Record) -> None:
        if len(self.records) >= MOST_RECORDS:
            self.forget()
        places = self._table[words.T_MASK] + 1
        if not self.state[words.TABLE] or 2 * (len(self.records) + 1) > places:
            self._grow(max(16, 2 * places if self.state[words.TABLE] else 0))
        if self.code.insert(address(self.state), address(record.words)):
            self.records.append(record)

    def _grow(self, places: int) -> None:
        """A larger table; that in use is replaced in one step, since a call may come between any two."""
        state = row(list(self.state))
        table = row([places - 1, *[0] * places])
        state[words.TABLE] = address(table)
        for record in self.records:
            self.code.insert(address(state), address(record.words))
        self._table, old = table, self._table
        self.state[words.TABLE] = address(table)
        del old


def _add(names: set[bytes], name: bytes) -> None:
    if len(names) >= MOST_SEEN:
        names.clear()
    names.add(name)


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _changed(scopes: int) -> None:
    """The settings are others: inside of a scope every call is Python's, and what was recorded for others is dropped."""
    entry.bypass(scopes)
    if not scopes:
        for recorder in list(_recorders):
            recorder.forget()


config.watch(_changed)
