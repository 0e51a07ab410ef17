"""Definitions and sums that transforms make: simplified when made, and those of the program that is transformed are found again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tensorc import algebra
from tensorc.algebra import Atom, Element, Facts, Index, Poly, poly
from tensorc.dtypes import DType
from tensorc.ir import build, walk
from tensorc.ir.tensor import Const, Define, IsZero, Load, Scalar, Scatter, Select, Tensor
from tensorc.ir.walk import indices
from tensorc.transform import canonical
from tensorc.transform.canonical import (
    add,
    constant,
    factors,
    is_constant,
    is_product,
    is_sum,
    mul,
    number_of,
    power,
    scale,
    select,
    stored,
    terms,
    value,
)

EXPANSION = 32
"""Monomials of a product that is multiplied out to see whether it cancels; a longer one is left alone."""


class Workspace:
    """One derivation: `program` is what it reads and does not change, `facts` what holds of its sizes."""

    def __init__(self, program: Iterable[Tensor], facts: Facts = algebra.NO_FACTS) -> None:
        self.program = frozenset(program)
        self.facts = facts
        self.known: dict[Tensor, Tensor] = {}
        self.zeros_known: dict[tuple[tuple[Index, ...], Scalar], bool] = {}
        self.sums: dict[tuple[tuple[Index, ...], Scalar], Scalar] = {}
        self.bounded: set[tuple[Tensor, Poly]] = set()  # integer tensors all of whose elements are in 0 .. extent-1
        for t in self.program:
            if isinstance(t, (Define, Scatter)):
                for read in walk.unguarded(t.body):
                    self.bounded.update(_places(read))
            if isinstance(t, Define) and t.dtype.is_float:
                canonical_form = Define(t.extents, t.monoid, t.bound, stored(value(t.body), t.dtype))
                self.known.setdefault(canonical_form, t)

    def inside(self, p: Poly, extent: Poly) -> Scalar:
        """The guard 0 <= p < extent, which holds for the elements of a tensor that is itself a subscript where nothing guards it."""
        if isinstance(p.atom, Element) and (p.atom.tensor, extent) in self.bounded:
            return build.TRUE
        return build.inside(p, extent)

    # Definitions.

    def define(self, axes: Sequence[Index], body: Scalar, dtype: DType | None = None) -> Tensor:
        """The tensor with y[axes] = body, in the dtype that it is to be stored in."""
        levels: dict[Atom, Poly] = {a: poly(Index(level, a.extent)) for level, a in enumerate(axes)}
        body = canonical.rewrite(body, levels)
        return self.pointwise(tuple(a.extent for a in axes), stored(body, dtype) if dtype is not None else body)

    def pointwise(self, extents: tuple[Poly, ...], body: Scalar) -> Tensor:
        """As `define`, for a body over the indices of the levels 0, 1, ..."""
        own = tuple(poly(Index(level, e)) for level, e in enumerate(extents))
        if isinstance(body, Load) and body.tensor.extents == extents and body.subscripts == own:
            return body.tensor
        made = Define(extents, None, (), body)
        return self.known.get(made, made)

    def zeros(self, like: Tensor) -> Tensor:
        return Define(like.extents, None, (), build.constant(0, like.dtype))

    # Sums.

    def reduction(self, monoid: str, bound: Iterable[Index], body: Scalar) -> Scalar:
        """monoid[bound](body) as one element of a definition of its own."""
        bound = sorted(bound, key=lambda i: i.level)
        if not bound:
            return body
        free = sorted(indices(body) - set(bound), key=lambda i: i.level)
        names: dict[Atom, Poly] = {i: poly(Index(level, i.extent)) for level, i in enumerate((*free, *bound))}
        made: Tensor = Define(tuple(i.extent for i in free), monoid, tuple(i.extent for i in bound), canonical.rewrite(body, names))
        return Load(self.known.get(made, made), tuple(map(poly, free)))

    def sum(self, bound: Iterable[Index], body: Scalar) -> Scalar:
        """sum[bound](body): what does not depend on the indices stands outside, what is known to be 0 is gone."""
        key = tuple(bound), body
        found = self.sums.get(key)
        if found is None:
            found = self.sums[key] = self._simplified_sum(*key)
        return found

    def _simplified_sum(self, bound: tuple[Index, ...], body: Scalar) -> Scalar:
        inside = indices(body)
        used = tuple(k for k in bound if k in inside)
        count = [number_of(k.extent, body.dtype) for k in bound if k not in inside]
        if is_constant(body, 0) or not used:
            return mul(*count, body)
        if count:
            return mul(*count, self.sum(used, body))
        if is_sum(body):
            return self._sum_of_sum(used, body)
        if is_product(body):
            return self._sum_of_product(used, body)
        if isinstance(body, Select) and is_constant(body.otherwise, 0):
            return self._sum_under_guard(used, body)
        if self._vanishes(used, body):
            return constant(0.0, body.dtype)
        return self._sum_of_made(used, body) or self.reduction("sum", used, body)

    def _sum_of_made(self, used: tuple[Index, ...], body: Scalar) -> Scalar | None:
        """sum[j](made[i, j]) term by term, where terms of `made` vanish or are at one place of j alone."""
        if not isinstance(body, Load) or body.tensor in self.program:
            return None
        monomials = expand(self.inlined(body, 1))
        kept = [(m, c) for m, c in monomials if not self._vanishes(used, m)]
        single = [scale(c, self.sum(used, m)) for m, c in kept if _is_at_one_place(used, m)]
        if len(kept) == len(monomials) and not single:
            return None
        rest = [scale(c, m) for m, c in kept if not _is_at_one_place(used, m)]
        return add(constant(0.0, body.dtype), *single, *([self.sum(used, add(*rest))] if rest else []))

    def _sum_of_sum(self, used: tuple[Index, ...], body: Scalar) -> Scalar:
        if len(terms(body)) == 1:
            ((t, k),) = terms(body)
            return scale(k, self.sum(used, t))
        common, inner = common_factor(body)
        outside = [power(b, n) for b, n in common if _free(b, used)]
        if outside:
            rest = mul(inner, *(power(b, n) for b, n in common if not _free(b, used)))
            return mul(*outside, self.sum(used, rest))
        if self._cancels(used, body):
            return constant(0.0, body.dtype)
        kept = [scale(k, t) for t, k in terms(body) if not self._vanishes(used, t)]
        if len(kept) < len(terms(body)):
            return self.sum(used, add(*kept))
        if all(_contracts(used, t) for t, _ in terms(body)):  # the product rule's sum[k](ta*b + a*tb): two matrix products
            return add(*(scale(k, self.sum(used, t)) for t, k in terms(body)))
        fixed = [scale(k, t) for t, k in terms(body) if _free(t, used)]
        if fixed:
            moving = add(*(scale(k, t) for t, k in terms(body) if not _free(t, used)))
            return add(self.sum(used, moving), *(self.sum(used, f) for f in fixed))
        return self.reduction("sum", used, body)

    def _sum_of_product(self, used: tuple[Index, ...], body: Scalar) -> Scalar:
        outside = [power(b, n) for b, n in factors(body) if _free(b, used)]
        if outside:
            return mul(*outside, self.sum(used, mul(*(power(b, n) for b, n in factors(body) if not _free(b, used)))))
        groups = _independent(used, body)
        if len(groups) > 1:  # sum[j, k](f(j) * g(k)) -> sum[j](f(j)) * sum[k](g(k))
            return mul(*(self.sum([k for k in used if k in ks], mul(*fs)) for ks, fs in groups))
        first = _cheapest(used, body)
        if first is not None:
            k, inner, rest = first
            return self.sum([u for u in used if u is not k], mul(self.sum((k,), mul(*inner)), *rest))
        return self.reduction("sum", used, body)

    def _sum_under_guard(self, used: tuple[Index, ...], body: Select) -> Scalar:
        zero = body.otherwise
        parts = canonical.conjuncts(body.condition)
        outside = [p for p in parts if _free(p, used)]
        if outside:
            rest = select(canonical.both(*(p for p in parts if not _free(p, used))), body.then, zero)
            return select(canonical.both(*outside), self.sum(used, rest), zero)
        for p in parts:  # sum[k](where(k == a, f(k), 0)) -> f(a) where a is in range
            solved = _solved(p, used)
            if solved is not None:
                k, value_of_k = solved
                at: dict[Atom, Poly] = {k: value_of_k}
                guards = [canonical.rewrite(q, at) for q in parts if q is not p]
                chosen = canonical.both(self.inside(value_of_k, k.extent), *guards)
                return self.sum([u for u in used if u is not k], select(chosen, canonical.rewrite(body.then, at), zero))
        return self.reduction("sum", used, body)

    # What cancels.

    def _cancels(self, used: tuple[Index, ...], body: Scalar) -> bool:
        """Whether the sum of the separate terms is 0, as sum[j](x[i, j] - mean[i]) is. Only that is asked: apart they would round badly."""
        key = used, body
        if key not in self.zeros_known:
            parts = [scale(c, self.sum(used, m)) for m, c in expand(body)]
            self.zeros_known[key] = any(
                is_constant(add(*(scale(c, m) for p in parts for m, c in expand(self.inlined(p, depth)))), 0) for depth in (0, 1, 3)
            )
        return self.zeros_known[key]

    def _vanishes(self, used: tuple[Index, ...], s: Scalar) -> bool:
        """Whether s is invariants times one element of a pointwise sum whose own sum is 0."""
        moving = [(b, n) for b, n in factors(s) if not _free(b, used)]
        if len(moving) != 1 or moving[0][1] != 1:
            return False
        b = moving[0][0]
        if not (isinstance(b, Load) and isinstance(b.tensor, Define) and b.tensor.monoid is None and b.tensor.dtype is b.dtype):
            return False
        if not b.tensor.dtype.is_float or b.dtype is not s.dtype:
            return False
        inner = value(b.tensor.body) if b.tensor in self.program else b.tensor.body
        return is_sum(inner) and len(terms(inner)) > 1 and any(self._cancels(used, self.inlined(b, depth)) for depth in (1, 3))

    def inlined(self, s: Scalar, depth: int) -> Scalar:
        """s with elements of pointwise sums and products replaced by what these are."""

        def through(moved: Load) -> Scalar:
            t = moved.tensor
            if depth and isinstance(t, Define) and t.monoid is None and t.dtype.is_float and not t.dtype.is_half:
                body = value(t.body) if t in self.program else t.body
                if is_sum(body) or is_product(body) or (isinstance(body, Select) and t not in self.program):
                    at: dict[Atom, Poly] = dict(zip(t.indices, moved.subscripts, strict=True))
                    return self.inlined(canonical.rewrite(body, at), depth - 1)
            return canonical.load(t, moved.subscripts)

        return canonical.rewrite(s, {}, through)


def _places(read: Load) -> list[tuple[Tensor, Poly]]:
    """The tensors that are subscripts of a load as a whole: every one of their elements is."""
    found = []
    for p, extent in zip(read.subscripts, read.tensor.extents, strict=True):
        if isinstance(p.atom, Element):
            t, at = p.atom.tensor, [q.atom for q in p.atom.subscripts]
            whole = all(isinstance(a, Index) and a.extent is e for a, e in zip(at, t.extents, strict=True))
            if whole and len(set(at)) == len(at):
                found.append((t, extent))
    return found


def _free(s: Scalar, used: Sequence[Index]) -> bool:
    return indices(s).isdisjoint(used)


def _is_at_one_place(used: Sequence[Index], s: Scalar) -> bool:
    """Whether s is 0 but where one of the indices has one value."""
    if not isinstance(s, Select) or not is_constant(s.otherwise, 0):
        return False
    return any(_solved(p, used) is not None for p in canonical.conjuncts(s.condition))


def _solved(guard: Scalar, used: Sequence[Index]) -> tuple[Index, Poly] | None:
    """(an index, its value), where the guard gives one of the indices one value."""
    if not isinstance(guard, IsZero):
        return None
    for k in used:
        ends = algebra.split(guard.value, k)
        if ends is not None and ends[0].constant in (1, -1):
            return k, -ends[1] * ends[0]
    return None


def _contracts(used: Sequence[Index], s: Scalar) -> bool:
    """Whether sum[used](s) is a contraction: two factors, each with an index that the other has not."""
    found = factors(s)
    if len(found) != 2 or any(n != 1 for _, n in found):
        return False
    a, b = (indices(f) for f, _ in found)
    return bool(a - b and b - a) and set(used) <= a & b


def _independent(used: Sequence[Index], body: Scalar) -> list[tuple[frozenset[Index], list[Scalar]]]:
    """The factors in groups that share no bound index."""
    groups: list[tuple[frozenset[Index], list[Scalar]]] = []
    for b, n in factors(body):
        ks, fs = indices(b) & set(used), [power(b, n)]
        for g in [g for g in groups if g[0] & ks]:
            groups.remove(g)
            ks, fs = ks | g[0], fs + g[1]
        groups.append((ks, fs))
    return groups


def _cheapest(used: Sequence[Index], body: Scalar) -> tuple[Index, list[Scalar], list[Scalar]] | None:
    """sum[j, k](a(i, j) * b(j, k) * c(k)) -> sum[j](a * sum[k](b * c)): an index whose factors are not all, the fewest indices first."""
    if len(used) < 2:
        return None
    every = walk.indices(body)
    choices = []
    for k in used:
        inner = [power(b, n) for b, n in factors(body) if k in indices(b)]
        space = frozenset[Index]().union(*map(indices, inner))
        if len(inner) < len(factors(body)) and space < every:
            choices.append((len(space), k.level, k, inner))
    if not choices:
        return None
    _, _, k, inner = min(choices, key=lambda c: c[:2])
    return k, inner, [power(b, n) for b, n in factors(body) if k not in indices(b)]


def common_factor(s: Scalar) -> tuple[list[tuple[Scalar, int]], Scalar]:
    """(bases with exponents, rest): the factors that every term of a sum has, and the sum of what is left.

    A term that is chosen, else 0, gives up a factor too where another one has it in any case: an inf of it is not kept out anyway.
    """
    guarded = [isinstance(t, Select) and is_constant(t.otherwise, 0) for t, _ in terms(s)]
    if all(guarded):
        return [], s
    bodies = [_uncoefficiented(t.then) if isinstance(t, Select) and g else t for (t, _), g in zip(terms(s), guarded, strict=True)]
    sets = [dict(factors(b)) for b in bodies]
    common = {b: min((f.get(b, 0) for f in sets), key=abs) for b in sets[0]}
    common = {b: n for b, n in common.items() if n and all(f.get(b, 0) * n > 0 for f in sets) and not isinstance(b, Const)}
    if not common:
        return [], s
    inverse = [power(b, -n) for b, n in common.items()]
    return list(common.items()), add(*(scale(k, mul(t, *inverse)) for t, k in terms(s)))


def _uncoefficiented(s: Scalar) -> Scalar:
    """The term of a sum of one, which differs from s by a constant factor."""
    return terms(s)[0][0] if len(terms(s)) == 1 else s


def common_guard(s: Scalar) -> Scalar:
    """where(a and c, x, 0) + where(b and c, y, 0) -> where(c, where(a, x, 0) + where(b, y, 0), 0)."""
    chosen = [(t, k) for t, k in terms(s) if isinstance(t, Select) and is_constant(t.otherwise, 0)]
    if len(chosen) < 2:
        return s
    shared = frozenset(canonical.conjuncts(chosen[0][0].condition)).intersection(*(canonical.conjuncts(t.condition) for t, _ in chosen[1:]))
    if not shared:
        return s
    rest = [scale(k, t) for t, k in terms(s) if all(t is not c for c, _ in chosen)]
    parts = []
    for t, k in chosen:
        own = canonical.both(*(c for c in canonical.conjuncts(t.condition) if c not in shared))
        parts.append(scale(k, select(own, t.then, t.otherwise)))
    return add(select(canonical.both(*shared), add(*parts), constant(0.0, s.dtype)), *rest)


def expand(s: Scalar, limit: int = 64) -> list[tuple[Scalar, float]]:
    """s as monomials with their coefficients, positive powers of sums multiplied out."""
    if is_sum(s):
        return [(m, k * c) for t, k in terms(s) for m, c in expand(t, limit)]
    if is_product(s):
        total: list[tuple[Scalar, float]] = [(constant(1.0, s.dtype), 1.0)]
        for b, n in factors(s):
            multiply = n > 0 and is_sum(b)
            part = expand(b, limit) if multiply else [(power(b, n), 1.0)]
            for _ in range(n if multiply else 1):
                total = [(mul(m, p), k * c) for m, k in total for p, c in part]
                if len(total) > limit:
                    return [(s, 1.0)]
        return total
    return list(terms(s))


def is_zero(t: Tensor) -> bool:
    return isinstance(t, Define) and is_constant(t.body, 0)


def fresh_axes(t: Tensor) -> tuple[Index, ...]:
    return tuple(algebra.fresh(e) for e in t.extents)
