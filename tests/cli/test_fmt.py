"""`tensorc fmt`: which files it writes, what it says, how it exits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LOOSE = "# The file.\nfn double( x:f32[N] )->f32[N]=2*x # twice\n"
GOOD = "# The file.\nfn double(x: f32[N]) -> f32[N] = 2 * x  # twice\n"
BROKEN = "fn f(x: f32[N]) = x +\n"


def test_files_and_folders(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "a.tx").write_text(LOOSE)
    (folder / "src" / "b.tx").write_text(GOOD)
    os.chmod(folder / "src" / "a.tx", 0o640)
    before = (folder / "src" / "b.tx").stat()
    ran = tensorc("fmt", "src")
    assert (ran.code, ran.out, ran.err) == (0, "1 file formatted, 1 file left as it is\n", "")
    assert (folder / "src" / "a.tx").read_text() == GOOD and (folder / "src" / "a.tx").stat().st_mode & 0o777 == 0o640
    after = (folder / "src" / "b.tx").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert sorted(p.name for p in (folder / "src").iterdir()) == ["a.tx", "b.tx"]
    assert tensorc("fmt", "src").out == "2 files left as they are\n"


def test_check_and_diff_write_nothing(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "a.tx").write_text(LOOSE)
    ran = tensorc("fmt", "--check", "a.tx")
    assert (ran.code, ran.out) == (1, "would format a.tx\n1 file would be formatted\n")
    ran = tensorc("fmt", "--diff", "a.tx")
    assert ran.code == 1 and ran.err == "1 file would be formatted\n"
    assert ran.out.splitlines() == [
        "--- a.tx",
        "+++ a.tx (formatted)",
        "@@ -1,2 +1,2 @@",
        " # The file.",
        "-fn double( x:f32[N] )->f32[N]=2*x # twice",
        "+fn double(x: f32[N]) -> f32[N] = 2 * x  # twice",
    ]
    assert (folder / "a.tx").read_text() == LOOSE
    (folder / "a.tx").write_text(GOOD)
    assert tensorc("fmt", "--check", "--diff", "a.tx").code == 0


def test_standard_input(tensorc: Callable[..., Any]) -> None:
    assert tensorc("fmt", "-", input=LOOSE).out == GOOD
    assert tensorc("fmt", "-", "--check", input=LOOSE).code == 1
    assert tensorc("fmt", "-", "--json", input=LOOSE).envelope["result"] == {"files": [{"path": "-", "changed": True}], "text": GOOD}
    assert tensorc("fmt", "-", "a.tx", input=LOOSE).code == 2


def test_what_does_not_parse_is_left_alone_and_the_rest_is_formatted(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "a.tx").write_text(BROKEN)
    (folder / "b.tx").write_text(LOOSE)
    ran = tensorc("fmt", "a.tx", "b.tx")
    assert ran.code == 1 and "error[E0106]" in ran.err
    assert (folder / "a.tx").read_text() == BROKEN and (folder / "b.tx").read_text() == GOOD
    assert tensorc("fmt", "missing.tx").code == 2


def test_a_link_stays_and_its_file_is_formatted(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "a.tx").write_text(LOOSE)
    (folder / "link.tx").symlink_to("a.tx")
    assert tensorc("fmt", "link.tx").code == 0
    assert (folder / "link.tx").is_symlink() and (folder / "a.tx").read_text() == GOOD


def test_a_mistake_of_the_formatter_leaves_the_file(tensorc: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.tx").write_text(LOOSE)
    monkeypatch.setattr("tensorc.syntax.format._lines", lambda source: iter(["fn double(x: f32[N]) -> f32[N] = 3 * x  # twice"]))
    ran = tensorc("fmt", "a.tx")
    assert ran.code == 70 and "formatting would change what the file says" in ran.err
    assert (folder / "a.tx").read_text() == LOOSE
