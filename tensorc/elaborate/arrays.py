"""Array notation as index rules: promotion, broadcasting and elementwise operations."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Index, Poly, fresh, poly
from tensorc.diagnostics import Label
from tensorc.dtypes import DType, Operand, bool_, f32, f64, i64, result_type
from tensorc.elaborate.context import Context
from tensorc.elaborate.values import Array, List, Value, describe, scalar
from tensorc.ir import build
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.tensor import Apply, Const, Int, Scalar, Select
from tensorc.ir.walk import rewrite
from tensorc.source import Span

Where = Sequence[Span | None]
"""The places of an operation's operands, for labels."""


def constant(value: float | int | bool) -> Array:
    """A literal: weak."""
    dtype = bool_ if isinstance(value, bool) else i64 if isinstance(value, int) else f64
    return scalar(build.constant(value, dtype), weak=True)


def dimension(p: Poly) -> Array:
    """An integer of sizes and indices: weak."""
    return scalar(build.integer(p), weak=True)


def as_array(context: Context, value: Value, span: Span | None = None) -> Array:
    """The value as an array; a list literal becomes a literal array. An error where it is neither."""
    match value:
        case Array():
            return value
        case List(items):
            return _literal(context, items, span)
        case _:
            raise context.error("E0601", f"expected a tensor, found {describe(value)}", span, describe(value))


def _literal(context: Context, items: Sequence[Value], span: Span | None) -> Array:
    rows = [as_array(context, item, span) for item in items]
    if not rows:
        raise context.error("E0305", "an array literal needs at least one element", span, "its shape and dtype are unknown")
    if any(r.rank != rows[0].rank or r.extents != rows[0].extents for r in rows):
        raise context.error("E0306", "the rows of an array literal differ in shape", span, help="give every row the same number of elements")
    weak = all(r.weak for r in rows)
    dtype = weak_dtype([r.dtype for r in rows]) if weak else common_dtype(context, rows, [span] * len(rows))
    rows = [convert(context, r, dtype, span) for r in rows]
    index, axes = fresh(len(rows)), tuple(fresh(e) for e in rows[0].extents)
    bodies = [r.at(tuple(map(poly, axes))) for r in rows]

    def choose(low: int, high: int) -> Scalar:
        if high - low == 1:
            return bodies[low]
        middle = (low + high) // 2
        return build.select(build.nonnegative(poly(middle - 1) - poly(index)), choose(low, middle), choose(middle, high))

    return Array((index, *axes), choose(0, len(rows)), weak)


def weak_dtype(dtypes: Sequence[DType]) -> DType:
    """The dtype that literals of several kinds share: bool, i64 or f64."""
    return (bool_, i64, f64)[max(d.category for d in dtypes)]


def strong_dtype(dtype: DType) -> DType:
    """What a weak value is stored as: bool, i64 or f32."""
    return f32 if dtype.is_float else dtype


def common_dtype(context: Context, arrays: Sequence[Array], spans: Where = ()) -> DType:
    """torch.result_type of the operands; an error where two have none in common."""
    if all(a.weak for a in arrays):
        return weak_dtype([a.dtype for a in arrays])
    found = result_type(a.operand for a in arrays)
    if found is None:
        kinds = ", ".join(dict.fromkeys(str(a.dtype) for a in arrays))
        raise context.error(
            "E0402", f"{kinds} have no common dtype", None, "", *labels(arrays, spans), help="convert one side: `cast(x, i64)` or `cast(x, f64)`"
        )
    return found


def labels(arrays: Sequence[Array], spans: Where) -> list[Label]:
    return [Label(s, describe(a)) for a, s in zip(arrays, spans, strict=False) if s is not None]


def convert(context: Context, value: Array, dtype: DType, span: Span | None = None) -> Array:
    """The array in another dtype. A literal outside the range of an integer dtype is an error."""
    if value.dtype is dtype:
        return Array(value.axes, value.body, False) if value.weak else value
    return Array(value.axes, _convert(context, value.body, dtype, span) if value.weak else build.cast(value.body, dtype))


def _convert(context: Context, body: Scalar, dtype: DType, span: Span | None) -> Scalar:
    match body:
        case Const(value, own):
            if dtype.is_integer and own.is_integer and not dtype.range[0] <= value <= dtype.range[1]:
                low, high = dtype.range
                raise context.error("E0403", f"{value} does not fit in {dtype}", span, f"{dtype} holds {low}..{high}", help=f"write `cast({value}, {dtype})` to wrap it")
            return build.constant(value, dtype)
        case Select(c, a, b):
            return build.select(c, _convert(context, a, dtype, span), _convert(context, b, dtype, span))
        case _:
            return build.cast(body, dtype)


def convert_weak(value: Array, dtype: DType) -> Array:
    """A weak value in another weak dtype: it stays weak."""
    return value if value.dtype is dtype else Array(value.axes, build.cast(value.body, dtype), True)


def strong(context: Context, value: Array) -> Array:
    """A weak value in the dtype that it is stored in."""
    return convert(context, value, strong_dtype(value.dtype)) if value.weak else value


# Broadcasting.


