"""Derivatives of graphs of tensors, simplified and in ordinary form: what every face of differentiation is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorc import algebra
from tensorc.algebra import NO_FACTS, Facts, poly
from tensorc.ir import build, walk
from tensorc.ir.tensor import Input, Tensor
from tensorc.transform.batch import batch
from tensorc.transform.forward import tangents
from tensorc.transform.lower import lower
from tensorc.transform.reverse import cotangents
from tensorc.transform.tidy import tidy, tidy_anew
from tensorc.transform.workspace import Workspace


def vjp(outputs: Sequence[Tensor], seeds: Sequence[Tensor], wrt: Sequence[Tensor], facts: Facts = NO_FACTS) -> list[Tensor]:
    """The cotangent of each tensor of `wrt`, given one of each output (of its extents and dtype); zeros where nothing depends on it."""
    work = Workspace(walk.topological((*outputs, *seeds, *wrt)), facts)
    return lower(work, tidy(work, cotangents(work, outputs, seeds, wrt)))


def jvp(outputs: Sequence[Tensor], given: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """The tangent of each output, for given tangents of some tensors."""
    work = Workspace(walk.topological((*outputs, *given, *given.values())))
    return lower(work, tidy(work, tangents(work, outputs, given)))


def derivative_tensors(y: Tensor, wrt: Sequence[Tensor], forward: bool, facts: Facts = NO_FACTS) -> list[Tensor]:
    """The derivative of a tensor by others, with the axes [*y, *x]: a cotangent of y, or a tangent of x, for each unit vector."""
    known = walk.topological((y, *wrt))
    if not forward:
        seed = Input("unit~", y.extents, y.dtype)
        return _with_units(known, vjp([y], [seed], wrt, facts), seed, len(y.extents))
    found = []
    for x in wrt:
        seed = Input("unit~", x.extents, x.dtype)
        (columns,) = _with_units(known, jvp([y], {x: seed}), seed, 0)
        found.append(columns)
    return found


def _with_units(known: Sequence[Tensor], outputs: Sequence[Tensor], seed: Input, first: int) -> list[Tensor]:
    """The outputs for each unit vector in the seed's place: the axes of the units stand first, or where `first` is 0 last."""
    lead = tuple(algebra.fresh(e) for e in seed.extents)
    own = tuple(algebra.fresh(e) for e in seed.extents)
    same = build.both(*(build.is_zero(poly(a) - b) for a, b in zip(lead, own, strict=True)))
    unit = build.define((*lead, *own), build.select(same, build.constant(1, seed.dtype), build.constant(0, seed.dtype)))
    whole = batch(outputs, {seed: unit}, seed.extents)
    if not first:
        whole = [_rolled(t, len(lead)) for t in whole]
    work = Workspace(known)
    return lower(work, tidy_anew(work, whole))


def _rolled(t: Tensor, count: int) -> Tensor:
    """The tensor with its first axes last."""
    axes = tuple(algebra.fresh(e) for e in t.extents)
    return build.define((*axes[count:], *axes[:count]), build.load(t, tuple(map(poly, axes))))
