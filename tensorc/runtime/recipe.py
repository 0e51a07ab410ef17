"""How a record for any sizes becomes one of the sizes at hand: its recipe is words, and this reads it. Translated, like `dispatch`.

A recipe says where the sizes stand among the dims, what must hold of them, how much work there is, the dims of the results, what the
strides must be, and how the words of the frame follow. What is large, empty, or of other strides is left to a record of its own: how it is
laid out takes more thought, and the kernels take longer than that.
"""

from __future__ import annotations

from tensorc.runtime.native import Word, copy, divided, stack
from tensorc.runtime.words import (
    ACTIVE,
    ADD,
    ALIGNMENT,
    ANY,
    APART,
    BOUNDS,
    CHECKED,
    CHECKS,
    CONSTANT,
    DEEPEST,
    INPUTS,
    LARGEST_EXTENT,
    LARGEST_RESULT,
    LARGEST_WORKSPACE,
    LENGTH,
    MOST_SIZES,
    MOST_SWITCHES,
    MULTIPLY,
    NEW,
    QUOTIENT,
    R_DIMS,
    R_RANK,
    R_STRIDES,
    RECIPE,
    RESULTS,
    SHAPE_WORDS,
    SHAPES,
    SIZE,
    SMALL,
    STRUCTURE,
    TAIL,
    WORKSPACE_BYTES,
)


def next_word(cursor: Word) -> Word:
    """The next word of the recipe."""
    word = cursor[0][0]
    cursor[0] = cursor[0] + 8
    return word


def floored(a: Word, b: Word) -> Word:
    """a // b, 0 where b is 0, as the algebra has it."""
    if b == 0:
        return 0
    found = divided(a, b)
    if found * b != a and (a ^ b) < 0:
        return found - 1
    return found


def remainder(a: Word, b: Word) -> Word:
    """a % b, 0 where b is 0."""
    if b == 0:
        return 0
    return a - floored(a, b) * b


def computed(cursor: Word, sizes: Word) -> Word:
    """The next number of the recipe, for these sizes."""
    pending = stack(DEEPEST)
    height = 0
    steps = next_word(cursor)
    for _step in range(steps):
        operation = next_word(cursor)
        operand = next_word(cursor)
        if operation == SIZE:
            pending[height] = sizes[operand]
            height = height + 1
        elif operation == CONSTANT:
            pending[height] = operand
            height = height + 1
        else:
            height = height - 1
            a = pending[height - 1]
            b = pending[height]
            if operation == ADD:
                a = a + b
            elif operation == MULTIPLY:
                a = a * b
            elif operation == QUOTIENT:
                a = floored(a, b)
            else:
                a = remainder(a, b)
            pending[height - 1] = a
    return pending[0]


def bind(cursor: Word, structure: Word, sizes: Word) -> Word:
    """Reads the sizes from the dims; 0 where they break a condition of the program."""
    known = next_word(cursor)
    for size in range(known):
        sizes[size] = structure[next_word(cursor)]
    constraints = next_word(cursor)
    for _constraint in range(constraints):
        dim = structure[next_word(cursor)]
        if dim != computed(cursor, sizes):
            return 0
    conditions = next_word(cursor)
    for _condition in range(conditions):
        exact = next_word(cursor)
        value = computed(cursor, sizes)
        if value < 0 or (exact != 0 and value != 0):
            return 0
    derived = next_word(cursor)
    for size in range(known, known + derived):
        sizes[size] = computed(cursor, sizes)
    return 1


def shape_results(cursor: Word, record: Word, sizes: Word) -> Word:
    """Writes the dims and strides of the results; 0 where one is empty or very large."""
    for result in range(record[RESULTS]):
        shape = record[SHAPES] + result * SHAPE_WORDS * 8
        elements = 1
        for axis in range(shape[R_RANK]):
            extent = computed(cursor, sizes)
            if extent < 1 or extent > LARGEST_EXTENT:
                return 0
            elements = elements * extent
            if elements > LARGEST_RESULT:
                return 0
            shape[R_DIMS][axis] = extent
        step = 1
        axis = shape[R_RANK]
        while axis > 0:
            axis = axis - 1
            shape[R_STRIDES][axis] = step
            step = step * shape[R_DIMS][axis]
    return 1


