"""`tc.jit`: a Python function becomes a Function by being run once on tracers for each combination of dtypes, ranks and axes of size 1."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property, update_wrapper
from typing import Any

import numpy as np

from tensorc.algebra import Poly, poly, size
from tensorc.api.definition import Instance, Prepared, as_dtype, cast_hint, exact, label
from tensorc.api.function import Function
from tensorc.api.specs import Signature, Spec, dtype_of, extents_of, is_pack, signature
from tensorc.diagnostics import CompileError, Label, error
from tensorc.dtypes import DTYPES, DType, f64, i64
from tensorc.elaborate import ResultTree
from tensorc.errors import DTypeError, ShapeError, suggestion
from tensorc.frontend.places import definition_span
from tensorc.frontend.trace import Trace, trace
from tensorc.ir.program import Program
from tensorc.runtime import arrays
from tensorc.source import Span
from tensorc.syntax import tree


def jit(function: Any = None, *, static: Sequence[str] | str = ()) -> Any:
    """A Python function of arrays as a Function; also with a signature, `@tc.jit("f32[B, N] -> f32[N]", static=("eps",))`.

    Without one, axes that meet are taken to be equal, which each call checks. With one, the function is traced and checked at once, and its
    axes are equal only where the signature says so. `static` names the parameters whose values are known when compiling.
    """
    if isinstance(function, str):
        declared = signature(function)
        return lambda f: _jitted(f, declared, static)
    if function is None:
        return lambda f: _jitted(f, None, static)
    if not callable(function):
        raise TypeError(f"`tc.jit` takes a function, or a signature in a string, not a {type(function).__name__}")
    return _jitted(function, None, static)


def _jitted(function: Callable[..., Any], declared: Signature | None, static: Sequence[str] | str) -> Function:
    made = Function(TracedDefinition(function, declared, static))
    update_wrapper(made, function)
    if declared is not None:
        prepared = made._definition.representative()
        if prepared is not None:
            made._entry(prepared)
    return made


class TracedDefinition:
    """A Python function of arrays. `static` parameters reach it as they are, and None, bools, strings, dtypes, tuples without arrays."""

    def __init__(self, function: Callable[..., Any], signature: Signature | None = None, static: Sequence[str] | str = ()) -> None:
        self.function = function
        self.declared = signature
        self.python = _python_signature(function)
        self.static = _static_names(function, self.python, static)
        self.parameters = tuple(self.python.parameters)
        self.numbers = tuple(name not in self.static for name in self.parameters)
        kinds = [p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in self.python.parameters.values()]
        required = [p.default is p.empty for p in self.python.parameters.values()]
        self._positional = range(sum(required), len(required) + 1) if all(kinds) else range(0)
        self._types = {} if signature is None else dict(zip(self._tensor_parameters(signature), signature.parameters, strict=True))

    @property
    def name(self) -> str:
        return _name(self.function)

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    @cached_property
    def source(self) -> str:
        try:
            return textwrap.dedent(inspect.getsource(self.function))
        except (OSError, TypeError):
            return ""

    def __reduce__(self) -> Any:
        return TracedDefinition, (self.function, self.declared, self.static)

    def ast(self) -> str:
        import ast

        return ast.dump(ast.parse(self.source), indent=2) if self.source else ""

    @property
    def signature(self) -> str:
        return f"{self.name}{self.python}" if self.declared is None else f"{self.name}: {self.declared}"

    def _tensor_parameters(self, signature: Signature) -> list[str]:
        """The parameters that the signature's types are for: those that are not static, in order."""
        names = [n for n in self.parameters if n not in self.static]
        if len(names) != len(signature.parameters):
            types, listed = len(signature.parameters), ", ".join(names) or "none"
            help = "what is no array is named in `static=`"
            written = f"{types} type{'' if types == 1 else 's'}"
            message = f"the signature has {written}, but `{self.name}` has {len(names)} tensor parameters ({listed})"
            raise error("E0911", message, signature.span, help=help)
        return names

    # Arguments.

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Prepared:
        bound = self._bind(args, kwargs)
        found = _Leaves(self)
        values = {name: found.argument(name, value, self.python.parameters[name].kind) for name, value in bound.items()}
        return Prepared(tuple(found.key), found.leaves, values, found.torch, found.specs)

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if not kwargs and len(args) in self._positional:
            return dict(zip(self.parameters, args, strict=False))
        try:
            return self.python.bind(*args, **kwargs).arguments
        except TypeError as reason:
            unknown = next((k for k in kwargs if k not in self.python.parameters), None)
            if unknown is not None and all(p.kind is not p.VAR_KEYWORD for p in self.python.parameters.values()):
                raise TypeError(f"`{self.name}` has no parameter `{unknown}`{suggestion(unknown, self.parameters)}") from None
            raise TypeError(f"`{self.name}`: {reason}") from None

    def representative(self) -> Prepared | None:
        if self.declared is None or any(self.python.parameters[n].default is inspect.Parameter.empty for n in self.static):
            return None
        specs = {}
        for name, type_ in self._types.items():
            rank = sum(not is_pack(d) for d in type_.dims) + 2  # two axes stand for `...`
            pack = next(iter(pack_extents(type_, rank, name).values()), [])
            specs[name] = Spec(dtype_of(type_), extents_of(type_, pack, f"{name}_{{}}".format))
        return self.prepare((), specs)

    # Programs.

    @cached_property
    def _place(self) -> Span | None:
        code = getattr(self.function, "__code__", None)
        return None if code is None else definition_span(code)

    def instantiate(self, prepared: Prepared) -> Instance:
        names: list[str] = []

        def run(made: Trace) -> Any:
            inputs = _Inputs(made, self, names, prepared.leaves)
            values = {name: inputs.rebuild(name, value) for name, value in prepared.values.items()}
            bound = inspect.BoundArguments(self.python, values)
            return self.function(*bound.args, **bound.kwargs)

        program, result, captured = trace(self.name, run, self._place, infer_equal=self.declared is None)
        if self.declared is not None and self.declared.returns is not None:
            self._check_result(program, result, self.declared.returns, prepared)
        names += [f"constant {n}" for n in range(len(captured))]
        return Instance(program, result, _signature_text(program, result), tuple(names), captured)

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return self.function(*args, **kwargs)

    def _check_result(self, program: Program, result: ResultTree, declared: tree.Type, prepared: Prepared) -> None:
        """Raise a CompileError where the result is not what the signature says."""
        others = () if self._place is None else (Label(self._place, "the function"),)

        def wrong(type_: tree.Type, found: str) -> CompileError:
            return error(
                "E0912", f"`{self.name}` returns {found}, but its signature says {type_.span.text}", type_.span, f"it is {found}", *others
            )

        stack: list[tuple[ResultTree, tree.Type]] = [(result, declared)]
        packs = self._packs(prepared)
        while stack:
            part, type_ = stack.pop()
            if isinstance(type_, tree.TupleType):
                if isinstance(part, int) or len(part) != len(type_.items):
                    raise wrong(type_, "one array" if isinstance(part, int) else f"{len(part)} results")
                stack += zip(part, type_.items, strict=True)
                continue
            if not isinstance(part, int):
                raise wrong(type_, f"{len(part)} results")
            found = program.results[part]
            text = f"{found.dtype}[{', '.join(map(str, found.extents))}]" if found.extents else str(found.dtype)
            tensor = tree.TensorType(type_.span, "bool", type_.span, ()) if isinstance(type_, tree.StaticType) else type_
            pack = packs.get(next((d.name for d in tensor.dims if isinstance(d, tree.Splice)), None))
            fixed = sum(not is_pack(d) for d in tensor.dims)
            free = [*found.extents][: max(0, len(found.extents) - fixed)]
            wanted = extents_of(tensor, free if pack is None else pack, lambda axis: "_")
            checked = zip(found.extents, wanted, strict=False)
            same = len(wanted) == len(found.extents) and all(a is b or b is size("_") for a, b in checked)
            if found.dtype is not dtype_of(tensor) or not same:
                raise wrong(type_, text)

    def _packs(self, prepared: Prepared) -> dict[str | None, list[Poly]]:
        """The axes that each named `...S` of the signature stands for; unnamed ones are independent."""
        found: dict[str | None, list[Poly]] = {}
        for parameter, type_ in self._types.items():
            leaf = prepared.values.get(parameter)
            if isinstance(leaf, _Leaf):
                for name, extents in pack_extents(type_, prepared.leaves[leaf.position].ndim).items():
                    found.setdefault(name, extents)
        return found


