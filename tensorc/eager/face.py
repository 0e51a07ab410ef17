"""The names that `tc` has for tensors: creation, PyTorch's names of dtypes and functions, modes, and `tc.autograd`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tensorc.dtypes import DTYPES, f32, promote
from tensorc.eager import creation, limits, methods, modes, text
from tensorc.eager.names import names, traced
from tensorc.eager.tensor import Size, Tensor, device
from tensorc.frontend.trace import active_trace, find_trace
from tensorc.runtime import arrays

DTYPE_NAMES = {
    "float32": "f32", "float": "f32", "float64": "f64", "double": "f64", "float16": "f16", "half": "f16", "bfloat16": "bf16",
    "int64": "i64", "long": "i64", "int32": "i32", "int": "i32", "int16": "i16", "short": "i16", "int8": "i8",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
}  # fmt: skip
"""PyTorch's names of dtypes."""

_IN_TRACES = {"zeros", "ones", "full", "eye", "arange", "linspace"}
"""What makes tensors, and belongs to the program where a function is being traced."""

_MAKE = [
    "tensor",
    "as_tensor",
    "asarray",
    "from_numpy",
    "from_dlpack",
    "zeros",
    "ones",
    "empty",
    "full",
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
    "eye",
    "arange",
    "linspace",
    "logspace",
    "rand",
    "randn",
    "rand_like",
    "randn_like",
    "randint",
    "randperm",
    "normal",
    "bernoulli",
    "manual_seed",
    "Generator",
    "default_generator",
]

_MODES = ["no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled"]


def _result_type(a: Any, b: Any) -> Any:
    """The dtype of what an operation of two operands gives."""
    return (a + b).dtype


_OTHERS: dict[str, Any] = {
    "Tensor": Tensor,
    "Size": Size,
    "device": device,
    "finfo": limits.finfo,
    "iinfo": limits.iinfo,
    "set_printoptions": text.set_printoptions,
    "is_tensor": lambda value: isinstance(value, Tensor),
    "numel": lambda input: input.numel(),
    "is_floating_point": lambda input: input.is_floating_point(),
    "broadcast_shapes": lambda *shapes: Size(np.broadcast_shapes(*map(tuple, shapes))),
    "result_type": _result_type,
    "promote_types": promote,
    "get_default_dtype": lambda: f32,
    "can_cast": lambda from_, to: from_.category <= to.category,
    "scalar_tensor": lambda value, **options: creation.tensor(value, **{"dtype": f32, **options}),
    "inf": float("inf"), "nan": float("nan"), "pi": float(np.pi), "e": float(np.e),
}  # fmt: skip


def face(name: str) -> Any:
    """What a name of `tc` stands for; None for one that tensors do not bring."""
    if name in _OTHERS:
        return _OTHERS[name]
    if name in DTYPE_NAMES:
        return DTYPES[DTYPE_NAMES[name]]
    if name in _MODES:
        return getattr(modes, name)
    if name in _MAKE:
        made = getattr(creation, name)
        return _in_traces(name, made) if name in _IN_TRACES or name.endswith("_like") else made
    if not name.startswith("_") and (name in names() or name in methods.OVERRIDES):
        return _function(name)
    return None


def face_names() -> frozenset[str]:
    """All of these names."""
    functions = frozenset(n for n in (*names(), *methods.OVERRIDES) if not n.startswith("_"))
    return functions.union(_OTHERS, DTYPE_NAMES, _MODES, _MAKE)


def _in_traces(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes tensors: while a function is traced, arrays of its program."""

    @wraps(make)
    def function(*args: Any, **kwargs: Any) -> Any:
        trace = active_trace()
        if trace is None:
            return make(*args, **kwargs)
        if name.endswith("_like"):
            operation = traced(name)
            assert operation is not None
            return operation(*args, **kwargs)
        if name in ("zeros", "ones") and not (args and isinstance(args[0], (tuple, list))):
            shape = [a for n, a in enumerate(args) if not (n == len(args) - 1 and n and _is_dtype(a))]
            args = (shape, *args[len(shape) :])
        options = {k: v for k, v in kwargs.items() if k not in ("device", "requires_grad", "layout")}
        return trace.call(name, *args, **options)

    return function


def _is_dtype(value: Any) -> bool:
    from tensorc.api.definition import as_dtype

    return not isinstance(value, int) and as_dtype(value) is not None


_PLAIN = {Tensor, int, float}


def _function(name: str) -> Callable[..., Any]:
    """A function of tensors; on arrays of a trace it is a part of the program, on NumPy's arrays it gives NumPy's."""
    operation = methods.function(name)
    assert operation is not None

    @wraps(operation)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and {*map(type, args)} <= _PLAIN:
            return operation(*args)
        if active_trace() is not None and find_trace(args, kwargs) is not None:
            form = traced(name)
            if form is None:
                raise TypeError(f"`tc.{name}` of an array that is traced has no meaning: its shape would depend on elements")
            return form(*args, **kwargs)
        kinds = [_kind(v) for v in (*args, *kwargs.values())]
        if "torch" in kinds:
            raise TypeError(f"`tc.{name}` takes tensors of tensorc; for PyTorch's use `torch.{name}`, which traced functions take too")
        result = operation(*map(_as_tensor, args), **{k: _as_tensor(v) for k, v in kwargs.items()})
        return _as_numpy(result) if "numpy" in kinds and "tensor" not in kinds else result

    return function


def _kind(value: Any) -> str | None:
    """Whose array an argument is, or the first in a list of them."""
    if isinstance(value, Tensor):
        return "tensor"
    if isinstance(value, (list, tuple)):
        return next((k for k in map(_kind, value) if k is not None), None)
    return "numpy" if isinstance(value, np.ndarray) else "torch" if arrays.is_torch(value) else None


def _as_tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return creation.as_tensor(value)
    return type(value)(map(_as_tensor, value)) if type(value) in (list, tuple) else value


def _as_numpy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value._array
    if isinstance(value, tuple):
        parts = map(_as_numpy, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
