"""Finds the record of a call by the structure of its arguments. Translated, like `dispatch`."""

from __future__ import annotations

from tensorc.runtime.native import Word
from tensorc.runtime.recipe import evaluate
from tensorc.runtime.words import GENERAL, KIND, LENGTH, MASK, STRUCTURE, T_MASK, T_PLACES, TABLE


def hashed(structure: Word, length: Word) -> Word:
    total = length
    for position in range(length):
        total = (total ^ structure[position]) * 0x2545F4914F6CDD1D
        total = total ^ (total >> 29)
    return total


def same(record: Word, structure: Word, length: Word) -> Word:
    if record[LENGTH] != length:
        return 0
    known = record[STRUCTURE]
    difference = 0
    for position in range(length):
        difference = difference | (known[position] ^ structure[position])
    if difference != 0:
        return 0
    return 1


def similar(record: Word, structure: Word, length: Word) -> Word:
    """Whether two structures differ in dims and strides only."""
    if record[LENGTH] != length:
        return 0
    known = record[KIND]
    mask = record[MASK]
    difference = 0
    for position in range(length):
        difference = difference | ((known[position] ^ structure[position]) & mask[position])
    if difference != 0:
        return 0
    return 1


def find_known(state: Word, structure: Word, length: Word) -> Word:
    """The record of exactly this structure; 0 where there is none."""
    table = state[TABLE]
    if table == 0:
        return 0
    place = hashed(structure, length) & table[T_MASK]
    while table[T_PLACES + place] != 0:
        record = table[T_PLACES + place]
        if same(record, structure, length) != 0:
            return record
        place = (place + 1) & table[T_MASK]
    return 0


def find_general(state: Word, structure: Word, length: Word) -> Word:
    """A record for any sizes, whose frame is now that of this structure; 0 where there is none."""
    records = state[GENERAL]
    if records == 0:
        return 0
    for position in range(records[0]):
        record = records[1 + position]
        if similar(record, structure, length) != 0 and evaluate(record, structure) != 0:
            return record
    return 0


def insert(state: Word, record: Word) -> Word:
    """Puts a record into the table, which has a free place; 0 where its structure is there already."""
    structure = record[STRUCTURE]
    length = record[LENGTH]
    if find_known(state, structure, length) != 0:
        return 0
    table = state[TABLE]
    place = hashed(structure, length) & table[T_MASK]
    while table[T_PLACES + place] != 0:
        place = (place + 1) & table[T_MASK]
    table[T_PLACES + place] = record
    return 1
