"""The tutorial: every line on tc.Tensor gives what the page shows, and on PyTorch the same."""

from __future__ import annotations

import doctest
import io
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from tensor.test_against_torch import plain, same

import tensorc as tc

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial"
PAGES = sorted(TUTORIAL.glob("*.md"))


def examples(page: Path) -> list[doctest.Example]:
    """The lines of a page and what they print."""
    blocks = re.findall(r"^```pycon\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [e for block in blocks for e in doctest.DocTestParser().get_examples(block)]


def run(source: str, names: dict[str, Any]) -> tuple[list[Any], str]:
    """The values that a line shows, and what it prints; an exception is its last line."""
    shown: list[Any] = []
    printed = io.StringIO()

    def show(value: Any) -> None:
        if value is not None:
            shown.append(value)
            print(repr(value))

    before, sys.displayhook = sys.displayhook, show
    try:
        with redirect_stdout(printed):
            exec(compile(source, "<page>", "single"), names)
    except Exception as error:
        base = RuntimeError if isinstance(error, RuntimeError) else type(error)
        print(f"Traceback (most recent call last):\n{base.__name__}: {error}", file=printed)
    finally:
        sys.displayhook = before
    return shown, printed.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path) -> None:
    names: dict[str, Any] = {}
    for example in examples(page):
        _, printed = run(example.source, names)
        assert printed == wanted(example), f"{page.name}: {example.source}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_with_pytorch(page: Path) -> None:
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {"torch": pytest.importorskip("torch")}
    for example in examples(page):
        shown, _ = run(example.source, ours)
        expected, said = run(example.source.replace("import tensorc as tc", "import torch as tc"), theirs)
        assert all(same(plain(a), plain(b)) for a, b in zip(shown, expected, strict=True)), f"{example.source}: {shown} {expected}"
        assert said.replace("torch.", "tc.") == wanted(example), f"{page.name}: {example.source}"


def wanted(example: doctest.Example) -> str:
    return example.want.replace("<BLANKLINE>", "")


def test_pages_are_there() -> None:
    assert {p.stem for p in PAGES} == {"tensors", "tables", "linear-algebra", "derivatives"} and tc.Tensor is not None
