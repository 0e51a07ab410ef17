"""What may become of the cache on disk, each in processes of their own, whose exit codes are checked: results are right, and there is one
warning at most."""

from __future__ import annotations

import os
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime.children import environment, run, start

from tensorc.runtime.cache import Store, decoded

SCRIPT = """
import sys
import numpy as np
import tensorc as tc

X = np.arange(12, dtype=np.float32).reshape(3, 4)
E = np.exp(X - X.max(1, keepdims=True))

def check():
    f = tc.compile("fn f(x: f32[N, M]) = softmax(x, axis=-1)").f
    for _ in range(3):
        np.testing.assert_allclose(f(X), E / E.sum(1, keepdims=True), rtol=1e-6)
"""


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.entry"))


def programs(folder: Path) -> list[Path]:
    return [p for p in entries(folder) if (Store(folder).header(p) or {}).get("kind") == "program"]


def warnings_in(err: str) -> int:
    return err.count("Warning")


def with_cache(folder: Path | str, **more: str | None) -> dict[str, str]:
    return environment(TENSORC_CACHE="rw", TENSORC_CACHE_DIR=str(folder), **more)


def test_damage(tmp_path: Path) -> None:
    """In one process after the other, and in one process that goes on."""
    folder = tmp_path / "cache"
    out, err = run(
        SCRIPT
        + """
from pathlib import Path
folder = Path(sys.argv[1])
check()
whole = {p: p.read_bytes() for p in folder.glob("??/*.entry")}
assert len(whole) == 2, whole  # the program and the entry of calls
program = max(whole, key=lambda p: b'"program"' in whole[p])

def damage():
    data = whole[program]
    yield b""
    yield data[: len(data) // 2]
    yield data[:-1]
    yield data + b"more"
    yield bytes(len(data))
    yield whole[next(p for p in whole if p != program)]
    for place in [*range(0, len(data), len(data) // 40), len(data) - 1]:
        yield data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

for data in damage():
    program.write_bytes(data)
    check()
    assert program.read_bytes() == whole[program]
program.unlink()
check()
assert program.read_bytes() == whole[program]
from tensorc.runtime.cache import decoded
passed = []
for path, data in whole.items():
    for place in range(len(data)):
        try:
            decoded(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :], path.stem)
            passed.append((path, place))
        except ValueError:
            pass
assert not passed, passed
print("done")
""",
        str(folder),
        env=with_cache(folder),
    )
    assert out == "done\n" and warnings_in(err) == 0
    for path in entries(folder):
        path.write_bytes(path.read_bytes()[:-20])
    run(SCRIPT + "check()", env=with_cache(folder, TENSORC_LOG="cache"))
    for path in entries(folder):
        decoded(path.read_bytes(), path.stem)
    _, err = run(SCRIPT + "check()", env=with_cache(folder, TENSORC_LOG="cache"))
    assert "f: found" in err


@pytest.mark.skipif(os.name != "posix", reason="links and owners are POSIX's")
def test_what_takes_an_entry_s_place(tmp_path: Path) -> None:
    """A link, a folder, a pipe, a file that cannot be read, the file of another user: none of them is read."""
    folder = tmp_path / "cache"
    script = """
import os, stat
from pathlib import Path
from tensorc.runtime import cache
folder = Path(sys.argv[1])
check()
program = next(p for p in folder.glob("??/*.entry") if b'"program"' in p.read_bytes())
data = program.read_bytes()
aside = folder.parent / "aside"
aside.write_bytes(data)

def is_whole():
    return stat.S_ISREG(program.lstat().st_mode) and program.read_bytes() == data

program.unlink()
program.symlink_to(aside)
check()
assert is_whole() and aside.read_bytes() == data
program.unlink()
program.symlink_to(folder / "nowhere")
check()
assert is_whole()
program.unlink()
os.mkfifo(program)
check()
assert is_whole()
program.chmod(0)
check()
os.chmod(program, 0o600)
assert is_whole()
user = os.geteuid()
os.geteuid = lambda: user + 1  # as whose files these are not
assert cache.get(program.stem) is None
check()
os.geteuid = lambda: user
program.unlink()
program.mkdir()
check()  # which cannot be put right, and is said once
check()
print("done")
"""
    out, err = run(SCRIPT + script, str(folder), env=with_cache(folder))
    assert out == "done\n" and warnings_in(err) == 1 and "cannot be written to" in err


