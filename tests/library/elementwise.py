"""Rows for the functions that work element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from library.judge import FLOATS, Case, Given

from tensorc.dtypes import DTYPES, DType, bool_, f32, f64, i64

INF, NAN = float("inf"), float("nan")

SPECIAL = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    INF,
    -INF,
    NAN,
    0.5,
    -0.5,
    2.0,
    -2.5,
    3.0,
    6.0,
    20.5,
    -30.0,
    89.0,
    -89.0,
    720.0,
    -720.0,
    1e-4,
    1e-40,
    60000.0,
)
PAIRED = (0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 0.5, -2.5, 3.0, 100.0, 1e-40)


def unary(name: str, function: Callable[..., Any], text: str = "", low: float = -3, high: float = 3, **rest: Any) -> Case:
    """Of one argument: matrices, 0-d, nothing, and special values."""
    shapes = [(Given((3, 4), low, high),), (Given((), low, high),), (Given((0, 3)),), (Given((2, 1, 5), low, high),)]
    special = [] if rest.pop("plain", False) else [(Given(values=SPECIAL, floats_only=True),)]
    return Case(name, text or f"{name}(x)", function, (*shapes, *special), **rest)


def binary(
    name: str, function: Callable[..., Any], text: str = "", low: float = -3, high: float = 3, least: float | None = None, **rest: Any
) -> Case:
    """Of two: of one shape, broadcast each way, 0-d, nothing, and all pairs of special values. `least` is where the second begins."""
    low2 = low if least is None else least

    def both(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[Given, ...]:
        return Given(a, low, high), Given(b, low2, high)

    shapes = (both((3, 4), (3, 4)), both((3, 4), (4,)), both((3, 1), (1, 4)), both((), (3,)), both((), ()), both((0, 3), (3,)))
    special = () if rest.pop("plain", False) else ((Given(values=[[a] for a in PAIRED]), Given(values=[PAIRED], floats_only=True)),)
    return Case(name, text or f"{name}(x, y)", function, (*shapes, *special), **rest)


def against(name: str, function: Callable[..., Any], text: str, other: DType, **rest: Any) -> Case:
    """Of two dtypes: the second argument's is fixed."""
    variants = ((Given((3, 4)), Given((4,), 1, 3, other)), (Given((3, 4)), Given((), 1, 3, other)), (Given(()), Given((3,), 1, 3, other)))
    return Case(name, text, function, variants, **rest)


