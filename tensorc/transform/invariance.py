"""Which maxima are mere shifts: one whose tangent dies before every output is a constant to differentiation (softmax, attention).

Perturb m by an arbitrary epsilon[i] and push it forward, sums distributed over monomials and invariants taken out of them. In
e = exp(x - m), s = sum(e), p = e / s this gives -e*epsilon, then -epsilon*s (the sum of e *is* s), then -e*epsilon/s + e*epsilon*s/s**2,
which cancels.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.algebra import Atom, Poly, poly
from tensorc.ir import walk
from tensorc.ir.tensor import Define, Input, Load, Scalar, Tensor
from tensorc.transform import canonical
from tensorc.transform.canonical import add, convert, is_constant, scale, value, wide
from tensorc.transform.partials import tangent
from tensorc.transform.readback import reused
from tensorc.transform.workspace import EXPANSION, Workspace, expand

REACH = 64
"""How many definitions a change is followed through before it is given up."""


def shift_invariants(order: Sequence[Tensor], outputs: Sequence[Tensor], active: set[Tensor]) -> set[Tensor]:
    """The maxima and minima on which no output depends. `order` is all that the outputs are made of, sources first."""
    found: set[Tensor] = set()
    work: Workspace | None = None
    for n, m in enumerate(order):
        if isinstance(m, Define) and m.monoid in ("max", "min") and m.dtype.is_float and m not in outputs and m not in active:
            if work is None:
                work = Workspace(order)
            if _dies(work, m, order[n + 1 :], frozenset(outputs)):
                found.add(m)
    return found


def _dies(work: Workspace, m: Tensor, later: Sequence[Tensor], outputs: frozenset[Tensor]) -> bool:
    alive: dict[Tensor, Tensor] = {m: Input("epsilon", m.extents, wide(m.dtype))}
    steps = 0
    for t in later:
        if not t.dtype.is_float or not any(s in alive for s in walk.sources(t)):
            continue
        steps += 1
        if not isinstance(t, Define) or t.monoid not in (None, "sum") or steps > REACH:
            return False
        parts = expand(_change(t, alive))
        if len(parts) > EXPANSION:
            return False
        if t.monoid == "sum":
            parts = [(work.sum(t.reduced, p), c) for p, c in parts]
        change = add(*(scale(c, p) for p, c in parts))
        if not is_constant(change, 0):
            if t in outputs:
                return False
            alive[t] = Define(t.extents, None, (), change)
    return True


def _change(t: Define, alive: dict[Tensor, Tensor]) -> Scalar:
    def known(read: Load) -> Scalar | None:
        found = alive.get(read.tensor)
        if isinstance(found, Define):
            at: dict[Atom, Poly] = dict(zip(found.indices, read.subscripts, strict=True))
            return canonical.rewrite(found.body, at)
        return None if found is None else Load(found, tuple(map(poly, read.subscripts)))

    body = value(t.body)
    change = tangent(body, known)
    return convert(change if t.monoid is not None else reused(change, t, body), wide(t.dtype))
