"""What a derivation made, made smaller: pointwise definitions inlined, common factors taken out, known products read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tensorc import algebra
from tensorc.algebra import Atom, Poly, poly
from tensorc.ir import walk
from tensorc.ir.tensor import Define, IsZero, Load, Scalar, Scatter, Select, Tensor
from tensorc.transform import canonical
from tensorc.transform.canonical import is_constant, is_sum, mul, power, stored, terms, value
from tensorc.transform.graph import body_changed, elements_changed, number_changed, with_sources
from tensorc.transform.readback import Products, everywhere
from tensorc.transform.workspace import Workspace, common_factor, common_guard

BODY = 48
"""Scalars of a body that may still be inlined: bounds time and recursion on long elementwise chains."""

ROUNDS = 8


def tidy(work: Workspace, outputs: Sequence[Tensor]) -> list[Tensor]:
    """Pointwise readers first: a product must still be there to be read back when its pattern comes to light."""
    found = list(outputs)
    for into_sums in (False, True):
        for _ in range(ROUNDS):
            after = _share(work, _factor(work, _inline(work, found, into_sums)))
            if after == found:
                break
            found = after
    return found


def tidy_anew(work: Workspace, outputs: Sequence[Tensor]) -> list[Tensor]:
    """As `tidy`, for what is not canonical yet: everything outside of the workspace's program. Diagonals are read through."""
    new: dict[Tensor, Tensor] = {}

    def read(moved: Load) -> Scalar:
        t = new.get(moved.tensor, moved.tensor)
        if isinstance(t, Define) and _is_diagonal(t):
            return canonical.rewrite(t.body, dict(zip(t.indices, moved.subscripts, strict=True)))
        return canonical.load(t, moved.subscripts)

    for t in walk.topological(outputs):
        if t in work.program or not isinstance(t, (Define, Scatter)) or not t.dtype.is_float:
            new[t] = t if t in work.program else with_sources(t, new)
            continue
        body = canonical.rewrite(stored(value(t.body), t.dtype), {}, read, elements_changed(new))
        if isinstance(t, Scatter):
            places = tuple(number_changed(p, new) for p in t.subscripts)
            new[t] = Scatter(t.extents, t.iteration, places, body, t.base and new[t.base])
        elif t.monoid == "sum":
            new[t] = work.pointwise(t.extents, work.sum(t.reduced, body))
        else:
            new[t] = work.pointwise(t.extents, body) if t.monoid is None else Define(t.extents, t.monoid, t.bound, body)
    return tidy(work, [new[t] for t in outputs])


def _is_diagonal(t: Define) -> bool:
    """Whether t is 0 but where some of its indices are equal."""
    body = t.body
    if t.monoid is not None or not isinstance(body, Select) or not is_constant(body.otherwise, 0) or len(walk.postorder(body)) > BODY:
        return False
    return all(isinstance(c, IsZero) for c in canonical.conjuncts(body.condition))


def _rebuilt(
    work: Workspace, outputs: Sequence[Tensor], change: Callable[[Scalar, Tensor], Scalar], seen: Callable[[Tensor], None]
) -> list[Tensor]:
    """Each made tensor with its sources replaced and its body changed; `seen` is told of each tensor in order."""
    new: dict[Tensor, Tensor] = {}
    for t in walk.topological(outputs):
        made = t
        if t not in work.program:
            made = _resourced(work, t, new)
            if isinstance(made, (Define, Scatter)) and made.dtype.is_float and made not in work.program:
                made = with_body(work, made, change(made.body, made))
        seen(made)
        new[t] = made
    return [new[t] for t in outputs]


def _resourced(work: Workspace, t: Tensor, new: dict[Tensor, Tensor]) -> Tensor:
    if isinstance(t, Define):
        return with_body(work, t, body_changed(t.body, new, canonical.rewrite, canonical.load))
    return with_sources(t, new, canonical.rewrite, canonical.load)


