"""A language model of transformer blocks: its gradient's values, its number of contractions, and how much there is to do to derive it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from steps import steps

from tensorc.backends.reference.evaluate import evaluate
from tensorc.dtypes import f64
from tensorc.elaborate import ArgumentType, instantiate, load_unit, parameters
from tensorc.ir import walk
from tensorc.ir.check import check
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Define, Scatter, Select, Tensor
from tensorc.source import Source
from tensorc.transform import programs

SQUARE, ROW = "D, D", "D"
BLOCK = {"a": ROW, "b": ROW, "wq": SQUARE, "wk": SQUARE, "wv": SQUARE, "wo": SQUARE, "c": ROW, "d": ROW}
BLOCK |= {"w1": "D, F", "b1": "F", "w2": "F, D", "b2": ROW}


def model(blocks: int, dtype: str = "f32") -> Program:
    """The cross entropy of the next token."""
    own = ", ".join(f"{n}: {dtype}[{dims}]" for n, dims in BLOCK.items())
    every = ", ".join(f"{n}{k}: {dtype}[{dims}]" for k in range(blocks) for n, dims in BLOCK.items())
    calls = "\n".join(f"    let x{k + 1} = block(x{k}, {', '.join(f'{n}{k}' for n in BLOCK)})" for k in range(blocks))
    text = f"""
fn heads(x: {dtype}[B, T, D]) {{
    require D % 2 == 0
    return permute(reshape(x, [B, T, 2, D // 2]), 0, 2, 1, 3)
}}
fn block(x: {dtype}[B, T, D], {own}) -> {dtype}[B, T, D] {{
    require D % 2 == 0
    let n = layer_norm(x, a, b)
    let o = scaled_dot_product_attention(heads(n @ wq), heads(n @ wk), heads(n @ wv), is_causal=true)
    let r = x + reshape(permute(o, 0, 2, 1, 3), [B, T, D]) @ wo
    return r + (gelu(layer_norm(r, c, d) @ w1 + b1) @ w2 + b2)
}}
fn lm(ids: i64[B, T], y: i64[B, T], table: {dtype}[V, D], head: {dtype}[D, V], {every}) -> {dtype} {{
    let x0 = embedding(ids, table)
{calls}
    return cross_entropy(reshape(x{blocks} @ head, [B * T, V]), reshape(y, [B * T]))
}}
"""
    unit = load_unit(Source("lm.tx", text))
    return instantiate(unit, "lm", [ArgumentType(p.dtypes[0], p.rank) for p in parameters(unit, "lm")]).program


def contractions(outputs: tuple[Tensor, ...]) -> int:
    """The sums of products of two factors, each with an index of the result that the other has not."""
    count = 0
    for t in walk.topological(outputs):
        if not isinstance(t, Define) or t.monoid != "sum":
            continue
        body = t.body.then if isinstance(t.body, Select) else t.body
        if isinstance(body, Apply) and body.operation == "mul":
            left, right = (walk.indices(a) & set(t.indices) for a in body.arguments)
            count += bool(left - right and right - left)
    return count


def test_contractions_are_three_times_the_forward_passes_and_deriving_is_quick() -> None:
    program = model(4)
    wrt = programs.float_inputs(program)
    made: list[Program] = []
    assert steps(lambda: made.append(programs.value_and_grad(program, wrt))) < 6_000_000
    (gradient,) = made
    check(gradient)
    assert contractions(gradient.results) == 3 * contractions(program.results)
    assert sum(isinstance(t, Scatter) for t in walk.topological(gradient.results)) == 1
    assert steps(lambda: made.append(programs.pushforward(replace(gradient, results=gradient.results[1:]), wrt))) < 12_000_000
    check(made[1])


def test_the_gradient_is_pytorchs() -> None:
    program = model(1, "f64")
    rng = np.random.default_rng(0)
    sizes = {"B": 2, "T": 3, "D": 4, "F": 5, "V": 6}
    arrays = []
    for i in program.inputs:
        shape = [sizes[str(e)] for e in i.extents]
        arrays.append(rng.standard_normal(shape) * 0.5 if i.dtype is f64 else rng.integers(0, 6, shape))
    found = evaluate(programs.value_and_grad(program, programs.float_inputs(program)), arrays)
    leaves = [torch.tensor(a, requires_grad=a.dtype == np.float64) for a in arrays]
    ids, y, table, head, a, b, wq, wk, wv, wo, c, d, w1, b1, w2, b2 = leaves

    def heads(x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 3, 2, 2).permute(0, 2, 1, 3)

    x = F.embedding(ids, table)
    n = F.layer_norm(x, (4,), a, b)
    o = F.scaled_dot_product_attention(heads(n @ wq), heads(n @ wk), heads(n @ wv), is_causal=True)
    r = x + o.permute(0, 2, 1, 3).reshape(2, 3, 4) @ wo
    r = r + (F.gelu(F.layer_norm(r, (4,), c, d) @ w1 + b1) @ w2 + b2)
    loss = F.cross_entropy((r @ head).reshape(6, 6), y.reshape(6))
    loss.backward()
    np.testing.assert_allclose(found[0], loss.item(), rtol=1e-12)
    for ours, leaf in zip(found[1:], (leaf for leaf in leaves if leaf.requires_grad), strict=False):
        np.testing.assert_allclose(ours, leaf.grad, rtol=1e-9, atol=1e-12)


def test_long_chains_are_no_depth_of_recursion() -> None:
    steps = 400
    lines = "\n".join(f"    let y{k + 1} = sin(y{k}) * 1.5 + x" for k in range(steps))
    nested = "sin(" * steps + "x" + ")" * steps
    for text in (f"fn f(x: f64[N]) {{\n    let y0 = x\n{lines}\n    return sum(y{steps})\n}}", f"fn f(x: f64[N]) = sum({nested})"):
        program = instantiate(load_unit(Source("chain.tx", text)), "f", [ArgumentType(f64, 1)]).program
        gradient = programs.value_and_grad(program, programs.float_inputs(program))
        check(gradient)
        x = np.array([0.1, -0.7])
        value, slope = np.array(x), np.ones(2)
        for _ in range(steps):
            slope = slope * np.cos(value) * (1.5 if "let" in text else 1) + (1 if "let" in text else 0)
            value = np.sin(value) * (1.5 if "let" in text else 1) + (x if "let" in text else 0)
        np.testing.assert_allclose(evaluate(gradient, [x])[1], slope, rtol=1e-8)
