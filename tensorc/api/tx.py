"""Functions of .tx files: arguments are held against the declared types; dtypes, ranks and static values together choose a program."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.api.definition import Instance, Prepared, bind, cast_hint, exact, label, static
from tensorc.api.specs import Spec, is_pack
from tensorc.dtypes import DTYPES, KINDS, DType, f32
from tensorc.elaborate import MISSING, ArgumentType, instantiate, signature
from tensorc.elaborate.context import Context
from tensorc.elaborate.expressions import Evaluator, Scope, run
from tensorc.elaborate.values import static_constant
from tensorc.errors import DTypeError, ShapeError
from tensorc.runtime import arrays
from tensorc.syntax import tree
from tensorc.syntax.show import show

if TYPE_CHECKING:
    from tensorc.elaborate import Unit


@dataclass(frozen=True)
class Parameter:
    """A parameter as calls see it. `type` is None for a static one, whose type is `static`."""

    name: str
    what: str
    type: tree.TensorType | None
    static: str | None
    kind: str | None  # of the dtype variable
    optional: bool
    none: bool  # the default is none, so none may be given

    @cached_property
    def dtype(self) -> DType | None:
        """The declared dtype; None where it is a variable."""
        return None if self.type is None else DTYPES.get(self.type.dtype)

    @cached_property
    def rank(self) -> int:
        """The number of axes declared, `...` not counted."""
        return 0 if self.type is None else sum(not is_pack(d) for d in self.type.dims)

    @cached_property
    def any_rank(self) -> bool:
        return self.type is not None and any(map(is_pack, self.type.dims))

    @cached_property
    def pack(self) -> str | None:
        """The name of the list of dims in the type."""
        return None if self.type is None else next((d.name for d in self.type.dims if isinstance(d, tree.Splice)), None)


@dataclass
class _Known:
    """What the arguments so far make of the dtype variables and lists of dims, and which argument did."""

    dtypes: dict[str, tuple[DType, str]] = field(default_factory=dict)
    packs: dict[str, tuple[int, str]] = field(default_factory=dict)


class TxDefinition:
    """The function of a name in a unit."""

    def __init__(self, unit: Unit, name: str) -> None:
        self.unit = unit
        self.name = name
        self.function = unit.functions[name]
        kinds = {t.name: t.kind for t in self.function.type_parameters}
        self.declared = tuple(_parameter(p, name, kinds) for p in self.function.parameters)
        self.parameters = tuple(p.name for p in self.declared)
        self.numbers = tuple(p.static is None for p in self.declared)
        self._required = [not p.optional for p in self.declared]

    @property
    def doc(self) -> str:
        return self.function.doc

    @property
    def source(self) -> str:
        return self.function.span.text

    @property
    def signature(self) -> str:
        return signature(self.function)

    def __reduce__(self) -> Any:
        from tensorc.api.module import packed

        return _restored, (*packed(self.unit), self.name)

    def ast(self) -> str:
        return show(self.function)

    @cached_property
    def _defaults(self) -> dict[str, int | float | bool]:
        """The defaults of tensor parameters, which are numbers, and inputs of the program like any other."""
        return {p.name: _number(self.unit, d) for p, d in zip(self.declared, self.function.parameters, strict=True) if p.type and d.default}

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Prepared:
        values: Sequence[Any] = args
        if kwargs or len(args) != len(self.declared):
            values = bind(self.name, self.parameters, self._required, args, kwargs, MISSING)
        key: list[Hashable] = []
        leaves: list[Any] = []
        torch = numbers = specs = False
        if any(v is MISSING for v in values):
            values = [self._defaults.get(p.name, MISSING) if v is MISSING else v for p, v in zip(self.declared, values, strict=True)]
        for p, value in zip(self.declared, values, strict=True):
            if value is MISSING:
                key.append(MISSING)
            elif p.static is not None:
                key.append(exact(static(value, p.static, p.what, p.none)))
            elif type(value) is np.ndarray:
                key.append((value.dtype, value.ndim))
                leaves.append(value)
            elif isinstance(value, Spec):
                specs = True
                key.append((value.dtype.numpy, value.ndim))
                leaves.append(value)
            elif arrays.is_number(value):
                numbers = True
                key.append(None)
                leaves.append(value)
            else:
                torch = torch or arrays.is_torch(value)
                array = arrays.view(value, p.what)
                key.append((array.dtype, array.ndim))
                leaves.append(array)
        if numbers:
            self._adapt(values, key, leaves)
        return Prepared(tuple(key), leaves, values, torch, specs)

    def _adapt(self, values: Sequence[Any], key: list[Hashable], leaves: list[Any]) -> None:
        """Make the Python numbers arrays of their parameters' dtypes; a dtype variable is what the other arguments make it."""
        variables: dict[str, DType] = {}
        given = [p for p, v in zip(self.declared, values, strict=True) if v is not MISSING and p.static is None]
        for p, leaf in zip(given, leaves, strict=True):
            if p.type is not None and p.dtype is None and not arrays.is_number(leaf):
                variables.setdefault(p.type.dtype, leaf.dtype if isinstance(leaf, Spec) else arrays.dtype_of(arrays.view(leaf, p.what)))
        for number, (p, leaf) in enumerate(zip(given, leaves, strict=True)):
            if p.type is None or not arrays.is_number(leaf):
                continue
            if p.rank:
                raise ShapeError(f"{p.what} is {_type_text(p.type)}, with {_axes(p.rank)}; a number has none, write `np.full(shape, x)`")
            dtype = p.dtype or variables.get(p.type.dtype)
            if dtype is None:
                dtype = f32 if p.kind == "float" else arrays.natural_dtype(leaf)
                variables[p.type.dtype] = dtype
            leaves[number] = arrays.number(leaf, dtype, p.what)
        positions = [n for n, (p, v) in enumerate(zip(self.declared, values, strict=True)) if v is not MISSING and p.static is None]
        for position, leaf in zip(positions, leaves, strict=True):
            if key[position] is None:
                key[position] = (leaf.dtype, 0)

    def instantiate(self, prepared: Prepared) -> Instance:
        arguments: list[Any] = []
        leaves = iter(prepared.leaves)
        known = _Known()
        for p, value in zip(self.declared, prepared.values, strict=True):
            if value is MISSING:
                arguments.append(MISSING)
            elif p.static is not None:
                arguments.append(static(value, p.static, p.what, p.none))
            else:
                leaf = next(leaves)
                dtype = leaf.dtype if isinstance(leaf, Spec) else arrays.dtype_of(arrays.view(leaf, p.what))
                self._check(p, value, dtype, leaf.ndim, known)
                arguments.append(ArgumentType(dtype, leaf.ndim))
        made = instantiate(self.unit, self.name, arguments)
        return Instance(made.program, made.result, made.signature, tuple(i.name for i in made.program.inputs))

    def _check(self, p: Parameter, value: Any, dtype: DType, rank: int, known: _Known) -> None:
        """Raise DTypeError or ShapeError where an argument's dtype or rank is not the declared one."""
        assert p.type is not None
        text = _type_text(p.type)
        if p.dtype is None:
            wanted, by = known.dtypes.setdefault(p.type.dtype, (dtype, p.name))
            if dtype is not wanted:
                hint = cast_hint(value, wanted)
                raise DTypeError(f"{p.what} is {text}, and {p.type.dtype} is {wanted} by `{by}`; it got {dtype}, write `{hint}`")
            if dtype not in KINDS[p.kind or "any"]:
                raise DTypeError(f"{p.what} is {text}, where {p.type.dtype} is of the kind `{p.kind}`; it got {dtype}")
        elif dtype is not p.dtype:
            raise DTypeError(f"{p.what} is {text}; it got {dtype}, write `{cast_hint(value, p.dtype)}`")
        if rank < p.rank or (rank > p.rank and not p.any_rank):
            least = "at least " if p.any_rank else ""
            got = f" ({list(value.shape)})" if hasattr(value, "shape") else ""
            raise ShapeError(f"{p.what} is {text}, with {least}{_axes(p.rank)}; it got {_axes(rank)}{got}")
        if p.pack is not None:
            count, by = known.packs.setdefault(p.pack, (rank - p.rank, p.name))
            if rank - p.rank != count:
                raise ShapeError(f"{p.what} is {text}, where `...{p.pack}` is {_axes(count)} by `{by}`; it got {_axes(rank)}")

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        from tensorc.frontend.trace import current_trace

        return current_trace(args, kwargs).call_function(self.unit, self.name, args, kwargs)

    def representative(self) -> Prepared | None:
        specs: dict[str, Any] = {}
        for p in self.declared:
            if p.type is not None:
                dtype = p.dtype or KINDS[p.kind or "any"][0]
                rank = p.rank + (1 if p.any_rank else 0)
                from tensorc.algebra import size

                specs[p.name] = Spec(dtype, tuple(size(f"{p.name}_{axis}") for axis in range(rank)))
            elif not p.optional:
                return None
        return self.prepare((), specs)


