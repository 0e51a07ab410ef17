"""The oracle: a program's results by NumPy, each index of a definition an axis of its own. What every other backend is compared with.

A float is accumulated in f64 and a function of floats is computed in f64; both are rounded once, so this is close to the correctly rounded
result. Conditions and checks are taken to hold; `failed_check` looks at the checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, assert_never

import numpy as np

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly, Quotient, Remainder, Size
from tensorc.dtypes import from_numpy, i64
from tensorc.ir import arithmetic, operations, walk
from tensorc.ir.arithmetic import Array
from tensorc.ir.monoids import MONOIDS, accumulator
from tensorc.ir.program import BoundsCheck, Program
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

BOX = 1 << 20
"""A definition is evaluated in boxes of at most this many elements, so that what its body makes on the way stays small."""

Box = tuple[slice, ...]


def evaluate(program: Program, arrays: Sequence[Array]) -> list[Array]:
    """The values of `program.outputs`. `arrays` are the inputs in order, of exactly their dtypes; their shapes bind the sizes.

    TypeError for another dtype, ValueError for shapes that do not fit the inputs' extents.
    """
    return evaluate_tensors(program.outputs, *_bound(program, arrays))


def failed_check(program: Program, arrays: Sequence[Array]) -> tuple[BoundsCheck, int, tuple[int, ...]] | None:
    """The first check that does not hold, its first value outside, and that value's position in the place; None where all hold."""
    inputs, sizes = _bound(program, arrays)
    places = evaluate_tensors([c.place for c in program.checks], inputs, sizes)
    for check, place in zip(program.checks, places, strict=True):
        outside = (place < 0) | (place >= algebra.evaluate(check.extent, sizes))
        if outside.any():
            position = tuple(int(n) for n in np.unravel_index(int(np.argmax(outside)), place.shape))
            return check, int(place[position]), position
    return None


def evaluate_tensors(outputs: Sequence[Tensor], inputs: Mapping[Input, Array], sizes: Mapping[str, int]) -> list[Array]:
    """The values of the outputs, which share no memory with the inputs."""
    values: dict[Tensor, Array] = {}
    with np.errstate(all="ignore"):
        for t in walk.topological(outputs):
            values[t] = _tensor(t, inputs, _Scope(values, sizes))
            shape = _shape(t.extents, sizes)
            assert values[t].shape == shape and values[t].dtype == t.dtype.numpy, f"{type(t).__name__} of shape {shape}: {values[t].shape}"
    return [np.array(values[t]) for t in outputs]


def _bound(program: Program, arrays: Sequence[Array]) -> tuple[dict[Input, Array], dict[str, int]]:
    """The arrays by input, and the sizes that their shapes give."""
    inputs = {t: np.asarray(a) for t, a in zip(program.inputs, arrays, strict=True)}
    sizes: dict[str, int] = {}
    for t, array in inputs.items():
        if from_numpy(array.dtype) is not t.dtype:
            raise TypeError(f"{t.name} is {t.dtype}, not {array.dtype}")
        if array.ndim != len(t.extents):
            raise ValueError(f"{t.name} has {len(t.extents)} axes, not {array.ndim}")
        for extent, n in zip(t.extents, array.shape, strict=True):
            if isinstance(extent.atom, Size):
                sizes.setdefault(extent.atom.name, n)
    for t, array in inputs.items():
        shape = _shape(t.extents, sizes)
        if array.shape != shape:
            raise ValueError(f"{t.name} has the shape {shape}, not {array.shape}")
    return inputs, sizes


def _shape(extents: Iterable[Poly], sizes: Mapping[str, int]) -> tuple[int, ...]:
    shape = []
    for extent in extents:
        try:
            n = algebra.evaluate(extent, sizes)
        except KeyError as missing:
            raise ValueError(f"no array gives the size {missing.args[0]}") from None
        if not 0 <= n <= i64.range[1]:
            raise ValueError(f"the extent {extent} is {n}, which no axis can have")
        shape.append(n)
    return tuple(shape)


