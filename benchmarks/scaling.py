"""How long large programs and gradients take to compile, from text to callable, with the cache off.

    python benchmarks/scaling.py                 # everything, as tables in Markdown
    python benchmarks/scaling.py large gradients # of large, model, gradients: these alone
    python benchmarks/scaling.py large --only sum,doubling

Seconds are of the processor, each program's in a process of its own; peak memory is the process's, Python included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["TENSORC_CACHE"] = "off"

import tensorc as tc

EXAMPLES = Path(__file__).parents[1] / "examples"
LIMIT = 300
"""Seconds that a program may take before its process is ended."""


@dataclass(frozen=True)
class Program:
    text: str
    specs: tuple[str, ...] = ()
    transform: Callable[[Any], Any] = lambda f: f
    name: str = "f"


# Large programs.


def _function(body: str, head: str = "x0: f32[N]") -> str:
    return f"fn f({head}) {{\n{body}}}\n"


def _lets(count: int, line: Callable[[int], str], result: str | None = None) -> str:
    return "".join(f"    let {line(k)}\n" for k in range(1, count + 1)) + f"    return {result or f'x{count}'}\n"


def _mixture(k: int) -> str:
    """Each of what came some steps before: sums of rows among them, and softmaxes."""
    one, two, far = f"x{k - 1}", f"x{max(k - 2, 0)}", f"x{max(k - 7, 0)}"
    kinds = [
        f"tanh({one})",
        f"{one} + {two}",
        f"{one} * 0.5 - {far}",
        f"{one} / (1 + sum({far} * {far}, axis=-1, keepdims=true))",
        f"softmax({one})",
        f"maximum({one}, {two})",
        f"{one} - mean({two}, axis=0)",
        f"sin({far}) + {one}",
    ]
    return f"x{k} = {kinds[k % len(kinds)]}"


def _nested(count: int) -> str:
    """The mixture's calls, each the argument of the next."""
    text = "x0"
    for k in range(count):
        text = [f"tanh({text})", f"({text} + x0)", f"softmax({text})", f"({text} - sum(x0, axis=0))"][k % 4]
    return text


def _orders(count: int) -> str:
    lines = "".join(f"fn g{k}(x: f32) = grad(g{k - 1})(x)\n" for k in range(1, count + 1))
    return f"fn g0(x: f32) = sin(x * x) * exp(x)\n{lines}fn f(x: f32) = g{count}(x)\n"


def _vmaps(count: int) -> str:
    lines = "".join(f"fn g{k}(x: f32[{', '.join(f'N{i}' for i in range(k))}]) = vmap(g{k - 1})(x)\n" for k in range(1, count + 1))
    return f"fn g0(x: f32) = tanh(x) * x\n{lines}fn f(x: f32[{', '.join(f'N{i}' for i in range(count))}]) = g{count}(x)\n"


def _dims(rank: int) -> str:
    return ", ".join(f"N{k}" for k in range(rank))


def _wheres(depth: int) -> str:
    text = "x0"
    for k in range(depth):
        text = f"where(x0 > {k}, {text}, {text} * 2)" if k < 12 else f"where(x0 > {k}, {text}, x0 * {k})"
    return text


LETTERS = "abcdefghijk"
OPERANDS = ", ".join(f"m{k}: f32[D{k}, D{k + 1}]" for k in range(10))
EINSUM = f'einsum("{",".join(LETTERS[k : k + 2] for k in range(10))}->ak", {", ".join(f"m{k}" for k in range(10))})'

