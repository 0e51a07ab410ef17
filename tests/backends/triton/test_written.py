"""Programs that Hypothesis writes, by kernels in the interpreter, against the oracle: sizes of 0 and 1 and strides of every sign too."""

from __future__ import annotations

import os

import numpy as np
from backends.triton.worker import Worker
from differential.programs import Written, arrays, programs
from differential.test_programs import COMMON, SLACK
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorc as tc
from tensorc.dtypes import DTYPES
from tensorc.transform.simplify import simplify

COUNT = int(os.environ.get("TRITON_PROGRAMS", "60"))


@settings(max_examples=COUNT, **COMMON)
@given(programs(safe_extents=True), st.integers(1, 70), st.integers(1, 37), st.integers(0, 999), st.booleans())
def test_programs(interpreter: Worker, program: Written, n: int, m: int, seed: int, reverse: bool) -> None:
    agree(interpreter, program, n, m, seed, reverse)


@settings(max_examples=COUNT, **COMMON)
@given(programs(safe_extents=False), st.integers(0, 3), st.integers(0, 2), st.integers(0, 999), st.booleans())
def test_programs_of_empty_arrays(interpreter: Worker, program: Written, n: int, m: int, seed: int, reverse: bool) -> None:
    agree(interpreter, program, n, m, seed, reverse)


def agree(interpreter: Worker, program: Written, n: int, m: int, seed: int, reverse: bool) -> None:
    given = arrays(program, n, m, seed, reverse)
    f = tc.compile(program.text, name="written.tx").f
    want = f.reference(*given)
    lowered = simplify(f.lower(*given).program)
    got = interpreter.run(lowered, given, {"N": n, "M": m})
    for g, w in zip(got, want if isinstance(want, tuple) else (want,), strict=True):
        a, b = (x.astype(np.float64) if x.dtype.kind in "fV" else x for x in (g, np.asarray(w)))
        assert g.dtype == np.asarray(w).dtype and g.shape == np.shape(w), program.text
        if program.exact or g.dtype.kind == "i":
            np.testing.assert_array_equal(a, b, err_msg=program.text)
            continue
        slack = SLACK[next(t.name for t in DTYPES.values() if t.numpy == g.dtype)]
        np.testing.assert_allclose(a, b, rtol=0, atol=slack * max(1.0, float(np.max(np.abs(b), initial=0.0))), err_msg=program.text)
