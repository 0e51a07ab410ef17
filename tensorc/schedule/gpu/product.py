"""Which reductions are matrix products: sums of a factor without one axis of the result times a factor without another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tensorc.algebra import Index
from tensorc.dtypes import DType
from tensorc.ir import build, walk
from tensorc.ir.tensor import Apply, Const, Scalar, Select

LEAST = 16
"""Points of each axis that a product takes at least."""


@dataclass(frozen=True)
class Sides:
    """value = left * right: `left` has no axis of `columns`, `right` has none of `rows`. `depth` are the reduced axes that both have."""

    left: Scalar
    right: Scalar
    rows: tuple[Index, ...]
    columns: tuple[Index, ...]
    depth: tuple[Index, ...]

    @property
    def dtype(self) -> DType:
        """What the sides are multiplied in: half floats, whose products f32 holds exactly, as such."""
        left, right = _narrowed(self.left), _narrowed(self.right)
        return left.dtype if left is not None and right is not None and left.dtype is right.dtype else self.left.dtype

    @property
    def is_half_exact(self) -> bool:
        """Whether a side is of half floats."""
        return _narrowed(self.left) is not None or _narrowed(self.right) is not None

    def operands(self) -> tuple[Scalar, Scalar]:
        """The sides in this dtype."""
        if self.dtype is self.left.dtype:
            return self.left, self.right
        left, right = _narrowed(self.left), _narrowed(self.right)
        assert left is not None and right is not None
        return left, right


def sides(value: Scalar, out: Sequence[Index], over: Sequence[Index]) -> Sides | None:
    """The two sides of what a sum over `over` adds up, whose result has the axes `out`; None where it is no product of two such."""
    found = _split(value, frozenset(out))
    if found is None:
        return None
    left, right = found
    a, b = walk.indices(left), walk.indices(right)
    rows, columns = (tuple(x for x in out if x in mine and x not in other) for mine, other in ((a, b), (b, a)))
    depth = tuple(k for k in over if k in a and k in b)
    return Sides(left, right, rows, columns, depth) if rows and columns and depth else None


def _narrowed(side: Scalar) -> Scalar | None:
    """A side of half floats that are made f32, without that; None where it is no such."""
    match side:
        case Apply("cast", (inner,), _) if inner.dtype.is_half:
            return inner
        case Select(condition, then, Const(0)):
            inner_ = _narrowed(then)
            return None if inner_ is None else build.select(condition, inner_, build.constant(0, inner_.dtype))
        case _:
            return side if side.dtype.is_half else None


def _split(value: Scalar, out: frozenset[Index]) -> tuple[Scalar, Scalar] | None:
    if isinstance(value, Select):  # a term that a guard makes 0 is a factor that it makes 0
        zero = value.otherwise
        if not (isinstance(zero, Const) and zero.value == 0):
            return None
        inner = _split(value.then, out)
        if inner is None:
            return None
        condition, sides_ = walk.indices(value.condition) & out, list(inner)
        for n, side in enumerate(sides_):
            if condition <= walk.indices(side) & out:
                sides_[n] = build.select(value.condition, side, build.constant(0, side.dtype))
                return sides_[0], sides_[1]
        return None
    factors = list(_factors(value))
    if len(factors) < 2:
        return None
    first = max(factors, key=lambda f: len(walk.indices(f) & out))
    mine = walk.indices(first) & out
    left = [f for f in factors if walk.indices(f) & out <= mine]
    right = [f for f in factors if not walk.indices(f) & out <= mine]
    if not right:  # both have the same axes of the result, or one has all of them
        return None
    return _product(left), _product(right)


def _factors(value: Scalar) -> Iterable[Scalar]:
    if isinstance(value, Apply) and value.operation == "mul" and value.dtype.is_float:
        for a in value.arguments:
            yield from _factors(a)
    else:
        yield value


def _product(factors: Sequence[Scalar]) -> Scalar:
    product = factors[0]
    for f in factors[1:]:
        product = build.apply("mul", product, f)
    return product
