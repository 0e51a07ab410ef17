"""Large results take their memory from what earlier ones left, and live as long as anything shows it."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

import tensorc as tc
from tensorc.runtime import entry, large, words

pytestmark = pytest.mark.skipif(entry.code() is None or not entry.code().context[words.HANDLER], reason="NumPy's memory is its own here")

N = 1 << 20


@pytest.fixture(scope="module")
def double() -> tc.Function:
    return tc.compile("fn f(x: f32[N]) = x + x").f


def held() -> int:
    code = entry.code()
    assert code is not None
    return int(code.context[words.HELD])


def test_memory_is_used_again(double: tc.Function) -> None:
    x = np.ones(N, np.float32)
    places = set()
    for _ in range(4):
        y = double(x)
        places.add(y.ctypes.data)
        assert y[0] == 2 and y.flags.owndata and y.ctypes.data % 64 == 0
        del y
    assert len(places) == 1
    double(np.ones(7, np.float32))
    assert held() >= x.nbytes


def test_memory_lives_as_long_as_a_view(double: tc.Function) -> None:
    view = double(np.ones(N, np.float32))[10:20]
    other = double(np.full(N, 3, np.float32))
    assert (view == 2).all() and (other == 6).all()


def test_results_of_one_size_have_memory_of_their_own(double: tc.Function) -> None:
    x = np.arange(N, dtype=np.float32)
    results = [double(x + n) for n in range(5)]
    for n, y in enumerate(results):
        assert np.array_equal(y, 2 * (x + n))


def test_an_array_can_be_resized(double: tc.Function) -> None:
    y = double(np.arange(N, dtype=np.float32))
    y.resize(3 * N, refcheck=False)
    assert np.array_equal(y[:N], 2 * np.arange(N, dtype=np.float32)) and not y[N:].any()
    y.resize(10, refcheck=False)
    assert y[9] == 18


def test_tensors_share_the_memory_of_arrays(double: tc.Function) -> None:
    x = torch.ones(N)
    for _ in range(3):  # by Python, then without
        y = double(x)
        assert type(y) is torch.Tensor and y.shape == (N,) and bool((y == 2).all())
        place = y.data_ptr()
        del y
        gc.collect()
        assert double(x).data_ptr() == place


def test_half_floats_of_torch_have_its_memory() -> None:
    f = tc.compile("fn f(x: bf16[N]) = x + x").f
    x = torch.ones(N, dtype=torch.bfloat16)
    for _ in range(2):
        assert bool((f(x) == 2).all())


def test_intermediates_come_from_there_too() -> None:
    f = tc.compile("fn f(x: f32[N], y: f32[N]) = cumsum(cumsum(x + y, axis=0), axis=0)").f
    x = np.ones(N, np.float32)
    first, second = f(x, x), f(x, x)
    assert np.array_equal(first, second)


def test_memory_is_given_back_when_asked(double: tc.Function) -> None:
    del_me = double(np.ones(N, np.float32))
    del del_me
    assert held()
    tc.release_memory()
    assert held() == 0
    assert double(np.ones(N, np.float32))[0] == 2


def test_no_more_is_kept_than_allowed(double: tc.Function) -> None:
    code = entry.code()
    assert code is not None
    tc.release_memory()
    most, code.context[words.MOST_HELD] = code.context[words.MOST_HELD], 10 * N
    try:
        several = [double(np.ones(N, np.float32)) for _ in range(5)]
        del several
        assert 0 < held() <= 10 * N
        double(np.ones(4 * N, np.float32))
        assert held() <= 10 * N
    finally:
        code.context[words.MOST_HELD] = most


def test_other_arrays_have_the_usual_memory(double: tc.Function) -> None:
    double(np.ones(N, np.float32))
    name = np._core.multiarray.get_handler_name
    assert name(np.empty(N, np.float32)) != large.NAME.decode()
    assert name(double(np.ones(N, np.float32))) == large.NAME.decode()