def lay_arrays(cursor: Word, record: Word, structure: Word, tail: Word) -> Word:
    """Writes the strides of inputs and results, and how far each reaches; where they end, 0 where the code is for other strides."""
    for position in range(record[INPUTS] + record[RESULTS]):
        at = next_word(cursor)
        rank = next_word(cursor)
        unit = next_word(cursor)
        itemsize = next_word(cursor)
        shape = record[SHAPES] + (position - record[INPUTS]) * SHAPE_WORDS * 8
        low = 0
        high = itemsize
        span = 1
        axis = rank
        while axis > 0:
            axis = axis - 1
            fact = next_word(cursor)
            if at == NEW:
                extent = shape[R_DIMS][axis]
                stride = shape[R_STRIDES][axis]
            else:
                extent = structure[at + axis * 2]
                bytes = structure[at + axis * 2 + 1]
                stride = divided(bytes, unit)
                if extent < 1 or stride * unit != bytes:
                    return 0
                if fact != ANY and stride != fact and extent != 1:
                    return 0
                if position < record[INPUTS]:
                    one = next_word(cursor)
                    if (one != 0 and extent != 1) or (one == 0 and extent == 1):
                        return 0
                else:
                    if extent != shape[R_DIMS][axis] or (extent > 1 and stride < span):
                        return 0
                    span = span + (extent - 1) * stride
            tail[axis] = stride
            reach = (extent - 1) * stride * itemsize
            if reach < 0:
                low = low + reach
            else:
                high = high + reach
        record[BOUNDS][position * 2] = low
        record[BOUNDS][position * 2 + 1] = high
        tail = tail + rank * 8
    return tail


def lay_workspace(cursor: Word, sizes: Word, tail: Word, start: Word) -> Word:
    """Writes where each memory of the next group lies, side by side, from `start` on; where they end, -1 where that is far."""
    memories = next_word(cursor)
    for memory in range(memories):
        size = next_word(cursor)
        rank = next_word(cursor)
        for _axis in range(rank):
            extent = computed(cursor, sizes)
            if extent > LARGEST_WORKSPACE:
                return -1
            if extent > 1:
                size = size * extent
            if size > LARGEST_WORKSPACE:
                return -1
        tail[memory] = start
        start = start + ((size + ALIGNMENT - 1) & (0 - ALIGNMENT))
        if start > LARGEST_WORKSPACE:
            return -1
    return start


def lay_frame(cursor: Word, record: Word, structure: Word, sizes: Word) -> Word:
    """Writes the frame behind the pointers; 0 where the call is none for this record."""
    tail = record[TAIL]
    named = next_word(cursor)
    for size in range(named):
        tail[size] = sizes[next_word(cursor)]
    tail = lay_arrays(cursor, record, structure, tail + named * 8)
    if tail == 0:
        return 0
    first_check = next_word(cursor)
    whole = cursor[0][0]
    shared = lay_workspace(cursor, sizes, tail, 0)
    for check in range(record[CHECKS]):
        record[CHECKED][check] = tail[first_check + check]
    tail = tail + whole * 8
    own = cursor[0][0]
    slot = 0
    if shared >= 0:
        slot = lay_workspace(cursor, sizes, tail, 0)
    if shared < 0 or slot < 0:
        return 0
    slot = (slot + APART - 1) & (0 - APART)
    tail = tail + own * 8
    tail[0] = 1
    tail[1] = 0
    tail[2] = shared
    tail[3] = slot
    record[WORKSPACE_BYTES] = shared + slot
    tail = tail + 32
    regions = next_word(cursor)
    for region in range(regions):
        units = 1
        loops = next_word(cursor)
        for _loop in range(loops):
            step = next_word(cursor)
            units = units * floored(computed(cursor, sizes) + step - 1, step)
        tail[region * 2] = units
        tail[region * 2 + 1] = 0
    choose(cursor, sizes, tail + regions * 16)
    return 1


def choose(cursor: Word, sizes: Word, tail: Word) -> Word:
    """Writes of each kernel that does not always run whether it does: whether each of its switches takes its way."""
    taken = stack(MOST_SWITCHES)
    switches = next_word(cursor)
    for switch in range(switches):
        taken[switch] = -1
        ways = next_word(cursor)
        for way in range(ways):
            holds = 1
            tests = next_word(cursor)
            for _test in range(tests):
                least = next_word(cursor)
                most = next_word(cursor)
                value = computed(cursor, sizes)
                if value < least or value > most:
                    holds = 0
            if holds != 0 and taken[switch] < 0:
                taken[switch] = way
    kernels = next_word(cursor)
    for kernel in range(kernels):
        runs = 1
        needed = next_word(cursor)
        for _need in range(needed):
            number = next_word(cursor)
            wanted = next_word(cursor)
            if taken[number] != wanted:
                runs = 0
        tail[kernel] = runs
    return 1


def evaluate(record: Word, structure: Word) -> Word:
    """Makes the record one of this structure; 0, and it is one of none, where that cannot be done here."""
    if record[ACTIVE] != 0:
        return 0
    known = record[STRUCTURE]
    known[0] = 0  # as no structure begins that has dims
    cursor = stack(1)
    sizes = stack(MOST_SIZES)
    cursor[0] = record[RECIPE]
    if bind(cursor, structure, sizes) == 0:
        return 0
    if computed(cursor, sizes) >= SMALL:
        return 0
    if shape_results(cursor, record, sizes) == 0:
        return 0
    if lay_frame(cursor, record, structure, sizes) == 0:
        return 0
    copy(known, structure, record[LENGTH])
    return 1
