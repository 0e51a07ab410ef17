"""tc.jit: what is traced, when it is traced again, and what is told where it cannot be."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import tensorc as tc

X = np.random.default_rng(0).random((2, 3)).astype(np.float32)
W = np.random.default_rng(1).random((3, 4)).astype(np.float32)
runs = 0


@tc.jit
def gelu_bias(x: Any, b: Any) -> Any:
    """Adds and bends."""
    global runs
    runs += 1
    return tc.gelu(x + b)


@tc.jit("f32[B, N], f32[N] -> f32[B, N]", static=("eps",))
def rms(x: Any, w: Any, eps: float = 1e-6) -> Any:
    return x * tc.rsqrt(tc.mean(x * x, axis=-1, keepdims=True) + eps) * w


def test_traced_once_for_all_sizes() -> None:
    before = runs
    for n in (2, 5, 7):
        x = np.ones((n, n + 1), np.float32)
        expected = torch.nn.functional.gelu(torch.tensor(x + 1)).numpy()
        np.testing.assert_allclose(gelu_bias(x, x[0]), expected, rtol=1e-6)
    assert runs == before + 1 and gelu_bias.stats.compiles == 1
    gelu_bias(X[:1], X)  # an axis of size 1 broadcasts, so it is another program
    gelu_bias(X.astype(np.float64), X[0])
    assert runs == before + 3


def test_what_a_jitted_function_is() -> None:
    assert gelu_bias.__name__ == "gelu_bias" and gelu_bias.doc == "Adds and bends." == gelu_bias.__doc__
    assert "return tc.gelu(x + b)" in gelu_bias.source and gelu_bias.signature.startswith("gelu_bias(x")
    assert rms.signature == "rms: f32[B, N], f32[N] -> f32[B, N]"
    assert pickle.loads(pickle.dumps(rms)) is rms
    again = pickle.loads(pickle.dumps(tc.jit(math_free)))
    np.testing.assert_allclose(again(X), X * 2)


def math_free(x: Any) -> Any:
    return x * 2


def test_a_signature_is_checked_at_once_and_at_every_call() -> None:
    expected = X / np.sqrt((X * X).mean(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(rms(X, np.ones(3, np.float32)), expected, rtol=1e-6)
    assert rms(X[:1], np.ones(3, np.float32)).shape == (1, 3)
    np.testing.assert_allclose(rms(X, np.ones(3, np.float32), eps=1.0), X / np.sqrt((X * X).mean(-1, keepdims=True) + 1), rtol=1e-6)
    with pytest.raises(tc.ShapeError, match=r"`w` of `rms`: axis 0 is N = 4, but `x` \(axis 1\) has N = 3"):
        rms(X, np.ones(4, np.float32))
    with pytest.raises(tc.DTypeError, match=r"`x` of `rms` is f32\[B, N\]; it got f64, write `x.astype\(np.float32\)`"):
        rms(X.astype(np.float64), np.ones(3, np.float32))
    with pytest.raises(tc.ShapeError, match=r"it got 1 axes"):
        rms(X[0], np.ones(3, np.float32))


@pytest.mark.parametrize(
    ("signature", "function", "code", "text"),
    [
        ("f32[B, N], f32[M] -> f32[B, N]", lambda x, w: x + w, "E0301", "shapes do not broadcast"),
        ("f32[B, N], f32[N] -> f32[N]", lambda x, w: x + w, "E0912", "returns f32[B, N], but its signature says f32[N]"),
        ("f32[N] -> f64[N]", lambda x: x, "E0912", "returns f32[N], but its signature says f64[N]"),
        ("f32[N] -> (f32[N], f32[N])", lambda x: x, "E0912", "returns one array"),
        ("f32[N] -> f32[N]", lambda x: (x, x), "E0912", "returns 2 results"),
        ("f32[N] -> f32[M]", lambda x: x, "E0203", "the dim `M` is not bound"),
        ("f3[N]", lambda x: x, "E0407", "did you mean `f32`?"),
        ("f32[N], f32[N]", lambda x: x, "E0911", "has 2 types, but `function` has 1 tensor parameter"),
        ("int -> f32", lambda x: x, "E0910", "`int` is no tensor type"),
        ("f32[..., ...]", lambda x: x, "E0914", "one `...` in a type"),
    ],
)
def test_wrong_signatures(signature: str, function: Callable[..., Any], code: str, text: str) -> None:
    with pytest.raises(tc.CompileError) as raised:
        tc.jit(signature)(function)
    assert raised.value.diagnostics[0].code == code and text in str(raised.value)


def test_signatures_with_any_number_of_axes() -> None:
    @tc.jit("f32[...S, N], f32[N] -> f32[...S]")
    def total(x: Any, w: Any) -> Any:
        return (x * w).sum(-1)

    for shape in ((3,), (2, 3), (4, 2, 3)):
        x = np.ones(shape, np.float32)
        assert total(x, X[0]).shape == shape[:-1]
    with pytest.raises(tc.ShapeError, match=r"axis 0 is N = 2"):
        total(X, X[0, :2])
    assert tc.jit("f32[2*N], f32[N] -> f32[N]")(lambda x, y: x[::2] + y)(np.ones(4, np.float32), np.ones(2, np.float32)).tolist() == [2, 2]


def test_axes_that_meet_are_equal_and_that_is_checked() -> None:
    f = tc.jit(lambda x, w: x @ w)
    np.testing.assert_allclose(f(X, W), X @ W, rtol=1e-6)
    with pytest.raises(tc.ShapeError) as raised:
        f(X, np.ones((4, 4), np.float32))
    assert "x_1 = 3 is axis 1 of `x`" in str(raised.value) and "w_0 = 4 is axis 0 of `w`" in str(raised.value)
    assert "test_jit.py:" in str(raised.value) and "^^^^^" in str(raised.value)


def test_arguments_of_every_form() -> None:
    @tc.jit
    def step(params: Any, x: Any, *more: Any, scale: float = 2.0, flag: bool = False, name: str = "a", **rest: Any) -> Any:
        total = x @ params["w"] + params["b"][0]
        for m in more:
            total = total + m
        return (total * scale if flag else total), [rest["y"] + 1, (x.T,)]

    params = {"w": W, "b": [np.ones(4, np.float32)]}
    a, (b, (c,)) = step(params, X, 1.0, 2, y=X, flag=True)
    np.testing.assert_allclose(a, (X @ W + 4) * 2, rtol=1e-6)
    np.testing.assert_allclose(b, X + 1)
    np.testing.assert_allclose(c, X.T)
    assert step.stats.compiles == 1
    step(params, X, 5.0, 7, y=X, flag=True)  # other numbers are other values of the same inputs
    assert step.stats.compiles == 1
    step(params, X, 1.0, 2, y=X, flag=False)
    step(params, X, 1.0, y=X)
    assert step.stats.compiles == 3


def test_numbers_give_way_to_arrays() -> None:
    f = tc.jit(lambda x, s: x * s)
    assert f(X, 2.5).dtype == np.float32 and f(X, 2).dtype == np.float32
    assert f(np.arange(3), 2).dtype == np.int64 and f(np.arange(3), 0.5).dtype == np.float32
    np.testing.assert_array_equal(f(np.ones(1), 0.1), [0.1])
    assert f(X.astype(np.float16), 2.5).dtype == np.float16
    with pytest.raises(tc.DTypeError, match=r"which ends at 9223372036854775807"):
        f(X, 1 << 70)


def test_static_arguments() -> None:
    f = tc.jit(lambda x, axis: x.sum(axis=axis), static="axis")
    assert f(X, 1).shape == (2,) and f(X, axis=0).shape == (3,) and f(X, (0, 1)).shape == ()
    assert f.stats.compiles == 3
    g = tc.jit(lambda x, axes: x.sum(axis=axes))  # a tuple without arrays is static by itself
    assert g(X, (0, 1)).shape == ()
    with pytest.raises(tc.CompileError, match=r"name its parameter in `static="):
        g(X, 1)
    with pytest.raises(TypeError, match=r"`f` of `function` is static, and a set cannot be hashed"):
        tc.jit(lambda x, f: x, static="f")(X, {1, 2})
    with pytest.raises(TypeError, match=r"`static` names `axs`, which is no parameter of .*; did you mean `axis`"):
        tc.jit(lambda x, axis: x, static="axs")
    h = tc.jit(lambda x, f: f(x), static="f")
    np.testing.assert_allclose(h(X, tc.exp), np.exp(X), rtol=1e-6)


def test_torch() -> None:
    f = tc.jit(lambda x, w: (torch.tanh(x @ w), x.sum()))
    a, b = f(torch.tensor(X), W)
    assert isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
    torch.testing.assert_close(a, torch.tanh(torch.tensor(X @ W)))
    assert isinstance(f(X, W)[0], np.ndarray) and f.stats.compiles == 1


def test_functions_inline_each_other() -> None:
    m = tc.compile("fn square(x: f32[...S], n: int = 1) -> f32[...S] = x * x * n")
    inner = tc.jit(lambda x: m.square(x, n=2) + 1)
    outer = tc.jit(lambda x: inner(x) + inner(x[None])[0])
    np.testing.assert_allclose(outer(X), 2 * (2 * X * X + 1), rtol=1e-6)
    assert outer.stats.compiles == 1 and inner.stats.compiles == 0 and m.square.stats.calls == 0
    with pytest.raises(tc.CompileError, match=r"square"):
        tc.jit(lambda x: m.square(x))(X.astype(np.float64))


def test_arrays_closed_over_are_read_at_every_call() -> None:
    bias = np.ones(4, np.float32)
    f = tc.jit(lambda x: x @ W + bias + np.arange(4, dtype=np.float32) + tc.zeros([x.shape[0], 4]) + bias)
    base = X @ W + np.arange(4, dtype=np.float32)
    np.testing.assert_allclose(f(X), base + 2, rtol=1e-6)
    bias[:] = 5
    np.testing.assert_allclose(f(X), base + 10, rtol=1e-6)
    assert f.stats.compiles == 1
    t = torch.ones(3)
    assert isinstance(tc.jit(lambda x: x + t)(X), torch.Tensor)
    with pytest.raises(tc.ShapeError, match=r"axis 1 of `x`"):
        f(X[:, :2])


def test_sizes() -> None:
    f = tc.jit(
        lambda x: (x.reshape(x.shape[0] * x.shape[1]), x / x.shape[-1] ** 0.5, tc.arange(x.shape[0] + 1), x.size * x, x[: x.shape[0] - 1])
    )
    a, b, c, d, e = f(X)
    assert a.shape == (6,) and c.tolist() == [0, 1, 2] and e.shape == (1, 3)
    np.testing.assert_allclose(b, X / np.sqrt(3), rtol=1e-6)
    np.testing.assert_allclose(d, 6 * X, rtol=1e-6)

    def decided(x: Any) -> Any:
        assert x.shape[0] == x.shape[0] and x.shape[0] != x.shape[0] + 1 and x.shape[0] >= 0 and not x.shape[1] < 0 and x.shape[0] + 1 > 0
        assert x.ndim == 2 and len(x.shape) == 2 and hash(x.shape[0]) == hash(x.shape[0])
        return x

    np.testing.assert_array_equal(tc.jit(decided)(X), X)
    one = tc.jit(lambda x: x[0] if x.shape[0] == 1 else x.sum(0))
    assert one(X[:1]).shape == (3,) and one(X).shape == (3,) and one.stats.compiles == 2


def test_operators_and_indexing() -> None:
    def f(x: Any, i: Any) -> Any:
        x = abs(-x) + +x
        x += 1
        return x[..., 0], x[:, None, 1:], x[::-1], x[-1, -1], x[i], x.T, x.mT, i % 2, i // 2, ~i, i**2, 2**i, x > 1, divmod(i, 2)

    i = np.array([1, 0, 1])
    for got, want in zip(tc.jit(f)(X, i), f(X, i), strict=True):
        if isinstance(got, tuple):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w)
        else:
            np.testing.assert_allclose(got, want, rtol=1e-6)


def _write(x: Any) -> Any:
    x[0] = 1
    return x


def _branch(x: Any) -> Any:
    if x.sum() > 0:
        return x
    return -x


def _count(x: Any) -> Any:
    for _ in range(x.shape[0]):
        x = x + 1
    return x


kept: list[Any] = []


@pytest.mark.parametrize(
    ("function", "code", "text"),
    [
        (_branch, "E0902", "choose element by element with `tc.where"),
        (lambda x: x and x, "E0902", "`if`, `while`, `and`, `or`"),
        (lambda x: float(x.sum()), "E0902", "`float(x)`"),
        (lambda x: [1, 2][x.sum()], "E0902", "`static="),
        (lambda x: np.asarray(x), "E0902", "`np.asarray(x)`"),
        (lambda x: x.sum().item(), "E0902", "`item()`"),
        (lambda x: 1 in x, "E0902", "`in`"),
        (_count, "E0903", "the size x_0 is not known while tracing"),
        (lambda x: math.sqrt(x.shape[0]) * x, "E0903", "`n ** 0.5`"),
        (lambda x: np.zeros(x.shape) + x, "E0903", "`tc.zeros([n])`"),
        (lambda x: x if x.shape[0] > 3 else -x, "E0903", "whether x_0 > 3 is not known while tracing"),
        (lambda x: [len(x)], "E0903", "len(x)"),
        (_write, "E0904", "make a new one"),
        (lambda x: None, "E0909", "returns nothing"),
        (lambda x: "a", "E0909", "returns a str"),
        (lambda x: x + object(), None, "unsupported operand"),
        (lambda x: tc.sum(x, axis=object()), "E0906", "object is nothing that can be traced"),
        (lambda x: x.sum(axis=7), "E0304", "axis 7"),
        (lambda x: x.sun(axis=7), None, "did you mean `sum`"),
        (lambda x: x @ x[0, 0], "E0303", ""),
    ],
)
def test_what_cannot_be_traced(function: Callable[[Any], Any], code: str | None, text: str) -> None:
    with pytest.raises((tc.CompileError, TypeError, AttributeError)) as raised:
        tc.jit(function)(X)
    assert text in str(raised.value)
    if code is not None:
        assert isinstance(raised.value, tc.CompileError)
        assert raised.value.diagnostics[0].code == code, str(raised.value)
        assert "test_jit.py:" in str(raised.value)


def test_a_tracer_that_escapes() -> None:
    tc.jit(lambda x: (kept.append(x), x)[1])(X)
    with pytest.raises(tc.CompileError, match=r"after its function was traced"):
        _ = kept[0] + 1
    with pytest.raises(tc.CompileError, match=r"outside of its function"):
        tc.jit(lambda x: x + kept[0])(X)


def test_wrong_calls() -> None:
    with pytest.raises(tc.DTypeError, match=r"`x` of `gelu_bias` must be an array, not a list"):
        gelu_bias([1.0], X)
    with pytest.raises(TypeError, match=r"`gelu_bias`: missing a required argument: 'b'"):
        gelu_bias(X)
    with pytest.raises(TypeError, match=r"`gelu_bias` has no parameter `bb`; did you mean `b`"):
        gelu_bias(X, bb=1)
    with pytest.raises(tc.DTypeError, match=r"`b` of `gelu_bias` is complex"):
        gelu_bias(X, X + 0j)
    with pytest.raises(TypeError, match=r"`tc.jit` takes a function"):
        tc.jit(3)


def test_gradients_are_not_lost_in_silence() -> None:
    x = torch.tensor(X, requires_grad=True)
    gelu_bias(x, X[0]).sum().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()
    with torch.no_grad():
        assert not gelu_bias(x, X[0]).requires_grad
    assert gelu_bias(x.detach(), X[0]).shape == X.shape


def test_methods() -> None:
    class Layer:
        def __init__(self) -> None:
            self.w = W

        @tc.jit(static="self")
        def forward(self, x: Any) -> Any:
            return x @ self.w

        @tc.jit
        def wrong(self, x: Any) -> Any:
            return x @ self.w

    np.testing.assert_allclose(Layer().forward(X), X @ W, rtol=1e-6)
    with pytest.raises(tc.DTypeError, match="`self` of `wrong` must be an array, not a Layer; what is no array is named in `static=`"):
        Layer().wrong(X)


def test_library_functions_on_arrays() -> None:
    np.testing.assert_allclose(tc.softmax(X, axis=0), torch.softmax(torch.tensor(X), 0).numpy(), rtol=1e-6)
    assert isinstance(tc.sum(torch.tensor(X), dim=0), torch.Tensor)
    assert tc.concat([X, X], axis=1).shape == (2, 6)
    assert tc.zeros([2, 3]).shape == (2, 3) and tc.arange(5).tolist() == [0, 1, 2, 3, 4]
    assert tc.cast(X, "i32").dtype == np.int32 and tc.cast(X, np.float64).dtype == np.float64 and tc.cast(X, tc.f16).dtype == np.float16
    assert tc.softmax is tc.softmax and "softmax" in tc.softmax.signature and tc.softmax.doc
    assert tc.exp(0.0) == 1 and tc.exp(0.0).dtype == np.float32
    before = tc.tanh.stats.compiles
    for n in (2, 3, 4):
        np.testing.assert_allclose(tc.tanh(np.ones(n)), np.tanh(np.ones(n)))
    assert tc.tanh.stats.compiles == before + 1
    with pytest.raises(AttributeError, match=r"tensorc has no `sofmax`; did you mean `softmax`"):
        _ = tc.sofmax
    with pytest.raises(tc.CompileError, match=r"E0607"):
        tc.softmax()
    assert pickle.loads(pickle.dumps(tc.softmax))(X).shape == X.shape
