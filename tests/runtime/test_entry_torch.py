"""Calls with tensors that need no Python, and those in which torch has a say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from runtime.calls import M, arange, asked, remembered


@pytest.fixture(autouse=True)
def plain_torch() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bfloat16", "float16", "uint8"])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 5), (0, 5)])
def test_tensors(dtype: str, shape: tuple[int, ...]) -> None:
    kind = getattr(torch, dtype)
    x = torch.arange(int(np.prod(shape))).reshape(shape).to(kind)
    w, b = torch.arange(shape[-1]).to(kind), torch.tensor(3).to(kind)
    made = remembered(M.affine, x, w, b)
    assert type(made) is torch.Tensor
    assert made.dtype == kind
    assert made.is_contiguous()
    assert torch.equal(made, M.affine.lower(x, w, b).compile()(x, w, b))
    if made.numel():
        assert torch.allclose(made.double(), (x * w + b).double(), rtol=1e-2)
    out = torch.zeros(shape, dtype=kind)
    assert remembered(M.affine, x, w, b, out=out) is out
    assert torch.equal(out, made)


def test_tensors_with_strides_and_arrays_beside_them() -> None:
    x = torch.arange(24.0).reshape(4, 6)
    for view in (x.T, x[::2], x[:, 1::3], x.expand(4, 6), x[:1].expand(4, 6)):
        total, turned = remembered(M.both, view, 1.0)
        assert torch.allclose(total, view.sum(1))
        assert torch.equal(turned, view.T)
    mixed = remembered(M.add, torch.ones(4), arange(4))
    assert torch.equal(mixed, torch.ones(4) + torch.arange(4.0))


def test_tensors_that_torch_has_a_say_in() -> None:
    a = torch.arange(4.0)
    p = torch.nn.Parameter(torch.ones(4))
    remembered(M.add, a, a)
    assert torch.equal(remembered(M.add, a, p), a + 1)
    with torch.enable_grad():
        asked(M.add, lambda: M.add(a, p)).sum().backward()
        assert torch.equal(p.grad, torch.ones(4))
        grown = (p * 2).view(4)
        assert asked(M.add, lambda: M.add(a, grown)).requires_grad
    negative = torch._neg_view(torch.ones(4))
    assert torch.equal(asked(M.add, lambda: M.add(a, negative)), a - 1)
    mapped = torch.func.vmap(lambda row: M.add(row, a))(torch.ones(3, 4))
    assert torch.equal(mapped, (a + 1).expand(3, 4))
    value, tangent = torch.func.jvp(lambda x: M.add(x, a), (a,), (torch.ones(4),))
    assert torch.equal(tangent, torch.ones(4))
    assert torch.equal(value, a + a)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(a, torch.full((4,), 2.0))
        made = torch.autograd.forward_ad.unpack_dual(M.add(dual, a))
        assert torch.equal(made.tangent, torch.full((4,), 2.0))
    with torch.inference_mode():
        inner = torch.ones(4)
        assert torch.equal(remembered(M.add, inner, inner), inner + 1)


def test_modes_see_calls() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Mode(TorchDispatchMode):
        seen: list[str] = []  # noqa: RUF012

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.append(str(function))
            return function(*args, **(kwargs or {}))

    a = torch.arange(4.0)
    remembered(M.add, a, a)
    with Mode():
        asked(M.add, lambda: M.add(a, a))
    assert Mode.seen


def test_tensor_subclasses_are_python_s() -> None:
    class Mine(torch.Tensor):
        pass

    a = torch.arange(4.0)
    remembered(M.add, a, a)
    assert torch.equal(asked(M.add, lambda: M.add(a.as_subclass(Mine), a)).as_subclass(torch.Tensor), a + a)
    with pytest.raises(TypeError):
        M.add(a.to_sparse(), a)
    with pytest.raises(TypeError):
        M.add(a.to(torch.complex64), a)


def test_torch_is_looked_at_wherever_the_first_call_is() -> None:
    from runtime.children import run

    script = """
import torch
import tensorc as tc
from tensorc.runtime import tensors
f = tc.compile("fn f(x: f32[N]) = x + 1").f
def check():
    x = torch.arange(4, dtype=torch.float32)
    assert torch.equal(f(x), x + 1)
{first}
for _ in range(4):
    check()
assert f._answered > 0
"""
    for first in (
        "with torch.inference_mode():\n    check(), check(), check()",
        "torch.set_default_dtype(torch.float64)",
        "with torch.autograd.forward_ad.dual_level():\n    check(), check()",
        "def g(x):\n    check(), check(), check()\n    return x\ntorch.func.vmap(g)(torch.ones(2, 3))",
    ):
        run(script.format(first=first))
