"""`tensorc build`: files that need no tensorc."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SEVERAL = """\
## x, a multiple.
fn scale<T: float>(x: T[N], a: T) -> T[N] = a * x
fn window(x: f32[N], k: int) -> f32 { require k > 0, "k is positive" return sum(x) * k }
fn size(x: f32[N]) -> i64 = count_nonzero(x)
"""
SOFTMAX = "fn softmax_rows(x: f32[N, D]) -> f32[N, D] = softmax(x)\n"

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


def test_build(tmp_path: Path, tensorc: Callable[..., Any]) -> None:
    (tmp_path / "s.tx").write_text(SOFTMAX)
    ran = tensorc("build", str(tmp_path / "s.tx"), "-o", str(tmp_path / "out"), "--emit", "triton", "--shape", "x=f32[64,1000]")
    assert ran.code == 0 and ran.out.strip() == str(tmp_path / "out" / "softmax_rows.py")
    compile((tmp_path / "out" / "softmax_rows.py").read_text(), "softmax_rows.py", "exec")
    ran = tensorc("build", str(tmp_path / "s.tx"), "-o", str(tmp_path / "out"), "--emit", "exe")
    assert ran.code == 2 and "so, h, o, ll, asm, triton, ptx, cubin" in ran.err


def test_a_header(tmp_path: Path, tensorc: Callable[..., Any]) -> None:
    (tmp_path / "m.tx").write_text(SEVERAL)
    ran = tensorc("build", str(tmp_path / "m.tx"), "-o", str(tmp_path), "--emit", "h", "--arg", "k=3", "--dtype", "f32,f64", "--json")
    assert ran.code == 0, ran.out
    assert ran.envelope["result"] == {"functions": ["scale_f32", "scale_f64", "window", "size"], "files": [str(tmp_path / "m.h")]}
    text = (tmp_path / "m.h").read_text()
    assert "int scale_f64(const tc_f64 *x, const tc_f64 *a, const tc_f64 *result);" in text
    assert "a multiple" in text and "x: f32[N]" in text
    ran = tensorc("build", str(tmp_path / "m.tx"), "-o", str(tmp_path), "--emit", "h", "--grad", "a", "--json")
    assert ran.code == 0 and ran.envelope["result"]["functions"] == ["scale_f32", "scale_f32_grad", "size"]
    ran = tensorc("build", str(tmp_path / "m.tx"), "-o", str(tmp_path), "--emit", "h", "--grad", "--dtype", "f16")
    assert ran.err == "left out `window`, which needs --arg k=VALUE\nno gradient of `size`, which returns no float\n"
    ran = tensorc("build", str(tmp_path / "m.tx:scale"), "-o", str(tmp_path), "--emit", "h", "--grad", "a", "--shape", "x=f64[N]")
    assert ran.code == 0 and ran.out.strip() == str(tmp_path / "scale.h")
    declared = "int scale_f64_grad(const tc_f64 *x, const tc_f64 *a, const tc_f64 *dy, const tc_f64 *da);"
    assert declared in (tmp_path / "scale.h").read_text()


@pytest.mark.parametrize(
    ("name", "words", "code", "said"),
    [
        ("", ["--shape", "z=f32[3]"], 2, "there is no parameter `z`"),
        ("", ["--dtype", "f33"], 2, "did you mean `f32`?"),
        (":scale", ["--dtype", "i32"], 2, "`T` of `scale` is not i32"),
        (":window", [], 2, "missing argument: k: int"),
        ("", ["--grad", "--arg", "k=3", "--emit", "so,triton"], 2, "--grad goes with"),
        ("", ["--grad", "q", "--arg", "k=3"], 2, "there is no parameter `q`"),
        (":scale", ["--grad", "q"], 2, "no tensor parameter `q`"),
        (":size", ["--grad"], 1, "`size` returns no float"),
    ],
)
def test_what_is_refused(tmp_path: Path, tensorc: Callable[..., Any], name: str, words: list[str], code: int, said: str) -> None:
    (tmp_path / "m.tx").write_text(SEVERAL)
    ran = tensorc("build", f"{tmp_path / 'm.tx'}{name}", "-o", str(tmp_path / "out"), *words)
    assert ran.code == code and said in ran.err
    assert not (tmp_path / "out").exists()


@needs_triton
def test_build_of_machine_code(tmp_path: Path, tensorc: Callable[..., Any]) -> None:
    (tmp_path / "s.tx").write_text(SOFTMAX)
    ran = tensorc(
        "build", str(tmp_path / "s.tx"), "-o", str(tmp_path), "--emit", "ptx,cubin", "--target", "cuda:sm_80", "--shape", "x=f32[64,1000]"
    )
    assert ran.code == 0
    assert (tmp_path / "softmax_rows.softmax_rows_kernel.cubin").read_bytes()[:4] == b"\x7fELF"
    assert ".target sm_80" in (tmp_path / "softmax_rows.softmax_rows_kernel.ptx").read_text()
