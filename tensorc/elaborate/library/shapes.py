"""Built-ins that give the same elements another shape, other axes, or other places among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tensorc import algebra
from tensorc.algebra import Poly, fresh
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.registry import axis_list, builtin, dims, one_axis, tensor
from tensorc.elaborate.values import Array, List, Tuple, Value, describe, of_tensor
from tensorc.ir import build
from tensorc.ir.tensor import Tensor, View
from tensorc.ir.walk import rewrite


def of_tensor_like(made: Tensor, like: Array) -> Array:
    """A tensor that was made of `like.tensor()`, as an array under the same free indices."""
    return of_tensor(made, like.free)


def to_last(value: Array, at: int) -> tuple[Array, Callable[[Array], Array]]:
    """The array with axis `at` last, and how to move the last axis back."""
    moved = Array((*value.axes[:at], *value.axes[at + 1 :], value.axes[at]), value.body, value.weak)

    def back(result: Array) -> Array:
        axes = list(result.axes)
        axes.insert(at, axes.pop())
        return Array(tuple(axes), result.body, result.weak)

    return moved, back


@builtin("reshape", "x shape", variadic=True)
def reshape(context: Context, x: Value, shape: Value) -> Array:
    """The same elements in row-major order under another shape; one dim may be -1."""
    value = tensor(context, x, "x")
    wanted = list(dims(context, shape))
    total = _product(value.extents)
    unknown = [n for n, p in enumerate(wanted) if p.constant == -1]
    span = context.argument_spans.get("shape")
    if len(unknown) > 1:
        raise context.error("E0611", "`reshape` can work out one dim, found two -1", span)
    if unknown:
        others = _product(p for n, p in enumerate(wanted) if n != unknown[0])
        wanted[unknown[0]] = _quotient(context, total, others, span)
    for p in wanted:
        context.require(p, ">=", f"a dim is negative: {p}", span)
    after = _product(wanted)
    message = f"`reshape` keeps the number of elements: {total} before, {after} after"
    context.require(after - total, "==", message, span, label=f"{after} elements")
    return view(context, value, tuple(wanted))


def _quotient(context: Context, total: Poly, others: Poly, span: object) -> Poly:
    """total / others, exactly where it is a product of the same sizes."""
    q, r = algebra.divide_terms(total, others)
    return q if r is algebra.ZERO else algebra.floordiv(total, others)


def _product(extents: Iterable[Poly]) -> Poly:
    total = algebra.ONE
    for e in extents:
        total = total * e
    return total


def view(context: Context, value: Array, extents: tuple[Poly, ...]) -> Array:
    """The array's elements under other extents. Axes of extent 1 come and go as index rules, so that nothing stands between definitions."""
    if value.extents == extents:
        return value
    kept = [a for a in value.axes if a.extent is not algebra.ONE]
    if not context.exact and [a.extent for a in kept] == [e for e in extents if e is not algebra.ONE]:
        rest = iter(kept)
        body = rewrite(
            value.body, {a: algebra.ZERO for a in value.axes if a.extent is algebra.ONE}, lambda m: build.load(m.tensor, m.subscripts)
        )
        return Array(tuple(fresh(1) if e is algebra.ONE else next(rest) for e in extents), body, value.weak)
    if value.weak:
        value = arrays.strong(context, value)
    if algebra.ZERO in extents and not context.exact:  # there are no elements
        return Array(tuple(map(fresh, extents)), build.constant(0, value.dtype))
    own = context.settle(value)
    return of_tensor_like(View(own.tensor(), (*(a.extent for a in own.free), *extents)), own)


def flatten(context: Context, value: Array, start: int = 0, end: int | None = None) -> Array:
    """Axes start..end made one."""
    end = value.rank - 1 if end is None else end
    if value.rank == 0:
        return view(context, value, (algebra.ONE,))
    if start == end:
        return value
    middle = _product(value.extents[start : end + 1])
    return view(context, value, (*value.extents[:start], middle, *value.extents[end + 1 :]))


@builtin("flatten", "x start_dim end_dim", start_dim=0, end_dim=-1)
def flatten_(context: Context, x: Value, start_dim: Value, end_dim: Value) -> Array:
    """Axes start_dim to end_dim, that included, made one; a 0-d tensor gets one axis."""
    value = tensor(context, x, "x")
    if value.rank == 0:
        for end, name in ((start_dim, "start_dim"), (end_dim, "end_dim")):
            axis_list(context, end, 0, name)
        return flatten(context, value)
    ends = [one_axis(context, v, value.rank, n) for v, n in ((start_dim, "start_dim"), (end_dim, "end_dim"))]
    if ends[0] > ends[1]:
        raise context.error("E0304", f"`flatten` from axis {ends[0]} to {ends[1]}", help="start_dim comes before end_dim")
    return flatten(context, value, *ends)


