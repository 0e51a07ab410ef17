"""Array notation as index rules: promotion, broadcasting and elementwise operations."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, fresh, poly
from tensorc.diagnostics import CompileError, Label
from tensorc.dtypes import DType, bool_, f32, f64, i64, result_type, u64
from tensorc.elaborate.context import Context
from tensorc.elaborate.hints import agreement, conversion
from tensorc.elaborate.values import Array, Builtin, List, Routine, Tuple, Value, describe, scalar
from tensorc.ir import build
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.tensor import Const, Define, Int, Load, Scalar, Select
from tensorc.ir.walk import rewrite
from tensorc.source import Span

Where = Sequence[Span | None]
"""The places of an operation's operands, for labels."""


def constant(value: float | int | bool) -> Array:
    """A literal: weak. An integer that only u64 holds waits as one for what it meets."""
    dtype = bool_ if isinstance(value, bool) else f64 if isinstance(value, float) else i64 if value <= i64.range[1] else u64
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
            called = isinstance(value, (Routine, Builtin)) and span is not None and len(span.text) < 24
            help = f"call it: `{span.text}(...)`" if called and span is not None else None
            raise context.error("E0601", f"expected a tensor, found {describe(value)}", span, describe(value), help=help)


def _literal(context: Context, items: Sequence[Value], span: Span | None) -> Array:
    nested(context, items, span)
    rows = [as_array(context, item, span) for item in items]
    if not rows:
        raise context.error("E0309", "an array literal without an element", span, "its dtype is unknown", help="write `zeros([0])`")
    for r in rows:
        if r.extents != rows[0].extents:
            found = f"{describe(rows[0])} and {describe(r)}"
            raise context.error(
                "E0306", "the rows of an array literal differ in shape", span, found, help="give every row the same elements"
            )
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


MOST_AXES = 64
"""What NumPy allows too."""


def nested(context: Context, value: Sequence[Value], span: Span | None) -> None:
    """An error where lists and tuples nest deeper than a tensor may have axes."""
    level: Sequence[Value] = value
    for _ in range(MOST_AXES):
        level = [v for item in level if isinstance(item, (List, Tuple)) for v in item.items]
        if not level:
            return
    raise context.error("E0310", f"lists nest more than {MOST_AXES} deep", span, f"a tensor has at most {MOST_AXES} axes")


def weak_dtype(dtypes: Sequence[DType]) -> DType:
    """The dtype that literals of several kinds share: bool, i64 or f64."""
    return (bool_, i64, f64)[max(d.category for d in dtypes)]


def strong_dtype(dtype: DType) -> DType:
    """What a weak value is stored as: bool, i64 or f32."""
    return (bool_, i64, f32)[dtype.category]


def common_dtype(context: Context, arrays: Sequence[Array], spans: Where = ()) -> DType:
    """torch.result_type of the operands; an error where two have none in common."""
    if all(a.weak for a in arrays):
        return weak_dtype([a.dtype for a in arrays])
    found = result_type(a.operand for a in arrays)
    if found is None:
        kinds = " and ".join(dict.fromkeys(str(a.dtype) for a in arrays))
        raise refusal(context, "E0402", f"{kinds} have no common dtype", arrays, spans, help=conversion(spans[-1] if spans else None, f64))
    return found


def refusal(
    context: Context, code: str, message: str, arrays: Sequence[Array], spans: Where, notes: tuple[str, ...] = (), help: str | None = None
) -> CompileError:
    """A diagnostic on the operands of an operation, each labelled with its type."""
    found = labels(arrays, spans)
    primary = found.pop() if found else None
    if primary is None:
        return context.error(code, message, None, " and ".join(map(describe, arrays)), notes=notes, help=help)
    return context.error(code, message, primary.span, primary.text, *found, notes=notes, help=help)


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
                help = f"write `cast({value}, {dtype})` to wrap it"
                raise context.error("E0403", f"{value} does not fit in {dtype}", span, f"{dtype} holds {low} to {high}", help=help)
            return build.constant(value, dtype)
        case Select(c, a, b):
            return build.select(c, _convert(context, a, dtype, span), _convert(context, b, dtype, span))
        case Load(Define(_, None, _, Select() as rows), _):  # an array literal that has a name
            _convert(context, rows, dtype, span)
            return build.cast(body, dtype)
        case _:
            return build.cast(body, dtype)


