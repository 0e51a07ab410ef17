"""Element types and their promotion, which is PyTorch's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

Kind = Literal["bool", "int", "uint", "float"]


@dataclass(frozen=True, eq=False)
class DType:
    """An element type. There is one object for each; compare with `is`."""

    name: str
    kind: Kind
    bits: int

    def __repr__(self) -> str:
        return self.name

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return dtype, (self.name,)

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    @property
    def is_half(self) -> bool:
        """f16 or bf16: computed in f32 and rounded to after each operation."""
        return self.kind == "float" and self.bits == 16

    @property
    def bytes(self) -> int:
        return max(self.bits // 8, 1)

    @property
    def category(self) -> int:
        """0 bool, 1 integer, 2 float: what ranks first in promotion."""
        return {"bool": 0, "int": 1, "uint": 1, "float": 2}[self.kind]

    @cached_property
    def range(self) -> tuple[int, int]:
        """The least and largest integer of an integer or bool type."""
        if self.kind == "int":
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1

    @cached_property
    def numpy(self) -> Any:
        """The NumPy dtype (ml_dtypes' for bf16)."""
        import numpy as np

        if self is bf16:
            import ml_dtypes

            return np.dtype(ml_dtypes.bfloat16)
        letter = {"bool": "?", "int": "i", "uint": "u", "float": "f"}[self.kind]
        return np.dtype("?" if self.kind == "bool" else f"{letter}{self.bytes}")


bool_ = DType("bool", "bool", 1)
i8, i16, i32, i64 = (DType(f"i{b}", "int", b) for b in (8, 16, 32, 64))
u8, u16, u32, u64 = (DType(f"u{b}", "uint", b) for b in (8, 16, 32, 64))
f16, bf16, f32, f64 = DType("f16", "float", 16), DType("bf16", "float", 16), DType("f32", "float", 32), DType("f64", "float", 64)

DTYPES: dict[str, DType] = {t.name: t for t in (bool_, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64)}

KINDS: dict[str, tuple[DType, ...]] = {
    "float": (f32, f64, f16, bf16),
    "int": (i64, i32, i16, i8, u8, u16, u32, u64),
    "num": (f32, f64, f16, bf16, i64, i32, i16, i8, u8, u16, u32, u64),
    "any": (f32, f64, f16, bf16, i64, i32, i16, i8, u8, u16, u32, u64, bool_),
}
"""The dtypes that a dtype variable of each kind may stand for."""


def dtype(name: str) -> DType:
    """The dtype of a name. KeyError where there is none."""
    return DTYPES[name]


@cache
def _by_numpy() -> dict[Any, DType]:
    return {t.numpy: t for t in DTYPES.values() if t is not bf16}


def from_numpy(value: Any) -> DType | None:
    """The dtype of a NumPy dtype in native byte order; None where tensorc has none for it."""
    import numpy as np

    value = np.dtype(value)
    if not value.isnative:
        return None
    found = _by_numpy().get(value)
    return bf16 if found is None and value.name == "bfloat16" and value == bf16.numpy else found


def promote(a: DType, b: DType) -> DType | None:
    """The common type of two tensors of rank 1 or more; None where there is none.

    It is torch.promote_types, and for u16 u32 u64 the array API's table.
    """
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.is_float:
        return f32 if a.bits == b.bits else a if a.bits > b.bits else b
    if a.kind == b.kind:
        return a if a.bits > b.bits else b
    signed, unsigned = (a, b) if a.kind == "int" else (b, a)
    if signed.bits > unsigned.bits:
        return signed
    return {8: i16, 16: i32, 32: i64}.get(unsigned.bits)


@dataclass(frozen=True)
class Operand:
    """What promotion looks at: the dtype, and whether the operand has axes, is 0-d, or is weak (a literal, a dim, a bound index)."""

    dtype: DType
    rank_zero: bool = False
    weak: bool = False


def result_type(operands: Iterable[Operand]) -> DType | None:
    """torch.result_type: tensors with axes decide, unless a 0-d tensor or a weak number is of a higher category.

    A weak float counts as f32 and a weak integer as i64 where they decide. None where two types have no common one.
    """
    tiers: list[DType | None] = [None, None, None]
    for o in operands:
        tier = 2 if o.weak else 1 if o.rank_zero else 0
        own = (f32 if o.dtype.is_float else i64 if o.dtype.is_integer else bool_) if o.weak else o.dtype
        current = tiers[tier]
        merged = own if current is None else promote(current, own)
        if merged is None:
            return None
        tiers[tier] = merged
    return _combine(tiers[0], _combine(tiers[1], tiers[2]))


def _combine(higher: DType | None, lower: DType | None) -> DType | None:
    if higher is None or lower is None:
        return higher or lower
    if higher.is_float:
        return higher
    if higher is bool_ or lower.is_float:
        return promote(higher, lower)
    return higher
