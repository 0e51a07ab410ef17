"""The sections of a Markdown page that scripts write, each its own."""

from __future__ import annotations

import re
from pathlib import Path


def replace(page: Path, title: str, body: str) -> None:
    """Write the section with the heading `## title` anew, or at the end where there is none."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    section = f"## {title}\n\n{body.strip()}\n"
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        text = f"{text.rstrip()}\n\n{section}" if text.strip() else section
    else:
        text = text[: found.start()] + section + ("\n" if text[found.end() :] else "") + text[found.end() :]
    page.write_text(text, encoding="utf-8")


def introduce(page: Path, text: str) -> None:
    """Write what stands before the sections anew."""
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    found = re.search(r"^## ", old, re.MULTILINE)
    page.write_text(f"{text.strip()}\n" + (f"\n{old[found.start() :]}" if found else ""), encoding="utf-8")


def rows(page: Path, title: str) -> dict[str, str]:
    """The rows of the section's table by their first cells, without the head."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in found.group().splitlines() if line.startswith("| `")] if found else []
    return {line.split("|")[1].strip(): line for line in lines}
