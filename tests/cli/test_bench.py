"""`tensorc bench` and `tensorc explain`: what they measure, draw and refuse."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """\
fn softmaxes(x: f32[N, M]) = softmax(x)
fn product(x: f32[N, K], y: f32[K, M]) = x @ y
fn counts(x: i64[N]) = sum(x)
fn running(x: f32[N]) = logcumsumexp(x, axis=0)
"""


@pytest.fixture(autouse=True)
def program(folder: Path) -> None:
    (folder / "p.tx").write_text(PROGRAM)


def test_a_table(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("bench", "p.tx:softmaxes", "--arg", "x=randn:f32[64,32]", "--vs", "numpy", "--seconds", "0.01")
    assert ran.code == 0, ran.err
    head, mine, numpy = ran.out.splitlines()
    assert head.split() == ["median", "best", "GB/s", "GFLOP/s", "of", "the", "roof", "time", "/", "tensorc's"]
    assert mine.split()[0] == "tensorc" and mine.endswith(" 1.00") and numpy.split()[0] == "numpy"


def test_a_sweep_with_a_picture(tensorc: Callable[..., Any], folder: Path) -> None:
    words = ("--arg", "x=randn:f32[N,8]", "--arg", "y=randn:f32[8,N]", "--sweep", "N=4..16*2", "--seconds", "0.01")
    ran = tensorc("bench", "p.tx:product", *words, "--vs", "numpy", "--roofline", "r.png", "--json")
    assert ran.code == 0, ran.out
    rows = ran.envelope["result"]["rows"]
    assert [(r["size"], r["by"]) for r in rows] == [(n, by) for n in (4, 8, 16) for by in ("tensorc", "numpy")]
    assert [r["flops"] for r in rows[::2]] == [2 * 8 * n * n for n in (4, 8, 16)]
    for r in rows:
        assert r["gflops"] == pytest.approx(r["flops"] / r["best_seconds"] / 1e9) and r["roof"]["gflops"] > 0 < r["share_of_roof"]
    picture = (folder / "r.png").read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    start = picture.index(b"IDAT")
    (length,) = struct.unpack(">I", picture[start - 4 : start])
    pixels = zlib.decompress(picture[start + 4 : start + 4 + length])
    assert len(pixels) == height * (1 + 3 * width) and bytes((13, 92, 171)) in pixels and bytes((217, 119, 6)) in pixels


def test_what_a_peer_cannot_do_is_said(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("bench", "p.tx:running", "--arg", "x=randn:f32[64]", "--vs", "numpy", "--seconds", "0.01")
    assert ran.code == 1 and "numpy has no function for a recurrence" in ran.err and "tensorc" in ran.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--vs", "torhc"), "there is no peer `torhc`; did you mean `torch`?"),
        (("--sweep", "N=4..2*2"), "never ends, or never begins"),
        (("--sweep", "N=many"), "names no sizes"),
        (("--sweep", "K=4..8*2"), "no argument has a size `K`"),
        (("--roofline", "r.svg"), "no picture that can be drawn"),
        (("--roofline", "nowhere/r.png"), "there is no folder nowhere"),
    ],
)
def test_what_is_refused(tensorc: Callable[..., Any], words: tuple[str, ...], message: str) -> None:
    ran = tensorc("bench", "p.tx:softmaxes", "--arg", "x=randn:f32[N,32]", *words)
    assert ran.code == 2 and message in ran.err


def test_a_picture_without_floats(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("bench", "p.tx:counts", "--arg", "x=zeros:i64[64]", "--seconds", "0.01", "--roofline", "r.png")
    assert ran.code == 2 and "no operation on floats" in ran.err


def test_explain(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("explain", "p.tx:softmaxes")
    assert ran.code == 0 and "1 kernel; flops = 4*M*N, bytes = 8*M*N" in ran.out and "kept of the forward pass" in ran.out
    found = tensorc("explain", "p.tx:product", "--shape", "x=f32[4,8]", "--shape", "y=f32[8,16]", "--json").envelope["result"]
    assert found["flops"] == 2 * 4 * 8 * 16 and found["kernels"][0]["flops"] == found["flops"]
    assert tensorc("explain", "p.tx:nothing").code == 2
