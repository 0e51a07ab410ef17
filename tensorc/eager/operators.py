"""Python's operators on tensors. Of tensors that nothing is recorded of, they go to the compiled function at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorc.diagnostics import CompileError
from tensorc.dtypes import DType
from tensorc.eager import inplace
from tensorc.eager.creation import as_tensor, full
from tensorc.eager.named import Function, on_arrays
from tensorc.eager.operations import again_two
from tensorc.eager.tensor import Tensor
from tensorc.errors import DTypeError, ShapeError
from tensorc.runtime import arrays

_NAMES = {
    "__add__": "add", "__sub__": "sub", "__mul__": "mul", "__truediv__": "div", "__floordiv__": "floor_divide", "__mod__": "remainder",
    "__pow__": "pow", "__matmul__": "matmul", "__and__": "bitwise_and", "__or__": "bitwise_or", "__xor__": "bitwise_xor",
    "__lshift__": "bitwise_left_shift", "__rshift__": "bitwise_right_shift",
    "__eq__": "eq", "__ne__": "ne", "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge",
}  # fmt: skip

_REFLECTED = {"add": "add", "mul": "mul", "sub": "rsub"}
"""What an operation is with its operands exchanged."""


def _is_operand(value: Any) -> bool:
    return isinstance(value, (Tensor, int, float, np.ndarray, np.generic))


def _direct(function: Function) -> Function:
    """The operator with the tensor on the left."""

    def operation(self: Tensor, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        return function(self, as_tensor(other) if isinstance(other, np.ndarray) else other)

    return operation


def _comparison(function: Function, otherwise: bool) -> Function:
    """`==` or `!=`, which is known of what is no number at all."""

    def operation(self: Tensor, other: Any) -> Any:
        if not _is_operand(other):
            return otherwise
        return function(self, as_tensor(other) if isinstance(other, np.ndarray) else other)

    return operation


def _reflected(function: Function) -> Function:
    """The operator with the tensor on the right."""

    def operation(self: Tensor, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        if isinstance(other, np.ndarray):
            return function(as_tensor(other), self)
        return function(full((), other, dtype=_weak_dtype(other, self.dtype)), self)

    return operation


def _weak_dtype(value: Any, dtype: DType) -> DType:
    """The dtype of a number on the left of an operator: it gives way to the tensor's, unless it is of a higher kind."""
    own = arrays.natural_dtype(value)
    return own if own.category > dtype.category else dtype


def _in_place(function: Function) -> Function:
    def operator(self: Tensor, other: Any) -> Any:
        if not _is_operand(other):
            return NotImplemented
        return inplace.inplace(self, function, (as_tensor(other) if isinstance(other, np.ndarray) else other,), {})

    return operator


def _quick(name: str, compiled: Function, usual: Function) -> Function:
    """The operator of two tensors by a call of the compiled function; of others, and where that fails, the usual way.

    With a history it is recorded, where such tensors came before.
    """
    made: Callable[[Any], Tensor] = Tensor._of

    def operation(self: Tensor, other: Any) -> Any:
        if type(other) is Tensor:
            if self._watched or other._watched:
                found = again_two(name, self, other)
                if found is not None:
                    return found
            else:
                try:
                    return made(compiled(self._array, other._array))
                except (CompileError, ShapeError, DTypeError):
                    pass
        return usual(self, other)

    return operation


def dunders(known: Callable[[str], Function]) -> dict[str, Function]:
    """The methods of all operators; `known` gives an operation by its name."""
    found: dict[str, Function] = {"__rtruediv__": _direct(lambda x, other: known("mul")(known("reciprocal")(x), other))}
    for dunder, name in _NAMES.items():
        function = known(name)
        if dunder in ("__eq__", "__ne__"):
            usual = _comparison(function, dunder == "__ne__")
        else:
            usual = _direct(function)
        compiled = on_arrays(name)
        found[dunder] = usual if compiled is None else _quick(name, compiled, usual)
        if name not in ("eq", "ne", "lt", "le", "gt", "ge"):
            plain = dunder.strip("_")
            found.setdefault(f"__r{plain}__", _direct(known(_REFLECTED[name])) if name in _REFLECTED else _reflected(function))
            if name != "matmul":  # `x @= y` makes another tensor, as PyTorch's does
                found[f"__i{plain}__"] = _in_place(function)
    return found
