"""The structure of arguments as words: all that a compiled call depends on but the addresses of memory. Translated, like `dispatch`.

First come how many arguments there are and how many have names. Then each argument: of an array its type, its dtype, its rank and whether
it may be written to, and the dim and the stride of each axis; of a number that is data its type; of any other object its type and which one
it is. A name stands before its argument.
"""

from __future__ import annotations

from tensorc.runtime.native import Word, Written, half, invoke, stack
from tensorc.runtime.words import (
    ARRAY_DATA,
    ARRAY_DIMS,
    ARRAY_DTYPE,
    ARRAY_FLAGS,
    ARRAY_RANK,
    ARRAY_STRIDES,
    CONTEXT,
    DATA,
    DATA_WORDS,
    DIM,
    DISPATCH_MODES,
    DTYPE,
    FUNCTION_MODES,
    GIVEN_OUT,
    GRADIENT_PLACE,
    GRADIENTS,
    HANDLE,
    INFERENCE_KEYS,
    KEY_INCLUDED,
    KEYS,
    KEYS_PLACE,
    LARGEST_RANK,
    LEVEL,
    LEVELS,
    MOST_ARGUMENTS,
    MOST_OUTS,
    MOST_WORDS,
    NAMES,
    NO_LEVEL,
    NUMBERS,
    OUT,
    PARAMETER,
    PARAMETERS,
    REQUIRES_GRADIENT,
    SIZES,
    STRIDES,
    TAKES_OUT,
    TENSOR,
    TRACER,
    TUPLE_ITEMS,
    TUPLE_LENGTH,
    TYPE,
    UNWATCHED,
    WRITEABLE,
    Py_DecRef,
    Py_True,
    PyArray_Type,
    PyDict_GetItem,
    PyErr_Clear,
    PyFloat_Type,
    PyLong_Type,
    PyTuple_Type,
)


def describe_array(value: Word, structure: Written, at: Word, data: Word) -> Word:
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


def describe_tensor(context: Word, value: Word, structure: Written, at: Word, data: Word) -> Word:
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


def describe_value(context: Word, value: Word, number: Word, structure: Written, at: Word, data: Word) -> Word:
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


def describe_out(context: Word, value: Word, structure: Written, at: Word, data: Word) -> Word:
    """An array, or a tuple of them."""
    data[GIVEN_OUT] = value
    items = data + GIVEN_OUT * 8
    count = 1
    if (value + TYPE)[0] == PyTuple_Type:
        items = value + TUPLE_ITEMS
        count = (value + TUPLE_LENGTH)[0]
        if count > MOST_OUTS:
            return 0
        structure[at] = count | (1 << 32)
    else:
        structure[at] = 1
    at = at + 1
    for item in range(count):
        at = describe_value(context, items[item], 0, structure, at, data + (MOST_ARGUMENTS + item) * 8)
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


def describe(state: Word, arguments: Word, count: Word, names: Word, structure: Written, data: Word) -> Word:
    """Writes the structure of a call, and of its data the addresses and what `out` is; the structure's length in words, 0 where only Python
    can tell."""
    context = state[CONTEXT]
    named = 0
    if names != 0:
        named = (names + TUPLE_LENGTH)[0]
    if count + named > MOST_ARGUMENTS:
        return 0
    context[UNWATCHED] = 0
    data[GIVEN_OUT] = 0
    structure[0] = count | (named << 32)
    at = 1
    for position in range(count + named):
        place = position
        is_out = 0
        if position >= count:
            name = (names + TUPLE_ITEMS)[position - count]
            structure[at] = name
            at = at + 1
            if name == context[OUT] and state[TAKES_OUT] == 0:
                is_out = 1
            else:
                place = parameter(state, name)
                if place < 0:
                    return 0
        if is_out != 0:
            at = describe_out(context, arguments[position], structure, at, data)
        else:
            number = 0
            if place < state[PARAMETERS]:
                number = state[NUMBERS][place]
            at = describe_value(context, arguments[position], number, structure, at, data + position * 8)
        if at == 0:
            return 0
    return at


def structure_of(state: Word, arguments: Word, count: Word, names: Word, structure: Word) -> Word:
    """The structure of a call, for Python, which makes records of it."""
    data = stack(DATA_WORDS)
    return describe(state, arguments, count, names, structure, data)


def structure_of_value(context: Word, value: Word, structure: Word) -> Word:
    """The structure of an array that a function closes over."""
    data = stack(1)
    context[UNWATCHED] = 0
    return describe_value(context, value, 0, structure, 0, data)
