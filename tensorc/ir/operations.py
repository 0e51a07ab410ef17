"""The table of scalar operations: one row each, with its dtype rule, its meaning in NumPy, its accuracy and its cost.

Everything that one element of a tensor may be computed by is a row here. Arithmetic is total: floats follow IEEE 754, integers wrap, and
no argument is undefined behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tensorc.dtypes import DType, bool_, f32, f64, from_numpy
from tensorc.ir import arithmetic
from tensorc.ir.arithmetic import Array
from tensorc.ir.derivatives import DERIVATIVES, Partials
from tensorc.ir.tensor import Const

FAST = 4
"""The accuracy of functions of math="fast", in units in the last place."""

Domain = Literal["float", "number", "integer", "any", "bool", "logical"]


@dataclass(frozen=True)
class Operation:
    """A scalar operation. All arguments have one dtype, which is the result's unless `boolean` or `converts` says otherwise.

    `numpy` is given arrays of the arguments' dtype, f32 for f16 and bf16, or where the row `rounds` f64 for every float; the result is
    rounded once. A row that `converts` is given the array as it is, and the result's dtype.
    `domain` says which dtypes it takes: `float`; `number` (integers and floats); `integer`; `any`; `bool`; `logical` (bool and integers).
    `accuracy` is how far a CPU's result may be from the exact value, in units of its last place; where functions are `fast`, `FAST`.
    `cost` counts vector instructions for one register of f32 lanes.
    """

    name: str
    arity: int
    domain: Domain
    numpy: Callable[..., Any]
    doc: str
    cost: int = 1
    accuracy: int = 0
    boolean: bool = False  # the result is bool whatever the arguments are
    converts: bool = False  # the result's dtype is the caller's
    rounds: bool = False  # a function whose exact value no float holds: the oracle computes it in f64
    infix: str | None = None  # its spelling in .tx, where it is an operator

    @property
    def derivative(self) -> Partials | None:
        """Its partial derivatives (see `derivatives.py`); None where it has none or is constant wherever it has one."""
        return DERIVATIVES.get(self.name)

    def result(self, *dtypes: DType) -> DType:
        """The result's dtype for arguments of one dtype, where it follows from them."""
        return bool_ if self.boolean else dtypes[0]

    def takes(self, dtype: DType) -> bool:
        """Whether arguments of the dtype are in the domain."""
        match self.domain:
            case "float":
                return dtype.is_float
            case "integer":
                return dtype.is_integer
            case "number":
                return dtype is not bool_
            case "logical":
                return not dtype.is_float
            case "bool":
                return dtype is bool_
            case "any":
                return True


def _function(name: str, numpy: Callable[..., Any], doc: str, cost: int, accuracy: int = 1, arity: int = 1) -> Operation:
    return Operation(name, arity, "float", numpy, doc, cost, accuracy, rounds=True)


def _comparison(name: str, numpy: Callable[..., Any], infix: str) -> Operation:
    return Operation(name, 2, "any", numpy, f"a {infix} b", boolean=True, infix=infix)


def _test(name: str, numpy: Callable[..., Any], doc: str) -> Operation:
    return Operation(name, 1, "float", numpy, doc, boolean=True)


