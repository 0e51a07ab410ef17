"""Writes docs/diagnostics.md: every code with its explanation, a program that makes the mistake, what is said of it, and one that does not.

Run `python docs/diagnostics.py` after a change of the rules or of a message; a test holds the page to what this makes.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from tensorc.diagnostics import CompileError
from tensorc.elaborate import check, load_unit
from tensorc.render import render
from tensorc.rules import RULES, Rule
from tensorc.source import Source

WIDTH = 140

INTRODUCTION = """\
# Diagnostics

Every mistake has a code, which stays the same from version to version. `tensorc rule E0301` prints what stands here. This page is made from
the registry of codes by `docs/diagnostics.py`.
"""

SECTIONS = {
    "E01": "Syntax",
    "E02": "Names and declarations",
    "E03": "Shapes",
    "E04": "Dtypes",
    "E05": "Index notation",
    "E06": "Calls, arguments and static values",
    "E07": "Derivatives and transforms",
    "E08": "Imports and files",
    "E09": "Traced Python functions",
}


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for prefix, title in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [entry(row) for row in sorted(RULES.values(), key=lambda row: row.code) if row.code.startswith(prefix)]
    return "\n".join(parts)


def entry(row: Rule) -> str:
    """A code's heading, explanation and programs."""
    text = f"### {row.code}: {row.title}\n\n{textwrap.fill(row.explanation, WIDTH, break_on_hyphens=False)}\n"
    if row.wrong:
        text += f"\n```text\n{row.wrong}```\n\n```text\n{message(row.wrong)}\n```\n\nRight is\n\n```tx\n{row.right}```\n"
    return text


def message(program: str) -> str:
    """What is said of a program."""
    try:
        return render(check(load_unit(Source("example.tx", program))))
    except CompileError as error:
        return str(error)


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
