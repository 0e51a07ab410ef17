"""Makes a kernel of a nest: where an axis stands decides where each value lives.

- A reduction whose result's axes are all bound outside of its loops is held in registers: `Init`, `Fold`, `Done`.
- One whose result has axes inside of its loops accumulates in memory: filled with the identity before, then `Update`.
- A value that is read where its variable is in scope is a variable; one that is read in another sweep is kept in memory too: in the
  result's or the intermediate's buffer where it has one, else in scratch over the axes that are not bound around both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tensorc.algebra import Index, Poly, poly, substitute
from tensorc.ir import build as scalars
from tensorc.ir import walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Load, Scalar
from tensorc.loops.nest import (
    SERIAL,
    Bind,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Memory,
    Scratch,
    Statement,
    Store,
    Update,
    Var,
    read,
    touched,
    variable,
)
from tensorc.schedule.axes import Space
from tensorc.schedule.bind import Access, bind
from tensorc.schedule.memory import Names, Storage, lower
from tensorc.schedule.rules import Rule
from tensorc.schedule.stages import Part, Sweep

Path = tuple[Index, ...]


def kernel(name: str, space: Space, nest: Sequence[Part], storage: Storage, names: Names) -> Kernel:
    """The kernel of a group: `nest` holds the rules of `space`. `names` are those that memory already has."""
    return _Builder(space, _locate(nest), storage, Names(names.taken)).kernel(name, nest)


@dataclass(eq=False)
class _Site:
    """Where a rule stands: the sweeps around its body, by their numbers in the nest, and how many of them are around where its value is
    made.
    """

    sweeps: tuple[int, ...]
    axes: Path
    made: int = 0
    value: Scalar | None = None


def _locate(nest: Sequence[Part]) -> dict[Rule, _Site]:
    sites: dict[Rule, _Site] = {}
    count = 0

    def go(parts: Sequence[Part], sweeps: tuple[int, ...], axes: Path) -> None:
        nonlocal count
        for p in parts:
            if isinstance(p, Rule):
                sites[p] = _Site(sweeps, axes)
            else:
                count += 1
                go(p.body, (*sweeps, count), (*axes, p.axis))

    go(nest, (), ())
    return sites


@dataclass(eq=False)
class _Builder:
    space: Space
    sites: dict[Rule, _Site]
    storage: Storage
    names: Names
    memory: dict[Rule, tuple[Memory, tuple[Poly, ...]]] = field(default_factory=dict)  # of each stored value, at the nest's axes
    blocks: dict[Index, int] = field(default_factory=dict)  # axes that loops bind to several points: to how many, 0 for lanes
    vars: dict[Rule, Var] = field(default_factory=dict)
    rows: dict[Rule, str] = field(default_factory=dict)  # the names of scratch

    def kernel(self, name: str, nest: Sequence[Part]) -> Kernel:
        for r, site in self.sites.items():
            over = self.space.over[r]
            site.made = next((n for n, a in enumerate(site.axes) if a in over), len(site.axes))
        self._place()
        bound = bind(self.space, nest, {r: self._access(r) for r in self.space.rules})
        self.blocks = dict(_wide(bound))
        if self.rows and self.blocks:
            self._place()
        body = self._parts(bound)
        scratch = dict.fromkeys(m for m, _ in self.memory.values() if isinstance(m, Scratch))
        axes = dict.fromkeys(a for r in self.space.rules for a in self.space.out[r] + self.space.over[r])
        return Kernel(name, body, *touched(body), tuple(scratch), self.names.letters(axes))

    # Where values live.

    def _place(self) -> None:
        for r in self.space.rules:
            self._store(r)
        for r in self.space.rules:
            self._lower(r)

    @cached_property
    def _readers(self) -> dict[Rule, list[Rule]]:
        readers: dict[Rule, list[Rule]] = {r: [] for r in self.space.rules}
        for r in self.space.rules:
            for p in {self.space.members[load.tensor] for load in r.loads if load.tensor in self.space.members}:
                readers[p].append(r)
        return readers

    def _accumulates(self, r: Rule) -> bool:
        """Whether axes of the result are bound inside of the loops that reduce."""
        return not set(self.space.out[r]) <= set(self.sites[r].axes[: self.sites[r].made])

    def _in_scope(self, p: Rule, r: Rule) -> bool:
        """Whether p's variable is in scope where r's body stands."""
        made = self.sites[p].made
        return not self._accumulates(p) and self.sites[r].sweeps[:made] == self.sites[p].sweeps[:made]

    def _store(self, r: Rule) -> None:
        place = self.storage.places.get(r)
        if place is not None:
            values = self.space.values(r)
            self.memory[r] = (place[0], tuple(substitute(s, values) for s in place[1]))
        elif self._accumulates(r) or not all(self._in_scope(r, reader) for reader in self._readers[r]):
            self.memory[r] = self._row(r)

    def _row(self, r: Rule) -> tuple[Scratch, tuple[Poly, ...]]:
        """Scratch for a value that other sweeps read: over its axes that are not bound, a point at a time, around all of them."""
        mine = self.sites[r].sweeps[: self.sites[r].made]
        around = len(mine)
        for reader in self._readers[r]:
            other = self.sites[reader].sweeps
            around = next((n for n, (a, b) in enumerate(zip(mine[:around], other, strict=False)) if a != b), min(around, len(other)))
        bound = self.sites[r].axes[:around]
        axes = [a for a in self.space.out[r] if a not in bound or a in self.blocks]
        axes.sort(key=lambda a: a in bound and not self.blocks[a])  # lanes that are bound outside are neighbours
        if r not in self.rows:
            self.rows[r] = self.names.unique(f"{r.name}_row")
        few = {a: poly(count) for a in bound if (count := self.blocks.get(a))}  # of an unrolled axis, the points of a block
        made = Scratch(self.rows[r], tuple(few.get(a, a.extent) for a in axes), r.body.dtype)
        return made, tuple(poly(a) % few[a] if a in few else poly(a) for a in axes)

    # Values.

    def _lower(self, r: Rule) -> None:
        def memory(load: Load) -> Load:
            p = self.space.members.get(load.tensor)
            if p is None:
                return self.storage.load(load)
            return read(self._var(p)) if self._in_scope(p, r) else Load(*self.memory[p])

        self.sites[r].value = lower(r.body, self.space.values(r), memory)

    def _loads(self, r: Rule) -> tuple[Load, ...]:
        value = self.sites[r].value
        return () if value is None else walk.loads(value)

    def _var(self, r: Rule) -> Var:
        if r not in self.vars:
            self.vars[r] = variable(self.names.unique(r.name), r.body.dtype, self.space.out[r])
        return self.vars[r]

    def _access(self, r: Rule) -> Access:
        loads = tuple(load for load in self._loads(r) if not isinstance(load.tensor, Var))
        stores = (self.memory[r][1],) if r in self.memory else ()
        return Access(loads, stores, self._accumulates(r))

    # Statements.

    def _parts(self, parts: Sequence[Part]) -> tuple[Statement, ...]:
        made: list[Statement] = []
        for p in parts:
            made += self._point(p) if isinstance(p, Rule) else self._sweep(p)
        return tuple(made)

    def _point(self, r: Rule) -> list[Statement]:
        value, over = self.sites[r].value, self.space.over[r]
        assert value is not None
        if self._accumulates(r):
            assert r.monoid is not None
            return [Update(*self.memory[r], r.monoid, value, over)]
        if over:
            assert r.monoid is not None
            return [Fold(self._var(r), r.monoid, value, over)]
        made: list[Statement] = []
        if r in self.vars:
            made.append(Let(self.vars[r], value))
            value = read(self.vars[r])
        if r in self.memory:
            made.append(Store(*self.memory[r], value))
        return made

    def _sweep(self, s: Sweep) -> list[Statement]:
        before: list[Statement] = []
        after: list[Statement] = []
        for r, path in _under(s, ()):
            over = self.space.over[r]
            if s.axis not in over or self.sites[r].axes[self.sites[r].made] is not s.axis:
                continue
            assert r.monoid is not None
            if self._accumulates(r):
                before += self._fill(r)
                continue
            wide = next((loop.bind for loop in path if loop.axis in over and loop.bind is not SERIAL), SERIAL)
            before.append(Init(self._var(r), r.monoid, over, wide))
            after.append(Done(self._var(r), r.monoid, over))
            if r in self.memory:
                after.append(Store(*self.memory[r], read(self.vars[r])))
        return [*before, For(s.axis, s.bind, self._parts(s.body), s.parallel), *after]

    def _fill(self, r: Rule) -> list[Statement]:
        """The identity everywhere in a memory accumulator."""
        assert r.monoid is not None
        identity = scalars.constant(MONOIDS[r.monoid].identity(r.body.dtype), r.body.dtype)
        body: Statement = Store(*self.memory[r], identity)
        bound = self.sites[r].axes[: self.sites[r].made]
        binding = SERIAL if any(self.blocks.get(a) == 0 for a in bound) else Bind("vector", 1)
        for a in (a for a in reversed(self.space.out[r]) if a not in bound):
            body = For(a, binding, (body,))
            binding = SERIAL
        return [body]


def _under(s: Sweep, path: tuple[Sweep, ...]) -> Iterator[tuple[Rule, tuple[Sweep, ...]]]:
    """The rules in a sweep, each with the sweeps from that one to it."""
    path = (*path, s)
    for p in s.body:
        if isinstance(p, Rule):
            yield p, path
        else:
            yield from _under(p, path)


def _wide(parts: Sequence[Part]) -> Iterator[tuple[Index, int]]:
    """The axes that some loop binds to several points, with the number of them, 0 for lanes."""
    for p in parts:
        if isinstance(p, Sweep):
            if p.bind is not SERIAL:
                yield p.axis, p.bind.count if p.bind.kind == "unroll" else 0
            yield from _wide(p.body)
