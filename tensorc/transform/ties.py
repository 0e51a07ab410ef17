"""Which tensors a comparison must have from the same pass: of two values that share a rounded part, both are kept or both computed again.

Two kernels may add the terms of a sum in another order, so that the minimum that a forward pass kept is equal to none of the distances that
a backward pass computes again. What is merely loaded, moved or chosen has the same bits wherever it is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from tensorc.ir import build, walk
from tensorc.ir.tensor import Apply, Define, Scan, Scatter, Tensor

COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})


@dataclass(frozen=True)
class Ties:
    """`reader` compares elements of `compared`, which share parts among `rounded`; `here` where it computes some of what it compares."""

    reader: Tensor
    compared: tuple[Tensor, ...]
    rounded: tuple[Tensor, ...]
    here: bool


def ties(order: Sequence[Tensor]) -> list[Ties]:
    """Those of tensors in topological order."""
    behind: dict[Tensor, int] = {}  # what each tensor is made of, itself included, as far as it was rounded: bits of numbers in the order
    found = []
    for n, t in enumerate(order):
        bits = 0
        for s in walk.sources(t):
            bits |= behind[s]
        behind[t] = bits | 1 << n if bits or _rounds(t) else 0
        for loaded, here in _comparisons(t):
            if here:
                compared = [f for f in loaded if behind[f]]
            else:
                compared = [f for f in loaded if any(f is not g and behind[f] & behind[g] for g in loaded)]
            if compared:
                rounded = reduce(or_, (behind[f] for f in compared))
                found.append(Ties(t, tuple(compared), tuple(order[k] for k in _set_bits(rounded)), here))
    return found


def separable(order: Sequence[Tensor], known: Iterable[Tensor]) -> set[Tensor]:
    """Those of the `known` tensors whose elements may come from elsewhere, where the rest of `order` is computed again."""
    given = set(known)
    compared = ties(order)
    while True:
        mixed = {t for tie in compared if tie.here or not given.issuperset(tie.compared) for t in tie.compared if t in given}
        if not mixed:
            return given
        given -= mixed


def _rounds(t: Tensor) -> bool:
    match t:
        case Define(_, monoid, _, body):
            return t.dtype.is_float and (monoid in ("sum", "prod") or build.computes(body))
        case Scan():
            return t.dtype.is_float and t.monoid in ("sum", "prod")
        case Scatter():
            return t.dtype.is_float
        case _:
            return False


def _comparisons(t: Tensor) -> Iterator[tuple[tuple[Tensor, ...], bool]]:
    """(the tensors of the elements that are compared, whether the comparison does arithmetic itself) for each comparison of floats."""
    if not isinstance(t, (Define, Scatter)):
        return
    for s in walk.postorder(t.body):
        if isinstance(s, Apply) and s.operation in COMPARISONS and s.arguments[0].dtype.is_float:
            yield tuple(dict.fromkeys(read.tensor for read in walk.loads(s))), any(map(build.computes, s.arguments))


def _set_bits(bits: int) -> Iterator[int]:
    while bits:
        least = bits & -bits
        yield least.bit_length() - 1
        bits ^= least
