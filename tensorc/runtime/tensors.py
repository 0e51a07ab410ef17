"""How the code that answers calls reads and makes torch tensors: by torch's C interface, where all of it is as it should be."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tensorc.dtypes import DTYPES, DType
from tensorc.runtime import arrays, entry, words
from tensorc.runtime.entry import address, function_address, row, word

_C_INTERFACE = {
    words.DATA: "aoti_torch_get_data_ptr",
    words.SIZES: "aoti_torch_get_sizes",
    words.STRIDES: "aoti_torch_get_strides",
    words.DIM: "aoti_torch_get_dim",
    words.DTYPE: "aoti_torch_get_dtype",
    words.GRADIENTS: "aoti_torch_grad_mode_is_enabled",
    words.EMPTY: "aoti_torch_empty_strided",
    words.DELETE: "aoti_torch_delete_tensor_object",
}
"""The functions that torch keeps stable for code that it generates."""

_INTERNAL = {
    words.WRAP: "_Z16THPVariable_WrapRKN2at10TensorBaseE",  # THPVariable_Wrap(at::TensorBase const&)
    words.FUNCTION_MODES: "_ZN2at4impl27torch_function_mode_enabledEv",
    words.DISPATCH_MODES: "_ZN3c104impl20TorchDispatchModeTLS13any_modes_setEb",
    words.KEY_INCLUDED: "_ZN3c104impl28tls_is_dispatch_key_includedENS_11DispatchKeyE",
}
"""Functions of C++ that may be gone in another release."""

_SEARCHED = range(8, 192, 8)
"""Where in a tensor's implementation a field is looked for; it is no shorter."""

_STORAGE = range(8, 56, 8)
"""And where in a storage."""


_TRIES = 3
_readable: bool | None = None
_tries = 0


def is_readable() -> bool:
    """Whether the code reads tensors; asked for the first time, it is told how. False where anything is not as it should be.

    That may be because of where the question is asked, inside of a mode of torch; so it is asked a few times.
    """
    global _readable, _tries
    if _readable is None:
        code = entry.code()
        if code is None or "torch" not in sys.modules or _tries >= _TRIES:
            return False
        _tries += 1
        try:
            found = _interface()
        except (AttributeError, LookupError, OSError, TypeError, ValueError, RuntimeError):
            return False
        types = {position: found.pop(position) for position in (words.TENSOR, words.PARAMETER)}
        for position, value in (*found.items(), *types.items()):  # the types last: without them the rest is not looked at
            code.context[position] = value
        if code.context[words.HANDLER]:
            _use_pages(sys.modules["torch"], code)
        _readable = True
    return _readable


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """A new tensor, whatever is in it: torch's, with memory of `pages` where it is large."""
    made = arrays.empty_torch(shape, dtype)
    size = prod(shape) * dtype.itemsize
    if size >= words.LARGE and is_plain(made):
        code = entry.code()
        if code is not None and code.context[words.STORAGE_PLACE]:
            _block_under(code)(made._cdata, size)
    return made


def _block_under(code: entry.Code) -> Callable[[int, int], int]:
    """The function of `pages` that gives a tensor its memory."""
    return ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)(code.addresses["block_under"])


def is_plain(value: Any) -> bool:
    """Whether the value is a tensor of a type that the code reads."""
    torch = sys.modules.get("torch")
    return torch is not None and type(value) in (torch.Tensor, torch.nn.Parameter) and is_readable()


@cache
def dtype_number(dtype: DType) -> int:
    """What torch's C interface calls a dtype."""
    get = getattr(_library("torch_cpu"), f"aoti_torch_dtype_{arrays.torch_name(dtype)}")
    return int(get())


@cache
def _library(name: str) -> ctypes.CDLL:
    folder = Path(sys.modules["torch"].__file__ or "").parent / "lib"
    return ctypes.CDLL(str(folder / f"lib{name}{'.dylib' if sys.platform == 'darwin' else '.so'}"))


def _interface() -> dict[int, int]:
    """The words of the context. LookupError, AttributeError and the like where torch is not as it should be."""
    torch: Any = sys.modules["torch"]
    with torch.inference_mode(False):
        return _looked_up(torch)


