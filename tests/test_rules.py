"""The registry of diagnostics: every example does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tensorc.rules
from tensorc.diagnostics import CompileError
from tensorc.rules import RULES, Rule, rule
from tensorc.source import Source
from tensorc.syntax.parse import parse

SYNTAX = [row for row in RULES.values() if row.code.startswith("E01")]


def codes(program: str) -> list[str]:
    try:
        parse(Source("example.tx", program))
    except CompileError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


@pytest.mark.parametrize("row", SYNTAX, ids=lambda row: row.code)
def test_examples_of_syntax(row: Rule) -> None:
    if row.wrong or row.right:
        assert codes(row.wrong) == [row.code]
        assert codes(row.right) == []


@pytest.mark.parametrize("row", RULES.values(), ids=lambda row: row.code)
def test_a_row_is_whole(row: Rule) -> None:
    assert re.fullmatch(r"E0[1-9]\d\d", row.code)
    assert row.title and not row.title.endswith(".") and row.explanation.endswith(".")
    if not row.code.startswith("E01") and (row.wrong or row.right):
        assert codes(row.wrong) == codes(row.right) == []


def test_codes_are_unique_and_in_the_module_of_their_hundred() -> None:
    tables = {"syntax": 1, "names": 2, "shapes": 3, "dtypes": 4, "indices": 5, "calls": 6, "derivatives": 7, "imports": 8, "tracing": 9}
    rows = [(name, row) for name in tables for row in getattr(tensorc.rules, name).RULES]
    assert len({row.code for _, row in rows}) == len(rows) == len(RULES)
    assert all(row.code.startswith(f"E0{tables[name]}") for name, row in rows)


def test_every_syntax_code_in_the_parser_has_a_row() -> None:
    package = Path(tensorc.rules.__file__).parent.parent / "syntax"
    used = {code for path in package.glob("*.py") for code in re.findall(r'"(E\d{4})"', path.read_text(encoding="utf-8"))}
    assert used == {row.code for row in SYNTAX}


def test_looking_up() -> None:
    assert rule("e0105") is RULES["E0105"]
    assert rule("E9999") is None