def pack_extents(type_: tree.TensorType, rank: int, name: str = "") -> dict[str | None, list[Poly]]:
    """The sizes of the axes that a type's `...` covers in an array of a rank, by the name of the pack."""
    pack = next((d for d in type_.dims if isinstance(d, tree.Splice)), None)
    if pack is None:
        return {}
    count = max(0, rank - sum(not is_pack(d) for d in type_.dims))
    return {pack.name: [size(f"{pack.name}{n}" if pack.name else f"{name}_{n}") for n in range(count)]}


def _python_signature(function: Callable[..., Any]) -> inspect.Signature:
    """The parameters of a function; those of a built-in that does not tell them are whatever is given."""
    try:
        return inspect.signature(function)
    except ValueError:
        kinds = inspect.Parameter
        return inspect.Signature([kinds("args", kinds.VAR_POSITIONAL), kinds("kwargs", kinds.VAR_KEYWORD)])


def _name(function: Callable[..., Any]) -> str:
    """A name that is one in .tx too; an object that is called (a torch module, a partial) has that of its type."""
    found = str(getattr(function, "__name__", type(function).__name__))
    return found if found.isidentifier() else "function"


def _static_names(function: Callable[..., Any], python: inspect.Signature, static: Sequence[str] | str) -> tuple[str, ...]:
    names = (static,) if isinstance(static, str) else tuple(static)
    for name in names:
        if name not in python.parameters:
            raise TypeError(f"`static` names `{name}`, which is no parameter of `{_name(function)}`{suggestion(name, python.parameters)}")
    return names


