"""Finds the text of grammar/tensorc.lark, in an installed package or in a checkout."""

from __future__ import annotations

from pathlib import Path

FILE_NAME = "tensorc.lark"


def grammar_path() -> Path:
    """A wheel carries the grammar inside of the package; in a checkout it lies beside it."""
    package = Path(__file__).resolve().parent
    packaged = package / "grammar" / FILE_NAME
    return packaged if packaged.is_file() else package.parent / "grammar" / FILE_NAME


def grammar_text() -> str:
    return grammar_path().read_text(encoding="utf-8")
