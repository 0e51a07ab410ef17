"""Kernels that do the same to other memory: what a kernel does, and what it does it to, apart."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Element, Poly
from tensorc.ir import walk
from tensorc.ir.tensor import Apply, Const, Input, Int, IsZero, Load, Nonnegative, Scalar, Select, Tensor
from tensorc.loops.nest import (
    Carry,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Memory,
    SortRow,
    Statement,
    Store,
    Update,
    Var,
)

Form = tuple[Hashable, ...]
"""What a kernel does, but for which memory it does it to. Of equal ones, the same code serves."""

About = Callable[[Memory], tuple[Hashable, Memory]]
"""What else code knows of a memory, and the memory that it is another shape of, or itself."""


def form(kernel: Kernel, about: About) -> tuple[Form, tuple[Memory, ...]]:
    """The form of a kernel, and its memory in the order in which the form speaks of it."""
    writer = _Writer(about)
    writer.statements(kernel.body)
    return tuple(writer.said), tuple(m for m in writer.numbers if not isinstance(m, Var))


class _Writer:
    """`said` is the form so far; `numbers` are those by which it calls memory and variables, and `known` those of scalars."""

    def __init__(self, about: About) -> None:
        self.about = about
        self.said: list[Hashable] = []
        self.numbers: dict[Input, int] = {}
        self.known: dict[Scalar, int] = {}

    def memory(self, m: Input) -> int:
        found = self.numbers.get(m)
        if found is None:
            found = self.numbers[m] = len(self.numbers)
            if isinstance(m, Var):
                self.said.append((Var, m.dtype, m.axes))
            else:
                known, owner = self.about(m)
                self.said.append((type(m), m.dtype, m.extents, known, None if owner is m else self.memory(owner)))
        return found

    def polys(self, every: Sequence[Poly]) -> Hashable:
        return tuple([self._of_data(p) if algebra.elements(p) else p for p in every])

    def _of_data(self, p: Poly) -> Hashable:
        """A polynomial of integers that are read: what is read where it is one alone, else itself, with what it names."""
        read = sorted(algebra.elements(p), key=lambda e: e.serial)
        if p.atom is read[0]:
            return Element, self.memory(_input(read[0].tensor)), self.polys(read[0].subscripts)
        return p, *(self.memory(_input(e.tensor)) for e in read)

    def scalar(self, s: Scalar) -> int:
        for part in walk.postorder(s):
            if part not in self.known:
                self.said.append(self._part(part))
                self.known[part] = len(self.known)
        return self.known[s]

    def _part(self, s: Scalar) -> Hashable:
        match s:
            case Const():
                return s
            case Int(p) | Nonnegative(p) | IsZero(p):
                return type(s), self.polys((p,)), s.dtype
            case Load(t, subscripts):
                return Load, self.memory(_input(t)), self.polys(subscripts)
            case Select():
                return Select, *(self.known[c] for c in walk.children(s))
            case Apply(operation, arguments, dtype):
                return operation, dtype, *(self.known[c] for c in arguments)
            case _:
                assert_never(s)

    def statements(self, body: Sequence[Statement]) -> None:
        for s in body:
            self.said.append(self._statement(s))
            if isinstance(s, For):
                self.statements(s.body)
                self.said.append(None)

    def _statement(self, s: Statement) -> Hashable:
        match s:
            case For(axis, bind, _, parallel, within, part, only):
                return For, axis, bind, parallel, within, part, self.polys(only)
            case Let(var, value):
                return Let, self.scalar(value), self.memory(var)
            case Init(var, monoid, over, bind):
                return Init, self.memory(var), monoid, over, bind
            case Fold(var, monoid, value, over):
                return Fold, self.memory(var), monoid, self.scalar(value), over
            case Done(var, monoid, over):
                return Done, self.memory(var), monoid, over
            case Carry(var, monoid, value, decay):
                return Carry, self.memory(var), monoid, self.scalar(value), None if decay is None else self.scalar(decay)
            case Store(memory, places, value, where):
                return Store, self.memory(memory), self.polys(places), self.scalar(value), None if where is None else self.scalar(where)
            case Update(memory, places, monoid, value, over, where):
                condition = None if where is None else self.scalar(where)
                return Update, self.memory(memory), self.polys(places), monoid, self.scalar(value), over, condition
            case SortRow(keys, permutation, row, extent, descending, work, first):
                return SortRow, *map(self.memory, (keys, permutation, work)), self.polys((*row, extent)), descending, first
            case _:
                assert_never(s)


def _input(t: Tensor) -> Input:
    assert isinstance(t, Input), "kernels read memory and variables"
    return t
