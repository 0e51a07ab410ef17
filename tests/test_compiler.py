"""The pipeline: internal errors leave a file, and what is asked for is logged and dumped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tensorc as tc
from tensorc import compiler


def test_an_internal_error_names_its_stage_and_leaves_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: compiler.Compilation) -> None:
        raise KeyError("odd")

    monkeypatch.setattr(compiler.Compilation, "_make", broken)
    f = tc.compile("fn doubled(x: f32[N]) = x * 2").doubled
    with tc.config.scope(dump=tmp_path), pytest.raises(tc.InternalError) as raised:
        f(np.ones(3, np.float32))
    assert raised.value.stage == "compile" and raised.value.reproducer is not None
    text = Path(raised.value.reproducer).read_text()
    assert "KeyError: 'odd'" in text and "fn doubled(x: f32[N])" in text and Path(raised.value.reproducer).parent == tmp_path


def test_log_and_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    f = tc.compile("fn doubled(x: f32[N]) = x * 2").doubled
    with tc.config.scope(dump=tmp_path, log=("compile",), target="reference"):
        f(np.ones(3, np.float32))
    assert "tensorc compile: doubled in" in capsys.readouterr().err
    assert (tmp_path / "doubled" / "typed.txt").read_text().startswith("fn doubled(x: f32[N])")
