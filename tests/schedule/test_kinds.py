"""Each kind of nest that contractions have, at random sizes and strides, against float64; and what is taken for a contraction."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tensorc
from tensorc import algebra
from tensorc.algebra import Index, Poly, floordiv, mod, poly
from tensorc.dtypes import f32
from tensorc.ir.tensor import Input, Load
from tensorc.schedule.rules import contracts

RANDOM = np.random.default_rng(12)
FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))

LONG = {"K": (2100, 5000)}
FEW_ROWS = {"N": (1, 5), "M": (300, 900), "K": (60, 90)}
SMALL = {"N": (1, 7), "M": (1, 7), "K": (2000, 2100)}

KINDS: dict[str, tuple[str, tuple[str, ...], Callable[..., Any], dict[str, tuple[int, ...]]]] = {
    "tiles": ("fn f(a: f32[N, K], b: f32[K, M]) = a @ b", ("NK", "KM"), lambda a, b: a @ b, {}),
    "turned_panels": ("fn f(a: f32[K, N], b: f32[M, K]) = a.T @ b.T", ("KN", "MK"), lambda a, b: a.T @ b.T, {}),
    "long": (
        "fn f(a: f32[N, K], b: f32[K, M]) = relu(a @ b) + 1",
        ("NK", "KM"),
        lambda a, b: np.maximum(a @ b, 0) + 1,
        {"K": (2100, 5000)},
    ),
    "few_rows": (
        "fn f(a: f32[N, K], b: f32[K, M]) = a @ b",
        ("NK", "KM"),
        lambda a, b: a @ b,
        {"N": (1, 5), "M": (300, 900), "K": (60, 90)},
    ),
    "dots": (
        "fn f(a: f32[N, K], b: f32[M, K]) = a @ b.T",
        ("NK", "MK"),
        lambda a, b: a @ b.T,
        {"N": (1, 7), "M": (1, 7), "K": (2000, 2100)},
    ),
    "rows_of_dots": ("fn f(a: f32[N, K], x: f32[K]) = a @ x", ("NK", "K"), lambda a, x: a @ x, {"K": (1, 900)}),
    "batches": ("fn f(a: f32[B, N, K], b: f32[B, K, M]) = a @ b", ("BNK", "BKM"), lambda a, b: a @ b, {"B": (1, 9), "K": (1, 40)}),
    "windows": (
        "fn f(x: f32[B, C, W], w: f32[O, C, R]) = conv1d(x, w, padding=1)",
        ("BCW", "OCR"),
        lambda x, w: windows(x, w, 1),
        {"R": (1, 4), "W": (4, 60), "C": (1, 9), "O": (1, 60), "B": (1, 3)},
    ),
    "groups": (
        "fn f(x: f32[B, 6, W], w: f32[6, 2, R]) = conv1d(x, w, groups=3)",
        ("B6W", "62R"),
        lambda x, w: windows(x, w, 0, 3),
        {"R": (1, 4), "W": (4, 60), "B": (1, 3)},
    ),
}
COMPILED: dict[str, Any] = {}


def windows(x: Any, w: Any, padding: int, groups: int = 1) -> Any:
    """The convolution by its definition."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding)))
    size, each, own = w.shape[2], w.shape[0] // groups, w.shape[1]
    seen = np.lib.stride_tricks.sliding_window_view(x, size, axis=2)
    parts = [np.einsum("bcwr,ocr->bow", seen[:, g * own : (g + 1) * own], w[g * each : (g + 1) * each]) for g in range(groups)]
    return np.concatenate(parts, axis=1)


def strided(shape: tuple[int, ...], kind: int) -> Any:
    """An array: row-major, the other way round, every other element, or backwards."""
    match kind:
        case 0:
            return RANDOM.standard_normal(shape, dtype="f4")
        case 1:
            return RANDOM.standard_normal(shape[::-1], dtype="f4").T
        case 2:
            return RANDOM.standard_normal(tuple(2 * n for n in shape), dtype="f4")[tuple(slice(None, None, 2) for _ in shape)]
        case _:
            return RANDOM.standard_normal(shape, dtype="f4")[tuple(slice(None, None, -1) for _ in shape)]


@pytest.mark.parametrize("name", KINDS)
@FEW
@given(data=st.data())
def test_kinds(name: str, data: st.DataObject) -> None:
    text, shapes, meaning, ranges = KINDS[name]
    if name not in COMPILED:
        COMPILED[name] = tensorc.compile(text)["f"]
    letters = sorted({c for s in shapes for c in s if c.isalpha()})
    sizes = {c: data.draw(st.integers(*ranges.get(c, (1, 70))), c) for c in letters}
    kinds = [data.draw(st.sampled_from((0, 0, 0, 1, 2, 3))) for _ in shapes]
    arrays = [strided(tuple(sizes.get(c) or int(c) for c in s), k) for s, k in zip(shapes, kinds, strict=True)]
    wanted = meaning(*(a.astype("f8") for a in arrays))
    scale = meaning(*(abs(a.astype("f8")) for a in arrays))
    depth = sizes.get("K", 1) * sizes.get("C", 2) * sizes.get("R", 1)
    assert (abs(COMPILED[name](*arrays) - wanted) <= 2e-6 * sqrt(depth) * scale).all()


# What is a contraction.

EXTENTS = (2, 3, 4)
AXES = tuple(Index(level, poly(e)) for level, e in enumerate(EXTENTS))


@st.composite
def loads(draw: st.DrawFn) -> Load:
    """A load at some of the axes, at sums of two, and at digits."""
    subscripts: list[Poly] = []
    for _ in range(draw(st.integers(1, 4))):
        a, b = draw(st.sampled_from(AXES)), draw(st.sampled_from(AXES))
        step = draw(st.integers(1, 4))
        subscripts.append(draw(st.sampled_from((poly(a), poly(a), a + step * poly(b), floordiv(poly(a), poly(2)), mod(poly(a), poly(2))))))
    return Load(Input("x", tuple(poly(99) for _ in subscripts), f32), tuple(subscripts))


def is_read_once(load: Load) -> bool:
    points = list(itertools.product(*map(range, EXTENTS)))
    places = {
        tuple(algebra.substitute(s, dict(zip(AXES, map(poly, point), strict=True))).constant for s in load.subscripts) for point in points
    }
    return len(places) == len(points)


@settings(max_examples=200, deadline=None)
@given(load=loads(), other=loads())
def test_what_every_point_reads_for_itself_is_no_side_of_a_contraction(load: Load, other: Load) -> None:
    if not contracts((load, other), AXES):
        assert is_read_once(load) or is_read_once(other)
    elif all(isinstance(s.atom, Index) for one in (load, other) for s in one.subscripts):
        assert not is_read_once(load) and not is_read_once(other)
