"""Writes where the kernels find what they read: the arguments' memory, numbers as elements, arrays that a function closes over. Translated,
like `dispatch`."""

from __future__ import annotations

from tensorc.runtime.native import Word, again, floating, half, narrow, stack
from tensorc.runtime.structure import describe_value
from tensorc.runtime.words import (
    AS_FLOAT,
    AS_INT,
    AS_LONG,
    C_LENGTH,
    C_OBJECT,
    C_STRUCTURE,
    CAPTURE_WORDS,
    CAPTURED,
    FROM_ADDRESS,
    FROM_ARGUMENT,
    FROM_CAPTURE,
    INFINITY,
    INPUTS,
    SOURCES,
    TYPE,
    PyFloat_AsDouble,
    PyFloat_Type,
    PyLong_AsLongLongAndOverflow,
)


def number(how: Word, value: Word, to: Word) -> Word:
    """Writes a Python number as an element of the input's dtype; 0 where it has no such value."""
    overflow = stack(1)
    overflow[0] = 0
    bits = 0
    if (value + TYPE)[0] == PyFloat_Type:
        bits = PyFloat_AsDouble(value)
    else:
        integer = PyLong_AsLongLongAndOverflow(value, overflow)
        if half(overflow) != 0:
            return 0
        if how == AS_LONG:
            to[0] = integer
            return 1
        if how == AS_INT:
            to[0] = integer
            if integer < 0 - 0x80000000 or integer > 0x7FFFFFFF:
                return 0
            return 1
        if integer > 0x20000000000000 or integer < 0 - 0x20000000000000:
            return 0
        bits = floating(integer)
    to[0] = bits
    if how == AS_FLOAT:
        single = narrow(bits)
        to[0] = single
        if (single & 0x7FFFFFFF) == INFINITY and (bits & 0x7FFFFFFFFFFFFFFF) != 0x7FF0000000000000:
            return 0
    return 1


def captured(context: Word, capture: Word, place: Word) -> Word:
    """Writes the address of an array that the function closes over; 0 where it is no longer as it was."""
    if again(describe_value, context, capture[C_OBJECT], 0, capture[C_STRUCTURE], 0, place) == capture[C_LENGTH]:
        return 1
    return 0


def fill_inputs(context: Word, record: Word, data: Word, frame: Word, numbers: Word) -> Word:
    """Writes the addresses of the inputs to the frame; 0 where one cannot be had."""
    sources = record[SOURCES]
    for position in range(record[INPUTS]):
        how = sources[position * 2]
        which = sources[position * 2 + 1]
        if how == FROM_ARGUMENT:
            frame[position] = data[which]
        elif how == FROM_ADDRESS:
            frame[position] = which
        elif how == FROM_CAPTURE:
            if captured(context, record[CAPTURED] + which * CAPTURE_WORDS * 8, frame + position * 8) == 0:
                return 0
        else:
            frame[position] = numbers + position * 8
            if number(how, data[which], numbers + position * 8) == 0:
                return 0
    return 1
