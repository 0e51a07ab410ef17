"""Calls of sizes that were never seen: one record serves them all."""

from __future__ import annotations

import ctypes
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc

SIZED = tc.compile("""
fn add(a: f32[N], b: f32[N]) = a + b
fn outer(a: f64[N], b: f64[M]) { let y[i, j] = a[i] * b[j] return y, sum(y, axis=0) }
fn pairs(a: f32[N, M], b: f32[2*N, M]) = reshape(b, [N, 2 * M]).T + sum(a)
fn windows(a: f32[N], w: f32[K]) { let y[i] = sum[k](a[i + k] * w[k]) return y }
fn stacked(a: f32[N, M], b: f32[K, M]) = concat([a, b], axis=0)
fn soft(a: f32[N, M]) = softmax(a @ a.T, axis=-1)
fn picked(a: f32[N], i: i64[M]) { let y[m] = a[i[m]] return y }
fn scaled(a: f32[...S], s: f32) = a * s
fn steps(a: f32[N]) = a[::3]
""")
SHAPES: dict[str, Callable[..., tuple[tuple[int, ...], ...]]] = {
    "add": lambda n, m, k: ((n,), (n,)),
    "outer": lambda n, m, k: ((n,), (m,)),
    "pairs": lambda n, m, k: ((n, m), (2 * n, m)),
    "windows": lambda n, m, k: ((n + k,), (k,)),
    "stacked": lambda n, m, k: ((n, m), (k, m)),
    "soft": lambda n, m, k: ((n, m),),
    "picked": lambda n, m, k: ((n + 1,), (m,)),
    "scaled": lambda n, m, k: ((n, k),),
    "steps": lambda n, m, k: ((n,),),
}


def sized_arguments(name: str, generator: Any, shapes: Any) -> list[Any]:
    dtypes = [i.dtype.numpy for i in SIZED[name].lower(*[tc.spec(t) for t in TYPES[name]]).program.inputs]
    found = [(generator.random(s) * 4).astype(d) for s, d in zip(shapes, dtypes, strict=False)]
    if name == "picked":
        found[1] = generator.integers(0, shapes[0][0], shapes[1])
    return [*found, 2.5] if name == "scaled" else found


TYPES = {
    "add": ("f32[N]", "f32[N]"),
    "outer": ("f64[N]", "f64[M]"),
    "pairs": ("f32[N, M]", "f32[2*N, M]"),
    "windows": ("f32[N]", "f32[K]"),
    "stacked": ("f32[N, M]", "f32[K, M]"),
    "soft": ("f32[N, M]",),
    "picked": ("f32[N]", "i64[M]"),
    "scaled": ("f32[N, M]", "f32"),
    "steps": ("f32[N]",),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_any_sizes(name: str) -> None:
    """One record serves sizes that were never seen; what it cannot do, Python does."""
    generator = np.random.default_rng(7)
    f = SIZED[name]
    before = f._answered
    for turn in range(150):
        n, m, k = generator.integers(0, 12, 3) if turn % 5 else generator.integers(12, 200, 3)
        given = sized_arguments(name, generator, SHAPES[name](int(n), int(m), int(k)))
        made, right = f(*given), f.reference(*given)
        for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (made, right)), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        outs = tuple(np.full_like(b, 7) for b in (right if isinstance(right, tuple) else (right,)))
        f(*given, out=outs if isinstance(right, tuple) else outs[0])
        for a, b in zip(outs, right if isinstance(right, tuple) else (right,), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert f.stats.compiles == 1
    assert f._answered - before > 120, "sizes are not general"


def test_sizes_that_break_a_condition() -> None:
    generator = np.random.default_rng(8)
    fresh = pickle.loads(pickle.dumps(SIZED))
    for name, shapes in (
        ("add", ((3,), (4,))),
        ("pairs", ((3, 4), (5, 4))),
        ("windows", ((3,), (5,))),
        ("stacked", ((3, 4), (2, 5))),
        ("add", ((3,), (1,))),
    ):
        good = sized_arguments(name, generator, SHAPES[name](5, 6, 3))
        for _ in range(4):
            SIZED[name](*good)
        bad = sized_arguments(name, generator, shapes)
        with pytest.raises(tc.ShapeError) as first:
            SIZED[name](*bad)
        with pytest.raises(tc.ShapeError) as second:
            fresh[name](*bad)
        assert str(first.value) == str(second.value)
        SIZED[name](*good)


def test_axes_of_size_1_are_other_programs_of_traced_functions() -> None:
    f = tc.jit(lambda x, y: x + y)
    for shapes in [((3, 4), (3, 4)), ((5, 4), (1, 4)), ((2, 2), (2, 1)), ((1, 7), (6, 1)), ((8, 4), (8, 4)), ((5, 1), (5, 1))] * 4:
        x, y = (np.random.default_rng(3).random(s).astype(np.float32) for s in shapes)
        np.testing.assert_array_equal(f(x, y), x + y)


def test_frames_are_as_python_lays_them_out() -> None:
    """Word for word, but for where intermediates lie."""
    from tensorc.runtime import words

    f = pickle.loads(pickle.dumps(SIZED)).outer
    generator = np.random.default_rng(9)
    for _ in range(4):
        f(generator.random(5), generator.random(6))
    (record,) = f._recorder.general
    executable = next(iter(f._entries.values())).call.executable
    for n, m in generator.integers(2, 60, (40, 2)):
        a, b = generator.random(n), generator.random(m)
        y, total = f(a, b)
        end = record.words[words.FRAME] + 8 * record.words[words.FRAME_LENGTH]
        tail = (ctypes.c_int64 * ((end - record.words[words.TAIL]) // 8)).from_address(record.words[words.TAIL])
        layout = executable.layout([a, b, y, total], {"N": int(n), "M": int(m)})
        plan, expected = executable.plan, np.frombuffer(layout.words, np.int64).tolist()
        regions = 2 * len(plan.regions)
        start = len(tail) - regions - 4 - len(plan.owned)  # sizes and strides before, then places, then threads
        assert tail[:start] == expected[:start]
        assert tail[len(tail) - regions :] == expected[len(tail) - regions :]
