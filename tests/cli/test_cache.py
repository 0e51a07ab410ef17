"""`tensorc cache`: what it lists, shows, removes and carries to another place."""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.runtime.cache import Store

Command = Callable[..., Any]


@pytest.fixture
def cache(tensorc: Command, tmp_path: Path) -> tuple[Command, Store]:
    """The command on a cache of its own, which has two entries."""
    store = Store(tmp_path / "cache")
    with tc.config.scope(cache="rw", cache_dir=store.folder):
        for source in ("fn twice(x: f32[N]) = x + x", "fn square(x: f32[N]) = x * x"):
            next(iter(tc.compile(source)._functions.values()))(np.ones(3, np.float32))

    def run(*words: str) -> Any:
        return tensorc("cache", *words, env={"TENSORC_CACHE": "rw", "TENSORC_CACHE_DIR": str(store.folder)})

    return run, store


def test_what_is_there(cache: tuple[Command, Store]) -> None:
    run, store = cache
    info = run("info", "--json").envelope["result"]
    assert (info["folder"], info["mode"], info["entries"], info["problem"]) == (str(store.folder), "rw", 2, None)
    assert info["bytes"] == sum(f.bytes for f in store.found()) <= info["limit"]
    assert "entries  2" in run("info").out
    listed = run("ls", "--json").envelope["result"]
    assert {row["name"] for row in listed} == {"twice", "square"}
    assert all(row["kind"] == "program" and row["strides"] == "row-major" and row["cpu"] for row in listed)
    lines = run("ls").out.splitlines()
    assert len(lines) == 2 and all(line.split()[0] in row["key"] for line, row in zip(lines, listed, strict=True))


def test_every_stage_of_an_entry(cache: tuple[Command, Store]) -> None:
    run, _ = cache
    key = next(row["key"] for row in run("ls", "--json").envelope["result"] if row["name"] == "twice")
    shown = run("show", key[:8], "--json").envelope["result"]
    assert shown["stages"] == ["typed", "opt", "schedule", "loops", "llvm", "asm"]
    assert shown["object_bytes"] > 100
    f = tc.compile("fn twice(x: f32[N]) = x + x").twice
    f(np.ones(3, np.float32))
    for stage in shown["stages"]:
        text = run("show", key, "--stage", stage).out
        assert text.strip() == f.inspect(stage).strip()
    assert "name      twice" in run("show", key).out
    assert run("show", key, "--stage", "ptx").code == 2
    assert run("show", "f" * 64).code == 2
    assert "keys of 2 entries" in run("show", "").err


def test_removing(cache: tuple[Command, Store]) -> None:
    run, store = cache
    newest, oldest = store.found()
    os.utime(oldest.path, (time.time() - 10 * 86400,) * 2)
    assert run("prune", "--older-than", "30d").out == "removed 0 entries, 0 B\n"
    assert run("prune", "--older-than", "1w", "--json").envelope["result"] == {"removed": 1, "bytes": oldest.bytes}
    assert [f.key for f in store.found()] == [newest.key]
    assert run("prune", "--max-size", "1 MB").out == "removed 0 entries, 0 B\n"
    assert run("prune", "--max-size", "1kB").out.startswith("removed 1 entry, ")
    for words in (("--max-size", "lots"), ("--older-than", "3 years")):
        assert run("prune", *words).code == 2
    assert run("clear").out == "removed 0 entries, 0 B\n"
    assert run("ls").err == "the cache is empty\n"


def test_another_place(cache: tuple[Command, Store], tmp_path: Path, tensorc: Command) -> None:
    run, store = cache
    file = tmp_path / "entries.zip"
    assert run("export", str(file)).out == f"wrote 2 entries to {file}\n"
    other = Store(tmp_path / "other")
    env = {"TENSORC_CACHE": "rw", "TENSORC_CACHE_DIR": str(other.folder)}
    assert tensorc("cache", "import", str(file), env=env).out == "took 2 entries\n"
    assert {f.key for f in other.found()} == {f.key for f in store.found()}
    assert other.folder.stat().st_mode & 0o777 == 0o700
    one = store.found()[0].key
    assert run("export", str(tmp_path / "one.zip"), one[:10], "--json").envelope["result"]["written"] == 1
    assert run("export", str(tmp_path / "no" / "one.zip")).code == 2


def test_what_is_imported_is_looked_at(cache: tuple[Command, Store], tmp_path: Path) -> None:
    run, store = cache
    found = store.found()[0]
    data = found.path.read_bytes()
    store.clear()
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(found.path.name, data[:-1] + b"?")
        archive.writestr(f"{'0' * 64}.entry", data)
        archive.writestr("../../escaped.entry", data)
        archive.writestr("readme.txt", "hello")
    ran = run("import", str(file), "--json").envelope
    assert ran["result"] == {"taken": 0, "refused": 4}
    assert store.found() == []
    assert not list(tmp_path.glob("**/escaped*"))
    (tmp_path / "no.zip").write_text("no")
    assert run("import", str(tmp_path / "no.zip")).code == 2
    assert run("import", str(tmp_path / "absent.zip")).code == 2


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_that_is_open_to_others(cache: tuple[Command, Store]) -> None:
    run, store = cache
    store.folder.chmod(0o755)
    assert "open to other users" in run("info").out
    assert run("ls").code == 2 and "chmod 700" in run("ls").err
    assert run("clear").code == 2


def test_without_a_cache(tensorc: Command, tmp_path: Path) -> None:
    env = {"TENSORC_CACHE": "rw", "TENSORC_CACHE_DIR": str(tmp_path / "none")}
    assert tensorc("cache", "info", "--json", env=env).envelope["result"]["entries"] == 0
    assert tensorc("cache", "ls", env=env).code == 0
    assert not (tmp_path / "none").exists()
    assert json.loads(tensorc("cache", "clear", "--json", env=env).out)["result"]["removed"] == 0
