"""Shares out among threads what a nest's outer loops reduce: the loops in parts, with an accumulator for each, then a kernel that merges.

    acc s = sum over i, vector 4                      for c in C: parallel serial
    for i in N: vector 4                                acc s = sum over i, vector 4
      s sum= x[i]                                       for i in N, part c of T: vector 4
    done s                                                s sum= x[i]
    s = s                                               done s
                                                        s_part[c] = s

The size of a part follows from the extent alone, so that the bits of a result do not depend on the number of threads; and there are never
more than some ten parts of an axis, so that merging them costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tensorc import algebra
from tensorc.algebra import Index, Poly, floordiv, poly
from tensorc.dtypes import DType, f32
from tensorc.ir import build, walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Const, Load, Scalar
from tensorc.loops.nest import (
    SERIAL,
    Bind,
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
    Update,
    Var,
    read,
    scalars,
    statements,
    touched,
    variable,
)
from tensorc.loops.work import SMALL, work
from tensorc.schedule.derived import Derived
from tensorc.schedule.memory import Names

POINTS, ROWS = 8192, 64
"""The points of a part are a multiple of so many, along lanes and along other loops where memory has a copy for each part."""

PART = 1 << 16
"""The work in a part, about and at least, along loops of rows whose totals are held in registers."""

PARTS = 64
"""Parts of an axis, at most, where one of them is reduced."""

FEW = 16
"""Parts of an axis, at most, where several are reduced into memory, which has a copy for each of their parts."""


@dataclass(frozen=True)
class _Total:
    """What is accumulated over all of a kernel's outer loop.

    In registers: `kept` and `home` are the variable, `axes` is empty. In memory: `home` is the memory, which has an element at
    `subscripts` for each point of the loops in `fill`.
    """

    home: Var | Memory
    monoid: str
    over: tuple[Index, ...]
    fill: Statement | None

    @property
    def dtype(self) -> DType:
        return accumulated(self.home.dtype)

    @property
    def axes(self) -> tuple[Index, ...]:
        """The axes of the result, the outermost first."""
        return () if self.fill is None else tuple(s.axis for s in statements((self.fill,)) if isinstance(s, For))


@dataclass(frozen=True)
class _Nest:
    """A kernel's body: what starts the totals, the loop, what ends them and follows."""

    totals: tuple[_Total, ...]
    inits: tuple[Init, ...]
    root: For
    after: tuple[Statement, ...]


def share(kernel: Kernel, names: Names, titles: Names, derived: Derived) -> tuple[tuple[Kernel, ...], tuple[Buffer, ...]]:
    """The kernels that do what a kernel does, and the memory in which the first leaves its totals for the second."""
    nest = _nest(kernel.body)
    parts = {} if nest is None else _parts(nest, derived)
    if nest is None or not parts:
        return (kernel,), ()
    local = {s.var.name for s in statements(kernel.body) if isinstance(s, (Let, Init))} | {s.name for s in kernel.scratch}
    taken = Names(names.taken | local)
    copies: dict[_Total, Buffer] = {}
    merged: dict[_Total, Var] = {}
    for t in nest.totals:
        numbers = [p.number.extent for a, p in parts.items() if a in t.over]
        name = taken.unique(f"{t.home.name}_part")
        names.taken.add(name)
        copies[t] = Buffer(name, (*numbers, *(a.extent for a in t.axes)), t.dtype)
        kept = isinstance(t.home, Var) and t.home.dtype is t.dtype
        merged[t] = t.home if kept and isinstance(t.home, Var) else variable(taken.unique(f"{t.home.name}_total"), t.dtype, t.axes)
    made = _Sharing(kernel, nest, parts, copies, merged)
    return (made.first(), made.second(titles.unique(f"{kernel.name}_merge"))), tuple(copies.values())


# What a kernel accumulates.


def _nest(body: tuple[Statement, ...]) -> _Nest | None:
    """The totals of a nest and its loop, where the loop's points can be taken in any grouping."""
    reducing = [n for n, s in enumerate(body) if isinstance(s, For) and not s.parallel and _is_reduced(s)]
    if len(reducing) != 1:
        return None
    before, root, after = body[: reducing[0]], body[reducing[0]], body[reducing[0] + 1 :]
    assert isinstance(root, For)
    inits = tuple(s for s in before if isinstance(s, Init))
    fills = [s for s in before if not isinstance(s, Init)]
    filled = {store.memory: fill for fill in fills if (store := _filled(fill)) is not None}
    if len(filled) < len(fills):
        return None
    totals = [_Total(s.var, s.monoid, s.over, None) for s in inits]
    for s in statements(root.body):
        if isinstance(s, Update) and s.memory in filled and _adds(s, root):
            totals.append(_Total(s.memory, s.monoid, s.over or (root.axis,), filled[s.memory]))
    if len(totals) != len(before) or any(root.axis not in t.over for t in totals):
        return None
    return _Nest(tuple(totals), inits, root, after) if _is_regular(root, after, frozenset(filled)) else None