LARGE: dict[str, Program] = {
    "2000 definitions": Program(_function(_lets(2000, lambda k: f"x{k} = tanh(x{k - 1})")), ("f32[N]",)),
    "2000 calls nested": Program(_function(f"    return {'tanh(' * 2000}x0{')' * 2000}\n"), ("f32[N]",)),
    "2000 mixed definitions": Program(_function(_lets(2000, _mixture), "x0: f32[M, N]"), ("f32[M, N]",)),
    "2000 mixed calls nested": Program(_function(f"    return {_nested(2000)}\n", "x0: f32[M, N]"), ("f32[M, N]",)),
    "2000 sums of each other": Program(
        _function(_lets(2000, lambda k: f"x{k} = x{k - 1} + sum(x{k - 1}, axis=-1, keepdims=true)")), ("f32[N]",)
    ),
    "2000 softmaxes": Program(_function(_lets(2000, lambda k: f"x{k} = softmax(x{k - 1})"), "x0: f32[M, N]"), ("f32[M, N]",)),
    "sum of 100000 terms": Program(f"fn f(x: f32[N]) = {' + '.join(['x'] * 100_000)}", ("f32[N]",)),
    "sum of 100000 elements": Program(
        f"fn f(a: f32[N]) {{\n    let y[i] = {' + '.join(['a[i]', '1.0'] * 50_000)}\n    return y\n}}", ("f32[N]",)
    ),
    "10000 parentheses": Program(f"fn f(x: f32[N]) = {'(' * 10_000}x{')' * 10_000}", ("f32[N]",)),
    "10000 parenthesised sums": Program(f"fn f(x: f32[N]) = {'(' * 10_000}x{' + x)' * 10_000}", ("f32[N]",)),
    "500 functions": Program(
        "".join(f"fn g{k}(x: f32[N]) = tanh(g{k - 1}(x)) * 2 + x\n" for k in range(500, 0, -1)) + "fn g0(x: f32[N]) = x\n",
        ("f32[N]",),
        name="g500",
    ),
    "12 functions, two calls each": Program(
        "".join(f"fn g{k}(x: f32[N]) = g{k - 1}(g{k - 1}(x))\n" for k in range(12, 0, -1)) + "fn g0(x: f32[N]) = sin(x)\n",
        ("f32[N]",),
        name="g12",
    ),
    "doubling": Program(_function(_lets(60, lambda k: f"x{k} = x{k - 1} * x{k - 1}")), ("f32[N]",)),
    "doubling of sums": Program(_function(_lets(60, lambda k: f"x{k}[i] = x{k - 1}[i] * x{k - 1}[i] + sum[j](x{k - 1}[j])")), ("f32[N]",)),
    "doubling of where": Program(_function(_lets(60, lambda k: f"x{k} = where(x{k - 1} > 0, x{k - 1} * 2, x{k - 1} - 1)")), ("f32[N]",)),
    "doubling of shifts": Program(_function(_lets(60, lambda k: f"x{k}[i] = x{k - 1}[i] + x{k - 1}[i - 1 else 0] * 0.5")), ("f32[N]",)),
    "doubling of slices": Program(_function(_lets(40, lambda k: f"x{k} = x{k - 1}[1:] + x{k - 1}[:-1]")), ("f32[N]",)),
    "doubling of sizes": Program(_function(_lets(20, lambda k: f"x{k} = concat([x{k - 1}, x{k - 1}])")), ("f32[N]",)),
    "doubling of integers": Program(_function(_lets(60, lambda k: f"x{k} = x{k - 1} * x{k - 1} + x{k - 1}"), "x0: i64[N]"), ("i64[N]",)),
    "doubling, its gradient": Program(
        _function(_lets(60, lambda k: f"x{k} = x{k - 1} * x{k - 1}", "sum(x60)")), ("f32[N]",), lambda f: f.grad()
    ),
    "where in where": Program(_function(f"    return {_wheres(60)}\n"), ("f32[N]",)),
    "order 6": Program(_orders(6), ("f32",)),
    "order 6 in Python": Program(
        "fn f(x: f32) = sin(x * x) * exp(x)", ("f32",), lambda f: tc.grad(tc.grad(tc.grad(tc.grad(tc.grad(tc.grad(f))))))
    ),
    "8 vmaps": Program(_vmaps(8), (f"f32[{_dims(8)}]",)),
    "einsum of 10": Program(f"fn f({OPERANDS}) = {EINSUM}", tuple(f"f32[D{k}, D{k + 1}]" for k in range(10))),
    "einsum of 10, its gradient": Program(
        f"fn f({OPERANDS}) = sum({EINSUM})", tuple(f"f32[D{k}, D{k + 1}]" for k in range(10)), lambda f: f.grad()
    ),
    "concat of 200": Program(f"fn f(x: f32[N]) = concat([{', '.join(f'x * {k}' for k in range(200))}])", ("f32[N]",)),
    "concat of 200 parameters": Program(
        f"fn f({', '.join(f'x{k}: f32[N{k}]' for k in range(200))}) = concat([{', '.join(f'x{k}' for k in range(200))}])",
        tuple(f"f32[N{k}]" for k in range(200)),
    ),
    "stack of 200": Program(f"fn f(x: f32[N]) = stack([{', '.join(f'x * {k}' for k in range(200))}])", ("f32[N]",)),
    "300 parameters": Program(
        f"fn f({', '.join(f'x{k}: f32[N]' for k in range(300))}) = {' + '.join(f'x{k}' for k in range(300))}", ("f32[N]",) * 300
    ),
    "300 parameters, all gradients": Program(
        f"fn f({', '.join(f'x{k}: f32[N]' for k in range(300))}) = sum({' * '.join(f'x{k}' for k in range(300))})",
        ("f32[N]",) * 300,
        lambda f: f.grad(),
    ),
    "100 results": Program(f"fn f(x: f32[M, N]) = ({', '.join(f'sum(x * {k}, axis={k % 2})' for k in range(100))})", ("f32[M, N]",)),
    "rank 12": Program(f"fn f(x: f32[{_dims(12)}], y: f32[{_dims(12)}]) = sum(tanh(x) * y, axis=[1, 3, 5])", (f"f32[{_dims(12)}]",) * 2),
    "rank 12, its gradient": Program(
        f"fn f(x: f32[{_dims(12)}]) = sum(softmax(permute(x, {', '.join(map(str, reversed(range(12))))})) ** 2)",
        (f"f32[{_dims(12)}]",),
        lambda f: f.grad(),
    ),
    "64 reductions": Program(
        f"fn f(x: f32[M, N]) {{\n    let y[i] = {' + '.join(f'sum[j](x[i, j] * {k})' for k in range(64))}\n    return y\n}}", ("f32[M, N]",)
    ),
    "64 unlike reductions": Program(
        f"fn f(x: f32[M, N]) = {' + '.join(f'{m}(x * {k}, axis={k % 2}).sum()' for k, m in enumerate(['sum', 'max', 'min', 'mean'] * 16))}",
        ("f32[M, N]",),
    ),
    "10 definitions": Program(_function(_lets(10, _mixture), "x0: f32[M, N]"), ("f32[M, N]",)),
    "200 definitions": Program(_function(_lets(200, _mixture), "x0: f32[M, N]"), ("f32[M, N]",)),
}


