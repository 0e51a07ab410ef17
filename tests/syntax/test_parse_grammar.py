"""The grammar itself: free of conflicts, found where it is installed, and with an action for each rule."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import lark
import pytest

from tensorc import grammar
from tensorc.source import Source
from tensorc.syntax.build import Builder
from tensorc.syntax.generate import generate, written
from tensorc.syntax.tables import FILE, STARTS, Rule, digest, packed, tables, unpacked
from tensorc.syntax.tokens import comments, tokenize


def conflicts(text: str, start: list[str]) -> list[str]:
    """Lark settles a shift against a reduction silently, but for its log; two reductions are an error."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    handler = Handler()
    level = lark.logger.level
    lark.logger.addHandler(handler)
    lark.logger.setLevel(logging.DEBUG)
    try:
        lark.Lark(text, parser="lalr", lexer="contextual", start=start, debug=True)
    finally:
        lark.logger.removeHandler(handler)
        lark.logger.setLevel(level)
    return [message for message in found if "conflict" in message.lower()]


def test_the_grammar_has_no_conflicts() -> None:
    assert conflicts(grammar.grammar_text(), list(STARTS)) == []


def test_a_conflict_would_be_seen() -> None:
    assert conflicts('start: e\ne: e "+" e | "x"', ["start"])


def test_every_rule_has_an_action() -> None:
    builder = Builder(Source("a", ""))
    rules = {action for row in tables().actions for action in row.values() if isinstance(action, Rule)}
    for rule in rules:
        if not rule.is_unit and not rule.is_run:
            assert callable(builder.action(rule.action))


def test_the_tables_are_those_of_the_grammar() -> None:
    """After a change of the grammar: `python -m tensorc.syntax.generate`."""
    text = grammar.grammar_text()
    made = generate(text)
    assert FILE.read_text(encoding="utf-8") == written(packed(made, text))
    read = unpacked(json.loads(FILE.read_text(encoding="utf-8")))
    assert (read.actions, read.gotos, read.starts, read.ends) == (made.actions, made.gotos, made.starts, made.ends)
    assert (read.token, read.groups) == (made.token, made.groups)


def test_tables_of_another_grammar_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (
        "",
        "[]",
        FILE.read_text(encoding="utf-8")[:-200],
        FILE.read_text(encoding="utf-8").replace(digest(grammar.grammar_text()), "0"),
    ):
        (tmp_path / "tables.json").write_text(text, encoding="utf-8")
        monkeypatch.setattr("tensorc.syntax.tables.FILE", tmp_path / "tables.json")
        assert tables.__wrapped__().actions == tables().actions


def test_an_installed_grammar_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert grammar.grammar_path().is_file()
    package = tmp_path / "tensorc"
    package.mkdir()
    monkeypatch.setattr(grammar, "__file__", str(package / "grammar.py"))
    assert grammar.grammar_path() == tmp_path / "grammar" / "tensorc.lark"
    (package / "grammar").mkdir()
    (package / "grammar" / "tensorc.lark").touch()
    assert grammar.grammar_path() == package / "grammar" / "tensorc.lark"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("1..N", ["INTEGER", "..", "NAME"]),
        ("1.5..2", ["FLOAT", "..", "INTEGER"]),
        ("...S", ["...", "NAME"]),
        ("x.T", ["NAME", ".", "NAME"]),
        (".5", ["FLOAT"]),
        ("a**-b", ["NAME", "**", "SIGN", "NAME"]),
        ("a<-b", ["NAME", "<", "SIGN", "NAME"]),
        ("a->b", ["NAME", "->", "NAME"]),
        ("a<<=b", ["NAME", "SHIFT", "=", "NAME"]),
        ("letter let", ["NAME", "let"]),
        ("none None nones", ["NONE", "NONE", "NAME"]),
        ('"a # b" # "c"', ["STRING"]),
        ('"a\\"b" \'c"\'', ["STRING", "STRING"]),
        ("é$", ["UNKNOWN", "UNKNOWN"]),
        ('"open\nx', ["UNTERMINATED", "NAME"]),
    ],
)
def test_tokens(text: str, kinds: list[str]) -> None:
    assert [token.kind for token in tokenize(Source("a", text))] == [*kinds, "$END"]


def test_comments() -> None:
    source = Source("a", '# one\nfn "# no" ## two\r\n# three')
    found = comments(source, tokenize(source))
    assert [source.text[token.start : token.end] for token in found] == ["# one", "## two", "# three"]
