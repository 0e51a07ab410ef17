"""The oracle against plain NumPy, node by node."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest

from tensorc import algebra
from tensorc.algebra import Index, Poly, fresh, poly, size
from tensorc.backends.reference import evaluate as oracle
from tensorc.backends.reference.evaluate import evaluate, evaluate_tensors, failed_check
from tensorc.dtypes import DTYPES, DType, bf16, bool_, f16, f32, f64, i8, i32, i64, u8, u64
from tensorc.ir import build, operations, walk
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.program import BoundsCheck, Program
from tensorc.ir.tensor import Input, Load, Scalar, Scan, Scatter, Sort, Stop, Tensor, View

N, M, K = size("N"), size("M"), size("K")
Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.filterwarnings("error")


def at(t: Tensor, *subscripts: Poly | Index) -> Scalar:
    return build.load(t, [poly(s) for s in subscripts])


def run(result: Tensor, **arrays: Array) -> Array:
    """The result, whose inputs are found by name."""
    inputs = tuple(t for t in walk.topological([result]) if isinstance(t, Input))
    (value,) = evaluate(Program("test", inputs, (result,)), [arrays[t.name] for t in inputs])
    return value


def normal(*shape: int, dtype: DType = f32) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype.numpy)


def vector(dtype: DType, name: str = "x") -> Input:
    return Input(name, (N,), dtype)


def element(t: Tensor, *subscripts: Poly | Index) -> Poly:
    found = build.number(at(t, *subscripts))
    assert found is not None
    return found


# Definitions.


def test_pointwise_with_broadcasting() -> None:
    x, y = Input("x", (N, M), f32), Input("y", (M,), f32)
    i, j = fresh(N), fresh(M)
    a, b = normal(3, 4), normal(4)
    found = run(build.define([i, j], build.apply("add", at(x, i, j), at(y, j))), x=a, y=b)
    assert found.dtype == np.float32 and np.array_equal(found, a + b)
    assert np.array_equal(run(build.define([j, i], at(x, i, j)), x=a), a.T)


def test_zero_dimensional_and_empty() -> None:
    s, x = Input("s", (), f32), Input("x", (N, M), f32)
    i, j = fresh(N), fresh(M)
    doubled = run(build.define([], build.apply("add", at(s), at(s))), s=np.array(1.5, np.float32))
    assert doubled.shape == () and doubled == 3
    body = build.apply("exp", at(x, i, j))
    assert run(build.define([i, j], body), x=np.zeros((0, 4), np.float32)).shape == (0, 4)
    for name, identity in {"sum": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}.items():
        assert run(build.reduction(name, [i], [j], body), x=np.zeros((2, 0), np.float32)).tolist() == [identity] * 2


def test_matrix_product_and_convolution() -> None:
    x, y = Input("x", (N, K), f64), Input("y", (K, M), f64)
    i, j, k = fresh(N), fresh(M), fresh(K)
    product = build.reduction("sum", [i, j], [k], build.apply("mul", at(x, i, k), at(y, k, j)))
    a, b = normal(5, 7, dtype=f64), normal(7, 6, dtype=f64)
    np.testing.assert_allclose(run(product, x=a, y=b), a @ b, rtol=1e-13)
    signal, kernel = vector(f64, "s"), Input("k", (K,), f64)
    out = fresh(N - K + 1)
    convolution = build.reduction("sum", [out], [k], build.apply("mul", at(signal, poly(out) + k), at(kernel, k)))
    s, w = normal(9, dtype=f64), normal(4, dtype=f64)
    np.testing.assert_allclose(run(convolution, s=s, k=w), np.correlate(s, w), rtol=1e-12)


def test_sizes_indices_and_guards_are_values() -> None:
    i, j = fresh(N), fresh(M)
    x = Input("x", (N, M), f32)
    a = normal(3, 5)
    number = poly(i) * M + j - 2 * N
    assert np.array_equal(run_with(build.define([i, j], build.integer(number)), N=3, M=5), np.arange(15).reshape(3, 5) - 6)
    lower = build.select(build.nonnegative(poly(i) - j), at(x, i, j), build.constant(0, f32))
    assert np.array_equal(run(build.define([i, j], lower), x=a), np.tril(a))
    diagonal = build.cast(build.is_zero(poly(i) - j), f32)
    assert np.array_equal(run_with(build.define([i, j], diagonal), N=3, M=5), np.eye(3, 5, dtype=np.float32))


def run_with(t: Tensor, **sizes: int) -> Array:
    return evaluate_tensors([t], {}, sizes)[0]


def test_quotients_and_remainders_floor() -> None:
    i = fresh(N)
    for d in (3, -3):
        body = build.integer((poly(i) - 4) // d * 100 + (poly(i) - 4) % d)
        assert run_with(build.define([i], body), N=9).tolist() == [(n - 4) // d * 100 + (n - 4) % d for n in range(9)]
    by_size = build.integer((poly(i) - 4) // M + (poly(i) - 4) % M)
    assert run_with(build.define([i], by_size), N=9, M=0).tolist() == [0] * 9


def test_integers_wrap() -> None:
    i = fresh(N)
    assert run_with(build.define([i], build.integer(poly(i) * (1 << 62))), N=5).tolist() == [0, 1 << 62, -(1 << 63), -(1 << 62), 0]
    assert run_with(build.define([i], build.integer((1 << 63) + poly(i))), N=1).tolist() == [-(1 << 63)]
    x = vector(i8)
    assert run(build.define([i], build.apply("mul", at(x, i), at(x, i))), x=np.array([100, -128], np.int8)).tolist() == [16, 0]


# Loads.


def test_a_guarded_load_reads_the_other_value_outside() -> None:
    x, i = vector(f32), fresh(N)
    a = normal(5)
    for shift in (-2, 0, 3, 9):
        place = poly(i) + shift
        body = build.select(build.inside(place, N), at(x, place), build.constant(7, f32))
        assert run(build.define([i], body), x=a).tolist() == [float(a[n + shift]) if 0 <= n + shift < 5 else 7 for n in range(5)]


def test_a_load_from_nothing_is_some_value() -> None:
    x, j = vector(f32), fresh(3)
    body = build.select(build.inside(poly(j), N), at(x, j), build.constant(7, f32))
    assert run(build.define([j], body), x=np.zeros(0, np.float32)).tolist() == [7, 7, 7]


def test_a_gather() -> None:
    table, ids = Input("table", (N, M), f32), Input("ids", (K,), u8)
    k, j = fresh(K), fresh(M)
    a = normal(4, 3)
    found = run(build.define([k, j], at(table, element(ids, k), j)), table=a, ids=np.array([3, 0, 3], np.uint8))
    assert np.array_equal(found, a[[3, 0, 3]])
    nested = build.define([k], build.integer(2 * element(ids, element(ids, k)) + 1))
    assert run(nested, ids=np.array([2, 0, 1], np.uint8)).tolist() == [3, 5, 1]


# Reductions.


@pytest.mark.parametrize("name", MONOIDS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_reductions_in_every_dtype(name: str, dtype: DType) -> None:
    if (name in ("any", "all")) != (dtype is bool_):
        return
    a = normal(4, 6, dtype=f64) * 3
    a = (a > 0) if dtype is bool_ else abs(a).astype(dtype.numpy) if dtype.kind == "uint" else a.astype(dtype.numpy)
    x, i, j = Input("x", (N, M), dtype), fresh(N), fresh(M)
    found = run(build.reduction(name, [j], [i], at(x, i, j)), x=a)
    combine = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum, "any": np.logical_or, "all": np.logical_and}[name]
    wide = a.astype(np.float64) if dtype.is_float else a
    expected = combine.reduce(wide, axis=0, dtype=wide.dtype).astype(dtype.numpy)
    assert found.dtype == dtype.numpy and np.array_equal(found, expected)


def test_float_sums_are_rounded_once() -> None:
    x, i = vector(f32), fresh(N)
    assert run(build.reduction("sum", [], [i], at(x, i)), x=np.array([1e8, 1, -1e8, 1], np.float32)) == 2
    half = vector(bf16)
    ones = np.ones(1000, bf16.numpy)
    assert run(build.reduction("sum", [], [i], at(half, i)), x=ones) == 1000
    tiny = vector(f16)
    assert run(build.reduction("sum", [], [i], at(tiny, i)), x=np.array([60000, 60000, -60000], np.float16)) == np.float16(60000)


def test_max_and_min_pass_nan_on() -> None:
    for dtype, name in itertools.product((f16, bf16, f32, f64), ("max", "min")):
        x, i = vector(dtype), fresh(N)
        a = np.array([1, math.nan, 3], dtype.numpy)
        assert math.isnan(run(build.reduction(name, [], [i], at(x, i)), x=a))
        scanned = run(Scan(name, x, None, False), x=a).astype(np.float64)
        assert np.isnan(scanned).tolist() == [False, True, True]


def test_integer_sums_wrap() -> None:
    x, i = vector(u8), fresh(N)
    assert run(build.reduction("sum", [], [i], at(x, i)), x=np.array([200, 100], np.uint8)) == 44
    y = vector(i64)
    assert run(build.reduction("sum", [], [i], at(y, i)), x=np.array([2**62, 2**62])) == -(2**63)


def test_identities() -> None:
    for dtype in DTYPES.values():
        for monoid in MONOIDS.values():
            if (monoid.name in ("any", "all")) == (dtype is bool_):
                some = np.array([False, True]) if dtype is bool_ else np.array([1, 2, 100], dtype.numpy)
                identity = np.full_like(some, monoid.identity(dtype))
                assert np.array_equal(operations.evaluate(monoid.combine, [identity, some], dtype), some)
                assert np.array_equal(operations.evaluate(monoid.combine, [some, identity], dtype), some)


def test_large_definitions_are_evaluated_in_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = Input("x", (N, K), f64), Input("y", (K, M), f64)
    i, j, k = fresh(N), fresh(M), fresh(K)
    body = build.apply("mul", at(x, i, k), at(y, k, j))
    tensors = [
        build.reduction("sum", [i, j], [k], body),
        build.reduction("max", [j], [i, k], body),
        build.reduction("sum", [], [i, j, k], body),
        build.define([i, k, j], body),
        Scatter((poly(3), M), (N, M, K), (poly(Index(0, N)) - 1, poly(Index(1, M))), at(x, Index(0, N), Index(2, K)), None),
    ]
    inputs = {x: normal(5, 7, dtype=f64), y: normal(7, 6, dtype=f64)}
    whole = evaluate_tensors(tensors, inputs, {"N": 5, "M": 6, "K": 7})
    for limit in (1, 2, 5, 20, 41, 42, 50, 209, 210):
        monkeypatch.setattr(oracle, "BOX", limit)
        for a, b in zip(evaluate_tensors(tensors, inputs, {"N": 5, "M": 6, "K": 7}), whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


def test_a_huge_iteration_space_needs_little_memory() -> None:
    i, j = fresh(1 << 13), fresh(1 << 13)
    (found,) = evaluate_tensors([build.reduction("max", [], [i, j], build.integer(poly(i) * j))], {}, {})
    assert found == ((1 << 13) - 1) ** 2


# The other nodes.


def test_a_view_keeps_row_major_order() -> None:
    x = Input("x", (N, M), f32)
    a = normal(4, 6)
    assert np.array_equal(run(View(x, (N * M,)), x=a), a.ravel())
    i, j = fresh(N), fresh(M)
    transposed = build.define([j, i], at(x, i, j))
    assert np.array_equal(run(View(transposed, (poly(2), N * M // 2)), x=a), a.T.reshape(2, 12))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("dtype", [f32, f64, bf16, i32, i8], ids=str)
def test_scans(name: str, reverse: bool, dtype: DType) -> None:
    x = Input("x", (N, M), dtype)
    a = (normal(3, 5, dtype=f64) * 3).astype(dtype.numpy)
    found = run(Scan(name, x, None, reverse), x=a)
    monoid = MONOIDS[name]
    assert found.dtype == dtype.numpy
    for n in range(5):
        part = a[:, n:] if reverse else a[:, : n + 1]
        expected = monoid.reduce(part, (1,)).astype(dtype.numpy)
        np.testing.assert_allclose(found[:, n].astype(np.float64), expected.astype(np.float64), rtol=1e-14)
    assert run(Scan(name, x, None, reverse), x=np.zeros((2, 0), dtype.numpy)).shape == (2, 0)


def test_scans_of_bool() -> None:
    x = vector(bool_)
    a = np.array([False, True, False])
    assert run(Scan("any", x, None, False), x=a).tolist() == [False, True, True]
    assert run(Scan("all", x, None, True), x=a).tolist() == [False, False, False]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_with_decay_is_the_recurrence(reverse: bool) -> None:
    x, d = Input("x", (N, M), f64), Input("d", (N, M), f64)
    a, b = normal(3, 5, dtype=f64), normal(3, 5, dtype=f64) * 2
    b[:, 4 if reverse else 0] = math.inf  # nothing stands before the first place to decay
    found = run(Scan("sum", x, d, reverse), x=a, d=b)
    expected, state = np.zeros((3, 5)), np.zeros(3)
    for count, n in enumerate(range(4, -1, -1) if reverse else range(5)):
        state = a[:, n] + (b[:, n] * state if count else 0)
        expected[:, n] = state
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert run(Scan("sum", x, d, reverse), x=a[:, :0], d=b[:, :0]).shape == (3, 0)


def test_a_scatter_adds_drops_what_is_outside_and_starts_from_its_base() -> None:
    x, ids, base = vector(f32), vector(i32, "ids"), Input("base", (M,), f32)
    n = Index(0, N)
    a, places = np.array([1, 2, 4, 8, 16], np.float32), np.array([2, 0, 2, -1, 3], np.int32)
    start = np.array([100, 200, 300], np.float32)
    added = Scatter((M,), (N,), (element(ids, n),), at(x, n), base)
    assert run(added, x=a, ids=places, base=start).tolist() == [102, 200, 305]
    assert run(Scatter((poly(3),), (N,), (element(ids, n),), at(x, n), None), x=a, ids=places).tolist() == [2, 0, 5]
    assert run(Scatter((), (N,), (), at(x, n), None), x=a) == 31
    assert start.tolist() == [100, 200, 300]


def test_scattered_integers_wrap_and_halves_are_rounded_once() -> None:
    n = Index(0, N)
    assert run(Scatter((poly(1),), (N,), (poly(0),), at(vector(u8), n), None), x=np.full(3, 100, np.uint8)).tolist() == [44]
    assert run(Scatter((poly(1),), (N,), (poly(0),), at(vector(bf16), n), None), x=np.ones(1000, bf16.numpy)).astype(float).tolist() == [
        1000
    ]


@pytest.mark.parametrize("dtype", [bool_, i8, u64, f16, bf16, f32, f64], ids=str)
def test_sorts_are_stable_and_nan_is_last(dtype: DType) -> None:
    values: list[float] = [1, 0, 1, 0, 1] if dtype is bool_ else [3, 1, 2, 3, 1, 0, 2]
    if dtype.is_float:
        values += [math.nan, math.inf, -0.0, math.nan, -math.inf]
    a = np.array(values).astype(dtype.numpy)

    last = [n for n, v in enumerate(values) if math.isnan(v)]
    others = [n for n, v in enumerate(values) if not math.isnan(v)]
    up = sorted(others, key=lambda n: values[n]) + last
    down = sorted(others, key=lambda n: values[n], reverse=True) + last  # Python's keeps equal elements in order in this direction too
    x = vector(dtype)
    assert run(Sort(x, False), x=a).tolist() == up and run(Sort(x, True), x=a).tolist() == down
    assert run(Sort(x, True), x=a).dtype == np.int64
    y = Input("y", (N, M), dtype)
    assert np.array_equal(run(Sort(y, True), y=np.stack([a, a[::-1]]))[0], down)
    assert run(Sort(x, True), x=a[:0]).shape == (0,)


def test_stop_is_its_source() -> None:
    x = vector(f32)
    assert np.array_equal(run(Stop(x), x=normal(4)), normal(4))


def test_results_share_no_memory_with_inputs() -> None:
    x = vector(f32)
    a = normal(4)
    found = run(View(Stop(x), (N,)), x=a)
    found[0] = 99
    assert a[0] != 99


def test_long_chains_are_evaluated_without_recursion() -> None:
    t: Tensor = vector(f32)
    i = Index(0, N)
    for _ in range(3000):
        t = build.define([i], build.apply("add", at(t, i), build.constant(1, f32)))
    assert run(t, x=np.zeros(2, np.float32)).tolist() == [3000, 3000]


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, i = vector(f32), fresh(N)
        body = build.apply("log", build.apply("div", at(x, i), build.constant(0, f32)))
        run(build.reduction("sum", [], [i], build.cast(build.apply("exp", body), f16)), x=np.array([-1, 0, 1, 3e38], np.float32))


# Programs.


def test_results_and_places_are_in_the_order_of_the_outputs() -> None:
    x, ids = Input("x", (M,), f32), vector(i32, "ids")
    i = fresh(N)
    place = build.define([i], build.integer(element(ids, i)))
    gathered = build.define([i], at(x, element(ids, i)))
    program = Program("gather", (x, ids), (gathered, x), checks=(BoundsCheck(place, M, "x", 0),))
    a, n = normal(4), np.array([3, 0], np.int32)
    first, second, third = evaluate(program, [a, n])
    assert np.array_equal(first, a[n]) and np.array_equal(second, a) and third.tolist() == [3, 0]
    assert failed_check(program, [a, n]) is None


def test_the_first_place_outside_is_found() -> None:
    ids = Input("ids", (N, M), i32)
    i, j = fresh(N), fresh(M)
    good = build.define([i], build.integer(poly(i)))
    place = build.define([i, j], build.integer(element(ids, i, j)))
    checks = (BoundsCheck(good, N, "x", 0), BoundsCheck(place, K, "table", 1))
    k = Input("k", (K,), f32)
    program = Program("p", (ids, k), (), checks=checks)
    for wrong in (-1, 5):
        a = np.array([[0, 4, 2], [1, wrong, -9]], np.int32)
        assert failed_check(program, [a, normal(5)]) == (checks[1], wrong, (1, 1))
    scalar = Program("p", (Input("n", (), i64),), (), checks=(BoundsCheck(Input("n", (), i64), poly(3), "x", 0),))
    assert failed_check(scalar, [np.array(3)]) == (scalar.checks[0], 3, ())
    assert failed_check(program, [np.zeros((0, 3), np.int32), normal(0)]) is None


def test_arrays_that_do_not_fit_are_refused() -> None:
    x, y = Input("x", (N, M), f32), Input("y", (2 * N,), f32)
    program = Program("p", (x, y), (x,))
    good = [normal(2, 3), normal(4)]
    assert np.array_equal(evaluate(program, good)[0], good[0])
    with pytest.raises(ValueError, match=r"y has the shape \(4,\), not \(5,\)"):
        evaluate(program, [good[0], normal(5)])
    with pytest.raises(ValueError, match="x has 2 axes, not 1"):
        evaluate(program, [normal(2), normal(4)])
    with pytest.raises(TypeError, match="y is f32, not float64"):
        evaluate(program, [good[0], good[1].astype(np.float64)])
    with pytest.raises(ValueError, match="no array gives the size K"):
        evaluate(Program("p", (Input("z", (K + 1,), f32),), ()), [normal(3)])


def test_extents_that_no_axis_can_have() -> None:
    x, i = vector(f32), fresh(N - 3)
    with pytest.raises(ValueError, match="the extent N - 3 is -1"):
        run(build.define([i], at(x, i)), x=normal(2))
    huge = fresh(algebra.poly(1 << 40) * (1 << 40))
    with pytest.raises(ValueError, match="which no axis can have"):
        evaluate_tensors([build.define([huge], build.constant(1, f32))], {}, {})


def test_one_axis_that_stands_twice() -> None:
    x = Input("x", (N, N), f32)
    i = fresh(N)
    a = normal(3, 3)
    assert np.array_equal(run(build.define([i], Load(x, (poly(i), poly(i)))), x=a), a.diagonal())
