"""Random programs: whatever parses is right, or is refused with diagnostics; and what is right gives the same compiled as by the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tensorc as tc
from tensorc.diagnostics import CompileError
from tensorc.elaborate import check, load_unit
from tensorc.elaborate.library import library_names
from tensorc.render import render, to_json
from tensorc.rules import RULES
from tensorc.source import Source

FUNCTIONS = """\
import std.nn as nn
fn g(x: f32[N], k: int = 1) = x * k
fn h(x: f32[...]) = sum(x)
"""

HEADS = (
    'fn f<T: float>(x: T[N], y: f32[N, M], i: i64[K], b: bool[N], s: f32, w: f32[...S, N], k: int = 2, mode: str = "a", dt: dtype = f32)',
    "fn f(x: f32[N], y: f32[N, M], i: i64[N], b: bool[N, M], s: f32[], w: f32[...S], k: int)",
    "fn f(x: f32[3], y: f32[3, N], i: u8[N], b: bool[3], s: f64, w: f16[2*N + 1], k: int, dt: dtype)",
)

ATOMS = [
    "x",
    "y",
    "i",
    "b",
    "s",
    "w",
    "N",
    "M",
    "K",
    "k",
    "mode",
    "dt",
    "0",
    "1",
    "2",
    "-1",
    "3",
    "0.5",
    "1e30",
    "true",
    "none",
    "inf",
    "nan",
    '"a"',
    "f32",
    "i64",
    "u8",
    "bool",
    "[]",
    "300",
    "9223372036854775808",
    "z",
    "nn",
    "p",
    "q",
    "r",
    "sum",
    "g",
    "h",
    "f",
    "...S",
]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "@", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or"]
BINDINGS = ["p", "q", "p < N", "q < 3", "p in 1..N", "q in 1..N - 1", "r < k", "x", "p < q"]
ITEMS = [":", "...", "none", "1:", "::-1", ":-1", "p", "q", "p + 1", "p - 1", "p // 2", "p % N", "x", "i", "b", ":k", "::0", "0.5"]
TYPES = [
    "f32",
    "f32[N]",
    "f32[_, M]",
    "i64[...S]",
    "f64[N + 1, M // 2]",
    "int",
    "bool",
    "(f32[N], f32)",
    "T[N]",
    "f32[...]",
    "f32[N % M, k]",
    "f32[q]",
]


def expressions() -> st.SearchStrategy[str]:
    """Expressions of no type in particular."""

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        some = st.lists(inner, max_size=3).map(", ".join)
        keyword = st.tuples(st.sampled_from(["axis", "keepdims", "k", "x", "wrt", "in_axes"]), inner).map("=".join)
        arguments = st.one_of(some, st.tuples(inner, keyword).map(", ".join))
        items = st.lists(st.one_of(st.sampled_from(ITEMS), inner), min_size=1, max_size=3).map(", ".join)
        bindings = st.lists(st.sampled_from(BINDINGS), min_size=1, max_size=2).map(", ".join)
        value = st.one_of(st.sampled_from(["x", "y", "i", "w", "nn"]), inner.map("({})".format))
        name = st.sampled_from([*sorted(library_names()), "g", "h"])
        head = st.sampled_from(["sum", "prod", "max", "mean", "any", "argmax", "tensor", "exp", "g"])
        transform = st.sampled_from(["grad", "vmap", "vjp", "jvp", "value_and_grad"])
        return st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
            st.builds("({}{})".format, st.sampled_from(["-", "~", "not "]), inner),
            st.builds("{}({})".format, name, arguments),
            st.builds("{}.{}({})".format, value, name, arguments),
            st.builds("{}[{}]".format, value, items),
            st.builds("{}[{} else {}]".format, value, items, inner),
            st.builds("{}[{}]({})".format, head, bindings, inner),
            st.builds("{}.{}".format, value, st.sampled_from(["T", "mT", "shape", "ndim", "foo"])),
            st.builds("[{}]".format, some),
            st.builds("({},)".format, inner),
            st.builds("{}({})({})".format, transform, st.one_of(st.sampled_from(["g", "h", "exp"]), inner), arguments),
        )

    return st.recursive(st.sampled_from(ATOMS), larger, max_leaves=8)


def statements(expression: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        expression.map("let v = {}".format),
        st.builds("let v[{}] = {}".format, st.sampled_from(BINDINGS), expression),
        st.builds("let (v, _) = {}".format, expression),
        st.builds("let v: {} = {}".format, st.sampled_from(TYPES), expression),
        expression.map("require {}".format),
    )


def survives(program: str) -> bool:
    """Whether a program is right; if not, its diagnostics can be shown and have rows in the registry."""
    try:
        found = check(load_unit(Source("noise.tx", program)))
    except CompileError as error:
        found = list(error.diagnostics)
        assert found
    render(found, color=True).encode()
    to_json(found)
    for d in found:
        assert d.code in RULES and d.labels
    return not found


@given(st.sampled_from(HEADS), st.sampled_from(["", *TYPES]), st.lists(statements(expressions()), max_size=2), expressions())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_program(head: str, result: str, body: list[str], returned: str) -> None:
    survives(f"{FUNCTIONS}{head}{' -> ' + result if result else ''} {{ {' '.join(body)} return {returned} }}")


# Programs that are mostly right.


def vectors() -> st.SearchStrategy[str]:
    """Expressions of shape [N], in array notation and in index notation."""

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/"]), inner),
            st.builds("{}({})".format, st.sampled_from(["abs", "relu", "sigmoid", "cumsum", "flip", "tanh", "softmax"]), inner),
            st.builds("where({} > {}, {}, {})".format, inner, inner, inner, inner),
            st.builds("maximum({}, {})".format, inner, inner),
            st.builds("({})[{}]".format, inner, st.sampled_from(["::-1", "i", "...", ":", "0:N"])),
            st.builds("tensor[p < N]({})".format, elements()),
            st.builds("({} + sum({}))".format, inner, inner),
        )

    return st.recursive(st.sampled_from(["x", "x", "y[:, 0]", "sum(y, axis=1)", "y @ y[0]"]), larger, max_leaves=5)


def elements() -> st.SearchStrategy[str]:
    """Expressions of one element at the index p."""

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        place = st.sampled_from(["p", "N - 1 - p", "(p + 1) % N", "p // 2", "p - p % 3", "i[p]", "0", "N - 1"])
        return st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*"]), inner),
            st.builds("where({} < {}, {}, {})".format, inner, inner, inner, inner),
            st.builds("x[{}]".format, place),
            st.builds("x[{} else {}]".format, st.sampled_from(["p - 1", "p + 2", "2 * p", "i[p] - 1", "p * p"]), inner),
            st.builds("{}[q](y[p, q] * {})".format, st.sampled_from(["sum", "max", "mean"]), inner),
            st.builds("y[p, ({}) % M]".format, place),
            st.builds("exp(-abs({}))".format, inner),
        )

    return st.recursive(st.sampled_from(["x[p]", "y[p, 0]", "p", "s", "0.5", "2"]), larger, max_leaves=4)


@given(vectors(), st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_right_program_gives_what_the_oracle_gives(expression: str, n: int, m: int, seed: int) -> None:
    source = f"fn f(x: f32[N], y: f32[N, M], i: i64[N], s: f32) = {expression}"
    if not survives(source):
        return
    rng = np.random.default_rng(seed)
    arguments: list[Any] = [rng.normal(size=n), rng.normal(size=(n, m)), rng.integers(0, n, n), rng.normal()]
    arguments = [np.asarray(a, np.int64 if a is arguments[2] else np.float32) for a in arguments]
    function = tc.compile(source).f
    wanted = function.reference(*arguments)
    np.testing.assert_allclose(function(*arguments), wanted, rtol=2e-3, atol=2e-3)
