"""docs/library.md is what its script makes of the sources."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "library.py"


def test_the_page_is_up_to_date() -> None:
    page = runpy.run_path(str(SCRIPT))["page"]()
    assert SCRIPT.with_suffix(".md").read_text(encoding="utf-8") == page, "run `python docs/library.py`"