def _looked_up(torch: Any) -> dict[int, int]:
    handle, keys, gradient = _places(torch)
    found = {position: function_address(getattr(_library("torch_cpu"), name)) for position, name in _C_INTERFACE.items()}
    found |= {position: _internal(name) for position, name in _INTERNAL.items()}
    forward = sys.modules["torch.autograd.forward_ad"]
    level = sys.intern("_current_level")
    if forward._current_level != -1:
        raise LookupError("a forward derivative is being taken")
    found |= {
        words.TENSOR: id(torch.Tensor),
        words.PARAMETER: id(torch.nn.Parameter),
        words.HANDLE: handle,
        words.KEYS_PLACE: keys,
        words.GRADIENT_PLACE: gradient,
        words.KEYS: torch._C._dispatch_keys(torch.empty(1, device="cpu")).raw_repr(),
        words.REQUIRES_GRADIENT: _getter(torch._C.TensorBase, "requires_grad"),
        words.TRACER: int(torch._C._parse_dispatch_key("Tracer")),
        words.LEVELS: id(vars(forward)),
        words.LEVEL: id(level),
        words.NO_LEVEL: id(forward._current_level),
    }
    with torch.inference_mode():
        found[words.INFERENCE_KEYS] = torch._C._dispatch_keys(torch.empty(1, device="cpu")).raw_repr()
    _kept.append(level)
    _try(torch, found)
    return found


_kept: list[Any] = []


def _internal(name: str) -> int:
    for library in ("torch_python", "torch_cpu", "c10"):
        found = getattr(_library(library), name, None)
        if found is not None:
            return function_address(found)
    raise LookupError(f"torch has no {name}")


def _only(found: Sequence[int], what: str) -> int:
    if len(found) != 1:
        raise LookupError(f"{what} of a tensor is not where it should be")
    return found[0]


def _places(torch: Any) -> tuple[int, int, int]:
    """(where a tensor's handle is, where in its implementation the dispatch keys are, where what autograd knows of it)."""
    plain = [torch.empty(3, device="cpu"), torch.empty((2, 5), dtype=torch.int64, device="cpu"), torch.empty((), device="cpu")]
    recorded = [
        torch.empty(3, device="cpu", requires_grad=True),
        torch.empty((2, 3), dtype=torch.float64, device="cpu", requires_grad=True),
    ]
    with torch.inference_mode():
        others = [torch.empty(4, device="cpu"), torch._neg_view(plain[0]), torch.empty(2, dtype=torch.complex64, device="cpu").conj()]
    tensors = [*plain, *recorded, *others]
    handle = _only([o for o in range(16, torch.Tensor.__basicsize__, 8) if all(word(id(t) + o) == t._cdata for t in tensors)], "the handle")
    keys = [(t._cdata, torch._C._dispatch_keys(t).raw_repr()) for t in tensors]
    keys_place = _only([o for o in _SEARCHED if all(word(at + o) == known for at, known in keys)], "the key set")
    clear = [o for o in _SEARCHED if all(word(t._cdata + o) == 0 for t in plain)]
    return handle, keys_place, _only([o for o in clear if all(word(t._cdata + o) for t in recorded)], "the gradient")


class _GetSet(ctypes.Structure):
    """The start of what CPython keeps of an attribute that is written in C."""

    _fields_ = (("name", ctypes.c_char_p), ("get", ctypes.c_void_p))


_DESCRIPTION = 40
"""Where a descriptor has the address of its `_GetSet`: behind the object's head, its type, its name and its qualified name."""


def _getter(type_: type, name: str) -> int:
    """The C function that gets an attribute."""
    descriptor = vars(type_)[name]
    if type(descriptor).__name__ != "getset_descriptor" or type(descriptor).__basicsize__ < _DESCRIPTION + 8:
        raise LookupError(f"{name} is no attribute that is written in C")
    if word(id(descriptor) + _DESCRIPTION - 24) != id(type_):
        raise LookupError("an attribute's descriptor does not lie in memory as it should")
    found = _GetSet.from_address(word(id(descriptor) + _DESCRIPTION))
    if found.name != name.encode() or not found.get:
        raise LookupError(f"{name} has another name in C")
    return int(found.get)


