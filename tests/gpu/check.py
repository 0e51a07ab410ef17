"""On a machine with a GPU: checks every operation there, then prints what kernels take beside PyTorch's.

    python tests/gpu/check.py [--only PART,...] [--device cuda|cpu|interpret] [--quick]

Checks (operations, library, examples, derivatives, launches): every scalar operation and conversion on every dtype at special values, every
function of the library, every example, gradients, strides, CUDA graphs, streams, indices outside.
Times (times): for each workload the time of its forward and backward pass and the share of the machine's own roof that it reaches (a copy;
cuBLAS), beside torch eager, torch.compile, and cuBLAS where it has the product; and what a call costs the host.
Without a GPU the script tries itself out: `--device cpu` on the processor, `--device interpret` by Triton's interpreter. `--quick` takes
every twentieth check.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

if "interpret" in sys.argv:
    os.environ |= {"TENSORC_TARGET": "triton", "TENSORC_TRITON": "interpret"}

import numpy as np  # noqa: E402
import torch  # noqa: E402
from backends.test_llvm_spellings import check, pairs, values  # noqa: E402
from backends.triton.test_library import ACCURATE, arguments  # noqa: E402
from backends.triton.test_operations import program as operation_of  # noqa: E402
from examples.test_examples import CASES as EXAMPLES  # noqa: E402
from examples.test_examples import agree, program  # noqa: E402
from library.judge import by_oracle, difference, parameters  # noqa: E402
from library.test_functions import CASES as LIBRARY  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import tensorc as tc  # noqa: E402
from tensorc.api.programs import ProgramDefinition, ProgramFunction  # noqa: E402
from tensorc.dtypes import DTYPES, bf16, f16, f32  # noqa: E402
from tensorc.ir.operations import OPERATIONS  # noqa: E402
from tensorc.runtime.arrays import to_torch  # noqa: E402

Check = tuple[str, Callable[[], None]]


TARGETS = {"cuda": "triton", "interpret": "triton", "cpu": "cpu"}
"""What programs on NumPy arrays are compiled for."""


def on(device: str, a: Any) -> Any:
    """The argument where functions are called with it: a tensor on the GPU; without one, memory of NumPy's."""
    if not isinstance(a, (np.ndarray, np.generic)) or device == "interpret":
        return a
    return to_torch(np.array(a)).to(device)


def back(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(map(back, result))
    if isinstance(result, (np.ndarray, np.generic)):
        return result
    tensor = result.detach().cpu()
    return tensor.view(torch.int16).numpy().view(bf16.numpy) if tensor.dtype == torch.bfloat16 else tensor.numpy()


def leaves(tree: Any) -> list[Any]:
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, tuple) else [tree]


# Checks.


def operations(device: str) -> Iterator[Check]:
    """Every scalar operation and conversion on every dtype, on NumPy arrays."""
    for name, row in OPERATIONS.items():
        for dtype in DTYPES.values():
            if not row.takes(dtype):
                continue
            results = [row.result(dtype)]
            if row.converts:
                results = [t for t in DTYPES.values() if t is not dtype and (name == "cast" or t.bits == dtype.bits)]

            def run(name: str = name, row: Any = row, dtype: Any = dtype, results: Any = results) -> None:
                arrays = [values(dtype)] if row.arity == 1 else list(pairs(dtype))
                program = operation_of(name, dtype, results)
                function = ProgramFunction(ProgramDefinition(program, [i.name for i in program.inputs]), TARGETS[device])
                for result, got in zip(results, function(*arrays), strict=True):
                    check(name, arrays, dtype, result, got)

            if results:
                yield f"operation {name} of {dtype}", run


def library(device: str) -> Iterator[Check]:
    for case in LIBRARY:
        for dtype in (f32, f16, bf16):
            if case.refused or dtype not in case.dtypes:
                continue

            def run(case: Any = case, dtype: Any = dtype) -> None:
                for arrays in arguments(case, dtype):
                    try:
                        expected = by_oracle(case.text, arrays)
                    except (tc.CompileError, ValueError, IndexError):
                        continue
                    function = tc.compile(f"fn f({parameters(arrays)}) = {case.text}").f
                    for ours, exact in zip(leaves(back(function(*(on(device, a) for a in arrays)))), expected, strict=True):
                        ulps = max(case.ulps, ACCURATE.get(case.name, 8)) if dtype is f32 else 1.01
                        wrong = difference(ours, exact, ulps, max(case.slack, 2))
                        assert wrong is None, wrong

            yield f"{case.name}: {case.text} of {dtype}", run


