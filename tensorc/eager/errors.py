"""Mistakes in operations on tensors, which are of the types that PyTorch raises too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tensorc.diagnostics import CompileError
from tensorc.errors import DTypeError, ShapeError


class TensorError(CompileError, RuntimeError):
    """An operation has no meaning for tensors of these dtypes and ranks."""


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


_BY_CODE = {"E0304": AxisError, "E0601": ArgumentError, "E0604": ArgumentError, "E0605": ArgumentError, "E0607": ArgumentError}


@contextmanager
def as_pytorch() -> Iterator[None]:
    """Errors of the compiler about an operation as errors of PyTorch's types."""
    try:
        yield
    except (TensorError, AxisError, ArgumentError, SizeError, ElementTypeError):
        raise
    except CompileError as error:
        kind = _BY_CODE.get(error.diagnostics[0].code, TensorError) if error.diagnostics else TensorError
        raise kind(error.diagnostics) from None
    except ShapeError as error:
        raise SizeError(str(error)) from None
    except DTypeError as error:
        raise ElementTypeError(str(error)) from None
