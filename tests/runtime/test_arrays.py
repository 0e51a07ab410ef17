"""Views of other libraries' memory, and numbers as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tensorc.dtypes import DTYPES, DType, bf16, bool_, f16, f32, f64, i8, i64, u8, u64
from tensorc.errors import DTypeError, TargetUnavailable
from tensorc.runtime import arrays


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_every_dtype_travels_to_torch_and_back_without_a_copy(dtype: DType) -> None:
    expected = getattr(torch, arrays.torch_name(dtype))
    array = np.ones((2, 3), dtype.numpy)[:, ::2]
    tensor = arrays.to_torch(array)
    assert tensor.dtype is expected and arrays.torch_dtype(tensor.dtype) is dtype
    again = arrays.view(tensor, "x")
    assert again.dtype == array.dtype and again.shape == array.shape and np.shares_memory(again, array)


def test_torch_tensors_of_every_form() -> None:
    x = torch.arange(12.0).reshape(3, 4)
    for t in (x, x.T, x[::2, 1:], x[0], x[0, 0], x.expand(2, 3, 4), torch.nn.Parameter(x), torch.empty(0, 3), x.bfloat16().T):
        np.testing.assert_array_equal(arrays.view(t, "x").astype(np.float32), t.detach().float().numpy())
    assert arrays.view(torch._neg_view(x), "x")[0, 1] == -1


class Foreign:
    def __init__(self, device: tuple[int, int] = (1, 0), fails: bool = False) -> None:
        self.device, self.fails = device, fails

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.fails:
            raise BufferError("no")
        return np.arange(3.0).__dlpack__()


class Interface:
    def __init__(self, interface: Any) -> None:
        self.__array_interface__ = interface


def test_protocols() -> None:
    assert arrays.view(Foreign(), "x").tolist() == [0, 1, 2]
    with pytest.raises(TargetUnavailable, match=r"x lies on another device .DLPack device 2:1."):
        arrays.view(Foreign((2, 1)), "x")
    with pytest.raises(DTypeError, match=r"cannot be read: no"):
        arrays.view(Foreign(fails=True), "x")
    with pytest.raises(DTypeError, match=r"cannot be read"):
        arrays.view(Interface(3), "x")
    array = np.arange(3.0)
    assert np.shares_memory(arrays.view(Interface(array.__array_interface__), "x"), array)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1], "must be an array, not a list; write `np.array(x, dtype=...)`"),
        ("a", "must be an array, not a str"),
        (object(), "must be an array, not an object"),
        (b"a", "write `np.frombuffer(x, dtype=...)`"),
        (np.zeros(2, ">i4"), "is in the other byte order (>i4)"),
        (np.zeros(2, "M8[s]"), "has the dtype datetime64[s]"),
        (np.zeros(2, np.longdouble), "which tensorc does not have"),
    ],
)
def test_what_is_refused(value: Any, text: str) -> None:
    with pytest.raises(DTypeError) as raised:
        arrays.view(value, "x")
    assert str(raised.value).startswith("x ") and text in str(raised.value)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (1, f32, 1.0),
        (True, f64, 1.0),
        (True, bool_, True),
        (-128, i8, -128),
        (255, u8, 255),
        (2**64 - 1, u64, 2**64 - 1),
        (0.1, f32, np.float32(0.1)),
        (float("inf"), f16, np.inf),
        (65504.0, f16, 65504.0),
        (3.0e38, bf16, None),
        (2**53 + 1, f64, 2.0**53),
        (True, i64, 1),
        (1e-300, f32, 0.0),
    ],
)
def test_numbers(value: Any, dtype: DType, expected: Any) -> None:
    array = arrays.number(value, dtype, "x")
    assert array.shape == () and array.dtype == dtype.numpy
    if expected is not None:
        assert array.item() == expected


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1.0, i64), (256, u8), (-1, u64), (2**63, i64), (1e39, f32), (70000, f16), (10**400, f64), (1, bool_), (0.0, bool_)],
)
def test_numbers_that_do_not_fit(value: Any, dtype: DType) -> None:
    with pytest.raises(DTypeError, match=f"^x is {dtype}"):
        arrays.number(value, dtype, "x")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((3, 4)), False),
        (np.zeros((3, 4)).T[::2, ::-1], False),
        (np.zeros(0), False),
        (np.broadcast_to(0.0, (2,)), True),
        (np.broadcast_to(0.0, (1,)), False),
        (np.lib.stride_tricks.sliding_window_view(np.zeros(5), 3), True),
    ],
)
def test_repeats_itself(array: Any, expected: bool) -> None:
    assert arrays.repeats_itself(array) is expected
