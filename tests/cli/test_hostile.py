"""Input that nobody means: always a message and an exit code, never a traceback."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = b"fn f(x: f32[N]) -> f32[N] = 2 * x\n"
NOISE = random.Random(0).randbytes(1 << 20)
LETTERS = bytes(random.Random(1).choices(b"abcxyz019 \n\t(){}[]<>=+-*/%.,:;#\"'|&!@fnlet", k=1 << 20))

WRONG = {
    "empty": b"",
    "blank": b" \n\t\r\n",
    "comment": b"# nothing\n",
    "NUL": b"fn f(x: f32[N]) -> f32[N] = \0x\n",
    "only NUL": b"\0" * 1000,
    "latin 1": "fn f(x: f32[N]) -> f32[N] = x  # naïve\n".encode("latin-1"),
    "UTF-16": GOOD.decode().encode("utf-16"),
    "cut UTF-8": GOOD + b"# \xe2\x82",
    "surrogate": GOOD + b"# \xed\xa0\x80",
    "noise": NOISE,
    "letters": LETTERS,
    "binary": b"\x7fELF\x02\x01\x01" + NOISE[:1000],
    "number": b"fn f(x: f32[N]) -> f32[N] = x * 1e999999\n",
    "integer": b"fn f(x: f32[N]) -> f32[N] = x * " + b"9" * 100_000 + b"\n",
    "parentheses": b"fn f(x: f32[N]) -> f32[N] = " + b"(" * 100_000 + b"\n",
    "braces": b"fn f(x: f32[N]) -> f32[N] " + b"{" * 100_000 + b"\n",
    "long name": b"fn f(x: f32[N]) -> f32[N] = " + b"x" * 1_000_000 + b"\n",
    "escape": b"fn f(x: f32[N]) -> f32[N] = x # \x1b[31m\n",
    "bidirectional": "fn f(x: f32[N]) -> f32[N] = x # \u202e\n".encode(),
    "recursion": b"fn f(x: f32[N]) -> f32[N] = f(x)\n",
    "itself": b'import "in.tx" as me\n' + GOOD,
    "index as a reduction": b"fn f(x: f32[N]) -> f32[N] {\n    let y[sum] = sum[c](x[c])\n    return y\n}\n",
    "negative": b"fn f(x: f32[-4]) -> f32[-4] = x\n",
    "import of a folder": b'import "." as here\n' + GOOD,
    "import of noise": b'import "noise.tx" as n\n' + GOOD,
    "import with NUL": b'import "a\\0b.tx" as n\n' + GOOD,
}
RIGHT = {
    "BOM": b"\xef\xbb\xbf" + GOOD,
    "CRLF": b"# one\r\n" + GOOD.replace(b"\n", b"\r\n"),
    "no line end": GOOD.rstrip(),
    "other letters": GOOD + "# naïve 漢字 \U0001f600\n".encode(),
    "terms": b"fn f(x: f32[N]) -> f32[N] = x" + b" + x" * 2_000 + b"\n",
}
HUGE = {
    "dim": b"fn f(x: f32[4611686018427387904]) -> f32[4611686018427387904] = x + x\n",
    "zeros": b"fn f(x: f32[N]) = zeros([4611686018427387904], f32)\n",
    "product": b"fn f(x: f32[N]) = zeros([N * 4611686018427387904, 4611686018427387904], f32)\n",
    "pad": b"fn f(x: f32[N]) = pad(x, [[4611686018427387904, 4611686018427387904]])\n",
    "range": b"fn f(x: f32[N]) -> f32 = sum[i < 4611686018427387904](x[i else 0])\n",
}


def clean(ran: Any, *codes: int) -> None:
    assert ran.code in codes, ran
    assert "Traceback" not in ran.err and "internal" not in ran.err and "\x1b" not in ran.err
    if ran.code:
        assert ran.err.startswith("error")


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files(tensorc: Callable[..., Any], folder: Path, name: str) -> None:
    (folder / "in.tx").write_bytes(WRONG[name])
    (folder / "noise.tx").write_bytes(NOISE[:1000])
    clean(tensorc("check", "in.tx"), 1)
    clean(tensorc("check", "-", input=WRONG[name]), 0 if name == "itself" else 1, 1)
    clean(tensorc("run", "in.tx", "--arg", "x=[1]"), 1)
    clean(tensorc("ir", "in.tx", "--stage", "typed"), 1)
    ran = tensorc("check", "in.tx", "--json")
    assert ran.code == 1 and ran.envelope["diagnostics"] and ran.err == ""


@pytest.mark.parametrize("name", RIGHT)
def test_unusual_files_that_are_right(tensorc: Callable[..., Any], folder: Path, name: str) -> None:
    (folder / "in.tx").write_bytes(RIGHT[name])
    clean(tensorc("check", "in.tx"), 0)
    clean(tensorc("check", "-", input=RIGHT[name]), 0)


@pytest.mark.parametrize("name", HUGE)
def test_sizes_beyond_any_memory(tensorc: Callable[..., Any], folder: Path, name: str) -> None:
    (folder / "in.tx").write_bytes(HUGE[name])
    clean(tensorc("check", "in.tx"), 0, 1)
    if name != "range":  # which would be computed, for a century
        clean(tensorc("run", "in.tx", "--arg", "x=[1,2]", "--target", "reference"), 1)
        clean(tensorc("run", "in.tx", "--arg", "x=[1,2]", "--target", "cpu"), 1)


PLACES = [".", "", "/", "missing.tx", "missing.tx:f", "a\0b.tx", "a\0b.tx:f", "x" * 5000, ":", "::", ":f", "f.tx/inside.tx", "\udcff.tx"]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ascii(place[:12]))
def test_places_that_are_no_file(tensorc: Callable[..., Any], folder: Path, place: str) -> None:
    (folder / "f.tx").write_bytes(GOOD)
    for words in (["run", place, "--arg", "x=[1]"], ["ir", place], ["ir", place, "--stage", "ast"]):
        clean(tensorc(*words), 2)
    if place not in (".", "/"):
        clean(tensorc("check", place), 2)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unreadable to this user")
def test_a_file_without_permission(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "in.tx").write_bytes(GOOD)
    (folder / "in.tx").chmod(0)
    clean(tensorc("check", "in.tx"), 2)


VALUES = [
    "[",
    "]",
    "@",
    "@.",
    "@/",
    "@.npy",
    "@in.tx",
    "@f.npy",
    "@f.npz",
    "@f.csv",
    "@f.parquet",
    "@f.safetensors",
    "rand:",
    "rand:[",
    "rand:f32[",
    "rand:f32[-1]",
    "rand:f32[1e9]",
    "rand:f32[4611686018427387904,4611686018427387904]",
    "1e999999",
    "0x",
    "[1,[2]]",
    "[[1],[2,3]]",
    "[1e400]",
    "none",
    "=",
    "x=1",
]
LONG = ["[" * 100_000, "-" * 1000, "9" * 10_000, "nan" * 100, "zeros:f32[9" + "9" * 50]


@pytest.mark.parametrize("value", [*VALUES, *LONG, "", " ", "@a\0b.npy", "\x1b[31m", "\udcff"], ids=lambda value: ascii(value[:12]))
def test_values(tensorc: Callable[..., Any], folder: Path, value: str) -> None:
    (folder / "in.tx").write_bytes(GOOD)
    for format in ("npy", "npz", "csv", "parquet", "safetensors"):
        (folder / f"f.{format}").write_bytes(NOISE[:1000])
    for words in (["run", "in.tx", "--arg", f"x={value}"], ["ir", "in.tx", "--shape", f"x={value}"]):
        ran = tensorc(*words)
        clean(ran, 1, 2)
        assert len(ran.err) < 2_000


WORDS = [("--seed", "-1"), ("--seed", "x"), ("--arg", "=1"), ("--arg", "="), ("--arg", ""), ("--out", ""), ("--out", "@\0.npy")]


@pytest.mark.parametrize("words", WORDS)
def test_options(tensorc: Callable[..., Any], folder: Path, words: tuple[str, str]) -> None:
    (folder / "in.tx").write_bytes(GOOD)
    clean(tensorc("run", "in.tx", "--arg", "x=[1]", *words), 2)


def test_in_a_process(process: Callable[..., Any], folder: Path) -> None:
    (folder / "noise.tx").write_bytes(NOISE)
    (folder / "null.tx").write_bytes(WRONG["NUL"])
    for words, code in ((["check", "noise.tx", "null.tx"], 1), (["run", "null.tx"], 1), (["check", "none.tx"], 2), (["run", "."], 2)):
        with process(*words) as started:
            out, err = started.communicate(timeout=60)
        assert started.returncode == code and err.startswith("error[") and "Traceback" not in out + err


def test_a_terminal_that_lacks_the_characters(process: Callable[..., Any], folder: Path) -> None:
    (folder / "in.tx").write_text("fn f(x: f32[N]) -> f32[N] = é\n", encoding="utf-8")
    with process("check", "in.tx", env={"PYTHONIOENCODING": "ascii"}) as started:
        _, err = started.communicate(timeout=60)
    assert started.returncode == 1 and err.startswith("error[E0101]") and "\\xe9" in err
