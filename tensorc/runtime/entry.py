"""Objects whose calls are answered by machine code where it remembers the arguments' structure, and by Python everywhere else."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tensorc.locks import BRIEF, LOCK
from tensorc.runtime import dispatch, inputs, large, lookup, pages, recipe, results, stopping, structure, words
from tensorc.runtime.native import External, translate

if TYPE_CHECKING:
    from tensorc.runtime.arrays import Array
    from tensorc.runtime.call import Call
    from tensorc.runtime.records import Recorder

Words = ctypes.Array[ctypes.c_int64]

_api = ctypes.pythonapi
_HEAD = object.__basicsize__

SUPPORTED = sys.implementation.name == "cpython" and _HEAD == 16
"""Whether this Python is one whose objects the code knows how to read. Without the one lock that guards them, their heads are longer."""


def row(values: Sequence[int] | Words) -> Words:
    """Memory that holds the values; at least one word, so that it has an address of its own."""
    return (ctypes.c_int64 * max(len(values), 1))(*values)


def address(memory: Any) -> int:
    return ctypes.addressof(memory)


# The type.


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("value", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    )


_IS_BASE, _MEMBERS, _UNSIGNED, _SIZE, _READ_ONLY = 1 << 10, 72, 18, 19, 1  # as CPython's headers number them

# What a type was made of lives as long as the type.
_members = (_Member * 4)(
    _Member(b"__vectorcalloffset__", _SIZE, _HEAD, _READ_ONLY, None),
    _Member(b"_answering", _UNSIGNED, _HEAD, 0, None),
    _Member(b"_answering_state", _UNSIGNED, _HEAD + 8, 0, None),
)
_slots = (_Slot * 2)(_Slot(_MEMBERS, address(_members)))
_spec = _Spec(b"tensorc.runtime.entry.Base", _HEAD + 16, 0, _IS_BASE, address(_slots))


def _made_base() -> type:
    _api.PyType_FromSpec.restype = ctypes.py_object
    _api.PyType_FromSpec.argtypes = [ctypes.c_void_p]
    made: type = _api.PyType_FromSpec(address(_spec))
    return made


if TYPE_CHECKING or not SUPPORTED:

    class Base:
        """What `Callable` is where no code answers calls."""

        _answering: int = 0
        _answering_state: int = 0
else:
    Base = _made_base()


class Remembering(Protocol):
    """What a callable's definition tells of its parameters: see `api.definition.Definition`."""

    @property
    def parameters(self) -> tuple[str, ...]: ...

    @property
    def numbers(self) -> tuple[bool, ...]: ...

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True)
class Remembered:
    """A call that Python made: its arguments, and what became of them.

    `inputs` are the program's: the arguments' leaves, then views of the arrays that the function closes over, `captured`.
    """

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    key: Any
    call: Call
    inputs: Sequence[Array]
    captured: Sequence[Any]
    out: Any
    torch: bool

    @property
    def given(self) -> tuple[Any, ...]:
        """The arguments as the code gets them."""
        return (*self.args, *self.kwargs.values())

    @property
    def leaves(self) -> Sequence[Array]:
        return self.inputs[: len(self.inputs) - len(self.captured)]


_VECTORCALL = 1 << 11


