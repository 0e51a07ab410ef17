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

HEAD = "(q: f32[B, H, S, D], k: f32[B, H, T, D], v: f32[B, H, T, D])"
ATTENTION = f"""
fn f{HEAD} {{
    let s[b, h, i, j] = sum[d](q[b, h, i, d] * k[b, h, j, d]) / sqrt(D)
    let p = softmax(s, axis=-1)
    let o[b, h, i, d] = sum[j](p[b, h, i, j] * v[b, h, j, d])
    return o
}}
fn g{HEAD} = sum(f(q, k, v))
"""
LAYER_NORM = """
fn f(x: f32[N, D], w: f32[D], b: f32[D]) = layer_norm(x, w, b)
fn g(x: f32[N, D], w: f32[D], b: f32[D]) = sum(f(x, w, b) ** 2)
"""
NEAREST = """
fn f(a: f32[N, D], b: f32[M, D]) {
    let d[i] = min[j](sum[k]((a[i, k] - b[j, k]) ** 2))
    return d
}"""
MEANS = """
fn f(e: f32[V, D], rows: i64[B, T]) {
    let y[b, d] = mean[t](e[rows[b, t], d])
    return y
}"""
ADAM = """
fn f(p: f32[N], g: f32[N], m: f32[N], v: f32[N]) {
    let m2 = 0.9 * m + 0.1 * g
    let v2 = 0.999 * v + 0.001 * g * g
    return p - 1e-3 * m2 / (sqrt(v2) + 1e-8), m2, v2
}"""

PROGRAMS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "a scaled sum": ("fn f(x: f32[N], y: f32[N]) = 2.5 * x + y", (), "4096;4096"),
    "gelu": ("fn f(x: f32[N, M], b: f32[M]) = gelu(x + b)", (), "64,64;64"),
    "Adam": (ADAM, (), "4096;4096;4096;4096"),
    "a transpose": ("fn f(x: f32[N, M], y: f32[M, N]) = x + y.T", (), "64,64;64,64"),
    "softmax": ("fn f(x: f32[N, M]) = softmax(x, axis=-1)", (), "64,64"),
    "layer norm": (LAYER_NORM, (), "64,64;64;64"),
    "layer norm, gradient": (LAYER_NORM, ("x", "w", "b"), "64,64;64;64"),
    "cross entropy, gradient": ("fn g(x: f32[N, K], y: i64[N]) = cross_entropy(x, y)", ("x",), "64,64;64"),
    "sum": ("fn f(x: f32[N]) = sum(x)", (), "4096"),
    "column sums": ("fn f(x: f32[N, M]) = sum(x, axis=0)", (), "64,64"),
    "argmax": ("fn f(x: f32[N, M]) = argmax(x, axis=-1)", (), "64,64"),
    "cumsum": ("fn f(x: f32[N, M]) = cumsum(x, axis=-1)", (), "64,64"),
    "a stencil": ("fn f(u: f32[N, M]) = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]", (), "64,64"),
    "nearest point": (NEAREST, (), "64,3;64,3"),
    "means of rows by number": (MEANS, (), "64,64;8,8"),
    "a matrix product": ("fn f(a: f32[N, K], b: f32[K, M]) = a @ b", (), "512,512;512,512"),
    "attention": (ATTENTION, (), "2,8,512,64;2,8,512,64;2,8,512,64"),
    "attention, value and gradient": (ATTENTION, ("q", "k", "v"), "2,8,512,64;2,8,512,64;2,8,512,64"),
}
"""The text, what it is differentiated by, and the shapes: of programs without matrix products, but for the last ones."""


def compiles() -> None:
    """From text to code that can be called, in a process that has compiled before and without the cache. Processor time is what a busy
    machine takes too."""
    with tc.config.scope(cache="off"):
        examples, programs = [], []
        for path in sorted([*EXAMPLES.glob("*.tx"), *EXAMPLES.glob("digits/*.tx")]):
            for name, function in tc.load(path)._functions.items():
                if function._definition.representative() is not None:
                    examples.append((f"{path.stem}.{name}", *timed(lambda path=path, name=name: example(path, name))))
        for name, parts in PROGRAMS.items():
            programs.append((name, *timed(lambda parts=parts: program(*parts))))
    times("From the text of an example's file to a function's code", examples)
    times("From the text of a program to code", programs)


