"""Nests written by hand: how they print, what they compute, and what makes one illegal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tensorc.algebra import NO_FACTS, ZERO, Index, Poly, poly, size
from tensorc.dtypes import f32, i64
from tensorc.errors import InternalError
from tensorc.ir import build
from tensorc.ir.tensor import Input, Load, Scalar
from tensorc.loops.bounds import inside
from tensorc.loops.check import check, check_kernel
from tensorc.loops.interpret import interpret
from tensorc.loops.nest import (
    SERIAL,
    Bind,
    Buffer,
    Carry,
    Done,
    Fold,
    For,
    Init,
    Kernel,
    Let,
    Memory,
    Schedule,
    Scratch,
    SortRow,
    Statement,
    Store,
    Update,
    Var,
    read,
    statements,
    touched,
    variable,
)
from tensorc.loops.text import show

N, M = size("N"), size("M")
ROW, COLUMN = Index(0, N), Index(1, M)
X = Input("x", (N, M), f32)
Y = Buffer("y", (N,), f32)
Z = Buffer("z", (N, M), f32)
LANES, SEVERAL = Bind("vector", 2), Bind("unroll", 3)
SUM, PART = variable("s", f32, (ROW,)), Scratch("part", (M,), f32)


def at(m: Memory, *places: Index | Poly) -> Scalar:
    return Load(m, tuple(map(poly, places)))


def op(operation: str, *arguments: Scalar) -> Scalar:
    return build.apply(operation, *arguments)


def kernel(*body: Statement, scratch: tuple[Scratch, ...] = ()) -> Kernel:
    return Kernel("k", body, *touched(body), scratch, {ROW: "i", COLUMN: "j"})


def schedule(k: Kernel, inputs: tuple[Input, ...] = (X,)) -> Schedule:
    return Schedule("p", inputs, k.writes, (), (), {}, (k,), NO_FACTS)


def row_sums(rows: Bind = SERIAL, columns: Bind = LANES) -> tuple[Statement, ...]:
    fold = For(COLUMN, columns, (Fold(SUM, "sum", at(X, ROW, COLUMN), (COLUMN,)),))
    store = Store(Y, (poly(ROW),), read(SUM))
    return (For(ROW, rows, (Init(SUM, "sum", (COLUMN,), columns), fold, Done(SUM, "sum", (COLUMN,)), store), True),)


def values(n: int, m: int) -> Any:
    return np.arange(n * m, dtype=np.float32).reshape(n, m) - 3


@pytest.mark.parametrize("rows, columns", [(SERIAL, LANES), (SEVERAL, LANES), (LANES, SERIAL), (SERIAL, SEVERAL), (LANES, SEVERAL)])
@pytest.mark.parametrize("n, m", [(0, 3), (3, 0), (1, 1), (7, 17)])
def test_blocks_make_no_difference(rows: Bind, columns: Bind, n: int, m: int) -> None:
    s = schedule(kernel(*row_sums(rows, columns)))
    check(s)
    (found,), _ = interpret(s, [values(n, m)], {"N": n, "M": m})
    np.testing.assert_array_equal(found, values(n, m).sum(1))


def test_a_tile_is_walked_by_the_loop_within_it() -> None:
    fill = For(COLUMN, LANES, (Store(PART, (poly(COLUMN),), build.constant(0.0, f32)),))
    add = For(ROW, SERIAL, (For(COLUMN, LANES, (Update(PART, (poly(COLUMN),), "sum", at(X, ROW, COLUMN), (ROW,)),)),), within=True)
    out = Buffer("columns", (M,), f32)
    total = For(COLUMN, LANES, (Update(out, (poly(COLUMN),), "sum", at(PART, COLUMN), ()),))
    start = For(COLUMN, SERIAL, (Store(out, (poly(COLUMN),), build.constant(0.0, f32)),))
    k = kernel(start, For(ROW, Bind("tile", 4), (fill, add, total)), scratch=(PART,))
    check_kernel(k)
    (found,), _ = interpret(schedule(k), [values(9, 5)], {"N": 9, "M": 5})
    np.testing.assert_array_equal(found, values(9, 5).sum(0))


def test_a_recurrence() -> None:
    step = (Carry(SUM, "sum", at(X, ROW, COLUMN), build.constant(0.5, f32)), Store(Z, (poly(ROW), poly(COLUMN)), read(SUM)))
    k = kernel(For(ROW, LANES, (Init(SUM, "sum", (COLUMN,)), For(COLUMN, SERIAL, step))))
    check_kernel(k)
    (found,), _ = interpret(schedule(k), [values(9, 4)], {"N": 9, "M": 4})
    expected, last = np.zeros((9, 4)), np.zeros(9)
    for n in range(4):
        last = expected[:, n] = 0.5 * last + values(9, 4)[:, n]
    np.testing.assert_allclose(found, expected)


def test_updates_and_stores_have_conditions() -> None:
    positive = op("gt", at(X, ROW, COLUMN), build.constant(0.0, f32))
    fill = For(ROW, SERIAL, (Store(Y, (poly(ROW),), build.constant(0.0, f32)),))
    count = Update(Y, (poly(ROW),), "sum", build.constant(1.0, f32), (COLUMN,), positive)
    k = kernel(fill, For(ROW, SEVERAL, (For(COLUMN, LANES, (count,)),)))
    check_kernel(k)
    (found,), _ = interpret(schedule(k), [values(4, 5)], {"N": 4, "M": 5})
    np.testing.assert_array_equal(found, (values(4, 5) > 0).sum(1))


def test_a_row_is_sorted() -> None:
    order, work = Buffer("order", (N, M), i64), Scratch("work", (M,), i64)
    k = kernel(For(ROW, SERIAL, (SortRow(X, order, (poly(ROW),), M, True, work),)), scratch=(work,))
    check_kernel(k)
    x = np.array([[1, 3, 3, np.nan], [0, -0.0, -1, 2]], np.float32)
    (found,), _ = interpret(schedule(k), [x], {"N": 2, "M": 4})
    np.testing.assert_array_equal(found, [[1, 2, 0, 3], [3, 0, 1, 2]])


def test_loads_are_total() -> None:
    k = kernel(For(ROW, LANES, (Store(Y, (poly(ROW),), at(X, poly(ROW) - 1, poly(ROW) * 5)),)))
    for m in (0, 2):
        (found,), _ = interpret(schedule(k), [values(3, m)], {"N": 3, "M": m})
        assert found.shape == (3,)


def test_text() -> None:
    double = variable("d", f32, (ROW, COLUMN))
    let = Let(double, op("add", at(X, ROW, COLUMN), at(X, ROW, COLUMN)))
    store = Store(Z, (poly(ROW), poly(COLUMN)), op("neg", read(double)))
    text = show(kernel(*row_sums(SEVERAL), For(ROW, SERIAL, (For(COLUMN, LANES, (let, store)),))))
    assert text.splitlines() == [
        "kernel k(x: f32[N, M]) -> y: f32[N], z: f32[N, M]",
        "  for i in N: parallel unroll 3",
        "    acc s = sum over j, vector 2",
        "    for j in M: vector 2",
        "      s sum= x[i, j]",
        "    done s",
        "    y[i] = s[i]",
        "  for i in N: serial",
        "    for j in M: vector 2",
        "      d = x[i, j] + x[i, j]",
        "      z[i, j] = -d[i, j]",
    ]


def test_text_of_shared_terms_is_short() -> None:
    t = at(X, ROW, COLUMN)
    for _ in range(50):
        t = op("mul", op("add", t, t), t)
    text = show(kernel(For(ROW, SERIAL, (For(COLUMN, SERIAL, (Store(Z, (poly(ROW), poly(COLUMN)), t),)),))))
    assert len(text) < 10_000 and "$0 = " in text


def test_what_a_nest_touches() -> None:
    body = (*row_sums(), For(ROW, SERIAL, (Update(Y, (poly(ROW),), "sum", build.constant(1.0, f32), ()),)))
    assert touched(body) == ((X, Y), (Y,))
    assert sum(isinstance(s, For) for s in statements(body)) == 3


def test_subscripts_that_are_proved_inside() -> None:
    assert inside(X, (poly(ROW), poly(COLUMN)), NO_FACTS) == (True, True)
    assert inside(X, (poly(ROW) - 1, N - 1 - ROW), NO_FACTS) == (False, False)
    assert inside(X, (ZERO, ZERO), NO_FACTS) == (False, False)
    assert inside(X, (ZERO, ZERO), frozenset({N - 1})) == (True, False)


ONE_SUM = row_sums()[0]
assert isinstance(ONE_SUM, For)
INIT, LOOP, DONE, STORE = ONE_SUM.body
assert isinstance(INIT, Init) and isinstance(LOOP, For)
OTHER = variable("other", f32, (ROW,))


def rows(*body: Statement, bind: Bind = SERIAL, parallel: bool = False) -> For:
    return For(ROW, bind, body, parallel)


def store(value: Scalar, *places: Index | Poly) -> Store:
    return Store(Z, tuple(map(poly, places)), value)


ILLEGAL: Mapping[str, tuple[Statement, ...]] = {
    "not in scope": (rows(store(at(X, ROW, COLUMN), ROW, ZERO)),),
    "bound twice": (rows(rows(store(at(X, ROW, ROW), ROW, ROW))),),
    "a vector inside of another": (rows(For(COLUMN, LANES, (store(at(X, ROW, COLUMN), ROW, COLUMN),)), bind=LANES),),
    "within a tile": (For(ROW, SERIAL, (store(at(X, ROW, ROW), ROW, ROW),), within=True),),
    "where it is not defined": (rows(Store(Y, (poly(ROW),), read(OTHER))),),
    "not done": (rows(INIT, LOOP),),
    "started twice": (rows(INIT, INIT, LOOP, DONE, STORE),),
    "without being folded": (rows(INIT, DONE, STORE),),
    "by another monoid": (rows(replace(INIT, monoid="max"), LOOP, DONE, STORE),),
    "another binding": (rows(replace(INIT, bind=SEVERAL), LOOP, DONE, STORE),),
    "over a parallel loop": (rows(INIT, replace(LOOP, parallel=True), DONE, STORE),),
    "store to one place": (rows(For(COLUMN, SERIAL, (Store(Y, (poly(ROW),), at(X, ROW, COLUMN)),))),),
    "update one place": (rows(For(COLUMN, SERIAL, (Update(Y, (poly(ROW),), "sum", at(X, ROW, COLUMN), ()),))),),
    "accumulates over a parallel loop": (
        rows(For(COLUMN, SERIAL, (Update(Y, (poly(ROW),), "sum", at(X, ROW, COLUMN), (COLUMN,)),), True)),
    ),
    "more than its axes": (rows(For(COLUMN, SERIAL, (Let(OTHER, at(X, ROW, COLUMN)), store(read(OTHER), ROW, COLUMN)))),),
    "not the kernel's to write": (rows(Store(X, (poly(ROW), poly(ROW)), build.constant(0.0, f32))),),
    "along a loop that is not serial": (rows(INIT, For(COLUMN, LANES, (Carry(SUM, "sum", at(X, ROW, COLUMN)),))),),
}


@pytest.mark.parametrize("message", ILLEGAL)
def test_what_is_illegal(message: str) -> None:
    body = ILLEGAL[message]
    names = {ROW: "i", COLUMN: "j"}
    with pytest.raises(InternalError, match=message):
        check_kernel(Kernel("k", body, *touched(body), (), names))


def test_what_is_illegal_in_a_schedule() -> None:
    k = kernel(*row_sums())
    with pytest.raises(InternalError, match="nothing writes z"):
        check(replace(schedule(k), results=(Y, Z)))
    with pytest.raises(InternalError, match="which nothing has written"):
        check(schedule(kernel(rows(Store(Y, (poly(ROW),), at(Z, ROW, ROW))))))
    with pytest.raises(InternalError, match="several things called y"):
        check(replace(schedule(k), intermediates=(Buffer("y", (M,), f32),)))


def test_values_are_told_apart_from_memory() -> None:
    made: list[Input] = [Input("a", (N,), f32), Buffer("a", (N,), f32), Scratch("a", (N,), f32), variable("a", f32, (ROW,))]
    assert len(set(made)) == 4
    assert Var("a", (N,), f32, (ROW,)) is variable("a", f32, (ROW,))
    assert read(SUM) is Load(SUM, (poly(ROW),))
