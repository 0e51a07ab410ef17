"""Ranges of bound indices, written and inferred, and that every read stays inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

RNG = np.random.default_rng(0)
V = np.arange(6, dtype=np.float32)
W = np.arange(3, dtype=np.float32)
X = np.arange(12, dtype=np.float32).reshape(3, 4)


def extents(tx: Any, source: str) -> list[str]:
    return [str(e) for e in tx.program(source).results[0].extents]


# Written.


def test_written_ranges(tx: Any) -> None:
    tx.gives(V[:3], "fn f(x: f32[N]) { require N >= 3 return tensor[i < 3](x[i]) }", V)
    tx.gives(V[1:5], "fn f(x: f32[N]) { require N >= 2 let y[i in 1..N - 1] = x[i] return y }", V)
    tx.gives((V[:-2] + V[2:]) / 2, "fn f(x: f32[N]) { let y[i in 1..N-1] = (x[i - 1] + x[i + 1]) / 2 return y }", V)
    tx.gives(V[1:5].sum(), "fn f(x: f32[N]) { require N >= 2 return sum[i in 1..N-1](x[i]) }", V)
    tx.gives(np.arange(1, 5), "fn f(x: f32[N]) { require N >= 2 let y[i in 1..N - 1] = i return y }", V)
    tx.gives(np.arange(-2, 2), "fn f() = tensor[i in -2..2](i)")
    tx.gives(np.arange(3, 6), "fn f(x: f32[N]) = tensor[i in N // 2..N](i)", V)
    tx.gives(V[:4], "fn f(x: f32[N], k: int) { require k <= N return tensor[i < k](x[i]) }", V, k=4)


def test_a_range_has_an_extent(tx: Any) -> None:
    assert extents(tx, "fn f(x: f32[N]) { let y[i in 1..N-1] = x[i] return y }") == ["N - 2"]
    assert extents(tx, "fn f(x: f32[N]) { let y[i in 1..N-1, j < 2 * N] = x[i] return y }") == ["N - 2", "2*N"]


def test_negative_and_empty_ranges(tx: Any) -> None:
    source = "fn f(x: f32[N]) { let y[i in 1..N - 1] = x[i] return y }"
    assert tx.run(source, V[:2]).shape == (0,)
    assert "negative" in tx.fails(source, V[:1])
    assert tx.refused("fn f() = tensor[i < -1](i)") == ["E0508"]
    assert tx.refused("fn f() = tensor[i in 3..2](i)") == ["E0508"]
    tx.gives(np.zeros(0, "i8"), "fn f() = tensor[i in 3..3](i)")
    tx.gives(np.int64(0), "fn f() = sum[i in 3..3](i)")
    assert "negative" in tx.fails("fn f(x: f32[N]) = sum[i < N - 7](i)", V)
    assert "negative" in tx.fails("fn f(x: f32[H], w: f32[K]) = tensor[h](sum[k](x[h + k] * w[k]))", V[:1], W)


def test_a_written_range_wins(tx: Any) -> None:
    tx.gives(V[:2], "fn f(x: f32[N]) { require N >= 2 let y[i < 2] = x[i] return y }", V)
    assert tx.refused("fn f(x: f32[N]) { let y[i < 2] = x[i] return y }") == ["E0505"]
    tx.gives(V[:2] * W[:2], "fn f(x: f32[N], w: f32[M]) { require N >= 2 and M >= 2 return tensor[i < 2](x[i] * w[i]) }", V, W)


def test_ranges_are_of_dims_and_static_values(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N], n: i64) = sum[i < n](x[i])") == ["E0604"]
    assert tx.refused("fn f(x: f32[N]) = sum[i < 1.5](x[i])") == ["E0604"]
    assert tx.refused("fn f(x: f32[N, N]) { let y[i] = sum[j < i](x[i, j]) return y }") == ["E0604"]
    assert "where(j < i, ..., 0)" in tx.message("fn f(x: f32[N, N]) { let y[i] = sum[j < i](x[i, j]) return y }")
    assert tx.refused("fn f(x: f32[N]) = tensor[i < N, j < i](x[i])") == ["E0201"]


# Inferred from plain subscripts.


def test_plain_subscripts(tx: Any) -> None:
    assert extents(tx, "fn f(x: f32[N, M]) { let y[j, i] = x[i, j] return y }") == ["M", "N"]
    assert extents(tx, "fn f(x: f32[N, 3]) { let y[i, j] = x[i, j] return y }") == ["N", "3"]
    assert extents(tx, "fn f(x: f32[H // 2], h: f32[H]) { let y[i] = x[i] return y }") == ["H // 2"]
    assert extents(tx, "fn f(x: f32[N]) { let y[i] = x[x.size - 1 - i] + x[i] return y }") == ["N"]
    assert extents(tx, "fn f(x: i64[N], t: f32[V]) { let y[i] = t[x[i]] return y }") == ["N"]


def test_plain_subscripts_must_agree(tx: Any) -> None:
    assert tx.refused("fn f(a: f32[I, K], b: f32[L, J]) { let c[i, j] = sum[k](a[i, k] * b[k, j]) return c }") == ["E0501"]
    assert tx.refused("fn f(a: f32[N], b: f32[3]) = sum[i](a[i] * b[i])") == ["E0501"]
    assert tx.refused("fn f(a: f32[N], b: f32[M], c: f32[K]) = sum[i](a[i] * b[i] * c[i])") == ["E0501"]
    assert tx.refused("fn f(a: f32[I, K], b: f32[L, J]) { require K == L let c[i, j] = sum[k](a[i, k] * b[k, j]) return c }") == []
    text = tx.message("fn f(a: f32[I, K], b: f32[L, J]) { let c[i, j] = sum[k](a[i, k] * b[k, j]) return c }")
    assert "K (declared by a, line 1) and L (declared by b, line 1)" in text and "require K == L" in text


def test_two_indices_that_disagree_are_both_reported(tx: Any) -> None:
    assert tx.refused("fn f(a: f32[I, J], b: f32[K, L]) = sum[i, j](a[i, j] * b[i, j])") == ["E0501", "E0501"]


# Inferred from compound subscripts.


@pytest.mark.parametrize(
    ("read", "extent"),
    [
        ("x[i + r]", "H + 1 - R"),
        ("x[r + i]", "H + 1 - R"),
        ("x[i + 2]", "H - 2"),
        ("x[2 * i]", "(H + 1) // 2"),
        ("x[2 * i + 1]", "H // 2"),
        ("x[2 * i + r]", "(H + R) // 2 + 1 - R"),
        ("x[3 * i + 2 * r]", "(H + R + 1) // 3 + 1 - R"),
        ("x[H - 1 - i]", "H"),
        ("x[H - 1 - 2 * i]", "(H + 1) // 2"),
        ("x[R - 1 - i + r]", "R"),
        ("x[i // 2]", "2*H"),
        ("x[(i + 1) // 2]", "2*H - 1"),
        ("x[i // 3 + r]", "3*H + 3 - 3*R"),
        ("x[i >> 1]", "2*H"),
        ("x[i + 2] * x[i + 1]", "H - 2"),
        ("x[i + 1] * x[2 * i + 4]", "(H + 1) // 2 - 2"),
    ],
)
def test_compound_subscripts_give_the_largest_range(tx: Any, read: str, extent: str) -> None:
    source = f"fn f(x: f32[H], w: f32[R]) {{ require H >= 2 * R + 4 and R >= 1 let y[i] = sum[r](w[r] * {read}) return y }}"
    source = source.replace("sum[r](w[r] * ", "sum[r < R](w[r] * ")
    assert extents(tx, source) == [extent]
    x, w = RNG.normal(size=11).astype("f4"), W
    count = tx.run(source, x, w).shape[0]

    class Axis:
        def __getitem__(self, place: int) -> bool:
            return 0 <= place < 11

    def inside(i: int) -> bool:
        return all(eval(read, {"x": Axis(), "H": 11, "R": 3}, {"i": i, "r": r}) for r in range(3))

    assert all(inside(i) for i in range(count))
    assert not inside(count), "one more would be inside too"


def test_rounds_feed_one_another(tx: Any) -> None:
    x, w = RNG.normal(size=(9, 8)).astype("f4"), RNG.normal(size=(3, 2)).astype("f4")
    source = "fn f(x: f32[H, W], w: f32[R, S]) { let y[i, j] = sum[r, s](x[i + r, j + s] * w[r, s]) return y }"
    assert extents(tx, source) == ["H + 1 - R", "W + 1 - S"]
    assert tx.run(source, x, w).shape == (7, 7)
    chained = "fn f(a: f32[A], b: f32[B], c: f32[C]) = sum[i, j, k](a[i + j + k] * b[i + j] * c[i])"
    i, j, k = np.meshgrid(np.arange(2), np.arange(3), np.arange(4), indexing="ij")
    a, b, c = (RNG.normal(size=n).astype("f4") for n in (7, 4, 2))
    tx.gives(np.float32((a[i + j + k] * b[i + j] * c[i]).sum(dtype="f8")), chained, a, b, c)


def test_compound_subscripts_with_a_symbolic_step(tx: Any) -> None:
    x, w = RNG.normal(size=11).astype("f4"), W
    source = "fn f(x: f32[H], w: f32[K]) { let y[i] = sum[k](x[K * i + k] * w[k]) return y }"
    tx.gives((x[:9].reshape(3, 3) * w).sum(1), source, x, w)
    assert "at least 1" in tx.fails(source, x, w[:0])


def test_what_compound_subscripts_cannot_tell(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[H]) { let y[i] = x[i % H] return y }") == ["E0502"]
    assert tx.refused("fn f(x: f32[H]) { let y[i] = x[i * i] return y }") == ["E0502"]
    assert tx.refused("fn f(x: f32[H], k: i64[K]) { let y[i] = x[k[0] - i] return y }") == ["E0502"]
    assert tx.refused("fn f(x: f32[H], z: f32[K]) { let y[i] = x[i + 2] * z[i + 1] return y }") == ["E0501"]


# Inferred from nothing else.


def test_guarded_reads_constrain_nothing(tx: Any) -> None:
    assert extents(tx, "fn f(u: f32[H], v: f32[K]) { let y[i] = v[i] + u[i else 0] return y }") == ["K"]
    tx.gives(np.concatenate([V[:3] + W]), "fn f(u: f32[H], v: f32[K]) { let y[i] = v[i] + u[i else 0] return y }", V, W)
    tx.gives(np.concatenate([V[:3] + W, V[3:]]), "fn f(u: f32[H], v: f32[K]) { let y[i] = u[i] + v[i else 0] return y }", V, W)


def test_an_index_with_no_other_range_takes_the_axis(tx: Any) -> None:
    assert extents(tx, "fn f(u: f32[H]) { let y[i] = u[i - 1 else 0] return y }") == ["H"]
    assert extents(tx, "fn f(u: f32[H, W]) { let y[i, j] = u[i - 1, j + 1 else 0] return y }") == ["H", "W"]
    assert extents(tx, "fn f(u: f32[H]) { let y[i] = u[2 * i else 0] + u[i + 3 else 0] return y }") == ["H"]
    assert tx.refused("fn f(u: f32[H]) { let y[i] = u[2 * i else 0] return y }") == ["E0502"]
    assert tx.refused("fn f(u: f32[H]) { let y[i] = u[5 - i else 0] return y }") == ["E0502"]
    assert tx.refused("fn f(u: f32[H], v: f32[K]) { let y[i] = u[i - 1 else 0] + v[i + 1 else 0] return y }") == ["E0501"]
    k = np.convolve(V, W)[:6]
    tx.gives(k.astype("f4"), "fn f(x: f32[N], w: f32[K]) { let y[i] = sum[k](w[k] * x[i - k else 0]) return y }", V, W)


def test_an_index_that_is_read_nowhere(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) { let y[i, j] = x[i] return y }") == ["E0502"]
    assert tx.refused("fn f(x: f32[N]) = sum[i](1.0)") == ["E0502"]
    assert tx.refused("fn f(x: f32[N]) { let y[i, j, k] = x[i] return y }") == ["E0502", "E0502"]
    assert tx.refused("fn f(x: f32[N]) = sum[i](where(i < 3, 1.0, 0.0))") == ["E0502"]


# Reads are proved inside.


@pytest.mark.parametrize(
    "read",
    ["x[i + 1]", "x[i - 1]", "x[2 * i]", "x[N - i]", "x[i + N]", "x[-i]", "x[i - N]", "x[i, 0]", "x[i * i]"],
)
def test_affine_reads_outside_are_refused(tx: Any, read: str) -> None:
    wanted = {"x[i, 0]": ["E0504"]}.get(read, ["E0505"])
    assert tx.refused(f"fn f(x: f32[N]) {{ let y[i < N] = {read} return y }}") == wanted
    assert tx.refused(f"fn f(x: f32[N]) {{ let y[i] = x[i] + {read} return y }}") == wanted


def test_where_is_no_guard(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N]) { let y[i < N] = where(i > 0, x[i - 1], 0) return y }") == ["E0505"]


@pytest.mark.parametrize(
    ("ranges", "read"),
    [
        ("i < N - 1", "x[i + 1]"),
        ("i in 1..N", "x[i - 1]"),
        ("i < N // 2", "x[2 * i + 1]"),
        ("i < (N + 1) // 2", "x[2 * i]"),
        ("i < N, j < N", "x[N - 1 - i] + x[j]"),
        ("i < N - 1, j < 2", "x[i + j]"),
        ("i < N // 3, j < 3", "x[3 * i + j]"),
        ("i < N // 3, j < 3", "x[i * 3 + 2 - j]"),
        ("i < N * N", "x[i // N] + x[i % N]"),
        ("i < 5", "x[i % N]"),
        ("i < 2 * N", "x[i // 2]"),
        ("i < 3", "x[i]"),
        ("i in 2..N - 1", "x[i + 1] + x[i - 2]"),
    ],
)
def test_proofs(tx: Any, ranges: str, read: str) -> None:
    """Proved when compiling: nothing is checked at run time."""
    source = f"fn f(x: f32[N]) {{ require N >= 3 return tensor[{ranges}]({read}) }}"
    program = tx.program(source)
    assert program.checks == ()
    names = [r.split(" in ")[0].split(" < ")[0].strip() for r in ranges.split(",")]
    bounds = [r.split(" in ")[1].split("..") if " in " in r else ["0", r.split(" < ")[1]] for r in ranges.split(",")]
    grids = np.meshgrid(*(np.arange(eval(low, {"N": 6}), eval(high, {"N": 6})) for low, high in bounds), indexing="ij")
    tx.gives(eval(read, {"x": V, "N": 6}, dict(zip(names, grids, strict=True))) + 0 * grids[0].astype("f4"), source, V)


def test_constants_and_dims_are_checked_at_the_call(tx: Any) -> None:
    source = "fn f(x: f32[N], w: f32[K]) { let y[k] = w[k] * x[3] + x[N - K] return y }"
    tx.gives(W * V[3] + V[3], source, V, W)
    assert "subscript 3 is outside axis 0 of x" in tx.fails(source, V[:3], W)
    assert "subscript N - K is outside axis 0 of x" in tx.fails(source, V[:4], V)
    assert tx.refused("fn f(x: f32[3], w: f32[K]) = tensor[k](w[k] * x[3])") == ["E0505"]
    assert tx.refused("fn f(x: f32[N], w: f32[K]) = tensor[k](w[k] * x[N])") == ["E0505"]


def test_quotients_are_checked_at_run_time_where_no_interval_proves_them(tx: Any) -> None:
    source = "fn f(x: f32[N], w: f32[K]) = tensor[k](w[k] * x[k // 2])"
    tx.gives(W * V[[0, 0, 1]], source, V, W)
    text = tx.fails(source, V[:1], W, error=IndexError)
    assert "index 1 is out of range for axis 0 of `x`, which has N = 1" in text
    assert len(tx.program(source).checks) == 1


def test_a_remainder_of_an_empty_axis(tx: Any) -> None:
    source = "fn f(x: f32[N], w: f32[K]) = tensor[k](w[k] * x[k % N])"
    tx.gives(W * V[:2][[0, 1, 0]], source, V[:2], W)
    assert tx.run(source, V[:0], W[:0]).shape == (0,)
    assert "at least 1" in tx.fails(source, V[:0], W)


def test_a_data_dependent_read_outside_is_an_index_error(tx: Any) -> None:
    source = "fn f(table: f32[V, D], ids: i64[B]) {\n    let e[b, d] = table[ids[b], d]\n    return e\n}"
    tx.gives(X[[2, 0]], source, X, np.array([2, 0]))
    text = tx.fails(source, X, np.array([2, 3]), error=IndexError)
    assert "index 3 is out of range for axis 0 of `table`, which has V = 3" in text
    assert ":2:25" in text and "let e[b, d] = table[ids[b], d]" in text
    assert "index -1" in tx.fails(source, X, np.array([-1, 3]), error=IndexError)
    for dtype, value in (("u8", 255), ("i8", -128), ("u64", 2**63)):
        narrow = source.replace("i64", dtype)
        tx.fails(narrow, X, np.array([value], f"{dtype[0]}{int(dtype[1:]) // 8}"), error=IndexError)


def test_checks_in_functions_and_several_checks(tx: Any) -> None:
    source = """
    fn pick(t: f32[N], k: i64[K]) = tensor[i](t[k[i]])
    fn f(x: f32[N], k: i64[K], l: i64[K]) = pick(x, k) + pick(x, l)
    """
    tx.gives(V[:2] + V[4:], source, V, np.array([0, 1]), np.array([4, 5]))
    tx.fails(source, V, np.array([0, 1]), np.array([4, 6]), error=IndexError)
    tx.fails(source, V, np.array([0, -1]), np.array([4, 5]), error=IndexError)
