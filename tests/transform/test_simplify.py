"""Simplified programs are smaller and have the same results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from steps import steps

from tensorc.algebra import Element, Index, Poly, fresh, poly, size
from tensorc.backends.reference.evaluate import evaluate_tensors
from tensorc.dtypes import DType, f16, f32, i32, i64
from tensorc.ir import build, walk
from tensorc.ir.program import BoundsCheck, Condition, Program
from tensorc.ir.tensor import Apply, Define, Input, Load, Nonnegative, Scalar, Scan, Scatter, Select, Sort, Stop, Tensor, View
from tensorc.source import Span
from tensorc.transform.simplify import simplify

N, M = size("N"), size("M")
X = Input("x", (N, M), f32)
ROW, COLUMN = Index(0, N), Index(1, M)


def at(t: Tensor, *places: Any) -> Scalar:
    """A plain load, that is not read through."""
    return Load(t, tuple(map(poly, places)))


def define(body: Scalar, extents: tuple[Poly, ...] = (N, M)) -> Define:
    """A definition as it is, not simplified by what builds it."""
    return Define(extents, None, (), body)


def same_values(p: Program, q: Program, inputs: Sequence[Any], **sizes: int) -> None:
    arrays = dict(zip(p.inputs, inputs, strict=True))
    for a, b in zip(evaluate_tensors(p.results, arrays, sizes), evaluate_tensors(q.results, arrays, sizes), strict=True):
        np.testing.assert_array_equal(a, b)


def values(*shape: int) -> Any:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def only(*results: Tensor, conditions: tuple[Condition, ...] = (), checks: tuple[BoundsCheck, ...] = ()) -> Program:
    return Program("p", (X,), results, conditions, checks)


def test_moves_are_read_through() -> None:
    turned = Define((M, N), None, (), at(X, Index(1, N), Index(0, M)))
    back = Define((N, M), None, (), at(turned, Index(1, M), Index(0, N)))
    p = only(define(Apply("exp", (at(back, ROW, COLUMN),), f32)))
    q = simplify(p)
    assert [type(t) for t in walk.topological(q.results)] == [Input, Define]
    same_values(p, q, [values(3, 4)], N=3, M=4)


def test_a_definition_that_is_another_tensor_is_that_tensor() -> None:
    assert simplify(only(define(at(X, ROW, COLUMN)))).results == (X,)


def test_a_gather_is_not_read_through() -> None:
    y = Input("y", (N,), i64)
    gathered = define(at(X, Element(y, (poly(ROW),)), COLUMN))
    p = Program("p", (X, y), (define(Apply("exp", (at(gathered, ROW, COLUMN),), f32)),))
    assert gathered in walk.topological(simplify(p).results)


def test_what_no_result_needs_is_left_out() -> None:
    dead = define(Apply("exp", (at(X, ROW, COLUMN),), f32))
    alive = define(Apply("sin", (at(X, ROW, COLUMN),), f32))
    q = simplify(Program("p", (X,), (alive,), names={dead: "dead", alive: "alive"}))
    assert dict(q.names) == {alive: "alive"}


def test_names_go_along() -> None:
    moved = Define((M, N), None, (), at(X, Index(1, N), Index(0, M)))
    y = Define((M, N), None, (), Apply("neg", (at(moved, Index(0, M), Index(1, N)),), f32))
    span = Span(None, 1, 2)  # type: ignore[arg-type]
    q = simplify(Program("p", (X,), (y,), names={y: "y", X: "x"}, spans={y: span}))
    assert q.names[q.results[0]] == "y" and q.spans[q.results[0]] is span and q.names[X] == "x"


def test_views_of_views_are_one() -> None:
    flat = View(X, (N * M,))
    assert simplify(only(View(flat, (M, N)))).results == (View(X, (M, N)),)
    assert simplify(only(View(flat, (N, M)))).results == (X,)


def test_a_stop_stays_once() -> None:
    assert simplify(only(Stop(Stop(X)))).results == (Stop(X),)


def test_constants_are_folded() -> None:
    two, three = build.constant(2.0, f32), build.constant(3.0, f32)
    q = simplify(only(define(Apply("add", (at(X, ROW, COLUMN), Apply("mul", (two, three), f32)), f32))))
    (y,) = q.results
    assert isinstance(y, Define) and y.body is Apply("add", (at(X, ROW, COLUMN), build.constant(6.0, f32)), f32)


def test_user_arithmetic_is_kept() -> None:
    zero = build.constant(0.0, f32)
    for operation in ("add", "mul", "sub"):
        y = define(Apply(operation, (at(X, ROW, COLUMN), zero), f32))
        assert simplify(only(y)).results == (y,)


def test_guards_are_decided_by_conditions() -> None:
    guarded = define(Select(Nonnegative(poly(M) - 2 - ROW), at(X, ROW, COLUMN), build.constant(0.0, f32)))
    assert simplify(only(guarded)).results == (guarded,)
    equal = Condition(M - N - 2, "==", "M must be N + 2")
    assert simplify(only(guarded, conditions=(equal,))).results == (X,)


def test_conditions_that_hold_are_left_out() -> None:
    trivial, needed = Condition(N, ">=", "never"), Condition(N - M, ">=", "N must be at least M")
    assert simplify(only(X, conditions=(trivial, needed, needed))).conditions == (needed,)


def test_checks_that_are_proved_are_left_out() -> None:
    inside = define(build.integer(ROW * M + COLUMN))
    y = Input("y", (N,), i64)
    needed = BoundsCheck(y, N, "x", 0)
    p = Program("p", (X, y), (X,), checks=(BoundsCheck(inside, N * M, "x", 0), needed, needed))
    assert simplify(p).checks == (needed,)
    outside = BoundsCheck(inside, N, "x", 0)
    assert simplify(Program("p", (X,), (X,), checks=(outside,))).checks == (outside,)


POWERS: list[tuple[DType, float, set[str]]] = [
    (f32, 2.0, {"mul"}),
    (f16, 2.0, {"mul"}),
    (i32, 2, {"mul"}),
    (f32, 3.0, {"mul"}),
    (f16, 3.0, {"pow"}),
    (f32, -1.0, {"div"}),
    (f32, 0.5, {"pow"}),
    (f32, 1.0, set()),
]


@pytest.mark.parametrize("dtype, exponent, operations", POWERS)
def test_powers(dtype: DType, exponent: float, operations: set[str]) -> None:
    x = Input("x", (N, M), dtype)
    y = define(Apply("pow", (at(x, ROW, COLUMN), build.constant(exponent, dtype)), dtype))
    p = Program("p", (x,), (y,))
    q = simplify(p)
    found = {
        s.operation for t in walk.topological(q.results) if isinstance(t, Define) for s in walk.postorder(t.body) if isinstance(s, Apply)
    }
    assert found == operations
    if exponent != 3.0:
        same_values(p, q, [(values(3, 4) * 3).astype(dtype.numpy)], N=3, M=4)


def test_every_node_is_rebuilt() -> None:
    def turned(t: Tensor) -> Tensor:
        return Define((N, M), None, (), at(t, N - 1 - ROW, COLUMN))

    y = Input("y", (N,), i64)
    place = Define((N,), None, (), at(y, N - 1 - Index(0, N)))
    moved = turned(turned(X))
    scattered = Scatter((M, M), (N, M), (poly(Element(place, (poly(ROW),))), poly(COLUMN)), at(moved, ROW, COLUMN), View(moved, (M, M)))
    p = Program(
        "p",
        (X, y),
        (Scan("sum", moved, moved, True), Sort(moved, False), scattered, define(at(moved, Element(place, (poly(ROW),)), COLUMN))),
    )
    q = simplify(p)
    assert moved not in walk.topological(q.results)
    assert q.results[0] is Scan("sum", X, X, True) and q.results[1] is Sort(X, False)
    same_values(p, q, [values(4, 4), np.array([0, 3, 1, 1])], N=4, M=4)


def test_long_chains_take_a_few_steps_for_each_definition() -> None:
    t: Tensor = X
    for n in range(2000):
        i, j = fresh(N), fresh(M)
        t = build.define((i, j), build.apply(("exp", "sin")[n % 2], build.load(t, (poly(i), poly(j)))))
    made: list[Program] = []
    assert steps(lambda: made.append(simplify(only(t)))) < 150 * 2000
    assert made[0].results == (t,)
