"""Every function of every example against NumPy, SciPy or PyTorch, compiled and by the oracle, at several sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special
from torch.nn import functional as F

import tensorc as tc

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TOLERANCE = {"float16": 4e-3, "float32": 3e-5, "float64": 1e-11}

Array = np.ndarray[Any, np.dtype[Any]]
Make = Callable[..., tuple["Call", Any]]


@dataclass(frozen=True)
class Call:
    """The arguments of a call: arrays by position, static values by keyword."""

    arrays: tuple[Any, ...]
    static: dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A function `file.tx:name` at one size; `make(rng, *size)` gives a call and what must come of it."""

    place: str
    size: tuple[Any, ...]
    make: Make

    def __str__(self) -> str:
        return f"{self.place}-{'x'.join(map(str, self.size))}"


CASES: list[Case] = []


def example(place: str, *sizes: tuple[Any, ...]) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        CASES.extend(Case(place, size, make) for size in sizes)
        return make

    return register


def call(*arrays: Any, **static: Any) -> Call:
    return Call(arrays, static)


def normal(rng: np.random.Generator, *shape: int, dtype: str = "float32") -> Array:
    drawn: Array = rng.standard_normal(shape).astype(dtype)
    return drawn


def wide(*arrays: Array) -> list[Array]:
    """In f64, in which the references compute."""
    return [a.astype(np.float64) for a in arrays]


def through_torch(function: Callable[..., Any], *arrays: Array, **options: Any) -> Array:
    """A PyTorch function's result in f64."""
    tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]
    result: Array = function(*(t.double() if t.is_floating_point() else t for t in tensors), **options).numpy()
    return result


# softmax.tx


@example("softmax.tx:softmax", (5,), (3, 7), (2, 3, 1), (0, 4), (4, 65, "float16"), (4, 33, "float64"))
def softmax(rng: np.random.Generator, *shape: Any) -> tuple[Call, Any]:
    shape, dtype = (shape[:-1], shape[-1]) if isinstance(shape[-1], str) else (shape, "float32")
    x = normal(rng, *shape, dtype=dtype) * np.dtype(dtype).type(30)
    return call(x), special.softmax(x.astype(float), axis=-1).astype(dtype)


@example("softmax.tx:softmax_rows", (3, 7), (1, 1), (0, 4), (65, 130))
def softmax_rows(rng: np.random.Generator, n: int, m: int) -> tuple[Call, Any]:
    x = 100 * normal(rng, n, m)
    return call(x), special.softmax(x.astype(float), axis=-1).astype(np.float32)


@example("softmax.tx:log_sum_exp", (3, 7), (1, 1), (0, 4), (65, 130))
def log_sum_exp(rng: np.random.Generator, n: int, m: int) -> tuple[Call, Any]:
    x = 100 * normal(rng, n, m)
    return call(x), special.logsumexp(x.astype(float), axis=-1).astype(np.float32)


@example("softmax.tx:softmax_at", (3, 7, 0.5), (4, 1, 2.0))
def softmax_at(rng: np.random.Generator, n: int, m: int, temperature: float) -> tuple[Call, Any]:
    x = normal(rng, n, m)
    return call(x, temperature=temperature), special.softmax(x.astype(float) / temperature, axis=-1).astype(np.float32)


# attention.tx


def attention_weights(q: Array, k: Array, seen: Array | bool = True) -> Array:
    score = np.einsum("bhsd,bhtd->bhst", *wide(q, k)) / np.sqrt(q.shape[-1])
    return special.softmax(np.where(seen, score, -np.inf), axis=-1)


def attended(q: Array, k: Array, v: Array, seen: Array | bool = True) -> Array:
    return np.einsum("bhst,bhtd->bhsd", attention_weights(q, k, seen), v.astype(float)).astype(np.float32)


@example("attention.tx:softmax", (2, 1, 3, 9))
def attention_softmax(rng: np.random.Generator, *shape: int) -> tuple[Call, Any]:
    return softmax(rng, *shape)


