"""The setting `math`: accurate and fast functions are code of their own, in memory and in the cache, whichever was asked for first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.backends.llvm import target
from tensorc.config import Configuration
from tensorc.errors import ConfigError

pytestmark = pytest.mark.skipif(not target.host().has_fused_multiply_add, reason="the CPU's functions are the C library's")

X = np.linspace(-20, 20, 4001, dtype=np.float32)


def bits(x: Any) -> Any:
    return np.asarray(x).view(np.uint32)


def test_each_mode_has_code_of_its_own() -> None:
    f = tc.compile("fn f(x: f32[N]) = tan(x) + tanh(x)").f
    accurate = bits(f(X))
    with tc.config.scope(math="fast"):
        fast = bits(f(X))
        assert np.array_equal(bits(f(X)), fast)
    assert np.array_equal(bits(f(X)), accurate)
    assert f.stats.compiles == 2
    exact = np.tan(X.astype(np.float64)) + np.tanh(X.astype(np.float64))
    assert (fast != accurate).any()
    assert np.allclose(fast.view(np.float32), exact, rtol=2e-6, atol=2e-6)
    assert np.allclose(accurate.view(np.float32), exact, rtol=5e-7, atol=5e-7)


def test_the_cache_tells_them_apart(tmp_path: Any) -> None:
    source = "fn f(x: f32[N]) = log2(x * x + 1)"
    with tc.config.scope(cache_dir=tmp_path, cache="rw"):
        results = []
        for _ in range(2):  # the second time from the cache
            for mode in ("accurate", "fast"):
                with tc.config.scope(math=mode):
                    results.append(bits(tc.compile(source).f(X)))
    accurate, fast, *again = results
    assert (accurate != fast).any()
    assert np.array_equal(accurate, again[0]) and np.array_equal(fast, again[1])


def test_jit_functions_and_tensors_follow_it() -> None:
    torch = pytest.importorskip("torch")

    @tc.jit
    def f(x: Any) -> Any:
        return tc.sin(x) * tc.tan(x)

    x = torch.from_numpy(X)
    results = []
    for mode in ("accurate", "fast", "accurate"):
        with tc.config.scope(math=mode):
            results.append((bits(f(X)), bits(f(x).numpy()), bits(tc.tensor(X).tan().numpy())))
    for first, fast, last in zip(*results, strict=True):
        assert np.array_equal(first, last) and (first != fast).any()


def test_the_target_may_be_named() -> None:
    f = tc.compile("fn f(x: f32[N]) = tan(x)").f
    with tc.config.scope(math="fast"):
        expected = bits(f(X))
    assert np.array_equal(bits(f.lower(X, target="cpu:fast").compile()(X)), expected)


def test_it_is_read_from_the_environment(tmp_path: Any) -> None:
    made = Configuration()
    made.reload({"TENSORC_MATH": "fast"}, tmp_path)
    assert (made.math, made.target, made.code) == ("fast", "cpu", "cpu:fast")
    made.reload({"TENSORC_MATH": "fast", "TENSORC_TARGET": "reference"}, tmp_path)
    assert made.code == "reference"
    with pytest.raises(ConfigError, match="it must be one of accurate, fast; did you mean `fast`"):
        made.reload({"TENSORC_MATH": "fats"}, tmp_path)
