"""What a call does before any Python runs: it finds what was remembered of arguments of this structure, and runs the kernels on them.

This file is translated to machine code (see `native`): every value is a 64-bit word, `p[i]` is the i-th word behind an address.

The *structure* of arguments is all that a compiled call depends on but the addresses of memory: of an array its dtype, flags, dims and
strides, of a number its type, of any other object which one it is. `describe` writes it as words, and a `record` is kept for each structure
that was called before: the frame for the kernels, the shapes of the results, where each input comes from. So nothing is checked here but
that two rows of words are equal; all that needs thought was done by Python when the record was made.
"""

from __future__ import annotations

from tensorc.runtime.native import External, Word, copy, floating, half, invoke, narrow, stack

# The words of a function's state.
SLOW = 0  # the Python function for what is not remembered
CONTEXT = 1
TABLE = 2  # the records; 0 where there are none
LAST = 3  # the record of the last call
CALLS = 4  # how many were answered here
TAKES_OUT = 5  # whether `out` is a parameter like any other
PARAMETERS = 6
NAMES = 7  # of the parameters
NUMBERS = 8  # for each parameter, whether a Python number is data
STATE_WORDS = 9

# A table: its first word is how many places it has - 1, which is a mask; then come the places, by the hash of the structure.
T_MASK = 0
T_PLACES = 1

# The words of the context, one for a process. From TENSOR on they are filled in when torch is there.
BYPASS = 0  # how many reasons there are to leave every call to Python
WORKSPACE = 1  # memory for intermediates, kept for the next call
KEPT = 2  # the most bytes that are kept
OUT = 3  # the name `out`
TENSOR = 4  # the types of tensors
PARAMETER = 5
HANDLE = 6  # where a tensor's handle is in the object
KEYS_PLACE = 7  # where in what the handle points to the dispatch keys are
GRADIENT_PLACE = 8  # and what autograd knows of the tensor
KEYS = 9  # the dispatch keys of a plain tensor
INFERENCE_KEYS = 10
DATA = 11  # functions, those of torch's C interface
SIZES = 12
STRIDES = 13
DIM = 14
DTYPE = 15
GRADIENTS = 16
EMPTY = 17
DELETE = 18
WRAP = 19  # others
REQUIRES_GRADIENT = 20
FUNCTION_MODES = 21
DISPATCH_MODES = 22
KEY_INCLUDED = 23
TRACER = 24  # the dispatch key of torch.jit.trace
LEVELS = 25  # the names of the module of forward derivatives
LEVEL = 26  # the name of the level in it
NO_LEVEL = 27  # and what it is outside of any
UNWATCHED = 28  # whether it is known of this call that torch does not look at it
MAIN_THREAD = 29  # the one that signals are handled in
POLLED = 30  # when that was done last
STOPPED_AT = 31  # where the threads' code keeps the frame of a call that was interrupted; 0 where it does not run yet
RAISED = 32  # what the signal's handler raised: three words
CONTEXT_WORDS = 35

# The words of a record.
ACTIVE = 0  # how many calls are using it
LENGTH = 1  # of its structure, in words
STRUCTURE = 2
CODE = 3
FRAME = 4  # the length of the frame
TAIL = 5  # its words behind the pointers
TAIL_LENGTH = 6
INPUTS = 7
SOURCES = 8
CAPTURED = 9
RESULTS = 10
SHAPES = 11
WORKSPACE_BYTES = 12
CHECKS = 13
CHECKED = 14  # where in the workspace
RELEASE = 15  # whether other threads may run meanwhile
FORM = 16  # how the results are put together
FORM_LENGTH = 17
BOUNDS = 18  # the first byte and the end of each input and result, from its data
TORCH = 19  # whether the results are tensors
RECORD_WORDS = 20

# Where an input comes from: two words, how and which.
FROM_ARGUMENT = 0
FROM_ADDRESS = 1
FROM_CAPTURE = 2
AS_DOUBLE = 3
AS_FLOAT = 4
AS_LONG = 5
AS_INT = 6

# A result: five words.
R_DTYPE = 0
R_RANK = 1
R_DIMS = 2
R_STRIDES = 3
R_STAND_IN = 4
SHAPE_WORDS = 5

# An array that the function closes over: three words.
C_OBJECT = 0
C_LENGTH = 1
C_STRUCTURE = 2
CAPTURE_WORDS = 3

MOST_ARGUMENTS = 40
MOST_OUTS = 16
MOST_WORDS = 500
ROOM = 600  # for MOST_WORDS and the largest array's words
LARGEST_RANK = 32
ALIGNMENT = 64
PASSED = 0x7FFFFFFFFFFFFFFF
WRITEABLE = 0x400
INFINITY = 0x7F800000
MONOTONIC = 1  # as Linux numbers its clocks; macOS has another number

ANOTHER_WAY = 1
"""No address of an object: the call is left to Python."""