class Callable(Base):
    """An object with a `__call__` in Python, which is left out where `_answering` is a function's address: that one is called instead."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        where = _flags_offset()
        if where is not None:
            flags = ctypes.c_ulong.from_address(id(cls) + where)
            flags.value |= _VECTORCALL

    _recorder: Recorder | None = None

    def _remember(self, definition: Remembering, takes_out: bool, made: Remembered) -> None:
        """Keep a call that Python made, so that the next ones like it need none."""
        from tensorc.runtime.records import Recorder

        if self._recorder is None:
            found = code()
            if found is None:
                return
            with LOCK:
                if self._recorder is None:
                    self._recorder = Recorder(found, type(self).__call__, definition, takes_out)
                    self._answering_state = address(self._recorder.state)
                    self._answering = found.call
        self._recorder.remember(made)

    @property
    def _answered(self) -> int:
        """How many calls needed no Python."""
        return 0 if self._recorder is None else self._recorder.calls


@cache
def _flags_offset() -> int | None:
    """Where a type keeps its flags; None where that is unclear."""
    if not SUPPORTED:
        return None
    known = (int, str, tuple, list, dict, type, np.ndarray, Base)
    found = [
        offset for offset in range(_HEAD, 256, 8) if all(ctypes.c_ulong.from_address(id(t) + offset).value == t.__flags__ for t in known)
    ]
    return found[0] if len(found) == 1 else None


# Where things are in objects.

ARRAY = {"ARRAY_DATA": 16, "ARRAY_RANK": 24, "ARRAY_DIMS": 32, "ARRAY_STRIDES": 40, "ARRAY_DTYPE": 56, "ARRAY_FLAGS": 64}
"""The fields of NumPy's arrays, which its binary interface promises to extension modules."""

_BASE = 48
_MONOTONIC = getattr(time, "CLOCK_MONOTONIC", 1)


def word(place: int) -> int:
    """The 64 bits at an address."""
    return ctypes.c_int64.from_address(place).value


def offsets() -> dict[str, int]:
    """The places that the code reads, each held to what objects say of themselves. LookupError where one is not as it should be."""
    items, other = (object(), object(), object()), (1,) * 7
    places = range(_HEAD, tuple.__basicsize__ + 1, 8)
    start = next((o for o in places if [word(id(items) + o + 8 * n) for n in range(3)] == [id(i) for i in items]), 0)
    lengths = [o for o in range(_HEAD, start, 8) if word(id(items) + o) == len(items) and word(id(other) + o) == len(other)]
    typed = all(word(id(o) + 8) == id(type(o)) for o in (items, start, "", np.zeros(1)))
    if not (start and lengths and typed and _arrays_are_as_promised()):
        raise LookupError("objects do not lie in memory as they should")
    return {"TYPE": 8, "TUPLE_LENGTH": lengths[0], "TUPLE_ITEMS": start, "CALLABLE_STATE": _HEAD + 8, **ARRAY, "MONOTONIC": _MONOTONIC}


def _arrays_are_as_promised() -> bool:
    whole = np.zeros((3, 5, 7, 11), np.int16)
    frozen = np.zeros((2, 3), np.float64)
    frozen.flags.writeable = False
    return all(map(_is_as_promised, (whole[1:, ::-1, 2:, ::3], whole[0].T, frozen[1:], whole.view(np.float16)[..., :1], frozen[:, 0])))


def _is_as_promised(array: Any) -> bool:
    """Whether a view has its fields where `ARRAY` says; the two rows of numbers are looked at last, when all around them is right."""
    at = {name: id(array) + offset for name, offset in ARRAY.items()}
    return (
        word(at["ARRAY_DATA"]) == array.__array_interface__["data"][0]
        and word(at["ARRAY_DTYPE"]) == id(array.dtype)
        and word(id(array) + _BASE) == id(array.base)
        and ctypes.c_int32.from_address(at["ARRAY_RANK"]).value == array.ndim
        and ctypes.c_int32.from_address(at["ARRAY_FLAGS"]).value == array.flags.num
        and [word(word(at["ARRAY_DIMS"]) + 8 * n) for n in range(array.ndim)] == list(array.shape)
        and [word(word(at["ARRAY_STRIDES"]) + 8 * n) for n in range(array.ndim)] == list(array.strides)
    )


# The code.

EXPORTED = {
    "call": "ptr (ptr, ptr, i64, ptr)",
    "insert": "i64 (ptr, ptr)",
    "evaluate": "i64 (ptr, ptr)",
    "structure_of": "i64 (ptr, ptr, i64, ptr, ptr)",
    "structure_of_value": "i64 (ptr, ptr, ptr)",
    "poll": "i64 ()",
    "raise_stopped": "ptr ()",
    **large.EXPORTED,
}

