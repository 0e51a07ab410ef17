"""`torch.compile(model, backend="tensorc")`: models and functions give what PyTorch gives, and what has no translation stays PyTorch's."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

import tensorc as tc  # noqa: E402
import tensorc.torch  # noqa: E402
from tensorc.torch_bridge import backend as module  # noqa: E402


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    torch.manual_seed(0)
    yield
    torch._dynamo.reset()


def compiled(function: Any, **options: Any) -> Any:
    return torch.compile(function, backend=tensorc.torch.backend, fullgraph=True, **options)


def check(function: Any, *args: Any, parameters: Any = (), dynamic: bool = False) -> None:
    """Results and gradients are those of the function itself."""
    made = compiled(function, dynamic=dynamic)
    got, expected = made(*args), function(*args)
    torch.testing.assert_close(got, expected, rtol=2e-5, atol=2e-5)
    for g, e in zip(flat(got), flat(expected), strict=True):
        assert g.stride() == e.stride() or not e.is_contiguous()
    leaves = [t for t in (*args, *parameters) if isinstance(t, torch.Tensor) and t.requires_grad]
    if leaves:
        losses = [sum((t.float() ** 2).sum() for t in flat(v) if t.requires_grad) for v in (got, expected)]
        ours, theirs = (torch.autograd.grad(loss, leaves, allow_unused=True) for loss in losses)
        torch.testing.assert_close([g for g in ours if g is not None], [g for g in theirs if g is not None], rtol=1e-4, atol=1e-4)


def flat(value: Any) -> list[Any]:
    return [t for v in value for t in flat(v)] if isinstance(value, (tuple, list)) else [value]


X = [[0.5, -1.0, 2.0, 0.25], [1.5, 0.0, -0.5, 3.0], [-2.0, 1.0, 0.75, -0.125]]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "arithmetic": lambda x: (x * 2 + 1) / (x.abs() + 1) - x**3 + 2**x,
    "alpha": lambda x: torch.add(x, x, alpha=3) - torch.sub(x, 1, alpha=2),
    "unary": lambda x: x.exp() + x.sin() * x.cos() + x.tanh() + x.sigmoid() + x.relu() + x.erf() + x.square(),
    "rounding": lambda x: x.floor() + x.ceil() + x.round() + x.trunc() + x.sign(),
    "comparisons": lambda x: torch.where(x > 0, x, x * 0.1) + (x == 0).float() + (x >= 1).to(x.dtype),
    "logic": lambda x: ((x > 0) & (x < 1)) | ~(x == 0) ^ torch.logical_not(x.bool()),
    "integers": lambda x: (x.to(torch.int64) // 2 + x.to(torch.int64) % 3) * 7,
    "division": lambda x: torch.div(x, 0.3, rounding_mode="floor") + torch.div(x, 0.3, rounding_mode="trunc") + torch.fmod(x, 0.7),
    "clamp": lambda x: x.clamp(-1, 1) + x.clamp(min=0) + torch.maximum(x, x.flip(0)) + torch.minimum(x, x * 2),
    "reductions": lambda x: (x.sum(), x.sum(1), x.mean(0, keepdim=True), x.amax(1), x.amin(), x.var(1), x.std(0), x.prod(1)),
    "extrema": lambda x: (x.max(1), x.min(0), x.argmax(1), x.argmin()),
    "any and all": lambda x: ((x > 0).any(1), (x > 0).all(0), (x > 0).sum()),
    "scans": lambda x: (x.cumsum(0), x.cumprod(1), x.logsumexp(1)),
    "softmax": lambda x: (x.softmax(1), x.log_softmax(0)),
    "activations": lambda x: (
        F.gelu(x) + F.silu(x) + F.elu(x) + F.leaky_relu(x, 0.2) + F.softplus(x) + F.hardtanh(x) + F.mish(x) + F.gelu(x, approximate="tanh")
    ),
    "shapes": lambda x: (x.t(), x.reshape(2, 6), x.view(-1) * 2, x.unsqueeze(1).expand(3, 2, 4) + 1, x[None].squeeze(0) * 3),
    "slices": lambda x: (x[1:] * 2, x[:, ::2] + 1, x[0] - 1, x[:, -1] * 3, x[..., 1:3] + x[..., :2]),
    "joins": lambda x: (torch.cat([x, x * 2]), torch.cat([x, x + 1], 1), torch.stack([x, -x], 2), torch.hstack([x, x]) * 2),
    "splits": lambda x: [p * 2 for p in x.split(2, 1)] + [p + 1 for p in x.chunk(2, 1)] + [p - 1 for p in x.unbind(0)],
    "moves": lambda x: (x.flip(1) * 2, x.roll(1, 0) + 1, x.repeat(2, 1) * 2, x.tril() + x.triu(1), F.pad(x, (1, 2), value=0.5) * 2),
    "gathers": lambda x: (
        x[torch.tensor([2, 0])] * 2,
        x.gather(1, torch.tensor([[0], [1], [2]])) + 1,
        x.index_select(1, torch.tensor([3, 1])) * 2,
    ),
    "products": lambda x: (x @ x.t(), x @ x[0], torch.einsum("ij,kj->ik", x, x), torch.outer(x[0], x[1]), torch.dot(x[0], x[1]) * 2),
    "making": lambda x: x + torch.zeros_like(x) + torch.ones(4) + torch.arange(4) + torch.full((3, 1), 2.0) + torch.tensor(1.5),
    "orders": lambda x: (x.sort(1), x.argsort(0), x.topk(2)),
    "losses": lambda x: (
        F.mse_loss(x, x * 0.5),
        F.cross_entropy(x, torch.tensor([1, 0, 3])),
        F.l1_loss(x, x.flip(0)),
        F.smooth_l1_loss(x, x * 2),
    ),
    "normalisation": lambda x: (F.layer_norm(x, (4,)), F.layer_norm(x, (4,), x[0], x[1]), F.normalize(x, dim=1), F.rms_norm(x, (4,))),
    "attention": lambda x: F.scaled_dot_product_attention(x[None, None], x[None, None] * 2, x[None, None] + 1),
    "several dtypes": lambda x: (x.double() * 2 + x, x.half() * 2, x.bfloat16() + 1, (x > 0).sum() * x.int()),
    "no translation": lambda x: torch.linalg.svdvals(x * 2) + torch.special.i0(x).sum(),
    "in place": lambda x: (x * 2).add_(1).mul_(x).relu_(),
    "writing slices": lambda x: torch.zeros(4, 4).index_put((torch.tensor([0, 2, 0]),), x, accumulate=True) * 2,
    "views of inputs": lambda x: (x.t(), x[1], x * 1),
    "scalars": lambda x: x.sum() * 2 + x.mean().item() if False else x.sum() * 2,
    "nothing": lambda x: x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    check(FUNCTIONS[name], torch.tensor(X))


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in FUNCTIONS
        if n not in ("rounding", "comparisons", "logic", "integers", "extrema", "any and all", "orders", "views of inputs", "nothing")
    ],
)
def test_gradients(name: str) -> None:
    check(FUNCTIONS[name], (torch.tensor(X) + 0.01).requires_grad_())


@pytest.mark.parametrize("name", ["arithmetic", "reductions", "softmax", "shapes", "joins", "products", "losses", "normalisation"])
def test_symbolic_sizes(name: str) -> None:
    if name in ("shapes", "losses", "normalisation"):
        check(FUNCTIONS[name], torch.tensor(X), dynamic=True)
        return
    made = compiled(FUNCTIONS[name], dynamic=True)
    for rows in (3, 5, 8):
        x = torch.randn(rows, 4)
        torch.testing.assert_close(made(x), FUNCTIONS[name](x), rtol=2e-5, atol=2e-5)


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 4, 3)
        self.normalise = torch.nn.BatchNorm2d(4)
        self.linear = torch.nn.Linear(4 * 3 * 3, 8)
        self.embedding = torch.nn.Embedding(10, 8)
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.layer = torch.nn.LayerNorm(8)

    def forward(self, x: Any, ids: Any) -> Any:
        h = F.max_pool2d(F.gelu(self.normalise(self.convolution(x))), 2)
        h = self.layer(self.linear(h.flatten(1)) + self.embedding(ids))
        h, _ = self.attention(h[None], h[None], h[None])
        return F.cross_entropy(h[0], ids % 8)


def test_a_network_with_everything() -> None:
    network = Network()
    x, ids = torch.randn(5, 1, 8, 8), torch.tensor([1, 2, 3, 9, 2])
    check(network, x, ids, parameters=list(network.parameters()))
    network.eval()
    with torch.no_grad():
        check(network, x, ids)


def test_training_is_the_same() -> None:
    networks = [torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    forward = [networks[0], compiled(networks[1])]
    optimisers = [torch.optim.Adam(n.parameters(), lr=1e-2) for n in networks]
    x, y = torch.randn(32, 4), torch.randint(3, (32,))
    for _ in range(20):
        losses = []
        for f, optimiser in zip(forward, optimisers, strict=True):
            optimiser.zero_grad()
            loss = F.cross_entropy(f(x), y)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert abs(losses[0] - losses[1]) < 1e-5


def test_dropout_and_other_random_numbers_stay_pytorch_s() -> None:
    f = lambda x: F.dropout(x * 2, 0.5, training=True) + 1  # noqa: E731
    made = compiled(f)
    y = made(torch.ones(1000))
    assert set(y.tolist()) == {1.0, 5.0} and 300 < (y == 1).sum() < 700


def test_functions_of_tensorc_inside() -> None:
    f = lambda x: tc.softmax(x * 2) + 1  # noqa: E731
    check(f, torch.tensor(X, requires_grad=True))


def test_what_fell_back_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with tc.config.scope(log=("fusion",)):
        compiled(lambda x: torch.special.i0(x * 2) + 1)(torch.tensor(X))
    said = capsys.readouterr().err
    assert "2 of 3 operators in 2 programs" in said and "aten.i0.default stays PyTorch's: no translation" in said


def test_a_result_that_is_not_torch_s_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from tensorc.torch_bridge import aten

    monkeypatch.setitem(aten.TABLE, "tanh", lambda x: aten.of.cast(x, "f64"))
    with tc.config.scope(log=("fusion",)):
        check(lambda x: (x.tanh() * 2).exp(), torch.tensor(X))
    assert "aten.tanh.default stays PyTorch's: a result of f64, which is f32 in PyTorch" in capsys.readouterr().err


def test_parts_are_whole_graphs() -> None:
    made = []
    original = module.compiled

    def watch(graph: Any, kind: str = "graph") -> Any:
        made.append(original(graph, kind))
        return made[-1]

    module.compiled, f = watch, lambda x: (x * 2 + 1).softmax(1) @ x.t()  # type: ignore[assignment]
    try:
        compiled(f)(torch.tensor(X))
    finally:
        module.compiled = original
    (graph,) = made
    assert [n.op for n in graph.graph.nodes] == ["placeholder", "call_module", "output"]


def test_the_entry_point_is_declared() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["torch_dynamo_backends"]["tensorc"] == "tensorc.torch:backend"


def test_a_maximum_is_split_from_nothing_that_it_is_compared_with() -> None:
    def f(x: Any, w: Any, b: Any) -> Any:
        return (torch.log(1 + torch.exp(x[:, None] * w)) / (1 + w * w) + b[:, None]).amax(1)

    check(f, *(torch.randn(n, requires_grad=True) for n in (33, 65, 33)))
