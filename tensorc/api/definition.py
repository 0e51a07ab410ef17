"""What a Function is a function of: how arguments are read, and how the program for a kind of arguments is made."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tensorc.api.specs import Spec
from tensorc.dtypes import DType
from tensorc.elaborate import ResultTree
from tensorc.errors import DTypeError, suggestion
from tensorc.ir.program import Program
from tensorc.runtime import arrays


@dataclass(slots=True)
class Prepared:
    """The arguments of one call.

    `key` is all that a program depends on; `leaves` are the arrays for its inputs in order, Specs may stand for them; `values` is what the
    definition needs to make the program.
    """

    key: Hashable
    leaves: list[Any]
    values: Any
    torch: bool = False
    has_specs: bool = False

    @property
    def specs(self) -> dict[int, Spec]:
        return {n: leaf for n, leaf in enumerate(self.leaves) if isinstance(leaf, Spec)}


@dataclass(frozen=True)
class Instance:
    """The program for one key. `names` are what messages call its inputs.

    `captured` are arrays that a traced function closes over: further inputs, behind the leaves.
    """

    program: Program
    result: ResultTree
    signature: str
    names: tuple[str, ...]
    captured: tuple[Any, ...] = ()


class Definition(Protocol):
    """A function's meaning. All of it may be called from several threads."""

    @property
    def name(self) -> str: ...

    @property
    def doc(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def signature(self) -> str: ...

    @property
    def parameters(self) -> tuple[str, ...]: ...

    @property
    def numbers(self) -> tuple[bool, ...]:
        """For each parameter, whether a Python number for it is data: an input of the program, and no part of the key."""
        ...

    def ast(self) -> str:
        """The syntax tree as text."""
        ...

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Prepared:
        """The arguments as inputs and a key. TypeError, DTypeError or ShapeError for wrong ones; Specs may stand for arrays."""
        ...

    def instantiate(self, prepared: Prepared) -> Instance:
        """The program for the arguments' key. CompileError where there is none."""
        ...

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The function applied to tracers, as a part of the program that is traced."""
        ...

    def representative(self) -> Prepared | None:
        """Arguments of the declared types, to look at the stages before any call; None where too little is declared."""
        ...


class Derived:
    """What definitions that are made of another one have of it. `kind` says what they make of it."""

    kind: str
    inner: Definition

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.inner.name}"

    @property
    def doc(self) -> str:
        return f"{self.kind} of {self.inner.name}. {self.inner.doc}".strip()

    @property
    def source(self) -> str:
        return self.inner.source

    @property
    def signature(self) -> str:
        return f"{self.kind}({self.inner.signature})"

    @property
    def parameters(self) -> tuple[str, ...]:
        return self.inner.parameters

    @property
    def numbers(self) -> tuple[bool, ...]:
        return self.inner.numbers

    def ast(self) -> str:
        return self.inner.ast()

    def representative(self) -> Prepared | None:
        return None


def bind(
    function: str, parameters: Sequence[str], required: Sequence[bool], args: Sequence[Any], kwargs: Mapping[str, Any], missing: Any
) -> list[Any]:
    """The value of each parameter, `missing` where none is given. TypeError as Python raises it, with names."""
    if len(args) > len(parameters):
        takes = (
            f"{len(parameters)} argument{'' if len(parameters) == 1 else 's'} ({', '.join(parameters)})" if parameters else "no arguments"
        )
        raise TypeError(f"`{function}` takes {takes}, but {len(args)} were given")
    values = [*args, *[missing] * (len(parameters) - len(args))]
    for name, value in kwargs.items():
        if name not in parameters:
            raise TypeError(f"`{function}` has no parameter `{name}`{suggestion(name, parameters)}; it has {', '.join(parameters)}")
        position = parameters.index(name)
        if position < len(args):
            raise TypeError(f"`{function}` was given parameter `{name}` twice, by position and by keyword")
        values[position] = value
    absent = [f"`{n}`" for n, v, r in zip(parameters, values, required, strict=True) if r and v is missing]
    if absent:
        raise TypeError(f"`{function}` lacks its argument{'' if len(absent) == 1 else 's'} {' and '.join(absent)}")
    return values


def split_out(kwargs: Mapping[str, Any], takes_out: bool) -> tuple[Any, Mapping[str, Any]]:
    """(the arrays to write to, the other keywords); `takes_out`: `out` is a parameter like any other."""
    if takes_out or "out" not in kwargs:
        return None, kwargs
    return kwargs["out"], {name: value for name, value in kwargs.items() if name != "out"}


def label(name: str, function: str) -> str:
    """What messages call a parameter."""
    return f"parameter `{name}` of `{function}`"


def cast_hint(value: Any, dtype: DType) -> str:
    """How the caller turns the value into one of the dtype."""
    if arrays.is_torch(value):
        return f"x.to(torch.{arrays.torch_name(dtype)})"
    return "x.astype(ml_dtypes.bfloat16)" if dtype.name == "bf16" else f"x.astype(np.{dtype.numpy.name})"


# Static values.

STATIC_TYPES = ("int", "float", "bool", "str", "dtype", "dims", "axes")


def static(value: Any, type_: str, what: str, optional: bool) -> Any:
    """The value of a static parameter as an int, float, bool, str, DType, None or tuple of ints. DTypeError for another type."""
    if value is None and (optional or type_ in ("axes", "dims")):
        return None
    found = _READ[type_](value)
    if found is None:
        got = f"the array {arrays.dtype_of(value)}" if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else f"{value!r}"
        raise DTypeError(f"{what} is a static {_MEANING[type_]}, known when compiling; it cannot be {got}")
    return found


_MEANING = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "str": "str",
    "dtype": "dtype (`tc.f32` or its name)",
    "dims": "list of sizes",
    "axes": "axis or tuple of axes",
}


def _integer(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None


def _float(value: Any) -> float | None:
    if isinstance(value, (float, np.floating)):
        return float(value)
    integer = _integer(value)
    return None if integer is None else float(integer)


def _dtype(value: Any) -> DType | None:
    return as_dtype(value)


def _integers(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, (tuple, list)):
        return None
    found = [_integer(v) for v in value]
    return None if None in found else tuple(v for v in found if v is not None)


def _axes(value: Any) -> int | tuple[int, ...] | None:
    integer = _integer(value)
    return _integers(value) if integer is None else integer


_READ: dict[str, Any] = {
    "int": _integer,
    "float": _float,
    "bool": lambda v: bool(v) if isinstance(v, (bool, np.bool_)) else None,
    "str": lambda v: v if isinstance(v, str) else None,
    "dtype": _dtype,
    "dims": lambda v: _integers([v] if _integer(v) is not None else v),
    "axes": _axes,
}


def as_dtype(value: Any) -> DType | None:
    """The dtype that a caller means: tensorc's own or its name, NumPy's, or torch's; None for anything else."""
    from tensorc.dtypes import DTYPES, from_numpy

    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in DTYPES:
        return DTYPES[value]
    if isinstance(value, np.dtype) or (isinstance(value, type) and (issubclass(value, np.generic) or value.__module__ == "ml_dtypes")):
        return from_numpy(value)
    return arrays.torch_dtype(value)


def exact(value: Any) -> Hashable:
    """A key for a static value: 1, 1.0 and True differ, and so do 0.0 and -0.0. TypeError where it cannot be hashed."""
    if isinstance(value, (tuple, list)):
        return (type(value), *map(exact, value))
    if isinstance(value, dict):
        return (dict, *((exact(k), exact(v)) for k, v in value.items()))
    if isinstance(value, float):
        return float, value.hex()
    hash(value)
    return type(value), value
