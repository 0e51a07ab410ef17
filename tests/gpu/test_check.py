"""The script for machines with a GPU tries itself out on the processor, a part of it: what it says of a GPU only one can tell."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "check.py"

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)


def test_all_parts_on_the_processor() -> None:
    found = ran("--device", "cpu", "--quick", "--only", "operations,examples,derivatives,launches,times")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "launches: " in found.stdout and " 0 failed" in found.stdout and "FAILED" not in found.stdout
    assert "softmax           backward" in found.stdout


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_kernels_in_the_interpreter() -> None:
    found = ran("--device", "interpret", "--quick", "--only", "operations,examples")
    assert found.returncode == 0 and "FAILED" not in found.stdout, found.stdout + found.stderr


def test_without_a_gpu() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    found = ran()
    assert found.returncode == 69 and "finds no GPU" in found.stderr
    assert ran("--only", "nothing", "--device", "cpu").returncode == 2
