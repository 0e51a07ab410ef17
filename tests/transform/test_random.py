"""Random programs: both modes agree with each other and with finite differences, a batch with a loop, to third order.

Programs are made of every kind of node: index rules with random affine subscripts, `//` and `%` (by sizes too), guards, reductions, scans,
sorts, gathers, scatters, reshapes; at fixed and symbolic sizes, some of them 0 or 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tensorc import algebra
from tensorc.algebra import Index, Poly, fresh, poly
from tensorc.backends.reference.evaluate import evaluate
from tensorc.dtypes import f64, i64
from tensorc.ir import build
from tensorc.ir.check import check
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Scalar, Scan, Scatter, Sort, Tensor, View
from tensorc.transform.partition import partition
from tensorc.transform.programs import batched, float_inputs, pullback, pushforward

EXAMPLES = int(os.environ.get("RANDOM_PROGRAMS", "60"))

SMOOTH = ("sin", "tanh", "neg", "atan")


@dataclass
class Writer:
    """Writes one random program over float inputs x, w and an integer input i."""

    rng: Random

    def __post_init__(self) -> None:
        symbolic = self.rng.random() < 0.5
        self.sizes = {n: self.rng.choice((0, 1, 2, 3, 4) if symbolic else (1, 2, 3, 4)) for n in "ABC"}
        self.extents = [algebra.size(n) if symbolic else poly(k) for n, k in self.sizes.items()]
        shape = [self.rng.choice(self.extents) for _ in range(self.rng.randint(1, 2))]
        self.inputs = [Input("x", tuple(shape), f64), Input("w", (self.rng.choice(self.extents),), f64)]
        self.known = [Input(f"size{n}", (e,), f64) for n, e in enumerate(self.extents)]  # binds every size
        self.places = Input("i", (self.extents[0],), i64)
        self.made: list[Tensor] = list(self.inputs)

    def value(self, p: Poly) -> int:
        return algebra.evaluate(p, self.sizes)

    def program(self) -> Program:
        for _ in range(self.rng.randint(1, 4)):
            self.made.append(self.step())
        inputs = (*self.inputs, *self.known, self.places)
        return Program("random", inputs, (self.made[-1],))

    def step(self) -> Tensor:
        steps = [self.elementwise, self.rule, self.rule, self.reduction, self.scan, self.view, self.sort, self.gather, self.scatter]
        return self.rng.choice(steps)()

    def any(self) -> Tensor:
        return self.rng.choice(self.made[-3:])

    def axes(self, t: Tensor) -> tuple[Index, ...]:
        return tuple(map(fresh, t.extents))

    def elementwise(self) -> Tensor:
        t = self.any()
        axes = self.axes(t)
        at = tuple(map(poly, axes))
        value = build.apply(self.rng.choice(SMOOTH), build.load(t, at))
        others = [u for u in self.made if u.extents == t.extents]
        if others:
            value = build.apply(self.rng.choice(("add", "sub", "mul")), value, build.load(self.rng.choice(others), at))
        return build.define(axes, value)

    def subscript(self, variables: list[Index]) -> Poly:
        p = poly(self.rng.randint(-1, 2))
        for v in self.rng.sample(variables, self.rng.randint(0, min(2, len(variables)))):
            p = p + self.rng.choice((1, 1, 1, -1, 2, -2, *self.extents)) * poly(v)
        kind = self.rng.random()
        d = self.rng.choice((poly(2), poly(3), *self.extents))
        return algebra.floordiv(p, d) if kind < 0.12 else algebra.mod(p, d) if kind < 0.24 else p

    def read(self, variables: list[Index]) -> Scalar:
        """An element at random subscripts, 0 outside."""
        t = self.any()
        places = [
            poly(self.rng.choice(variables)) if variables and self.rng.random() < 0.3 else self.subscript(variables) for _ in t.extents
        ]
        inside = build.both(*(build.inside(p, e) for p, e in zip(places, t.extents, strict=True)))
        return build.select(inside, build.load(t, tuple(places)), build.constant(0, f64))

    def rule(self) -> Tensor:
        out = [fresh(e) for e in self.rng.sample(self.extents, self.rng.randint(0, 2))]
        bound = [fresh(e) for e in self.rng.sample(self.extents, self.rng.randint(0, 2))]
        body = self.read(out + bound)
        for _ in range(self.rng.randint(0, 2)):
            body = build.apply(self.rng.choice(("mul", "mul", "add")), body, self.read(out + bound))
        if self.rng.random() < 0.3:
            body = build.apply(self.rng.choice(SMOOTH), body)
        return build.define(out, build.reduce("sum", bound, body) if bound else body)

    def reduction(self) -> Tensor:
        t = self.any()
        axes = self.axes(t)
        if not axes or any(self.value(e) == 0 for e in t.extents):
            return self.elementwise()
        kept = self.rng.sample(axes, self.rng.randint(0, len(axes) - 1))
        bound = [a for a in axes if a not in kept]
        return build.define(
            kept, build.reduce(self.rng.choice(("sum", "max", "min", "prod")), bound, build.load(t, tuple(map(poly, axes))))
        )

    def scan(self) -> Tensor:
        t = self.any()
        if not t.extents:
            return self.elementwise()
        decays = [u for u in self.made if u.extents == t.extents]
        decay = self.rng.choice(decays) if self.rng.random() < 0.4 else None
        return Scan("sum" if decay is not None else self.rng.choice(("sum", "prod", "max")), t, decay, self.rng.random() < 0.3)

    def view(self) -> Tensor:
        t = self.any()
        total = algebra.ONE
        for e in t.extents:
            total = total * e
        return View(t, self.rng.choice(((total,), (algebra.ONE, *t.extents), t.extents[::-1])))

    def sort(self) -> Tensor:
        t = self.any()
        if not t.extents:
            return self.elementwise()
        order = Sort(t, self.rng.random() < 0.5)
        axes = self.axes(t)
        at = tuple(map(poly, axes))
        return build.define(axes, build.load(t, (*at[:-1], poly(algebra.Element(order, at)))))

    def gather(self) -> Tensor:
        t = self.any()
        a = fresh(self.extents[0])
        if not t.extents:
            return self.elementwise()
        rest = tuple(map(fresh, t.extents[1:]))
        place = poly(algebra.Element(self.places, (poly(a),)))
        value = build.load(t, (place, *map(poly, rest)))
        return build.define((a, *rest), build.select(build.inside(place, t.extents[0]), value, build.constant(0, f64)))

    def scatter(self) -> Tensor:
        t = self.any()
        if t.extents != (self.extents[0],):
            return self.gather()
        a = Index(0, self.extents[0])
        place = poly(algebra.Element(self.places, (poly(a),)))
        base = next((u for u in self.made if u.extents == (self.extents[1],)), None) if self.rng.random() < 0.5 else None
        return Scatter((self.extents[1],), (self.extents[0],), (place,), build.load(t, (poly(a),)), base)

    def arrays(self) -> list[Any]:
        data = np.random.default_rng(self.rng.randint(0, 1 << 30))
        floats = [data.standard_normal([self.value(e) for e in t.extents]) for t in (*self.inputs, *self.known)]
        return [*floats, data.integers(-1, 4, self.value(self.extents[0]))]


def run(program: Program, arrays: list[Any]) -> list[Any]:
    check(program)
    return evaluate(program, arrays)


def push(program: Program, arrays: list[Any], us: list[Any]) -> Any:
    """The tangents of a program's results in the directions us of its float inputs."""
    return run(pushforward(program, float_inputs(program)), [*arrays, *us])[len(program.results) :]