def examples(device: str) -> Iterator[Check]:
    for case in EXAMPLES:

        def run(case: Any = case) -> None:
            file, name = case.place.split(":")
            made, expected = case.make(np.random.default_rng(7), *case.size)
            result = getattr(program(file), name)(*(on(device, np.asarray(a)) for a in made.arrays), **made.static)
            agree(back(result), expected)

        yield f"example {case}", run


def derivatives(device: str) -> Iterator[Check]:
    """Gradients by torch.autograd, of tensorc's functions and of torch's."""
    for w in WORKLOADS:
        if w.backward is None:
            continue

        def run(w: Workload = w) -> None:
            sizes = {n: min(s, 128) for n, s in w.sizes.items()}
            ours = tc.compile(w.source).f
            given = [t.requires_grad_(t.is_floating_point()) for t in w.tensors(device, sizes)]
            wanted = [t for t in given if t.requires_grad]
            found = torch.autograd.grad(ours(*given).sum(), wanted)
            expected = torch.autograd.grad(w.eager(*given).sum(), wanted)
            for a, b in zip(found, expected, strict=True):
                tolerance = 2e-2 if a.dtype.itemsize == 2 else 2e-4
                torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)

        yield f"gradient of {w.name}", run


def launches(device: str) -> Iterator[Check]:
    """Graphs, streams, strides, and indices outside of what they index."""
    softmax = tc.compile("fn f(x: f32[N, D]) = softmax(x)").f
    total = tc.compile("fn f(x: f32[N, D]) = sum(x)").f

    def graph() -> None:
        x = torch.randn(512, 1000, device=device)
        for function in (softmax, total):
            function(x)
            torch.cuda.synchronize()
            captured = torch.cuda.CUDAGraph()
            with torch.cuda.graph(captured):
                y = function(x)
            for _ in range(3):
                x.normal_()
                captured.replay()
                torch.testing.assert_close(y, function(x))

    def streams() -> None:
        xs = [torch.randn(2048, 1000, device=device) for _ in range(4)]
        torch.cuda.synchronize()
        found = []
        for x in xs:
            with torch.cuda.stream(torch.cuda.Stream()):
                found.append(total(x))
        torch.cuda.synchronize()
        for x, y in zip(xs, found, strict=True):
            torch.testing.assert_close(y, x.sum(), rtol=1e-4, atol=1e-2)

    def strides() -> None:
        x = torch.randn(300, 500, device=device)
        for changed in (x.T, x[:, ::2], x[::3], x[5:, 7:], x[:1].expand(300, 500)):
            torch.testing.assert_close(softmax(changed), changed.softmax(1))

    def outside() -> None:
        function = tc.compile("fn f(x: f32[N], p: i64[K]) = x[p]").f
        try:
            function(torch.randn(4, device=device), torch.tensor([1, 9], device=device))
        except IndexError:
            return
        raise AssertionError("an index outside is no error")

    yield "strides", strides
    yield "an index outside", outside
    if device == "cuda":
        yield "CUDA graphs", graph
        yield "streams", streams


PARTS: dict[str, Callable[[str], Iterator[Check]]] = {
    "operations": operations,
    "library": library,
    "examples": examples,
    "derivatives": derivatives,
    "launches": launches,
}


def checks(device: str, parts: list[str], step: int) -> int:
    """Run every step-th check of each part; how many failed."""
    failed = count = 0
    for part in parts:
        for name, run in list(PARTS[part](device))[::step]:
            count += 1
            try:
                run()
            except Exception:
                failed += 1
                print(f"FAILED {name}\n{traceback.format_exc(limit=3)}")
        print(f"{part}: {count} checks so far, {failed} failed", flush=True)
    return failed


# Times.


@dataclass(frozen=True)
class Workload:
    """A function in .tx and torch's. `inputs` are dtypes and dims; `moved` bytes and `done` operations are what it cannot do without."""

    name: str
    source: str
    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    sizes: dict[str, int]
    eager: Callable[..., Any]
    moved: Callable[[dict[str, int]], float]
    done: Callable[[dict[str, int]], float] | None = None
    backward: float | None = None  # what its backward pass does, in what the forward pass does
    product: Callable[..., Any] | None = None  # what of it cuBLAS does

    def tensors(self, device: str, sizes: dict[str, int]) -> list[Any]:
        return [self._tensor(t, [sizes[d] for d in dims], device, sizes) for t, dims in self.inputs]

    def _tensor(self, dtype: str, shape: list[int], device: str, sizes: dict[str, int]) -> Any:
        if dtype == "i64":
            return torch.randint(0, sizes["D"], shape, device=device)
        return torch.randn(shape, device=device, dtype={"f32": torch.float32, "f16": torch.float16}[dtype])


ROWS = {"N": 4096, "D": 1024}
HEADS = {"B": 4, "H": 16, "T": 2048, "D": 64}
ND, D = ("f32", ("N", "D")), ("f32", ("D",))
HEAD = ("f16", ("B", "H", "T", "D"))
ATTENTION = "q: f16[B, H, T, D], k: f16[B, H, T, D], v: f16[B, H, T, D]"


