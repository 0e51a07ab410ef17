"""What a backward pass keeps: the two passes compute what the whole does, and the cut is a minimum."""

from __future__ import annotations

import itertools
import random

import networkx
import numpy as np
import pytest

import tensorc as tc
from tensorc import algebra
from tensorc.backends.reference.evaluate import evaluate
from tensorc.dtypes import f32
from tensorc.elaborate import ArgumentType, instantiate, load_unit, parameters
from tensorc.ir.check import check
from tensorc.ir.program import Program
from tensorc.source import Source
from tensorc.transform.partition import Flow, Partition, describe, partition
from tensorc.transform.programs import float_inputs, pullback

GELU = "fn f(x: f32[N, D], w: f32[D], b: f32[D]) = gelu(layer_norm(x, w, b) * sigmoid(x))"
SOFTMAX = "fn f(x: f32[N, D]) = softmax(x)"
MLP = "fn f(x: f32[N, D], w: f32[D, H], v: f32[H, K]) = relu(x @ w) @ v"
ATTENTION = "fn f(q: f32[B, S, D], k: f32[B, T, D], v: f32[B, T, D]) = scaled_dot_product_attention(q, k, v)"
UNUSED = "fn f(x: f32[N], y: f32[M]) = x * 2"


def split(text: str) -> tuple[Program, Partition]:
    unit = load_unit(Source("p.tx", text))
    program = instantiate(unit, "f", [ArgumentType(p.dtypes[0], p.rank) for p in parameters(unit, "f")]).program
    back = pullback(program, float_inputs(program))
    return back, partition(back, len(program.results), back.inputs[len(program.inputs) :])


@pytest.mark.parametrize("text", [GELU, SOFTMAX, MLP, ATTENTION, UNUSED])
def test_both_passes_compute_what_the_whole_does(text: str) -> None:
    whole, found = split(text)
    check(found.forward)
    check(found.backward)
    rng = np.random.default_rng(0)
    sizes = {
        s.name: n + 2
        for n, s in enumerate(sorted({s for i in whole.inputs for e in i.extents for s in algebra.sizes(e)}, key=lambda s: s.name))
    }
    arrays = {i.name: rng.standard_normal([algebra.evaluate(e, sizes) for e in i.extents]).astype(np.float32) for i in whole.inputs}
    expected = evaluate(whole, [arrays[i.name] for i in whole.inputs])
    results = len(whole.results) - len(found.backward.results)
    first = evaluate(found.forward, [arrays[i.name] for i in found.forward.inputs])
    kept = dict(zip((i.name for i in found.backward.inputs[len(found.inputs) :]), first[results:], strict=False))
    second = evaluate(found.backward, [kept[i.name] if i.name in kept else arrays[i.name] for i in found.backward.inputs])
    for ours, theirs in zip([*first[:results], *second], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_chain_of_cheap_steps_keeps_the_row_statistics_alone() -> None:
    _, found = split(GELU)
    assert [i.name for i in found.inputs] == ["x", "w", "b"]
    assert len(found.kept) == 2 and all(algebra.size("D") not in t.extents for t in found.kept)
    assert {"centred", "v"} <= {found.forward.names[t] for t in found.recomputed}
    kept, again = describe(found)[1:]
    assert "8*N bytes" in kept and "centred: f32[N, D]" in again


def test_contractions_are_not_computed_again() -> None:
    _, found = split(MLP)
    assert [t.extents for t in found.kept] == [(algebra.size("N"), algebra.size("H"))]
    _, found = split(ATTENTION)
    assert not any(
        t.monoid == "sum" and t.body.operation == "mul" for t in found.recomputed if hasattr(t, "monoid") and hasattr(t.body, "operation")
    )


def test_the_cut_is_a_minimum() -> None:
    rng = random.Random(0)
    for _ in range(60):
        nodes = ["s", *range(rng.randint(1, 6)), "t"]
        flow, graph = Flow("s", "t"), networkx.DiGraph()
        graph.add_nodes_from(nodes)
        capacities: dict[tuple[object, object], float] = {}
        for a, b in itertools.permutations(nodes, 2):
            if rng.random() < 0.5 and a != "t" and b != "s":
                capacities[a, b] = float(rng.randint(0, 9))
                flow.edge(a, b, capacities[a, b])
                graph.add_edge(a, b, capacity=capacities[a, b])
        near = flow.source_side()
        assert "s" in near and "t" not in near
        value = sum(c for (a, b), c in capacities.items() if a in near and b not in near)
        assert value == networkx.maximum_flow_value(graph, "s", "t")


def test_the_stage_says_what_is_kept() -> None:
    module = tc.compile(GELU)
    text = module.f.inspect("grad", tc.spec("f32[N, D]"), tc.spec("f32[D]"), tc.spec("f32[D]"))
    assert "# kept of the forward pass (8*N bytes)" in text and "# computed again: centred" in text and "fn f_backward(" in text
    assert f32.name in text
    with pytest.raises(ValueError, match="no float parameter"):
        tc.compile("fn f(i: i64[N]) = i + 1").f.inspect("grad", tc.spec("i64[N]"))
