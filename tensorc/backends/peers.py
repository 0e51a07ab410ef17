"""Writes a program as a plain function of NumPy or PyTorch, definition by definition, so that its speed can be compared with theirs.

Reads become views where they can, products that are summed become `einsum`, and the rest is whole-array arithmetic, as one writes it by
hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

import numpy as np

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly, Quotient, Remainder, Size, poly
from tensorc.dtypes import DType, bool_, i64
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import (
    Apply,
    Const,
    Define,
    Input,
    Int,
    IsZero,
    Load,
    Nonnegative,
    Scalar,
    Scan,
    Scatter,
    Select,
    Sort,
    Stop,
    Tensor,
    View,
)

Library = Literal["numpy", "torch"]

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "remainder": "%", "pow": "**", "eq": "==", "ne": "!=", "lt": "<",
    "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|", "xor": "^", "shift_left": "<<", "shift_right": ">>",
}  # fmt: skip

_NUMPY = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "rsqrt": "1 / np.sqrt", "not": "~",
}  # fmt: skip
_TORCH = {"not": "~", "cbrt": "cbrt"}
_MISSING = {"numpy": ("erf", "erfc", "lgamma", "bitcast"), "torch": ("bitcast",)}
_REDUCE = {"sum": "sum", "prod": "prod", "max": "amax", "min": "amin", "any": "any", "all": "all"}
_SCAN = {"sum": "cumsum", "prod": "cumprod", "max": "cummax", "min": "cummin"}


class NoPeer(ValueError):
    """The program uses what the library has no function for."""


@dataclass(frozen=True)
class Peer:
    """A function of the inputs' arrays, in their order, and its text. It gives the tuple of the results."""

    text: str
    function: Callable[..., tuple[Any, ...]]


def peer(program: Program, library: Library) -> Peer:
    """The program as a function of a library's arrays. Raises NoPeer."""
    text = _Writer(program, library).text()
    names: dict[str, Any] = {"math": math}
    if library == "numpy":
        names["np"] = np
    else:
        import torch

        names["torch"] = torch
    exec(compile(text, f"<{program.name} by {library}>", "exec"), names)
    return Peer(text, names[_name(program.name)])


def _name(text: str) -> str:
    return text if text.isidentifier() else "f"


