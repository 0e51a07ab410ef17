"""`tc.finfo` and `tc.iinfo`: which numbers a dtype holds, under PyTorch's names."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from tensorc.dtypes import DType, bool_, f32
from tensorc.eager.text import NAMES


class finfo:
    """The largest and smallest numbers of a dtype of floats, and how far apart they are at 1 (`eps`)."""

    def __init__(self, dtype: DType = f32) -> None:
        if not dtype.is_float:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{dtype}'")
        found: Any = ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]
        self.bits = dtype.bits
        self.dtype = NAMES[dtype.name]
        self.eps, self.max, self.min = float(found.eps), float(found.max), float(found.min)
        self.smallest_normal = self.tiny = float(found.smallest_normal)
        self.resolution = float(f"1e-{found.precision}")

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"


class iinfo:
    """The largest and the smallest number of a dtype of integers."""

    def __init__(self, dtype: DType) -> None:
        if dtype is bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if not dtype.is_integer:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{dtype}'")
        found = np.iinfo(dtype.numpy)
        self.bits = dtype.bits
        self.dtype = NAMES[dtype.name]
        self.max, self.min = int(found.max), int(found.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
