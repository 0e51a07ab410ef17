"""Calls that need no Python: that they are what Python would have made of them, and that Python is asked whenever it has a say."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from runtime.calls import M, arange, asked, remembered

import tensorc as tc
from tensorc.api.library import library_function
from tensorc.runtime import entry, tensors


@pytest.fixture(autouse=True)
def plain_torch() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_the_entry_is_there() -> None:
    assert entry.code() is not None
    assert tensors.is_readable()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int64, np.uint16, np.float16])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (0, 5), (3, 0), (1, 1)])
def test_values(dtype: Any, shape: tuple[int, ...]) -> None:
    x, w, b = arange(*shape, dtype=dtype), arange(shape[-1], dtype=dtype), np.array(3, dtype)
    expected = (x * w + b).astype(dtype)
    made = remembered(M.affine, x, w, b)
    assert type(made) is np.ndarray
    assert made.dtype == dtype
    np.testing.assert_array_equal(made, expected)
    out = np.zeros_like(expected)
    assert remembered(M.affine, x, w, b, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_each_call_has_memory_of_its_own() -> None:
    a, b = arange(4), arange(4)
    first = remembered(M.add, a, b)
    second = remembered(M.add, a, b)
    first[:] = 7
    np.testing.assert_array_equal(second, a + b)


@pytest.mark.parametrize("strided", [lambda x: x[::2], lambda x: x[::-1], lambda x: x[3:], lambda x: np.broadcast_to(x[:1], (9,))])
def test_strides(strided: Any) -> None:
    a = strided(arange(20))
    b = strided(arange(20) * 10)
    np.testing.assert_array_equal(remembered(M.add, a, b), a + b)
    wide = np.zeros((len(a), 3), np.float32)
    remembered(M.add, a, b, out=wide[:, 1])
    np.testing.assert_array_equal(wide[:, 1], a + b)
    assert not wide[:, ::2].any()


def test_another_structure_is_another_record() -> None:
    a = arange(6, 6)
    for x in (a, a.T, a[:4, :4], np.asfortranarray(a), a[1:5, 2:]):
        total, turned = remembered(M.both, x, 2.0)
        np.testing.assert_allclose(total, x.sum(1) * 2)
        np.testing.assert_array_equal(turned, x.T)


def test_arguments_are_told_apart_by_position() -> None:
    """Records that were made with one array in two places serve two arrays."""
    a, b = arange(4), arange(4) * 10
    remembered(M.add, a, a)
    before = M.add._answered
    np.testing.assert_array_equal(M.add(a, b), a + b)
    assert M.add._answered == before + 1


def test_keywords_in_any_order() -> None:
    a, b = arange(4), arange(4) * 10
    x, w, c = arange(2, 4), arange(4), np.float32(1)
    np.testing.assert_array_equal(remembered(M.add, b=b, a=a), a + b)
    np.testing.assert_array_equal(remembered(M.affine, x, b=np.array(c), w=w), x * w + c)
    out = np.zeros(4, np.float32)
    np.testing.assert_array_equal(remembered(M.add, out=out, b=b, a=a), a + b)
    name = "".join(["o", "ut"])  # not the one object that Python uses for names in programs
    assert M.add(a, b, **{name: out}) is out


def test_numbers_are_read_anew() -> None:
    x = arange(3, 4)
    remembered(M.both, x, 1.5)
    before = M.both._answered
    for s in (2.5, -1.0, 0.1, float("inf"), float("nan"), 1e-45):
        np.testing.assert_allclose(M.both(x, s)[0], x.sum(1) * np.float32(s))
    assert M.both._answered == before + 6
    for s in (3, -7, 1 << 30):
        np.testing.assert_allclose(remembered(M.both, x, s)[0], x.sum(1) * np.float32(s))
    with pytest.raises(TypeError, match="too great"):
        asked(M.both, lambda: M.both(x, 1e300))
    n = arange(3, dtype=np.int32)
    remembered(M.count, n, 1, 1)
    shifted, next_ = M.count(n, -(1 << 31), (1 << 63) - 2)
    np.testing.assert_array_equal(shifted, n - np.int32(1 << 30) - np.int32(1 << 30))
    assert next_ == (1 << 63) - 1
    for bad in ((1 << 31, 1), (1, 1 << 63), (1.0, 1)):
        with pytest.raises(TypeError):
            asked(M.count, lambda bad=bad: M.count(n, *bad))


def test_static_values_are_part_of_the_structure() -> None:
    x = arange(5)
    for k in (2, 3, 2, 1, 3):
        np.testing.assert_allclose(remembered(M.power, x, k), x**k)
        np.testing.assert_allclose(remembered(M.power, x, k=k), x**k)
    np.testing.assert_allclose(remembered(M.power, x), x**2)
    with pytest.raises(TypeError):
        M.power(x, 2.0)


def test_several_kernels_share_a_workspace() -> None:
    for n in (3, 40, 3, 300, 17):
        x = arange(n, n) / (n * n)
        y = np.exp(x @ x - (x @ x).max(-1, keepdims=True))
        np.testing.assert_allclose(remembered(M.steps, x), (y / y.sum(-1, keepdims=True)) @ x, rtol=2e-4)


def test_checks_of_data() -> None:
    a = arange(5)
    np.testing.assert_array_equal(remembered(M.pick, a, np.array([4, 0, 2])), a[[4, 0, 2]])
    message = None
    for _ in range(2):
        with pytest.raises(IndexError, match="index 5 is out of range") as raised:
            M.pick(a, np.array([1, 5, 2]))
        assert message in (None, str(raised.value))
        message = str(raised.value)
    np.testing.assert_array_equal(M.pick(a, np.array([1, 1, 3])), a[[1, 1, 3]])


def test_out_that_overlaps() -> None:
    memory = arange(30)
    a, b, out = memory[:8].copy(), arange(8), np.zeros(8, np.float32)
    remembered(M.add, a, b, out=out)
    shifted = np.lib.stride_tricks.as_strided(memory, (8,), (4,))
    for target in (memory[1:9], memory[7:15], memory[:8]):
        expected = shifted + b
        M.add(shifted, b, out=target)
        np.testing.assert_array_equal(target, expected)
    far = memory[8:16]
    before = M.add._answered
    expected = shifted + b
    M.add(shifted, b, out=far)
    np.testing.assert_array_equal(far, expected)
    assert M.add._answered == before + 1


def test_outs() -> None:
    x = arange(3, 4)
    outs = np.zeros(3, np.float32), np.zeros((4, 3), np.float32)
    value = remembered(M.both, x, 2.0, out=outs)
    assert value[0] is outs[0]
    assert value[1] is outs[1]
    np.testing.assert_array_equal(outs[0], x.sum(1) * 2)
    remembered(M.both, x[:3, :3], 2.0, out=(outs[0], outs[1][:3]))
    same = np.zeros(9, np.float32)
    for wrong, error in (
        ((outs[0], outs[0]), ValueError),
        ((outs[0],), TypeError),
        (outs[0], TypeError),
        ((outs[0], outs[1].astype(np.float64)), TypeError),
    ):
        with pytest.raises(error):
            M.both(x, 2.0, out=wrong)
    M.both(x[:3, :3], 1.0, out=(same[:3], same.reshape(3, 3)))
    frozen = np.zeros(3, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        M.both(x, 2.0, out=(frozen, outs[1]))


def test_mistakes_are_told_as_ever() -> None:
    a = arange(4)
    fresh = tc.compile("fn add(a: f32[N], b: f32[N]) = a + b").add
    remembered(M.add, a, a)
    for args in ((a,), (a, a, a), (a, a[:3]), (a, a.astype(np.float64)), (a, "a"), (a, [1.0] * 4), (a, a[None]), (a, a.astype(">f4"))):
        raised = []
        for function in (fresh, M.add):
            with pytest.raises((TypeError, ValueError)) as reason:
                function(*args)
            raised.append((reason.type, str(reason.value)))
        assert raised[0] == raised[1]


def test_subclasses_are_python_s() -> None:
    class Mine(np.ndarray):
        pass

    a = arange(4)
    remembered(M.add, a, a)
    np.testing.assert_array_equal(asked(M.add, lambda: M.add(a.view(Mine), a)), a + a)
    with pytest.raises(TypeError, match="masked"):
        M.add(np.ma.masked_array(a, a > 1), a)


def test_arrays_that_a_function_closes_over_are_read_anew() -> None:
    w = arange(4)
    f = tc.jit(lambda x: x * w)
    x = arange(3, 4)
    remembered(f, x)
    w[:] = 5
    before = f._answered
    np.testing.assert_array_equal(f(x), x * 5)
    assert f._answered == before + 1
    p = torch.ones(4)
    g = tc.jit(lambda x: x * p)
    t = torch.ones(3, 4)
    remembered(g, t)
    p.data = torch.full((4,), 3.0)
    assert torch.equal(g(t), t * 3)
    p.data = torch.full((8,), 2.0)[::2]
    assert torch.equal(g(t), t * 2)


def test_jitted_functions() -> None:
    @tc.jit
    def f(x: Any, y: Any, axis: Any = None, *rest: Any, scale: Any = 2.0) -> Any:
        return (x + y).sum(axis) * scale, *rest

    x, y = arange(3, 4), np.ones(4, np.float32)
    np.testing.assert_allclose(remembered(f, x, y)[0], (x + y).sum() * 2)
    np.testing.assert_allclose(remembered(f, x, y, scale=0.5)[0], (x + y).sum() / 2)
    s = np.array(3.0, np.float32)
    np.testing.assert_allclose(remembered(f, x, y, scale=s)[0], (x + y).sum() * 3)
    one = np.ones((1, 4), np.float32)
    np.testing.assert_allclose(remembered(f, x, one)[0], (x + y).sum() * 2)
    np.testing.assert_allclose(f(x, arange(3, 4))[0], (x + x).sum() * 2)


def test_calls_while_tracing_belong_to_the_trace() -> None:
    numbers = library_function("arange")
    assert remembered(numbers, 5).tolist() == [0, 1, 2, 3, 4]
    f = tc.jit(lambda x: x + numbers(5))
    np.testing.assert_array_equal(f(np.ones(5, np.float32)), np.arange(5) + 1)
    assert "constant" not in f.inspect("typed")


def test_settings_reach_remembered_calls() -> None:
    a = arange(4)
    remembered(M.add, a, a)
    with tc.config.scope(target="reference"):
        np.testing.assert_array_equal(asked(M.add, lambda: M.add(a, a)), a + a)
        with tc.config.scope(target="cpu"):
            M.add(a, a)
    before = M.add._answered
    M.add(a, a)
    assert M.add._answered == before + 1
    try:
        tc.config.target = "reference"
        asked(M.add, lambda: M.add(a, a))
    finally:
        tc.config.target = "cpu"
    remembered(M.add, a, a)


def test_compiled_signatures() -> None:
    a, b = arange(3, 4), arange(4)
    compiled = M.affine.lower(a, b, np.float32(1)).compile()
    np.testing.assert_array_equal(remembered(compiled, a, b, np.array(2, np.float32)), a * b + 2)
    with pytest.raises(tc.DTypeError):
        compiled(a.astype(np.float64), b.astype(np.float64), np.float64(2))
    sized = M.add.lower(tc.spec("f32[4]"), tc.spec("f32[4]")).compile()
    remembered(sized, b, b)
    with pytest.raises(tc.ShapeError):
        sized(arange(5), arange(5))


def test_stats_count_every_call() -> None:
    f = tc.compile("fn f(x: f32[N]) = x + 1").f
    x = arange(4)
    for _ in range(10):
        f(x)
    for n in range(20):
        f(arange(n))
    assert f.stats.calls == 30
    assert f.stats.compiles == 1
    with tc.no_compile():
        f(x)


def test_many_structures_are_forgotten_and_learnt_again() -> None:
    f = tc.compile("fn f(x: f32[N]) = x + 1").f
    for _ in range(3):
        for n in range(1200):
            assert len(f(np.zeros(n, np.float32))) == n
    assert len(f._recorder.records) <= 512
    remembered(f, np.zeros(7, np.float32))


def test_only_exact_objects_are_kept() -> None:
    """A record keeps no array of the caller's alive."""
    f = tc.compile("fn f(x: f32[N], y: f32[N]) = x + y").f
    x = np.ones(1000, np.float32)
    seen = weakref.ref(x)
    remembered(f, x, x)
    del x
    gc.collect()
    assert seen() is None