def convert_weak(value: Array, dtype: DType) -> Array:
    """A weak value in another weak dtype: it stays weak."""
    return value if value.dtype is dtype else Array(value.axes, build.cast(value.body, dtype), True)


def strong(context: Context, value: Array, span: Span | None = None) -> Array:
    """A weak value in the dtype that it is stored in."""
    return convert(context, value, strong_dtype(value.dtype), span) if value.weak else value


# Broadcasting.


def broadcast_extents(
    context: Context, shapes: Sequence[tuple[Poly, ...]], spans: Where = (), arrays: Sequence[Array] = ()
) -> tuple[Poly, ...]:
    """NumPy's broadcasting on symbolic dims: `N` meets `N` or `1`."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Poly] = []
    for axis in range(-rank, 0):
        extent, first = algebra.ONE, 0
        for n, s in enumerate(shapes):
            if len(s) < -axis or s[axis] is algebra.ONE or s[axis] is extent:
                continue
            if extent is algebra.ONE:
                extent, first = s[axis], n
                continue
            met = context.meet(extent, s[axis])
            if met is None:
                raise _mismatch(
                    context, axis, (shapes[first][axis], s[axis]), arrays and (arrays[first], arrays[n]), spans and (spans[first], spans[n])
                )
            extent = met
        result.append(extent)
    return tuple(result)


def _mismatch(context: Context, axis: int, dims: tuple[Poly, Poly], arrays: Sequence[Array], spans: Where) -> CompileError:
    p, q = dims
    which = {-1: "the last axes", -2: "the second last axes"}.get(axis, f"the axes {axis}")
    notes = (f"{which} differ: {context.sized(p)} and {context.sized(q)}",)
    declared = [(a, a.rank + axis, want) for a, want in zip(arrays, (q, p), strict=False) if a.rank >= -axis]
    help = _aligned(context, arrays, spans) or agreement(context, p, q, *declared)
    return refusal(context, "E0301", "shapes do not broadcast", arrays, spans, notes, help)


def _aligned(context: Context, arrays: Sequence[Array], spans: Where) -> str | None:
    """The advice to align the smaller operand with the first axes of the other, where that makes them broadcast."""
    if len(arrays) != 2 or not spans or context.library_call is not None:
        return None
    small, large = (0, 1) if arrays[0].rank < arrays[1].rank else (1, 0)
    missing, span = arrays[large].rank - arrays[small].rank, spans[small]
    pairs = list(zip(arrays[small].extents, arrays[large].extents[:-missing] if missing else (), strict=False))
    if not pairs or span is None or len(span.text) > 24 or not all(p is q or context.equal(p, q) for p, q in pairs):
        return None
    leading = ":" if arrays[small].rank == 1 else "..."
    text = f"({span.text})" if " " in span.text else span.text
    return f"to align it with the first axes write `{text}[{leading}{', None' * missing}]`"


def onto(value: Array, axes: Sequence[Index]) -> Scalar:
    """The element of an array that broadcasts to `axes`, at these indices."""
    skip = len(axes) - value.rank
    values: dict[Atom, Poly] = {
        own: algebra.ZERO if own.extent is algebra.ONE and target.extent is not algebra.ONE else poly(target)
        for own, target in zip(value.axes, axes[skip:], strict=True)
        if own is not target
    }
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
    """A row of the operations' table on broadcast arrays of one promoted dtype, or of `dtype` where that is given."""
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
        help = "compare it: `x != 0`"
        raise context.error(
            "E0404", f"`where` wants a bool condition, found {condition.dtype}", spans[0] if spans else None, describe(condition), help=help
        )
    weak = then.weak and otherwise.weak
    common = common_dtype(context, [then, otherwise], spans[1:])
    if weak and not condition.weak:
        common = strong_dtype(common)  # a function of data is of a dtype of its own
    chosen = [convert(context, a, common, s) for a, s in zip((then, otherwise), spans[1:] or (None, None), strict=True)]
    axes = broadcast_axes(context, [condition, *chosen], spans)
    body = build.select(onto(condition, axes), *(onto(a, axes) for a in chosen))
    return context.shallow(Array(axes, body, weak and condition.weak))


