"""The order in which the rules of a space run inside of the loops of its grid, and the kernel of that nest.

Nothing is kept in memory between the sweeps of a nest. A value that another sweep reads is made there again where it is pointwise: what
holds a whole axis in one block finds that it has it already. What is reduced inside of a sweep over a whole axis, or accumulates over such
axes, is kept in `Scratch`, all of whose axes are whole or bound around it: a block value by another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tensorc.algebra import Index, Poly, indices, poly, substitute
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
from tensorc.schedule.gpu.space import Space
from tensorc.schedule.memory import Names, Storage, lower
from tensorc.schedule.rules import Rule

Block = tuple[Index, int]
"""A loop, and how many points of it are taken at a time."""


@dataclass(frozen=True, eq=False)
class Sweep:
    axis: Index
    body: tuple[Part, ...]


Part = Sweep | Rule


def sweeps(space: Space, members: Sequence[Rule], inner: Sequence[Index]) -> tuple[Part, ...]:
    """The rules in loops over the inner axes, the outermost first: a reader of what is reduced over an axis is in a later sweep over it."""
    if not inner:
        return tuple(members)
    axis, rest = inner[0], inner[1:]
    stages = _stages(space, members, axis)
    parts: list[Part] = []
    for stage in sorted(set(stages.values())):
        group = [r for r in members if stages[r] == stage]
        body = sweeps(space, group, rest)
        parts += [Sweep(axis, body)] if stage % 2 else body
    return tuple(parts)


def _stages(space: Space, members: Sequence[Rule], axis: Index) -> dict[Rule, int]:
    """Even stages stand outside of the loop, odd ones in a sweep. What every program finds for itself comes before all else, when no row
    is in registers yet.
    """
    stages: dict[Rule, int] = {}
    start = 2 if any(r.repeated and axis in space.over[r] for r in members) else 0
    for r in members:
        low = 0 if r.repeated else start
        for load in r.loads:
            p = space.members.get(load.tensor)
            if p in stages:
                low = max(low, stages[p] + (axis in space.over[p]))
        has = axis in space.of(r)
        stages[r] = low if low % 2 == has else low + 1
    return stages


def rules_of(parts: Sequence[Part]) -> Iterator[Rule]:
    for p in parts:
        if isinstance(p, Rule):
            yield p
        else:
            yield from rules_of(p.body)


def kernel(name: str, space: Space, grid: Sequence[Block], inner: Sequence[Block], storage: Storage, names: Names) -> Kernel:
    """The kernel of a space: the loops of the grid around all, the inner ones around what they are loops of."""
    return _Builder(space, dict((*grid, *inner)), tuple(a for a, _ in grid), storage, Names(names.taken)).kernel(
        name, sweeps(space, space.rules, [a for a, _ in inner])
    )


@dataclass(eq=False)
class _Site:
    """Where a rule's body stands: the sweeps around it, by number, and their axes; `made` of them are around where its value is there."""

    sweeps: tuple[int, ...]
    axes: tuple[Index, ...]
    made: int


