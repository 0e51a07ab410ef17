"""Arrays and tensors whose memory is kept for the next ones when they die: what makes NumPy take it from `pages`, and what lets it go."""

from __future__ import annotations

import ctypes
import importlib
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from tensorc.runtime import memory, words
from tensorc.runtime.arrays import Array

EXPORTED = {
    "block_new": "ptr (ptr, i64)",
    "block_cleared": "ptr (ptr, i64, i64)",
    "block_resized": "ptr (ptr, ptr, i64)",
    "block_free": "i64 (ptr, ptr, i64)",
    "block_trim": "i64 (i64)",
    "block_under": "i64 (ptr, i64)",
    "block_drop": "i64 (ptr)",
}
"""The functions of `pages` that are called from outside, first those that NumPy's handler has, in its order."""

KEPT = 1 << 30
"""The most bytes of free blocks, where memory is not scarce; a machine with little keeps an eighth."""

NAME = b"tensorc"

_SET_HANDLER = 304
"""The place of PyDataMem_SetHandler in the table that NumPy gives to extension modules."""

_VERSION = 127  # where NumPy's handler has its version, behind the name
_FUNCTIONS = 136  # and its functions, behind the word that they are given

_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def set_handler(table: int) -> int:
    """NumPy's function that tells it where to take memory from, given its table of functions."""
    return ctypes.c_int64.from_address(table + 8 * _SET_HANDLER).value


def handler(addresses: Mapping[str, int]) -> tuple[Any, Any]:
    """NumPy's description of the functions of `pages`, and its memory."""
    functions = [addresses[name] for name in EXPORTED][:4]
    text = struct.pack(f"{_VERSION}sB{_FUNCTIONS - _VERSION - 1}x{len(functions)}q", NAME, 1, *functions)
    described = ctypes.create_string_buffer(text, len(text))
    made = _api.PyCapsule_New(ctypes.addressof(described), b"mem_handler", None)
    return made, described


def works(function: int, capsule: Any) -> bool:
    """Whether NumPy does with a handler what it should."""
    made = _with_handler(_setter(function), capsule, (1 << 20,), np.dtype(np.uint8))
    name = importlib.import_module("numpy._core.multiarray").get_handler_name
    made[:] = 1
    return bool(name(made) == NAME.decode() and name(np.empty(1 << 20, np.uint8)) != NAME.decode() and made.sum() == made.size)


def most_kept() -> int:
    try:
        return min(KEPT, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8)
    except (AttributeError, OSError, ValueError):
        return KEPT


def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """A new array, whatever is in it."""
    if prod(shape) * dtype.itemsize >= words.LARGE:
        found = _python()
        if found is not None:
            return _with_handler(*found, tuple(shape), dtype)
    return np.empty(shape, dtype)


def release_memory() -> None:
    """Give the memory back to the system that is kept for results and intermediates to come; this thread's, of the latter."""
    from tensorc.runtime import entry

    memory.release()
    code = entry.code()
    if code is not None and code.context[words.HANDLER]:
        ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.addresses["block_trim"])(1 << 62)


@cache
def _python() -> tuple[Callable[[Any], Any], Any] | None:
    """NumPy's function and the handler, for calls from Python; None where it is not used."""
    from tensorc.runtime import entry

    code = entry.code()
    if code is None or not code.context[words.HANDLER]:
        return None
    return _setter(code.set_handler), ctypes.cast(code.context[words.HANDLER], ctypes.py_object).value


def _setter(function: int) -> Callable[[Any], Any]:
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(function)


def _with_handler(change: Callable[[Any], Any], capsule: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    usual = change(capsule)
    try:
        return np.empty(shape, dtype)
    finally:
        change(usual)
