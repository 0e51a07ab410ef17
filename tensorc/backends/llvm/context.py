"""What is known at a point of a kernel while its code is written: memory, bound axes, masks, and the values that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tensorc import algebra
from tensorc.algebra import Facts, Index, Poly
from tensorc.backends.llvm.code import Code
from tensorc.backends.llvm.types import Value
from tensorc.ir import walk
from tensorc.ir.tensor import Scalar
from tensorc.loops import bounds
from tensorc.loops.nest import Memory, Var

Coordinates = Mapping[Index, int]
"""A point of the blocks in scope: which register (of a vector axis) or point (of an unrolled one) of each axis whose block has several."""

Key = tuple[int, ...]
"""A point of the blocks of some axes, in the order of `Context.blocked`."""


@dataclass(frozen=True)
class Place:
    """Memory: its address, and its strides in elements."""

    pointer: Value
    strides: tuple[Value, ...]
    alignment: int


@dataclass(frozen=True)
class Tile:
    """The points of an axis that loops inside run over, from `start` to `stop`; `start` is a multiple of `count`."""

    start: Value
    stop: Value
    count: int


@dataclass(frozen=True)
class Share:
    """The blocks of a loop that a chunk has, each of `step` points, where it stands in a loop that is shared out: those that have any of
    `low` .. `high` - 1, counted in the innermost such loop's blocks. A block has `inside` of them, in the loop over `inner`.
    """

    low: Value
    high: Value
    step: int
    inside: Value
    inner: Index | None


@dataclass(frozen=True)
class Block:
    """The points of an axis that are taken at once, from `base`: `count` of them, or `count` registers of them if `vector`."""

    base: Value
    count: int
    vector: bool


@dataclass
class Accumulator:
    """The registers that a variable is folded in: for each point of its blocks, those that are kept apart until the end."""

    monoid: str
    across: bool  # whether lanes are kept apart too
    registers: dict[Key, list[Value]]


@dataclass(frozen=True)
class Saved:
    """What a loop changes of the context."""

    bound: dict[Index, Block]
    tiles: dict[Index, tuple[Tile, ...]]
    blocked: tuple[Index, ...]
    vector: Index | None
    is_narrow: bool
    mask: Value | None
    valid_lanes: Value | None
    proved: frozenset[Poly]
    values: dict[Var, dict[Key, Value]]
    accumulators: dict[Var, Accumulator]


class Known:
    """What has been computed, by what it is of, each as long as the scope that it is found in is open; `depth` numbers the innermost."""

    def __init__(self) -> None:
        self._found: dict[object, Any] = {}
        self._levels: list[list[object]] = [[]]
        self.get = self._found.get

    @property
    def depth(self) -> int:
        return len(self._levels) - 1

    def keep(self, key: object, value: object, depth: int) -> None:
        self._found[key] = value
        self._levels[depth].append(key)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A scope further inside: what is found in it is forgotten with it."""
        self._levels.append([])
        yield
        for key in self._levels.pop():
            self._found.pop(key, None)

    @contextmanager
    def aside(self, anew: bool = False) -> Iterator[None]:
        """For what is not at the point that code is written for: all that is found inside is forgotten, and `anew` says that nothing that
        was found before holds there.
        """
        found, levels = dict(self._found), [list(level) for level in self._levels]
        if anew:
            self._found.clear()
        yield
        self._found.clear()
        self._found.update(found)
        self._levels = levels


