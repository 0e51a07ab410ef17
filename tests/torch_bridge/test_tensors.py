"""Every kind of torch tensor as an argument: memory of any form, dtypes, modes, and what a call gives and refuses."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tensorc as tc  # noqa: E402

MODULE = tc.compile("""
fn scaled(x: f32[..., N], w: f32[N]) = tanh(x) * w
fn gram(x: f32[B, N]) = x @ x.T
fn any_dtype<T: float>(x: T[...]) = exp(x) * x
fn picked(x: f32[N, K], y: i64[N]) {
    let p[n] = x[n, y[n]]
    return p
}
fn two(x: f32[N]) -> (f32[N], i64[N], f32) = (sin(x), argsort(x), sum(x * x))
""")


def scaled(x: Any, w: Any) -> Any:
    return x.tanh() * w


def check(x: Any, w: Any) -> None:
    """The value and the gradients are PyTorch's."""
    got, expected = MODULE.scaled(x, w), scaled(x, w)
    assert type(got) is torch.Tensor and got.dtype == expected.dtype and got.shape == expected.shape
    torch.testing.assert_close(got, expected)
    if got.requires_grad:
        weights = torch.linspace(0, 1, got.numel()).reshape(got.shape)
        ours, theirs = (torch.autograd.grad((y * weights).sum(), [x, w]) for y in (got, expected))
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b)