# Where things are in objects, in bytes. Other Pythons may have other places; those of this process are looked up when it needs the code.
TYPE = 8
TUPLE_LENGTH = 16
TUPLE_ITEMS = 24
ARRAY_DATA = 16
ARRAY_RANK = 24
ARRAY_DIMS = 32
ARRAY_STRIDES = 40
ARRAY_DTYPE = 56
ARRAY_FLAGS = 64
CALLABLE_STATE = 24

Context: Word = External("tensorc_context")
PyArray_Type = External("tensorc_array_type")
PyTuple_Type = External("tensorc_tuple_type")
PyFloat_Type = External("tensorc_float_type")
PyLong_Type = External("tensorc_int_type")
Py_True = External("tensorc_true")
PyArray_Empty = External("tensorc_array_empty")
PyTuple_New = External("tensorc_tuple_new")
PyTuple_SetItem = External("tensorc_tuple_set_item")
PyFloat_AsDouble = External("tensorc_float_as_double", "double")
PyLong_AsLongLongAndOverflow = External("tensorc_int_as_long")
PyObject_Vectorcall = External("tensorc_vectorcall")
PyEval_SaveThread = External("tensorc_save_thread")
PyEval_RestoreThread = External("tensorc_restore_thread", "void")
PyDict_GetItem = External("tensorc_dict_get_item")
Py_IncRef = External("tensorc_inc_ref", "void")
Py_DecRef = External("tensorc_dec_ref", "void")
PyErr_Clear = External("tensorc_error_clear", "void")
PyErr_CheckSignals = External("tensorc_check_signals")
PyErr_Fetch = External("tensorc_error_fetch", "void")
PyErr_Restore = External("tensorc_error_restore", "void")
PyGILState_Ensure = External("tensorc_ensure")
PyGILState_Release = External("tensorc_release", "void")
PyThread_get_thread_ident = External("tensorc_thread")
clock_gettime = External("tensorc_clock")
PyMem_RawMalloc = External("tensorc_malloc")
PyMem_RawFree = External("tensorc_free", "void")


# Structure.


def describe_array(value: Word, structure: Word, at: Word, data: Word) -> Word:
    rank = half(value + ARRAY_RANK)
    if rank > LARGEST_RANK:
        return 0
    structure[at] = PyArray_Type
    structure[at + 1] = (value + ARRAY_DTYPE)[0]
    structure[at + 2] = rank | ((half(value + ARRAY_FLAGS) & WRITEABLE) << 32)
    at = at + 3
    dims = (value + ARRAY_DIMS)[0]
    strides = (value + ARRAY_STRIDES)[0]
    for axis in range(rank):
        structure[at] = dims[axis]
        structure[at + 1] = strides[axis]
        at = at + 2
    data[0] = (value + ARRAY_DATA)[0]
    return at


def watched(context: Word) -> Word:
    """Whether torch looks at calls: modes and traces."""
    if context[UNWATCHED] != 0:
        return 0
    if (invoke(context[FUNCTION_MODES]) | invoke(context[DISPATCH_MODES], 0) | invoke(context[KEY_INCLUDED], context[TRACER])) & 0xFF != 0:
        return 1
    context[UNWATCHED] = 1
    return 0


def differentiated(context: Word, value: Word) -> Word:
    """Whether torch would record a call with the tensor for a derivative; it may also be that it cannot tell."""
    if PyDict_GetItem(context[LEVELS], context[LEVEL]) != context[NO_LEVEL]:
        return 1
    if (invoke(context[GRADIENTS]) & 0xFF) == 0:
        return 0
    answer = invoke(context[REQUIRES_GRADIENT], value, 0)
    if answer == 0:
        PyErr_Clear()
        return 1
    Py_DecRef(answer)
    if answer == Py_True:
        return 1
    return 0


def describe_tensor(context: Word, value: Word, structure: Word, at: Word, data: Word) -> Word:
    handle = value + context[HANDLE]
    keys = (handle[0] + context[KEYS_PLACE])[0]
    if keys != context[KEYS] and keys != context[INFERENCE_KEYS]:
        return 0
    if watched(context) != 0:
        return 0
    if (handle[0] + context[GRADIENT_PLACE])[0] != 0 and differentiated(context, value) != 0:
        return 0
    found = stack(5)
    found[3] = 0
    found[4] = 0
    failed = invoke(context[DIM], handle, found + 24) | invoke(context[DTYPE], handle, found + 32)
    failed = failed | invoke(context[DATA], handle, found) | invoke(context[SIZES], handle, found + 8)
    failed = failed | invoke(context[STRIDES], handle, found + 16)
    rank = found[3]
    if (failed & 0xFFFFFFFF) != 0 or rank > LARGEST_RANK:
        return 0
    structure[at] = context[TENSOR]
    structure[at + 1] = found[4]
    structure[at + 2] = rank
    at = at + 3
    sizes = found[1]
    strides = found[2]
    for axis in range(rank):
        structure[at] = sizes[axis]
        structure[at + 1] = strides[axis]
        at = at + 2
    data[0] = found[0]
    return at


