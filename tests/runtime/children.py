"""Runs pieces of Python in processes of their own, whose exit codes are checked."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import tensorc

ROOT = Path(tensorc.__file__).parents[1]


def environment(**more: str | None) -> dict[str, str]:
    """That of this process, in which tensorc is found; None removes a variable."""
    found = {k: v for k, v in os.environ.items() if not k.startswith("TENSORC_")}
    found |= {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "TENSORC_NUM_THREADS": "1", "TENSORC_CACHE": "off"}
    return {k: v for k, v in {**found, **more}.items() if v is not None}


def start(script: str, *words: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """Python with a script, with pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(script), *words]
    return subprocess.Popen(command, env=environment() if env is None else env, text=True, **pipes)


def run(script: str, *words: str, env: dict[str, str] | None = None, timeout: float = 60, **options: Any) -> tuple[str, str]:
    """What a script writes to its two streams; it must end by itself with exit code 0."""
    process = start(script, *words, env=env, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"the script hangs\n{process.communicate()[1]}") from None
    assert process.returncode == 0, f"exit code {process.returncode}\n{out}\n{err}"
    return out, err
