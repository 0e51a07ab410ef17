"""What a tensor is to Python and to other libraries: printing, conversions, sharing, copies, random numbers, and its names on `tc`."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.eager.face import face_names
from tensorc.elaborate import library_names

PRINTED = """
tc.tensor(3)
tc.tensor(2.5)
tc.tensor(True)
tc.tensor([1, 2, 3])
tc.tensor([1.0, 2, 3])
tc.tensor([0.1, 22.25, -3])
tc.tensor([1e-5, 1.0])
tc.tensor([1e9, 1.0])
tc.tensor([1000.5, 0.25])
tc.tensor([float("nan"), float("inf"), -1.0])
tc.tensor([float("nan")])
tc.tensor([])
tc.zeros(0, 3)
tc.tensor([], dtype=tc.int64)
tc.tensor([[1, -20], [300, 4]])
tc.tensor([[True, False]])
tc.zeros(2, 2, dtype=tc.float64)
tc.tensor([1, 2], dtype=tc.int32)
tc.tensor([1.5, 2], dtype=tc.float16)
tc.tensor([1.5, 2], dtype=tc.bfloat16)
tc.arange(24).reshape(2, 3, 4)
tc.arange(100.0) / 7
tc.arange(2000)
tc.arange(10000).reshape(100, 100)
tc.ones(3, requires_grad=True)
tc.ones(3, requires_grad=True) * 2
tc.ones(3, dtype=tc.float64, requires_grad=True).exp()
(tc.arange(40.0, requires_grad=True) * 1000).sin()
tc.ones(1, 1, 1, 2)
tc.tensor([[0.001, 1234.5]])
tc.linspace(0, 1, 11)
tc.tensor(1e-10)
tc.tensor([-0.0, 0.0])
tc.arange(1100).float()
tc.tensor([2**40, 1])
"""


@pytest.mark.parametrize("text", PRINTED.strip().splitlines())
def test_printing(text: str) -> None:
    torch = pytest.importorskip("torch")
    assert repr(eval(text, {"tc": tc})) == repr(eval(text, {"tc": torch})).replace("torch.", "tc.")


def test_print_options() -> None:
    x = tc.tensor([[1.23456789, 2.0]])
    tc.set_printoptions(precision=2)
    try:
        assert repr(x) == "tensor([[1.23, 2.00]])"
        tc.set_printoptions(sci_mode=True)
        assert "e+00" in repr(x)
    finally:
        tc.set_printoptions(profile="default")
    assert repr(x) == "tensor([[1.2346, 2.0000]])"


def test_numpy_shares_memory() -> None:
    array = np.arange(6.0).reshape(2, 3)
    for x in (tc.from_numpy(array), tc.as_tensor(array), tc.from_dlpack(array)):
        x[0, 0] += 1
        assert x.numpy() is array or np.shares_memory(x.numpy(), array)
    assert array[0, 0] == 3 and not np.shares_memory(tc.tensor(array).numpy(), array)
    assert isinstance(np.asarray(tc.ones(2)), np.ndarray) and np.from_dlpack(tc.ones(2)).shape == (2,)
    assert np.exp(tc.ones(2)).numpy().dtype == np.float32
    both = np.ones(2, np.float32) + tc.ones(2), tc.ones(2) + np.ones(2, np.float32), np.float64(1) * tc.ones(2)
    assert all(isinstance(b, tc.Tensor) for b in both)
    with pytest.raises(TypeError):
        tc.from_numpy([1, 2])
    with pytest.raises(TypeError, match="object"):
        tc.from_numpy(np.array([None]))


def test_tables_of_pandas() -> None:
    class Frame:
        """What a table of pandas has."""

        def to_numpy(self) -> Any:
            return np.array([[1.0, 2.0], [3.0, np.nan]])

    x = tc.tensor(Frame())
    assert x.dtype is tc.float64 and x.shape == (2, 2)
    assert x.nan_to_num(0.0).tolist() == [[1, 2], [3, 0]]


def test_copies_and_pickles() -> None:
    x = tc.tensor([1.0, 2.0], requires_grad=True)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.requires_grad and twin.tolist() == [1, 2] and twin.data_ptr() != x.data_ptr()
    with pytest.raises(RuntimeError):
        copy.deepcopy(x * 2)
    assert hash(x) == hash(x) and x in [x] and {x: 1}[x] == 1


def test_random_numbers_follow_from_the_seed() -> None:
    def drawn() -> list[Any]:
        tc.manual_seed(3)
        return [tc.rand(2, 3), tc.randn(4), tc.randint(5, (3,)), tc.randperm(6), tc.rand(2), tc.normal(0.0, 1.0, (2,))]

    first, second = drawn(), drawn()
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
    assert not first[0][0, :2].equal(first[4])
    many = tc.randn(100000)
    assert abs(many.mean()) < 0.02 and abs(many.std() - 1) < 0.02
    even = tc.rand(100000)
    assert even.min() >= 0 and even.max() < 1 and abs(even.mean() - 0.5) < 0.01
    own = tc.Generator().manual_seed(7)
    assert tc.rand(3, generator=own).shape == (3,) and tc.bernoulli(tc.full((1000,), 0.25)).mean() < 0.4
    x = tc.zeros(100).uniform_(2, 3)
    assert x.min() >= 2 and x.max() < 3 and tc.zeros(50).normal_().std() > 0


def test_names_of_tc() -> None:
    assert tc.float32 is tc.f32 and tc.long is tc.i64 and tc.cat is tc.cat
    assert tc.zeros(2, 3).shape == tc.Size([2, 3]) and isinstance(tc.eye(2), tc.Tensor)
    assert isinstance(tc.softmax(tc.ones(3)), tc.Tensor) and isinstance(tc.softmax(np.ones(3, np.float32)), np.ndarray)
    assert isinstance(tc.cat([np.ones(2), np.ones(2)]), np.ndarray) and isinstance(tc.mm(np.ones((2, 2)), np.ones((2, 2))), np.ndarray)
    assert {"tensor", "cat", "no_grad", "softmax", "float64"} <= set(dir(tc))
    with pytest.raises(AttributeError, match="did you mean `arange`"):
        tc.arrange  # noqa: B018


def test_making_inside_of_traces() -> None:
    f = tc.jit(lambda x: x + tc.zeros(x.shape[0]) + tc.ones((3,)) + tc.arange(3) + tc.zeros_like(x) + tc.full((3,), 2.0))
    assert f(np.ones(3, np.float32)).tolist() == [4, 5, 6] and isinstance(f(tc.ones(3)), tc.Tensor)
    g = tc.jit(lambda x: tc.cat([x, x]).reshape(2, -1).mm(tc.ones(3, 2)) if hasattr(x, "mm") else tc.cat([x, x]))
    assert g(np.ones(3, np.float32)).shape == (6,)


def test_devices() -> None:
    assert tc.ones(2, device="cpu").device == tc.device("cpu") and tc.ones(2).to("cpu").device.type == "cpu"
    with pytest.raises(RuntimeError, match="PyTorch"):
        tc.ones(2, device="cuda")
    with pytest.raises(RuntimeError):
        tc.ones(2).to("cuda:0")


def test_operations_are_compiled_once() -> None:
    x = tc.ones(3)
    (x * 1.5 + 2).clamp(0, 1)
    with tc.no_compile():
        for n in range(5):
            (tc.ones(n + 2) * (n / 2) + n).clamp(-n, n)


def test_without_torch() -> None:
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import tensorc as tc\n"
        "x = tc.ones(2, 3, requires_grad=True)\n"
        "(x @ x.T).tanh().sum().backward()\n"
        "assert x.grad.shape == (2, 3)\n"
        "print(tc.cat([x, x]).softmax(1).argmax(1), tc.randn(2).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_addition_costs_no_more_than_pytorch_s() -> None:
    torch = pytest.importorskip("torch")
    from timeit import repeat

    ours, theirs = tc.ones(16), torch.ones(16)
    times = [min(repeat(lambda x=x: x + x, number=1000, repeat=20)) for x in (ours, theirs)]
    assert times[0] <= times[1]


def test_no_module_has_the_name_of_a_function() -> None:
    """`import tensorc.stack` would put the module where `tc.stack` was."""
    modules = {path.stem for path in Path(tc.__file__).parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert not modules & {*library_names(), *face_names()}