@example("attention.tx:attention", (2, 3, 5, 7, 4), (1, 1, 1, 1, 1), (2, 1, 0, 3, 4), (0, 1, 2, 3, 4), (1, 2, 40, 70, 16))
def attention(rng: np.random.Generator, b: int, h: int, s: int, t: int, d: int) -> tuple[Call, Any]:
    q, k, v = normal(rng, b, h, s, d), normal(rng, b, h, t, d), normal(rng, b, h, t, d)
    return call(q, k, v), attended(q, k, v)


@example("attention.tx:causal_attention", (2, 3, 5, 4), (1, 1, 1, 1), (1, 2, 40, 16))
def causal_attention(rng: np.random.Generator, b: int, h: int, s: int, d: int) -> tuple[Call, Any]:
    q, k, v = (normal(rng, b, h, s, d) for _ in range(3))
    return call(q, k, v), attended(q, k, v, np.tri(s, dtype=bool))


@example("attention.tx:local_attention", (2, 1, 9, 4, 3), (1, 1, 5, 4, 1), (1, 2, 5, 3, 100))
def local_attention(rng: np.random.Generator, b: int, h: int, s: int, d: int, window: int) -> tuple[Call, Any]:
    q, k, v = (normal(rng, b, h, s, d) for _ in range(3))
    return call(q, k, v, window=window), attended(q, k, v, np.tri(s, dtype=bool) & ~np.tri(s, k=-window, dtype=bool))


# convolution.tx


def images(rng: np.random.Generator, size: tuple[int, ...]) -> tuple[Array, Array]:
    n, c, h, w, o, r, s = size
    return normal(rng, n, c, h, w), normal(rng, o, c, r, s)


@example(
    "convolution.tx:conv2d",
    (2, 3, 8, 9, 4, 3, 2),
    (1, 1, 3, 3, 1, 3, 3),
    (1, 2, 2, 5, 1, 3, 1),
    (0, 1, 5, 5, 1, 1, 1),
    (1, 8, 20, 33, 9, 3, 3),
)
def conv2d(rng: np.random.Generator, *size: int) -> tuple[Call, Any]:
    x, f = images(rng, size)
    if x.shape[2] < f.shape[2]:  # an extent of 0
        return call(x, f), np.zeros((x.shape[0], f.shape[0], 0, x.shape[3] - f.shape[3] + 1), np.float32)
    return call(x, f), through_torch(F.conv2d, x, f).astype(np.float32)


@example("convolution.tx:conv2d_same", (2, 3, 8, 9, 4, 3, 5), (1, 1, 1, 1, 1, 3, 3), (1, 2, 4, 5, 2, 1, 1))
def conv2d_same(rng: np.random.Generator, *size: int) -> tuple[Call, Any]:
    x, f = images(rng, size)
    return call(x, f), through_torch(F.conv2d, x, f, padding="same").astype(np.float32)


@example(
    "convolution.tx:conv2d_strided",
    (2, 3, 8, 9, 4, 3, 2, 2),
    (1, 1, 3, 3, 1, 3, 3, 2),
    (1, 2, 10, 11, 3, 3, 3, 3),
    (1, 2, 5, 6, 3, 2, 2, 1),
)
def conv2d_strided(rng: np.random.Generator, *size: int) -> tuple[Call, Any]:
    x, f = images(rng, size[:-1])
    return call(x, f, stride=size[-1]), through_torch(F.conv2d, x, f, stride=size[-1]).astype(np.float32)


@example("convolution.tx:conv2d_padded", (2, 3, 8, 9, 4, 3, 3, 2, 1), (1, 1, 2, 2, 1, 3, 3, 1, 1), (1, 2, 10, 11, 3, 3, 3, 3, 2))
def conv2d_padded(rng: np.random.Generator, *size: int) -> tuple[Call, Any]:
    (x, f), stride, pad = images(rng, size[:-2]), size[-2], size[-1]
    return call(x, f, stride=stride, pad=pad), through_torch(F.conv2d, x, f, stride=stride, padding=pad).astype(np.float32)