def _is_reduced(loop: For) -> bool:
    return any(isinstance(s, (Fold, Update)) and loop.axis in s.over for s in statements(loop.body))


def _adds(s: Update, root: For) -> bool:
    """Whether an update adds something of each point of a loop, or of each tile."""
    return root.axis in s.over or (root.bind.kind == "tile" and not s.over)


def _filled(s: Statement) -> Store | None:
    """The store of a constant that a nest of loops does at every point."""
    while isinstance(s, For) and len(s.body) == 1:
        (s,) = s.body
    return s if isinstance(s, Store) and isinstance(s.value, Const) and s.where is None else None


def _is_regular(root: For, after: Sequence[Statement], filled: frozenset[Memory]) -> bool:
    """Whether the points of a loop are independent but for its totals, and leave nothing in scratch for what follows."""
    for s in statements(root.body):
        match s:
            case Carry() | SortRow():
                return False
            case Store(memory, places) | Update(memory, places):
                total = isinstance(s, Update) and memory in filled and _adds(s, root)
                apart = isinstance(memory, Scratch) or root.axis in set[Index]().union(*map(algebra.indices, places))
                if any(map(algebra.elements, places)) or not (total or (apart and memory not in filled)):
                    return False
            case _:
                pass
        if any(load.tensor in filled for value in scalars(s) for load in walk.loads(value)):
            return False
    return not (_scratch(root.body) - filled) & _scratch(after)


def _scratch(body: Sequence[Statement]) -> frozenset[Memory]:
    found: set[Memory] = set()
    for s in statements(tuple(body)):
        found |= {load.tensor for value in scalars(s) for load in walk.loads(value) if isinstance(load.tensor, Scratch)}
        match s:
            case Store(Scratch() as memory) | Update(Scratch() as memory):
                found.add(memory)
            case _:
                pass
    return frozenset(found)


# Parts.


def _parts(nest: _Nest, derived: Derived) -> dict[Index, Part]:
    """The outer loops that are taken in parts, those of an extent that is not known to be small; none where there is little to do."""
    total = work((nest.root,)).constant
    if total is not None and total < 2 * SMALL:
        return {}
    loops = list(_perfect(nest.root))
    reduced = [s for s in loops if any(s.axis in t.over for t in nest.totals)]
    most = FEW if (len(reduced) > 1 or nest.root.bind.kind == "tile") and any(t.fill is not None for t in nest.totals) else PARTS
    level = 1 + max(s.axis.level for s in statements((nest.root,)) if isinstance(s, For))
    found: dict[Index, Part] = {}
    for s in loops:
        extent, points = s.axis.extent, least(s, any(t.fill is not None for t in nest.totals))
        if extent.constant is None or points.constant is None or extent.constant > points.constant:
            size = derived.named(extent, "part", (floordiv(extent, points * most) + 1) * points)
            count = derived.named(extent, "parts", floordiv(extent - 1, size) + 1)
            found[s.axis] = Part(Index(level + len(found), count), size)
    return found if any(s.axis in found for s in reduced) else {}


def least(loop: For, in_memory: bool) -> Poly:
    """What the number of points of a part is a multiple of: of the loop's block, and large enough. `in_memory`: memory has a copy of
    something for each part.
    """
    if loop.bind.kind == "vector":
        return poly(POINTS)
    if loop.bind.kind == "tile":
        return poly(loop.bind.count)
    count = loop.bind.count
    if in_memory:
        return poly(ROWS + -ROWS % count)
    return (floordiv(poly(PART), work(loop.body) * count + 1) + 1) * count


def _perfect(loop: For) -> Iterator[For]:
    """A loop and those inside of it, as long as nothing stands beside them."""
    yield loop
    match loop:
        case For(_, bind, (For() as inner,)) if bind.kind in ("serial", "unroll") and inner.bind.kind != "tile":
            yield from _perfect(inner)
        case _:
            pass


# The two kernels.