def test_dtypes_of_their_own_live_as_long_as_their_records() -> None:
    """Else another dtype could get the address of one that a record knows."""
    f = tc.compile("fn f(x: f32[N], y: f32[N]) = x + y").f
    own = np.dtype(np.float32, metadata={"unit": "m"})
    x = np.ones(3, own)
    assert x.dtype is own
    remembered(f, x, x, out=np.zeros(3, np.dtype(np.float32, metadata={"unit": "s"})))
    known = sys.getrefcount(own)
    f._recorder.forget()
    assert sys.getrefcount(own) < known


def test_references_balance() -> None:
    a, out = arange(4), np.zeros(4, np.float32)
    remembered(M.add, a, a)
    remembered(M.add, a, a, out=out)
    before = sys.getrefcount(a), sys.getrefcount(out), sys.getrefcount(a.dtype)
    for _ in range(1000):
        M.add(a, a)
        M.add(a, a, out=out)
    after = sys.getrefcount(a), sys.getrefcount(out), sys.getrefcount(a.dtype)
    assert before == after


def test_copies_learn_for_themselves() -> None:
    a = arange(4)
    remembered(M.add, a, a)
    for other in (copy.deepcopy(M.add), pickle.loads(pickle.dumps(M.add))):
        np.testing.assert_array_equal(remembered(other, a, a), a + a)


