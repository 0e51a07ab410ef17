"""Smart constructors and walks: what they simplify has the same value, and they give the same object for the same thing."""

from __future__ import annotations

import copy
import itertools
import math
import operator
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorc import algebra
from tensorc.algebra import Atom, Index, Poly, Size, fresh, poly, size
from tensorc.backends.reference.evaluate import evaluate_tensors
from tensorc.dtypes import DTYPES, DType, bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8, u64
from tensorc.ir import build, walk
from tensorc.ir.tensor import (
    Apply,
    Const,
    Define,
    Input,
    Int,
    IsZero,
    Load,
    Nonnegative,
    Scalar,
    Scan,
    Scatter,
    Select,
    Sort,
    Stop,
    Tensor,
    View,
)

N, M = size("N"), size("M")
X = Input("x", (N, M), f32)
Y = Input("y", (N, M), f32)
IDS = Input("ids", (N,), i32)


def at(t: Tensor, *subscripts: Poly | Index) -> Scalar:
    return build.load(t, [poly(s) for s in subscripts])


# Constants.


def test_constants_are_converted_as_cast_converts() -> None:
    assert build.constant(0.1, f32).value == float(np.float32(0.1)) and build.constant(0.1, f64).value == 0.1
    assert (
        build.constant(300, u8).value == 44 and build.constant(-1, u64).value == 2**64 - 1 and build.constant(2**63, i64).value == -(2**63)
    )
    assert build.constant(300.7, u8).value == 255 and build.constant(math.nan, i16).value == 0
    assert (
        build.constant(2, bool_) is build.TRUE and build.constant(0.0, bool_) is build.FALSE and build.constant(True, bool_) is build.TRUE
    )
    assert build.constant(True, f32) is build.constant(1, f32) is build.constant(1.0, f32)
    assert build.constant(2**64, f32).value == 2.0**64 and build.constant(70000, f16).value == math.inf
    assert build.constant(True, i8) is build.constant(1, i8)


def test_constants_of_other_types_and_signs_differ() -> None:
    made = [Const(0, i32), Const(0, i64), Const(0.0, f32), Const(-0.0, f32), Const(False, bool_), Const(math.nan, f32)]
    assert all(a is not b for a, b in itertools.combinations(made, 2))
    assert Const(math.nan, f32) is Const(float("nan"), f32)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_a_constant_holds_what_its_dtype_holds(dtype: DType) -> None:
    value = build.constant(1, dtype).value
    assert type(value) is (bool if dtype is bool_ else float if dtype.is_float else int) and value == 1


# Integers and guards.


def test_integers_fold_into_polynomials() -> None:
    n, i = build.integer(N), build.integer(Index(0, N))
    assert build.apply("add", n, i) is Int(N + Index(0, N)) and build.apply("sub", n, n) is build.constant(0, i64)
    assert build.apply("mul", n, build.constant(2, i64)) is Int(2 * N) and build.apply("neg", n) is Int(-N)
    assert build.integer(poly(7)) is build.constant(7, i64)
    quotient = build.apply("floordiv", n, build.constant(2, i64))
    assert isinstance(quotient, Apply) and build.number(quotient) is N // 2


def test_numbers_are_read_from_scalars() -> None:
    i = Index(0, N)
    assert build.number(build.integer(N)) is N and build.number(build.constant(3, i32)) is poly(3)
    element = build.number(at(IDS, i))
    assert element is not None and [e.tensor for e in algebra.elements(element)] == [IDS]
    assert build.number(build.cast(at(IDS, i), i64)) is element
    plus_one = build.apply("add", build.cast(at(IDS, i), i64), build.constant(1, i64))
    assert build.number(plus_one) is element + 1
    assert build.number(build.apply("add", at(IDS, i), build.constant(1, i32))) is None  # i32 wraps where a polynomial does not
    assert build.number(at(X, i, i)) is None and build.number(build.constant(1.0, f32)) is None


def test_an_integer_element_of_an_index_table_is_its_formula() -> None:
    i, n = fresh(N), fresh(N)
    table = build.define([i], build.integer(2 * poly(i) + 1))
    assert build.number(at(table, n)) is 2 * poly(n) + 1


def test_guards_are_decided_where_they_can_be() -> None:
    i = Index(0, N)
    assert build.nonnegative(poly(i)) is build.TRUE and build.nonnegative(-poly(i) - 1) is build.FALSE
    assert build.nonnegative(poly(i) - 1) is Nonnegative(poly(i) - 1)
    assert build.nonnegative(N - 3, frozenset({N - 3})) is build.TRUE
    assert build.is_zero(poly(0)) is build.TRUE and build.is_zero(poly(i) + 1) is build.FALSE
    assert build.is_zero(N - M) is build.is_zero(M - N) and isinstance(build.is_zero(N - M), IsZero)
    assert build.inside(poly(i), N) is build.TRUE
    assert build.inside(poly(i) + 1, N) is Nonnegative(N - 2 - poly(i))
    assert isinstance(build.inside(poly(i) - 1, M), Apply)


