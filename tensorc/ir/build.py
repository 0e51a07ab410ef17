"""Smart constructors: scalars and definitions are built here, and keep the user's order of arithmetic and its IEEE meaning.

Constants are folded by the oracle's own meaning, guards are decided by the algebra, definitions that only move elements are read through.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Atom, Element, Facts, Index, Poly, poly
from tensorc.dtypes import DType, bool_, f64, i64
from tensorc.ir.operations import OPERATIONS, evaluate_constant
from tensorc.ir.tensor import Apply, Const, Define, Int, IsZero, Load, Nonnegative, Scalar, Select, Tensor
from tensorc.ir.walk import indices, postorder, rewrite

MOST_TERMS = 256
"""A product of polynomials that would have more terms than this is no polynomial, but an operation on its factors."""

DEPTH = 40
"""A scalar deeper than this is made a definition of its own by whoever builds it, so that walks over scalars may recurse."""

TRUE = Const(True, bool_)
FALSE = Const(False, bool_)


def constant(value: float | int | bool, dtype: DType) -> Const:
    """The constant of a dtype; the value is converted as `cast` converts."""
    if isinstance(value, int) and dtype.is_integer:
        return Const(int(value) - (1 << dtype.bits) * ((int(value) - dtype.range[0]) >> dtype.bits), dtype)
    if isinstance(value, bool):
        return evaluate_constant("cast", (value,), bool_, dtype)
    if isinstance(value, int) and i64.range[0] <= value <= i64.range[1]:
        return evaluate_constant("cast", (value,), i64, dtype)
    return evaluate_constant("cast", (float(value),), f64, dtype)


def integer(p: Poly | Atom) -> Scalar:
    """The value of p as i64."""
    p = poly(p)
    return Int(p) if p.constant is None else constant(p.constant, i64)


def nonnegative(p: Poly, facts: Facts = algebra.NO_FACTS) -> Scalar:
    """The guard p >= 0, decided where it can be."""
    if algebra.nonnegative(p, facts):
        return TRUE
    return FALSE if algebra.nonnegative(-p - 1, facts) else Nonnegative(p)


def is_zero(p: Poly, facts: Facts = algebra.NO_FACTS) -> Scalar:
    """The guard p == 0, decided where it can be."""
    if p.constant is not None:
        return TRUE if p.constant == 0 else FALSE
    if algebra.nonnegative(p - 1, facts) or algebra.nonnegative(-p - 1, facts):
        return FALSE
    return IsZero(p if p.terms[0][1] > 0 else -p)


def inside(p: Poly, extent: Poly, facts: Facts = algebra.NO_FACTS) -> Scalar:
    """The guard 0 <= p < extent."""
    return both(nonnegative(p, facts), nonnegative(extent - 1 - p, facts))


def both(*conditions: Scalar) -> Scalar:
    """The conjunction, in order, without what is true."""
    result: Scalar = TRUE
    for c in conditions:
        if c is FALSE or result is FALSE:
            return FALSE
        if c is not TRUE:
            result = c if result is TRUE else Apply("and", (result, c), bool_)
    return result


def select(condition: Scalar, then: Scalar, otherwise: Scalar) -> Scalar:
    if isinstance(condition, Const):
        return then if condition.value else otherwise
    return then if then is otherwise else Select(condition, then, otherwise)


def apply(operation: str, *arguments: Scalar, dtype: DType | None = None) -> Scalar:
    """The operation applied; `dtype` is needed for rows whose result does not follow from the arguments (cast, bitcast)."""
    row = OPERATIONS[operation]
    result = row.result(*(a.dtype for a in arguments)) if dtype is None else dtype
    if operation == "cast" and arguments[0].dtype is result:
        return arguments[0]
    if operation == "and" and result is bool_:
        return both(*arguments)
    if all(isinstance(a, Const) for a in arguments):
        return evaluate_constant(operation, tuple(a.value for a in arguments), arguments[0].dtype, result)  # type: ignore[union-attr]
    if result is i64 and operation in ("add", "sub", "mul", "neg") and all(isinstance(a, (Int, Const)) for a in arguments):
        operands = [number(a) for a in arguments]
        if operation != "mul" or math.prod(len(p.terms) for p in operands if p is not None) <= MOST_TERMS:
            return integer(_polynomial(operation, operands))
    return Apply(operation, arguments, result)


def _polynomial(operation: str, xs: list[Poly | None]) -> Poly:
    first = xs[0]
    assert first is not None
    if operation == "neg":
        return -first
    second = xs[1]
    assert second is not None
    return first + second if operation == "add" else first - second if operation == "sub" else first * second


def cast(s: Scalar, dtype: DType) -> Scalar:
    return apply("cast", s, dtype=dtype)


def number(s: Scalar) -> Poly | None:
    """s as a polynomial, where it is an i64 of sizes, indices and constants, or an integer element that a subscript may be."""
    match s:
        case Int(p):
            return p
        case Const(value, dtype) if dtype.is_integer:
            return poly(int(value))
        case Load(t, subscripts) if t.dtype.is_integer:
            return element(t, subscripts)
        case Apply("cast", (Load(t, subscripts),), dtype) if dtype is i64 and t.dtype.is_integer and t.dtype.bits < 64:
            return element(t, subscripts)
        case Apply(("floordiv" | "remainder") as operation, (a, b), dtype) if dtype is i64:
            x, y = number(a), number(b)
            if x is None or y is None:
                return None
            return algebra.floordiv(x, y) if operation == "floordiv" else algebra.mod(x, y)
        case Apply(("add" | "sub" | "mul" | "neg") as operation, arguments, dtype) if dtype is i64:
            xs = [number(a) for a in arguments]
            return None if any(x is None for x in xs) else _polynomial(operation, xs)
        case _:
            return None


def element(tensor: Tensor, subscripts: tuple[Poly, ...]) -> Poly:
    """An integer tensor's element as a polynomial."""
    if isinstance(tensor, Define) and tensor.monoid is None and isinstance(tensor.body, (Int, Const, Load)) and is_move(tensor):
        through = number(_read(tensor, subscripts))
        if through is not None:
            return through
    return poly(Element(tensor, subscripts))