# A language model.

SQUARE, ROW = "D, D", "D"
BLOCK = {"a": ROW, "b": ROW, "wq": SQUARE, "wk": SQUARE, "wv": SQUARE, "wo": SQUARE, "c": ROW, "d": ROW}
BLOCK |= {"w1": "D, F", "b1": "F", "w2": "F, D", "b2": ROW}


def _model(blocks: int) -> Program:
    """The cross entropy of the next token after so many transformer blocks."""
    own = ", ".join(f"{n}: f32[{dims}]" for n, dims in BLOCK.items())
    every = ", ".join(f"{n}{k}: f32[{dims}]" for k in range(blocks) for n, dims in BLOCK.items())
    calls = "\n".join(f"    let x{k + 1} = block(x{k}, {', '.join(f'{n}{k}' for n in BLOCK)})" for k in range(blocks))
    text = f"""
fn heads(x: f32[B, T, D]) {{
    require D % 2 == 0
    return permute(reshape(x, [B, T, 2, D // 2]), 0, 2, 1, 3)
}}
fn block(x: f32[B, T, D], {own}) -> f32[B, T, D] {{
    require D % 2 == 0
    let n = layer_norm(x, a, b)
    let o = scaled_dot_product_attention(heads(n @ wq), heads(n @ wk), heads(n @ wv), is_causal=true)
    let r = x + reshape(permute(o, 0, 2, 1, 3), [B, T, D]) @ wo
    return r + (gelu(layer_norm(r, c, d) @ w1 + b1) @ w2 + b2)
}}
fn f(ids: i64[B, T], y: i64[B, T], table: f32[V, D], head: f32[D, V], {every}) -> f32 {{
    let x0 = embedding(ids, table)
{calls}
    return cross_entropy(reshape(x{blocks} @ head, [B * T, V]), reshape(y, [B * T]))
}}
"""
    specs = ("i64[B, T]", "i64[B, T]", "f32[V, D]", "f32[D, V]", *(f"f32[{dims}]" for _ in range(blocks) for dims in BLOCK.values()))
    return Program(text, specs)


