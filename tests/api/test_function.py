"""Function, Lowered and Compiled: signature, stages, cost, statistics, pickling."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tensorc as tc

PROGRAM = """
## Multiplies.
## Two lines.
fn mm(a: f32[M, K], b: f32[K, N]) -> f32[M, N] {
    let c[i, j] = sum[k](a[i, k] * b[k, j])
    return c
}
fn shift<T: float>(x: T[..., N], by: int = 1) = roll(x, by, axis=-1)
fn needs(x: f32[N], n: int) = x * n
"""
A = np.random.default_rng(0).random((3, 4)).astype(np.float32)
B = np.random.default_rng(1).random((4, 5)).astype(np.float32)


@pytest.fixture
def m() -> tc.Module:
    return tc.compile(PROGRAM, "mm.tx")


def test_what_it_is(m: tc.Module) -> None:
    assert m.mm.name == m.mm.__name__ == "mm"
    assert m.mm.signature == "fn mm(a: f32[M, K], b: f32[K, N]) -> f32[M, N]"
    assert m.mm.doc == "Multiplies.\nTwo lines." == m.mm.__doc__
    assert m.mm.source.startswith("fn mm(") and m.mm.source.endswith("}")
    assert m.mm.parameters == ("a", "b")
    assert repr(m.mm) == "<tensorc function fn mm(a: f32[M, K], b: f32[K, N]) -> f32[M, N]>"
    assert m.shift.doc == "" and m.shift.__doc__ is None


def test_stats(m: tc.Module) -> None:
    assert (m.mm.stats.calls, m.mm.stats.compiles, m.mm.stats.seconds) == (0, 0, 0)
    m.mm.warmup(tc.spec("f32[M, K]"), tc.spec("f32[K, N]"))
    assert (m.mm.stats.calls, m.mm.stats.compiles) == (0, 1) and m.mm.stats.seconds > 0
    with tc.no_compile():
        m.mm(A, B)
        with pytest.raises(tc.CompileError, match=r"`shift` would have to be compiled, which `no_compile` forbids"):
            m.shift(A)
        with pytest.raises(RuntimeError):
            tc.jit(lambda x: x)(A)
    assert (m.mm.stats.calls, m.mm.stats.compiles) == (1, 1)
    m.shift(A)


def test_reference(m: tc.Module) -> None:
    result = m.mm.reference(torch.tensor(A), torch.tensor(B))
    assert type(result) is np.ndarray
    np.testing.assert_allclose(result, A @ B, rtol=1e-6)
    with pytest.raises(tc.ShapeError, match=r"axis 0 is K = 3"):
        m.mm.reference(A, A)


def test_stages_as_text(m: tc.Module) -> None:
    assert m.mm.inspect("ast").startswith("Function name='mm'") or "Function" in m.mm.inspect("ast")
    typed = m.mm.inspect("typed")  # of the declared types: nothing was called
    assert typed.startswith("fn mm(a: f32[M, K], b: f32[K, N])")
    assert "f64" in m.shift.inspect("typed", np.ones(3)) and "f32" in m.shift.inspect("typed", tc.spec("f32[2, 3]"))
    m.shift(np.ones(3, np.float16))
    assert "f16" in m.shift.inspect("typed")
    with pytest.raises(ValueError, match=r"there is no stage `typd`; did you mean `typed`"):
        m.mm.inspect("typd")
    with pytest.raises(ValueError, match=r"the target `reference` has no stage `asm`"):
        m.mm.inspect("asm")
    with pytest.raises(ValueError, match=r"`needs` has no program yet"):
        m.needs.inspect("typed")
    assert "def " in tc.jit(_scaled).source and "FunctionDef" in tc.jit(_scaled).inspect("ast")


def _scaled(x: Any) -> Any:
    return x * 2


def test_machine_code_as_text(m: tc.Module) -> None:
    with tc.config.scope(target="cpu"):
        for stage in ("opt", "schedule", "loops", "llvm", "asm"):
            assert m.mm.inspect(stage), stage
        lowered = m.mm.lower(tc.spec("f32[M, 4]"), tc.spec("f32[4, N]"))
        assert "define" in lowered.as_text("llvm") and lowered.compile().as_text("asm")
        np.testing.assert_allclose(m.mm(A, B), A @ B, rtol=1e-5)


def test_lowered(m: tc.Module) -> None:
    lowered = m.mm.lower(tc.spec("f32[M, K]"), tc.spec("f32[K, N]"))
    cost = lowered.cost()
    assert str(cost.flops) == "2*K*M*N" and str(cost.bytes) == "4*K*M + 4*K*N + 4*M*N"
    assert cost.evaluate({"M": 3, "K": 4, "N": 5}) == (120, 4 * (12 + 20 + 15))
    assert lowered.signature == m.mm.signature and lowered.as_text() == m.mm.inspect("typed")
    assert lowered.as_text("ast") == m.mm.inspect("ast") and "lowered mm" in repr(lowered)
    np.testing.assert_allclose(lowered.compile()(A, B), A @ B, rtol=1e-6)


def test_compiled_keeps_what_specs_say(m: tc.Module) -> None:
    compiled = m.mm.lower(tc.spec("f32[M, 4]"), tc.spec("f32[4, M]")).compile()
    np.testing.assert_allclose(compiled(A, B[:, :3]), A @ B[:, :3], rtol=1e-6)
    out = np.empty((3, 3), np.float32)
    assert compiled(A, b=B[:, :3], out=out) is out
    with pytest.raises(tc.ShapeError, match=r"`a` of `mm`: axis 1 has 3, but must have 4"):
        compiled(A[:, :3], B[:3, :3])
    with pytest.raises(tc.ShapeError, match=r"`b` of `mm`: axis 1 is M = 5, but `a` \(axis 0\) has M = 3"):
        compiled(A, B)
    with pytest.raises(tc.DTypeError, match=r"compiled for"):
        m.shift.lower(tc.spec("f32[N]")).compile()(A)
    with tc.no_compile():
        compiled(A, B[:, :3])


def test_target(m: tc.Module) -> None:
    assert m.mm.lower(A, B, target="reference").compile()(A, B).shape == (3, 5)
    with pytest.raises(tc.TargetUnavailable, match=r"Triton"):
        m.mm.lower(A, B, target="triton").compile()
    with pytest.raises(tc.ConfigError, match=r"there is no target `cpuu`; did you mean `cpu`"):
        m.mm.lower(A, B, target="cpuu").compile()


def test_bench(m: tc.Module) -> None:
    found = m.mm.bench(A, B, seconds=0.01)
    assert 0 < found.best <= found.median and found.runs >= 5
    assert (found.flops, found.bytes) == (120, 188)
    assert found.gflops == pytest.approx(120 / found.median / 1e9) and "GFLOP/s" in str(found)


def test_pickles(m: tc.Module, tmp_path: Path) -> None:
    m.mm(A, B)
    again = pickle.loads(pickle.dumps(m.mm))
    assert again.stats.calls == 0 and again.signature == m.mm.signature
    np.testing.assert_allclose(again(A, B), A @ B, rtol=1e-6)
    module = pickle.loads(pickle.dumps(m))
    assert list(module) == ["mm", "shift", "needs"]
    assert copy.copy(m.mm)(A, B).shape == (3, 5) and copy.deepcopy(m.mm)(A, B).shape == (3, 5)
    (tmp_path / "a.tx").write_text('import "b.tx" as b\nfn f(x: f32[N]) = b.g(x) + 1')
    (tmp_path / "b.tx").write_text("fn g(x: f32[N]) = x * 2")
    data = pickle.dumps(tc.load(tmp_path / "a.tx").f)
    (tmp_path / "a.tx").unlink()
    (tmp_path / "b.tx").unlink()
    assert pickle.loads(data)(np.ones(2, np.float32)).tolist() == [3, 3]


def test_modules(m: tc.Module, tmp_path: Path) -> None:
    assert m["mm"] is m.mm and "mm" in m and len(m) == 3 and "mm" in dir(m)
    assert repr(m) == "<tensorc module 'mm.tx': mm, shift, needs>" and m.source == PROGRAM
    with pytest.raises(AttributeError, match=r"`mm.tx` has no function `nm`"):
        _ = m.nm
    with pytest.raises(AttributeError, match=r"did you mean `shift`"):
        _ = m.shft
    with pytest.raises(KeyError, match=r"has no function"):
        _ = m["x"]
    with pytest.raises(tc.CompileError, match=r"cannot read"):
        tc.load(tmp_path / "none.tx")
    with pytest.raises(tc.CompileError) as raised:
        tc.compile("fn f(x: f32[N]) = y\nfn g(x: f32[N]) = z", "two.tx")
    assert len(raised.value.diagnostics) == 2 and "two.tx:1:19" in str(raised.value) and "two.tx:2:19" in str(raised.value)


def test_the_package() -> None:
    assert tc.f32.name == "f32" and "softmax" in dir(tc) and "jit" in dir(tc)
    import tensorc

    assert tensorc.config is tc.config and not isinstance(tc.config, type(tensorc))
