"""Shares out among threads a scan of one row: totals of its parts, what comes before each part, then each part from there on.

    acc s = sum over i                    for k in N // T: parallel serial             before[0] = 0
    for i in N: serial                      acc s = sum over i, vector 4               acc s = sum over k
      s sum= x[i]                           for i in N, part k of T: vector 4          for k in N // T: serial
      y[i] = s                                s sum= x[i]                                s sum= total[k]
                                            done s                                       before[k + 1] = s
                                            total[k] = s
                                          ...
                                          for j in N // T + 1: parallel serial
                                            acc s = sum over i
                                            for i in N, part j of T: serial
                                              s sum= x[i]
                                              y[i] = before[j] + s

The size of a part, T, follows from the extent alone, so that the bits of a result do not depend on the number of threads. A short row is
one part, before which there is nothing to be done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import ZERO, Index, floordiv, poly
from tensorc.ir import build
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Load
from tensorc.loops import SMALL
from tensorc.loops.nest import SERIAL, Bind, Buffer, Carry, Done, Fold, For, Init, Kernel, Part, Statement, Store, read, touched
from tensorc.loops.work import work
from tensorc.schedule.derived import Derived
from tensorc.schedule.memory import Names
from tensorc.schedule.rules import operations

POINTS, PARTS = 8192, 64
"""The points of a part are a multiple of so many; and there are so many parts at most, and one more."""

CHEAP = 8
"""Instructions that a term may take, which is computed twice."""


@dataclass(frozen=True)
class _Scan:
    """A kernel's body: the start, the loop, the step and where its value is stored."""

    init: Init
    loop: For
    step: Carry
    store: Store


def share_scan(kernel: Kernel, names: Names, titles: Names, derived: Derived) -> tuple[tuple[Kernel, ...], tuple[Buffer, ...]]:
    """The kernels that do what a kernel does, and the memory through which they tell each other."""
    scan = _scan(kernel.body)
    if scan is None:
        return (kernel,), ()
    var, extent = scan.init.var, scan.loop.axis.extent
    size = derived.named(extent, "part", (floordiv(extent, poly(POINTS * PARTS)) + 1) * POINTS)
    count = derived.named(extent, "parts", floordiv(extent, size))
    level = scan.loop.axis.level + 1
    whole, every = Index(level, count), Index(level + 1, count + 1)
    taken = Names(names.taken | {var.name})
    total = Buffer(taken.unique(f"{var.name}_total"), (whole.extent,), var.dtype)
    before = Buffer(taken.unique(f"{var.name}_before"), (every.extent,), var.dtype)
    names.taken |= {total.name, before.name}
    bodies = (_totals(scan, total, Part(whole, size)), _starts(scan, total, before, whole), _parts(scan, before, Part(every, size)))
    free = (letter for n in range(len(kernel.names), 1000) if (letter := algebra.letter(n)) not in kernel.names.values())
    axes = {**kernel.names, **dict(zip((whole, every), free, strict=False))}
    titled = (titles.unique(f"{kernel.name}_total"), titles.unique(f"{kernel.name}_before"), kernel.name)
    return tuple(Kernel(t, b, *touched(b), (), axes) for t, b in zip(titled, bodies, strict=True)), (total, before)


def _scan(body: tuple[Statement, ...]) -> _Scan | None:
    """The scan that a body is, where its parts can be taken apart and it may be long."""
    match body:
        case (Init() as init, For(_, bind, (Carry(decay=None) as step, Store() as store), part=None) as loop) if bind == SERIAL:
            total = work(body).constant
            short = total is not None and total < 2 * SMALL
            fits = not init.var.axes and not init.var.dtype.is_half and operations(step.value) <= CHEAP
            return _Scan(init, loop, step, store) if fits and not short else None
        case _:
            return None


def _totals(scan: _Scan, total: Buffer, part: Part) -> tuple[Statement, ...]:
    lanes = Bind("vector", 4)
    var, monoid, over = scan.init.var, scan.init.monoid, scan.init.over
    fold = For(scan.loop.axis, lanes, (Fold(var, monoid, scan.step.value, over),), part=part)
    store = Store(total, (poly(part.number),), read(var))
    return (For(part.number, SERIAL, (Init(var, monoid, over, lanes), fold, Done(var, monoid, over), store), parallel=True),)


def _starts(scan: _Scan, total: Buffer, before: Buffer, number: Index) -> tuple[Statement, ...]:
    var, monoid = scan.init.var, scan.init.monoid
    identity = build.constant(MONOIDS[monoid].identity(var.dtype), var.dtype)
    step = (Carry(var, monoid, Load(total, (poly(number),))), Store(before, (poly(number) + 1,), read(var)))
    return Store(before, (ZERO,), identity), Init(var, monoid, (number,)), For(number, SERIAL, step)


def _parts(scan: _Scan, before: Buffer, part: Part) -> tuple[Statement, ...]:
    var = scan.init.var
    value = build.apply(MONOIDS[scan.init.monoid].combine, Load(before, (poly(part.number),)), read(var))
    loop = replace(scan.loop, body=(scan.step, replace(scan.store, value=value)), part=part)
    return (For(part.number, SERIAL, (scan.init, loop), parallel=True),)
