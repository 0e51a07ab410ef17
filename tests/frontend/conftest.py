"""The face is tested on the oracle: what a kernel computes is tested elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tensorc as tc


@pytest.fixture(autouse=True)
def oracle() -> Iterator[None]:
    with tc.config.scope(target="reference"):
        yield
