"""The digits example: what its script prints, and its functions against NumPy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tensorc as tc

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


def test_the_data_are_what_the_readme_says() -> None:
    digits = np.load(DIGITS / "digits.npz")
    assert {name: (digits[name].dtype.name, digits[name].shape) for name in digits.files} == {
        "train_x": ("float32", (1198, 64)),
        "train_y": ("int64", (1198,)),
        "test_x": ("float32", (599, 64)),
        "test_y": ("int64", (599,)),
    }
    for name in ("train_x", "test_x"):
        assert digits[name].min() == 0 and digits[name].max() == 16 and (digits[name] % 1 == 0).all()
    assert set(digits["test_y"].tolist()) == set(range(10))


def test_labels_and_confusion_are_numpys() -> None:
    digits = np.load(DIGITS / "digits.npz")
    train_x, train_y, x, y = (digits[name] for name in ("train_x", "train_y", "test_x", "test_y"))
    program = tc.load(DIGITS / "nearest.tx")
    expected = train_y[((x[:, None] - train_x[None]) ** 2).sum(-1).argmin(1)]  # whole numbers: every sum is exact
    predicted = program.nearest(train_x, train_y, x)
    assert predicted.dtype == np.int64 and np.array_equal(predicted, expected)
    table = np.zeros((10, 10), np.int64)
    np.add.at(table, (y, expected), 1)
    assert np.array_equal(program.confusion(y, predicted, classes=10), table)
    assert abs(float(program.accuracy(y, predicted)) - np.trace(table) / table.sum()) < 1e-6


def test_the_script_reaches_its_accuracy() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # the tensorc that is tested, installed or not
    command = [sys.executable, DIGITS / "run.py"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=environment).stdout
    accuracy = next(line for line in printed.splitlines() if line.startswith("accuracy"))
    assert float(accuracy.split()[1]) >= 97
    assert "written (row) taken for (column)" in printed


def test_the_network_learns_and_its_loss_is_drawn(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, DIGITS / "train.py", tmp_path / "loss.png"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=environment).stdout
    accuracy = next(line for line in printed.splitlines() if line.startswith("accuracy"))
    assert float(accuracy.split()[1]) >= 97
    picture = (tmp_path / "loss.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n") and len(picture) > 1000


def test_the_step_is_pytorchs_adam() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)).astype(np.float32), rng.integers(0, 3, 6)
    weights = [rng.normal(size=s).astype(np.float32) for s in ((4, 5), (5,), (5, 3), (3,))]
    state = [*weights, *(np.zeros_like(w) for w in weights * 2)]
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    optimizer = torch.optim.Adam(leaves, lr=0.01)
    program = tc.load(DIGITS / "train.tx")
    for t in range(1, 4):
        batch = rng.integers(0, 6, 4)
        loss, state = program.step(*state, x, y, batch, t, 0.01)
        optimizer.zero_grad()
        hidden = torch.relu(torch.tensor(x[batch]) @ leaves[0] + leaves[1])
        expected = torch.nn.functional.cross_entropy(hidden @ leaves[2] + leaves[3], torch.tensor(y[batch]))
        expected.backward()
        optimizer.step()
        np.testing.assert_allclose(loss, expected.item(), rtol=1e-5)
        for ours, theirs in zip(state, leaves, strict=False):
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-5)
