"""`tensorc build`: files that need no tensorc."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOFTMAX = "fn softmax_rows(x: f32[N, D]) -> f32[N, D] = softmax(x)\n"

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


def test_build(tmp_path: Path, tensorc: Callable[..., Any]) -> None:
    (tmp_path / "s.tx").write_text(SOFTMAX)
    ran = tensorc("build", str(tmp_path / "s.tx"), "-o", str(tmp_path / "out"), "--shape", "x=f32[64,1000]")
    assert ran.code == 0 and ran.out.strip() == str(tmp_path / "out" / "softmax_rows.py")
    compile((tmp_path / "out" / "softmax_rows.py").read_text(), "softmax_rows.py", "exec")
    ran = tensorc("build", str(tmp_path / "s.tx"), "-o", str(tmp_path / "out"), "--emit", "so")
    assert ran.code == 2 and "triton, ptx, cubin" in ran.err


@needs_triton
def test_build_of_machine_code(tmp_path: Path, tensorc: Callable[..., Any]) -> None:
    (tmp_path / "s.tx").write_text(SOFTMAX)
    ran = tensorc(
        "build", str(tmp_path / "s.tx"), "-o", str(tmp_path), "--emit", "ptx,cubin", "--target", "cuda:sm_80", "--shape", "x=f32[64,1000]"
    )
    assert ran.code == 0
    assert (tmp_path / "softmax_rows.t0_e_t2_t3.cubin").read_bytes()[:4] == b"\x7fELF"
    assert ".target sm_80" in (tmp_path / "softmax_rows.t0_e_t2_t3.ptx").read_text()
