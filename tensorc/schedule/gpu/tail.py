"""Joins a small kernel to the one before it: the program that finishes last runs it, when all others have stored what it reads.

In the loop IR that is statements after the loops of the grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.ir.tensor import Load, Scalar
from tensorc.loops.nest import (
    Carry,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Memory,
    Scratch,
    SortRow,
    Statement,
    Store,
    Update,
    Var,
    statements,
    touched,
)
from tensorc.schedule.memory import Names, lower, lower_places


def joined(first: Kernel, last: Kernel) -> Kernel:
    """Both as one kernel. The last has no scans and no sorts."""
    taken = Names([*first.names.values(), *(m.name for k in (first, last) for m in (*k.memory, *k.scratch)), *_variables(first)])
    level = 1 + max((a.level for a in first.names), default=-1)
    axes = {a: Index(level + n, a.extent) for n, a in enumerate(last.names)}
    mover = _Mover(axes, {m: Scratch(taken.unique(m.name), m.extents, m.dtype) for m in last.scratch})
    body = (*first.body, *map(mover.statement, last.body))
    names = {**first.names, **taken.letters(axes.values())}
    return Kernel(first.name, body, *touched(body), (*first.scratch, *mover.rows.values()), names)


def _variables(kernel: Kernel) -> Iterator[str]:
    return (s.var.name for s in statements(kernel.body) if isinstance(s, (Let, Init)))


class _Mover:
    """Statements in a kernel that has axes of the same names already. No loop is parallel any more."""

    def __init__(self, axes: Mapping[Index, Index], rows: Mapping[Scratch, Scratch]) -> None:
        self.axes = axes
        self.rows = rows
        self.values: dict[Atom, Poly] = {a: poly(b) for a, b in axes.items()}

    def statement(self, s: Statement) -> Statement:
        match s:
            case For(axis, bind, body):
                return For(self.axes[axis], bind, tuple(map(self.statement, body)))
            case Let(var, value):
                return Let(self._var(var), self._scalar(value))
            case Init(var, monoid, over, bind):
                return Init(self._var(var), monoid, self._over(over), bind)
            case Fold(var, monoid, value, over):
                return Fold(self._var(var), monoid, self._scalar(value), self._over(over))
            case Done(var, monoid, over):
                return Done(self._var(var), monoid, self._over(over))
            case Store(memory, place, value, where):
                return Store(self._row(memory), self._place(place), self._scalar(value), None if where is None else self._scalar(where))
            case Update(memory, place, monoid, value, over, where):
                guard = None if where is None else self._scalar(where)
                return Update(self._row(memory), self._place(place), monoid, self._scalar(value), self._over(over), guard)
            case Carry() | SortRow():
                raise AssertionError("a scan or a sort is joined to another kernel")
            case _:
                assert_never(s)

    def _var(self, var: Var) -> Var:
        return Var(var.name, var.extents, var.dtype, self._over(var.axes))

    def _over(self, axes: tuple[Index, ...]) -> tuple[Index, ...]:
        return tuple(self.axes[a] for a in axes)

    def _place(self, place: tuple[Poly, ...]) -> tuple[Poly, ...]:
        return lower_places(place, self.values, self._load)

    def _row(self, memory: Memory) -> Memory:
        return self.rows[memory] if isinstance(memory, Scratch) else memory

    def _scalar(self, value: Scalar) -> Scalar:
        return lower(value, self.values, self._load)

    def _load(self, load: Load) -> Load:
        t = load.tensor
        assert isinstance(t, Memory)
        return Load(self._var(t) if isinstance(t, Var) else self._row(t), load.subscripts)
