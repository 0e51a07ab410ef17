"""Puts cheap pointwise definitions into their readers; what is left are the rules that kernels are made of.

A definition is put into its readers unless
- it is a result, or its elements are subscripts or are sorted;
- a reader has further axes, along which it would be computed again at real cost;
- several definitions read it, or one at several places, and computing it again costs more than keeping it;
- the reader's scalar would become too deep or too large.

Readers then compute the same operations in the same order as the definition did, so that equal terms have equal bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tensorc import algebra
from tensorc.algebra import ONE, ZERO, Atom, Element, Index, Poly, poly
from tensorc.ir import build, walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import (
    Define,
    Input,
    Load,
    Scalar,
    Scan,
    Scatter,
    Sort,
    Stop,
    Tensor,
    View,
)
from tensorc.schedule.rules import AnyRule, Made, Rule, ScanRule, ScatterRule, SortRule, Target, operations
from tensorc.schedule.separate import is_worth_storing
from tensorc.schedule.views import stored, through

DEPTH = 24
"""The depth of a scalar that readers still take in. Theirs is at most this and `build.DEPTH` more."""

AGAIN = 10
"""Instructions that are kept rather than computed in each of several readers, where each element that is read counts for LOAD."""

LOAD = 2

EPILOGUE = 4
"""Instructions that are kept rather than computed in each of several readers, where what they are made of is not kept then."""

PLACES = 16
"""Instructions, over all places that one reader reads, that are kept rather than computed at each place."""

LARGE = 400
"""Instructions that a scalar may grow to."""


@dataclass(frozen=True)
class Inlined:
    """The rules of a program, each after what it reads, and the views that are read as another shape of a rule's memory."""

    rules: tuple[AnyRule, ...]
    aliases: tuple[View, ...]


@dataclass
class _Open:
    """A definition that readers compute themselves: y[axes] = body, `work` instructions an element."""

    axes: tuple[Index, ...]
    body: Scalar
    work: int
    again: dict[tuple[Poly, ...], Scalar] = field(default_factory=dict)

    def at(self, subscripts: tuple[Poly, ...]) -> Scalar:
        if all(s.atom is a for s, a in zip(subscripts, self.axes, strict=True)):
            return self.body
        found = self.again.get(subscripts)
        if found is None:
            found = self.again[subscripts] = walk.rewrite(self.body, dict(zip(self.axes, subscripts, strict=True)))
        return found


@dataclass
class _Uses:
    """How a tensor is read: by which tensors at which places, and whether by one that has further axes, as a subscript, as the keys of a
    sort.
    """

    readers: dict[Tensor, set[tuple[Poly, ...]]] = field(default_factory=dict)
    further: bool = False
    number: bool = False
    keys: bool = False


def inline(program: Program, outputs: Sequence[Tensor]) -> Inlined:
    """The rules that compute the outputs, with a target for each."""
    return _Inliner(program, outputs).run()


