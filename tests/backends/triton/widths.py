"""How many bits each load and store of a kernel moves at once, beside what its memory allows: 128 where blocks are contiguous.

`python -m backends.triton.widths [sm_80 sm_90]` sweeps the library: every row of its tables, with arguments of f32, f16 and bf16, compiled
for each target. It lists the accesses that are narrower than they could be (none should be), and counts those that cannot be wide by why.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import tensorc as tc
from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.backends.triton import compile
from tensorc.backends.triton.compile import Compiled
from tensorc.dtypes import DTYPES, DType, i64
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
    axes = algebra.indices(address)
    block = prod(blocks.get(a, 1) for a in axes)
    if block == 1:
        return "one number"
    if any(algebra.elements(s) for s in subscripts):
        return "places that are data"
    along = [a for a in axes if blocks.get(a, 1) > 1 and (parts := algebra.split(address, a)) is not None and parts[0].constant == 1]
    if not along:
        return "not contiguous"
    parts = algebra.split(address, along[0])
    assert parts is not None
    if any(_multiple(situation, atoms, n) % width for atoms, n in parts[1].terms):
        return "begins anywhere"
    if blocks[along[0]] < width:
        return "short rows"
    if block < 32 * c.kernel.launch.warps * width:
        return "fewer elements than threads move"
    return None


def _multiple(situation: Situation, atoms: tuple[object, ...], factor: int) -> int:
    sizes = [algebra.poly(a) for a in atoms if isinstance(a, algebra.Size)]
    blocks = 1
    return abs(factor) * blocks * prod(situation.sizes.multiple(s) for s in sizes)


def narrow(c: Compiled, situation: Situation, text: str) -> tuple[list[Access], Counter[str]]:
    """(the accesses that are of fewer bits than they could be, how many may be, by why)."""
    allowed: dict[tuple[str, Memory], list[str | None]] = {}
    for kind, place in touched(c.kernel.kernel):
        allowed.setdefault((kind, place[0]), []).append(why_narrow(c, situation, place))
    found: list[Access] = []
    reasons: Counter[str] = Counter()
    for a in accesses(c, text):
        whys = allowed.get((a.kind, a.memory), ["not of the nest"])
        why = next((w for w in whys if w is not None), None)
        if a.bits >= WIDE:
            reasons["wide"] += 1
        elif why is None:
            found.append(a)
        else:
            reasons[why] += 1
    return found, reasons
