"""A check goes through each function once, says of calls what going through them says, and equal calls are expanded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tensorc.dtypes import f32
from tensorc.elaborate import ArgumentType, check, context, instantiate, load_unit, signatures, statements
from tensorc.ir.walk import topological
from tensorc.render import render
from tensorc.source import Source


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often the body of each function is gone through."""
    counts: Counter[str] = Counter()
    body = statements.body

    def counted(evaluator: Any, function: Any, scope: Any) -> Any:
        if not scope.unit.is_library:
            counts[function.name] += 1
        return body(evaluator, function, scope)

    monkeypatch.setattr(statements, "body", counted)
    yield counts


def chain(count: int, body: str, last: str) -> str:
    """Functions that each call the next."""
    calls = "".join(f"fn g{k}(x: f32[N]) = {body.replace('g(', f'g{k - 1}(')}\n" for k in range(count, 0, -1))
    return calls + f"fn g0(x: f32[N]) = {last}\n"


@pytest.mark.parametrize("body", ["g(x)", "tanh(g(x)) * 2 + x", "g(g(x + 1)) + g(x)", "tensor[i](g(x)[i] + 1)", "grad(loss)(g(x))"])
@pytest.mark.parametrize("last", ["x", "sin(x)", "x + x[1:-1].sum()", "x @ nope"])
def test_a_check_goes_through_each_function_a_few_times(bodies: Counter[str], body: str, last: str) -> None:
    count = 8 if "g(g(" in body else 40
    found = check(load_unit(Source("chain.tx", chain(count, body, last) + "fn loss(x: f32[N]) = sum(x * x)\n")))
    assert [d.code for d in found] == (["E0201"] if "nope" in last else [])
    del bodies["loss"]
    assert set(bodies.values()) <= {1, 2}, "once for itself, and once for those that call it"


def test_calls_in_a_circle_are_found_at_once(bodies: Counter[str]) -> None:
    text = "".join(f"fn g{k}(x: f32[N]) -> f32[N] = g{(k + 1) % 30}(x)\n" for k in range(30))
    assert [d.code for d in check(load_unit(Source("circle.tx", text)))] == ["E0606"] * 30
    assert max(bodies.values()) <= 30


def test_equal_calls_are_expanded_once(bodies: Counter[str]) -> None:
    unit = load_unit(Source("doubling.tx", chain(60, "g(x) * g(x)", "sin(x)")))
    program = instantiate(unit, "g60", [ArgumentType(f32, 1)]).program
    assert set(bodies.values()) == {1}
    assert len(topological(program.results)) < 10


def test_calls_that_expand_to_too_many_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MOST_CALLS", 500)
    found = check(load_unit(Source("many.tx", chain(16, "g(g(x))", "sin(x)"))))
    assert {d.code for d in found} == {"E0614"}


def test_equal_calls_inside_of_functions_count_once() -> None:
    step = "fn g{0}(x: f32[N]) = a{0}(x) + b{0}(x)\nfn a{0}(x: f32[N]) = g{1}(x) + 1\nfn b{0}(x: f32[N]) = g{1}(x) * 2\n"
    text = "".join(step.format(k, k - 1) for k in range(60, 0, -1)) + "fn g0(x: f32[N]) = sin(x)\n"
    unit = load_unit(Source("diamonds.tx", text))
    assert check(unit) == []
    assert len(topological(instantiate(unit, "g60", [ArgumentType(f32, 1)]).program.results)) < 200


def test_what_a_check_has_made_is_used() -> None:
    unit = load_unit(Source("kept.tx", "fn g(x: f32[N]) = sin(x)\nfn f(x: f32[N], k: int = 2) = g(x) * k\n"))
    assert check(unit) == []
    first = instantiate(unit, "g", [ArgumentType(f32, 1)])
    assert instantiate(unit, "g", [ArgumentType(f32, 1)]) is first
    assert instantiate(unit, "g", [ArgumentType(f32, 1, frozenset({0}))]) is not first
    (result,) = instantiate(unit, "f", [ArgumentType(f32, 1), 2]).program.results
    assert all("~" not in getattr(t, "name", "") for t in topological((result,))), "no stand-in of a call is in a program"


