"""Kernels compiled for GPUs that are not there: what the machine code says of loads, registers, tensor cores and rounding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec

import pytest

import tensorc as tc
from tensorc.algebra import fresh, poly, size
from tensorc.backends.triton import compile
from tensorc.backends.triton.compile import Compiled
from tensorc.backends.triton.emit import Options
from tensorc.dtypes import DTYPES
from tensorc.ir import build
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Tensor
from tensorc.runtime.gpu import build as compiled_kernels
from tensorc.schedule.gpu import Situation, Sizes
from tensorc.transform.simplify import simplify

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

TARGETS = ("cuda:sm_80", "cuda:sm_90", "cuda:sm_100", "hip:gfx942")


def compiled(source: str, sizes: dict[str, int], target: str = "cuda:sm_90", options: Options | None = None) -> list[Compiled]:
    f = tc.compile(source).f
    prepared = f._definition.representative()
    assert prepared is not None
    program = simplify(f._definition.instantiate(prepared).program)
    goal = compile.parse(target)
    chosen = options or Options(goal.vendor, descriptors=goal.has_descriptors)
    return compiled_kernels(program, Situation(Sizes.of(sizes)), goal, chosen)[1]


def accesses(c: Compiled) -> Counter[str]:
    """Loads and stores of PTX, by their width in bits."""
    found: Counter[str] = Counter()
    for operation, vector, bits in re.findall(r"\b(ld|st)\.global(?:\.v(\d))?\.b(\d+)", c.text("ptx")):
        found[f"{operation} {int(vector or 1) * int(bits)}"] += 1
    return found


NORM = "fn f(x: {t}[N, D], w: {t}[D], b: {t}[D]) = layer_norm(x, w, b)"
BACKWARD = (
    "fn l(x: {t}[N, D], w: {t}[D], b: {t}[D]) = layer_norm(x, w, b)\n"
    "fn f(x: {t}[N, D], w: {t}[D], b: {t}[D], c: {t}[N, D]) {{ let (_, d) = vjp(l)(x, w, b, c)\n return d }}"
)
GELU = "fn f(x: {t}[N, D], b: {t}[D]) = gelu(x + b)"
SOFTMAX = "fn f(x: {t}[N, D]) = softmax(x)"
CROSS_ENTROPY = "fn f(x: {t}[N, D], t: i64[N]) = cross_entropy(x, t)"


# Wide loads and stores.


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize(
    "source", ["fn f(x: {t}[N, D], b: {t}[D]) = gelu(x + b)", SOFTMAX, NORM, "fn f(x: {t}[N, D], y: {t}[D, N]) = x + y.T"]
)
def test_contiguous_memory_is_accessed_128_bits_at_a_time(source: str, dtype: str) -> None:
    for d in (1000, 1024):
        for c in compiled(source.format(t=dtype), {"N": 4096, "D": d}):
            found = accesses(c)
            if "b_ptr" in c.kernel.parameters:  # of a bias a thread may need less
                found = Counter({kind: n for kind, n in found.items() if n > 1 or not kind.startswith("ld")} | {"ld 128": found["ld 128"]})
            assert set(+found) == {"ld 128", "st 128"}, c.kernel.text


def test_a_row_of_any_length_is_accessed_element_by_element() -> None:
    (c,) = compiled(SOFTMAX.format(t="f32"), {"N": 4096, "D": 1001})
    assert set(accesses(c)) == {"ld 32", "st 32"}


# Registers.


@pytest.mark.parametrize("target", ["cuda:sm_80", "cuda:sm_90"])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("source", [SOFTMAX, NORM, BACKWARD, CROSS_ENTROPY])
def test_no_row_spills(source: str, dtype: str, target: str) -> None:
    for d in (4096, 16384, 65536):
        for c in compiled(source.format(t=dtype), {"N": 4096, "D": d}, target):
            assert not c.spills, (d, c.usage, c.kernel.text)


def test_blocks_of_rows_that_are_swept_shrink_too() -> None:
    (c,) = compiled("fn f(x: f32[N, D]) = argmax(x, axis=1)", {"N": 4096, "D": 32768}, "cuda:sm_80")
    assert not c.spills, (c.usage, c.kernel.text)


def test_registers_that_do_not_suffice_make_rows_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compiled, "spilled", property(lambda c: sum(n >= 32768 for n in c.kernel.constants.values())))
    assert [dict(c.kernel.constants) for c in compiled(SOFTMAX.format(t="f32"), {"N": 4096, "D": 32768})] == [{"BLOCK_J": 2048}]


# Arithmetic.


def test_nothing_is_contracted() -> None:
    (c,) = compiled("fn f(x: f32[N], y: f32[N]) = (x * y + x, x / y, sqrt(x))", {"N": 4096})
    ptx = c.text("ptx")
    assert "fma" not in ptx and {"mul.rn.f32", "add.rn.f32", "div.rn.f32", "sqrt.rn.f32"} <= set(re.findall(r"\b\w+\.rn\.f32\b", ptx))


@pytest.mark.parametrize(
    ("dtype", "precision", "target", "instruction"),
    [
        ("f16", "ieee", "cuda:sm_80", "mma.sync"),
        ("bf16", "ieee", "cuda:sm_90", "wgmma"),
        ("f16", "ieee", "cuda:sm_100", "tcgen05.mma"),
        ("f32", "tf32", "cuda:sm_80", "mma.sync"),
        ("f32", "ieee", "cuda:sm_90", None),
    ],
)
def test_matrix_products_use_tensor_cores(dtype: str, precision: str, target: str, instruction: str | None) -> None:
    source, sizes = f"fn f(x: {dtype}[N, K], w: {dtype}[K, M]) = relu(x @ w)", {"N": 4096, "K": 1024, "M": 4096}
    (c,) = compiled(source, sizes, target, Options("cuda", precision, descriptors=compile.parse(target).has_descriptors))
    ptx = c.text("ptx")
    if instruction is None:
        assert not re.search(r"\bw?g?mma", ptx) and "fma.rn.f32" in ptx
    else:
        assert instruction in ptx and not c.spills
        assert ("cp.async.bulk.tensor" in ptx) == (target != "cuda:sm_80")  # tiles come by TMA, where there is such


@pytest.mark.parametrize(("target", "instruction"), [("cuda:sm_80", "mma.sync"), ("cuda:sm_90", "wgmma"), ("cuda:sm_100", "tcgen05.mma")])
def test_attention_is_one_kernel_on_tensor_cores(target: str, instruction: str) -> None:
    parameters = "q: f16[B, H, T, D], k: f16[B, H, T, D], v: f16[B, H, T, D]"
    source = f"fn f({parameters}) = scaled_dot_product_attention(q, k, v, is_causal=true)"
    (c,) = compiled(source, {"B": 4, "H": 16, "T": 1024, "D": 64}, target)
    ptx = c.text("ptx")
    assert instruction in ptx and not c.spills and "ld 32" not in accesses(c)
    assert ("cp.async.bulk.tensor" in ptx) == (target != "cuda:sm_80")


@pytest.mark.parametrize("target", ["cuda:sm_80", "cuda:sm_90"])
def test_attention_backward_is_two_kernels_on_tensor_cores(target: str) -> None:
    parameters = "q: f16[B, H, T, D], k: f16[B, H, T, D], v: f16[B, H, T, D]"
    source = f"fn l({parameters}) = scaled_dot_product_attention(q, k, v)\n"
    source += f"fn f({parameters}, c: f16[B, H, T, D]) {{ let (_, d) = vjp(l)(q, k, v, c)\n return d }}"
    found = compiled(source, {"B": 4, "H": 16, "T": 1024, "D": 64}, target)
    assert len(found) == 2
    for c in found:
        assert "mma" in c.text("ptx") and not c.spills and "ld 16" not in accesses(c)


# Everything compiles.


def operations(dtype: str) -> Program:
    """All operations on a dtype, and conversions of it."""
    argument = DTYPES[dtype]
    a, b = (Input(name, (size("N"),), argument) for name in "ab")
    made: list[Tensor] = []
    for name, row in OPERATIONS.items():
        if not row.takes(argument):
            continue
        results = (
            [t for t in DTYPES.values() if t is not argument and (name == "cast" or t.bits == argument.bits)] if row.converts else None
        )
        for result in results or [row.result(argument)]:
            if row.converts and not results:
                continue
            i = fresh(size("N"))
            arguments = [build.load(x, [poly(i)]) for x in (a, b)[: row.arity]]
            made.append(build.define([i], build.apply(name, *arguments, dtype=result)))
    return Program(f"operations_of_{dtype}", (a, b), tuple(made))


@pytest.mark.parametrize("target", ["cuda:sm_90", "hip:gfx942"])
@pytest.mark.parametrize("dtype", ["bool", "i8", "u32", "i64", "bf16", "f32", "f64"])
def test_every_operation_compiles(dtype: str, target: str) -> None:
    goal = compile.parse(target)
    assert compiled_kernels(operations(dtype), Situation(Sizes.of({"N": 4096})), goal, Options(goal.vendor))[1]


KINDS: Sequence[tuple[str, dict[str, int]]] = [
    ("fn f(x: f32[N, D]) = (cumsum(x, axis=1), cumprod(x, axis=0))", {"N": 70, "D": 5000}),
    ("fn f(x: f32[N, D]) = (sort(x, axis=1), argsort(x, axis=0))", {"N": 5000, "D": 300}),
    ("fn f(x: f32[N, D], p: i64[K], v: f32[K, D]) = scatter_add(x, 0, expand(p[:, None], [K, D]), v)", {"N": 50, "D": 64, "K": 40}),
    ("fn f(x: f32[N, D], p: i64[K]) = x[p]", {"N": 50, "D": 64, "K": 40}),
    ("fn f(x: f16[N, C, H, W], w: f16[O, C, 3, 3]) = conv2d(x, w, padding=1)", {"N": 4, "C": 64, "H": 28, "W": 28, "O": 64}),
    ("fn f(k: u64, x: f32[N, D]) = x * random_normal(k, [N, D])", {"N": 50, "D": 64}),
    (
        "fn l(q: f16[N, D], k: f16[M, D], v: f16[M, D]) = scaled_dot_product_attention(q, k, v)\n"
        "fn f(q: f16[N, D], k: f16[M, D], v: f16[M, D], c: f16[N, D]) = vjp(l)(q, k, v, c)",
        {"N": 128, "M": 256, "D": 32},
    ),
    ("fn f(x: f32[N, D], t: i64[N]) = cross_entropy(x, t)", {"N": 512, "D": 1000}),
    ("fn f(x: f64[N, K], y: f64[K, M]) = x @ y", {"N": 64, "K": 64, "M": 64}),
    ("fn f(x: i32[N, K], y: i32[K, M]) = x @ y", {"N": 64, "K": 64, "M": 64}),
    ("fn f(x: bool[N, D]) = (any(x, axis=0), all(x, axis=1), argmax(cast(x, i32), axis=1))", {"N": 64, "D": 64}),
]


@pytest.mark.parametrize("target", ["cuda:sm_90", "hip:gfx942"])
@pytest.mark.parametrize(("source", "sizes"), KINDS, ids=[s.rpartition(") = ")[2][:30] for s, _ in KINDS])
def test_programs_of_every_kind_compile(source: str, sizes: dict[str, int], target: str) -> None:
    assert compiled(source, sizes, target)


@pytest.mark.parametrize("target", TARGETS)
def test_targets(target: str) -> None:
    (c,) = compiled(SOFTMAX.format(t="f32"), {"N": 4096, "D": 1000}, target)
    assert not c.spills and c.usage["REG"] > 0