def _signature_text(program: Program, result: ResultTree) -> str:
    """The types of one instance: `f32[x_0, 4] -> f32[x_0]`."""

    def text(dtype: DType, extents: Sequence[Poly]) -> str:
        return f"{dtype}[{', '.join(map(str, extents))}]" if extents else str(dtype)

    def results(part: ResultTree) -> str:
        if isinstance(part, int):
            return text(program.results[part].dtype, program.results[part].extents)
        return f"({', '.join(map(results, part))})"

    return f"{', '.join(text(i.dtype, i.extents) for i in program.inputs)} -> {results(result)}"


# Arguments as leaves.


class _Leaf:
    """An array among the arguments: the position of its input, and for a Python number the type that it has."""

    __slots__ = ("number", "position")

    def __init__(self, position: int, number: type | None = None) -> None:
        self.position = position
        self.number = number


class _Tree:
    """A tuple, list or dict with arrays in it."""

    __slots__ = ("parts", "type")

    def __init__(self, type_: type, parts: dict[Any, Any]) -> None:
        self.type = type_
        self.parts = parts


_NATIVE = frozenset(t.numpy for t in DTYPES.values())


def _ones(shape: Sequence[int]) -> frozenset[int]:
    """The axes of size 1."""
    return frozenset([axis for axis, extent in enumerate(shape) if extent == 1]) if 1 in shape else frozenset()


