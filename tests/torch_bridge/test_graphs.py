"""torch.compile, export, make_fx and FakeTensor see a call as the operator `tensorc::run`, whatever the sizes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

import tensorc as tc  # noqa: E402
from tensorc.torch_bridge.operator import primitive_of_text, text_of  # noqa: E402

MODULE = tc.compile("""
fn rms(x: f32[..., N], w: f32[N], eps: float = 1e-6) = x * rsqrt(mean(x * x, axis=-1, keepdims=true) + eps) * w
fn windows(x: f32[N], k: f32[K]) {
    let y[i, j] = x[i + j] * k[j]
    return y
}
fn picked(x: f32[N, K], y: i64[N]) {
    let p[n] = x[n, y[n]]
    return p
}
fn halves(x: f32[N]) -> (f32[N // 2], f32[]) {
    require N % 2 == 0, "N = {N} is odd"
    let y[i < N // 2] = x[2 * i] + x[2 * i + 1]
    return y, sum(x)
}
""")

mixed = tc.jit(lambda x, w: tc.softmax(tc.tanh(x @ w)))


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.w = torch.nn.Parameter(torch.randn(4, 5))
        self.scale = torch.nn.Parameter(torch.ones(5))
        self.mixed = mixed

    def forward(self, x: Any) -> Any:
        return MODULE.rms(self.mixed(x, self.w).relu(), self.scale, eps=1e-5) + tc.exp(x).sum() + tc.cast(x, tc.f32).mean()


def gradients(model: Any, module: Any, x: Any) -> list[Any]:
    return list(torch.autograd.grad(model(x).square().sum(), list(module.parameters())))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compile(backend: str) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    module = Model()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=backend)
    for rows in (3, 6, 9):
        x = torch.randn(rows, 4)
        torch.testing.assert_close(compiled(x), module(x))
        for a, b in zip(gradients(compiled, module, x), gradients(module, module, x), strict=True):
            torch.testing.assert_close(a, b)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    torch._dynamo.reset()


def test_export(tmp_path: Path) -> None:
    module, x = Model(), torch.randn(3, 4)
    for strict in (False, True):
        exported = torch.export.export(module, (x,), dynamic_shapes={"x": {0: torch.export.Dim("rows", min=2)}}, strict=strict)
        assert "tensorc.run" in exported.graph_module.code
        for rows in (3, 7):
            given = torch.randn(rows, 4)
            torch.testing.assert_close(exported.module()(given), module(given))
    torch.export.save(exported, tmp_path / "model.pt2")
    torch.save((x, module(x).detach()), tmp_path / "values.pt")
    script = (
        "import torch, tensorc.torch, sys\n"
        "x, y = torch.load(sys.argv[2])\n"
        "torch.testing.assert_close(torch.export.load(sys.argv[1]).module()(x), y)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "model.pt2", tmp_path / "values.pt"], check=True, cwd=Path(__file__).parents[2]
    )


def test_make_fx() -> None:
    x, w = torch.randn(3, 4), torch.randn(4, 5)
    graph = make_fx(mixed, tracing_mode="symbolic")(x, w)
    assert next(n.target for n in graph.graph.nodes if n.op == "call_function") is torch.ops.tensorc.run.default
    torch.testing.assert_close(graph(torch.randn(7, 4), w).shape, torch.Size([7, 5]))
    w.requires_grad_()
    (a,), (b,) = (torch.autograd.grad(f(x, w).square().sum(), w) for f in (graph, mixed))
    torch.testing.assert_close(a, b)

    def step(x: Any, w: Any) -> Any:
        return torch.func.grad(lambda w: mixed(x, w).square().sum())(w)

    backward = make_fx(step, tracing_mode="symbolic")(x, w.detach())
    torch.testing.assert_close(backward(x, w.detach()), a)
    assert sum(n.target is torch.ops.tensorc.run.default for n in backward.graph.nodes) == 2


def test_fake_tensors_know_what_results_are() -> None:
    with FakeTensorMode():
        x = torch.empty(8)
        y, total = MODULE.halves(x)
        assert y.shape == (4,) and total.shape == () and y.is_contiguous() and y.dtype == torch.float32
        assert MODULE.windows(x, torch.empty(3)).shape == (6, 3)
        with pytest.raises(tc.ShapeError, match="N = 7 is odd"):
            MODULE.halves(torch.empty(7))


def test_symbolic_sizes_are_the_checker_s() -> None:
    torch._dynamo.reset()
    f = torch.compile(
        lambda x: MODULE.halves(x)[0].shape[0] + MODULE.windows(x, x[:3]).shape[0], fullgraph=True, dynamic=True, backend="eager"
    )
    assert f(torch.ones(8)) == 4 + 6 and f(torch.ones(20)) == 10 + 18
    torch._dynamo.reset()


def test_subscripts_are_checked_behind_the_operator() -> None:
    f = torch.compile(MODULE.picked, fullgraph=True, backend="aot_eager")
    x = torch.randn(3, 4)
    assert f(x, torch.tensor([0, 1, 3])).tolist() == [x[0, 0].item(), x[1, 1].item(), x[2, 3].item()]
    with pytest.raises(IndexError, match="index 4 is out of range for axis 1 of `x`"):
        f(x, torch.tensor([0, 4, 3]))


def test_transforms_inside_of_compiled_code() -> None:
    x = torch.randn(3, 4)
    for transform in (lambda f: torch.vmap(f), lambda f: torch.func.grad(lambda x: f(x).square().sum())):
        compiled = torch.compile(transform(tc.softmax), fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), transform(lambda x: torch.softmax(x, -1))(x))


def test_texts_make_the_same_programs() -> None:
    from tensorc.torch_bridge import operator

    primitive = operator.primitive_of(MODULE.picked.lower(tc.spec("f32[N, K]"), tc.spec("i64[N]"))._entry)
    text = text_of(primitive)
    operator._by_text.pop(text)
    again = primitive_of_text(text)
    assert again is not primitive and again.program.results == primitive.program.results and len(again.program.checks) == 1
    assert again.program.checks[0].extent is primitive.program.checks[0].extent
    operator._by_text[text] = primitive
