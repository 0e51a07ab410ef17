"""Promotion is torch.result_type, and the array API's for the unsigned types that PyTorch does not promote."""

from __future__ import annotations

import copy
import itertools
import pickle

import ml_dtypes
import numpy as np
import pytest
import torch

from tensorc.dtypes import (
    DTYPES,
    KINDS,
    DType,
    Operand,
    bf16,
    bool_,
    dtype,
    f16,
    f32,
    f64,
    from_numpy,
    i8,
    i16,
    i32,
    i64,
    promote,
    result_type,
    u8,
    u16,
    u32,
    u64,
)

TORCH = {
    bool_: torch.bool, i8: torch.int8, i16: torch.int16, i32: torch.int32, i64: torch.int64, u8: torch.uint8,
    f16: torch.float16, bf16: torch.bfloat16, f32: torch.float32, f64: torch.float64,
}  # fmt: skip
BACK = {b: a for a, b in TORCH.items()}
WEAK = {bool_: True, i64: 1, f64: 1.5}


def operands() -> list[tuple[Operand, object]]:
    """Operands of each kind, and what PyTorch would be given for them: with axes, 0-d, or a Python number."""
    return [operand(t, form) for form in ("tensor", "scalar") for t in TORCH] + [operand(t, "weak") for t in WEAK]


def operand(t: DType, form: str) -> tuple[Operand, object]:
    if form == "weak":
        return Operand(t, rank_zero=True, weak=True), WEAK[t]
    return Operand(t, rank_zero=form == "scalar"), torch.ones((2,) if form == "tensor" else (), dtype=TORCH[t])


def test_two_operands_are_torch_result_type() -> None:
    for (a, x), (b, y) in itertools.product(operands(), operands()):
        if a.weak and b.weak and a.dtype is not b.dtype:
            continue  # two weak numbers are folded before promotion sees them
        expected = torch.result_type(x, y)  # type: ignore[call-overload]
        assert result_type([a, b]) is BACK[expected], f"{a} with {b}: {expected}"


def test_promotion_of_tensors_is_the_whole_torch_table() -> None:
    for a, b in itertools.product(TORCH, TORCH):
        assert promote(a, b) is BACK[torch.promote_types(TORCH[a], TORCH[b])]
        assert promote(a, b) is promote(b, a)


def test_an_operation_of_pytorch_computes_in_the_result_type() -> None:
    condition = torch.ones(2, dtype=torch.bool)
    for (a, x), (b, y) in itertools.product(operands(), operands()):
        if not (a.weak and b.weak):
            expected = torch.where(condition, x, y).dtype  # type: ignore[call-overload]
            assert result_type([a, b]) is BACK[expected]


@pytest.mark.parametrize("small, large", [(u16, u32), (u16, u64), (u32, u64), (u8, u16), (u8, u32), (u8, u64)], ids=str)
def test_unsigned_types_promote_to_the_wider(small: DType, large: DType) -> None:
    assert promote(small, large) is large is promote(large, small)


def test_mixed_signs_follow_the_array_api() -> None:
    table = {
        (i8, u8): i16, (i8, u16): i32, (i8, u32): i64, (i16, u8): i16, (i16, u16): i32, (i16, u32): i64,
        (i32, u8): i32, (i32, u16): i32, (i32, u32): i64, (i64, u8): i64, (i64, u16): i64, (i64, u32): i64,
    }  # fmt: skip
    for (a, b), expected in table.items():
        assert promote(a, b) is expected is promote(b, a), (a, b)
        assert from_numpy(np.promote_types(a.numpy, b.numpy)) is expected


@pytest.mark.parametrize("signed", [i8, i16, i32, i64], ids=str)
def test_u64_with_a_signed_type_has_no_common_type(signed: DType) -> None:
    assert promote(signed, u64) is None is promote(u64, signed)
    assert result_type([Operand(signed), Operand(u64)]) is None
    assert result_type([Operand(u64), Operand(i64, weak=True)]) is u64
    assert result_type([Operand(u64), Operand(signed, rank_zero=True)]) is u64  # a 0-d tensor does not decide


def test_floats_take_unsigned_types_along() -> None:
    for a, b in itertools.product((f16, bf16, f32, f64), (u16, u32, u64)):
        assert promote(a, b) is a
    for t in (u16, u32, u64):
        assert promote(bool_, t) is t
        assert result_type([Operand(t), Operand(f64, weak=True)]) is f32


def test_promotion_is_associative_where_it_is_defined() -> None:
    for a, b, c in itertools.product(TORCH, repeat=3):
        ab, bc = promote(a, b), promote(b, c)
        assert ab is not None and bc is not None
        assert promote(ab, c) is promote(a, bc)


def test_weak_numbers_alone_have_their_stored_dtype() -> None:
    assert result_type([Operand(f64, weak=True), Operand(f64, weak=True)]) is f32
    assert result_type([Operand(i64, weak=True), Operand(f64, weak=True)]) is f32
    assert result_type([Operand(bool_, weak=True)]) is bool_
    assert result_type([]) is None


def test_there_is_one_object_for_each_dtype() -> None:
    for name, t in DTYPES.items():
        assert dtype(name) is t and str(t) == name == repr(t)
        assert pickle.loads(pickle.dumps(t)) is t and copy.deepcopy(t) is t
        assert from_numpy(t.numpy) is t and t.numpy.itemsize == t.bytes
    with pytest.raises(KeyError):
        dtype("f8")


def test_numpy_dtypes() -> None:
    assert bf16.numpy == np.dtype(ml_dtypes.bfloat16)
    assert from_numpy(np.float32) is f32 and from_numpy("int64") is i64
    assert from_numpy(">f4") is None and from_numpy(np.complex64) is None and from_numpy("U3") is None


def test_ranges_and_kinds() -> None:
    for t in DTYPES.values():
        if t.is_integer:
            limits = np.iinfo(t.numpy)
            assert t.range == (limits.min, limits.max)
    assert bool_.range == (0, 1)
    assert set(KINDS["num"]) == set(KINDS["float"]) | set(KINDS["int"]) == set(DTYPES.values()) - {bool_}
    assert set(KINDS["any"]) == set(DTYPES.values())
    assert [t for t in DTYPES.values() if t.is_half] == [f16, bf16]