def describe_value(context: Word, value: Word, number: Word, structure: Word, at: Word, data: Word) -> Word:
    """Writes the words of one argument, and its address; where they end, 0 where only Python can tell."""
    if at > MOST_WORDS:
        return 0
    kind = (value + TYPE)[0]
    if kind == PyArray_Type:
        return describe_array(value, structure, at, data)
    if (kind == context[TENSOR] or kind == context[PARAMETER]) and kind != 0:
        return describe_tensor(context, value, structure, at, data)
    data[0] = value
    structure[at] = kind
    if number != 0 and kind == PyFloat_Type:
        return at + 1
    if number != 0 and kind == PyLong_Type:
        return at + 1
    structure[at + 1] = value
    return at + 2


def describe_out(context: Word, value: Word, structure: Word, at: Word, data: Word) -> Word:
    """An array, or a tuple of them."""
    outs = data + MOST_ARGUMENTS * 8
    if (value + TYPE)[0] != PyTuple_Type:
        structure[at] = 1
        return describe_value(context, value, 0, structure, at + 1, outs)
    count = (value + TUPLE_LENGTH)[0]
    if count > MOST_OUTS:
        return 0
    structure[at] = count | (1 << 32)
    at = at + 1
    for item in range(count):
        at = describe_value(context, (value + TUPLE_ITEMS)[item], 0, structure, at, outs + item * 8)
        if at == 0:
            return 0
    return at


def parameter(state: Word, name: Word) -> Word:
    """The position of the parameter of a name, -1 where there is none."""
    names = state[NAMES]
    for position in range(state[PARAMETERS]):
        if names[position] == name:
            return position
    return -1


def describe(state: Word, arguments: Word, count: Word, names: Word, structure: Word, data: Word) -> Word:
    """Writes the structure of a call and the addresses of its memory; its length in words, 0 where only Python can tell."""
    context = state[CONTEXT]
    named = 0
    if names != 0:
        named = (names + TUPLE_LENGTH)[0]
    if count + named > MOST_ARGUMENTS:
        return 0
    context[UNWATCHED] = 0
    structure[0] = count | (named << 32)
    at = 1
    for position in range(count):
        number = 0
        if position < state[PARAMETERS]:
            number = state[NUMBERS][position]
        at = describe_value(context, arguments[position], number, structure, at, data + position * 8)
        if at == 0:
            return 0
    for position in range(count, count + named):
        name = (names + TUPLE_ITEMS)[position - count]
        structure[at] = name
        value = arguments[position]
        if name == context[OUT] and state[TAKES_OUT] == 0:
            at = describe_out(context, value, structure, at + 1, data)
        else:
            found = parameter(state, name)
            if found < 0:
                return 0
            at = describe_value(context, value, state[NUMBERS][found], structure, at + 1, data + position * 8)
        if at == 0:
            return 0
    return at


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


def find(state: Word, structure: Word, length: Word) -> Word:
    """The record of a structure; 0 where there is none."""
    record = state[LAST]
    if record != 0 and same(record, structure, length) != 0:
        return record
    table = state[TABLE]
    if table == 0:
        return 0
    place = hashed(structure, length) & table[T_MASK]
    while table[T_PLACES + place] != 0:
        record = table[T_PLACES + place]
        if same(record, structure, length) != 0:
            state[LAST] = record
            return record
        place = (place + 1) & table[T_MASK]
    return 0


def insert(state: Word, record: Word) -> Word:
    """Puts a record into the table, which has a free place; 0 where its structure is there already."""
    structure = record[STRUCTURE]
    length = record[LENGTH]
    if find(state, structure, length) != 0:
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
    made = 0
    if (invoke(context[DATA], handle[0], address) & 0xFFFFFFFF) == 0:
        made = invoke(context[WRAP], handle[0])
    invoke(context[DELETE], handle[0])
    return made


def empty_array(shape: Word, address: Word) -> Word:
    Py_IncRef(shape[R_DTYPE])  # which PyArray_Empty takes
    made = PyArray_Empty(shape[R_RANK], shape[R_DIMS], shape[R_DTYPE], 0)
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
            objects[result] = empty_array(shape, address)
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
    if context[WORKSPACE] == 0 and memory[0] <= context[KEPT]:
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


def structure_of(state: Word, arguments: Word, count: Word, names: Word, structure: Word) -> Word:
    """The structure of a call, for Python, which makes records of it."""
    data = stack(MOST_ARGUMENTS + MOST_OUTS)
    return describe(state, arguments, count, names, structure, data)


def structure_of_value(context: Word, value: Word, structure: Word) -> Word:
    """The structure of an array that a function closes over."""
    data = stack(1)
    context[UNWATCHED] = 0
    return describe_value(context, value, 0, structure, 0, data)
