"""Built-ins that work element by element: the rows of the operations' table under their public names, casts and choices."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from tensorc.dtypes import bool_, i64
from tensorc.elaborate import arrays
from tensorc.elaborate.context import Context
from tensorc.elaborate.library import parts
from tensorc.elaborate.library.registry import BUILTINS, builtin, element_type, integer, tensor
from tensorc.elaborate.values import MISSING, Array, Builtin, Value
from tensorc.ir import build
from tensorc.ir.operations import OPERATIONS, Operation
from tensorc.ir.tensor import Stop

_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "remainder": "%", "pow": "**"}
_PUBLIC_ONLY_AS_OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "xor", "shift_left", "shift_right", "cast", "bitcast")
_KEEP_INTEGERS = ("floor", "ceil", "trunc")


def _row(name: str) -> None:
    def one(context: Context, x: Value) -> Array:
        value = tensor(context, x, "x")
        if not value.dtype.is_float:
            if name in _KEEP_INTEGERS or (name == "sign" and value.dtype is bool_):
                return value
            if name == "signbit":
                unsigned = value.dtype.category == 0 or value.dtype.kind == "uint"
                none = Array(value.axes, build.constant(False, bool_))
                return none if unsigned else arrays.binary(context, "<", value, arrays.constant(0))
            if name in ("isnan", "isinf", "isfinite"):
                return Array(value.axes, build.constant(name == "isfinite", bool_))
        if name == "neg":
            return arrays.unary(context, "-", value, context.argument_spans.get("x"))
        return _apply(context, name, (value,), ("x",))

    def two(context: Context, x: Value, y: Value) -> Array:
        operands = (tensor(context, x, "x"), tensor(context, y, "y"))
        if name in _OPERATORS:
            spans = (context.argument_spans.get("x"), context.argument_spans.get("y"))
            return arrays.binary(context, _OPERATORS[name], *operands, spans)
        return _apply(context, name, operands, ("x", "y"))

    row = OPERATIONS[name]
    one.__doc__ = two.__doc__ = _sentence(row)
    names = ("x",) if row.arity == 1 else ("x", "y")
    BUILTINS[name] = Builtin(name, tuple((n, MISSING) for n in names), one if row.arity == 1 else two)


def _sentence(row: Operation) -> str:
    """What a row computes, in the arguments' names, and what it makes of other dtypes."""
    formula = re.sub(r"\ba\b", "x", re.sub(r"\bb\b", "y", row.doc)) if row.arity == 2 else row.doc
    rest = "; f32 for integers and bool" if row.domain == "float" and row.name not in _KEEP_INTEGERS and not row.boolean else ""
    if formula.startswith(("the ", "whether ")):
        formula = formula[0].upper() + formula[1:]
    return f"{formula}{rest}."


def _apply(context: Context, name: str, operands: Sequence[Array], names: Sequence[str]) -> Array:
    spans = [context.argument_spans.get(n) for n in names]
    common = arrays.common_dtype(context, operands, spans)
    if common is bool_ and OPERATIONS[name].domain == "number":
        raise context.error(
            "E0404",
            f"`{name}` is not defined for bool",
            None,
            "",
            *arrays.labels(operands, spans),
            help="cast to an integer or a float first",
        )
    return arrays.elementwise(context, name, operands, spans)


for _name in OPERATIONS:
    if _name not in _PUBLIC_ONLY_AS_OPERATORS and _name != "round":
        _row(_name)


@builtin("round", "x decimals", decimals=0)
def round_(context: Context, x: Value, decimals: Value) -> Array:
    """The nearest integer, ties to even; with decimals, the nearest multiple of 10 ** -decimals, by round(x * 10 ** decimals)."""
    value, count = tensor(context, x, "x"), integer(context, decimals, "decimals").constant
    if count is None:
        raise context.error("E0604", "`decimals` is a number known when compiling", context.argument_spans.get("decimals"))
    if not value.dtype.is_float:
        if count:
            raise context.error("E0404", f"`round` to decimals wants floats, found {value.dtype}", context.argument_spans.get("x"))
        return value
    if not count:
        return _apply(context, "round", (value,), ("x",))
    scale, wide = arrays.constant(10.0 ** abs(count)), parts.wide(context, value)
    there, back = ("*", "/") if count > 0 else ("/", "*")
    rounded = arrays.elementwise(context, "round", (arrays.binary(context, there, wide, scale),))
    return arrays.cast(context, arrays.binary(context, back, rounded, scale), value.dtype)


