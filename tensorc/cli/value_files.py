"""Arrays in files: .npy, .npz, .safetensors, .csv and .parquet, read and written without ever changing a value."""

from __future__ import annotations

import csv
import math
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tensorc.cli.value_text import Array, Scalar, ValueInputError, make_array, natural_dtype, parse_number
from tensorc.dtypes import DTYPES, DType, bf16, from_numpy
from tensorc.errors import nearest

FORMATS = (".npy", ".npz", ".safetensors", ".csv", ".parquet")
PLACE = re.compile(r"(?P<path>.+?(?P<format>\.npy|\.npz|\.safetensors|\.csv|\.parquet))(?::(?P<key>.*))?", re.IGNORECASE | re.DOTALL)


def split_place(text: str) -> tuple[Path, str, str | None]:
    """The path, the format and the key of `file.npz:key`."""
    match = PLACE.fullmatch(text)
    if match is None or "\0" in text:
        raise ValueInputError(f"`@{text}` names no kind of file that can be used", f"the kinds are {', '.join(FORMATS)}")
    path, format, key = Path(match["path"]).expanduser(), match["format"].lower(), match["key"]
    if format == ".npy" and key is not None:
        raise ValueInputError(f"`@{text}` has a key, but a .npy file holds one array", f"write @{match['path']}")
    return path, format, key or None


def read_file(text: str, dtype: DType | None, rank: int | None) -> Array:
    """The array of `file.npy`, `file.npz:key` and so on. `dtype` and `rank` are the parameter's: only text (.csv) adapts to them."""
    path, format, key = split_place(text)
    if not os.path.exists(path):  # which, unlike Path's method, is False for names that no file can have
        near = nearest(path.name, os.listdir(path.parent)) if os.path.isdir(path.parent) else None
        raise ValueInputError(f"there is no file {path}", f"did you mean {path.parent / near}?" if near else None)
    if not path.is_file():
        raise ValueInputError(f"{path} is not a file")
    with reading(path, format):
        match format:
            case ".npy":
                array = read_npy(path)
            case ".npz":
                array = read_npz(path, key)
            case ".safetensors":
                array = read_safetensors(path, key)
            case ".parquet":
                array = read_parquet(path, key)
            case _:
                return read_csv(path, key, dtype, rank)
    return checked(array, path, dtype)


@contextmanager
def reading(path: Path, format: str) -> Iterator[None]:
    """Turns whatever a reader raises on a damaged file (each has its own exceptions) into one clear error."""
    try:
        yield
    except ValueInputError:
        raise
    except OSError as error:
        raise ValueInputError(f"{path} cannot be read: {error.strerror or error}") from error
    except MemoryError:
        raise ValueInputError(f"{path} does not fit in memory") from None
    except Exception as error:
        if "Object arrays" in str(error):
            message = f"{path} holds pickled Python objects, which are refused: loading them can run any code"
            raise ValueInputError(message, "save the numbers as a plain array") from error
        raise ValueInputError(f"{path} is not a readable {format} file: {error}") from error


def checked(array: Array, path: Path, dtype: DType | None) -> Array:
    """The array in native byte order, if tensorc has its dtype."""
    if array.dtype == np.dtype("V2"):  # what NumPy makes of bf16 in .npy and .npz: the bits without the name
        if dtype is not bf16:
            hint = "NumPy saves bf16 so; a bf16 parameter takes it, and .safetensors keeps the type's name"
            raise ValueInputError(f"{path} holds 2-byte items of no type", hint)
        return array.view(bf16.numpy)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if from_numpy(array.dtype) is None:
        raise ValueInputError(
            f"{path} holds {array.dtype} values, which no dtype of tensorc stands for", f"the dtypes are {' '.join(DTYPES)}"
        )
    return array


def choose_key(path: Path, keys: Sequence[str], key: str | None) -> str:
    """The key that was asked for, or the only one there is."""
    listed = ", ".join(keys[:20]) + (f" and {len(keys) - 20} more" if len(keys) > 20 else "")
    if not keys:
        raise ValueInputError(f"{path} holds no arrays")
    if key is None:
        if len(keys) > 1:
            raise ValueInputError(f"{path} holds {len(keys)} arrays: {listed}", f"choose one: @{path}:{keys[0]}")
        return keys[0]
    if key not in keys:
        near = nearest(key, keys)
        raise ValueInputError(f"{path} has no `{key}`; it has {listed}", f"did you mean @{path}:{near}?" if near else None)
    return key


