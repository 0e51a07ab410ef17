"""Divides few long rows among threads: a kernel that sweeps over each row becomes several, whose sweeps run in parts of rows.

    for i in N: parallel                      for i in N: parallel, for c in C: parallel
      acc m = max over j                        acc m = max over j in part c of x[i, j];  m_part[i, c] = m
      for j in M: m max= x[i, j]        ──▶   for i in N: parallel
      for j in M: y[i, j] = x[i, j] - m[i]      acc m = max over c of m_part[i, c];  m_kept[i] = m
                                              for i in N: parallel, for c in C: parallel
                                                m = m_kept[i];  for j in M, part c: y[i, j] = x[i, j] - m[i]

The size of a part follows from the sizes alone, so that the bits of a result do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from tensorc import algebra
from tensorc.algebra import ONE, Index, Poly, floordiv, poly
from tensorc.ir import walk
from tensorc.ir.tensor import Load, Scalar, Tensor
from tensorc.loops.nest import (
    SERIAL,
    Buffer,
    Carry,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Memory,
    Part,
    Scratch,
    SortRow,
    Statement,
    Store,
    Test,
    Update,
    Var,
    read,
    scalars,
    statements,
    touched,
    variable,
)
from tensorc.schedule.derived import Derived
from tensorc.schedule.memory import Names
from tensorc.schedule.partial import PARTS, accumulated, cast, least
from tensorc.schedule.sizes import Estimate

FEW_ROWS, LONG_ROW = 16, 1 << 16
"""Fewer rows than the first, each at least as long as the second, are divided among threads."""


def divide(
    kernel: Kernel, names: Names, titles: Names, derived: Derived, estimate: Estimate
) -> tuple[tuple[Test, ...], tuple[Kernel, ...], tuple[Buffer, ...]] | None:
    """Where rows are few and long, the kernels that do what a kernel does then, and the memory in which they leave what others need.

    None where it has no rows, where it is not known how many, and where they are known to be many or short.
    """
    outer, body = _outer(kernel.body)
    loops = [s for s in body if isinstance(s, For)]
    if len(loops) + len(outer) < 2 or not any(isinstance(s, Fold) for s in statements(tuple(loops))):
        return None
    if not _are_regular(outer, body):
        return None
    lengths = dict.fromkeys(_points(_chain(loop)) for loop in loops)
    tests = [Test(_points(outer), most=FEW_ROWS - 1), *(Test(n, least=LONG_ROW) for n in lengths)]
    if tests[0].value.constant is None or any(t.value.constant is not None and not t.holds({}) for t in tests):
        return None
    local = {s.var.name for s in statements(kernel.body) if isinstance(s, (Let, Init))} | {s.name for s in kernel.scratch}
    made = _Divided(kernel, outer, Names(names.taken | local), titles, derived, estimate)
    made.run(tuple(map(made.moved, body)))
    names.taken |= {b.name for b in made.buffers}
    return tuple(t for t in tests if t.value.constant is None), tuple(made.kernels), tuple(made.buffers)


def _points(loops: Iterable[For]) -> Poly:
    return prod((loop.axis.extent for loop in loops), start=ONE)


def _outer(body: tuple[Statement, ...]) -> tuple[list[For], tuple[Statement, ...]]:
    """The loops over rows, and what is done for each row."""
    match body:
        case (For(parallel=True) as loop,) if any(isinstance(s, Fold) for s in statements(loop.body)):
            inner, rest = _outer(loop.body)
            return [loop, *inner], rest
        case _:
            return [], body


def _chain(loop: For) -> Iterator[For]:
    """A loop and those inside of it, as long as nothing stands beside them."""
    yield loop
    match loop.body:
        case (For() as inner,):
            yield from _chain(inner)


def _are_regular(outer: Sequence[For], body: tuple[Statement, ...]) -> bool:
    """Whether all loops may be taken in parts, and rows one at a time."""
    if any(loop.bind.kind not in ("serial", "unroll") for loop in outer):
        return False
    for s in (*outer, *statements(body)):
        match s:
            case Carry() | SortRow() | Update():
                return False
            case For(bind=bind) if bind.kind == "tile" or s.within or s.part is not None or s.only:
                return False
    return True


@dataclass
class _Divided:
    kernel: Kernel
    outer: Sequence[For]
    taken: Names
    titles: Names
    derived: Derived
    estimate: Estimate
    kernels: list[Kernel] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    kept: dict[Var, Buffer] = field(default_factory=dict)
    rows: dict[Memory, Buffer] = field(default_factory=dict)  # what stands for scratch

    @property
    def axes(self) -> tuple[Index, ...]:
        return tuple(loop.axis for loop in self.outer)

    def run(self, body: tuple[Statement, ...]) -> None:
        """Each loop is a kernel, and what stands between two loops another."""
        pending: list[Statement] = []
        inits: dict[Var, Init] = {}
        for n, s in enumerate(body):
            match s:
                case Init():
                    inits[s.var] = s
                case Done():
                    pass
                case For():
                    self._between(pending, body[n:])
                    pending = self._sweep(s, inits)
                case _:
                    pending.append(s)
        self._between(pending, ())

    def _between(self, pending: Sequence[Statement], later: Sequence[Statement]) -> None:
        """What is done once for each row; what later kernels read of it is kept."""
        if not pending:
            return
        needed = _read(later)
        stores = []
        for s in pending:
            if isinstance(s, (Let, Done)) and s.var in needed:
                self.kept[s.var] = self._buffer(f"{s.var.name}_kept", s.var, ())
                stores.append(Store(self.kept[s.var], tuple(map(poly, self.axes)), read(s.var)))
        self._add((*pending, *stores), ())

    def _sweep(self, loop: For, inits: Mapping[Var, Init]) -> list[Statement]:
        """A loop over rows in parts; gives what merges what the parts leave."""
        part = self._part(loop)
        changed: dict[Var, Var] = {}
        before: list[Statement] = []
        after: list[Statement] = []
        merged: list[Statement] = []
        for var in dict.fromkeys(s.var for s in statements((loop,)) if isinstance(s, Fold) and s.var in inits):
            start = inits[var]
            dtype = accumulated(var.dtype)
            total = var if var.dtype is dtype else variable(self.taken.unique(f"{var.name}_total"), dtype, var.axes)
            changed[var] = total
            copies = self._buffer(f"{var.name}_part", total, (part.number,))
            place = tuple(map(poly, (*self.axes, part.number)))
            before.append(replace(start, var=total))
            after += [Done(total, start.monoid, start.over), Store(copies, place, read(total))]
            over = (part.number,)
            merged += [Init(total, start.monoid, over), For(part.number, SERIAL, (Fold(total, start.monoid, Load(copies, place), over),))]
            merged.append(Done(total, start.monoid, over))
            if total is not var:
                merged.append(Let(var, cast(read(total), var.dtype)))
        self._add((*before, _in_part(loop, self._longest(loop), part, changed), *after), (part.number,))
        return merged

    def _longest(self, loop: For) -> Index:
        return max(_chain(loop), key=lambda s: self.estimate(s.axis.extent)).axis

    def _part(self, loop: For) -> Part:
        found = next(s for s in _chain(loop) if s.axis is self._longest(loop))
        extent, points = found.axis.extent, least(found, False)
        size = self.derived.named(extent, "part", (floordiv(extent, points * PARTS) + 1) * points)
        count = self.derived.named(extent, "parts", floordiv(extent - 1, size) + 1)
        level = 1 + max(s.axis.level for s in statements(self.kernel.body) if isinstance(s, For))
        return Part(Index(level, count), size)

    def _buffer(self, name: str, var: Var, inner: tuple[Index, ...]) -> Buffer:
        made = Buffer(self.taken.unique(name), tuple(a.extent for a in (*self.axes, *inner)), var.dtype)
        self.buffers.append(made)
        return made

    def _add(self, body: tuple[Statement, ...], inner: tuple[Index, ...]) -> None:
        """A kernel that does this for each row, or for each part of one; it reads again what earlier ones kept."""
        again = [Let(v, Load(self.kept[v], tuple(map(poly, self.axes)))) for v in _read(body) if v in self.kept]
        body = (*again, *body)
        for a in reversed((*self.axes, *inner)):
            body = (For(a, SERIAL, body, parallel=True),)
        free = (letter for n in range(1000) if (letter := algebra.letter(n)) not in self.kernel.names.values())
        names = {**self.kernel.names, **dict(zip(inner or self._numbers(body), free, strict=False))}
        title = self.titles.unique(f"{self.kernel.name}_{len(self.kernels) + 1}")
        self.kernels.append(Kernel(title, body, *touched(body), (), names))

    def _numbers(self, body: tuple[Statement, ...]) -> list[Index]:
        return [s.axis for s in statements(body) if isinstance(s, For) and s.axis not in self.kernel.names]

    # Scratch, which a kernel has for a row at a time, as memory for every row.

    def moved(self, s: Statement) -> Statement:
        match s:
            case For():
                return replace(s, body=tuple(map(self.moved, s.body)))
            case Let(_, value) | Fold(_, _, value):
                return replace(s, value=self._reading(value))
            case Store(memory, subscripts, value, where):
                condition = None if where is None else self._reading(where)
                made = replace(s, value=self._reading(value), where=condition)
                if not isinstance(memory, Scratch):
                    return made
                return replace(made, memory=self._row(memory), subscripts=(*map(poly, self.axes), *subscripts))
            case _:
                return s

    def _reading(self, value: Scalar) -> Scalar:
        def change(load: Load) -> Scalar:
            if not isinstance(load.tensor, Scratch):
                return load
            return Load(self._row(load.tensor), (*map(poly, self.axes), *load.subscripts))

        return walk.rewrite(value, {}, change)

    def _row(self, scratch: Scratch) -> Buffer:
        if scratch not in self.rows:
            extents = (*(a.extent for a in self.axes), *scratch.extents)
            self.rows[scratch] = Buffer(self.taken.unique(scratch.name), extents, scratch.dtype)
            self.buffers.append(self.rows[scratch])
        return self.rows[scratch]


def _read(body: Sequence[Statement]) -> list[Var]:
    """The variables that statements read."""
    found: dict[Tensor, None] = {}
    for s in statements(tuple(body)):
        found |= dict.fromkeys(load.tensor for value in scalars(s) for load in walk.loads(value))
    return [t for t in found if isinstance(t, Var)]


def _in_part(loop: For, axis: Index, part: Part, changed: Mapping[Var, Var]) -> For:
    """A loop whose points of an axis are those of a part, with other accumulators."""

    def go(s: Statement) -> Statement:
        match s:
            case For():
                return replace(s, body=tuple(map(go, s.body)), part=part if s.axis is axis else None)
            case Fold(var, _, value) if var in changed:
                return replace(s, var=changed[var], value=cast(value, changed[var].dtype))
            case _:
                return s

    made = go(loop)
    assert isinstance(made, For)
    return made
