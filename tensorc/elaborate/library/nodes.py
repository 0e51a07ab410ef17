"""Built-ins that only the text of an IR uses: the nodes that the language has no function for."""

from __future__ import annotations

from tensorc.algebra import Index, Poly, poly
from tensorc.elaborate import notation
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.registry import dims, flag, internal, tensor
from tensorc.elaborate.library.shapes import of_tensor_like
from tensorc.elaborate.values import Array, Tuple, Value
from tensorc.ir import build
from tensorc.ir.tensor import Scan, Scatter


@internal("scan", "x monoid decay reverse", decay=None, reverse=False)
def scan(context: Context, x: Value, monoid: Value, decay: Value, reverse: Value) -> Array:
    """The Scan node along the last axis."""
    value = tensor(context, x, "x")
    assert isinstance(monoid, str)
    by = None if decay is None else tensor(context, decay, "decay").tensor()
    return of_tensor_like(Scan(monoid, value.tensor(), by, flag(context, reverse, "reverse")), value)


@internal("scatter", "shape base body places", variadic=True)
def scatter(context: Context, shape: Value, base: Value, body: Value, places: Value) -> Array:
    """The Scatter node: body and places are rules over the iteration."""
    added = tensor(context, body, "body")
    levels = tuple(Index(n, e) for n, e in enumerate(added.extents))
    at = tuple(map(poly, levels))
    found = []
    for p in places.items if isinstance(places, Tuple) else (places,):
        number = build.number(tensor(context, p, "places").at(at))
        assert number is not None
        found.append(number)
    under = None if base is None else tensor(context, base, "base").tensor()
    return of_tensor_like(Scatter(dims(context, shape), added.extents, tuple(found), added.at(at), under), Array((), build.TRUE))


def _polynomial(context: Context, value: Value) -> Poly:
    return notation.subscript_poly(context, tensor(context, value, "x"), context.current)


@internal("integer", "x")
def integer(context: Context, x: Value) -> Array:
    """A subscript as a value: Int."""
    return Array((), build.integer(_polynomial(context, x)))


@internal("nonnegative", "x")
def nonnegative(context: Context, x: Value) -> Array:
    """The guard x >= 0."""
    return Array((), build.nonnegative(_polynomial(context, x)))


@internal("is_zero", "x")
def is_zero(context: Context, x: Value) -> Array:
    """The guard x == 0."""
    return Array((), build.is_zero(_polynomial(context, x)))
