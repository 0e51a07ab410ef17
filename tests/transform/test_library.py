"""Every name of the library that has a derivative: first and second order, forward and reverse, batched, against torch.func."""

from __future__ import annotations

import math
import re

import pytest
import torch
import torch.nn.functional as F
from transform.judge import Case, above_one, classes, judge, normal, positive, probability, ties, unit

from tensorc.elaborate.library import library_names
from tensorc.elaborate.transforms import KINDS

X = {"x": positive}

ELEMENTWISE = [
    Case("abs(x)", torch.abs),
    Case("neg(x)", torch.neg),
    Case("sign(x)", torch.sign),
    Case("floor(x)", torch.floor),
    Case("ceil(x)", torch.ceil),
    Case("round(x)", torch.round),
    Case("trunc(x)", torch.trunc),
    Case("exp(x)", torch.exp),
    Case("exp2(x)", torch.exp2),
    Case("expm1(x)", torch.expm1),
    Case("log(x)", torch.log, data=X),
    Case("log2(x)", torch.log2, data=X),
    Case("log10(x)", torch.log10, data=X),
    Case("log1p(x)", torch.log1p, data=X),
    Case("sqrt(x)", torch.sqrt, data=X),
    Case("rsqrt(x)", torch.rsqrt, data=X),
    Case("cbrt(x)", lambda x: x ** (1 / 3), data=X),
    Case("reciprocal(x)", torch.reciprocal),
    Case("square(x)", torch.square),
    Case("sin(x)", torch.sin),
    Case("cos(x)", torch.cos),
    Case("tan(x)", torch.tan, data={"x": unit}),
    Case("asin(x)", torch.asin, data={"x": unit}),
    Case("acos(x)", torch.acos, data={"x": unit}),
    Case("atan(x)", torch.atan),
    Case("sinh(x)", torch.sinh),
    Case("cosh(x)", torch.cosh),
    Case("tanh(x)", torch.tanh),
    Case("asinh(x)", torch.asinh),
    Case("acosh(x)", torch.acosh, data={"x": above_one}),
    Case("atanh(x)", torch.atanh, data={"x": unit}),
    Case("erf(x)", torch.erf),
    Case("erfc(x)", torch.erfc),
    Case("erfinv(x)", torch.erfinv, data={"x": unit}),
    Case("lgamma(x)", torch.lgamma),
    Case("lgamma(x)", torch.lgamma, data=X, name="lgamma of positive"),
    Case("sigmoid(x)", torch.sigmoid),
    Case("logit(x)", torch.logit, data={"x": probability}),
    Case("logit(x, 0.2)", lambda x: torch.logit(x, 0.2), data={"x": probability}),
    Case("relu(x)", torch.relu),
    Case("leaky_relu(x, 0.1)", lambda x: F.leaky_relu(x, 0.1)),
    Case("elu(x, 1.5)", lambda x: F.elu(x, 1.5)),
    Case("selu(x)", F.selu),
    Case("gelu(x)", F.gelu),
    Case('gelu(x, "tanh")', lambda x: F.gelu(x, approximate="tanh")),
    Case("silu(x)", F.silu),
    Case("mish(x)", F.mish),
    Case("softplus(x, 2.0)", lambda x: F.softplus(x, 2.0)),
    Case("softsign(x)", F.softsign),
    Case("hardtanh(x, -0.5, 0.7)", lambda x: F.hardtanh(x, -0.5, 0.7)),
    Case("hardswish(x)", F.hardswish),
    Case("hardsigmoid(x)", lambda x: F.hardtanh(x + 3, 0, 6) / 6),
    Case("clamp(x, -0.5, 0.5) * x", lambda x: torch.clamp(x, -0.5, 0.5) * x),
    Case("nan_to_num(x) * x", lambda x: torch.nan_to_num(x) * x),
    Case("x ** 3", lambda x: x**3),
    Case("x ** -2", lambda x: x**-2),
    Case("x ** 0.7", lambda x: x**0.7, data=X),
    Case("x ** 12", lambda x: x**12),
    Case("2.0 ** x", lambda x: 2.0**x),
    Case("stop_gradient(x) * x", lambda x: x.detach() * x, name="stop_gradient"),
    Case("detach(x) * x", lambda x: x.detach() * x, name="detach"),
    Case("cast(cast(x, f32), f64) * 0 + x", lambda x: x, name="cast"),
]

