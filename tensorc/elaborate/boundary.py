"""The boundary between a function that is transformed and its arguments: what is placed inside of it, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from tensorc import algebra
from tensorc.algebra import Index, Poly, fresh
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context
from tensorc.elaborate.notation import dummy
from tensorc.elaborate.values import Array, List, Tuple, Value, describe, of_tensor
from tensorc.ir import build
from tensorc.ir.tensor import Input, Tensor
from tensorc.transform.batch import batch
from tensorc.transform.graph import substituted

_number = count()


class Boundary:
    """Stands between a function and its arguments: inside they are inputs of their own, outside what they are.

    Open arguments, which depend on indices of an index definition around the call, and the axis of a vmap become leading axes.
    """

    def __init__(self, context: Context, extent: Poly | None = None) -> None:
        self.context = context
        self.extent = extent
        self.closed: dict[Tensor, Tensor] = {}
        self.open: list[tuple[Input, Array, Index | None]] = []
        self.checks = len(context.checks)

    @property
    def is_draft(self) -> bool:
        """Whether only shapes matter, since ranges of indices are being inferred."""
        return self.context.accesses is not None

    def enter(self, label: str, value: Array, axis: int | None = None) -> Array:
        """The placeholder of an argument, without the axis that a vmap runs over."""
        axes = tuple(a for n, a in enumerate(value.axes) if n != axis)
        made = Input(f"{label}~{next(_number)}", tuple(a.extent for a in axes), value.dtype)
        if value.free or axis is not None:
            self.open.append((made, Array(axes, value.body), None if axis is None else value.axes[axis]))
        else:
            self.closed[made] = value.tensor()
        return of_tensor(made)

    def leave(self, tensors: Sequence[Tensor]) -> list[Array]:
        """What tensors made of the placeholders are outside."""
        context = self.context
        free = tuple(sorted({i for _, value, batched in self.open for i in value.free if i is not batched}, key=lambda i: i.level))
        if self.is_draft:
            return [
                dummy(((self.extent,) if self.extent is not None else ()) + t.extents, Array((), build.load(t, t.extents))) for t in tensors
            ]
        inside = context.checks[self.checks :]
        outputs = [*tensors, *(c.place for c in inside)]
        if self.open:
            run = fresh(self.extent) if self.extent is not None else None
            lead = (*free, *([run] if run is not None else []))
            lifted: dict[Tensor, Tensor] = {}
            for made, value, batched in self.open:
                named = Array(value.axes, value.body) if batched is None or run is None else _renamed(value, batched, run)
                lifted[made] = build.define((*lead, *named.axes), named.body)
            outputs = batch(outputs, lifted, [i.extent for i in lead])
        new = substituted(outputs, self.closed)
        for old, made_of in new.items():
            if old is not made_of and old in context.names:
                context.names.setdefault(made_of, context.names[old])
        outputs = [new[t] for t in outputs]
        context.checks[self.checks :] = [replace(c, place=p) for c, p in zip(inside, outputs[len(tensors) :], strict=True)]
        return [of_tensor(t, free) for t in outputs[: len(tensors)]]


def _renamed(value: Array, old: Index, new: Index) -> Array:
    """The value with one index named otherwise."""
    whole = Array((old, *value.axes), value.body)
    at = (algebra.poly(new), *map(algebra.poly, value.axes))
    return Array(value.axes, whole.at(at))


# Results.


def flatten(context: Context, value: Value, kind: str) -> list[Array]:
    """The tensors of a result, in order."""
    if isinstance(value, Tuple):
        return [a for v in value.items for a in flatten(context, v, kind)]
    if isinstance(value, (Array, List)):
        return [arrays.strong(context, arrays.as_array(context, value))]
    raise context.error("E0704", f"`{kind}` of a function that returns {describe(value)}", help="return tensors, or tuples of tensors")


def rebuilt(value: Value, parts: Sequence[Value]) -> Value:
    """A result of the structure of `value` with other tensors."""
    rest = iter(parts)

    def go(v: Value) -> Value:
        return Tuple(tuple(go(x) for x in v.items)) if isinstance(v, Tuple) else next(rest)

    return go(value)


def by_result(value: Value, parts: Sequence[Value]) -> Value:
    """What derives from each float result: of the structure of `value` where all of it is float, else bare or a tuple."""
    return rebuilt(value, parts) if _is_float(value) else bare(parts, len(parts) == 1)


def _is_float(value: Value) -> bool:
    if isinstance(value, Tuple):
        return all(map(_is_float, value.items))
    return not isinstance(value, Array) or value.dtype.is_float


def bare(items: Sequence[Value], alone: bool) -> Value:
    return items[0] if alone else Tuple(tuple(items))