FORMS = {
    "contiguous": lambda: torch.randn(3, 4),
    "transposed": lambda: torch.randn(4, 3).t(),
    "strided": lambda: torch.randn(6, 8)[::2, ::2],
    "offset": lambda: torch.randn(20)[3:15].view(3, 4),
    "expanded": lambda: torch.randn(1, 4).expand(3, 4),
    "expanded last": lambda: torch.randn(3, 1).expand(3, 4),
    "channels last": lambda: torch.randn(2, 3, 5, 4).to(memory_format=torch.channels_last),
    "empty": lambda: torch.randn(0, 4),
    "flipped": lambda: torch.randn(3, 4).flip(1),
    "negative bit": lambda: torch._neg_view(torch.randn(3, 4)),
    "imaginary part": lambda: torch.randn(3, 4, dtype=torch.complex64).imag,
    "of a conjugate": lambda: torch.randn(3, 4, dtype=torch.complex64).conj().imag,
    "of numpy": lambda: torch.from_numpy(np.ones((3, 4), np.float32)),
    "one axis": lambda: torch.randn(4),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gradients", [False, True])
def test_memory(form: str, gradients: bool) -> None:
    torch.manual_seed(0)
    x, w = FORMS[form](), torch.randn(4)
    if gradients:
        x, w = x.requires_grad_(), w.requires_grad_()
    check(x, w)


def test_zero_dimensional_tensors_and_numbers() -> None:
    f = tc.jit(lambda x, a: x * a)
    x, a = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    y = f(x, a)
    assert y.shape == () and y.item() == 6
    y.backward()
    assert x.grad == 3 and a.grad == 2
    assert f(torch.ones(2), 2.5).dtype == torch.float32
    x = torch.ones(2, requires_grad=True)
    f(x, 2.5).sum().backward()
    assert x.grad.tolist() == [2.5, 2.5]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats(dtype: Any) -> None:
    x = torch.linspace(-1, 1, 7).to(dtype).requires_grad_()
    got = MODULE.any_dtype(x)
    assert got.dtype == dtype
    expected = x.exp() * x
    torch.testing.assert_close(got, expected, rtol=1.6e-2, atol=1e-2) if dtype != torch.float64 else torch.testing.assert_close(
        got, expected
    )
    (grad,) = torch.autograd.grad(got.sum(), x)
    assert grad.dtype == dtype
    torch.testing.assert_close(grad.float(), ((x + 1) * x.exp()).float(), rtol=3e-2, atol=2e-2)


def test_integers_have_no_gradient() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    y = torch.tensor([1, 0, 3])
    got = MODULE.picked(x, y)
    got.sum().backward()
    assert torch.equal(x.grad, torch.zeros(3, 4).scatter_(1, y[:, None], 1))
    with pytest.raises(IndexError, match="out of range"):
        MODULE.picked(x, y + 3)
    values, order, total = MODULE.two(x[0])
    assert values.requires_grad and total.requires_grad and not order.requires_grad and order.dtype == torch.int64
    total.backward()


def test_only_what_is_needed_is_computed() -> None:
    x, w = torch.randn(3, 4), torch.randn(4, requires_grad=True)
    y = MODULE.scaled(x, w)
    y.sum().backward()
    assert x.grad is None and torch.allclose(w.grad, x.tanh().sum(0))
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    first, _, _ = MODULE.two(a * b)
    (grad,) = torch.autograd.grad(first.sum(), a)
    assert b.grad is None and grad.shape == (2,)


def test_saved_values_are_watched() -> None:
    x = torch.randn(3, requires_grad=True)
    y = x * 1
    z = MODULE.scaled(y, torch.ones(3))
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    y = tc.exp(x)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = tc.add(x * 1, x)
    y.mul_(2)
    y.sum().backward()
    assert x.grad.tolist() == [4, 4, 4]


def test_modes() -> None:
    x = torch.randn(3, requires_grad=True)
    with torch.no_grad():
        assert not tc.exp(x).requires_grad
    with torch.inference_mode():
        y = tc.exp(x)
        assert y.is_inference() and not y.requires_grad
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = tc.exp(x)
        assert y.dtype == torch.float32
        y.sum().backward()
    assert torch.allclose(x.grad, x.exp())
    assert torch.equal(tc.exp(torch.ones(3)), tc.exp(torch.ones(3).requires_grad_()).detach())


def test_results_are_torch_s_own_memory() -> None:
    for x in (torch.ones(3), torch.ones(3, requires_grad=True)):
        y = tc.exp(x).detach()
        y.resize_(100)
        y.share_memory_()
        assert tc.exp(x).untyped_storage().resizable()


def test_out() -> None:
    x, out = torch.randn(2, 4), torch.empty(2, 4)
    assert MODULE.scaled(x, torch.ones(4), out=out) is out and torch.allclose(out, x.tanh())
    with pytest.raises(ValueError, match="requires a gradient"):
        MODULE.scaled(x.requires_grad_(), torch.ones(4), out=out)
    with torch.no_grad():
        MODULE.scaled(x, torch.ones(4), out=out)


def test_what_is_refused() -> None:
    cases: list[tuple[Any, type[Exception], str]] = [
        (torch.randn(4, dtype=torch.complex64), tc.DTypeError, "complex"),
        (torch.randn(4).to_sparse(), tc.DTypeError, "to_dense"),
        (torch.quantize_per_tensor(torch.randn(4), 0.1, 0, torch.qint8), tc.DTypeError, "quantized"),
        (torch.randn(4, dtype=torch.float64), tc.DTypeError, "f32"),
        (torch.randn(5), tc.ShapeError, "N"),
    ]
    for x, error, message in cases:
        for w in (torch.ones(4), torch.ones(4, requires_grad=True)):
            with pytest.raises(error, match=message):
                MODULE.scaled(x, w)


def test_meta_tensors_have_shapes_alone() -> None:
    x = torch.empty(3, 4, device="meta")
    y = MODULE.scaled(x, torch.empty(4, device="meta"))
    assert y.device.type == "meta" and y.shape == (3, 4)
    with pytest.raises(tc.TargetUnavailable, match="`x` of `scaled` is on the device meta, and `w` is on the processor"):
        MODULE.scaled(x, torch.ones(4))


def test_parameters_and_modules() -> None:
    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.randn(4))
            self.function = MODULE.scaled

        def forward(self, x: Any) -> Any:
            return self.function(x, self.w)

    layer = Layer()
    for twin in (copy.deepcopy(layer), copy.copy(layer)):
        assert torch.equal(twin(torch.ones(4)), layer(torch.ones(4)))
    functions = pickle.loads(pickle.dumps(layer.function)), pickle.loads(pickle.dumps(tc.softmax))
    assert torch.equal(functions[0](torch.ones(4), layer.w), layer(torch.ones(4)))
    layer(torch.randn(5, 4)).sum().backward()
    assert layer.w.grad is not None
    parallel = torch.nn.DataParallel(layer)
    assert torch.equal(parallel(torch.ones(2, 4)), layer(torch.ones(2, 4)))


def test_captured_tensors_get_gradients() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    f = tc.jit(lambda x: x * w)
    f(torch.tensor([3.0, 4.0])).sum().backward()
    assert w.grad.tolist() == [3, 4]
    with torch.no_grad():
        w.mul_(2)
    assert f(torch.ones(2)).tolist() == [2, 4]


