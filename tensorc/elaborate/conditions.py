"""`require`: conditions on dims and static values become relations of polynomials, proved when compiling or checked at the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tensorc import algebra
from tensorc.algebra import Poly, poly
from tensorc.dtypes import bool_
from tensorc.elaborate.tasks import Task, together
from tensorc.elaborate.values import Array, describe, static_integer
from tensorc.ir.program import Condition
from tensorc.ir.tensor import Apply, Const, IsZero, Nonnegative, Scalar
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.elaborate.expressions import Evaluator, Scope

Relation = Literal[">=", "=="]

FAR = 1 << 62
"""Beyond every size: p // FAR is 0 where p >= 0, and -1 where it is not."""


def require(evaluator: Evaluator, s: tree.Require, scope: Scope) -> Task:
    """The conditions that `and` joins, each by itself, so that a message speaks of the one that does not hold."""
    for c in _parts(s.condition, "and"):
        message = s.message or f"`{' '.join(c.span.text.split())}` does not hold"
        value, relation = yield _condition(evaluator, c, scope)
        if evaluator.context.exact:
            evaluator.context.conditions.append(Condition(value, relation, message, c.span))
        else:
            evaluator.context.require(value, relation, message, c.span, code="E0305", label="never holds")


def _parts(c: tree.Expr, operator: str) -> list[tree.Expr]:
    """What a chain of one operator joins, in order."""
    parts: list[tree.Expr] = []
    stack = [c]
    while stack:
        e = stack.pop()
        if isinstance(e, tree.Binary) and e.operator == operator:
            stack += [e.right, e.left]
        else:
            parts.append(e)
    return parts


def _condition(evaluator: Evaluator, c: tree.Expr, scope: Scope) -> Task:
    """A condition on sizes as one relation."""
    match c:
        case tree.Binary(operator="and" | "or" as operator):
            found = yield together([_condition(evaluator, part, scope) for part in _parts(c, operator)])
            return _joined(operator, found)
        case tree.Unary(operator="not", operand=operand):
            return _negation(*(yield _condition(evaluator, operand, scope)))
        case tree.Binary(operator=operator, left=left, right=right) if operator in _GAPS:
            values = yield together([evaluator.expression(left, scope), evaluator.expression(right, scope)])
            p, q = map(static_integer, values)
            if p is not None and q is not None:
                return _GAPS[operator](p, q)
            value = evaluator.binary(operator, values, (left.span, right.span))
        case _:
            value = yield evaluator.array(c, scope)
    truth = _truth(value.body) if isinstance(value, Array) and not value.axes and value.dtype is bool_ else None
    if truth is None:
        help = "data is checked by the caller, or kept out with `where`"
        message = "`require` wants a condition on dims and static values"
        raise evaluator.context.error("E0612", message, c.span, describe(value), help=help)
    return truth


_GAPS: dict[str, Any] = {
    "==": lambda p, q: (p - q, "=="),
    "<": lambda p, q: (q - p - 1, ">="),
    "<=": lambda p, q: (q - p, ">="),
    ">": lambda p, q: (p - q - 1, ">="),
    ">=": lambda p, q: (p - q, ">="),
    "!=": lambda p, q: ((p - q) * (p - q) - 1, ">="),
}


def _truth(body: Scalar) -> tuple[Poly, Relation] | None:
    """A bool scalar of sizes as one relation; None where it depends on data."""
    match body:
        case Const(value, _):
            return poly(0 if value else -1), ">="
        case Nonnegative(p) if algebra.is_static(p):
            return p, ">="
        case IsZero(p) if algebra.is_static(p):
            return p, "=="
        case Apply("not", (a,), _):
            found = _truth(a)
            return None if found is None else _negation(*found)
        case Apply(("and" | "or" | "xor" | "eq" | "ne") as operation, (a, b), _):
            found, other = _truth(a), _truth(b)
            if found is None or other is None:
                return None
            if operation in ("and", "or"):
                return _joined(operation, (found, other))
            gap = _indicator(*found) - _indicator(*other)
            return (gap, "==") if operation == "eq" else (gap * gap - 1, ">=")
        case _:
            return None


def _joined(operator: str, relations: Sequence[tuple[Poly, Relation]]) -> tuple[Poly, Relation]:
    """The relation that holds where all do, or one does."""
    total = sum((_indicator(*r) for r in relations), algebra.ZERO)
    return total - (len(relations) if operator == "and" else 1), ">="


def _negation(p: Poly, relation: Relation) -> tuple[Poly, Relation]:
    return (-p - 1, ">=") if relation == ">=" else (p * p - 1, ">=")


def _indicator(p: Poly, relation: Relation) -> Poly:
    """1 where the relation holds, else 0."""
    gap = p if relation == ">=" else -(p * p)
    if algebra.nonnegative(gap):
        return algebra.ONE
    return algebra.ZERO if algebra.nonnegative(-gap - 1) else 1 + gap // poly(FAR)
