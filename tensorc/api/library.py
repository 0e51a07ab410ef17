"""The library's functions as Functions: on arrays `tc.softmax(x)` runs a program of that call, on tracers it becomes a part of theirs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Any

from tensorc.algebra import poly, size
from tensorc.api.definition import Instance, Prepared, as_dtype, exact
from tensorc.api.function import Function
from tensorc.api.lanes import is_dynamo
from tensorc.api.specs import Spec
from tensorc.elaborate import library_names
from tensorc.elaborate.library import library
from tensorc.elaborate.values import MISSING, Builtin
from tensorc.errors import DTypeError
from tensorc.frontend.trace import Trace, active_trace, find_trace, trace
from tensorc.runtime import arrays
from tensorc.syntax.show import show


@cache
def library_function(name: str) -> Function:
    """The library's function of a name. KeyError where there is none."""
    if name not in library_names():
        raise KeyError(name)
    return LibraryFunction(LibraryDefinition(name))


class LibraryFunction(Function):
    """While a function is traced, a call without tracers (`tc.zeros`, `tc.arange`) belongs to its program too."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_dynamo():
            return self._in_graph(args, kwargs)
        active = active_trace()
        if active is not None and find_trace(args, kwargs) is None:
            return active.call(self.name, *args, **kwargs)
        if args and active is None and (taken := getattr(type(args[0]), "__tensorc_function__", None)) is not None:
            return taken(self, args, kwargs)
        return super().__call__(*args, **kwargs)


class _Slot:
    """The place of a leaf among the arguments."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position


class LibraryDefinition:
    """One call of a library function. Arrays are inputs, also those in lists (`concat`); all else is static."""

    def __init__(self, name: str) -> None:
        self.name = name
        found = library(name)
        assert found is not None
        self._callee = found

    def __reduce__(self) -> Any:
        return LibraryDefinition, (self.name,)

    @property
    def doc(self) -> str:
        return (self._callee.call.__doc__ or "") if isinstance(self._callee, Builtin) else self._callee.function.doc

    @property
    def source(self) -> str:
        return "" if isinstance(self._callee, Builtin) else self._callee.function.span.text

    @property
    def signature(self) -> str:
        if isinstance(self._callee, Builtin):
            shown = [n if d is MISSING else f"{n}={_text(d)}" for n, d in self._callee.parameters]
            return f"{self.name}({', '.join(shown)})"
        return " ".join(self._callee.function.head.text.split())

    @property
    def parameters(self) -> tuple[str, ...]:
        if isinstance(self._callee, Builtin):
            return tuple(n for n, _ in self._callee.parameters)
        return tuple(p.name for p in self._callee.function.parameters)

    @property
    def numbers(self) -> tuple[bool, ...]:
        return (False,) * len(self.parameters)

    def ast(self) -> str:
        return "" if isinstance(self._callee, Builtin) else show(self._callee.function)

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Prepared:
        key: list[Hashable] = []
        leaves: list[Any] = []
        torch = specs = False

        def take(value: Any, what: str) -> Any:
            nonlocal torch, specs
            if isinstance(value, Spec):
                specs = True
                ones = frozenset(axis for axis, e in enumerate(value.extents) if e is poly(1))
                key.append((value.dtype.numpy, value.ndim, ones))
                leaves.append(value)
                return _Slot(len(leaves) - 1)
            if arrays.is_array(value):
                torch = torch or arrays.is_torch(value)
                array = arrays.view(value, what)
                key.append((array.dtype, array.ndim, frozenset(axis for axis, e in enumerate(array.shape) if e == 1)))
                leaves.append(array)
                return _Slot(len(leaves) - 1)
            if isinstance(value, (list, tuple)):
                key.append((type(value), len(value)))
                return type(value)(take(v, what) for v in value)
            value = as_dtype(value) or value
            try:
                key.append(exact(value))
            except TypeError:
                raise DTypeError(f"{what} cannot be a {type(value).__name__}") from None
            return value

        names = self.parameters
        positional = [take(a, self._what(names[n] if n < len(names) else names[-1] if names else "x")) for n, a in enumerate(args)]
        keywords = {}
        for name, value in kwargs.items():
            key.append(name)
            keywords[name] = take(value, self._what(name))
        return Prepared((len(args), *key), leaves, (positional, keywords), torch, specs)

    def _what(self, parameter: str) -> str:
        return f"argument `{parameter}` of `{self.name}`"

    def instantiate(self, prepared: Prepared) -> Instance:
        positional, keywords = prepared.values
        names: list[str] = []

        def fill(made: Trace, value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return type(value)(fill(made, v) for v in value)
            if not isinstance(value, _Slot):
                return value
            leaf = prepared.leaves[value.position]
            dtype = leaf.dtype if isinstance(leaf, Spec) else arrays.dtype_of(leaf)
            ones = [e is poly(1) for e in leaf.extents] if isinstance(leaf, Spec) else [e == 1 for e in leaf.shape]
            name = self._leaf_name(value, positional, keywords)
            names.append(name)
            return made.input(name, dtype, [poly(1) if one else size(f"{name}_{axis}") for axis, one in enumerate(ones)])

        def run(made: Trace) -> Any:
            return made.call(self.name, *[fill(made, p) for p in positional], **{k: fill(made, v) for k, v in keywords.items()})

        program, result, captured = trace(self.name, run, None)
        return Instance(program, result, self.signature, tuple(names), captured)

    def _leaf_name(self, slot: _Slot, positional: Sequence[Any], keywords: Mapping[str, Any]) -> str:
        """The parameter that an array is the argument of; arrays in a list are numbered."""
        for key, value in keywords.items():
            if value is slot:
                return key
        for number, value in enumerate(positional):
            if value is slot and number < len(self.parameters):
                return self.parameters[number]
        return f"x{slot.position}"

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        found = find_trace(args, kwargs)
        assert found is not None
        return found.call(self.name, *args, **kwargs)

    def representative(self) -> Prepared | None:
        return None


def _text(value: Any) -> str:
    return {None: "none", True: "true", False: "false"}.get(value, str(value)) if value is None or isinstance(value, bool) else repr(value)
