"""A schedule as one LLVM module: a function for each kernel, and one that runs them all, given the address of a frame."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tensorc.algebra import Poly
from tensorc.backends.llvm import index, parallel, statements, stream
from tensorc.backends.llvm.code import Code, Module
from tensorc.backends.llvm.context import Context, Place
from tensorc.backends.llvm.frame import Frame, Strides
from tensorc.backends.llvm.target import Target
from tensorc.backends.llvm.twins import Outline, copies_words, outlined, twins, words_table
from tensorc.backends.llvm.types import INT, POINTER, Value, integer
from tensorc.dtypes import DType
from tensorc.ir.tensor import Input
from tensorc.loops.nest import Buffer, Kernel, Memory, Schedule, Scratch

ENTRY = "tensorc.run"
MOST_LANES = 32


ENOUGH = 10_000
"""So many characters of functions make a module that is worth compiling while the next ones are written."""


@dataclass(frozen=True)
class Emitted:
    """`text` is the module; `symbols` are the C functions it calls. `rest` is what of it was not given away in parts."""

    text: str
    symbols: tuple[str, ...]
    rest: str


@dataclass(frozen=True)
class Part:
    """A function that runs a piece of a kernel. `word`: that of the frame with its units, where it is shared out. `runs`: that which is 0
    where the kernel does not run, if it does not always.
    """

    name: str
    word: int | None
    runs: int | None

    @property
    def parameters(self) -> str:
        return "ptr %frame" if self.word is None else "ptr %frame, i64 %low, i64 %high, ptr %scratch"


@dataclass(frozen=True)
class Call:
    """That a part runs, with the words of the frame that it has as its own, if it serves others too."""

    part: Part
    words: tuple[int, ...]


def emit(frame: Frame, strides: Mapping[Input, Strides], target: Target, ready: Callable[[str], None] = lambda text: None) -> Emitted:
    """The module of a schedule for inputs and results of whose strides so much is known.

    `ready` is given parts of it, each a module on its own, as soon as they are written, so that they may be compiled meanwhile.
    """
    module = module_for(target)
    writer = _Writer(module, ready)
    alike = twins(frame, strides)
    serves = Counter(first for first, _ in alike.values())
    outlines: dict[tuple[int, int], Outline] = {}
    calls: dict[tuple[int, int], Call] = {}
    for number in _longest_first(frame.schedule):
        first, words = alike.get(number, (number, {}))
        for n, piece in enumerate(frame.pieces[number]):
            part = _part(frame, number, n)
            outline = outlines.get((first, n))
            if outline is None:
                module.define(part.name, partial(_piece, module, frame, number, piece, part, strides, target))
                outline = outlined(module, frame, part.name, serves[first])
                writer.add(part)
            if outline is None:
                calls[number, n] = Call(part, ())
            else:
                outlines[first, n] = outline
                calls[number, n] = Call(replace(part, name=outline.name), tuple(words.get(word, word) for word in outline.words))
    module.define(ENTRY, lambda: _entry(module, frame, [calls[place] for place in sorted(calls)]))
    text = f"; {frame.schedule.name}\n\n{module.text()}"
    return Emitted(text, tuple(module.symbols), writer.rest() if writer.given else text)


def _longest_first(schedule: Schedule) -> list[int]:
    """The kernels in the order in which they are written, by number: other nests than the usual ones are short, and fill the time in which
    the long ones are compiled.
    """
    return sorted(range(len(schedule.kernels)), key=lambda number: not schedule.kernels[number].is_usual)


class _Writer:
    """Gives functions away in modules that are large enough."""

    def __init__(self, module: Module, ready: Callable[[str], None]) -> None:
        self.module = module
        self.ready = ready
        self.given: list[Part] = []
        self.kept: list[Part] = []

    def add(self, part: Part) -> None:
        self.kept.append(part)
        if sum(len(self.module.functions[p.name]) for p in self.kept) >= ENOUGH:
            self.ready(self.module.text([p.name for p in self.kept]))
            self.given, self.kept = [*self.given, *self.kept], []

    def rest(self) -> str:
        """The module of what is not given away."""
        declared = [f"declare void @{p.name}({p.parameters})" for p in self.given]
        return self.module.text([*(p.name for p in self.kept), ENTRY], declared)


def module_for(target: Target) -> Module:
    return Module(
        target.attributes,
        target.has_fused_multiply_add,
        target.has_half_conversions,
        target.vector_bytes == 64,
        target.fast,
        target.has_half_dots,
        target.has_half_rounding,
    )


def _entry(module: Module, frame: Frame, calls: Sequence[Call]) -> str:
    """The function that runs the parts in order."""
    table = [word for c in calls for word in c.words]
    lines = []
    if table:
        most = max(len(c.words) for c in calls)
        lines += [f"  %own = alloca [{most} x i64], align 8", f"  %own.at = getelementptr i64, ptr %frame, i64 {frame.own}"]
        lines.append("  store ptr %own, ptr %own.at, align 8")
    start = 0
    for n, c in enumerate(calls):
        made = []
        if c.words:
            made.append(f"  call void @{copies_words(module)}(ptr %frame, i64 {start}, i64 {len(c.words)}, ptr %own)")
            start += len(c.words)
        made.append(f"  call void {_call(module, frame, c.part)}")
        lines += _guarded(n, c.part, made)
    body = "".join(f"{line}\n" for line in lines)
    return f'{words_table(table)}define void @"{ENTRY}"(ptr %frame) #0 {{\n{body}  ret void\n}}\n'


def _guarded(number: int, part: Part, calls: list[str]) -> list[str]:
    """Calls that are left out where the kernel does not run."""
    if part.runs is None:
        return calls
    return [
        f"  %runs.at{number} = getelementptr i64, ptr %frame, i64 {part.runs}",
        f"  %runs{number} = load i64, ptr %runs.at{number}, align 8",
        f"  %do{number} = icmp ne i64 %runs{number}, 0",
        f"  br i1 %do{number}, label %run{number}, label %next{number}",
        f"run{number}:",
        *calls,
        f"  br label %next{number}",
        f"next{number}:",
    ]


def _call(module: Module, frame: Frame, part: Part) -> str:
    if part.word is None:
        return f"@{part.name}(ptr %frame)"
    return f"@{_region(module, frame)}(ptr @{part.name}, ptr %frame, i64 {part.word})"


def _part(frame: Frame, number: int, n: int) -> Part:
    """The function of a kernel's piece; they run in order."""
    name = f"kernel.{number}.{n}.{re.sub('[^0-9A-Za-z_]', '_', frame.schedule.kernels[number].name)}"
    return Part(name, frame.threads("units", (number, n)) if frame.pieces[number][n].shared else None, frame.runs(number))


