"""Loop nests written by hand, in every form that the loop IR has, compiled and compared with NumPy at sizes with tails."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np
import pytest

from tensorc.algebra import Element, Index, Poly, poly, size
from tensorc.dtypes import DType, bool_, f32, f64, i32, i64
from tensorc.ir import build
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Load, Scalar
from tensorc.loops.check import check_kernel
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
    Schedule,
    Scratch,
    SortRow,
    Statement,
    Store,
    Update,
    read,
    variable,
)
from tensorc.runtime.executable import Executable, compile_schedule

N, M, K = size("N"), size("M"), size("K")
i, j, k = Index(0, N), Index(1, M), Index(2, K)
EXTENTS = [0, 1, 2, 7, 15, 16, 17, 31, 33, 64, 65, 131]
BINDS = [SERIAL, Bind("unroll", 3), Bind("unroll", 4), Bind("vector", 1), Bind("vector", 3), Bind("vector", 4)]
RANDOM = np.random.default_rng(7)


def load(memory: Any, *subscripts: Any) -> Scalar:
    return Load(memory, tuple(map(poly, subscripts)))


def compiled(
    body: list[Statement], inputs: list[Input], results: list[Buffer], scratch: tuple[Scratch, ...] = (), reads: tuple[Any, ...] = ()
) -> Executable:
    kernel = Kernel("kernel", tuple(body), (*inputs, *reads), tuple(results), scratch, {})
    schedule = Schedule("test", tuple(inputs), tuple(results), (), (), {}, (kernel,), frozenset())
    return compile_schedule(schedule, Program("test", tuple(inputs), ()))


def normal(*shape: int, dtype: str = "f4") -> Any:
    return RANDOM.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("bind", BINDS, ids=str)
def test_a_map_with_each_binding(bind: Bind) -> None:
    x, y = Input("x", (N,), f32), Buffer("y", (N,), f32)
    program = compiled([For(i, bind, (Store(y, (poly(i),), build.apply("mul", load(x, i), load(x, i))),))], [x], [y])
    for n in EXTENTS:
        a, out = normal(n), np.full(n + 1, 9, "f4")
        program.run([a], {"N": n}, [out[:n]])
        assert np.array_equal(out[:n], a * a) and out[n] == 9


@pytest.mark.parametrize("dtype", [f32, f64, i64, i32], ids=str)
@pytest.mark.parametrize("monoid", ["sum", "max", "min", "prod"])
@pytest.mark.parametrize("bind", BINDS, ids=str)
def test_a_reduction_with_each_binding(bind: Bind, monoid: str, dtype: DType) -> None:
    x, y = Input("x", (N, M), dtype), Buffer("y", (N,), dtype)
    s = variable("s", dtype, (i,))
    inner: list[Statement] = [Init(s, monoid, (j,), bind), For(j, bind, (Fold(s, monoid, load(x, i, j), (j,)),)), Done(s, monoid, (j,))]
    program = compiled([For(i, SERIAL, (*inner, Store(y, (poly(i),), read(s))))], [x], [y])
    function: Any = {"sum": np.sum, "max": np.max, "min": np.min, "prod": np.prod}[monoid]
    for m in EXTENTS:
        a = (normal(5, m) * 2).astype(dtype.numpy)
        out = np.empty(5, dtype.numpy)
        program.run([a], {"N": 5, "M": m}, [out])
        if m or monoid in ("sum", "prod"):
            assert np.allclose(
                out, function(a, axis=1, dtype=dtype.numpy) if monoid in ("sum", "prod") else function(a, axis=1), 1e-5, 1e-5
            )
        else:
            assert (out == (-np.inf if monoid == "max" else np.inf)).all() if dtype.is_float else True


def test_a_reduction_of_bool_and_of_nan() -> None:
    x, y, z = Input("x", (N,), f32), Buffer("y", (), bool_), Buffer("z", (), f32)
    s, t = variable("s", bool_, ()), variable("t", f32, ())
    bind = Bind("vector", 4)
    body: list[Statement] = [Init(s, "any", (i,), bind), Init(t, "max", (i,), bind)]
    body += [For(i, bind, (Fold(s, "any", build.apply("isnan", load(x, i)), (i,)), Fold(t, "max", load(x, i), (i,))))]
    body += [Done(s, "any", (i,)), Done(t, "max", (i,)), Store(y, (), read(s)), Store(z, (), read(t))]
    program = compiled(body, [x], [y, z])
    for n in EXTENTS[1:]:
        for place in (None, 0, n // 2, n - 1):
            a = normal(n)
            if place is not None:
                a[place] = np.nan
            found, greatest = np.zeros((), bool), np.zeros((), "f4")
            program.run([a], {"N": n}, [found, greatest])
            assert found == (place is not None) and np.array_equal(greatest, a.max(), equal_nan=True)


@pytest.mark.parametrize("rows", [SERIAL, Bind("unroll", 4), Bind("unroll", 6)], ids=str)
@pytest.mark.parametrize("columns", [Bind("vector", 2), Bind("vector", 4), SERIAL], ids=str)
@pytest.mark.parametrize("tiled", [False, True])
def test_a_matrix_product(rows: Bind, columns: Bind, tiled: bool) -> None:
    a, b, c = Input("a", (N, K), f32), Input("b", (K, M), f32), Buffer("c", (N, M), f32)
    p = variable("p", f32, (i, j))
    product = build.apply("mul", load(a, i, k), load(b, k, j))
    block = (
        Init(p, "sum", (k,)),
        For(k, SERIAL, (Fold(p, "sum", product, (k,)),)),
        Done(p, "sum", (k,)),
        Store(c, (poly(i), poly(j)), read(p)),
    )
    body: Statement = For(j, columns, (For(i, rows, block, within=tiled),))
    if tiled:
        body = For(i, Bind("tile", 12), (body,), True)
    program = compiled([body], [a, b], [c])
    for n, m, d in ((1, 1, 1), (5, 17, 3), (13, 64, 8), (25, 70, 5), (6, 33, 0), (0, 5, 5)):
        x, y, out = normal(n, d), normal(d, m), np.empty((n, m), "f4")
        program.run([x, y], {"N": n, "M": m, "K": d}, [out])
        assert np.allclose(out, x @ y, 1e-5, 1e-5)


def test_a_place_in_a_tile() -> None:
    """Panels of both factors are copied, into scratch that is as large as a tile; tiles are divided into tiles."""
    a, b, c = Input("a", (N, K), f32), Input("b", (M, K), f32), Buffer("c", (N, M), f32)
    left, right = Scratch("left", (poly(12), K), f32), Scratch("right", (K, poly(64)), f32)
    p = variable("p", f32, (i, j))
    product = build.apply("mul", load(left, poly(i) % 12, k), load(right, k, poly(j) % 64))
    block = (
        Init(p, "sum", (k,)),
        For(k, SERIAL, (Fold(p, "sum", product, (k,)),)),
        Done(p, "sum", (k,)),
        Store(c, (poly(i), poly(j)), read(p)),
    )
    rows = For(j, Bind("vector", 2), (For(i, Bind("unroll", 4), block, within=True),), within=True)
    copy_rows = For(k, Bind("vector", 1), (For(i, SERIAL, (Store(left, (poly(i) % 12, poly(k)), load(a, i, k)),), within=True),))
    copy_columns = For(
        k, Bind("unroll", 16), (For(j, Bind("vector", 1), (Store(right, (poly(k), poly(j) % 64), load(b, j, k)),), within=True),)
    )
    inner = For(i, Bind("tile", 36), (For(i, Bind("tile", 12), (copy_rows, rows), within=True),))
    body: list[Statement] = [For(j, Bind("tile", 64), (copy_columns, inner))]
    program = compiled(body, [a, b], [c], (left, right))
    kernel = Kernel("kernel", tuple(body), (a, b), (c,), (left, right), {i: "i", j: "j", k: "k"})
    check_kernel(kernel)
    schedule = Schedule("test", (a, b), (c,), (), (), {}, (kernel,), frozenset())
    for n, m, d in ((1, 1, 1), (5, 17, 3), (13, 64, 18), (50, 70, 5), (37, 133, 33), (6, 33, 0), (0, 5, 5)):
        x, y, out = normal(n, d), normal(m, d), np.empty((n, m), "f4")
        program.run([x, y], {"N": n, "M": m, "K": d}, [out])
        assert np.allclose(out, x @ y.T, 1e-5, 1e-5)
        (found,), _ = interpret(schedule, [x, y], {"N": n, "M": m, "K": d})
        assert np.allclose(found, x @ y.T, 1e-5, 1e-5)


def test_column_sums_in_memory() -> None:
    x, y = Input("x", (N, M), f32), Buffer("y", (M,), f32)
    for rows in (SERIAL, Bind("unroll", 4)):
        fill = For(j, Bind("vector", 1), (Store(y, (poly(j),), build.constant(0.0, f32)),))
        update = For(i, rows, (For(j, Bind("vector", 2), (Update(y, (poly(j),), "sum", load(x, i, j), (i,)),)),))
        program = compiled([fill, update], [x], [y], reads=(y,))
        for n, m in ((0, 5), (1, 1), (7, 33), (9, 64)):
            a, out = normal(n, m), np.empty(m, "f4")
            program.run([a], {"N": n, "M": m}, [out])
            assert np.allclose(out, a.sum(0), 1e-5, 1e-5)


@pytest.mark.parametrize("bind", BINDS, ids=str)
def test_an_update_over_what_is_in_lanes(bind: Bind) -> None:
    """The place depends on rows alone; terms are left out by a condition."""
    x, y = Input("x", (N, M), f32), Buffer("y", (N,), f32)
    positive = build.apply("gt", load(x, i, j), build.constant(0.0, f32))
    fill = For(i, SERIAL, (Store(y, (poly(i),), build.constant(1.0, f32)),))
    for where in (None, positive):
        update = For(i, SERIAL, (For(j, bind, (Update(y, (poly(i),), "sum", load(x, i, j), (j,), where),)),))
        program = compiled([fill, update], [x], [y], reads=(y,))
        for m in EXTENTS:
            a, out = normal(3, m), np.empty(3, "f4")
            program.run([a], {"N": 3, "M": m}, [out])
            assert np.allclose(out, 1 + (a if where is None else np.maximum(a, 0)).sum(1), 1e-5, 1e-5)


@pytest.mark.parametrize("bind", BINDS, ids=str)
def test_a_store_with_a_condition(bind: Bind) -> None:
    x, y = Input("x", (N,), i32), Buffer("y", (N,), i32)
    where = build.apply("lt", load(x, i), build.constant(0, i32))
    program = compiled([For(i, bind, (Store(y, (poly(i),), load(x, i), where),))], [x], [y])
    for n in EXTENTS:
        a = RANDOM.integers(-9, 9, n).astype("i4")
        out = np.full(n, 5, "i4")
        program.run([a], {"N": n}, [out])
        assert np.array_equal(out, np.where(a < 0, a, 5))


def test_a_scatter() -> None:
    """Places are data; those outside are left out, and the order is that of the loop."""
    x, p, y, base = Input("x", (N,), f32), Input("p", (N,), i64), Buffer("y", (M,), f32), Input("base", (M,), f32)
    place = poly(build.element(p, (poly(i),)))
    inside = build.inside(place, M)
    fill = For(j, SERIAL, (Store(y, (poly(j),), load(base, j)),))
    program = compiled([fill, For(i, SERIAL, (Update(y, (place,), "sum", load(x, i), (), inside),))], [x, p, base], [y], reads=(y,))
    for n, m in ((0, 4), (1, 1), (50, 7), (40, 0)):
        a, places, out = normal(n), RANDOM.integers(-2, m + 2, n), np.empty(m, "f4")
        want = normal(m)
        program.run([a, places, want], {"N": n, "M": m}, [out])
        for value, at in zip(a, places, strict=True):
            if 0 <= at < m:
                want[at] += value
        assert np.array_equal(out, want)


@pytest.mark.parametrize("rows", [SERIAL, Bind("vector", 1), Bind("vector", 2), Bind("unroll", 3)], ids=str)
@pytest.mark.parametrize("monoid", ["sum", "max", "prod", "decay"])
def test_a_recurrence(monoid: str, rows: Bind) -> None:
    x, d, y = Input("x", (M, N), f32), Input("d", (M, N), f32), Buffer("y", (M, N), f32)
    s = variable("s", f32, (i,))
    decay = load(d, j, i) if monoid == "decay" else None
    name = "sum" if monoid == "decay" else monoid
    body = For(
        i, rows, (Init(s, name, (j,)), For(j, SERIAL, (Carry(s, name, load(x, j, i), decay), Store(y, (poly(j), poly(i)), read(s)))))
    )
    program = compiled([body], [x, d], [y])
    for n, m in ((1, 1), (17, 5), (33, 12), (5, 0)):
        a, b, out = normal(m, n), normal(m, n), np.empty((m, n), "f4")
        program.run([a, b], {"N": n, "M": m}, [out])
        want, state = np.empty((m, n), "f4"), np.full(n, {"max": -np.inf, "prod": 1}.get(monoid, 0), "f4")
        for t in range(m):
            state = {"sum": state + a[t], "max": np.maximum(state, a[t]), "prod": state * a[t], "decay": b[t] * state + a[t]}[monoid]
            want[t] = state
        assert np.array_equal(out, want)


def test_row_scratch_and_variables() -> None:
    """Two sweeps of a row, with the values of the first kept in scratch that the second reads."""
    x, y = Input("x", (N, M), f32), Buffer("y", (N, M), f32)
    row = Scratch("row", (M,), f32)
    s, e = variable("s", f32, (i,)), variable("e", f32, (i, j))
    bind = Bind("vector", 4)
    first = (Let(e, build.apply("abs", load(x, i, j))), Store(row, (poly(j),), read(e)), Fold(s, "sum", read(e), (j,)))
    second = For(j, Bind("vector", 2), (Store(y, (poly(i), poly(j)), build.apply("div", load(row, j), read(s))),))
    program = compiled([For(i, SERIAL, (Init(s, "sum", (j,), bind), For(j, bind, first), Done(s, "sum", (j,)), second))], [x], [y], (row,))
    for m in EXTENTS:
        a, out = normal(4, m), np.empty((4, m), "f4")
        program.run([a], {"N": 4, "M": m}, [out])
        assert np.allclose(out, np.abs(a) / np.abs(a).sum(1, keepdims=True), 1e-5)


@pytest.mark.parametrize("bind", BINDS, ids=str)
def test_reads_outside_touch_nothing(bind: Bind) -> None:
    """Guarded reads beside the tensor, at the edge of what may be read: a page that is not there would end the process."""
    x, y = Input("x", (N,), f32), Buffer("y", (N,), f32)
    value: Scalar = build.constant(0.0, f32)
    for shift in (-3, -1, 1, 40):
        p = poly(i) + shift
        value = build.apply("add", value, build.select(build.inside(p, N), load(x, p), build.constant(0.5, f32)))
    program = compiled([For(i, bind, (Store(y, (poly(i),), value),))], [x], [y])
    for n in EXTENTS:
        a, out = normal(n), np.empty(n, "f4")
        program.run([a], {"N": n}, [out])
        places = np.arange(n)
        want = np.zeros(n, "f4")
        for shift in (-3, -1, 1, 40):
            inside = (places + shift >= 0) & (places + shift < n)
            want += np.where(inside, a[np.clip(places + shift, 0, max(n - 1, 0))] if n else 0, np.float32(0.5))
        assert np.array_equal(out, want)


@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected by mprotect")
@pytest.mark.parametrize("bind", BINDS, ids=str)
def test_nothing_beside_an_array_is_touched(bind: Bind) -> None:
    """The array ends, or begins, where a page begins that may not be read."""
    x, y = Input("x", (N,), f32), Buffer("y", (N,), f32)
    before, after = (build.select(build.inside(p, N), load(x, p), build.constant(0.5, f32)) for p in (poly(i) - 1, poly(i) + 2))
    value = build.apply("add", build.apply("add", before, after), load(x, N - 1 - i))
    program = compiled([For(i, bind, (Store(y, (poly(i),), value),))], [x], [y])
    page = mmap.PAGESIZE
    pages = mmap.mmap(-1, 3 * page)
    whole = np.frombuffer(pages, "f4")
    whole[:] = 1
    protect = ctypes.CDLL(None).mprotect
    for outside in (0, 2):
        assert protect(ctypes.c_void_p(whole.ctypes.data + outside * page), ctypes.c_size_t(page), 0) == 0
    middle = whole[page // 4 : 2 * page // 4]
    for n in EXTENTS[1:]:
        for a in (middle[:n], middle[-n:]):
            out = np.empty(n, "f4")
            program.run([a], {"N": n}, [out])
            assert out[n // 2] == 1 + (1 if n // 2 else 0.5) + (1 if n // 2 + 2 < n else 0.5)
    for outside in (0, 2):
        assert protect(ctypes.c_void_p(whole.ctypes.data + outside * page), ctypes.c_size_t(page), 3) == 0


@pytest.mark.parametrize("bind", BINDS, ids=str)
def test_subscripts_of_every_kind(bind: Bind) -> None:
    """Reversed, strided, divided, transposed and data-dependent reads."""
    x, t, g = Input("x", (N,), f32), Input("t", (poly(3), 2 * N), f32), Input("g", (N,), i64)
    y = Buffer("y", (N,), f32)
    at = poly(i)
    parts = [load(x, N - 1 - at), load(t, 2, 2 * at), load(t, at % 3, at), load(x, at // 2), load(x, Element(g, (at,)))]
    value = parts[0]
    for part in parts[1:]:
        value = build.apply("add", value, part)
    program = compiled([For(i, bind, (Store(y, (at,), value),))], [x, t, g], [y])
    for n in EXTENTS[1:]:
        a, b, c = normal(n), normal(3, 2 * n), RANDOM.integers(0, n, n)
        out = np.empty(n, "f4")
        program.run([a, b, c], {"N": n}, [out])
        p = np.arange(n)
        assert np.array_equal(out, a[::-1] + b[2, ::2] + b[p % 3, p] + a[p // 2] + a[c])


@pytest.mark.parametrize("dtype", [f32, f64, i32, bool_], ids=str)
@pytest.mark.parametrize("rows", [Bind("unroll", 16), Bind("unroll", 32), Bind("unroll", 8)], ids=str)
def test_a_transposed_read(rows: Bind, dtype: DType) -> None:
    """Squares of lanes x lanes by contiguous loads and shuffles, and what is left element by element."""
    x, y, z = Input("x", (N, M), dtype), Input("y", (M, N), dtype), Buffer("z", (N, M), dtype)
    value = build.apply("maximum", load(x, i, j), load(y, j, i))
    program = compiled([For(i, rows, (For(j, Bind("vector", 1), (Store(z, (poly(i), poly(j)), value),)),))], [x, y], [z])
    for n, m in ((1, 1), (16, 16), (40, 19), (33, 64), (64, 5)):
        a, b = (normal(n, m) * 3).astype(dtype.numpy), (normal(m, n) * 3).astype(dtype.numpy)
        out = np.empty((n, m), dtype.numpy)
        program.run([a, b], {"N": n, "M": m}, [out])
        assert np.array_equal(out, np.maximum(a, b.T))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", ["f4", "f8", "i8", "u4", "i8", "u1", "i2", "?", "f2"])
def test_sort(name: str, descending: bool) -> None:
    from tensorc.dtypes import from_numpy

    dtype = from_numpy(np.dtype(name))
    assert dtype is not None
    x, y = Input("x", (N, M), dtype), Buffer("y", (N, M), i64)
    work = Scratch("work", (M,), i64)
    program = compiled([For(i, SERIAL, (SortRow(x, y, (poly(i),), M, descending, work),))], [x], [y], (work,))
    for m in (0, 1, 2, 15, 16, 17, 31, 32, 33, 100, 257, 1000):
        a = (normal(3, m, dtype="f8") * 5).astype(name)
        if dtype.is_float and m > 2:
            a[0, 1], a[1, m // 2], a[2, m - 1], a[2, 0] = np.nan, -0.0, np.inf, -np.nan
            a[1, m // 3] = 0.0
        out, wide = np.empty((3, m), "i8"), np.empty((m, 3), "i8")
        program.run([a], {"N": 3, "M": m}, [out])
        program.run([a], {"N": 3, "M": m}, [wide.T])
        assert np.array_equal(out, wide.T)
        for given, got in zip(a, out, strict=True):
            assert np.array_equal(got, expected_order(given, descending))


def expected_order(keys: Any, descending: bool) -> Any:
    if not descending:
        return np.argsort(keys, kind="stable")
    backward = len(keys) - 1 - np.argsort(keys[::-1], kind="stable")[::-1]
    return backward[np.argsort(np.isnan(keys)[backward], kind="stable")]


# Memory.


def test_arrays_of_every_layout() -> None:
    x, y, z = Input("x", (N, M), f32), Input("y", (N, M), f32), Buffer("z", (N, M), f32)
    value = build.apply("sub", load(x, i, j), load(y, i, j))
    program = compiled([For(i, SERIAL, (For(j, Bind("vector", 2), (Store(z, (poly(i), poly(j)), value),)),))], [x, y], [z])
    for n, m in ((1, 1), (3, 1), (1, 40), (5, 37), (32, 33)):
        for a in layouts(n, m):
            for out in layouts(n, m):
                if out.strides and 0 in out.strides:
                    continue
                b = normal(n, m)
                program.run([a, b], {"N": n, "M": m}, [out])
                assert np.array_equal(out, a - b)


def layouts(n: int, m: int) -> list[Any]:
    base = normal(n, m)
    odd = np.zeros(n * m * 5 + 1, "u1")
    records = np.zeros((n, m), np.dtype([("pad", "u1"), ("value", "f4")]))
    records["value"] = base
    views = [base, normal(m, n).T, normal(2 * n, 3 * m)[::2, ::3], base[::-1, ::-1], normal(n, m + 5)[:, 2 : m + 2], records["value"]]
    unaligned = odd[1 : 1 + n * m * 4].view("f4").reshape(n, m)
    unaligned[:] = base
    return [*views, unaligned, np.broadcast_to(normal(m), (n, m)), np.broadcast_to(normal(n, 1), (n, m))]


def test_a_result_written_beside_others() -> None:
    """Masked tails write their own elements alone."""
    x, y = Input("x", (N, M), f32), Buffer("y", (N, M), f32)
    body = For(i, Bind("unroll", 2), (For(j, Bind("vector", 4), (Store(y, (poly(i), poly(j)), load(x, i, j)),)),))
    program = compiled([body], [x], [y])
    whole = np.full((9, 150), 7, "f4")
    a = normal(5, 100)
    program.run([a], {"N": 5, "M": 100}, [whole[2:7, 20:120]])
    assert np.array_equal(whole[2:7, 20:120], a)
    whole[2:7, 20:120] = 7
    assert (whole == 7).all()


def test_an_intermediate_too_large() -> None:
    x, y = Input("x", (N,), f32), Buffer("y", (N,), f32)
    huge = Buffer("huge", (N, N * N * N), f64)
    kernel = Kernel("kernel", (For(i, SERIAL, (Store(y, (poly(i),), load(x, i)),)),), (x,), (y,), (), {})
    schedule = Schedule("test", (x,), (y,), (), (huge,), {}, (kernel,), frozenset())
    program = compile_schedule(schedule, Program("test", (x,), ()))
    with pytest.raises(MemoryError, match=r"\[100000, 1000000000000000\]"):
        program.run([normal(100000)], {"N": 100000}, [np.empty(100000, "f4")])
    program.run([normal(2)], {"N": 2}, [np.empty(2, "f4")])


def test_a_constant_size() -> None:
    extent: Poly = poly(40)
    axis = Index(0, extent)
    x, y = Input("x", (extent,), f32), Buffer("y", (extent,), f32)
    for bind in BINDS:
        program = compiled([For(axis, bind, (Store(y, (poly(axis),), load(x, axis)),))], [x], [y])
        a, out = normal(40), np.empty(40, "f4")
        program.run([a], {}, [out])
        assert np.array_equal(a, out)
