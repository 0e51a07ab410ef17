"""What is stored and which loops run, for small programs."""

from __future__ import annotations

from typing import Any

import pytest

import tensorc


@pytest.mark.golden("schedule")
def test_nests(golden: Any) -> None:
    function = tensorc.compile(golden.program)["f"]
    golden.check(function.inspect("schedule") + "\n\n" + function.inspect("loops"))