class _Inliner:
    def __init__(self, program: Program, outputs: Sequence[Tensor]) -> None:
        self.names = program.names
        self.outputs = [_unstop(t) for t in outputs]
        self.order = walk.topological(self.outputs)
        self.uses = _uses(self.order)
        self.roots: dict[Tensor, Target] = {}
        self.later: list[tuple[int, Tensor]] = []  # outputs that need a copy of their own
        self.open: dict[Tensor, _Open] = {}
        self.made: set[Tensor] = set()  # reductions
        self.instead: dict[Tensor, Tensor] = {}  # what loads name in place of a view
        self.rules: list[AnyRule] = []
        self.aliases: dict[View, None] = {}
        for number, t in enumerate(self.outputs):
            self._root(number, t)

    def run(self) -> Inlined:
        for t in self.order:
            self._tensor(t)
        for number, t in self.later:
            self._copy(number, t)
        return Inlined(_needed(self.rules), tuple(self.aliases))

    # Outputs.

    def _root(self, number: int, t: Tensor) -> None:
        """Let the tensor's own rule store the output where there is such a rule and it stores no other."""
        stored, subscripts = t, tuple(map(poly, _indices(t.extents)))
        if isinstance(t, View):
            source = _unstop(t.source)
            if not isinstance(source, Sort) and self._is_all_of(t, source):
                stored = source
                subscripts = through(tuple(map(poly, _indices(source.extents))), source.extents, t.extents)
        elif (found := _turned_scan(t)) is not None and self._is_all_of(t, found[0]):
            stored, subscripts = found
        if isinstance(stored, (Input, View)) or stored in self.roots or (stored is not t and stored in self.outputs):
            self.later.append((number, t))
        else:
            self.roots[stored] = Target(number, subscripts)

    def _is_all_of(self, t: Tensor, source: Tensor) -> bool:
        """Whether an output alone reads its source, and nobody reads the output."""
        return self.uses[source].readers.keys() <= {t} and not self.uses[t].readers and self.outputs.count(t) == 1

    def _copy(self, number: int, t: Tensor) -> None:
        """A rule that copies t to an output; an input that is viewed is read in its own order."""
        source = _unstop(t.source) if isinstance(t, View) else t
        stored = source if isinstance(source, Input) else t
        axes = _indices(stored.extents)
        places = tuple(map(poly, axes))
        target = Target(number, places if stored is t else through(places, stored.extents, t.extents))
        self.rules.append(_rule(None, self._name(t), axes, None, (), self._read(stored, places), [target]))

    # Tensors.

    def _tensor(self, t: Tensor) -> None:
        axes = _indices(t.extents)
        places = tuple(map(poly, axes))
        match t:
            case Input():
                pass
            case Stop(source):
                self._pointwise(t, axes, self._read(source, places), self._work(source))
            case View(source, extents):
                if self._is_stored_alone(source):
                    alias = self.instead[t] = View(self.instead.get(source, source), extents)
                    self.aliases[alias] = None
                else:
                    self._pointwise(t, axes, self._read(source, through(places, extents, source.extents)), self._work(source))
            case Define(_, None, _, body):
                self._pointwise(t, axes, self._inlined(body), self._total(body))
            case Define(_, monoid, _, body):
                self.made.add(t)
                self.rules.append(_rule(t, self._name(t), axes, monoid, t.reduced, self._inlined(body), self._targets(t)))
            case Scan(monoid, source, decay, reverse):
                factor = None if decay is None else self._read(decay, places)
                self.rules.append(ScanRule(t, self._name(t), axes, monoid, self._read(source, places), factor, reverse, self._targets(t)))
            case Scatter(_, _, subscripts, body, base):
                start = build.constant(0, t.dtype) if base is None else self._read(base, places)
                at = tuple(self._number(p) for p in subscripts)
                self.rules.append(ScatterRule(t, self._name(t), axes, start, t.indices, at, self._inlined(body), self._targets(t)))
            case Sort(keys, descending):
                named = self.instead.get(_unstop(keys), _unstop(keys))
                self.rules.append(SortRule(t, self._name(t), axes, named, descending, self._targets(t)))

    def _pointwise(self, t: Tensor, axes: tuple[Index, ...], body: Scalar, work: int) -> None:
        if not self._is_kept(t, body, work):
            self.open[t] = _Open(axes, body, work)
            return
        made: Tensor = t
        if not isinstance(t, Define):
            made = self.instead[t] = Made(f"view{len(self.rules)}", t.extents, t.dtype)
        self.rules.append(_rule(made, self._name(t), axes, None, (), body, self._targets(t)))

    def _is_kept(self, t: Tensor, body: Scalar, work: int) -> bool:
        uses = self.uses[t]
        return (
            t in self.roots
            or uses.keys
            or (uses.number and build.number(body) is None)
            or walk.depth(body) > DEPTH
            or work > LARGE
            or (uses.further and (is_worth_storing(body, _indices(t.extents), work) or (work > 0 and self._is_epilogue(body))))
            or (len(uses.readers) > 1 and work + LOAD * len(walk.loads(body)) >= AGAIN)
            or (len(uses.readers) > 1 and work >= EPILOGUE and self._is_epilogue(body))
            or any(len(places) > 1 and len(places) * work >= PLACES for places in uses.readers.values())
        )

    def _is_epilogue(self, body: Scalar) -> bool:
        """Whether a rule's value that nothing else reads is read, so that storing the body takes the place of storing that."""
        return any(load.tensor in self.made and len(self.uses[load.tensor].readers) == 1 for load in walk.loads(body))

    def _is_stored_alone(self, t: Tensor) -> bool:
        """Whether t is, or is another shape of, a rule's memory that is contiguous: of a rule that is not a result."""
        t = _unstop(t)
        return not (isinstance(t, Input) or t in self.open or t in self.roots)

    def _targets(self, t: Tensor) -> list[Target]:
        return [self.roots[t]] if t in self.roots else []

    def _name(self, t: Tensor) -> str:
        return self.names.get(t) or f"t{len(self.rules)}"

    # Scalars.

    def _read(self, t: Tensor, subscripts: tuple[Poly, ...]) -> Scalar:
        subscripts = tuple(ZERO if e is ONE else s for s, e in zip(subscripts, t.extents, strict=True))
        found = self.open.get(t)
        return Load(self.instead.get(t, t), subscripts) if found is None else found.at(subscripts)

    def _inlined(self, body: Scalar) -> Scalar:
        change = self._element if any(isinstance(a, Element) for a in walk.atoms(body)) else None
        return walk.rewrite(body, {}, lambda load: self._read(load.tensor, load.subscripts), change)

    def _number(self, p: Poly) -> Poly:
        return algebra.rebuild(p, self._element) if algebra.elements(p) else p

    def _element(self, a: Atom) -> Poly | None:
        if not isinstance(a, Element):
            return None
        value = build.number(self._read(a.tensor, tuple(algebra.rebuild(s, self._element) for s in a.subscripts)))
        assert value is not None, "a tensor that subscripts read is kept"
        return value

    def _work(self, t: Tensor) -> int:
        return self.open[t].work if t in self.open else 0

    def _total(self, body: Scalar) -> int:
        """Instructions for the body and all that it takes in: what stands in it at several places is counted at each."""
        return operations(body) + sum(self._work(load.tensor) for load in walk.loads(body))


