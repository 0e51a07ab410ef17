"""Training: the example of modules whose layers are functions, and several processes that train one model."""

from __future__ import annotations

import importlib.util
import io
import socket
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.distributed as distributed  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import tensorc as tc  # noqa: E402

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "torch_digits" / "train.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("torch_digits", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_trains_as_pytorch_does(capsys: pytest.CaptureFixture[str]) -> None:
    example().main(100)
    said = capsys.readouterr().out
    assert float(said.rsplit("difference of a loss ", 1)[1]) < 1e-5
    assert float(said.split("accuracy ")[1].split(" ")[0]) > 90


def test_states_are_saved_and_loaded() -> None:
    train = example()
    ours, _ = train.networks(16)
    again, _ = train.networks(16)
    file = io.BytesIO()
    torch.save(ours.state_dict(), file)
    file.seek(0)
    with torch.no_grad():
        for p in again.parameters():
            p.zero_()
    again.load_state_dict(torch.load(file))
    x = torch.randn(3, 64)
    assert torch.equal(ours(x), again(x))
    assert torch.allclose(ours.eval()(x), torch.func.functional_call(again, dict(ours.named_parameters()), (x,)))


def worker(rank: int, port: int, results: Any) -> None:
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        train = example()
        network = torch.nn.parallel.DistributedDataParallel(train.networks(16)[0])
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        x, y = data()
        for _ in range(3):
            optimizer.zero_grad()
            train.layers.loss(network(x[rank::2]), y[rank::2]).backward()
            optimizer.step()
        results[rank] = [p.detach().numpy().copy() for p in network.parameters()]
    finally:
        distributed.destroy_process_group()


def data() -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(32, 64, generator=generator), torch.randint(10, (32,), generator=generator)


@pytest.mark.skipif(not distributed.is_available(), reason="this PyTorch has no torch.distributed")
def test_two_processes_train_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where the two processes, which get this path, find this module
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        results = manager.dict()
        torch.multiprocessing.spawn(worker, (port, results), nprocs=2)
        found = [[torch.from_numpy(p) for p in results[rank]] for rank in range(2)]
    _, alone = example().networks(16)
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.1)
    x, y = data()
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(alone(x), y).backward()
        optimizer.step()
    for a, b, c in zip(*found, alone.parameters(), strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, c.detach(), rtol=1e-4, atol=1e-5)


def test_optimizers_that_write_in_place_and_resize() -> None:
    w = torch.nn.Parameter(torch.randn(4))
    storage = w.untyped_storage()
    y = tc.mul(w, w).sum()
    y.backward()
    storage.resize_(0)  # as FSDP does with parameters that are not in use
    storage.resize_(16)
    assert w.grad is not None