def test_methods_and_explicit_calls() -> None:
    class Model:
        @tc.jit(static="self")
        def scale(self, x: Any) -> Any:
            return x * 2

    a = arange(4)
    remembered(M.add, a, a)
    np.testing.assert_array_equal(M.add.__call__(a, a), a + a)
    np.testing.assert_array_equal(next(map(M.add, [a], [a])), a + a)
    model = Model()
    for _ in range(4):
        np.testing.assert_array_equal(model.scale(a), a * 2)


def test_a_function_is_freed_with_its_records() -> None:
    f = tc.compile("fn f(x: f32[N]) = x + 1").f
    remembered(f, arange(4))
    f.myself = f
    seen = weakref.ref(f)
    del f
    gc.collect()
    assert seen() is None


def test_threads() -> None:
    """Records come and go while other threads use them, with the interpreter let go of in between."""
    f = tc.compile("fn f(x: f32[N, M], y: f32[N, M]) = exp(x) * y").f
    wrong: list[Any] = []

    def work(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(150):
            shape = tuple(generator.integers(0, 40, 2))
            shape = (300, 300) if shape[0] == 0 else shape
            x = generator.random(shape, np.float32)
            y = generator.random(shape, np.float32)
            if not np.allclose(f(x, y), np.exp(x) * y, rtol=1e-5):
                wrong.append(shape)
            if generator.random() < 0.05 and f._recorder is not None:
                f._recorder.forget()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert f.stats.calls == 8 * 150
