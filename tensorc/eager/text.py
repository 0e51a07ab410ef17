"""Tensors as text, in PyTorch's form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.dtypes import bool_, f32, i64
from tensorc.runtime.arrays import Array

if TYPE_CHECKING:
    from tensorc.eager.tensor import Tensor

NAMES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16",
    "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8",
    "u64": "uint64", "u32": "uint32", "u16": "uint16", "u8": "uint8", "bool": "bool",
}  # fmt: skip


class _Options:
    precision = 4
    threshold = 1000.0
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


options = _Options()

_PROFILES = {
    "default": (4, 1000.0, 3, 80),
    "short": (2, 1000.0, 2, 80),
    "full": (4, math.inf, 3, 80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed from now on."""
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"there is no profile {profile!r}; the profiles are {', '.join(_PROFILES)}")
        options.precision, options.threshold, options.edgeitems, options.linewidth = _PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None:
            setattr(options, name, value)
    options.sci_mode = sci_mode


class _Formatter:
    """One width and form for all numbers of a tensor."""

    def __init__(self, array: Array) -> None:
        self.is_float = array.dtype.kind == "f"
        self.whole = True
        self.scientific = False
        self.width = 1
        if not self.is_float:
            self.width = max((len(str(v)) for v in array.reshape(-1).tolist()), default=1)
        else:
            self._measure(array.reshape(-1))
        if options.sci_mode is not None:
            self.scientific = options.sci_mode

    def _measure(self, flat: Array) -> None:
        values = flat[np.isfinite(flat) & (flat != 0)]
        if not values.size:
            return
        sizes = np.abs(values.astype(np.float64))
        least, most = float(sizes.min()), float(sizes.max())
        self.whole = bool((values == np.ceil(values)).all())
        ratio = most / least
        self.scientific = ratio > 1000 or most > 1e8 or (not self.whole and least < 1e-4)
        if self.scientific:
            texts = [f"{v:.{options.precision}e}" for v in values.tolist()]
        elif self.whole:
            texts = [f"{v:.0f}." for v in values.tolist()]
        else:
            texts = [f"{v:.{options.precision}f}" for v in values.tolist()]
        self.width = max(self.width, *map(len, texts))

    def format(self, value: Any) -> str:
        if not self.is_float:
            text = str(value)
        elif self.scientific:
            text = f"{value:{self.width}.{options.precision}e}"
        elif self.whole:
            text = f"{value:.0f}" + ("" if math.isinf(value) or math.isnan(value) else ".")
        else:
            text = f"{value:.{options.precision}f}"
        return " " * (self.width - len(text)) + text


def _row(values: list[Any], indent: int, summarize: bool, formatter: _Formatter) -> str:
    each = formatter.width + 2
    per_line = max(1, (options.linewidth - indent) // each)
    edge = options.edgeitems
    if summarize and len(values) > 2 * edge:
        texts = [*map(formatter.format, values[:edge]), " ...", *map(formatter.format, values[-edge:])]
    else:
        texts = [formatter.format(v) for v in values]
    lines = [", ".join(texts[n : n + per_line]) for n in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(array: Array, indent: int, summarize: bool, formatter: _Formatter) -> str:
    if array.ndim == 0:
        return formatter.format(array.item())
    if array.ndim == 1:
        return _row(array.tolist(), indent, summarize, formatter)
    edge = options.edgeitems
    parts: list[str]
    if summarize and len(array) > 2 * edge:
        shown = [*range(edge), *range(len(array) - edge, len(array))]
        parts = [_nested(array[n], indent + 1, summarize, formatter) for n in shown]
        parts.insert(edge, "...")
    else:
        parts = [_nested(a, indent + 1, summarize, formatter) for a in array]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _edges(array: Array) -> Array:
    """What is shown of a large array."""
    edge = options.edgeitems
    for axis in range(array.ndim):
        if array.shape[axis] > 2 * edge:
            array = np.concatenate([array.take(range(edge), axis), array.take(range(-edge, 0), axis)], axis)
    return array


def show(tensor: Tensor) -> str:
    """`tensor([1., 2.], grad_fn=<MulBackward0>)`."""
    array, dtype = tensor._array, tensor.dtype
    values = array.astype(np.float32) if dtype.is_half else array
    indent = len("tensor(")
    suffixes = []
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        if dtype is not f32:
            suffixes.append(f"dtype=tc.{NAMES[dtype.name]}")
    else:
        summarize = array.size > options.threshold
        body = _nested(values, indent, summarize, _Formatter(_edges(values) if summarize else values))
        if dtype not in (f32, i64, bool_):
            suffixes.append(f"dtype=tc.{NAMES[dtype.name]}")
    node = tensor.grad_fn
    if node is not None:
        suffixes.append(f"grad_fn={node!r}")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes("tensor(" + body, suffixes, indent)


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            length = indent + len(suffix)
        else:
            text += ", " + suffix
            length += len(suffix) + 2
    return text + ")"