@builtin("where", "condition x y")
def where(context: Context, condition: Value, x: Value, y: Value) -> Array:
    """x where condition (bool), else y; the dtype is the common one of x and y."""
    spans = [context.argument_spans.get(n) for n in ("condition", "x", "y")]
    return arrays.where(context, tensor(context, condition, "condition"), tensor(context, x, "x"), tensor(context, y, "y"), spans)


@builtin("cast", "x dtype")
def cast(context: Context, x: Value, dtype: Value) -> Array:
    """x in another dtype: integers wrap, floats round to floats and saturate integers (NaN gives 0), bool is `!= 0`."""
    return arrays.cast(context, tensor(context, x, "x"), element_type(context, dtype, i64))


@builtin("bitcast", "x dtype")
def bitcast(context: Context, x: Value, dtype: Value) -> Array:
    """The bits of x as another dtype of the same width."""
    value, want = arrays.strong(context, tensor(context, x, "x")), element_type(context, dtype, i64)
    if value.dtype.bits != want.bits:
        raise context.error("E0404", f"`bitcast` keeps the width: {value.dtype} has {value.dtype.bits} bits, {want} {want.bits}")
    return Array(value.axes, build.apply("bitcast", value.body, dtype=want))


@builtin("clamp", "x min max", min=None, max=None)
def clamp(context: Context, x: Value, min: Value, max: Value) -> Array:
    """x limited to min..max; max wins where min is above it. NaN passes, and a NaN limit gives NaN. The gradient at a limit is x's."""
    value = tensor(context, x, "x")
    if min is None and max is None:
        raise context.error("E0607", "`clamp` wants min, max or both")
    limits = [None if v is None else tensor(context, v, n) for v, n in ((min, "min"), (max, "max"))]
    common = arrays.common_dtype(context, [value, *(v for v in limits if v is not None)])
    value = arrays.convert(context, value, i64 if common is bool_ else common)
    for operator, limit in zip(("<", ">"), limits, strict=True):
        if limit is not None:
            beyond = arrays.binary(context, operator, value, limit)
            if limit.dtype.is_float:
                beyond = arrays.elementwise(context, "or", (beyond, arrays.elementwise(context, "isnan", (limit,))))
            value = arrays.where(context, beyond, limit, value)
    return value


@builtin("nan_to_num", "x nan posinf neginf", nan=0.0, posinf=None, neginf=None)
def nan_to_num(context: Context, x: Value, nan: Value, posinf: Value, neginf: Value) -> Array:
    """x with NaN, inf and -inf replaced: by `nan`, and by the largest and the least finite number of the dtype where none is given."""
    value = tensor(context, x, "x")
    if not value.dtype.is_float:
        return value
    largest = parts.largest(context, value)
    replaced = (
        (arrays.elementwise(context, "isnan", (value,)), nan),
        (arrays.binary(context, "==", value, arrays.constant(math.inf)), largest if posinf is None else posinf),
        (
            arrays.binary(context, "==", value, arrays.constant(-math.inf)),
            arrays.unary(context, "-", largest) if neginf is None else neginf,
        ),
    )
    result = value
    for condition, number in reversed(replaced):
        result = arrays.where(context, condition, tensor(context, number, "nan"), result)
    return result


@builtin("stop_gradient", "x")
def stop_gradient(context: Context, x: Value) -> Array:
    """x, a constant to differentiation."""
    value = tensor(context, x, "x")
    if value.weak:
        return value
    from tensorc.elaborate.library.shapes import of_tensor_like

    return of_tensor_like(Stop(value.tensor()), value)


BUILTINS["detach"] = Builtin("detach", (("x", MISSING),), stop_gradient)
