"""What is known at a line of a kernel while it is written: the loops around it, the values that have names, and the lines themselves."""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from tensorc import algebra
from tensorc.algebra import Facts, Index, Poly, Size
from tensorc.backends.triton.helpers import TEXTS
from tensorc.backends.triton.spellings import ATOM, Text
from tensorc.ir import walk
from tensorc.ir.tensor import Scalar, Tensor
from tensorc.loops.nest import Fold, For, Kernel, Memory, Scratch, Var
from tensorc.schedule.gpu import Situation, Sizes

RESERVED = frozenset(
    {*TEXTS, *keyword.kwlist, "tl", "triton", "libdevice", "torch", "math", "float", "int", "bool", "range", "pid", "workspace"}
)
"""Names that mean something in a generated module."""

WIDTH = 110
"""Expressions longer than this are given names in parts."""

ROW = re.compile(r"(\w+_row(?:_\d+)?)(\[[^\]]*\])")

POINT = re.compile(r" % \d+(?=[,\]])")
"""A row in registers has the points of a block: which of them is not worth saying."""

LINES = 4
"""Of a formula in a comment, at most."""

Axes = tuple[Index, ...]


@dataclass(frozen=True)
class Value:
    """An expression whose value is a tensor with a dimension for each of `axes`, which are bound to blocks; a scalar without any."""

    text: Text
    axes: Axes

    @property
    def is_name(self) -> bool:
        return self.text.text.isidentifier()


@dataclass(frozen=True)
class Bound:
    """An axis: the name of its point or points, how many there are, and the name of which of them exist (None: all do). `is_here` tells
    whether it is in scope yet; `start` is the first of the points.
    """

    name: str
    block: int
    mask: str | None
    is_here: bool = True
    start: str = "0"


@dataclass(frozen=True)
class Relied:
    """What a kernel takes for granted of an extent: that it is at most `count`, a multiple of it and not 0, or just it."""

    extent: Poly
    relation: Literal["<=", "%", "=="]
    count: int


@dataclass
class Accumulator:
    """What an `Init` began. `axes` are those of its value; `apart` is the folded axis whose points stay apart until `Done`."""

    monoid: str
    axes: Axes
    apart: Index | None
    looped: bool  # whether it is folded in a loop, and so has a name before


