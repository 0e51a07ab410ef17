"""Calls of functions of files: what goes in, what comes out, and what a wrong call is told."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import tensorc as tc

PROGRAM = """
## Scales a product.
fn affine(x: f32[N, D], w: f32[D, K], s: f32 = 0.5, k: int = 1) -> f32[N, K] = s * (x @ w) + k
fn scaled<T: float>(x: T[...S, N], a: T) = x * a
fn pair(x: f32[N]) = (x + 1, (x * 2, x))
fn twice(x: f32[N]) {
    let y = x + 1
    return y, y
}
fn rows(t: f32[N, D], i: i64[B]) -> f32[B, D] {
    let e[b, d] = t[i[b], d]
    return e
}
fn halves(x: f32[2 * N], y: f32[N]) {
    let z[i] = x[2 * i] + y[i]
    return z
}
fn even(x: f32[N]) {
    require N % 2 == 0, "N must be even"
    return x
}
fn four(x: f32[N, 4]) = x
fn grid(n: int, shape: dims, dtype: dtype = f32) = full(shape, n, dtype)
fn total(x: f32[...], axis: axes = none) = sum(x, axis=axis)
fn added(x: f32[...S], y: f32[...S, N]) = sum(y, axis=-1) + x
fn numbers(a: f32, b: i8, c: bool[]) = (a, b, c)
"""
M = tc.compile(PROGRAM, "face.tx")
X = np.arange(6, dtype=np.float32).reshape(2, 3)
W = np.ones((3, 4), np.float32)
EXPECTED = 0.5 * (X @ W) + 1


def test_positions_keywords_and_defaults() -> None:
    np.testing.assert_array_equal(M.affine(X, W), EXPECTED)
    np.testing.assert_array_equal(M.affine(w=W, x=X, s=2.0, k=3), 2 * (X @ W) + 3)
    np.testing.assert_array_equal(M.affine(X, W, np.float32(2)), 2 * (X @ W) + 1)


def test_one_program_serves_every_size_and_the_number_given_for_a_default() -> None:
    m = tc.compile(PROGRAM)
    for n in (1, 2, 5, 0):
        assert m.affine(np.ones((n, 3), np.float32), W, float(n)).shape == (n, 4)
    assert (m.affine.stats.calls, m.affine.stats.compiles) == (4, 1)
    m.affine(X, W, k=2)
    assert m.affine.stats.compiles == 2 and m.affine.stats.seconds > 0


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: x[::-1][::-1],
        lambda x: np.lib.stride_tricks.as_strided(x, writeable=False),
        lambda x: x.copy().view(_Sub),
        lambda x: torch.from_numpy(x).numpy(),
        lambda x: _Interface(x),
        lambda x: _Exporter(x),
    ],
)
def test_memory_of_any_form(change: Callable[[Any], Any]) -> None:
    result = M.affine(change(X), W)
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, EXPECTED)


class _Sub(np.ndarray[Any, Any]):
    pass


class _Interface:
    def __init__(self, array: Any) -> None:
        self.__array_interface__ = array.__array_interface__
        self.kept = array


class _Exporter:
    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_torch_in_torch_out() -> None:
    x, w = torch.from_numpy(X), torch.from_numpy(W)
    for result in (M.affine(x, w), M.affine(x, W), M.affine(X, w.T.contiguous().T)):
        assert isinstance(result, torch.Tensor) and result.dtype == torch.float32
        np.testing.assert_array_equal(result.numpy(), EXPECTED)
    assert M.affine(x, w).untyped_storage().data_ptr() != x.untyped_storage().data_ptr()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_of_torch(dtype: torch.dtype) -> None:
    x = torch.arange(6, dtype=dtype).reshape(2, 3)
    result = M.scaled(x.T, 2)
    assert result.dtype == dtype and torch.equal(result, x.T * 2)


def test_bfloat16_of_numpy() -> None:
    result = M.scaled(np.ones(2, ml_dtypes.bfloat16), 3)
    assert result.dtype == ml_dtypes.bfloat16 and result.tolist() == [3, 3]


def test_negative_bit_of_torch_is_resolved() -> None:
    x = torch._neg_view(torch.ones(3))
    assert M.scaled(x, 2.0).tolist() == [-2, -2, -2]


def test_zero_dimensional_results_stay_arrays() -> None:
    a, b, c = M.numbers(2, 3, True)
    assert [v.shape for v in (a, b, c)] == [()] * 3 and (a.dtype, b.dtype, c.dtype) == (np.float32, np.int8, np.bool_)
    assert (a.item(), b.item(), c.item()) == (2.0, 3, True)
    assert M.total(torch.ones(3)).shape == torch.Size([])


def test_results_keep_their_nesting_and_share_nothing() -> None:
    x = np.ones(2, np.float32)
    a, (b, c) = M.pair(x)
    assert (a.tolist(), b.tolist(), c.tolist()) == ([2, 2], [2, 2], [1, 1])
    assert not np.shares_memory(c, x)
    first, second = M.twice(x)
    assert not np.shares_memory(first, second) and first.tolist() == second.tolist()


def test_static_parameters() -> None:
    assert M.grid(3, (2, 2)).tolist() == [[3, 3], [3, 3]]
    assert M.grid(3, [2], "i8").dtype == np.int8
    assert M.grid(3, [2], np.float64).dtype == np.float64
    assert M.grid(3, np.int64(2), torch.float16).dtype == np.float16
    assert M.grid(np.int32(3), (), tc.f64).dtype == np.float64
    assert M.total(X, axis=(0, 1)) == 15 and M.total(X, 0).tolist() == [3, 5, 7] and M.total(X) == 15


WRONG: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("dtype", lambda: M.affine(X, W.astype("f8")), tc.DTypeError, "`w` of `affine` is f32[D, K]; it got f64, write `x.astype(np.float32)`"),
    ("dtype of torch", lambda: M.affine(X, torch.ones(3, 4).double()), tc.DTypeError, "write `x.to(torch.float32)`"),
    (
        "size",
        lambda: M.affine(X, np.ones((4, 4), np.float32)),
        tc.ShapeError,
        "`w` of `affine`: axis 0 is D = 4, but `x` (axis 1) has D = 3",
    ),
    ("rank", lambda: M.affine(X[0], W), tc.ShapeError, "`x` of `affine` is f32[N, D], with 2 axes; it got 1 axis ([3])"),
    ("constant dim", lambda: M.four(X), tc.ShapeError, "`x` of `four`: axis 1 has 3, but must have 4"),
    (
        "compound dim",
        lambda: M.halves(np.ones(7, np.float32), np.ones(3, np.float32)),
        tc.ShapeError,
        "`x` of `halves`: axis 0 has 7, but must have 2*N = 6, where N = 3 is axis 0 of `y`",
    ),
    ("requirement", lambda: M.even(np.ones(3, np.float32)), tc.ShapeError, "even: N must be even, but N = 3 is axis 0 of `x`"),
    ("too few", lambda: M.affine(X), TypeError, "`affine` lacks its argument `w`"),
    ("too many", lambda: M.affine(X, W, 1, 2, 3), TypeError, "`affine` takes 4 arguments (x, w, s, k), but 5 were given"),
    ("unknown keyword", lambda: M.affine(X, W, scale=2), TypeError, "`affine` has no parameter `scale`"),
    ("misspelt keyword", lambda: M.grid(1, (2,), dtyp="f32"), TypeError, "did you mean `dtype`?"),
    ("twice", lambda: M.affine(X, W, x=X), TypeError, "`x` twice, by position and by keyword"),
    ("byte order", lambda: M.affine(X, W.astype(">f4")), tc.DTypeError, "`w` of `affine` is in the other byte order (>f4)"),
    ("objects", lambda: M.affine(X, W.astype(object)), tc.DTypeError, "holds Python objects"),
    ("complex", lambda: M.affine(X, W + 0j), tc.DTypeError, "is complex (complex64)"),
    ("complex of torch", lambda: M.affine(X, torch.ones(3, 4, dtype=torch.complex64)), tc.DTypeError, "is complex (complex64)"),
    ("fields", lambda: M.affine(X, np.zeros(3, [("a", "f4")])), tc.DTypeError, "is a structured array"),
    ("text", lambda: M.affine(X, np.array(["a"])), tc.DTypeError, "has the dtype str"),
    ("masked", lambda: M.affine(X, np.ma.masked_array(W)), tc.DTypeError, "is a masked array"),
    ("list", lambda: M.affine(X, W.tolist()), tc.DTypeError, "must be an array, not a list; write `np.array(x, dtype=...)`"),
    ("none", lambda: M.affine(X, None), tc.DTypeError, "`w` of `affine` must be an array, not None"),
    ("number for a matrix", lambda: M.affine(X, 1.0), tc.ShapeError, "`w` of `affine` is f32[D, K], with 2 axes; a number has none"),
    ("device", lambda: M.affine(X, torch.ones(3, 4, device="meta")), tc.TargetUnavailable, "`w` of `affine` is on the device meta"),
    ("sparse", lambda: M.affine(X, torch.ones(3, 4).to_sparse()), tc.DTypeError, "is a sparse_coo tensor; write `x.to_dense()`"),
    ("pack", lambda: M.added(X, X), tc.ShapeError, "`y` of `added` is f32[...S, N], where `...S` is 2 axes by `x`; it got 2 axes"),
    (
        "kind",
        lambda: M.scaled(np.ones(2, np.int32), 2),
        tc.DTypeError,
        "`x` of `scaled` is T[...S, N], where T is of the kind `float`; it got i32",
    ),
    ("variable", lambda: M.scaled(X, np.array(2.0)), tc.DTypeError, "`a` of `scaled` is T, and T is f32 by `x`; it got f64"),
    ("fraction", lambda: M.numbers(1, 2.5, True), tc.DTypeError, "`b` of `numbers` is i8, and 2.5 is a float"),
    ("great integer", lambda: M.numbers(1, 200, True), tc.DTypeError, "`b` of `numbers` is i8, which ends at 127; 200 is outside"),
    ("great float", lambda: M.numbers(1e300, 2, True), tc.DTypeError, "`a` of `numbers` is f32; 1e+300 is too great for it"),
    ("number for bool", lambda: M.numbers(1, 2, 1), tc.DTypeError, "`c` of `numbers` is bool, and 1 is an int"),
    ("static", lambda: M.affine(X, W, k=1.5), tc.DTypeError, "`k` of `affine` is a static int, known when compiling; it cannot be 1.5"),
    ("array for static", lambda: M.affine(X, W, k=X), tc.DTypeError, "it cannot be the array f32"),
    ("spec", lambda: M.affine(tc.spec("f32[2, 3]"), W), tc.DTypeError, "is called with arrays; a spec stands for one in `lower`"),
]


@pytest.mark.parametrize(("call", "error", "text"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_calls(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        call()
    assert text in str(raised.value) and "parameter `parameter" not in str(raised.value)


def test_numbers_that_have_no_dtype_of_their_own() -> None:
    assert M.numbers(float("inf"), -128, False)[0] == np.inf
    assert np.isnan(M.numbers(float("nan"), 0, False)[0])
    assert M.scaled(np.ones(1), 3).dtype == np.float64


def test_a_subscript_out_of_range_names_its_place() -> None:
    with pytest.raises(IndexError) as raised:
        M.rows(X, np.array([0, 1, 5, 7]))
    text = str(raised.value)
    assert "index 5 is out of range for axis 0 of `t`, which has N = 2" in text
    assert "face.tx:11:21" in text and "let e[b, d] = t[i[b], d]" in text
    with pytest.raises(IndexError, match="index -1"):
        M.rows(X, np.array([-1]))


# out=


def test_out() -> None:
    out = np.empty((2, 4), np.float32)
    assert M.affine(X, W, out=out) is out
    np.testing.assert_array_equal(out, EXPECTED)
    wide = np.zeros((4, 8), np.float32)
    view = wide[::2, 1:5]
    assert M.affine(X, W, out=view) is view
    np.testing.assert_array_equal(wide[::2, 1:5], EXPECTED)
    assert wide[1::2].sum() == 0 and wide[:, 5:].sum() == 0
    tensor = torch.empty(2, 4)
    assert M.affine(X, W, out=tensor) is tensor
    np.testing.assert_array_equal(tensor.numpy(), EXPECTED)


def test_out_that_overlaps() -> None:
    x = np.arange(8, dtype=np.float32)
    first, rest = x[:6], x[2:]
    expected = first.copy() + 1, first.copy() * 2, first.copy()
    outs = (rest, (np.empty(6, np.float32), np.empty(6, np.float32)))
    assert M.pair(first, out=outs)[0] is rest
    for got, want in zip((rest, *outs[1]), expected, strict=True):
        np.testing.assert_array_equal(got, want)
    y = np.arange(4, dtype=np.float32)
    a, b = np.empty(4, np.float32), np.empty(4, np.float32)
    assert M.twice(y, out=(a, b))[0] is a
    np.testing.assert_array_equal(a, y + 1)
    np.testing.assert_array_equal(b, y + 1)
    assert M.scaled(y, 2.0, out=y) is y and y.tolist() == [0, 2, 4, 6]


def _read_only() -> Any:
    out = np.zeros((2, 4), np.float32)
    out.flags.writeable = False
    return out


def _overlapping() -> Any:
    return np.lib.stride_tricks.as_strided(np.zeros(4, np.float32), (2, 4), (0, 4))


@pytest.mark.parametrize(
    ("out", "error", "text"),
    [
        (lambda: np.zeros((2, 4)), tc.DTypeError, "`out` of `affine` is f64, but the result is f32"),
        (lambda: np.zeros((2, 5), np.float32), tc.ShapeError, "`out` of `affine` has the shape [2, 5], but the result has [2, 4]"),
        (_read_only, ValueError, "`out` of `affine` is read-only"),
        (_overlapping, ValueError, "has one element in several places"),
        (lambda: [1], tc.DTypeError, "`out` of `affine` must be an array, not a list"),
        (lambda: 3.0, tc.DTypeError, "`out` of `affine` must be an array, not the number 3.0"),
        (lambda: torch.zeros(2, 4, requires_grad=True), ValueError, "requires a gradient"),
    ],
)
def test_wrong_out(out: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        M.affine(X, W, out=out())
    assert text in str(raised.value)


def test_out_of_several_results() -> None:
    x = np.ones(2, np.float32)
    with pytest.raises(TypeError, match="`out` of `pair` must be a tuple of 2 arrays"):
        M.pair(x, out=x)
    with pytest.raises(TypeError, match=r"`out\[1\]` of `pair` must be a tuple of 2 arrays"):
        M.pair(x, out=(x, x))
    with pytest.raises(tc.ShapeError, match=r"`out\[2\]` of `pair` has the shape \[3\]"):
        M.pair(x, out=(x.copy(), (x.copy(), np.ones(3, np.float32))))


def test_a_parameter_may_be_called_out() -> None:
    f = tc.compile("fn f(x: f32[N], out: f32[N]) = x + out").f
    assert f(np.ones(2, np.float32), out=np.ones(2, np.float32)).tolist() == [2, 2]


def test_a_result_larger_than_memory() -> None:
    f = tc.compile("fn f(x: f32[N], y: f32[M], z: f32[K], w: f32[L]) = tensor[i < N, j < M, k < K, l < L](0.0)").f
    huge = np.broadcast_to(np.float32(0), (1 << 20,))
    with pytest.raises(tc.ShapeError, match="larger than any memory"):
        f(huge, huge, huge, huge)


def test_threads() -> None:
    m = tc.compile(PROGRAM)
    errors: list[Exception] = []

    def work(k: int) -> None:
        try:
            for n in range(1, 20):
                x = np.full((n, 3), k, np.float32)
                np.testing.assert_array_equal(m.affine(x, W, k=k % 3), 0.5 * (x @ W) + k % 3)
        except Exception as failure:
            errors.append(failure)

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, k)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert m.affine.stats.calls == 6 * 19 and m.affine.stats.compiles == 3
