"""The loop IR: a program as kernels, each a nest of loops whose statements speak of blocks of values. This file is the whole of it.

**Scalars** are those of `ir.tensor`. Their indices are a kernel's *axes* (`Index` atoms whose levels are the kernel's own), and every
tensor in them, in a `Load` or in an `Element` atom of a subscript, is one of four:

- an `Input` of the program and a `Buffer`: memory of the whole tensor, with run-time strides for inputs and results, row-major for the
  rest;
- a `Scratch`: row-major memory of the kernel, a copy of its own for each chunk of a parallel loop;
- a `Var`: a value held in registers. It is read only at its own axes: `Load(var, axes)`.

**Blocks.** A loop binds its axis to a block of points at a time (`Bind`), so that a value has as many elements as the blocks of the axes in
scope that it depends on have points: `indices(value)` tells which, since a `Var` is read at its axes. Broadcasting is by axis. A statement
means: do this at every point of the block of all axes in scope. Points of a block do not depend on one another: whether they run together
or one after the other, statement by statement or point by point, only a `Fold` and an `Update` can tell.

**Loads are total.** Where a subscript is outside its tensor, a `Load` or `Element` has any value and touches no memory outside; the tensor
may be empty. `bounds.inside` tells which subscripts are proved inside. Places that are stored to are inside, except where a statement's
`where` is false.

**Arithmetic** is done as it is written, operation by operation in the scalar's own order: nothing contracts or reassociates, so that a term
that stands in two places has the same bits in both. Only a monoid combines in any order: `Fold`, `Done` and `Update` over a block.

Softmax over rows, as `text.show` prints it:

    kernel m_l_y(x: f32[N, D]) -> y: f32[N, D]
      for i in N: parallel serial
        acc m = max over j, vector 4
        for j in D: vector 4
          m max= x[i, j]
        done m
        acc l = sum over j, vector 4
        for j in D: vector 4
          l sum= exp(x[i, j] - m[i])
        done l
        for j in D: vector 4
          y[i, j] = exp(x[i, j] - m[i]) / l[i]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from tensorc.algebra import Facts, Index, Poly, elements, evaluate, poly
from tensorc.dtypes import DType, bool_
from tensorc.ir.tensor import Input, Load, Scalar
from tensorc.ir.walk import loads, postorder
from tensorc.node import node

# Memory and values. All three have the fields of an Input: name, extents, dtype.


@node
class Buffer(Input):
    """A tensor that a kernel writes: a result, a check, or an intermediate of the program. Names are unique in a schedule."""


@node
class Scratch(Input):
    """Memory of one kernel, contiguous and row-major. Names are unique in a kernel, of its buffers and variables too."""


@node
class Var(Input):
    """A block value: one element for each point of the blocks of `axes`, which are in scope where it is defined and where it is read.

    `extents` are those of its axes, which stand as the subscripts of every read. Its scope is the rest of the body that defines it, loops
    there included; two sweeps may each define it, by the same value.
    """

    axes: tuple[Index, ...]


def variable(name: str, dtype: DType, axes: tuple[Index, ...]) -> Var:
    """A variable over axes."""
    return Var(name, tuple(a.extent for a in axes), dtype, axes)


def read(var: Var) -> Load:
    """The scalar that reads a variable."""
    return Load(var, tuple(map(poly, var.axes)))


Memory = Input | Buffer | Scratch


# Loops.


@dataclass(frozen=True)
class Bind:
    """How a loop takes its points: `serial` one by one, `unroll` and `tile` `count` at a time, `vector` `count` registers of lanes.

    The lanes of a register are the emitter's choice. A last block is shorter; that is the emitter's business too (masked lanes, single
    points). A tile is not a block: under a tile loop the axis has no value until a loop `within` it binds it again. Tiles start at
    multiples of `count`, so that `axis % count` is a point's place in its tile. Tiles may be divided into tiles.
    """

    kind: Literal["serial", "unroll", "vector", "tile"] = "serial"
    count: int = 1


SERIAL = Bind()


@dataclass(frozen=True)
class Part:
    """Some points of an axis: number * size .. (number + 1) * size - 1, if there are so many. `number` is in scope, a point at a time."""

    number: Index
    size: Poly


@dataclass(frozen=True)
class For:
    """The body for each block of points 0 .. axis.extent-1, in increasing order. An extent of 0 runs nothing.

    `within`: the points of the current, innermost tile of the same axis only. `parallel`: blocks may run at the same time: they write
    different places, and fold into nothing outside. `part`: those points only. `only`: a point does nothing where one of these is negative
    wherever the other axes stand, in their blocks and tiles, so that it may be left out; they are sums of indices, of `axis` once plus or
    minus, and of what depends on sizes and on serial axes around. On every path through a nest at most one loop is a vector, and it is the
    innermost but for serial and unrolled ones below it.
    """

    axis: Index
    bind: Bind
    body: tuple[Statement, ...]
    parallel: bool = False
    within: bool = False
    part: Part | None = None
    only: tuple[Poly, ...] = ()


# Statements.


@dataclass(frozen=True)
class Let:
    """var = value. The value's axes are among the variable's."""

    var: Var
    value: Scalar


@dataclass(frozen=True)
class Init:
    """Starts an accumulator at its monoid's identity: one element for each point of the blocks of the variable's axes, all in scope here.

    `over` are the axes that it will be folded over, by loops below. `bind` is the loop's among them that is not serial, of several the
    lanes': its registers and lanes may be accumulated apart until `Done` (for `serial` there are none). Between Init and Done nothing reads
    the variable, but after a `Carry`.
    """

    var: Var
    monoid: str
    over: tuple[Index, ...]
    bind: Bind = SERIAL


@dataclass(frozen=True)
class Fold:
    """var = monoid(var, value), for every point of the blocks of `over`, in any order.

    Each Init has one Fold or one Carry, and the same `over`.
    """

    var: Var
    monoid: str
    value: Scalar
    over: tuple[Index, ...]


@dataclass(frozen=True)
class Done:
    """Combines what was accumulated apart.

    From here on the variable is read as a block value over its axes. After loops that ran nothing: the identity.
    """

    var: Var
    monoid: str
    over: tuple[Index, ...]


@dataclass(frozen=True)
class Carry:
    """A step of a recurrence: var = monoid(var, value), or decay * var + value (product, then sum, both rounded) where there is a decay.

    The variable was started by `Init`, every loop over its axes `over` is serial and runs in order, and from here to the end of the body it
    is read as this step's value. There is no Done.
    """

    var: Var
    monoid: str
    value: Scalar
    decay: Scalar | None = None


@dataclass(frozen=True)
class Store:
    """memory[subscripts] = value where `where` holds (None: everywhere). Different points store to different places.

    The axes of the place are those of the subscripts; of value and `where`, among them.
    """

    memory: Memory
    subscripts: tuple[Poly, ...]
    value: Scalar
    where: Scalar | None = None


@dataclass(frozen=True)
class Update:
    """memory[subscripts] = monoid(memory[subscripts], value) where `where` holds (None: everywhere).

    `over` are the axes in scope that the value runs over and the place does not: their points are combined into one place, in any order.
    Points that differ in other axes have different places, unless places are data (a scatter): then no loop is parallel, those over axes
    that are no subscripts take their points one after the other, serial or unrolled, and the order is that of the loops.
    """

    memory: Memory
    subscripts: tuple[Poly, ...]
    monoid: str
    value: Scalar
    over: tuple[Index, ...]
    where: Scalar | None = None


@dataclass(frozen=True)
class SortRow:
    """permutation[row, 0 .. extent-1] = the stable order (i64) of keys[row, 0 .. extent-1]; NaN is last. `descending` reverses the order of
    the others, not ties.

    `row` are the leading subscripts of both, of serial axes in scope. `work` is scratch of `extent` i64 elements. Where `first` is given,
    only so many leading places are read; the others may hold anything.
    """

    keys: Memory
    permutation: Memory
    row: tuple[Poly, ...]
    extent: Poly
    descending: bool
    work: Scratch
    first: int | None = None


Statement = For | Let | Init | Fold | Done | Carry | Store | Update | SortRow


# Kernels and schedules.


@dataclass(frozen=True)
class Test:
    """Holds of sizes at which `value` comes to at least `least` and at most `most`."""

    value: Poly
    least: int = 0
    most: int = (1 << 63) - 1

    def holds(self, sizes: Mapping[str, int]) -> bool:
        return self.least <= evaluate(self.value, sizes) <= self.most


@dataclass(frozen=True)
class Switch:
    """The ways of doing the same, of which the sizes of a call decide: it takes the first whose tests all hold. The last one has none."""

    ways: tuple[tuple[Test, ...], ...]

    def taken(self, sizes: Mapping[str, int]) -> int:
        """The number of the way that a call of such sizes takes."""
        return next(n for n, tests in enumerate(self.ways) if all(t.holds(sizes) for t in tests))


When = tuple[tuple[Switch, int], ...]


@dataclass(frozen=True)
class Kernel:
    """Runs `body` once, where each switch of `when` takes the way that is named with it.

    `reads` and `writes` are the inputs and buffers it touches, each once; one that is updated or read back is in both.
    """

    name: str
    body: tuple[Statement, ...]
    reads: tuple[Memory, ...]
    writes: tuple[Buffer, ...]
    scratch: tuple[Scratch, ...]
    names: Mapping[Index, str]  # of the axes, for printing
    when: When = ()

    def runs(self, sizes: Mapping[str, int]) -> bool:
        """Whether it runs in a call of such sizes, derived ones among them."""
        return all(switch.taken(sizes) == way for switch, way in self.when)

    @property
    def is_usual(self) -> bool:
        """Whether it runs wherever no test holds."""
        return all(way == len(switch.ways) - 1 for switch, way in self.when)

    @cached_property
    def memory(self) -> tuple[Memory, ...]:
        """Everything whole that the kernel is given: what it reads, then what it only writes."""
        return tuple(dict.fromkeys((*self.reads, *self.writes)))

    @cached_property
    def dtypes(self) -> frozenset[DType]:
        """What it computes with, bool not counted where there is anything else. What only a subscript reads does not count."""
        found = {b.dtype for b in self.writes}
        values: set[Scalar] = set()
        for s in statements(self.body):
            values.update(scalars(s))
            match s:
                case Let(var) | Fold(var) | Carry(var):
                    found.add(var.dtype)
                case SortRow(keys):
                    found.add(keys.dtype)
                case Update(memory):
                    found.add(memory.dtype)
                case _:
                    pass
        for value in values:
            found |= {part.dtype for part in postorder(value) if isinstance(part, Load)}
        return frozenset(found - {bool_} or found)


@dataclass(frozen=True)
class Schedule:
    """A program as kernels in the order they run.

    `results`: one buffer a result, all different, each written in full, with any strides. `checks`: one 0-d i64 buffer for each of the
    program's checks, which receives the row-major position of the first bad place, or 2**63-1. `intermediates`: row-major buffers that live
    from the kernel that writes them to the last that reads them. `aliases`: buffers that are another shape of an intermediate, with the
    same row-major memory; never written, of one level. `facts`: what is known of sizes at the call, for proofs. `derived`: sizes that are
    names for what follows from the program's, each from those and earlier ones.
    """

    name: str
    inputs: tuple[Input, ...]
    results: tuple[Buffer, ...]
    checks: tuple[Buffer, ...]
    intermediates: tuple[Buffer, ...]
    aliases: Mapping[Buffer, Buffer]
    kernels: tuple[Kernel, ...]
    facts: Facts
    derived: Mapping[str, Poly] = field(default_factory=dict)

    @property
    def usual(self) -> Schedule:
        """What of it runs where no switch's test holds."""
        kernels = tuple(replace(k, when=()) for k in self.kernels if k.is_usual)
        touched = {self.aliases.get(m, m) if isinstance(m, Buffer) else m for k in kernels for m in k.memory}
        return replace(self, kernels=kernels, intermediates=tuple(b for b in self.intermediates if b in touched))

    def __str__(self) -> str:
        from tensorc.loops.text import show_schedule

        return show_schedule(self)