def broadcast_extents(context: Context, shapes: Sequence[tuple[Poly, ...]], spans: Where = (), arrays: Sequence[Array] = ()) -> tuple[Poly, ...]:
    """NumPy's broadcasting on symbolic dims: `N` meets `N` or `1`."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Poly] = []
    for axis in range(rank):
        extent = algebra.ONE
        for s in shapes:
            at = axis - (rank - len(s))
            if at < 0 or s[at] is algebra.ONE or s[at] is extent:
                continue
            if extent is algebra.ONE:
                extent = s[at]
                continue
            met = context.meet(extent, s[at])
            if met is None:
                raise _mismatch(context, axis - rank, extent, s[at], arrays, spans)
            extent = met
        result.append(extent)
    return tuple(result)


def _mismatch(context: Context, axis: int, p: Poly, q: Poly, arrays: Sequence[Array], spans: Where) -> Exception:
    which = "last axes" if axis == -1 else f"axes {axis} (counted from the end)"
    found = labels(arrays, spans)
    primary = found.pop() if found else None
    origin = context.origin(p, q)
    notes = (f"the {which} differ: {p} and {q}", *origin)
    both_symbolic = p.constant is None or q.constant is None
    suggestion = f"if they are always equal, say so: `require {p} == {q}`" if both_symbolic else "reshape, slice or unsqueeze one side so that the axes agree"
    return context.error("E0301", "shapes do not broadcast", primary.span if primary else None, primary.text if primary else "", *found, notes=notes, help=suggestion)


def onto(value: Array, axes: Sequence[Index]) -> Scalar:
    """The element of an array that broadcasts to `axes`, at these indices."""
    skip = len(axes) - value.rank
    values = {own: algebra.ZERO if own.extent is algebra.ONE and target.extent is not algebra.ONE else poly(target) for own, target in zip(value.axes, axes[skip:], strict=True) if own is not target}
    if not values:
        return value.body
    return rewrite(value.body, values, lambda moved: build.load(moved.tensor, moved.subscripts))


def broadcast_axes(context: Context, arrays: Sequence[Array], spans: Where = ()) -> tuple[Index, ...]:
    """Indices for the common shape: an operand's own where it has that shape already, so that its body stays as it is."""
    extents = broadcast_extents(context, [a.extents for a in arrays], spans, arrays)
    for a in arrays:
        if a.extents == extents:
            return a.axes
    return tuple(map(fresh, extents))


def broadcast_to(context: Context, value: Array, extents: tuple[Poly, ...]) -> Array:
    """The array with these extents, which it broadcasts to."""
    axes = tuple(map(fresh, extents))
    return Array(axes, onto(value, axes), value.weak)


# Elementwise operations.


def elementwise(context: Context, operation: str, arrays: Sequence[Array], spans: Where = (), dtype: DType | None = None) -> Array:
    """A row of the operations' table on broadcast arrays of one promoted dtype. `dtype` is the dtype to compute in, where it does not follow."""
    row = OPERATIONS[operation]
    weak = all(a.weak for a in arrays)
    common = dtype or common_dtype(context, arrays, spans)
    if row.domain == "float" and not common.is_float:
        common = f64 if weak else f32
    arrays = [convert(context, a, common, s) for a, s in zip(arrays, [*spans, *[None] * (len(arrays) - len(spans))], strict=False)]
    axes = broadcast_axes(context, arrays, spans)
    body = build.apply(operation, *(onto(a, axes) for a in arrays))
    return context.shallow(Array(axes, body, weak))


def where(context: Context, condition: Array, then: Array, otherwise: Array, spans: Where = ()) -> Array:
    """then where condition, else otherwise."""
    if condition.dtype is not bool_:
        raise context.error("E0404", f"`where` wants a bool condition, found {condition.dtype}", spans[0] if spans else None, describe(condition), help="compare it: `x != 0`")
    weak = then.weak and otherwise.weak
    common = common_dtype(context, [then, otherwise], spans[1:])
    if weak and not condition.weak:
        common = strong_dtype(common)  # a function of data is of a dtype of its own
    chosen = [convert(context, a, common) for a in (then, otherwise)]
    axes = broadcast_axes(context, [condition, *chosen], spans)
    body = build.select(onto(condition, axes), *(onto(a, axes) for a in chosen))
    return context.shallow(Array(axes, body, weak and condition.weak))


_REFUSED = {
    ("add", "bool"): "`or`",
    ("sub", "bool"): "`^` (exclusive or)",
    ("floordiv", "bool"): "a comparison",
    ("remainder", "bool"): "a comparison",
    ("neg", "bool"): "`not`",
}

BINARY = {
    "+": "add", "-": "sub", "*": "mul", "//": "floordiv", "%": "remainder", "**": "pow", "<<": "shift_left", ">>": "shift_right",
    "&": "and", "^": "xor", "|": "or", "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
}  # fmt: skip


