"""Guards that bound a loop: where they do not hold, nothing that the loop reduces changes.

Of `max[j](where(j <= i, s[i, j], -inf))`, and of `sum[j](exp(where(j <= i, s[i, j], -inf) - m[i]) * v[j])`, the terms with j > i are the
monoids' identities: exp(-inf - m) is 0, for a maximum m of something; and 0 * v is taken for 0, of a v that is infinite or NaN too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from tensorc.algebra import Index, Poly, indices
from tensorc.ir import build, walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.tensor import Apply, Const, Load, Nonnegative, Scalar, Select, Tensor
from tensorc.loops.bounds import is_bound
from tensorc.schedule.members import Member


def narrowed(members: Sequence[Member], axis: Index) -> tuple[Poly, ...]:
    """Polynomials of the axis and others, without which being at least 0 no point of the axis has an effect."""
    guards = {g: None for m in members for s in walk.postorder(m.body) for g in _guards(s, axis)}
    return tuple(g for g in guards if _is_idle(members, axis, g))


def _guards(s: Scalar, axis: Index) -> list[Poly]:
    if isinstance(s, Nonnegative) and axis in indices(s.value) and len(indices(s.value)) > 1 and is_bound(s.value, axis):
        return [s.value]
    return []


def limits(bases: Sequence[Member], axis: Index, around: Collection[Index]) -> tuple[Poly, ...]:
    """What bounds an axis that reductions go along, at each point of the axes around: outside of it no term is let in."""
    several = [m.lets for m in bases if axis in m.over]
    found = several[0].intersection(*several[1:]) if several else ()
    return tuple(sorted((g for g in found if axis in indices(g) <= {axis, *around} and is_bound(g, axis, around)), key=str))


def _is_idle(members: Sequence[Member], axis: Index, guard: Poly) -> bool:
    """Whether what a nest makes of a point of the axis at which the guard does not hold is no matter."""
    known: dict[Tensor, Const] = {}
    reduces = False
    for m in members:
        if axis not in m.space:
            continue
        value = _Absorber(guard, known).scalar(m.body)
        if axis in m.over:
            assert m.monoid is not None
            identity = MONOIDS[m.monoid].identity(m.body.dtype)
            if not isinstance(value, Const) or value.value != identity:
                return False
            reduces = True
        elif m.place is not None:
            return False
        elif isinstance(value, Const) and m.tensor is not None and not m.over:
            known[m.tensor] = value
    return reduces


class _Absorber:
    """Folds a scalar as it is where a guard does not hold."""

    def __init__(self, guard: Poly, known: dict[Tensor, Const]) -> None:
        self.guard = guard
        self.known = known
        self.memo: dict[Scalar, Scalar] = {}

    def scalar(self, s: Scalar) -> Scalar:
        found = self.memo.get(s)
        if found is None:
            found = self.memo[s] = self._scalar(s)
        return found

    def _scalar(self, s: Scalar) -> Scalar:
        match s:
            case Nonnegative(p) if p is self.guard:
                return build.FALSE
            case Load(tensor, _):
                return self.known.get(tensor, s)
            case Select(c, a, b):
                return build.select(self.scalar(c), self.scalar(a), self.scalar(b))
            case Apply(operation, arguments, dtype):
                given = [self.scalar(a) for a in arguments]
                known = _folded(operation, given)
                return known if known is not None else build.apply(operation, *given, dtype=dtype)
            case _:
                return s


def _folded(operation: str, arguments: Sequence[Scalar]) -> Scalar | None:
    """The constant that an operation gives whatever its other argument is, if that is finite."""
    values = [a.value if isinstance(a, Const) else None for a in arguments]
    if not arguments[0].dtype.is_float:
        return None
    match operation:
        case "mul" if 0 in values and not any(v is not None and not math.isfinite(v) for v in values):
            return build.constant(0.0, arguments[0].dtype)
        case "mul" if -math.inf in values and any(v is not None and 0 < v < math.inf for v in values):
            return build.constant(-math.inf, arguments[0].dtype)
        case "div" if values[0] == 0 and values[1] is None:
            return arguments[0]
        case "sub" | "add" if values[0] == -math.inf and values[1] is None:
            return arguments[0]
        case _:
            return None
