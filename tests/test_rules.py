"""The registry of diagnostics: every example does what it says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import tensorc.rules
from tensorc.diagnostics import CompileError
from tensorc.elaborate import check, load_unit
from tensorc.rules import RULES, Rule, rule
from tensorc.source import Source


def codes(program: str) -> list[str]:
    try:
        return [diagnostic.code for diagnostic in check(load_unit(Source("example.tx", program)))]
    except CompileError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]


@pytest.mark.parametrize("row", [row for row in RULES.values() if row.wrong], ids=lambda row: row.code)
def test_the_examples(row: Rule) -> None:
    """A program that is wrong makes the one mistake; one that is right makes none."""
    assert codes(row.wrong) == [row.code]
    assert codes(row.right) == []


@pytest.mark.parametrize("row", RULES.values(), ids=lambda row: row.code)
def test_a_row_is_whole(row: Rule) -> None:
    assert re.fullmatch(r"E0[1-9]\d\d", row.code)
    assert row.title and not row.title.endswith(".") and row.explanation.endswith(".")
    assert row.title[0].islower() or row.title[0] == "`"
    assert bool(row.wrong) == bool(row.right)


def test_codes_are_unique_and_in_the_module_of_their_hundred() -> None:
    tables = {"syntax": 1, "names": 2, "shapes": 3, "dtypes": 4, "indices": 5, "calls": 6, "derivatives": 7, "imports": 8, "tracing": 9}
    rows = [(name, row) for name in tables for row in getattr(tensorc.rules, name).RULES]
    assert len({row.code for _, row in rows}) == len(rows) == len(RULES)
    assert all(row.code.startswith(f"E0{tables[name]}") for name, row in rows)


def test_every_code_that_is_raised_has_a_row() -> None:
    package = Path(tensorc.rules.__file__).parent.parent
    files = [path for path in package.rglob("*.py") if path.parent.name != "rules"]
    used = {code for path in files for code in re.findall(r'"(E0\d{3})"', path.read_text(encoding="utf-8"))}
    assert used == set(RULES)


def test_looking_up() -> None:
    assert rule("e0105") is RULES["E0105"]
    assert rule("E9999") is None


def test_the_page_is_what_its_script_makes() -> None:
    script = Path(__file__).resolve().parents[1] / "docs" / "diagnostics.py"
    page = runpy.run_path(str(script))["page"]()
    assert script.with_suffix(".md").read_text(encoding="utf-8") == page, "run `python docs/diagnostics.py`"
