"""Classifies handwritten digits with nearest.tx and prints how well: `python examples/digits/run.py`."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import tensorc as tc

HERE = Path(__file__).resolve().parent


def main() -> None:
    digits = np.load(HERE / "digits.npz")
    program = tc.load(HERE / "nearest.tx")
    start = time.perf_counter()
    predicted = program.nearest(digits["train_x"], digits["train_y"], digits["test_x"])
    seconds = time.perf_counter() - start
    table = program.confusion(digits["test_y"], predicted, classes=10)
    share = float(program.accuracy(digits["test_y"], predicted))

    print(f"{len(digits['train_x'])} images to compare with, {len(predicted)} to classify: {seconds:.2f} s, compiling included")
    print(f"accuracy {100 * share:.2f} %")
    print("\nwritten (row) taken for (column)")
    print("     " + "".join(f"{digit:4d}" for digit in range(10)))
    for digit, row in enumerate(table):
        print(f"{digit:4d} " + "".join(f"{count or '.':>4}" for count in row.tolist()))


if __name__ == "__main__":
    main()
