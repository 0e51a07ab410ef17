"""A view as an index rule: where an element of the new shape stands in the old one."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import ONE, ZERO, Poly
from tensorc.ir.tensor import Stop, Tensor, View


def through(subscripts: Sequence[Poly], extents: Sequence[Poly], source: Sequence[Poly]) -> tuple[Poly, ...]:
    """The place in a tensor of extents `source` of the element at `subscripts` of its view of `extents`: the same row-major position.

    Extents that both begin or end with keep their subscripts; what lies between is flattened and split again by `//` and `%`.
    """
    begin = 0
    while begin < min(len(extents), len(source)) and extents[begin] is source[begin]:
        begin += 1
    end = 0
    while end < min(len(extents), len(source)) - begin and extents[-1 - end] is source[-1 - end]:
        end += 1
    flat = flatten(subscripts[begin : len(extents) - end], extents[begin : len(extents) - end])
    middle = split(flat, source[begin : len(source) - end])
    return (*subscripts[:begin], *middle, *subscripts[len(extents) - end :])


def flatten(subscripts: Sequence[Poly], extents: Sequence[Poly]) -> Poly:
    """The row-major position of subscripts."""
    flat = ZERO
    for s, e in zip(subscripts, extents, strict=True):
        flat = flat * e + s
    return flat


def split(flat: Poly, extents: Sequence[Poly]) -> tuple[Poly, ...]:
    """The subscripts of a row-major position inside a tensor of the extents."""
    places: list[Poly] = []
    stride = ONE
    outermost = next((axis for axis, e in enumerate(extents) if e is not ONE), None)
    for axis in reversed(range(len(extents))):
        if extents[axis] is ONE:
            places.append(ZERO)
            continue
        quotient = algebra.floordiv(flat, stride)
        places.append(quotient if axis == outermost else algebra.mod(quotient, extents[axis]))
        stride = stride * extents[axis]
    return tuple(reversed(places))


def stored(t: Tensor) -> Tensor:
    """The tensor whose memory a view has."""
    while isinstance(t, (View, Stop)):
        t = t.source
    return t
