"""Compiles what works on rows for GPUs, for rows of every length up to 65,536, and prints what registers it takes. No GPU is needed.

    python benchmarks/gpu_rows.py [--targets cuda:sm_80,cuda:sm_90] [--dtypes f32,f16,bf16] [--only NAME]

Every power of two, and between two of them lengths that 16, 8, 4 and nothing divides: each is a class of sizes with a schedule of its own.
Prints a table of the most registers that a thread of any kernel takes, and which kernels spill; the exit code is 1 where one does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorc as tc
from tensorc.backends.triton import compile
from tensorc.backends.triton.compile import Compiled
from tensorc.backends.triton.emit import Options
from tensorc.runtime.gpu import build
from tensorc.schedule.gpu import Situation, Sizes
from tensorc.transform.simplify import simplify

ROWS = 4096

BODIES = {
    "softmax": ("softmax(x)", "x", "{t}[N, D]"),
    "log_softmax": ("log_softmax(x)", "x", "{t}[N, D]"),
    "logsumexp": ("logsumexp(x, axis=1)", "x", "{t}[N]"),
    "layer_norm": ("layer_norm(x, w, b)", "xwb", "{t}[N, D]"),
    "rms_norm": ("rms_norm(x, w)", "xw", "{t}[N, D]"),
    "cross_entropy": ("cross_entropy(x, t)", "xt", "{t}"),
    "var": ("var(x, axis=1)", "x", "{t}[N]"),
}
"""A function's body, its parameters, and the type of its result."""

TYPES = {"x": "{t}[N, D]", "w": "{t}[D]", "b": "{t}[D]", "t": "i64[N]"}

FURTHER = {
    "argmax": "fn f(x: {t}[N, D]) = argmax(x, axis=1)",
    "amax": "fn f(x: {t}[N, D]) = amax(x, axis=1)",
    "cumsum": "fn f(x: {t}[N, D]) = cumsum(x, axis=1)",
    "gelu(x + b)": "fn f(x: {t}[N, D], b: {t}[D]) = gelu(x + b)",
}


def sources() -> Iterator[tuple[str, str]]:
    """(name, program) of all that is compiled."""
    for name, (body, names, result) in BODIES.items():
        declared = ", ".join(f"{n}: {TYPES[n]}" for n in names)
        yield name, f"fn f({declared}) = {body}"
        backward = f"let (_, d) = vjp(l)({', '.join(names)}, c)\n return d"
        yield f"{name}, backward", f"fn l({declared}) = {body}\nfn f({declared}, c: {result}) {{{{ {backward} }}}}"
    yield from FURTHER.items()


def lengths() -> Iterator[int]:
    for power in range(6, 17):
        yield 1 << power
        if power < 16:
            middle = 3 << power - 1
            yield from (middle + 16, middle + 8, middle + 4, middle + 1)


def kernels(source: str, length: int, target: str) -> Sequence[Compiled]:
    definition = tc.compile(source).f._definition
    prepared = definition.representative()
    assert prepared is not None
    goal = compile.parse(target)
    program = simplify(definition.instantiate(prepared).program)
    return build(program, Situation(Sizes.of({"N": ROWS, "D": length})), goal, Options(goal.vendor))[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--targets", default="cuda:sm_80,cuda:sm_90")
    parser.add_argument("--dtypes", default="f32,f16,bf16")
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    columns = [(dtype, target) for dtype in given.dtypes.split(",") for target in given.targets.split(",")]
    print(f"| {ROWS} rows | " + " | ".join(f"{dtype}, {target.rpartition(':')[2]}" for dtype, target in columns) + " |")
    print("|---" * (1 + len(columns)) + "|", flush=True)
    count = 0
    spilled: list[str] = []
    for name, source in sources():
        if given.only not in name:
            continue
        cells = []
        for dtype, target in columns:
            most = 0
            for length in lengths():
                for c in kernels(source.format(t=dtype), length, target):
                    count += 1
                    most = max(most, c.usage["REG"])
                    if c.spills:
                        spilled.append(f"{name} of {dtype}, {length} columns, {target}: {c.kernel.name} {dict(c.usage)}")
            cells.append(str(most))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n{count} kernels, {len(spilled)} of them spill", *spilled, sep="\n")
    return int(bool(spilled))


if __name__ == "__main__":
    sys.exit(main())
