"""Forward mode: the tangents of outputs, given those of what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import poly
from tensorc.ir import walk
from tensorc.ir.tensor import Define, Input, Load, Scalar, Scan, Scatter, Sort, Stop, Tensor, View
from tensorc.transform import canonical, nodes
from tensorc.transform.canonical import add, constant, is_constant, mul, select, stored, value, wide
from tensorc.transform.invariance import shift_invariants
from tensorc.transform.partials import tangent
from tensorc.transform.readback import reused
from tensorc.transform.workspace import Workspace, fresh_axes


def tangents(work: Workspace, outputs: Sequence[Tensor], given: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """The tangent of each output, for the given ones of some tensors; their bodies are canonical."""
    order = walk.topological(outputs)
    known = dict(given)
    stopped = shift_invariants(order, outputs, set(given))
    for t in order:
        if t in known or t in stopped or not t.dtype.is_float or not any(s in known for s in walk.sources(t)):
            continue
        made = _push(work, t, known)
        if made is not None:
            known[t] = made
    return [known.get(t) or work.zeros(t) for t in outputs]


def _push(work: Workspace, t: Tensor, known: Mapping[Tensor, Tensor]) -> Tensor | None:
    """The tangent of one node from those of its sources; None for zero."""
    match t:
        case Define():
            change = _define(work, t, known)
            return None if is_constant(change, 0) else work.pointwise(t.extents, stored(change, t.dtype))
        case Scatter(extents, iteration, subscripts, body, base):
            change = tangent(value(body), _reader(known))
            under = None if base is None else known.get(base)
            if is_constant(change, 0):
                return under
            return Scatter(extents, iteration, subscripts, stored(change, t.dtype), under)
        case View(x, extents):
            return View(known[x], extents) if x in known else None
        case Scan():
            return _scan(work, t, known)
        case Input() | Sort() | Stop():
            return None
        case _:
            assert_never(t)


def _reader(known: Mapping[Tensor, Tensor]) -> Callable[[Load], Scalar | None]:
    return lambda read: canonical.element(known[read.tensor], read.subscripts) if read.tensor in known else None


def _define(work: Workspace, t: Define, known: Mapping[Tensor, Tensor]) -> Scalar:
    """The change of an element of a definition."""
    body = value(t.body)
    change = tangent(body, _reader(known))
    if is_constant(change, 0):
        return change
    if t.monoid is None:
        return reused(change, t, body)
    return work.sum(t.reduced, mul(nodes.reduction_weight(work, t), change))


def _scan(work: Workspace, t: Scan, known: Mapping[Tensor, Tensor]) -> Tensor | None:
    axes = fresh_axes(t)
    at = tuple(map(poly, axes))
    source = canonical.element(known[t.source], at) if t.source in known else None
    if t.monoid in ("max", "min"):
        if source is None:
            return None
        place = poly(algebra.Element(nodes.attained(t), at))
        return work.define(axes, canonical.element(known[t.source], (*at[:-1], place)), t.dtype)
    parts = [] if source is None else [mul(source, nodes.source_weight(t, axes))]
    if t.decay is not None and t.decay in known:
        before, inside = nodes.neighbour(t, axes, 1 if t.reverse else -1)
        change = mul(canonical.element(known[t.decay], at), canonical.element(t, before))
        parts.append(select(inside, change, constant(0.0, wide(t.dtype))))
    return Scan("sum", work.define(axes, add(*parts), t.dtype), nodes.decay(t), t.reverse)