@dataclass(eq=False)
class _Builder:
    space: Space
    blocks: dict[Index, int]
    grid: tuple[Index, ...]
    storage: Storage
    names: Names
    sites: dict[Rule, _Site] = field(default_factory=dict)
    vars: dict[Rule, Var] = field(default_factory=dict)
    rows: dict[Rule, tuple[Scratch, tuple[Poly, ...]]] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    def kernel(self, name: str, nest: Sequence[Part]) -> Kernel:
        self._locate(nest, (), ())
        letters = self.names.letters(self.space.loops)
        for r in self.space.rules:
            if self._accumulates(r) or (self.space.over[r] and not all(self._in_scope(r, other) for other in self._later(r))):
                self.rows[r] = self._row(r)
        body = self._parts(nest, {})
        for a in reversed(self.grid):
            body = (For(a, self._bind(a), body, parallel=True),)
        scratch = tuple(dict.fromkeys(m for m, _ in self.rows.values()))
        return Kernel(name, body, *touched(body), scratch, letters)

    # Where values live.

    def _locate(self, parts: Sequence[Part], sweeps: tuple[int, ...], axes: tuple[Index, ...]) -> None:
        for p in parts:
            if isinstance(p, Rule):
                over = self.space.over[p]
                self.sites[p] = _Site(sweeps, axes, next((n for n, a in enumerate(axes) if a in over), len(axes)))
            else:
                number = self.numbers.setdefault(id(p), len(self.numbers))
                self._locate(p.body, (*sweeps, number), (*axes, p.axis))

    @cached_property
    def _readers(self) -> dict[Rule, list[Rule]]:
        readers: dict[Rule, list[Rule]] = {r: [] for r in self.space.rules}
        for r in self.space.rules:
            for p in {self.space.members[load.tensor] for load in r.loads if load.tensor in self.space.members}:
                readers[p].append(r)
        return readers

    def _later(self, r: Rule) -> list[Rule]:
        """The rules that read r, and those that make again what reads it."""
        found: dict[Rule, None] = {}
        stack = [r]
        while stack:
            for reader in self._readers[stack.pop()]:
                if reader not in found:
                    found[reader] = None
                    if not self.space.over[reader]:
                        stack.append(reader)
        return list(found)

    def _accumulates(self, r: Rule) -> bool:
        """Whether axes of the result are bound inside of the loops that reduce."""
        site = self.sites[r]
        return not set(self.space.out[r]) <= {*self.grid, *site.axes[: site.made]}

    def _in_scope(self, p: Rule, r: Rule) -> bool:
        """Whether the place where p's value is made is around r's body."""
        made = self.sites[p].made
        return p not in self.rows and self.sites[r].sweeps[:made] == self.sites[p].sweeps[:made]

    def _row(self, r: Rule) -> tuple[Scratch, tuple[Poly, ...]]:
        """Registers for a value that other sweeps read: an element for each point of the axes that are not single points around all."""
        site = self.sites[r]
        around = site.made
        for other in self._later(r):
            pairs = zip(site.sweeps[:around], self.sites[other].sweeps, strict=False)
            around = next((n for n, (a, b) in enumerate(pairs) if a != b), min(around, len(self.sites[other].sweeps)))
        bound = {*self.grid, *site.axes[:around]}
        axes = [a for a in self.space.out[r] if a not in bound or self.blocks[a] > 1]
        few = {a: poly(self.blocks[a]) for a in axes if a in bound}
        made = Scratch(self.names.unique(f"{r.name}_row"), tuple(few.get(a, a.extent) for a in axes), r.body.dtype)
        return made, tuple(poly(a) % few[a] if a in few else poly(a) for a in axes)

    def _var(self, r: Rule) -> Var:
        if r not in self.vars:
            self.vars[r] = variable(self.names.unique(r.name), r.body.dtype, self.space.out[r])
        return self.vars[r]

    def _bind(self, a: Index) -> Bind:
        return SERIAL if self.blocks[a] == 1 else Bind("unroll", self.blocks[a])

    def _value(self, r: Rule) -> Scalar:
        def memory(load: Load) -> Load:
            p = self.space.members.get(load.tensor)
            if p is None:
                return self.storage.load(load)
            return Load(*self.rows[p]) if p in self.rows else read(self._var(p))

        return lower(r.body, self.space.values[r], memory)

    def _place(self, r: Rule) -> tuple[Buffer, tuple[Poly, ...]] | None:
        """Where the value is stored for others than this kernel."""
        found = self.storage.places.get(r)
        if found is None:
            return None
        assert isinstance(found[0], Buffer)
        return found[0], tuple(substitute(s, self.space.values[r]) for s in found[1])

    # Statements.

    def _parts(self, parts: Sequence[Part], made: dict[Rule, Scalar]) -> tuple[Statement, ...]:
        """`made` are the pointwise rules whose variables are in scope, with their values."""
        here = dict(made)
        found: list[Statement] = []
        for p in parts:
            if isinstance(p, Rule):
                found += self._point(p, here)
            else:
                found += self._sweep(p, here)
        return tuple(found)

    def _point(self, r: Rule, here: dict[Rule, Scalar]) -> list[Statement]:
        found = self._again(r, here)
        value, over = self._value(r), self.space.over[r]
        if r in self.rows and self._accumulates(r):
            assert r.monoid is not None
            return [*found, Update(*self.rows[r], r.monoid, value, over, self._exists(r))]
        if over:
            assert r.monoid is not None
            return [*found, Fold(self._var(r), r.monoid, self._term(r, value), over)]
        return found + self._define(r, value, here) + self._stored(r, here)

    def _again(self, r: Rule, here: dict[Rule, Scalar]) -> list[Statement]:
        """The pointwise rules that r reads and whose variables are not in scope, made here too."""
        found: list[Statement] = []
        stack = [(r, False)]
        while stack:
            p, done = stack.pop()
            if done:
                found += self._define(p, self._value(p), here)
                continue
            for load in p.loads:
                q = self.space.members.get(load.tensor)
                if q is not None and q not in here and q not in self.rows and not self.space.over[q]:
                    stack += [(q, True), (q, False)]
        return found

    def _define(self, r: Rule, value: Scalar, here: dict[Rule, Scalar]) -> list[Statement]:
        if r in here or not self._readers[r]:
            here.setdefault(r, value)
            return []
        here[r] = value
        return [Let(self._var(r), value)]

    def _stored(self, r: Rule, here: dict[Rule, Scalar]) -> list[Statement]:
        place = self._place(r)
        if place is None:
            return []
        value = read(self._var(r)) if self._readers[r] else here[r]
        return [Store(*place, value, self._exists(r))]

    def _exists(self, r: Rule) -> Scalar | None:
        guard = self.space.exists[r]
        return None if guard is None else scalars.nonnegative(guard)

    def _result_exists(self, r: Rule) -> Scalar | None:
        """The same for the result of a reduction."""
        guard = self.space.exists[r]
        return None if guard is None or indices(guard) & set(self.space.over[r]) else scalars.nonnegative(guard)

    def _term(self, r: Rule, value: Scalar) -> Scalar:
        """The value to fold: the identity where there is no such point."""
        guard = self._exists(r)
        return value if guard is None or self._result_exists(r) else scalars.select(guard, value, self._identity(r))

    def _identity(self, r: Rule) -> Scalar:
        assert r.monoid is not None
        return scalars.constant(MONOIDS[r.monoid].identity(r.body.dtype), r.body.dtype)

    def _sweep(self, s: Sweep, here: dict[Rule, Scalar]) -> list[Statement]:
        before: list[Statement] = []
        after: list[Statement] = []
        for r in rules_of(s.body):
            site, over = self.sites[r], self.space.over[r]
            if s.axis not in over or site.axes[site.made] is not s.axis:
                continue
            assert r.monoid is not None
            if self._accumulates(r):
                before += self._along(r, (Store(*self.rows[r], self._identity(r)),))
                place = self._place(r)
                if place is not None:
                    after += self._along(r, (Store(*place, Load(*self.rows[r]), self._result_exists(r)),))
                continue
            wide = next((self._bind(a) for a in over if self.blocks[a] > 1), SERIAL)
            before.append(Init(self._var(r), r.monoid, over, wide))
            after.append(Done(self._var(r), r.monoid, over))
            if r in self.rows:
                after.append(Store(*self.rows[r], read(self._var(r))))
            place = self._place(r)
            if place is not None:
                after.append(Store(*place, read(self._var(r)), self._result_exists(r)))
        return [*before, For(s.axis, self._bind(s.axis), self._parts(s.body, here)), *after]

    def _along(self, r: Rule, body: tuple[Statement, ...]) -> list[Statement]:
        """Statements for every element of registers that accumulate, in loops over the axes that are not bound around."""
        site = self.sites[r]
        for a in reversed([a for a in self.space.out[r] if a not in self.grid and a not in site.axes[: site.made]]):
            body = (For(a, self._bind(a), body),)
        return list(body)