class _Leaves:
    """Takes arguments apart into arrays, in order, and a key of all else."""

    def __init__(self, definition: TracedDefinition) -> None:
        self.definition = definition
        self.key: list[Hashable] = []
        self.leaves: list[Any] = []
        self.torch = self.specs = False

    def argument(self, name: str, value: Any, kind: Any) -> Any:
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            self.key.append((name, len(value), *(value if isinstance(value, dict) else ())))
            return _Tree(type(value), {k: self.value(f"{name}[{k!r}]", v, None) for k, v in items})
        self.key.append(name)
        if name in self.definition.static:
            return self._static(name, value)
        return self.value(name, value, self.definition._types.get(name))

    def value(self, name: str, value: Any, type_: tree.TensorType | None) -> Any:
        if type_ is None and type(value) is np.ndarray and value.dtype in _NATIVE:
            return self._leaf(value, value.dtype, value.ndim, _ones(value.shape), "", None, value)
        what = label(name, self.definition.name)
        if isinstance(value, (tuple, list, dict)) and type_ is None and _holds_array(value):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            self.key.append((type(value), len(value), *(value if isinstance(value, dict) else ())))
            return _Tree(type(value), {k: self.value(f"{name}[{k!r}]", v, None) for k, v in items})
        if arrays.is_number(value) and (type_ is not None or not isinstance(value, bool)):
            return self._number(value, what, type_)
        if isinstance(value, Spec):
            self.specs = True
            return self._leaf(
                value, value.dtype, value.ndim, frozenset(a for a, e in enumerate(value.extents) if e is poly(1)), what, type_, value
            )
        if arrays.is_array(value):
            self.torch = self.torch or arrays.is_torch(value)
            array = arrays.view(value, what)
            return self._leaf(array, array.dtype, array.ndim, _ones(array.shape), what, type_, value)
        if type_ is None and _is_static(value):
            return self._static(name, value)
        raise arrays.refusal(value, what, "; what is no array is named in `static=`")

    def _leaf(self, leaf: Any, dtype: Any, rank: int, ones: frozenset[int], what: str, type_: tree.TensorType | None, given: Any) -> _Leaf:
        if type_ is not None:
            self._check(leaf, what, type_, given)
            ones = frozenset()
        self.key.append((dtype.numpy if isinstance(dtype, DType) else dtype, rank, ones))
        self.leaves.append(leaf)
        return _Leaf(len(self.leaves) - 1)

    def _check(self, leaf: Any, what: str, type_: tree.TensorType, given: Any) -> None:
        dtype = leaf.dtype if isinstance(leaf, Spec) else arrays.dtype_of(leaf)
        text, wanted = " ".join(type_.span.text.split()), dtype_of(type_)
        if dtype is not wanted:
            raise DTypeError(f"{what} is {text}; it got {dtype}, write `{cast_hint(given, wanted)}`")
        fixed = sum(not is_pack(d) for d in type_.dims)
        if leaf.ndim < fixed or (leaf.ndim > fixed and not any(map(is_pack, type_.dims))):
            raise ShapeError(f"{what} is {text}; it got {leaf.ndim} axes ({list(leaf.shape)})")

    def _number(self, value: Any, what: str, type_: tree.TensorType | None) -> _Leaf:
        if type_ is not None:
            if type_.dims and not all(map(is_pack, type_.dims)):
                raise ShapeError(f"{what} is {' '.join(type_.span.text.split())}; a number has no axes, write `np.full(shape, x)`")
            array = arrays.number(value, dtype_of(type_), what)
            self.key.append((array.dtype, 0, frozenset()))
            self.leaves.append(array)
            return _Leaf(len(self.leaves) - 1)
        self.key.append(("number", type(value).__name__))
        self.leaves.append(arrays.number(value, i64 if isinstance(value, int) else f64, what))
        return _Leaf(len(self.leaves) - 1, type(value))

    def _static(self, name: str, value: Any) -> Any:
        try:
            self.key.append(exact(value))
        except TypeError:
            raise TypeError(f"{label(name, self.definition.name)} is static, and a {type(value).__name__} cannot be hashed") from None
        return value


def _holds_array(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(map(_holds_array, value))
    if isinstance(value, dict):
        return any(map(_holds_array, value.values()))
    return isinstance(value, Spec) or arrays.is_array(value)


def _is_static(value: Any) -> bool:
    """Whether a value that is no array may be a part of the key: what programs commonly depend on."""
    if isinstance(value, tuple):
        return all(isinstance(v, (int, str, type(None), tuple)) for v in value)
    return value is None or isinstance(value, (bool, str, slice)) or callable(value) or as_dtype(value) is not None


class _Inputs:
    """Puts tracers in the places of the leaves."""

    def __init__(self, made: Trace, definition: TracedDefinition, names: list[str], leaves: Sequence[Any]) -> None:
        self.made = made
        self.definition = definition
        self.names = names
        self.leaves = leaves

    def rebuild(self, name: str, value: Any) -> Any:
        if isinstance(value, _Leaf):
            return self._tracer(name, value)
        if not isinstance(value, _Tree):
            return value
        parts = {k: self.rebuild(f"{name}[{k!r}]", v) for k, v in value.parts.items()}
        return parts if value.type is dict else value.type(parts.values())

    def _tracer(self, name: str, leaf: _Leaf) -> Any:
        self.names.append(name)
        identifier = _identifier(name)
        given = self.leaves[leaf.position]
        dtype = given.dtype if isinstance(given, Spec) else arrays.dtype_of(given)
        if leaf.number is not None:
            return self.made.weak_input(identifier, dtype)
        type_ = self.definition._types.get(name)
        if type_ is not None:
            pack = next(iter(pack_extents(type_, given.ndim, identifier).values()), [])
            return self.made.input(identifier, dtype, extents_of(type_, pack, f"{identifier}_{{}}".format))
        shape = [1 if e is poly(1) else None for e in given.extents] if isinstance(given, Spec) else given.shape
        extents = [poly(1) if e == 1 else size(f"{identifier}_{axis}") for axis, e in enumerate(shape)]
        self.made.not_one.update(e for e in extents if e is not poly(1))
        return self.made.input(identifier, dtype, extents)


def _identifier(name: str) -> str:
    """A leaf's path as a name of the language: `params['w']` is params_w."""
    return "_".join(part for part in "".join(c if c.isalnum() else " " if c != "_" else "_" for c in name).split())
