"""Runs a Python function on tracers, which stand for arrays, and records what it does to them as a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from tensorc.algebra import Poly, poly
from tensorc.diagnostics import CompileError, error
from tensorc.dtypes import DTYPES, DType, from_numpy
from tensorc.elaborate import Elaboration, ResultTree
from tensorc.elaborate.values import Array, List, Tuple
from tensorc.frontend.places import user_span
from tensorc.frontend.tracers import Dim, Tracer
from tensorc.ir.program import Program
from tensorc.runtime import arrays
from tensorc.runtime.entry import bypass
from tensorc.source import Span

_active: ContextVar[Trace | None] = ContextVar("tensorc_trace", default=None)


class Trace:
    """One function being traced. Arrays that it closes over become inputs behind its own: `captured`, which every call reads anew."""

    def __init__(self, name: str, place: Span | None = None, infer_equal: bool = True) -> None:
        self.name = name
        self.place = place  # of the function's definition
        self.elaboration = Elaboration(trace=infer_equal, where=self._where)
        self.inputs: list[Array] = []
        self.captured: list[Any] = []
        self.finished = False
        self.not_one: set[Poly] = set()  # extents of axes that would be another program's, were they 1
        self._returned = False
        self._constants: dict[int, Tracer] = {}

    def _where(self) -> Span | None:
        return self.place if self._returned else user_span()

    # Values in and out.

    def input(self, name: str, dtype: DType, extents: Sequence[Poly]) -> Tracer:
        array = self.elaboration.input(name, dtype, extents)
        self.inputs.append(array)
        return Tracer(self, array)

    def weak_input(self, name: str, dtype: DType) -> Tracer:
        """A 0-d input that gives way to the other operand's dtype, as the Python number that it stands for would."""
        array = self.elaboration.input(name, dtype, ())
        self.inputs.append(array)
        return Tracer(self, Array(array.axes, array.body, weak=True))

    def capture(self, value: Any) -> Tracer:
        """An array of the surrounding code, as a further input."""
        found = self._constants.get(id(value))
        if found is None:
            view = arrays.view(value, f"an array that `{self.name}` closes over")
            name = f"constant{len(self.captured)}"
            array = self.elaboration.input(name, arrays.dtype_of(view), tuple(map(poly, view.shape)))
            self.captured.append(value)
            found = self._constants[id(value)] = Tracer(self, array)
        return found

    def finish(self, result: Any) -> tuple[Program, ResultTree]:
        """The program that computes the result: tracers, arrays and numbers, in tuples or lists."""
        self._returned = True
        lifted = self._result(result)
        inputs = [*self.inputs, *(t.value for t in self._constants.values())]
        program, tree = self.elaboration.finish(self.name, inputs, lifted)
        self.finished = True
        return program, tree

    def _result(self, value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return tuple(map(self._result, value))
        if value is None or isinstance(value, (str, dict, set, DType)):
            what = "nothing" if value is None else f"a {type(value).__name__}"
            raise error("E0909", f"`{self.name}` returns {what}", self._where(), help="return an array, or a tuple of arrays")
        return self.lift(value)

    def lift(self, value: Any) -> Any:
        """A Python value as what the elaboration takes: an argument of an operation."""
        if isinstance(value, Tracer):
            if value.owner is not self:
                leaked(value)
            return value.value
        if isinstance(value, Dim):
            return value.array
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, str):
            return DTYPES.get(value, value)
        if value is None or isinstance(value, (bool, int, float, DType, Array, List, Tuple)):
            return value
        if isinstance(value, (tuple, list)):
            return type(value)(map(self.lift, value)) if type(value) in (tuple, list) else tuple(map(self.lift, value))
        dtype = _dtype(value)
        if dtype is not None:
            return dtype
        if arrays.is_array(value):
            return self.capture(value).value
        raise error(
            "E0906",
            f"{type(value).__name__} is nothing that can be traced",
            user_span(),
            help="pass arrays, numbers, dtypes and tuples of those",
        )

    def lower(self, value: Any) -> Any:
        """What the elaboration gives as Python sees it."""
        if isinstance(value, Array):
            return Tracer(self, value)
        if isinstance(value, (Tuple, List)):
            return tuple(map(self.lower, value.items))
        return value

    # Operations.

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A library function applied."""
        self.check_open()
        try:
            return self.lower(self.elaboration.call(name, [self.lift(a) for a in args], {k: self.lift(v) for k, v in kwargs.items()}))
        except CompileError as failure:
            raise _with_static_hint(failure, (*args, *kwargs.values())) from None

    def call_function(self, unit: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A function of a .tx file applied."""
        self.check_open()
        lifted = {k: self.lift(v) for k, v in kwargs.items()}
        return self.lower(self.elaboration.call_function(unit, name, [self.lift(a) for a in args], lifted))

    def binary(self, operator: str, a: Any, b: Any) -> Any:
        self.check_open()
        return self.lower(self.elaboration.binary(operator, self.lift(a), self.lift(b)))

    def unary(self, operator: str, a: Any) -> Any:
        self.check_open()
        return self.lower(self.elaboration.unary(operator, self.lift(a)))

    def subscript(self, array: Tracer, items: Sequence[Any]) -> Any:
        self.check_open()
        return self.lower(self.elaboration.subscript(array.value, [self._item(i) for i in items]))

    def attribute(self, array: Tracer, name: str) -> Any:
        self.check_open()
        return self.lower(self.elaboration.attribute(array.value, name))

    def _item(self, item: Any) -> Any:
        if isinstance(item, slice):
            return slice(*(self.lift(b) for b in (item.start, item.stop, item.step)))
        if item is Ellipsis:
            return item
        if isinstance(item, (list, tuple)) and all(isinstance(i, (int, np.integer)) for i in item):
            return self.lift(np.array(item, dtype=np.int64))
        return self.lift(item)

    def check_open(self) -> None:
        if self.finished:
            raise error("E0905", f"a tracer of `{self.name}` is used after its function was traced", user_span(), help=_LEAK)


