"""Transforms from Python, on the command line, and `check_grad`."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import tensorc as tc
from tensorc.cli.output import Refused

MODULE = tc.compile("""
fn loss(w: f32[D, K], x: f32[N, D], y: i64[N]) -> f32 = cross_entropy(x @ w, y)
fn cubes(x: f32[N]) = sum(x * x * x)
fn scaled(x: f32[N], y: f32[N]) = x * x * y
fn generic<T: float>(x: T[N], n: int = 2) = sum(x ** n)
fn both(x: f32[N]) = sum(x * x), x * 2, cast(x, i64)
""")
X = np.arange(4, dtype=np.float32)


def test_grad_by_name_position_and_default() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(5, 4)).astype(np.float32)
    y = rng.integers(0, 3, 5)
    tw, tx = torch.tensor(w, requires_grad=True), torch.tensor(x, requires_grad=True)
    value = torch.nn.functional.cross_entropy(tx @ tw, torch.tensor(y))
    value.backward()
    for wrt in ("w", 0):
        np.testing.assert_allclose(tc.grad(MODULE.loss, wrt=wrt)(w, x, y), tw.grad, atol=1e-6)
    (dx,) = tc.grad(MODULE.loss, wrt=("x",))(w, x, y)
    np.testing.assert_allclose(dx, tx.grad, atol=1e-6)
    dw, dx = MODULE.loss.grad()(w, x, y)
    np.testing.assert_allclose(dx, tx.grad, atol=1e-6)
    found, dw = tc.value_and_grad(MODULE.loss, wrt="w")(w, x, y)
    np.testing.assert_allclose(found, value.item(), rtol=1e-6)
    np.testing.assert_allclose(dw, tw.grad, atol=1e-6)


def test_vjp_jvp_vmap() -> None:
    y, (dx, dy) = MODULE.scaled.vjp()(X, X + 1, X)
    np.testing.assert_allclose(y, X * X * (X + 1))
    np.testing.assert_allclose(dx, 2 * X * X * (X + 1))
    np.testing.assert_allclose(dy, X**3)
    y, tangent = MODULE.scaled.jvp(wrt="x")(X, X + 1, X)
    np.testing.assert_allclose(tangent, 2 * X * X * (X + 1))
    batch = np.stack([X, X + 1])
    np.testing.assert_allclose(tc.vmap(tc.grad(MODULE.cubes))(batch), 3 * batch**2)
    np.testing.assert_allclose(MODULE.scaled.vmap(in_axes=(0, None))(batch, X), batch**2 * X)
    np.testing.assert_allclose(MODULE.scaled.vmap(in_axes=(1, None))(np.ascontiguousarray(batch.T), X), batch**2 * X)


def test_results_of_several_kinds() -> None:
    (s, _, whole), (ds, dd) = tc.jvp(MODULE.both)(X, X)
    assert whole.dtype == np.int64
    np.testing.assert_allclose([s, ds], [np.sum(X * X), 2 * np.sum(X * X)])
    np.testing.assert_allclose(dd, 2 * X)
    _, dx = tc.vjp(MODULE.both)(X, np.float32(1), X)
    np.testing.assert_allclose(dx, 2 * X + 2 * X)


def test_second_order() -> None:
    np.testing.assert_allclose(tc.hvp(MODULE.cubes)(X, X + 1), 6 * X * (X + 1))
    np.testing.assert_allclose(tc.hessian(MODULE.cubes)(X), np.diag(6 * X))
    for jacobian in (tc.jacrev, tc.jacfwd):
        dx, dy = jacobian(MODULE.scaled)(X, X + 1)
        np.testing.assert_allclose(dx, np.diag(2 * X * (X + 1)))
        np.testing.assert_allclose(dy, np.diag(X * X))
    matrix = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    product = tc.compile("fn product(a: f32[N, D], x: f32[D]) = a @ x").product
    np.testing.assert_allclose(tc.jacfwd(product, wrt="x")(matrix, X), matrix)
    np.testing.assert_allclose(tc.jacrev(product, wrt="a")(matrix, X), np.einsum("ik,j->ikj", np.eye(3), X))


def test_traced_functions() -> None:
    weights = np.arange(4, dtype=np.float32) + 1

    @tc.jit
    def f(x: Any) -> Any:
        return tc.sum(tc.sin(x) * x * weights)

    expected = (np.cos(X) * X + np.sin(X)) * weights
    np.testing.assert_allclose(tc.grad(f)(X), expected, rtol=1e-5)
    np.testing.assert_allclose(tc.grad(lambda x: tc.sum(tc.sin(x) * x * weights))(X), expected, rtol=1e-5)
    weights += 1
    np.testing.assert_allclose(tc.grad(f)(X), (np.cos(X) * X + np.sin(X)) * weights, rtol=1e-5)

    @tc.jit
    def inside(x: Any) -> Any:
        return tc.vmap(tc.grad(lambda t: t * t * t))(x) + tc.grad(MODULE.cubes)(x) + tc.vjp(tc.exp)(x, x)[1]

    np.testing.assert_allclose(inside(X), 6 * X**2 + np.exp(X) * X, rtol=1e-5)
    np.testing.assert_allclose(tc.grad(lambda x: tc.sum(tc.grad(MODULE.cubes)(x)))(X), 6 * X)


def test_torch_and_static_values() -> None:
    found = tc.grad(MODULE.generic)(torch.arange(4.0, dtype=torch.float64), 3)
    assert isinstance(found, torch.Tensor) and found.dtype == torch.float64
    torch.testing.assert_close(found, 3 * torch.arange(4.0, dtype=torch.float64) ** 2)
    np.testing.assert_allclose(tc.grad(MODULE.generic)(X), 2 * X)


def test_halves_accumulate_in_f32() -> None:
    count = 3000
    module = tc.compile("fn f(x: f16[N], y: f16[N], w: f16) = sum(cast(x * w, f32))")
    ones = np.ones(count, np.float16)
    dw = tc.grad(module.f, wrt="w").reference(ones, ones, np.float16(1))
    assert dw == count and dw.dtype == np.float16
    assert "f32" in tc.grad(module.f, wrt="w").inspect("typed", tc.spec("f16[N]"), tc.spec("f16[N]"), tc.spec("f16"))


def test_pickles_and_says_what_it_is() -> None:
    gradient = tc.grad(MODULE.cubes)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(gradient))(X), 3 * X**2)
    assert "grad" in repr(gradient) and "cubes" in gradient.signature
    assert "6.0 * " in tc.grad(tc.grad(lambda x: x * x * x)).inspect("typed", tc.spec("f32"))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tc.grad(MODULE.loss, wrt="v"), TypeError, "no parameter `v`"),
        (lambda: tc.grad(MODULE.loss, wrt=7), TypeError, "parameter 7"),
        (lambda: tc.grad(3), TypeError, "a function is differentiated"),  # type: ignore[arg-type]
        (lambda: tc.grad(MODULE.scaled)(X, X), tc.CompileError, "wants a scalar result"),
        (lambda: tc.grad(MODULE.generic, wrt="n")(X, 2), tc.DTypeError, "has no derivative"),
        (lambda: tc.vjp(MODULE.scaled)(X, X), TypeError, "one cotangent for each float result"),
        (lambda: tc.vjp(MODULE.scaled)(X, X, X.astype(np.float64)), tc.DTypeError, "cotangent 0"),
        (lambda: tc.vjp(MODULE.scaled)(X, X, X[:2]), tc.ShapeError, "dy"),
        (lambda: tc.vmap(MODULE.scaled)(np.ones((2, 4), np.float32), np.ones((3, 4), np.float32)), tc.ShapeError, "sizes 2, 3"),
        (lambda: tc.vmap(MODULE.scaled, in_axes=(0,))(np.ones((2, 4), np.float32), X), TypeError, "in_axes"),
        (lambda: tc.vmap(MODULE.cubes, in_axes=None)(X), tc.ShapeError, "no axis"),
    ],
)
def test_mistakes(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_unused_and_empty_inputs() -> None:
    module = tc.compile("fn f(x: f32[N], y: f32[M]) = sum(x * x)")
    dx, dy = tc.grad(module.f)(X, np.ones(3, np.float32))
    np.testing.assert_array_equal(dy, np.zeros(3))
    dx, dy = tc.grad(module.f)(np.zeros(0, np.float32), np.zeros(0, np.float32))
    assert dx.shape == dy.shape == (0,)


def test_check_grad() -> None:
    tc.testing.check_grad(MODULE.generic, np.array([0.5, 2.0]), 3)
    tc.testing.check_grad(lambda x, y: tc.softmax(x @ y), np.random.default_rng(0).normal(size=(3, 4)), np.ones((4, 2)))
    with pytest.raises(AssertionError, match=r"tangent of result 0 differs in direction 0.*\n.*jvp.*differences"):
        tc.testing.check_grad(lambda x: tc.stop_gradient(x) * x, np.array([0.5, 2.0]))
    with pytest.raises(TypeError, match="no float array"):
        tc.testing.check_grad(lambda x: x, np.array([1]))


def test_check_grad_of_declared_floats() -> None:
    narrow = tc.compile("""
    fn sines(x: f32[N]) = sum(sin(1000 * x))
    fn mixed(w: f32[N, D], b: bf16[N], y: i64[N], scale: float = 0.001) = cross_entropy(w, y) + sum(exp(b)) * scale
    fn bits(x: f32[N]) = sum(cast(bitcast(x, i32), f32) * x)
    """)
    x = np.array([0.1, 0.7])
    tc.testing.check_grad(narrow.sines, x)  # in float32, its differences would be noise
    tc.testing.check_grad(narrow.sines, x.astype(np.float32))
    w = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    tc.testing.check_grad(narrow.mixed, w, np.ones(3, ml_dtypes.bfloat16), y=np.arange(3), scale=1.0)
    with pytest.raises(tc.DTypeError, match="bitcast from f32 to i32 has no meaning in f64"):
        tc.testing.check_grad(narrow.bits, x)
    with pytest.raises(tc.ShapeError, match=r"parameter `x` of `sines` is f32\[N\], with 1 axis"):
        tc.testing.check_grad(narrow.sines, w)


def test_the_command_prints_source_that_computes_the_same(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from tensorc.cli.grad import command
    from tensorc.cli.output import Session

    path = tmp_path / "p.tx"
    path.write_text(
        "fn loss(w: f32[D, K], x: f32[N, D], y: i64[N]) -> f32 = cross_entropy(x @ w, y)\n"
        "fn soft(x: f32[N, D]) = softmax(x)\n"
        "fn table(t: f32[V, D], i: i64[N]) = embedding(i, t)\n"
        "fn product(x: f32[N, D]) = cumprod(x, 1)\n"
    )

    def printed(place: str, *options: str) -> Any:
        ran = CliRunner().invoke(command, [f"{path}:{place}", *options], obj=Session([]), standalone_mode=False, catch_exceptions=False)
        module = tc.compile(ran.return_value.text)
        return module[next(iter(module))]

    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(5, 4)).astype(np.float32)
    y, module = rng.integers(0, 3, 5), tc.load(path)
    np.testing.assert_allclose(printed("loss", "--wrt", "w")(w, x, y), tc.grad(module.loss, wrt="w")(w, x, y), rtol=1e-6)
    for name, arguments, dy in [("soft", (x,), x), ("table", (x, y), x), ("product", (x,), x)]:
        np.testing.assert_allclose(printed(name)(*arguments, dy), tc.vjp(module[name])(*arguments, dy)[1], rtol=1e-5)


def test_the_command_prints_every_transform(tmp_path: Path) -> None:
    path = tmp_path / "p.tx"
    path.write_text(
        "fn loss(w: f64[K], x: f64[N, K]) -> f64 = sum(tanh(x @ w) ** 2) + sum(w ** 3)\n"
        "fn out(w: f64[K], x: f64[N, K]) = tanh(x @ w)\n"
        "fn place(x: f64[N]) = argmax(x)\n"
        "fn several<T: float>(x: T[N], y: f32[N], i: i64[N], n: int = 2) = (sum(x ** n), x * cast(y, T), i + 1)\n"
    )
    module = tc.load(path)
    rng = np.random.default_rng(0)
    w, x, v = rng.normal(size=3), rng.normal(size=(4, 3)), rng.normal(size=3)

    def agree(place: str, options: list[str], arguments: tuple[Any, ...], expected: Any) -> None:
        text = invoked("grad", [f"{path}:{place}", *options]).text
        printed = tc.compile(text)
        found = printed[next(iter(printed))].reference(*arguments)
        flat = expected if isinstance(expected, tuple) else (expected,)
        for a, b in zip(found if isinstance(found, tuple) else (found,), flat, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12, err_msg=text)

    for kind in ("grad", "value_and_grad", "jacrev", "hessian"):
        agree("loss", ["--wrt", "w", "--as", kind], (w, x), getattr(tc, kind)(module.loss, wrt="w")(w, x))
    for kind in ("jvp", "hvp"):
        expected = getattr(tc, kind)(module.loss, wrt="w")(w, x, v)
        agree("loss", ["--wrt", "w", "--as", kind], (w, x, v), expected[1] if kind == "jvp" else expected)
    agree("loss", ["--wrt", "w", "--as", "grad", "--as", "vmap"], (np.stack([w, v]), np.stack([x, x])),
          tc.vmap(tc.grad(module.loss, wrt="w"))(np.stack([w, v]), np.stack([x, x])))  # fmt: skip
    agree("out", ["--as", "jacfwd"], (w, x), tc.jacfwd(module.out)(w, x))
    halves = [np.arange(4, dtype=np.float16), np.ones(4, np.float32), np.arange(4), np.float16(1), np.ones(4, np.float16)]
    agree("several", ["--shape", "x=f16[N]", "--arg", "n=3"], tuple(halves), tc.vjp(module.several)(*halves[:3], 3, *halves[3:])[1])
    with pytest.raises(Refused, match=r"wants one float scalar, and `out` returns f64\[N\]"):
        invoked("grad", [f"{path}:out", "--as", "hessian"])
    with pytest.raises(Refused, match="`place` returns no float"):
        invoked("grad", [f"{path}:place", "--as", "jvp"])
    arguments = ["--arg", "w=[1,2,3]", "--arg", "x=[[1,2,3]]", "--grad", "w"]
    ran = invoked("run", [f"{path}:loss", *arguments, "--as", "hessian"]).data["results"]
    np.testing.assert_allclose(ran[0]["data"], tc.hessian(module.loss, wrt="w")(np.array([1.0, 2, 3]), np.array([[1.0, 2, 3]])))


def invoked(name: str, arguments: list[str]) -> Any:
    """What a command reports."""
    from importlib import import_module

    from click.testing import CliRunner

    from tensorc.cli.output import Session

    command = import_module(f"tensorc.cli.{name}").command
    return CliRunner().invoke(command, arguments, obj=Session([]), standalone_mode=False, catch_exceptions=False).return_value