def test_conditions_and_selections_fold() -> None:
    c = Nonnegative(N - M)
    one, two = build.constant(1, f32), build.constant(2, f32)
    assert build.both() is build.TRUE and build.both(build.TRUE, c) is c and build.both(c, build.FALSE) is build.FALSE
    assert build.apply("and", build.TRUE, c) is c and build.apply("and", c, build.FALSE) is build.FALSE
    assert build.select(build.TRUE, one, two) is one and build.select(build.FALSE, one, two) is two and build.select(c, one, one) is one
    assert build.select(c, one, two) is Select(c, one, two)


def test_applications_fold_constants_alone() -> None:
    x = at(X, Index(0, N), Index(1, M))
    assert build.apply("add", build.constant(1, f32), build.constant(2, f32)) is build.constant(3, f32)
    assert build.apply("lt", build.constant(1, i8), build.constant(2, i8)) is build.TRUE
    assert build.cast(x, f32) is x and build.cast(build.constant(1.5, f32), i32) is build.constant(1, i32)
    assert build.cast(build.constant(0.1, f32), bf16) is Const(0.10009765625, bf16)
    zero = build.constant(0, f32)
    assert build.apply("mul", zero, x) is Apply("mul", (zero, x), f32)  # 0 * nan is nan
    assert build.apply("add", x, zero) is Apply("add", (x, zero), f32)  # -0.0 + 0 is 0.0


# Definitions.


def test_a_definition_of_another_tensor_is_that_tensor() -> None:
    i, j = fresh(N), fresh(M)
    assert build.define([i, j], at(X, i, j)) is X
    assert build.define([j, i], at(X, i, j)) is not X
    short = fresh(N - 1)
    assert build.define([short, j], at(X, short, j)) is not X


def test_definitions_do_not_depend_on_the_indices_that_made_them() -> None:
    made = []
    for _ in range(2):
        i, j = fresh(N), fresh(M)
        made.append(build.define([j, i], build.apply("exp", at(X, i, j))))
    assert made[0] is made[1] and made[0].extents == (M, N)
    swapped = [Index(1, M), Index(0, N)]
    assert build.define(swapped, build.apply("exp", at(X, swapped[1], swapped[0]))) is made[0]


def test_moves_are_read_through_and_gathers_are_not() -> None:
    i, j = fresh(N), fresh(M)
    transposed = build.define([j, i], at(X, i, j))
    assert isinstance(transposed, Define) and build.is_move(transposed)
    assert at(transposed, 3 + poly(j), i) is Load(X, (poly(i), 3 + poly(j)))
    assert build.define([i, j], at(transposed, j, i)) is X
    seven = build.define([i], build.constant(7, f32))
    assert at(seven, i) is build.constant(7, f32)
    row = build.number(at(IDS, i))
    assert row is not None
    gathered = build.define([i, j], at(X, row, j))
    assert gathered is not X and at(gathered, i, j) is Load(gathered, (poly(i), poly(j)))


def test_a_reduction_inside_a_body_is_a_definition_over_its_free_indices() -> None:
    i, j = Index(0, N), Index(1, M)
    total = build.reduce("sum", [j], at(X, i, j))
    assert isinstance(total, Load) and total.subscripts == (poly(i),)
    assert total.tensor is Define((N,), "sum", (M,), Load(X, (poly(Index(0, N)), poly(Index(1, M)))))
    whole = build.reduce("sum", [i, j], at(X, i, j))
    assert isinstance(whole, Load) and whole.subscripts == () and whole.tensor.extents == ()


def test_hoisting_keeps_the_body() -> None:
    i, j = Index(0, N), Index(1, M)
    body = build.apply("exp", at(X, i, j))
    hoisted = build.hoist(body)
    assert isinstance(hoisted, Load) and hoisted.subscripts == (poly(i), poly(j))
    assert hoisted.tensor is build.define([i, j], body)
    assert build.hoist(at(X, i, j)) is at(X, i, j)


# Walks.


def sample() -> Scalar:
    i, j = Index(0, N), Index(1, M)
    row = build.number(at(IDS, i))
    assert row is not None
    x, gathered = at(X, i, j), at(Y, row, j)
    both = build.apply("add", x, gathered)
    return build.select(build.nonnegative(poly(i) - poly(j)), build.apply("mul", both, both), build.apply("exp", x))