def test_hooks_and_subclasses() -> None:
    x = torch.ones(3, requires_grad=True)
    seen: list[Any] = []
    y = tc.exp(x)
    y.register_hook(seen.append)
    y.sum().backward()
    assert seen[0].tolist() == [1, 1, 1] and "Applied" in repr(y.grad_fn)

    class Mine(torch.Tensor):
        pass

    assert torch.allclose(torch.as_tensor(tc.exp(torch.ones(3).as_subclass(Mine))), torch.ones(3).exp())


def test_threads() -> None:
    f = tc.jit(lambda x, w: tc.softmax(x @ w))
    w = torch.randn(4, 4)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            generator = torch.Generator().manual_seed(seed)
            for n in range(20):
                x = torch.randn(2 + n % 3, 4, generator=generator, requires_grad=True)
                got, expected = f(x, w), torch.softmax(x @ w, -1)
                torch.testing.assert_close(got, expected)
                torch.testing.assert_close(torch.autograd.grad(got.square().sum(), x), torch.autograd.grad(expected.square().sum(), x))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors[0]


def test_checkpoint_and_double_backward() -> None:
    from torch.utils.checkpoint import checkpoint

    x = torch.randn(3, 4, requires_grad=True)
    f = tc.jit(lambda x: tc.tanh(x) * tc.exp(x))
    (a,) = torch.autograd.grad(checkpoint(f, x, use_reentrant=False).sum(), x)
    (b,) = torch.autograd.grad(f(x).sum(), x)
    torch.testing.assert_close(a, b)

    def third(g: Any) -> Any:
        for _ in range(3):
            (y,) = torch.autograd.grad(g(x).sum(), x, create_graph=True)
            g = lambda x, y=y: y * 1  # noqa: E731
            if not y.requires_grad:
                break
        return y

    torch.testing.assert_close(third(f), third(lambda x: x.tanh() * x.exp()))


def test_transforms_of_torch_func() -> None:
    f = tc.jit(lambda x: (tc.tanh(x) * tc.exp(x)).sum())
    g = lambda x: (x.tanh() * x.exp()).sum()  # noqa: E731
    x, t = torch.randn(5), torch.randn(5)
    for transform in (torch.func.grad, torch.func.hessian, torch.func.jacrev, torch.func.jacfwd, lambda f: torch.vmap(torch.func.grad(f))):
        given = torch.stack([x, t]) if "function" in repr(transform) and transform.__name__ == "<lambda>" else x
        torch.testing.assert_close(transform(f)(given), transform(g)(given))
    for a, b in zip(torch.func.jvp(f, (x,), (t,)), torch.func.jvp(g, (x,), (t,)), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(torch.func.vjp(f, x)[1](torch.tensor(2.0)), torch.func.vjp(g, x)[1](torch.tensor(2.0)))
    torch.testing.assert_close(torch.func.functionalize(f)(x), g(x))
    rows = torch.randn(4, 3, 5)
    scaled = torch.vmap(torch.vmap(MODULE.scaled, (0, None)), (0, None))
    torch.testing.assert_close(scaled(rows, t), rows.tanh() * t)
    torch.testing.assert_close(torch.vmap(MODULE.scaled, (1, None), 1)(rows, t), rows.tanh() * t)
    torch.testing.assert_close(torch.vmap(MODULE.scaled, (None, 0))(x, torch.stack([x, t])), x.tanh() * torch.stack([x, t]))
    module = torch.nn.Linear(5, 5)
    call = lambda p, x: tc.tanh(torch.func.functional_call(module, p, (x,))).sum()  # noqa: E731
    grads = torch.func.vmap(torch.func.grad(call), (None, 0))(dict(module.named_parameters()), rows[0])
    assert grads["weight"].shape == (3, 5, 5)


def test_compiled_signatures_are_differentiable_too() -> None:
    compiled = MODULE.scaled.lower(tc.spec("f32[2, 4]"), tc.spec("f32[4]")).compile()
    x, w = torch.randn(2, 4, requires_grad=True), torch.randn(4)
    (grad,) = torch.autograd.grad(compiled(x, w).sum(), x)
    torch.testing.assert_close(grad, (1 - x.tanh() ** 2) * w)
    for wrong in (torch.randn(3, 4), torch.randn(3, 4, requires_grad=True)):
        with pytest.raises(tc.ShapeError, match="must have 2"):
            compiled(wrong, w)
    with pytest.raises(tc.DTypeError, match="is compiled for"):
        compiled(x.double(), w)
    y = tc.ones(2, 4, requires_grad=True)
    compiled(y, tc.ones(4)).sum().backward()
    assert y.grad.shape == (2, 4)
