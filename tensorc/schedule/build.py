"""Makes a kernel of a nest: where an axis stands decides where each value lives.

- A reduction whose result's axes are all bound outside of its loops is held in registers: `Init`, `Fold`, `Done`.
- One that goes through tiles of what it reduces, with its result's axes bound inside of a tile, is held in registers for a tile and then
  combined in memory, where it is rescaled first if it is carried (see `online`).
- Another accumulates in memory, element by element. Memory accumulators are filled with the identity before.
- A value that is read where its variable is in scope is a variable; one that is read in another sweep is kept in memory too: in the
  result's or the intermediate's buffer where it has one, else in scratch over the axes that are not bound around both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.ir import build as scalars
from tensorc.ir import walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Load, Scalar, Tensor
from tensorc.loops.nest import (
    SERIAL,
    Bind,
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
from tensorc.schedule.bind import Access, bind, share
from tensorc.schedule.members import Member, by_tensor
from tensorc.schedule.memory import Names, Place, lower
from tensorc.schedule.online import Carried, Scale
from tensorc.schedule.sizes import Estimate
from tensorc.schedule.stages import Part, Sweep, paths, rules


def kernel(name: str, nest: tuple[Part, ...], carried: Carried, names: Names, unbound: Estimate | None = None) -> Kernel:
    """The kernel of a nest. `names` are those that memory already has. Loops that are not bound yet are, by an estimate of sizes."""
    if unbound is not None:
        free = _Builder(nest, carried, Names(names.taken))
        nest = bind(nest, {m: free.access(m) for m in free.sites}, unbound)
    return _Builder(share(nest), carried, Names(names.taken)).kernel(name)


@dataclass(frozen=True, eq=False)
class _Site:
    """Where a member stands: in which sweeps, and how its value is made.

    `made`: how many of the sweeps are around where its variable is defined; `first`: how many are around all loops that it reduces.
    """

    sweeps: tuple[Sweep, ...]
    kind: Literal["point", "register", "tile", "memory"]
    made: int
    first: int

    def bound(self, depth: int) -> frozenset[Index]:
        """The axes that have a value inside of so many sweeps."""
        return frozenset(s.axis for s in self.sweeps[:depth] if not s.is_tile)


def _site(m: Member, sweeps: tuple[Sweep, ...], is_carried: bool) -> _Site:
    if not m.over:
        return _Site(sweeps, "point", len(sweeps), len(sweeps))
    first = next(n for n, s in enumerate(sweeps) if s.axis in m.over)
    inner = next(n for n, s in enumerate(sweeps) if s.axis in m.over and not s.is_tile)
    bound = [frozenset(s.axis for s in sweeps[:n] if not s.is_tile) for n in (first, inner)]
    if set(m.out) <= bound[0] and not is_carried:
        return _Site(sweeps, "register", first, first)
    if set(m.out) <= bound[1] and first != inner:
        return _Site(sweeps, "tile", inner, first)
    assert not is_carried, f"{m.name} is carried and accumulates in memory"
    return _Site(sweeps, "memory", len(sweeps), first)


@dataclass(eq=False)
class _Builder:
    nest: tuple[Part, ...]
    carried: Carried
    names: Names
    vars: dict[Member, Var] = field(default_factory=dict)
    parts: dict[tuple[Member, str], Var] = field(default_factory=dict)
    memory: dict[Member, Place] = field(default_factory=dict)
    values: dict[Member, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sites = {m: _site(m, sweeps, self.carried.is_carried(m)) for m, sweeps in paths(self.nest)}
        self.members: Mapping[Tensor, Member] = by_tensor(list(self.sites))
        for m in self.sites:
            self._store(m)
        for m in self.sites:
            self.values[m] = lower(m.body, {}, lambda load, m=m: self._load(load, m))  # type: ignore[misc]

    def kernel(self, name: str) -> Kernel:
        body = self._parts(self.nest)
        scratch = dict.fromkeys(m for m, _ in self.memory.values() if isinstance(m, Scratch))
        axes = sorted({a for m in self.sites for a in m.space}, key=lambda a: a.level)
        return Kernel(name, body, *touched(body), tuple(scratch), self.names.letters(axes))

    # Where values live.

    @cached_property
    def _readers(self) -> dict[Member, list[Member]]:
        readers: dict[Member, list[Member]] = {m: [] for m in self.sites}
        for m in self.sites:
            for p in {self.members[load.tensor] for load in m.loads if load.tensor in self.members}:
                readers[p].append(m)
        return readers

    def _in_scope(self, p: Member, m: Member) -> bool:
        """Whether p's variable is in scope where m's body stands, and is what m wants to read."""
        site = self.sites[p]
        if site.kind == "memory" or (site.kind == "tile" and not self.carried.is_running(m, p)):
            return False
        return self.sites[m].sweeps[: site.made] == site.sweeps[: site.made]

    def _store(self, m: Member) -> None:
        if m.place is not None:
            self.memory[m] = m.place
        elif self.sites[m].kind in ("tile", "memory") or not all(self._in_scope(m, reader) for reader in self._readers[m]):
            self.memory[m] = self._row(m)

    def _row(self, m: Member) -> Place:
        """Scratch for a value that other sweeps read: over its axes that are not bound around all of them, or of one that is, the points
        of a block or of a tile.
        """
        site = self.sites[m]
        around = site.sweeps[: site.made if site.kind in ("point", "register") else site.first]
        for reader in self._readers[m]:
            other = self.sites[reader].sweeps
            same = next((n for n, (a, b) in enumerate(zip(around, other, strict=False)) if a is not b), min(len(around), len(other)))
            around = around[:same]
        dims = [(a, size) for a in m.out if (size := _size(a, around)) is not None]
        lanes = {s.axis for s in site.sweeps if s.bind.kind == "vector"}
        dims.sort(key=lambda dim: dim[0] in lanes)  # lanes are neighbours
        sizes = [size for _, size in dims]
        places = [poly(a) if size is a.extent else poly(a) % size for a, size in dims]
        if m.pairs is not None:
            along, two = [a for a, _ in dims].index(m.pairs), poly(2)
            number = algebra.mod(places[along], two)
            sizes[along], places[along] = algebra.floordiv(sizes[along] + 1, two), algebra.floordiv(places[along], two)
            sizes, places = [*sizes, two], [*places, number]
        return Scratch(self.names.unique(f"{m.name}_row"), tuple(sizes), m.body.dtype), tuple(places)

    # Values.

    def _load(self, load: Load, m: Member) -> Load:
        p = self.members.get(load.tensor)
        if p is None:
            return load
        if self._in_scope(p, m):
            return read(self._var(p))
        memory, place = self.memory[p]
        if not p.is_copy:
            return Load(memory, place)
        at: dict[Atom, Poly] = dict(zip(p.out, load.subscripts, strict=True))
        return Load(memory, tuple(algebra.substitute(s, at) for s in place))

    def _var(self, m: Member) -> Var:
        if m not in self.vars:
            self.vars[m] = variable(self.names.unique(m.name), m.body.dtype, m.out)
        return self.vars[m]

    def access(self, m: Member) -> Access:
        loads = tuple(load for load in walk.loads(self.values[m]) if not isinstance(load.tensor, Var))
        stores = (self.memory[m][1],) if m in self.memory else ()
        return Access(loads, stores, self.sites[m].kind == "memory")

    # Statements.

    def _parts(self, parts: Sequence[Part], depth: int = 0) -> tuple[Statement, ...]:
        made: list[Statement] = []
        for p in parts:
            made += self._sweep(p, depth) if isinstance(p, Sweep) else self._point(p)
        return tuple(made)

    def _point(self, m: Member) -> list[Statement]:
        value = self.values[m]
        if m.monoid is not None and m.over:
            if self.sites[m].kind == "memory":
                return [Update(*self.memory[m], m.monoid, value, m.over, m.where)]
            return [Fold(self._partial(m), m.monoid, value, m.over)]
        made: list[Statement] = []
        if m in self.vars:
            made.append(Let(self.vars[m], value))
            value = read(self.vars[m])
        if m in self.memory:
            made.append(Store(*self.memory[m], value, m.where))
        return made

    def _sweep(self, s: Sweep, depth: int) -> list[Statement]:
        before: list[Statement] = []
        after: list[Statement] = []
        for m in rules((s,)):
            site = self.sites[m]
            if m.monoid is None or not m.over:
                continue
            if site.kind in ("tile", "memory") and site.first == depth:
                before += self._fill(m)
            if site.kind in ("tile", "register") and site.made == depth:
                partial, wide = self._partial(m), self._wide(m)
                before.append(Init(partial, m.monoid, m.over, wide))
                after.append(Done(partial, m.monoid, m.over))
                if site.kind == "tile":
                    after += self._combine(m)
                elif m in self.memory:
                    after.append(Store(*self.memory[m], read(partial), m.where))
        loop = s.loop
        return [*before, For(loop.axis, loop.bind, self._parts(s.body, depth + 1), s.parallel, loop.within, only=loop.only), *after]

    def _wide(self, m: Member) -> Bind:
        """The binding of the loop among those that are reduced that is not serial; of several, that of the lanes."""
        site = self.sites[m]
        found = [s.bind for s in site.sweeps[site.made :] if s.axis in m.over and s.bind is not SERIAL and not s.is_tile]
        return next((b for b in found if b.kind == "vector"), found[0] if found else SERIAL)

    def _partial(self, m: Member) -> Var:
        """What a reduction is held in: all of it, or of a tile."""
        return self._var(m) if self.sites[m].kind == "register" else self._part(m, "tile")

    def _part(self, m: Member, what: str) -> Var:
        """A variable beside a member's own."""
        if (m, what) not in self.parts:
            self.parts[m, what] = variable(self.names.unique(f"{m.name}_{what}"), m.body.dtype, m.out)
        return self.parts[m, what]

    def _combine(self, m: Member) -> list[Statement]:
        """What a tile adds to what is in memory."""
        memory, place = self.memory[m]
        kept, part = Load(memory, place), read(self._partial(m))
        assert m.monoid is not None
        if m in self.carried.maxima:
            old, top = self._part(m, "old"), self._part(m, "top")
            made: list[Statement] = [Let(old, kept), Let(top, online.step(read(old), part, m)), Store(memory, place, read(top), m.where)]
            made.append(Let(self._var(m), online.finite(read(top), m)))
            for number, by in enumerate(self._scales(m)):
                made.append(Let(self._part(m, f"scale{number}"), online.factor(by, read(old), read(self._var(m)))))
            return made
        scale = self.carried.scales.get(m)
        if scale is None:
            return [Update(memory, place, m.monoid, part, (), m.where)]
        factor = read(self._part(scale.of, f"scale{self._scales(scale.of).index(scale)}"))
        return [Store(memory, place, scalars.apply("add", scalars.apply("mul", kept, factor), part), m.where)]

    def _scales(self, top: Member) -> list[Scale]:
        return list(dict.fromkeys(s for s in self.carried.scales.values() if s.of is top))

    def _fill(self, m: Member) -> list[Statement]:
        """The identity everywhere in a memory accumulator."""
        assert m.monoid is not None
        memory, place = self.memory[m]
        identity = scalars.constant(MONOIDS[m.monoid].identity(m.body.dtype), m.body.dtype)
        body: Statement = Store(memory, place, identity, m.where)
        site = self.sites[m]
        bound = site.bound(site.first)
        tiled = {s.axis for s in site.sweeps[: site.first] if s.is_tile}
        is_vector = any(s.bind.kind == "vector" for s in site.sweeps[: site.first])
        free = [a for a in m.out if a not in bound]
        free.sort(key=lambda a: a in algebra.indices(place[-1]))  # neighbours innermost
        for number, a in enumerate(reversed(free)):
            body = For(a, SERIAL if number or is_vector else Bind("vector", 1), (body,), within=a in tiled)
        return [body]


def _size(a: Index, around: Sequence[Sweep]) -> Poly | None:
    """How many points of an axis a value has inside of sweeps: None where one."""
    size: Poly | None = a.extent
    for s in around:
        if s.axis is a:
            match s.bind.kind:
                case "serial":
                    size = None
                case "vector":
                    pass  # those of the tile or all
                case "unroll" | "tile":
                    size = poly(s.bind.count)
    return size
