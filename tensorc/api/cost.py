"""The exact work of a program, symbolic in its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import ONE, ZERO, Poly
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Define, Input, Load, Scalar, Scan, Scatter, Sort, Stop, Tensor, View
from tensorc.ir.walk import children, topological


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
        moved = moved + _elements(stored.extents) * stored.dtype.bytes
    return Cost(flops, moved)


def _elements(extents: tuple[Poly, ...]) -> Poly:
    total = ONE
    for extent in extents:
        total = total * extent
    return total


def _flops(tensor: Tensor) -> Poly:
    match tensor:
        case Define():
            combine = 1 if tensor.monoid in ("sum", "prod") and tensor.dtype.is_float else 0
            return _elements(tensor.extents + tensor.bound) * (_scalar_flops(tensor.body) + combine)
        case Scan():
            each = 2 if tensor.decay is not None else 1 if tensor.monoid in ("sum", "prod") else 0
            return _elements(tensor.extents) * (each if tensor.dtype.is_float else 0)
        case Scatter():
            return _elements(tensor.iteration) * (_scalar_flops(tensor.body) + (1 if tensor.dtype.is_float else 0))
        case Input() | View() | Sort() | Stop():
            return ZERO
        case _:
            assert_never(tensor)


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
