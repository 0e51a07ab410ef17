"""Operations on tensors: each is traced and compiled once for a kind of arguments, run on their memory, and recorded on the tape."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tensorc import compiler
from tensorc.algebra import poly, size
from tensorc.api.definition import as_dtype, exact
from tensorc.api.primitive import Primitive
from tensorc.config import config
from tensorc.diagnostics import CompileError
from tensorc.dtypes import DType
from tensorc.eager.applied import Kind, record, record_one, record_two
from tensorc.eager.errors import of_pytorch
from tensorc.eager.modes import state
from tensorc.eager.tensor import Tensor
from tensorc.elaborate import ResultTree
from tensorc.errors import DTypeError, ShapeError
from tensorc.frontend.trace import Trace, trace
from tensorc.runtime import arrays
from tensorc.runtime.call import rebuild

Traced = Callable[..., Any]
"""A function of tracers that says what an operation does."""


class Operation:
    """One operation for one kind of arguments."""

    __slots__ = ("primitive", "title", "tree")

    def __init__(self, title: str, primitive: Primitive, tree: ResultTree) -> None:
        self.title = title
        self.primitive = primitive
        self.tree = tree


_known: dict[Hashable, Operation] = {}
"""By dtypes, ranks and axes of extent 1."""

recent: dict[Hashable, tuple[Kind, ResultTree]] = {}
"""What a call is that is like an earlier one, by its dtypes and shapes. Empty while a block has settings of its own."""

MOST = 4096
"""So many of these are kept; then they are forgotten, all of them."""

_scopes = 0


def _forget(change: int) -> None:
    """Settings changed, or a block with its own begins or ends."""
    global _scopes
    _scopes += change
    recent.clear()


config.watch(_forget)


def apply(name: str, traced: Traced, args: Sequence[Any], kwargs: Mapping[str, Any], numbers: bool = False) -> Any:
    """What `traced` computes of the arguments, as tensors: of tensors, arrays, lists of those, and static values.

    `numbers` says that Python numbers among the arguments are inputs too, so that another number needs no other program.
    """
    key: list[Any] = [name]
    leaves: list[Tensor] = []
    for value in args:
        if type(value) is Tensor:
            key += value._array.dtype, value._array.shape
            leaves.append(value)
        else:
            _take(value, key, leaves, numbers)
    for option, value in kwargs.items():
        key.append(option)
        _take(value, key, leaves, numbers)
    found = recent.get(tuple(key))
    try:
        if found is None:
            found = _found(key, traced, args, kwargs, leaves, numbers)
        kind, tree = found
        results = run(kind, leaves)
    except (CompileError, ShapeError, DTypeError) as error:
        raise of_pytorch(error) from None
    return results[0] if tree == 0 else rebuild(tree, results)


def again_one(name: str, x: Tensor) -> Tensor | None:
    """`apply` of an operation of one tensor with one result that came before; None where it did not, or fails."""
    array = x._array
    found = recent.get((name, array.dtype, array.shape))
    if found is None or found[1] != 0:
        return None
    try:
        result = Tensor._of(found[0].run(array)[0])
    except (CompileError, ShapeError, DTypeError):
        return None
    if x._watched and state.recording:
        record_one(found[0], x, result)
    return result


def again_two(name: str, x: Tensor, y: Tensor) -> Tensor | None:
    """The same of an operation of two tensors."""
    a, b = x._array, y._array
    found = recent.get((name, a.dtype, a.shape, b.dtype, b.shape))
    if found is None or found[1] != 0:
        return None
    try:
        result = Tensor._of(found[0].run(a, b)[0])
    except (CompileError, ShapeError, DTypeError):
        return None
    if (x._watched or y._watched) and state.recording:
        record_two(found[0], x, y, result)
    return result


def again_number(name: str, x: Tensor, y: int | float | bool) -> Tensor | None:
    """The same of an operation of a tensor and a number that is an input."""
    a = x._array
    found = recent.get((name, a.dtype, a.shape, type(y)))
    if found is None or found[1] != 0:
        return None
    try:
        b = _number(y)
        result = Tensor._of(found[0].run(a, b)[0])
    except (CompileError, ShapeError, DTypeError, RuntimeError):
        return None
    if x._watched and state.recording:
        record_two(found[0], x, Tensor._of(b), result)
    return result


def _take(value: Any, key: list[Any], leaves: list[Tensor], numbers: bool) -> None:
    """Take an argument apart: `leaves` are the tensors, in order, and `key` is all that the program depends on, and the shapes."""
    kind = type(value)
    if isinstance(value, Tensor):
        key += value._array.dtype, value._array.shape
        leaves.append(value)
    elif kind is int or kind is float or kind is bool:
        if numbers:
            key.append(kind)
            leaves.append(Tensor._of(_number(value)))
        else:
            key.append(exact(value))
    elif kind is list or kind is tuple:
        key.append((kind, len(value)))
        for v in value:
            _take(v, key, leaves, False)
    elif isinstance(value, np.ndarray):
        _take(Tensor._of(arrays.view(value, "an array")), key, leaves, numbers)
    elif isinstance(value, np.generic):
        _take(value.item(), key, leaves, numbers)
    elif value is None or kind is str or kind is DType:
        key.append((kind, value))
    else:
        try:
            key.append(exact(as_dtype(value) or value))
        except TypeError:
            raise TypeError(f"`{key[0]}` takes no {kind.__name__}") from None


def _number(value: int | float | bool) -> arrays.Array:
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        raise RuntimeError(f"value {value} cannot be converted to type int64_t without overflow")
    return np.array(value)


def _found(
    key: Sequence[Hashable], traced: Traced, args: Sequence[Any], kwargs: Mapping[str, Any], leaves: Sequence[Tensor], numbers: bool
) -> tuple[Kind, ResultTree]:
    """What a call is that is like no earlier one."""
    kind = (config.current.code, *_without_extents(key))
    operation = _known.get(kind)
    if operation is None:
        operation = _known[kind] = _traced(str(key[0]), traced, args, kwargs, leaves, numbers)
    found = Kind(operation.primitive, operation.title, [t._array.shape for t in leaves]), operation.tree
    if not _scopes:
        if len(recent) >= MOST:
            recent.clear()
        recent[tuple(key)] = found
    return found


def _without_extents(key: Sequence[Hashable]) -> Iterator[Hashable]:
    """A key in which a shape, which stands behind its dtype, is a rank and the axes of extent 1."""
    parts = iter(key)
    for part in parts:
        yield part
        if isinstance(part, np.dtype):
            shape: Any = next(parts)
            yield len(shape), tuple(n for n, e in enumerate(shape) if e == 1)


def _traced(
    name: str, traced: Traced, args: Sequence[Any], kwargs: Mapping[str, Any], leaves: Sequence[Tensor], numbers: bool
) -> Operation:
    """The operation for arguments of this kind, in which tracers stand for the leaves."""
    with compiler.LOCK:
        compiler.refuse_compile(name)

        def fill(made: Trace, rest: Iterator[Tensor], value: Any, nested: bool = False) -> Any:
            kind = type(value)
            if isinstance(value, (Tensor, np.ndarray)):
                return _input(made, next(rest))
            if isinstance(value, np.generic):
                value, kind = value.item(), type(value.item())
            if kind in (float, int, bool) and numbers and not nested:
                return made.weak_input(_letter(len(made.inputs)), arrays.dtype_of(next(rest)._array))
            return kind(fill(made, rest, v, True) for v in value) if kind in (list, tuple) else value

        def body(made: Trace) -> Any:
            rest = iter(leaves)
            filled = [fill(made, rest, a) for a in args]
            return traced(*filled, **{k: fill(made, rest, v) for k, v in kwargs.items()})

        program, tree, captured = trace(name, body, None)
        assert not captured, "all arrays are leaves"
        return Operation(_title(name, tuple(t._array.ndim for t in leaves)), Primitive(program), tree)


def _input(made: Trace, leaf: Tensor) -> Any:
    name = _letter(len(made.inputs))
    extents = [poly(1) if e == 1 else size(f"{name}_{axis}") for axis, e in enumerate(leaf._array.shape)]
    made.not_one.update(e for e in extents if e is not poly(1))
    return made.input(name, arrays.dtype_of(leaf._array), extents)


def _letter(number: int) -> str:
    return "xyz"[number] if number < 3 else f"x{number}"


def _title(name: str, ranks: tuple[int, ...]) -> str:
    """`log_softmax` as its node is called: LogSoftmaxBackward0; a product has a name for each combination of ranks."""
    own = _PRODUCTS.get(ranks, "UnsafeView") if name == "matmul" else "".join(part.capitalize() for part in name.split("_"))
    return f"{own}Backward0"


_PRODUCTS: dict[tuple[int, ...], str] = {(1, 1): "Dot", (2, 1): "Mv", (2, 2): "Mm"}


def run(kind: Kind, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The results of an operation as tensors, recorded where a gradient may be asked for."""
    results = [Tensor._of(a) for a in kind.run(*[t._array for t in tensors])]
    for t in tensors:
        if t._watched:
            if state.recording:
                record(kind, tensors, results)
            break
    return results
