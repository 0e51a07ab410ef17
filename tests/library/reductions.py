"""Rows for reductions, scans and sorts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from library.judge import FLOATS, Case, Given

INF, NAN = float("inf"), float("nan")

ROWS = (
    (NAN, 1.0, 2.0),
    (INF, 1.0, -INF),
    (-INF, -INF, -INF),
    (INF, INF, 1.0),
    (0.0, -0.0, 0.0),
    (2.0, NAN, NAN),
    (-1.0, -1.0, -3.0),
    (1e4, -1e4, 1.0),
)
SPECIAL = (Given(values=ROWS, floats_only=True),)


def over_axes(name: str, function: Callable[..., Any], empty: bool = True, several: bool = True, **rest: Any) -> list[Case]:
    """Of one axis, a negative one, several, all, with the axes kept; of 0-d tensors, of nothing, of special values."""
    low, high = rest.pop("low", -3), rest.pop("high", 3)
    plain: tuple[tuple[Given, ...], ...] = ((Given((3, 4), low, high),), (Given((2, 1, 5), low, high),))
    nothing = ((Given((3, 0)),),) if empty else ()
    cases = [
        Case(name, f"{name}(x, axis=1)", lambda x: function(x, dim=1), (*plain, SPECIAL, *nothing, (Given((0, 3)),)), **rest),
        Case(name, f"x.{name}(axis=-2, keepdims=true)", lambda x: function(x, dim=-2, keepdim=True), plain, **rest),
        Case(name, f"{name}(x, dim=0)", lambda x: function(x, dim=0), ((Given(()),), (Given((3,)),)), **rest),
    ]
    if several:
        cases.append(Case(name, f"{name}(x, dim=(0, -1))", lambda x: function(x, dim=(0, -1)), plain, **rest))
        cases.append(
            Case(
                name,
                f"{name}(x)",
                lambda x: function(x, dim=tuple(range(x.ndim))) if x.ndim else function(x, dim=-1),
                (*plain, (Given(()),)),
                **rest,
            )
        )
    return cases


def of_any(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, **rest: f(x, **rest).to(torch.bool)


def values(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, **rest: f(x, **rest)[0]


def norm(order: float) -> Callable[..., Any]:
    return lambda x, **rest: torch.linalg.vector_norm(x, order, **rest)


def along(name: str, function: Callable[..., Any], **rest: Any) -> list[Case]:
    """Scans: along one axis, a negative one, of nothing, 0-d and special values."""
    plain = ((Given((3, 4)),), (Given((2, 1, 5)),), SPECIAL)
    return [
        Case(name, f"{name}(x, axis=1)", lambda x: function(x, 1), (*plain, (Given((3, 0)),), (Given((0, 3)),)), **rest),
        Case(name, f"{name}(x, -2)", lambda x: function(x, -2), plain, **rest),
        Case(name, f"{name}(x, 0)", lambda x: function(x, 0), ((Given((5,)),), (Given(()),)), **rest),
    ]


def _prod(x: Any, dim: Any, keepdim: bool = False) -> Any:
    if not x.ndim and isinstance(dim, tuple) and len(dim) > 1:
        raise IndexError("an axis twice")
    for d in sorted(((d % x.ndim if x.ndim else d) for d in (dim if isinstance(dim, tuple) else (dim,))), reverse=True):
        x = torch.prod(x, d, keepdim=keepdim)
    return x


def _recurrence(x: Any, decay: Any) -> Any:
    total = [x[..., :1]]
    for t in range(1, x.shape[-1]):
        total.append(decay[..., t : t + 1] * total[-1] + x[..., t : t + 1])
    return torch.cat(total, -1)


TIES = Given(values=((3, 1, 2, 3, 1), (0, 0, 0, 0, 0), (5, 4, 3, 2, 1)))

CASES = [
    *over_axes("sum", torch.sum, slack=2),
    *over_axes("prod", values(lambda x, **rest: (_prod(x, **rest),)), several=True, ulps=64),
    *over_axes("mean", torch.mean, slack=2),
    *over_axes("amax", torch.amax, empty=False),
    *over_axes("amin", torch.amin, empty=False),
    *over_axes("max", torch.amax, empty=False),
    *over_axes("min", torch.amin, empty=False),
    *over_axes("argmax", torch.argmax, empty=False, several=False),
    *over_axes("argmin", torch.argmin, empty=False, several=False),
    Case("argmax", "argmax(x)", torch.argmax, ((Given((3, 4)),), (Given(()),), (TIES,), SPECIAL)),
    Case("argmin", "argmin(x, keepdims=true)", lambda x: torch.argmin(x, keepdim=True), ((Given((3, 4)),), (TIES,))),
    *over_axes("any", of_any(torch.any)),
    *over_axes("all", of_any(torch.all)),
    Case(
        "count_nonzero", "count_nonzero(x, axis=0)", lambda x: torch.count_nonzero(x, dim=0), ((Given((3, 4)),), (Given((0, 3)),), SPECIAL)
    ),
    Case("count_nonzero", "count_nonzero(x)", torch.count_nonzero, ((Given((3, 4)),), (Given(()),))),
    *over_axes("logsumexp", torch.logsumexp, slack=2),
    *over_axes("var", torch.var, slack=2),
    *over_axes("std", torch.std, slack=2),
    Case("var", "var(x, 0, correction=0)", lambda x: torch.var(x, 0, correction=0), ((Given((3, 4)),), SPECIAL)),
    Case("std", "std(x, axis=1, correction=5, keepdims=true)", lambda x: torch.std(x, 1, correction=5, keepdim=True), ((Given((3, 4)),),)),
    Case("var", "var(x, 0)", lambda x: torch.var(x.double(), 0).to(x.dtype), ((Given((9, 4), 999, 1001),),), FLOATS[:2], ulps=2000),
    *over_axes("norm", norm(2)),
    *[
        Case(
            "norm",
            f"norm(x, {text}, axis=1)",
            lambda x, o=o: torch.linalg.vector_norm(x, o, dim=1),
            ((Given((3, 4)),), (Given((0, 3)),), SPECIAL),
            slack=1,
        )
        for text, o in (("1", 1), ("0", 0), ("inf", INF), ("-inf", -INF), ("3", 3), ("0.5", 0.5), ("ord=-1", -1))
    ],
    Case(
        "norm", "norm(x, axis=0, dtype=f64)", lambda x: torch.linalg.vector_norm(x, dim=0, dtype=torch.float64), ((Given((3, 4)),),), FLOATS
    ),
    Case("norm", "norm(x, 1, axis=1)", lambda x: torch.linalg.vector_norm(x, 1, dim=1), ((Given((3, 0)),),)),
    Case(
        "norm", "norm(x)", torch.linalg.vector_norm, ((Given(values=(3e4, 3e4, 1.0)),), (Given(values=(0.0, 0.0)),), (Given((0,)),)), FLOATS
    ),
    Case("sum", "sum(x, axis=0, dtype=f64)", lambda x: torch.sum(x, 0, dtype=torch.float64), ((Given((3, 4)),),), slack=2),
    Case("sum", "sum(x, axis=1, dtype=i32)", lambda x: torch.sum(x, 1, dtype=torch.int32), ((Given((3, 4)),),)),
    Case("mean", "mean(x, axis=0, dtype=f32)", lambda x: torch.mean(x, 0, dtype=torch.float32), ((Given((3, 4)),),), slack=2),
    *along("cumsum", torch.cumsum, slack=2),
    *along("cumprod", torch.cumprod),
    *along("cummax", lambda x, d: torch.cummax(x, d)[0]),
    *along("cummin", lambda x, d: torch.cummin(x, d)[0]),
    *along("logcumsumexp", torch.logcumsumexp, slack=1),
    Case("scan", 'scan(x, "sum")', lambda x: torch.cumsum(x, -1), ((Given((3, 4)),), (Given((3, 0)),)), FLOATS, slack=2),
    Case("scan", 'scan(x, "max", reverse=true)', lambda x: torch.cummax(x.flip(-1), -1)[0].flip(-1), ((Given((3, 4)),), (Given((5,)),))),
    Case("scan", 'scan(x, "sum", y)', _recurrence, ((Given((3, 4)), Given((3, 4))), (Given((5,)), Given((5,)))), FLOATS[:2], slack=2),
    *[
        case
        for name, f in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax))
        for case in (
            Case(name, f"{name}(x)", lambda x, f=f: f(x, -1), ((Given((3, 4)),), SPECIAL), slack=1),
            Case(name, f"{name}(x)", lambda x, f=f: f(x, -1), ((Given((3, 0)),), (Given((0, 3)),)), FLOATS),
            Case(name, f"{name}(x)", lambda x, f=f: f(x, -1), ((Given(()),), (Given((4,)),)), FLOATS, slack=1),
            Case(name, f"x.{name}(dim=0)", lambda x, f=f: f(x, 0), ((Given((3, 4)),), (Given((2, 1, 5)),)), slack=1),
            Case(name, f"{name}(x, -2, f64)", lambda x, f=f: f(x.double(), -2), ((Given((3, 4)),),), FLOATS, slack=1),
            Case(name, f"{name}(x * 100)", lambda x, f=f: f(x.double() * 100, -1).to(x.dtype), ((Given((3, 4)),),), FLOATS[:2], slack=99),
        )
    ],
    # Sorts. PyTorch puts NaN first where it sorts downwards, which the language does not: test_order.py.
    Case(
        "sort",
        "sort(x)",
        lambda x: torch.sort(x, stable=True)[0],
        ((Given((3, 4)),), (TIES,), (Given((0, 3)),), (Given((3, 0)),), (Given(()),), SPECIAL),
    ),
    Case("sort", "x.sort(axis=0, descending=true)", lambda x: torch.sort(x, 0, descending=True)[0], ((Given((3, 4)),), (TIES,))),
    Case("argsort", "argsort(x, -1)", lambda x: torch.argsort(x, stable=True), ((Given((3, 4)),), (TIES,), (Given(()),), SPECIAL)),
    Case(
        "argsort",
        "argsort(x, axis=-2, descending=true)",
        lambda x: torch.argsort(x, dim=-2, descending=True, stable=True),
        ((Given((3, 4)),), (TIES,)),
    ),
    Case("topk", "topk(x, 2)[0]", lambda x: torch.topk(x, 2)[0], ((Given((3, 4)),), (TIES,))),
    Case(
        "topk",
        "topk(x, 2, axis=0, largest=false)[0]",
        lambda x: torch.topk(x, 2, 0, False)[0],
        ((Given((3, 4)),), (TIES,)),
    ),
    Case("topk", "take(x, topk(x, 3)[1], -1)[0, 0]", lambda x: torch.topk(x, 3)[0][0], ((Given((1, 5)),),)),
]