TRANSLATED = (structure, recipe, pages, lookup, inputs, results, stopping, dispatch)
"""The modules that are written in the language of `native`."""

_ARRAY_EMPTY = 184
"""The place of PyArray_Empty in the table that NumPy gives to extension modules."""


@dataclass(frozen=True)
class Code:
    """The functions of `dispatch`, and their context."""

    addresses: Mapping[str, int]
    context: Words
    insert: Any
    evaluate: Any
    structure_of: Any
    structure_of_value: Any
    raise_stopped: Any
    set_handler: int
    kept: Any

    @property
    def call(self) -> int:
        return self.addresses["call"]


@cache
def code() -> Code | None:
    """The code of this process, made when it is first needed; None where it cannot be had, and Python answers every call."""
    if _flags_offset() is None:
        return None
    with LOCK:  # several threads may ask at once, and what one of them has must not go
        try:
            return _made_code()
        except (LookupError, OSError, RuntimeError, SyntaxError, ImportError):
            return None


@cache
def _made_code() -> Code:
    from tensorc.backends.llvm import target
    from tensorc.runtime import memory

    context = row([0] * words.CONTEXT_WORDS)
    imports = {**_imports(), "tensorc_context": address(context)}
    loaded = target.load([_image(text())], [f"tensorc.{name}" for name in EXPORTED], imports)
    addresses = {name: loaded.addresses[f"tensorc.{name}"] for name in EXPORTED}
    context[words.BYPASS] = _bypassing
    context[words.KEPT] = memory.KEPT
    context[words.OUT] = id(_OUT)
    context[words.MAIN_THREAD] = threading.main_thread().ident or 0
    set_handler = _use_pages(context, addresses, loaded)
    whole = ctypes.c_int64
    pointer = ctypes.c_void_p
    return Code(
        addresses,
        context,
        ctypes.PYFUNCTYPE(whole, pointer, pointer)(addresses["insert"]),
        ctypes.PYFUNCTYPE(whole, pointer, pointer)(addresses["evaluate"]),
        ctypes.PYFUNCTYPE(whole, pointer, pointer, whole, pointer, pointer)(addresses["structure_of"]),
        ctypes.PYFUNCTYPE(whole, pointer, pointer, pointer)(addresses["structure_of_value"]),
        ctypes.PYFUNCTYPE(ctypes.py_object)(addresses["raise_stopped"]),
        set_handler,
        loaded,
    )


def _use_pages(context: Words, addresses: Mapping[str, int], loaded: Any) -> int:
    """From now on large arrays take their memory from `pages`, where NumPy lets them; gives NumPy's function that tells it so."""
    table = row([0] * (words.FREE_PLACES * words.FREE_WORDS))
    context[words.PAGES], context[words.MOST_HELD] = address(table), large.most_kept()
    try:
        found = large.set_handler(_numpy_table())
        capsule, described = large.handler(addresses)
        if sys.platform == "win32" or not large.works(found, capsule):
            return 0
    except (ImportError, AttributeError):
        return 0
    for kept in (context, table, capsule, described, loaded):
        _api.Py_IncRef(ctypes.py_object(kept))  # the last arrays may die after everything else
    context[words.HANDLER] = id(capsule)
    context[words.BLOCK_DROP] = addresses["block_drop"]
    return found


def _after_fork() -> None:
    if code.cache_info().currsize and (found := code()) is not None:
        found.context[words.MAIN_THREAD] = threading.get_ident()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


_OUT = sys.intern("out")

_bypassing = 0


def bypass(change: int) -> None:
    """One reason more (1) or less (-1) to leave every call to Python."""
    global _bypassing
    with BRIEF:
        _bypassing += change
        if code.cache_info().currsize and (found := code()) is not None:
            found.context[words.BYPASS] = _bypassing


def bypassing() -> bool:
    """Whether every call is left to Python: what is recorded now would be answered under other settings."""
    return _bypassing != 0


