"""`tensorc new`: the files pass the checks and run as they say."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tensorc.cli.templates import TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_passes_and_runs(tensorc: Callable[..., Any], folder: Path, template: str) -> None:
    ran = tensorc("new", "start", "--template", template)
    assert ran.code == 0 and ran.out.startswith("wrote start.tx; run it with\n  tensorc run start.tx --arg ")
    assert tensorc("check", "start.tx").code == 0
    words = shlex.split(ran.out.splitlines()[1])[1:]
    assert tensorc(*words, "--verify").code == 0
    assert (folder / "start.tx").read_text() == TEMPLATES[template].text
    assert all(len(line) <= 120 for line in TEMPLATES[template].text.splitlines())


def test_what_the_basic_one_computes(tensorc: Callable[..., Any]) -> None:
    tensorc("new", "start")
    ran = tensorc("run", "start.tx", "--arg", "x=[[1,5],[3,9]]", "--json")
    assert np.allclose(ran.envelope["result"]["results"][0]["data"], [[-1, -1], [1, 1]], atol=1e-4)


def test_names(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "sub").mkdir()
    ran = tensorc("new", "sub/my-file.tx", "--json")
    assert ran.envelope["result"]["path"] == str(Path("sub/my-file.tx")) and (folder / "sub" / "my-file.tx").exists()


def test_what_exists_is_left_alone(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "mine.tx").write_text("# precious\n")
    ran = tensorc("new", "mine")
    assert (ran.code, ran.out, ran.err) == (2, "", "error: `mine.tx` exists already, and is left as it is\n")
    assert (folder / "mine.tx").read_text() == "# precious\n"


@pytest.mark.parametrize("name", ["no/such/folder", "a\0b", "x" * 300])
def test_names_that_no_file_can_have(tensorc: Callable[..., Any], name: str) -> None:
    ran = tensorc("new", name)
    assert ran.code == 2 and ran.err.startswith("error: cannot write ")
    assert tensorc("new", "a", "--template", "huge").code == 2
