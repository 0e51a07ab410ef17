"""Runs an expression of the language by the oracle or compiled, and PyTorch's function on the same arrays, and compares the two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch

import tensorc as tc
from tensorc import algebra
from tensorc.backends.reference.evaluate import evaluate, failed_check
from tensorc.dtypes import DTYPES, DType, bf16, bool_, f16, f32, f64, from_numpy
from tensorc.elaborate import ArgumentType, instantiate, load_unit
from tensorc.source import Source

Array = Any

FLOATS = (f64, f32, f16, bf16)
INTEGERS = tuple(DTYPES[n] for n in ("i64", "i32", "i16", "i8", "u8"))
ALL = (*FLOATS, *INTEGERS, bool_)
"""The dtypes that PyTorch computes with; it has hardly any functions for u16, u32 and u64, which `test_unsigned` looks at."""

TORCH = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "bool": torch.bool,
    "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8,
}  # fmt: skip


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

    Where PyTorch refuses a dtype, tensorc must refuse it too, but for those in `more`, with the reason; where PyTorch takes one that is in
    `fewer`, tensorc must refuse it.
    """

    name: str
    text: str
    torch: Callable[..., Any]
    variants: tuple[tuple[Given, ...], ...]
    dtypes: tuple[DType, ...] = ALL
    more: dict[str, str] = field(default_factory=dict)
    fewer: dict[str, str] = field(default_factory=dict)
    refused: bool = False  # whether both refuse every dtype
    ulps: float = 6
    slack: float = 0  # for what cancels: how many units in the last place of the largest number, 1 at least
    zeros: bool = False  # whether the signs of zeros are compared


NAMES = "xyzw"


def parameters(arrays: Sequence[Array]) -> str:
    """Their declaration: a dim for each size but 1, so that equal sizes are one dim."""
    found = []
    for name, a in zip(NAMES, arrays, strict=False):
        dims = ", ".join("1" if n == 1 else f"D{n}" for n in a.shape)
        found.append(f"{name}: {from_numpy(a.dtype)}[{dims}]")
    return ", ".join(found)


def by_oracle(text: str, arrays: Sequence[Array]) -> list[Array]:
    """The results of `fn f(x, y) = text` (or of f in a file), by the oracle.

    CompileError, IndexError and ValueError as calls raise them.
    """
    source = text if text.startswith("fn ") else f"fn f({parameters(arrays)}) = {text}"
    unit = load_unit(Source("case.tx", source))
    types = [ArgumentType(_dtype(a), a.ndim, frozenset(n for n, e in enumerate(a.shape) if e == 1)) for a in arrays]
    program = instantiate(unit, "f", types).program
    sizes = {f"D{n}": n for a in arrays for n in a.shape}
    for c in program.conditions:
        value = algebra.evaluate(c.value, sizes)
        if value < 0 or (value and c.relation == "=="):
            raise ValueError(c.message)
    if failed_check(program, arrays) is not None:
        raise IndexError("a subscript is outside")
    return evaluate(program, arrays)[: len(program.results)]


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


def difference(ours: Array, theirs: Array, ulps: float, slack: float, better: Array | None = None) -> str | None:
    """What is wrong with our result, None where nothing is: dtype, shape, or values further off than so many units in the last place.

    `better` is the result in f64: a half float must be within one unit of that, or equal to theirs.
    """
    dtype = _dtype(ours)
    if dtype is not _dtype(theirs):
        return f"dtype {dtype}, expected {_dtype(theirs)}"
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, expected {theirs.shape}"
    if not dtype.is_float:
        return None if np.array_equal(ours, theirs) else f"values {ours!r}, expected {theirs!r}"
    ok = _close(ours, theirs, dtype, ulps, slack)
    if better is not None and dtype.is_half:
        ok = _close(ours, better, dtype, 1.01, 0) | (ours.astype("f8") == theirs.astype("f8"))
        ok |= np.isnan(ours) & np.isnan(theirs)
    if ok.all():
        return None
    worst = np.argwhere(~ok)[0] if ours.ndim else ()
    return f"value {ours[tuple(worst)]!r} at {tuple(worst)}, expected {theirs[tuple(worst)]!r}\n{ours!r}\n{theirs!r}"


def _close(ours: Array, theirs: Array, dtype: DType, ulps: float, slack: float) -> Array:
    a, b = ours.astype("f8"), theirs.astype("f8")
    finite = np.abs(b[np.isfinite(b)])
    least = spacing(np.max(finite, initial=1.0), dtype) * slack
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= np.maximum(ulps * spacing(np.where(np.isfinite(b), b, 0), dtype), least)
    if dtype.is_half:  # a result beyond the largest number is inf, which f64 does not know
        near |= np.isinf(a) & (np.abs(b) > float(np.finfo(np.float32).max if dtype is bf16 else 65504.0)) & (np.sign(a) == np.sign(b))
    return (a == b) | (np.isnan(a) & np.isnan(b)) | (near & np.isfinite(a) & np.isfinite(b)) | (near & np.isinf(a))


def wrong_zeros(ours: Array, theirs: Array) -> bool:
    """Whether a zero has the other sign."""
    zero = (ours == 0) & (theirs == 0)
    return bool((np.signbit(ours.astype("f8")) != np.signbit(theirs.astype("f8")))[zero].any())