def needs_extra(path: Path, module: str) -> ValueInputError:
    return ValueInputError(f"{path}: {module} is not installed", "pip install 'tensorc[data]'")


def read_npy(path: Path) -> Array:
    with path.open("rb") as file:  # not np.load, which takes any other file for a pickle
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def read_npz(path: Path, key: str | None) -> Array:
    if not zipfile.is_zipfile(path):
        raise ValueInputError(f"{path} is not a .npz file, which is a zip archive")
    with np.load(path, allow_pickle=False) as archive:
        array: Array = archive[choose_key(path, archive.files, key)]
    return array


def read_safetensors(path: Path, key: str | None) -> Array:
    try:
        from safetensors import safe_open
    except ImportError:
        raise needs_extra(path, "safetensors") from None
    with safe_open(path, framework="np") as archive:
        array: Array = archive.get_tensor(choose_key(path, sorted(archive.keys()), key))
    return array


def read_parquet(path: Path, key: str | None) -> Array:
    """One column, or all of them side by side as a matrix if they are of one type."""
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise needs_extra(path, "pyarrow") from None
    names = [n for n in parquet.read_schema(path).names if not n.startswith("__index_level_")]  # a data frame's row labels
    chosen = names if key is None else [choose_key(path, names, key)]
    table = parquet.read_table(path, columns=chosen)
    columns = [parquet_column(path, name, table.column(name)) for name in chosen]
    if not columns:
        raise ValueInputError(f"{path} has no columns")
    for (a, x), (b, y) in pairwise(zip(chosen, columns, strict=True)):
        if x.dtype != y.dtype or x.ndim != 1 or y.ndim != 1:
            raise ValueInputError(f"{path}: the columns {a} ({x.dtype}) and {b} ({y.dtype}) make no matrix", f"choose one: @{path}:{a}")
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)


def parquet_column(path: Path, name: str, column: Any) -> Array:
    """A column of numbers as a vector, of lists of one length as a matrix."""
    import pyarrow as arrow

    width = None
    if arrow.types.is_fixed_size_list(column.type):
        width = column.type.list_size
    values = column if width is None else arrow.chunked_array([c.flatten() for c in column.chunks], type=column.type.value_type)
    if not any(test(values.type) for test in (arrow.types.is_integer, arrow.types.is_floating, arrow.types.is_boolean)):
        raise ValueInputError(f"{path}: the column {name} holds {column.type} values, not numbers")
    for part in (column, values):
        if part.null_count:
            row = part.is_null().to_pylist().index(True) // (width or 1 if part is values else 1)
            raise ValueInputError(f"{path}: the column {name} has no value in row {row}", "fill the gap, with nan for instance")
    array: Array = values.to_numpy()
    return array if width is None else array.reshape(len(column), width)


def read_csv(path: Path, key: str | None, dtype: DType | None, rank: int | None) -> Array:
    """A table of numbers; a first line without any number names the columns. One column, or one row for a vector parameter, is a vector."""
    lines, rows = csv_rows(path)
    names = None
    if rows and all(cell_value(cell) is None for cell in rows[0]):
        names, lines, rows = [cell.strip() for cell in rows[0]], lines[1:], rows[1:]
    if not rows and names is None:
        raise ValueInputError(f"{path} is empty")
    width = len(names) if names is not None else len(rows[0])
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            raise ValueInputError(f"{path}:{line}: {len(row)} cells, where the first line has {width}")
    start = 0
    if key is not None:
        if names is None:
            raise ValueInputError(f"{path} has no line that names its columns, so there is no `{key}`")
        start = names.index(choose_key(path, names, key))
        rows, width = [[row[start]] for row in rows], 1
    flat = csv_values(path, lines, rows, start, dtype)
    one_row = len(rows) == 1 and rank == 1
    if rank == 0 and flat.size == 1:
        return flat.reshape(())
    return flat if (width == 1 and rank != 2) or one_row else flat.reshape(len(rows), width)


def csv_rows(path: Path) -> tuple[list[int], list[list[str]]]:
    """The rows with the line that each ends on; blank lines and `#` comments are left out."""
    lines, rows = [], []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        for row in reader:
            if row and not (len(row) == 1 and not row[0].strip()) and not row[0].lstrip().startswith("#"):
                lines.append(reader.line_num)
                rows.append(row)
    return lines, rows


def cell_value(cell: str) -> Scalar | None:
    """The number in a cell. Truth values may be capitalised, as data frames and spreadsheets write them."""
    text = cell.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "_" in text or text == "pi":
        return None
    value = parse_number(text)
    if value is None:
        special = text.lower().lstrip("+-")
        if special in ("inf", "infinity", "nan"):
            return float(text)
    return value


