"""Reverse mode: cotangents of outputs become cotangents of what they are made of, by algebra on subscripts.

For y[i] = sum[k](e) and each load x[a(i, k)] in e, dx[j] = sum[i, k](dy[i] * de/dx * [j = a(i, k)]), and the bracket is solved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, poly
from tensorc.ir import walk
from tensorc.ir.tensor import Define, Input, Load, Scalar, Scan, Scatter, Sort, Stop, Tensor, View
from tensorc.transform import canonical, nodes
from tensorc.transform.bracket import solve
from tensorc.transform.canonical import add, constant, convert, is_constant, mul, select, value, wide
from tensorc.transform.invariance import shift_invariants
from tensorc.transform.partials import partials
from tensorc.transform.readback import reused
from tensorc.transform.workspace import Workspace, fresh_axes, is_zero

BODY = 200
"""Scalars of the contributions to a cotangent that are read through together; of more, each keeps a definition of its own."""


def cotangents(work: Workspace, outputs: Sequence[Tensor], seeds: Sequence[Tensor], wrt: Sequence[Tensor]) -> list[Tensor]:
    """The cotangent of each tensor of `wrt`, given one for each output; their bodies are canonical."""
    order = walk.topological(outputs)
    active = _active(order, outputs, wrt)
    pending: dict[Tensor, list[Tensor]] = {}
    for y, dy in zip(outputs, seeds, strict=True):
        pending.setdefault(y, []).append(dy)
    result: dict[Tensor, Tensor] = {}
    totals = set(seeds)
    for t in reversed(order):
        if t not in active or t not in pending:
            continue
        dy = _total(work, t, pending.pop(t), totals)
        totals.add(dy)
        if t in wrt:
            result[t] = dy
        if not is_zero(dy):
            for source, part in _parts(work, t, dy, active):
                pending.setdefault(source, []).append(part)
    return [result.get(t) or work.zeros(t) for t in wrt]


def _active(order: Sequence[Tensor], outputs: Sequence[Tensor], wrt: Sequence[Tensor]) -> set[Tensor]:
    """The tensors that smoothly depend on `wrt`, and these."""
    active = set(wrt)
    stopped = shift_invariants(order, outputs, active)
    for t in order:
        if t not in stopped and t.dtype.is_float and not isinstance(t, (Sort, Stop)) and any(s in active for s in walk.sources(t)):
            active.add(t)
    return active


def _total(work: Workspace, t: Tensor, parts: Sequence[Tensor], totals: set[Tensor]) -> Tensor:
    """The sum of the contributions to a tensor's cotangent. Pointwise ones are read through, but for whole cotangents."""
    parts = _gathered(parts)
    if len(parts) == 1 and parts[0].dtype is t.dtype:
        return parts[0]
    axes = fresh_axes(t)
    read = [_through(work, p, axes, totals) for p in parts]
    if sum(len(walk.postorder(s)) for s in read) > BODY:
        read = [canonical.element(p, tuple(map(poly, axes))) for p in parts]
    return work.define(axes, add(*read), t.dtype)


def _gathered(parts: Sequence[Tensor]) -> list[Tensor]:
    """The contributions with those that scatter to the same places made one: a gather may be read by several definitions."""
    scatters: dict[Any, list[Scatter]] = {}
    rest: list[Tensor] = []
    for p in parts:
        if isinstance(p, Scatter) and p.base is None:
            scatters.setdefault((p.extents, p.iteration, p.subscripts), []).append(p)
        else:
            rest.append(p)
    for same in scatters.values():
        rest.append(Scatter(same[0].extents, same[0].iteration, same[0].subscripts, add(*(s.body for s in same)), None))
    return rest


def _through(work: Workspace, p: Tensor, axes: Sequence[Index], totals: set[Tensor]) -> Scalar:
    at = tuple(map(poly, axes))
    if isinstance(p, Define) and p.monoid is None and p not in work.program and p not in totals:
        names: dict[Atom, Poly] = dict(zip(p.indices, at, strict=True))
        body = canonical.rewrite(p.body, names)
        return convert(body, wide(p.dtype))
    return canonical.element(p, at)