def _boxes(shape: tuple[int, ...]) -> Iterator[Box]:
    """Boxes of at most BOX elements that cover the shape, in row-major order: one axis is cut, those after it are whole."""
    if 0 in shape:
        return
    cut = next((axis for axis in range(len(shape)) if prod(shape[axis + 1 :]) <= BOX), 0)
    if prod(shape) <= BOX:
        yield tuple(slice(0, n) for n in shape)
        return
    step = BOX // prod(shape[cut + 1 :])
    rest = tuple(slice(0, n) for n in shape[cut + 1 :])
    for outer in np.ndindex(*shape[:cut]):
        for start in range(0, shape[cut], step):
            yield (*(slice(n, n + 1) for n in outer), slice(start, min(start + step, shape[cut])), *rest)


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in box)


# Tensors.


def _tensor(t: Tensor, inputs: Mapping[Input, Array], scope: _Scope) -> Array:
    match t:
        case Input():
            return inputs[t]
        case Define():
            return _define(t, scope)
        case View(source, extents):
            return scope.tensors[source].reshape(_shape(extents, scope.sizes))
        case Scan():
            return _scan(t, scope.tensors)
        case Scatter():
            return _scatter(t, scope)
        case Sort(keys, descending):
            return _sort(scope.tensors[keys], descending)
        case Stop(source):
            return scope.tensors[source]
        case _:
            assert_never(t)


def _define(t: Define, scope: _Scope) -> Array:
    shape, rank = _shape(t.extents + t.bound, scope.sizes), len(t.extents)
    if t.monoid is None:
        out = np.empty(shape, t.dtype.numpy)
        for box in _boxes(shape):
            out[box] = scope.over(t.indices, box).scalar(t.body)
        return out
    monoid, wide = MONOIDS[t.monoid], accumulator(t.dtype)
    out = np.full(shape[:rank], monoid.start(wide), wide.numpy)
    for box in _boxes(shape):
        terms = np.broadcast_to(scope.over(t.indices + t.reduced, box).scalar(t.body), _lengths(box))
        out[box[:rank]] = monoid.numpy(out[box[:rank]], monoid.reduce(terms, tuple(range(rank, len(shape)))))
    return arithmetic.cast(out, t.dtype)


def _scan(t: Scan, tensors: Mapping[Tensor, Array]) -> Array:
    along = slice(None, None, -1 if t.reverse else 1)
    terms = tensors[t.source][..., along]
    if t.decay is None:
        out = MONOIDS[t.monoid].accumulate(terms)
    else:
        wide = accumulator(t.dtype).numpy
        out, decay = terms.astype(wide), tensors[t.decay][..., along].astype(wide)
        for n in range(1, terms.shape[-1]):
            out[..., n] += decay[..., n] * out[..., n - 1]
    return arithmetic.cast(out[..., along], t.dtype)


def _scatter(t: Scatter, scope: _Scope) -> Array:
    shape, iteration = _shape(t.extents, scope.sizes), _shape(t.iteration, scope.sizes)
    wide = accumulator(t.dtype).numpy
    out = np.zeros(shape, wide) if t.base is None else scope.tensors[t.base].astype(wide)
    for box in _boxes(iteration):
        inside = scope.over(t.indices, box)
        places = [np.broadcast_to(inside.number(p), _lengths(box)) for p in t.subscripts]
        terms = np.broadcast_to(inside.scalar(t.body), _lengths(box)).astype(wide)
        kept = np.ones(_lengths(box), np.bool_)
        for p, n in zip(places, shape, strict=True):
            kept &= (p >= 0) & (p < n)
        np.add.at(out, tuple(p[kept] for p in places), terms[kept] if places else terms.sum(dtype=wide))
    return arithmetic.cast(out, t.dtype)


