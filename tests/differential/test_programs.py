"""The compiled backend against the oracle on programs that Hypothesis writes, at sizes that include 0 and 1 and strides of every sign."""

from __future__ import annotations

import numpy as np
import pytest
from differential.programs import Written, arrays, programs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tensorc as tc
from tensorc.dtypes import DTYPES

SLACK = {"f64": 1e-9, "f32": 2e-4, "f16": 4e-2, "bf16": 3e-1}
"""Relative to the largest value of a result: a few roundings, each carried through a few functions."""


def agree(program: Written, n: int, m: int, seed: int, reverse: bool) -> None:
    given = arrays(program, n, m, seed, reverse)
    f = tc.compile(program.text, name="written.tx").f
    got, want = f(*given), f.reference(*given)
    if not isinstance(got, tuple):
        got, want = (got,), (want,)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype and g.shape == w.shape, program.text
        if program.exact:
            np.testing.assert_array_equal(
                g.astype(np.float64) if g.dtype.kind == "V" else g, w.astype(np.float64) if w.dtype.kind == "V" else w, err_msg=program.text
            )
        else:
            a, b = g.astype(np.float64), w.astype(np.float64)
            scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
            slack = SLACK[next(t.name for t in DTYPES.values() if t.numpy == g.dtype)] if g.dtype.kind != "i" else 0
            np.testing.assert_allclose(a, b, rtol=0, atol=slack * scale, err_msg=program.text)


COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large], "derandomize": True}


@pytest.mark.parametrize("part", range(4))
def test_programs(part: int) -> None:
    """400 programs a part at sizes of at least 1: tails, single elements, reversed and swapped strides."""

    @settings(max_examples=400, **COMMON)
    @given(programs(safe_extents=True), st.integers(1, 70), st.integers(1, 37), st.integers(part * 1000, part * 1000 + 999), st.booleans())
    def run(program: Written, n: int, m: int, seed: int, reverse: bool) -> None:
        agree(program, n, m, seed, reverse)

    run()


@settings(max_examples=500, **COMMON)
@given(programs(safe_extents=False), st.integers(0, 3), st.integers(0, 2), st.integers(0, 999), st.booleans())
def test_programs_of_empty_arrays(program: Written, n: int, m: int, seed: int, reverse: bool) -> None:
    agree(program, n, m, seed, reverse)