@builtin("squeeze", "x axis", axis=None)
def squeeze(context: Context, x: Value, axis: Value) -> Array:
    """Axes of extent 1 removed: those given, or all whose extent is 1 when compiling."""
    value = tensor(context, x, "x")
    axes = axis_list(context, axis, value.rank) if axis is not None else [n for n, e in enumerate(value.extents) if e is algebra.ONE]
    for n in axes:
        if value.extents[n] is not algebra.ONE:
            e = value.extents[n]
            context.require(e - 1, "==", f"`squeeze` of axis {n}, whose extent is {e}", context.argument_spans.get("axis"))
    body = rewrite(value.body, {value.axes[n]: algebra.ZERO for n in axes}, lambda m: build.load(m.tensor, m.subscripts))
    return Array(tuple(a for n, a in enumerate(value.axes) if n not in axes), body, value.weak)


@builtin("unsqueeze", "x axis")
def unsqueeze(context: Context, x: Value, axis: Value) -> Array:
    """A new axis of extent 1 at a position, or at each of several, counted in the result."""
    value = tensor(context, x, "x")
    items = axis.items if isinstance(axis, (List, Tuple)) else (axis,)
    rank = value.rank + len(items)
    places = sorted(one_axis(context, v, rank) for v in items)
    axes = list(value.axes)
    for n in places:
        axes.insert(n, fresh(1))
    return Array(tuple(axes), value.body, value.weak)


@builtin("permute", "x axes", variadic=True)
def permute(context: Context, x: Value, axes: Value) -> Array:
    """The axes in another order, given one by one or as a tuple."""
    value = tensor(context, x, "x")
    order = axis_list(context, axes if isinstance(axes, (List, Tuple)) else Tuple((axes,)), value.rank, "axes")
    if len(order) != value.rank:
        raise context.error(
            "E0304", f"`permute` wants each of {value.rank} axes once, found {len(order)}", context.argument_spans.get("axes")
        )
    return Array(tuple(value.axes[n] for n in order), value.body, value.weak)


def _swap(name: str) -> None:
    def swap(context: Context, x: Value, axis0: Value, axis1: Value) -> Array:
        value = tensor(context, x, "x")
        if value.rank == 0:
            for axis, place in ((axis0, "axis0"), (axis1, "axis1")):
                axis_list(context, axis, 0, place)
            return value
        a, b = one_axis(context, axis0, value.rank, "axis0"), one_axis(context, axis1, value.rank, "axis1")
        axes = list(value.axes)
        axes[a], axes[b] = axes[b], axes[a]
        return Array(tuple(axes), value.body, value.weak)

    swap.__doc__ = "Two axes exchanged."
    builtin(name, "x axis0 axis1")(swap)


_swap("transpose")
_swap("swapaxes")


@builtin("broadcast_to", "x shape", variadic=True)
def broadcast_to(context: Context, x: Value, shape: Value) -> Array:
    """x under a shape that it broadcasts to: new axes before its own, axes of extent 1 repeated."""
    value = tensor(context, x, "x")
    return _broadcast(context, value, dims(context, shape))


def _broadcast(context: Context, value: Array, wanted: tuple[Poly, ...]) -> Array:
    if len(wanted) < value.rank:
        raise context.error("E0301", f"{describe(value)} does not broadcast to rank {len(wanted)}", context.argument_spans.get("x"))
    for p in wanted:
        context.require(p, ">=", f"a dim is negative: {p}", context.argument_spans.get("shape"))
    for own, p in zip(value.extents, wanted[len(wanted) - value.rank :], strict=True):
        if own is not algebra.ONE and context.meet(p, own) is None:
            raise context.error(
                "E0301",
                f"an axis of extent {own} does not broadcast to {p}",
                context.argument_spans.get("x"),
                describe(value),
                notes=context.origin(own, p),
            )
    return arrays.broadcast_to(context, value, wanted)


@builtin("expand", "x shape", variadic=True)
def expand(context: Context, x: Value, shape: Value) -> Array:
    """As broadcast_to; a dim of -1 keeps an axis."""
    value = tensor(context, x, "x")
    wanted = list(dims(context, shape))
    skip = len(wanted) - value.rank
    for n, p in enumerate(wanted):
        if p.constant == -1:
            if n < skip:
                raise context.error("E0611", "`expand`: -1 keeps an axis that there is", context.argument_spans.get("shape"))
            wanted[n] = value.extents[n - skip]
    return _broadcast(context, value, tuple(wanted))
