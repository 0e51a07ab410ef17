"""Rewriting of whole graphs: a new tensor for each old one, sources first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, assert_never

from tensorc import algebra
from tensorc.algebra import Atom, Element, Poly
from tensorc.ir import build, walk
from tensorc.ir.tensor import Define, Input, Scalar, Scan, Scatter, Sort, Stop, Tensor, View

Rewrite = Callable[..., Scalar]
"""`walk.rewrite` or `canonical.rewrite`."""


def elements_changed(new: Mapping[Tensor, Tensor]) -> Callable[[Atom], Poly | None]:
    """What makes of an atom the one that reads the new tensors."""

    def change(a: Atom) -> Poly | None:
        if isinstance(a, Element) and new.get(a.tensor, a.tensor) is not a.tensor:
            return build.element(new[a.tensor], tuple(algebra.rebuild(p, change) for p in a.subscripts))
        return None

    return change


def number_changed(p: Poly, new: Mapping[Tensor, Tensor]) -> Poly:
    return algebra.rebuild(p, elements_changed(new)) if algebra.elements(p) else p


def body_changed(
    body: Scalar, new: Mapping[Tensor, Tensor], rewrite: Rewrite = walk.rewrite, load: Callable[..., Scalar] = build.load
) -> Scalar:
    """A body that reads the new tensors."""
    changes = [u for t in _tensors(body) if (u := new.get(t, t)) is not t]
    if not changes:
        return body
    return rewrite(body, {}, lambda moved: load(new.get(moved.tensor, moved.tensor), moved.subscripts), elements_changed(new))


def _tensors(body: Scalar) -> Iterable[Tensor]:
    return (moved.tensor for moved in walk.loads(body))


def with_sources(
    t: Tensor, new: Mapping[Tensor, Tensor], rewrite: Rewrite = walk.rewrite, load: Callable[..., Scalar] = build.load
) -> Tensor:
    """t made of new sources."""
    match t:
        case Input():
            return t
        case Define(extents, monoid, bound, body):
            changed = body_changed(body, new, rewrite, load)
            if changed is body:
                return t
            return build.define(t.indices, changed) if monoid is None else Define(extents, monoid, bound, changed)
        case Scatter(extents, iteration, subscripts, body, base):
            places = tuple(number_changed(p, new) for p in subscripts)
            under = None if base is None else new.get(base, base)
            return Scatter(extents, iteration, places, body_changed(body, new, rewrite, load), under)
        case View(x, extents):
            return View(new.get(x, x), extents)
        case Scan(monoid, x, decay, reverse):
            return Scan(monoid, new.get(x, x), None if decay is None else new.get(decay, decay), reverse)
        case Sort(keys, descending):
            return Sort(new.get(keys, keys), descending)
        case Stop(x):
            return Stop(new.get(x, x))
        case _:
            assert_never(t)


def substituted(outputs: Sequence[Tensor], values: Mapping[Any, Tensor]) -> dict[Tensor, Tensor]:
    """What each tensor that the outputs are made of becomes, with some (inputs, mostly) replaced; the order of arithmetic is kept."""
    new: dict[Tensor, Tensor] = dict(values)
    for t in walk.topological(outputs):
        if t not in new:
            new[t] = with_sources(t, new)
    return new


def substitute(outputs: Sequence[Tensor], values: Mapping[Any, Tensor]) -> list[Tensor]:
    """The outputs with some tensors replaced."""
    new = substituted(outputs, values)
    return [new[t] for t in outputs]
