"""What a call does before any Python runs: it finds what was remembered of arguments of this structure, and runs the kernels on them.

This file is translated to machine code (see `native`): every value is a 64-bit word, `p[i]` is the i-th word behind an address.

A *record* is what Python has found out about calls of one structure (see `structure`): the frame for the kernels, the shapes of the
results, where each input comes from. Most are for any sizes: their frame and their shapes are computed anew where dims or strides are not
those of the last call (see `recipe`). The others are for exactly one structure. So all that is checked here is that two rows of words are
equal; what needs thought was done when the record was made.
"""

from __future__ import annotations

from tensorc.runtime.native import Word, copy, floating, half, invoke, narrow, stack
from tensorc.runtime.pages import block_under, given_back, taken
from tensorc.runtime.recipe import evaluate
from tensorc.runtime.structure import describe, describe_value
from tensorc.runtime.words import (
    ACTIVE,
    ALIGNMENT,
    ANOTHER_WAY,
    ARRAY_DATA,
    AS_FLOAT,
    AS_INT,
    AS_LONG,
    BOUNDS,
    BYPASS,
    C_LENGTH,
    C_OBJECT,
    C_STRUCTURE,
    CALLABLE_STATE,
    CALLS,
    CAPTURE_WORDS,
    CAPTURED,
    CHECKED,
    CHECKS,
    CODE,
    CONTEXT,
    DATA,
    DELETE,
    EMPTY,
    FORM,
    FORM_LENGTH,
    FRAME,
    FROM_ADDRESS,
    FROM_ARGUMENT,
    FROM_CAPTURE,
    GENERAL,
    HANDLER,
    INFINITY,
    INPUTS,
    KEPT,
    KIND,
    LARGE,
    LAST,
    LENGTH,
    MAIN_THREAD,
    MASK,
    MONOTONIC,
    MOST_ARGUMENTS,
    MOST_OUTS,
    OUT,
    PASSED,
    POLLED,
    R_DIMS,
    R_DTYPE,
    R_ITEMSIZE,
    R_RANK,
    R_STAND_IN,
    R_STRIDES,
    RAISED,
    RELEASE,
    RESULTS,
    ROOM,
    SHAPE_WORDS,
    SHAPES,
    SLOW,
    SOURCES,
    STOPPED_AT,
    STORAGE_PLACE,
    STRUCTURE,
    T_MASK,
    T_PLACES,
    TABLE,
    TAIL,
    TAIL_LENGTH,
    TAKES_OUT,
    TORCH,
    TUPLE_ITEMS,
    TUPLE_LENGTH,
    TYPE,
    WORKSPACE,
    WORKSPACE_BYTES,
    WRAP,
    Context,
    Py_DecRef,
    Py_IncRef,
    PyArray_Empty,
    PyDataMem_SetHandler,
    PyErr_CheckSignals,
    PyErr_Fetch,
    PyErr_Restore,
    PyEval_RestoreThread,
    PyEval_SaveThread,
    PyFloat_AsDouble,
    PyFloat_Type,
    PyGILState_Ensure,
    PyGILState_Release,
    PyLong_AsLongLongAndOverflow,
    PyMem_RawFree,
    PyMem_RawMalloc,
    PyObject_Vectorcall,
    PyThread_get_thread_ident,
    PyTuple_New,
    PyTuple_SetItem,
    PyTuple_Type,
    clock_gettime,
)

# Records.


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


def find(state: Word, structure: Word, length: Word) -> Word:
    """The record for a structure; 0 where there is none."""
    record = state[LAST]
    if record != 0 and same(record, structure, length) != 0:
        return record
    record = find_general(state, structure, length)
    if record == 0:
        record = find_known(state, structure, length)
    if record != 0:
        state[LAST] = record
    return record


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


# Running.


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
    structure = stack(ROOM)
    length = describe_value(context, capture[C_OBJECT], 0, structure, 0, place)
    if length != capture[C_LENGTH]:
        return 0
    known = capture[C_STRUCTURE]
    for position in range(length):
        if known[position] != structure[position]:
            return 0
    return 1


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


def apart(record: Word, frame: Word, result: Word) -> Word:
    """Whether a result lies apart from every input and every other result."""
    bounds = record[BOUNDS]
    low = frame[result] + bounds[result * 2]
    high = frame[result] + bounds[result * 2 + 1]
    for other in range(record[INPUTS] + record[RESULTS]):
        start = frame[other] + bounds[other * 2]
        end = frame[other] + bounds[other * 2 + 1]
        if other != result and start < end and low < high and start < high and low < end:
            return 0
    return 1


def empty_tensor(context: Word, shape: Word, address: Word) -> Word:
    """A new tensor, and where its memory is; 0 where there is none."""
    handle = stack(1)
    failed = invoke(context[EMPTY], shape[R_RANK], shape[R_DIMS], shape[R_STRIDES], shape[R_DTYPE], 0, 0, handle)
    if (failed & 0xFFFFFFFF) != 0:
        return 0
    size = bytes_of(shape)
    if size >= LARGE and context[STORAGE_PLACE] != 0:
        block_under(handle[0][0], size)
    made = 0
    if (invoke(context[DATA], handle[0], address) & 0xFFFFFFFF) == 0:
        made = invoke(context[WRAP], handle[0])
    invoke(context[DELETE], handle[0])
    return made


def bytes_of(shape: Word) -> Word:
    """How large a result is."""
    size = shape[R_ITEMSIZE]
    for axis in range(shape[R_RANK]):
        size = size * shape[R_DIMS][axis]
    return size