XY = "x: f64[N, D], y: f64[N, D]"
POSITIVE = {"x": positive, "y": positive}

BINARY = [
    Case(body, theirs, XY, data)
    for body, theirs, data in [
        ("x + y", torch.add, {}),
        ("x - y", torch.sub, {}),
        ("x * y", torch.mul, {}),
        ("x / y", torch.div, POSITIVE),
        ("x ** y", torch.pow, POSITIVE),
        ("x // y + x", lambda x, y: torch.floor(x / y) + x, POSITIVE),
        ("x % y", torch.remainder, POSITIVE),
        ("fmod(x, y)", torch.fmod, POSITIVE),
        ("floordiv(x, y) + remainder(x, y)", lambda x, y: torch.floor(x / y) + torch.remainder(x, y), POSITIVE),
        ("atan2(x, y)", torch.atan2, {}),
        ("maximum(x, y)", torch.maximum, {}),
        ("minimum(x, y)", torch.minimum, {}),
        ("copysign(x, y)", torch.copysign, {}),
        ("hypot(x, y)", torch.hypot, {}),
        ("logaddexp(x, y)", torch.logaddexp, {}),
        ("xlogy(x, y)", torch.xlogy, POSITIVE),
        ("where(x > y, x * y, y)", lambda x, y: torch.where(x > y, x * y, y), {}),
        ("lerp(x, y, 0.3)", lambda x, y: torch.lerp(x, y, 0.3), {}),
        ("clamp(x, y, 0.5)", lambda x, y: torch.clamp(x, y, torch.tensor(0.5).double()), {}),
        ("dot(x[0], y[0])", lambda x, y: x[0] @ y[0], {}),
        ("outer(x[0], y[1])", lambda x, y: torch.outer(x[0], y[1]), {}),
        ("concat([x, y], axis=1) ** 3", lambda x, y: torch.cat([x, y], 1) ** 3, {}),
        ("stack([x, y]) ** 3", lambda x, y: torch.stack([x, y]) ** 3, {}),
        ('einsum("nd,nd->d", x, y)', lambda x, y: torch.einsum("nd,nd->d", x, y), {}),
        ("mse_loss(x, y)", F.mse_loss, {}),
        ("l1_loss(x, y)", F.l1_loss, {}),
        (
            "huber_loss(x, y, delta=0.5)",
            lambda x, y: torch.where((x - y).abs() <= 0.5, (x - y) ** 2 / 2, 0.5 * ((x - y).abs() - 0.25)).mean(),
            {},
        ),
        ("bce_with_logits(x, y)", F.binary_cross_entropy_with_logits, {"y": probability}),
        ("kl_div(x, y)", F.kl_div, {"y": probability}),
        ("cosine_similarity(x, y)", F.cosine_similarity, {}),
        ('cross_entropy(x, y, reduction="sum")', lambda x, y: F.cross_entropy(x, y, reduction="sum"), {"y": probability}),
        ("add(x, mul(y, sub(x, neg(y))))", lambda x, y: x + y * (x + y), {}),
        ("div(x, y) + pow(x, y)", lambda x, y: x / y + x**y, POSITIVE),
    ]
]


