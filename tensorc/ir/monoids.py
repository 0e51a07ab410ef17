"""The table of monoids, which reductions and scans combine by: one row each, with its identity, its operation and its meaning in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorc.dtypes import DType, bool_, f64, from_numpy
from tensorc.ir.arithmetic import Array


@dataclass(frozen=True)
class Monoid:
    """An associative operation with an identity; integers wrap, NaN is passed on.

    `combine` is its row in OPERATIONS and `ufunc` its name in NumPy. `reorderable`: terms may be combined in any order and grouping (a
    float sum or product then differs by rounding). `idempotent`: combining a term twice changes nothing.
    """

    name: str
    combine: str
    ufunc: str
    identity: Callable[[DType], float | int | bool]
    reorderable: bool = True
    idempotent: bool = False

    @property
    def numpy(self) -> Any:
        return getattr(np, self.ufunc)

    def reduce(self, terms: Array, axes: tuple[int, ...]) -> Array:
        """The terms combined along the axes, in the accumulator's dtype; the identity where there are none."""
        dtype = _accumulator(terms)
        return np.asarray(self.numpy.reduce(terms.astype(dtype.numpy, copy=False), axes, dtype.numpy, initial=self.start(dtype)))

    def accumulate(self, terms: Array) -> Array:
        """The terms combined up to each place of the last axis, in the accumulator's dtype."""
        dtype = _accumulator(terms)
        return np.asarray(self.numpy.accumulate(terms.astype(dtype.numpy, copy=False), -1, dtype.numpy))

    def start(self, dtype: DType) -> Any:
        """The identity as a NumPy scalar."""
        return dtype.numpy.type(self.identity(dtype))


def accumulator(dtype: DType) -> DType:
    """What the oracle accumulates in: f64 for every float, to round once at the end; else the dtype itself."""
    return f64 if dtype.is_float else dtype


def _accumulator(terms: Array) -> DType:
    dtype = from_numpy(terms.dtype)
    assert dtype is not None, terms.dtype
    return accumulator(dtype)


def _least(dtype: DType) -> float | int | bool:
    return -math.inf if dtype.is_float else False if dtype is bool_ else dtype.range[0]


def _greatest(dtype: DType) -> float | int | bool:
    return math.inf if dtype.is_float else True if dtype is bool_ else dtype.range[1]


def _number(value: int) -> Callable[[DType], float | int | bool]:
    return lambda dtype: float(value) if dtype.is_float else bool(value) if dtype is bool_ else value


_ROWS = (
    Monoid("sum", "add", "add", _number(0)),
    Monoid("prod", "mul", "multiply", _number(1)),
    Monoid("max", "maximum", "maximum", _least, idempotent=True),
    Monoid("min", "minimum", "minimum", _greatest, idempotent=True),
    Monoid("any", "or", "logical_or", lambda dtype: False, idempotent=True),
    Monoid("all", "and", "logical_and", lambda dtype: True, idempotent=True),
)

MONOIDS: dict[str, Monoid] = {row.name: row for row in _ROWS}
