"""How a small change passes through each kind of tensor, as coefficients: what reverse mode and forward mode share."""

from __future__ import annotations

from tensorc import algebra
from tensorc.algebra import ONE, Index, Poly, poly
from tensorc.dtypes import bool_, i64
from tensorc.ir import build
from tensorc.ir.tensor import Define, Load, Scalar, Scan, Tensor, View
from tensorc.transform import canonical
from tensorc.transform.canonical import constant, mul, power, select, stored, value, wide
from tensorc.transform.workspace import Workspace, fresh_axes


def reduction_weight(work: Workspace, t: Define) -> Scalar:
    """d t[i] / d body[i, k] over t's own indices: 1 for a sum, a share among ties for max and min, the product of the others for prod."""
    dtype = wide(t.dtype)
    match t.monoid:
        case None | "sum":
            return constant(1.0, dtype)
        case "max" | "min":
            attains = build.apply("eq", t.body, Load(t, tuple(map(poly, t.indices))))
            one, zero = constant(1.0, dtype), constant(0.0, dtype)
            count = work.sum(t.reduced, select(attains, one, zero))
            return select(attains, power(count, -1), zero)
        case "prod":
            return _others(work, t)
        case _:
            return constant(0.0, dtype)


def _others(work: Workspace, t: Define) -> Scalar:
    """The product of all factors but one: of those before it and those behind it. It is right where factors are 0."""
    dtype = wide(t.dtype)
    values = work.pointwise(t.extents + t.bound, stored(value(t.body), dtype))
    size, place = ONE, algebra.ZERO
    for k in t.reduced:
        size, place = size * k.extent, place * k.extent + k
    flat: Tensor = View(values, (*t.extents, size)) if len(t.bound) > 1 else values
    before, behind = Scan("prod", flat, None, False), Scan("prod", flat, None, True)
    one = constant(1.0, dtype)
    lead = tuple(map(poly, t.indices))
    left = select(build.nonnegative(place - 1), Load(before, (*lead, place - 1)), one)
    right = select(build.nonnegative(size - 2 - place), Load(behind, (*lead, place + 1)), one)
    return mul(left, right)


def neighbour(t: Tensor, axes: tuple[Index, ...], step: int) -> tuple[tuple[Poly, ...], Scalar]:
    """(the subscripts one step along the last axis, whether they are inside)."""
    at = poly(axes[-1]) + step
    inside = build.nonnegative(at) if step < 0 else build.nonnegative(t.extents[-1] - 1 - at)
    return (*map(poly, axes[:-1]), at), inside


def decay(t: Scan) -> Tensor | None:
    """The factor of the recurrence ds[t] = decay[t] * ds[t-1] + ... that a tangent of a scan obeys; None where it is 1."""
    if t.monoid == "prod":
        return t.source
    return t.decay


def source_weight(t: Scan, axes: tuple[Index, ...]) -> Scalar:
    """What a change of the source at the axes adds to s there: 1 for a sum, the product before it for a product."""
    dtype = wide(t.dtype)
    if t.monoid != "prod":
        return constant(1.0, dtype)
    before, inside = neighbour(t, axes, 1 if t.reverse else -1)
    return select(inside, canonical.element(t, before), constant(1.0, dtype))


def attained(t: Scan) -> Tensor:
    """For a running max or min: where along the axis its value comes from; of ties the later."""
    axes = fresh_axes(t)
    at = tuple(map(poly, axes))
    source = build.load(t.source, at)
    here = build.apply("eq", source, Load(t, at))
    if t.dtype.is_float:
        here = build.apply("or", here, build.apply("isnan", source))
    first = t.extents[-1] - 1 if t.reverse else algebra.ZERO
    place = build.define(axes, build.select(here, build.integer(axes[-1]), build.integer(first)))
    assert place.dtype is i64 and here.dtype is bool_
    return Scan("min" if t.reverse else "max", place, None, t.reverse)
