"""Reductions over a nest's outer loops, in parts: what they compute, which loops are taken in parts, and which kernels are left alone."""

from __future__ import annotations

import pytest
from schedule.test_schedule import PROGRAMS, SIZES, at, fold, op, run, tensor

from tensorc.algebra import Index, evaluate, poly, size
from tensorc.dtypes import f16, f32
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Scan, Scatter, Tensor
from tensorc.loops.check import check
from tensorc.loops.nest import For, Kernel, Schedule, Update, statements
from tensorc.loops.text import show
from tensorc.schedule import partial, schedule

N, M, K = map(size, "NMK")
X, V = Input("x", (N, M), f32), Input("v", (N,), f32)


def scheduled(*results: Tensor) -> Schedule:
    s = schedule(Program("p", (X, V), results))
    check(s)
    return s


def parts(k: Kernel) -> dict[str, int]:
    """The loops that take parts, with how many parts 100 000 points have."""
    found = [s for s in statements(k.body) if isinstance(s, For) and s.part is not None]
    return {k.names[s.axis]: evaluate(s.part.number.extent, {"N": 100_000, "M": 100_000}) for s in found if s.part is not None}


@pytest.mark.parametrize("name", PROGRAMS)
def test_parts_compute_what_the_oracle_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With such small parts that there are several of them, as many as there may be and fewer."""
    monkeypatch.setattr(partial, "POINTS", 4)
    monkeypatch.setattr(partial, "ROWS", 2)
    monkeypatch.setattr(partial, "PARTS", 2)
    monkeypatch.setattr(partial, "FEW", 2)
    monkeypatch.setattr(partial, "SMALL", 0)
    p = PROGRAMS[name]()
    s = schedule(p)
    check(s)
    for sizes in SIZES:
        run(p, s, sizes)


def test_a_sum_of_all_elements() -> None:
    s = scheduled(fold("sum", (), (N,), lambda i: at(V, i)))
    assert "\n\n".join(map(show, s.kernels)) == "\n".join(
        [
            "kernel t0(v: f32[N]) -> t0_part: f32[(N - 1) // (8192*(N // 524288) + 8192) + 1]",
            "  for j in (N - 1) // (8192*(N // 524288) + 8192) + 1: parallel serial",
            "    acc t0 = sum over i, vector 4",
            "    for i in N, part j of 8192*(N // 524288) + 8192: vector 4",
            "      t0 sum= v[i]",
            "    done t0",
            "    t0_part[j] = t0",
            "",
            "kernel t0_merge(t0_part: f32[(N - 1) // (8192*(N // 524288) + 8192) + 1]) -> result0: f32[]",
            "  acc t0 = sum over j, vector 1",
            "  for j in (N - 1) // (8192*(N // 524288) + 8192) + 1: vector 1",
            "    t0 sum= t0_part[j]",
            "  done t0",
            "  result0 = t0",
        ]
    )


@pytest.mark.parametrize("n", [0, 1, 8191, 8192, 8193, 524287, 524288, 524289, 10**9])
def test_there_are_never_many_parts(n: int) -> None:
    (first, _) = scheduled(fold("sum", (), (N,), lambda i: at(V, i))).kernels
    (loop,) = [s.part for s in statements(first.body) if isinstance(s, For) and s.part is not None]
    count, points = evaluate(loop.number.extent, {"N": n}), evaluate(loop.size, {"N": n})
    assert count <= 64 and points % 8192 == 0 and (count - 1) * points < max(n, 1) <= max(count, 1) * points
    assert count >= min(n // 8192, 32)


def test_rows_and_columns_are_taken_in_parts() -> None:
    columns, _ = scheduled(fold("sum", (M,), (N,), lambda j, i: at(X, i, j))).kernels
    assert sorted(parts(columns).values()) == [13, 63]
    both, _ = scheduled(fold("sum", (), (N, M), lambda i, j: at(X, i, j))).kernels
    assert sorted(parts(both).values()) == [13, 64]


def test_rows_in_which_more_is_done_are_taken_whole() -> None:
    row = fold("sum", (N,), (M,), lambda i, j: at(X, i, j))
    share = tensor((N, M), lambda i, j: op("div", at(X, i, j), at(row, i)))
    first, merge = scheduled(share, fold("sum", (M,), (N,), lambda j, i: at(share, i, j))).kernels
    assert list(parts(first).values()) == [63] and "share" not in show(merge)
    assert sum(isinstance(s, Update) for s in statements(first.body)) == 1


@pytest.mark.parametrize(("rows", "columns", "count"), [(8, 100_000, 8), (8, 10, 1), (1000, 1000, 50), (100_000, 1000, 64)])
def test_parts_of_rows_have_much_to_do(rows: int, columns: int, count: int) -> None:
    """Where totals are in registers, so that a part costs nothing but its beginning."""
    loss = fold("sum", (N,), (M,), lambda i, j: op("exp", at(X, i, j)))
    first, _ = scheduled(fold("sum", (), (N,), lambda i: op("log", at(loss, i)))).kernels
    (number,) = [s.part.number for s in statements(first.body) if isinstance(s, For) and s.part is not None]
    assert abs(evaluate(number.extent, {"N": rows, "M": columns}) - count) <= count // 2


def test_what_follows_runs_after_the_merge() -> None:
    def divided(s: Tensor) -> Tensor:
        return tensor(s.extents, lambda *axes: op("div", at(s, *axes), 3.0))

    columns = fold("sum", (M,), (N,), lambda j, i: at(X, i, j))
    s = scheduled(divided(columns), divided(fold("sum", (), (N, M), lambda i, j: at(X, i, j))))
    assert [k.name.endswith("_merge") for k in s.kernels] == [False, True] and len(s.intermediates) == 2


def test_half_floats_are_rounded_once() -> None:
    x = Input("x", (N,), f16)
    s = schedule(Program("p", (x,), (fold("sum", (), (N,), lambda i: at(x, i)),)))
    (copy,) = s.intermediates
    assert copy.dtype is f32
    check(s)


def test_small_sums_are_left_as_they_are() -> None:
    x = Input("x", (poly(1000),), f32)
    assert len(schedule(Program("p", (x,), (fold("sum", (), (poly(1000),), lambda i: at(x, i)),))).kernels) == 1


def test_what_depends_on_the_order_is_left_as_it_is() -> None:
    place = Input("place", (N,), f32)
    i = Index(0, N)
    added = Scatter((N,), (N,), (poly(i),), at(place, i), None)
    s = schedule(Program("p", (place,), (added,)))
    assert not s.intermediates and len(s.kernels) == 1


def test_rows_are_not_reduced() -> None:
    assert len(scheduled(fold("sum", (N,), (M,), lambda i, j: at(X, i, j))).kernels) == 1
