"""Results of a call as text, as JSON, in files, and compared with the oracle's."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorc.cli.arguments import array_type
from tensorc.cli.output import Refused
from tensorc.cli.value_files import FORMATS, split_place
from tensorc.cli.values import ValueInputError, write_value
from tensorc.dtypes import from_numpy

Array = NDArray[Any]

WIDTH = 100  # characters of a line where the output is no terminal
SUMMARISED = 200  # elements, beyond which an array is shown by its edges


def flatten(value: Any) -> list[Array]:
    """The arrays of nested tuples in order."""
    return [array for part in value for array in flatten(part)] if isinstance(value, tuple) else [np.asarray(value)]


def names(results: Sequence[Array]) -> list[str]:
    return ["result"] if len(results) == 1 else [f"result{number}" for number in range(len(results))]


def show(results: Sequence[Array]) -> str:
    """Each result under its type, as NumPy prints arrays."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout is not None and sys.stdout.isatty() else WIDTH
    parts = []
    for name, array in zip(names(results), results, strict=True):
        heading = array_type(array) if len(results) == 1 else f"{name}: {array_type(array)}"
        shown = np.array2string(array, max_line_width=width, threshold=SUMMARISED) if array.ndim else str(array[()])
        parts.append(f"{heading}\n{shown}")
    return "\n\n".join(parts)


def to_json(results: Sequence[Array], with_data: bool) -> list[dict[str, Any]]:
    """Types and, where wanted, values; nan and the infinities, which JSON has no numbers for, as strings."""
    found: list[dict[str, Any]] = []
    for name, array in zip(names(results), results, strict=True):
        row: dict[str, Any] = {"name": name, "dtype": str(from_numpy(array.dtype)), "shape": list(array.shape)}
        if with_data:
            row["data"] = _nested(array)
        found.append(row)
    return found


def _nested(array: Array) -> Any:
    dtype = from_numpy(array.dtype)
    values = array.astype(np.float64) if dtype is not None and dtype.is_float else array
    return values.tolist() if np.isfinite(values).all() else _spelled(values.tolist())


def _spelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_spelled(v) for v in value]
    return value if math.isfinite(value) else str(value)


# Files.


def check_targets(targets: Sequence[str]) -> None:
    """Refused where a file of --out can be seen not to be writable, before anything is computed."""
    for target in targets:
        try:
            path, _, _ = split_place(target.strip().removeprefix("@"))
        except ValueInputError:
            raise Refused(f"`--out {target}` names no kind of file that can be written", f"the kinds are {', '.join(FORMATS)}") from None
        if not os.path.isdir(path.parent):
            raise Refused(f"there is no folder {path.parent}")
        if os.path.isdir(path):
            raise Refused(f"{path} is a folder")


def write(targets: Sequence[str], results: Sequence[Array]) -> list[tuple[str, list[Array]]]:
    """Write the results to one file, or each to its own; gives what was written where."""
    if len(targets) not in (1, len(results)):
        raise Refused(f"there are {len(results)} results, and {len(targets)} files for them", "write an --out for each, or one @y.npz")
    shares = [list(results)] if len(targets) == 1 else [[result] for result in results]
    written = []
    for target, share in zip(targets, shares, strict=True):
        try:
            write_value(target, tuple(share))
        except ValueInputError as error:
            raise Refused(error.message, error.hint) from None
        written.append((target.strip().removeprefix("@"), share))
    return written


# Comparing.

TOLERANCES = {"f64": (1e-9, 1e-11), "f32": (1e-4, 1e-5), "f16": (1e-2, 1e-3), "bf16": (4e-2, 1e-2)}
"""By dtype, the relative and the absolute difference that orders of summation may make; integers and bools must be equal."""


@dataclass(frozen=True)
class Comparison:
    """The largest difference between results and the oracle's, where it is, and whether every one is within its tolerance."""

    agrees: bool
    difference: float
    place: str
    found: str
    expected: str

    @property
    def text(self) -> str:
        if self.agrees:
            return f"verified: the largest difference from the oracle is {self.difference:.3g}"
        return f"the largest difference from the oracle is {self.difference:.3g}, at {self.place}: {self.found}, expected {self.expected}"


def compare(results: Sequence[Array], expected: Sequence[Array]) -> Comparison:
    """Hold results against the oracle's. Where both are nan or the same infinity the difference is 0, where one is, inf."""
    worst: Comparison | None = None
    agrees = True
    for name, a, b in zip(names(results), results, expected, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return Comparison(False, math.inf, name, array_type(a), array_type(b))
        difference, allowed = _differences(a, b)
        beyond = difference > allowed
        agrees = agrees and not beyond.any()
        if a.size:
            # Of elements beyond their tolerance the worst one is shown, even if another one differs by more and may.
            at = np.unravel_index(np.argmax(np.where(beyond, difference, -1.0) if beyond.any() else difference), a.shape)
            row = Comparison(not beyond.any(), float(difference[at]), _place(name, at), str(a[at]), str(b[at]))
            if worst is None or (row.agrees, -row.difference) < (worst.agrees, -worst.difference):
                worst = row
    return worst if worst is not None else Comparison(agrees, 0.0, "", "", "")


def _differences(a: Array, b: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The absolute differences and the allowed ones."""
    dtype = from_numpy(a.dtype)
    if dtype is None or not dtype.is_float:
        wide = [x.astype(np.float64) for x in (a, b)]
        # Integers of 64 bits that differ may be equal in f64.
        return np.where(a == b, 0.0, np.maximum(np.abs(wide[0] - wide[1]), 1.0)), np.zeros(a.shape)
    x, y = a.astype(np.float64), b.astype(np.float64)
    relative, absolute = TOLERANCES[dtype.name]
    with np.errstate(all="ignore"):
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        difference = np.where(same, 0.0, np.abs(x - y))
        allowed = np.where(np.isfinite(y), relative * np.abs(y) + absolute, 0.0)
    return np.where(np.isnan(difference), np.inf, difference), allowed


def _place(name: str, at: Sequence[Any]) -> str:
    return f"{name}[{', '.join(str(int(i)) for i in at)}]" if len(at) else name
