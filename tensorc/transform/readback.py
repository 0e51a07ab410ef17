"""Products that a definition already holds are read from it: e[i, j] / s[i] -> p[i, j]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorc.algebra import Atom, Poly, poly
from tensorc.ir import build
from tensorc.ir.tensor import Apply, Const, Define, Load, Scalar, Select, Tensor
from tensorc.transform import canonical
from tensorc.transform.canonical import PRODUCT, SUM, add, convert, factors, is_product, is_sum, mul, power, scale, select, terms, value
from tensorc.transform.workspace import Workspace


def everywhere(s: Scalar, change: Callable[[Scalar], Scalar]) -> Scalar:
    """s with change(part) for each canonical float part of it, arguments first; conditions are left as they are."""
    memo: dict[Scalar, Scalar] = {}

    def go(s: Scalar) -> Scalar:
        found = memo.get(s)
        if found is None:
            found = memo[s] = change(inner(s))
        return found

    def inner(s: Scalar) -> Scalar:
        match s:
            case Apply(operation, _, _) if operation == SUM:
                new = [(go(t), k) for t, k in terms(s)]
                return s if all(a is b for (a, _), (b, _) in zip(new, terms(s), strict=True)) else add(*(scale(k, t) for t, k in new))
            case Apply(operation, _, _) if operation == PRODUCT:
                factored = [(go(b), n) for b, n in factors(s)]
                same = all(a is b for (a, _), (b, _) in zip(factored, factors(s), strict=True))
                return s if same else mul(*(power(b, n) for b, n in factored))
            case Select(c, a, b) if s.dtype.is_float:
                return select(c, go(a), go(b))
            case Apply(operation, arguments, dtype) if dtype.is_float and all(a.dtype.is_float for a in arguments):
                changed = tuple(map(go, arguments))
                if changed == arguments:
                    return s
                return convert(changed[0], dtype) if operation == "cast" else build.apply(operation, *changed, dtype=dtype)
            case _:
                return s

    return go(s)


def take_out(s: Scalar, pattern: Scalar, replacement: Scalar) -> Scalar:
    """The product s with the product `pattern` in it replaced, as often as it is there."""
    wanted = factors(pattern)
    while is_product(s) and is_product(pattern):
        have: dict[Any, int] = dict(factors(s))
        if not all(have.get(b, 0) * n > 0 and abs(have[b]) >= abs(n) for b, n in wanted):
            break
        s = mul(s, power(pattern, -1), replacement)
    return s


def take_out_everywhere(s: Scalar, pattern: Scalar, replacement: Scalar) -> Scalar:
    return everywhere(s, lambda part: take_out(part, pattern, replacement))


def reused(s: Scalar, t: Define, body: Scalar) -> Scalar:
    """s with t's own (canonical) body read back from t: the derivative of exp is t[i], not another exp."""
    if isinstance(body, (Load, Const)) or is_sum(body) or t.dtype.is_half:
        return s
    own = canonical.element(t, tuple(map(poly, t.indices)))
    if is_product(body):
        return take_out_everywhere(s, body, own)
    return canonical.rewrite(s, {}, memo={body: own})


class Products:
    """The definitions that are products of elements, by the tensor of a factor that names all of their indices."""

    def __init__(self) -> None:
        self.by_anchor: dict[Tensor, list[tuple[Define, Load, Scalar]]] = {}

    def add(self, work: Workspace, t: Tensor) -> None:
        """Remember t, if it is such a product: matching its anchor fixes the indices of the rest."""
        if not isinstance(t, Define) or t.monoid is not None or not t.dtype.is_float or t.dtype.is_half:
            return
        body = value(t.body) if t in work.program else t.body
        if not is_product(body) or not all(isinstance(b, Load) for b, _ in factors(body)):
            return
        own = frozenset(map(poly, t.indices))
        for b, _ in factors(body):
            if isinstance(b, Load) and len(b.subscripts) == len(own) and frozenset(b.subscripts) == own:
                self.by_anchor.setdefault(b.tensor, []).append((t, b, body))
                return

    def read_back(self, s: Scalar, reader: Tensor) -> Scalar:
        """The product s with known products read from their definitions."""
        if not is_product(s):
            return s
        for b, _ in factors(s):
            for t, anchor, body in self.by_anchor.get(b.tensor, ()) if isinstance(b, Load) else ():
                if t is reader:
                    continue
                assert isinstance(b, Load)
                at: dict[Atom, Poly] = {p.atom: q for p, q in zip(anchor.subscripts, b.subscripts, strict=True) if p.atom is not None}
                read = Load(t, tuple(at[i] for i in t.indices))
                after = take_out(s, canonical.rewrite(body, at), read)
                if after is not s:
                    return self.read_back(after, reader)
        return s
