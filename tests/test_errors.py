"""Errors travel between processes, and say what they say."""

from __future__ import annotations

import pickle

import pytest

import tensorc as tc
from tensorc.errors import CompileForbidden, suggestion


@pytest.mark.parametrize("kind", [tc.ShapeError, tc.DTypeError, tc.TargetUnavailable, tc.ConfigError])
def test_plain_errors_pickle(kind: type[Exception]) -> None:
    again = pickle.loads(pickle.dumps(kind("what is wrong")))
    assert type(again) is kind and str(again) == "what is wrong"


def test_kinds() -> None:
    assert issubclass(tc.ShapeError, ValueError) and issubclass(tc.DTypeError, TypeError)
    assert issubclass(CompileForbidden, tc.CompileError)


def test_compile_errors_pickle() -> None:
    with pytest.raises(tc.CompileError) as raised:
        tc.compile("fn f(x: f32[N]) = x + yy", "a.tx")
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value) and "a.tx:1:" in str(again)
    assert again.diagnostics[0].code == raised.value.diagnostics[0].code
    assert again.diagnostics[0].span.text == "yy"


def test_internal_errors() -> None:
    error = tc.InternalError("KeyError: 3", "schedule", "/tmp/a.txt")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "internal error in stage `schedule`: KeyError: 3\nplease report it with /tmp/a.txt"
    assert (again.stage, again.reproducer) == ("schedule", "/tmp/a.txt")
    assert str(tc.InternalError("odd")) == "internal error: odd"


def test_suggestions() -> None:
    assert suggestion("sofmax", ["softmax", "sum"]) == "; did you mean `softmax`?" and suggestion("q", ["softmax"]) == ""
