"""Makes of a row's arguments others of the same ranks: with special values, of no elements, of other sizes, with other strides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from guarded import guarded
from library.judge import Array, Case, Given

from tensorc.dtypes import DType

SPRINKLED = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e-40, -2.0)
"""Special values that stand among others; what is near the largest number has rows of its own, since sums of it depend on their order."""

LARGER = {2: 6, 3: 21, 4: 36, 5: 23, 6: 42, 7: 41}
"""Sizes for which vectors of every width have whole blocks and a rest. Multiples stay multiples, as groups and heads need them."""

KINDS = ("plain", "special", "empty", "0-d", "larger")


@dataclass(frozen=True)
class Variant:
    """Arguments, and how they came about: one of KINDS."""

    kind: str
    arrays: list[Array]


def given(case: Case, dtype: DType) -> list[tuple[Given, ...]]:
    """The row's own variants for a dtype."""
    return [v for v in case.variants if dtype.is_float or not any(g.floats_only for g in v)]


def variants(case: Case, dtype: DType, random: np.random.Generator) -> Iterator[Variant]:
    """The row's own arguments, and those made of its first ones."""
    own = given(case, dtype)
    for v in own:
        yield Variant("plain", [g.make(dtype, random) for g in v])
    first = own[0] if own else ()
    if case.refused or any(g.values is not None and g.dtype is None for g in first):
        return
    arrays = [g.make(dtype, random) for g in first]
    if any(a.size for a in arrays):
        yield Variant("special", [_sprinkled(a, random) if g.dtype is None else a for g, a in zip(first, arrays, strict=True)])
    if case.fixed:
        return
    if first and not any(v[0].values is None and not v[0].shape for v in own):
        yield Variant("0-d", [_alone(g, dtype, random) for g in first])
    sizes = sorted({e for g in first if g.values is None for e in g.shape if e > 1})
    for size in sizes:
        yield Variant("empty", [_sized(g, {size: 0}).make(dtype, random) for g in first])
    if sizes and not case.small:
        yield Variant("larger", [_sized(g, LARGER).make(dtype, random) for g in first])


def _sized(given: Given, sizes: dict[int, int]) -> Given:
    return given if given.values is not None else replace(given, shape=tuple(sizes.get(e, e) for e in given.shape))


def _alone(given: Given, dtype: DType, random: np.random.Generator) -> Array:
    if given.values is None:
        return replace(given, shape=()).make(dtype, random)
    return given.make(dtype, random).ravel()[0].reshape(())


def _sprinkled(a: Array, random: np.random.Generator) -> Array:
    """The array with about a third of its elements special."""
    if a.dtype.kind == "b":
        return a
    if a.dtype.kind in "iu":
        low, high = np.iinfo(a.dtype).min, np.iinfo(a.dtype).max
        values = np.array([low, high, low + 1, 0, 1, high - 1], a.dtype)
    else:
        values = np.array(SPRINKLED, "f8").astype(a.dtype)
    return np.where(random.random(a.shape) < 0.35, random.choice(values, a.shape), a).astype(a.dtype).reshape(a.shape)


def strided(arrays: list[Array]) -> Iterator[tuple[str, list[Array]]]:
    """The same values in other memory: from the end to the start, and in steps with the axes the other way round, read-only."""
    yield "negative strides", [np.flip(guarded(np.flip(a))) for a in arrays]
    yield "steps, transposed", [_spread(a) for a in arrays]


def _spread(a: Array) -> Array:
    if not a.ndim:
        return a
    room = guarded(np.zeros([2 * e for e in reversed(a.shape)], a.dtype))
    view = room.transpose()[tuple(slice(1, None, 2) for _ in a.shape)]
    view[...] = a
    view.flags.writeable = False
    return view
