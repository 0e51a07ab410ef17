"""Memory for large arrays, kept for the next ones: fresh pages cost more than most kernels, and large pages are found sooner.

This file is translated to machine code (see `native`). NumPy takes the memory of large results from here (see `large`), and gives it back
when the last array dies that shows it; the storages of large tensors do so too, and workspaces come from here. Whoever calls holds the
interpreter's lock, but for `block_drop`.

A block's data is preceded by words that say what was mapped for it. A free block is kept until it is too old, or until there is too much.
"""

from __future__ import annotations

from tensorc.runtime.native import Word, clear, copy, invoke, stack
from tensorc.runtime.words import (
    ADVICE,
    BLOCK_BYTES,
    BLOCK_CAPACITY,
    BLOCK_DROP,
    BLOCK_HEAD,
    BLOCK_START,
    FREE_AGE,
    FREE_BYTES,
    FREE_DATA,
    FREE_PLACE,
    FREE_PLACES,
    FREE_TIME,
    FREE_WORDS,
    HELD,
    HUGE_PAGE,
    MAPPING,
    MEMORY_PLACE,
    MONOTONIC,
    MOST_HELD,
    OWNER_PLACE,
    PAGES,
    STORAGE_PLACE,
    UNIT,
    Context,
    Py_IsInitialized,
    PyGILState_Ensure,
    PyGILState_Release,
    clock_gettime,
    madvise,
    mmap,
    munmap,
)


def milliseconds() -> Word:
    """By a clock that never goes back; a little longer each."""
    time = stack(2)
    clock_gettime(MONOTONIC, time)
    return time[0] * 1000 + (time[1] >> 20)


def unmapped(data: Word) -> Word:
    head = data - BLOCK_HEAD
    return munmap(head[BLOCK_START], head[BLOCK_BYTES])


def mapped(size: Word) -> Word:
    """A new block, on large pages if it is large enough for some; 0 where there is no memory."""
    length = (size + BLOCK_HEAD + UNIT - 1) & (0 - UNIT)
    if length < 2 * HUGE_PAGE:
        start = mmap(0, length, 3, MAPPING, -1, 0)
        if start == -1:
            return 0
    else:
        found = mmap(0, length + HUGE_PAGE, 3, MAPPING, -1, 0)
        if found == -1:
            return 0
        start = (found + HUGE_PAGE - 1) & (0 - HUGE_PAGE)
        if start > found:
            munmap(found, start - found)
        if start < found + HUGE_PAGE:
            munmap(start + length, found + HUGE_PAGE - start)
        if ADVICE != 0:
            madvise(start, length, ADVICE)
    start[BLOCK_START] = start
    start[BLOCK_BYTES] = length
    start[BLOCK_CAPACITY] = length - BLOCK_HEAD
    return start + BLOCK_HEAD


def taken(size: Word) -> Word:
    """A block of at least so many bytes: of the free ones that are not much larger the one that was used last. 0 where there is none."""
    context = Context
    best: Word = 0
    for number in range(FREE_PLACES):
        place = context[PAGES] + number * FREE_WORDS * 8
        if place[FREE_DATA] == 0 or place[FREE_BYTES] < size or place[FREE_BYTES] > size + (size >> 2) + UNIT:
            continue
        if best == 0 or place[FREE_TIME] > best[FREE_TIME]:
            best = place
    if best == 0:
        return mapped(size)
    data = best[FREE_DATA]
    best[FREE_DATA] = 0
    context[HELD] = context[HELD] - best[FREE_BYTES]
    return data


def given_back(data: Word) -> Word:
    """Keeps a block, and lets those go that are too old, and the oldest where there are too many or too much."""
    context = Context
    now = milliseconds()
    trimmed(now - FREE_AGE)
    capacity = (data - BLOCK_HEAD)[BLOCK_CAPACITY]
    if capacity > context[MOST_HELD]:
        return unmapped(data)
    while context[HELD] + capacity > context[MOST_HELD]:
        dropped()
    if unused() == 0:
        dropped()
    place = unused()
    place[FREE_DATA] = data
    place[FREE_BYTES] = capacity
    place[FREE_TIME] = now
    context[HELD] = context[HELD] + capacity
    return 0


def unused() -> Word:
    """A place for a free block; 0 where all are taken."""
    for number in range(FREE_PLACES):
        place = Context[PAGES] + number * FREE_WORDS * 8
        if place[FREE_DATA] == 0:
            return place
    return 0


def dropped() -> Word:
    """Gives the free block that is oldest to the system."""
    oldest: Word = 0
    for number in range(FREE_PLACES):
        place = Context[PAGES] + number * FREE_WORDS * 8
        if place[FREE_DATA] != 0 and (oldest == 0 or place[FREE_TIME] < oldest[FREE_TIME]):
            oldest = place
    return let_go(oldest)


def let_go(place: Word) -> Word:
    unmapped(place[FREE_DATA])
    place[FREE_DATA] = 0
    Context[HELD] = Context[HELD] - place[FREE_BYTES]
    return 0


def trimmed(before: Word) -> Word:
    """Gives the free blocks to the system that have not been used since."""
    for number in range(FREE_PLACES):
        place = Context[PAGES] + number * FREE_WORDS * 8
        if place[FREE_DATA] != 0 and place[FREE_TIME] < before:
            let_go(place)
    return 0


# What NumPy calls, with the handler's own word before the arguments.


def block_new(context: Word, size: Word) -> Word:
    return taken(size)


def block_cleared(context: Word, count: Word, size: Word) -> Word:
    data = taken(count * size)
    if data != 0:
        clear(data, count * size)
    return data


def block_resized(context: Word, data: Word, size: Word) -> Word:
    capacity = (data - BLOCK_HEAD)[BLOCK_CAPACITY]
    if size <= capacity:
        return data
    made = taken(size)
    if made != 0:
        copy(made, data, capacity >> 3)
        given_back(data)
    return made


def block_free(context: Word, data: Word, size: Word) -> Word:
    return given_back(data)


# What torch's storages have.


def block_under(tensor: Word, size: Word) -> Word:
    """Gives the storage of a new tensor a block in place of torch's memory, which was never touched; 0 where there is none.

    To torch it is memory like any other, which it may replace by its own to resize the storage.
    """
    context = Context
    data = taken(size)
    if data == 0:
        return 0
    storage = (tensor + context[STORAGE_PLACE])[0]
    invoke((storage + context[FREE_PLACE])[0], (storage + context[OWNER_PLACE])[0])
    (storage + context[MEMORY_PLACE])[0] = data
    (storage + context[OWNER_PLACE])[0] = data
    (storage + context[FREE_PLACE])[0] = context[BLOCK_DROP]
    return data


def block_drop(data: Word) -> Word:
    """What torch frees a block by, on any thread, and even when there is no interpreter any more."""
    if (Py_IsInitialized() & 0xFFFFFFFF) == 0:
        return 0
    state = PyGILState_Ensure()
    given_back(data)
    PyGILState_Release(state)
    return 0


def block_trim(before: Word) -> Word:
    return trimmed(before)
