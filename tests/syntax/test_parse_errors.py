"""Syntax mistakes: what is said about each, that all of a file's are found, and that nothing else is ever raised."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from tensorc.diagnostics import CompileError
from tensorc.render import render
from tensorc.rules import rule
from tensorc.source import Source
from tensorc.syntax.parse import MOST_ERRORS, parse, parse_expression, parse_signature, parse_type, read_source


def mistakes(text: str) -> CompileError:
    with pytest.raises(CompileError) as caught:
        parse(Source("a.tx", text))
    return caught.value


@pytest.mark.golden("errors/syntax")
def test_the_message(golden: Any) -> None:
    with pytest.raises(CompileError) as caught:
        parse(Source(golden.file_name, golden.program))
    golden.check(render(caught.value.diagnostics))
    assert all(rule(diagnostic.code) for diagnostic in caught.value.diagnostics)


def test_at_most_so_many_errors_are_reported() -> None:
    lines = "    let a = * 1\n" * 100
    assert len(mistakes(f"fn f(x: f32) {{\n{lines}}}").diagnostics) == MOST_ERRORS


def test_errors_come_in_the_order_of_the_text() -> None:
    found = mistakes("fn f(x: f32) {\n let a = 0 < x < 1\n let b = * 2\n let c = 1e999\n return x }").diagnostics
    assert [diagnostic.code for diagnostic in found] == ["E0108", "E0106", "E0104"]


def test_good_functions_give_no_errors_beside_a_bad_one() -> None:
    found = mistakes("fn f(x: f32) { let a = { 1 } return x }\nfn g(x: f32) = x\nfn h(x: f32) { return x x }").diagnostics
    assert [str(diagnostic.span) for diagnostic in found] == ["a.tx:1:24", "a.tx:3:25"]


def test_an_error_pickles_with_its_places() -> None:
    error = mistakes("fn f(x: f32) = x +")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, CompileError)
    assert str(again) == str(error) and again.diagnostics[0].code == "E0106"


@pytest.mark.parametrize("text", ["", " \n\t", "# only a comment", "\ufeff", "import std.nn as nn\n"])
def test_a_file_without_a_function(text: str) -> None:
    assert [diagnostic.code for diagnostic in mistakes(text).diagnostics] == ["E0110"]


@pytest.mark.parametrize(
    "character", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\u202e", "\u2066", "\ud800", "\r"], ids=lambda character: f"U+{ord(character):04X}"
)
def test_control_characters_stand_nowhere(character: str) -> None:
    for text in (
        f"fn f(x: f32) = x {character}",
        f"# a {character} b\nfn f(x: f32) = x",
        f'fn f(x: f32) {{ require 1 > 0, "{character}" return x }}',
    ):
        error = mistakes(text)
        assert [diagnostic.code for diagnostic in error.diagnostics] == ["E0101"]
        str(error).encode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 1", "E0111"),
        ("x +", "E0106"),
        ("(x", "E0105"),
        ("x)", "E0105"),
        ("x y", "E0106"),
        ("", "E0106"),
        ("fn", "E0106"),
        ("let", "E0106"),
        ("...S", "E0106"),
        ("0" * 5000 + "1", "E0103"),
        ("9" * 10_000, "E0104"),
        ("0x" + "f" * 17, "E0104"),
        ("18446744073709551616", "E0104"),
        ("1" * 400 + ".0", "E0104"),
        ("1.", "E0103"),
        ("1.e-5", "E0103"),
        ("1__0", "E0103"),
        ("0b1", "E0103"),
        ("1.5.2", "E0103"),
        ("0x", "E0103"),
        ("1if", "E0103"),
    ],
)
def test_mistakes_in_an_expression(text: str, code: str) -> None:
    with pytest.raises(CompileError) as caught:
        parse_expression(Source("e", text))
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", ["", "f32[", "f32[N] f32", "f32[N", "(f32, f32)", "int", "3", "f32[1:2]", "f32[N,,]", "fn"])
def test_mistakes_in_a_type(text: str) -> None:
    with pytest.raises(CompileError):
        parse_type(Source("t", text))


@pytest.mark.parametrize("text", ["f32[N] ->", "f32[N], ,", "-> f32, f32", "f32[N] => f32", "x: f32[N]"])
def test_mistakes_in_a_signature(text: str) -> None:
    with pytest.raises(CompileError):
        parse_signature(Source("s", text))


# Reading files.


def codes_of(path: Path) -> list[str]:
    with pytest.raises(CompileError) as caught:
        read_source(path)
    str(caught.value).encode()
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert codes_of(tmp_path) == ["E0100"]
    assert codes_of(tmp_path / "missing.tx") == ["E0100"]
    assert codes_of(tmp_path / "a\0b.tx") == ["E0100"]
    assert codes_of(tmp_path / ("a" * 5000)) == ["E0100"]


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.tx"
    path.write_bytes(b"# \xc3\xa9\n# caf\xe9\nfn f(x: f32) = x\n")
    with pytest.raises(CompileError) as caught:
        read_source(path, "latin.tx")
    assert str(caught.value) == (
        "error[E0101]: the file is not UTF-8\n"
        "  --> latin.tx:2:6\n"
        "   |\n"
        " 2 | # caf\ufffd\n"
        "   |      ^ the byte 0xe9 cannot stand here\n"
        "   = help: save the file as UTF-8"
    )
    path.write_bytes("fn f(x: f32) = x\n".encode("utf-16"))
    assert codes_of(path) == ["E0101"]


def test_a_mark_and_line_ends_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "windows.tx"
    path.write_bytes(b"\xef\xbb\xbf## Doc.\r\nfn f(x: f32) = x\r\n")
    source = read_source(path)
    (found,) = parse(source).functions
    assert found.doc == "Doc." and str(found.span) == f"{path}:2:1" and found.span.text == "fn f(x: f32) = x"
