"""Runs the command line in this process and in one of its own, in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tensorc as tensorc_package
from tensorc.cli.main import main

ROOT = Path(tensorc_package.__file__).parents[1]


@dataclass(frozen=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> Any:
        return json.loads(self.out)

    @property
    def codes(self) -> list[str]:
        """The codes of the diagnostics of an envelope."""
        return [d["code"] for d in self.envelope["diagnostics"]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the commands run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tensorc() -> Callable[..., Ran]:
    """`tensorc("check", "a.tx", input=b"", env={})` in this process."""

    def run(*words: str, input: bytes | str | None = None, env: dict[str, str | None] | None = None) -> Ran:
        found = CliRunner().invoke(main, list(words), input=input, env=env)
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return Ran(found.exit_code, found.stdout, found.stderr)

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.Popen[str]]:
    """A started `python -m tensorc` with pipes."""

    def start(*words: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **(env or {})}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([sys.executable, "-m", "tensorc", *words], env=environment, text=True, **pipes)

    return start
