"""The exact work of a program, symbolic in its sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import ONE, ZERO, Index, Poly
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Define, Input, Load, Scalar, Scan, Scatter, Sort, Stop, Tensor, View
from tensorc.ir.walk import children, topological
from tensorc.loops.nest import Carry, Fold, For, Kernel, Statement, Update, scalars, statements


@dataclass(frozen=True)
class Cost:
    """`flops` counts each operation on floats as one (a multiply-add is two, an exp one; casts, comparisons and selections none).

    `bytes` counts each input read once and each result written once: what no schedule can avoid.
    """

    flops: Poly
    bytes: Poly

    def evaluate(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        """Flops and bytes for given sizes."""
        return algebra.evaluate(self.flops, sizes), algebra.evaluate(self.bytes, sizes)

    def __str__(self) -> str:
        return f"flops = {self.flops}, bytes = {self.bytes}"


def cost(program: Program) -> Cost:
    """The cost of a program as it is defined, each definition computed once."""
    flops = ZERO
    for tensor in topological(program.outputs):
        flops = flops + _flops(tensor)
    moved = ZERO
    for stored in (*program.inputs, *program.results):
        moved = moved + elements(stored.extents) * stored.dtype.bytes
    return Cost(flops, moved)


def elements(extents: tuple[Poly, ...]) -> Poly:
    """How many elements a tensor has."""
    total = ONE
    for extent in extents:
        total = total * extent
    return total


def _flops(tensor: Tensor) -> Poly:
    match tensor:
        case Define():
            combine = 1 if tensor.monoid in ("sum", "prod") and tensor.dtype.is_float else 0
            return elements(tensor.extents + tensor.bound) * (_scalar_flops(tensor.body) + combine)
        case Scan():
            each = 2 if tensor.decay is not None else 1 if tensor.monoid in ("sum", "prod") else 0
            return elements(tensor.extents) * (each if tensor.dtype.is_float else 0)
        case Scatter():
            return elements(tensor.iteration) * (_scalar_flops(tensor.body) + (1 if tensor.dtype.is_float else 0))
        case Input() | View() | Sort() | Stop():
            return ZERO
        case _:
            assert_never(tensor)


def kernel_flops(kernel: Kernel) -> Poly:
    """The operations on floats that a kernel does: those of each statement, at every point of the loops around it."""
    return _body_flops(kernel.body, frozenset(s.part.number for s in statements(kernel.body) if isinstance(s, For) and s.part is not None))


def _body_flops(body: Sequence[Statement], numbers: frozenset[Index]) -> Poly:
    """The parts of a loop, whose numbers are `numbers`, are the loop: outside of it they do not count."""
    total = ZERO
    for s in body:
        match s:
            case For(axis, bind):
                whole = axis in numbers and any(isinstance(t, For) and t.part is not None for t in statements(s.body))
                trips = ONE if whole or bind.kind == "tile" else axis.extent
                total = total + trips * _body_flops(s.body, numbers)
            case Fold(_, monoid, value) | Update(_, _, monoid, value):
                combine = 1 if monoid in ("sum", "prod") and value.dtype.is_float else 0
                total = total + (_scalar_flops(value) + combine)
            case Carry(_, monoid, value, decay):
                own = 2 if decay is not None else 1 if monoid in ("sum", "prod") else 0
                total = total + sum(map(_scalar_flops, scalars(s))) + (own if value.dtype.is_float else 0)
            case _:
                total = total + sum(map(_scalar_flops, scalars(s)))
    return total


@cache
def _scalar_flops(scalar: Scalar) -> int:
    """The operations on floats of one element; a shared part counts once."""
    seen: set[Scalar] = set()
    stack, total = [scalar], 0
    while stack:
        s = stack.pop()
        if s in seen or isinstance(s, Load):
            continue
        seen.add(s)
        stack.extend(children(s))
        if isinstance(s, Apply) and s.dtype.is_float and s.operation not in _FREE:
            total += 1
    return total


_FREE = frozenset(("cast", "bitcast"))