def _differentiated(p: Program, transform: Callable[[Any], Any]) -> Program:
    return Program(p.text, p.specs, transform, p.name)


MODEL: dict[str, Program] = {
    "1 block": _model(1),
    "1 block, all gradients": _differentiated(_model(1), tc.value_and_grad),
    "4 blocks": _model(4),
    "4 blocks, all gradients": _differentiated(_model(4), tc.value_and_grad),
}


# Measuring.


@dataclass(frozen=True)
class Measured:
    """Processor seconds of the stages, the peak of memory in MiB, and what went wrong if anything did."""

    stages: tuple[float, ...] = ()
    memory: float = 0.0
    failure: str = ""

    @property
    def total(self) -> float:
        return sum(self.stages)


STAGES = ("check", "typed", "opt", "schedule", "code")


def measure(p: Program) -> Measured:
    """Compile a program stage by stage."""
    clock = [time.process_time()]

    def lap() -> None:
        clock.append(time.process_time())

    try:
        function = p.transform(getattr(tc.compile(p.text), p.name))
        lap()
        lowered = function.lower(*map(tc.spec, p.specs))
        lap()
        compilation = lowered._entry.compilation
        for make in (lambda: compilation.optimised, lambda: compilation.schedule, lambda: function.warmup(*map(tc.spec, p.specs))):
            make()
            lap()
        failure = ""
    except tc.CompileError as e:
        lap()
        failure = f"{e.diagnostics[0].code}: {e.diagnostics[0].message}"
    except Exception as e:
        lap()
        failure = f"{type(e).__name__}: {e}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(tuple(b - a for a, b in pairwise(clock)), peak, failure)


def _child(p: Program, sender: Any) -> None:
    tc.compile("fn warm(x: f32[N]) = x + 1").warm.warmup(tc.spec("f32[N]"))
    sender.send(measure(p))


def apart(p: Program) -> Measured:
    """The measurement in a process of its own, which is ended when it takes too long."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_child, args=(p, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(LIMIT) else Measured(failure=f"ended after {LIMIT} s")
    except EOFError:
        return Measured(failure=f"the process ended with {child.exitcode}")
    finally:
        child.terminate()
        child.join()


def table(title: str, programs: dict[str, Program]) -> None:
    print(f"\n### {title}\n\n| program | {' | '.join(STAGES)} | all | MiB |\n|{'---|' * (len(STAGES) + 3)}")
    for name, p in programs.items():
        found = apart(p)
        cells = [f"{s:.2f}" for s in found.stages] + [""] * (len(STAGES) - len(found.stages))
        print(f"| {name} | {' | '.join(cells)} | {found.total:.2f} | {found.memory:.0f} | {found.failure[:100]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["large", "model"])
    parser.add_argument("--only", default="", help="the programs whose names have one of these, after commas")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    for part, programs in (("large", LARGE), ("model", MODEL)):
        if part in arguments.parts:
            table(part, {n: p for n, p in programs.items() if any(w in n for w in wanted)})


if __name__ == "__main__":
    main()
