"""The cache on disk: entries, and programs that come back from it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.runtime import cache, stored
from tensorc.runtime.cache import Entry, Store, decoded, encoded, key_of

ENTRY = Entry({"kind": "test", "numbers": [1, 2, None]}, {"object": bytes(range(256)) * 9, "text": "é".encode(), "nothing": b""})
KEY = key_of("a", "b")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "cache")
    made.check()
    return made


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Path]:
    """The folder of a cache that this process uses."""
    cache._store.cache_clear()
    with tc.config.scope(cache="rw", cache_dir=tmp_path / "cache"):
        yield tmp_path / "cache"
    cache._store.cache_clear()


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.entry"))


def programs(folder: Path) -> list[Path]:
    return [p for p in entries(folder) if (Store(folder).header(p) or {}).get("kind") == "program"]


def softmax(x: Any) -> Any:
    """Compiled anew."""
    return tc.compile("fn f(x: f32[N, M]) = softmax(x, axis=-1)").f(x)


X = np.arange(12, dtype=np.float32).reshape(3, 4)
EXPECTED = np.exp(X - X.max(1, keepdims=True)) / np.exp(X - X.max(1, keepdims=True)).sum(1, keepdims=True)


# Entries.


def test_an_entry_comes_back(store: Store) -> None:
    store.put(KEY, ENTRY)
    found = store.get(KEY)
    assert found is not None
    assert found.parts == ENTRY.parts
    assert found.header["numbers"] == [1, 2, None]
    assert store.get(key_of("other")) is None
    assert store.header(store.path(KEY))["kind"] == "test"  # type: ignore[index]


def test_keys_are_of_whole_parts() -> None:
    keys = {key_of("a", "b"), key_of("ab"), key_of("", "ab"), key_of("ab", ""), key_of("b", "a")}
    assert len(keys) == 5


def test_no_damage_passes() -> None:
    """Cut anywhere, and with any byte flipped: it is no entry."""
    data = encoded(KEY, ENTRY)
    assert decoded(data, KEY).parts == ENTRY.parts
    for length in range(len(data)):
        with pytest.raises(ValueError, match="damaged"):
            decoded(data[:length], KEY)
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x10
        with pytest.raises(ValueError, match="damaged"):
            decoded(bytes(broken), KEY)
    with pytest.raises(ValueError, match="another"):
        decoded(data, key_of("c"))


@pytest.mark.skipif(os.name != "posix", reason="links and modes are POSIX's")
def test_what_is_no_file_of_this_user_s(store: Store, tmp_path: Path) -> None:
    store.put(KEY, ENTRY)
    path = store.path(KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert store.get(KEY) is None
    store.put(KEY, ENTRY)
    assert not path.is_symlink() and store.get(KEY) is not None
    path.unlink()
    path.mkdir()
    assert store.get(KEY) is None
    path.rmdir()
    os.mkfifo(path)
    assert store.get(KEY) is None
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("")
    assert store.get(KEY) is None
    with pytest.raises(OSError):
        store.put(KEY, ENTRY)


def test_what_is_least_used_goes_first(store: Store) -> None:
    now = time.time()
    for n in range(10):
        store.put(key_of(str(n)), ENTRY)
        os.utime(store.path(key_of(str(n))), (now - 1000 * n,) * 2)
    size = store.found()[0].bytes
    store.get(key_of("7"))  # which makes it the newest
    left = store.folder / "00"
    left.mkdir(exist_ok=True)
    (left / "half.1.2").write_bytes(b"half")
    os.utime(left / "half.1.2", (now - 2 * cache.STALE,) * 2)
    (left / "being.written").write_bytes(b"half")
    assert store.prune(limit=3 * size + 20) == (7, 7 * size)
    assert {f.key for f in store.found()} == {key_of("7"), key_of("0"), key_of("1")}
    assert not (left / "half.1.2").exists() and (left / "being.written").exists()
    assert store.clear()[0] == 3 and store.found() == []


def test_pruning_happens_at_times(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    monkeypatch.setattr(Store, "prune", lambda self: done.append(1))
    for _ in range(3):
        store.prune_at_times()
    assert len(done) == 1
    os.utime(store.folder / "pruned", (time.time() - 2 * cache.PRUNED_EVERY,) * 2)
    store.prune_at_times()
    assert len(done) == 2


def test_one_process_prunes(store: Store) -> None:
    from filelock import FileLock

    store.put(KEY, ENTRY)
    with FileLock(store.folder / "lock"):
        assert store.clear() == (0, 0)
    assert store.clear()[0] == 1


# Programs.


def test_a_program_comes_back(used: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    np.testing.assert_allclose(softmax(X), EXPECTED, rtol=1e-6)
    (entry,) = entries(used)
    assert stat.S_IMODE(used.stat().st_mode) == 0o700
    before = entry.read_bytes()
    monkeypatch.setattr("tensorc.schedule.program.schedule", None)  # which a hit does without
    with tc.config.scope(log="cache,compile"):
        np.testing.assert_array_equal(softmax(X), softmax(X))
    assert capsys.readouterr().err.count(": found") == 2
    assert entry.read_bytes() == before
    monkeypatch.undo()
    f = tc.compile("fn f(x: f32[N, M]) = softmax(x, axis=-1)").f
    f(X)
    assert "fadd" in f.inspect("llvm") and "max over" in f.inspect("loops") and ".text" in f.inspect("asm")


def test_code_for_other_strides_is_another_entry(used: Path) -> None:
    wide = np.arange(24, dtype=np.float32).reshape(3, 8)
    for _ in range(2):
        f = tc.compile("fn f(x: f32[N, M]) = softmax(x, axis=-1)").f
        f.warmup(tc.spec("f32[N, M]"))
        with tc.no_compile(), pytest.raises(RuntimeError):
            f(wide[:, ::2])
        np.testing.assert_array_equal(f(wide[:, ::2]), softmax(wide[:, ::2].copy()))
        assert f.stats.compiles == 2
        assert len(programs(used)) == 2


def test_every_part_of_a_call_comes_back(used: Path) -> None:
    """Intermediates, checks, scratch, threads, sizes with quotients: nothing of the schedule is there the second time."""
    source = """
    fn f(x: f32[N, M], i: i64[K]) {
        let h = softmax(x @ x.T, axis=-1)
        let half = reshape(h[:2 * (N // 2)], [N // 2, 2 * N])
        let picked[k] = x[i[k], 0]
        return sort(half, axis=-1), picked, cumsum(x, axis=0)
    }"""
    i = np.array([0, 2, 1, 1])
    results = []
    for n in range(2):
        f = tc.compile(source).f
        with tc.config.scope(num_threads=1 + n):
            results.append(f(X, i))
            with pytest.raises(IndexError, match="index 3 is out of range"):
                f(X, i + 1)
        for made, expected in zip(results[-1], f.reference(X, i), strict=True):
            np.testing.assert_allclose(made, expected, rtol=1e-5)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_code_is_made_from_is_in_its_key(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    softmax(X)
    for kind in (
        lambda: monkeypatch.setattr(stored, "compiler", lambda: "another"),
        lambda: monkeypatch.setattr(stored.target, "llvm_version", lambda: "another"),
        lambda: softmax(X.astype(np.float64)) if False else tc.compile("fn f(x: f32[N, M]) = softmax(x, axis=0)").f(X),
    ):
        count = len(entries(used))
        kind()
        np.testing.assert_allclose(softmax(X), EXPECTED, rtol=1e-6)
        assert len(entries(used)) == count + 1
    if stored.target.host().triple.startswith("x86_64"):
        with tc.config.scope(cpu="x86-64-v2"):
            np.testing.assert_allclose(softmax(X), EXPECTED, rtol=1e-6)
        assert len(entries(used)) == count + 2


def test_modes(used: Path) -> None:
    with tc.config.scope(cache="off"):
        softmax(X)
    assert not used.exists()
    with tc.config.scope(cache="ro"):
        softmax(X)
        assert not used.exists()
    softmax(X)
    (entry,) = entries(used)
    entry.write_bytes(b"broken")
    with tc.config.scope(cache="ro"):
        np.testing.assert_allclose(softmax(X), EXPECTED, rtol=1e-6)
    assert entry.read_bytes() == b"broken"
    softmax(X)
    assert entry.read_bytes() != b"broken"
