"""One compile serves all sizes: a thousand random ones of each program, 0 and 1 among them, and at most a second for other strides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tensorc
from tensorc.loops.check import check
from tensorc.loops.interpret import interpret
from tensorc.schedule.program import schedule

RANDOM = np.random.default_rng(7)

PROGRAMS = {
    "product": "fn f(a: f32[N, K], b: f32[K, M]) = a @ b",
    "layer": "fn f(x: f32[N, K], w: f32[M, K], b: f32[M]) = relu(x @ w.T + b)",
    "batches": "fn f(a: f32[B, N, K], b: f32[B, K, M]) = a @ b",
    "chain": "fn f(a: f32[N, K], b: f32[K, M], c: f32[M, L]) = a @ b @ c",
    "convolution": "fn f(x: f32[B, C, H, W], w: f32[O, C, 3, 3]) = conv2d(x, w, padding=1)",
    "attention": "fn f(q: f32[N, K], k: f32[M, K], v: f32[M, L]) = softmax(q @ k.T) @ v",
    "gradient": 'fn g(x: f32[N, K], w: f32[K, M]) = sum(relu(x @ w) ** 2)\nfn f(x: f32[N, K], w: f32[K, M]) = grad(g, wrt="w")(x, w)',
    "rows": "fn f(x: f32[N, M]) = softmax(x)",
}

SHAPES = {
    "product": "NK KM",
    "layer": "NK MK M",
    "batches": "BNK BKM",
    "chain": "NK KM ML",
    "convolution": "BCHW OC33",
    "attention": "NK MK ML",
    "gradient": "NK KM",
    "rows": "NM",
}


def expected(name: str, arrays: list[np.ndarray]) -> np.ndarray:
    """The same in float64."""
    a, *rest = (x.astype("f8") for x in arrays)
    match name, rest:
        case (("product" | "batches"), [b]):
            return np.asarray(a @ b)
        case "layer", [w, b]:
            return np.maximum(a @ w.T + b, 0)
        case "chain", [b, c]:
            return np.asarray(a @ b @ c)
        case "convolution", [w]:
            padded = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
            return np.einsum("bchwrs,ocrs->bohw", windows, w)
        case "attention", [k, v]:
            return softmax(a @ k.T) @ v if len(k) else np.zeros((len(a), v.shape[1]))
        case "gradient", [w]:
            return np.asarray(2 * a.T @ np.maximum(a @ w, 0))
        case _:
            return softmax(a)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
    return np.asarray(e / e.sum(-1, keepdims=True))


def random_sizes(name: str) -> dict[str, int]:
    """Mostly small, one in a while larger."""
    most = {"convolution": 9, "batches": 20}.get(name, 40)
    found = {
        s: int(RANDOM.choice([0, 1, RANDOM.integers(2, 13), RANDOM.integers(2, most)], p=[0.03, 0.12, 0.45, 0.4])) for s in "BCHKLMNOW"
    }
    if RANDOM.random() < 0.02:
        found[RANDOM.choice(list("KLMN"))] = int(RANDOM.integers(100, 700))
    return found


def arrays_of(name: str, sizes: dict[str, int]) -> list[np.ndarray]:
    if name == "convolution":
        sizes = {**sizes, "H": max(sizes["H"], 1), "W": max(sizes["W"], 1)}  # a window is inside of what there is
    shapes = [[int(a) if a.isdigit() else sizes[a] for a in axes] for axes in SHAPES[name].split()]
    return [RANDOM.standard_normal(shape, dtype="f4") for shape in shapes]


def compare(found: Any, wanted: np.ndarray, about: object) -> None:
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4 * max(float(np.abs(wanted).max(initial=1.0)), 1.0), err_msg=str(about))


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_compile_for_a_thousand_sizes(name: str) -> None:
    f = tensorc.compile(PROGRAMS[name]).f
    for n in range(1000):
        sizes = random_sizes(name) if n else dict.fromkeys("BCHKLMNOW", 0)
        arrays = arrays_of(name, sizes)
        compare(f(*arrays), expected(name, arrays), sizes)
    for long in ({"K": 5000}, {"M": 70_000}, {"N": 4000}) if name in ("product", "layer", "rows") else ():
        arrays = arrays_of(name, {**dict.fromkeys("KMN", 3), **long})
        compare(f(*arrays), expected(name, arrays), long)
    assert f.stats.compiles == 1, f.stats


@pytest.mark.parametrize("name", ["product", "layer", "rows"])
def test_at_most_two_compiles_for_strides(name: str) -> None:
    f = tensorc.compile(PROGRAMS[name]).f
    for n in range(100):
        arrays = arrays_of(name, random_sizes(name))
        given = [np.repeat(a, 2, axis=-1)[..., ::2] for a in arrays] if n % 2 else arrays
        compare(f(*given), expected(name, arrays), [a.shape for a in given])
    assert f.stats.compiles <= 2, f.stats


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_way_computes_the_same(name: str) -> None:
    """Each way that a switch may take is right for all sizes, whichever it is best for."""
    axes = [f"f32[{', '.join(a)}]" for a in SHAPES[name].split()]
    lowered = tensorc.compile(PROGRAMS[name]).f.lower(*map(tensorc.spec, axes))
    made = schedule(lowered.optimised)
    check(made)
    ways = {when for k in made.kernels for when in k.when}
    assert ways or name in ("convolution", "gradient", "chain", "rows")
    sizes = dict(zip("BCHKLMNOW", (2, 3, 5, 7, 4, 9, 6, 3, 5), strict=True))
    arrays = arrays_of(name, sizes)
    for switch, way in ways:
        kernels = tuple(k for k in made.kernels if (switch, way) in k.when or not k.when)
        forced = replace(made, kernels=tuple(replace(k, when=()) for k in kernels))
        known = {str(e): n for t, a in zip(made.inputs, arrays, strict=True) for e, n in zip(t.extents, a.shape, strict=True)}
        (found,), _ = interpret(forced, arrays, known)
        compare(found, expected(name, arrays), way)
