"""The value forms of `--arg name=VALUE` and `--out`: files, generators such as `rand:f32[4,8]`, lists, numbers and words."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorc.cli.value_files import FORMATS, read_file, write_file
from tensorc.cli.value_text import (
    Array,
    Scalar,
    ValueInputError,
    fit_integer,
    fit_scalar,
    list_array,
    list_values,
    parse_list,
    parse_number,
)
from tensorc.dtypes import DTYPES, DType, dtype, from_numpy
from tensorc.errors import nearest

__all__ = ["Value", "ValueInputError", "read_value", "write_value"]

Value = Array | int | float | bool | str | list[Any] | None

GENERATOR = re.compile(r"(?P<form>\w+):(?P<dtype>\w*)(?:\[(?P<sizes>[^\[\]]*)\])?")
STATIC_LISTS = ("dims", "axes")
DTYPE_KINDS = ("float", "int", "num", "any")  # of a dtype variable; `float` and `int` are static types too
RANDOM_INTEGERS = 10


def read_value(text: str, *, rng: np.random.Generator, dtype: str | None, rank: int | None = None) -> Value:
    """The value that a text on the command line stands for.

    `dtype` is what is known of the parameter: a dtype's name, the kind of its dtype variable (`float int num any`), or a static type
    (`int float bool str dtype dims axes`); None where nothing is known. Numbers, lists and .csv files adapt to it; arrays that have a dtype
    of their own are left as they are, for the call to judge. `rank`, where known, settles whether a .csv of one row or column is a vector.
    Lists are arrays, but for static types and None: Python lists. Raises ValueInputError.
    """
    if dtype == "str":
        return text
    text = text.strip()
    wanted = DTYPES.get(dtype or "")
    if text.startswith("@"):
        return read_file(text[1:], wanted, rank)
    if text.startswith("["):
        return read_list(text, dtype)
    generator = GENERATOR.fullmatch(text)
    if generator is not None and (generator["form"] in GENERATORS or nearest(generator["form"], GENERATORS)):
        return generate(generator["form"], generator["dtype"], generator["sizes"], wanted, rng)
    number = parse_number(text)
    if number is not None:
        return fit_number(text, number, dtype)
    return read_word(text, dtype)


def fit_number(text: str, number: Scalar, dtype: str | None) -> Value:
    """A number or truth value for a parameter of this dtype or static type."""
    if dtype in DTYPES and dtype is not None:
        return fit_scalar(text, number, DTYPES[dtype])
    if dtype in (None, "num", "any"):
        return number
    if isinstance(number, bool) or dtype == "dtype":
        raise ValueInputError(f"{text} is not {'an' if dtype in ('int', 'axes') else 'a'} {dtype}")
    if dtype == "float":
        return fit_scalar(text, number, DTYPES["f64"])
    integer = fit_integer(text, number, None)
    return [integer] if dtype == "dims" else integer


def read_list(text: str, dtype: str | None) -> Value:
    words = parse_list(text)
    if dtype in DTYPES or dtype in DTYPE_KINDS:
        return list_array(words, DTYPES.get(dtype or ""))
    values = list_values(words)
    if dtype in STATIC_LISTS:
        for value in values:
            if isinstance(value, list | bool | float):
                raise ValueInputError(f"`{text}` is not a list of integers")
    return values


def read_word(text: str, dtype: str | None) -> Value:
    """What is neither a number nor a form: `none`, a dtype's name, or a string where nothing more is known of the parameter."""
    if dtype in ("axes", None) and text in ("none", "None"):
        return None
    if dtype == "dtype":
        if text not in DTYPES:
            raise ValueInputError(f"`{text}` is not a dtype", f"the dtypes are {' '.join(DTYPES)}")
        return text
    if dtype is None:
        if len(text) >= 2 and text[0] in "'\"" and text[-1] == text[0]:
            return text[1:-1]
        if text.isidentifier():
            return text
    raise ValueInputError(f"`{text}` is not a value", suggestion(text))


def suggestion(text: str) -> str:
    """The form that was most likely meant."""
    if any(format in text.lower() for format in FORMATS) or os.path.isfile(text):
        return f"a file is written with an @: @{text}"
    word = re.match(r"[A-Za-z]\w*", text)
    if word is not None and (near := nearest(word.group(), GENERATORS)):
        return f"arrays are made with {near}:f32[4,8]"
    if word is not None and (near := nearest(word.group().lower(), ["true", "false", "inf", "nan", "none", "pi"])):
        return f"did you mean {near}?"
    if re.fullmatch(r"[-+.\deE\s,]+", text):
        return "a list is written in brackets: [1, 2]"
    return f"write a number, a list, @file ({', '.join(FORMATS)}) or one of {' '.join(f'{g}:' for g in GENERATORS)} as in rand:f32[4,8]"


