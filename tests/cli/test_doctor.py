"""`tensorc doctor`: what it tells of the installation, and what it makes of a broken one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tensorc import __version__


def test_a_healthy_installation(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("doctor")
    assert ran.code == 0 and ran.err == ""
    titles = [line for line in ran.out.splitlines() if line and not line.startswith(" ")]
    assert titles == ["versions", "processor", "settings", "self-test"]
    assert "works (" in ran.out and f"tensorc    {__version__}" in ran.out


def test_as_data(tensorc: Callable[..., Any]) -> None:
    found = tensorc("doctor", "--json", env={"TENSORC_CACHE": None}).envelope["result"]
    assert found["versions"]["numpy"] == np.__version__ and found["versions"]["llvm"].count(".") == 2
    assert found["processor"]["vector_bits"] in (128, 256, 512) and found["processor"]["name"]
    assert found["settings"]["cache"] == {"value": "rw", "from": "default"} and found["settings"]["threads"] >= 1
    assert found["self_test"]["seconds"] > 0


def test_where_settings_come_from(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.tensorc]\nnum-threads = 1\ntarget = "reference"\n')
    ran = tensorc("doctor", "--json", env={"TENSORC_TARGET": "cpu", "TENSORC_LOG": "cache, fusion", "TENSORC_NUM_THREADS": None})
    found = ran.envelope["result"]["settings"]
    assert found["num_threads"] == {"value": 1, "from": f"[tool.tensorc] in {folder / 'pyproject.toml'}"}
    assert found["target"] == {"value": "cpu", "from": "TENSORC_TARGET"}
    assert found["log"] == {"value": ["cache", "fusion"], "from": "TENSORC_LOG"}
    assert re.search(r"target +cpu  \(TENSORC_TARGET\)", tensorc("doctor", env={"TENSORC_TARGET": "cpu"}).out)


def test_a_wrong_setting_is_a_finding(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("doctor", env={"TENSORC_NUM_THREADS": "many"})
    assert ran.code == 1 and "num_threads" in ran.out and "many" in ran.out


def test_a_kernel_that_does_not_compile(tensorc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no code generator")

    monkeypatch.setattr("tensorc.api.module.compile", broken)
    ran = tensorc("doctor")
    assert ran.code == 1 and "failed: RuntimeError: no code generator" in ran.out
    assert tensorc("doctor", "--json").envelope["ok"] is False


def test_torch_is_not_imported(tensorc: Callable[..., Any], process: Callable[..., Any]) -> None:
    with process("doctor", env={"PYTHONPROFILEIMPORTTIME": "1"}) as started:
        _, err = started.communicate(timeout=60)
    assert started.returncode == 0 and not any(line.split("|")[-1].strip() == "torch" for line in err.splitlines())
