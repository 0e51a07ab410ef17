"""Executables: checks, intermediates, calls of many threads; and the plan of the memory of a call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tensorc.algebra import Index, poly, size
from tensorc.backends.llvm import target
from tensorc.backends.llvm.emit import emit
from tensorc.backends.llvm.frame import usual_strides
from tensorc.dtypes import f32, i64
from tensorc.ir import build
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Load, Scalar
from tensorc.loops.nest import SERIAL, Bind, Buffer, For, Kernel, Schedule, Scratch, Store, Update
from tensorc.runtime import memory
from tensorc.runtime.executable import Executable, compile_schedule

N = size("N")
i = Index(0, N)
VECTOR = Bind("vector", 2)


def load(tensor: Any, *subscripts: Any) -> Scalar:
    return Load(tensor, tuple(map(poly, subscripts)))


def chain(length: int) -> Executable:
    """x + length, by a kernel and an intermediate for each 1; two intermediates live at once."""
    x, y = Input("x", (N,), f32), Buffer("y", (N,), f32)
    between = [Buffer(f"t{n}", (N,), f32) for n in range(length - 1)]
    kernels = []
    for source, result in zip([x, *between], [*between, y], strict=True):
        store = Store(result, (poly(i),), build.apply("add", load(source, i), build.constant(1.0, f32)))
        kernels.append(Kernel(result.name, (For(i, VECTOR, (store,)),), (source,), (result,), (), {}))
    schedule = Schedule("chain", (x,), (y,), (), tuple(between), {}, tuple(kernels), frozenset())
    return compile_schedule(schedule, Program("chain", (x,), ()))


def test_intermediates_share_memory() -> None:
    program = chain(20)
    for n in (0, 1, 100, 1000):
        a, out = np.arange(n, dtype="f4"), np.empty(n, "f4")
        assert program.run([a], {"N": n}, [out]) is None
        assert np.array_equal(out, a + 20)
    (layout,) = [layout for layout in program._layouts.values() if len(layout.empty) == 0 and layout.workspace > 4096]
    assert layout.workspace == 2 * 4032  # 4000 bytes, aligned, for each of two that live at once


def test_the_text_of_each_stage() -> None:
    program = chain(2)
    assert set(program.texts) == {"llvm", "llvm-opt", "asm"}
    assert "fadd <" in program.texts["llvm"] and "ret" in program.texts["asm"]


@pytest.mark.skipif(not target.host().triple.startswith("x86_64"), reason="the models are of x86-64")
@pytest.mark.parametrize(("cpu", "registers"), [("x86-64-v2", "%xmm"), ("x86-64-v3", "%ymm"), ("x86-64-v4", "%zmm")])
def test_code_for_another_cpu(cpu: str, registers: str) -> None:
    frame = chain(1).kernels.frame
    made = emit(frame, {t: usual_strides(t) for t in frame.strided}, target.host(cpu))
    assert registers in target.emit_assembly(made.text, target.host(cpu))


def test_many_kernels_compile_in_linear_time() -> None:
    a, out = np.arange(50, dtype="f4"), np.empty(50, "f4")
    assert chain(300).run([a], {"N": 50}, [out]) is None
    assert np.array_equal(out, a + 300)


def test_many_threads_at_once() -> None:
    program = chain(5)

    def call(number: int) -> bool:
        n = 100 + number % 7
        a, out = np.full(n, number, "f4"), np.empty(n, "f4")
        program.run([a], {"N": n}, [out])
        return bool((out == number + 5).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(400)))


def test_checks_give_the_first_that_failed() -> None:
    p = Input("p", (N,), i64)
    y = Buffer("y", (N,), i64)
    checks = (Buffer("low", (), i64), Buffer("high", (), i64))
    least = build.constant(i64.range[1], i64)
    position = build.integer(poly(i))
    tests = (build.apply("ge", load(p, i), build.constant(0, i64)), build.apply("lt", load(p, i), build.constant(10, i64)))
    kernels = [Kernel("copy", (For(i, SERIAL, (Store(y, (poly(i),), load(p, i)),)),), (p,), (y,), (), {})]
    for check, inside in zip(checks, tests, strict=True):
        update = Update(check, (), "min", build.select(inside, least, position), (i,))
        kernels.append(Kernel(check.name, (Store(check, (), least), For(i, VECTOR, (update,))), (p, check), (check,), (), {}))
    schedule = Schedule("checked", (p,), (y,), checks, (), {}, tuple(kernels), frozenset())
    program = compile_schedule(schedule, Program("checked", (p,), ()))
    for values, want in (([1, 2, 9], None), ([], None), ([0, -1, 3], 0), ([0, 10, 3], 1), ([10, -1], 0)):
        a = np.array(values, "i8")
        assert program.run([a], {"N": len(a)}, [np.empty(len(a), "i8")]) == want


def test_scratch_of_a_kernel() -> None:
    x, y, row = Input("x", (N,), f32), Buffer("y", (N,), f32), Scratch("row", (N,), f32)
    body = (
        For(i, VECTOR, (Store(row, (poly(i),), load(x, i)),)),
        For(i, VECTOR, (Store(y, (poly(i),), load(row, N - 1 - i)),)),
    )
    schedule = Schedule("turn", (x,), (y,), (), (), {}, (Kernel("turn", body, (x,), (y,), (row,), {}),), frozenset())
    program = compile_schedule(schedule, Program("turn", (x,), ()))
    for n in (1, 31, 32, 33, 100):
        a, out = np.arange(n, dtype="f4"), np.empty(n, "f4")
        program.run([a], {"N": n}, [out])
        assert np.array_equal(out, a[::-1])


def test_more_layouts_than_there_are_variants() -> None:
    """Each axis order of the strides is another variant; beyond the most there are, one serves all."""
    m, k = size("M"), size("K")
    j, r = Index(1, m), Index(2, k)
    x, y = Input("x", (N, m, k), f32), Buffer("y", (N, m, k), f32)
    store = Store(y, (poly(i), poly(j), poly(r)), load(x, i, j, r))
    body = For(i, SERIAL, (For(j, SERIAL, (For(r, VECTOR, (store,)),)),))
    schedule = Schedule("copy", (x,), (y,), (), (), {}, (Kernel("copy", (body,), (x,), (y,), (), {}),), frozenset())
    program = compile_schedule(schedule, Program("copy", (x,), ()))
    base = np.arange(4 * 5 * 40, dtype="f4")
    shapes = [base.reshape(4, 5, 40), base.reshape(40, 5, 4).transpose(2, 1, 0), base.reshape(4, 40, 5).transpose(0, 2, 1)]
    shapes += [np.broadcast_to(base[:40], (4, 5, 40)), np.broadcast_to(base[:5, None], (4, 5, 40)), base.reshape(4, 5, 40)[:, :, ::-1]]
    for a in shapes:
        for like in shapes[:3]:
            out = np.empty_like(like)
            program.run([a], {"N": 4, "M": 5, "K": 40}, [out])
            assert np.array_equal(out, a)


def test_a_buffer_read_in_another_shape() -> None:
    """A kernel that writes an intermediate and reads it back flat sees what it wrote, in each iteration."""
    m = size("M")
    j, r = Index(1, m), Index(2, m)
    x, y = Input("x", (N, m), f32), Buffer("y", (N,), f32)
    t, flat = Buffer("t", (poly(1), m), f32), Buffer("flat", (m,), f32)
    fill = For(j, VECTOR, (Store(t, (poly(0), poly(j)), build.apply("add", load(x, i, j), load(flat, j))),))
    body = For(i, SERIAL, (fill, Store(y, (poly(i),), load(flat, 0))))
    start = For(r, VECTOR, (Store(t, (poly(0), poly(r)), build.constant(0.0, f32)),))
    kernel = Kernel("k", (start, body), (x, flat), (y, t), (), {})
    schedule = Schedule("flat", (x,), (y,), (), (t,), {flat: t}, (kernel,), frozenset())
    program = compile_schedule(schedule, Program("flat", (x,), ()))
    a, out = np.arange(12, dtype="f4").reshape(4, 3), np.empty(4, "f4")
    program.run([a], {"N": 4, "M": 3}, [out])
    assert np.array_equal(out, a.cumsum(0)[:, 0])


# The plan.


@pytest.mark.parametrize("seed", range(20))
def test_blocks_that_live_at_once_lie_apart(seed: int) -> None:
    random = np.random.default_rng(seed)
    blocks = []
    for _ in range(60):
        first = int(random.integers(0, 40))
        blocks.append(memory.Block(int(random.integers(0, 5000)), first, first + int(random.integers(0, 10))))
    offsets, total = memory.plan(blocks)
    for number, (a, x) in enumerate(zip(blocks, offsets, strict=True)):
        assert x % memory.ALIGNMENT == 0 and x + a.bytes <= total
        for b, y in list(zip(blocks, offsets, strict=True))[:number]:
            together = a.first <= b.last and b.first <= a.last
            assert not together or x + a.bytes <= y or y + b.bytes <= x
    assert total < sum(b.bytes + memory.ALIGNMENT for b in blocks) / 2


def test_workspaces_are_used_again() -> None:
    first = memory.take(1000)
    assert first.address % memory.ALIGNMENT == 0
    inside = memory.take(10)
    assert inside.memory is not first.memory
    memory.give_back(inside)
    memory.give_back(first)
    assert memory.take(5).memory is inside.memory
