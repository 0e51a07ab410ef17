"""The measurements of benchmarks/accuracy.py: that they measure, and that compiled functions keep to the bounds of the table."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tensorc.ir.operations import OPERATIONS

pytest.importorskip("mpmath")
pytest.importorskip("scipy")
pytest.importorskip("torch")

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "accuracy.py"
POINTS = 20_000


def script() -> Any:
    name = "benchmark_accuracy"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SCRIPT)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
        sys.path.insert(0, str(SCRIPT.parent))  # as when it is run
        try:
            spec.loader.exec_module(sys.modules[name])
        finally:
            sys.path.remove(str(SCRIPT.parent))
    return sys.modules[name]


def test_every_function_that_rounds_is_measured() -> None:
    assert {row.name for row in OPERATIONS.values() if row.rounds} <= set(script().FUNCTIONS)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("name", ["exp", "log", "sin", "tan", "tanh", "erfc", "lgamma", "pow", "atan2", "fmod"])
def test_bounds_hold(name: str, dtype: str) -> None:
    measured = script().measure(name, dtype, POINTS, exact_points=400)
    assert measured.points >= POINTS and measured.mismatches == 0
    assert 0 <= measured.mean <= measured.largest <= OPERATIONS[name].accuracy, measured


def test_points_are_even_in_their_bit_patterns() -> None:
    module = script()
    every = module.patterns(0.0, math.inf, 1 << 10, module.FORMATS["f32"], np.random.default_rng(0))
    assert every.dtype == np.float32 and every[0] == 0 and every[-1] == np.finfo(np.float32).max
    steps = np.diff(every.view(np.int32))
    assert steps.min() > 0 and steps.max() - steps.min() <= 1
    both = module.patterns(-math.inf, math.inf, 1000, module.FORMATS["f64"], np.random.default_rng(0))
    assert np.isfinite(both).all() and 400 < (both < 0).sum() < 600 and 400 < (abs(both) < 1).sum() < 600


def test_errors_are_in_units_of_the_result() -> None:
    module = script()
    form = module.FORMATS["f32"]
    values = np.array([1.0, 1.5, 0.75, -2.0, 2.0**-126, 2.0**-140, 0.0])
    assert module.unit_in_last_place(values, form).tolist() == [2**-23, 2**-23, 2**-24, 2**-22, 2**-149, 2**-149, 2**-149]
    exp = module.FUNCTIONS["exp"]
    for result, error in ((1.0, 0), (1 + 2**-23, 1), (1 - 2**-24, 0.5)):
        assert module.exact_error(exp, (0.0,), result, form) == error
    assert 0.6 < module.exact_error(exp, (-103.5,), 0.0, form) < 0.9  # exp(-103.5) is 0.79 of the least float, or 0


def test_a_wrong_result_is_found() -> None:
    module = script()
    form, function = module.FORMATS["f32"], module.FUNCTIONS["exp"]
    columns = module.arguments(function, 2000, form)
    with np.errstate(all="ignore"):
        right = np.exp(columns[0].astype(np.float64)).astype(np.float32)
    k = int(np.flatnonzero((right > 1.2) & (right < 1.4))[0])
    right[k] *= np.float32(1 + 4 * 2**-23)
    right[k + 1] = np.nan
    compared = module.compare(function, form, columns, right)
    assert compared.mismatches == 1 and int(np.argmax(compared.error)) == k and 4 <= compared.error[k] <= 6
    at, largest, mean = module.confirm(function, form, compared, 100)
    assert at == k and 4 <= largest <= 6 and 0 < mean < 0.3
