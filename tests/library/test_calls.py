"""How the library is called: names of arguments, methods, numbers, in index notation, other dtypes; sorts of NaN; mistakes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from library.judge import by_oracle, compiled

import tensorc as tc

NAN, INF = float("nan"), float("inf")
X = np.array([[1.0, -2.0, 3.0], [0.5, 0.25, -1.0]], "f4")
IDS = np.array([2, 0], "i8")


def one(text: str, *arrays: Any) -> Any:
    (found,) = by_oracle(text, [np.asarray(a) for a in arrays])
    return found


def same(*texts: str, arrays: tuple[Any, ...] = (X,)) -> None:
    first = by_oracle(texts[0], list(arrays))
    for text in texts[1:]:
        for a, b in zip(first, by_oracle(text, list(arrays)), strict=True):
            assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True), text


def test_names_of_arguments_are_pytorch_s_too() -> None:
    same(
        "sum(x, axis=0, keepdims=true)",
        "sum(input=x, dim=0, keepdim=true)",
        "x.sum(0, true)",
        "sum(x, (0,), keepdims=true)",
        "x.sum([0], true)",
    )
    same("softmax(x, axis=0)", "softmax(x, dim=0)", "x.softmax(0)", "softmax(input=x, axis=0)")
    same("maximum(x, 0.5)", "maximum(x, other=0.5)", "x.maximum(y=0.5)")
    same("pow(x, 3)", "pow(x, exponent=3)", "x ** 3")
    same("linear(x, x, y)", "linear(x, weight=x, bias=y)", "linear(input=x, w=x, b=y)", arrays=(X, np.ones(2, "f4")))
    same("permute(x, 1, 0)", "permute(x, (1, 0))", "permute(x, dims=(1, 0))", "x.permute(axes=[1, 0])", "x.T")
    same("nan_to_num(x / 0 * 0, 2)", "nan_to_num(x / 0 * 0, nan=2)")
    same("norm(x, 1)", "norm(x, ord=1)", "norm(x, p=1)")
    same("embedding(y, x)", "embedding(input=y, weight=x)", "embedding(ids=y, table=x)", arrays=(X, IDS % 2))
    same(
        "scaled_dot_product_attention(x, x, x)",
        "scaled_dot_product_attention(query=x, key=x, value=x)",
        "scaled_dot_product_attention(q=x, k=x, v=x)",
    )
    same("full([2], 3)", "full(shape=[2], value=3)", "full(size=[2], fill_value=3)")
    same("transpose(x, 0, 1)", "transpose(x, dim0=0, dim1=1)", "swapaxes(x, axis0=0, axis1=1)")


def test_a_file_s_own_functions_take_their_own_names_alone() -> None:
    with pytest.raises(tc.CompileError, match="no parameter `dim`"):
        by_oracle("fn g(x: f32[N, M], axis: int) = sum(x, axis)\nfn f(x: f32[N, M]) = g(x, dim=0)", [X])


def test_numbers_take_the_dtype_of_what_they_meet() -> None:
    half = X.astype("f2")
    assert one("logaddexp(x, 0.1)", half).dtype == np.float16 and one("hypot(2, x)", X).dtype == np.float32
    wide = X.astype("f8")
    assert np.array_equal(one("xlogy(0.1, abs(x))", wide), 0.1 * np.log(np.abs(wide)))
    assert np.array_equal(one("lerp(x, x + 1, 0.1)", wide), wide + 0.1 * ((wide + 1) - wide))
    assert one("x * sigmoid(0.3)", X).dtype == np.float32
    assert np.allclose(one("x * sigmoid(0.3)", wide), wide / (1 + np.exp(-0.3)), rtol=1e-15)
    assert one("softplus(2)", X)[()] == pytest.approx(np.log1p(np.exp(2.0)))
    assert one("mse_loss(x, 0)", X)[()] == pytest.approx((X**2).mean())
    assert one("pow(x, 2)", np.array([3], "i4")).dtype == np.int32 and one("hypot(x, 1)", np.array([3.0])).dtype == np.float64


@pytest.mark.parametrize(
    "text",
    [
        "conv1d(unsqueeze(x, 0), [[[0.5, 1], [2, 3]]], [1])", "linear(x, [[1, 2, 3]], [0.5])", "layer_norm(x, [1, 2, 3], [0, 1, 0])",
        "x @ [1, 2, 3]", 'einsum("ij,j", x, [1, 2, 3])', "concat([x, [[1, 2, 3]]])", "cross_entropy(x, [0, 2])",
        "where([true, false, true], x, 0)", "nll_loss(x, [2, 0], [1, 1, 1])", "mse_loss(x, [0, 1, 2])", "lerp(x, [1, 2, 3], 0.5)",
    ],
)  # fmt: skip
def test_literal_arrays_take_the_dtype_of_what_they_meet(text: str) -> None:
    for name, dtype in (("f8", "f64"), ("f2", "f16")):
        assert one(f"fn f(x: {dtype}[2, 3]) = {text}", X.astype(name)).dtype == np.dtype(name)


def test_literal_arrays_alone() -> None:
    assert one("softmax([1, 2, 3])").dtype == np.float32 and one("sort([3, 1, 2])").tolist() == [1, 2, 3]
    assert one("embedding([1, 0], x)", X).tolist() == X[::-1].tolist() and one("one_hot([1, 0], 2)").tolist() == [[0, 1], [1, 0]]
    assert one("take([10, 20, 30], x)", IDS).tolist() == [30, 10]


def test_inside_index_notation() -> None:
    same("fn f(x: f32[N, M]) { let y[i, j] = gelu(x[i, j]) + logaddexp(x[i, j], 0) return y }", "gelu(x) + logaddexp(x, 0)")
    same("fn f(x: f32[N, M]) { let y[i] = sum[j](relu(x[i, j])) return y }", "sum(relu(x), axis=1)")
    same("fn f(x: f32[N, M]) = tensor[i](sum[j](sigmoid(x[i, j]) * softplus(x[i, j])))", "sum(sigmoid(x) * softplus(x), axis=1)")


@pytest.mark.parametrize("name", ["u2", "u4", "u8", "i2"])
def test_unsigned_integers(name: str) -> None:
    a = np.array([[3, 1, 2, 3], [250, 7, 7, 0]]).astype(name)
    for text, expected in {
        "sum(x, axis=1)": a.astype("i8").sum(1),
        "max(x, axis=0)": a.max(0),
        "argmin(x, axis=1)": a.argmin(1),
        "sort(x)": np.sort(a),
        "argsort(x, descending=true)": np.array([[0, 3, 2, 1], [0, 1, 2, 3]]),
        "cumsum(x, 1)": a.astype("i8").cumsum(1),
        "cummax(x, 1)": np.maximum.accumulate(a, 1),
        "x // 2 + x % 3": a // 2 + a % 3,
        "where(x > 2, x, 0)": np.where(a > 2, a, 0).astype(name),
        "concat([x, flip(x, 1)])": np.concatenate([a, a[:, ::-1]]),
        "roll(x, 1, 1)": np.roll(a, 1, 1),
        "x @ transpose(x, 0, 1)": a @ a.T,
        "relu(x)": a,
        "clamp(x, 2, 100)": np.clip(a, 2, 100),
        "count_nonzero(x)": np.count_nonzero(a),
        "square(x)": a * a,
        "tril(x)": np.tril(a),
    }.items():
        found = one(text, a)
        assert np.array_equal(found, expected), text
        assert found.dtype == np.asarray(expected).dtype, text
    assert one("exp(x)", a).dtype == np.float32 and one("x / 2", a).dtype == np.float32


# Sorts: stable, NaN last in both directions.

NANS = np.array([[2.0, NAN, -INF, 2.0, INF, NAN, -0.0, 0.0], [NAN, NAN, 1.0, 1.0, 1.0, 3.0, 3.0, -1.0]])
UP = [[2, 6, 7, 0, 3, 4, 1, 5], [7, 2, 3, 4, 5, 6, 0, 1]]
DOWN = [[4, 0, 3, 6, 7, 2, 1, 5], [5, 6, 2, 3, 4, 7, 0, 1]]


@pytest.mark.parametrize("run", [by_oracle, compiled], ids=["oracle", "compiled"])
@pytest.mark.parametrize("name", ["f8", "f4", "f2"])
def test_nan_is_last(name: str, run: Any) -> None:
    a = NANS.astype(name)
    assert run("argsort(x)", [a])[0].tolist() == UP and run("argsort(x, descending=true)", [a])[0].tolist() == DOWN
    for text, order in (("sort(x)", UP), ("sort(x, descending=true)", DOWN)):
        assert np.array_equal(run(text, [a])[0], np.take_along_axis(a, np.array(order), 1), equal_nan=True)
    assert np.array_equal(run("transpose(sort(transpose(x, 0, 1), axis=0), 0, 1)", [a])[0], run("sort(x)", [a])[0], equal_nan=True)
    values, places = run("topk(x, 7)", [a])
    assert places.tolist() == [row[:7] for row in DOWN] and places.dtype == np.int64
    assert np.array_equal(values, np.take_along_axis(a, places, 1), equal_nan=True)
    values, places = run("topk(x, k=3, largest=false)", [a])
    assert places.tolist() == [row[:3] for row in UP]


# Mistakes.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("softmax(y)", "argument `x` of `softmax` is i64"),
        ("mean(y)", "`mean` wants floats"),
        ("softmax(x, axis=2)", "axis 2 of a tensor of rank 2"),
        ("sum(x, axis=(0, -2))", "an axis is given twice"),
        ('gelu(x, approximate="fast")', "`approximate` is"),
        ('mse_loss(x, 0, reduction="all")', "`reduction` is one of"),
        ("max_pool(x, 2)", "spatial axis"),
        ("conv2d(x, x)", "filters"),
        ("batch_norm(x)", "running_mean"),
        ("layer_norm(unsqueeze(x, 0), zeros([2, 2, 2, 2]))", "more axes"),
        ("hypot(y, y)", "wants floats"),
        ("abs(y > 0)", "not defined for bool"),
        ("topk(x, 9)", "of an axis of extent"),
        ("clamp(x)", "min, max or both"),
        ("softmax(x, sharp=2)", "no parameter `sharp`"),
        ("split(x, 0)", "at least 1"),
        ("einsum(\"ij,jk\", x)", "2 operands"),
        ("arange(0, 5, 0)", "step other than 0"),
        ("huber_loss(x, 0, delta=0.0)", "delta is positive"),
        ("wide(x)", "unknown name"),
        ("peak(x, 0)", "unknown name"),
    ],
)  # fmt: skip
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises((tc.CompileError, ValueError)) as caught:
        by_oracle(text, [X, IDS])
    assert message in str(caught.value)
    if isinstance(caught.value, tc.CompileError):
        span = caught.value.diagnostics[0].span
        assert span is not None and span.source.name == "case.tx"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("take(x, y, 1)", [3]), ("take(x, y, 1)", [-4]),
        ("gather(x, 1, unsqueeze(y, 0))", [-1]), ("embedding(y, x)", [2]), ("embedding(y, x)", [-1]),
        ("one_hot(y, 3)", [3]), ("cross_entropy(x, y)", [0, 3]), ("cross_entropy(x, y)", [0, -1]), ("nll_loss(x, y)", [0, 3]),
        ("scatter_add(zeros([3]), 0, y, x[0, :1])", [3]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("run", [by_oracle, compiled], ids=["oracle", "compiled"])
def test_places_outside(text: str, ids: list[int], run: Any) -> None:
    with pytest.raises(IndexError) as caught:
        run(text, [X, np.array(ids)])
    bad = ids[-1] if text.startswith(("cross", "nll")) else ids[0]
    assert f"index {bad} is out of range for axis " in str(caught.value)
    assert re.search(r"of `.+`, which has .+\n +--> .+:1:\d+\n", str(caught.value)), str(caught.value)
