"""`tensorc ir`: each stage's text, and how types are chosen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """\
fn pair<T: float>(x: T[N, M], w: T[M]) -> (T[N], T[M]) = x @ w, w * 2
fn stack(x: f32[..., N], at: int) -> f32[..., N] = x + at
fn broken(x: f32[N], y: f32[M]) -> f32[N] = x + y
"""


@pytest.fixture(autouse=True)
def program(folder: Path) -> None:
    (folder / "p.tx").write_text("\n".join(PROGRAM.splitlines()[:2]) + "\n")
    (folder / "bad.tx").write_text(PROGRAM)


@pytest.mark.parametrize(
    ("stage", "start", "part"),
    [
        ("ast", "Function name='pair'", "Binary operator='@'"),
        ("typed", "fn pair(x: f32[N, M], w: f32[M]) -> (f32[N], f32[M]) {", "sum["),
        ("grad", "# inputs that the backward pass reads: x: f32[N, M], w: f32[M]", "sum["),
        ("opt", "fn pair(x: f32[N, M], w: f32[M]) -> (f32[N], f32[M]) {", "sum["),
        ("schedule", "schedule pair(x: f32[N, M], w: f32[M])", "kernel"),
        ("loops", "kernel ", "for "),
        ("llvm", "", "define "),
        ("llvm-opt", "; ModuleID", "target triple"),
        ("asm", "", ".text"),
    ],
)
def test_stages(tensorc: Callable[..., Any], stage: str, start: str, part: str) -> None:
    ran = tensorc("ir", "p.tx:pair", "--stage", stage)
    assert ran.code == 0 and ran.err == "" and ran.out.lstrip().startswith(start) and part in ran.out and "\x1b" not in ran.out
    data = tensorc("ir", "p.tx:pair", "--stage", stage, "--json").envelope["result"]
    assert data == {"function": "pair", "stage": stage, "text": data["text"]} and data["text"].strip() == ran.out.strip()


def test_types_are_the_given_ones_or_representatives(tensorc: Callable[..., Any]) -> None:
    assert "x: f64[N, M], w: f64[M]" in tensorc("ir", "p.tx:pair", "--shape", "w=f64[4]").out
    assert "x: f32[x_0, N]" in tensorc("ir", "p.tx:stack", "--arg", "at=1").out
    assert "x: f32[x_0, x_1, N]" in tensorc("ir", "p.tx:stack", "--shape", "x=f32[2,3,4]", "--arg", "at=1").out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["p.tx:pair", "--shape", "x=f33[4]"], 2, "--shape x=f33[4]: there is no dtype `f33`; did you mean `f32`?"),
        (["p.tx:pair", "--shape", "x=[4"], 2, "--shape x=[4: "),
        (["p.tx:pair", "--shape", "y=f32[4]"], 2, "there is no parameter `y`"),
        (["p.tx:pair", "--arg", "x=[[1]]"], 2, "`x` is a tensor, of which only the type matters here"),
        (["p.tx:stack", "--shape", "at=f32"], 2, "`at` is static and has no shape"),
        (["p.tx:stack"], 2, "missing argument: at: int"),
        (["p.tx:pair", "--shape", "x=f32[4]"], 1, "parameter `x` of `pair` is T[N, M]"),
        (["p.tx:pair", "--shape", "x=i32[4,4]"], 1, "parameter `x` of `pair` is T[N, M], where T is of the kind `float`; it got i32"),
        (["p.tx"], 2, "`p.tx` has 2 functions: pair, stack"),
    ],
)
def test_what_is_refused(tensorc: Callable[..., Any], words: list[str], code: int, message: str) -> None:
    ran = tensorc("ir", *words)
    assert ran.code == code and ran.out == "" and ran.err.split(": ", 1)[1].startswith(message)


def test_an_unknown_stage(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("ir", "p.tx:pair", "--stage", "llmv")
    assert ran.code == 2 and "'ast', 'typed', 'grad', 'opt', 'schedule', 'loops', 'llvm', 'llvm-opt', 'asm'" in ran.err


def test_the_tree_of_a_wrong_program(tensorc: Callable[..., Any]) -> None:
    assert tensorc("ir", "bad.tx:broken", "--stage", "ast").out.startswith("Function name='broken'")
    ran = tensorc("ir", "bad.tx:broken")
    assert ran.code == 1 and ran.err.startswith("error[E0301]")


@pytest.mark.parametrize("stage", ["typed", "llvm", "asm"])
def test_colours_on_a_terminal(process: Callable[..., Any], stage: str) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    with process("ir", "p.tx:pair", "--stage", stage, stdout=theirs, env={"TERM": "xterm", "NO_COLOR": ""}) as started:
        os.close(theirs)
        seen = os.read(ours, 10_000).decode()
        started.kill()
    os.close(ours)
    assert "\x1b[" in seen
