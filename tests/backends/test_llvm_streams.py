"""Results of large arrays are written past the caches, with the same bits, and only where nobody reads them soon."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

import tensorc
from tensorc.backends.llvm import target
from tensorc.compiler import Compilation
from tensorc.runtime.executable import Executable
from tensorc.runtime.kernels import Scheduled

HOST = target.host()
PROGRAMS = [
    "fn f(x: f32[N, M], y: f32[N, M]) = (x * y + x, x - y)",
    "fn f(x: f32[N, M], y: f32[M, N]) = x + y.T",
    "fn f(x: f64[N, M], y: f32[M]) = (softmax(x, axis=-1), y + 1)",
    "fn f(x: bf16[N, M], y: f32[N, M]) = (x + 1, cast(x, f32) * y, y > 0)",
    "fn f(x: f32[N, M], y: f32[N, M]) = x[:, 1:] - y[:, :-1]",
    "fn f(x: f32[N, M], y: f32[M]) = cumsum(x * y, axis=0)",
]


def made(text: str, cache: int) -> tuple[Scheduled, Executable]:
    """A program's kernels for a machine whose caches hold so much."""
    function = tensorc.compile(text).f
    prepared = function._definition.representative()
    assert prepared is not None
    program = function._entry(prepared).instance.program
    kernels = Scheduled(Compilation(program).schedule, replace(HOST, cache=cache))
    return kernels, Executable(kernels, "f")


def results(kernels: Scheduled, executable: Executable, arrays: list[Any], sizes: dict[str, int], beside: int) -> list[Any]:
    """What a program gives, in memory so many elements beside a multiple of 64 bytes; what lies around it stays as it is."""
    around, outputs = [], []
    for b in kernels.schedule.results:
        shape = [sizes[str(e)] if e.constant is None and e.atom is not None else sizes["M"] - 1 for e in b.extents]
        size = int(np.prod(shape))
        memory = np.zeros(size + 256, b.dtype.numpy)
        start = (-memory.ctypes.data % 64) // memory.itemsize + beside
        outputs.append(memory[start : start + size].reshape(shape))
        around += [memory[:start], memory[start + size :]]
    assert executable.run(arrays, sizes, outputs) is None
    assert not any(part.any() for part in around)
    return outputs


@pytest.mark.skipif(not HOST.cache, reason="this processor does not write past its caches")
@pytest.mark.parametrize("text", PROGRAMS)
def test_the_same_bits_past_the_caches(text: str) -> None:
    usual, past = made(text, 1 << 60), made(text, 1)
    assert "!nontemporal" in past[0].module() and "sfence" in past[0].module()
    random = np.random.default_rng(5)
    for n, m, beside in product((5, 67), (32, 96, 101), (0, 3, 8)):
        sizes = {"N": n, "M": m}
        arrays = []
        for i in usual[0].schedule.inputs:
            values = random.standard_normal([sizes[str(e)] for e in i.extents])
            arrays.append(values.astype(i.dtype.numpy))
        for a, b in zip(results(*usual, arrays, sizes, beside), results(*past, arrays, sizes, beside), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not HOST.cache, reason="this processor does not write past its caches")
def test_what_is_read_again_stays_in_the_caches() -> None:
    kernels, _ = made("fn f(x: f32[N, M]) { let y = exp(x)\n return y, cumsum(sort(y, axis=0), axis=1) }", 1)
    first, *_ = kernels.module().partition("\n}")
    assert "!nontemporal" not in first


def test_a_machine_without_such_stores() -> None:
    kernels, _ = made(PROGRAMS[0], 0)
    assert "!nontemporal" not in kernels.module() and "sfence" not in kernels.module()


def test_several_rows_at_a_time_ask_for_the_next_ones() -> None:
    """Dots of six rows ask for where the next six begin, which are elsewhere; those of a single row for what lies ahead in it."""
    function = tensorc.compile("fn f(a: f32[N, K], x: f32[K]) = a @ x").f
    a = np.ones((13, 37), np.float32)
    np.testing.assert_array_equal(function(a, a[0]), np.full(13, 37, np.float32))
    block = function.inspect("llvm", a, a[0]).partition("fma")[0]
    assert block.count("call void @llvm.prefetch") == 2 * 6
