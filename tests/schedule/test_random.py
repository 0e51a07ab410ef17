"""Random programs: whatever is built of definitions, views, scans, scatters and sorts has the oracle's results."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from tensorc import algebra
from tensorc.algebra import Element, Index, Poly, fresh, poly, size
from tensorc.backends.reference.evaluate import evaluate_tensors
from tensorc.dtypes import f64, i64
from tensorc.ir import build, walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Scalar, Scan, Scatter, Sort, Tensor, View
from tensorc.loops.check import check
from tensorc.loops.interpret import interpret
from tensorc.schedule.program import schedule
from tensorc.transform.simplify import simplify

N, M, K = map(size, "NMK")
PLACES = Input("places", (N,), i64)
SIZES = [{"N": 3, "M": 4, "K": 2}, {"N": 1, "M": 1, "K": 1}, {"N": 7, "M": 18, "K": 5}, {"N": 0, "M": 3, "K": 2}, {"N": 2, "M": 0, "K": 3}]


class Maker:
    """Makes random tensors of f64 whose values stay small."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tensors: list[Tensor] = [Input("x", (N, M), f64), Input("y", (M, N), f64), Input("z", (N,), f64), Input("w", (K, N, M), f64)]
        self.inputs = (*self.tensors, PLACES)

    def program(self, count: int) -> Program:
        for _ in range(count):
            make: Callable[[], Tensor] = self.random.choice(
                [self.pointwise] * 6 + [self.reduction] * 4 + [self.view, self.scan, self.scatter, self.sort]
            )
            self.tensors.append(make())
        results = [*self.random.sample(self.tensors[4:], min(3, count)), self.tensors[-1]]
        return Program("p", self.inputs, tuple(results))  # type: ignore[arg-type]

    def extents(self) -> tuple[Poly, ...]:
        return self.random.choice([(N, M), (M, N), (N,), (M,), (K, N, M), (N, K), (N, N), (), (N, poly(1)), (N * M,)])

    def load(self, axes: list[Index]) -> Scalar:
        """An element of some tensor at some place made of the axes, guarded where it may be outside."""
        t = self.random.choice(self.tensors[-6:] if self.random.random() < 0.7 else self.tensors)
        subscripts: list[Poly] = []
        inside: list[Scalar] = []
        for e in t.extents:
            fitting = [poly(a) for a in axes if a.extent is e]
            p = self.random.choice(fitting) if fitting else algebra.ZERO
            kind = self.random.random()
            if kind < 0.1:
                p = p + self.random.choice([-1, 1, 2])
            elif kind < 0.15:
                p = e - 1 - p
            elif kind < 0.2 and any(a.extent is N for a in axes):
                p = poly(Element(PLACES, (poly(next(a for a in axes if a.extent is N)),)))
            subscripts.append(p)
            inside.append(build.inside(p, e))
        return build.select(build.both(*inside), build.load(t, subscripts), build.constant(0.25, f64))

    def body(self, axes: list[Index]) -> Scalar:
        value = self.load(axes)
        for _ in range(self.random.randint(0, 3)):
            match self.random.randint(0, 4):
                case 0:
                    value = build.apply("sin", value)
                case 1:
                    value = build.apply("tanh", value)
                case 2:
                    value = build.apply("sub", value, self.load(axes))
                case 3:
                    value = build.apply("maximum", self.load(axes), value)
                case 4:
                    value = build.apply("mul", build.apply("sin", value), self.load(axes))
        return build.apply("sin", value) if self.random.random() < 0.5 else value

    def pointwise(self) -> Tensor:
        axes = [fresh(e) for e in self.extents()]
        return build.define(axes, self.body(axes))

    def reduction(self) -> Tensor:
        axes = [fresh(e) for e in self.extents()]
        cut = self.random.randint(0, len(axes))
        self.random.shuffle(axes)
        body = self.body(axes)
        monoid = self.random.choice(["sum", "sum", "max", "min"])
        made = build.reduction(monoid, axes[:cut], axes[cut:], body)
        if monoid == "sum":
            return made
        out = [fresh(e) for e in made.extents]  # identities become finite
        finite = build.load(made, tuple(map(poly, out)))
        return build.define(
            out, build.apply("maximum", build.apply("minimum", finite, build.constant(9.0, f64)), build.constant(-9.0, f64))
        )

    def view(self) -> Tensor:
        t = self.random.choice([t for t in self.tensors if t.extents in ((N, M), (M, N), (N * M,), (K, N, M))])
        if t.extents == (K, N, M):
            return View(t, self.random.choice([(K, N * M), (K * N, M), (M, N, K)]))
        return View(t, self.random.choice([(N, M), (M, N), (N * M,), (N, poly(1), M)]))

    def ranked(self) -> Tensor:
        return self.random.choice([t for t in self.tensors if t.extents])

    def scan(self) -> Tensor:
        t = self.ranked()
        decay = t if self.random.random() < 0.3 else None
        bounded = build.define(*self._scaled(t))
        return Scan(
            "sum" if decay is not None else self.random.choice(["sum", "max"]),
            t,
            None if decay is None else bounded,
            self.random.random() < 0.5,
        )

    def _scaled(self, t: Tensor) -> tuple[list[Index], Scalar]:
        axes = [fresh(e) for e in t.extents]
        return axes, build.apply("tanh", build.load(t, tuple(map(poly, axes))))

    def scatter(self) -> Tensor:
        i, j = Index(0, N), Index(1, M)
        base = next((t for t in reversed(self.tensors) if t.extents == (N, M)), None) if self.random.random() < 0.5 else None
        return Scatter((N, M), (N, M), (poly(Element(PLACES, (poly(i),))), poly(j)), self.body([i, j]), base)

    def sort(self) -> Tensor:
        t = self.ranked()
        order = Sort(t, self.random.random() < 0.5)
        axes = [fresh(e) for e in t.extents]
        return build.define(axes, build.load(t, (*map(poly, axes[:-1]), poly(Element(order, tuple(map(poly, axes)))))))


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed: int) -> None:
    p = Maker(seed).program(4 + seed % 12)
    s = schedule(simplify(p) if seed % 2 else p)
    check(s)
    random = np.random.default_rng(seed)
    for sizes in SIZES:
        shapes = [tuple(algebra.evaluate(e, sizes) for e in x.extents) for x in p.inputs]
        inputs = [
            random.integers(-1, 3, shape) if x is PLACES else random.standard_normal(shape)
            for x, shape in zip(p.inputs, shapes, strict=True)
        ]
        expected = evaluate_tensors(p.results, dict(zip(p.inputs, inputs, strict=True)), sizes)
        found, _ = interpret(s, inputs, sizes)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_random_programs_are_of_every_kind() -> None:
    kinds = {type(t) for seed in range(60) for t in walk.topological(Maker(seed).program(4 + seed % 12).results)}
    assert len(kinds) == 6