@pytest.mark.parametrize("made", ["tensorc.runtime.stored.compiler", "tensorc.backends.llvm.target.llvm_version"])
def test_what_another_version_made(made: str, tmp_path: Path) -> None:
    """It stays where it is, and is not used; one that lies where this version's would is no entry of this version's."""
    folder = tmp_path / "cache"
    module, _, name = made.rpartition(".")
    other = f"import {module} as module\nmodule.{name} = lambda: 'another'\ncheck()"
    assert warnings_in(run(SCRIPT + other, env=with_cache(folder))[1]) == 0
    (theirs,) = programs(folder)
    _, err = run(SCRIPT + "check()", env=with_cache(folder, TENSORC_LOG="cache"))
    assert "f: not found" in err and "f: found" not in err
    (own,) = set(programs(folder)) - {theirs}
    whole = own.read_bytes()
    own.write_bytes(theirs.read_bytes())
    _, err = run(SCRIPT + "check()", env=with_cache(folder, TENSORC_LOG="cache"))
    assert "f: not found" in err and own.read_bytes() == whole
    _, err = run(SCRIPT + "check()", env=with_cache(folder, TENSORC_LOG="cache"))
    assert "f: found" in err and warnings_in(err) == 0


def test_another_cpu(tmp_path: Path) -> None:
    """Its code is never run by this one: each finds its own only."""
    from tensorc.backends.llvm.target import host

    folder = tmp_path / "cache"
    model = "x86-64-v2" if host().triple.startswith("x86_64") else "generic"
    for cpu, expected in ((model, "not found"), (None, "not found"), (model, "found"), (None, "found")):
        _, err = run(SCRIPT + "check()", env=with_cache(folder, TENSORC_CPU=cpu, TENSORC_LOG="cache"))
        assert f"f: {expected}" in err and warnings_in(err) == 0
    assert len(programs(folder)) == 2


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    env = with_cache(tmp_path / "cache", TENSORC_LOG="cache")
    script = """
import pickle
def refused(*_, **__):
    raise AssertionError("the cache holds a pickle")
pickle.load = pickle.loads = pickle.Unpickler = pickle.dump = pickle.dumps = pickle.Pickler = refused
check()
"""
    for expected in ("not found", "found"):
        _, err = run(SCRIPT + script, env=env)
        assert f"f: {expected}" in err


def test_modes_in_the_environment(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    for mode in ("off", "ro"):
        assert run(SCRIPT + "check()", env={**with_cache(folder), "TENSORC_CACHE": mode})[1] == ""
        assert not folder.exists()
    run(SCRIPT + "check()", env=with_cache(folder))
    found = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
    script = "check()\ntc.compile('fn g(x: f32[N, M]) = softmax(x * 2, axis=0)').g(X)"
    _, err = run(SCRIPT + script, env={**with_cache(folder, TENSORC_LOG="cache"), "TENSORC_CACHE": "ro"})
    assert "f: found" in err and "g: not found" in err and warnings_in(err) == 0
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()} == found
    _, err = run(SCRIPT + "check()", env={**with_cache(folder, TENSORC_LOG="cache"), "TENSORC_CACHE": "off"})
    assert err == ""


