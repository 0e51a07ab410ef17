"""Explanations: their figures are what an instrumented oracle and an instrumented loop nest count, and they say what was fused and why."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.backends.reference import evaluate
from tensorc.ir import walk
from tensorc.ir.tensor import Apply, Scalar
from tensorc.loops import interpret
from tensorc.loops.nest import Fold, Update

PROGRAMS = """
fn softmax_rows(x: f32[N, M]) = softmax(x)
fn layer(x: f32[N, M], w: f32[M], b: f32[M]) = layer_norm(x, w, b)
fn total(x: f32[N, M]) = sum(x * x)
fn gelu_product(x: f32[N, K], y: f32[K, M], b: f32[M]) = gelu(x @ y + b)
fn columns(x: f64[N, M]) = (sum(x, axis=0), prod(x, axis=1), max(x, axis=1))
fn windows(x: f32[N, M]) = tensor[i < N - 2, j < M](sum[r < 3](x[i + r, j] * 0.5))
fn turned(x: f32[N, M], y: f32[M, N]) = x + exp(y.T)
fn counted(x: i64[N, M]) = sum(x * 2 + 1, axis=1)
"""

MODULE = tc.compile(PROGRAMS)
NAMES = [line.split("(")[0][3:] for line in PROGRAMS.strip().splitlines()]
SIZES = {"N": 7, "M": 37, "K": 5}


def arrays(name: str) -> list[Any]:
    program = MODULE[name].lower(*specs(name)).program
    return [np.ones([SIZES[str(e)] for e in t.extents], t.dtype.numpy) for t in program.inputs]


def specs(name: str) -> list[tc.Spec]:
    signature = next(line for line in PROGRAMS.splitlines() if line.startswith(f"fn {name}(")).split("(", 1)[1].split(") =")[0]
    return [tc.spec(p.split(": ")[1] + "]") for p in signature.removesuffix("]").split("], ")]


def floats(s: Scalar) -> int:
    return sum(isinstance(p, Apply) and p.dtype.is_float and p.operation not in ("cast", "bitcast") for p in walk.postorder(s))


class Counter:
    flops = 0


@pytest.fixture
def counter() -> Iterator[Counter]:
    yield Counter()


@pytest.mark.parametrize("name", NAMES)
def test_cost_is_what_the_oracle_does(name: str, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each operation of a body counts at every point of the box that it is computed for, and each term that is added or multiplied."""
    scalar, define = evaluate._Scope._scalar, evaluate._define

    def counting(self: Any, s: Scalar) -> Any:
        if isinstance(s, Apply) and s.dtype.is_float and s.operation not in ("cast", "bitcast"):
            counter.flops += prod(a.size for a in self.indices.values())
        return scalar(self, s)

    def defining(t: Any, scope: Any) -> Any:
        if t.monoid in ("sum", "prod") and t.dtype.is_float:
            counter.flops += prod(evaluate._shape(t.extents + t.bound, scope.sizes))
        return define(t, scope)

    monkeypatch.setattr(evaluate._Scope, "_scalar", counting)
    monkeypatch.setattr(evaluate, "_define", defining)
    given = arrays(name)
    results = evaluate.evaluate(MODULE[name].lower(*given).program, given)
    flops, moved = MODULE[name].lower(*given).cost().evaluate(SIZES)
    assert flops == counter.flops
    assert moved == sum(a.nbytes for a in (*given, *results))


@pytest.mark.parametrize("name", NAMES)
def test_kernels_do_what_is_said_of_them(name: str, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    scalar, statement = interpret._scalar, interpret._statement

    def counting(s: Scalar, scope: Any) -> Any:
        counter.flops += floats(s) * prod(scope.shape)
        return scalar(s, scope)

    def stating(s: Any, scope: Any) -> None:
        if isinstance(s, (Fold, Update)) and s.monoid in ("sum", "prod") and s.value.dtype.is_float:
            counter.flops += prod(scope.shape)
        statement(s, scope)

    monkeypatch.setattr(interpret, "_scalar", counting)
    monkeypatch.setattr(interpret, "_statement", stating)
    given = arrays(name)
    found = MODULE[name].explain(*given)
    from tensorc.schedule.program import schedule

    lowered = MODULE[name].lower(*given)
    made = schedule(lowered.optimised)
    sizes = dict(lowered.sizes)
    interpret.interpret(made, given, sizes)
    numbers = [found.number(k.flops) for k in found.kernels]
    assert all(isinstance(n, int) for n in numbers) and sum(int(n) for n in numbers) == counter.flops
    assert all(isinstance(found.number(k.bytes), int) for k in found.kernels)


def test_an_explanation_reads_well() -> None:
    found = MODULE.softmax_rows.explain(tc.spec("f32[128, 64]"))
    assert str(found).splitlines()[1] == "1 kernel; flops = 32768, bytes = 65536"
    assert [k.reads for k in found.kernels] == [("x",)] and "e" in found.kernels[0].fused
    assert "kept of the forward pass" in str(found) and "computed again" in str(found)
    assert "flops = 4*M*N, bytes = 8*M*N" in str(MODULE.softmax_rows.explain())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fn f(x: f32[N]) = exp(cumsum(x, axis=0))", "the scan `t0` has a kernel of its own"),
        ("fn f(x: f32[N, M]) = reshape(softmax(x), [M, N]) + 1.0", "is read at other places than it is made at"),
        ("fn f(x: f32[N, K], y: f32[K, M], z: f32[M, L]) = (x @ y) @ z", "a contraction reads each element many times"),
    ],
)
def test_why_kernels_are_apart(text: str, why: str) -> None:
    assert why in str(tc.compile(text).f.explain())
