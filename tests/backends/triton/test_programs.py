"""Programs of the language by kernels in the interpreter, against the oracle, at sizes that leave tails in every axis."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from backends.test_llvm_programs import SIZES, arguments, array, check, function, leaves, rows
from backends.triton.worker import Worker

import tensorc
from tensorc.backends.triton.emit import Options, emit
from tensorc.schedule.gpu import Situation, Sizes, schedule
from tensorc.transform.simplify import simplify


def sizes_of(program: Any, arrays: list[Any]) -> dict[str, int]:
    pairs = ((e, n) for t, a in zip(program.inputs, arrays, strict=True) for e, n in zip(t.extents, a.shape, strict=True))
    return {e.atom.name: n for e, n in pairs if e.atom is not None}


@pytest.mark.parametrize("name", rows())
def test_program(interpreter: Worker, name: str) -> None:
    for sizes in SIZES:
        arrays = arguments(name, sizes)
        program = simplify(function(name).lower(*arrays).program)
        results = interpreter.run(program, arrays, sizes_of(program, arrays))
        for got, want in zip(results, leaves(function(name).reference(*arrays)), strict=True):
            check(got, want)


@pytest.mark.parametrize("name", ["map", "transposed", "softmax", "layer_norm", "matmul", "sums", "cumsum", "sort", "shifted"])
def test_strides(interpreter: Worker, name: str) -> None:
    """Arrays that are transposed, reversed, of every second element, of one element."""
    sizes = SIZES[0]
    changes = (
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, -1)[..., ::2],
        lambda a: a[::-1],
        lambda a: np.broadcast_to(a[:1], a.shape),
    )
    for change in changes:
        arrays = [change(a) if a.ndim else a for a in arguments(name, sizes)]
        program = simplify(function(name).lower(*arrays).program)
        results = interpreter.run(program, arrays, sizes_of(program, arrays))
        for got, want in zip(results, leaves(function(name).reference(*arrays)), strict=True):
            check(got, want)


FINISHING = """
fn total(x: f32[N, M]) = sum(x / 16)
fn extremes(x: f32[N, M]) = (amax(x), mean(x), sum(x, axis=1))
fn loss(x: f32[N, M], t: i64[N]) = cross_entropy(x, t)
fn both(x: f32[N, M], t: i64[N]) = value_and_grad(loss)(x, t)
"""


@pytest.mark.parametrize("name", ["total", "extremes", "loss", "both"])
def test_the_program_that_finishes_last_does_the_rest(interpreter: Worker, name: str) -> None:
    f = tensorc.compile(FINISHING)[name]
    for sizes in ({"N": 300, "M": 150}, {"N": 0, "M": 150}):
        arrays = [array("f32", (sizes["N"], sizes["M"])), array("i64", (sizes["N"],)) % sizes["M"]][: 1 + (name in ("loss", "both"))]
        if name != "total" and not sizes["N"]:
            continue
        program = simplify(f.lower(*arrays).program)
        results = interpreter.run(program, arrays, sizes_of(program, arrays))
        for got, want in zip(results, leaves(f.reference(*arrays)), strict=True):
            check(got, want)
    planned = schedule(program, Situation(Sizes.of({"N": 4096, "M": 1024})))
    assert len(planned.schedule.kernels) == 1 and "finished_ptr" in emit(planned).text


STREAMS = """
fn attention(q: f32[N, K], k: f32[M, K], v: f32[M, K]) = scaled_dot_product_attention(q, k, v)
fn halves(q: f16[B, N, K], k: f16[B, M, K], v: f16[B, M, K]) = scaled_dot_product_attention(q, k, v)
fn causal(q: f32[N, K], k: f32[N, K], v: f32[N, K]) = scaled_dot_product_attention(q, k, v, is_causal=true)
fn backward(q: f32[N, K], k: f32[M, K], v: f32[M, K], c: f32[N, K]) {
    let (y, d) = vjp(attention)(q, k, v, c)
    return (y, d)
}
fn causal_backward(q: f32[N, K], k: f32[N, K], v: f32[N, K], c: f32[N, K]) {
    let (_, d) = vjp(causal)(q, k, v, c)
    return d
}
fn halves_backward(q: f16[B, N, K], k: f16[B, M, K], v: f16[B, M, K], c: f16[B, N, K]) {
    let (_, d) = vjp(halves)(q, k, v, c)
    return d
}
fn most(q: f32[N, K], k: f32[M, K]) = amax(q @ k.T, axis=1)
fn ties(q: f32[N, K], k: f32[M, K], c: f32[N]) {
    let (y, d) = vjp(most)(q, k, c)
    return (y, d)
}
fn scores(q: f32[N, K], k: f32[M, K]) = logsumexp(q @ k.T, axis=1)
fn nearest(q: f32[N, K], k: f32[M, K]) = (amax(q @ k.T, axis=1), sum(exp(q @ k.T - 1), axis=1), amin(q @ k.T, axis=0))
"""


def test_what_a_guard_leaves_out_is_no_loop() -> None:
    program = tensorc.compile(STREAMS).causal.lower(*[tensorc.spec("f32[N, K]")] * 3).program
    text = emit(schedule(simplify(program), Situation(Sizes.of({"N": 4096, "K": 64})))).text
    assert "_stop = tl.minimum(N, tl.max(i, 0) + 1)" in text


@pytest.mark.parametrize("name", re.findall(r"fn (\w+)", STREAMS))
def test_streams(interpreter: Worker, name: str) -> None:
    """Chains of matrix products in passes over tiles, whose last ones are short, or alone."""
    f = tensorc.compile(STREAMS)[name]
    many = [{"B": 1, "N": 1030, "M": 1030, "K": 16}] if "backward" in name else []  # so many scores that they are computed anew
    for sizes in ({"B": 2, "N": 70, "M": 150, "K": 20}, {"B": 1, "N": 33, "M": 9, "K": 16}, *many):
        inputs = re.findall(r"\w+: (\w+)\[([\w, ]+)\]", f.signature.split("->")[0])
        arrays = [array(dtype, tuple(sizes[d] for d in dims.split(", "))) / (1 + (sizes in many)) for dtype, dims in inputs]
        program = simplify(f.lower(*arrays).program)
        results = interpreter.run(program, arrays, sizes_of(program, arrays))
        for got, want in zip(results, leaves(f.reference(*arrays)), strict=True):
            check(got, want)


TILED = """
fn product(x: f16[N, K], w: f16[K, M], b: f16[M]) = relu(x @ w + b)
fn linear_layer(x: bf16[N, K], w: bf16[M, K]) = linear(x, w)
fn single(x: f32[N, K], w: f32[K, M]) = x @ w
fn attention(q: f16[B, N, K], k: f16[B, M, K], v: f16[B, M, K]) = scaled_dot_product_attention(q, k, v)
fn windows(x: f16[B, K, N], w: f16[M, K, W]) = conv1d(x, w)
"""


@pytest.mark.parametrize("name", re.findall(r"fn (\w+)", TILED))
def test_tiles_by_descriptors(interpreter: Worker, name: str) -> None:
    """Beyond the ends of a tensor a descriptor finds zeros."""
    f = tensorc.compile(TILED)[name]
    options = Options("cuda", "tf32x3", descriptors=True)
    inputs = re.findall(r"\w+: (\w+)\[([\w, ]+)\]", f.signature.split("->")[0])
    for sizes in ({"B": 2, "N": 72, "M": 152, "K": 24, "W": 8}, {"B": 3, "N": 64, "M": 256, "K": 32, "W": 16}):
        arrays = [array(dtype, tuple(sizes[d] for d in dims.split(", "))) for dtype, dims in inputs]
        program = simplify(f.lower(*arrays).program)
        described = "_tiles.load([" in emit(schedule(program, Situation(Sizes.of(sizes))), options).text
        assert described == (name != "windows")  # whose tiles begin anew at each point of a loop
        results = interpreter.run(program, arrays, sizes_of(program, arrays), options)
        for got, want in zip(results, leaves(f.reference(*arrays)), strict=True):
            check(got, want)


def test_products_of_f64_for_other_gpus(interpreter: Worker) -> None:
    """Triton before 3.8 does not have them for all: infinities and tails show that each column meets its own row."""
    f = tensorc.compile("fn f(x: f64[N, K], w: f64[K, M]) = x @ w").f
    arrays = [array("f64", (20, 21)), array("f64", (21, 18))]
    arrays[0][3, 4] = np.inf
    program = simplify(f.lower(*arrays).program)
    options = Options("hip")
    assert "dot_f64(" in emit(schedule(program, Situation(Sizes.of({"N": 20, "K": 21, "M": 18}))), options).text
    (got,) = interpreter.run(program, arrays, {"N": 20, "K": 21, "M": 18}, options)
    check(got, f.reference(*arrays))


def test_reductions_that_begin_differently_of_one_load(interpreter: Worker) -> None:
    """What a load finds where there is no point is the identity of one of them at most."""
    x = array("f32", (5, 37)) / 4 + 1
    text = "(amax(x, axis=1), prod(x, axis=1), sum(x, axis=1), amin(x, axis=1), sum(exp(x - amax(x, axis=1, keepdims=true)), axis=1))"
    for body in (text, "(amax(x, axis=1), prod(x, axis=1))", "(amin(x, axis=1), prod(x, axis=1))"):
        f = tensorc.compile(f"fn f(x: f32[N, M]) = {body}").f
        program = simplify(f.lower(x).program)
        for got, want in zip(interpreter.run(program, [x], {"N": 5, "M": 37}), leaves(f.reference(x)), strict=True):
            check(got, want)


def test_long_rows(interpreter: Worker) -> None:
    """Rows that no program holds, with -inf and NaN in them."""
    x = array("f16", (2, 33_000))
    x[0, 20_000:] = -np.inf
    x[1, 32_999] = np.nan
    f = tensorc.compile("fn f(x: f16[N, M]) = (softmax(x), logsumexp(x, axis=1))").f
    program = simplify(f.lower(x).program)
    for got, want in zip(interpreter.run(program, [x], {"N": 2, "M": 33_000}), leaves(f.reference(x)), strict=True):
        check(got, want)
