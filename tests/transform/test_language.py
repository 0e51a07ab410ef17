"""Transforms in the language: functions as values, nesting, what is differentiated by, and mistakes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import func

import tensorc as tc
from tensorc.rules.derivatives import RULES

X = np.array([0.5, -1.0, 2.0])


def evaluate(body: str, *args: object, helpers: str = "") -> object:
    """A function of x (and further parameters), run by the oracle."""
    return tc.compile(f"{helpers}\nfn main({body}\n").main.reference(*args)


CUBE = "fn cube(x: f64) = x * x * x\nfn cubes(x: f64[N]) = sum(x * x * x)\nfn two(x: f64[N], w: f64[N]) = sum(x * x * w), sum(w)\n"


def test_orders() -> None:
    assert evaluate("x: f64) = grad(cube)(x)", 2.0, helpers=CUBE) == 12
    assert evaluate("x: f64) = grad(grad(cube))(x)", 2.0, helpers=CUBE) == 12
    assert evaluate("x: f64) = grad(grad(grad(cube)))(x)", 2.0, helpers=CUBE) == 6
    assert evaluate("x: f64) = grad(grad(grad(grad(cube))))(x)", 2.0, helpers=CUBE) == 0


def test_a_name_for_a_gradient_and_gradients_inside_of_functions() -> None:
    inner = "fn slope(x: f64) = grad(cube)(x) * x\n"
    assert evaluate("x: f64) { let g = grad(slope)  return g(x) }", 2.0, helpers=CUBE + inner) == 36


def test_value_and_grad_gives_both() -> None:
    value, gradient = evaluate("x: f64[N]) = value_and_grad(cubes)(x)", X, helpers=CUBE)  # type: ignore[misc]
    assert value == np.sum(X**3)
    np.testing.assert_allclose(gradient, 3 * X**2)


def test_wrt_one_several_and_by_default() -> None:
    loss = "fn loss(w: f64[N], x: f64[N], i: i64) = sum(w * x) + sum(w * w)\n"
    w, i = np.array([1.0, 2.0, 3.0]), np.int64(1)
    one = evaluate('w: f64[N], x: f64[N], i: i64) = grad(loss, wrt="w")(w, x, i)', w, X, i, helpers=loss)
    np.testing.assert_allclose(one, X + 2 * w)  # type: ignore[arg-type]
    (alone,) = evaluate('w: f64[N], x: f64[N], i: i64) = grad(loss, wrt=("w",))(w, x, i)', w, X, i, helpers=loss)  # type: ignore[misc]
    np.testing.assert_allclose(alone, X + 2 * w)
    dx, dw = evaluate('w: f64[N], x: f64[N], i: i64) = grad(loss, wrt=("x", "w"))(w, x, i)', w, X, i, helpers=loss)  # type: ignore[misc]
    np.testing.assert_allclose(dx, w)
    dw, dx = evaluate("w: f64[N], x: f64[N], i: i64) = grad(loss)(w, x, i)", w, X, i, helpers=loss)  # type: ignore[misc]
    np.testing.assert_allclose(dw, X + 2 * w)
    np.testing.assert_allclose(dx, w)


def test_the_same_argument_twice_is_two_arguments() -> None:
    product = "fn product(a: f64[N], b: f64[N]) = sum(a * b)\n"
    da = evaluate('x: f64[N]) = grad(product, wrt="a")(x, x)', X, helpers=product)
    np.testing.assert_allclose(da, X)  # type: ignore[arg-type]


def test_vjp_and_jvp_of_several_results() -> None:
    (y, s), (dx, dw) = evaluate("x: f64[N], w: f64[N]) = vjp(two)(x, w, 2.0, 3.0)", X, X + 1, helpers=CUBE)  # type: ignore[misc]
    np.testing.assert_allclose([y, s], [np.sum(X * X * (X + 1)), np.sum(X + 1)])
    np.testing.assert_allclose(dx, 2 * 2 * X * (X + 1))
    np.testing.assert_allclose(dw, 2 * X * X + 3)
    _, (dy, ds) = evaluate("x: f64[N], w: f64[N]) = jvp(two)(x, w, w, x)", X, X + 1, helpers=CUBE)  # type: ignore[misc]
    np.testing.assert_allclose(dy, np.sum(2 * X * (X + 1) ** 2 + X**3))
    np.testing.assert_allclose(ds, np.sum(X))


def test_vmap_over_axes() -> None:
    dot = "fn dot_(x: f64[N], y: f64[N]) = sum(x * y)\n"
    a, b = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2) + 1
    found = evaluate("a: f64[B, N], b: f64[N, B]) = vmap(dot_, in_axes=(0, 1))(a, b)", a, b, helpers=dot)
    np.testing.assert_allclose(found, np.sum(a * b.T, 1))  # type: ignore[arg-type]
    found = evaluate("a: f64[B, N], x: f64[N]) = vmap(dot_, in_axes=(0, none))(a, x)", a, X, helpers=dot)
    np.testing.assert_allclose(found, a @ X)  # type: ignore[arg-type]
    rows = "fn rows(a: f64[B, N], x: f64[N]) = vmap(dot_, in_axes=(0, none))(a, x)\n"
    found = evaluate("a: f64[B, N], c: f64[C, N]) = vmap(rows, in_axes=(none, 0))(a, c)", a, a + 1, helpers=dot + rows)
    np.testing.assert_allclose(found, (a @ (a + 1).T).T)  # type: ignore[arg-type]


def test_vmap_of_grad_is_grad_of_vmap() -> None:
    inner = "fn f(x: f64[N]) = sum(sin(x) * x)\nfn all_(x: f64[B, N]) = sum(vmap(f)(x))\n"
    x = np.random.default_rng(0).standard_normal((2, 3))
    one = evaluate("x: f64[B, N]) = vmap(grad(f))(x)", x, helpers=inner)
    two = evaluate("x: f64[B, N]) = grad(all_)(x)", x, helpers=inner)
    np.testing.assert_allclose(one, two)  # type: ignore[arg-type]


def test_a_gradient_inside_of_an_index_definition() -> None:
    found = evaluate("x: f64[N]) { let y[i] = grad(cube)(x[i]) + x[i]  return y }", X, helpers=CUBE)
    np.testing.assert_allclose(found, 3 * X**2 + X)  # type: ignore[arg-type]
    found = evaluate("x: f64[N]) = sum[i](x[i] * grad(cube)(x[i] * 2))", X, helpers=CUBE)
    np.testing.assert_allclose(found, np.sum(X * 3 * (2 * X) ** 2))  # type: ignore[arg-type]


def test_static_arguments_and_library_functions() -> None:
    dx = evaluate("x: f64[N], dy: f64[N]) { let (_, d) = vjp(softmax)(x, dy, axis=0)  return d }", X, X + 1)
    p = np.exp(X) / np.sum(np.exp(X))
    np.testing.assert_allclose(dx, p * (X + 1 - np.sum(p * (X + 1))))  # type: ignore[arg-type]
    power = "fn power(x: f64[N], n: int) = sum(x ** n)\n"
    np.testing.assert_allclose(evaluate("x: f64[N]) = grad(power)(x, 4)", X, helpers=power), 4 * X**3)  # type: ignore[arg-type]


def test_conditions_and_checks_of_the_function_hold_for_its_gradient() -> None:
    picked = "fn picked(x: f64[N], i: i64[M]) { let y[m] = x[i[m]]  return sum(y * y) }\n"
    module = tc.compile(f"{picked}fn main(x: f64[N], i: i64[M]) = grad(picked)(x, i)\n")
    np.testing.assert_allclose(module.main.reference(X, np.array([0, 0, 2])), [4 * 0.5, 0, 4])
    with pytest.raises(IndexError):
        module.main.reference(X, np.array([3]))
    top = tc.compile("fn top(x: f64[N]) = max(x)\nfn main(x: f64[N]) = grad(top)(x)\n")
    with pytest.raises(tc.ShapeError):
        top.main.reference(np.zeros(0))


def test_stop_gradient() -> None:
    f = "fn f(x: f64[N]) = sum(stop_gradient(x) * x + detach(x * x))\n"
    np.testing.assert_allclose(evaluate("x: f64[N]) = grad(f)(x)", X, helpers=f), X)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", RULES, ids=lambda row: row.code)
def test_rules(row: object) -> None:
    tc.compile(row.right)  # type: ignore[attr-defined]
    with pytest.raises(tc.CompileError) as failure:
        tc.compile(row.wrong)  # type: ignore[attr-defined]
    assert [d.code for d in failure.value.diagnostics] == [row.code]  # type: ignore[attr-defined]


def test_a_gradient_of_no_scalar_suggests_what_to_do() -> None:
    with pytest.raises(tc.CompileError) as failure:
        tc.compile("fn f(x: f32[N]) = x * x\nfn g(x: f32[N]) = grad(f)(x)\n")
    (found,) = failure.value.diagnostics
    assert "f32[N]" in found.message and "vjp" in (found.help or "") and "sum" in (found.help or "")


SECOND = """
fn loss(w: f64[N], x: f64[M, N]) -> f64 = sum(tanh(x @ w) ** 2) + sum(w ** 3)
fn out(w: f64[N], x: f64[M, N]) = tanh(x @ w)
fn both(w: f64[N], x: f64[M, N]) = out(w, x), (sum(w * w), w)
fn mixed(w: f64[N], x: f64[M, N]) = out(w, x), argmax(w)
fn size(w: f64[N], x: f64[M, N]) -> f64 = sum(hessian(loss, wrt="w")(w, x) ** 2)
"""


def test_jacobians_and_hessians_nest_as_those_of_torch_do() -> None:
    def loss(w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(x @ w) ** 2).sum() + (w**3).sum()

    def out(w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ w)

    def both(w: torch.Tensor, x: torch.Tensor) -> object:
        return out(w, x), ((w * w).sum(), w)

    rng = np.random.default_rng(0)
    w, x, v, u = rng.standard_normal(3), rng.standard_normal((4, 3)), rng.standard_normal(3), rng.standard_normal((4, 3))
    tw, tx, tv, tu = map(torch.tensor, (w, x, v, u))
    header = "w: f64[N], x: f64[M, N]) = "

    def holds(call: str, theirs: object, *more: object, header: str = header) -> None:
        agree(evaluate(header + call, w, x, *more, helpers=SECOND), theirs)

    def agree(ours: object, theirs: object) -> None:
        if isinstance(theirs, tuple):
            assert isinstance(ours, tuple) and len(ours) == len(theirs)
            for a, b in zip(ours, theirs, strict=True):
                agree(a, b)
        else:
            np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-12)  # type: ignore[arg-type, attr-defined]

    whole = func.hessian(loss, (0, 1))(tw, tx)
    holds("hessian(loss)(w, x)", whole)
    holds('hessian(loss, wrt="w")(w, x)', whole[0][0])
    holds('hessian(loss, wrt=("w",))(w, x)', ((whole[0][0],),))
    for jacobian in ("jacrev", "jacfwd"):
        holds(f"{jacobian}(both)(w, x)", func.jacrev(both, (0, 1))(tw, tx))
        holds(f'{jacobian}(mixed, wrt="x")(w, x)', func.jacrev(out, 1)(tw, tx))
    third = func.jacrev(func.jacrev(func.jacrev(loss)))(tw, tx)
    holds('jacrev(jacfwd(jacrev(loss, wrt="w"), wrt="w"), wrt="w")(w, x)', third)
    holds('grad(size, wrt="w")(w, x)', func.grad(lambda w: (func.hessian(loss)(w, tx) ** 2).sum())(tw))
    products = func.jvp(func.grad(loss, (0, 1)), (tw, tx), (tv, tu))[1]
    holds("hvp(loss)(w, x, v, u)", products, v, u, header="w: f64[N], x: f64[M, N], v: f64[N], u: f64[M, N]) = ")
    agree(tc.hvp(tc.compile(SECOND).loss)(w, x, v, u), products)
    agree(tc.jit(lambda w, x, v: tc.hvp(tc.compile(SECOND).loss, wrt="w")(w, x, v))(w, x, v), whole[0][0] @ tv)
    agree(tc.jit(lambda w, x: tc.hessian(tc.compile(SECOND).loss, wrt="w")(w, x))(w, x), whole[0][0])
    batch = evaluate(
        'w: f64[B, N], x: f64[M, N]) = vmap(hessian(loss, wrt="w"), in_axes=(0, none))(w, x)', np.stack([w, v]), x, helpers=SECOND
    )
    agree(batch, func.vmap(func.hessian(loss), (0, None))(torch.stack([tw, tv]), tx))


def test_second_derivatives_inside_of_an_index_definition() -> None:
    body = "x: f64[N]) { let y[i] = hessian(cube)(x[i]) + hvp(cube)(x[i], x[i]) + jacrev(grad(cube))(x[i])  return y }"
    np.testing.assert_allclose(evaluate(body, X, helpers=CUBE), 12 * X + 6 * X * X)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        ("hessian(exp)(x)", "E0701", "wants a scalar result"),
        ("jacrev(argmax)(x)", "E0701", "`jacrev` wants a float result, found i64"),
        ("hvp(sum)(x)", "E0705", "`hvp` wants 1 tangent"),
        ("hessian(3)(x)", "E0704", "`hessian` wants a function"),
        ("jacfwd(grad)(x)", "E0704", "`grad` is one of functions"),
    ],
)
def test_mistakes_with_jacobians(call: str, code: str, message: str) -> None:
    with pytest.raises(tc.CompileError, match=message) as caught:
        tc.compile(f"fn f(x: f64[N]) = {call}")
    assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize("d", [0, 1, 2])
def test_strides_and_divisors_that_may_be_zero(d: int) -> None:
    """A size that stands as a stride, as the base of digits, or as a divisor, is 0 too: there the derivative is the transposed tangent."""
    rng = np.random.default_rng(0)
    for subscript, reduced in [("D * o + r", "r < 2"), ("D * o + r", "r < D"), ("(D - 1) * o + r", "r < 2"), ("o // D + r", "r < 2"),
                               ("o % D + r", "r < 2"), ("5 - D * o", "r < 2")]:  # fmt: skip
        body = f"sum[{reduced}](x[{subscript} else 0] ** 2)"
        f = tc.compile(f"fn f(x: f64[L], size: f64[D]) -> f64[4] {{ let y[o < 4] = {body}  return y }}").f
        x, v, dy = rng.standard_normal(6), rng.standard_normal(6), rng.standard_normal(4)
        _, tangent = tc.jvp(f, wrt="x").reference(x, np.zeros(d), v)
        _, cotangent = tc.vjp(f, wrt="x").reference(x, np.zeros(d), dy)
        np.testing.assert_allclose(np.sum(tangent * dy), np.sum(cotangent * v), err_msg=f"{body} {d}")
