"""Programs of every kind, scheduled, checked, interpreted and compared with the oracle, at sizes of 0, 1 and with tails on every axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from steps import steps

from tensorc import algebra
from tensorc.algebra import Element, Index, Poly, fresh, poly, size
from tensorc.backends.reference.evaluate import evaluate_tensors, failed_check
from tensorc.dtypes import DType, bf16, bool_, f16, f32, f64, i8, i32, i64, u8
from tensorc.ir import build
from tensorc.ir.program import BoundsCheck, Program
from tensorc.ir.tensor import Input, Scalar, Scan, Scatter, Sort, Stop, Tensor, View
from tensorc.loops.check import check
from tensorc.loops.interpret import interpret
from tensorc.loops.nest import Schedule
from tensorc.loops.text import show
from tensorc.schedule.program import NO_POSITION, schedule

B, N, M, K, H, D = map(size, "BNMKHD")

Body = Callable[..., Scalar]
PROGRAMS: dict[str, Callable[[], Program]] = {}


def given(name: str, extents: Sequence[Any], dtype: DType) -> Input:
    return Input(name, tuple(map(poly, extents)), dtype)


def at(t: Tensor, *places: Any) -> Scalar:
    return build.load(t, [poly(p) for p in places])


def op(operation: str, *arguments: Scalar | float) -> Scalar:
    dtype = next(a.dtype for a in arguments if not isinstance(a, (int, float)))
    return build.apply(operation, *(build.constant(a, dtype) if isinstance(a, (int, float)) else a for a in arguments))


def tensor(extents: Sequence[Any], body: Body) -> Tensor:
    axes = [fresh(poly(e)) for e in extents]
    return build.define(axes, body(*axes))


def fold(monoid: str, extents: Sequence[Any], bound: Sequence[Any], body: Body) -> Tensor:
    axes, reduced = [fresh(poly(e)) for e in extents], [fresh(poly(e)) for e in bound]
    return build.reduction(monoid, axes, reduced, body(*axes, *reduced))


def total(monoid: str, bound: Sequence[Any], body: Body) -> Scalar:
    axes = [fresh(poly(e)) for e in bound]
    return build.reduce(monoid, axes, body(*axes))


def guarded(condition: Scalar, value: Scalar, otherwise: float) -> Scalar:
    return build.select(condition, value, build.constant(otherwise, value.dtype))


def pointwise(operation: str, *tensors: Tensor) -> Tensor:
    return tensor(tensors[0].extents, lambda *axes: op(operation, *(at(t, *axes) for t in tensors)))


def program(function: Callable[[], tuple[list[Input], list[Tensor]]]) -> Callable[[], Program]:
    def made() -> Program:
        inputs, results = function()
        return Program(function.__name__, tuple(inputs), tuple(results))

    PROGRAMS[function.__name__] = made
    return made


def row_softmax(x: Tensor) -> Tensor:
    *rows, n = x.extents
    m = fold("max", rows, [n], lambda *a: at(x, *a))
    e = tensor(x.extents, lambda *a: op("exp", op("sub", at(x, *a), at(m, *a[:-1]))))
    s = fold("sum", rows, [n], lambda *a: at(e, *a))
    return tensor(x.extents, lambda *a: op("div", at(e, *a), at(s, *a[:-1])))


def rows_mean(x: Tensor) -> Tensor:
    *rows, n = x.extents
    s = fold("sum", rows, [n], lambda *a: at(x, *a))
    return tensor(rows, lambda *a: op("div", at(s, *a), build.cast(build.integer(n), x.dtype)))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    return fold("sum", [a.extents[0], b.extents[1]], [a.extents[1]], lambda i, j, k: op("mul", at(a, i, k), at(b, k, j)))


def norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    mean = rows_mean(x)
    centred = tensor(x.extents, lambda i, j: op("sub", at(x, i, j), at(mean, i)))
    variance = rows_mean(tensor(x.extents, lambda i, j: op("mul", at(centred, i, j), at(centred, i, j))))
    scale = tensor(variance.extents, lambda i: op("rsqrt", op("add", at(variance, i), 1e-5)))
    return tensor(x.extents, lambda i, j: op("add", op("mul", op("mul", at(centred, i, j), at(scale, i)), at(w, j)), at(b, j)))


@program
def softmax() -> Any:
    x = given("x", (N, M), f32)
    return [x], [row_softmax(x)]


@program
def softmax_of_a_vector() -> Any:
    x = given("x", (N,), f64)
    return [x], [row_softmax(x)]


@program
def softmax_axis_0() -> Any:
    x = given("x", (N, M), f32)
    turned = tensor([M, N], lambda i, j: at(x, j, i))
    y = row_softmax(turned)
    return [x], [tensor([N, M], lambda i, j: at(y, j, i))]


@program
def log_softmax() -> Any:
    x = given("x", (B, N, M), f32)
    m = fold("max", [B, N], [M], lambda b, i, j: at(x, b, i, j))
    s = fold("sum", [B, N], [M], lambda b, i, j: op("exp", op("sub", at(x, b, i, j), at(m, b, i))))
    return [x], [tensor(x.extents, lambda b, i, j: op("sub", op("sub", at(x, b, i, j), at(m, b, i)), op("log", at(s, b, i))))]


@program
def layer_norm() -> Any:
    x, w, b = given("x", (N, M), f32), given("w", (M,), f32), given("b", (M,), f32)
    return [x, w, b], [norm(x, w, b)]


@program
def layer_norm_and_its_statistics() -> Any:
    x, w, b = given("x", (N, M), f32), given("w", (M,), f32), given("b", (M,), f32)
    return [x, w, b], [norm(x, w, b), rows_mean(x)]


@program
def layer_norm_of_half_floats() -> Any:
    x = given("x", (N, M), f16)
    wide = tensor([N, M], lambda i, j: build.cast(at(x, i, j), f32))
    w = given("w", (M,), f32)
    y = norm(wide, w, w)
    return [x, w], [tensor([N, M], lambda i, j: build.cast(at(y, i, j), f16)), tensor([N, M], lambda i, j: build.cast(at(y, i, j), bf16))]


@program
def layer_norm_backward() -> Any:
    x, g, w = given("x", (N, M), f32), given("g", (N, M), f32), given("w", (M,), f32)
    mean = rows_mean(x)
    hat = tensor([N, M], lambda i, j: op("tanh", op("sub", at(x, i, j), at(mean, i))))
    p = fold("sum", [N], [M], lambda i, j: op("mul", at(g, i, j), at(hat, i, j)))
    dx = tensor([N, M], lambda i, j: op("sub", op("mul", at(g, i, j), at(w, j)), op("mul", at(hat, i, j), at(p, i))))
    dw = fold("sum", [M], [N], lambda j, i: op("mul", at(g, i, j), at(hat, i, j)))
    db = fold("sum", [M], [N], lambda j, i: at(g, i, j))
    return [x, g, w], [dx, dw, db]


@program
def variance_of_columns() -> Any:
    x = given("x", (N, M), f64)
    turned = tensor([M, N], lambda i, j: at(x, j, i))
    mean = rows_mean(turned)
    return [x], [rows_mean(tensor([M, N], lambda j, i: op("pow", op("sub", at(x, i, j), at(mean, j)), 2.0)))]


@program
def matrix_product() -> Any:
    a, b = given("a", (N, K), f32), given("b", (K, M), f32)
    return [a, b], [matmul(a, b)]


@program
def products_of_transposes() -> Any:
    a, b = given("a", (N, K), f32), given("b", (M, K), f32)
    forward = fold("sum", [N, M], [K], lambda i, j, k: op("mul", at(a, i, k), at(b, j, k)))
    return [a, b], [forward, fold("sum", [K, K], [N], lambda i, j, k: op("mul", at(a, k, i), at(a, k, j)))]


@program
def product_with_itself_and_its_transpose() -> Any:
    a = given("a", (N, N), f32)
    square = matmul(a, a)
    return [a], [tensor([N, N], lambda i, j: op("add", at(square, i, j), at(square, j, i)))]


@program
def perceptron() -> Any:
    x, w, b, v = given("x", (N, K), f32), given("w", (K, H), f32), given("b", (H,), f32), given("v", (H, D), f32)
    z = matmul(x, w)
    h = tensor([N, H], lambda i, j: op("tanh", op("add", at(z, i, j), at(b, j))))
    return [x, w, b, v], [matmul(h, v)]


@program
def perceptron_backward() -> Any:
    x, w, u = given("x", (N, K), f32), given("w", (K, H), f32), given("u", (N, H), f32)
    z = matmul(x, w)
    h = pointwise("tanh", z)
    dz = tensor([N, H], lambda i, j: op("mul", at(u, i, j), op("sub", 1.0, op("mul", at(h, i, j), at(h, i, j)))))
    dw = fold("sum", [K, H], [N], lambda k, j, i: op("mul", at(x, i, k), at(dz, i, j)))
    dx = fold("sum", [N, K], [H], lambda i, k, j: op("mul", at(dz, i, j), at(w, k, j)))
    db = fold("sum", [H], [N], lambda j, i: at(dz, i, j))
    return [x, w, u], [dw, dx, db]


@program
def attention() -> Any:
    q, k, v = given("q", (B, N, D), f32), given("k", (B, M, D), f32), given("v", (B, M, H), f32)
    s = fold("sum", [B, N, M], [D], lambda b, i, j, d: op("mul", at(q, b, i, d), at(k, b, j, d)))
    p = row_softmax(tensor(s.extents, lambda *a: op("div", at(s, *a), 3.0)))
    return [q, k, v], [fold("sum", [B, N, H], [M], lambda b, i, e, j: op("mul", at(p, b, i, j), at(v, b, j, e)))]


@program
def causal_attention() -> Any:
    q, k, v = given("q", (N, D), f32), given("k", (N, D), f32), given("v", (N, D), f32)
    s = fold("sum", [N, N], [D], lambda i, j, d: op("mul", at(q, i, d), at(k, j, d)))
    p = row_softmax(tensor([N, N], lambda i, j: guarded(build.nonnegative(poly(i) - j), at(s, i, j), -np.inf)))
    return [q, k, v], [fold("sum", [N, D], [N], lambda i, e, j: op("mul", at(p, i, j), at(v, j, e)))]


@program
def attention_of_heads() -> Any:
    """Heads are split off and merged again by views."""
    x = given("x", (B, N, H * D), f32)
    split = View(x, (B, N, H, D))
    q = tensor([B, H, N, D], lambda b, h, n, d: at(split, b, n, h, d))
    s = fold("sum", [B, H, N, N], [D], lambda b, h, i, j, d: op("mul", at(q, b, h, i, d), at(q, b, h, j, d)))
    p = row_softmax(s)
    o = fold("sum", [B, H, N, D], [N], lambda b, h, i, d, j: op("mul", at(p, b, h, i, j), at(q, b, h, j, d)))
    back = tensor([B, N, H, D], lambda b, n, h, d: at(o, b, h, n, d))
    merged = View(back, (B, N, H * D))
    w = given("w", (H * D, K), f32)
    out = fold("sum", [B, N, K], [H * D], lambda b, n, k, e: op("mul", at(merged, b, n, e), at(w, e, k)))
    return [x, w], [out, merged]


@program
def convolution() -> Any:
    """With padding: reads outside give 0."""
    x, f = given("x", (B, K, N, M), f32), given("f", (H, K, 3, D), f32)

    def term(b: Index, o: Index, h: Index, w: Index, c: Index, r: Index, s: Index) -> Scalar:
        y, z = poly(h) + r - 1, poly(w) + s - 1
        inside = build.both(build.inside(y, N), build.inside(z, M))
        return op("mul", guarded(inside, at(x, b, c, y, z), 0.0), at(f, o, c, r, s))

    return [x, f], [fold("sum", [B, H, N, M], [K, 3, D], term)]


@program
def convolution_of_a_padded_copy() -> Any:
    x, f = given("x", (K, N), f32), given("f", (H, K, 3), f32)
    padded = tensor([K, N + 2], lambda c, i: guarded(build.inside(poly(i) - 1, N), at(x, c, poly(i) - 1), 0.0))
    return [x, f], [fold("sum", [H, N], [K, 3], lambda o, i, c, r: op("mul", at(padded, c, poly(i) + r), at(f, o, c, r)))]


@program
def stencils() -> Any:
    u = given("u", (N, M), f32)

    def step(u: Tensor) -> Tensor:
        def near(i: Poly, j: Poly) -> Scalar:
            return guarded(build.both(build.inside(i, N), build.inside(j, M)), at(u, i, j), 0.0)

        def body(a: Index, b: Index) -> Scalar:
            i, j = poly(a), poly(b)
            around = op("add", op("add", near(i - 1, j), near(i + 1, j)), op("add", near(i, j - 1), near(i, j + 1)))
            return op("add", at(u, i, j), op("mul", 0.1, op("sub", around, op("mul", 4.0, at(u, i, j)))))

        return tensor([N, M], body)

    return [u], [step(step(step(u)))]


@program
def nearest_neighbour() -> Any:
    p, q = given("p", (N, K), f32), given("q", (M + 1, K), f32)
    d = fold("sum", [N, M + 1], [K], lambda i, j, k: op("pow", op("sub", at(p, i, k), at(q, j, k)), 2.0))
    least = fold("min", [N], [M + 1], lambda i, j: at(d, i, j))

    def place(i: Index, j: Index) -> Scalar:
        return build.select(op("eq", at(d, i, j), at(least, i)), build.integer(poly(j)), build.constant(1 << 60, i64))

    return [p, q], [fold("min", [N], [M + 1], place), least]


@program
def cross_entropy() -> Any:
    x, y = given("x", (N, M + 1), f32), given("y", (N,), i64)
    p = row_softmax(x)
    picked = tensor([N], lambda i: op("log", at(x, i, Element(y, (poly(i),)))))
    loss = total("sum", [N], lambda i: at(picked, i))
    gradient = tensor([N, M + 1], lambda i, j: guarded(build.is_zero(poly(Element(y, (poly(i),))) - j), at(p, i, j), 0.0))
    return [x, y], [tensor([], lambda: op("div", loss, build.cast(build.integer(N), f32))), gradient]


@program
def gather_by_computed_places() -> Any:
    x, y = given("x", (M + 1, K), f32), given("y", (N,), i64)
    wrapped = tensor([N], lambda i: build.select(op("lt", at(y, i), 0), op("add", at(y, i), build.integer(M + 1)), at(y, i)))
    gathered = tensor([N, K], lambda i, j: at(x, Element(wrapped, (poly(i),)), j))
    return [x, y], [gathered, fold("sum", [K], [N], lambda j, i: at(gathered, i, j))]


@program
def scans() -> Any:
    x, g = given("x", (N, M), f32), given("g", (N, M), f32)
    doubled = pointwise("add", x, x)
    turned = tensor([M, N], lambda j, i: at(x, i, j))
    down = Scan("sum", turned, None, False)
    highest = Scan("max", x, None, True)
    decayed = Scan("sum", doubled, tensor([N, M], lambda i, j: op("div", at(g, i, j), 2.0)), False)
    back = Scan("sum", x, g, True)
    results = [
        Scan("sum", doubled, None, False),
        tensor([N, M], lambda i, j: at(down, j, i)),
        highest,
        decayed,
        back,
        Scan("prod", x, None, True),
    ]
    return [x, g], [*results, tensor([N, M], lambda i, j: op("exp", at(highest, i, j)))]


@program
def sorted_rows() -> Any:
    x = given("x", (N, M), f32)
    key = pointwise("neg", x)
    order = Sort(key, True)
    values = tensor([N, M], lambda i, j: at(x, i, Element(order, (poly(i), poly(j)))))
    return [x], [values, order, Sort(x, False), Sort(View(key, (N * M,)), False)]


@program
def scatter() -> Any:
    x, y, base = given("x", (N, K), f32), given("y", (N,), i32), given("base", (M, K), f32)

    def into(start: Tensor | None) -> Tensor:
        i, j = Index(0, N), Index(1, K)
        return Scatter((M, K), (N, K), (poly(Element(y, (poly(i),))), poly(j)), op("exp", at(x, i, j)), start)

    counts = Scatter((M,), (N,), (poly(Element(y, (poly(Index(0, N)),))),), build.constant(1, i64), None)
    return [x, y, base], [into(None), into(pointwise("neg", base)), counts, pointwise("sqrt", into(base))]


@program
def reshapes() -> Any:
    x = given("x", (N, M, K), f32)
    flat = View(x, (N * M * K,))
    doubled = pointwise("add", flat, flat)
    square = View(pointwise("exp", doubled), (N * M, K))
    rows = fold("sum", [N * M], [K], lambda i, j: at(square, i, j))
    back = View(rows, (N, M))
    turned = tensor([M, N], lambda j, i: at(back, i, j))
    weighted = fold("sum", [D], [N * M * K], lambda o, e: op("mul", at(flat, e), at(given("w", (D, N * M * K), f32), o, e)))
    results = [flat, doubled, square, rows, back, View(turned, (M * N,)), View(View(doubled, (N, M * K)), (K, M, N)), weighted]
    return [x, given("w", (D, N * M * K), f32)], results


@program
def views_of_reductions() -> Any:
    x = given("x", (N * M, K), f32)
    rows = fold("sum", [N * M], [K], lambda i, j: at(x, i, j))
    square = View(rows, (N, M))
    low = fold("min", [N], [M], lambda i, j: at(square, i, j))
    product = fold("sum", [N * M, K], [K], lambda i, j, k: op("mul", at(x, i, k), at(x, i, j)))
    return [x], [low, View(product, (N, M, K)), View(Scan("sum", x, None, False), (N, M, K))]


@program
def transposes() -> Any:
    x, y = given("x", (N, M), f32), given("y", (M, N), f32)
    s = tensor([N, M], lambda i, j: op("add", at(x, i, j), at(y, j, i)))
    e = pointwise("exp", s)
    return [x, y], [s, tensor([M, N], lambda i, j: at(s, j, i)), tensor([M, N], lambda j, i: op("mul", at(e, i, j), 2.0)), e]


@program
def slices_and_joins() -> Any:
    x, y = given("x", (N, M), f32), given("y", (K, M), f32)

    def joined(a: Index, j: Index) -> Scalar:
        i = poly(a)
        return build.select(build.nonnegative(N - 1 - i), at(x, i, j), at(y, i - N, j))

    both = tensor([N + K, M], joined)
    first = tensor([N, M], lambda i, j: at(both, i, j))
    reversed_ = tensor([N + K, M], lambda i, j: at(both, N + K - 1 - i, M - 1 - j))
    return [x, y], [both, first, reversed_, fold("max", [M], [N + K], lambda j, i: at(both, i, j))]


@program
def sums() -> Any:
    x = given("x", (B, N, M), f32)
    everything = fold("sum", [], [B, N, M], lambda b, i, j: at(x, b, i, j))
    columns = fold("sum", [M], [B, N], lambda j, b, i: at(x, b, i, j))
    middle = fold("sum", [B, M], [N], lambda b, j, i: op("exp", at(x, b, i, j)))
    return [x], [everything, columns, middle, tensor([M], lambda j: op("sqrt", op("abs", op("div", at(columns, j), 7.0))))]


@program
def every_monoid_and_dtype() -> Any:
    dtypes: list[DType] = [f32, f64, i8, i64, u8, bool_]
    inputs = [given(f"x_{d}", (N, M), d) for d in dtypes]
    results = []
    for x in inputs:
        for monoid in ("any", "all") if x.dtype is bool_ else ("sum", "prod", "max", "min"):
            results += [fold(monoid, [N], [M], lambda i, j, x=x: at(x, i, j)), fold(monoid, [M], [N], lambda j, i, x=x: at(x, i, j))]
    return inputs, results


@program
def results_that_are_inputs_or_equal() -> Any:
    x, y = given("x", (N, M), f32), given("y", (), i32)
    z = pointwise("neg", x)
    return [x, y], [x, z, z, y, Stop(x), Stop(z), View(x, (N, poly(1), M)), pointwise("exp", z)]


@program
def constants_and_scalars() -> Any:
    x = given("x", (), f32)
    scale = tensor([], lambda: op("exp", at(x)))
    iota = tensor([N, M], lambda i, j: build.integer(poly(i) * M + j))
    return [x, given("n", (N, M), f32)], [
        tensor([N], lambda i: op("mul", at(scale), op("sin", at(x)))),
        iota,
        tensor([], lambda: build.constant(3, i8)),
    ]


@program
def extents_of_1() -> Any:
    x = given("x", (N, 1, M), f32)
    s = fold("sum", [N, 1, 1], [M], lambda i, u, v, j: at(x, i, u, j))
    y = tensor([N, 1, M], lambda i, u, j: op("div", at(x, i, u, j), at(s, i, 0, 0)))
    return [x], [y, fold("sum", [N, M], [1], lambda i, j, u: at(y, i, u, j))]


@program
def a_ladder() -> Any:
    """Every rung reads the two before, so that written out it is exponential."""
    a, b = given("a", (N, M), f32), given("b", (N, M), f32)
    rungs: list[Tensor] = [a, b]
    for n in range(60):
        rungs.append(pointwise(("add", "sub", "maximum")[n % 3], rungs[-1], rungs[-2]))
    return [a, b], [rungs[-1]]


@program
def powers() -> Any:
    x = given("x", (N,), f32)
    t: Tensor = x
    for _ in range(60):
        t = tensor([N], lambda i, t=t: op("add", op("mul", op("mul", at(t, i), at(t, i)), 0.25), at(t, i)))
    return [x], [t]


SIZES = [
    dict(zip("BNMKHD", sizes, strict=True))
    for sizes in ((2, 3, 5, 4, 2, 3), (1, 1, 1, 1, 1, 1), (1, 9, 21, 2, 3, 5), (2, 0, 3, 2, 2, 2), (1, 2, 0, 3, 1, 2), (3, 2, 3, 0, 2, 1))
]


def arrays(p: Program, sizes: dict[str, int]) -> list[Any]:
    random = np.random.default_rng(0)
    made = []
    for x in p.inputs:
        shape = tuple(algebra.evaluate(e, sizes) for e in x.extents)
        if x.dtype.is_float:
            made.append(random.standard_normal(shape).astype(x.dtype.numpy))
        elif x.dtype is bool_:
            made.append(random.integers(0, 2, shape).astype(bool))
        else:
            made.append(random.integers(0, 2 + sizes["M"] * (x.name == "y"), shape).astype(x.dtype.numpy))
    return made


def run(p: Program, s: Schedule, sizes: dict[str, int]) -> None:
    inputs = arrays(p, sizes)
    found, _ = interpret(s, inputs, sizes)
    for expected, actual in zip(evaluate_tensors(p.results, dict(zip(p.inputs, inputs, strict=True)), sizes), found, strict=True):
        if actual.dtype.itemsize == 2 and actual.dtype.kind not in "iu":
            expected, actual = expected.astype(np.float32), actual.astype(np.float32)
            np.testing.assert_allclose(actual, expected, rtol=1e-2, atol=1e-2)
        elif actual.dtype.kind == "f":
            np.testing.assert_allclose(actual, expected, rtol=3e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", PROGRAMS)
def test_schedule_computes_what_the_oracle_does(name: str) -> None:
    p = PROGRAMS[name]()
    s = schedule(p)
    check(s)
    for sizes in SIZES:
        run(p, s, sizes)


def test_check_finds_the_first_bad_place() -> None:
    x, y = given("x", (M,), f32), given("y", (N, K), i64)
    p = Program(
        "gather", (x, y), (tensor([N, K], lambda i, j: at(x, Element(y, (poly(i), poly(j))))),), checks=(BoundsCheck(y, M, "x", 0),)
    )
    s = schedule(p)
    check(s)
    places = np.array([[0, 1, 2], [2, 1, 0], [-1, 3, 0]])
    values = np.arange(3, dtype=np.float32)
    assert interpret(s, [values, places], {"M": 3, "N": 3, "K": 3})[1] == [6]
    found = failed_check(p, [values, places])
    assert found is not None and found[2] == (2, 0)
    assert interpret(s, [values, places[:2]], {"M": 3, "N": 2, "K": 3})[1] == [NO_POSITION]


def test_a_check_of_computed_places() -> None:
    y = given("y", (N,), i32)
    place = tensor([N], lambda i: op("add", build.cast(at(y, i), i64), 1))
    s = schedule(Program("places", (y,), (place,), checks=(BoundsCheck(place, N, "x", 0),)))
    check(s)
    assert interpret(s, [np.array([0, 1, 2, 3], np.int32)], {"N": 4})[1] == [3]


def kernels(name: str) -> int:
    return len(schedule(PROGRAMS[name]()).usual.kernels)


@pytest.mark.parametrize(
    "name", ["softmax", "log_softmax", "layer_norm", "attention", "nearest_neighbour", "matrix_product", "a_ladder", "powers"]
)
def test_fuses_to_one_kernel(name: str) -> None:
    assert kernels(name) == 1


def test_nothing_is_stored_that_is_read_once() -> None:
    x = given("x", (N, M), f32)
    y = pointwise("exp", pointwise("sin", pointwise("neg", x)))
    s = schedule(Program("chain", (x,), (fold("sum", [N], [M], lambda i, j: at(y, i, j)),))).usual
    assert not s.intermediates and len(s.kernels) == 1 and not s.kernels[0].scratch


def test_a_tie_test_sees_the_same_terms() -> None:
    """max and x == max(x): both read one scratch or compute the same scalar."""
    x = given("x", (N, M), f32)
    y = pointwise("exp", pointwise("sin", x))
    m = fold("max", [N], [M], lambda i, j: at(y, i, j))
    ties = fold("sum", [N], [M], lambda i, j: build.select(op("eq", at(y, i, j), at(m, i)), build.constant(1, i64), build.constant(0, i64)))
    p = Program("ties", (x,), (ties,))
    (found,), _ = interpret(schedule(p), [np.random.default_rng(1).standard_normal((5, 7)).astype(np.float32)], {"N": 5, "M": 7})
    assert (found == 1).all()


def chain(count: int) -> Program:
    x = given("x", (N, M), f32)
    t: Tensor = x
    for n in range(count):
        t = pointwise(("sin", "exp", "tanh")[n % 3], t) if n % 2 else pointwise("add", t, x)
    return Program("chain", (x,), (t,))


def layers(count: int) -> Program:
    x, w, b, u = given("x", (N, D), f32), given("w", (D, H), f32), given("b", (D,), f32), given("u", (H, D), f32)
    t: Tensor = x
    for _ in range(count):
        h = matmul(norm(t, b, b), w)
        y = matmul(tensor([N, H], lambda i, j, h=h: op("tanh", at(h, i, j))), u)
        t = tensor([N, D], lambda i, j, t=t, y=y: op("add", at(t, i, j), at(y, i, j)))
    return Program("layers", (x, w, b, u), (t,))


def test_many_definitions_are_scheduled_in_linear_time() -> None:
    made: list[Schedule] = []
    short = steps(lambda: schedule(chain(500)))
    assert steps(lambda: made.append(schedule(chain(2000)))) < 5 * short
    check(made[0])
    assert max(len(show(k)) for k in made[0].kernels) < 60_000


def test_many_layers_are_scheduled_in_linear_time() -> None:
    made: list[Schedule] = []
    short = steps(lambda: schedule(layers(5)))
    assert steps(lambda: made.append(schedule(layers(20)).usual)) < 5 * short
    check(made[0])
    assert len(made[0].kernels) <= 60
