"""What is said about each mistake: the place, both sides with where they came from, and what would help."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tensorc.diagnostics import CompileError
from tensorc.elaborate import check, load_unit
from tensorc.render import render, to_json
from tensorc.rules import rule
from tensorc.source import Source


@pytest.mark.golden("errors/language")
def test_the_message(golden: Any) -> None:
    try:
        found = check(load_unit(Source(golden.file_name, golden.program)))
    except CompileError as error:
        found = list(error.diagnostics)
    assert found, "the program is right"
    golden.check(re.sub(r"(std/\w+\.tx):\d+:\d+", r"\1", render(found)))
    to_json(found)
    for d in found:
        assert rule(d.code) is not None and d.labels[0].primary
        assert all(0 <= label.span.start < label.span.end <= len(label.span.source.text) for label in d.labels)
