"""The bytes of memory that each kernel of a GPU schedule moves, as far as they follow from its loops.

What a kernel touches it moves once, and again for each further sweep that is not over a whole axis: between two such the elements are in no
register. What several programs read is served by the cache, and so is what one kernel hands to the next where it is little: partial sums of
a few hundred programs never leave it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from math import prod

from tensorc import algebra
from tensorc.algebra import Poly
from tensorc.ir import walk
from tensorc.loops.nest import For, Kernel, Memory, Scratch, Statement, Store, Update, Var, scalars
from tensorc.schedule.gpu import Planned
from tensorc.schedule.gpu.sizes import Sizes

CACHED = 4 << 20
"""Bytes of a tensor between kernels that stay in the cache, of which an A100 has ten times as many and an H100 twelve."""


def traffic(planned: Planned, sizes: Mapping[str, int], cached: int = CACHED) -> dict[str, int]:
    """Bytes by kernel, for sizes of the class that the schedule is for; without tensors between kernels of at most `cached` bytes."""
    s = planned.schedule
    small = {b for b in s.intermediates if _size(b, sizes) <= cached}
    small |= {view for view, base in s.aliases.items() if base in small}
    return {k.name: _bytes(k, planned.situation.sizes, sizes, small) for k in s.kernels}


def _size(b: Memory, sizes: Mapping[str, int]) -> int:
    return b.dtype.bytes * prod(algebra.evaluate(e, sizes) for e in b.extents)


def _bytes(kernel: Kernel, classes: Sizes, sizes: Mapping[str, int], small: Set[Memory]) -> int:
    moved: dict[tuple[object, ...], int] = {}
    for memory, subscripts, sweep, store in _accesses(kernel.body, (), classes):
        if memory in small:
            continue
        axes = {a for p in subscripts for a in algebra.indices(p)}
        count = 1
        for a in axes:
            count *= algebra.evaluate(a.extent, sizes)
        if not any(algebra.elements(p) for p in subscripts):
            count = min(count, _size(memory, sizes) // memory.dtype.bytes)
        key = (memory, sweep, store)
        moved[key] = max(moved.get(key, 0), count * memory.dtype.bytes)
    return sum(moved.values())


Access = tuple[Memory, tuple[Poly, ...], tuple[int, ...], bool]


def _accesses(body: Sequence[Statement], sweep: tuple[int, ...], classes: Sizes) -> Iterator[Access]:
    """(memory, subscripts, the sweeps around that are not over whole axes, whether it is stored)."""
    for s in body:
        if isinstance(s, For):
            is_one = s.parallel or s.within or classes.is_whole(s.axis.extent, s.bind.count)
            yield from _accesses(s.body, sweep if is_one else (*sweep, id(s)), classes)
            continue
        for value in scalars(s):
            for load in walk.loads(value):
                if isinstance(load.tensor, Memory) and not isinstance(load.tensor, (Scratch, Var)):
                    yield load.tensor, load.subscripts, sweep, False
        if isinstance(s, (Store, Update)) and not isinstance(s.memory, Scratch):
            yield s.memory, s.subscripts, sweep, True
            if isinstance(s, Update):
                yield s.memory, s.subscripts, sweep, False
