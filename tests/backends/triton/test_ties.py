"""The derivative of a maximum by Triton kernels: a pass that makes the compared values again makes the same ones."""

from __future__ import annotations

import numpy as np
import pytest
from backends.triton.worker import Worker
from transform.test_ties import draw_arrays, module

from tensorc.transform.simplify import simplify

BODIES = [
    "sum[k](x[i, k] * z[j, k]) + b[i]",
    "sum[k]((x[i, k] - z[j, k]) ** 2 + b[i] * u[k])",
    "exp(sum[k](x[i, k] * z[j, k]) / 8) + b[i]",
    "log(1 + sum[k](x[i, k] * w[k] * z[j, k]) ** 2) / (1 + sum[k](z[j, k] ** 2)) + b[i]",
]


@pytest.mark.parametrize("dtype", ["f32", "f16"])
@pytest.mark.parametrize("body", BODIES)
def test_every_row_has_what_attains_its_maximum(interpreter: Worker, body: str, dtype: str) -> None:
    made = module(body, dtype, "max")
    gradient = made.total.grad(wrt="b")
    for shape in ((5, 7, 3), (33, 65, 17), (70, 130, 16)):
        arrays = draw_arrays(shape, dtype, 0)
        program = simplify(gradient.lower(*arrays).program)
        (rows,) = interpreter.run(program, arrays, dict(zip("NMK", shape, strict=True)))
        np.testing.assert_allclose(rows.astype(np.float64), arrays[-1].astype(np.float64), rtol=1e-2, err_msg=f"{body} {dtype} {shape}")
