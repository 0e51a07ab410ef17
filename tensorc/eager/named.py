"""Operations on tensors by PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from tensorc.api.jit import jit
from tensorc.diagnostics import CompileError
from tensorc.eager import inplace
from tensorc.eager.errors import SizeError
from tensorc.eager.modes import state
from tensorc.eager.names import NUMBERS, traced
from tensorc.eager.operations import again_number, again_one, again_two, apply
from tensorc.eager.tensor import Tensor
from tensorc.errors import DTypeError, ShapeError

Function = Callable[..., Any]


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """The operation of a name on tensors. `out=` writes its result over a tensor."""
    out = kwargs.pop("out", None) if kwargs else None
    if kwargs:
        kwargs = {_SPELLINGS.get(k, k): v for k, v in kwargs.items()}
    found = traced(name)
    if found is None:
        raise AttributeError(f"tc.Tensor has no operation `{name}`")
    if out is not None and state.recording and any(isinstance(a, Tensor) and a.requires_grad for a in (*args, *kwargs.values())):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad."
        )
    result = apply(name, found, args, kwargs, name in NUMBERS)
    return result if out is None else _written(out, result)


_SPELLINGS = {"axis": "dim", "keepdims": "keepdim"}
"""NumPy's names of arguments, which PyTorch takes too."""


def _written(out: Any, result: Any) -> Any:
    if isinstance(result, tuple):
        return type(result)(*(_written(o, r) for o, r in zip(out, result, strict=True)))
    inplace.check_dtype(result.dtype, out.dtype)
    if out._array.shape != result._array.shape:
        raise RuntimeError(f"out has the shape {list(out.shape)}, but the result has {list(result.shape)}")
    return inplace.copy_(out, result)


def _checked(shape: Sequence[Any]) -> None:
    """Raise the error of shapes that do not broadcast, as PyTorch words it."""
    a, b = (s._array.shape for s in shape)
    rank = max(len(a), len(b))
    for n, (m, k) in enumerate(zip(((1,) * rank + a)[-rank:] if rank else (), ((1,) * rank + b)[-rank:] if rank else (), strict=True)):
        if m != k and 1 not in (m, k):
            raise SizeError(f"The size of tensor a ({m}) must match the size of tensor b ({k}) at non-singleton dimension {n}")


def operation_of(name: str) -> Function:
    """The operation of a name, whatever its arguments are."""

    def operation(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and type(args[0]) is Tensor and not kwargs:
            found = again_one(name, args[0])
            if found is not None:
                return found
        return call(name, *args, **kwargs)

    operation.__name__ = operation.__qualname__ = name
    return operation


_MEANINGS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "matmul": lambda x, y: x @ y,
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
    "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y,
    "gt": lambda x, y: x > y,
    "ge": lambda x, y: x >= y,
}
"""Operations that mean for arrays what they mean for tensors, wherever they mean anything."""


@cache
def on_arrays(name: str) -> Function | None:
    """The compiled function of arrays that an operation of two tensors is where nothing is recorded; None where it is more than that."""
    meaning = _MEANINGS.get(name)
    if meaning is None:
        return None
    meaning.__name__ = name
    made: Function = jit(meaning)
    return made


def elementwise(name: str) -> Function:
    """An operation of two operands that broadcast."""
    numbers = name in NUMBERS
    compiled = on_arrays(name)

    def operation(input: Any, other: Any, **options: Any) -> Any:
        if type(input) is Tensor and not options:
            kind = type(other)
            if kind is Tensor:
                if compiled is not None and not (input._watched or other._watched):
                    try:
                        return Tensor._of(compiled(input._array, other._array))
                    except (CompileError, ShapeError, DTypeError):
                        pass
                found = again_two(name, input, other)
            else:
                found = again_number(name, input, other) if numbers and kind in (float, int) else None
            if found is not None:
                return found
        try:
            return call(name, input, other, **options)
        except SizeError:
            if isinstance(input, Tensor) and isinstance(other, Tensor):
                _checked((input, other))
            raise

    return operation


def renamed(x: Tensor, title: str) -> Tensor:
    if x._edge is not None:
        x._edge[0].name = f"{title}Backward0"
    return x