def rows(count: int) -> Callable[[dict[str, int]], float]:
    return lambda s: count * 4.0 * s["N"] * s["D"]


WORKLOADS = [
    Workload("softmax", "fn f(x: f32[N, D]) = softmax(x)", (ND,), ROWS, lambda x: x.softmax(1), rows(2), None, 1.5),
    Workload("gelu(x + b)", "fn f(x: f32[N, D], b: f32[D]) = gelu(x + b)", (ND, D), ROWS, lambda x, b: F.gelu(x + b), rows(2), None, 1.5),
    Workload(
        "layer norm",
        "fn f(x: f32[N, D], w: f32[D], b: f32[D]) = layer_norm(x, w, b)",
        (ND, D, D),
        ROWS,
        lambda x, w, b: F.layer_norm(x, x.shape[1:], w, b),
        rows(2),
        None,
        1.5,
    ),
    Workload(
        "RMS norm",
        "fn f(x: f32[N, D], w: f32[D]) = rms_norm(x, w)",
        (ND, D),
        ROWS,
        lambda x, w: F.rms_norm(x, x.shape[1:], w),
        rows(2),
        None,
        1.5,
    ),
    Workload(
        "cross-entropy",
        "fn f(x: f32[N, D], t: i64[N]) = cross_entropy(x, t)",
        (ND, ("i64", ("N",))),
        {"N": 4096, "D": 32000},
        F.cross_entropy,
        rows(1),
        None,
        2.0,
    ),
    Workload("sum", "fn f(x: f32[N, D]) = sum(x)", (ND,), ROWS, lambda x: x.sum(), rows(1)),
    Workload("sums of columns", "fn f(x: f32[N, D]) = sum(x, axis=0)", (ND,), ROWS, lambda x: x.sum(0), rows(1)),
    Workload(
        "transposed sum",
        "fn f(x: f32[N, N], y: f32[N, N]) = x + y.T",
        (("f32", ("N", "N")),) * 2,
        {"N": 4096},
        lambda x, y: x + y.T,
        lambda s: 12.0 * s["N"] ** 2,
    ),
    Workload(
        "relu(linear)",
        "fn f(x: f16[N, K], w: f16[H, K], b: f16[H]) = relu(linear(x, w, b))",
        (("f16", ("N", "K")), ("f16", ("H", "K")), ("f16", ("H",))),
        {"N": 4096, "K": 1024, "H": 4096},
        lambda x, w, b: F.relu(F.linear(x, w, b)),
        lambda s: 2.0 * (s["N"] * s["K"] + s["H"] * s["K"] + s["N"] * s["H"]),
        lambda s: 2.0 * s["N"] * s["K"] * s["H"],
        2.0,
        lambda x, w, b: x @ w.T,
    ),
    Workload(
        "product",
        "fn f(x: f32[N, K], w: f32[K, H]) = x @ w",
        (("f32", ("N", "K")), ("f32", ("K", "H"))),
        {"N": 4096, "K": 1024, "H": 4096},
        lambda x, w: x @ w,
        lambda s: 4.0 * (s["N"] * s["K"] + s["H"] * s["K"] + s["N"] * s["H"]),
        lambda s: 2.0 * s["N"] * s["K"] * s["H"],
        2.0,
        lambda x, w: x @ w,
    ),
    Workload(
        "convolution",
        "fn f(x: f16[N, C, H, H], w: f16[O, C, 3, 3]) = conv2d(x, w, padding=1)",
        (("f16", ("N", "C", "H", "H")), ("f16", ("O", "C", "K", "K"))),
        {"N": 32, "C": 128, "H": 56, "O": 128, "K": 3},
        lambda x, w: F.conv2d(x, w, padding=1),
        lambda s: 2.0 * s["N"] * s["H"] ** 2 * (s["C"] + s["O"]),
        lambda s: 18.0 * s["N"] * s["H"] ** 2 * s["C"] * s["O"],
    ),
    Workload("cumsum", "fn f(x: f32[N, D]) = cumsum(x, axis=1)", (ND,), ROWS, lambda x: x.cumsum(1), rows(2)),
    Workload("sort", "fn f(x: f32[N, D]) = sort(x, axis=1)", (ND,), ROWS, lambda x: x.sort(1).values, rows(2)),
    Workload(
        "attention",
        f"fn f({ATTENTION}) = scaled_dot_product_attention(q, k, v)",
        (HEAD,) * 3,
        HEADS,
        F.scaled_dot_product_attention,
        lambda s: 8.0 * s["B"] * s["H"] * s["T"] * s["D"],
        lambda s: 4.0 * s["B"] * s["H"] * s["T"] ** 2 * s["D"],
        2.5,
    ),
]