# What a statement holds.


def scalars(s: Statement) -> tuple[Scalar, ...]:
    """The scalars that stand in a statement itself: not in a loop's body, and not subscripts of what is written."""
    match s:
        case Let(_, value) | Fold(_, _, value):
            return (value,)
        case Carry(_, _, value, decay):
            return (value,) if decay is None else (value, decay)
        case Store(_, _, value, where) | Update(_, _, _, value, _, where):
            return (value,) if where is None else (value, where)
        case _:
            return ()


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement of a nest, loops before what is in them."""
    for s in body:
        yield s
        if isinstance(s, For):
            yield from statements(s.body)


def touched(body: tuple[Statement, ...]) -> tuple[tuple[Memory, ...], tuple[Buffer, ...]]:
    """What a nest reads and what it writes of whole memory, each once; what it updates is in both."""
    reads: dict[Memory, None] = {}
    writes: dict[Buffer, None] = {}
    for s in statements(body):
        places: tuple[Poly, ...] = ()
        written: tuple[Memory, ...] = ()
        match s:
            case Store(memory, places, _, _):
                written = (memory,)
            case Update(memory, places, _, _, _, _):
                written = (memory,)
                reads[memory] = None
            case SortRow(keys, permutation, places, _, _, _):
                written = (permutation,)
                reads[keys] = None
            case _:
                pass
        found = [load.tensor for value in scalars(s) for load in loads(value)] + [e.tensor for p in places for e in elements(p)]
        reads.update((t, None) for t in found if isinstance(t, Input))
        writes.update((m, None) for m in written if isinstance(m, Buffer))
    return tuple(m for m in reads if not isinstance(m, (Scratch, Var))), tuple(writes)
