"""Rows for layers, losses and attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from library.judge import FLOATS, Case, Given

from tensorc.dtypes import DTYPES, bf16, bool_, f32, f64, i32, i64

INF, NAN = float("inf"), float("nan")
LOOSE: dict[str, Any] = {"slack": 8}
HUGE = "its filters would have thousands of places"


def of(name: str, text: str, function: Callable[..., Any], *variants: Any, **rest: Any) -> Case:
    """A row; a variant is one argument or a tuple of them."""
    return Case(name, text, function, tuple(v if isinstance(v, tuple) else (v,) for v in variants), **rest)


X34, X46 = Given((3, 4)), Given((4, 6))
W4, W6 = Given((4,), 0.5, 2), Given((6,), 0.5, 2)

LAYERS = [
    of(
        "linear",
        "linear(x, y)",
        F.linear,
        (X34, Given((5, 4))),
        (Given((2, 3, 4)), Given((5, 4))),
        (Given((4,)), Given((5, 4))),
        (Given((0, 4), floats_only=True), Given((5, 4))),
        **LOOSE,
    ),
    of("linear", "linear(x, y, z)", F.linear, (X34, Given((5, 4)), Given((5,))), **LOOSE),
    of("linear", "linear(x, weight=y, bias=none)", F.linear, (X34, Given((5, 4))), **LOOSE),
    of(
        "layer_norm",
        "layer_norm(x, y, z)",
        lambda x, y, z: F.layer_norm(x, y.shape, y, z),
        (X34, W4, W4),
        (Given((2, 3, 4)), Given((3, 4), 0.5, 2), Given((3, 4))),
        (Given((0, 4)), W4, W4),
        **LOOSE,
    ),
    of("layer_norm", "layer_norm(x, y, eps=0.5)", lambda x, y: F.layer_norm(x, y.shape, y, None, 0.5), (X34, W4), **LOOSE),
    of(
        "layer_norm",
        "layer_norm(x, y, z)",
        lambda x, y, z: F.layer_norm(x, y.shape, y, z),
        (X34, Given((4,), 0.5, 2, f32), Given((4,), -1, 1, f32)),
        dtypes=(f32, bf16),
        **LOOSE,
    ),
    of(
        "layer_norm",
        "layer_norm(x, y, z)",
        lambda x, y, z: F.layer_norm(x, y.shape, y, z),
        (Given(values=((NAN, 1, 2, 3), (INF, 1, 2, 3), (5, 5, 5, 5))), W4, W4),
        dtypes=FLOATS,
        **LOOSE,
    ),
    of(
        "rms_norm",
        "rms_norm(x, y)",
        lambda x, y: F.rms_norm(x, y.shape, y),
        (X34, W4),
        (Given((2, 3, 4)), Given((3, 4), 0.5, 2)),
        (Given((3, 4), 0, 1e-3), W4),
        **LOOSE,
    ),
    of("rms_norm", "rms_norm(x, w=y, eps=1e-5)", lambda x, y: F.rms_norm(x, y.shape, y, 1e-5), (X34, W4), **LOOSE),
    of(
        "batch_norm",
        "batch_norm(x, y, z)",
        F.batch_norm,
        (Given((5, 4)), Given((4,)), W4),
        (Given((5, 4, 3)), Given((4,)), W4),
        (Given((2, 4, 3, 2)), Given((4,)), W4),
        **LOOSE,
    ),
    of(
        "batch_norm",
        "batch_norm(x, y, z, weight=w, bias=y, eps=0.1)",
        lambda x, y, z, w: F.batch_norm(x, y, z, w, y, eps=0.1),
        (Given((5, 4, 3)), Given((4,)), W4, W4),
        **LOOSE,
    ),
    of(
        "batch_norm",
        "batch_norm(x, none, none, training=true)",
        lambda x: F.batch_norm(x, None, None, training=True),
        Given((5, 4, 3)),
        Given((5, 4)),
        **LOOSE,
    ),
    of(
        "batch_norm",
        "batch_norm(x, y, z, y, none, true)",
        lambda x, y, z: F.batch_norm(x, y.clone(), z.clone(), y, None, True),
        (Given((5, 4, 3)), Given((4,)), W4),
        **LOOSE,
    ),
    of("group_norm", "group_norm(x, 2)", lambda x: F.group_norm(x, 2), Given((3, 4)), Given((3, 4, 5)), Given((1, 6, 2, 3)), **LOOSE),
    of(
        "group_norm",
        "group_norm(x, num_groups=3, w=y, b=y, eps=0.1)",
        lambda x, y: F.group_norm(x, 3, y, y, 0.1),
        (Given((2, 6, 5)), W6),
        **LOOSE,
    ),
    of("group_norm", "group_norm(x, 4)", lambda x: F.group_norm(x, 4), Given((3, 6)), refused=True),
]

IMAGE, VOLUME = Given((2, 4, 7, 6)), Given((1, 2, 4, 5, 3))
FILTERS = Given((6, 4, 3, 2))

WINDOWS = [
    of(
        "conv1d",
        "conv1d(x, y)",
        F.conv1d,
        (Given((2, 3, 7)), Given((4, 3, 3))),
        (Given((3, 7)), Given((4, 3, 3))),
        (Given((0, 3, 7), floats_only=True), Given((4, 3, 3))),
        **LOOSE,
    ),
    of(
        "conv1d",
        "conv1d(x, y, z, stride=2, padding=1, dilation=2, groups=2)",
        lambda x, y, z: F.conv1d(x, y, z, 2, 1, 2, 2),
        (Given((2, 4, 9)), Given((6, 2, 3)), Given((6,))),
        **LOOSE,
    ),
    of(
        "conv1d",
        'conv1d(x, y, padding="same", dilation=3)',
        lambda x, y: F.conv1d(x, y, padding="same", dilation=3),
        (Given((2, 4, 9)), Given((3, 4, 2))),
        **LOOSE,
    ),
    of("conv1d", "conv1d(x, y)", F.conv1d, (Given((2, 3, 2)), Given((4, 3, 3))), refused=True),
    of("conv2d", "conv2d(x, y)", F.conv2d, (IMAGE, FILTERS), (Given((2, 5, 19, 37)), Given((9, 5, 3, 3))), small=HUGE, **LOOSE),
    of(
        "conv2d",
        "conv2d(x, y, z, [2, 1], (1, 0))",
        lambda x, y, z: F.conv2d(x, y, z, (2, 1), (1, 0)),
        (IMAGE, FILTERS, W6),
        small=HUGE,
        **LOOSE,
    ),
    of("conv2d", "conv2d(x, weight=y, groups=4)", lambda x, y: F.conv2d(x, y, groups=4), (IMAGE, Given((8, 1, 3, 3))), small=HUGE, **LOOSE),
    of(
        "conv2d",
        'conv2d(x, y, padding="valid")',
        lambda x, y: F.conv2d(x, y, padding="valid"),
        (Given((4, 5, 5)), FILTERS),
        small=HUGE,
        **LOOSE,
    ),
    of("conv3d", "conv3d(x, y, padding=1)", lambda x, y: F.conv3d(x, y, padding=1), (VOLUME, Given((3, 2, 2, 3, 2))), small=HUGE, **LOOSE),
    of("conv", "conv(x, y, none, 2)", lambda x, y: F.conv2d(x, y, None, 2), (IMAGE, FILTERS), small=HUGE, **LOOSE),
    of("conv", "conv(x, y)", F.conv1d, (Given((2, 3, 7)), Given((4, 3, 3))), **LOOSE),
    of(
        "max_pool",
        "max_pool(x, 2)",
        lambda x: F.max_pool2d(x, 2),
        IMAGE,
        Given(values=[[[[NAN, 1, 2, 3], [4, 5, -INF, INF]]]], floats_only=True),
    ),
    of(
        "max_pool1d",
        "max_pool1d(x, 3, stride=1, padding=1)",
        lambda x: F.max_pool1d(x, 3, 1, 1),
        Given((2, 3, 7)),
        Given((3, 7)),
    ),
    of(
        "max_pool2d",
        "max_pool2d(x, [3, 2], stride=[2, 1], padding=[1, 1], dilation=[1, 2])",
        lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 1), (1, 2)),
        IMAGE,
        Given((4, 7, 6)),
    ),
    of(
        "max_pool",
        "max_pool(x, 2, 2, ceil_mode=true)",
        lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True),
        IMAGE,
    ),
    of(
        "max_pool1d",
        "max_pool1d(x, 2, 4, 1, 1, true)",
        lambda x: F.max_pool1d(x, 2, 4, 1, 1, True),
        Given((2, 3, 7)),
        Given((2, 3, 8)),
        Given((2, 3, 9)),
        Given((2, 3, 10)),
    ),
    of("max_pool3d", "max_pool3d(x, kernel_size=2)", lambda x: F.max_pool3d(x, 2), VOLUME),
    of("max_pool2d", "max_pool2d(x, 2, padding=2)", lambda x: F.max_pool2d(x, 2, padding=2), IMAGE, refused=True),
    of("avg_pool", "avg_pool(x, 2)", lambda x: F.avg_pool2d(x, 2), IMAGE, **LOOSE),
    of(
        "avg_pool1d",
        "avg_pool1d(x, 3, stride=2, padding=1)",
        lambda x: F.avg_pool1d(x, 3, 2, 1),
        Given((2, 3, 7)),
        Given((3, 7)),
        **LOOSE,
    ),
    of(
        "avg_pool2d",
        "avg_pool2d(x, 3, 2, 1, count_include_pad=false)",
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        IMAGE,
        **LOOSE,
    ),
    of(
        "avg_pool2d",
        "avg_pool2d(x, 2, divisor_override=3)",
        lambda x: F.avg_pool2d(x, 2, divisor_override=3),
        IMAGE,
        **LOOSE,
    ),
    of("avg_pool2d", "avg_pool2d(x, 3, 2, 1, true)", lambda x: F.avg_pool2d(x, 3, 2, 1, True), IMAGE, **LOOSE),
    of(
        "avg_pool1d",
        "avg_pool1d(x, 2, 3, 1, ceil_mode=true, count_include_pad=false)",
        lambda x: F.avg_pool1d(x, 2, 3, 1, True, False),
        Given((2, 3, 7)),
        Given((2, 3, 8)),
        Given((2, 3, 9)),
        **LOOSE,
    ),
    of("avg_pool3d", "avg_pool3d(x, 2)", lambda x: F.avg_pool3d(x, 2), VOLUME, **LOOSE),
]

CLASSES = Given(values=(0, 4, 2), dtype=i64)
SOME = Given(values=(0, -100, 2), dtype=i64)
LOGITS, W5 = Given((3, 5)), Given((5,), 0.5, 2)
DEEP, PIXELS = Given((2, 5, 3, 4)), Given((2, 3, 4), 0, 4, i64)
SURE = Given(values=((INF, 0, 0, 0, 0), (-INF, 1, 2, 3, 4), (0, NAN, 0, 0, 0)))
SAME = (X34, X34)
ROWWISE = (X34, Given((4,)))


def reduced(name: str, function: Callable[..., Any], text: str = "{}(x, y{})", *variants: Any, **rest: Any) -> list[Case]:
    """With each reduction."""
    cases = [
        of(
            name,
            text.format(name, ""),
            function,
            *(variants or (SAME, (Given((0, 3)), Given((0, 3))), (Given(()), Given(())))),
            **LOOSE,
            **rest,
        )
    ]
    for r in ("sum", "none"):
        cases.append(
            of(
                name,
                text.format(name, f', reduction="{r}"'),
                lambda *xs, r=r: function(*xs, reduction=r),
                *(variants or (SAME,)),
                **LOOSE,
                **rest,
            )
        )
    return cases


def smoothed(x: Any, y: Any, w: Any) -> Any:
    return F.cross_entropy(x, y, w, label_smoothing=0.3)


LOSSES = [
    *reduced(
        "cross_entropy",
        F.cross_entropy,
        "{}(x, y{})",
        (LOGITS, CLASSES),
        (LOGITS, SOME),
        (DEEP, PIXELS),
        (Given((5,)), Given((), 0, 4, i64)),
        (SURE, CLASSES),
    ),
    *reduced("cross_entropy", F.cross_entropy, "{}(x, y, z{})", (LOGITS, SOME, W5), (DEEP, PIXELS, W5)),
    of(
        "cross_entropy",
        "cross_entropy(x, y, weight=z, label_smoothing=0.3)",
        smoothed,
        (LOGITS, SOME, W5),
        (DEEP, PIXELS, W5),
        (LOGITS, Given((3, 5), 0, 1), W5),
        **LOOSE,
    ),
    *reduced(
        "cross_entropy",
        lambda x, y, **r: F.cross_entropy(x, y, label_smoothing=0.1, **r),
        "{}(x, y, label_smoothing=0.1{})",
        (LOGITS, SOME),
        (LOGITS, Given((3, 5), 0, 1)),
    ),
    *reduced(
        "cross_entropy", lambda x, y, **r: F.cross_entropy(x, y, ignore_index=2, **r), "{}(x, y, ignore_index=2{})", (LOGITS, CLASSES)
    ),
    *reduced(
        "cross_entropy",
        F.cross_entropy,
        "{}(x, y{})",
        (LOGITS, Given((3, 5), 0, 1)),
        (DEEP, Given((2, 5, 3, 4), 0, 1)),
        (Given((5,)), Given((5,), 0, 1)),
    ),
    of(
        "cross_entropy",
        "cross_entropy(x, y)",
        lambda x, y: F.cross_entropy(x, y.long()),
        (LOGITS, Given(values=(0, 4, 2), dtype=DTYPES["u8"])),
        (LOGITS, Given(values=(0, 4, 2), dtype=i32)),
        **LOOSE,
    ),
    of(
        "cross_entropy",
        "cross_entropy(x, y)",
        F.cross_entropy,
        (LOGITS, Given(values=(0, 5, 2), dtype=i64)),
        (LOGITS, Given(values=(0, -1, 2), dtype=i64)),
        refused=True,
    ),
    of(
        "cross_entropy",
        "cross_entropy(x, y)",
        F.cross_entropy,
        (LOGITS, Given(values=(-100, -100, -100), dtype=i64)),
        (Given((0, 5)), Given((0,), dtype=i64)),
        dtypes=FLOATS,
    ),
    *reduced("nll_loss", F.nll_loss, "{}(x, y{})", (LOGITS, CLASSES), (LOGITS, SOME), (DEEP, PIXELS), (Given((5,)), Given((), 0, 4, i64))),
    *reduced("nll_loss", F.nll_loss, "{}(x, y, weight=z{})", (LOGITS, SOME, W5)),
    *reduced("mse_loss", F.mse_loss),
    *reduced("mse_loss", F.mse_loss, "{}(x, y{})", ROWWISE, (X34, Given((3, 4), dtype=f32)), (X34, Given((3, 4), dtype=f64))),
    *reduced("l1_loss", F.l1_loss),
    *reduced("l1_loss", F.l1_loss, "{}(x, y{})", ROWWISE),
    *reduced("huber_loss", F.huber_loss),
    *reduced("huber_loss", F.huber_loss, "{}(x, y{})", ROWWISE),
    *reduced("huber_loss", lambda x, y, **r: F.huber_loss(x, y, delta=0.4, **r), "{}(x, y, delta=0.4{})"),
    *reduced("mse_loss", lambda x, y, z, **r: F.mse_loss(x, y, weight=z, **r), "{}(x, y, weight=z{})", (X34, X34, Given((3, 4), 0, 2))),
    *reduced("l1_loss", lambda x, y, z, **r: F.l1_loss(x, y, weight=z, **r), "{}(x, y, weight=z{})", (X34, X34, Given((3, 4), 0, 2))),
    *reduced("huber_loss", lambda x, y, z, **r: F.huber_loss(x, y, weight=z, **r), "{}(x, y, weight=z{})", (X34, X34, Given((3, 4), 0, 2))),
    *reduced(
        "bce_with_logits",
        F.binary_cross_entropy_with_logits,
        "{}(x, y{})",
        (X34, Given((3, 4), 0, 1)),
        (Given(values=(INF, -INF, NAN, 200.0, -200.0, 0.0)), Given(values=(0.0, 1.0, 1.0, 1.0, 0.0, 0.5))),
    ),
    *reduced(
        "bce_with_logits",
        lambda x, y, z, w, **r: F.binary_cross_entropy_with_logits(x, y, z, pos_weight=w, **r),
        "{}(x, y, z, pos_weight=w{})",
        (X34, Given((3, 4), 0, 1), W4, W4),
    ),
    *reduced(
        "kl_div",
        F.kl_div,
        "{}(x, y{})",
        (Given((3, 4), -3, 0), Given((3, 4), 0, 1)),
        (Given(values=(-1.0, -2.0, -INF), floats_only=True), Given(values=(0.0, 1.0, 0.5))),
        (Given(()), Given((), 0, 1)),
        (Given((3, 4), -3, 0), Given((4,), 0, 1)),
    ),
    *reduced(
        "kl_div",
        lambda x, y, **r: F.kl_div(x, y, log_target=True, **r),
        "{}(x, y, log_target=true{})",
        (Given((3, 4), -3, 0), Given((3, 4), -2, 0)),
    ),
    of(
        "kl_div",
        'kl_div(x, y, reduction="batchmean")',
        lambda x, y: F.kl_div(x, y, reduction="batchmean"),
        (Given((3, 4), -3, 0), Given((3, 4), 0, 1)),
        **LOOSE,
    ),
    of(
        "cosine_similarity",
        "cosine_similarity(x, y)",
        F.cosine_similarity,
        SAME,
        (X34, Given((1, 4))),
        (Given(values=((0.0, 0.0), (1.0, 2.0))), Given(values=((1.0, 0.0), (3.0, -1.0)))),
        **LOOSE,
    ),
    of(
        "cosine_similarity",
        "cosine_similarity(x, y, axis=0, eps=1.5)",
        lambda x, y: F.cosine_similarity(x, y, 0, 1.5),
        SAME,
        (X34, Given((3, 4), dtype=i64)),
        dtypes=FLOATS,
        **LOOSE,
    ),
]

Q, K, V = Given((2, 3, 5, 4)), Given((2, 3, 6, 4)), Given((2, 3, 6, 7))
SEEN = Given(values=[[False] * 6, [True] * 6, [True, False] * 3, [False, True] * 3, [False] * 5 + [True]], dtype=bool_)
sdpa = F.scaled_dot_product_attention

ATTENTION = [
    of(
        "scaled_dot_product_attention",
        "scaled_dot_product_attention(x, y, z)",
        sdpa,
        (Q, K, V),
        (Given((5, 4)), Given((6, 4)), Given((6, 7))),
        (Given((2, 1, 5, 4)), Given((3, 6, 4)), Given((1, 3, 6, 7))),
        **LOOSE,
    ),
    of(
        "scaled_dot_product_attention",
        "scaled_dot_product_attention(x, y, z, is_causal=true)",
        lambda x, y, z: sdpa(x, y, z, is_causal=True),
        (Q, K, V),
        **LOOSE,
    ),
    of(
        "scaled_dot_product_attention",
        "scaled_dot_product_attention(x, y, z, scale=0.3)",
        lambda x, y, z: sdpa(x, y, z, scale=0.3),
        (Q, K, V),
        **LOOSE,
    ),
    of("scaled_dot_product_attention", "scaled_dot_product_attention(x, y, z, w)", sdpa, (Q, K, V, SEEN), **LOOSE),
    of(
        "scaled_dot_product_attention",
        "scaled_dot_product_attention(x, y, z, attn_mask=w)",
        sdpa,
        (Q, K, V, Given((5, 6))),
        **LOOSE,
    ),
    of(
        "scaled_dot_product_attention",
        "scaled_dot_product_attention(x, y, z, enable_gqa=true)",
        lambda x, y, z: sdpa(x, y, z, enable_gqa=True),
        (Given((2, 6, 5, 4)), K, V),
        **LOOSE,
    ),
    of(
        "scaled_dot_product_attention",
        "scaled_dot_product_attention(x, y, z, w, is_causal=true)",
        lambda x, y, z, w: sdpa(x, y, z, w, is_causal=True),
        (Q, K, V, SEEN),
        refused=True,
    ),
]

CASES = [*LAYERS, *WINDOWS, *LOSSES, *ATTENTION]
