"""How many bits each load and store of a kernel moves at once, beside what its memory allows: 128 where blocks are contiguous.

An access need not be so wide where it is of one number, or at places that are data (gathers and scatters); where its block does not run
along neighbours (the strided side of a transpose, a reversed axis), or begins or ends anywhere (shifts, padding, windows); where rows or
blocks have fewer elements than threads could move; and where a row is sorted, in whose network each thread has elements of its own.

`PYTHONPATH=.:tests python -m backends.triton.widths [sm_80 sm_90]` sweeps the library: every row of its tables, with arguments of f32, f16
and bf16, compiled for each target. It lists the accesses that are narrower than they could be, and counts the others by why.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from library.judge import Case, parameters
from library.test_functions import CASES, generator
from library.variants import given

import tensorc as tc
from tensorc import algebra
from tensorc.algebra import Poly
from tensorc.backends.triton import compile
from tensorc.backends.triton.compile import Compiled
from tensorc.dtypes import DType, bf16, f16, f32
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.loops.nest import For, Kernel, Memory, Scratch, SortRow, Store, Update, Var, scalars, statements
from tensorc.runtime.gpu import build, options
from tensorc.schedule.gpu import Situation, Sizes
from tensorc.transform.simplify import simplify

WIDE = 128
"""Bits that a thread loads or stores at once, at most."""

Place = tuple[Memory, tuple[Poly, ...]]


@dataclass(frozen=True)
class Access:
    """What an instruction moves at once: `ld` or `st`, of the memory that a line of the kernel touches."""

    kind: str
    memory: Memory
    bits: int
    line: str


LOCATION = re.compile(r"\.loc\s+1 (\d+) \d+(?:,.*?inlined_at 1 (\d+))?")
MOVED = re.compile(r"\b(ld|st)\.global(?:\.[a-zA-Z]\w*(?:::\w+)*)*?(?:\.v(\d))?\.b(\d+)")
COPIED = re.compile(r"\bcp\.async\.c[ag]\.shared\.global\s*\[[^]]*\],\s*\[[^]]*\],\s*0x([0-9a-f]+)")
POINTER = re.compile(r"(?:tl\.load|tl\.store)\((\w+)")


def accesses(c: Compiled, text: str) -> Iterator[Access]:
    """Every load and store of the machine code whose line of the module's text names the memory."""
    lines = text.split("\n")
    memory = dict(zip(c.kernel.parameters, c.kernel.pointers, strict=False))
    at, is_written = 0, False
    for row in c.text("ptx").split("\n"):
        if "begin inline asm" in row:  # whose lines are counted on from where it stands
            is_written, first = True, 0
        elif "end inline asm" in row:
            is_written = False
        elif (found := LOCATION.search(row)) is not None:
            number = int(found[2] or found[1])
            if not is_written or not first:
                at, first = number, number
        for kind, bits in _moved(row):
            pointer = POINTER.search(lines[at - 1])
            if pointer is not None and pointer[1] in memory:
                yield Access(kind, memory[pointer[1]], bits, lines[at - 1].strip())


def _moved(row: str) -> Iterator[tuple[str, int]]:
    for kind, vector, bits in MOVED.findall(row):
        yield kind, int(vector or 1) * int(bits)
    for size in COPIED.findall(row):
        yield "ld", 8 * int(size, 16)


def touched(kernel: Kernel) -> Iterator[tuple[str, Place]]:
    """(`ld` or `st`, memory and subscripts) of each access."""
    for s in statements(kernel.body):
        for load in (load for value in scalars(s) for load in walk.loads(value)):
            if isinstance(load.tensor, Memory) and not isinstance(load.tensor, (Scratch, Var)):
                yield "ld", (load.tensor, load.subscripts)
        if isinstance(s, (Store, Update)) and not isinstance(s.memory, Scratch):
            yield "st", (s.memory, s.subscripts)


