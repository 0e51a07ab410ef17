"""Large results have memory that is used again, and to torch it is memory like any other."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from runtime.children import run  # noqa: E402

import tensorc as tc  # noqa: E402
from tensorc.runtime import entry, words  # noqa: E402

N = 1 << 19
M = tc.compile("""
fn twice(x: f32[N]) = x + x
fn half<T: float>(x: T[N]) = x / 2
fn sine(x: f32[N]) = sin(x)
""")


def held() -> int:
    code = entry.code()
    assert code is not None
    return int(code.context[words.HELD])


@pytest.fixture(params=["by Python", "at once", "of a backward pass"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """What makes a new large result each time, which is `EXPECTED`; in each of the ways that results are made."""
    x = torch.arange(N, dtype=torch.float32)

    def backward() -> Any:
        leaf = x.clone().requires_grad_()
        (grad,) = torch.autograd.grad(M.sine(leaf), leaf, torch.ones(N))
        return grad

    if request.param == "by Python":
        entry.bypass(1)
        yield lambda: M.twice(x)
        entry.bypass(-1)
    else:
        M.twice(x)
        yield backward if request.param == "of a backward pass" else lambda: M.twice(x)


def test_storages_can_be_resized(make: Callable[[], Any]) -> None:
    y = make()
    expected, place = y.clone(), y.data_ptr()
    storage = y.untyped_storage()
    assert storage.resizable() and storage.nbytes() == 4 * N and storage.data_ptr() == place and place % 64 == 0 and y._base is None
    y.resize_(2, N)
    assert torch.equal(y[0], expected) and y.untyped_storage().nbytes() == 8 * N and y.data_ptr() != place
    y.fill_(7).resize_(3)
    assert y.tolist() == [7, 7, 7] and y.untyped_storage().nbytes() == 8 * N
    z = make()
    z.untyped_storage().resize_(0)
    assert z.untyped_storage().nbytes() == 0
    z.untyped_storage().resize_(4 * N)
    assert torch.equal(z.fill_(2), torch.full((N,), 2.0)) and torch.equal(make(), expected)


def test_tensors_share_a_storage(make: Callable[[], Any]) -> None:
    y = make()
    expected, version = y.clone(), y._version
    view = y[N // 2 :]
    other = torch.empty(0).set_(y)
    seen = torch.empty(0).set_(y.untyped_storage(), 1, (5,), (2,))
    array = y.numpy()
    place = y.data_ptr()
    del y
    gc.collect()
    assert torch.equal(other, expected) and torch.equal(view, expected[N // 2 :]) and torch.equal(seen, expected[1:11:2])
    view[0] = -1
    assert other[N // 2] == -1 and array[N // 2] == -1 and view._version == version + 1
    assert make().data_ptr() != place  # as long as anything shows the memory, no other result has it
    before = held()
    del other, view, seen, array
    gc.collect()
    assert held() >= before + 4 * N


def test_copies(make: Callable[[], Any]) -> None:
    y = make()
    for twin in (copy.deepcopy(y), pickle.loads(pickle.dumps(y)), y.clone(), y.detach().clone()):
        assert torch.equal(twin, y) and twin.data_ptr() != y.data_ptr()
    assert copy.copy(y).data_ptr() == y.data_ptr() == y.detach().data_ptr() == y.data.data_ptr()
    first, second = copy.deepcopy([y, y[10:]])
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
    file = io.BytesIO()
    torch.save({"whole": y, "part": y[:7]}, file)
    file.seek(0)
    found = torch.load(file)
    assert torch.equal(found["whole"], y) and found["part"].untyped_storage().data_ptr() == found["whole"].untyped_storage().data_ptr()


def test_memory_is_moved_to_what_processes_share(make: Callable[[], Any]) -> None:
    y = make()
    expected, before = y.clone(), held()
    view = y[3:]
    assert y.share_memory_() is y and y.is_shared() and view.is_shared() and torch.equal(y, expected) and torch.equal(view, expected[3:])
    assert held() >= before + 4 * N  # the memory that it had is free again


def test_any_thread_lets_go(make: Callable[[], Any]) -> None:
    """torch frees memory where it likes, also where no Python runs."""
    kept = [make()]
    before = held()
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert held() >= before + 4 * N
    leaf = torch.ones(N, requires_grad=True)
    for _ in range(3):  # the autograd engine frees what was kept
        (M.sine(leaf * 2) * 3).sum().backward()
    assert torch.allclose(leaf.grad, torch.full((N,), 18 * torch.cos(torch.tensor(2.0)).item()), rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_every_dtype_has_it(dtype: Any) -> None:
    x = torch.linspace(-8, 8, 1 << 20).to(dtype)
    for _ in range(3):
        y = M.half(x)
        assert torch.equal(y, x / 2) and y.untyped_storage().resizable()
        before = held()
        del y
        assert held() >= before + (1 << 20) * dtype.itemsize


def test_modes_and_parameters() -> None:
    x = torch.ones(N)
    with torch.inference_mode():
        y = M.twice(x)
        assert y.is_inference() and y.resize_(2 * N)[:N].sum() == 2 * N
    parameter = torch.nn.Parameter(M.twice(x))
    assert copy.deepcopy(parameter).data.resize_(2 * N).shape == (2 * N,)
    parameter.sum().backward()
    assert torch.equal(parameter.grad, torch.ones(N))
    layer = torch.nn.Linear(1024, 512, bias=False)
    layer.weight.data = M.twice(x).view(512, 1024)
    assert copy.deepcopy(layer).weight.sum() == 2 * N


LOADING = """
    import sys

    import tensorc as tc
    import torch
    from torch.utils.data import DataLoader, Dataset

    M = tc.compile("fn twice(x: f32[N]) = x + x")

    class Doubled(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, n):
            return M.twice(torch.full((1 << 19,), float(n)))

    if __name__ == "__main__":
        Doubled()[0]
        batched = sys.argv[1] == "fork"
        found = list(DataLoader(Doubled(), 2 if batched else None, num_workers=2 if batched else 1, multiprocessing_context=sys.argv[1]))
        assert torch.cat([f.reshape(-1, 1 << 19) for f in found])[:, -1].tolist() == [0, 2, 4, 6] and found[0].is_shared()
        found[1].add_(M.twice(found[1].reshape(-1)).view_as(found[1]))
        assert found[1].reshape(-1)[5] == (12 if batched else 6)
        print("loaded")
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader(method: str, tmp_path: Path) -> None:
    script = tmp_path / "loading.py"
    script.write_text(textwrap.dedent(LOADING))
    out, _ = run(
        f"import runpy, sys; sys.argv = ['loading.py', {method!r}]; runpy.run_path({str(script)!r}, run_name='__main__')", timeout=120
    )
    assert out.strip() == "loaded"


def test_the_end_of_the_interpreter_finds_living_results() -> None:
    out, _ = run("""
        import tensorc as tc, torch
        f = tc.compile("fn twice(x: f32[N]) = x + x").twice
        kept = [f(torch.ones(1 << 19)) for _ in range(3)]
        torch.kept = kept[:1]
        tc.Tensor.kept = kept[1]
        print("over")
    """)
    assert out.strip() == "over"
