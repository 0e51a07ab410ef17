"""The face of elaboration for tracers: values are combined by calls from Python instead of by the text of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tensorc.algebra import Poly
from tensorc.diagnostics import CompileError
from tensorc.dtypes import DType
from tensorc.elaborate import arrays, calls
from tensorc.elaborate.context import Context
from tensorc.elaborate.expressions import Evaluator, Poisoned, run
from tensorc.elaborate.indexing import attribute, index
from tensorc.elaborate.instances import ResultTree, finish, lift
from tensorc.elaborate.library import library, matmul
from tensorc.elaborate.units import Unit
from tensorc.elaborate.values import Array, Builtin, Routine, Value, of_tensor
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input
from tensorc.source import Span


class Elaboration:
    """One program being built from Python. With `trace`, axes that meet are taken to be equal, which the call checks.

    `where` gives the user's current line, for diagnostics.
    """

    def __init__(self, trace: bool = True, where: Callable[[], Span | None] = lambda: None) -> None:
        self.context = Context(infer_equal=trace, where=where)
        self.evaluator = Evaluator(self.context)

    def input(self, name: str, dtype: DType, extents: Sequence[Poly]) -> Array:
        """A parameter of the program."""
        made = Input(name, tuple(extents), dtype)
        self.context.names.setdefault(made, name)
        return of_tensor(made)

    def call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value:
        """A function of the library by name. KeyError where there is none."""
        callee = library(name)
        if callee is None:
            raise KeyError(name)
        return self.invoke(callee, args, kwargs)

    def call_function(self, unit: Unit, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value:
        """A function of a file."""
        return self.invoke(Routine(unit, unit.functions[name]), args, kwargs)

    def invoke(self, callee: Routine | Builtin, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value:
        arguments: list[calls.Argument] = [(None, self.lift(a), None) for a in args]
        arguments += [(n, self.lift(a), None) for n, a in kwargs.items()]
        self.context.current = None
        try:
            result: Value = run(calls.invoke(self.evaluator, callee, arguments, self.context.where()))
        except Poisoned:
            raise CompileError(()) from None
        return self.settled(result)

    def binary(self, operator: str, left: Any, right: Any) -> Array:
        """An infix operator of the language."""
        self.context.current = None
        a, b = self.array(left), self.array(right)
        return self.context.settle(matmul(self.context, a, b) if operator == "@" else arrays.binary(self.context, operator, a, b))

    def unary(self, operator: str, operand: Any) -> Array:
        """A prefix operator of the language."""
        self.context.current = None
        return arrays.unary(self.context, operator, self.array(operand))

    def subscript(self, array: Array, items: Sequence[Any], subject: str = "the tensor") -> Array:
        """array[items]: integers, slices, None, Ellipsis and integer arrays."""
        self.context.current = None
        values = [self._item(i) for i in items]
        return index(self.context, array, values, None, [None] * len(values), subject, None, False)

    def _item(self, item: Any) -> Any:
        if item is Ellipsis or item is None:
            return item
        if isinstance(item, slice):
            return slice(*(None if p is None else calls_static(self.context, self.lift(p)) for p in (item.start, item.stop, item.step)))
        return self.lift(item)

    def attribute(self, array: Array, name: str) -> Value:
        """`x.T`, `x.mT` and the like."""
        return attribute(self.context, array, name, None)

    def lift(self, value: Any) -> Value:
        return lift(self.context, value)

    def array(self, value: Any) -> Array:
        return arrays.as_array(self.context, self.lift(value))

    def settled(self, value: Value) -> Value:
        return self.context.settle(value) if isinstance(value, Array) else value

    def finish(self, name: str, inputs: Sequence[Array], result: Any) -> tuple[Program, ResultTree]:
        """The program of a nested tuple of results."""
        made = []
        for i in inputs:
            tensor = i.tensor()
            assert isinstance(tensor, Input)
            made.append(tensor)
        return finish(self.context, name, made, self.lift(result))


def calls_static(context: Context, value: Value) -> Poly:
    """A slice bound as a polynomial."""
    from tensorc.elaborate.values import describe, static_integer

    found = static_integer(value)
    if found is None:
        raise context.error("E0604", f"a slice bound is an integer known at the call, found {describe(value)}")
    return found
