"""Scans of one row in parts: what they compute, and which scans are left as they are."""

from __future__ import annotations

import numpy as np
import pytest
from schedule.test_partial import sizes
from schedule.test_schedule import at, fold, op, run, tensor

from tensorc.algebra import evaluate, poly, size
from tensorc.dtypes import DType, f16, f32, i8, i64
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Scan, Tensor
from tensorc.loops.check import check
from tensorc.loops.nest import For, Schedule, statements
from tensorc.schedule import running
from tensorc.schedule.program import schedule

N, M = size("N"), size("M")


def scheduled(*results: Tensor) -> Schedule:
    inputs = dict.fromkeys(load for r in results for load in _inputs(r))
    s = schedule(Program("p", tuple(inputs), results))
    check(s)
    return s


def _inputs(t: Tensor) -> list[Input]:
    from tensorc.ir.walk import topological

    return [i for i in topological([t]) if isinstance(i, Input)]


def vector(dtype: DType = f32) -> Input:
    return Input("x", (N,), dtype)


@pytest.mark.parametrize("dtype", [f32, i8, i64])
@pytest.mark.parametrize("monoid", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("reverse", [False, True])
def test_parts_compute_what_the_oracle_does(dtype: DType, monoid: str, reverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "POINTS", 4)
    monkeypatch.setattr(running, "PARTS", 3)
    source = tensor((N,), lambda i: op("mul", at(vector(dtype), i), at(vector(dtype), i)))
    p = Program("p", (vector(dtype),), (Scan(monoid, source, None, reverse),))
    s = schedule(p)
    check(s)
    assert len(s.kernels) == 3
    for n in (0, 1, 3, 4, 5, 8, 11, 12, 13, 24, 25, 100):
        run(p, s, {"N": n, "M": 1})


@pytest.mark.parametrize("n", [0, 1, 8191, 8192, 8193, 524287, 524288, 524289, 10**9])
def test_a_short_row_is_one_part_and_a_long_one_never_many(n: int) -> None:
    s = scheduled(Scan("sum", vector(), None, False))
    known = sizes(s, N=n)
    totals, _, last = s.kernels
    for kernel, count in ((totals, n // 8192), (last, n // 8192 + 1)):
        (part,) = [loop.part for loop in statements(kernel.body) if isinstance(loop, For) and loop.part is not None]
        parts, points = evaluate(part.number.extent, known), evaluate(part.size, known)
        assert parts == count if n < 524288 else 32 <= parts <= 65
        assert points % 8192 == 0 and n < (n // points + 1) * points


@pytest.mark.parametrize(
    "scan",
    [
        Scan("sum", Input("x", (N, M), f32), None, False),
        Scan("sum", vector(f16), None, False),
        Scan("sum", vector(), Input("d", (N,), f32), False),
        Scan("sum", Input("x", (poly(1000),), f32), None, False),
        Scan("sum", tensor((N,), lambda i: op("exp", at(vector(), i))), None, False),
    ],
    ids=["rows", "half floats", "a decay", "a short row", "a dear term"],
)
def test_other_scans_are_left_as_they_are(scan: Scan) -> None:
    assert len(scheduled(scan).kernels) == 1


def test_scans_of_scans_have_memory_of_their_own() -> None:
    first = Scan("sum", vector(), None, False)
    s = scheduled(first, Scan("max", first, None, True), fold("sum", (), (N,), lambda i: at(first, i)))
    names = [b.name for b in s.intermediates]
    assert len(set(names)) == len(names) == 5
    assert np.all([k.name for k in s.kernels])
