"""Computes a reduction at the places that its one reader reads, where that is no more work: `y[i] = t[i + 1]` of `t[j] = sum[k](...)`.

So what is cut off is not computed, what is turned or shifted is stored where it belongs, and digits that are put together again are one
axis.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from tensorc.algebra import Atom, Index, Poly, indices, poly
from tensorc.ir import build, walk
from tensorc.ir.tensor import Define, Load, Scalar, Tensor
from tensorc.schedule.sizes import Estimate


def moved(t: Define, single: Callable[[Tensor], bool], estimate: Estimate) -> Define:
    """The pointwise definition, or one that reads reductions at its own indices. `single` says whether one alone reads a tensor."""
    if t.monoid is not None:
        return t
    read = [load for load in walk.loads(t.body) if isinstance(load.tensor, Define) and load.tensor.monoid is not None]
    changed: dict[Load, Scalar] = {}
    for load in read:
        if single(load.tensor) and sum(other.tensor is load.tensor for other in read) == 1 and _is_moved(load, estimate):
            changed[load] = _at(load)
    if not changed:
        return t
    made = build.define(t.indices, walk.rewrite(t.body, {}, lambda load: changed.get(load, load)))
    assert isinstance(made, Define)
    return made


def _is_moved(load: Load, estimate: Estimate) -> bool:
    """Whether a load is at other places than at indices, which are hardly more than there are elements."""
    atoms = [s.atom for s in load.subscripts if s.constant is None]
    if all(isinstance(a, Index) for a in atoms):
        return False
    places = prod(estimate(a.extent) for a in _axes(load))
    return places <= 2 * prod(estimate(e) for e in load.tensor.extents)


def _axes(load: Load) -> list[Index]:
    return sorted(frozenset[Index]().union(*map(indices, load.subscripts)), key=lambda a: a.level)


def _at(load: Load) -> Scalar:
    """The element, of a reduction of the same terms for each of its places."""
    old = load.tensor
    assert isinstance(old, Define) and old.monoid is not None
    axes = _axes(load)
    level = 1 + max((a.level for a in axes), default=0)
    bound = [Index(level + n, a.extent) for n, a in enumerate(old.reduced)]
    values: dict[Atom, Poly] = dict(zip(old.indices, load.subscripts, strict=True))
    values |= {a: poly(b) for a, b in zip(old.reduced, bound, strict=True)}
    made = build.reduction(old.monoid, axes, bound, walk.rewrite(old.body, values))
    return build.load(made, tuple(map(poly, axes)))
