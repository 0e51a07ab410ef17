"""What is legal in the tensor IR: run by tests after every pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from tensorc import algebra
from tensorc.algebra import Index, Poly
from tensorc.dtypes import bool_
from tensorc.ir import walk
from tensorc.ir.build import DEPTH
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.operations import OPERATIONS
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


class Illegal(AssertionError):
    """A pass made an IR that is not legal."""


def check(program: Program) -> None:
    """Raises Illegal where the program breaks a rule of the IR."""
    _require(len({i.name for i in program.inputs}) == len(program.inputs), "two inputs have one name")
    order = walk.topological((*program.inputs, *program.outputs))
    known = {s for i in program.inputs for e in i.extents for s in algebra.sizes(e)}
    for t in order:
        if isinstance(t, Input):
            _require(t in program.inputs, f"{t.name} is no input of the program")
        for p in t.extents:
            _extent(p)
            _require(algebra.sizes(p) <= known, f"a size of {p} is in no input")
        _tensor(t)
    for c in program.conditions:
        _require(algebra.is_static(c.value), f"a condition on data: {c.value}")
    for check_ in program.checks:
        _require(check_.place.dtype.name == "i64", "a checked place is i64")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise Illegal(message)


def _extent(p: Poly) -> None:
    _require(algebra.is_static(p), f"an extent that is not of sizes: {p}")


def _tensor(t: Tensor) -> None:
    match t:
        case Input() | Stop():
            pass
        case Define():
            _require(t.monoid is None or t.monoid in MONOIDS, f"unknown monoid {t.monoid}")
            _require((t.monoid is None) == (not t.bound), "bound indices and a monoid come together")
            for p in t.bound:
                _extent(p)
            _body(t.body, (*t.indices, *t.reduced))
        case View(x, _):
            _require(x.dtype is t.dtype, "a view keeps the dtype")
        case Scan(monoid, x, decay, _):
            _require(monoid in MONOIDS and bool(x.extents), "a scan of a monoid along an axis")
            _require(
                decay is None or (monoid == "sum" and decay.extents == x.extents and decay.dtype is x.dtype),
                "a decay like its source, for sums",
            )
        case Sort(keys, _):
            _require(bool(keys.extents), "a sort along an axis")
        case Scatter():
            _require(len(t.subscripts) == len(t.extents), "one subscript an axis")
            _require(t.base is None or (t.base.extents == t.extents and t.base.dtype is t.dtype), "a base like the result")
            for p in t.iteration:
                _extent(p)
            for p in t.subscripts:
                _indices(p, t.indices)
            _body(t.body, t.indices)
        case _:
            assert_never(t)


def _indices(p: Poly, bound: Sequence[Index]) -> None:
    _require(algebra.indices(p) <= set(bound), f"{p} has an index that is not bound")
    for e in algebra.elements(p):
        _require(e.tensor.dtype.is_integer, "a subscript of integers")
        _require(len(e.subscripts) == len(e.tensor.extents), "one subscript an axis")


def _body(body: Scalar, bound: Sequence[Index]) -> None:
    _require(walk.depth(body) <= DEPTH, f"a body deeper than {DEPTH}")
    for s in walk.postorder(body):
        for p in walk.polys(s):
            _indices(p, bound)
        match s:
            case Const(value, dtype):
                natural = bool if dtype is bool_ else int if dtype.is_integer else float
                _require(type(value) is natural, f"a constant of {dtype} is {value!r}")
                if natural is int:
                    _require(dtype.range[0] <= value <= dtype.range[1], f"{value} does not fit in {dtype}")
            case Load(t, subscripts):
                _require(len(subscripts) == len(t.extents), "one subscript an axis")
            case Select(c, a, b):
                _require(c.dtype is bool_ and a.dtype is b.dtype, f"a select of {a.dtype} and {b.dtype} by {c.dtype}")
            case Apply(operation, arguments, dtype):
                row = OPERATIONS[operation]
                _require(len(arguments) == row.arity, f"{operation} of {len(arguments)} arguments")
                kinds = {a.dtype for a in arguments}
                _require(len(kinds) == 1, f"{operation} of {', '.join(map(str, kinds))}")
                _require(row.takes(arguments[0].dtype), f"{operation} of {arguments[0].dtype}")
                _require(row.converts or row.result(*kinds) is dtype, f"{operation} gives {dtype}")
            case Int() | Nonnegative() | IsZero():
                pass
            case _:
                assert_never(s)
