from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from backends.triton.worker import Worker


@pytest.fixture(scope="session")
def interpreter() -> Iterator[Worker]:
    """Triton's interpreter, in a process of its own."""
    if find_spec("triton") is None:
        pytest.skip("Triton is not installed")
    worker = Worker()
    yield worker
    worker.close()