def _with_static_hint(failure: CompileError, values: Sequence[Any]) -> CompileError:
    """The error; where a number that is an argument stands for an axis or a size, with the way to have it known."""
    found = failure.diagnostics[0] if failure.diagnostics else None
    numbers = [v for v in values if isinstance(v, Tracer) and v.value.weak]
    if found is None or found.code != "E0604" or not numbers:
        return failure
    hint = (
        'a number that is passed to a traced function is an input; name its parameter in `static=("axis",)` to have its value when tracing'
    )
    return CompileError([replace(found, help=hint), *failure.diagnostics[1:]])


_LEAK = "return the array from the function; what is stored elsewhere while a function is traced has no value"


def leaked(tracer: Tracer) -> NoReturn:
    raise error("E0905", f"a tracer of `{tracer.owner.name}` is used outside of its function", user_span(), help=_LEAK)


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Inside, operations without a tracer among their arguments (`tc.zeros`) belong to the trace."""
    token = _active.set(trace)
    bypass(1)  # code that answers calls knows no traces
    try:
        yield
    finally:
        bypass(-1)
        _active.reset(token)


def current_trace(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Trace:
    """The trace that a call with these arguments belongs to."""
    found = find_trace(args, kwargs)
    assert found is not None, "the caller has seen a tracer, or a trace is active"
    return found


def find_trace(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Trace | None:
    """The trace of the first tracer among arguments, in tuples and lists too; None where there is none."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, (Tracer, Dim)):
            return value.owner
        if isinstance(value, (tuple, list)):
            inner = find_trace(value, {})
            if inner is not None:
                return inner
    return None


def active_trace() -> Trace | None:
    """The trace that is being recorded, if one is."""
    return _active.get()


def _dtype(value: Any) -> DType | None:
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return from_numpy(value)
    return arrays.torch_dtype(value)


def trace(
    name: str, function: Callable[[Trace], Any], place: Span | None, infer_equal: bool = True
) -> tuple[Program, ResultTree, tuple[Any, ...]]:
    """The program of what `function` computes of the trace's inputs, its tree of results, and the arrays that it closes over."""
    made = Trace(name, place, infer_equal)
    with tracing(made):
        try:
            result = function(made)
            program, tree = made.finish(result)
        finally:
            made.finished = True
    return program, tree, tuple(made.captured)
