"""A schedule as a module of Triton kernels, and what a launcher must know of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.backends.triton import accumulate, helpers, index, scatter, sort, statements, tiles, vanishing
from tensorc.backends.triton.context import Bound, Context, Naming, Relied
from tensorc.dtypes import i32
from tensorc.ir import walk
from tensorc.ir.tensor import Load, Scalar
from tensorc.loops.nest import Buffer, For, Kernel, Let, Memory, Scratch, SortRow, Statement, Store, Update, Var, scalars
from tensorc.loops.nest import statements as every_statement
from tensorc.loops.text import declared
from tensorc.schedule.gpu import Launch, Planned, Situation
from tensorc.schedule.gpu.product import LEAST, sides
from tensorc.schedule.gpu.sizes import index_bits

SECOND = 65535
"""The most blocks of the second and third dimension of a grid."""

GROUP = 8
"""So many blocks of rows run together, so that the columns that they read stay in the cache."""

FINISHED = Buffer("finished", (), i32)
"""A number that is 0 before and after each launch: how many programs have finished."""

GridDimension = tuple[tuple[Poly, int], ...]
"""The blocks of a dimension of the grid: the product of ceil(extent / block)."""


@dataclass(frozen=True)
class EmittedKernel:
    """A kernel's function and its parameters in order: pointers, sizes, constants."""

    name: str
    text: str
    kernel: Kernel
    pointers: tuple[Memory, ...]
    sizes: tuple[str, ...]
    index_bits: int
    constants: Mapping[str, int]
    grid: tuple[GridDimension, ...]
    launch: Launch
    fusion: bool
    parameters: tuple[str, ...]
    relied: tuple[Relied, ...]
    described: tuple[Memory, ...]  # what there are descriptors of, which take memory of their own and aligned addresses


@dataclass(frozen=True)
class Emitted:
    """`text` is the module: helper functions and kernels."""

    planned: Planned
    text: str
    kernels: tuple[EmittedKernel, ...]


@dataclass(frozen=True)
class Options:
    """`vendor`: `cuda` or `hip`. `precision` of products of f32 matrices: `ieee`, `tf32x3` or `tf32`. `deterministic`: no sum depends on
    the order in which programs run. `fusion`: the compiler may contract what the program rounds twice. `descriptors`: the target loads
    tiles by descriptors (TMA), and all memory is aligned.
    """

    vendor: str = "cuda"
    precision: str = "ieee"
    deterministic: bool = False
    fusion: bool = False
    descriptors: bool = False
    suffix: str = ""  # of the kernels' names


def emit(planned: Planned, options: Options | None = None) -> Emitted:
    """The module of a schedule."""
    names = Naming()
    options = options or Options()
    made = []
    for k in planned.schedule.kernels:
        made.append(_Emitter(planned, k, options, names.of(("kernel", k.name), k.name + options.suffix)).kernel())
    return Emitted(planned, module(planned.schedule.name, [k.text for k in made]), tuple(made))


def module(name: str, functions: Sequence[str]) -> str:
    text = "\n\n\n".join(functions)
    helper_texts = [helpers.TEXTS[n] for n in helpers.used(text)]
    head = [f'"""Triton kernels of {name}."""', "", "import triton", "import triton.language as tl"]
    if any("libdevice." in t for t in (text, *helper_texts)):
        head.append("from triton.language.extra import libdevice")
    return "\n".join(head) + "\n\n\n" + "\n\n\n".join([*helper_texts, text]) + "\n"


