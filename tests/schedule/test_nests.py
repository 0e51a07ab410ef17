"""Every legal nest of a program's kernels computes what the oracle does, at sizes that leave tails in each axis."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc
from tensorc.algebra import Size
from tensorc.loops.interpret import interpret
from tensorc.runtime.executable import compile_schedule

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "nests.py"

PROGRAMS = {
    "softmax": ("fn f(x: f32[N, M]) = softmax(x)", ["f32[N, M]"]),
    "layer norm": ("fn f(x: f32[N, M], w: f32[M], b: f32[M]) = layer_norm(x, w, b)", ["f32[N, M]", "f32[M]", "f32[M]"]),
    "columns": ("fn f(x: f32[N, M]) = (sum(x, axis=0), max(x, axis=0), x * 2)", ["f32[N, M]"]),
    "turned": ("fn f(x: f32[N, M], y: f32[M, N]) = x + y.T", ["f32[N, M]", "f32[M, N]"]),
    "windows": ("fn f(x: f32[N, M]) = where(x[1:, :-1] > 0, x[:-1, 1:], 2)", ["f32[N, M]"]),
    "middle": ("fn f(x: f32[N, K, M]) = sum(x, axis=1)", ["f32[N, K, M]"]),
}

SIZES = {"N": 3, "M": 37, "K": 2}


def script() -> Any:
    name = "benchmark_nests"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SCRIPT)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_legal_nest_computes_what_the_oracle_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the interpreter of loops, and by machine code."""
    monkeypatch.setattr(script(), "REGISTERS", (2,))
    text, kinds = PROGRAMS[name]
    f = tensorc.compile(text).f
    program = f.lower(*map(tensorc.spec, kinds)).optimised
    given = script().arrays(program, SIZES)
    sizes = {
        e.atom.name: n
        for t, a in zip(program.inputs, given, strict=True)
        for e, n in zip(t.extents, a.shape, strict=True)
        if isinstance(e.atom, Size)
    }
    want = f.reference(*given)
    want = list(want) if isinstance(want, tuple) else [want]
    nests = list(script().legal(program))
    assert len({n.order for n in nests}) >= 2
    for nest in nests:
        found, _ = interpret(nest.schedule, given, sizes)
        compiled = script().outputs(program, SIZES)
        compile_schedule(nest.schedule, program).run(given, sizes, compiled)
        for a, b, expected in zip(found, compiled, want, strict=True):
            np.testing.assert_allclose(a, expected, rtol=1e-5, atol=1e-5, err_msg=nest.order)
            np.testing.assert_allclose(b, expected, rtol=1e-5, atol=1e-5, err_msg=nest.order)
