"""What an expression means while a program is built: a typed array as an index rule, or a value known when compiling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tensorc.algebra import Index, Poly, fresh, poly
from tensorc.dtypes import DType, Operand
from tensorc.ir import build
from tensorc.ir.tensor import Const, Scalar, Tensor
from tensorc.ir.walk import indices

if TYPE_CHECKING:
    from tensorc.elaborate.units import Unit
    from tensorc.syntax import tree


@dataclass(frozen=True, eq=False)
class Array:
    """The rule array[axes] = body. Indices in the body that are no axis belong to index definitions around it.

    `weak` arrays are made of literals, dims and bound indices alone: i64, f64 or bool, giving way to the other operand's dtype.
    """

    axes: tuple[Index, ...]
    body: Scalar
    weak: bool = False

    @property
    def dtype(self) -> DType:
        return self.body.dtype

    @property
    def rank(self) -> int:
        return len(self.axes)

    @cached_property
    def extents(self) -> tuple[Poly, ...]:
        return tuple([a.extent for a in self.axes])

    @cached_property
    def free(self) -> tuple[Index, ...]:
        """The indices of enclosing index definitions that the array depends on."""
        return tuple(sorted(indices(self.body).difference(self.axes), key=lambda a: a.level))

    @property
    def operand(self) -> Operand:
        """How the array ranks in promotion: an element under a bound index ranks as its tensor."""
        return Operand(self.dtype, rank_zero=not self.axes and not self.free, weak=self.weak)

    def at(self, subscripts: tuple[Poly, ...]) -> Scalar:
        """The element at the subscripts."""
        from tensorc.ir.walk import rewrite

        return rewrite(self.body, dict(zip(self.axes, subscripts, strict=True)), lambda moved: build.load(moved.tensor, moved.subscripts))

    def renewed(self) -> Array:
        """The same array under axes of its own, where two arrays' axes come to stand side by side."""
        axes = tuple(fresh(e) for e in self.extents)
        return Array(axes, self.at(tuple(map(poly, axes))), self.weak)

    def tensor(self) -> Tensor:
        """The array as one tensor, with the free indices as leading axes."""
        return build.define((*self.free, *self.axes), self.body)


def of_tensor(tensor: Tensor, prefix: tuple[Index, ...] = ()) -> Array:
    """tensor[prefix...] as an array of the remaining axes."""
    axes = tuple(fresh(e) for e in tensor.extents[len(prefix) :])
    return Array(axes, build.load(tensor, tuple(map(poly, (*prefix, *axes)))))


def scalar(body: Scalar, weak: bool = False) -> Array:
    return Array((), body, weak)


@dataclass(frozen=True, eq=False)
class List:
    """`[a, b]`, before it is known to be an array, dims or axes. A splice of dims stands as its dims."""

    items: tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Tuple:
    """Several results, or a static tuple."""

    items: tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Routine:
    """A function of a file."""

    unit: Unit
    function: tree.Function


@dataclass(frozen=True, eq=False)
class Builtin:
    """A function of the library that is written in Python: `call(context, *arguments)` with the parameters of `signature` in order."""

    name: str
    parameters: tuple[tuple[str, Any], ...]  # (name, default or MISSING)
    call: Callable[..., Value]
    variadic: bool = False


@dataclass(frozen=True, eq=False)
class Transformed:
    """A function made of a function: `grad(f, wrt="w")`. `kind` is the transform's name, `option` its `wrt` or `in_axes`."""

    kind: str
    function: Routine | Builtin | Transformed
    option: Value


@dataclass(frozen=True, eq=False)
class Namespace:
    """An imported module."""

    name: str
    unit: Unit


class Poison:
    """The value of a name whose definition was wrong: using it reports nothing more."""


POISON = Poison()


class Missing:
    """No argument was given."""

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"


MISSING = Missing()

Value = Array | List | Tuple | Routine | Builtin | Transformed | Namespace | Poison | str | DType | None


def static_integer(value: Value) -> Poly | None:
    """The value as an integer known at the call: a literal, dims, and arithmetic on those."""
    from tensorc.algebra import is_static

    if isinstance(value, Array) and value.weak and not value.axes and value.dtype.is_integer:
        found = build.number(value.body)
        return found if found is not None and is_static(found) else None
    return None


def static_constant(value: Value) -> float | int | bool | None:
    """The value as a Python number, where it is known when compiling."""
    if isinstance(value, Array) and value.weak and isinstance(value.body, Const):
        return value.body.value
    return None


def static_value(value: Value) -> object:
    """What tells static values apart by `==`: a number, bool, string, dtype or none, and for a tensor itself."""
    if isinstance(value, Array):
        known = static_constant(value)
        return value if known is None else (isinstance(known, bool), known)
    return value


def describe(value: Value) -> str:
    """The value's type as messages show it: `f32[N, M]`."""
    match value:
        case Array(axes, body, weak):
            dims = f"[{', '.join(str(a.extent) for a in axes)}]" if axes else ""
            if weak and not axes:
                return {0: "a bool", 1: "an integer", 2: "a number"}[body.dtype.category]
            return f"{body.dtype}{dims}"
        case List(items):
            return f"a list of {len(items)}"
        case Tuple(items):
            return f"({', '.join(map(describe, items))})"
        case Routine() | Builtin() | Transformed():
            return "a function"
        case Namespace():
            return "a module"
        case str():
            return "a string"
        case None:
            return "none"
        case DType():
            return f"the dtype {value}"
        case _:
            return "an unknown value"