def with_body(work: Workspace, t: Define | Scatter, body: Scalar) -> Tensor:
    """t with another body; a sum is simplified again."""
    if body is t.body:
        return t
    if isinstance(t, Scatter):
        return Scatter(t.extents, t.iteration, t.subscripts, body, t.base)
    if t.monoid is None:
        return work.pointwise(t.extents, body)
    if t.monoid == "sum" and t.dtype.is_float:
        return work.pointwise(t.extents, work.sum(t.reduced, body))
    made = Define(t.extents, t.monoid, t.bound, body)
    return work.known.get(made, made)


def _factor(work: Workspace, outputs: Sequence[Tensor]) -> list[Tensor]:
    """a*c + b*c -> (a + b)*c."""

    def one(s: Scalar) -> Scalar:
        if is_sum(s) and len(terms(s)) > 1:
            common, rest = common_factor(s)
            return mul(rest, *(power(b, n) for b, n in common)) if common else common_guard(s)
        return s

    return _rebuilt(work, outputs, lambda body, t: everywhere(body, one), lambda t: None)


def _share(work: Workspace, outputs: Sequence[Tensor]) -> list[Tensor]:
    known = Products()
    return _rebuilt(work, outputs, lambda body, t: everywhere(body, lambda s: known.read_back(s, t)), lambda t: known.add(work, t))


def _inline(work: Workspace, outputs: Sequence[Tensor], into_sums: bool) -> list[Tensor]:
    """Made pointwise definitions that are read in one place go into their reader, unless it would compute an element twice."""
    order = walk.topological(outputs)
    readers: dict[Tensor, list[Tensor]] = {}
    for r in order:
        for s in walk.sources(r):
            readers.setdefault(s, []).append(r)
    chosen = {
        t
        for t in order
        if isinstance(t, Define) and t.monoid is None and t.dtype.is_float and t not in work.program and t not in outputs
        if len(readers[t]) == 1 and _once(t, readers[t][0], into_sums) and len(walk.postorder(t.body)) <= BODY
    }
    if not chosen:
        return list(outputs)
    new: dict[Tensor, Tensor] = {}

    def read(moved: Load) -> Scalar:
        t = new.get(moved.tensor, moved.tensor)
        if (
            moved.tensor in chosen
            and isinstance(t, Define)
            and t.monoid is None
            and t not in work.program
            and len(walk.postorder(t.body)) <= BODY
        ):
            at: dict[Atom, Poly] = dict(zip(t.indices, moved.subscripts, strict=True))
            return canonical.rewrite(t.body, at)
        return canonical.load(t, moved.subscripts)

    for t in order:
        if t in work.program:
            new[t] = t
        elif isinstance(t, (Define, Scatter)) and any(s in chosen for s in walk.sources(t)):
            body = canonical.rewrite(t.body, {}, read, elements_changed(new))
            if isinstance(t, Scatter):
                t_new: Tensor = Scatter(
                    t.extents, t.iteration, tuple(number_changed(p, new) for p in t.subscripts), body, t.base and new[t.base]
                )
            else:
                t_new = with_body(work, t, body)
            new[t] = t_new
        else:
            new[t] = _resourced(work, t, new)
    return [new[t] for t in outputs]


def _once(t: Tensor, reader: Tensor, into_sums: bool) -> bool:
    """Whether the reader reads t through one load outside of conditions, and (where it reduces) each element of t once."""
    if not isinstance(reader, (Define, Scatter)) or not reader.dtype.is_float:
        return False
    here = [read for read in walk.loads(reader.body) if read.tensor is t]
    inside = [p for read in walk.loads(reader.body) for p in read.subscripts]
    if isinstance(reader, Scatter):
        inside += reader.subscripts
    if len(here) != 1 or here[0] in _conditional(reader.body) or any(e.tensor is t for p in inside for e in algebra.elements(p)):
        return False
    if isinstance(reader, Scatter) or reader.monoid is None:
        return True
    if not into_sums or reader.monoid != "sum":
        return False
    own = frozenset(map(poly, reader.indices + reader.reduced))
    return frozenset(here[0].subscripts) == own and len(here[0].subscripts) == len(own)


def _conditional(body: Scalar) -> frozenset[Load]:
    """The loads that a condition reads: what is compared is computed once."""
    return frozenset(read for s in walk.postorder(body) if isinstance(s, Select) for read in walk.loads(s.condition))