def _parts(work: Workspace, t: Tensor, dy: Tensor, active: set[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """(source, contribution to its cotangent) of one node."""
    match t:
        case Define():
            weight = mul(canonical.element(dy, tuple(map(poly, t.indices))), nodes.reduction_weight(work, t))
            yield from _body_parts(work, t, t.body, weight, t.indices + t.reduced, t.reduced, active)
        case Scatter(_, _, subscripts, body, base):
            if base is not None and base in active:
                yield base, dy
            inside = canonical.both(*(work.inside(p, e) for p, e in zip(subscripts, t.extents, strict=True)))
            weight = select(inside, canonical.element(dy, subscripts), constant(0.0, wide(t.dtype)))
            yield from _body_parts(work, t, body, weight, t.indices, (), active)
        case View(x, _):
            yield x, View(dy, x.extents)
        case Scan():
            yield from _scan_parts(work, t, dy, active)
        case Input() | Sort() | Stop():
            pass
        case _:
            assert_never(t)


def _body_parts(
    work: Workspace, t: Tensor, body: Scalar, weight: Scalar, variables: Sequence[Index], reduced: Sequence[Index], active: set[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """What the cotangent `weight` of a body gives to the tensors that the body reads."""
    own = value(body)
    wanted = frozenset(read for read in walk.loads(own) if read.tensor in active)
    for read, coefficient in partials(own, weight, wanted).items():
        if isinstance(t, Define) and t.monoid is None:
            coefficient = reused(coefficient, t, own)
        if not is_constant(coefficient, 0):
            yield read.tensor, _transposed(work, read, coefficient, variables, reduced)


def _transposed(work: Workspace, read: Load, coefficient: Scalar, variables: Sequence[Index], reduced: Sequence[Index]) -> Tensor:
    """dx[j] = sum over the variables of coefficient * [j = the subscripts of the load]."""
    x = read.tensor
    axes = fresh_axes(x)
    solved = solve(tuple(map(poly, axes)), read.subscripts, variables, reduced, work.facts)
    zero = constant(0.0, coefficient.dtype)
    if solved is not None:
        term = select(canonical.both(*solved.guards), canonical.rewrite(coefficient, solved.values), zero)
        return work.define(axes, work.sum(solved.remaining, term))
    return _scattered(work, x, read.subscripts, coefficient, variables)


def _scattered(work: Workspace, x: Tensor, places: Sequence[Poly], coefficient: Scalar, variables: Iterable[Index]) -> Tensor:
    used = frozenset[Atom]().union(*(algebra.atoms(p) for p in places))
    keep = [v for v in variables if v in used]
    body = work.sum([v for v in variables if v not in used], coefficient)
    if is_constant(body, 0):
        return work.zeros(x)
    names: dict[Atom, Poly] = {v: poly(Index(level, v.extent)) for level, v in enumerate(keep)}
    at = tuple(algebra.substitute(p, names) for p in places)
    return Scatter(x.extents, tuple(v.extent for v in keep), at, canonical.rewrite(body, names), None)


def _scan_parts(work: Workspace, t: Scan, dy: Tensor, active: set[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """lambda[t] = dy[t] + decay[t+1] * lambda[t+1] is the same recurrence from the other end; a max or min scatters to where it is from."""
    axes = fresh_axes(t)
    at = tuple(map(poly, axes))
    if t.monoid in ("max", "min"):
        place = poly(algebra.Element(nodes.attained(t), at))
        if t.source in active:
            yield t.source, _scattered(work, t.source, (*at[:-1], place), canonical.element(dy, at), axes)
        return
    zero = constant(0.0, wide(t.dtype))
    decay = nodes.decay(t)
    shifted = None
    if decay is not None:
        after, inside = nodes.neighbour(t, axes, -1 if t.reverse else 1)
        shifted = work.define(axes, select(inside, canonical.element(decay, after), zero), t.dtype)
    adjoint = Scan("sum", dy, shifted, not t.reverse)
    here = canonical.element(adjoint, at)
    if t.source in active:
        yield t.source, work.define(axes, mul(here, nodes.source_weight(t, axes)), t.dtype)
    if t.decay is not None and t.decay in active:
        before, inside = nodes.neighbour(t, axes, 1 if t.reverse else -1)
        yield t.decay, work.define(axes, select(inside, mul(here, canonical.element(t, before)), zero), t.dtype)
