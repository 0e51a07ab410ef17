"""Times programs beside PyTorch (eager and compiled) and JAX, where they are there, and writes docs/performance.md.

    python benchmarks/performance.py --threads 2            # prints the table
    python benchmarks/performance.py --threads 2 --write    # writes the page
    python benchmarks/performance.py --only softmax

All take turns in one process, and the least time of each counts; results are compared first. To be run on a quiet machine.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--only", default="", help="workloads whose name or group has one of these words, separated by commas")
parser.add_argument("--seconds", type=float, default=0.3, help="for each contender of a workload")
parser.add_argument("--write", action="store_true", help="write docs/performance.md")
parser.add_argument("--note", default="", help="a sentence about the circumstances, for the page")


def limit(threads: int) -> None:
    """So many threads for everyone; before anything is imported, since some read it only then."""
    os.environ |= {"OMP_NUM_THREADS": str(threads), "TENSORC_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu"}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # XLA obeys nothing but the processors that it may use


Runner = Callable[[], Any]


def runners(w: Any, arrays: Sequence[Any]) -> dict[str, Runner]:
    """The contenders that are installed, by name."""
    import tensorc as tc

    f = tc.compile(w.tx, name=f"{w.name}.tx").f
    call = tc.grad(f, wrt=w.wrt) if w.wrt else f
    found: dict[str, Runner] = {"tensorc": lambda: call(*arrays)}
    try:
        import torch
    except ImportError:
        return found
    function = eval(f"lambda {', '.join(w.parameters)}: {w.torch}", {"torch": torch, "F": torch.nn.functional})
    tensors = [torch.from_numpy(a) for a in arrays]
    needed = [tensors[w.parameters.index(n)].requires_grad_() for n in w.wrt]

    def by_torch(g: Callable[..., Any]) -> Runner:
        def run() -> Any:
            if needed:
                return torch.autograd.grad(g(*tensors), needed)
            with torch.no_grad():
                return g(*tensors)

        return run

    found["PyTorch"] = by_torch(function)
    found["torch.compile"] = by_torch(torch.compile(function, dynamic=False))
    if w.jax is not None and (by_jax := _jax(w, arrays)) is not None:
        found["JAX"] = by_jax
    return found


def _jax(w: Any, arrays: Sequence[Any]) -> Runner | None:
    try:
        import jax
    except ImportError:
        return None
    scope = {"jnp": jax.numpy, "jnn": jax.nn, "lax": jax.lax}
    function = jax.jit(eval(f"lambda {', '.join(w.parameters)}: {w.jax}", scope))
    given = [jax.numpy.asarray(a) for a in arrays]
    return lambda: jax.block_until_ready(function(*given))


def leaves(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, (tuple, list)) else [value]


def agree(a: Any, b: Any) -> bool:
    import numpy as np

    x, y = (np.asarray(v.detach() if hasattr(v, "detach") else v, np.float64) for v in (a, b))
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=2e-3, atol=1e-5 * max(float(np.abs(y).max(initial=0)), 1)))


def least(run: Runner, seconds: float) -> float:
    """The least seconds of a call within so many."""
    found = math.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or found is math.inf:
        started = time.perf_counter()
        run()
        found = min(found, time.perf_counter() - started)
    return found


def measured(w: Any, seconds: float) -> tuple[dict[str, float], float]:
    """(seconds a call by contender, gigabytes a second of tensorc, each input and result counted once)."""
    import numpy as np

    arrays = w.inputs(np.random.default_rng(0))
    contenders = runners(w, arrays)
    results = {name: leaves(run()) for name, run in contenders.items()}
    for name, found in results.items():
        if not all(map(agree, found, results["tensorc"])):
            raise SystemExit(f"{w.name}: {name} has another result")
    moved = sum(np.asarray(a).nbytes for a in (*arrays, *results["tensorc"]))
    del results
    times = dict.fromkeys(contenders, math.inf)
    for _ in range(5):
        for name, run in contenders.items():
            times[name] = min(times[name], least(run, seconds / 5))
    return times, moved / times["tensorc"] / 1e9


COLUMNS = ("tensorc", "PyTorch", "torch.compile", "JAX")


def row(w: Any, times: dict[str, float], rate: float) -> str:
    cells = [f"{times[c] * 1e3:.3g}" if c in times else "" for c in COLUMNS]
    return f"| {w.name} | {' | '.join(cells)} | {ratio(times):.2f} | {rate:.0f} |"


def ratio(times: dict[str, float]) -> float:
    """The fastest peer's time over tensorc's."""
    return min((t for c, t in times.items() if c != "tensorc"), default=math.nan) / times["tensorc"]


def machine(threads: int) -> str:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    from tensorc.backends.llvm.target import host

    names = ["numpy", "torch", "jax", "llvmlite"]
    versions = [f"{n} {importlib.metadata.version(n)}" for n in names if importlib.util.find_spec(n)]
    many = f"{threads} thread{'' if threads == 1 else 's'}"
    return f"{model} ({host().cpu}), {many}, {platform.system()}; Python {platform.python_version()}, {', '.join(versions)}"


def main() -> None:
    options = parser.parse_args()
    limit(options.threads)
    sys.path.insert(0, str(Path(__file__).parent))
    from workloads import WORKLOADS

    from tensorc.api.roofs import roofs

    words = [word for word in options.only.split(",") if word]
    chosen = [w for w in WORKLOADS if not words or any(word in w.name or word in w.group for word in words)]
    lines, ratios = [], []
    for w in chosen:
        times, rate = measured(w, options.seconds)
        lines.append(row(w, times, rate))
        ratios.append(ratio(times))
        print(lines[-1], flush=True)
    middle = math.exp(sum(map(math.log, ratios)) / len(ratios))
    ahead = sum(r >= 1 for r in ratios)
    summary = f"tensorc is ahead of the fastest peer on {ahead} of {len(ratios)}; the geometric mean of the ratios is {middle:.2f}."
    print(summary)
    if options.write:
        roof = roofs(1 << 28)
        page = INTRODUCTION.format(
            threads=options.threads,
            machine=f"{machine(options.threads)}. {options.note}".rstrip(". ") + ".",
            copy=roof.bytes / 1e9,
            flops=roof.flops / 1e9,
        )
        PAGE.write_text("\n".join([page, *lines, "", summary, ""]) + REST, encoding="utf-8")


INTRODUCTION = """# Performance