def _piece(
    module: Module, frame: Frame, number: int, piece: parallel.Piece, part: Part, strides: Mapping[Input, Strides], target: Target
) -> str:
    kernel = frame.schedule.kernels[number]
    code = Code(module)
    context = Context(
        code,
        lanes_of(kernel, target),
        frame.schedule.facts,
        {},
        _Sizes(code, frame),
        _read_and_written(kernel, frame.schedule.aliases),
        frame.schedule.aliases,  # type: ignore[arg-type]  # a mapping is invariant in its keys
        registers=target.vector_registers,
        compact=not kernel.is_usual,
    )
    scratch = Value("%scratch", POINTER) if piece.shared else _slots(code, frame)
    context.places = {m: _place(context, frame, number, m, strides, scratch) for m in (*kernel.memory, *kernel.scratch)}
    if piece.shared:
        parallel.begin(context, piece, Value("%low", INT), Value("%high", INT))
    if target.cache:
        context.cache, context.passed = target.cache, _passed(frame.schedule, number)
    statements.emit(context, piece.body)
    stream.end(context)
    code.effect("ret void")
    return f"define void @{part.name}({part.parameters}) #0 {{\n{code.text()}}}\n"


def _region(module: Module, frame: Frame) -> str:
    """The function that runs a piece in chunks, by as many threads as there are, or as a whole: the word tells its units, the next its
    chunk.
    """
    name = "tensorc.region"
    module.once(name, lambda: _region_text(name, frame, Code(module)))
    return name


def _region_text(name: str, frame: Frame, code: Code) -> str:
    scratch = _slots(code, frame)
    threads, slot = (_word(code, frame.threads(word), INT) for word in ("threads", "slot"))
    run = _word(code, frame.threads("parallel"), POINTER)
    lines = [
        "  %units.at = getelementptr i64, ptr %frame, i64 %word",
        "  %units = load i64, ptr %units.at, align 8",
        "  %chunk.at = getelementptr i64, ptr %units.at, i64 1",
        "  %chunk = load i64, ptr %chunk.at, align 8",
        "  %any = icmp sgt i64 %units, 0",
        "  br i1 %any, label %some, label %done",
        "some:",
        "  %whole = icmp eq i64 %chunk, 0",
        "  br i1 %whole, label %alone, label %shared",
        "alone:",
        f"  call void %part(ptr %frame, i64 0, i64 %units, ptr {scratch.text})",
        "  ret void",
        "shared:",
        f"  call void {run.text}(ptr %part, ptr %frame, i64 %units, i64 %chunk, i64 {threads.text}, ptr {scratch.text}, i64 {slot.text})",
        "  ret void",
        "done:",
        "  ret void",
    ]
    body = "\n".join(lines)
    return f"define internal void @{name}(ptr %part, ptr %frame, i64 %word) #0 {{\n{code.text()}{body}\n}}\n"


