"""Times compiled functions against PyTorch's, on one thread and arrays in the second-level cache, and writes a table to docs/accuracy.md.

`python benchmarks/speed.py` prints the table; `--write` keeps it. It needs PyTorch.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["TENSORC_NUM_THREADS"] = "1"

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sections
import torch
from accuracy import PAGE, Array, machine

import tensorc as tc

TITLE = "Speed"
SIZE = 16384
ROUNDS = 40
REPEATS = 4

# The arguments' range; the second argument's is -3 .. 3.
RANGES: dict[str, tuple[float, float]] = {
    "exp": (-10, 10),
    "exp2": (-10, 10),
    "expm1": (-10, 10),
    "log": (0.01, 100),
    "log2": (0.01, 100),
    "log10": (0.01, 100),
    "log1p": (-0.9, 100),
    "sqrt": (0, 100),
    "rsqrt": (0.01, 100),
    "sin": (-10, 10),
    "cos": (-10, 10),
    "tan": (-10, 10),
    "asin": (-1, 1),
    "acos": (-1, 1),
    "atan": (-10, 10),
    "atan2": (-10, 10),
    "sinh": (-10, 10),
    "cosh": (-10, 10),
    "tanh": (-5, 5),
    "asinh": (-10, 10),
    "acosh": (1, 100),
    "atanh": (-1, 1),
    "erf": (-3, 3),
    "erfc": (-3, 6),
    "lgamma": (0.1, 50),
    "pow": (0.01, 10),
    "sigmoid": (-8, 8),
}
PAIRS = ("atan2", "pow")


def arguments(name: str, dtype: Any) -> list[Array]:
    random = np.random.default_rng(0)
    x = random.uniform(*RANGES[name], SIZE).astype(dtype)
    return [x, random.uniform(-3, 3, SIZE).astype(dtype)] if name in PAIRS else [x]


def ours(name: str, dtype: str, given: list[Array], math: str) -> Callable[[], Any]:
    names = "xy"[: len(given)]
    parameters = ", ".join(f"{x}: {dtype}[N]" for x in names)
    with tc.config.scope(math=math):
        function = tc.compile(f"fn f({parameters}) = {name}({', '.join(names)})").f.lower(*given).compile()
        out = np.empty_like(given[0])
        function(*given, out=out)
    return lambda: function(*given, out=out)


def theirs(name: str, given: list[Array]) -> Callable[[], Any]:
    function, tensors = getattr(torch, name), [torch.from_numpy(x) for x in given]
    out = torch.empty_like(tensors[0])
    return lambda: function(*tensors, out=out)


def least(runs: list[Callable[[], Any]]) -> list[float]:
    """Nanoseconds an element of each, the least of rounds in which they take turns."""
    best = [float("inf")] * len(runs)
    for _ in range(ROUNDS):
        for k, run in enumerate(runs):
            started = time.perf_counter()
            for _ in range(REPEATS):
                run()
            best[k] = min(best[k], (time.perf_counter() - started) / REPEATS / SIZE * 1e9)
    return best


def row(name: str) -> str:
    cells = []
    for dtype in ("f32", "f64"):
        given = arguments(name, np.float32 if dtype == "f32" else np.float64)
        accurate, fast, torch_ = least([ours(name, dtype, given, math) for math in ("accurate", "fast")] + [theirs(name, given)])
        cells += [f"{accurate:.3f}", f"{torch_:.3f}", f"{accurate / torch_:.2f}", f"{fast / torch_:.2f}"]
    return f"| `{name}` | {' | '.join(cells)} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", default=list(RANGES))
    parser.add_argument("--write", action="store_true", help="keep the table in docs/accuracy.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.names:
        rows.append(row(name))
        print(rows[-1], end="", flush=True)
    head = ["function", "f32, ns", "PyTorch", "ratio", "fast", "f64, ns", "PyTorch", "ratio", "fast"]
    text = f"""\
Nanoseconds an element of compiled functions and of PyTorch's on one thread, both from and to arrays of {SIZE:,} numbers that are there
already, and tensorc's time over PyTorch's; the least of {ROUNDS} rounds in which they take turns. *fast* is the ratio of the functions of
`math="fast"`. `benchmarks/speed.py --write` made this table on {machine()}.

Slower than 0.4 of PyTorch's time: `sigmoid`, since PyTorch's is not within a unit in the last place, and of some 20 instructions, which
wait for one another, a third is for that; `exp2` of f64 is at this limit.

| {" | ".join(head)} |
| {" | ".join(["---"] * len(head))} |
{"".join(rows)}"""
    if options.write:
        sections.replace(PAGE, TITLE, text)


if __name__ == "__main__":
    main()
