"""Array indexing, as NumPy does it: places, slices, new axes, integer tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

V = np.arange(6, dtype=np.float32)
X = np.arange(12, dtype=np.float32).reshape(3, 4)
T = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
K = np.array([2, 0, 1, 2])
L = np.array([[0, 3], [-1, 1]])


@pytest.mark.parametrize(
    "index",
    [
        "0",
        "-1",
        "2",
        "...",
        ":",
        "1:",
        ":-1",
        "1:-1",
        "::2",
        "1::2",
        "::-1",
        "2::-1",
        ":0:-1",
        "-1:0:-2",
        "1:1",
        "0, 1",
        "0, 1, 2",
        "-1, -1, -1",
        ":, 0",
        "..., 0",
        "0, ...",
        "0, ..., 0",
        ":, :1",
        "1:-1, ::2",
        "::-1, ::-1, ::-1",
        "1:3, 1:4:2, -2:",
        "None",
        ":, None",
        "None, 0, None",
        "..., None",
        "None, ..., None, 0",
        ":, 1, None, ::2",
        "0, :, None",
        "(1)",
        "1 + 1, 3 - 4",
    ],
)
def test_constants(tx: Any, index: str) -> None:
    tx.gives(eval(f"T[{index}]"), f"fn f(x: f32[A, B, C]) = x[{index}]", T)


@pytest.mark.parametrize(
    "index",
    [
        "k",
        ":, k",
        "..., k",
        "k, :, :2",
        "k[:2]",
        "k, k",
        "k, 1:3",
        "k, ..., k",
        "k, :, k",
        ":, k, k",
        "None, k, None",
        "k[:, None], k",
        "l[:, :, None] % 3, k",
        ":, l",
        ":, l % 4, :",
        "l % 3, :, l",
        "k - 3",
        "[0, 2]",
        "[[0, 1], [2, -1]]",
        "[0, 2], :, [1, -1]",
        "::-1, k",
        "k, None, k",
    ],
)
def test_integer_tensors(tx: Any, index: str) -> None:
    wanted = eval(f"T[{index}]", {"T": T, "k": K, "l": L})
    tx.gives(wanted, f"fn f(x: f32[A, B, C], k: i64[4], l: i64[2, 2]) = x[{index}]", T, K, L)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_every_integer_dtype(tx: Any, dtype: str) -> None:
    name = f"{dtype[0]}{int(dtype[1]) * 8}"
    k = np.array([1, 0, 2], dtype)
    tx.gives(X[k], f"fn f(x: f32[N, M], k: {name}[K]) = x[k]", X, k)
    tx.gives(X[1], f"fn f(x: f32[N, M], k: {name}) = x[k]", X, k[0])


def test_a_0d_integer_tensor_takes_one_place(tx: Any) -> None:
    k = np.array(-1)
    tx.gives(X[-1], "fn f(x: f32[N, M], k: i64) = x[k]", X, k)
    tx.gives(X[:, -1], "fn f(x: f32[N, M], k: i64) = x[:, k]", X, k)
    tx.gives(X[-1, ::2], "fn f(x: f32[N, M], k: i64) = x[k, ::2]", X, k)
    tx.gives(X[2, 3], "fn f(x: f32[N, M], k: i64) = x[k, k]", X, k)
    tx.gives(X[X.argmax() // 4], "fn f(x: f32[N, M]) = x[argmax(x) // 4]", X)


def test_places_and_bounds_of_dims(tx: Any) -> None:
    source = "fn f(x: f32[N, M], k: int) = x[{}]"
    for index in ("N - 1", ":N - 1", "N // 2:", "k", "-k", ":k", "-k:", ":-k", "k:, -k", "::k", "::-k", "N - k:N, :M // k"):
        tx.gives(eval(f"X[{index}]", {"X": X, "N": 3, "M": 4, "k": 2}), source.format(index), X, k=2)
    tx.gives(X[:, -3:], "fn f(x: f32[N, M], y: f32[K]) = x[:, -K:]", X, V[:3])
    tx.gives(X[:, :-3], "fn f(x: f32[N, M], y: f32[K]) = x[:, :-K]", X, V[:3])


@pytest.mark.parametrize("index", ["6", "-7", ":7", "7:", "-7:", ":-7", "6::-1", ":-8:-1", "N"])
def test_constants_must_lie_inside(tx: Any, index: str) -> None:
    """Checked at the call where the extent is symbolic, when compiling where it is not."""
    if index != "N":  # which is outside for every N
        assert "axis 0 of x, whose extent is N" in tx.fails(f"fn f(x: f32[N]) = x[{index}]", V)
    assert tx.refused(f"fn f(x: f32[6], y: f32[N]) = x[{index.replace('N', '6')}]") == ["E0505"]


def test_a_slice_has_the_extent_that_it_says(tx: Any) -> None:
    program = tx.program("fn f(x: f32[N, M]) = (x[:, :1], x[1:-1], x[::2], x[::-1], x[N:], x[2:5], x[:-3:-1])")
    assert [str(r.extents) for r in program.results][:2] == ["(N, 1)", "(N - 2, M)"]
    assert [str(r.extents[0]) for r in program.results[2:]] == ["(N + 1) // 2", "N", "0", "3", "2"]
    tx.gives(X + X[:, :1], "fn f(x: f32[N, M]) = x + x[:, :1]", X)


def test_indexing_an_empty_axis(tx: Any) -> None:
    e = np.zeros((0, 4), np.float32)
    tx.gives(e[::-1], "fn f(x: f32[N, M]) = x[::-1]", e)
    tx.gives(e[:, 1:], "fn f(x: f32[N, M]) = x[:, 1:]", e)
    tx.gives(V[4:2], "fn f(x: f32[N]) = x[4:2]", V)
    tx.gives(V[2:4:-1], "fn f(x: f32[N]) = x[2:4:-1]", V)
    tx.gives(e[0:0], "fn f(x: f32[N, M]) = x[0:0]", e)
    tx.fails("fn f(x: f32[N, M]) = x[0]", e)
    tx.gives(e[np.zeros(0, "i8")], "fn f(x: f32[N, M], k: i64[K]) = x[k]", e, np.zeros(0, "i8"))


@pytest.mark.parametrize(("places", "named"), [([0, 6], "6"), ([-7], "-7"), ([2**40], str(2**40)), ([-(2**63)], str(-(2**63)))])
def test_a_place_outside_is_an_index_error(tx: Any, places: list[int], named: str) -> None:
    text = tx.fails("fn f(x: f32[N], k: i64[K]) =\n    x[k]", V, np.array(places), error=IndexError)
    assert "axis 0 of `x`" in text and "N = 6" in text and ":2:" in text and "x[k]" in text
    assert f"index {named} " in text


@pytest.mark.parametrize(
    ("index", "code"),
    [
        ("0, 0, 0", "E0510"),
        ("..., ...", "E0511"),
        ("0.5", "E0503"),
        ("x", "E0503"),
        ("x > 0", "E0503"),
        ("true", "E0503"),
        ('"a"', "E0503"),
        ("f32", "E0503"),
        ("sum", "E0503"),
        ("(0, 1)", "E0503"),
        ("::0", "E0611"),
        ("::N", "E0611"),
        ("x:", "E0604"),
        (":0.5", "E0604"),
        ("x[0]:", "E0604"),
        ("[[0, 1], [2]]", "E0306"),
        ("[0.5]", "E0503"),
    ],
)
def test_what_is_no_index(tx: Any, index: str, code: str) -> None:
    assert tx.refused(f"fn f(x: f32[N, M]) = x[{index}]") == [code]


def test_integer_tensors_must_broadcast(tx: Any) -> None:
    assert tx.refused("fn f(x: f32[N, M], k: i64[K], l: i64[L]) = x[k, l]") == ["E0301"]


def test_indices_of_expressions(tx: Any) -> None:
    tx.gives((X * 2)[1], "fn f(x: f32[N, M]) = (x * 2)[1]", X)
    tx.gives(X.T[1][::-1], "fn f(x: f32[N, M]) = x.T[1][::-1]", X)
    tx.gives(np.int64(20), "fn f() = [10, 20, 30][1]")
    tx.gives(np.array([30, 10]), "fn f(k: i64[K]) = [10, 20, 30][k]", np.array([-1, 0]))
    tx.gives(X.max(1)[K], "fn f(x: f32[N, M], k: i64[K]) = max(x, axis=1)[k]", X, K)