_REFUSED = {"add": "`or`", "sub": "`^` (exclusive or)", "floordiv": "`and`", "remainder": "`and not`"}
"""What bool wants instead."""

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
                help = (
                    "compare it: `x != 0`"
                    if a.dtype.is_float
                    else f"`{'&' if operator == 'and' else '|'}` is for the bits of integers; or compare it: `x != 0`"
                )
                raise context.error("E0404", f"`{operator}` wants bool, found {a.dtype}", s, describe(a), help=help)
        return elementwise(context, operator, (left, right), spans)
    operation = BINARY[operator]
    common = common_dtype(context, (left, right), spans)
    row = OPERATIONS[operation]
    if common is bool_ and operation in _REFUSED:
        help = f"use {_REFUSED[operation]}, or cast to an integer first"
        raise refusal(context, "E0404", f"`{operator}` is not defined for bool", (left, right), spans, help=help)
    if row.domain in ("integer", "logical") and common.is_float:
        wants = "integers or bool" if row.domain == "logical" else "integers"
        help = (
            "compare, and join the comparisons by `and`, `or`, `not`"
            if row.domain == "logical"
            else "multiply by a power of 2: `x * exp2(n)`"
        )
        raise refusal(context, "E0404", f"`{operator}` wants {wants}, found {common}", (left, right), spans, help=help)
    if operation in ("shift_left", "shift_right") and common is bool_:
        common = i64
    if operation == "mul" and common is bool_:
        return elementwise(context, "and", (left, right), spans)
    exact = _polynomial(operation, left, right) or _guard(context, operation, left, right, spans)
    if exact is not None:
        return exact
    if operation == "pow":
        return power(context, left, right, spans)
    return elementwise(context, operation, (left, right), spans, common)


MOST_QUOTIENTS = 16
"""A dim that nests more of them in one another is no polynomial any more, so that walks over polynomials may recurse."""


def _polynomial(operation: str, left: Array, right: Array) -> Array | None:
    """Arithmetic of sizes and indices with a constant on the right that is a polynomial, and so a dim.

    `//` and `%` by a symbolic divisor keep their total meaning (by zero, 0) as operations.
    """
    if left.axes or right.axes or not (left.weak and right.weak and isinstance(left.body, Int) and isinstance(right.body, Const)):
        return None
    p, constant = left.body.value, right.body.value
    if not right.dtype.is_integer:
        return None
    n = int(constant)
    if algebra.depth(p) >= MOST_QUOTIENTS:
        return None
    match operation:
        case "floordiv":
            result = p // n
        case "remainder":
            result = p % n
        case "shift_left" if 0 <= n < 63:
            result = p * (1 << n)
        case "shift_right" if 0 <= n < 63:
            result = p // (1 << n)
        case "pow" if 0 <= n <= 8 and len(p.terms) ** n <= build.MOST_TERMS:
            result = poly(1)
            for _ in range(n):
                result = result * p
        case _:
            return None
    return scalar(build.integer(result), weak=True)


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
        help = conversion(spans[0], f32).removesuffix("`") + f" ** {exponent}`" if spans else None
        raise refusal(context, "E0405", "an integer to a negative power", (left, right), spans, help=help)
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
        if operand.weak and dtype is u64:
            return constant(-_large(context, operand, span))
        return context.shallow(Array(operand.axes, build.apply("neg", operand.body), operand.weak))
    if operator == "not" and dtype is not bool_:
        raise context.error(
            "E0404", f"`not` wants bool, found {dtype}", span, describe(operand), help="use `~` for the bits of an integer, or `x == 0`"
        )
    if operator == "~" and dtype.is_float:
        raise context.error("E0404", f"`~` wants integers or bool, found {dtype}", span, describe(operand))
    return context.shallow(Array(operand.axes, build.apply("not", operand.body), operand.weak))


def _large(context: Context, operand: Array, span: Span | None) -> int:
    """A literal that only u64 holds, to be negated: at most 2**63."""
    value = operand.body.value if isinstance(operand.body, Const) else 0
    if value > -i64.range[0]:
        raise context.error("E0403", f"-{value} does not fit in i64", span, f"i64 holds {i64.range[0]} to {i64.range[1]}")
    return int(value)


def cast(context: Context, value: Array, dtype: DType) -> Array:
    """The explicit cast: wraps, saturates and tests `!= 0` as the language says."""
    return context.shallow(Array(value.axes, build.cast(value.body, dtype)))