CASES = [
    # Rows of the table of operations.
    unary("abs", torch.abs),
    unary("neg", torch.neg, zeros=True),
    unary("sign", torch.sign),
    *(unary(n, getattr(torch, n), low=-8, high=8, zeros=True) for n in ("floor", "ceil", "round", "trunc")),
    unary("round", lambda x: torch.round(x, decimals=2), "round(x, decimals=2)", low=-8, high=8, dtypes=(f64, f32)),
    unary("round", lambda x: torch.round(x, decimals=-1), "x.round(-1)", low=-80, high=80, dtypes=(f64, f32)),
    *(unary(n, getattr(torch, n)) for n in ["exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "sin", "cos", "tan"]),
    *(unary(n, getattr(torch, n), low=-1, high=1) for n in ["asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"]),
    unary("erf", torch.erf),
    unary("erfc", torch.erfc, ulps=16),
    unary("lgamma", torch.lgamma, ulps=64, slack=2, plain=True, low=0.1, high=9),
    unary("erfinv", torch.erfinv, low=-1, high=1, ulps=16),
    unary("cbrt", lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3), dtypes=FLOATS, plain=True),
    unary("isnan", torch.isnan),
    unary("isinf", torch.isinf),
    unary("isfinite", torch.isfinite),
    unary("signbit", torch.signbit),
    binary("add", torch.add),
    binary("sub", torch.sub),
    binary("mul", torch.mul),
    binary("div", torch.div),
    binary("floordiv", torch.floor_divide, dtypes=FLOATS),
    binary("floordiv", torch.floor_divide, low=1, plain=True),
    binary("pow", torch.pow, low=0.2, dtypes=FLOATS),
    binary("pow", torch.pow, low=-3, least=0, plain=True),
    binary("atan2", torch.atan2, zeros=True),
    binary("maximum", torch.maximum),
    binary("minimum", torch.minimum),
    binary("fmod", torch.fmod, dtypes=FLOATS),
    binary("fmod", torch.fmod, low=1, plain=True),
    binary("remainder", torch.remainder, dtypes=FLOATS),
    binary("remainder", torch.remainder, low=1, plain=True),
    binary("copysign", torch.copysign, zeros=True),
    # Casts and choices.
    *(
        unary("cast", lambda x, t=t: x.to(t), f"cast(x, {n})")
        for n, t in (("f32", torch.float32), ("f64", torch.float64), ("bool", torch.bool))
    ),
    unary("cast", lambda x: x.to(torch.int32), "cast(x, i32)", plain=True, low=-100, high=100),
    unary("cast", lambda x: x.to(torch.bfloat16), "cast(x, bf16)", plain=True),
    Case(
        "bitcast",
        "bitcast(x, i32)",
        lambda x: x.view(torch.int32),
        ((Given((3, 4)),), (Given(values=SPECIAL, floats_only=True),)),
        dtypes=(f32,),
    ),
    Case(
        "bitcast",
        "bitcast(bitcast(x, i64), f64)",
        lambda x: x,
        ((Given((3, 4)),), (Given(values=SPECIAL, floats_only=True),)),
        dtypes=(f64,),
    ),
    *(
        Case("bitcast", f"bitcast(x, {to})", lambda x, t=t: x.view(t), ((Given((3, 4)),), (Given(()),), (Given((0, 2)),)), (DTYPES[of],))
        for of, to, t in (
            ("f64", "i64", torch.int64),
            ("f16", "i16", torch.int16),
            ("bf16", "i16", torch.int16),
            ("i64", "f64", torch.float64),
            ("i32", "f32", torch.float32),
            ("i16", "f16", torch.float16),
            ("i8", "u8", torch.uint8),
            ("u8", "i8", torch.int8),
            ("u16", "i16", torch.int16),
            ("u32", "i32", torch.int32),
            ("u64", "i64", torch.int64),
            ("i16", "bf16", torch.bfloat16),
        )
    ),
    unary("clamp", lambda x: torch.clamp(x, -1, 2), "clamp(x, -1, 2)"),
    unary("clamp", lambda x: torch.clamp(x, 0.5, 1.5), "clamp(x, 0.5, 1.5)"),
    unary("clamp", lambda x: torch.clamp(x, min=1), "clamp(x, min=1)"),
    unary("clamp", lambda x: torch.clamp(x, max=1), "x.clamp(max=1)"),
    unary("clamp", lambda x: torch.clamp(x, 2, 1), "clamp(x, 2, 1)"),
    Case(
        "clamp",
        "clamp(x, y, z)",
        torch.clamp,
        ((Given((3, 4)), Given((4,)), Given((3, 1))), (Given((3,)), Given(values=[NAN, 1, 2]), Given(values=[1, NAN, 1]))),
        FLOATS,
    ),
    Case("where", "where(x > 0, x, y)", lambda x, y: torch.where(x > 0, x, y), ((Given((3, 4)), Given((4,))), (Given(()), Given((2,))))),
    Case(
        "where",
        "where(z, x, y)",
        lambda x, y, z: torch.where(z, x, y),
        ((Given((3, 1)), Given((4,)), Given((3, 4), dtype=bool_)), (Given((0,)), Given((0,)), Given((), dtype=bool_))),
    ),
    Case("where", "where(x, 1, 2.5)", lambda x: torch.where(x, 1, 2.5), ((Given((3,)),),), (bool_,)),
    # Made of others.
    unary("reciprocal", torch.reciprocal, zeros=True),
    unary("square", torch.square),
    unary("sigmoid", torch.sigmoid, slack=0.01),
    unary("logit", torch.logit, low=0, high=1),
    unary("logit", lambda x: torch.logit(x, 0.1), "logit(x, eps=0.1)", low=-1, high=2),
    unary("logit", lambda x: torch.logit(x), "logit(x, eps=none)", low=0, high=1),
    binary("hypot", torch.hypot),
    binary("logaddexp", torch.logaddexp),
    binary("xlogy", torch.xlogy),
    against("hypot", torch.hypot, "hypot(x, y)", f32),
    against("logaddexp", torch.logaddexp, "logaddexp(x, y)", f64),
    against("xlogy", torch.xlogy, "xlogy(x, y)", i64),
    against("atan2", torch.atan2, "atan2(x, y)", f32),
    against("pow", torch.pow, "pow(x, y)", f32),
    against("maximum", torch.maximum, "maximum(x, y)", f64),
    unary("hypot", lambda x: torch.hypot(x, torch.tensor(0.1, dtype=torch.float64).to(x.dtype)), "hypot(x, 0.1)", dtypes=FLOATS),
    unary(
        "logaddexp", lambda x: torch.logaddexp(torch.tensor(0.1, dtype=torch.float64).to(x.dtype), x), "logaddexp(0.1, x)", dtypes=FLOATS
    ),
    binary("lerp", lambda x, y: torch.lerp(x, y, 0.3), "lerp(x, y, 0.3)", slack=1),
    Case(
        "lerp",
        "lerp(x, y, z)",
        torch.lerp,
        ((Given((3, 4)), Given((4,)), Given((3, 1), 0, 1)), (Given(values=(1, INF, 0)), Given(values=(INF, 1, NAN)), Given((3,), 0, 1))),
        slack=1,
    ),
    unary("nan_to_num", torch.nan_to_num),
    unary("nan_to_num", lambda x: torch.nan_to_num(x, 1.0, 7.0, -7.0), "nan_to_num(x, 1.0, 7.0, -7.0)"),
    # Activations.
    unary("relu", torch.relu),
    unary("leaky_relu", F.leaky_relu),
    unary("leaky_relu", lambda x: F.leaky_relu(x, 0.3), "leaky_relu(x, negative_slope=0.3)"),
    unary("elu", F.elu),
    unary("elu", lambda x: F.elu(x, 2.0), "elu(x, 2)"),
    unary("selu", F.selu),
    unary("gelu", F.gelu, plain=True, slack=2),
    unary("gelu", lambda x: F.gelu(x, approximate="tanh"), 'gelu(x, approximate="tanh")', slack=2),
    unary("silu", F.silu, slack=0.01),
    unary("mish", F.mish),
    unary("softplus", F.softplus),
    unary("softplus", lambda x: F.softplus(x, 2.0, 3.0), "softplus(x, beta=2.0, threshold=3.0)"),
    unary("softsign", F.softsign),
    unary("hardtanh", F.hardtanh),
    unary("hardtanh", lambda x: F.hardtanh(x, -2.0, 0.5), "hardtanh(x, -2, 0.5)", dtypes=FLOATS),
    unary("hardswish", F.hardswish, low=-4, high=4),
    unary("hardsigmoid", F.hardsigmoid, low=-4, high=4),
    unary("stop_gradient", lambda x: x, "stop_gradient(x)"),
    unary("detach", lambda x: x, "x.detach()"),
]
