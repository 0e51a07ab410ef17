"""What the documents show is true: their programs compile, their Python runs, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tensorc as tc

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]


def blocks(language: str) -> list[tuple[str, str]]:
    """The code blocks of a language in all documents, each with its place."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            found.append((f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}", match[1]))
    return found


@pytest.mark.parametrize(("place", "program"), blocks("tx"), ids=lambda value: value if "\n" not in value else "")
def test_programs_compile(place: str, program: str) -> None:
    module = tc.compile(program, name=place)
    for name in re.findall(r"^fn (\w+)", program, re.MULTILINE):
        assert name in str(getattr(module, name).signature)


@pytest.mark.parametrize(("place", "code"), blocks("python"), ids=lambda value: value if "\n" not in value else "")
def test_python_runs(place: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "import torch" in code:
        pytest.importorskip("torch")
    monkeypatch.chdir(ROOT)
    exec(compile(code, place, "exec"), {})


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    headings = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)", text, re.MULTILINE)}
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (path.parent / target.split("#")[0]).exists(), target
