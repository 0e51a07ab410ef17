"""Mistakes in operations on tensors, which are of the types that PyTorch raises too."""

from __future__ import annotations

from tensorc.diagnostics import CompileError
from tensorc.errors import DTypeError, ShapeError


class TensorError(CompileError, RuntimeError):
    """An operation has no meaning for tensors of these dtypes and ranks."""


class KindError(CompileError, NotImplementedError):
    """An operation has no meaning for elements of these dtypes. PyTorch's is NotImplementedError, which is a RuntimeError."""


class AxisError(CompileError, IndexError):
    """An axis that the tensor does not have."""


class ArgumentError(CompileError, TypeError):
    """An argument is of no type that the operation takes."""


class SizeError(ShapeError, RuntimeError):
    """The sizes of the tensors do not fit."""


class ElementTypeError(DTypeError, RuntimeError):
    """The dtypes of the tensors do not fit."""


class PlaceError(IndexError, RuntimeError):
    """A place that is outside of the tensor."""


_BY_CODE = {
    "E0304": AxisError,
    **dict.fromkeys(("E0404", "E0406"), KindError),
    **dict.fromkeys(("E0601", "E0604", "E0605", "E0607"), ArgumentError),
}


def of_pytorch(error: Exception) -> Exception:
    """A mistake that the compiler found in an operation as an error of the type that PyTorch raises."""
    if isinstance(error, (TensorError, AxisError, ArgumentError, SizeError, ElementTypeError)):
        return error
    match error:
        case CompileError():
            kind = _BY_CODE.get(error.diagnostics[0].code, TensorError) if error.diagnostics else TensorError
            return kind(error.diagnostics)
        case ShapeError():
            return SizeError(str(error))
        case DTypeError():
            return ElementTypeError(str(error))
        case _:
            return error