def csv_values(path: Path, lines: list[int], rows: list[list[str]], start: int, dtype: DType | None) -> Array:
    """The cells in order, each made a value of the dtype; with none given, floats are f64."""
    texts = [cell.strip() for row in rows for cell in row]
    width = len(rows[0]) if rows else 1

    def place(i: int) -> str:
        return f"{path}:{lines[i // width]}: column {start + i % width + 1}"

    values: list[Scalar] = []
    for i, text in enumerate(texts):
        value = cell_value(text)
        if value is None:
            message = f"`{text}` is not a number" if text else "the cell is empty"
            hint = "cells are separated by commas" if re.search(r"[;\t]", text) else None if text else "write nan for a missing number"
            raise ValueInputError(f"{place(i)}: {message}", hint)
        values.append(bool(value) if dtype is not None and dtype.kind == "bool" and value in (0, 1) else value)
    chosen = dtype or natural_dtype(values, floats="f64")
    try:
        return make_array(texts, values, chosen, (len(texts),))
    except ValueInputError:
        for i, text in enumerate(texts):  # once more, one at a time, to find the cell
            try:
                make_array([text], [values[i]], chosen, (1,))
            except ValueInputError as error:
                raise ValueInputError(f"{place(i)}: {error.message}", error.hint) from None
        raise


def write_file(text: str, arrays: Sequence[Array]) -> None:
    """Writes results to `y.npy`, `y.npz:a,b` and so on. The file appears complete or not at all."""
    path, format, key = split_place(text)
    names = key.split(",") if key else ["result"] if len(arrays) == 1 else [f"result{i}" for i in range(len(arrays))]
    if format in (".npz", ".safetensors"):
        if len(names) != len(arrays) or len(set(names)) != len(names):
            raise ValueInputError(
                f"`@{text}` names {len(names)} arrays, and there are {len(arrays)} results",
                "give each result a name of its own: @y.npz:a,b",
            )
    elif len(arrays) != 1:
        raise ValueInputError(f"a {format} file holds one array, and there are {len(arrays)} results", f"write @{path.with_suffix('.npz')}")
    if not os.path.isdir(path.parent):
        raise ValueInputError(f"there is no folder {path.parent}")
    named = dict(zip(names, arrays, strict=True)) if format in (".npz", ".safetensors") else {"": arrays[0]}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        WRITERS[format](partial, named)
        partial.replace(path)
    except OSError as error:
        raise ValueInputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def write_npy(path: Path, named: dict[str, Array]) -> None:
    with path.open("wb") as file:
        np.save(file, named[""], allow_pickle=False)


def write_npz(path: Path, named: dict[str, Array]) -> None:
    with zipfile.ZipFile(path, "w") as archive:  # not np.savez, whose own parameters' names are taken
        for name, array in named.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def write_safetensors(path: Path, named: dict[str, Array]) -> None:
    try:
        from safetensors.numpy import save
    except ImportError:
        raise needs_extra(path, "safetensors") from None
    path.write_bytes(save({name: np.ascontiguousarray(a).reshape(a.shape) for name, a in named.items()}))


def matrix(array: Array) -> Array:
    """The result as rows and columns: a vector is a column."""
    if array.ndim > 2:
        raise ValueInputError(f"this kind of file holds rows and columns, and the result has {array.ndim} axes", "write a .npy file")
    return array.reshape(array.shape[0] if array.ndim else 1, math.prod(array.shape[1:]))


def write_csv(path: Path, named: dict[str, Array]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in matrix(named[""]):  # the text of a NumPy scalar is the shortest that reads back as the same value
            writer.writerow([str(cell).lower() for cell in row])


def write_parquet(path: Path, named: dict[str, Array]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise needs_extra(path, "pyarrow") from None
    table = matrix(named[""])
    if from_numpy(table.dtype) is bf16:
        raise ValueInputError("a .parquet file has no type for bf16", "write a .safetensors file")
    parquet.write_table(pyarrow.table({f"c{i}": np.ascontiguousarray(table[:, i]) for i in range(table.shape[1])}), path)


WRITERS: dict[str, Callable[[Path, dict[str, Array]], None]] = {
    ".npy": write_npy,
    ".npz": write_npz,
    ".safetensors": write_safetensors,
    ".csv": write_csv,
    ".parquet": write_parquet,
}
