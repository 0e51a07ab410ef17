"""Built-ins that make tensors: constants and ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Poly, fresh, poly
from tensorc.dtypes import f32, f64, i64
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context
from tensorc.elaborate.library.registry import builtin, dims, element_type, integer, tensor
from tensorc.elaborate.values import Array, Value, describe, static_constant, static_integer
from tensorc.ir import build
from tensorc.ir.tensor import Scalar


def checked_dims(context: Context, shape: Value, name: str = "shape") -> tuple[Poly, ...]:
    found = dims(context, shape, name)
    for p in found:
        context.require(p, ">=", f"a dim is negative: {p}", context.argument_spans.get(name), label="a negative dim")
    return found


def filled(extents: Sequence[Poly], body: Scalar) -> Array:
    return Array(tuple(map(fresh, extents)), body)


@builtin("zeros", "shape dtype", dtype=None)
def zeros(context: Context, shape: Value, dtype: Value) -> Array:
    """A tensor of zeros, f32 by default. A shape is a list of dims, or one dim."""
    return filled(checked_dims(context, shape), build.constant(0, element_type(context, dtype, f32)))


@builtin("ones", "shape dtype", dtype=None)
def ones(context: Context, shape: Value, dtype: Value) -> Array:
    """A tensor of ones, f32 by default."""
    return filled(checked_dims(context, shape), build.constant(1, element_type(context, dtype, f32)))


@builtin("full", "shape value dtype", dtype=None)
def full(context: Context, shape: Value, value: Value, dtype: Value) -> Array:
    """A tensor of one value: a number or a 0-d tensor, whose dtype it has by default."""
    element = tensor(context, value, "value")
    if element.axes:
        raise context.error("E0303", f"`full` wants one value, found {describe(element)}", context.argument_spans.get("value"))
    want = element_type(context, dtype, arrays.strong(context, element).dtype)
    return filled(checked_dims(context, shape), arrays.cast(context, element, want).body)


@builtin("arange", "start stop step dtype", stop=None, step=1, dtype=None)
def arange(context: Context, start: Value, stop: Value, step: Value, dtype: Value) -> Array:
    """start, start + step, ... up to stop, which is left out; `arange(n)` starts at 0. i64, or f32 where a bound is a float.

    Integers may be dims; floats are known when compiling.
    """
    if stop is None:
        start, stop = arrays.constant(0), start
    first, last, by = (static_integer(v) for v in (start, stop, step))
    if first is not None and last is not None and by is not None and by.constant:
        count = algebra.floordiv(last - first + (by.constant - (1 if by.constant > 0 else -1)), poly(by.constant))
        context.require(count, ">=", f"`arange` of {count} elements")
        index = fresh(count)
        return arrays.cast(context, Array((index,), build.integer(first + by * poly(index))), element_type(context, dtype, i64))
    values = [static_constant(v) for v in (start, stop, step)]
    if any(v is None for v in values) or not values[2]:
        raise context.error("E0604", "`arange` wants bounds and a step other than 0 that are known when compiling")
    a, b, s = (float(v) for v in values)  # type: ignore[arg-type]
    index = fresh(max(math.ceil((b - a) / s), 0))
    offset = build.apply("mul", build.cast(build.integer(index), f64), build.constant(s, f64))
    return Array((index,), build.cast(build.apply("add", build.constant(a, f64), offset), element_type(context, dtype, f32)))


@builtin("linspace", "start stop steps dtype", dtype=None)
def linspace(context: Context, start: Value, stop: Value, steps: Value, dtype: Value) -> Array:
    """`steps` evenly spaced numbers from start to stop, both included and exact; f32 by default.

    The ends are numbers or 0-d tensors. Integers are cut off from f32.
    """
    count = integer(context, steps, "steps")
    context.require(count, ">=", f"`linspace` of {count} elements", context.argument_spans.get("steps"))
    want = element_type(context, dtype, f32)
    wide = f64 if want is f64 else f32
    a, b = (arrays.cast(context, tensor(context, v, n), wide) for v, n in ((start, "start"), (stop, "stop")))
    if a.axes or b.axes:
        raise context.error("E0303", "`linspace` wants numbers as ends")
    index = fresh(count)
    # As torch does it: from the start in the first half, from the end in the second, so that both ends are exact.
    gap = build.apply("div", build.apply("sub", b.body, a.body), build.cast(build.integer(count - 1), wide))
    low = build.apply("add", a.body, build.apply("mul", gap, build.cast(build.integer(index), wide)))
    high = build.apply("sub", b.body, build.apply("mul", gap, build.cast(build.integer(count - 1 - poly(index)), wide)))
    half = build.select(build.nonnegative(algebra.floordiv(count, poly(2)) - 1 - poly(index)), low, high)
    only = build.select(build.is_zero(count - 1), a.body, half)
    return Array((index,), build.cast(only, want))