def generate(form: str, dtype_name: str, sizes: str | None, wanted: DType | None, rng: np.random.Generator) -> Array:
    """An array of `rand:f32[4,8]`; the dtype may be left out where the parameter has one."""
    if form not in GENERATORS:
        raise ValueInputError(f"`{form}:` makes no array", f"did you mean {nearest(form, GENERATORS)}:?")
    kind = DTYPES.get(dtype_name) if dtype_name else wanted
    if kind is None:
        raise ValueInputError(f"`{dtype_name}` is not a dtype" if dtype_name else f"`{form}:` needs a dtype", dtype_hint(form, dtype_name))
    shape = tuple(size(word) for word in (sizes or "").split(",") if word.strip() or (sizes or "").strip())
    try:
        return GENERATORS[form](kind, shape, rng)
    except (MemoryError, ValueError, OverflowError) as error:
        if isinstance(error, ValueInputError):
            raise
        raise ValueInputError(f"{form}:{kind}{list(shape)} does not fit in memory") from None


def dtype_hint(form: str, name: str) -> str:
    """What NumPy's and PyTorch's names are here."""
    try:
        known = from_numpy(np.dtype(name)) if name else None
    except TypeError:
        known = None
    near = str(known) if known else "bf16" if name == "bfloat16" else nearest(name, DTYPES)
    return f"write {form}:{near or 'f32'}[4,8]; the dtypes are {' '.join(DTYPES)}"


def size(word: str) -> int:
    value = parse_number(word.strip())
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueInputError(f"`{word.strip()}` is not a size", "sizes are whole numbers, as in rand:f32[4,8]")
    return value


def rand(kind: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Uniform in [0, 1) for floats, 0 to 9 for integers, either for bool."""
    if not kind.is_float:
        integers: Array = rng.integers(0, RANDOM_INTEGERS if kind.is_integer else 2, shape).astype(kind.numpy)
        return integers
    if kind.is_half:  # as many bits as the type has between 1/2 and 1, so that no value rounds up to 1
        bits = 11 if kind is dtype("f16") else 8
        halves: Array = (rng.integers(0, 1 << bits, shape) / (1 << bits)).astype(kind.numpy)
        return halves
    return np.asarray(rng.random(shape, dtype=kind.numpy))


def randn(kind: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """The standard normal distribution."""
    if not kind.is_float:
        raise ValueInputError(f"`randn:` makes floats, not {kind}", f"write rand:{kind}[...] for integers 0 to {RANDOM_INTEGERS - 1}")
    drawn = rng.standard_normal(shape, dtype=np.float64 if kind.bits == 64 else np.float32)
    return np.asarray(drawn, dtype=kind.numpy)


def zeros(kind: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return np.zeros(shape, dtype=kind.numpy)


def ones(kind: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return np.ones(shape, dtype=kind.numpy)


def arange(kind: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """0, 1, 2 and so on in row-major order."""
    if kind.kind == "bool":
        raise ValueInputError("`arange:` counts, which bool cannot", "write rand:bool[...], zeros: or ones:")
    exact = kind.range[1] if kind.is_integer else 1 << {"f64": 53, "f32": 24, "f16": 11, "bf16": 8}[kind.name]
    count = math.prod(shape)
    if count - 1 > exact:
        raise ValueInputError(f"arange:{kind}{list(shape)} counts to {count - 1}, which {kind} does not hold exactly")
    counted: Array = np.arange(count).astype(kind.numpy)
    return counted.reshape(shape)


GENERATORS: dict[str, Callable[[DType, tuple[int, ...], np.random.Generator], Array]] = {
    "rand": rand,
    "randn": randn,
    "zeros": zeros,
    "ones": ones,
    "arange": arange,
}


def write_value(target: str, values: Any) -> None:
    """Writes results to `@y.npy`, `@y.npz:a,b`, `@y.safetensors`, `@y.csv` or `@y.parquet`; raises ValueInputError.

    `values` is an array or a sequence of them. Results without a name in the target are called `result`, or `result0`, `result1` and so on.
    """
    several: Sequence[Any] = values if isinstance(values, tuple | list) else (values,)
    write_file(target.strip().removeprefix("@"), [np.asarray(v) for v in several])
