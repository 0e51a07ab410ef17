"""Trains the network of train.tx on the digits, and draws its loss to a PNG: `python examples/digits/train.py [loss.png]`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from curve import draw
from rich.progress import track

import tensorc as tc

HERE = Path(__file__).resolve().parent


def main(picture: Path) -> None:
    digits = np.load(HERE / "digits.npz")
    x, y, test_x = digits["train_x"] / 16, digits["train_y"], digits["test_x"] / 16
    program = tc.load(HERE / "train.tx")
    random = np.random.default_rng(0)
    shapes = (64, 256), (256,), (256, 10), (10,)
    state = [random.normal(0, (2 / s[0]) ** 0.5, s).astype(np.float32) * (len(s) == 2) for s in shapes]
    state += [np.zeros(s, np.float32) for s in shapes * 2]
    losses, steps = [], 3000
    start = time.perf_counter()
    for t in track(range(1, steps + 1), "training"):
        loss, state = program.step(*state, x, y, random.integers(0, len(x), 32), t, 0.005 * (1 - t / steps))
        losses.append(float(loss))
    seconds = time.perf_counter() - start
    share = float(program.accuracy(*state[:4], test_x, digits["test_y"]))
    draw(losses, picture)
    print(f"{len(losses)} steps in {seconds:.2f} s, compiling included; the loss went from {losses[0]:.3f} to {losses[-1]:.3f}")
    print(f"accuracy {100 * share:.2f} % of {len(test_x)} images that it has not seen; the loss is drawn in {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "loss.png"))
