"""Reductions over a nest's outer loops, in parts: what they compute, which loops are taken in parts, and which kernels are left alone."""

from __future__ import annotations

import pytest
from schedule.test_schedule import PROGRAMS, SIZES, at, fold, op, run, tensor

from tensorc.algebra import Index, evaluate, poly, size
from tensorc.dtypes import f16, f32
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Scatter, Tensor
from tensorc.loops.check import check
from tensorc.loops.nest import For, Schedule, Update, statements
from tensorc.loops.text import show
from tensorc.schedule import partial
from tensorc.schedule.program import schedule

N, M, K = map(size, "NMK")
X, V = Input("x", (N, M), f32), Input("v", (N,), f32)


def scheduled(*results: Tensor) -> Schedule:
    s = schedule(Program("p", (X, V), results)).usual
    check(s)
    return s


def sizes(s: Schedule, **known: int) -> dict[str, int]:
    """The sizes with those that follow from them."""
    for name, value in s.derived.items():
        known[name] = evaluate(value, known)
    return known


def parts(s: Schedule) -> dict[str, int]:
    """The loops of the first kernel that take parts, with how many parts 100 000 points have."""
    kernel = s.kernels[0]
    found = [loop for loop in statements(kernel.body) if isinstance(loop, For)]
    known = sizes(s, N=100_000, M=100_000)
    return {kernel.names[loop.axis]: evaluate(loop.part.number.extent, known) for loop in found if loop.part is not None}


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
    for known in SIZES:
        run(p, s, known)


def test_a_sum_of_all_elements() -> None:
    s = scheduled(fold("sum", (), (N,), lambda i: at(V, i)))
    assert {name: str(value) for name, value in s.derived.items()} == {
        "N_part": "8192*(N // 524288) + 8192",
        "N_parts": "(N - 1) // N_part + 1",
    }
    assert "\n\n".join(map(show, s.kernels)) == "\n".join(
        [
            "kernel t0(v: f32[N]) -> t0_part: f32[N_parts]",
            "  for j in N_parts: parallel serial",
            "    acc t0 = sum over i, vector 8",
            "    for i in N, part j of N_part: vector 8",
            "      t0 sum= v[i]",
            "    done t0",
            "    t0_part[j] = t0",
            "",
            "kernel t0_merge(t0_part: f32[N_parts]) -> result0: f32[]",
            "  acc t0 = sum over j",
            "  for j in N_parts: serial",
            "    t0 sum= t0_part[j]",
            "  done t0",
            "  result0 = t0",
        ]
    )


@pytest.mark.parametrize("n", [0, 1, 8191, 8192, 8193, 524287, 524288, 524289, 10**9])
def test_there_are_never_many_parts(n: int) -> None:
    s = scheduled(fold("sum", (), (N,), lambda i: at(V, i)))
    (part,) = [loop.part for loop in statements(s.kernels[0].body) if isinstance(loop, For) and loop.part is not None]
    count, points = evaluate(part.number.extent, sizes(s, N=n)), evaluate(part.size, sizes(s, N=n))
    assert count <= 64 and points % 8192 == 0 and (count - 1) * points < max(n, 1) <= max(count, 1) * points
    assert count >= min(n // 8192, 32)


def test_rows_and_columns_are_taken_in_parts() -> None:
    columns = scheduled(fold("sum", (M,), (N,), lambda j, i: at(X, i, j)))
    assert sorted(parts(columns).values()) == [13, 63]
    both = scheduled(fold("sum", (), (N, M), lambda i, j: at(X, i, j)))
    assert sorted(parts(both).values()) == [13, 64]


def test_rows_in_which_more_is_done_are_taken_whole() -> None:
    row = fold("sum", (N,), (M,), lambda i, j: at(X, i, j))
    share = tensor((N, M), lambda i, j: op("div", at(X, i, j), at(row, i)))
    s = scheduled(share, fold("sum", (M,), (N,), lambda j, i: at(share, i, j)))
    first, merge = s.kernels
    assert list(parts(s).values()) == [63] and "share" not in show(merge)
    assert sum(isinstance(s, Update) for s in statements(first.body)) == 1


@pytest.mark.parametrize(("rows", "columns", "count"), [(8, 100_000, 8), (8, 10, 1), (1000, 1000, 50), (100_000, 1000, 64)])
def test_parts_of_rows_have_much_to_do(rows: int, columns: int, count: int) -> None:
    """Where totals are in registers, so that a part costs nothing but its beginning."""
    loss = fold("sum", (N,), (M,), lambda i, j: op("exp", at(X, i, j)))
    s = scheduled(fold("sum", (), (N,), lambda i: op("log", at(loss, i))))
    (number,) = [loop.part.number for loop in statements(s.kernels[0].body) if isinstance(loop, For) and loop.part is not None]
    assert abs(evaluate(number.extent, sizes(s, N=rows, M=columns)) - count) <= count // 2


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
