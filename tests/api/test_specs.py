"""tc.spec: a tensor type in place of an array."""

from __future__ import annotations

import pickle

import pytest

import tensorc as tc


def test_specs() -> None:
    spec = tc.spec("f32[B, 1024, 2*N]")
    assert spec.dtype is tc.f32 and spec.ndim == 3 and spec.shape == ("B", 1024, "2*N")
    assert str(spec) == "f32[B, 1024, 2*N]" and repr(spec) == 'spec("f32[B, 1024, 2*N]")'
    assert tc.spec("bool").ndim == 0 and tc.spec("bool[]").dtype.name == "bool" and str(tc.spec(" i64 ")) == "i64"
    assert tc.spec("f32[_, _]").shape == ("_0", "_1")
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize(
    ("text", "code"),
    [("f33[N]", "E0407"), ("f32[N", None), ("int", "E0113"), ("f32[...]", None), ("", None), ("f32[N] f32", None), ("f32[sqrt(N)]", None)],
)
def test_wrong_specs(text: str, code: str | None) -> None:
    with pytest.raises(tc.CompileError) as raised:
        tc.spec(text)
    assert "<spec>" in str(raised.value)
    assert code is None or raised.value.diagnostics[0].code == code