def text() -> str:
    """The code as LLVM IR: the same in every process of this Python and NumPy."""
    sources = [_source(module.__name__) for module in TRANSLATED]
    return translate(sources, vars(words) | offsets(), EXPORTED)


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    found = None if spec is None or spec.loader is None else spec.loader.get_source(module)  # type: ignore[attr-defined]
    if found is None:
        raise LookupError(f"the source of {module} is not there")
    return str(found)


def _image(text: str) -> bytes:
    """The object file, which holds no address of this process, from the cache on disk where that has it."""
    from tensorc.backends.llvm import target
    from tensorc.runtime.cache import kept, key_of

    header = {"kind": "entry", "name": "calls"}
    return kept(key_of("entry", text, target.host().triple, target.llvm_version()), header, lambda: target.emit_portable(text))


def _imports() -> dict[str, int]:
    """The addresses of the process that the code is linked with."""
    objects = {"array_type": np.ndarray, "tuple_type": tuple, "float_type": float, "int_type": int, "true": True}
    functions = {
        "tuple_new": "PyTuple_New",
        "tuple_set_item": "PyTuple_SetItem",
        "float_as_double": "PyFloat_AsDouble",
        "int_as_long": "PyLong_AsLongLongAndOverflow",
        "vectorcall": "PyObject_Vectorcall",
        "save_thread": "PyEval_SaveThread",
        "restore_thread": "PyEval_RestoreThread",
        "dict_get_item": "PyDict_GetItem",
        "inc_ref": "Py_IncRef",
        "dec_ref": "Py_DecRef",
        "error_clear": "PyErr_Clear",
        "error_fetch": "PyErr_Fetch",
        "error_restore": "PyErr_Restore",
        "check_signals": "PyErr_CheckSignals",
        "ensure": "PyGILState_Ensure",
        "release": "PyGILState_Release",
        "is_initialized": "Py_IsInitialized",
        "thread": "PyThread_get_thread_ident",
        "malloc": "PyMem_RawMalloc",
        "free": "PyMem_RawFree",
    }
    found = {name: id(o) for name, o in objects.items()}
    found |= {name: function_address(getattr(_api, function)) for name, function in functions.items()}
    found["array_empty"] = _array_empty()
    found["set_handler"] = large.set_handler(_numpy_table())
    for name, function in {"clock": "clock_gettime", "map": "mmap", "unmap": "munmap", "advise": "madvise"}.items():
        found[name] = (
            function_address(getattr(ctypes.CDLL(None), function)) if sys.platform != "win32" else found["thread"]
        )  # is not called
    declared = {e.symbol for e in vars(words).values() if isinstance(e, External)}
    return {f"tensorc_{name}": place for name, place in found.items() if f"tensorc_{name}" in declared}


def function_address(function: Any) -> int:
    """Where the C function is that a ctypes function calls."""
    found = ctypes.cast(function, ctypes.c_void_p).value
    assert found is not None
    return found


def _numpy_table() -> int:
    """The table of functions that NumPy gives to extension modules."""
    try:
        umath = importlib.import_module("numpy._core._multiarray_umath")
    except ImportError:  # before NumPy 2
        umath = importlib.import_module("numpy.core._multiarray_umath")

    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(("PyCapsule_GetPointer", _api))
    return int(get(umath._ARRAY_API, None))


def _array_empty() -> int:
    """NumPy's function that makes an array; LookupError where it does not do what it should."""
    found = word(_numpy_table() + 8 * _ARRAY_EMPTY)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_int, ctypes.c_void_p, ctypes.py_object, ctypes.c_int)(found)
    dtype, dims = np.dtype(np.float32), row([2, 3])
    _api.Py_IncRef(ctypes.py_object(dtype))  # which the function takes
    made = make(2, address(dims), dtype, 0)
    if type(made) is not np.ndarray or made.shape != (2, 3) or made.dtype != dtype or not made.flags.c_contiguous:
        raise LookupError("NumPy's function that makes an array is not where it should be")
    return found