def new_array(context: Word, shape: Word, dtype: Word, address: Word) -> Word:
    """A new array, and where its memory is; 0 with an exception."""
    usual = 0
    if context[HANDLER] != 0 and bytes_of(shape) >= LARGE:
        usual = PyDataMem_SetHandler(context[HANDLER])
        if usual == 0:
            return 0
    Py_IncRef(dtype)  # which PyArray_Empty takes
    made = PyArray_Empty(shape[R_RANK], shape[R_DIMS], dtype, 0)
    if usual != 0:
        own = PyDataMem_SetHandler(usual)
        if own != 0:
            Py_DecRef(own)
        Py_DecRef(usual)
    if made != 0:
        address[0] = (made + ARRAY_DATA)[0]
    return made


def release(objects: Word, count: Word) -> Word:
    for position in range(count):
        Py_DecRef(objects[position])
    return 0


def allocate(context: Word, record: Word, frame: Word, objects: Word) -> Word:
    """Makes the results and writes their addresses to the frame; 0 with an exception, or `ANOTHER_WAY`, where that cannot be done."""
    for result in range(record[RESULTS]):
        shape = record[SHAPES] + result * SHAPE_WORDS * 8
        address = frame + (record[INPUTS] + result) * 8
        if record[TORCH] != 0:
            objects[result] = empty_tensor(context, shape, address)
        else:
            objects[result] = new_array(context, shape, shape[R_DTYPE], address)
        if objects[result] == 0:
            release(objects, result)
            if record[TORCH] != 0:
                return ANOTHER_WAY
            return 0
        if shape[R_STAND_IN] != 0:
            address[0] = shape[R_STAND_IN]
    return 2


def outputs(record: Word, data: Word, frame: Word) -> Word:
    """Writes the addresses of the arrays that were given for the results; 0 where one overlaps another array."""
    outs = data + MOST_ARGUMENTS * 8
    inputs = record[INPUTS]
    for result in range(record[RESULTS]):
        frame[inputs + result] = outs[result]
    for result in range(record[RESULTS]):
        if apart(record, frame, inputs + result) == 0:
            return 0
    for result in range(record[RESULTS]):
        stand_in = (record[SHAPES] + result * SHAPE_WORDS * 8)[R_STAND_IN]
        if stand_in != 0:
            frame[inputs + result] = stand_in
    return 1


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


def poll() -> Word:
    """Whether the running kernels should stop, since a signal's handler raised an exception. Looks at times, and in the main thread."""
    context = Context
    if PyThread_get_thread_ident() != context[MAIN_THREAD]:
        return 0
    time = stack(2)
    clock_gettime(MONOTONIC, time)
    now = time[0] * 60 + (time[1] >> 24)  # sixtieths of a second
    if now - context[POLLED] < 3:
        return 0
    context[POLLED] = now
    state = PyGILState_Ensure()
    stops = PyErr_CheckSignals() & 0xFFFFFFFF
    if stops != 0:
        PyErr_Fetch(context + RAISED * 8, context + (RAISED + 1) * 8, context + (RAISED + 2) * 8)
    PyGILState_Release(state)
    return stops


def raise_stopped() -> Word:
    """Raises again what stopped the kernels."""
    context = Context
    context[STOPPED_AT][0] = 0
    PyErr_Restore(context[RAISED], context[RAISED + 1], context[RAISED + 2])
    return 0


def is_stopped(context: Word, frame: Word) -> Word:
    """Whether the call with this frame was interrupted."""
    if context[STOPPED_AT] == 0:
        return 0
    if context[STOPPED_AT][0] == frame:
        return 1
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


def put_together(record: Word, objects: Word) -> Word:
    """The results as the function's value: each step of the form takes the next result, or makes a tuple of so many."""
    if record[FORM_LENGTH] == 1:
        return objects[0]
    pending = stack(record[FORM_LENGTH])
    height = 0
    form = record[FORM]
    for step in range(record[FORM_LENGTH]):
        count = 0 - form[step] - 1
        if count < 0:
            pending[height] = objects[form[step]]
        else:
            height = height - count
            made = PyTuple_New(count)
            if made == 0:
                return 0
            for item in range(count):
                PyTuple_SetItem(made, item, pending[height + item])
            pending[height] = made
        height = height + 1
    return pending[0]


def run(state: Word, record: Word, data: Word, out: Word) -> Word:
    """The value of a call that has a record; 0 with an exception, or `ANOTHER_WAY`."""
    context = state[CONTEXT]
    frame = stack(record[FRAME])
    numbers = stack(record[INPUTS])
    objects = stack(record[RESULTS])
    results = record[RESULTS]
    copy(frame + (record[FRAME] - record[TAIL_LENGTH]) * 8, record[TAIL], record[TAIL_LENGTH])
    if fill_inputs(context, record, data, frame, numbers) == 0:
        return ANOTHER_WAY
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


def given_out(state: Word, arguments: Word, count: Word, names: Word) -> Word:
    """The argument `out`; 0 where there is none."""
    if names == 0 or state[TAKES_OUT] != 0:
        return 0
    for position in range((names + TUPLE_LENGTH)[0]):
        if (names + TUPLE_ITEMS)[position] == state[CONTEXT][OUT]:
            return arguments[count + position]
    return 0


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
    structure = stack(ROOM)
    data = stack(MOST_ARGUMENTS + MOST_OUTS)
    length = describe(state, arguments, count, names, structure, data)
    if length == 0:
        return ANOTHER_WAY
    record = find(state, structure, length)
    if record == 0:
        return ANOTHER_WAY
    record[ACTIVE] += 1
    value = run(state, record, data, given_out(state, arguments, count, names))
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