@example("convolution.tx:depthwise", (2, 3, 8, 9, 3, 2), (1, 1, 3, 3, 3, 3))
def depthwise(rng: np.random.Generator, n: int, c: int, h: int, w: int, r: int, s: int) -> tuple[Call, Any]:
    x, f = normal(rng, n, c, h, w), normal(rng, c, r, s)
    return call(x, f), through_torch(F.conv2d, x, f[:, None], groups=c).astype(np.float32)


# heat.tx


def heat_step(u: Array, r: float, mode: str) -> Array:
    p = np.pad(u.astype(float), 1, mode=mode)  # type: ignore[call-overload]
    return p[1:-1, 1:-1] + r * (p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * p[1:-1, 1:-1])


@example("heat.tx:step_cold", (5, 6), (1, 1), (0, 3), (40, 67))
def step_cold(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    u = normal(rng, h, w)
    return call(u, np.float32(0.125)), heat_step(u, 0.125, "constant").astype(np.float32)


@example("heat.tx:step_insulated", (5, 6), (1, 1), (40, 67))
def step_insulated(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    u = normal(rng, h, w)
    return call(u, np.float32(0.125)), heat_step(u, 0.125, "edge").astype(np.float32)


@example("heat.tx:step_inner", (5, 6), (2, 2), (3, 3), (40, 67))
def step_inner(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    u = normal(rng, h, w)
    return call(u, np.float32(0.125)), heat_step(u, 0.125, "edge")[1:-1, 1:-1].astype(np.float32)


@example("heat.tx:two_steps", (5, 6), (1, 3))
def two_steps(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    u = normal(rng, h, w)
    return call(u, np.float32(0.125)), heat_step(heat_step(u, 0.125, "edge"), 0.125, "edge").astype(np.float32)


@example("heat.tx:mean_temperature", (5, 6), (1, 1), (0, 3))
def mean_temperature(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    u = normal(rng, h, w)
    return call(u), np.float32(u.astype(float).mean() if u.size else np.nan)


# black_scholes.tx


def market(rng: np.random.Generator, n: int, dtype: str) -> list[Any]:
    spot, strike = rng.uniform(50, 150, (2, n)).astype(dtype)
    years, volatility = rng.uniform(0.1, 2, n).astype(dtype), rng.uniform(0.1, 0.6, n).astype(dtype)
    return [spot, strike, years, volatility, np.dtype(dtype).type(0.03125)]


def moneyness(spot: Array, strike: Array, years: Array, volatility: Array, rate: float) -> Array:
    return (np.log(spot / strike) + (rate + volatility**2 / 2) * years) / (volatility * np.sqrt(years))


@example("black_scholes.tx:normal_cdf", (), (9,), (2, 3))
def normal_cdf(rng: np.random.Generator, *shape: int) -> tuple[Call, Any]:
    x = np.asarray(5 * normal(rng, *shape, dtype="float64"))
    return call(x), special.ndtr(x)


@example("black_scholes.tx:price", (100, "float64"), (1, "float64"), (0, "float64"), (50, "float32"))
def price(rng: np.random.Generator, n: int, dtype: str) -> tuple[Call, Any]:
    inputs = market(rng, n, dtype)
    spot, strike, years, volatility, rate = wide(*map(np.asarray, inputs))
    d1 = moneyness(spot, strike, years, volatility, float(rate))
    d2, discounted = d1 - volatility * np.sqrt(years), strike * np.exp(-rate * years)
    put = discounted * special.ndtr(-d2) - spot * special.ndtr(-d1)
    return call(*inputs), ((spot * special.ndtr(d1) - discounted * special.ndtr(d2)).astype(dtype), put.astype(dtype))


@example("black_scholes.tx:greeks", (100, "float64"), (1, "float32"))
def greeks(rng: np.random.Generator, n: int, dtype: str) -> tuple[Call, Any]:
    inputs = market(rng, n, dtype)
    spot, strike, years, volatility, rate = wide(*map(np.asarray, inputs))
    d1 = moneyness(spot, strike, years, volatility, float(rate))
    vega = spot * np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi) * np.sqrt(years)
    return call(*inputs), (special.ndtr(d1).astype(dtype), vega.astype(dtype))


# nbody.tx


def pulls(p: Array, m: Array) -> Array:
    delta = p[None] - p[:, None]
    return np.einsum("j,ijk,ij->ik", m, delta, ((delta**2).sum(-1) + 1e-4) ** -1.5)


@example("nbody.tx:acceleration", (9, 3), (1, 3), (2, 2), (0, 3), (70, 3))
def acceleration(rng: np.random.Generator, n: int, d: int) -> tuple[Call, Any]:
    p, m = normal(rng, n, d, dtype="float64"), rng.uniform(0.5, 2, n)
    return call(p, m), pulls(p, m)


@example("nbody.tx:step", (9, 3), (1, 3))
def nbody_step(rng: np.random.Generator, n: int, d: int) -> tuple[Call, Any]:
    p, v, m, dt = normal(rng, n, d, dtype="float64"), normal(rng, n, d, dtype="float64"), rng.uniform(0.5, 2, n), 0.01
    half = v + dt / 2 * pulls(p, m)
    moved = p + dt * half
    return call(p, v, pulls(p, m), m, np.float64(dt)), (moved, half + dt / 2 * pulls(moved, m), pulls(moved, m))


@example("nbody.tx:energy", (9, 3), (1, 3), (0, 3))
def energy(rng: np.random.Generator, n: int, d: int) -> tuple[Call, Any]:
    p, v, m = normal(rng, n, d, dtype="float64"), normal(rng, n, d, dtype="float64"), rng.uniform(0.5, 2, n)
    pairs = np.tril(np.outer(m, m) / np.sqrt(((p[None] - p[:, None]) ** 2).sum(-1) + 1e-4), -1)
    return call(p, v, m), (np.float64(0.5 * (m * (v**2).sum(1)).sum()), np.float64(-pairs.sum()))


# rotary.tx


def rotated(x: Array, first: slice, second: slice) -> Array:
    positions, pairs = np.arange(x.shape[1]), x.shape[3] // 2
    angle = (positions[:, None] * 10000.0 ** (-2 * np.arange(pairs) / x.shape[3])).astype(np.float32).astype(float)[:, None, :]
    result, (a, b) = np.empty(x.shape), (x[..., first].astype(float), x[..., second].astype(float))
    result[..., first] = a * np.cos(angle) - b * np.sin(angle)
    result[..., second] = b * np.cos(angle) + a * np.sin(angle)
    return result.astype(np.float32)


@example("rotary.tx:rotary", (2, 5, 3, 8), (1, 1, 1, 2), (1, 600, 1, 64), (0, 2, 1, 4))
def rotary(rng: np.random.Generator, *shape: int) -> tuple[Call, Any]:
    x = normal(rng, *shape)
    return call(x), rotated(x, slice(0, shape[3] // 2), slice(shape[3] // 2, None))


@example("rotary.tx:rotary_interleaved", (2, 5, 3, 8), (1, 1, 1, 2), (1, 600, 1, 64))
def rotary_interleaved(rng: np.random.Generator, *shape: int) -> tuple[Call, Any]:
    x = normal(rng, *shape)
    return call(x), rotated(x, slice(0, None, 2), slice(1, None, 2))


# normalization.tx


@example("normalization.tx:rms_norm", (7,), (3, 5), (2, 3, 1), (0, 4), (4, 130))
def rms_norm(rng: np.random.Generator, *shape: int) -> tuple[Call, Any]:
    x, w = normal(rng, *shape), normal(rng, shape[-1])
    return call(x, w), through_torch(lambda x, w: F.rms_norm(x, w.shape, w, 1e-6), x, w).astype(np.float32)


@example("normalization.tx:layer_norm", (7,), (3, 5), (2, 3, 1), (0, 4), (4, 130))
def layer_norm(rng: np.random.Generator, *shape: int) -> tuple[Call, Any]:
    x, w, b = normal(rng, *shape), normal(rng, shape[-1]), normal(rng, shape[-1])
    return call(x, w, b), through_torch(lambda x, w, b: F.layer_norm(x, w.shape, w, b), x, w, b).astype(np.float32)


@example("normalization.tx:unit_rows", (3, 5), (1, 1), (0, 4), (2, 0))
def unit_rows(rng: np.random.Generator, n: int, d: int) -> tuple[Call, Any]:
    x = normal(rng, n, d)
    x[:1] = 0
    return call(x), through_torch(F.normalize, x).astype(np.float32)


# life.tx


def neighbours(cells: Array, mode: str) -> Array:
    p = np.pad(cells.astype(int), 1, mode=mode)  # type: ignore[call-overload]
    h, w = cells.shape
    return sum(p[a : a + h, b : b + w] for a in range(3) for b in range(3)) - cells


def generation(cells: Array, count: Array) -> Array:
    return ((count == 3) | ((count == 2) & (cells == 1))).astype(np.uint8)


@example("life.tx:life", (6, 7), (3, 3), (1, 1), (2, 5), (20, 40))
def life(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    cells = rng.integers(0, 2, (h, w)).astype(np.uint8)
    return call(cells), generation(cells, neighbours(cells, "wrap"))


@example("life.tx:life_bounded", (6, 7), (1, 1), (0, 3), (20, 40))
def life_bounded(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    cells = rng.integers(0, 2, (h, w)).astype(np.uint8)
    return call(cells), generation(cells, neighbours(cells, "constant"))


@example("life.tx:survives", (6, 7))
def survives(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    cells, count = rng.integers(0, 2, (h, w)).astype(np.uint8), rng.integers(0, 9, (h, w))
    return call(count, cells), generation(cells, count)


@example("life.tx:population", (6, 7), (0, 3), (30, 30))
def population(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    cells = rng.integers(0, 2, (h, w)).astype(np.uint8)
    return call(cells), np.int64(cells.sum(dtype=int))


# kmeans.tx


def distances(x: Array, z: Array) -> Array:
    return ((x[:, None].astype(float) - z[None].astype(float)) ** 2).sum(-1)


@example("kmeans.tx:assign", (20, 3, 4), (1, 1, 1), (0, 2, 3), (100, 2, 33))
def assign(rng: np.random.Generator, n: int, d: int, k: int) -> tuple[Call, Any]:
    x, centre = normal(rng, n, d), normal(rng, k, d)
    return call(x, centre), distances(x, centre).argmin(1)


@example("kmeans.tx:step", (20, 3, 4), (1, 1, 1), (2, 2, 5), (100, 2, 7))
def kmeans_step(rng: np.random.Generator, n: int, d: int, k: int) -> tuple[Call, Any]:
    x, centre = normal(rng, n, d), normal(rng, k, d)
    label = distances(x, centre).argmin(1)
    moved = np.stack([x[label == c].astype(float).mean(0) if (label == c).any() else centre[c] for c in range(k)])
    return call(x, centre), (moved.astype(np.float32), label, np.float32(distances(x, centre).min(1).sum()))


# kernel_sum.tx


@example("kernel_sum.tx:gaussian", (5, 7, 3, 2, 1.0), (1, 1, 1, 1, 0.5), (0, 3, 2, 1, 1.0), (4, 0, 2, 3, 1.0), (40, 70, 3, 4, 0.7))
def gaussian(rng: np.random.Generator, n: int, m: int, d: int, r: int, width: float) -> tuple[Call, Any]:
    x, z, b = normal(rng, n, d), normal(rng, m, d), normal(rng, m, r)
    return call(x, z, b, width=width), (np.exp(-distances(x, z) / (2 * width**2)) @ b.astype(float)).astype(np.float32)


@example("kernel_sum.tx:smooth", (5, 7, 3, 1.0), (1, 1, 1, 0.01), (40, 70, 3, 0.05))
def smooth(rng: np.random.Generator, n: int, m: int, d: int, width: float) -> tuple[Call, Any]:
    x, z, b = normal(rng, n, d), normal(rng, m, d), normal(rng, m)
    weights = special.softmax(-distances(x, z) / (2 * width**2), axis=1)
    return call(x, z, b, width=width), (weights @ b.astype(float)).astype(np.float32)


@example("kernel_sum.tx:nearest_distance", (5, 7, 3), (1, 1, 1), (0, 3, 2), (40, 70, 3))
def nearest_distance(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[Call, Any]:
    x, z = normal(rng, n, d), normal(rng, m, d)
    return call(x, z), distances(x, z).min(1).astype(np.float32)


# mandelbrot.tx


def orbit(re: Array, im: Array, n: Array, c_re: Array, c_im: Array, steps: int) -> tuple[Array, Array, Array]:
    for _ in range(steps):
        inside = re * re + im * im <= 4
        re, im = np.where(inside, re * re - im * im + c_re, re), np.where(inside, 2 * re * im + c_im, im)
        n = n + inside
    return re, im, n


def plane(rng: np.random.Generator, h: int, w: int) -> tuple[Array, ...]:
    re, im, c_re, c_im = rng.uniform(-1.5, 1.5, (4, h, w))
    return re, im, rng.integers(0, 9, (h, w)), c_re, c_im


@example("mandelbrot.tx:step", (4, 5), (1, 1), (0, 3))
def mandelbrot_step(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    start = plane(rng, h, w)
    return call(*start), orbit(*start, steps=1)


@example("mandelbrot.tx:four", (4, 5))
def mandelbrot_four(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    start = plane(rng, h, w)
    return call(*start), orbit(*start, steps=4)


@example("mandelbrot.tx:mandelbrot", (4, 5), (1, 1), (0, 3), (16, 40))
def mandelbrot(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    # Multiples of 1/8, on which no rounding decides whether a point of the first steps lies on the circle.
    x, y = rng.integers(-16, 8, w) / 8, rng.integers(-10, 11, h) / 8
    zero = np.zeros((h, w))
    return call(x, y), orbit(zero, zero, np.zeros((h, w), np.int64), zero + x, zero + y[:, None], steps=16)[2]


@example("mandelbrot.tx:logistic", (5,), (1,), (0,))
def logistic(rng: np.random.Generator, n: int) -> tuple[Call, Any]:
    x = rng.uniform(0, 1, n)
    return call(x, np.float64(3.5)), 3.5 * x * (1 - x)


@example("mandelbrot.tx:logistic8", (5,), (1,), (100,))
def logistic8(rng: np.random.Generator, n: int) -> tuple[Call, Any]:
    x = y = rng.uniform(0, 1, n)
    for _ in range(8):
        y = 2.75 * y * (1 - y)
    return call(x, np.float64(2.75)), y


# mlp.tx


def layers(rng: np.random.Generator, n: int, i: int, h: int, k: int) -> list[Array]:
    return [normal(rng, n, i), normal(rng, i, h), normal(rng, h), normal(rng, h, k), normal(rng, k)]


def log_probabilities(x: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> Array:
    x, w1, b1, w2, b2 = wide(x, w1, b1, w2, b2)
    return special.log_softmax(np.maximum(x @ w1 + b1, 0) @ w2 + b2, axis=-1)


@example("mlp.tx:forward", (5, 4, 6, 3), (1, 1, 1, 1), (0, 4, 6, 3), (33, 20, 50, 10))
def forward(rng: np.random.Generator, *size: int) -> tuple[Call, Any]:
    inputs = layers(rng, *size)
    return call(*inputs), log_probabilities(*inputs).astype(np.float32)


@example("mlp.tx:loss", (5, 4, 6, 3), (1, 1, 1, 1), (33, 20, 50, 10))
def loss(rng: np.random.Generator, *size: int) -> tuple[Call, Any]:
    x, *weights = layers(rng, *size)
    y = rng.integers(0, size[3], size[0])
    return call(x, y, *weights), np.float32(-log_probabilities(x, *weights)[np.arange(size[0]), y].mean())


@example("mlp.tx:predict", (5, 4, 6, 3), (1, 1, 1, 1), (0, 4, 6, 3), (33, 20, 50, 10))
def predict(rng: np.random.Generator, *size: int) -> tuple[Call, Any]:
    inputs = layers(rng, *size)
    return call(*inputs), log_probabilities(*inputs).argmax(-1)


@example("mlp.tx:linear_gelu", (5, 4, 6), (1, 1, 1), (0, 4, 6), (33, 65, 50))
def linear_gelu(rng: np.random.Generator, n: int, i: int, o: int) -> tuple[Call, Any]:
    x, w, b = normal(rng, n, i), normal(rng, i, o), normal(rng, o)
    return call(x, w, b), through_torch(lambda x, w, b: F.gelu(x @ w + b), x, w, b).astype(np.float32)


# signal.tx


@example("signal.tx:moving_average", (10, 3), (1, 1), (7, 7), (200, 5))
def moving_average(rng: np.random.Generator, n: int, window: int) -> tuple[Call, Any]:
    x = normal(rng, n)
    return call(x, window=window), np.convolve(x.astype(float), np.ones(window) / window, "valid").astype(np.float32)


@example("signal.tx:fir", (10, 3), (3, 10), (1, 1), (200, 20))
def fir(rng: np.random.Generator, n: int, k: int) -> tuple[Call, Any]:
    x, h = normal(rng, n), normal(rng, k)
    return call(x, h), np.convolve(x.astype(float), h.astype(float))[:n].astype(np.float32)


@example("signal.tx:downsample", (2, 10, 3), (1, 1, 1), (2, 0, 2), (3, 65, 2))
def downsample(rng: np.random.Generator, c: int, n: int, step: int) -> tuple[Call, Any]:
    x = normal(rng, c, n)
    return call(x, step=step), x[:, ::step]


@example("signal.tx:autocorrelation", (10, 3), (1, 1), (7, 7), (200, 8))
def autocorrelation(rng: np.random.Generator, n: int, lags: int) -> tuple[Call, Any]:
    x = normal(rng, n)
    return call(x, lags=lags), np.correlate(*wide(x, x), "full")[n - 1 : n - 1 + lags].astype(np.float32)


@example("signal.tx:loudness", (10, 3, 2), (1, 1, 1), (200, 64, 32))
def loudness(rng: np.random.Generator, n: int, width: int, hop: int) -> tuple[Call, Any]:
    x = normal(rng, n)
    frames = np.lib.stride_tricks.sliding_window_view(x.astype(float), width)[::hop]
    return call(x, width=width, hop=hop), np.sqrt((frames**2).mean(1)).astype(np.float32)


# embedding.tx


@example("embedding.tx:lookup", (9, 4, 2, 3), (1, 1, 1, 1), (5, 3, 2, 0), (0, 3, 2, 0))
def lookup(rng: np.random.Generator, v: int, d: int, b: int, t: int) -> tuple[Call, Any]:
    table, ids = normal(rng, v, d), rng.integers(0, max(v, 1), (b, t))
    return call(table, ids), table[ids]


@example("embedding.tx:bag", (9, 4, 2, 3), (1, 1, 1, 1), (50, 33, 8, 5))
def bag(rng: np.random.Generator, v: int, d: int, b: int, t: int) -> tuple[Call, Any]:
    table, ids = normal(rng, v, d), rng.integers(0, v, (b, t))
    return call(table, ids), table[ids].astype(float).mean(1).astype(np.float32)


@example("embedding.tx:padded_bag", (9, 4, 2, 3), (1, 1, 1, 1), (5, 3, 2, 0), (50, 33, 8, 5))
def padded_bag(rng: np.random.Generator, v: int, d: int, b: int, t: int) -> tuple[Call, Any]:
    table, ids = normal(rng, v, d), rng.integers(-1, v, (b, t))
    rows = np.where((ids >= 0)[..., None], table[ids].astype(float), 0)
    return call(table, ids), (rows.sum(1) / np.maximum((ids >= 0).sum(1), 1)[:, None]).astype(np.float32)


@example("embedding.tx:one_hot", (5, 4), (1, 1), (0, 3), (3, 0))
def one_hot(rng: np.random.Generator, n: int, classes: int) -> tuple[Call, Any]:
    ids = rng.integers(0, max(classes, 1), n)
    return call(ids, classes=classes), (ids[:, None] == np.arange(classes)).astype(np.float32)


@example("embedding.tx:counts", (50, 7), (1, 1), (0, 3))
def counts(rng: np.random.Generator, n: int, classes: int) -> tuple[Call, Any]:
    ids = rng.integers(0, classes, n)
    return call(ids, classes=classes), np.bincount(ids, minlength=classes)


# image.tx


@example("image.tx:grey", (4, 5), (1, 1), (0, 3))
def grey(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    x = rng.random((h, w, 3), np.float32)
    return call(x), (x.astype(float) @ [0.2126, 0.7152, 0.0722]).astype(np.float32)


@example("image.tx:edges", (4, 5), (3, 3), (2, 5), (30, 41))
def edges(rng: np.random.Generator, h: int, w: int) -> tuple[Call, Any]:
    x = rng.random((h, w), np.float32)
    if h < 3:
        return call(x), np.zeros((0, w - 2), np.float32)
    sobel = np.array([[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]], [[[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]], float)
    across, down = through_torch(F.conv2d, x[None, None], sobel)[0]
    return call(x), np.hypot(across, down).astype(np.float32)


@example("image.tx:shrink", (6, 9, 3, 3), (5, 7, 1, 2), (1, 1, 3, 2), (8, 8, 2, 1))
def shrink(rng: np.random.Generator, h: int, w: int, c: int, n: int) -> tuple[Call, Any]:
    x = rng.random((h, w, c), np.float32)
    blocks = x[: h // n * n, : w // n * n].astype(float).reshape(h // n, n, w // n, n, c)
    return call(x, n=n), blocks.mean((1, 3)).astype(np.float32)


@example("image.tx:quarter_turn", (4, 5, 3), (1, 1, 1), (0, 3, 2))
def quarter_turn(rng: np.random.Generator, h: int, w: int, c: int) -> tuple[Call, Any]:
    x = rng.random((h, w, c), np.float32)
    return call(x), np.rot90(x)


@example("image.tx:gamma", (4, 5, 3), (1, 1, 1), (0, 3, 2))
def gamma(rng: np.random.Generator, h: int, w: int, c: int) -> tuple[Call, Any]:
    x = normal(rng, h, w, c)
    return call(x, np.float32(2.25)), (np.clip(x, 0, 1).astype(float) ** 2.25).astype(np.float32)


# The tests.


@cache
def program(file: str) -> Any:
    return tc.load(EXAMPLES / file)


def agree(result: Any, expected: Any) -> None:
    """Same structure, shape and dtype; integers equal, floats close, relative to the largest element."""
    if isinstance(expected, tuple):
        assert isinstance(result, tuple) and len(result) == len(expected)
        for r, e in zip(result, expected, strict=True):
            agree(r, e)
        return
    result, expected = np.asarray(result), np.asarray(expected)
    assert result.dtype == expected.dtype and result.shape == expected.shape
    if result.dtype.kind == "f":
        tolerance = TOLERANCE[result.dtype.name]
        scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance * scale)
    else:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_compiled_and_oracle(case: Case) -> None:
    file, name = case.place.split(":")
    function = getattr(program(file), name)
    made, expected = case.make(np.random.default_rng(7), *case.size)
    agree(function(*made.arrays, **made.static), expected)
    agree(function.reference(*made.arrays, **made.static), expected)


def test_every_function_of_every_example_is_tested() -> None:
    places = {f"{path.name}:{name}" for path in EXAMPLES.glob("*.tx") for name in re.findall(r"^fn (\w+)", path.read_text(), re.MULTILINE)}
    assert places == {case.place for case in CASES}


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.tx")), ids=lambda path: path.name)
def test_every_example_explains_itself(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# ") and len(text.splitlines()) < 80 and max(map(len, text.splitlines())) <= 140


def test_an_id_outside_the_table_is_an_error() -> None:
    table = np.ones((4, 2), np.float32)
    for bad in (4, -1):
        with pytest.raises(IndexError, match="table"):
            program("embedding.tx").lookup(table, np.array([[0, bad]]))


def test_what_an_example_requires_is_checked() -> None:
    x = np.ones(4, np.float32)
    with pytest.raises(ValueError, match="the window fits into the signal"):
        program("signal.tx").moving_average(x, window=5)
    with pytest.raises(ValueError, match="channels come in pairs"):
        program("rotary.tx").rotary(np.ones((1, 2, 1, 3), np.float32))
