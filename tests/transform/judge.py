"""Programs whose derivatives PyTorch judges: a .tx expression beside the PyTorch function of the same meaning, in float64."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch.func import jvp as torch_jvp
from torch.func import vjp as torch_vjp

from tensorc.backends.reference.evaluate import evaluate
from tensorc.dtypes import DTYPES
from tensorc.elaborate import ArgumentType, instantiate, load_unit
from tensorc.ir.check import check
from tensorc.ir.program import Program
from tensorc.source import Source
from tensorc.transform.programs import batched, float_inputs, pullback, pushforward

Array = np.ndarray[Any, Any]
Data = Callable[[tuple[int, ...]], Array]

SIZES = {"N": 3, "D": 4, "K": 2, "M": 5, "C": 4, "H": 6, "W": 5, "B": 2}
_PARAMETER = re.compile(r"(\w+): (\w+)(?:\[([^\]]*)\])?")

rng = np.random.default_rng(11)


def normal(shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)


def positive(shape: tuple[int, ...]) -> Array:
    return rng.uniform(0.2, 2.0, shape)


def unit(shape: tuple[int, ...]) -> Array:
    return rng.uniform(-0.9, 0.9, shape)


def probability(shape: tuple[int, ...]) -> Array:
    return rng.uniform(0.05, 0.95, shape)


def above_one(shape: tuple[int, ...]) -> Array:
    return rng.uniform(1.1, 3.0, shape)


def ties(shape: tuple[int, ...]) -> Array:
    return rng.integers(-1, 2, shape).astype(np.float64)


def classes(below: int) -> Data:
    return lambda shape: rng.integers(0, below, shape)


@dataclass(frozen=True)
class Case:
    """`body` is the expression or the braces of a function of the parameters; `theirs` takes tensors of all of these.

    `orders` is how often it is differentiated: 1 where PyTorch has no second derivative or another one.
    """

    body: str
    theirs: Callable[..., Any]
    parameters: str = "x: f64[N, D]"
    data: Mapping[str, Data] = field(default_factory=dict)
    orders: int = 2
    name: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    helpers: str = ""

    def __str__(self) -> str:
        return self.name or self.body


@dataclass(frozen=True)
class Parameter:
    name: str
    dtype: str
    dims: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.dtype}[{', '.join(self.dims)}]"

    @property
    def is_float(self) -> bool:
        return self.dtype.startswith(("f", "b")) and self.dtype != "bool"


def parameters(text: str) -> list[Parameter]:
    return [Parameter(n, t, tuple(d.strip() for d in dims.split(",")) if dims else ()) for n, t, dims in _PARAMETER.findall(text)]


def program(case: Case, arrays: Sequence[Array]) -> Program:
    """The case as a program."""
    body = case.body if case.body.lstrip().startswith("{") else f"= {case.body}"
    unit = load_unit(Source("case.tx", f"{case.helpers}\nfn f({case.parameters}) {body}\n"))
    by_numpy = {t.numpy: t for t in DTYPES.values()}
    return instantiate(unit, "f", [ArgumentType(by_numpy[a.dtype], a.ndim) for a in arrays]).program


def run(made: Program, arrays: Sequence[Array]) -> list[Array]:
    check(made)
    return evaluate(made, arrays)[: len(made.results)]


def cotangents(made: Program) -> Program:
    """Of a program's pullback, the cotangents alone."""
    back = pullback(made, float_inputs(made))
    return replace(back, results=back.results[len(made.results) :])


def values(case: Case) -> list[Array]:
    sizes = {**SIZES, **case.sizes}
    made = []
    for p in parameters(case.parameters):
        shape = tuple(sizes[d] if d in sizes else int(eval(d, {}, sizes)) for d in p.dims)
        data = case.data.get(p.name, normal if p.is_float else classes(2))
        made.append(np.asarray(data(shape), DTYPES[p.dtype].numpy))
    return made


def close(ours: Array, theirs: Any, what: str) -> None:
    expected = theirs.detach().numpy(force=True) if isinstance(theirs, torch.Tensor) else np.asarray(theirs)
    assert ours.shape == expected.shape, (what, ours.shape, expected.shape)
    with np.errstate(invalid="ignore"):
        error = np.abs(ours - expected) / (1 + np.abs(expected))
    same = (ours == expected) | (np.isnan(ours) & np.isnan(expected))
    error = np.where(same, 0, error)
    assert not (np.isnan(error).any() or np.max(error, initial=0.0) > 1e-9), (what, ours, expected)


def judge(case: Case) -> None:
    """All derivatives of a case against PyTorch's."""
    given = parameters(case.parameters)
    arrays = values(case)
    floats = [n for n, p in enumerate(given) if p.is_float]
    xs = [torch.tensor(arrays[n]) for n in floats]

    def f(*moving: Any) -> Any:
        every = [torch.tensor(a) for a in arrays]
        for n, m in zip(floats, moving, strict=True):
            every[n] = m
        return case.theirs(*every)

    ours = program(case, arrays)
    y, pull = torch_vjp(f, *xs)
    dy = normal(tuple(y.shape))
    close(run(ours, arrays)[0], y, "value")
    back = cotangents(ours)
    gradient = run(back, [*arrays, dy])
    for n, found, theirs in zip(floats, gradient, pull(torch.tensor(dy)), strict=True):
        close(found, theirs, f"d{given[n].name}")
    us = [normal(arrays[n].shape) for n in floats]
    expected = torch_jvp(f, tuple(xs), tuple(map(torch.tensor, us)))[1]
    close(run(pushforward(ours, float_inputs(ours)), [*arrays, *us])[1], expected, "tangent")
    _batch(back, given, arrays, dy, gradient)
    if case.orders > 1:
        _second(back, f, arrays, xs, dy, us)


def _batch(back: Program, given: Sequence[Parameter], arrays: Sequence[Array], dy: Array, gradient: Sequence[Array]) -> None:
    stacked = [np.stack([a, 2 * a]) if p.is_float else a for p, a in zip(given, arrays, strict=True)]
    doubled = [2 * a if p.is_float else a for p, a in zip(given, arrays, strict=True)]
    second = run(back, [*doubled, dy])
    whole = batched(back, [*(0 if p.is_float else None for p in given), 0])
    for n, found in enumerate(run(whole, [*stacked, np.stack([dy, dy])])):
        close(found, np.stack([gradient[n], second[n]]), f"vmap of gradient {n}")


def _second(back: Program, f: Any, arrays: Sequence[Array], xs: Sequence[Any], dy: Array, us: Sequence[Array]) -> None:
    def g(*moving: Any) -> Any:
        return torch_vjp(f, *moving[:-1])[1](moving[-1])

    at = (*xs, torch.tensor(dy))
    tangents = tuple(map(torch.tensor, us))
    _, pull = torch_vjp(g, *at)
    reverse = run(cotangents(back), [*arrays, dy, *us])
    for n, (found, theirs) in enumerate(zip(reverse, pull(tangents), strict=True)):
        close(found, theirs, f"reverse over reverse {n}")
    u_dy = normal(dy.shape)
    expected = torch_jvp(g, at, (*tangents, torch.tensor(u_dy)))[1]
    forward = run(pushforward(back, float_inputs(back)), [*arrays, dy, *us, u_dy])[len(back.results) :]
    for n, (found, theirs) in enumerate(zip(forward, expected, strict=True)):
        close(found, theirs, f"forward over reverse {n}")