def _needed(rules: Sequence[AnyRule]) -> tuple[AnyRule, ...]:
    """The rules without those that nothing reads any more, because a guard was decided where they were read."""
    kept: list[AnyRule] = []
    read: set[Tensor] = set()
    for r in reversed(rules):
        if r.targets or r.tensor in read:
            kept.append(r)
            read |= {stored(load.tensor) for load in r.loads}
    return tuple(reversed(kept))


def _uses(order: Iterable[Tensor]) -> Mapping[Tensor, _Uses]:
    uses: dict[Tensor, _Uses] = {}

    def add(reader: Tensor, read: Tensor, subscripts: tuple[Poly, ...], space: tuple[Index, ...]) -> None:
        u = uses[read]
        u.readers.setdefault(reader, set()).add(subscripts)
        if not u.further and space:
            inside = frozenset[Index]().union(*map(algebra.indices, subscripts))
            u.further = any(a not in inside and a.extent is not ONE for a in space)

    def scalar(reader: Tensor, s: Scalar, space: tuple[Index, ...]) -> None:
        for load in walk.loads(s):
            add(reader, load.tensor, load.subscripts, space)
        for a in walk.atoms(s):
            if isinstance(a, Element):
                uses[a.tensor].number = True

    for t in order:
        uses[t] = _Uses()
        match t:
            case Input():
                pass
            case Define():
                scalar(t, t.body, t.indices + t.reduced)
            case View(source, _) | Stop(source):
                add(t, source, (), ())
            case Scan(_, source, decay, _):
                for part in (source,) if decay is None else (source, decay):
                    add(t, part, (), ())
            case Scatter(_, _, subscripts, body, base):
                scalar(t, body, t.indices)
                for p in subscripts:
                    for a in algebra.elements(p):
                        add(t, a.tensor, a.subscripts, ())
                        uses[a.tensor].number = True
                if base is not None:
                    add(t, base, (), ())
            case Sort(keys, _):
                add(t, keys, (), ())
                uses[_unstop(keys)].keys = True
    return uses


def _rule(
    tensor: Tensor | None,
    name: str,
    axes: tuple[Index, ...],
    monoid: str | None,
    reduced: tuple[Index, ...],
    body: Scalar,
    targets: list[Target],
) -> Rule:
    single: dict[Atom, Poly] = {a: ZERO for a in axes + reduced if a.extent is ONE}
    if all(a in single for a in reduced):
        monoid = None  # of one term
    if single:
        body = walk.rewrite(body, single)
        targets = [Target(t.result, tuple(algebra.substitute(s, single) for s in t.subscripts)) for t in targets]
    return Rule(tensor, name, axes, monoid, reduced, body, targets)


def _indices(extents: Sequence[Poly]) -> tuple[Index, ...]:
    return tuple(Index(level, e) for level, e in enumerate(extents))


def _turned_scan(t: Tensor) -> tuple[Scan, tuple[Poly, ...]] | None:
    """The scan of which a tensor is the elements with its axes in another order, and the place of each in the tensor."""
    match t:
        case Define(_, None, _, Load(tensor, subscripts)):
            source, atoms = _unstop(tensor), [s.atom for s in subscripts]
            if isinstance(source, Scan) and len(atoms) == len(t.indices) and set(atoms) == set(t.indices):
                axes = _indices(source.extents)
                return source, tuple(poly(axes[atoms.index(i)]) for i in t.indices)
    return None


def _unstop(t: Tensor) -> Tensor:
    while isinstance(t, Stop):
        t = t.source
    return t