def differences(program: Program, arrays: list[Any], us: list[Any]) -> list[Any]:
    step = 1e-6
    floats = [n for n, i in enumerate(program.inputs) if i.dtype is f64]
    ends = []
    for sign in (1, -1):
        moved = list(arrays)
        for n, u in zip(floats, us, strict=True):
            moved[n] = arrays[n] + sign * step * u
        ends.append(run(program, moved))
    return [(a - b) / (2 * step) for a, b in zip(*ends, strict=True)]


def close(a: Any, b: Any, tolerance: float, what: str) -> None:
    scale = 1 + max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)))
    assert float(np.max(np.abs(np.asarray(a) - b), initial=0.0)) <= tolerance * scale, (what, a, b)


def split(rng: Random) -> None:
    """What the two passes of a program compute is what the whole does."""
    writer = Writer(rng)
    program = writer.program()
    back = pullback(program, float_inputs(program))
    found = partition(back, 1, back.inputs[len(program.inputs) :])
    arrays = writer.arrays()
    arrays += [np.random.default_rng(0).standard_normal(y.shape) for y in run(program, arrays)]
    given = dict(zip((i.name for i in back.inputs), arrays, strict=True))
    first = run(found.forward, [given[i.name] for i in found.forward.inputs])
    own = back.inputs[len(program.inputs) :]
    kept = found.backward.inputs[len(found.inputs) : len(found.backward.inputs) - len(own)]
    given |= dict(zip((i.name for i in kept), first[1:], strict=True))
    for ours, theirs in zip(
        [first[0], *run(found.backward, [given[i.name] for i in found.backward.inputs])], run(back, arrays), strict=True
    ):
        close(ours, theirs, 1e-12, "two passes and one program")


