"""Modules of a program in several parts, which are compiled while the rest is written."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tensorc
from tensorc.backends.llvm import emit, objects, target
from tensorc.backends.llvm.code import Module
from tensorc.backends.llvm.objects import Objects
from tensorc.compiler import Compilation
from tensorc.runtime.executable import compile_schedule
from tensorc.runtime.kernels import Scheduled

TEXT = """
fn f(x: f32[N, K], y: f32[K, M], z: f32[M, N]) {
    let a = sin(x @ y)
    let b = sin(sort(a @ z, axis=0))
    return b, cumsum(softmax(b, axis=0), axis=1)
}"""


def test_a_program_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    function = tensorc.compile(TEXT).f
    prepared = function._definition.representative()
    assert prepared is not None
    program = function._entry(prepared).instance.program
    schedule = Compilation(program).schedule
    random = np.random.default_rng(3)
    sizes = {"K": 5, "M": 19, "N": 7}
    arrays = [random.standard_normal([e.constant or sizes[str(e)] for e in i.extents]).astype(np.float32) for i in program.inputs]
    results = []
    for enough in (10**9, 1):
        monkeypatch.setattr(emit, "ENOUGH", enough)
        kernels = Scheduled(schedule, target.host())
        assert len(kernels.image(kernels.plan.usual).objects) == (1 if enough > 1 else len(schedule.kernels) + 1)
        outputs = [np.zeros([sizes[str(e)] for e in r.extents], np.float32) for r in schedule.results]
        compile_schedule(schedule, program).run(arrays, sizes, outputs)
        results.append(outputs)
    for whole, parts in zip(*results, strict=True):
        assert np.isfinite(whole).all()
        np.testing.assert_array_equal(whole, parts)


def test_a_part_has_the_helpers_that_it_needs() -> None:
    module = Module()

    def first() -> str:
        module.once("shared", lambda: "helper shared\n")
        return "function a\n"

    module.define("a", first)
    module.define("b", lambda: "function b\n")
    assert "helper shared" in module.text(["a"]) and "function b" not in module.text(["a"])
    assert "helper shared" not in module.text(["b"])
    assert "declare elsewhere" in module.text(["b"], ["declare elsewhere"])


def test_a_failure_on_the_thread_is_raised() -> None:
    with Objects(target.host()) as objects:
        objects.add("no module")
        with pytest.raises(RuntimeError, match="expected"):
            objects.finish("define void @f() { ret void }")


@pytest.mark.parametrize("processors", [1, 3])
def test_modules_keep_their_order(monkeypatch: pytest.MonkeyPatch, processors: int) -> None:
    monkeypatch.setattr(objects, "_processors", lambda: processors)
    texts = [f"define void @f{n}() {{ ret void }}" for n in range(12)]
    turn = sys.getswitchinterval()
    with Objects(target.host()) as several:
        for text in texts[:-1]:
            several.add(text)
        made = several.finish(texts[-1])
    assert made == tuple(target.emit_object(text, target.host()) for text in texts)
    assert sys.getswitchinterval() == turn
