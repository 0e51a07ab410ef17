"""What a call costs, what a compile costs, and how soon a new process has its first result; beside NumPy, and PyTorch where it is there.

    python benchmarks/calls.py            # everything, as tables in Markdown
    python benchmarks/calls.py calls      # of calls, compiles, processes: these alone

Times are medians, to be taken on a quiet machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tensorc as tc

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"

ADD = "fn add(a: f32[N], b: f32[N]) = a + b"


def median(call: Callable[[], object], repeats: int = 25, seconds: float = 0.02) -> float:
    """Seconds a call, by batches long enough for the clock."""
    timer = timeit.Timer(call)
    number, taken = timer.autorange()
    number = max(1, int(number * seconds / max(taken, 1e-9)))
    return statistics.median(t / number for t in timer.repeat(repeats, number))


def in_names(expression: str, names: dict[str, Any]) -> float:
    """Seconds for an expression, without a call of a function around it."""
    timer = timeit.Timer(expression, globals=names)
    number, taken = timer.autorange()
    number = max(1, int(number * 0.02 / max(taken, 1e-9)))
    return statistics.median(t / number for t in timer.repeat(25, number))


def table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


# Calls.


def calls() -> None:
    f = tc.compile(ADD).add
    x, y, o = np.arange(16, dtype=np.float32), np.ones(16, np.float32), np.zeros(16, np.float32)
    names: dict[str, Any] = {"f": f, "x": x, "y": y, "o": o, "np": np}
    for _ in range(5):
        f(x, y)
        f(x, y, out=o)
    rows = [("NumPy, `out=`", "f(x, y, out=o)", "np.add(x, y, out=o)", 60e-9), ("NumPy, new array", "f(x, y)", "np.add(x, y)", 120e-9)]
    if torch := imported("torch"):
        torch.set_num_threads(1)
        names |= {"torch": torch, "tx": torch.arange(16.0), "ty": torch.ones(16), "to": torch.zeros(16)}
        for _ in range(5):
            f(names["tx"], names["ty"])
            f(names["tx"], names["ty"], out=names["to"])
        rows += [
            ("PyTorch, `out=`", "f(tx, ty, out=to)", "torch.add(tx, ty, out=to)", 120e-9),
            ("PyTorch, new tensor", "f(tx, ty)", "torch.add(tx, ty)", 0.0),
        ]
    shown = []
    for what, ours, theirs, limit in rows:
        a, b = in_names(ours, names), in_names(theirs, names)
        shown.append((what, f"{a * 1e9:.0f} ns", f"{b * 1e9:.0f} ns", f"{a / b:.2f}", f"{limit * 1e9:.0f} ns" if limit else "0.9x"))
    table("Adding two arrays of 16 elements", ("arrays", "tensorc", "the library itself", "ratio", "aim"), shown)
    many_sizes()


def many_sizes() -> None:
    f = tc.compile(ADD).add
    sizes = [0, 1, *np.random.default_rng(0).integers(0, 5000, 998)]
    arrays = [(np.ones(n, np.float32), np.ones(n, np.float32)) for n in sizes]
    for _ in range(3):
        f(np.ones(7, np.float32), np.ones(7, np.float32))
    started = time.perf_counter()
    for a, b in arrays:
        f(a, b)
    seconds = (time.perf_counter() - started) / len(sizes)
    compiles = f.stats.compiles
    for a, b in arrays:
        f(a[::2], b[::2])
    table(
        "A thousand sizes",
        ("what", "compiles", "mean time of a call"),
        [
            ("contiguous arrays, each of a new size", str(compiles), f"{seconds * 1e6:.2f} us"),
            ("and strided ones", str(f.stats.compiles), ""),
        ],
    )


def imported(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        return None


# Compiles.


def compiles() -> None:
    """Each function of the examples whose types say enough: from its text to code, in a process that has compiled before, without the
    cache."""
    rows, times = [], []
    with tc.config.scope(cache="off"):
        for path in sorted(EXAMPLES.glob("*.tx")):
            for name, function in tc.load(path)._functions.items():
                if function._definition.representative() is not None:
                    seconds = statistics.median(text_to_code(path, name) for _ in range(5))
                    times.append(seconds)
                    rows.append((f"{path.stem}.{name}", f"{seconds * 1e3:.1f} ms"))
    rows.append(("median", f"{statistics.median(times) * 1e3:.1f} ms"))
    rows.append(("largest", f"{max(times) * 1e3:.1f} ms"))
    table("From text to code", ("function", "median"), rows)


def text_to_code(path: Path, name: str) -> float:
    started = time.perf_counter()
    function = tc.load(path)[name]
    prepared = function._definition.representative()
    assert prepared is not None
    function._executable(function._entry(prepared))
    return time.perf_counter() - started


# Processes.

SCRIPT = """
import time
import numpy as np
started = time.perf_counter()
import tensorc as tc
imported = time.perf_counter()
f = tc.load({path!r}).softmax
value = f(np.ones((4, 8), np.float32))
print(imported - started, time.perf_counter() - started)
"""


def processes() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cold = [process(Path(folder) / str(n)) for n in range(5)]
        warm = [process(Path(folder) / "0") for _ in range(9)]
    rows = [
        ("import tensorc", f"{statistics.median(i for i, _ in warm) * 1e3:.0f} ms", "60 ms"),
        ("first result, from a cold cache", f"{statistics.median(t for _, t in cold) * 1e3:.0f} ms", "400 ms"),
        ("first result, from a warm cache", f"{statistics.median(t for _, t in warm) * 1e3:.0f} ms", "150 ms"),
    ]
    table("A fresh process, beyond `import numpy`", ("until", "median", "aim"), rows)


def process(cache: Path) -> tuple[float, float]:
    env = {**os.environ, "TENSORC_CACHE": "rw", "TENSORC_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    script = SCRIPT.format(path=str(EXAMPLES / "softmax.tx"))
    out = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True, text=True).stdout
    imported_after, first_after = map(float, out.split())
    return imported_after, first_after


def parts(words: list[str]) -> Iterator[Callable[[], None]]:
    known = {"calls": calls, "compiles": compiles, "processes": processes}
    for word in words or known:
        if word not in known:
            sys.exit(f"there is no part `{word}`; there are {', '.join(known)}")
        yield known[word]


if __name__ == "__main__":
    for part in list(parts(sys.argv[1:])):
        part()
