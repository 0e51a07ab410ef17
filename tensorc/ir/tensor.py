"""The tensor IR: definitions over indices whose bodies are scalar expressions. This file is the whole of it."""

from __future__ import annotations

from functools import cached_property

from tensorc.algebra import Index, Poly
from tensorc.dtypes import DType, bool_, i64
from tensorc.node import Node, node

# Scalars: one element's value as a function of the indices in scope. Depth is bounded (see `build.DEPTH`), sharing is not.


@node
class Const(Node):
    value: float | int | bool
    dtype: DType


@node
class Int(Node):
    """The value of an integer polynomial, as i64."""

    value: Poly

    dtype = i64


@node
class Load(Node):
    """tensor[subscripts]. Where a subscript is outside, any value (never undefined behaviour), so such a load stands under a Select."""

    tensor: Tensor
    subscripts: tuple[Poly, ...]

    @property
    def dtype(self) -> DType:
        return self.tensor.dtype


@node
class Select(Node):
    """then where condition, else otherwise; both are evaluated."""

    condition: Scalar
    then: Scalar
    otherwise: Scalar

    @property
    def dtype(self) -> DType:
        return self.then.dtype


@node
class Apply(Node):
    """A row of the table in operations.py, applied. All arguments have one dtype, unless the row says otherwise."""

    operation: str
    arguments: tuple[Scalar, ...]
    dtype: DType


@node
class Nonnegative(Node):
    """The guard value >= 0."""

    value: Poly

    dtype = bool_


@node
class IsZero(Node):
    """The guard value == 0."""

    value: Poly

    dtype = bool_


Scalar = Const | Int | Load | Select | Apply | Nonnegative | IsZero


# Tensors.


@node
class Input(Node):
    name: str
    extents: tuple[Poly, ...]
    dtype: DType


@node
class Define(Node):
    """y[i..] = body, or y[i..] = monoid[k..](body). Indices are Index(level, extent): levels count `extents` first, then `bound`.

    The extents of a reduction of max, min whose space may be empty are checked by a Condition of the program.
    """

    extents: tuple[Poly, ...]
    monoid: str | None
    bound: tuple[Poly, ...]
    body: Scalar

    @property
    def dtype(self) -> DType:
        return self.body.dtype

    @cached_property
    def indices(self) -> tuple[Index, ...]:
        """The indices of the result's axes."""
        return tuple(Index(level, e) for level, e in enumerate(self.extents))

    @cached_property
    def reduced(self) -> tuple[Index, ...]:
        """The indices that the monoid runs over."""
        return tuple(Index(level + len(self.extents), e) for level, e in enumerate(self.bound))


@node
class View(Node):
    """The same elements in row-major order under another shape. The sizes are equal by proof or by a Condition of the program."""

    source: Tensor
    extents: tuple[Poly, ...]

    @property
    def dtype(self) -> DType:
        return self.source.dtype


@node
class Scan(Node):
    """Along the last axis: s[t] = monoid(s[t-1], source[t]), from the end where reverse.

    With `decay` (monoid sum only): s[t] = decay[t] * s[t-1] + source[t], which is closed under differentiation.
    A sum of half floats is a scan of f32: the source is cast first.
    """

    monoid: str
    source: Tensor
    decay: Tensor | None
    reverse: bool

    @property
    def extents(self) -> tuple[Poly, ...]:
        return self.source.extents

    @property
    def dtype(self) -> DType:
        return self.source.dtype


@node
class Scatter(Node):
    """y = base (zeros where None), then y[subscripts] += body for each value of the iteration indices, in row-major order.

    A place outside is dropped. Indices are levels of `iteration`.
    """

    extents: tuple[Poly, ...]
    iteration: tuple[Poly, ...]
    subscripts: tuple[Poly, ...]
    body: Scalar
    base: Tensor | None

    @property
    def dtype(self) -> DType:
        return self.body.dtype

    @cached_property
    def indices(self) -> tuple[Index, ...]:
        return tuple(Index(level, e) for level, e in enumerate(self.iteration))


@node
class Sort(Node):
    """The stable permutation (i64) that sorts `keys` along the last axis, NaN last either way. Sorted values are gathered through it."""

    keys: Tensor
    descending: bool

    dtype = i64

    @property
    def extents(self) -> tuple[Poly, ...]:
        return self.keys.extents


@node
class Stop(Node):
    """source, a constant to differentiation."""

    source: Tensor

    @property
    def extents(self) -> tuple[Poly, ...]:
        return self.source.extents

    @property
    def dtype(self) -> DType:
        return self.source.dtype


Tensor = Input | Define | View | Scan | Scatter | Sort | Stop