@dataclass(slots=True)
class Context:
    code: Code
    lanes: int
    facts: Facts
    places: dict[Memory, Place]  # of all memory that the kernel touches
    sizes: Mapping[str, Value]
    written: frozenset[Memory]  # memory that the kernel reads as well as writes, its other shapes too
    owners: Mapping[Memory, Memory]  # of buffers that are another shape of a buffer
    own_places: dict[Memory, Place] = field(default_factory=dict)  # of scratch that may stand for other memory
    registers: int = 32  # vector registers that the CPU has
    compact: bool = False  # whether code is to be short, rather than as fast as can be
    bound: dict[Index, Block] = field(default_factory=dict)
    tiles: dict[Index, tuple[Tile, ...]] = field(default_factory=dict)  # of an axis the outermost first
    extents: dict[Index, Value] = field(default_factory=dict)  # of loops that are made one
    shares: dict[Index, Share] = field(default_factory=dict)  # of the loops that are shared out
    vector: Index | None = None
    is_narrow: bool = False  # whether the lanes are one register, of a loop that takes several where there are so many
    mask: Value | None = None  # the lanes that are points, where not all are
    valid_lanes: Value | None = None  # how many of the first lanes are points, where not all are
    padded: bool = False  # whether lanes that are no points are computed too, and stored in scratch
    proved: frozenset[Poly] = frozenset()  # what is at least 0 at every point here
    values: dict[Var, dict[Key, Value]] = field(default_factory=dict)
    accumulators: dict[Var, Accumulator] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    passing: dict[object, Value] = field(default_factory=dict)  # values of what the kernel writes: of this statement only
    loop_writes: list[frozenset[Memory]] = field(default_factory=lambda: [frozenset()])  # by depth of scope
    versions: dict[Memory, int] = field(default_factory=dict)
    known_axes: dict[Scalar | Poly, frozenset[Index]] = field(default_factory=dict)
    known_points: dict[tuple[tuple[Index, int], ...], Sequence[Coordinates]] = field(default_factory=dict)
    known_passing: dict[Scalar, bool] = field(default_factory=dict)
    known_inside: dict[tuple[Memory, tuple[Poly, ...]], tuple[bool, ...]] = field(default_factory=dict)
    blocked: tuple[Index, ...] = ()
    cache: int = 0  # bytes that the caches hold
    passed: frozenset[Memory] = frozenset()  # memory that nobody reads soon after it is written
    has_passed: bool = False
    small: Value | None = None  # 0 where what the kernel touches is more than the caches hold
    streaming: int | None = None  # the depth of the scope of a loop over whole blocks of lanes
    in_tile: bool = False  # whether that is a loop within a tile
    streams: dict[str, tuple[Value, Value]] = field(default_factory=dict)  # what it reads: addresses, and how far ahead it asks
    coming: list[tuple[Index, Value, int]] = field(default_factory=list)  # rows at places that are data: lanes, begin, bytes an element
    sweeps: set[Memory] = field(default_factory=set)  # and of which memory
    ahead: dict[Memory, Value] = field(default_factory=dict)  # how far ahead it asks for that, in bytes

    def inside(self, memory: Memory, subscripts: tuple[Poly, ...]) -> tuple[bool, ...]:
        """Which subscripts are proved to be inside by what holds of sizes."""
        found = self.known_inside.get((memory, subscripts))
        if found is None:
            found = self.known_inside[memory, subscripts] = bounds.inside(memory, subscripts, self.facts)
        return found

    def axes(self, s: Scalar | Poly) -> frozenset[Index]:
        found = self.known_axes.get(s)
        if found is None:
            found = self.known_axes[s] = algebra.indices(s) if isinstance(s, Poly) else walk.indices(s)
        return found

    def save(self) -> Saved:
        values, accumulators = dict(self.values), dict(self.accumulators)
        places = dict(self.bound), dict(self.tiles), self.blocked
        return Saved(*places, self.vector, self.is_narrow, self.mask, self.valid_lanes, self.proved, values, accumulators)

    def restore(self, saved: Saved) -> None:
        self.bound, self.tiles, self.blocked = saved.bound, saved.tiles, saved.blocked
        self.vector, self.is_narrow, self.mask = saved.vector, saved.is_narrow, saved.mask
        self.valid_lanes, self.proved = saved.valid_lanes, saved.proved
        self.values, self.accumulators = saved.values, saved.accumulators

    def point(self, s: Scalar | Poly, at: Coordinates) -> Key:
        """The point of the blocks that s depends on."""
        return self.key(self.axes(s), at) if self.blocked else ()

    def key(self, axes: frozenset[Index], at: Coordinates) -> Key:
        return tuple([at[a] for a in self.blocked if a in axes]) if self.blocked else ()

    def points(self, axes: frozenset[Index]) -> Sequence[Coordinates]:
        """The points of the blocks of these axes."""
        several = tuple([(a, self.bound[a].count) for a in self.blocked if a in axes])
        found = self.known_points.get(several)
        if found is None:
            each = product(*(range(count) for _, count in several))
            found = self.known_points[several] = [{a: n for (a, _), n in zip(several, numbers, strict=True)} for numbers in each]
        return found

    def bind(self, axis: Index, block: Block) -> None:
        self.bound[axis] = block
        self.blocked = tuple(a for a in (*(b for b in self.blocked if b is not axis), axis) if self.bound[a].count > 1)

    def remember(self, key: object, value: object, depth: int) -> None:
        """Keeps what is computed in the scope of a depth, as long as that is open; not beyond the loop where guards were left out of it."""
        self.known.keep(key, value, self.known.depth if self.proved else depth)

    @contextmanager
    def loop(self, writes: frozenset[Memory]) -> Iterator[None]:
        """The body of a loop, which writes this memory."""
        self.loop_writes.append(writes)
        with self.known.scope():
            yield
        self.loop_writes.pop()

    @contextmanager
    def where(self, condition: Value, guards: frozenset[Poly]) -> Iterator[None]:
        """What is emitted inside runs where the i1 scalar is true, and the guards hold; nothing is done before, and no value leaves."""
        code, proved, floor = self.code, self.proved, self.code.floor
        with code.when(condition), self.loop(frozenset()):
            code.floor, self.proved = code.depth, proved | guards
            yield
            self.passing.clear()
        code.floor, self.proved = floor, proved

    def wrote(self, memory: Memory) -> None:
        self.versions[memory] = self.version(memory) + 1
        self.passing.clear()

    def version(self, memory: Memory) -> int:
        """How many writes to the memory have been emitted."""
        return self.versions.get(self.owners.get(memory, memory), 0)

    def depth_of_writes(self, memory: Memory) -> int:
        """The depth of the innermost open loop that writes the memory: its loads may not leave it."""
        owner = self.owners.get(memory, memory)
        return next((d for d in range(len(self.loop_writes) - 1, 0, -1) if owner in self.loop_writes[d]), 0)