def _recurrence(x: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
    found = [x[:, 0]]
    for n in range(1, x.shape[1]):
        found.append(decay[:, n] * found[-1] + x[:, n])
    return torch.stack(found, 1) ** 2


REDUCTIONS = [
    Case("sum(x, axis=1) ** 2", lambda x: x.sum(1) ** 2),
    Case("mean(x, axis=0) ** 3", lambda x: x.mean(0) ** 3),
    Case("prod(x, axis=1)", lambda x: x.prod(1)),
    Case("prod(x)", torch.prod),
    Case("prod(x, axis=1)", lambda x: x[:, 0] * x[:, 1] * x[:, 2] * x[:, 3], data={"x": ties}, name="prod with zeros"),
    Case("var(x, axis=1)", lambda x: x.var(1)),
    Case("var(x, correction=0)", lambda x: x.var(correction=0)),
    Case("std(x, axis=1)", lambda x: x.std(1)),
    Case("max(x, axis=1) ** 2", lambda x: x.amax(1) ** 2),
    Case("min(x) ** 2", lambda x: x.amin() ** 2),
    Case("amax(x, axis=0)", lambda x: x.amax(0)),
    Case("amin(x, axis=0)", lambda x: x.amin(0)),
    Case("max(x, axis=1)", lambda x: x.amax(1), data={"x": ties}, orders=1, name="max with ties"),
    Case("cast(argmax(x, axis=1), f64) * x[:, 0]", lambda x: x.argmax(1) * x[:, 0]),
    Case("logsumexp(x, axis=1)", lambda x: x.logsumexp(1)),
    Case("norm(x)", torch.linalg.vector_norm),
    Case("norm(x, 1, 1)", lambda x: torch.linalg.vector_norm(x, 1, 1)),
    Case("norm(x, 3, 1)", lambda x: (x.abs() ** 3).sum(1) ** (1 / 3)),
    Case("norm(x, inf, 1)", lambda x: torch.linalg.vector_norm(x, math.inf, 1)),
    Case("softmax(x)", lambda x: x.softmax(-1)),
    Case("softmax(x, 0)", lambda x: x.softmax(0)),
    Case("log_softmax(x)", lambda x: x.log_softmax(-1)),
    Case("cumsum(x, 1) ** 2", lambda x: x.cumsum(1) ** 2),
    Case("cumprod(x, 1)", lambda x: x.cumprod(1)),
    Case(
        "cumprod(x, 0)",
        lambda x: torch.stack([x[: n + 1].prod(0) for n in range(3)]),
        data={"x": ties},
        name="cumprod with zeros",
        orders=1,
    ),
    Case("cummax(x, 1) ** 2", lambda x: x.cummax(1).values ** 2),
    Case("cummin(x, 0) ** 2", lambda x: x.cummin(0).values ** 2),
    Case("logcumsumexp(x, 1)", lambda x: x.exp().cumsum(1).log()),
    Case("sort(x, 1) ** 3", lambda x: torch.take_along_dim(x, x.argsort(1), 1) ** 3),
    Case("topk(x, 2)[0] ** 2", lambda x: torch.take_along_dim(x, x.argsort(1, descending=True)[:, :2], 1) ** 2),
    Case("trace(x)", torch.trace, "x: f64[N, N]"),
    Case("count_nonzero(x) * x", lambda x: x.count_nonzero() * x),
    Case('scan(x, "sum", decay=y) ** 2', _recurrence, "x: f64[N, D], y: f64[N, D]"),
]

CONSTANT = [
    Case(f"cast({body}, f64) * x", theirs)
    for body, theirs in [
        ("all(x > -1, axis=0)", lambda x: (x > -1).all(0) * x),
        ("any(x > 1, axis=0)", lambda x: (x > 1).any(0) * x),
        ("argmin(x, axis=0)", lambda x: x.argmin(0) * x),
        ("argsort(x, 1)", lambda x: x.argsort(1) * x),
        ("isfinite(1 / x)", lambda x: x),
        ("isinf(x) + 2 * isnan(x)", lambda x: 0 * x),
        ("signbit(x)", lambda x: (x < 0) * x),
        ("bitcast(x, i64) > 0", lambda x: (x > 0) * x),
        ("arange(D) + linspace(0, 3, D)", lambda x: (torch.arange(4) + torch.linspace(0, 3, 4).double()) * x),
        ("eye(N, D) + ones([N, D]) + zeros([N, D])", lambda x: (torch.eye(3, 4) + 1) * x),
        ("random_uniform(7, [N, D]) > 2", lambda x: 0 * x),
        ("random_normal(7, [N, D]) > 99", lambda x: 0 * x),
    ]
]
"""What has no derivative is a constant to what stands beside it."""

SHAPES = [
    Case("reshape(x, [2, N * D // 2]) ** 3", lambda x: x.reshape(2, 6) ** 3, name="reshape"),
    Case("flatten(x) ** 3", lambda x: x.flatten() ** 3),
    Case("squeeze(unsqueeze(x, 1), 1) ** 3", lambda x: x**3, name="squeeze"),
    Case("transpose(x, 0, 1) ** 3", lambda x: x.T**3),
    Case("x.T ** 3", lambda x: x.T**3),
    Case("permute(x, 1, 0) ** 3", lambda x: x.T**3),
    Case("swapaxes(x, 0, 1) ** 3", lambda x: x.T**3),
    Case("broadcast_to(x, [2, N, D]) ** 3", lambda x: x.expand(2, 3, 4) ** 3),
    Case("expand(x, 2, -1, -1) ** 3", lambda x: x.expand(2, 3, 4) ** 3),
    Case("split(x, 2, axis=1)[1] ** 3", lambda x: x[:, 2:] ** 3),
    Case("pad(x, [[0, 1], [1, 2]], value=2.0) ** 3", lambda x: F.pad(x, (1, 2, 0, 1), value=2.0) ** 3),
    Case("flip(x, 1) ** 3", lambda x: x.flip(1) ** 3),
    Case("roll(x, 1, 1) ** 3", lambda x: x.roll(1, 1) ** 3),
    Case("repeat(x, 2, axis=1) ** 3", lambda x: x.repeat_interleave(2, 1) ** 3),
    Case("tile(x, [2, 1]) ** 3", lambda x: x.repeat(2, 1) ** 3),
    Case("{ require N <= D  return diagonal(x) ** 3 }", lambda x: x.diagonal() ** 3),
    Case("unfold(x, 1, 2, 1) ** 3", lambda x: x.unfold(1, 2, 1) ** 3),
    Case("unfold(x, 1, 3, 2) ** 3", lambda x: x.unfold(1, 3, 2) ** 3, "x: f64[N, H]"),
    Case("tril(x) ** 3", lambda x: x.tril() ** 3),
    Case("triu(x, 1) ** 3", lambda x: x.triu(1) ** 3),
    Case("x[1:, ::2] ** 3", lambda x: x[1:, ::2] ** 3),
    Case("x[::-1] ** 3", lambda x: x.flip(0) ** 3),
    Case("x[:, -1] ** 3", lambda x: x[:, -1] ** 3),
    Case("take(x, i, 0) ** 3", lambda x, i: x[i] ** 3, "x: f64[N, D], i: i64[M]", {"i": classes(3)}),
    Case("x[i] ** 3", lambda x, i: x[i] ** 3, "x: f64[N, D], i: i64[M]", {"i": classes(3)}),
    Case("gather(x, 1, i) ** 3", lambda x, i: x.gather(1, i) ** 3, "x: f64[N, D], i: i64[N, K]", {"i": classes(4)}),
    Case(
        "scatter_add(x, 1, i, y) ** 3",
        lambda x, i, y: x.scatter_add(1, i, y) ** 3,
        "x: f64[N, D], i: i64[N, K], y: f64[N, K]",
        {"i": classes(4)},
    ),
    Case("sum(one_hot(i, D) * x)", lambda x, i: (F.one_hot(i, 4) * x).sum(), "x: f64[N, D], i: i64[N]", {"i": classes(4)}),
    Case("full([2, N], x[0, 0]) ** 3", lambda x: x[0, 0].expand(2, 3) ** 3),
    Case(
        "scatter([M], y, x, i) ** 3",
        lambda x, y, i: y.index_add(0, i, x) ** 3,
        "x: f64[N], y: f64[M], i: i64[N]",
        {"i": classes(5)},
    ),
    Case("embedding(i, x) ** 3", lambda x, i: F.embedding(i, x) ** 3, "x: f64[N, D], i: i64[B, M]", {"i": classes(3)}),
]

Q = "q: f64[B, N, D], k: f64[B, M, D], v: f64[B, M, C]"
IMAGE = "x: f64[B, C, H, W], w: f64[K, C, 3, 2], b: f64[K]"

NEURAL = [
    Case("matmul(x, y)", torch.matmul, "x: f64[N, D], y: f64[D, K]"),
    Case("x @ y", torch.matmul, "x: f64[B, N, D], y: f64[D, K]"),
    Case("linear(x, w, b)", F.linear, "x: f64[N, D], w: f64[K, D], b: f64[K]"),
    Case("layer_norm(x, w, b)", lambda x, w, b: F.layer_norm(x, (4,), w, b), "x: f64[N, D], w: f64[D], b: f64[D]"),
    Case("rms_norm(x, w)", lambda x, w: F.rms_norm(x, (4,), w), "x: f64[N, D], w: f64[D]"),
    Case(
        "batch_norm(x, m, v, w, b, true)",
        lambda x, m, v, w, b: F.batch_norm(x, None, None, w, b, True) + 0 * (m + v)[None, :, None],
        "x: f64[B, C, M], m: f64[C], v: f64[C], w: f64[C], b: f64[C]",
    ),
    Case(
        "batch_norm(x, m, v, w, b)",
        lambda x, m, v, w, b: (x - m[:, None]) / (v[:, None] + 1e-5).sqrt() * w[:, None] + b[:, None],
        "x: f64[B, C, M], m: f64[C], v: f64[C], w: f64[C], b: f64[C]",
        {"v": positive},
    ),
    Case("group_norm(x, 2, w, b)", lambda x, w, b: F.group_norm(x, 2, w, b), "x: f64[B, C, M], w: f64[C], b: f64[C]"),
    Case("conv1d(x, w, stride=2, padding=1)", lambda x, w: F.conv1d(x, w, stride=2, padding=1), "x: f64[B, C, H], w: f64[K, C, 3]"),
    Case("conv2d(x, w, b)", F.conv2d, IMAGE),
    Case("conv2d(x, w, b, stride=2, padding=1)", lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), IMAGE),
    Case(
        "conv2d(x, w, dilation=2, groups=2)",
        lambda x, w: F.conv2d(x, w, dilation=2, groups=2),
        "x: f64[B, C, H, W], w: f64[K, C // 2, 2, 2]",
    ),
    Case("conv3d(x, w)", F.conv3d, "x: f64[1, 2, 3, 4, 3], w: f64[K, 2, 2, 2, 2]"),
    Case("max_pool(x, 2)", lambda x: F.max_pool2d(x, 2), "x: f64[B, C, H, W]"),
    Case("max_pool(x, 3, 2, 1)", lambda x: F.max_pool1d(x, 3, 2, 1), "x: f64[B, C, H]", name="overlapping max_pool"),
    Case("max_pool1d(x, 2) + avg_pool1d(x, 2)", lambda x: F.max_pool1d(x, 2) + F.avg_pool1d(x, 2), "x: f64[B, C, H]"),
    Case("max_pool2d(x, 2) * avg_pool2d(x, 2)", lambda x: F.max_pool2d(x, 2) * F.avg_pool2d(x, 2), "x: f64[B, C, H, W]"),
    Case("max_pool3d(x, 2) + avg_pool3d(x, 2)", lambda x: F.max_pool3d(x, 2) + F.avg_pool3d(x, 2), "x: f64[1, B, 2, D, 3]"),
    Case("conv(x, w, b)", F.conv2d, IMAGE),
    Case("avg_pool(x, 2)", lambda x: F.avg_pool2d(x, 2), "x: f64[B, C, H, W]"),
    Case("avg_pool(x, 3, 2, 1)", lambda x: F.avg_pool1d(x, 3, 2, 1), "x: f64[B, C, H]", name="overlapping avg_pool"),
    Case("dropout(x, 0.5, 7, training=false) ** 2", lambda x: x**2, name="dropout"),
    Case("cross_entropy(x, y)", F.cross_entropy, "x: f64[N, D], y: i64[N]", {"y": classes(4)}),
    Case(
        "cross_entropy(x, y, label_smoothing=0.1)",
        lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1),
        "x: f64[N, D], y: i64[N]",
        {"y": classes(4)},
    ),
    Case("nll_loss(x, y)", F.nll_loss, "x: f64[N, D], y: i64[N]", {"y": classes(4)}),
    Case("scaled_dot_product_attention(q, k, v)", F.scaled_dot_product_attention, Q),
    Case(
        "scaled_dot_product_attention(q, k, v, is_causal=true)", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), Q
    ),
    Case(
        "scaled_dot_product_attention(q, k, v, m)",
        lambda q, k, v, m: (q @ k.mT / 2 + m).softmax(-1) @ v,
        f"{Q}, m: f64[N, M]",
        name="attention with a mask",
    ),
]


CASES = [*ELEMENTWISE, *BINARY, *REDUCTIONS, *CONSTANT, *SHAPES, *NEURAL]


def test_every_name_of_the_library_has_a_case() -> None:
    """But for the transforms, which the cases are judged by."""
    called = {name for case in CASES for name in re.findall(r"(?<![\w.])(\w+)\(", case.body)}
    assert library_names() - set(KINDS) <= called


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivatives(case: Case) -> None:
    judge(case)


def test_gelu_of_norm() -> None:
    def theirs(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return F.gelu(F.layer_norm(x, (4,), w, b) * torch.sigmoid(x))

    judge(Case("gelu(layer_norm(x, w, b) * sigmoid(x))", theirs, "x: f64[N, D], w: f64[D], b: f64[D]", {"w": normal}))