def times(title: str, rows: list[tuple[str, float, float]]) -> None:
    medians, least = [wall for _, wall, _ in rows], [cpu for _, _, cpu in rows]
    summary = [("median of all", statistics.median(medians), statistics.median(least)), ("largest", max(medians), max(least))]
    every = [(name, f"{wall * 1e3:.1f} ms", f"{cpu * 1e3:.1f} ms") for name, wall, cpu in [*rows, *summary]]
    table(title, ("what", "median time", "least processor time"), every)


def timed(run: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """(the median of the times, the least of the processor times), after a first run."""
    run()
    walls, cpus = [], []
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), min(cpus)


def example(path: Path, name: str) -> None:
    function = tc.load(path)[name]
    prepared = function._definition.representative()
    assert prepared is not None
    function._executable(function._entry(prepared))


def program(text: str, wrt: tuple[str, ...], shapes: str) -> None:
    module = tc.compile(text)
    function = tc.value_and_grad(module.g, wrt=wrt) if wrt else module.f
    function.warmup(*arguments(module["g" if wrt else "f"], shapes))


def arguments(function: tc.Function, shapes: str) -> list[Any]:
    made = [np.ones([int(n) for n in shape.split(",")], np.float32) for shape in shapes.split(";")]
    integers = [": i64" in part for part in function.signature.split("],")]
    return [a.astype(np.int64) if whole else a for a, whole in zip(made, integers, strict=False)]


# Processes.

SCRIPT = """
import time
import numpy as np
def now():
    return time.perf_counter(), time.process_time()
started = now()
import tensorc as tc
imported = now()
f = tc.load({path!r}).softmax
value = f(np.ones((4, 8), np.float32))
for moment in (imported, now()):
    print(moment[0] - started[0], moment[1] - started[1])
"""

Moments = tuple[tuple[float, float], ...]
"""Until the import, and until the first result: the time, and that of the processor."""


def processes() -> None:
    with tempfile.TemporaryDirectory() as folder:
        process(Path(folder) / "first")  # which writes the modules' byte code
        cold = [process(Path(folder) / str(n)) for n in range(5)]
        warm = [process(Path(folder) / "0") for _ in range(9)]
    rows = [
        shown("import tensorc", warm, 0, "60 ms"),
        shown("first result, from a cold cache", cold, 1, "400 ms"),
        shown("first result, from a warm cache", warm, 1, "150 ms"),
    ]
    table("A fresh process, beyond `import numpy`", ("until", "median time", "least processor time", "aim"), rows)


def shown(what: str, runs: list[Moments], moment: int, aim: str) -> tuple[str, ...]:
    wall, cpu = statistics.median(run[moment][0] for run in runs), min(run[moment][1] for run in runs)
    return what, f"{wall * 1e3:.0f} ms", f"{cpu * 1e3:.0f} ms", aim


def process(cache: Path) -> Moments:
    """A process with a cache of its own; with byte code, as installed packages have it, whatever this process was told."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"TENSORC_CACHE": "rw", "TENSORC_CACHE_DIR": str(cache), "PYTHONPYCACHEPREFIX": str(cache.parent / "bytecode")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    script = SCRIPT.format(path=str(EXAMPLES / "softmax.tx"))
    out = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True, text=True).stdout
    return tuple((float(wall), float(cpu)) for wall, cpu in (line.split() for line in out.splitlines()))


def parts(words: list[str]) -> Iterator[Callable[[], None]]:
    known = {"calls": calls, "compiles": compiles, "processes": processes}
    for word in words or known:
        if word not in known:
            sys.exit(f"there is no part `{word}`; there are {', '.join(known)}")
        yield known[word]


if __name__ == "__main__":
    for part in list(parts(sys.argv[1:])):
        part()