@dataclass(frozen=True)
class _Sharing:
    kernel: Kernel
    nest: _Nest
    parts: dict[Index, Part]
    copies: dict[_Total, Buffer]
    merged: dict[_Total, Var]  # what each total is held in when it is complete, and in registers before

    @cached_property
    def _totals(self) -> dict[Var | Memory, _Total]:
        return {t.home: t for t in self.nest.totals}

    def first(self) -> Kernel:
        """Each part with accumulators of its own."""
        inner: list[Statement] = [replace(s, var=self.merged[self._totals[s.var]]) for s in self.nest.inits]
        inner += [self._filled(t) for t in self.nest.totals if t.fill is not None]
        inner.append(self._loop(self.nest.root))
        for t in self.nest.totals:
            if isinstance(t.home, Var):
                inner += [Done(self.merged[t], t.monoid, t.over), Store(self.copies[t], self._place(t), read(self.merged[t]))]
        body = tuple(inner)
        for p in reversed(self.parts.values()):
            body = (For(p.number, SERIAL, body, parallel=True),)
        return self._kernel(self.kernel.name, body)

    def second(self, name: str) -> Kernel:
        """Merges the parts, in order, and goes on."""
        body: list[Statement] = []
        for t in self.nest.totals:
            body += self._merged(t)
        body += [s for s in self.nest.after if not (isinstance(s, Done) and s.var in self._totals)]
        return self._kernel(name, tuple(body))

    def _kernel(self, name: str, body: tuple[Statement, ...]) -> Kernel:
        numbers = [p.number for p in self.parts.values()]
        free = (letter for n in range(len(self.kernel.names), 1000) if (letter := algebra.letter(n)) not in self.kernel.names.values())
        names = {**self.kernel.names, **dict(zip(numbers, free, strict=False))}
        scratch = _scratch(body)
        return Kernel(name, body, *touched(body), tuple(s for s in self.kernel.scratch if s in scratch), names)

    def _numbers(self, t: _Total) -> list[Index]:
        return [p.number for a, p in self.parts.items() if a in t.over]

    def _place(self, t: _Total) -> tuple[Poly, ...]:
        return tuple(map(poly, (*self._numbers(t), *t.axes)))

    def _filled(self, t: _Total) -> Statement:
        """The identity in all of the part's copy."""
        identity = build.constant(MONOIDS[t.monoid].identity(t.dtype), t.dtype)
        body: Statement = Store(self.copies[t], self._place(t), identity)
        for n, a in enumerate(reversed(t.axes)):
            body = For(a, SERIAL if n else Bind("vector", 1), (body,), part=self.parts.get(a))
        return body

    def _loop(self, loop: For) -> For:
        part = loop.part if loop.within else self.parts.get(loop.axis, loop.part)
        return replace(loop, body=tuple(map(self._statement, loop.body)), part=part)

    def _statement(self, s: Statement) -> Statement:
        match s:
            case For():
                return self._loop(s)
            case Fold(var, _, value) if var in self._totals:
                t = self._totals[var]
                return replace(s, var=self.merged[t], value=cast(value, t.dtype))
            case Update(memory, _, _, value) if memory in self._totals:
                t = self._totals[memory]
                return replace(s, memory=self.copies[t], subscripts=self._place(t), value=cast(value, t.dtype))
            case _:
                return s

    def _merged(self, t: _Total) -> list[Statement]:
        numbers = tuple(self._numbers(t))
        home, var = t.home, self.merged[t]
        loop: Statement = Fold(var, t.monoid, Load(self.copies[t], self._place(t)), numbers)
        for a in reversed(numbers):
            loop = For(a, SERIAL, (loop,))
        body: tuple[Statement, ...] = (Init(var, t.monoid, numbers), loop, Done(var, t.monoid, numbers))
        value = cast(read(var), home.dtype)
        if isinstance(home, Var):
            return [*body, *([] if var is home else [Let(home, value)])]
        assert t.fill is not None
        store = _filled(t.fill)
        assert store is not None
        body = (*body, Store(home, store.subscripts, value))
        for n, a in enumerate(reversed(t.axes)):
            body = (For(a, SERIAL if n else Bind("vector", 1), body, parallel=True),)
        return list(body)


def accumulated(dtype: DType) -> DType:
    """What values of a dtype are accumulated in: rounding a half float comes last."""
    return f32 if dtype.is_half else dtype


def cast(value: Scalar, dtype: DType) -> Scalar:
    return value if value.dtype is dtype else build.cast(value, dtype)