def test_what_is_least_used_goes(tmp_path: Path) -> None:
    """The limit is passed: the oldest entries go, and are made again when they are wanted."""
    folder = tmp_path / "cache"
    script = """
import os, time
from pathlib import Path
from tensorc.runtime import cache
folder = Path(sys.argv[1])
for n in range(4):
    tc.compile(f"fn g(x: f32[N]) = x + {n}").g(X[0])
    for path in folder.glob("??/*.entry"):
        if path.stat().st_mtime > time.time() - 300:
            os.utime(path, (time.time() - 1000 * (4 - n),) * 2)
files = sorted(folder.glob("??/*.entry"), key=lambda p: p.stat().st_mtime)
keep = files[-2:]
cache.Store.prune.__defaults__ = (sum(p.stat().st_size for p in keep), None)
(folder / "pruned").unlink()
cache.put(cache.key_of("more"), cache.Entry({}, {}))  # which looks at how much there is
left = set(folder.glob("??/*.entry"))
assert keep[-1] in left and files[0] not in left, (keep, left)
assert len(left) < 5
check()
print("done")
"""
    out, err = run(SCRIPT + script, str(folder), env=with_cache(folder))
    assert out == "done\n" and warnings_in(err) == 0


def unusable(tmp_path: Path) -> Iterator[tuple[str, dict[str, str], str]]:
    """(the case, the environment, what the warning says)."""
    (tmp_path / "file").write_text("")
    yield "a file", with_cache(tmp_path / "file"), "is no folder"
    yield "in a file", with_cache(tmp_path / "file" / "cache"), "cannot be made"
    if os.name != "posix":
        return
    (tmp_path / "open").mkdir(mode=0o755)
    yield "open to others", with_cache(tmp_path / "open"), "open to other users"
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    yield "a link", with_cache(tmp_path / "link"), "symbolic link"
    yield "not to be made", with_cache("/proc/tensorc"), "cannot be made"
    home = environment(TENSORC_CACHE="rw", HOME="/nonexistent/home", XDG_CACHE_HOME=None)
    yield "no home", home, "cannot be made"
    (tmp_path / "home").mkdir(mode=0o500)
    frozen = "/proc" if os.geteuid() == 0 else str(tmp_path / "home")  # the superuser may write to every folder but such
    yield "a home that is read-only", {**home, "HOME": frozen}, "cannot be made"
    if os.geteuid() == 0:
        (tmp_path / "theirs").mkdir(mode=0o700)
        os.chown(tmp_path / "theirs", 12345, 12345)
        yield "another's", with_cache(tmp_path / "theirs"), "belongs to another user"
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        yield "read-only", with_cache(tmp_path / "closed"), "cannot be written to"


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    for case, env, message in unusable(tmp_path):
        if "no home" == case and os.access("/", os.W_OK):
            env = {**env, "HOME": str(tmp_path / "file" / "home")}
        _, err = run(SCRIPT + "check(); check()", env=env)
        assert warnings_in(err) == 1 and message in err, (case, err)
    run("import warnings; warnings.simplefilter('error')\n" + SCRIPT.lstrip() + "check()", env=with_cache(tmp_path / "file"))
    assert not (tmp_path / "~").exists()


@pytest.mark.skipif(os.name != "posix", reason="users are POSIX's")
def test_no_home_at_all(tmp_path: Path) -> None:
    """A user that the system does not know, without HOME: nothing is written to where the process happens to be."""
    script = """
import pwd
def unknown(_):
    raise KeyError("no such user")
pwd.getpwuid = unknown
check(), check()
"""
    env = environment(TENSORC_CACHE="rw", HOME=None, XDG_CACHE_HOME=None)
    _, err = run(SCRIPT + script, env=env, cwd=tmp_path)
    assert warnings_in(err) == 1 and "there is no home directory" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser can become another user")
def test_a_folder_that_its_own_user_may_not_write_to() -> None:
    """What is there is used, and what is not is said once; for other users than the superuser `closed` above is the same."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "cache"
        os.chmod(place, 0o755)
        run(SCRIPT + "check()", env=with_cache(folder))
        for path in [*folder.rglob("*"), folder]:
            os.chown(path, 12345, 12345)
            path.chmod(0o400 if path.is_file() else 0o500)
        script = """
import os, pathlib, tempfile
with tempfile.TemporaryDirectory() as other, tc.config.scope(cache_dir=pathlib.Path(other)):
    check()  # what this user may not read is imported now