def _number(unit: Unit, parameter: tree.Parameter) -> int | float | bool:
    """The default of a tensor parameter."""
    assert parameter.default is not None
    context = Context()
    found = static_constant(run(Evaluator(context).expression(parameter.default, Scope(unit))))
    if found is None:
        raise context.error("E0604", f"the default of `{parameter.name}` is a number, known when compiling", parameter.default.span)
    return found


def _restored(texts: tuple[tuple[str, str], ...], unit: str, name: str) -> TxDefinition:
    from tensorc.api.module import unpacked

    return TxDefinition(unpacked(texts, unit), name)


def _parameter(p: tree.Parameter, function: str, kinds: Mapping[str, str]) -> Parameter:
    what = label(p.name, function)
    optional = p.default is not None
    if isinstance(p.type, tree.StaticType):
        return Parameter(p.name, what, None, p.type.name, None, optional, isinstance(p.default, tree.NoneLiteral))
    assert isinstance(p.type, tree.TensorType), "the checker lets no other type stand at a parameter"
    return Parameter(p.name, what, p.type, None, kinds.get(p.type.dtype), optional, False)


def _type_text(type_: tree.TensorType) -> str:
    return " ".join(type_.span.text.split())


def _axes(rank: int) -> str:
    return "no axes" if rank == 0 else f"{rank} ax{'i' if rank == 1 else 'e'}s"