def microseconds(call: Callable[[], Any], device: str) -> float:
    """The least time of several runs after some that warm up."""
    for _ in range(3):
        call()
    if device != "cuda":
        started = time.perf_counter()
        call()
        return (time.perf_counter() - started) * 1e6
    found = []
    flushed = torch.empty(256 << 20, dtype=torch.uint8, device=device)
    for _ in range(20):
        flushed.zero_()  # so that nothing is in the cache
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
        found.append(begin.elapsed_time(end) * 1e3)
    return min(found)


def roofs(device: str) -> tuple[float, dict[str, float]]:
    """(bytes a microsecond of a copy, operations a microsecond of cuBLAS by dtype; of f32 without TF32)."""
    size = 1 << (28 if device == "cuda" else 22)
    x = torch.empty(size, dtype=torch.uint8, device=device)
    y = torch.empty_like(x)
    n = 8192 if device == "cuda" else 256
    rates = {}
    for name, dtype in (("f16", torch.float16), ("f32", torch.float32)):
        a = torch.randn(n, n, device=device, dtype=dtype)
        rates[name] = 2.0 * n**3 / microseconds(partial(torch.matmul, a, a), device)
    return 2 * size / microseconds(lambda: y.copy_(x), device), rates


def times(device: str) -> None:
    """The table."""
    copied, multiplied = roofs(device)
    name = torch.cuda.get_device_name() if device == "cuda" else device
    rates = ", ".join(f"{rate / 1e6:.1f} TFLOP/s in {dtype}" for dtype, rate in multiplied.items())
    print(f"{name}: a copy moves {copied / 1e3:.0f} GB/s, cuBLAS does {rates}; torch {torch.__version__}")
    print(f"{'workload':<18}{'pass':<10}{'tensorc us':>11}{'of roof':>9}{'eager us':>10}{'compile us':>12}{'cuBLAS us':>11}")
    for w in WORKLOADS:
        sizes = w.sizes if device == "cuda" else {n: min(s, 16) for n, s in w.sizes.items()}
        contenders = [tc.compile(w.source).f, w.eager, torch.compile(w.eager) if device == "cuda" else w.eager]
        given = w.tensors(device, sizes)
        least = max(w.moved(sizes) / copied, w.done(sizes) / multiplied[w.inputs[0][0]] if w.done is not None else 0.0)
        product = [] if w.product is None else [w.product]
        row(w.name, "forward", least, [microseconds(partial(f, *given), device) for f in (*contenders, *product)])
        if w.backward is not None:
            wanted = [t.requires_grad_() for t in given if t.is_floating_point()]
            row(w.name, "backward", least * w.backward, [microseconds(backward(f, given, wanted), device) for f in contenders])
    x = torch.randn(64, 64, device=device)
    calls = [host(partial(f, x), device) for f in (tc.compile("fn f(x: f32[N, D]) = softmax(x)").f, lambda x: x.softmax(1))]
    print(f"a call of softmax takes {calls[0]:.1f} us of the host, torch's {calls[1]:.1f}")


def host(call: Callable[[], Any], device: str, count: int = 200) -> float:
    """Microseconds until a call comes back, which may be long before what it began is done."""
    found = []
    for _ in range(20):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(count):
            call()
        found.append((time.perf_counter() - started) / count * 1e6)
    return min(found[1:])


def backward(f: Callable[..., Any], given: list[Any], wanted: list[Any]) -> Callable[[], Any]:
    y = f(*given)
    return partial(torch.autograd.grad, y, wanted, torch.randn_like(y), retain_graph=True)


def row(name: str, which: str, least: float, taken: list[float]) -> None:
    ours, eager, compiled, *product = taken
    cells = f"{ours:>11.1f}{least / ours:>9.0%}{eager:>10.1f}{compiled:>12.1f}" + "".join(f"{p:>11.1f}" for p in product)
    print(f"{name:<18}{which:<10}{cells}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", default=",".join((*PARTS, "times")), help=f"parts: {', '.join((*PARTS, 'times'))}")
    parser.add_argument("--device", choices=list(TARGETS), default="cuda")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    wanted = given.only.split(",")
    unknown = [part for part in wanted if part not in (*PARTS, "times")]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}")
    if given.device == "cuda" and not torch.cuda.is_available():
        print("torch finds no GPU", file=sys.stderr)
        return 69
    if given.device == "interpret":  # which has no tensors on a device of their own
        wanted = [part for part in wanted if part in ("operations", "library", "examples")]
    failed = checks(given.device, [part for part in PARTS if part in wanted], 20 if given.quick else 1)
    if "times" in wanted:
        times(given.device)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
