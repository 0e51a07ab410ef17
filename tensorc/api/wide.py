"""A function in float64, whatever floats it declares: what derivatives are checked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tensorc.algebra import poly
from tensorc.api.definition import Definition, Derived, Instance, Prepared
from tensorc.api.specs import Spec
from tensorc.dtypes import DType, bf16, f16, f32, f64
from tensorc.errors import DTypeError
from tensorc.runtime import arrays
from tensorc.transform.widen import widened

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Wide(Derived):
    """`inner` on float64 arrays. Its program is that for arrays of the dtypes that `inner` takes, with every float widened."""

    inner: Definition
    dtypes: Mapping[int | str, DType]
    """What the caller's floats were, by position or name: tried first."""

    kind = "wide"

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def doc(self) -> str:
        return self.inner.doc

    @property
    def signature(self) -> str:
        return f"{self.inner.signature} in f64"

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Prepared:
        refused: DTypeError | None = None
        for dtype in (None, f64, f32, f16, bf16):
            given: dict[int, Any] = {}  # the array that a Spec stands for, by the Spec's id

            def narrow(place: int | str, value: Any, dtype: DType | None = dtype, given: dict[int, Any] = given) -> Any:
                if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                    return value
                made = Spec(self.dtypes.get(place, f64) if dtype is None else dtype, tuple(map(poly, value.shape)))
                given[id(made)] = value
                return made

            specs = [narrow(n, a) for n, a in enumerate(args)]
            prepared = self.inner.prepare(specs, {k: narrow(k, v) for k, v in kwargs.items()})
            try:
                instance = self.inner.instantiate(prepared)
            except DTypeError as reason:
                refused = refused or reason
                continue
            leaves = [given.get(id(leaf), leaf) for leaf in prepared.leaves]
            return Prepared((self.kind, prepared.key), [_wide(leaf) for leaf in leaves], instance)
        assert refused is not None
        raise refused

    def instantiate(self, prepared: Prepared) -> Instance:
        instance: Instance = prepared.values
        program = widened(instance.program)
        return replace(instance, program=program, captured=tuple(map(_wide, instance.captured)))

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return self.inner.inline(args, kwargs)


def _wide(value: Any) -> Any:
    return value.astype(np.float64) if isinstance(value, np.ndarray) and arrays.dtype_of(value).is_float else value
