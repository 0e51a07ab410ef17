"""`tensorc check`: which files are looked at, what is printed, how it exits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = "fn double(x: f32[N]) -> f32[N] = 2 * x\n"
SHAPES = """\
fn layer(x: f32[N, D], w: f32[D, H], b: f32[K]) -> f32[N, H] {
    let y = x @ w + b
    return y
}
"""
SYNTAX = "fn f(x: f32[N]) -> f32[N] = x +\n"


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.tx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_no_mistake(tensorc: Callable[..., Any], folder: Path) -> None:
    write(folder, a=GOOD, b=GOOD)
    ran = tensorc("check", "a.tx")
    assert (ran.code, ran.out, ran.err) == (0, "checked 1 file: no errors\n", "")
    assert tensorc("check", "a.tx", "b.tx").out == "checked 2 files: no errors\n"


def test_a_mistake_is_shown_with_its_place(tensorc: Callable[..., Any], folder: Path) -> None:
    write(folder, a=SHAPES)
    ran = tensorc("check", "a.tx")
    assert ran.code == 1 and ran.out == "checked 1 file: 1 error\n"
    assert ran.err.startswith("error[E0301]: ") and "--> a.tx:2:13" in ran.err
    assert "2 |     let y = x @ w + b" in ran.err and "f32[K]" in ran.err and "f32[N, H]" in ran.err


def test_all_mistakes_of_all_files(tensorc: Callable[..., Any], folder: Path) -> None:
    write(folder, a=SHAPES + SHAPES.replace("layer", "other"), b=GOOD, c=SYNTAX)
    ran = tensorc("check", "a.tx", "b.tx", "c.tx", "missing.tx")
    assert ran.code == 2 and ran.out == "checked 4 files: 4 errors in 3 files\n"
    assert [line[:12] for line in ran.err.splitlines() if line.startswith("error")] == ["error[E0301]"] * 2 + [
        "error[E0106]",
        "error[E0100]",
    ]
    assert tensorc("check", "a.tx", "b.tx", "c.tx").code == 1


def test_as_data(tensorc: Callable[..., Any], folder: Path) -> None:
    write(folder, a=SHAPES, b=GOOD)
    ran = tensorc("check", "--json", "a.tx", "b.tx")
    assert ran.code == 1 and ran.err == "" and ran.envelope["ok"] is False
    assert ran.envelope["result"]["files"] == [
        {"path": "a.tx", "functions": ["layer"], "errors": 1, "warnings": 0},
        {"path": "b.tx", "functions": ["double"], "errors": 0, "warnings": 0},
    ]
    (found,) = ran.envelope["diagnostics"]
    assert (found["code"], found["file"], found["line"], found["column"]) == ("E0301", "a.tx", 2, 13)
    assert {label["text"] for label in found["labels"]} >= {"f32[K]", "f32[N, H]"}


def test_settings_are_checked_too(tensorc: Callable[..., Any], folder: Path) -> None:
    write(folder, a=GOOD)
    ran = tensorc("check", "a.tx", env={"TENSORC_CACH": "off"})
    assert ran.code == 2 and "did you mean `TENSORC_CACHE`?" in ran.err


def test_folders(tensorc: Callable[..., Any], folder: Path) -> None:
    write(folder, src__a=GOOD, src__deep__b=SYNTAX, src__deep__c=GOOD)
    write(folder, **{"src__.hidden__d": SYNTAX})
    (folder / "src" / "notes.txt").write_text("no program")
    ran = tensorc("check", "src", "--json")
    assert [Path(row["path"]).as_posix() for row in ran.envelope["result"]["files"]] == ["src/a.tx", "src/deep/b.tx", "src/deep/c.tx"]
    assert ran.codes == ["E0106"]
    assert len(tensorc("check", "src", "src/a.tx", "src", "--json").envelope["result"]["files"]) == 3
    assert tensorc("check", "src/notes.txt").code == 1  # a file that is named is checked, whatever it is called


def test_a_folder_without_programs(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "empty").mkdir()
    ran = tensorc("check", "empty")
    assert (ran.code, ran.out, ran.err) == (2, "", "error: there are no .tx files in empty\n")


def test_standard_input(tensorc: Callable[..., Any]) -> None:
    assert tensorc("check", "-", input=GOOD).out == "checked 1 file: no errors\n"
    ran = tensorc("check", "-", input=SHAPES)
    assert ran.code == 1 and "--> <stdin>:2:13" in ran.err


def test_imports_are_checked_once(tensorc: Callable[..., Any], folder: Path) -> None:
    use = 'import "lib.tx" as lib\nfn {0}(x: f32[N]) -> f32[N] = lib.f(x)\n'
    write(folder, lib=SYNTAX, a=use.format("a"), b=use.format("b"))
    ran = tensorc("check", ".", "--json")
    assert ran.code == 1 and ran.codes == ["E0106"]
    assert [row["errors"] for row in ran.envelope["result"]["files"]] == [1, 1, 1]
    write(folder, lib=GOOD.replace("double", "f"))
    assert tensorc("check", ".").code == 0


def test_a_missing_file_suggests_one_beside_it(tensorc: Callable[..., Any], folder: Path) -> None:
    write(folder, softmax=GOOD)
    ran = tensorc("check", "sofmax.tx")
    assert ran.code == 2
    assert ran.err.rstrip() == "error[E0100]: cannot read `sofmax.tx`: No such file or directory\n   = help: did you mean `softmax.tx`?"


@pytest.mark.parametrize("words", [["--json", "a.tx"], ["-"]])
def test_watch_needs_files_and_text(tensorc: Callable[..., Any], words: list[str]) -> None:
    ran = tensorc("check", "--watch", *words)
    assert ran.code == 2 and "--watch goes with no" in ran.out + ran.err
