"""Programs of the language, scheduled and compiled, against the oracle, at sizes that leave tails in every axis."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import tensorc
from tensorc.dtypes import dtype
from tensorc.runtime.executable import compile_schedule
from tensorc.schedule.program import schedule

RANDOM = np.random.default_rng(11)
SIZES = [dict(zip("NMKL", s, strict=True)) for s in ((5, 37, 3, 30), (17, 16, 6, 44), (1, 1, 1, 6), (33, 130, 2, 8))]

PROGRAMS = """
map            (x: f32[N, M], y: f32[M]) = (x + y) * x - 1 / (1 + exp(-x))
transposed     (x: f32[N, M], y: f32[M, N]) = x + y.T
softmax        (x: f32[N, M]) = softmax(x)
softmax0       (x: f32[N, M]) = softmax(x, axis=0)
logsumexp      (x: f32[N, M]) = logsumexp(x, axis=-1)
layer_norm     (x: f32[N, M], w: f32[M], b: f32[M]) = layer_norm(x, w, b)
variance       (x: f64[N, M]) = var(x, axis=1)
matmul         (x: f32[N, M], y: f32[M, K]) = x @ y
gelu_matmul    (x: f32[N, K], y: f32[K, M], b: f32[M]) = gelu(x @ y + b)
turned_gelu    (x: f32[N, M], y: f32[M, N], b: f32[N]) = gelu(x.T * 2 + y) + b
attention      (q: f32[N, K], k: f32[M, K], v: f32[M, K]) = softmax(q @ k.T / sqrt(K)) @ v
argmax         (x: f32[N, M]) = argmax(x, axis=1)
argmin0        (x: i32[N, M]) = argmin(x, axis=0)
any            (x: f32[N, M]) = any(x > 2, axis=0)
all            (x: i32[N, M]) = all(x != 0, axis=1)
sums           (x: f32[N, M]) = (sum(x), sum(x, axis=0), mean(x, axis=1))
products       (x: f64[N, M]) = prod(x, axis=1)
int_sum        (x: i8[N, M]) = sum(x, axis=1)
cumsum         (x: f32[N, M]) = cumsum(x, axis=1)
cumsum0        (x: f64[N, M]) = cumsum(x, axis=0)
cumprod        (x: f32[N, M]) = cumprod(x, axis=-1)
cummax         (x: i32[N, M]) = cummax(x, axis=1)
sort           (x: f32[N, M]) = sort(x, axis=1)
argsort        (x: i32[N, M]) = argsort(x, axis=0, descending=true)
take           (x: f32[N, M], p: i64[K]) = x[p % N]
gather         (x: f32[N, M], p: i32[N, K]) = tensor[i < N, j < K](x[i, p[i, j] else 7.0])
shifted        (x: f32[N, M]) = tensor[i < N, j < M](x[i - 1, j + 1 else 0] + x[i, j - 2 else -1])
reversed       (x: f32[N, M]) = x[::-1, ::-1]
rolled         (x: f32[N, M]) = roll(x, 3, axis=1)
reshaped       (x: f32[N, M]) = reshape(x, [M, N]) * 2
flattened      (x: f32[N, M]) = flatten(x * 2)
concatenated   (x: f32[N, M], y: f32[K, M]) = concat([x, y], axis=0)
padded         (x: f32[N, M]) = pad(x, [[1, 2], [0, 3]], value=5)
triangle       (x: f32[N, M]) = tensor[i < N, j < M](where(j <= i, x[i, j], 0.0))
diagonal       (x: f32[N, M]) = tensor[i < M, j < M](where(i == j, x[0, i], 0.0)) @ x.T
where          (x: f32[N, M]) = where(x > 0, x, x * 0.1)
integers       (x: i32[N, M], y: i32[N, M]) = (x // y, x % y, x << 2, x & y, ~x, x ** 2)
unsigned       (x: u8[N, M]) = (x + x, x * 3, x // 7, cast(x, f32))
halves         (x: f16[N, M], y: f16[N, M]) = (x * y + x, sum(x * y, axis=1), exp(x))
brain_halves   (x: bf16[N, M], y: bf16[N, M]) = (x * y + x, sum(x * y, axis=1), x / y)
bools          (x: bool[N, M], y: bool[N, M]) = (x and y, not x, cast(x, i64))
joined         (x: f32[N, M], y: f32[N, K], z: f32[N, M]) = concat([x, y, z], axis=1)
stacked        (x: f32[N, M], y: f32[K, M]) = concat([x, y], axis=0) + 1
rolled         (x: f32[N, M]) = (roll(x, 3, axis=1), roll(x, -2, axis=0))
doubles        (x: f64[N, M]) = (sin(x) * cos(x), sqrt(abs(x)), floor(x) % 3)
index_values   (x: f32[N, M]) = tensor[i < N, j < M](x[i, j] * cast(i * 100 + j, f32))
nearest        (p: f32[N, K], q: f32[M, K]) = amin(sum((p[:, None] - q[None]) ** 2, axis=-1), axis=1)
convolution    (x: f32[2, K, L], w: f32[N, K, 5]) = tensor[n < 2, o < N, h < L - 4](sum[c, r](x[n, c, h + r] * w[o, c, r]))
pooled         (x: f32[N, K, L]) = tensor[n < N, k < K, h < L // 2](max[r < 2](x[n, k, 2 * h + r]))
outer          (x: f32[N], y: f32[M]) = outer(x, y)
scalar         (x: f32[N], s: f32) = x * s
scattered      (x: f32[M], p: i64[K], v: f32[K]) = scatter_add(x, 0, p % M, v)
embedded       (t: bf16[N, M], p: i32[K]) = tensor[i < K, j < M](t[p[i], j else 0])
ellipsis       (x: f32[..., M], w: f32[M]) = rms_norm(x, w)
"""


def rows() -> dict[str, str]:
    return {line.split()[0]: line for line in PROGRAMS.strip().splitlines()}


@cache
def function(name: str) -> Any:
    return tensorc.compile(f"fn {name}_{rows()[name][len(name) :].strip()}\n")[f"{name}_"]


def arguments(name: str, sizes: dict[str, int]) -> list[Any]:
    """Random arrays of a program's parameters, as its signature says."""
    signature = rows()[name].split("(", 1)[1].split(") =", 1)[0]
    made = []
    for parameter in signature.split("], ") if signature else []:
        kind = parameter.split(":", 1)[1].strip()
        if "," in kind and "[" not in kind:
            kind = kind.split(",")[0]
        element, _, dims = kind.partition("[")
        shape = tuple(4 if d.strip() == "..." else eval(d, {}, dict(sizes)) for d in dims.rstrip("]").split(",") if d.strip())
        made.append(array(element, shape))
    return made


def array(element: str, shape: tuple[int, ...]) -> Any:
    numpy = dtype(element).numpy
    if dtype(element).is_float:
        return (RANDOM.standard_normal(shape) * 2).astype(numpy)
    if element == "bool":
        return RANDOM.integers(0, 2, shape).astype(numpy)
    return RANDOM.integers(-4 if element[0] == "i" else 0, 9, shape).astype(numpy)


def run(name: str, arrays: list[Any]) -> list[Any]:
    program = function(name).lower(*arrays).program
    executable = compile_schedule(schedule(program), program)
    want = leaves(function(name).reference(*arrays))
    sizes = {
        e.atom.name: n
        for t, a in zip(program.inputs, arrays, strict=True)
        for e, n in zip(t.extents, a.shape, strict=True)
        if e.atom is not None
    }
    results = [np.empty(w.shape, w.dtype) for w in want]
    assert executable.run(arrays, sizes, results) is None
    return results


def leaves(tree: Any) -> list[Any]:
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, tuple) else [np.asarray(tree)]


def check(got: Any, want: Any) -> None:
    assert got.dtype == want.dtype and got.shape == want.shape
    if got.dtype.kind in "biu":
        assert np.array_equal(got, want)
        return
    tolerance = {2: 1e-2, 4: 2e-5, 8: 1e-12}[got.dtype.itemsize]
    got, want = got.astype("f8"), want.astype("f8")
    assert np.allclose(got, want, tolerance, tolerance, equal_nan=True), np.nanmax(np.abs(got - want))


@pytest.mark.parametrize("name", rows())
def test_program(name: str) -> None:
    for sizes in SIZES:
        arrays = arguments(name, sizes)
        for got, want in zip(run(name, arrays), leaves(function(name).reference(*arrays)), strict=True):
            check(got, want)


def test_long_chains_of_functions_call_them() -> None:
    """The code for many does not grow by what one takes, and computes the same."""
    lines = [f"    let x{n + 1} = tanh(x{n} * 1.5)\n" for n in range(60)]
    f = tensorc.compile(f"fn f(x0: f32[N]) {{\n{''.join(lines)}    return x60\n}}")["f"]
    x = np.linspace(-2, 2, 99, dtype="f4")
    wanted = x.astype("f8")
    for _ in range(60):
        wanted = np.tanh(wanted * 1.5)
    assert np.abs(f(x) - wanted).max() < 1e-5
    assert len(f.inspect("llvm")) < 150_000  # written out it is twice that


@pytest.mark.parametrize("name", ["f32", "i8", "f64"])
def test_the_first_places_of_an_order(name: str) -> None:
    """Found one by one, in blocks and in strided rows; and all that is read where another subscript reads more."""
    program = f"""
        fn most(x: {name}[N, M]) = topk(x, 5)
        fn least(x: {name}[N, M]) = topk(x, 5, 1, false)
        fn fourth(x: {name}[N, M]) = argsort(x, axis=1)[:, 3]
    """
    m = tensorc.compile(program)
    for n in (5, 6, 21, 130):
        x = RANDOM.integers(-4, 100, (4, n)).astype(dtype(name).numpy)
        if name != "i8":
            x[1, 2], x[2, :], x[3, 1], x[3, 2] = np.nan, np.nan, -0.0, np.inf
        for f in (m.most, m.least, m.fourth):
            for given in (x, x[:, ::-1]):
                found, expected = ((v if isinstance(v, tuple) else (v,)) for v in (f(given), f.reference(given)))
                for a, b in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(a, b)


def test_what_is_done_to_many_registers_is_a_loop() -> None:
    head = "(x: f32[N, K], y: f32[K, M], z: f32[N, M]) ="
    module = tensorc.compile(f"fn short{head} x @ y + z\nfn long{head} (0.9 * z + 0.1 * (x @ y), 0.999 * z + 0.001 * (x @ y) ** 2)")
    specs = tensorc.spec("f32[N, K]"), tensorc.spec("f32[K, M]"), tensorc.spec("f32[N, M]")
    texts = (f.inspect("llvm", *specs).split("\ndefine ") for f in (module.short, module.long))
    short, long = (max(function.count("\n") for function in text) for text in texts)
    assert short < long < 1.3 * short
    x, y, z = (RANDOM.standard_normal(n).astype(np.float32) for n in ((13, 5), (5, 70), (13, 70)))
    for value, expected in zip(module.long(x, y, z), module.long.reference(x, y, z), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