def _slots(code: Code, frame: Frame) -> Value:
    """The first thread's scratch."""
    workspace, offset = _word(code, frame.workspace, POINTER), _word(code, frame.threads("slots"), INT)
    return code.pure(POINTER, f"getelementptr i8, ptr {workspace.text}, i64 {offset.text}", workspace, offset)


def _read_and_written(kernel: Kernel, owners: Mapping[Buffer, Buffer]) -> frozenset[Memory]:
    written = frozenset[Memory](kernel.writes)
    read = {m for m in kernel.reads if m in written or (isinstance(m, Buffer) and owners.get(m) in written)}
    return frozenset(read) | frozenset(kernel.scratch)


def _passed(schedule: Schedule, number: int) -> frozenset[Memory]:
    """The results that a kernel writes and that neither it nor a later one reads."""
    kernel = schedule.kernels[number]
    read = {m for later in schedule.kernels[number:] for m in later.reads}
    return frozenset(b for b in kernel.writes if b in schedule.results and b not in read)


class _Sizes(dict[str, Value]):
    """Sizes by name, each loaded from the frame when it is first asked for, ahead of all loops."""

    def __init__(self, code: Code, frame: Frame) -> None:
        super().__init__()
        self._code = code
        self._frame = frame

    def __missing__(self, name: str) -> Value:
        slot = self._code.first(POINTER, f"getelementptr i64, ptr %frame, i64 {self._frame.size(name)}")
        found = self[name] = self._code.first(INT, f"load i64, ptr {slot.text}, align 8")
        return found


def _word(code: Code, word: int, type: object) -> Value:
    slot = code.pure(POINTER, f"getelementptr i64, ptr %frame, i64 {word}")
    return code.pure(POINTER if type is POINTER else INT, f"load {type}, ptr {slot.text}, align 8")


# Memory.


def _place(context: Context, frame: Frame, number: int, memory: Memory, strides: Mapping[Input, Strides], scratch: Value) -> Place:
    code = context.code
    if memory in strides:
        known = strides[memory]
        found = tuple(_stride(code, frame, memory, axis, known[axis]) for axis in range(len(memory.extents)))
        return Place(_word(code, frame.pointer(memory), POINTER), found, 1)
    assert isinstance(memory, (Buffer, Scratch))
    owner = frame.schedule.aliases.get(memory, memory) if isinstance(memory, Buffer) else memory
    base = scratch if isinstance(memory, Scratch) else _word(code, frame.workspace, POINTER)
    offset = _word(code, frame.offset(number, owner), INT)
    pointer = code.pure(POINTER, f"getelementptr i8, ptr {base.text}, i64 {offset.text}", base, offset)
    return Place(pointer, row_major(context, memory.extents), memory.dtype.bytes)


def _stride(code: Code, frame: Frame, memory: Input, axis: int, known: int | None) -> Value:
    if memory.extents[axis].constant == 1:
        return integer(0)
    return integer(known) if known is not None else _word(code, frame.stride(memory, axis), INT)


def row_major(context: Context, extents: Sequence[Poly]) -> tuple[Value, ...]:
    """The strides of contiguous memory; of an axis of one point 0, since its subscript is 0."""
    strides: list[Value] = []
    step = integer(1)
    for extent in reversed(extents):
        strides.append(integer(0) if extent.constant == 1 else step)
        step = context.code.mul(index.number(context, extent, {}), step)
    return tuple(reversed(strides))


# What a kernel computes with.


def lanes_of(kernel: Kernel, target: Target) -> int:
    """As many lanes as the widest dtype that the kernel computes with has in one register; half floats are computed in f32."""
    widths = [_register_bytes(d) for d in kernel.dtypes]
    return max(2, min(MOST_LANES, target.vector_bytes // max(widths, default=4)))


def _register_bytes(dtype: DType) -> int:
    return 4 if dtype.is_half else dtype.bytes
