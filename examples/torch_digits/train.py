"""Trains PyTorch modules with layers of layers.tx, beside the same network of PyTorch's: `python examples/torch_digits/train.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import tensorc as tc

HERE = Path(__file__).resolve().parent
layers = tc.load(HERE / "layers.tx")


class Dense(nn.Linear):
    """A linear layer and its activation, in one kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return layers.dense(x, self.weight, self.bias)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return layers.residual(x, self.norm.weight, self.norm.bias, self.linear.weight, self.linear.bias)


class Scores(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return layers.scores(x, self.weight, self.bias)


class PlainResidual(Residual):
    """The same layer, written with PyTorch's functions."""

    def forward(self, x: Tensor) -> Tensor:
        return x + F.gelu(self.linear(self.norm(x)))


def networks(width: int = 64) -> tuple[nn.Module, nn.Module]:
    """The network of functions of layers.tx, and PyTorch's with the same weights."""
    torch.manual_seed(0)
    ours = nn.Sequential(Dense(64, width), Residual(width), Residual(width), Scores(width, 10))
    theirs = nn.Sequential(nn.Sequential(nn.Linear(64, width), nn.GELU()), PlainResidual(width), PlainResidual(width), nn.Linear(width, 10))
    theirs.load_state_dict({name.replace("0.", "0.0.", 1) if name.startswith("0.") else name: w for name, w in ours.state_dict().items()})
    return ours, theirs


def train(network: nn.Module, loss: object, x: Tensor, y: Tensor, steps: int) -> list[float]:
    """The loss of each step of Adam on batches of 128 images."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(x), (128,), generator=generator)
        optimizer.zero_grad()
        value = loss(network(x[batch]), y[batch])  # type: ignore[operator]
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def main(steps: int = 100) -> None:
    data = np.load(HERE.parent / "digits" / "digits.npz")
    x, y, test_x, test_y = (torch.from_numpy(data[name]) for name in ("train_x", "train_y", "test_x", "test_y"))
    x, test_x = x / 16, test_x / 16
    ours, theirs = networks()
    losses = train(ours, layers.loss, x, y, steps), train(theirs, F.cross_entropy, x, y, steps)
    for step in range(9, steps, 10):
        print(f"step {step + 1:3d}: loss {losses[0][step]:.6f}, PyTorch's {losses[1][step]:.6f}")
    with torch.no_grad():
        accuracy = (ours(test_x).argmax(1) == test_y).float().mean().item()
    print(f"accuracy {100 * accuracy:.2f} %")
    print(f"largest difference of a loss {max(abs(a - b) for a, b in zip(*losses, strict=True)):.1e}")


if __name__ == "__main__":
    main()
