"""Which subscripts are proved to lie inside their tensor."""

from __future__ import annotations

from tensorc import algebra
from tensorc.algebra import Facts, Poly
from tensorc.ir.tensor import Tensor


def inside(tensor: Tensor, subscripts: tuple[Poly, ...], facts: Facts) -> tuple[bool, ...]:
    """For each subscript, whether 0 <= subscript < extent is proved at every point that a loop visits (so that each of its axes has an
    extent of at least 1).
    """
    return tuple(_inside(s, e, facts) for s, e in zip(subscripts, tensor.extents, strict=True))


def _inside(subscript: Poly, extent: Poly, facts: Facts) -> bool:
    atom = subscript.atom
    if isinstance(atom, algebra.Index) and atom.extent is extent:
        return True
    return algebra.nonnegative(subscript, facts) and algebra.nonnegative(extent - 1 - subscript, facts)
