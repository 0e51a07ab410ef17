"""`require`: conditions on dims and static values become relations of polynomials, proved when compiling or checked at the call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from tensorc import algebra
from tensorc.algebra import Poly, poly
from tensorc.elaborate.context import Context
from tensorc.elaborate.tasks import Task
from tensorc.elaborate.values import describe, static_integer
from tensorc.ir.program import Condition
from tensorc.ir.tensor import Apply, Const, IsZero, Nonnegative, Scalar
from tensorc.source import Span
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.elaborate.expressions import Evaluator, Scope

Relation = Literal[">=", "=="]

FAR = 1 << 62
"""Beyond every size: p // FAR is 0 where p >= 0, and -1 where it is not."""


def require(evaluator: Evaluator, s: tree.Require, scope: Scope) -> Task:
    """The conditions that `and` joins, each by itself, so that a message speaks of the one that does not hold."""
    stack = [s.condition]
    while stack:
        c = stack.pop()
        if isinstance(c, tree.Binary) and c.operator == "and":
            stack.extend((c.right, c.left))
        else:
            yield _require(evaluator, c, s.message or f"`{' '.join(c.span.text.split())}` does not hold", scope)


def _require(evaluator: Evaluator, c: tree.Expr, message: str, scope: Scope) -> Task:
    context, span = evaluator.context, c.span
    if isinstance(c, tree.Binary) and c.operator in _GAPS:
        left, right = static_integer((yield evaluator.expression(c.left, scope))), static_integer((yield evaluator.expression(c.right, scope)))
        if left is not None and right is not None:
            gap, relation = _GAPS[c.operator](left, right)
            if context.exact:
                context.conditions.append(Condition(gap, relation, message, span))
            else:
                context.require(gap, relation, message, span, code="E0305", label="never holds")
            return
    value = yield evaluator.array(c, scope)
    found = None if value.axes else _truth(context, value.body)
    if found is None:
        help = "data is checked by the caller, or kept out with `where`"
        raise context.error("E0612", "`require` wants a condition on dims and static values", c.span, describe(value), help=help)
    gap, relation = found
    context.require(gap, relation, message, span, code="E0305", label="never holds")


_GAPS: dict[str, Any] = {
    "==": lambda p, q: (p - q, "=="),
    "<": lambda p, q: (q - p - 1, ">="),
    "<=": lambda p, q: (q - p, ">="),
    ">": lambda p, q: (p - q - 1, ">="),
    ">=": lambda p, q: (p - q, ">="),
    "!=": lambda p, q: ((p - q) * (p - q) - 1, ">="),
}


def _truth(context: Context, body: Scalar) -> tuple[Poly, Relation] | None:
    """A bool scalar of sizes as one relation; None where it depends on data."""
    match body:
        case Const(value, _):
            return poly(0 if value else -1), ">="
        case Nonnegative(p) if algebra.is_static(p):
            return p, ">="
        case IsZero(p) if algebra.is_static(p):
            return p, "=="
        case Apply("not", (a,), _):
            found = _truth(context, a)
            return None if found is None else _negation(*found)
        case Apply(("and" | "or" | "xor" | "eq" | "ne") as operation, (a, b), _):
            found, other = _truth(context, a), _truth(context, b)
            if found is None or other is None:
                return None
            p, q = _indicator(*found), _indicator(*other)
            both = p * q
            total = {"and": both, "or": p + q - both, "xor": p + q - both - both, "ne": p + q - both - both, "eq": 1 - p - q + both + both}
            return total[operation] - 1, "=="
        case _:
            return None


def _negation(p: Poly, relation: Relation) -> tuple[Poly, Relation]:
    return (-p - 1, ">=") if relation == ">=" else (p * p - 1, ">=")


def _indicator(p: Poly, relation: Relation) -> Poly:
    """1 where the relation holds, else 0."""
    gap = p if relation == ">=" else -(p * p)
    if algebra.nonnegative(gap):
        return algebra.ONE
    return algebra.ZERO if algebra.nonnegative(-gap - 1) else 1 + gap // poly(FAR)
