"""Blocks of accumulators at the end of a loop: one that overlaps the block before, where that takes less time than several shorter ones.

What is left of a loop over rows, 10 of 24 in blocks of 14, would be done in blocks whose few accumulators wait for one another. Where rows
are computed anew alike, and stored to the same places, the last block may begin early instead.
"""

from __future__ import annotations

from tensorc.backends.llvm.context import Context
from tensorc.backends.llvm.types import Value, integer
from tensorc.ir import walk
from tensorc.loops.nest import Carry, Fold, For, Init, SortRow, Store, Update, Var, scalars, statements

LATENCY, RATE = 4, 2
"""Cycles until an accumulator has its sum, and sums that are begun in each, of processors with two units that multiply and add."""


def may_overlap(loop: For) -> bool:
    """Whether points of a loop may be done twice: nothing that they read is what they write, and they fold into nothing outside."""
    inside = list(statements(loop.body))
    if any(isinstance(s, (Update, Carry, SortRow)) for s in inside):
        return False
    own = {s.var for s in inside if isinstance(s, Init)}
    read = {load.tensor for s in inside for value in scalars(s) for load in walk.loads(value)}
    written = {s.memory for s in inside if isinstance(s, Store)}
    return all(s.var in own for s in inside if isinstance(s, Fold)) and not any(m in read for m in written if not isinstance(m, Var))


def end(context: Context, loop: For, start: Value, stop: Value, size: int, shorter: int) -> Value:
    """Where the last of the blocks of `size` points begins at the latest, plus 1: those that are left are better done in shorter ones."""
    code, registers = context.code, _registers(context, loop)

    def cycles(points: int) -> int:
        return max(LATENCY, points * registers // RATE)

    single = [min(left * cycles(1), cycles(shorter)) if left else 0 for left in range(shorter)]  # which may overlap too
    apart = [left // shorter * cycles(shorter) + single[left % shorter] for left in range(size)]
    worth = sum(1 << left for left in range(1, size) if apart[left] >= cycles(size))
    count = code.sub(stop, start)
    left = code.binary("urem", code.greatest(count, integer(0)), integer(size))
    bit = code.binary("and", code.binary("lshr", integer(worth), left), integer(1))
    whole = code.sub(stop, code.select(code.compare("icmp ne", bit, integer(0)), integer(0), integer(size - 1)))
    enough = code.compare("icmp sge", count, integer(size))
    return code.select(enough, whole, start)


def _registers(context: Context, loop: For) -> int:
    """The registers of lanes that a point of the loop has an accumulator in."""
    around = [b.count for b in context.bound.values() if b.vector]
    inside = [s.bind.count for s in statements(loop.body) if isinstance(s, For) and s.bind.kind == "vector"]
    return max([*around, *inside], default=1)
