"""Operations on tensors: each is traced and compiled once for a kind of arguments, run on their memory, and recorded on the tape."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorc import compiler
from tensorc.algebra import poly, size
from tensorc.api.definition import as_dtype, exact
from tensorc.api.primitive import Primitive
from tensorc.config import config
from tensorc.diagnostics import CompileError
from tensorc.dtypes import bool_, f64, i64
from tensorc.eager.errors import as_pytorch
from tensorc.eager.modes import state
from tensorc.eager.tape import FREED, Cotangents, Edge, Node, Saved, Version
from tensorc.eager.tensor import Tensor
from tensorc.elaborate import ResultTree
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


def apply(name: str, traced: Traced, args: Sequence[Any], kwargs: Mapping[str, Any], numbers: bool = False) -> Any:
    """What `traced` computes of the arguments, as tensors: of tensors, arrays, lists of those, and static values.

    `numbers` says that Python numbers among the arguments are inputs too, so that another number needs no other program.
    """
    found = _Arguments(name, numbers)
    for value in args:
        found.take(value)
    for key, value in kwargs.items():
        found.key.append(key)
        found.take(value)
    with as_pytorch():
        kind = tuple(found.key)
        operation = _known.get(kind)
        if operation is None:
            operation = _known[kind] = _traced(name, traced, args, kwargs, found)
        results = run(operation.primitive, found.leaves, operation.title)
    return results[0] if operation.tree == 0 else rebuild(operation.tree, results)


class _Arguments:
    """Takes arguments apart: `leaves` are the tensors, in order, and `key` is all that the program depends on."""

    def __init__(self, name: str, numbers: bool) -> None:
        self.key: list[Hashable] = [name, config.current.code]
        self.leaves: list[Tensor] = []
        self.numbers = numbers

    def take(self, value: Any, nested: bool = False) -> None:
        kind: Any = type(value)
        if isinstance(value, Tensor):
            array = value._array
            ones = tuple([n for n, e in enumerate(array.shape) if e == 1]) if 1 in array.shape else ()
            self.key.append((array.dtype, array.ndim, ones))
            self.leaves.append(value)
        elif kind is float or kind is int or kind is bool:
            if self.numbers and not nested:
                dtype = f64 if kind is float else i64 if kind is int else bool_
                self.key.append(kind)
                self.leaves.append(Tensor._of(arrays.number(value, dtype, "a number")))
            else:
                self.key.append(exact(value))
        elif kind is list or kind is tuple:
            self.key.append((kind, len(value)))
            for v in value:
                self.take(v, True)
        elif isinstance(value, np.ndarray):
            self.take(Tensor._of(arrays.view(value, "an array")))
        elif isinstance(value, np.generic):
            self.take(value.item(), nested)
        else:
            try:
                self.key.append(exact(as_dtype(value) or value))
            except TypeError:
                raise TypeError(f"`{self.key[0]}` takes no {kind.__name__}") from None


def _traced(name: str, traced: Traced, args: Sequence[Any], kwargs: Mapping[str, Any], found: _Arguments) -> Operation:
    """The operation for arguments of this kind, in which tracers stand for the leaves."""
    with compiler.LOCK:
        compiler.refuse_compile(name)

        def fill(made: Trace, leaves: Any, value: Any, nested: bool = False) -> Any:
            kind = type(value)
            if isinstance(value, (Tensor, np.ndarray)):
                return _input(made, next(leaves))
            if isinstance(value, np.generic):
                value, kind = value.item(), type(value.item())
            if kind in (float, int, bool) and found.numbers and not nested:
                return made.weak_input(_letter(len(made.inputs)), arrays.dtype_of(next(leaves)._array))
            return kind(fill(made, leaves, v, True) for v in value) if kind in (list, tuple) else value

        def body(made: Trace) -> Any:
            leaves = iter(found.leaves)
            filled = [fill(made, leaves, a) for a in args]
            return traced(*filled, **{k: fill(made, leaves, v) for k, v in kwargs.items()})

        program, tree, captured = trace(name, body, None)
        assert not captured, "all arrays are leaves"
        return Operation(_title(name), Primitive(program), tree)


def _input(made: Trace, leaf: Tensor) -> Any:
    name = _letter(len(made.inputs))
    extents = [poly(1) if e == 1 else size(f"{name}_{axis}") for axis, e in enumerate(leaf._array.shape)]
    made.not_one.update(e for e in extents if e is not poly(1))
    return made.input(name, arrays.dtype_of(leaf._array), extents)


def _letter(number: int) -> str:
    return "xyz"[number] if number < 3 else f"x{number}"


def _title(name: str) -> str:
    """`log_softmax` as its node is called: LogSoftmaxBackward0."""
    return f"{''.join(part.capitalize() for part in name.split('_'))}Backward0"


def run(primitive: Primitive, tensors: Sequence[Tensor], title: str) -> list[Tensor]:
    """The results of a program as tensors, recorded where a gradient may be asked for."""
    inputs = [t._array for t in tensors]
    results = [Tensor._of(a) for a in primitive(inputs, [a.shape for a in inputs])]
    if state.recording:
        edges = [t._gradient_edge() for t in tensors]
        if any(edges):
            record(primitive, tensors, results, edges, title)
    return results


def record(primitive: Primitive, tensors: Sequence[Tensor], results: Sequence[Tensor], edges: Sequence[Edge | None], title: str) -> None:
    """Put a node for the operation on the tape."""
    floats = primitive.floats
    if any(floats):
        node = Applied(primitive, title, tensors, results, edges)
        for number, (result, is_float) in enumerate(zip(results, floats, strict=True)):
            if is_float:
                result._follow((node, number))


class Applied(Node):
    """A program that was run. Saved is what its backward program reads."""

    def __init__(
        self, primitive: Primitive, title: str, tensors: Sequence[Tensor], results: Sequence[Tensor], edges: Sequence[Edge | None]
    ) -> None:
        super().__init__(title, edges)
        self.primitive = primitive
        self.shapes = (*(t._array.shape for t in tensors), *(r._array.shape for r in results))
        self.wanted = tuple(n for n, e in enumerate(edges) if e is not None)
        self.given = tuple(n for n, is_float in enumerate(primitive.floats) if is_float)
        self.freed = False
        values = (*tensors, *results)
        count = len(tensors)
        reads = self._reads()
        self.saved: dict[int, Saved] = {
            n: Saved(t, edges[n] if n < count else None) for n, t in enumerate(values) if reads is None or reads[n]
        }

    def _reads(self) -> Sequence[bool] | None:
        """Which inputs and results the backward program reads; None where there is none, which the backward pass says."""
        try:
            return self.primitive.vjp(self.wanted, self.given).reads
        except CompileError:
            return None

    def backward(self, cotangents: Cotangents, needed: Sequence[bool]) -> Cotangents:
        if self.freed:
            raise RuntimeError(FREED)
        given = tuple(n for n, c in enumerate(cotangents) if c is not None)
        wanted = tuple(n for n in self.wanted if needed[n])
        derived = self.primitive.vjp(wanted, given)
        count = len(self.shapes)
        if any(read and n not in self.saved for n, read in enumerate(derived.reads[:count])):
            wanted, given, derived = self.wanted, self.given, self.primitive.vjp(self.wanted, self.given)
        seeds = [c if n < len(cotangents) and (c := cotangents[n]) is not None else self._zeros(n) for n in given]
        found = dict(zip(wanted, self._derived(derived, seeds), strict=True))
        return [found.get(n) if need else None for n, need in enumerate(needed)]

    def _zeros(self, result: int) -> Tensor:
        dtype = self.primitive.program.results[result].dtype.numpy
        return Tensor._of(np.zeros(self.shapes[len(self.next_edges) + result], dtype))

    def _derived(self, derived: Primitive, seeds: Sequence[Tensor]) -> list[Tensor]:
        """The results of the backward program; those that are a cotangent as it is need no run."""
        passed = derived.passed
        first = len(self.shapes)
        same = [None if p is None or p < first else seeds[p - first] for p in passed]
        shapes = (*self.shapes, *(s._array.shape for s in seeds))
        if all(s is not None for s in same) and derived.shapes(shapes) == tuple(s._array.shape for s in same if s is not None):
            return [s for s in same if s is not None]
        count = len(self.next_edges)
        values: list[Tensor | None] = [self._value(n, count) if derived.reads[n] else None for n in range(first)]
        values += seeds
        results = [Tensor._of(a) for a in derived([None if v is None else v._array for v in values], shapes)]
        if state.recording:
            edges = [None if v is None else v._gradient_edge() for v in values]
            if any(edges):
                inputs = zip(values, shapes, derived.program.inputs, strict=True)
                kept = [_shape_only(s, i.dtype.numpy) if v is None else v for v, s, i in inputs]
                record(derived, kept, results, edges, f"{self.name.removesuffix('0')}Backward0")
        return results

    def _value(self, number: int, count: int) -> Tensor:
        tensor = self.saved[number].tensor(self.name)
        if number >= count:
            tensor._follow((self, number - count))
        return tensor

    def release(self) -> None:
        self.freed = bool(self.saved) or self.freed
        self.saved = {}

    # In-place operations.

    def overwrite(self, target: Tensor) -> None:
        """The only result is about to be written over `target`: keep what was saved of it, and save the result where it will be."""
        version = target._shared_version()
        for number, saved in self.saved.items():
            if saved.version is version:
                saved.array, saved.version, saved.count = saved.array.copy(), Version(), 0
            elif number == len(self.next_edges):
                saved.array, saved.version, saved.count = target._array, version, version.count + 1


def _shape_only(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """Stands for a tensor of which nothing but the shape matters."""
    return Tensor._of(np.lib.stride_tricks.as_strided(np.zeros(1, dtype), shape, (0,) * len(shape), writeable=False))
