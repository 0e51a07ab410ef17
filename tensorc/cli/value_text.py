"""Numbers and lists written on the command line or in a text file, turned into Python values that a dtype holds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.dtypes import DTYPES, DType

Array = np.ndarray[Any, np.dtype[Any]]
Scalar = int | float | bool

LITERALS: dict[str, Scalar] = {"true": True, "false": False, "inf": math.inf, "nan": math.nan, "pi": math.pi}
INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+(_[0-9a-fA-F]+)*|[0-9]+(_[0-9]+)*)")
FLOAT = re.compile(r"[+-]?([0-9]+(_[0-9]+)*)?(\.[0-9]*)?([eE][+-]?[0-9]+)?")
LIST_WORD = re.compile(r"[^\[\],\s]+")
TRAILING_COMMA = re.compile(r",\s*\]")


class ValueInputError(ValueError):
    """A value given on the command line cannot be read or written; `hint` says what would work, where that is known."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


def parse_number(text: str) -> Scalar | None:
    """The number or truth value that a text spells as the language does, with a sign allowed; None where it spells neither."""
    sign, body = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if body in LITERALS and not (sign and body in ("true", "false")):
        return -LITERALS[body] if sign == "-" else LITERALS[body]
    if INTEGER.fullmatch(text):
        digits = text.replace("_", "")
        # Python refuses very long decimal integers; as numbers for a tensor they are far out of every range anyway.
        return int(digits, 16 if "x" in digits.lower() else 10) if len(digits) < 1000 else math.inf
    if FLOAT.fullmatch(text) and re.search(r"[0-9]", text.lower().split("e")[0]):
        return float(text)
    return None


def is_infinity(text: str) -> bool:
    """Whether a text asks for an infinity, so that one may come of it."""
    return text.lstrip("+-").lower() in ("inf", "infinity")


def fit_scalar(text: str, value: Scalar, dtype: DType) -> Scalar:
    """The number as a value of the dtype: integers exact and in range, floats rounded but never to an infinity that was not written."""
    if dtype.kind == "bool":
        if not isinstance(value, bool):
            raise ValueInputError(f"{text} is not a bool", "write true or false")
        return value
    if isinstance(value, bool):
        raise ValueInputError(f"{text} is not a number of type {dtype}", f"write {int(value)}")
    if dtype.is_integer:
        return fit_integer(text, value, dtype)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    with np.errstate(over="ignore"):
        overflows = math.isinf(float(np.float64(number).astype(dtype.numpy))) and not is_infinity(text)
    if overflows:
        raise ValueInputError(f"{text} is out of the range of {dtype}", "write inf for an infinity")
    return number


def fit_integer(text: str, value: int | float, dtype: DType | None) -> int:
    """The number as an integer of the dtype, or of any size where that is None; 2.0 and 1e6 are integers, 2.5 is none."""
    name = "an integer" if dtype is None else str(dtype)
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueInputError(f"{text} is not an integer, and {'the parameter is' if dtype is None else 'the values are'} {name}")
        value = int(value)
    if dtype is not None:
        low, high = dtype.range
        if not low <= value <= high:
            raise ValueInputError(f"{text} is out of the range of {dtype}, {low} to {high}")
    return value


def natural_dtype(values: Sequence[Scalar], floats: str = "f32") -> DType:
    """The dtype of numbers that nothing else gives one: bool, i64 (u64 where only that holds them) or `floats`."""
    if values and all(isinstance(v, bool) for v in values):
        return DTYPES["bool"]
    if not values or any(isinstance(v, float) for v in values):
        return DTYPES[floats]
    return DTYPES["u64" if max(values) >= 1 << 63 else "i64"]


def make_array(texts: Sequence[str], values: Sequence[Scalar], dtype: DType, shape: tuple[int, ...]) -> Array:
    """An array of the numbers, each fitted to the dtype."""
    if dtype.is_float and all(type(v) is float for v in values):  # the common case, done at once
        with np.errstate(over="ignore"):
            floats: Array = np.array(values, dtype=np.float64).astype(dtype.numpy)
        for i in np.flatnonzero(np.isinf(floats)).tolist():
            fit_scalar(texts[i], values[i], dtype)
        return floats.reshape(shape)
    fitted = [fit_scalar(t, v, dtype) for t, v in zip(texts, values, strict=True)]
    flat: Array = np.array(fitted, dtype=np.float64).astype(dtype.numpy) if dtype.is_float else np.array(fitted, dtype=dtype.numpy)
    return flat.reshape(shape)


def parse_list(text: str) -> list[Any]:
    """A list such as `[1, 2]` or `[[1, 2], [3, 4]]`, with its numbers still as text."""
    quoted = LIST_WORD.sub(lambda word: json.dumps(word.group()), text)
    try:
        found = json.loads(TRAILING_COMMA.sub("]", quoted))
    except (json.JSONDecodeError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise ValueInputError(f"`{text}` is not a list of numbers", "write [1, 2] or [[1, 2], [3, 4]]")
    return found


def list_number(word: str) -> Scalar:
    """One number of a list."""
    value = parse_number(word)
    if value is None:
        raise ValueInputError(f"`{word}` in the list is not a number", "a list holds numbers, true, false, inf, nan and pi")
    return value


def list_values(words: list[Any]) -> list[Any]:
    """The same list with its words made numbers. Lists nest at most as deep as the reader of JSON allows."""
    return [list_values(w) if isinstance(w, list) else list_number(w) for w in words]


def list_array(words: list[Any], dtype: DType | None) -> Array:
    """The list as a tensor, of the natural dtype where none is given."""
    try:
        table = np.array(words, dtype=np.str_)
    except ValueError:
        raise ValueInputError(
            "the list is ragged: its rows differ in length or depth", "give every row as many numbers as the first"
        ) from None
    texts = table.ravel().tolist()
    values = [list_number(t) for t in texts]
    return make_array(texts, values, dtype or natural_dtype(values), table.shape)