_ROWS = (
    Operation("neg", 1, "number", np.negative, "-x"),
    Operation("add", 2, "number", np.add, "a + b", infix="+"),
    Operation("sub", 2, "number", np.subtract, "a - b", infix="-"),
    Operation("mul", 2, "number", np.multiply, "a * b", infix="*"),
    Operation("div", 2, "float", np.true_divide, "a / b", cost=5, infix="/"),
    Operation("floordiv", 2, "number", arithmetic.floordiv, "floor(a / b); of integers by zero 0", cost=20, infix="//"),
    Operation("remainder", 2, "number", arithmetic.remainder, "a - b * floor(a / b); of integers by zero 0", cost=20, infix="%"),
    Operation("fmod", 2, "number", np.fmod, "a - b * trunc(a / b), exactly; of integers by zero 0", cost=20),
    Operation("pow", 2, "number", arithmetic.power, "a ** b; of integers 0 for b < 0, but for a = 1, -1", 60, 1, rounds=True, infix="**"),
    Operation("abs", 1, "number", np.absolute, "|x|"),
    Operation("sign", 1, "number", arithmetic.sign, "-1, 0 or 1; 0 for NaN", cost=3),
    Operation("floor", 1, "float", np.floor, "the greatest integer <= x"),
    Operation("ceil", 1, "float", np.ceil, "the least integer >= x"),
    Operation("round", 1, "float", np.rint, "the nearest integer, ties to even"),
    Operation("trunc", 1, "float", np.trunc, "the nearest integer toward zero"),
    _function("exp", np.exp, "e ** x", 12),
    _function("exp2", np.exp2, "2 ** x", 10),
    _function("expm1", np.expm1, "e ** x - 1, accurate near 0", 20),
    _function("log", np.log, "the natural logarithm", 15),
    _function("log2", np.log2, "the logarithm to base 2", 15),
    _function("log10", np.log10, "the logarithm to base 10", 15),
    _function("log1p", np.log1p, "log(1 + x), accurate near 0", 18),
    _function("sigmoid", arithmetic.sigmoid, "the logistic function 1 / (1 + e ** -x)", 20),
    Operation("sqrt", 1, "float", np.sqrt, "the square root, correctly rounded", cost=6),
    _function("rsqrt", lambda x: 1 / np.sqrt(x), "1 / sqrt(x)", 10),
    _function("cbrt", np.cbrt, "the cube root", 20),
    _function("sin", np.sin, "the sine of x radians", 20),
    _function("cos", np.cos, "the cosine of x radians", 20),
    _function("tan", np.tan, "the tangent of x radians", 25),
    _function("asin", np.arcsin, "the inverse sine, -pi/2 .. pi/2", 20),
    _function("acos", np.arccos, "the inverse cosine, 0 .. pi", 20),
    _function("atan", np.arctan, "the inverse tangent, -pi/2 .. pi/2", 20),
    _function("atan2", np.arctan2, "the angle of the point (b, a), -pi .. pi", 25, arity=2),
    _function("sinh", np.sinh, "(e**x - e**-x) / 2", 20),
    _function("cosh", np.cosh, "(e**x + e**-x) / 2", 20),
    _function("tanh", np.tanh, "sinh(x) / cosh(x)", 16),
    _function("asinh", np.arcsinh, "log(x + sqrt(x**2 + 1))", 25),
    _function("acosh", np.arccosh, "log(x + sqrt(x**2 - 1)); NaN below 1", 25),
    _function("atanh", np.arctanh, "log((1 + x) / (1 - x)) / 2", 20),
    _function("erf", arithmetic.erf, "2 / sqrt(pi) * the integral of e ** -t**2 from 0 to x", 20),
    _function("erfc", arithmetic.erfc, "1 - erf(x), accurate for large x", 50),
    _function("lgamma", arithmetic.lgamma, "log(|gamma(x)|); inf at 0, -1, -2, ...", 90),
    Operation("maximum", 2, "any", arithmetic.maximum, "the larger; NaN where either is, a where they are equal", cost=2),
    Operation("minimum", 2, "any", arithmetic.minimum, "the smaller; NaN where either is, a where they are equal", cost=2),
    Operation("copysign", 2, "float", np.copysign, "|a| with the sign bit of b", cost=2),
    _comparison("eq", np.equal, "=="),
    _comparison("ne", np.not_equal, "!="),
    _comparison("lt", np.less, "<"),
    _comparison("le", np.less_equal, "<="),
    _comparison("gt", np.greater, ">"),
    _comparison("ge", np.greater_equal, ">="),
    _test("isnan", np.isnan, "whether x is NaN"),
    _test("isinf", np.isinf, "whether x is inf or -inf"),
    _test("isfinite", np.isfinite, "whether x is neither NaN nor infinite"),
    _test("signbit", np.signbit, "whether the sign bit of x is set: of -0.0 too"),
    Operation("and", 2, "logical", arithmetic.logical(np.logical_and, np.bitwise_and), "a and b; of integers bit by bit", infix="&"),
    Operation("or", 2, "logical", arithmetic.logical(np.logical_or, np.bitwise_or), "a or b; of integers bit by bit", infix="|"),
    Operation("xor", 2, "logical", arithmetic.logical(np.logical_xor, np.bitwise_xor), "a xor b; of integers bit by bit", infix="^"),
    Operation("not", 1, "logical", arithmetic.logical(np.logical_not, np.invert), "not x; of integers bit by bit"),
    Operation("shift_left", 2, "integer", arithmetic.shift_left, "a * 2**b; 0 for b < 0 or b >= the width", infix="<<"),
    Operation("shift_right", 2, "integer", arithmetic.shift_right, "floor(a / 2**b); for b < 0 as for a great b", infix=">>"),
    Operation(
        "cast", 1, "any", arithmetic.cast, "x as another dtype: floats round, integers wrap, floats saturate integers", converts=True
    ),
    Operation("bitcast", 1, "number", arithmetic.bitcast, "the bits of x as another dtype of the same width", converts=True),
)

OPERATIONS: dict[str, Operation] = {row.name: row for row in _ROWS}


def evaluate(operation: str, arrays: Sequence[Array], result: DType) -> Array:
    """The operation on arrays that broadcast, in the result's dtype. Never warns, never raises for a value."""
    row = OPERATIONS[operation]
    arrays = [np.asarray(a) for a in arrays]
    with np.errstate(all="ignore"):
        if row.converts:
            return np.asarray(row.numpy(*arrays, result))
        argument = from_numpy(arrays[0].dtype)
        assert argument is not None and row.takes(argument), f"{operation} of {arrays[0].dtype}"
        if argument.is_float:
            wide = f64 if row.rounds else f32 if argument.is_half else argument
            arrays = [a.astype(wide.numpy, copy=False) for a in arrays]
        return arithmetic.cast(np.asarray(row.numpy(*arrays)), result)


def evaluate_constant(operation: str, values: Sequence[Any], argument: DType, result: DType) -> Const:
    """The operation on constants of the argument dtype; the value is what the oracle computes, exactly."""
    arrays = [np.array([v], argument.numpy) for v in values]
    (value,) = evaluate(operation, arrays, result)
    return Const(float(value) if result.is_float else bool(value) if result is bool_ else int(value), result)
