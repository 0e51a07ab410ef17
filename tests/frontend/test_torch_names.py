"""PyTorch's functions on tracers give what PyTorch gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import tensorc as tc
from tensorc.elaborate import library_names
from tensorc.frontend import torch_names

torch.manual_seed(0)
X = torch.rand(3, 4, dtype=torch.float64) * 0.8 + 0.1
Y = torch.rand(3, 4, dtype=torch.float64) * 0.8 + 0.1
V = torch.rand(4, dtype=torch.float64)
S = torch.rand(4, 4, dtype=torch.float64)
C = torch.rand(2, 3, 4, dtype=torch.float64)
K = torch.randint(1, 5, (3, 4))

UNARY = (
    "abs neg sign floor ceil trunc round exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh "
    "cosh tanh asinh atanh erf erfc lgamma sigmoid relu selu isnan isinf isfinite logical_not numel clone nan_to_num logit"
)
ACTIVATIONS = "silu mish softsign hardswish hardsigmoid softplus elu leaky_relu hardtanh relu6 gelu log_softmax softmax"
BINARY = (
    "add sub mul div true_divide floor_divide remainder pow maximum minimum fmod hypot copysign logaddexp xlogy atan2 eq ne lt le gt ge "
    "logical_and logical_or logical_xor"
)

Case = tuple[str, Callable[..., Any], tuple[Any, ...]]


def _unary(name: str) -> Case:
    function = getattr(torch, name)
    shifted = X if name in ("log", "log2", "log10", "sqrt", "rsqrt", "lgamma", "numel", "logit") else X - 0.5
    return name, (lambda x: x * function(x)) if name == "numel" else function, (shifted,)


CASES: list[Case] = [
    *map(_unary, UNARY.split()),
    *((name, getattr(F, name), (X - 0.5, *((-1,) if "softmax" in name else ()))) for name in ACTIVATIONS.split()),
    *((name, getattr(torch, name), (X - (0 if name == "pow" else 0.5), Y)) for name in BINARY.split()),
    ("torch on the left", lambda x: (Y + x, Y - x, Y * x, Y / x, Y @ x.T, Y > x, x + Y, 2 - x), (X,)),
    (
        "integers",
        lambda a, b: (a & b, a | b, a ^ b, ~a, torch.bitwise_not(a), a << b, a >> b, torch.bitwise_and(a, b)),
        (K, K.flip(0)),
    ),
    ("gelu tanh", lambda x: F.gelu(x, approximate="tanh"), (X,)),
    ("alpha", lambda x, y: (torch.add(x, y, alpha=2), torch.sub(x, y, alpha=3), torch.rsub(x, y)), (X, Y)),
    ("rounding", lambda x, y: (torch.div(x, y, rounding_mode="floor"), torch.div(x, y, rounding_mode="trunc")), (X, Y)),
    ("add products", lambda x, y: (torch.addcmul(x, y, y, value=2), torch.addcdiv(x, y, y + 1)), (X, Y)),
    ("lerp", lambda x, y: torch.lerp(x, y, 0.3), (X, Y)),
    ("clamp", lambda x: (torch.clamp(x, 0.3, 0.6), torch.clamp(x, min=0.4), torch.clip(x, max=0.4)), (X,)),
    ("where", lambda x, y: torch.where(x > y, x, y), (X, Y)),
    ("sum", lambda x: (torch.sum(x), torch.sum(x, 0), torch.sum(x, dim=(0, 1)), torch.sum(x, dim=1, keepdim=True)), (X,)),
    ("sum dtype", lambda x: torch.sum(x, dim=0, dtype=torch.float64), (X.float(),)),
    ("mean", lambda x: (torch.mean(x), torch.mean(x, -1), torch.prod(x, 1)), (X,)),
    (
        "var",
        lambda x: (torch.var(x), torch.var(x, 1), torch.var(x, dim=0, correction=0), torch.var(x, unbiased=False), torch.std(x, 1)),
        (X,),
    ),
    ("max", lambda x, y: (torch.max(x), torch.max(x, y), *torch.max(x, 1), *torch.min(x, dim=0, keepdim=True)), (X, Y)),
    ("amax", lambda x: (torch.amax(x, 1), torch.amin(x, dim=(0, 1)), torch.argmax(x), torch.argmin(x, dim=1, keepdim=True)), (X,)),
    ("any", lambda x: (torch.any(x > 0.5), torch.all(x > 0.1, dim=1), torch.count_nonzero(x > 0.5, dim=0)), (X,)),
    ("logsumexp", lambda x: (torch.logsumexp(x, 1), torch.logsumexp(x, dim=(0, 1), keepdim=True)), (X,)),
    ("norm", lambda x: (torch.norm(x), torch.norm(x, 1, dim=1), torch.linalg.vector_norm(x, dim=0)), (X,)),
    ("cumsum", lambda x: (torch.cumsum(x, 1), torch.cumprod(x, dim=0)), (X,)),
    ("logcumsumexp", lambda x: torch.logcumsumexp(x, 1), (X,)),
    (
        "reshape",
        lambda x: (torch.reshape(x, (4, 3)), x.reshape(2, -1), x.view(12), torch.flatten(x), torch.flatten(x[None], 1)),
        (X,),
    ),
    ("squeeze", lambda x: (torch.squeeze(x[None]), torch.squeeze(x[None], 0), torch.unsqueeze(x, -1), x.unsqueeze(0)), (X,)),
    (
        "permute",
        lambda x: (torch.permute(x, (2, 0, 1)), torch.transpose(x, 0, 2), x.transpose(1, 2), torch.movedim(x, 0, 2), x.permute(1, 0, 2)),
        (C,),
    ),
    ("cat", lambda x, y: (torch.cat([x, y]), torch.cat((x, y), dim=1), torch.stack([x, y], -1), *torch.chunk(x, 2, 1)), (X, Y)),
    ("flip", lambda x: (torch.flip(x, (0,)), torch.flip(x, [0, 1]), torch.roll(x, 1, 0), torch.roll(x, 2, dims=1)), (X,)),
    ("repeat", lambda x: (torch.repeat_interleave(x, 2, dim=0), torch.tile(x, (2, 1))), (X,)),
    ("gather", lambda x: (torch.gather(x, 1, torch.argsort(x, 1)), torch.index_select(x, 0, torch.tensor([2, 0]))), (X,)),
    ("scatter_add", lambda x: torch.scatter_add(x, 1, K - 1, x), (X,)),
    ("one_hot", lambda i: F.one_hot(i, 5), (K,)),
    ("tril", lambda x: (torch.tril(x), torch.triu(x, diagonal=1), torch.trace(x), torch.diagonal(x)), (S,)),
    ("products", lambda x, v: (torch.mv(x, v), torch.dot(v, v), torch.outer(v, v), torch.matmul(x, v), x @ v), (X, V)),
    ("mm", lambda x, s: (torch.mm(x, s), torch.addmm(x, x, s, beta=2, alpha=3)), (X, S)),
    ("bmm", lambda c, s: torch.bmm(c, s.expand(2, 4, 4)), (C, S)),
    ("einsum", lambda x, s: (torch.einsum("ij,jk->ik", x, s), torch.einsum("ij->j", x)), (X, S)),
    ("sort", lambda x: (*torch.sort(x, 1), *torch.sort(x, 0, descending=True), torch.argsort(x, dim=0), *torch.topk(x, 2)), (X,)),
    ("linear", lambda x, s, v: (F.linear(x, s), F.linear(x, s, v)), (X, S, V)),
    ("layer_norm", lambda x, v: (F.layer_norm(x, (4,), v, v), F.layer_norm(x, [4]), F.layer_norm(x, (4,), v)), (X, V)),
    ("rms_norm", lambda x, v: (F.rms_norm(x, (4,), v), F.rms_norm(x, (4,), v, 1e-3)), (X, V)),
    (
        "batch_norm",
        lambda c: F.batch_norm(c, torch.arange(3.0).double(), torch.ones(3).double(), torch.ones(3).double(), None),
        (C,),
    ),
    ("group_norm", lambda c: F.group_norm(c, 3), (C,)),
    ("embedding", lambda i, s: F.embedding(i - 1, s), (K, S)),
    ("losses", lambda x, y: (F.mse_loss(x, y), F.mse_loss(x, y, reduction="sum"), F.mse_loss(x, y, reduction="none")), (X, Y)),
    ("l1_loss", lambda x, y: (F.l1_loss(x, y), F.huber_loss(x, y, delta=0.1)), (X, Y)),
    ("cross_entropy", lambda x, i: F.cross_entropy(x, i), (X, torch.tensor([0, 3, 1]))),
    ("nll_loss", lambda x, i: F.nll_loss(x, i), (X, torch.tensor([0, 3, 1]))),
    ("bce", lambda x, y: F.binary_cross_entropy_with_logits(x, y), (X, Y)),
    ("kl_div", lambda x, y: F.kl_div(x, y, reduction="sum"), (X, Y)),
    ("cosine", lambda x, y: F.cosine_similarity(x, y), (X, Y)),
    ("attention", lambda c: F.scaled_dot_product_attention(c, c, c), (C,)),
    ("conv1d", lambda c, w: F.conv1d(c, w, padding=1), (C, torch.rand(5, 3, 3).double())),
    ("max_pool1d", lambda c: (F.max_pool1d(c, 2), F.avg_pool1d(c, 2)), (C,)),
    ("pad", lambda x: (F.pad(x, (1, 2)), F.pad(x, (1, 0, 0, 2), value=3.0)), (X,)),
    ("dropout", lambda x: F.dropout(x, 0.5, training=False), (X,)),
    ("likes", lambda x: (torch.zeros_like(x), torch.ones_like(x, dtype=torch.int64), torch.full_like(x, 3)), (X,)),
    ("decimals", lambda x: torch.round(x, decimals=2), (X,)),
    ("closed over", lambda x: (S[0] * x, torch.ones(4, 4).double() @ x.mT @ x), (X,)),
]


def _close(got: Any, want: Any) -> None:
    assert isinstance(got, torch.Tensor) and got.dtype == want.dtype
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_as_torch(case: Case) -> None:
    _, function, tensors = case
    want = function(*tensors)
    got = tc.jit(function)(*tensors) if all(map(torch.is_tensor, tensors)) else tc.jit(lambda x: function(x, *tensors[1:]))(tensors[0])
    if isinstance(want, tuple):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            _close(g, w)
    else:
        _close(got, want)


def test_modules_are_traced_with_their_parameters() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2, bias=False)).double()
    step = tc.jit(lambda x: model(x))
    with torch.no_grad():
        torch.testing.assert_close(step(X), model(X))
        model[0].weight.mul_(2)
        torch.testing.assert_close(step(X), model(X))
        torch.testing.assert_close(tc.jit(model)(X), model(X))
    assert step.stats.compiles == 1 and tc.jit(model).name == "Sequential"


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: torch.linalg.inv(x), "cannot be traced"),
        (lambda x: F.dropout(x, 0.5), "`dropout` with PyTorch's hidden random state"),
        (lambda x: F.pad(x, (1, 1), mode="reflect"), "with `mode='reflect'`"),
        (lambda x: F.embedding(torch.zeros(3, dtype=torch.long), x, max_norm=1.0), "`torch.embedding` cannot be traced with `max_norm"),
    ],
)
def test_what_cannot_be_traced(function: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(tc.CompileError) as raised:
        tc.jit(function)(X)
    assert text in str(raised.value) and "test_torch_names.py:" in str(raised.value)


def test_every_row_is_a_function_of_the_library() -> None:
    assert {row.call for row in torch_names.FUNCTIONS.values()} <= library_names()
