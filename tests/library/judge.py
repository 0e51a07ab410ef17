"""Runs an expression of the language by the oracle or compiled, and PyTorch's function on the same arrays, and compares the two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

import tensorc as tc
from tensorc.dtypes import DTYPES, DType, bf16, bool_, f16, f32, f64, from_numpy

Array = Any

FLOATS = (f64, f32, f16, bf16)
INTEGERS = tuple(DTYPES[n] for n in ("i64", "i32", "i16", "i8", "u8"))
UNSIGNED = tuple(DTYPES[n] for n in ("u16", "u32", "u64"))
ALL = (*FLOATS, *INTEGERS, *UNSIGNED, bool_)


@dataclass(frozen=True)
class Given:
    """An argument: random values of a shape, or given ones; of the case's dtype unless it has its own.

    `low..high` are the values' range; integers are the whole numbers in it.
    """

    shape: tuple[int, ...] = ()
    low: float = -3
    high: float = 3
    dtype: DType | None = None
    values: Any = None
    floats_only: bool = False  # whether the variant is for floats alone

    def make(self, dtype: DType, random: np.random.Generator) -> Array:
        dtype = self.dtype or dtype
        if self.values is not None:
            with np.errstate(invalid="ignore"):
                return np.array(self.values, "f8" if dtype.is_float else None).astype(dtype.numpy)
        if dtype is bool_:
            return random.random(self.shape) < 0.5
        if dtype.is_float:
            return np.asarray(random.uniform(self.low, self.high, self.shape)).astype(dtype.numpy)
        low = max(int(np.ceil(self.low)), dtype.range[0])
        return np.asarray(random.integers(low, int(np.floor(self.high)) + 1, self.shape)).astype(dtype.numpy)


@dataclass(frozen=True)
class Case:
    """A row: `text` in the arguments x, y, z, w and what PyTorch says of them, for each of `variants` (the arguments) and each dtype.

    Where PyTorch refuses a dtype or arguments, tensorc must refuse them too; `reasons` lists what is otherwise.
    """

    name: str
    text: str
    torch: Callable[..., Any]
    variants: tuple[tuple[Given, ...], ...]
    dtypes: tuple[DType, ...] = ALL
    refused: bool = False  # whether both refuse every dtype
    ulps: float = 6
    slack: float = 0  # for what cancels: how many units in the last place of the largest number, 1 at least
    zeros: bool = False  # whether the signs of zeros are compared
    fixed: str = ""  # why no arguments of other sizes are made of its own
    small: str = ""  # why none of greater sizes


NAMES = "xyzw"


def parameters(arrays: Sequence[Array]) -> str:
    """Their declaration: a dim for each size but 1, in order, so that equal sizes are one dim and other sizes give the same text."""
    dims: dict[int, str] = {1: "1"}
    for a in arrays:
        for n in a.shape:
            dims.setdefault(n, f"D{len(dims)}")
    types = (f"{from_numpy(a.dtype)}[{', '.join(dims[n] for n in a.shape)}]" for a in arrays)
    return ", ".join(f"{name}: {type}" for name, type in zip(NAMES, types, strict=False))


def by_oracle(text: str, arrays: Sequence[Array]) -> list[Array]:
    """The results of `fn f(x, y) = text` (or of f in a file), by the oracle, or how a call fails."""
    source = text if text.startswith("fn ") else f"fn f({parameters(arrays)}) = {text}"
    found = tc.compile(source, name="case.tx").f.reference(*arrays)
    return list(found) if isinstance(found, tuple) else [found]


def compiled(text: str, arrays: Sequence[Array]) -> list[Array]:
    """The results of the same function compiled."""
    found = tc.compile(f"fn f({parameters(arrays)}) = {text}").f(*arrays)
    return list(found) if isinstance(found, tuple) else [found]


def _dtype(a: Array) -> DType:
    found = from_numpy(a.dtype)
    assert found is not None
    return found


# PyTorch.


@cache
def _bits() -> Any:
    return bf16.numpy


def to_torch(a: Array) -> torch.Tensor:
    if a.dtype == _bits():
        return torch.from_numpy(np.ascontiguousarray(a).reshape(a.shape).view("i2").copy()).view(torch.bfloat16)
    return torch.from_numpy(np.ascontiguousarray(a)).reshape(a.shape).clone()


def from_torch(t: torch.Tensor) -> Array:
    t = t.detach()
    return t.contiguous().view(torch.int16).numpy().view(bf16.numpy) if t.dtype == torch.bfloat16 else t.numpy()


def by_torch(function: Callable[..., Any], arrays: Sequence[Array]) -> list[Array]:
    found = function(*map(to_torch, arrays))
    return [from_torch(t) for t in (found if isinstance(found, (tuple, list)) else (found,))]


def wide(arrays: Sequence[Array]) -> list[Array]:
    """The same numbers in f64, for a result that is right to the last place of any narrower float."""
    return [a.astype("f8") if _dtype(a).is_float else a for a in arrays]


# Comparing.

_DIGITS = {f64: 53, f32: 24, f16: 11, bf16: 8}


def spacing(a: Array, dtype: DType) -> Array:
    """The unit in the last place of each number."""
    magnitude = np.abs(a.astype("f8"))
    least = {f64: 2.0**-1022, f32: 2.0**-126, f16: 2.0**-14, bf16: 2.0**-126}[dtype]
    _, exponent = np.frexp(np.maximum(magnitude, least))
    return np.ldexp(1.0, exponent - _DIGITS[dtype])


def difference(ours: Array, theirs: Array, ulps: float, slack: float, exact: Array | None = None) -> str | None:
    """What is wrong with our result, None where nothing is: dtype, shape, or values further off than so many units in the last place.

    `slack` is as many units in the last place of the largest number (1 at least), for what cancels. `exact` is the result in f64: a half
    float must be within a unit of that (but for slack in f32), or equal to theirs; an f32 may be as far from it as from theirs, or twice as
    far as theirs is.
    """
    dtype = _dtype(ours)
    if dtype is not _dtype(theirs):
        return f"dtype {dtype}, expected {_dtype(theirs)}"
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, expected {theirs.shape}"
    if not dtype.is_float:
        return None if np.array_equal(ours, theirs) else f"values {ours!r}, expected {theirs!r}"
    if exact is None:
        ok = _close(ours, theirs, dtype, ulps, slack)
    elif dtype.is_half:
        ok = _close(ours, exact, dtype, 1.01, 0) | _close(ours, exact, f32, 0, slack) | _equal(ours, theirs)
    else:
        error = np.abs(theirs.astype("f8") - exact)
        ok = _close(ours, theirs, dtype, ulps, slack) | _close(ours, exact, dtype, ulps, slack)
        ok |= np.abs(ours.astype("f8") - exact) <= 2 * error
    if ok.all():
        return None
    worst = np.argwhere(~ok)[0] if ours.ndim else ()
    return f"value {ours[tuple(worst)]!r} at {tuple(worst)}, expected {theirs[tuple(worst)]!r} ({(~ok).sum()} of {ok.size} differ)"


def _equal(ours: Array, theirs: Array) -> Array:
    a, b = ours.astype("f8"), theirs.astype("f8")
    return (a == b) | (np.isnan(a) & np.isnan(b))


def _close(ours: Array, theirs: Array, dtype: DType, ulps: float, slack: float) -> Array:
    a, b = ours.astype("f8"), theirs.astype("f8")
    finite = np.abs(b[np.isfinite(b)])
    least = spacing(np.max(finite, initial=1.0), dtype) * slack
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= np.maximum(ulps * spacing(np.where(np.isfinite(b), b, 0), dtype), least)
    near &= np.isfinite(a) & np.isfinite(b)
    if dtype.is_half:  # a result beyond the largest number is inf, which f64 does not know
        largest = float(np.finfo(np.float32).max) if dtype is bf16 else 65504.0
        near |= np.isinf(a) & (np.abs(b) > largest) & (np.sign(a) == np.sign(b))
    return _equal(ours, theirs) | near


def wrong_zeros(ours: Array, theirs: Array) -> bool:
    """Whether a zero has the other sign."""
    zero = (ours == 0) & (theirs == 0)
    return bool((np.signbit(ours.astype("f8")) != np.signbit(theirs.astype("f8")))[zero].any())