def why_narrow(c: Compiled, situation: Situation, place: Place) -> str | None:
    """Why the accesses of a place may be of fewer bits than 128; None where they may not."""
    memory, subscripts = place
    if any(isinstance(s, SortRow) for s in statements(c.kernel.kernel.body)):
        return "sorted"
    blocks = {s.axis: s.bind.count for s in statements(c.kernel.kernel.body) if isinstance(s, For)}
    width = WIDE // 8 // memory.dtype.bytes
    address = situation.address(memory, subscripts)
    axes = [a for a in algebra.indices(address) if blocks.get(a, 1) > 1]
    block = prod(blocks[a] for a in axes)
    if block == 1:
        return "one number"
    if any(algebra.elements(s) for s in subscripts):
        return "places that are data"
    found = [(a, parts[1]) for a in axes if (parts := algebra.split(address, a)) is not None and parts[0].constant == 1]
    if not found:
        return "not along neighbours"
    along, start = found[0]
    if situation.sizes.multiple(start) % width:
        return "begins anywhere"
    if situation.sizes.multiple(along.extent) % width:
        return "ends anywhere"
    return "fewer elements than threads move" if block < 32 * c.kernel.launch.warps * width or blocks[along] < width else None


def narrow(c: Compiled, situation: Situation, text: str) -> tuple[list[Access], Counter[str]]:
    """(the accesses that are of fewer bits than they could be, how many others there are, by why they may be narrow or that they are wide).

    `text` is the module of the kernel. Where a kernel touches memory at several places, one of them may be why.
    """
    allowed: dict[tuple[str, Memory], list[str | None]] = {}
    for kind, place in touched(c.kernel.kernel):
        allowed.setdefault((kind, place[0]), []).append(why_narrow(c, situation, place))
    found: list[Access] = []
    reasons: Counter[str] = Counter()
    for a in accesses(c, text):
        why = next((w for w in allowed.get((a.kind, a.memory), ["not of the nest"]) if w is not None), None)
        if a.bits >= WIDE or why is not None:
            reasons["wide" if a.bits >= WIDE else str(why)] += 1
        else:
            found.append(a)
    return found, reasons


LARGER = 64
"""By what the sizes of a row's arguments are multiplied: they stay multiples of one another, and are multiples of what is moved at once."""


def program_of(case: Case, dtype: DType) -> tuple[str, Program, Situation] | None:
    """A row of the library's tables for a dtype: its text, its program, and large sizes for it; None where there is no such program."""
    first = next(iter(given(case, dtype)), None)
    if case.refused or dtype not in case.dtypes or first is None:
        return None
    arrays = [g.make(dtype, generator(case, dtype)) for g in first]
    text = f"fn f({parameters(arrays)}) = {case.text}"
    try:
        program = simplify(tc.compile(text).f.lower(*arrays).program)
    except (tc.CompileError, ValueError, IndexError):
        return None
    pairs = ((e.atom, n) for t, a in zip(program.inputs, arrays, strict=True) for e, n in zip(t.extents, a.shape, strict=True))
    sizes = {a.name: n * LARGER for a, n in pairs if isinstance(a, algebra.Size)}
    return text, program, Situation(Sizes.of(sizes))


def sweep(targets: list[str]) -> int:
    """How many kernels of the library have accesses that are narrower than they could be."""
    seen: set[str] = set()
    total: Counter[str] = Counter()
    kernels = wrong = 0
    for case in CASES:
        for dtype in (f32, f16, bf16):
            made = program_of(case, dtype)
            if made is None or made[0] in seen:
                continue
            text, program, situation = made
            seen.add(text)
            for goal in (compile.parse(f"cuda:{t}") for t in targets):
                variant, found = build(program, situation, goal, options(goal))
                for c in found:
                    few, reasons = narrow(c, situation, variant.emitted.text)
                    kernels, wrong, total = kernels + 1, wrong + bool(few), total + reasons
                    if few:
                        print(f"{text} for {goal}:", *dict.fromkeys(f"  {a.kind} {a.bits}: {a.line}" for a in few), sep="\n")
    print(f"{kernels} kernels of {len(seen)} programs, {wrong} with narrow accesses; accesses: {dict(total.most_common())}")
    return wrong


if __name__ == "__main__":
    sys.setrecursionlimit(100_000)
    sys.exit(1 if sweep(sys.argv[1:] or ["sm_80", "sm_90"]) else 0)
