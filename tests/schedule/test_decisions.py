"""The scheduler's decisions, one at a time: what is kept, which axes are one, what shares a kernel, how loops are bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tensorc.algebra import Element, Index, Poly, fresh, poly, size
from tensorc.dtypes import f32, i64
from tensorc.ir import build, walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Define, Input, Load, Scalar, Scan, Sort, Tensor, View
from tensorc.loops.check import check
from tensorc.loops.nest import Bind, For, Kernel, Schedule, Update, statements
from tensorc.schedule.axes import unify
from tensorc.schedule.inline import inline
from tensorc.schedule.members import Unplaced
from tensorc.schedule.program import schedule
from tensorc.schedule.rules import Rule
from tensorc.schedule.separate import separate
from tensorc.schedule.stages import Sweep, arrange
from tensorc.schedule.views import split, through

N, M, K, H = size("N"), size("M"), size("K"), size("H")
X, Y, Z = Input("x", (N, M), f32), Input("y", (N, M), f32), Input("z", (M,), f32)
WEIGHTS = Input("w", (M, K), f32)


def at(t: Tensor, *places: Any) -> Scalar:
    return build.load(t, [poly(p) for p in places])


def op(operation: str, *arguments: Scalar | float) -> Scalar:
    return build.apply(operation, *(build.constant(a, f32) if isinstance(a, (int, float)) else a for a in arguments))


def tensor(extents: Sequence[Poly], body: Callable[..., Scalar]) -> Tensor:
    axes = [fresh(e) for e in extents]
    return build.define(axes, body(*axes))


def fold(monoid: str, extents: Sequence[Poly], bound: Sequence[Poly], body: Callable[..., Scalar]) -> Tensor:
    axes, reduced = [fresh(e) for e in extents], [fresh(e) for e in bound]
    return build.reduction(monoid, axes, reduced, body(*axes, *reduced))


def program(*results: Tensor) -> Program:
    inputs = tuple(t for t in walk.topological(results) if isinstance(t, Input))
    return Program("p", inputs, results)


def rules(*results: Tensor) -> list[Rule]:
    found = inline(program(*results), results).rules
    assert all(isinstance(r, Rule) for r in found)
    return [r for r in found if isinstance(r, Rule)]


def scheduled(*results: Tensor) -> Schedule:
    s = schedule(program(*results)).usual
    check(s)
    return s


def only(s: Schedule) -> Kernel:
    (k,) = s.kernels
    return k


def kernels(s: Schedule) -> int:
    """How many there are, but for those that only merge the parts of a reduction."""
    return sum(not k.name.endswith("_merge") for k in s.kernels)


def binds(k: Kernel) -> list[tuple[str, Bind]]:
    return [(k.names[s.axis], s.bind) for s in statements(k.body) if isinstance(s, For)]


# Inlining.

CHEAP = tensor((N, M), lambda i, j: op("add", at(X, i, j), 1.0))
DEAR = tensor((N, M), lambda i, j: op("exp", at(X, i, j)))


def both(t: Tensor) -> tuple[Tensor, Tensor]:
    return (
        tensor((N, M), lambda i, j: op("mul", at(t, i, j), at(Y, i, j))),
        tensor((N, M), lambda i, j: op("sub", at(t, i, j), at(Y, i, j))),
    )


def test_what_is_read_once_is_put_into_its_reader() -> None:
    assert len(rules(tensor((N, M), lambda i, j: op("sin", at(DEAR, i, j))))) == 1
    assert len(rules(fold("sum", (N,), (M,), lambda i, j: at(DEAR, i, j)))) == 1


def test_what_several_read_is_kept_where_it_is_dear() -> None:
    assert len(rules(*both(CHEAP))) == 2
    assert len(rules(*both(DEAR))) == 3


def test_what_reads_much_is_kept() -> None:
    several = [Input(f"a{n}", (N, M), f32) for n in range(5)]
    total: Tensor = several[0]
    for t in several[1:]:
        total = tensor((N, M), lambda i, j, t=t, total=total: op("add", at(total, i, j), at(t, i, j)))
    assert len(rules(*both(total))) == 3


def test_what_would_be_computed_along_further_axes_is_kept() -> None:
    def product(t: Tensor) -> Tensor:
        return fold("sum", (N, K), (M,), lambda i, k, j: op("mul", at(t, i, j), at(WEIGHTS, j, k)))

    assert len(rules(product(CHEAP))) == 1
    assert len(rules(product(DEAR))) == 2


def test_an_epilogue_is_kept_in_place_of_what_it_reads() -> None:
    z = fold("sum", (N, M), (K,), lambda i, j, k: op("mul", at(WEIGHTS, j, k), at(Input("v", (N, K), f32), i, k)))
    h = tensor((N, M), lambda i, j: op("add", at(z, i, j), at(Z, j)))
    s = scheduled(fold("sum", (N, K), (M,), lambda i, k, j: op("mul", at(h, i, j), at(WEIGHTS, j, k))))
    assert len(s.kernels) == 2 and len(s.intermediates) == 1


def test_what_is_read_at_several_places_is_kept_where_it_is_dear() -> None:
    def around(t: Tensor) -> Tensor:
        return tensor((N, M), lambda i, j: op("add", at(t, i, j), at(t, N - 1 - i, j)))

    assert len(rules(around(CHEAP))) == 1
    assert len(rules(around(DEAR))) == 2


def test_a_window_is_not_stored_for_its_guards() -> None:
    """Storing it would take a copy for each point of the window."""
    filters = Input("f", (H, K), f32)

    def term(o: Index, i: Index, r: Index) -> Scalar:
        place = poly(i) + r
        guarded = build.select(build.inside(place, M), at(Z, place), build.constant(0.0, f32))
        return op("mul", guarded, at(filters, o, r))

    s = scheduled(fold("sum", (H, M), (K,), term))
    assert not s.intermediates and len(s.kernels) == 1


def test_scalars_stay_shallow_and_small() -> None:
    t: Tensor = X
    for _ in range(300):
        t = tensor((N, M), lambda i, j, t=t: op("add", op("mul", at(t, i, j), at(t, i, j)), at(t, i, j)))
    found = rules(t)
    assert max(walk.depth(r.body) for r in found) <= 64
    assert max(r.work for r in found) < 500


def test_subscripts_are_kept_and_numbers_put_in() -> None:
    y = Input("ids", (N,), i64)
    shifted = tensor((N,), lambda i: build.apply("add", at(y, i), build.constant(1, i64)))
    wrapped = tensor((N,), lambda i: build.select(op_less(y, i), build.constant(0, i64), at(y, i)))
    assert len(rules(tensor((N, M), lambda i, j: op("neg", at(X, Element(shifted, (poly(i),)), j))))) == 1
    assert len(rules(tensor((N, M), lambda i, j: op("neg", at(X, Element(wrapped, (poly(i),)), j))))) == 2


def op_less(y: Tensor, i: Index) -> Scalar:
    return build.apply("lt", at(y, i), build.constant(0, i64))


def test_a_rule_that_nothing_reads_any_more_is_left_out() -> None:
    s = fold("sum", (N,), (M,), lambda i, j: at(X, i, j))
    guarded = tensor((N, M), lambda i, j: build.select(build.FALSE, at(s, i), at(X, i, j)))
    unread = Define((N, M), None, (), Load(guarded, (poly(Index(0, N)), poly(Index(1, M)))))
    assert len(scheduled(unread).kernels) == 1 and not scheduled(unread).intermediates


# Separating.


def test_a_term_of_fewer_axes_is_separated() -> None:
    s = Input("s", (N,), f32)
    y = tensor((N, M), lambda i, j: op("mul", at(X, i, j), op("rsqrt", op("add", at(s, i), 1e-5))))
    (separated,) = separate(program(y)).results
    assert [t.extents for t in walk.topological([separated]) if isinstance(t, Define)] == [(N,), (N, M)]
    k = only(scheduled(y))
    assert len(binds(k)) == 2


def test_a_cheap_term_is_not_separated() -> None:
    s = Input("s", (N,), f32)
    p = program(tensor((N, M), lambda i, j: op("mul", at(X, i, j), op("add", at(s, i), 1e-5))))
    assert separate(p) is p


# Views.


def test_a_view_keeps_the_axes_that_it_has_in_common() -> None:
    b, i, j = Index(0, H), Index(1, N * M), Index(2, K)
    assert through((poly(b), poly(i), poly(j)), (H, N * M, K), (H, N, M, K)) == (
        poly(b),
        poly(i) // M,
        poly(i) % M,
        poly(j),
    )
    assert split(poly(i), (N, M)) == (poly(i) // M, poly(i) % M)


def test_a_view_of_an_intermediate_is_an_alias() -> None:
    rows = Scan("sum", X, None, False)
    flat = View(rows, (N * M,))
    s = scheduled(fold("max", (), (N * M,), lambda e: at(flat, e)))
    ((alias, base),) = s.aliases.items()
    assert alias.extents == (N * M,) and base in s.intermediates and [k.name for k in s.kernels] == ["t0", "t1", "t1_merge"]


def test_a_result_that_is_a_view_is_stored_where_it_is_made() -> None:
    product = fold(
        "sum", (N * M, K), (H,), lambda i, k, h: op("mul", at(Input("a", (N * M, H), f32), i, h), at(Input("b", (H, K), f32), h, k))
    )
    s = scheduled(View(product, (N, M, K)))
    assert not s.intermediates and len(s.kernels) == 1


# Axes.


def test_an_axis_that_is_divided_is_split() -> None:
    flat = View(X, (N * M,))
    (r,) = rules(tensor((N * M,), lambda e: op("exp", at(flat, e))))
    space = unify([r])
    assert space is not None and [a.extent for a in space.out[r]] == [N, M]


def test_two_indices_of_one_rule_are_never_one_axis() -> None:
    square = Input("a", (N, N), f32)
    t = fold("sum", (N, N), (N,), lambda i, j, k: op("mul", at(square, i, k), at(square, j, k)))
    symmetric = tensor((N, N), lambda i, j: op("add", at(t, i, j), at(t, j, i)))
    first, second = rules(symmetric)
    assert unify([first, second]) is None
    space = unify([first])
    assert space is not None and len(set(space.out[first] + space.over[first])) == 3


def test_indices_of_other_extents_are_never_one_axis() -> None:
    part = fold("sum", (K,), (M,), lambda i, j: at(X, i, j))
    whole = fold("sum", (N,), (M,), lambda i, j: at(X, i, j))
    space = unify(rules(part, whole))
    assert space is not None and len({a for r in space.rules for a in space.out[r]}) == 2


# Stages and groups.


def test_a_reader_of_a_reduction_is_in_a_later_sweep() -> None:
    m = fold("max", (N,), (M,), lambda i, j: at(X, i, j))
    y = tensor((N, M), lambda i, j: op("sub", at(X, i, j), at(m, i)))
    space = unify(rules(y))
    assert space is not None
    nest = arrange(Unplaced().members(space))
    assert nest is not None
    (root,) = nest
    assert isinstance(root, Sweep) and [type(p) for p in root.body] == [Sweep, Sweep]


def test_the_outermost_loop_runs_once() -> None:
    m = fold("max", (M,), (N,), lambda j, i: at(X, i, j))
    assert kernels(scheduled(tensor((N, M), lambda i, j: op("sub", at(X, i, j), at(m, j))))) == 2
    assert kernels(scheduled(tensor((M,), lambda j: op("exp", at(m, j))))) == 1


def test_columns_accumulate_in_memory_and_rows_in_registers() -> None:
    columns, rows_ = fold("sum", (M,), (N,), lambda j, i: at(X, i, j)), fold("sum", (N,), (M,), lambda i, j: at(X, i, j))
    k, _ = scheduled(columns, rows_).kernels
    assert sum(isinstance(s, Update) for s in statements(k.body)) == 1
    assert [b for _, b in binds(k)] == [Bind(), Bind("vector", 1), Bind(), Bind("vector", 4)]  # parts, filling, rows, columns


def test_branches_that_meet_share_a_kernel() -> None:
    def soft(x: Tensor) -> Tensor:
        s = fold("sum", (N,), (M,), lambda i, j: op("exp", at(x, i, j)))
        return tensor((N, M), lambda i, j: op("div", op("exp", at(x, i, j)), at(s, i)))

    assert len(scheduled(tensor((N, M), lambda i, j: op("sub", at(soft(X), i, j), at(soft(Y), i, j)))).kernels) == 1


def test_siblings_share_what_they_read() -> None:
    assert len(scheduled(fold("sum", (N,), (M,), lambda i, j: at(X, i, j)), fold("max", (N,), (M,), lambda i, j: at(X, i, j))).kernels) == 1
    assert len(scheduled(fold("sum", (N,), (M,), lambda i, j: at(X, i, j)), fold("max", (N,), (M,), lambda i, j: at(Y, i, j))).kernels) == 2


def product(a: Tensor, b: Tensor) -> Tensor:
    *batch, n, k = a.extents
    axes = [*batch, n, b.extents[-1]]
    return fold("sum", axes, [k], lambda *i: op("mul", at(a, *i[:-2], i[-1]), at(b, *i[: len(batch)], i[-1], i[-2])))


def row_softmax(x: Tensor) -> Tensor:
    s = fold("sum", x.extents[:-1], x.extents[-1:], lambda *i: op("exp", at(x, *i)))
    return tensor(x.extents, lambda *i: op("div", op("exp", at(x, *i)), at(s, *i[:-1])))


@pytest.mark.parametrize("batch, kernels", [((), 1), ((H,), 1)])
def test_a_chain_by_way_of_a_statistic_is_one_kernel(batch: tuple[Poly, ...], kernels: int) -> None:
    q, k, v = Input("q", (*batch, N, K), f32), Input("k", (*batch, K, M), f32), Input("v", (*batch, M, K), f32)
    assert len(scheduled(product(row_softmax(product(q, k)), v)).kernels) == kernels


def test_a_chain_of_products_is_several() -> None:
    q, k, v = Input("q", (N, K), f32), Input("k", (K, M), f32), Input("v", (M, H), f32)
    hidden = product(q, k)
    assert len(scheduled(product(hidden, v)).kernels) == 2
    matched = tensor((N, M), lambda i, j: op("add", at(hidden, i, j), at(X, i, j)))
    assert len(scheduled(product(row_softmax(matched), v)).kernels) > 1


# Binding.


def test_lanes_go_where_elements_are_neighbours() -> None:
    turned = tensor((M, N), lambda j, i: op("exp", at(X, i, j)))
    s = fold("sum", (M,), (N,), lambda j, i: at(turned, j, i))
    assert [b for b in binds(scheduled(s).kernels[0]) if b[0] == "i"][-1] == ("i", Bind("vector", 2))


def test_columns_take_several_rows() -> None:
    k = scheduled(fold("sum", (M,), (N,), lambda j, i: at(X, i, j))).kernels[0]
    assert binds(k)[-2:] == [("j", Bind("unroll", 4)), ("i", Bind("vector", 2))]


def test_products_take_several_rows() -> None:
    k = only(scheduled(product(Input("a", (N, K), f32), Input("b", (K, M), f32))))
    panel = [("k", Bind()), ("j", Bind("vector", 1))]
    assert binds(k) == [("j", Bind("tile", 64)), *panel, ("j", Bind("vector", 4)), ("i", Bind("unroll", 6)), ("k", Bind())]


def test_small_extents_get_no_lanes() -> None:
    x = Input("x", (N, poly(3)), f32)
    k = only(scheduled(fold("sum", (N,), (poly(3),), lambda i, j: at(x, i, j))))
    assert binds(k)[0][1].kind == "vector"


def test_parallel_loops_are_the_outer_ones() -> None:
    x = Input("x", (H, N, M), f32)
    k = only(scheduled(fold("sum", (H, N), (M,), lambda h, i, j: at(x, h, i, j))))
    assert [s.parallel for s in statements(k.body) if isinstance(s, For)] == [True, True, False]
    k, _ = scheduled(fold("sum", (), (N, M), lambda i, j: at(X, i, j))).kernels
    assert [s.parallel for s in statements(k.body) if isinstance(s, For)] == [True, True, False, False]


def test_sorted_keys_are_in_memory() -> None:
    s = scheduled(Sort(tensor((N, M), lambda i, j: op("neg", at(X, i, j))), False), Sort(View(X, (N * M,)), False))
    assert len(s.intermediates) == 2 and len(s.kernels) == 4


def test_a_scan_is_stored_where_an_output_has_its_elements() -> None:
    scan = Scan("max", X, None, False)
    turned = tensor((M, N), lambda i, j: at(scan, j, i))
    (kernel,) = scheduled(turned).kernels
    assert [b.extents for b in kernel.writes] == [(M, N)]
    for other in (fold("sum", (N,), (M,), lambda i, j: at(scan, i, j)), tensor((M, N), lambda i, j: op("exp", at(turned, i, j)))):
        first = scheduled(turned, other).kernels[0]
        assert [b.extents for b in first.writes] == [(N, M)]  # others read it as it is
