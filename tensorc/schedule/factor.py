"""Takes out of a sum what all of its terms are multiplied or divided by, where that is a statistic of the row that is summed.

With `s[i] = sum[j](e[i, j])`, `sum[j](e[i, j] / s[i] * v[j, d])` is `sum[j](e[i, j] * v[j, d]) / s[i]`: fewer divisions, and the sum no
longer waits for s. (A sum of no terms stays 0.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from tensorc.algebra import Atom, Facts, Index, Poly, poly
from tensorc.ir import build, walk
from tensorc.ir.tensor import Apply, Define, Load, Scalar, Tensor
from tensorc.schedule.rules import operations

Factor = tuple[int, Scalar]
"""1 or -1, and a factor that is multiplied or divided by."""

Single = Callable[[Tensor], bool]
"""Whether one definition alone reads a tensor."""

LARGE = 64
"""Instructions of a term that is not looked into."""


def factored(t: Define, facts: Facts, single: Single) -> Define:
    """The definition of a sum, or one of the same values that reads a sum without such factors."""
    if t.monoid != "sum" or not t.dtype.is_float:
        return t
    outside: list[Factor] = []
    inside = list(_inside(t.body, 1, frozenset(t.reduced), single, outside))
    if not outside or not any(sign > 0 for sign, _ in inside):
        return t
    total = Define(t.extents, "sum", t.bound, _product(inside))
    value: Scalar = Load(total, tuple(map(poly, t.indices)))
    for sign, factor in outside:
        value = build.apply("mul" if sign > 0 else "div", value, factor)
    some = build.both(*(build.nonnegative(e - 1, facts) for e in t.bound))
    return Define(t.extents, None, (), build.select(some, value, build.constant(0.0, value.dtype)))


def _inside(s: Scalar, sign: int, bound: frozenset[Index], single: Single, outside: list[Factor]) -> Iterator[Factor]:
    """The factors of a product that stay in the sum; the others go to `outside`."""
    match s:
        case Apply("mul" | "div" as operation, (a, b), _):
            yield from _inside(a, sign, bound, single, outside)
            yield from _inside(b, sign if operation == "mul" else -sign, bound, single, outside)
        case Load(Define(_, None, _, body) as read, subscripts) if single(read) and operations(body) <= LARGE:
            values: dict[Atom, Poly] = dict(zip(read.indices, subscripts, strict=True))
            factors = list(_factors(body, 1))
            moved = [(sign * own, walk.rewrite(factor, values)) for own, factor in factors]
            leaving = [_is_outside(factor, bound) for _, factor in moved]
            kept = [f for f, leaves in zip(factors, leaving, strict=True) if not leaves]
            if not any(leaving) or not any(own > 0 for own, _ in kept):
                yield sign, s
            else:
                outside += [f for f, leaves in zip(moved, leaving, strict=True) if leaves]
                rest = build.define(read.indices, _product(kept))
                yield sign, build.load(rest, subscripts)
        case _ if _is_outside(s, bound):
            outside.append((sign, s))
        case _:
            yield sign, s


def _factors(s: Scalar, sign: int) -> Iterator[Factor]:
    match s:
        case Apply("mul" | "div" as operation, (a, b), _):
            yield from _factors(a, sign)
            yield from _factors(b, sign if operation == "mul" else -sign)
        case _:
            yield sign, s


def _is_outside(factor: Scalar, bound: frozenset[Index]) -> bool:
    if not walk.indices(factor).isdisjoint(bound):
        return False
    return any(_is_statistic(load.tensor, tuple(a.extent for a in bound)) for load in walk.loads(factor))


@cache
def _is_statistic(t: Tensor, extents: Sequence[Poly], depth: int = 4) -> bool:
    """Whether t is reduced over axes of such extents, or made of what is, in few steps."""
    match t:
        case Define(_, None, _, body) if operations(body) <= LARGE and depth:
            return any(_is_statistic(load.tensor, extents, depth - 1) for load in walk.loads(body))
        case Define(_, str(), reduced, _):
            return any(e in extents for e in reduced)
        case _:
            return False


def _product(factors: Sequence[Factor]) -> Scalar:
    first = next(n for n, (sign, _) in enumerate(factors) if sign > 0)
    value = factors[first][1]
    for n, (sign, factor) in enumerate(factors):
        if n != first:
            value = build.apply("mul" if sign > 0 else "div", value, factor)
    return value