What programs take on one machine, beside PyTorch, `torch.compile` and JAX. This page was made from `benchmarks/workloads.py` by
`python benchmarks/performance.py --threads {threads} --write`; `tensorc bench` measures a program of yours in the same way.

{machine}

A generated kernel that copies 128 MB moves {copy:.1f} GB/s here, and one that multiplies matrices in the cache does {flops:.0f} GFLOP/s.

Milliseconds a call, the least of many, all in one process and in turn, with NumPy arrays for tensorc; the ratio is the fastest peer's
time over tensorc's. GB/s counts each input and each result once.

| | tensorc | PyTorch | torch.compile | JAX | ratio | GB/s |
|---|---|---|---|---|---|---|"""

REST = """
## What decides

- **One pass.** What is computed from the same elements is computed together: a program's bytes are read once where its definitions
  allow it. `tensorc explain` says which kernels there are, and why not fewer.
- **Vectors.** Loops go along memory, in registers as wide as the processor's, with masks at their ends. What reads along one axis and
  writes along another is turned in registers, in tiles.
- **Threads.** Outer loops are shared out in chunks, and few long rows in parts of rows. What belongs together follows from the sizes
  alone, so that a result has the same bits whatever the number of threads.
- **Memory.** Large results take the place of earlier ones: fresh pages cost more than most kernels. See [calls](calls.md#memory).
"""

if __name__ == "__main__":
    main()
