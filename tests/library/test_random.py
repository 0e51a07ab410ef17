"""Random numbers by key: known answers of Philox, their distributions, and that they are the same bits everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from library.judge import by_oracle, compiled
from scipy import special, stats

import tensorc as tc

M0, M1, W0, W1, LOW = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85, 0xFFFFFFFF


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox 4x32-10 as its paper gives it (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, section 3.3)."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        p, q = M0 * a, M1 * c
        a, b, c, d = (q >> 32) ^ b ^ k, q & LOW, (p >> 32) ^ d ^ m, p & LOW
        k, m = (k + W0) & LOW, (m + W1) & LOW
    return a, b, c, d


def words(key: int, count: int) -> list[tuple[int, int]]:
    return [philox((n & LOW, n >> 32, 0, 0), (key & LOW, key >> 32))[:2] for n in range(count)]


def draw(text: str, key: int) -> Any:
    return by_oracle(text, [np.array(key, np.uint64)])[0]


def test_the_reference_gives_the_published_answers() -> None:
    assert philox((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((LOW, LOW, LOW, LOW), (LOW, LOW)) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


@pytest.mark.parametrize("key", [0, 1, 42, (1 << 64) - 1, 0x0123456789ABCDEF])
def test_uniform_numbers_are_the_leading_bits(key: int) -> None:
    pairs = words(key, 12)
    leading = np.array([a for a, _ in pairs])
    for dtype, bits in (("f32", 24), ("f16", 11), ("bf16", 8)):
        found = draw(f"random_uniform(x, [3, 4], {dtype})", key)
        assert np.array_equal(found.ravel().astype("f8"), (leading >> (32 - bits)) / 2.0**bits)
    wide = [((a << 21) | (b >> 11)) / 2**53 for a, b in pairs]
    assert draw("random_uniform(x, [12], f64)", key).tolist() == wide


def test_a_later_element_does_not_depend_on_the_shape() -> None:
    assert np.array_equal(draw("random_normal(x, [60])", 3)[:12], draw("random_normal(x, [3, 2, 2])", 3).ravel())
    assert draw("random_uniform(x, [])", 3).shape == () and draw("random_uniform(x, [0, 3])", 3).shape == (0, 3)


def test_normal_numbers_are_the_inverse_distribution_of_the_words() -> None:
    pairs = words(7, 2000)
    exact = special.ndtri((np.array([a for a, _ in pairs]) + 0.5) / 2**32)
    assert np.abs(draw("random_normal(x, [2000])", 7) / exact - 1).max() < 1e-6
    wide = special.ndtri((np.array([(a << 20) | (b >> 12) for a, b in pairs]) + 0.5) / 2**52)
    assert np.abs(draw("random_normal(x, [2000], f64)", 7) / wide - 1).max() < 1e-14


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
def test_distributions(dtype: str) -> None:
    uniform = draw(f"random_uniform(x, [50000], {dtype})", 11).astype("f8")
    assert uniform.min() >= 0 and uniform.max() < 1
    if dtype != "f16":  # which has only 2048 of them
        assert stats.kstest(uniform, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 0.02
    normal = draw(f"random_normal(x, [50000], {dtype})", 11).astype("f8")
    assert stats.kstest(normal, "norm").pvalue > 0.01
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.01 and 4 < np.abs(normal).max() < 7
    other = draw(f"random_normal(x, [50000], {dtype})", 12).astype("f8")
    assert abs(np.corrcoef(normal, other)[0, 1]) < 0.02


def test_tails_of_normal_numbers() -> None:
    far = draw("random_normal(x, [400000])", 5)
    assert np.isfinite(far).all()
    assert abs((far > 3).mean() / stats.norm.sf(3) - 1) < 0.1 and abs((far < -3).mean() / stats.norm.sf(3) - 1) < 0.1


@pytest.mark.parametrize(
    "text", ["random_uniform(x, [7, 5])", "random_normal(x, [7, 5])", "random_normal(x, [35], f64)", "random_uniform(x, [9], bf16)"]
)
def test_compiled_code_gives_the_same_bits(text: str) -> None:
    for key in (0, 9, 1 << 63):
        array = [np.array(key, np.uint64)]
        assert compiled(text, array)[0].tobytes() == by_oracle(text, array)[0].tobytes()


@pytest.mark.parametrize("name", ["random_uniform", "random_normal"])
def test_neither_threads_nor_shapes_change_the_bits(name: str) -> None:
    f = tc.compile(f"fn f(k: u64, n: f32[N], m: f32[M]) = {name}(k, [N, M])").f
    key = np.array(11, np.uint64)
    expected = f(key, np.empty(300_000, "f4"), np.empty(1, "f4")).ravel()
    for threads in (1, 2, 3):
        with tc.config.scope(num_threads=threads):
            for rows in (1, 3, 1000, 300_000):
                found = f(key, np.empty(rows, "f4"), np.empty(300_000 // rows, "f4"))
                assert found.tobytes() == expected.tobytes()


def test_dropout() -> None:
    x = np.arange(1, 20001, dtype="f4")
    kept = by_oracle("dropout(x, 0.25, 7)", [x])[0]
    assert set(np.round((kept / x).astype("f8"), 6)) == {0.0, round(1 / 0.75, 6)}
    assert abs((kept == 0).mean() - 0.25) < 0.02
    assert np.array_equal(kept == 0, draw("random_uniform(x, [20000])", 7) < 0.25)
    assert np.array_equal(by_oracle("dropout(x, p=0.25, key=7, training=false)", [x])[0], x)
    assert np.array_equal(by_oracle("dropout(x, 0, 7)", [x])[0], x) and not by_oracle("dropout(x, 1.0, 7)", [x])[0].any()
    assert by_oracle("dropout(x, key=3)", [x.astype("f2")])[0].dtype == np.float16
    with pytest.raises(tc.CompileError, match="probability"):
        by_oracle("dropout(x, 1.5, 7)", [x])
    attended = by_oracle("scaled_dot_product_attention(x, x, x, dropout_p=0.5, dropout_key=1)", [np.ones((4, 3), "f4")])[0]
    assert attended.shape == (4, 3) and not np.allclose(attended, 1)


def test_a_literal_key_does_not_make_weak_numbers() -> None:
    for name in ("random_uniform", "random_normal"):
        assert by_oracle(f"{name}(3, [2], f64)", [])[0].dtype == np.float64
        assert by_oracle(f"{name}(3, [2], f16)", [])[0].dtype == np.float16
        assert by_oracle(f"{name}(3, [1]) * x", [np.ones(2)])[0].dtype == np.float64
        assert by_oracle(f"{name}(3, [1]) * x", [np.ones(2, "f2")])[0].dtype == np.float32


def test_only_floats_are_made() -> None:
    for name in ("random_uniform", "random_normal"):
        with pytest.raises(tc.CompileError, match="makes floats"):
            draw(f"{name}(x, [3], i32)", 1)
