"""NumPy's functions on tracers give what NumPy gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.elaborate import library_names
from tensorc.frontend import numpy_names

RNG = np.random.default_rng(0)
X = RNG.uniform(0.1, 0.9, (3, 4))
Y = RNG.uniform(0.1, 0.9, (3, 4))
V = RNG.uniform(0.1, 0.9, 4)
S = RNG.uniform(0.1, 0.9, (4, 4))
K = RNG.integers(1, 5, (3, 4))
B = X > 0.5

UNARY = (
    "negative positive absolute fabs sign floor ceil rint trunc exp exp2 expm1 log log2 log10 log1p sqrt cbrt reciprocal square sin cos "
    "tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh isnan isinf isfinite logical_not round nan_to_num ravel copy"
)
BINARY = (
    "add subtract multiply divide true_divide floor_divide remainder mod power maximum minimum fmod hypot copysign logaddexp arctan2 "
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor float_power"
)

Case = tuple[str, Callable[..., Any], tuple[Any, ...]]

CASES: list[Case] = [
    *((name, getattr(np, name), (X - 0.5 if name not in ("log", "log2", "log10", "sqrt") else X,)) for name in UNARY.split()),
    *((name, getattr(np, name), (X - 0.5 if name not in ("power", "float_power") else X, Y)) for name in BINARY.split()),
    ("arccosh", lambda x: np.arccosh(x + 1), (X,)),
    ("bitwise", lambda a, b: (np.bitwise_and(a, b), np.bitwise_or(a, b), np.bitwise_xor(a, b), np.invert(a)), (K, K[::-1])),
    ("shifts", lambda a, b: (np.left_shift(a, b), np.right_shift(a, b)), (K, K[::-1])),
    ("matmul", np.matmul, (X, S)),
    ("numpy on the left", lambda x: (Y + x, Y @ x.T, Y < x, np.float32(2) * x, np.int64(3) - x), (X,)),
    ("sum", lambda x: (np.sum(x), np.sum(x, 0), np.sum(x, axis=(0, 1)), np.sum(x, axis=-1, keepdims=True)), (X,)),
    ("sum dtype", lambda x: np.sum(x, dtype=np.float64), (X.astype(np.float32),)),
    ("prod", lambda x: np.prod(x, axis=1), (X,)),
    ("mean", lambda x: np.mean(x, axis=0), (X,)),
    ("var", lambda x: (np.var(x), np.var(x, axis=1), np.var(x, axis=0, ddof=1)), (X,)),
    ("std", lambda x: (np.std(x, axis=1, keepdims=True), np.std(x, ddof=1)), (X,)),
    ("max", lambda x: (np.max(x), np.amax(x, axis=1), np.min(x, 0), np.amin(x)), (X,)),
    ("any", lambda x: (np.any(x, axis=0), np.all(x), np.count_nonzero(x, axis=1)), (B,)),
    ("argmax", lambda x: (np.argmax(x), np.argmax(x, axis=1), np.argmin(x, 0)), (X,)),
    (
        "reduce",
        lambda x: (np.add.reduce(x), np.multiply.reduce(x, axis=1), np.maximum.reduce(x, axis=None), np.logical_and.reduce(x > 0)),
        (X,),
    ),
    ("ptp", lambda x: np.ptp(x, axis=0), (X,)),
    ("cumsum", lambda x: (np.cumsum(x), np.cumsum(x, axis=1), np.cumprod(x, axis=0)), (X,)),
    ("clip", lambda x: (np.clip(x, 0.3, 0.6), np.clip(x, None, 0.6), np.clip(x, a_min=0.3, a_max=None)), (X,)),
    ("where", lambda x, y: np.where(x > y, x, 0.0), (X, Y)),
    ("reshape", lambda x: (np.reshape(x, (4, 3)), np.reshape(x, -1), x.reshape(2, 6), x.reshape((6, 2))), (X,)),
    ("transpose", lambda x: (np.transpose(x), np.transpose(x[None], (1, 0, 2)), x.transpose(), np.permute_dims(x, (1, 0))), (X,)),
    (
        "swapaxes",
        lambda x: (np.swapaxes(x, 0, 1), np.moveaxis(x[None], 0, -1), np.moveaxis(x[None], (0, 1), (1, 0)), np.matrix_transpose(x)),
        (X,),
    ),
    ("squeeze", lambda x: (np.squeeze(x[None]), np.squeeze(x[:, None], axis=1), np.expand_dims(x, 1)), (X,)),
    ("broadcast_to", lambda x: np.broadcast_to(x, (3, 4)), (V,)),
    ("concatenate", lambda x, y: (np.concatenate([x, y]), np.concatenate((x, y), axis=1), np.concat([x, y], axis=-1)), (X, Y)),
    ("stack", lambda x, y: (np.stack([x, y]), np.stack([x, y], axis=-1)), (X, Y)),
    ("vstack", lambda x, y: (np.vstack([x, y]), np.hstack([x, y])), (X, Y)),
    ("vstack of vectors", lambda x: (np.vstack([x, x]), np.hstack([x, x])), (V,)),
    ("flip", lambda x: (np.flip(x), np.flip(x, 1), np.roll(x, 2, axis=1), np.roll(x, 1)), (X,)),
    ("repeat", lambda x: (np.repeat(x, 2, axis=0), np.repeat(x, 3), np.tile(x, (2, 1))), (X,)),
    ("tril", lambda x: (np.tril(x), np.triu(x, 1), np.trace(x), np.diagonal(x)), (S,)),
    ("outer", lambda v: (np.outer(v, v), np.multiply.outer(v, v)), (V,)),
    ("pad", lambda x: (np.pad(x, 1), np.pad(x, ((0, 1), (2, 0))), np.pad(x, (1, 2), constant_values=5.0)), (X,)),
    ("split", lambda x: (*np.split(x, 2, axis=1), *np.split(x, 3)), (X,)),
    ("take", lambda x: (np.take(x, np.array([2, 0]), axis=0), np.take(x, np.array([5, 1]))), (X,)),
    ("take_along_axis", lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1), (X,)),
    ("sort", lambda x: (np.sort(x), np.sort(x, axis=0), np.argsort(x)), (X,)),
    ("dot", lambda x, v: (np.dot(x, v), np.dot(v, v), np.dot(x, 2.0), np.vdot(v, v), np.inner(x, v)), (X, V)),
    ("einsum", lambda x, s: (np.einsum("ij,jk->ik", x, s), np.einsum("ij->j", x)), (X, S)),
    ("norm", lambda x: (np.linalg.norm(x), np.linalg.norm(x, axis=1), np.linalg.norm(x, ord=1, axis=0)), (X,)),
    ("likes", lambda x: (np.zeros_like(x), np.ones_like(x), np.full_like(x, 7), np.zeros_like(x, dtype=np.int32)), (X,)),
    ("decimals", lambda x: np.round(x, 2), (X,)),
    ("isclose", lambda x: np.isclose(x, x + 1e-9), (X,)),
    ("facts", lambda x: x * np.ndim(x) + np.shape(x)[1] + np.size(x), (X,)),
    ("of a size", lambda x: x / np.sqrt(x.shape[-1]), (X,)),
    ("astype", lambda x: (x.astype(np.float32), np.astype(x, np.int64), np.float64(1) + x), (X,)),
]


def _close(got: Any, want: Any) -> None:
    assert got.shape == np.shape(want)
    assert got.dtype == np.asarray(want).dtype
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_as_numpy(case: Case) -> None:
    _, function, arrays = case
    with np.errstate(all="ignore"):
        want = function(*arrays)
    got = tc.jit(function)(*arrays)
    if isinstance(want, tuple):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            _close(g, w)
    else:
        _close(got, want)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: np.fft.fft(x), "`np.fft` cannot be traced"),
        (lambda x: np.sum(x, where=x > 0), "`np.sum` cannot be traced with `where="),
        (lambda x: np.add(x, 1, out=np.zeros(3)), "cannot write to `out`"),
        (lambda x: np.add.accumulate(x), "`np.add.accumulate` cannot be traced"),
        (lambda x: np.pad(x, 1, mode="edge"), "with `mode='edge'`"),
        (lambda x: np.asarray(x), "the value of an array that is traced is not known"),
        (lambda x: np.spacing(x), "`np.spacing` cannot be traced"),
    ],
)
def test_what_cannot_be_traced(function: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(tc.CompileError) as raised:
        tc.jit(function)(X)
    assert text in str(raised.value) and "test_numpy_names.py:" in str(raised.value)


def test_every_row_has_a_parameter_for_the_array() -> None:
    assert all(row.parameters and row.parameters[0].ours is None for row in numpy_names.FUNCTIONS.values())
    assert {row.call for row in numpy_names.FUNCTIONS.values()} | set(numpy_names.UFUNCS.values()) <= library_names()
    assert all(hasattr(np, name) or hasattr(np.linalg, name) for name in numpy_names.FUNCTIONS)