class _Emitter:
    def __init__(self, planned: Planned, kernel: Kernel, options: Options, name: str) -> None:
        self.planned = planned
        self.source = kernel
        self.name = name
        self.fusion = options.fusion
        sizes = planned.situation.sizes
        parallel, self.tail = _tail(kernel.body)
        self.grid, self.body = _grid(parallel)
        found = scatter.nest(kernel.body)
        if found is not None:
            self.grid, self.body = scatter.bound(*found, sizes, options.deterministic)
        if self.body and isinstance(self.body[0], SortRow) and not sort.is_whole(self.body[0], sizes):
            self.grid.append(sort.ranks(self.body[0]))
        order = accumulate.order_of(
            kernel.body, (*_longest(kernel.body), *(s.axis for s in every_statement(kernel.body) if isinstance(s, For)))
        )
        # What is bound is known before anything is written: shapes of accumulators, which products are of matrices.
        naming = Naming()
        self.context = Context(
            kernel,
            planned.situation,
            options.vendor,
            naming,
            order,
            index_bits(sizes, list(_polys(kernel, planned.situation))),
            options.precision,
            Counter(_uses(kernel)),
            {m: naming.of(m, f"{m.name}_ptr") for m in kernel.memory},
            planned.schedule.facts,
            accumulate.loops_of(kernel.body),
            options.deterministic,
            _named_rows(kernel),
            vanishing.others(kernel),
            {s.var: s.value for s in every_statement(kernel.body) if isinstance(s, Let)},
            options.descriptors,
            programs=tuple(s.axis for s in self.grid),
        )
        order |= {s.axis: len(order) + n for n, s in enumerate(self.grid) if s.axis not in order}
        for size in sorted({s.name for p in _polys(kernel, planned.situation) for s in algebra.sizes(p)}):
            naming.of(algebra.Size(size), size)

    def kernel(self) -> EmittedKernel:
        context = self.context
        dimensions = self._programs()
        context.heads = len(context.lines)
        loops = [s for s in every_statement((*self.body, *self.tail)) if isinstance(s, For)]
        for s in loops:
            if s.within:
                continue
            if context.is_whole(s):
                statements.bind_whole(context, s)
            elif s.axis not in context.bound:
                context.bound[s.axis] = Bound(context.names.of(s.axis, self.source.names[s.axis]), s.bind.count, None, False)
        products = (s for _, s in context.folded.values() if accumulate.product(context, s) is not None)
        context.operands = tiles.operands(products)
        statements.emit(context, self.body)
        if self.tail:
            self._last(len(dimensions))
        return EmittedKernel(
            self.name,
            self._text(),
            self.source,
            tuple(context.pointers),
            tuple(context.sizes_used),
            context.index_bits,
            dict(context.constants),
            dimensions,
            self.planned.launches[self.source.name],
            self.fusion,
            self._parameters(),
            tuple(context.relied),
            tuple(context.described),
        )

    def _parameters(self) -> tuple[str, ...]:
        context = self.context
        return (*context.pointers.values(), *map(context.size, context.sizes_used), *context.constants)

    def _text(self) -> str:
        context = self.context
        parameters = [f"{name}: tl.constexpr" if name in context.constants else name for name in self._parameters()]
        head = f"def {self.name}({', '.join(parameters)}):"
        if len(head) > 120:
            head = f"def {self.name}(\n" + "".join(f"    {p},\n" for p in parameters) + "):"
        reads, writes = (", ".join(map(declared, part)) for part in (self.source.reads, self.source.writes))
        about = f"{reads} -> {writes}" if len(reads + writes) <= 110 else f"{reads}\n    -> {writes}"
        return "\n".join(["@triton.jit", head, f'    """{about}"""', *context.lines])

    def _last(self, dimensions: int) -> None:
        """What the program does that finishes last: a barrier, and the count of those that have, order it after all that others stored."""
        context = self.context
        counter = context.pointers[FINISHED] = context.names.of(FINISHED, "finished_ptr")
        programs = " * ".join(f"tl.num_programs({n})" for n in range(dimensions))
        context.line("# the program that finishes last does the rest")
        context.line("tl.debug_barrier()")
        with context.block(f'if tl.atomic_add({counter}, 1, sem="acq_rel") == {programs} - 1:'):
            statements.emit(context, self.tail)
            context.line(f"tl.store({counter}, 0)")

    # The grid.

    def _programs(self) -> tuple[GridDimension, ...]:
        """Bind the axes of the grid; its dimensions."""
        context = self.context
        for s in self.grid:
            context.bound[s.axis] = Bound(context.names.of(s.axis, self.source.names.get(s.axis, "one")), s.bind.count, None)
        tile = self._tile()
        if tile is not None:
            return self._tiled(*tile)
        loops = list(reversed(self.grid))
        counts = [-(-context.sizes.upper(s.axis.extent) // s.bind.count) for s in loops]
        if len(loops) <= 3 and all(n <= SECOND for n in counts[1:]):
            for dimension, s in enumerate(loops):
                self._points(s, f"tl.program_id({dimension})")
            return tuple(((s.axis.extent, s.bind.count),) for s in loops) or ((),)
        context.line("pid = tl.program_id(0)")
        for n, s in enumerate(loops):
            if n == len(loops) - 1:
                self._points(s, "pid")
                break
            blocks = self._blocks(s)
            self._points(s, f"(pid % {blocks})")
            context.line(f"pid = pid // {blocks}")
        return (tuple((s.axis.extent, s.bind.count) for s in loops),)

    def _blocks(self, s: For) -> str:
        extent = index.number(self.context, s.axis.extent).text
        if s.bind.count == 1:
            return extent.inside(8)
        name = self.context.names.of(("blocks", s.axis), f"{self.context.bound[s.axis].name}_blocks")
        self.context.line(f"{name} = tl.cdiv({extent.text}, {self.context.block_name(s.axis)})")
        return name

    def _points(self, s: For, program: str) -> None:
        context = self.context
        name = context.bound[s.axis].name
        if context.index_bits == 64:
            program = f"{program}.to(tl.int64)"
        if s.bind.count == 1:
            context.line(f"{name} = {program}")
            return
        block = context.block_name(s.axis)
        start = f"{program} * {block}"
        context.bound[s.axis] = replace(context.bound[s.axis], start=start)
        context.line(f"{name} = {start} + {statements.arange(context, block)}")
        statements.mask(context, s.axis)

    def _tile(self) -> tuple[For, For] | None:
        """The loops over rows and columns of a product of matrices."""
        folds = [f for _, f in self.context.folded.values()]
        wide = [s for s in self.grid if s.bind.count >= LEAST]
        if len(wide) != 2 or not any(sides(f.value, f.var.axes, f.over) for f in folds if f.monoid == "sum"):
            return None
        return wide[0], wide[1]

    def _tiled(self, rows: For, columns: For) -> tuple[GridDimension, ...]:
        context = self.context
        context.line("pid = tl.program_id(0)")
        outer = [s for s in self.grid if s is not rows and s is not columns]
        n, m = self._blocks(rows), self._blocks(columns)
        names = [context.names.of(("block number", s.axis), f"{self.source.names[s.axis]}_block") for s in (rows, columns)]
        first = f"pid % ({n} * {m})" if outer else "pid"
        if outer:
            context.line(f"tile = {first}")
            first = "tile"
        context.line(f"{', '.join(names)} = tl.swizzle2d({first} // {m}, {first} % {m}, {n}, {m}, {GROUP})")
        self._points(rows, names[0])
        self._points(columns, names[1])
        if outer:
            context.line(f"pid = pid // ({n} * {m})")
        for number, s in enumerate(reversed(outer)):
            last = number == len(outer) - 1
            self._points(s, "pid" if last else f"(pid % {self._blocks(s)})")
            if not last:
                context.line(f"pid = pid // {self._blocks(s)}")
        return (tuple((s.axis.extent, s.bind.count) for s in (columns, rows, *reversed(outer))),)


def _named_rows(kernel: Kernel) -> frozenset[Scratch]:
    """The rows to which nothing but one variable is stored."""
    values: dict[Memory, set[Scalar]] = {}
    for s in every_statement(kernel.body):
        if isinstance(s, (Store, Update)):
            values.setdefault(s.memory, set()).add(s.value)
    updated = {s.memory for s in every_statement(kernel.body) if isinstance(s, Update)}
    return frozenset(
        m
        for m in kernel.scratch
        if m not in updated
        and len(found := values.get(m, set())) == 1
        and all(isinstance(v, Load) and isinstance(v.tensor, Var) for v in found)
    )


def _tail(body: tuple[Statement, ...]) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """(the loops of the grid, what comes after them)."""
    if len(body) > 1 and isinstance(body[0], For) and body[0].parallel:
        return body[:1], body[1:]
    return body, ()


def _grid(body: Sequence[Statement]) -> tuple[list[For], tuple[Statement, ...]]:
    """The loops whose blocks are programs, and what is in them."""
    grid: list[For] = []
    while len(body) == 1 and isinstance(body[0], For) and body[0].parallel:
        grid.append(body[0])
        body = body[0].body
    return grid, tuple(body)


def _longest(body: Sequence[Statement]) -> tuple[Index, ...]:
    """The axes of the longest path of loops."""
    paths = ((s.axis, *_longest(s.body)) for s in body if isinstance(s, For))
    return max(paths, key=len, default=())


def _uses(kernel: Kernel) -> Iterator[Scalar]:
    """Every scalar once for each different term, and each statement, that reads it."""
    seen: set[Scalar] = set()
    for s in every_statement(kernel.body):
        for root in scalars(s):
            yield root
            for part in walk.postorder(root):
                if part not in seen:
                    seen.add(part)
                    yield from walk.children(part)


def _polys(kernel: Kernel, situation: Situation) -> Iterator[Poly]:
    """Every number of a kernel that indices are computed for: extents, subscripts, addresses, guards."""
    for s in every_statement(kernel.body):
        if isinstance(s, For):
            yield s.axis.extent
        if isinstance(s, (Store, Update)):
            yield from s.subscripts
            yield situation.address(s.memory, s.subscripts)
        if isinstance(s, SortRow):
            yield s.extent
        for root in scalars(s):
            for load in walk.loads(root):
                yield from load.subscripts
                yield situation.address(load.tensor, load.subscripts)
            for part in walk.postorder(root):
                if not isinstance(part, Scratch):
                    yield from walk.polys(part)