def load(tensor: Tensor, subscripts: Sequence[Poly]) -> Scalar:
    """tensor[subscripts]; a definition that only moves elements or is a constant is read through."""
    subscripts = tuple(subscripts)
    if isinstance(tensor, Define) and is_move(tensor):
        return _read(tensor, subscripts)
    return Load(tensor, subscripts)


def _read(tensor: Define, subscripts: tuple[Poly, ...]) -> Scalar:
    return rewrite(tensor.body, dict(zip(tensor.indices, subscripts, strict=True)), lambda moved: load(moved.tensor, moved.subscripts))


def is_move(t: Define) -> bool:
    """Whether t is a constant or each element of it is one element of another tensor, at a place known without data.

    A gather is not: read through in several places, it would have several scatters for its derivative.
    """
    if t.monoid is not None:
        return False
    match t.body:
        case Const() | Int():
            return True
        case Load(_, subscripts):
            return not any(algebra.elements(p) for p in subscripts)
        case _:
            return False


def define(axes: Sequence[Index], body: Scalar) -> Tensor:
    """The tensor with y[axes] = body. A body that is another tensor's element at the same indices is that tensor."""
    return _define(axes, None, (), body)


def reduction(monoid: str, axes: Sequence[Index], bound: Sequence[Index], body: Scalar) -> Tensor:
    """The tensor with y[axes] = monoid[bound](body).

    What max and min compare is one load where it is computed: a derivative tests which terms are equal to the result, and both must be the
    same computation, whatever is made of it afterwards.
    """
    if monoid in ("max", "min") and computes(body):
        body = hoist(body)
    return _define(axes, monoid, bound, body)


def computes(s: Scalar) -> bool:
    """Whether a float scalar does arithmetic, rather than to choose among elements."""
    return any(isinstance(part, Apply) and part.dtype.is_float for part in postorder(s))


def _define(axes: Sequence[Index], monoid: str | None, bound: Sequence[Index], body: Scalar) -> Tensor:
    every = (*axes, *bound)
    levels: dict[Atom, Poly] = {a: poly(Index(level, a.extent)) for level, a in enumerate(every)}
    body = rewrite(body, levels)
    extents = tuple(a.extent for a in axes)
    if monoid is None and isinstance(body, Load) and body.subscripts == tuple(levels.values()) and body.tensor.extents == extents:
        return body.tensor
    return Define(extents, monoid, tuple(a.extent for a in bound), body)


def reduce(monoid: str, bound: Sequence[Index], body: Scalar) -> Scalar:
    """monoid[bound](body) as a scalar: the reduction is a definition of its own over the free indices of the body."""
    free = sorted(indices(body) - set(bound), key=lambda a: a.level)
    return Load(reduction(monoid, free, bound, body), tuple(map(poly, free)))


def hoist(body: Scalar) -> Scalar:
    """body as one load of a definition of its own over its free indices."""
    free = sorted(indices(body), key=lambda a: a.level)
    return load(define(free, body), tuple(map(poly, free)))