os.setegid(12345), os.seteuid(12345)
check()
for _ in range(2):
    tc.compile("fn g(x: f32[N, M]) = softmax(x * 2, axis=0)").g(X)
"""
        _, err = run(SCRIPT + script, env=with_cache(folder, TENSORC_LOG="cache"))
        assert "f: found" in err and "g: not found" in err
        assert warnings_in(err) == 1 and "cannot be written to" in err


def test_the_folder_goes_while_it_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    script = SCRIPT + "import shutil\ncheck()\nshutil.rmtree(sys.argv[1])\ncheck()\ncheck()"
    _, err = run(script, str(folder), env=with_cache(folder))
    assert warnings_in(err) == 0
    assert len(entries(folder)) == 1 and stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_disk_that_becomes_full(tmp_path: Path) -> None:
    """In the midst of an entry, at its end, and where it is moved to its place: nothing of it is left, and nothing is tried again."""
    script = """
import builtins, errno, os
from tensorc.runtime import cache
full = OSError(errno.ENOSPC, "No space left on device")
def failing(*_, **__):
    failures.append(1)
    raise full
class File:
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *_): self.file.close()
    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        failing()
failures = []
if sys.argv[1] == "midst":
    cache.open = lambda handle, mode: File(builtins.open(handle, mode)) if mode == "wb" else builtins.open(handle, mode)
elif sys.argv[1] == "move":
    os.replace = failing
else:
    cache.Store.prune_at_times = failing
check()
check()
assert len(failures) == 1, failures
"""
    for place in ("midst", "move", "later"):
        folder = tmp_path / place
        _, err = run(SCRIPT + script, place, env=with_cache(folder))
        assert warnings_in(err) == 1 and "No space left on device" in err
        assert len([p for p in folder.rglob("*") if p.is_file()]) == (place == "later")
        _, err = run(SCRIPT + "check()", env=with_cache(folder))
        assert warnings_in(err) == 0 and len(entries(folder)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
def test_a_full_disk(tmp_path: Path) -> None:
    script = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n" + SCRIPT.lstrip() + "check(); check()"
    _, err = run(script, env=with_cache(tmp_path / "cache", PYTHONDONTWRITEBYTECODE="1"))
    assert warnings_in(err) == 1 and "cannot be written to" in err
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.stat().st_size]


def test_a_hit_loads_neither_the_scheduler_nor_the_emitter(tmp_path: Path) -> None:
    env = with_cache(tmp_path / "cache")
    script = SCRIPT + "check(); print(*(m for m in ('schedule.program', 'backends.llvm.emit') if f'tensorc.{m}' in sys.modules))"
    assert run(script, env=env)[0].split() == ["schedule.program", "backends.llvm.emit"]
    assert run(script, env=env)[0].split() == []


def test_eight_processes_at_once(tmp_path: Path) -> None:
    env = with_cache(tmp_path / "cache")
    racing = [start(SCRIPT + "sys.stdin.readline(); check()", env=env) for _ in range(8)]
    for process in racing:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in racing:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0 and warnings_in(err) == 0, err
    for path in entries(tmp_path / "cache"):
        decoded(path.read_bytes(), path.stem)
    assert len(entries(tmp_path / "cache")) == 2
    assert not [p for p in (tmp_path / "cache").glob("??/*") if p.suffix != ".entry"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_killed_while_writing(tmp_path: Path) -> None:
    """Killed with half of an entry written: nothing of it is ever read."""
    folder = tmp_path / "cache"
    slow = """
import os
real = os.replace
def killed(source, target):
    with open(source, "r+b") as file:
        file.truncate(100)
    os.kill(os.getpid(), 9)
os.replace = killed
check()
"""
    process = start(SCRIPT + slow, env=with_cache(folder))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert entries(folder) == [] and len(list(folder.glob("??/*"))) == 1
    _, err = run(SCRIPT + "check()", env=with_cache(folder))
    assert warnings_in(err) == 0 and len(entries(folder)) == 2
    assert Store(folder).clear()[0] == 2
    assert list(folder.glob("??/*")) == []
