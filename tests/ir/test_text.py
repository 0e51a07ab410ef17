"""The typed IR prints as .tx, is legal, and reads back to the identical objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tensorc.dtypes import DTYPES, KINDS
from tensorc.elaborate import MISSING, ArgumentType, instantiate, load_unit, parameters
from tensorc.elaborate.reading import read
from tensorc.ir.check import check
from tensorc.ir.program import Program
from tensorc.ir.text import show
from tensorc.source import Source

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.tx"))

PROGRAMS = {
    "softmax": "fn f(x: f32[N, M]) = softmax(x)",
    "layer norm and gelu": "fn f(x: f32[N, D], w: f32[D], b: f32[D]) = gelu(layer_norm(x, w, b))",
    "gather": "fn f(x: f32[N, K], y: i32[N]) = cross_entropy(x, y)",
    "arithmetic on a gathered place": "fn f(x: f32[N], y: i32[K]) { let g[k] = x[y[k] + 1]\n return g }",
    "argmax and a scan": "fn f(x: f16[N, K], y: i32[N]) = (argmax(x, axis=-1) + y, cumsum(x, axis=0), cummax(x, axis=1))",
    "sort": "fn f(x: f64[N, K]) = (sort(x), argsort(x, axis=0, descending=true))",
    "views": "fn f(x: f32[N, K]) = (reshape(x, [K, N]), x.T, x[::-1, None], x.T @ x)",
    "guards": "fn f(u: f32[H, W]) { let v[i, j] = (u[i-1, j else 0] + u[i+1, j else 0]) / 2\n"
    " return v, pad(u, [[1, 1], [0, 2]], value=2), concat([u, u + 1]) }",
    "remainders": "fn f(u: f32[H, W]) = (roll(u, 1, axis=0), repeat(u, 3, axis=1), tile(u, 2, 2))",
    "scatter": "fn f(u: f32[N], i: i64[K], v: f32[K]) = scatter_add(u, 0, i, v)",
    "shared scalars": "fn f(u: f32[N]) { let y[i] = (exp(u[i]) + 1) * (exp(u[i]) + 1) * (exp(u[i]) + 1)\n return y }",
    "constants": "fn f(u: f32[N]) = (where(u > 0.1, 1e-30, -inf), zeros([N], u8), full([2], 1.5, f64), arange(N) * 3 - 1, true)",
    "half constants": "fn f(u: f16[N], v: bf16[N]) = (u * 0.1 + nan, v * 0.1 - 1e-3)",
    "bits": "fn f(u: u32[N], v: bool[N]) = (~u & 7 | u << 3 ^ u >> 2, not v and (v or true), u // 3 % 5)",
    "weak arithmetic": "fn f(u: f32[N, K]) = (sqrt(K) * u, u * (N // K) / N, where(arange(N) < 3, 1.5, -inf))",
    "conditions": 'fn f(u: f32[N, K]) { require N % 2 == 0 and K >= 2, "a \\"pair\\""\n return u[1:, 0] }',
    "a name that is a function's": "fn f(exp: f32[N]) { let sum = exp * 2\n let i = sum + 1\n return i }",
    "dims arithmetic": "fn f(u: f32[2*N + 1, N // 2], w: f32[N]) { let h = N // 2\n return zeros([h, 3]) }",
}  # fmt: skip


def program(text: str, name: str = "f") -> Program:
    unit = load_unit(Source("test.tx", text))
    arguments = []
    for p in parameters(unit, name):
        static = MISSING if p.has_default else 4
        arguments.append(
            static if p.is_static else ArgumentType(p.dtypes[0] if p.dtypes else DTYPES["f32"], p.rank + (2 if p.more_axes else 0))
        )
    return instantiate(unit, name, arguments).program


def assert_reads_back(before: Program) -> None:
    check(before)
    after = read(Source("ir.tx", show(before)))
    check(after)
    assert after.inputs == before.inputs
    assert len(after.results) == len(before.results)
    for a, b in zip(after.results, before.results, strict=True):
        assert a is b, show(before) + show(after)
    assert [(c.value, c.relation, c.message) for c in after.conditions] == [(c.value, c.relation, c.message) for c in before.conditions]


@pytest.mark.parametrize("name", PROGRAMS)
def test_reads_back(name: str) -> None:
    assert_reads_back(program(PROGRAMS[name]))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_read_back(path: Path) -> None:
    text = path.read_text()
    for name in load_unit(Source(str(path), text)).functions:
        assert_reads_back(program(text, name))


def test_text_is_pleasant() -> None:
    assert (
        show(program("fn f(x: f32[N, M]) {\n let m = max(x, axis=1, keepdims=true)\n let y = exp(x - m)\n return y }"))
        == """\
fn f(x: f32[N, M]) -> f32[N, M] {
    require M >= 1, "`max` of an empty axis: its extent M must be at least 1"
    let m[i] = max[j](x[i, j])
    let y[i, j] = exp(x[i, j] - m[i])
    return y
}
"""
    )


def test_shared_scalars_print_once() -> None:
    text = "fn f(u: f32[N]) { let y[i] = " + "(" * 12 + "u[i] + 1" + ")" * 12 + "\n return y }"
    deep = "u[i]"
    for _ in range(12):
        deep = f"tanh({deep})"
    squared = f"fn f(u: f32[N]) {{ let a = {deep.replace('[i]', '')}\n let y[i] = a[i] * a[i] + 1 / (a[i] * a[i])\n return y }}"
    for source in (text, squared):
        assert len(show(program(source))) < 600


def test_every_dtype_constant_reads_back() -> None:
    for dtype in KINDS["any"]:
        value = "true" if dtype.name == "bool" else "3" if dtype.is_integer else "0.3"
        assert_reads_back(program(f"fn f(x: {dtype}[N]) = where(x == x, x, {value})"))
        assert_reads_back(program(f"fn f(x: {dtype}[N]) = full([N], cast({value}, {dtype}))"))