def _try(torch: Any, found: dict[int, int]) -> None:
    """Raise LookupError where a function does not do with tensors what it should."""
    tensor = torch.arange(24, dtype=torch.float64, device="cpu").reshape(2, 3, 4)[:, ::2, 1:]
    handle = id(tensor) + found[words.HANDLE]
    answer = row([0])

    def asked(position: int) -> int:
        if _function(found[position], ctypes.c_int32, 2)(handle, address(answer)):
            raise LookupError("torch's C interface fails")
        return answer[0]

    def listed(position: int) -> list[int]:
        start = asked(position)
        return [word(start + 8 * n) for n in range(tensor.dim())]

    made, shape, strides = row([0]), row(tensor.shape), row((6, 3, 1))
    arguments = 3, address(shape), address(strides), asked(words.DTYPE) & 0xFFFFFFFF, 0, 0, address(made)
    known = [asked(words.DATA), asked(words.DIM), listed(words.SIZES), listed(words.STRIDES), asked(words.DTYPE) & 0xFFFFFFFF]
    expected = [tensor.data_ptr(), tensor.dim(), list(tensor.shape), list(tensor.stride()), dtype_number(DTYPES["f64"])]
    modes = [
        _function(found[words.GRADIENTS], ctypes.c_bool, 0)() == torch.is_grad_enabled(),
        not _function(found[words.FUNCTION_MODES], ctypes.c_bool, 0)(),
        not _function(found[words.DISPATCH_MODES], ctypes.c_bool, 1)(0),
        not _function(found[words.KEY_INCLUDED], ctypes.c_bool, 1)(found[words.TRACER]),
    ]
    if known != expected or not all(modes) or _function(found[words.EMPTY], ctypes.c_int32, 7)(*arguments):
        raise LookupError("torch's C interface says something else than torch")
    wrapped = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(found[words.WRAP])(made[0])
    _function(found[words.DELETE], ctypes.c_int32, 1)(made[0])
    if type(wrapped) is not torch.Tensor or wrapped.shape != tensor.shape or wrapped.dtype != tensor.dtype:
        raise LookupError("torch makes another tensor than it should")
    get = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p)(found[words.REQUIRES_GRADIENT])
    recorded = torch.empty(1, device="cpu", requires_grad=True)
    if get(id(tensor), None) is not False or get(id(recorded), None) is not True:
        raise LookupError("torch's attribute `requires_grad` is not what it should be")


def _function(place: int, result: Any, count: int) -> Callable[..., Any]:
    made: Callable[..., Any] = ctypes.PYFUNCTYPE(result, *[ctypes.c_int64] * count)(place)
    return made


# The memory of large tensors.


def _use_pages(torch: Any, code: entry.Code) -> None:
    """From now on large results have memory of `pages`, where a storage is as it should be; elsewhere they have torch's own."""
    with torch.inference_mode(False):
        try:
            found = _storage_places(torch)
        except LookupError:
            return
        for position, value in found.items():
            code.context[position] = value
        if not _is_torchs_own(torch, code):
            code.context[words.STORAGE_PLACE] = 0


def _storage_places(torch: Any) -> dict[int, int]:
    """Where a tensor has its storage; and a storage its memory, what owns that, and the function that frees it."""
    own = [torch.empty(n, dtype=torch.float64, device="cpu") for n in (3, 100, 1 << 17)]
    tensors = [*own, *(torch.from_numpy(np.zeros(n)) for n in (5, 200))]
    storages = [t.untyped_storage() for t in tensors]
    pairs = list(zip(tensors, storages, strict=True))
    place = _only([o for o in _SEARCHED if all(word(t._cdata + o) == s._cdata for t, s in pairs)], "the storage")
    memory = _only([o for o in _STORAGE if all(word(s._cdata + o) == s.data_ptr() for s in storages)], "the memory")
    owned = [o for o in _STORAGE if o != memory and all(word(s._cdata + o) == s.data_ptr() for s in storages[: len(own)])]
    owner = _only(owned, "what owns the memory")
    free = 2 * memory + 24 - owner  # the owner and the function stand behind the memory, in either order
    mine, others = ({word(s._cdata + free) for s in some} for some in (storages[: len(own)], storages[len(own) :]))
    if owner - memory not in (8, 16) or len(mine) != 1 or len(others) != 1 or mine == others:
        raise LookupError("what frees memory is not where it should be")
    return {words.STORAGE_PLACE: place, words.MEMORY_PLACE: memory, words.OWNER_PLACE: owner, words.FREE_PLACE: free}


def _is_torchs_own(torch: Any, code: entry.Code) -> bool:
    """Whether a tensor with memory of `pages` can be resized, and gives its memory back then."""
    count = words.LARGE // 8
    tensor = torch.empty(count, dtype=torch.float64, device="cpu")
    before = tensor.data_ptr()
    place = _block_under(code)(tensor._cdata, 8 * count)
    if not place or tensor.data_ptr() != place or place == before:
        return False
    tensor.fill_(3.0)
    held = code.context[words.HELD]
    tensor.resize_(count + 1)
    grown = code.context[words.HELD]
    return bool(tensor[0] == 3.0 and tensor[count - 1] == 3.0 and tensor.data_ptr() != place and grown > held)