def _sort(keys: Array, descending: bool) -> Array:
    """In either direction equal keys keep their order, and NaN is last."""
    keys = keys.astype(np.float32) if keys.dtype.itemsize == 2 and keys.dtype.kind not in "iu" else keys
    if not descending:
        return np.argsort(keys, axis=-1, kind="stable").astype(np.int64, copy=False)
    backward = keys.shape[-1] - 1 - np.argsort(keys[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    is_nan = np.take_along_axis(keys != keys, backward, -1)
    return np.asarray(np.take_along_axis(backward, np.argsort(is_nan, axis=-1, kind="stable"), -1), np.int64)


# Scalars.


@dataclass(frozen=True)
class _Scope:
    """What a body speaks of: tensors, sizes, and the values of its indices, each along its own axis. Shared parts are computed once."""

    tensors: Mapping[Tensor, Array]
    sizes: Mapping[str, int]
    indices: Mapping[Index, Array] = field(default_factory=dict)
    scalars: dict[Scalar, Array] = field(default_factory=dict)
    numbers: dict[Poly, Array] = field(default_factory=dict)

    def over(self, indices: Sequence[Index], box: Box) -> _Scope:
        """The scope in which the indices run over the box."""
        axes = {}
        for axis, (index, part) in enumerate(zip(indices, box, strict=True)):
            axes[index] = np.arange(part.start, part.stop, dtype=np.int64).reshape([-1 if a == axis else 1 for a in range(len(box))])
        return _Scope(self.tensors, self.sizes, axes)

    def scalar(self, s: Scalar) -> Array:
        """The scalar's values, of a shape that broadcasts to the box's."""
        if s not in self.scalars:
            self.scalars[s] = np.asarray(self._scalar(s))
        return self.scalars[s]

    def _scalar(self, s: Scalar) -> Any:
        match s:
            case Const(value, dtype):
                return np.array(value, dtype.numpy)
            case Int(p):
                return self.number(p)
            case Nonnegative(p):
                return self.number(p) >= 0
            case IsZero(p):
                return self.number(p) == 0
            case Load(t, subscripts):
                return self._load(t, subscripts)
            case Select(condition, then, otherwise):
                return np.where(self.scalar(condition), self.scalar(then), self.scalar(otherwise))
            case Apply(operation, arguments, dtype):
                return operations.evaluate(operation, [self.scalar(a) for a in arguments], dtype)
            case _:
                assert_never(s)

    def _load(self, t: Tensor, subscripts: tuple[Poly, ...]) -> Array:
        """The elements; a place outside reads the nearest one inside, or 0 where there is none."""
        array, places = self.tensors[t], [self.number(p) for p in subscripts]
        if array.size == 0:
            return np.zeros(np.broadcast_shapes(*(p.shape for p in places)), array.dtype)
        return np.asarray(array[tuple(np.clip(p, 0, n - 1) for p, n in zip(places, array.shape, strict=True))])

    def number(self, p: Poly) -> Array:
        """The polynomial's values as i64, which wrap."""
        if p not in self.numbers:
            self.numbers[p] = np.asarray(self._number(p))
        return self.numbers[p]

    def _number(self, p: Poly) -> Any:
        if algebra.is_static(p):
            return _wrapped(algebra.evaluate(p, self.sizes))
        total: Any = np.int64(0)
        for monomial, coefficient in p.terms:
            product: Any = _wrapped(coefficient)
            for a in monomial:
                product = product * self._atom(a)
            total = total + product
        return total

    def _atom(self, a: Atom) -> Array:
        match a:
            case Size(name):
                return _wrapped(self.sizes[name])
            case Index():
                return self.indices[a]
            case Quotient(numerator, divisor):
                return np.asarray(np.floor_divide(self.number(numerator), self.number(divisor)))
            case Remainder(numerator, divisor):
                return np.asarray(np.remainder(self.number(numerator), self.number(divisor)))
            case Element(t, subscripts):
                return self._load(t, subscripts).astype(np.int64)
            case _:
                assert_never(a)


def _wrapped(value: int) -> Array:
    return np.asarray((value + (1 << 63)) % (1 << 64) - (1 << 63), np.int64)
