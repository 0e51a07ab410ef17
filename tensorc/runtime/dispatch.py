"""What a call does before any Python runs: it finds what was remembered of arguments of this structure, and runs the kernels on them.

This file is translated to machine code (see `native`): every value is a 64-bit word, `p[i]` is the i-th word behind an address.

A *record* is what Python has found out about calls of one structure (see `structure`): the frame for the kernels, the shapes of the
results, where each input comes from. Most are for any sizes: their frame and their shapes are computed anew where dims or strides are not
those of the last call (see `recipe`). The others are for exactly one structure. So all that is checked here is that two rows of words are
equal; what needs thought was done when the record was made.
"""

from __future__ import annotations

from tensorc.runtime.inputs import fill_inputs
from tensorc.runtime.lookup import find_general, find_known
from tensorc.runtime.native import Word, again, copy, invoke, stack
from tensorc.runtime.pages import given_back, taken
from tensorc.runtime.results import allocate, outputs, put_together, release
from tensorc.runtime.stopping import is_stopped, raise_stopped
from tensorc.runtime.structure import describe
from tensorc.runtime.words import (
    ACTIVE,
    ALIGNMENT,
    ANOTHER_WAY,
    BYPASS,
    CALLABLE_STATE,
    CALLS,
    CHECKED,
    CHECKS,
    CODE,
    CONTEXT,
    DATA_WORDS,
    FRAME,
    FRAME_LENGTH,
    GIVEN_OUT,
    HANDLER,
    INPUTS,
    KEPT,
    LARGE,
    LAST,
    LENGTH,
    PASSED,
    RELEASE,
    RESULTS,
    ROOM,
    SLOW,
    STRUCTURE,
    TUPLE_ITEMS,
    TUPLE_LENGTH,
    TYPE,
    WORKSPACE,
    WORKSPACE_BYTES,
    Py_IncRef,
    PyEval_RestoreThread,
    PyEval_SaveThread,
    PyMem_RawFree,
    PyMem_RawMalloc,
    PyObject_Vectorcall,
    PyTuple_Type,
)


def take(context: Word, size: Word) -> Word:
    """Memory of at least so many bytes; 0 where there is none. It is preceded by a word with its size."""
    if context[HANDLER] != 0 and size >= LARGE:
        made = taken(size + 2 * ALIGNMENT)
    else:
        kept = context[WORKSPACE]
        if kept != 0:
            context[WORKSPACE] = 0
            if kept[0] >= size:
                return kept
            PyMem_RawFree(kept)
        made = PyMem_RawMalloc(size + 2 * ALIGNMENT)
    if made != 0:
        made[0] = size
    return made


def give_back(context: Word, memory: Word) -> Word:
    if context[HANDLER] != 0 and memory[0] >= LARGE:
        given_back(memory)
    elif context[WORKSPACE] == 0 and memory[0] <= context[KEPT]:
        context[WORKSPACE] = memory
    else:
        PyMem_RawFree(memory)
    return 0


def execute(context: Word, record: Word, frame: Word) -> Word:
    """Runs the kernels; 0 where a subscript was outside, or where there is no memory for intermediates; -1 with an exception."""
    memory = 0
    base = 0
    if record[WORKSPACE_BYTES] != 0:
        memory = take(context, record[WORKSPACE_BYTES])
        if memory == 0:
            return 0
        base = (memory + 2 * ALIGNMENT - 1) & (0 - ALIGNMENT)
    frame[record[INPUTS] + record[RESULTS]] = base
    if record[RELEASE] != 0:
        thread = PyEval_SaveThread()
        invoke(record[CODE], frame)
        PyEval_RestoreThread(thread)
    else:
        invoke(record[CODE], frame)
    passed = 1
    if is_stopped(context, frame) != 0:
        raise_stopped()
        passed = -1
    checked = record[CHECKED]
    for check in range(record[CHECKS]):
        if passed == 1 and (base + checked[check])[0] != PASSED:
            passed = 0
    if memory != 0:
        give_back(context, memory)
    return passed


def run(state: Word, record: Word, data: Word) -> Word:
    """The value of a call that has a record; 0 with an exception, or `ANOTHER_WAY`."""
    context = state[CONTEXT]
    frame = record[FRAME]
    if record[ACTIVE] != 1:
        frame = stack(record[FRAME_LENGTH])
        copy(frame, record[FRAME], record[FRAME_LENGTH])
    numbers = stack(record[INPUTS])
    objects = stack(record[RESULTS])
    results = record[RESULTS]
    if fill_inputs(context, record, data, frame, numbers) == 0:
        return ANOTHER_WAY
    out = data[GIVEN_OUT]
    if out == 0:
        done = allocate(context, record, frame, objects)
        if done != 2:
            return done
    else:
        if outputs(record, data, frame) == 0:
            return ANOTHER_WAY
        if (out + TYPE)[0] != PyTuple_Type:
            objects[0] = out
        else:
            for result in range(results):
                objects[result] = (out + TUPLE_ITEMS)[result]
        for result in range(results):
            Py_IncRef(objects[result])
    passed = execute(context, record, frame)
    if passed != 1:
        release(objects, results)
        if passed == 0:
            return ANOTHER_WAY
        return 0
    state[CALLS] += 1
    return put_together(record, objects)


def found(state: Word, arguments: Word, count: Word, names: Word, data: Word) -> Word:
    """The record of a call that is not like the last one, which it becomes; 0 where there is none."""
    structure = stack(ROOM)
    length = describe(state, arguments, count, names, structure, data)
    if length == 0:
        return 0
    record = find_general(state, structure, length)
    if record == 0:
        record = find_known(state, structure, length)
    if record != 0:
        state[LAST] = record
        record[ACTIVE] += 1
    return record


def slowly(function: Word, state: Word, arguments: Word, count: Word, names: Word) -> Word:
    """Calls the Python function, with this one as its first argument."""
    total = count
    if names != 0:
        total = total + (names + TUPLE_LENGTH)[0]
    given = stack(total + 1)
    given[0] = function
    copy(given + 8, arguments, total)
    return PyObject_Vectorcall(state[SLOW], given, count + 1, names)


def quickly(state: Word, arguments: Word, count: Word, names: Word) -> Word:
    if state[CONTEXT][BYPASS] != 0:
        return ANOTHER_WAY
    data = stack(DATA_WORDS)
    record = state[LAST]
    if record != 0:
        record[ACTIVE] += 1  # from here on it stays, whatever the arguments' own code does
        if again(describe, state, arguments, count, names, record[STRUCTURE], data) != record[LENGTH]:
            record[ACTIVE] -= 1
            record = 0
    if record == 0:
        record = found(state, arguments, count, names, data)
        if record == 0:
            return ANOTHER_WAY
    value = run(state, record, data)
    record[ACTIVE] -= 1
    return value


def call(function: Word, arguments: Word, flags: Word, names: Word) -> Word:
    """What Python calls in place of the object `function`: its first arguments, `names` those of the last ones."""
    state = (function + CALLABLE_STATE)[0]
    count = flags & 0x7FFFFFFFFFFFFFFF
    value = quickly(state, arguments, count, names)
    if value == ANOTHER_WAY:
        return slowly(function, state, arguments, count, names)
    return value
