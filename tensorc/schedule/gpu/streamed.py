"""The kernel of rules that stream along an axis: for each pass a loop over tiles of it, and rows in registers for what is found.

Within a tile a reduction along the axis is one of the tile's points alone, which is then combined with the row. Pointwise values of a tile
are made again wherever they are read: in registers they are there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tensorc.algebra import Index, Poly, poly, substitute
from tensorc.ir import build as scalars
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Load, Scalar
from tensorc.loops.nest import (
    SERIAL,
    Bind,
    Buffer,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Scratch,
    Statement,
    Store,
    Update,
    Var,
    read,
    touched,
    variable,
)
from tensorc.schedule import online
from tensorc.schedule.gpu.nest import Block
from tensorc.schedule.gpu.space import Space
from tensorc.schedule.gpu.stream import Passes, member, needed
from tensorc.schedule.memory import Names, Storage, lower
from tensorc.schedule.narrow import narrowed
from tensorc.schedule.rules import Rule


def kernel(
    name: str, space: Space, grid: Sequence[Block], inner: Sequence[Block], passes: Passes, storage: Storage, names: Names
) -> Kernel:
    """The kernel of a space that streams. All inner axes but that of the passes are whole."""
    return _Builder(space, dict((*grid, *inner)), tuple(a for a, _ in grid), passes, storage, Names(names.taken)).kernel(name)


@dataclass(eq=False)
class _Builder:
    space: Space
    blocks: dict[Index, int]
    grid: tuple[Index, ...]
    passes: Passes
    storage: Storage
    names: Names
    vars: dict[tuple[Rule, str], Var] = field(default_factory=dict)
    rows: dict[Rule, tuple[Scratch, tuple[Poly, ...]]] = field(default_factory=dict)

    @property
    def axis(self) -> Index:
        return self.passes.axis

    def kernel(self, name: str) -> Kernel:
        letters = self.names.letters(self.space.loops)
        for r in self.space.rules:
            if self.space.over[r]:
                self.rows[r] = self._row(r)
        body: list[Statement] = []
        for number in range(self.passes.count):
            body += self._outside(number) + self._pass(number)
        body += self._outside(self.passes.count)
        nest = tuple(body)
        for a in reversed(self.grid):
            nest = (For(a, self._bind(a), nest, parallel=True),)
        return Kernel(name, nest, *touched(nest), tuple(m for m, _ in self.rows.values()), letters)

    # Where values live.

    def _row(self, r: Rule) -> tuple[Scratch, tuple[Poly, ...]]:
        axes = [a for a in self.space.out[r] if a not in self.grid or self.blocks[a] > 1]
        few = {a: self.blocks[a] for a in axes if a in self.grid or a is self.axis}
        extents = tuple(poly(few[a]) if a in few else a.extent for a in axes)
        place = tuple(poly(a) % few[a] if a in few else poly(a) for a in axes)
        return Scratch(self.names.unique(f"{r.name}_row"), extents, r.body.dtype), place

    def _var(self, r: Rule, what: str = "") -> Var:
        if (r, what) not in self.vars:
            self.vars[r, what] = variable(self.names.unique(f"{r.name}{what}"), r.body.dtype, self.space.out[r])
        return self.vars[r, what]

    def _bind(self, a: Index) -> Bind:
        return SERIAL if self.blocks[a] == 1 else Bind("unroll", self.blocks[a])

    def _loops(self, axes: Sequence[Index], body: Sequence[Statement]) -> tuple[Statement, ...]:
        found = tuple(body)
        for a in reversed([a for a in axes if a not in self.grid]):
            found = (For(a, self._bind(a), found, within=a is self.axis),)
        return found

    def _place(self, r: Rule) -> tuple[Buffer, tuple[Poly, ...]] | None:
        found = self.storage.places.get(r)
        if found is None:
            return None
        assert isinstance(found[0], Buffer)
        return found[0], tuple(substitute(s, self.space.values[r]) for s in found[1])

    def _value(self, r: Rule, number: int) -> Scalar:
        """The body in a pass."""

        def memory(load: Load) -> Load:
            p = self.space.members.get(load.tensor)
            if p is None:
                return self.storage.load(load)
            is_here = p not in self.rows or self.passes.reads_running(r, p, number)
            return read(self._var(p)) if is_here else Load(*self.rows[p])

        return lower(r.body, self.space.values[r], memory)

    # Values.

    def _made(self, r: Rule, number: int) -> list[Statement]:
        """The pointwise rules that a rule reads, in registers for the point at hand."""
        found: dict[Rule, None] = {}
        stack = [(p, False) for p in self._read(r)]
        while stack:
            p, done = stack.pop()
            if done:
                found.setdefault(p)
            elif p not in found and not self.space.over[p]:
                stack += [(p, True), *((q, False) for q in self._read(p))]
        return [Let(self._var(p), self._value(p, number)) for p in found]

    def _read(self, r: Rule) -> list[Rule]:
        return [p for p in dict.fromkeys(self.space.members.get(load.tensor) for load in r.loads) if p is not None]

    def _reduction(self, r: Rule, var: Var, number: int) -> list[Statement]:
        """A reduction over one axis: of the tile, where that is the axis of the passes."""
        assert r.monoid is not None
        (axis,) = over = self.space.over[r]
        inside = [*self._made(r, number), Fold(var, r.monoid, self._value(r, number), over)]
        return [Init(var, r.monoid, over, self._bind(axis)), *self._loops(over, inside), Done(var, r.monoid, over)]

    def _kept(self, r: Rule, number: int) -> tuple[Statement, ...]:
        """A reduction over another axis than that of the passes, in its row."""
        made = self._reduction(r, self._var(r), number)
        return self._loops(self.space.out[r], [*made, Store(*self.rows[r], read(self._var(r)))])

    def _stored(self, r: Rule, number: int) -> tuple[Statement, ...]:
        """A value stored for others than this kernel."""
        place = self._place(r)
        if place is None:
            return ()
        if r in self.rows:
            return self._loops(self.space.out[r], [Store(*place, Load(*self.rows[r]))])
        return self._loops(self.space.out[r], [*self._made(r, number), Store(*place, self._value(r, number))])

    # Passes.

    def _outside(self, number: int) -> list[Statement]:
        """The rules without the axis that can be made before a pass, and not earlier."""
        found: list[Statement] = []
        for r in self.space.rules:
            if self.axis not in self.space.of(r) and self.passes.first[r] == number:
                found += (*(self._kept(r, number) if r in self.rows else ()), *self._stored(r, number))
        return found

    def _pass(self, number: int) -> list[Statement]:
        wanted, also = needed(self.space, self.passes, number, lambda r: self._place(r) is not None)
        reductions = [r for r in wanted if self.axis in self.space.over[r]]
        body: list[Statement] = []
        here = [r for r in self.space.rules if r in wanted or r in also]
        only = narrowed([member(self.space, r, self.storage.places.get(r) if r in wanted else None) for r in here], self.axis)
        for r in here:
            if r in reductions:
                body += self._found(r, number)
                continue
            body += self._kept(r, number) if r in self.rows else ()
            body += self._stored(r, number) if r in wanted else ()
        before = [s for r in reductions for s in self._loops(self.space.out[r], [Store(*self.rows[r], self._identity(r))])]
        after = [s for r in reductions for s in self._stored(r, number)]
        return [*before, For(self.axis, Bind("tile", self.passes.tile), tuple(body), only=only), *after]

    def _identity(self, r: Rule) -> Scalar:
        assert r.monoid is not None
        return scalars.constant(MONOIDS[r.monoid].identity(r.body.dtype), r.body.dtype)

    def _found(self, r: Rule, number: int) -> tuple[Statement, ...]:
        """A tile's reduction, and the row combined with it."""
        assert r.monoid is not None
        part, row = self._var(r, "_part"), Load(*self.rows[r])
        made = self._reduction(r, part, number)
        scale = self.passes.scales.get(r)
        by = self._scales(r)
        if by:
            top, member = self._var(r, "_top"), by[0].of
            made += [Let(top, online.step(row, read(part), member)), Let(self._var(r), online.finite(read(top), member))]
            made += [Let(self._var(r, f"_scale{n}"), online.factor(s, row, read(self._var(r)))) for n, s in enumerate(by)]
            made.append(Store(*self.rows[r], read(top)))
        elif scale is not None:
            factor = read(self._var(scale.of, f"_scale{self._scales(scale.of).index(scale.by)}"))
            made.append(Store(*self.rows[r], scalars.apply("add", scalars.apply("mul", row, factor), read(part))))
        else:
            made.append(Update(*self.rows[r], r.monoid, read(part), ()))
        return self._loops(self.space.out[r], made)

    def _scales(self, top: Rule) -> list[online.Scale]:
        """How sums are rescaled when this maximum grows."""
        return list(dict.fromkeys(s.by for s in self.passes.scales.values() if s.of is top))