def test_walks_see_each_thing_once() -> None:
    s = sample()
    order = walk.postorder(s)
    assert order[-1] is s and len(order) == len(set(order))
    assert all(order.index(c) < order.index(t) for t in order for c in walk.children(t))
    assert {load.tensor for load in walk.loads(s)} == {X, IDS, Y} and len(walk.loads(s)) == 3
    assert walk.indices(s) == {Index(0, N), Index(1, M)}
    assert walk.depth(s) == 4


def test_a_rewrite_that_changes_nothing_gives_the_same_object() -> None:
    s = sample()
    assert walk.rewrite(s, {}) is s
    assert walk.rewrite(s, {}, lambda load: load) is s
    assert walk.rewrite(s, {}, None, lambda a: None) is s
    assert walk.rewrite(s, {Index(9, N): poly(3)}) is s


def test_rewriting_replaces_atoms_and_loads_everywhere() -> None:
    s, i = sample(), Index(0, N)
    moved = walk.rewrite(s, {i: poly(Index(5, N))})
    assert i not in walk.atoms(moved) and walk.rewrite(moved, {Index(5, N): poly(i)}) is s
    zeroed = walk.rewrite(s, {}, lambda load: build.constant(0, f32))
    assert not any(isinstance(x, Load) for x in walk.postorder(zeroed))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(-3, 3), st.integers(-3, 3))
def test_rewriting_indices_moves_what_is_computed(n: int, m: int, a: int, b: int) -> None:
    """y[i, j] = s(i, j) read at (p, q) is s with p, q in the place of i, j."""
    s = sample()
    i, j = fresh(N), fresh(M)
    read = build.define([i, j], walk.rewrite(s, {Index(0, N): poly(i), Index(1, M): poly(j)}))
    p, q = (poly(i) + a) % N, (poly(j) + b) % M
    direct = build.define([i, j], walk.rewrite(s, {Index(0, N): p, Index(1, M): q}))
    through = build.define([i, j], at(read, p, q))
    rng = np.random.default_rng(0)
    inputs = {X: rng.normal(size=(n, m)).astype("f"), Y: rng.normal(size=(n, m)).astype("f"), IDS: rng.integers(0, n, n).astype(np.int32)}
    expected, found = evaluate_tensors([through, direct], inputs, {"N": n, "M": m})
    assert np.array_equal(expected, found)


def test_shared_bodies_are_walked_once() -> None:
    """Two to the fortieth paths through forty nodes."""
    x = at(X, Index(0, N), Index(1, M))
    for _ in range(40):
        x = build.apply("add", x, x)
    assert walk.depth(x) == 41 and len(walk.postorder(x)) == 41 and len(walk.loads(x)) == 1
    assert walk.rewrite(walk.rewrite(x, {Index(0, N): poly(Index(7, N))}), {Index(7, N): poly(Index(0, N))}) is x
    (found,) = evaluate_tensors([build.define([Index(0, N), Index(1, M)], x)], {X: np.ones((1, 1), np.float32)}, {"N": 1, "M": 1})
    assert found[0, 0] == 2.0**40


def test_deep_graphs_are_walked_without_recursion() -> None:
    t: Tensor = X
    for _ in range(20_000):
        t = Stop(View(t, (N, M)))
    assert len(walk.topological([t])) == 40_001
    assert walk.sizes([t]) == {Size("N"), Size("M")}


def test_sources_and_order() -> None:
    i, j = fresh(N), fresh(M)
    total = build.define([i, j], build.apply("add", at(X, i, j), at(Y, i, j)))
    scan, sort = Scan("sum", total, X, False), Sort(total, False)
    scatter = Scatter((M, M), (N, M), (build.number(Load(IDS, (poly(Index(0, N)),))) or N, poly(Index(1, M))), Load(scan, (N, M)), Y)
    assert walk.sources(X) == () and walk.sources(total) == (X, Y) and walk.sources(scan) == (total, X) and walk.sources(sort) == (total,)
    assert walk.sources(scatter) == (scan, IDS, Y)
    order = walk.topological([scatter, sort, scatter])
    assert order == [X, Y, total, scan, IDS, scatter, sort]
    assert all(order.index(s) < order.index(t) for t in order for s in walk.sources(t))
    assert scan.dtype is f32 and sort.dtype is i64 and scatter.extents == (M, M) and sort.extents == (N, M)


def test_nodes_survive_copying_and_pickling() -> None:
    s = sample()
    assert pickle.loads(pickle.dumps(s)) is s and copy.deepcopy(s) is s and copy.copy(s) is s


def test_serials_grow() -> None:
    atoms: list[Atom] = [Size(f"serial{n}") for n in range(3)]
    assert all(itertools.starmap(operator.lt, itertools.pairwise(a.serial for a in atoms)))