CALLEES = """
fn half(x: f32[N]) -> f32[N // 2] {
    require N % 2 == 0, "even"
    return x[: N // 2]
}
fn inner(x: f32[...S, N], k: int = 1) = x[..., k:] - x[..., : N - k]
fn at(x: f32[N], i: i64) = x[i]
fn row(x: f32[M, N], i: i64[K]) { let y[k, j] = x[i[k], j] return y }
fn pair(x: f32[M, N]) = (x.T, sum(x, axis=0), M * N, 2.5)
fn places(x: f32[N]) = argsort(x)
fn iota(x: f32[N]) = arange(N)
fn cut(x: f32[N], y: f32[N - 1]) { let z[i < N - 1] = x[i] + x[i + 1] * y[i] return z }
fn scaled(x: f32[N], s: float, mode: str = "none") = x * s
fn loose(x: f32[_, _]) = x @ x.T
fn mask(x: f32[N]) = x > 0
fn least(x: f32[N]) { require N > 3 return sum(x[:3]) }
fn few(x: f32[N]) { require N < 3 return sum(x) }
fn whole(x: f32[3]) = x + 1
fn product<T: num>(a: T[M, K], b: T[K, N]) = a @ b
"""

CALLS = (
    "half(x) + x",
    "half(x) + half(y)",
    "half(half(x))",
    "half(p[0]) + 1",
    "half(ones([3]))",
    "least(x) + few(x)",
    "few(x[2:])",
    "inner(x)",
    "inner(p, 2) + p",
    "inner(p, k=M)",
    "inner(x[:0])",
    "at(x, 7)",
    "at(ones([3]), 7)",
    "at(x, n[0])",
    "tensor[i](at(x, i))",
    "tensor[i](at(x, i + 1))",
    "tensor[i < 5](at(ones([3]), i))",
    "row(p, n)",
    "row(p, iota(x))",
    "row(p, places(x))",
    "tensor[i](x[places(x)[i]])",
    "tensor[i](ones([3])[iota(x)[i]])",
    "tensor[i](y[iota(x)[i]])",
    "pair(p)[0] @ pair(p)[0]",
    "pair(p)[1] + y",
    "pair(p)[1] + x",
    "zeros([pair(p)[2]]) + x",
    "x * pair(p)[3]",
    "n + pair(p)[3]",
    "cut(x, x)",
    "cut(x, x[1:])",
    "cut(ones([4]), ones([4]))",
    "scaled(x, 2)",
    "scaled(x, x[0])",
    "scaled(x, 2, mode=1)",
    "scaled(x, s=N)",
    "loose(p) + p",
    "loose(p) + x",
    "where(mask(x), x, y)",
    "where(mask(x), x, 1)",
    "mask(x) + mask(y)",
    "whole(x)",
    "whole(ones([3]))",
    "product(p, p)",
    "product(p, p.T)",
    "product(p, n)",
    "product(n, n)",
    "vmap(at)(p, n)",
    "grad(least)(x) + y",
    "grad(half)(x)",
    "vmap(least)(p) + x",
    "jvp(scaled)(x, 2.0, y)",
    "least(y) + (least(x) + few(y))",
    "tensor[i](least(x) + y[i])",
    "tensor[i, j](p[i, j] + half(x)[j])",
    "tensor[i](half(p[i, :])[i])",
)


def test_what_is_said_of_calls_is_what_going_through_them_says(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{CALLEES}fn f(x: f32[N], y: f32[L], p: f32[M, N], n: i64[N]) {{\n let r = {e}\n return r }}\n" for e in CALLS]
    with_signatures = [render(check(load_unit(Source("calls.tx", text)))) for text in texts]

    def through(*_: Any) -> Any:
        yield from ()

    monkeypatch.setattr(signatures, "of_call", through)
    for text, found in zip(texts, with_signatures, strict=True):
        assert found == render(check(load_unit(Source("calls.tx", text)))), text
    assert sum(not found for found in with_signatures) > 10
    assert sum(bool(found) for found in with_signatures) > 10
