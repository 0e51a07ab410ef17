"""Matrix products as a share of what the processor can multiply and add; contractions beside PyTorch; the memory that large ones take.

    python benchmarks/contractions.py --threads 1
    python benchmarks/contractions.py --threads 2 --only conv,attention

Everything takes turns in one process, the least time counts, and results are compared with float64 first. To be run on a quiet machine.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--only", default="", help="rows whose name has one of these words, separated by commas")

MATMUL = "fn f(a: f32[N, K], b: f32[K, M]) = a @ b"
TURNED = "fn f(a: f32[N, K], b: f32[M, K]) = a @ b.T"
BATCHED = "fn f(a: f32[B, N, K], b: f32[B, K, M]) = a @ b"
LINEAR = "fn f(x: f32[N, K], w: f32[M, K], b: f32[M], r: f32[N, M]) = gelu(x @ w.T + b) + r"
CHAIN = "fn f(a: f32[N, K], b: f32[K, M], v: f32[M]) = a @ b @ v"
ATTENTION = "fn f(q: f32[H, S, D], k: f32[H, T, D], v: f32[H, T, E]) = softmax(q @ k.mT / sqrt(D)) @ v"
TRAINED = ATTENTION.replace("= softmax", "= sum((softmax").replace(") @ v", ") @ v) ** 2)")
GAUSSIAN = """fn f(p: f32[N, K], q: f32[M, K], w: f32[M]) {
    let y[i] = sum[j](exp(-0.5 * sum[k]((p[i, k] - q[j, k]) ** 2)) * w[j])
    return y
}"""


clock = time.perf_counter
"""Of one thread its own time, which other processes do not take part in."""


def convolution(options: str, rank: int = 2) -> str:
    axes, taps = ("L", "K") if rank == 1 else ("H, W", "R, S")
    return f"fn f(x: f32[N, C, {axes}], w: f32[O, I, {taps}]) = conv{rank}d(x, w, {options})"


def peak() -> Callable[[], float]:
    """A function that gives multiplications and additions a second, in billions, of one thread and of registers alone."""
    from tensorc.backends.llvm import target

    cpu = target.host()
    lanes, count = cpu.vector_bytes // 4, 24 if cpu.vector_registers == 32 else 12
    vector = f"<{lanes} x float>"
    lines = [f"  %a{i} = phi {vector} [ zeroinitializer, %entry ], [ %b{i}, %loop ]" for i in range(count)]
    lines += [f"  %b{i} = call {vector} @llvm.fma.v{lanes}f32({vector} %x, {vector} %x, {vector} %a{i})" for i in range(count)]
    sums = [f"  %s{i} = fadd {vector} %{f's{i - 1}' if i > 1 else 'b0'}, %b{i}" for i in range(1, count)]
    text = "\n".join(
        [
            f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
            "define void @peak(ptr %p, i64 %n) #0 {\nentry:",
            f"  %x = load {vector}, ptr %p, align 4\n  br label %loop\nloop:\n  %i = phi i64 [ 0, %entry ], [ %j, %loop ]",
            *lines,
            "  %j = add i64 %i, 1\n  %more = icmp slt i64 %j, %n\n  br i1 %more, label %loop, label %end\nend:",
            *sums,
            f"  store {vector} %s{count - 1}, ptr %p, align 4\n  ret void\n}}\nattributes #0 = {{ {cpu.attributes} }}\n",
        ]
    )
    loaded = target.load([target.object_of(text, cpu)], ["peak"], {})
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(loaded.addresses["peak"])
    memory = (ctypes.c_float * 64)()

    def measure() -> float:
        assert loaded.addresses
        start = clock()
        run(ctypes.addressof(memory), 20_000)
        return 2 * count * lanes * 20_000 / (clock() - start) / 1e9

    return measure


def least(run: Callable[[], object], seconds: float = 0.15) -> float:
    """Seconds a call, by batches that are long enough for the clock."""
    run()
    start = clock()
    run()
    count = max(1, int(1e-3 / max(clock() - start, 1e-6)))
    found, end = float("inf"), clock() + seconds
    while clock() < end:
        start = clock()
        for _ in range(count):
            run()
        found = min(found, (clock() - start) / count)
    return found


def products(threads: int) -> None:
    import numpy as np

    import tensorc as tc

    print(f"\n| square matrices, {threads} threads | ms | GFLOP/s | share of the peak |\n|---|---|---|---|")
    f, rate = tc.compile(MATMUL).f, peak()
    for n in (128, 256, 512, 768, 1024, 1536, 2048):
        a, b = (np.random.default_rng(n).standard_normal((n, n), dtype="f4") for _ in range(2))
        out = np.empty((n, n), "f4")
        times, rates = [], []
        for _ in range(5):
            rates += [rate() for _ in range(20)]
            times.append(least(lambda a=a, b=b, out=out: f(a, b, out=out)))  # type: ignore[misc]
        speed = 2 * n**3 / min(times) / 1e9
        print(f"| {n} | {min(times) * 1e3:.3f} | {speed:.0f} | {speed / max(rates) / threads:.0%} |", flush=True)


def beside_torch(threads: int, only: list[str]) -> None:
    import numpy as np
    import torch
    import torch.nn.functional as F

    import tensorc as tc

    torch.set_num_threads(threads)
    attend, square = F.scaled_dot_product_attention, (512, 512)
    conv1, conv2 = convolution("padding=2", 1), convolution("padding=1")
    rows: dict[str, tuple[str, list[tuple[int, ...]], Callable[..., Any], tuple[str, ...]]] = {
        "product 127 x 129 x 131": (MATMUL, [(127, 129), (129, 131)], torch.matmul, ()),
        "product 8 x 1024 x 4096": (TURNED, [(8, 1024), (4096, 1024)], F.linear, ()),
        "product 16 x 100000 x 16": (MATMUL, [(16, 100000), (100000, 16)], torch.matmul, ()),
        "batches of 8 x 8": (BATCHED, [(2048, 8, 8), (2048, 8, 8)], torch.matmul, ()),
        "gelu(x @ w.T + b) + r": (LINEAR, [square, square, (512,), square], lambda x, w, b, r: F.gelu(F.linear(x, w, b)) + r, ()),
        "a @ b @ v": (CHAIN, [(1000, 1000), (1000, 1000), (1000,)], lambda a, b, v: a @ (b @ v), ()),
        "conv1d": (conv1, [(8, 64, 500), (64, 64, 5)], lambda x, w: F.conv1d(x, w, padding=2), ()),
        "conv2d": (conv2, [(4, 64, 28, 28), (64, 64, 3, 3)], lambda x, w: F.conv2d(x, w, padding=1), ()),
        "conv2d, gradient": (
            conv2.replace("= conv", "= sum(conv") + " ** 2)",
            [(4, 32, 28, 28), (64, 32, 3, 3)],
            lambda x, w: (F.conv2d(x, w, padding=1) ** 2).sum(),
            ("x", "w"),
        ),
        "conv2d, depthwise": (
            convolution("padding=1, groups=64"),
            [(4, 64, 56, 56), (64, 1, 3, 3)],
            lambda x, w: F.conv2d(x, w, padding=1, groups=64),
            (),
        ),
        "conv2d, 32 groups": (
            convolution("padding=1, groups=32"),
            [(4, 128, 28, 28), (128, 4, 3, 3)],
            lambda x, w: F.conv2d(x, w, padding=1, groups=32),
            (),
        ),
        "conv2d in steps of 2, gradient": (
            convolution("padding=1, stride=2").replace("= conv", "= sum(conv") + " ** 2)",
            [(4, 64, 56, 56), (128, 64, 3, 3)],
            lambda x, w: (F.conv2d(x, w, padding=1, stride=2) ** 2).sum(),
            ("x", "w"),
        ),
        "conv3d": (
            "fn f(x: f32[N, C, D, H, W], w: f32[O, C, Q, R, S]) = conv3d(x, w, padding=1)",
            [(2, 16, 12, 24, 24), (32, 16, 3, 3, 3)],
            lambda x, w: F.conv3d(x, w, padding=1),
            (),
        ),
        "attention, 8 x 512": (ATTENTION, [(8, 512, 64)] * 3, attend, ()),
        "attention, gradient": (TRAINED, [(8, 512, 64)] * 3, lambda q, k, v: (attend(q, k, v) ** 2).sum(), ("q", "k", "v")),
        "Gaussian kernel": (GAUSSIAN, [(2000, 8), (2000, 8), (2000,)], lambda p, q, w: torch.exp(-0.5 * torch.cdist(p, q) ** 2) @ w, ()),
    }
    print(f"\n| {threads} threads | tensorc, ms | PyTorch, ms | ratio |\n|---|---|---|---|")
    for name, (text, shapes, meaning, wrt) in rows.items():
        if only and not any(word in name for word in only):
            continue
        arrays = [np.random.default_rng(n).standard_normal(shape, dtype="f4") for n, shape in enumerate(shapes)]
        f = tc.grad(tc.compile(text).f, wrt=list(wrt)) if wrt else tc.compile(text).f

        def theirs(dtype: Any, arrays: Any = arrays, meaning: Any = meaning, wrt: Any = wrt) -> Callable[[], Any]:
            given = [torch.from_numpy(a).to(dtype).requires_grad_(bool(wrt)) for a in arrays]
            return (lambda: torch.autograd.grad(meaning(*given), given)) if wrt else (lambda: (meaning(*given),))

        found = f(*arrays)
        for got, want in zip(found if isinstance(found, tuple) else (found,), theirs(torch.float64)(), strict=True):
            assert np.abs(got - want.detach().numpy()).max() <= 1e-4 * float(want.abs().max()), name
        run = theirs(torch.float32)
        times = [(least(lambda f=f, arrays=arrays: f(*arrays)), least(run)) for _ in range(3)]  # type: ignore[misc]
        ours, torchs = min(t[0] for t in times), min(t[1] for t in times)
        print(f"| {name} | {ours * 1e3:.3f} | {torchs * 1e3:.3f} | {torchs / ours:.2f} |", flush=True)


def memory() -> None:
    """What is planned beside arguments and results, and by how much the process grew at its peak in a second call (Linux)."""
    import numpy as np

    import tensorc as tc

    print("\n| memory | planned, MB | peak of the process, MB |\n|---|---|---|")
    one = "fn f(q: f32[S, D], k: f32[T, D], v: f32[T, E]) = sum((softmax(q @ k.T / sqrt(D)) @ v) ** 2)"
    keys, points = {"S": 16384, "T": 16384, "D": 64, "E": 64}, {"N": 20000, "M": 20000, "K": 8}
    trained = tc.grad(tc.compile(one).f, wrt=["q", "k", "v"])
    cases: dict[str, tuple[Any, list[tuple[int, ...]], dict[str, int]]] = {
        "attention, 16384 keys, gradient": (trained, [(16384, 64)] * 3, keys),
        "Gaussian kernel, 20000 points": (tc.compile(GAUSSIAN).f, [(20000, 8), (20000, 8), (20000,)], points),
    }
    for name, (f, shapes, sizes) in cases.items():
        arrays = [np.random.default_rng(n).standard_normal(shape, dtype="f4") for n, shape in enumerate(shapes)]
        found = f(*arrays)
        results = list(found) if isinstance(found, tuple) else [found]
        executable = next(iter(f._entries.values())).call.executable
        planned = executable.layout([*arrays, *results], sizes).workspace
        before = _peak(reset=True)
        f(*arrays)
        print(f"| {name} | {planned / 2**20:.1f} | {(_peak() - before) / 2**10:.1f} |", flush=True)


def _peak(reset: bool = False) -> int:
    """The most memory that this process had, in KB; from here on, with `reset`."""
    try:
        if reset:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:
        return 0


def main() -> None:
    global clock
    arguments = parser.parse_args()
    clock = time.thread_time if arguments.threads == 1 else time.perf_counter
    os.environ |= {"OMP_NUM_THREADS": str(arguments.threads), "TENSORC_NUM_THREADS": str(arguments.threads)}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    only = [word for word in arguments.only.split(",") if word]
    if not only:
        products(arguments.threads)
    beside_torch(arguments.threads, only)
    if not only:
        memory()


if __name__ == "__main__":
    main()
