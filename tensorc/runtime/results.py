"""The results of a call: memory for them, or that which was given, and the value that they make up. Translated, like `dispatch`."""

from __future__ import annotations

from tensorc.runtime.native import Word, invoke, stack
from tensorc.runtime.pages import block_under
from tensorc.runtime.words import (
    ANOTHER_WAY,
    ARRAY_DATA,
    BOUNDS,
    DATA,
    DELETE,
    EMPTY,
    FORM,
    FORM_LENGTH,
    HANDLER,
    INPUTS,
    LARGE,
    MOST_ARGUMENTS,
    R_DIMS,
    R_DTYPE,
    R_ITEMSIZE,
    R_RANK,
    R_STAND_IN,
    R_STRIDES,
    RESULTS,
    SHAPE_WORDS,
    SHAPES,
    STORAGE_PLACE,
    TORCH,
    WRAP,
    Py_DecRef,
    Py_IncRef,
    PyArray_Empty,
    PyDataMem_SetHandler,
    PyTuple_New,
    PyTuple_SetItem,
)


def bytes_of(shape: Word) -> Word:
    """How large a result is."""
    size = shape[R_ITEMSIZE]
    for axis in range(shape[R_RANK]):
        size = size * shape[R_DIMS][axis]
    return size


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
