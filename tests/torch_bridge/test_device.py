"""What a call on CUDA tensors does, with a device that only writes down in place of a GPU: addresses, strides, sizes, stream, checks."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import pytest
import torch

import tensorc as tc
from tensorc import algebra
from tensorc.api.primitive import Primitive
from tensorc.runtime import device as launching
from tensorc.runtime.device import Launches, Step
from tensorc.runtime.gpu import PASSED
from tensorc.torch_bridge import device

CHECK = 64
"""Where the device's workspace has its check."""


class Recorded:
    """A device that writes down what it is asked to launch."""

    found: ClassVar[list[Any]] = []
    passes = True
    counts = False

    def __init__(self, program: Any) -> None:
        self.program = program

    def launches(self, sizes: dict[str, int], strides: Sequence[Any], addresses: Sequence[int]) -> Launches:
        results = tuple(tuple(algebra.evaluate(e, sizes) for e in t.extents) for t in self.program.results)
        checks = tuple(CHECK + 8 * n for n in range(len(self.program.checks)))

        def run(x: int, y: int, z: int, stream: int, function: Any, metadata: Any, a: Any, b: Any, c: Any, *pointers: int) -> None:
            Recorded.found.append((dict(sizes), tuple(strides), pointers, stream))
            for place in checks:
                ctypes.c_int64.from_address(pointers[-1] + place).value = PASSED if Recorded.passes else 0

        every = tuple((n, 0) for n in range(len(addresses) + len(results) + 1 + Recorded.counts))
        return Launches((Step("kernel", run, (1, 1, 1), None, None, every, (), None),), results, 128, checks, Recorded.counts)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> type[Recorded]:
    monkeypatch.setattr(launching, "OnDevice", Recorded)
    monkeypatch.setattr(launching, "_on", lambda d: nullcontext())
    monkeypatch.setattr(launching, "_stream", lambda d: 5)
    monkeypatch.setattr(launching, "_is_captured", lambda: False)
    Recorded.found, Recorded.passes, Recorded.counts = [], True, False
    launching._counters.clear()
    return Recorded


def primitive(source: str, *specs: str) -> Primitive:
    return Primitive(tc.compile(source).f.lower(*map(tc.spec, specs)).program)


def test_a_call(recorded: type[Recorded]) -> None:
    p = primitive("fn f(x: f32[N, D], w: f32[D]) = (x * w, sum(x, axis=1))", "f32[N, D]", "f32[D]")
    x, w = torch.ones(6, 4).T, torch.ones(6)
    y, s = device.execute(p, [x, w])
    ((sizes, strides, addresses, stream),) = recorded.found
    assert sizes == {"N": 4, "D": 6} and strides == ((1, 4), None) and stream == 5
    assert addresses[:4] == (x.data_ptr(), w.data_ptr(), y.data_ptr(), s.data_ptr()) and len(addresses) == 5
    assert y.shape == (4, 6) and s.shape == (4,) and y.dtype == torch.float32
    device.execute(p, [x, w])
    assert len(recorded.found) == 2 and len([k for k in p.memory if isinstance(k, tuple) and k[0] == "gpu"]) == 1


def test_what_counts_programs_is_zero_and_of_the_stream(recorded: type[Recorded], monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that is captured has one of its own."""
    Recorded.counts = True
    p = primitive("fn f(x: f32[N]) = sum(x)", "f32[N]")
    counters = []
    for stream, is_captured in ((5, False), (5, False), (6, False), (5, True)):
        monkeypatch.setattr(launching, "_stream", lambda d, stream=stream: stream)
        monkeypatch.setattr(launching, "_is_captured", lambda is_captured=is_captured: is_captured)
        device.execute(p, [torch.ones(6)])
        counters.append(recorded.found[-1][2][-1])
        if not is_captured:
            assert ctypes.c_int32.from_address(counters[-1]).value == 0
    assert counters[0] == counters[1] != counters[2] and counters[3] not in counters[:3]


def test_wrong_calls(recorded: type[Recorded]) -> None:
    p = primitive("fn f(x: f32[N, D], w: f32[D]) = x * w", "f32[N, D]", "f32[D]")
    with pytest.raises(tc.ShapeError, match="`w`"):
        device.execute(p, [torch.ones(2, 3), torch.ones(4)])
    with pytest.raises(tc.TargetUnavailable, match="`w` is on the device meta, and `x` is on cpu"):
        device.execute(p, [torch.ones(2, 3), torch.ones(3, device="meta")])
    assert not recorded.found


def test_a_subscript_out_of_range(recorded: type[Recorded]) -> None:
    p = primitive("fn f(x: f32[N], i: i64[K]) { let y[k] = x[i[k]]\n return y }", "f32[N]", "i64[K]")
    device.execute(p, [torch.ones(3), torch.tensor([0, 2])])
    recorded.passes = False
    with pytest.raises(IndexError, match="index 7 is out of range for axis 0 of `x`"):
        device.execute(p, [torch.ones(3), torch.tensor([0, 7])])


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "_on", lambda d: nullcontext())
    p = primitive("fn f(x: f32[N]) = x * 2", "f32[N]")
    with pytest.raises(tc.TargetUnavailable, match="Triton"):
        device._program(p, torch.device("cuda", 0))