def directions(program: Program, arrays: list[Any], data: Any) -> list[Any]:
    return [data.standard_normal(a.shape) for a, i in zip(arrays, program.inputs, strict=True) if i.dtype is f64]


def judge(program: Program, arrays: list[Any], data: Any, order: int) -> None:
    """One order: tangents against differences, cotangents against tangents; then the same of the cotangents."""
    us = directions(program, arrays, data)
    tangents = push(program, arrays, us)
    for a, b in zip(tangents, differences(program, arrays, us), strict=True):
        close(a, b, 1e-4, f"order {order}: tangent and differences")
    back = pullback(program, float_inputs(program))
    back = replace(back, results=back.results[len(program.results) :])
    vs = [data.standard_normal(np.shape(t)) for t in tangents]
    cotangents = run(back, [*arrays, *vs])
    forward = sum(float(np.sum(v * t)) for v, t in zip(vs, tangents, strict=True))
    backward = sum(float(np.sum(u * c)) for u, c in zip(us, cotangents, strict=True))
    close(forward, backward, 1e-8, f"order {order}: cotangents and tangents")
    if order < 3 and sum(a.size for a in (*arrays, *vs)) < 60:
        # one direction is enough of the next order: the size of what is differentiated grows with each
        judge(back, [*arrays, *vs], data, order + 1)


def every(judged: Callable[[Random], None], examples: int = EXAMPLES) -> None:
    """Judge as many random programs as there are to be, and see that so many were."""
    count = 0

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def run(rng: Random) -> None:
        nonlocal count
        judged(rng)
        count += 1

    run()
    assert count >= examples


def test_modes_and_differences() -> None:
    def judged(rng: Random) -> None:
        writer = Writer(rng)
        program = writer.program()
        judge(program, writer.arrays(), np.random.default_rng(rng.randint(0, 1 << 30)), 1)

    every(judged)


def test_two_passes_are_one_program() -> None:
    every(split, EXAMPLES // 4)


def test_a_batch_is_a_loop() -> None:
    every(batch_as_loop)


def batch_as_loop(rng: Random) -> None:
    writer = Writer(rng)
    program = writer.program()
    back = pullback(program, float_inputs(program))
    arrays = writer.arrays()
    data = np.random.default_rng(rng.randint(0, 1 << 30))
    one = run(program, arrays)
    seeds = [data.standard_normal(y.shape) for y in one]
    axes = [rng.choice((0, None)) if a.ndim else None for a in (*arrays, *seeds)]
    axes[0] = 0
    count = rng.randint(0, 3)
    stacked = [
        a if axis is None else np.stack([a * (n + 1) // 1 for n in range(count)]) if count else np.zeros((0, *a.shape), a.dtype)
        for a, axis in zip((*arrays, *seeds), axes, strict=True)
    ]
    stacked = [a.astype(i.dtype.numpy) for a, i in zip(stacked, back.inputs, strict=True)]
    whole = run(batched(back, axes), stacked)
    for n in range(count):
        single = [a if axis is None else a[n] for a, axis in zip(stacked, axes, strict=True)]
        for found, expected in zip(whole, run(back, single), strict=True):
            close(found[n], expected, 1e-12, "vmap and a loop")


@pytest.mark.parametrize("seed", [728, 1992, 2513, 5098])
def test_indices_that_stand_in_exact_quotients_and_beside_them(seed: int) -> None:
    rng = Random(seed)
    writer = Writer(rng)
    judge(writer.program(), writer.arrays(), np.random.default_rng(rng.randint(0, 1 << 30)), 1)
