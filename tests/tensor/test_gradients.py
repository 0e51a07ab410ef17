"""Derivatives along the tape beside PyTorch's: of the same expressions, first and second; rules of leaves, hooks and in-place changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tensor.test_against_torch import plain, same

import tensorc as tc

SETUP = """
x = tc.tensor([[0.5, -1.25, 2.0, 0.75], [1.5, 0.25, -0.5, 3.0], [-2.0, 1.0, 0.1, 0.9]], dtype=tc.float64, requires_grad=True)
y = tc.tensor([[1.5, 0.5, -1.0, 2.0], [0.75, -0.25, 1.25, 0.5], [2.5, 1.75, 0.3, -0.6]], dtype=tc.float64, requires_grad=True)
v = tc.tensor([0.5, 1.5, -2.5, 1.0], dtype=tc.float64, requires_grad=True)
s = tc.tensor(1.5, dtype=tc.float64, requires_grad=True)
i = tc.tensor([2, 0, 2])
m = tc.tensor([[True, False, True, False], [False, False, True, True], [True, True, False, False]])
t = tc.tensor([1, 0, 3])
"""

EXPRESSIONS = """
x.quantile(0.4)
x.quantile(0.3, dim=1)
x.nanmedian(1).values
x.mode(1).values
tc.ones_like(x).mul(x.sign()).mul(x.abs() * 0 + x).max(1)[0]
(x * 0 + 1).max(1)[0]
(x * 0 + 1).min(0)[0]
(x * 0 + 1).max()
x.sort(1, True)[0]
x.topk(2)[0]
x.rot90()
x.diag()
v.diag(1)
x.repeat_interleave(tc.tensor([1, 2, 0]), dim=0)
x.where(m, y)
x.index_copy(0, i[:2], y[:2])
x.index_put((i[:2], i[:2]), v[:2], accumulate=True)
x.put(tc.tensor([0, 5]), v[:2])
x.scatter_reduce(1, tc.tensor([[0, 0], [1, 2], [2, 2]]), y[:, :2], "sum")
x.as_strided((2, 2), (4, 1))
x.sinc()
tc.vstack([v, x])
tc.column_stack([v, v * 2])
tc.block_diag(x, y)
tc.trapezoid(x)
tc.linalg.norm(x, 1)
tc.linalg.vector_norm(x, 3)
2 / x
1 - x
x + y
x - v
x * y
x / y
2 * x + 1
1 / x
x ** 2
x ** 3
x.abs() ** y
2 ** x
-x
x * s
s * s
x @ y.T
x @ v
y.T @ x
v @ v
x.exp()
x.abs().log()
x.abs().sqrt()
x.sin() * x.cos()
x.tanh()
x.sigmoid()
x.relu()
x.abs()
x.erf()
x.square()
x.reciprocal()
x.clamp(-1, 1)
x.softmax(1)
x.log_softmax(0)
x.logsumexp(1)
tc.maximum(x, y)
tc.minimum(x, v)
tc.where(m, x, y)
x.masked_fill(m, 2.0)
tc.lerp(x, y, 0.3)
tc.atan2(x, y)
x.sum()
x.sum(1)
x.sum(0, keepdim=True)
x.mean()
x.mean(1)
x.prod(1)
x.var()
x.std(1)
x.max()
x.max(1).values
x.min(0).values
x.amax(1)
x.norm()
x.norm(dim=1)
x.cumsum(1)
x.cumprod(1)
x.sort(1).values
x.topk(2).values
x.median()
x.T
x.reshape(2, 6)
x.view(-1)
x.transpose(0, 1).reshape(3, 4)
x.permute(1, 0)
x.unsqueeze(0)
x[None].squeeze(0)
v.expand(3, 4)
v.repeat(2, 3)
x.flip(1)
x.roll(1, 0)
x.diagonal()
x.tril()
tc.cat([x, y])
tc.cat([x, x], 1)
tc.stack([x, y], 2)
x.split(2, 1)[1]
x.chunk(2, 1)[0]
x.unbind()[1]
x[0]
x[:, 1]
x[1:, ::2]
x[..., None]
x[i]
x[i, i]
x[:, i]
x[m]
x[x > 0]
x.gather(1, t[:, None])
x.index_select(0, i)
x.take(i)
x.unfold(1, 2, 2)
x.clone()
x.contiguous()
x.t().contiguous()
x.to(tc.float32)
x.detach() * y
tc.outer(v, v)
tc.einsum("ij,kj->ik", x, y)
tc.addmm(x @ y.T, x, y.T, beta=0.5, alpha=2)
tc.dot(v, v)
tc.cross(x[:, :3], y[:, :3], dim=1)
(x * y).sum(0).tanh() @ v
(x.exp() / (1 + x.exp())).mean(0)
((x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 1e-5).sqrt() * v)
"""

STATEMENTS = """
z = x * 2; z += y; z
z = x * 2; z *= y; z
z = x * 1; z[0] = v; z
z = x * 1; z[:, 1] = 0; z
z = x * 1; z[1:, 2:] *= y[1:, 2:]; z
z = x * 1; z[i] = y; z
z = x * 1; z[m] = 0; z
z = x * 1; z[m] = y[m]; z
z = x * 1; z.t()[0] *= 3; z
z = x * 1; w = z[0]; w.mul_(v); z
z = x * 1; w = z[0]; z.mul_(y); w
z = x * 1; w = z.view(-1); z.add_(y); w[2:4].mul_(2); w
z = x * 1; z.exp_(); z
z = x * 1; z.relu_(); z
z = x * 1; z.zero_(); z + y
z = x * 1; z.copy_(v); z
z = x * 1; z.fill_(2); z * y
z = tc.zeros(3, 4, dtype=tc.float64); z[1] = v; z
z = tc.zeros(3, 4, dtype=tc.float64); z += x; z
z = tc.zeros(3, 4, dtype=tc.float64); z[0].copy_(v); z.mul_(x); z
z = x.clone(); z.clamp_(-1, 1); z
z = x * 1; z.masked_fill_(m, 0.5); z
z = x * 1; z.index_add_(0, i, y); z
z = x * 1; z.diagonal().mul_(5); z
a = x; a = a * 2 if float(a.sum()) > 0 else a * 3; a
a = x
z = x * 1; w = z.detach(); w += 1; z
z = (x + 1)[0]; z.mul_(2); z
z = x * 1; z.squeeze().mul_(2); z
z = x * 1; z.expand(2, 3, 4).sum(0)
z = x * 1; z **= 2; z
z = x * 1; z.sub_(y, alpha=2); z.div_(3); z
"""


def derivatives(library: Any, text: str) -> Any:
    """The value of an expression, and the first and second derivatives of a sum over it, by all leaves."""
    names = {"tc": library}
    exec(SETUP, names)
    *before, last = text.split("; ")
    for statement in before:
        exec(statement, names)
    value = eval(last, names) if " = " not in last or "==" in last else exec(last, names) or names["a"]
    value = value * library.arange(1, value.numel() + 1, dtype=value.dtype).reshape(value.shape)
    leaves = [names[n] for n in ("x", "y", "v", "s")]
    first = library.autograd.grad((value**2).sum(), leaves, create_graph=True, allow_unused=True)
    total = sum((g**3).sum() for g in first if g is not None)
    second = library.autograd.grad(total, leaves, allow_unused=True) if getattr(total, "requires_grad", False) else ()
    return value, first, second


def close(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, tuple):
        return len(ours) == len(theirs) and all(map(close, ours, theirs))
    if theirs is None or ours is None:
        known = ours if theirs is None else theirs
        return known is None or not np.asarray(known.detach().numpy()).any()
    return same(plain(ours), plain(theirs))


@pytest.mark.parametrize("text", [*EXPRESSIONS.strip().splitlines(), *STATEMENTS.strip().splitlines()])
def test_derivatives(text: str) -> None:
    ours, theirs = derivatives(tc, text), derivatives(torch, text)
    for a, b in zip(ours, theirs, strict=True):
        assert close(a, b), f"PyTorch gives\n{b}\ntensorc\n{a}"


RULES = """
x.sum().backward(); x.grad
x.sum().backward(); x.sum().backward(); x.grad
x.sum().backward(); x.grad.zero_(); x.grad
x.sum().backward(); y.grad
(x * y).backward()
(x * y).backward(y.detach()); x.grad
(x * y).backward(gradient=tc.ones(3, 4, dtype=tc.float64)); y.grad
(x * y).backward(tc.ones(2, 4, dtype=tc.float64))
z = x * y; z.sum().backward(); z.sum().backward()
z = (x * y).sum(); z.backward(); z.backward()
z = (x * y).sum(); z.backward(retain_graph=True); z.backward(); x.grad
z = (x + y).sum(); z.backward(); z.backward(); x.grad
z = x.detach(); z.requires_grad
z = x.detach(); z.sum().backward()
x.is_leaf, (x * 2).is_leaf, x.detach().is_leaf
x.requires_grad, (x * 2).requires_grad, (x > 0).requires_grad
x.grad_fn
type((x * 2).grad_fn).__name__ != ""
z = x * 2; z.requires_grad_(False)
z = x.detach(); z.requires_grad_(); z.requires_grad
x += 1
x.add_(1)
x[0] = 1
x.view(-1).add_(1)
z = x.exp(); z.add_(1); z.sum().backward()
z = x.sigmoid(); z.mul_(2); z.sum().backward()
z = x * 2; w = z * z; z.add_(1); w.sum().backward()
z = x * 2; w = z + 1; z.add_(1); w.sum().backward(); x.grad
z = x * 2; w = z.sin(); z[0] = 0; w.sum().backward()
z = x * 2; w = z[0].sin(); z[1] = 0; w.sum().backward()
x.numpy()
x.detach().numpy()
(x * 2).detach().numpy()
x.tolist()
x.item()
s.item()
float(s * 2)
list(x)[0].requires_grad
tc.autograd.grad(x.sum(), x)
tc.autograd.grad(x.sum(), y)
tc.autograd.grad(x.sum(), y, allow_unused=True)
tc.autograd.grad(x * 2, x)
tc.autograd.grad(x * 2, x, grad_outputs=x.detach())
tc.autograd.grad([x.sum(), (x * y).sum()], [x, y])
tc.autograd.grad(x.sum(), [x, y], allow_unused=True, materialize_grads=True)
tc.autograd.grad(x.detach().sum(), x)
tc.autograd.backward([x.sum(), y.sum()]); x.grad
x.sum().backward(inputs=[x]); x.grad, y.grad
(x * y).sum().backward(inputs=[y]); x.grad, y.grad
z = x * 2; z.retain_grad(); z.sum().backward(); z.grad
z = x * 2; z.sum().backward(inputs=[z]); z.grad
log = []; h = x.register_hook(lambda g: g * 2); x.sum().backward(); x.grad
h = x.register_hook(lambda g: g * 2); h.remove(); x.sum().backward(); x.grad
z = x * 2; z.register_hook(lambda g: g + 1); z.sum().backward(); x.grad
x.detach().register_hook(print)
x.grad = tc.ones(3, 4, dtype=tc.float64); x.sum().backward(); x.grad
x.grad = tc.ones(2)
x.grad = 3
tc.tensor([1, 2], requires_grad=True)
tc.ones(2, requires_grad=True).requires_grad
tc.zeros(3, dtype=tc.int64).requires_grad_()
c = tc.is_grad_enabled(); c
z = x.sum(); z.backward(create_graph=True); x.grad.requires_grad
z = (x ** 3).sum(); z.backward(create_graph=True); x.grad.sum().backward(); x.grad
x.argmax().requires_grad
x.max(1).indices.requires_grad
(x == y).requires_grad
x.long().requires_grad
x.clone().is_leaf
x.to(tc.float64) is x
x.data.add_(1); x.requires_grad
y = x; y is x
z = x * 2; z.detach_(); z.requires_grad
z = x[0]; z.detach_()
"""


def rule(library: Any, text: str) -> Any:
    names = {"tc": library}
    exec(SETUP, names)
    *before, last = text.split("; ")
    try:
        for statement in before:
            exec(statement, names)
        if " = " in last or "+= " in last:
            exec(last, names)
            return None
        return eval(last, names)
    except Exception as error:
        return error


@pytest.mark.parametrize("text", RULES.strip().splitlines())
def test_rule(text: str) -> None:
    ours, theirs = rule(tc, text), rule(torch, text)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), f"PyTorch raises {theirs!r}, tensorc gives {ours!r}"
    else:
        if isinstance(ours, Exception):
            raise ours
        assert same(plain(ours), plain(theirs)), f"PyTorch gives\n{theirs}\ntensorc\n{ours}"


def test_no_grad() -> None:
    x = tc.ones(3, requires_grad=True)
    with tc.no_grad():
        y = x * 2
        x += 1
        with tc.enable_grad():
            z = x * 2
    assert not y.requires_grad and z.requires_grad and x.tolist() == [2, 2, 2]

    @tc.no_grad()
    def inside() -> Any:
        return x * 2

    assert not inside().requires_grad and (x * 2).requires_grad
    tc.set_grad_enabled(False)
    assert not tc.is_grad_enabled()
    tc.set_grad_enabled(True)
    with tc.set_grad_enabled(False):
        assert not tc.is_grad_enabled()
    assert tc.is_grad_enabled()
    with tc.inference_mode():
        assert not (x * 2).requires_grad


def test_deep_graphs_are_walked_without_recursion() -> None:
    x = tc.ones(2, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]
    del y


def test_jitted_functions_and_modules_stay_differentiable() -> None:
    module = tc.compile("fn scaled(x: f32[N], w: f32[N], k: int = 2) = k * x * w")
    double = tc.jit(lambda x: {"y": tc.exp(x)}["y"] * 2)
    x, w = tc.tensor([1.0, 2.0], requires_grad=True), tc.tensor([3.0, 5.0], requires_grad=True)
    (module.scaled(x, w).sum() + double(x).sum()).backward()
    assert w.grad.tolist() == [2.0, 4.0]
    np.testing.assert_allclose(x.grad.numpy(), 2 * w.detach().numpy() + 2 * np.exp([1, 2]), rtol=1e-6)
    assert isinstance(module.scaled(x.detach().numpy(), w.detach()), tc.Tensor)
    closing = tc.jit(lambda a: a * w)
    w.grad = None
    closing(x.detach().numpy()).sum().backward()
    assert w.grad.tolist() == [1.0, 2.0]
    with pytest.raises(tc.ShapeError):
        module.scaled(x, tc.ones(3))


def test_gradients_of_gradients_of_functions() -> None:
    x = tc.tensor([0.5, 1.5], requires_grad=True)
    slope = tc.grad(tc.jit(lambda x: (x**3).sum()))
    slope(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * x.detach().numpy(), rtol=1e-6)
