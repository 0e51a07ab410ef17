"""What a legal schedule is: run after scheduling in tests, and on whatever else makes a nest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Element, Index, Poly
from tensorc.errors import InternalError
from tensorc.ir import walk
from tensorc.ir.tensor import Load, Scalar, Tensor
from tensorc.loops import bounds
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
    Schedule,
    Scratch,
    SortRow,
    Statement,
    Store,
    Update,
    Var,
)


def check(schedule: Schedule) -> None:
    """InternalError says what is wrong with a schedule, and where."""
    buffers = (*schedule.results, *schedule.checks, *schedule.intermediates, *schedule.aliases)
    _different([m.name for m in (*schedule.inputs, *buffers)], f"schedule {schedule.name}")
    _different([k.name for k in schedule.kernels], f"schedule {schedule.name}")
    written: set[Memory] = set(schedule.inputs)
    for k in schedule.kernels:
        written |= set(k.writes)
        written |= {view for view, base in schedule.aliases.items() if base in written}
        for m in k.reads:
            _require(m in written, f"kernel {k.name} reads {m.name}, which nothing has written")
        check_kernel(k)
    for b in (*schedule.results, *schedule.checks):
        _require(b in written, f"nothing writes {b.name}")


def check_kernel(kernel: Kernel) -> None:
    """InternalError says what is wrong with a kernel."""
    try:
        _Checker(kernel).run()
    except InternalError as e:
        raise InternalError(f"kernel {kernel.name}: {e.message}", "loops") from None


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InternalError(message, "loops")


def _different(names: Sequence[str], where: str) -> None:
    twice = {n for n in names if names.count(n) > 1}
    _require(not twice, f"{where} has several things called {', '.join(sorted(twice))}")


@dataclass(frozen=True)
class _Around:
    """The loops around a statement, by axis; the tiles, which bind no value; the loops that are parallel, in order; and the axes of which
    a loop takes a part, by the part's number.
    """

    axes: dict[Index, Bind]
    tiles: frozenset[Index] = frozenset()
    parallel: tuple[Index, ...] = ()
    parts: dict[Index, Index] = field(default_factory=dict)

    def told_apart(self, axes: set[Index]) -> set[Index]:
        """The loops whose points have different values of these axes."""
        return axes | {number for number, axis in self.parts.items() if axis in axes}


@dataclass
class _Accumulator:
    """What Init started: the loops around it, and whether its Fold, Carry and Done have come."""

    init: Init
    axes: frozenset[Index]
    folded: bool = False
    carried: bool = False


class _Checker:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.known: set[Tensor] = {*kernel.memory, *kernel.scratch}
        self.read: set[Tensor] = set()
        self.written: set[Tensor] = set()
        self.accumulators: dict[Var, _Accumulator] = {}

    def run(self) -> None:
        memory = (*self.kernel.memory, *self.kernel.scratch)
        _different([m.name for m in memory], "the kernel")
        self._body(self.kernel.body, _Around({}), frozenset())
        _require(not self.accumulators, f"{[v.name for v in self.accumulators]} are not done")
        used = self.read | self.written
        for b in self.kernel.writes:
            _require(b in self.written, f"{b.name} is not written")
        for m in memory:
            _require(m in used, f"{m.name} is not used")

    def _body(self, body: Sequence[Statement], around: _Around, defined: frozenset[Var]) -> None:
        carried: list[Var] = []
        for s in body:
            defined = self._statement(s, around, defined)
            if isinstance(s, Init):
                carried.append(s.var)
        for var in carried:  # a recurrence ends with the body that started it
            if var in self.accumulators and self.accumulators[var].carried:
                del self.accumulators[var]

    def _statement(self, s: Statement, around: _Around, defined: frozenset[Var]) -> frozenset[Var]:
        match s:
            case For():
                self._loop(s, around, defined)
            case Let(var, value):
                self._axes(var, around)
                self._scalar(value, around, defined)
                _require(walk.indices(value) <= set(var.axes), f"the value of {var.name} depends on more than its axes")
                return defined | {var}
            case Init(var, _, over, bind):
                self._axes(var, around)
                _require(not set(over) & around.axes.keys(), f"{var.name} is folded over axes that are bound around it")
                _require(bind.kind != "tile", f"{var.name} is folded over tiles")
                _require(var not in self.accumulators, f"{var.name} is started twice")
                self.accumulators[var] = _Accumulator(s, frozenset(around.axes))
                return defined - {var}
            case Fold(var, monoid, value, over):
                self._scalar(value, around, defined)
                self._fold(var, monoid, over, around)
            case Carry(var, monoid, value, decay):
                self._scalars([value] if decay is None else [value, decay], around, defined)
                over = self._fold(var, monoid, None, around)
                self.accumulators[var].carried = True
                _require(all(around.axes[a] == SERIAL for a in over), f"{var.name} is carried along a loop that is not serial")
                _require(not set(over) & set(around.parallel), f"{var.name} is carried along a parallel loop")
                return defined | {var}
            case Done(var, _, _):
                found = self.accumulators.pop(var, None)
                _require(found is not None and found.folded, f"{var.name} is done without being folded")
                _require(
                    found is None or found.axes == frozenset(around.axes), f"{var.name} is done in another loop than it was started in"
                )
                return defined | {var}
            case Store():
                self._store(s, around, defined)
            case Update():
                self._update(s, around, defined)
            case SortRow(keys, permutation, row, _, _, work):
                self._places(permutation, row, around, defined)
                _require(all(b == SERIAL for b in around.axes.values()), "a sort stands in a loop that is not serial")
                self.read.add(keys)
                self.written |= {permutation, work}
            case _:
                assert_never(s)
        return defined

    def _loop(self, s: For, around: _Around, defined: frozenset[Var]) -> None:
        _require(s.axis in self.kernel.names, "an axis has no name")
        name = self.kernel.names[s.axis]
        _require(
            all(bounds.is_bound(guard, s.axis, [a for a, b in around.axes.items() if b == SERIAL]) for guard in s.only),
            f"{name} is narrowed by what is no bound of it",
        )
        _require(s.axis not in around.axes, f"{name} is bound twice")
        _require((s.axis in around.tiles) == s.within, f"{name} is {'' if s.within else 'not '}within a tile")
        if s.part is not None:
            _require(around.axes.get(s.part.number) == SERIAL, f"{name} runs over a part whose number is no point in scope")
            _require(not s.within, f"{name} runs over a part of its axis within a tile")
            around = replace(around, parts={**around.parts, s.part.number: s.axis})
        vectors = [a for a, b in around.axes.items() if b.kind == "vector"]
        _require(s.bind.kind != "vector" or not vectors, f"{name} is a vector inside of another")
        inside = replace(around, parallel=(*around.parallel, s.axis)) if s.parallel else around
        if s.bind.kind == "tile":
            inside = replace(inside, tiles=inside.tiles | {s.axis})
        else:
            inside = replace(inside, axes={**inside.axes, s.axis: s.bind})
        self._body(s.body, inside, defined)

    def _axes(self, var: Var, around: _Around) -> None:
        _require(tuple(a.extent for a in var.axes) == var.extents, f"the extents of {var.name} are not those of its axes")
        _require(set(var.axes) <= around.axes.keys(), f"{var.name} has axes that are not in scope")

    def _fold(self, var: Var, monoid: str, over: tuple[Index, ...] | None, around: _Around) -> tuple[Index, ...]:
        found = self.accumulators.get(var)
        _require(found is not None and not found.folded, f"{var.name} is folded but not started, or twice")
        assert found is not None
        found.folded = True
        _require(found.init.monoid == monoid, f"{var.name} is folded by another monoid")
        _require(over is None or over == found.init.over, f"{var.name} is folded over other axes than it says")
        between = around.axes.keys() - found.axes
        _require(between == set(found.init.over), f"{var.name} is folded over other axes than the loops since it was started")
        _require(not set(found.init.over) & set(around.parallel), f"{var.name} is folded over a parallel loop")
        wide = [b for a, b in around.axes.items() if a in between and b != SERIAL]
        bound = found.init.bind in wide if wide else found.init.bind == SERIAL
        _require(bound and all(b.kind == "unroll" for b in wide if b != found.init.bind), f"{var.name} says another binding than it has")
        return found.init.over

    # Places and values.

    def _store(self, s: Store, around: _Around, defined: frozenset[Var]) -> None:
        self._scalars([s.value] if s.where is None else [s.value, s.where], around, defined)
        axes = around.told_apart(self._places(s.memory, s.subscripts, around, defined))
        for a, b in around.axes.items():
            again = isinstance(s.memory, Scratch) and b == SERIAL
            _require(a in axes or again, f"several points of {self.kernel.names[a]} store to one place of {s.memory.name}")

    def _update(self, s: Update, around: _Around, defined: frozenset[Var]) -> None:
        self._scalars([s.value] if s.where is None else [s.value, s.where], around, defined)
        axes = self._places(s.memory, s.subscripts, around, defined)
        if any(algebra.elements(p) for p in s.subscripts):
            apart = {a for p in s.subscripts if not algebra.elements(p) for a in algebra.indices(p)}
            in_order = (a in apart or b.kind in ("serial", "unroll") for a, b in around.axes.items())
            _require(all(in_order) and not around.parallel, f"{s.memory.name} is scattered to by a loop that is not serial")
            return
        _require(set(s.over) <= around.axes.keys() - axes, f"{s.memory.name} accumulates over an axis of its own")
        axes = around.told_apart(axes)
        for a, b in around.axes.items():
            again = isinstance(s.memory, Scratch) and b == SERIAL
            _require(a in axes or a in s.over or again, f"several points of {self.kernel.names[a]} update one place of {s.memory.name}")
            _require(a in axes or a not in around.parallel or again, f"{s.memory.name} accumulates over a parallel loop")

    def _places(self, memory: Memory, subscripts: tuple[Poly, ...], around: _Around, defined: frozenset[Var]) -> set[Index]:
        _require(memory in self.known and isinstance(memory, (Buffer, Scratch)), f"{memory.name} is not the kernel's to write")
        _require(memory in self.kernel.writes or memory in self.kernel.scratch, f"{memory.name} is not said to be written")
        self.written.add(memory)
        for p in subscripts:
            self._poly(p, around, defined)
        return {a for p in subscripts for a in algebra.indices(p)}

    def _scalars(self, scalars: Iterable[Scalar], around: _Around, defined: frozenset[Var]) -> None:
        for s in scalars:
            self._scalar(s, around, defined)

    def _scalar(self, s: Scalar, around: _Around, defined: frozenset[Var]) -> None:
        _require(walk.indices(s) <= around.axes.keys(), f"an axis is read that is not in scope: {walk.indices(s) - around.axes.keys()}")
        for load in walk.loads(s):
            self._load(load, defined)

    def _poly(self, p: Poly, around: _Around, defined: frozenset[Var]) -> None:
        _require(algebra.indices(p) <= around.axes.keys(), f"an axis is read that is not in scope, in {p}")
        for a in algebra.atoms(p):
            if isinstance(a, Element):
                self._load(Load(a.tensor, a.subscripts), defined)

    def _load(self, load: Load, defined: frozenset[Var]) -> None:
        t = load.tensor
        if isinstance(t, Var):
            _require(t in defined, f"{t.name} is read where it is not defined")
            _require(tuple(p.atom for p in load.subscripts) == t.axes, f"{t.name} is read elsewhere than at its axes")
            return
        _require(t in self.known, f"{getattr(t, 'name', t)} is not given to the kernel")
        _require(t in self.kernel.reads or t in self.written, f"{getattr(t, 'name', t)} is read before it is written")
        self.read.add(t)