@dataclass
class _Writer:
    program: Program
    library: Library
    names: dict[Tensor, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def xp(self) -> str:
        return "np" if self.library == "numpy" else "torch"

    def text(self) -> str:
        for n, given in enumerate(self.program.inputs):
            self.names[given] = f"x{n}"
        bound: set[str] = set()
        for given in self.program.inputs:
            for axis, extent in enumerate(given.extents):
                if isinstance(extent.atom, Size) and extent.atom.name not in bound:
                    bound.add(extent.atom.name)
                    self.lines.append(f"{extent.atom.name} = {self.names[given]}.shape[{axis}]")
        for t in walk.topological(self.program.results):
            if t not in self.names:
                made = self._tensor(t)
                self.names[t] = f"t{len(self.names)}"
                self.lines.append(f"{self.names[t]} = {made}")
        results = "".join(f"{self.names[t]}, " for t in self.program.results)
        head = f"def {_name(self.program.name)}({', '.join(self.names[t] for t in self.program.inputs)}):"
        return "\n".join([head, *(f"    {line}" for line in self.lines), f"    return ({results})", ""])

    # Tensors.

    def _tensor(self, t: Tensor) -> str:
        match t:
            case Define():
                return self._define(t)
            case View(source, extents):
                return f"{self.names[source]}.reshape({self._shape(extents)})"
            case Scan(decay=None) if t.monoid in _SCAN:
                return self._scan(t)
            case Sort(keys, descending):
                if self.library == "torch":
                    return f"torch.argsort({self.names[keys]}, dim=-1, descending={descending}, stable=True)"
                turned = "-" if descending else ""
                return f"np.argsort({turned}{self.names[keys]}, -1, kind='stable')"
            case Stop(source):
                return self.names[source]
            case Scatter():
                return self._scatter(t)
            case Input() | Scan():
                raise NoPeer(f"{self.library} has no function for a recurrence")
            case _:
                assert_never(t)

    def _scan(self, t: Scan) -> str:
        name = self.names[t.source]
        if self.library == "torch":
            turned = f"{name}.flip(-1)" if t.reverse else name
            made = f"torch.{_SCAN[t.monoid]}({turned}, -1)" + ("[0]" if t.monoid in ("max", "min") else "")
            return f"{made}.flip(-1)" if t.reverse else made
        function = {"sum": "np.add", "prod": "np.multiply", "max": "np.maximum", "min": "np.minimum"}[t.monoid]
        along = "[..., ::-1]" if t.reverse else ""
        return f"{function}.accumulate({name}{along}, -1, dtype={name}.dtype){along}"

    def _scatter(self, t: Scatter) -> str:
        scope = _Scope(self, t.indices)
        places = ", ".join(f"_b({scope.number(p)})" for p in t.subscripts)
        shape = self._shape(t.iteration)
        name = f"t{len(self.names)}"
        base = f"{self.xp}.zeros({self._shape(t.extents)}, dtype={self._dtype(t.dtype)})" if t.base is None else self._copied(t.base)
        self.lines += [f"_b = lambda p: {self.xp}.broadcast_to({self._array('p', i64)}, {shape})", f"{name} = {base}"]
        value = f"{self.xp}.broadcast_to({self._array(scope.scalar(t.body), t.dtype)}, {shape})"
        if self.library == "torch":
            self.lines.append(f"{name}.index_put_(({places},), {value}, accumulate=True)")
        else:
            self.lines.append(f"np.add.at({name}, ({places},), {value})")
        return name

    def _copied(self, t: Tensor) -> str:
        return f"{self.names[t]}.{'clone' if self.library == 'torch' else 'copy'}()"

    def _define(self, t: Define) -> str:
        product = _product(t)
        if product is not None:
            letters = {a: chr(ord("a") + n) for n, a in enumerate((*t.indices, *t.reduced))}
            spelled = ["".join(letters[s.atom] for s in load.subscripts) for load in product]  # type: ignore[index]
            operands = ", ".join(self.names[load.tensor] for load in product)
            optimize = ", optimize=True" if self.library == "numpy" else ""
            return f"{self.xp}.einsum('{','.join(spelled)}->{''.join(letters[a] for a in t.indices)}', {operands}{optimize})"
        every = (*t.indices, *t.reduced)
        body = self._array(_Scope(self, every).scalar(t.body), t.body.dtype)
        shape = self._shape(tuple(a.extent for a in every))
        if t.monoid is None:
            return f"{self.xp}.broadcast_to({body}, {shape})" if _misses(t.body, every) else body
        if _misses(t.body, t.reduced):
            body = f"{self.xp}.broadcast_to({body}, {shape})"
        axes = tuple(range(len(t.indices), len(every)))
        if self.library == "torch" and t.monoid in ("prod", "any", "all"):
            made = body
            for axis in reversed(axes):
                made = f"{made}.{t.monoid}({axis})"
            return made
        if self.library == "torch":
            return f"{body}.{_REDUCE[t.monoid]}({axes})"
        function = {"amax": "max", "amin": "min"}.get(_REDUCE[t.monoid], _REDUCE[t.monoid])
        return f"np.asarray(({body}).{function}(axis={axes}))"

    # What values are written with.

    def _shape(self, extents: Sequence[Poly]) -> str:
        return "(" + "".join(f"{_number(e)}, " for e in extents) + ")"

    def _dtype(self, dtype: DType) -> str:
        if self.library == "numpy":
            return f"np.dtype('{'bool' if dtype is bool_ else dtype.numpy.name}')"
        return f"torch.{'bfloat16' if dtype.name == 'bf16' else 'bool' if dtype is bool_ else dtype.numpy.name}"

    def _array(self, value: str, dtype: DType) -> str:
        """A value as an array of its dtype, where it may be a number."""
        make = f"torch.as_tensor({value})" if self.library == "torch" else f"np.asarray({value})"
        return f"{make}.to({self._dtype(dtype)})" if self.library == "torch" else f"{make}.astype({self._dtype(dtype)}, copy=False)"


def _number(p: Poly) -> str:
    """A polynomial of sizes as Python has it."""

    def atom(a: Atom) -> str:
        match a:
            case Size(name):
                return name
            case Quotient(numerator, divisor):
                return f"(({_number(numerator)}) // ({_number(divisor)}))"
            case Remainder(numerator, divisor):
                return f"(({_number(numerator)}) % ({_number(divisor)}))"
            case _:
                raise NoPeer(f"{a} is no size")

    return " + ".join("*".join([str(c), *map(atom, m)]) for m, c in p.terms) or "0"


def _product(t: Define) -> tuple[Load, ...] | None:
    """The elements whose products a definition sums, each read at indices of its own."""
    match t.body:
        case Apply("mul", (Load() as a, Load() as b), _) if t.monoid == "sum" and t.dtype.is_float:
            for load in (a, b):
                found = [s.atom for s in load.subscripts]
                if not all(isinstance(x, Index) for x in found) or len(set(found)) < len(found):
                    return None
            return a, b
        case _:
            return None


def _misses(body: Scalar, axes: Sequence[Index]) -> bool:
    """Whether a body's value may lack an axis."""
    return not set(axes) <= walk.indices(body)


@dataclass
class _Scope:
    """The scalars of a definition as arrays with an axis for each index."""

    writer: _Writer
    axes: Sequence[Index]
    known: dict[Scalar, str] = field(default_factory=dict)

    def scalar(self, s: Scalar) -> str:
        found = self.known.get(s)
        if found is None:
            text = self._scalar(s)
            found = text
            if isinstance(s, (Apply, Select)) and len(text) > 40:
                found = f"v{len(self.writer.lines)}"
                self.writer.lines.append(f"{found} = {text}")
            self.known[s] = found
        return found

    def _scalar(self, s: Scalar) -> str:
        match s:
            case Const(value, _):
                return repr(value) if not isinstance(value, float) or math.isfinite(value) else f"float('{value}')"
            case Int(p):
                return f"({self.number(p)})"
            case Nonnegative(p):
                return f"(({self.number(p)}) >= 0)"
            case IsZero(p):
                return f"(({self.number(p)}) == 0)"
            case Load(t, subscripts):
                return self._load(t, subscripts)
            case Select(condition, then, otherwise):
                test = self.writer._array(self.scalar(condition), bool_)
                return f"{self.writer.xp}.where({test}, {self.scalar(then)}, {self.scalar(otherwise)})"
            case Apply(operation, arguments, dtype):
                return self._apply(operation, arguments, dtype)
            case _:
                assert_never(s)

    def _apply(self, operation: str, arguments: Sequence[Scalar], dtype: DType) -> str:
        library = self.writer.library
        texts = [self.scalar(a) for a in arguments]
        if operation in _MISSING[library]:
            raise NoPeer(f"{library} has no `{operation}`")
        if operation == "cast":
            return self.writer._array(texts[0], dtype)
        if operation == "neg":
            return f"(-{texts[0]})"
        if operation == "div" and dtype.is_float:
            return f"({texts[0]} / {texts[1]})"
        if operation in _INFIX:
            return f"({texts[0]} {_INFIX[operation]} {texts[1]})"
        name = (_NUMPY if library == "numpy" else _TORCH).get(operation, operation)
        given = ", ".join(self.writer._array(text, a.dtype) for text, a in zip(texts, arguments, strict=True))
        if operation == "cbrt" and library == "torch":
            return f"torch.sign({given}) * torch.abs({given}) ** (1 / 3)"
        return f"({name}({given}))" if not name.isidentifier() else f"{self.writer.xp}.{name}({given})"

    # Reads.

    def _load(self, t: Tensor, subscripts: Sequence[Poly]) -> str:
        name = self.writer.names[t]
        if not subscripts:
            return name
        found = self._view(t, subscripts)
        if found is not None:
            return f"{name}{found}"
        places = ", ".join(self._clamped(p, e) for p, e in zip(subscripts, t.extents, strict=True))
        return f"{name}[{places}]"

    def _view(self, t: Tensor, subscripts: Sequence[Poly]) -> str | None:
        """The slices and the order of axes that a read is; None where it is none."""
        slices, order = [], []
        for s, extent in zip(subscripts, t.extents, strict=True):
            inside = [a for a in self.axes if a in algebra.indices(s)]
            if not inside and algebra.is_static(s):
                slices.append(_number(s))
                continue
            parts = algebra.split(s, inside[0]) if len(inside) == 1 else None
            if parts is None or parts[0].constant is None or parts[0].constant < 1 or not algebra.is_static(parts[1]):
                return None
            axis, facts = inside[0], self.writer.program.facts
            low, high = parts[1], parts[1] + parts[0] * (axis.extent - 1)
            if axis in order or not (algebra.nonnegative(low, facts) and algebra.nonnegative(extent - 1 - high, facts)):
                return None
            order.append(axis)
            slices.append(":" if s == poly(axis) and extent is axis.extent else f"{_number(low)}:{_number(high + 1)}:{parts[0].constant}")
        wanted = [a for a in self.axes if a in order]
        text = "" if all(s == ":" for s in slices) else f"[{', '.join(slices)}]"
        if wanted != order:
            places = ", ".join(str(order.index(a)) for a in wanted)
            text += f".{'permute' if self.writer.library == 'torch' else 'transpose'}({places})"
        if len(wanted) < len(self.axes):
            text += f"[{', '.join(':' if a in order else 'None' for a in self.axes)}]"
        return text

    def _clamped(self, p: Poly, extent: Poly) -> str:
        facts = self.writer.program.facts
        if algebra.is_static(p):
            return _number(p)
        if algebra.nonnegative(p, facts) and algebra.nonnegative(extent - 1 - p, facts):
            return self.number(p)
        if self.writer.library == "torch":
            return f"({self.number(p)}).clamp(0, {_number(extent)} - 1)"
        return f"np.clip({self.number(p)}, 0, {_number(extent)} - 1)"

    def number(self, p: Poly) -> str:
        return " + ".join("*".join([str(c), *map(self._atom, m)]) for m, c in p.terms) or "0"

    def _atom(self, a: Atom) -> str:
        match a:
            case Index():
                shape = tuple(-1 if b is a else 1 for b in self.axes)
                return f"{self.writer.xp}.arange({_number(a.extent)}).reshape({shape})"
            case Element(t, subscripts):
                return self.writer._array(self._load(t, subscripts), i64)
            case Quotient(numerator, divisor):
                return f"(({self.number(numerator)}) // ({self.number(divisor)}))"
            case Remainder(numerator, divisor):
                return f"(({self.number(numerator)}) % ({self.number(divisor)}))"
            case _:
                return _number(poly(a))
