"""Recurrences along an axis: a block of it at a time by an associative scan, whose last value is carried into the next block."""

from __future__ import annotations

from tensorc.backends.triton import accumulate, index, spellings, statements
from tensorc.backends.triton.accumulate import combine, identity, type_of
from tensorc.backends.triton.context import Axes, Bound, Context, Value, expand
from tensorc.backends.triton.scalar import evaluate
from tensorc.backends.triton.spellings import PRODUCT, Text
from tensorc.dtypes import DType, bool_
from tensorc.ir.tensor import Scalar
from tensorc.loops.nest import Carry, For

WHOLE = 4096
"""The longest axis that is scanned in one block."""

BLOCK = 1024


def block_of(context: Context, s: For) -> int:
    """How many points are scanned at a time."""
    whole = max(context.sizes.whole(s.axis.extent), 2)
    rows = 1
    for b in context.bound.values():
        rows *= b.block
    return whole if whole * rows <= WHOLE else max(min(BLOCK // rows, whole), 16)


def scan(context: Context, s: For) -> None:
    carry = next(inner for inner in s.body if isinstance(inner, Carry))
    name = context.names.of(s.axis, context.kernel.names[s.axis])
    block = block_of(context, s)
    context.bound[s.axis] = Bound(name, block, None)
    constant = context.block_name(s.axis)
    if context.holds(s.axis.extent, "<=", block):
        context.line(f"{name} = {statements.arange(context, constant)}")
        statements.mask(context, s.axis)
        _block(context, s, carry, None)
        return
    axes = context.axes_of(frozenset(carry.var.axes))
    last = context.names.of(("carried", carry.var), f"{carry.var.name}_carried")
    context.line(f"{last} = {accumulate.filled(context, carry.monoid, axes, carry.var.dtype)}")
    start = context.names.of(("start", s.axis), f"{name}_start")
    stop = index.number(context, s.axis.extent).text.text
    with context.block(f"for {start} in range(0, {stop}, {constant}):"):
        context.line(f"{name} = {start} + {statements.arange(context, constant)}")
        statements.mask(context, s.axis)
        value = _block(context, s, carry, Value(Text(last), axes))
        dimension = value.axes.index(s.axis)
        is_last = expand(Value(Text(f"{name} == {start} + {constant} - 1", spellings.COMPARE), (s.axis,)), value.axes).text
        zero = accumulate.identity("sum", carry.var.dtype) if carry.var.dtype is not bool_ else "False"
        kept = f"tl.where({is_last}, {value.text.text}, {zero})"
        context.line(f"{last} = {accumulate.reduced(kept, dimension, 'any' if carry.var.dtype is bool_ else 'sum', carry.var.dtype).text}")


def _block(context: Context, s: For, carry: Carry, last: Value | None) -> Value:
    """The statements of the loop for one block; the scanned values. `last` is what the blocks before came to."""
    statements.comment(context, carry)
    dtype = carry.var.dtype
    every = context.axes_of({*carry.var.axes, s.axis})
    dimension = every.index(s.axis)
    drive = _full(context, carry.value, s, every, identity(carry.monoid, dtype), dtype)
    name = context.names.of(("scanned", carry.var), carry.var.name)
    if carry.decay is None:
        context.line(f"{name} = tl.associative_scan({drive}, {dimension}, {function(carry.monoid, dtype)})")
        if last is not None:
            before = expand(last, every)
            context.line(f"{name} = {combine(carry.monoid, before, Text(name), dtype).text}")
    else:
        decay = context.names.of(("decay", carry.var), f"{carry.var.name}_decay")
        factor = _full(context, carry.decay, s, every, identity("prod", dtype), dtype)
        context.line(f"{decay}, {name} = tl.associative_scan(({factor}, {drive}), {dimension}, recur)")
        if last is not None:
            context.line(f"{name} = {decay} * {expand(last, every).inside(PRODUCT + 1)} + {name}")
    value = Value(Text(name), every)
    if dtype.is_half:
        context.line(f"{name} = {spellings.rounded(value.text, dtype).text}")
    context.remember(("var", carry.var), value)
    statements.emit(context, [inner for inner in s.body if inner is not carry])
    return value


def _full(context: Context, s: Scalar, loop: For, every: Axes, neutral: str, dtype: DType) -> str:
    """A value at every point of the block, neutral where there is no point."""
    value = evaluate(context, s)
    text = expand(value, every).text
    mask = context.bound[loop.axis].mask
    if mask is not None:
        text = f"tl.where({expand(Value(Text(mask), (loop.axis,)), every).text}, {text}, {neutral})"
        missing = [a for a in every if a is not loop.axis and a not in value.axes]
    else:
        missing = [a for a in every if a not in value.axes]
    if not missing:
        return text
    shape = context.shape(every)
    return f"tl.broadcast_to({text}, {shape})" if value.axes or mask is not None else f"tl.full({shape}, {text}, {type_of(dtype)})"


def function(monoid: str, dtype: DType) -> str:
    """The helper that combines two terms."""
    if dtype is bool_:
        return "either" if monoid in ("max", "any") else "both"
    return accumulate.FUNCTIONS[monoid]
