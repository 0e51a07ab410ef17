"""What users read: the stages of `ir`, which need neither a GPU, nor Triton before what it compiles."""

from __future__ import annotations

import importlib.util

import pytest

import tensorc as tc

SOFTMAX = "fn softmax_rows(x: f32[N, D]) -> f32[N, D] = softmax(x)\n"

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


def text(source: str, stage: str, *shapes: str, target: str = "cuda:sm_90") -> str:
    module = tc.compile(source)
    return str(module.softmax_rows.lower(*map(tc.spec, shapes), target=target).as_text(stage))


def test_a_kernel_reads_like_a_persons() -> None:
    found = text(SOFTMAX, "triton", "f32[4096, 1000]")
    assert (
        '''@triton.jit
def softmax_rows_kernel(x_ptr, result0_ptr, D, BLOCK_J: tl.constexpr):
    """x: f32[N, D] -> result0: f32[N, D]"""
    i = tl.program_id(0)
    j = tl.arange(0, BLOCK_J)
    j_mask = j < D
    # x_max max= x[i, j]
    x = tl.load(x_ptr + i * D + j, mask=j_mask, other=float("-inf"))
    x_max = tl.reduce(x, 0, largest)
    # e = exp(x[i, j] - x_max[i])
    e = libdevice.exp(x - x_max)
    # e_sum sum= e[i, j]
    e_sum = tl.sum(e, 0)
    # result0[i, j] = e[i, j] / e_sum[i]
    tl.store(result0_ptr + i * D + j, tl.div_rn(e, e_sum), mask=j_mask)
'''
        in found
    )
    assert "    if D <= 1024 and D > 0 and N * D < 2**30:\n" in found


def test_stages_of_a_gpu_need_no_gpu() -> None:
    assert "for j in D: unroll 1024" in text(SOFTMAX, "loops", "f32[4096, 1000]")
    assert "kernel softmax_rows_kernel(x) -> result0" in text(SOFTMAX, "schedule", "f32[4096, 1000]")
    with pytest.raises(ValueError, match="has no stage `llvm`"):
        text(SOFTMAX, "llvm", "f32[4096, 1000]")
    with pytest.raises(ValueError, match="has no stage `ptx`"):
        text(SOFTMAX, "ptx", "f32[4096, 1000]", target="hip:gfx942")
    with pytest.raises(tc.ConfigError, match="did you mean `cuda:sm_90`"):
        text(SOFTMAX, "triton", "f32[4096, 1000]", target="cuda:sm90")


@needs_triton
@pytest.mark.parametrize(
    ("stage", "contains"), [("ttir", "tt.func public @softmax_rows_kernel"), ("ttgir", "#ttg"), ("ptx", ".target sm_90"), ("sass", "EXIT")]
)
def test_compiled_stages(stage: str, contains: str) -> None:
    assert contains in text(SOFTMAX, stage, "f32[4096, 1000]")


@needs_triton
def test_assembly_of_another_vendor() -> None:
    assert "amdgcn" in text(SOFTMAX, "sass", "f32[4096, 1000]", target="hip:gfx942")


@pytest.mark.skipif(importlib.util.find_spec("triton") is not None, reason="Triton is installed")
def test_without_triton() -> None:
    with pytest.raises(tc.TargetUnavailable, match="Triton is not installed"):
        text(SOFTMAX, "ptx", "f32[4096, 1000]")