def binary(context: Context, operator: str, left: Array, right: Array, spans: Where = ()) -> Array:
    """An infix operator of the language other than `@`."""
    if operator == "/":
        return divide(context, left, right, spans)
    if operator in ("and", "or"):
        for a, s in zip((left, right), spans or (None, None), strict=True):
            if a.dtype is not bool_:
                raise context.error("E0404", f"`{operator}` wants bool, found {a.dtype}", s, describe(a), help="use `&` and `|` for the bits of integers, or compare with 0")
        return elementwise(context, operator, (left, right), spans)
    operation = BINARY[operator]
    common = common_dtype(context, (left, right), spans)
    row = OPERATIONS[operation]
    if (operation, common.kind) in _REFUSED and operation != "mul":
        raise context.error("E0404", f"`{operator}` is not defined for bool", None, "", *labels((left, right), spans), help=f"use {_REFUSED[operation, common.kind]}, or cast to an integer first")
    if row.domain in ("integer", "logical") and common.is_float:
        raise context.error("E0404", f"`{operator}` wants integers{' or bool' if row.domain == 'logical' else ''}, found {common}", None, "", *labels((left, right), spans))
    if operation == "shift_left" and common is bool_ or operation == "shift_right" and common is bool_:
        common = i64
    if operation == "mul" and common is bool_:
        return elementwise(context, "and", (left, right), spans)
    if operation == "pow":
        return power(context, left, right, spans)
    exact = _exact_division(operation, left, right) or _guard(context, operation, left, right, spans)
    if exact is not None:
        return exact
    return elementwise(context, operation, (left, right), spans, common)


def _exact_division(operation: str, left: Array, right: Array) -> Array | None:
    """`//` and `%` of dims by a constant stay a polynomial; by a symbolic divisor the total meaning (by zero, 0) is kept as an operation."""
    if operation not in ("floordiv", "remainder") or not (left.weak and right.weak and isinstance(left.body, Int) and isinstance(right.body, Const) and right.dtype.is_integer):
        return None
    divisor = poly(int(right.body.value))
    p = left.body.value
    return scalar(build.integer(p // divisor if operation == "floordiv" else p % divisor), weak=True)


def _guard(context: Context, operation: str, left: Array, right: Array, spans: Where) -> Array | None:
    """A comparison of integers of sizes and indices is a guard on polynomials, which the algebra can decide."""
    if operation not in ("eq", "ne", "lt", "le", "gt", "ge") or left.dtype is not i64 or right.dtype is not i64:
        return None
    if not all(isinstance(a.body, (Int, Const)) for a in (left, right)):
        return None
    axes = broadcast_axes(context, (left, right), spans)
    p, q = build.number(onto(left, axes)), build.number(onto(right, axes))
    if p is None or q is None:
        return None
    weak = left.weak and right.weak
    if operation in ("eq", "ne"):
        zero = build.is_zero(p - q)
        return Array(axes, zero if operation == "eq" else build.apply("not", zero), weak)
    gap = {"lt": q - p - 1, "le": q - p, "gt": p - q - 1, "ge": p - q}[operation]
    return Array(axes, build.nonnegative(gap), weak)


def divide(context: Context, left: Array, right: Array, spans: Where = ()) -> Array:
    """True division: f32 for two integers."""
    return elementwise(context, "div", (left, right), spans)


def power(context: Context, left: Array, right: Array, spans: Where = ()) -> Array:
    """left ** right. A negative literal exponent of an integer is an error; small constant exponents are products."""
    common = common_dtype(context, (left, right), spans)
    exponent = right.body.value if right.weak and isinstance(right.body, Const) else None
    if common is bool_:
        common = i64
    if common.is_integer and exponent is not None and exponent < 0:
        raise context.error("E0405", "an integer to a negative power", spans[1] if len(spans) > 1 else None, "negative", help="write the base as a float: `cast(x, f32) ** -1`, or `1 / x`")
    if exponent is not None and not left.weak and not context.exact:
        base = convert(context, left, common)
        if exponent == 2:
            return Array(base.axes, build.apply("mul", base.body, base.body))
        if exponent == 0.5 and common.is_float:
            return Array(base.axes, build.apply("sqrt", base.body))
        if exponent == 1:
            return base
    return elementwise(context, "pow", (left, right), spans, common)


def unary(context: Context, operator: str, operand: Array, span: Span | None = None) -> Array:
    """A prefix operator of the language."""
    dtype = operand.dtype
    if operator == "+":
        return operand
    if operator == "-":
        if dtype is bool_:
            raise context.error("E0404", "`-` is not defined for bool", span, describe(operand), help="use `not`")
        return Array(operand.axes, build.apply("neg", operand.body), operand.weak)
    if operator == "not" and dtype is not bool_:
        raise context.error("E0404", f"`not` wants bool, found {dtype}", span, describe(operand), help="use `~` for the bits of an integer, or `x == 0`")
    if operator == "~" and dtype.is_float:
        raise context.error("E0404", f"`~` wants integers or bool, found {dtype}", span, describe(operand))
    return Array(operand.axes, build.apply("not", operand.body), operand.weak)


def cast(context: Context, value: Array, dtype: DType) -> Array:
    """The explicit cast: wraps, saturates and tests `!= 0` as the language says."""
    return Array(value.axes, build.cast(value.body, dtype))


