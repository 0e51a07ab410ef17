"""Few long rows in parts: what they compute, on how many threads, and which programs and sizes they are for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tensorc
from tensorc.loops.check import check
from tensorc.loops.nest import For, Schedule, statements
from tensorc.runtime.executable import compile_schedule
from tensorc.schedule import partial
from tensorc.schedule.program import schedule

RANDOM = np.random.default_rng(5)

PROGRAMS = """
fn softmax_rows(x: f32[3, M]) = softmax(x)
fn softmax_of_halves(x: f16[3, M]) = softmax(x)
fn softmax_of_all(x: f32[M]) = softmax(x)
fn layer_norms(x: f32[3, M], w: f32[M], b: f32[M]) = layer_norm(x, w, b)
fn variances(x: f64[2, 3, M]) = var(x, axis=2)
fn places(x: f32[3, M]) = argmax(x, axis=1)
fn planes(x: f32[3, 2, M]) = x - mean(x, axis=(1, 2), keepdims=true)
fn both(x: f32[3, M]) = (max(x, axis=1), min(x, axis=1), exp(x) - sum(x, axis=1, keepdims=true))
"""

MODULE = tensorc.compile(PROGRAMS)
SHORT = {"M": 45}


def arrays(name: str, sizes: dict[str, int]) -> list[np.ndarray]:
    program = MODULE[name].lower(*_specs(name)).program
    shapes = [tuple(sizes.get(str(e)) or int(str(e)) for e in t.extents) for t in program.inputs]
    return [RANDOM.standard_normal(shape).astype(t.dtype.numpy) for t, shape in zip(program.inputs, shapes, strict=True)]


def _specs(name: str) -> list[tensorc.Spec]:
    line = next(line for line in PROGRAMS.splitlines() if line.startswith(f"fn {name}("))
    types = [p.split(": ")[1] + "]" for p in line.split("(")[1].split(")")[0].removesuffix("]").split("], ")]
    return [tensorc.spec(t) for t in types]


def divided(name: str) -> Schedule:
    """The schedule of calls with rows as long as none of these tests has."""
    made = schedule(MODULE[name].lower(*_specs(name)).program)
    kernels = (replace(k, when=()) for k in made.kernels if all(way == 0 for _, way in k.when))
    return replace(made, kernels=tuple(kernels))


NAMES = [line.split("(")[0][3:] for line in PROGRAMS.strip().splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_rows_compute_what_the_oracle_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With such small parts that there are several of them, with tails."""
    monkeypatch.setattr(partial, "POINTS", 8)
    monkeypatch.setattr(partial, "PART", 1)
    monkeypatch.setattr("tensorc.schedule.rows.PARTS", 3)
    made = divided(name)
    check(made)
    in_parts = [k for k in made.kernels if any(isinstance(s, For) and s.part is not None for s in statements(k.body))]
    assert len(in_parts) > 1 - ("places" in name) and all(isinstance(k.body[0], For) and k.body[0].parallel for k in in_parts)
    program = MODULE[name].lower(*_specs(name)).program
    given = arrays(name, SHORT)
    want = MODULE[name].reference(*given)
    want = list(want) if isinstance(want, tuple) else [want]
    sizes = {str(e): n for t, a in zip(program.inputs, given, strict=True) for e, n in zip(t.extents, a.shape, strict=True)}
    got = [np.empty_like(w) for w in want]
    compile_schedule(made, program).run(given, sizes, got)
    for g, w in zip(got, want, strict=True):
        tolerance = 2e-3 if w.dtype == np.float16 else 2e-6
        np.testing.assert_allclose(g.astype(np.float64), w.astype(np.float64), rtol=tolerance, atol=tolerance)


def test_bits_do_not_depend_on_threads() -> None:
    x = RANDOM.standard_normal((3, 150_001), dtype=np.float32)
    found = set()
    for threads in (1, 2, 3, 8):
        with tensorc.config.scope(num_threads=threads):
            found.add(MODULE.softmax_rows(x).tobytes())
    assert len(found) == 1


def test_which_sizes_decide() -> None:
    kernels = schedule(MODULE.softmax_rows.lower(tensorc.spec("f32[3, M]")).program).kernels
    (switch,) = {switch for k in kernels for switch, _ in k.when}
    divided, whole = 0, 1
    assert switch.taken({"M": 1 << 20}) == divided and switch.taken({"M": 1000}) == switch.taken({"M": 0}) == whole
    assert sum(k.is_usual for k in kernels) == 1 < sum(k.runs({"M": 1 << 20}) for k in kernels)
    for parameter, value in {"f32[N]": "sum(x)", "f32[M]": "exp(x)", "f32[64, N]": "softmax(x)", "f32[M, N]": "softmax(x)"}.items():
        lowered = tensorc.compile(f"fn f(x: {parameter}) = {value}").f.lower(tensorc.spec(parameter))
        assert not any(k.when for k in schedule(lowered.program).kernels)


def test_literal_sizes_decide_at_once() -> None:
    assert (
        len(schedule(tensorc.compile("fn f(x: f32[2, 1048576]) = softmax(x)").f.lower(tensorc.spec("f32[2, 1048576]")).program).kernels) > 1
    )
    assert (
        len(schedule(tensorc.compile("fn f(x: f32[256, 1048576]) = softmax(x)").f.lower(tensorc.spec("f32[256, 1048576]")).program).kernels)
        == 1
    )