class Naming:
    """Names of a kernel, each for one thing."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self.taken = {*RESERVED, *taken}
        self.given: dict[Hashable, str] = {}

    def of(self, key: Hashable, wanted: str) -> str:
        """The name of a thing: the wanted one where nothing else has it."""
        found = self.given.get(key)
        if found is None:
            base = re.sub(r"\W", "_", wanted)
            number = 0
            found = base
            while found in self.taken:
                number += 1
                found = f"{base}_{number}"
            self.taken.add(found)
            self.given[key] = found
        return found


@dataclass
class Context:
    kernel: Kernel
    situation: Situation
    vendor: str
    names: Naming
    order: dict[Index, int]  # of the dimensions of tensors
    index_bits: int
    precision: str  # of products of f32 matrices: `ieee`, `tf32x3` or `tf32`
    uses: dict[Scalar, int]  # how many terms and statements read a scalar
    pointers: dict[Memory, str]
    facts: Facts
    folded: Mapping[Var, tuple[tuple[For, ...], Fold]]  # the loops between the start of a reduction and its fold
    deterministic: bool  # whether sums into places that are data are done in order
    named_rows: frozenset[Scratch]  # rows that are nothing but other names for a variable
    others: Mapping[tuple[Tensor, tuple[Poly, ...]], float | int]  # what loads find where there is no point, if it is not 0
    values: Mapping[Var, Scalar]  # of variables that are no reductions
    descriptors: bool  # whether tiles are loaded by descriptors
    operands: frozenset[tuple[Tensor, tuple[Poly, ...]]] = frozenset()  # what products of matrices multiply
    lines: list[str] = field(default_factory=list)
    firsts: int = 0  # lines of values of sizes alone
    heads: int = 0  # lines before what the program does
    is_first: bool = False  # whether such a value is being written
    indent: int = 1
    bound: dict[Index, Bound] = field(default_factory=dict)
    scopes: list[dict[Hashable, Value]] = field(default_factory=lambda: [{}])
    accumulators: dict[Var, Accumulator] = field(default_factory=dict)
    rows: dict[Scratch, Value] = field(default_factory=dict)
    sizes_used: dict[str, None] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)  # the block sizes, by name
    versions: dict[Memory, int] = field(default_factory=dict)
    relied: dict[Relied, None] = field(default_factory=dict)
    programs: tuple[Index, ...] = ()  # the axes of the grid
    described: dict[Memory, None] = field(default_factory=dict)  # what there are descriptors of

    @property
    def sizes(self) -> Sizes:
        return self.situation.sizes

    @property
    def index_type(self) -> str:
        return "tl.int64" if self.index_bits == 64 else "tl.int32"

    # Lines.

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text if text else "")

    def comment(self, texts: Sequence[str]) -> None:
        rows = {m.name: m.name.removesuffix("_row") for m in self.named_rows}
        for text in texts:
            text = ROW.sub(lambda m: rows.get(m[1], m[1]) + POINT.sub("", m[2]), text)
            first, *rest = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
            self.line(f"# {first}")
            for more in rest[: LINES - 1]:
                self.line(f"#     {more}")
            if len(rest) >= LINES:
                self.line("#     ...")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """The lines inside of a loop or a condition; what is named there ends with it."""
        self.line(head)
        self.indent += 1
        self.scopes.append({})
        rows, bound = dict(self.rows), dict(self.bound)
        yield
        self.scopes.pop()
        self.bound = bound
        self.rows = {m: v for m, v in self.rows.items() if m in rows}
        self.indent -= 1

    # Values.

    def recall(self, key: Hashable) -> Value | None:
        return next((scope[key] for scope in reversed(self.scopes) if key in scope), None)

    def remember(self, key: Hashable, value: Value) -> Value:
        self.scopes[-1][key] = value
        return value

    def named(self, key: Hashable, value: Value, wanted: str) -> Value:
        """The value, with a name from here on."""
        if value.is_name:
            return self.remember(key, value)
        name = self.names.of((key, value.axes), wanted)
        self.line(f"{name} = {value.text.text}")
        return self.remember(key, Value(Text(name), value.axes))

    def named_first(self, key: Hashable, value: Value, wanted: str) -> Value:
        """The value of sizes alone, with a name from the first line of the kernel on."""
        name = self.names.of((key, ()), wanted)
        self.lines.insert(self.firsts, f"    {name} = {value.text.text}")
        self.firsts += 1
        self.heads += 1
        return self.scopes[0].setdefault(key, Value(Text(name), ()))

    def line_before_loops(self, text: str) -> None:
        """A line where the points of the grid are known, and no loop has begun."""
        self.lines.insert(self.heads, f"    {text}")
        self.heads += 1

    def axes_of(self, indices: frozenset[Index] | set[Index]) -> Axes:
        """Those that are bound to blocks, in the order of dimensions."""
        return tuple(sorted((a for a in indices if a in self.bound and self.bound[a].block > 1), key=lambda a: self.order[a]))

    def axes(self, s: Scalar | Poly) -> Axes:
        return self.axes_of(algebra.indices(s) if isinstance(s, Poly) else walk.indices(s))

    def shape(self, axes: Axes) -> str:
        """The shape of a tensor over the axes, as text."""
        return f"[{', '.join(self.block_name(a) for a in axes)}]" if axes else "()"

    def block_name(self, a: Index) -> str:
        """The constant that is the length of an axis's block."""
        name = self.names.of(("block", a), f"BLOCK_{self.kernel.names.get(a, self.bound[a].name).upper()}")
        self.constants[name] = self.bound[a].block
        return name

    def size(self, name: str) -> str:
        """The parameter that is a size."""
        self.sizes_used.setdefault(name)
        return self.names.of(Size(name), name)

    def is_whole(self, s: For) -> bool:
        """Whether the loop is one block, which holds all of its axis, or of the tile that it is within."""
        return s.within or (s.bind.count > 1 and self.holds(s.axis.extent, "<=", s.bind.count))

    def holds(self, extent: Poly, relation: Literal["<=", "%", "=="], count: int) -> bool:
        """Whether that is so of an extent, for all sizes that the kernel is for; it is relied on."""
        match relation:
            case "<=":
                found = self.sizes.is_whole(extent, count)
            case "%":
                found = self.sizes.divides(count, extent)
            case "==":
                found = self.sizes.bounds(extent) == (count, count)
        if found and extent.constant is None:
            self.relied.setdefault(Relied(extent, relation, count))
        return found

    def wrote(self, memory: Memory) -> None:
        self.versions[memory] = self.versions.get(memory, 0) + 1


def full(context: Context, value: Value, axes: Axes, type: str) -> str:
    """The value as a tensor of the whole shape of the axes."""
    text = expand(value, axes).text
    if value.axes == axes:
        return text
    return f"tl.broadcast_to({text}, {context.shape(axes)})" if value.axes else f"tl.full({context.shape(axes)}, {text}, {type})"


def expand(value: Value, axes: Axes) -> Text:
    """The value as a tensor that broadcasts over the axes, its own among them in the same order."""
    if value.axes == axes or not value.axes or len(axes) == 1:
        return value.text
    places = ", ".join(":" if a in value.axes else "None" for a in axes)
    return Text(f"{value.text.inside(ATOM)}[{places}]")
