"""`tc.spec("f32[B, 1024]")`, which stands for an array, and the signatures of traced functions: tensor types written by Python callers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from tensorc import algebra
from tensorc.algebra import Poly, Size, poly
from tensorc.diagnostics import error
from tensorc.dtypes import DTYPES, DType
from tensorc.errors import suggestion
from tensorc.source import Source, Span
from tensorc.syntax import tree


@dataclass(frozen=True)
class Spec:
    """A dtype and extents, in place of an array where only those matter. A name is any size, the same one throughout one call."""

    dtype: DType
    extents: tuple[Poly, ...]

    @property
    def ndim(self) -> int:
        return len(self.extents)

    @property
    def shape(self) -> tuple[int | str, ...]:
        return tuple(str(e) if e.constant is None else e.constant for e in self.extents)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.extents))}]" if self.extents else str(self.dtype)

    def __repr__(self) -> str:
        return f'spec("{self}")'


def spec(text: str) -> Spec:
    """The spec of a tensor type: `f32[B, 1024]`, `i64[2*N]`, `f32` (0-d), `f32[_, 3]`. CompileError where it is none."""
    from tensorc.syntax.parse import parse_type

    found = parse_type(Source("<spec>", text))
    for d in found.dims:
        if is_pack(d):
            raise error("E0913", "a spec has a fixed number of axes", d.span, help="write each: `f32[_, _, N]`")
    return Spec(dtype_of(found), extents_of(found, [], lambda axis: f"_{axis}"))


def dtype_of(type_: tree.TensorType) -> DType:
    """The dtype that a tensor type names."""
    if type_.dtype not in DTYPES:
        raise error(
            "E0407",
            f"there is no dtype `{type_.dtype}`{suggestion(type_.dtype, DTYPES)}",
            type_.dtype_span,
            help=f"the dtypes are {' '.join(DTYPES)}",
        )
    return DTYPES[type_.dtype]


def is_pack(dim: tree.Dim) -> bool:
    """Whether the dim is `...` or `...S`: any number of axes."""
    return isinstance(dim, tree.Splice)


def extents_of(type_: tree.TensorType, pack: list[Poly], unnamed: Callable[[int], str]) -> tuple[Poly, ...]:
    """The extents that a tensor type writes, with `pack` in the place of `...`; `unnamed` names the size of a `_` at an axis."""
    found: list[Poly] = []
    for dim in type_.dims:
        if isinstance(dim, tree.Splice):
            found += pack
        elif isinstance(dim, tree.Wildcard):
            found.append(algebra.size(unnamed(len(found))))
        else:
            found.append(_extent(dim))
    return tuple(found)


def _extent(dim: tree.Expr | tree.Wildcard) -> Poly:
    match dim:
        case tree.Number(value=value) if isinstance(value, int):
            return poly(value)
        case tree.Name(name=name):
            return algebra.size(name)
        case tree.Unary(operator="-", operand=operand):
            return -_extent(operand)
        case tree.Binary(operator=operator, left=left, right=right) if operator in _ARITHMETIC:
            return _ARITHMETIC[operator](_extent(left), _extent(right))
        case _:
            raise error("E0913", "a dim is a number, a name, or arithmetic on those", dim.span)


_ARITHMETIC: dict[str, Callable[[Poly, Poly], Poly]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


@dataclass(frozen=True)
class Signature:
    """`f32[B, N], f32[N] -> f32[B, N]`."""

    source: Source
    parameters: tuple[tree.TensorType, ...]
    returns: tree.Type | None

    @property
    def span(self) -> Span:
        return Span(self.source, 0, len(self.source.text))

    def __str__(self) -> str:
        return " ".join(self.source.text.split())


def signature(text: str) -> Signature:
    """The signature that a traced function is given; every parameter must be a tensor type. CompileError where it is none."""
    from tensorc.syntax.parse import parse_signature

    source = Source("<signature>", text)
    parameters, returns = parse_signature(source)
    tensors = [_tensor_type(p) for p in parameters]
    for p in tensors:
        dtype_of(p)
        if sum(map(is_pack, p.dims)) > 1:
            raise error("E0914", "one `...` in a type", p.span)
    _check_bound(tensors, returns)
    return Signature(source, tuple(tensors), returns)


def _tensor_type(type_: tree.Type) -> tree.TensorType:
    match type_:
        case tree.TensorType():
            return type_
        case tree.StaticType(span=span, name="bool"):
            return tree.TensorType(span, "bool", span, ())
        case tree.StaticType(span=span, name=name):
            raise error(
                "E0910",
                f"`{name}` is no tensor type",
                span,
                help=f"leave the parameter out of the signature and name it in `static=`; the dtypes are {' '.join(DTYPES)}",
            )
        case tree.TupleType(span=span):
            raise error("E0910", "a parameter is one tensor", span)
        case _:
            assert_never(type_)


def _check_bound(parameters: list[tree.TensorType], returns: tree.Type | None) -> None:
    """Every name in a dim must stand alone in the dims of a parameter."""
    bound = {d.name for p in parameters for d in p.dims if isinstance(d, (tree.Name, tree.Splice)) and d.name}
    stack: list[Any] = [*parameters, *([returns] if returns is not None else [])]
    while stack:
        match stack.pop():
            case tree.TupleType(items=items):
                stack += items
            case tree.TensorType(dims=dims):
                stack += dims
            case tree.Binary(left=left, right=right):
                stack += (left, right)
            case tree.Unary(operand=operand):
                stack.append(operand)
            case tree.Name(span=span, name=name) | tree.Splice(span=span, name=str(name)) if name not in bound:
                label = "no parameter has an axis of just this name"
                raise error("E0203", f"the dim `{name}` is not bound", span, label, help=f"write an axis `{name}` in a parameter")
            case _:
                pass


def constrained(specs: Mapping[int, Spec], extents: Mapping[int, tuple[Poly, ...]]) -> list[tuple[int, int, Poly]]:
    """What specs say about the axes of a program's inputs beyond its own extents: (input, axis, what the axis must have).

    `extents` are the program's; a spec's names are made the program's where they first stand.
    """
    names: dict[algebra.Atom, Poly] = {}
    for number, given in specs.items():
        for axis, extent in enumerate(given.extents):
            if isinstance(extent.atom, Size):
                names.setdefault(extent.atom, extents[number][axis])
    found = []
    for number, given in specs.items():
        for axis, extent in enumerate(given.extents):
            wanted = algebra.substitute(extent, names)
            if wanted is not extents[number][axis]:
                found.append((number, axis, wanted))
    return found
