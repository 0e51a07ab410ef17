"""The cache on disk: what was made of a program, in a file that is named by the hash of all that it was made from.

A file is a line that says what it is, the SHA-256 of all that follows, and then a header in JSON and the parts that it lists. It is written
beside its place and moved there, so that a reader finds all of it or nothing; whatever else it finds is no entry, and made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import struct
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tensorc.config import config

MAGIC = b"tensorc cache entry 1\n"
DIGEST = hashlib.sha256().digest_size

LIMIT = 10**9
"""The bytes that the cache takes at most: the entries that were not used for the longest time go."""

PRUNED_EVERY = 3600.0
"""Seconds between two looks at how large the cache is."""

STALE = 3600.0
"""After so many seconds a file that was being written is one that nobody writes any more."""

TOUCHED_EVERY = 600.0
"""An entry's time is that of its last use, give or take so many seconds."""

SUFFIX = ".entry"


@dataclass(frozen=True)
class Entry:
    """`header` is what JSON can say, `parts` are bytes by name."""

    header: Mapping[str, Any]
    parts: Mapping[str, bytes]


def key_of(*parts: str) -> str:
    """A name for what is made from exactly these texts."""
    found = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        found.update(struct.pack("<Q", len(encoded)) + encoded)
    return found.hexdigest()


# Entries as bytes.


def encoded(key: str, entry: Entry) -> bytes:
    parts = {name: zlib.compress(part, 1) for name, part in entry.parts.items()}
    header = {**entry.header, "key": key, "parts": {name: len(part) for name, part in parts.items()}}
    text = json.dumps(header, separators=(",", ":")).encode()
    payload = b"".join([struct.pack("<I", len(text)), text, *parts.values()])
    return MAGIC + hashlib.sha256(payload).digest() + payload


def decoded(data: bytes, key: str) -> Entry:
    """The entry of a key. ValueError for bytes that are not all of one."""
    start = len(MAGIC) + DIGEST
    payload = memoryview(data)[start:]
    if data[: len(MAGIC)] != MAGIC or hashlib.sha256(payload).digest() != data[len(MAGIC) : start]:
        raise ValueError("it is damaged")
    (length,) = struct.unpack_from("<I", payload)
    header = json.loads(bytes(payload[4 : 4 + length]))
    if header["key"] != key:
        raise ValueError("it is another entry")
    parts = {}
    position = 4 + length
    for name, size in header["parts"].items():
        parts[name] = zlib.decompress(payload[position : position + size])
        position += size
    return Entry(header, parts)


# The folder.


class Unusable(OSError):
    """The folder cannot be trusted, or cannot be had. The text says why."""


@dataclass(frozen=True)
class Found:
    """An entry's file as `ls` lists it."""

    key: str
    path: Path
    bytes: int
    used: float


class Store:
    """A folder with entries. `writes` is false where it is only read. What changes it raises OSError, `get` nothing."""

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self.folder = folder
        self.writes = writes

    def check(self) -> None:
        """Raise Unusable where the folder is not the user's own, and nobody else's: what is in it is run."""
        if not self.folder.is_absolute():
            raise Unusable("there is no home directory; TENSORC_CACHE_DIR names another")
        if self.writes:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except FileExistsError:
                raise Unusable(f"{self.folder} is no folder") from None
            except OSError as reason:
                raise Unusable(f"{self.folder} cannot be made: {reason.strerror}") from None
        try:
            found = self.folder.lstat()
        except OSError as reason:
            raise Unusable(f"{self.folder} cannot be looked at: {reason.strerror}") from None
        if stat.S_ISLNK(found.st_mode):
            raise Unusable(f"{self.folder} is a symbolic link; name the folder itself in TENSORC_CACHE_DIR")
        if not stat.S_ISDIR(found.st_mode):
            raise Unusable(f"{self.folder} is no folder")
        if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
            raise Unusable(f"{self.folder} belongs to another user")
        if os.name == "posix" and found.st_mode & 0o077:
            raise Unusable(f"{self.folder} is open to other users; `chmod 700` closes it")

    def path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{SUFFIX}"

    def get(self, key: str) -> Entry | None:
        """The entry of a key; None where there is none that is whole."""
        path = self.path(key)
        try:
            data = _read(path)
        except OSError:
            return None
        try:
            found = decoded(data, key)
        except (ValueError, KeyError, TypeError, AttributeError, struct.error, zlib.error):
            self._drop(path)
            return None
        self._touch(path)
        return found

    def put(self, key: str, entry: Entry) -> None:
        path = self.path(key)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:  # somebody removed the folder
            self.check()
            path.parent.mkdir(mode=0o700, exist_ok=True)
        _write(path, encoded(key, entry))

    def _drop(self, path: Path) -> None:
        if self.writes:
            with contextlib.suppress(OSError):
                path.unlink()

    def _touch(self, path: Path) -> None:
        if self.writes:
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > TOUCHED_EVERY:
                    os.utime(path)

    def header(self, path: Path) -> Mapping[str, Any] | None:
        """What the entry in a file says of itself, without a look at the rest; None where it says nothing."""
        try:
            data = _read(path, len(MAGIC) + DIGEST + 4)
            (length,) = struct.unpack_from("<I", data, len(MAGIC) + DIGEST)
            found = json.loads(_read(path, len(data) + length)[len(data) :])
        except (OSError, ValueError, struct.error):
            return None
        return found if isinstance(found, dict) else None

    # All entries.

    def found(self) -> list[Found]:
        """Every entry's file, the one that was used last first."""
        entries = []
        for path in self._files():
            if path.suffix == SUFFIX:
                with contextlib.suppress(OSError):
                    seen = path.lstat()
                    entries.append(Found(path.stem, path, seen.st_size, seen.st_mtime))
        return sorted(entries, key=lambda e: (-e.used, e.key))

    def _files(self) -> Iterator[Path]:
        try:
            folders = [f for f in self.folder.iterdir() if len(f.name) == 2 and f.is_dir() and not f.is_symlink()]
        except OSError:
            return
        for folder in folders:
            with contextlib.suppress(OSError):
                yield from folder.iterdir()

    def clear(self) -> tuple[int, int]:
        """Remove everything; (how many entries, how many bytes)."""
        return self.prune(0)

    def prune(self, limit: int = LIMIT, older: float | None = None) -> tuple[int, int]:
        """Remove what was not used for the longest time until the rest fits, all that was not used for `older` seconds, and what was left
        behind half written; (how many entries, how many bytes)."""
        removed = freed = total = 0
        now = time.time()
        with self._alone() as alone:
            if not alone:
                return 0, 0
            for found in self.found():
                total += found.bytes
                if total > limit or (older is not None and now - found.used > older):
                    with contextlib.suppress(OSError):
                        found.path.unlink()
                        removed, freed, total = removed + 1, freed + found.bytes, total - found.bytes
            for path in self._files():
                with contextlib.suppress(OSError):
                    if path.suffix != SUFFIX and now - path.lstat().st_mtime > (0 if limit == 0 else STALE):
                        path.unlink()
        return removed, freed

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this process is the one that tidies up."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.folder / "lock", timeout=0, mode=0o600):
                yield True
        except Timeout:
            yield False

    def prune_at_times(self) -> None:
        """Prune where that was not done lately."""
        stamp = self.folder / "pruned"
        try:
            if time.time() - stamp.stat().st_mtime < PRUNED_EVERY:
                return
        except OSError:
            pass
        stamp.touch(mode=0o600)
        self.prune()


def _read(path: Path, most: int = -1) -> bytes:
    """A file of the user's own, or the start of it. OSError for any other."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(handle, "rb") as file:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode) or (hasattr(os, "geteuid") and seen.st_uid != os.geteuid()):
            raise OSError("it is no file of this user's")
        return file.read(most)


def _write(path: Path, data: bytes) -> None:
    """The whole file or none."""
    beside = path.with_name(f"{path.stem}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


# The process's own.


def folder() -> Path:
    """Where the settings say that the cache is; a path that is not absolute where there is no home directory."""
    if config.cache_dir is not None:
        return Path(config.cache_dir).absolute()
    from platformdirs import user_cache_path

    try:
        return user_cache_path("tensorc", appauthor=False)
    except RuntimeError:  # of an unknown user without HOME; older releases give such a path themselves
        return Path("~", ".cache", "tensorc")


def store() -> Store | None:
    """The cache in the settings; None where it is off or cannot be used, of which there is one warning."""
    mode = config.cache
    if mode == "off":
        return None
    return _store(folder(), mode == "rw")


@cache
def _store(folder: Path, writes: bool) -> Store | None:
    found = Store(folder, writes)
    try:
        found.check()
    except Unusable as reason:
        if writes or folder.exists():
            warn(f"the compile cache is not used: {reason}")
        return None
    return found


def warn(message: str) -> None:
    """A warning, once a process; never an error, whatever Python was told to make of warnings."""
    global _warned
    if not _warned:
        _warned = True
        with contextlib.suppress(Warning):
            warnings.warn(message, RuntimeWarning, stacklevel=2)


_warned = False
_full = False


def get(key: str) -> Entry | None:
    """The entry of a key in the process's cache."""
    found = store()
    return None if found is None else found.get(key)


def put(key: str, entry: Entry) -> None:
    """Keep an entry in the process's cache, where that may be written to. The first failure is the last try."""
    global _full
    found = store()
    if found is None or not found.writes or _full:
        return
    try:
        found.put(key, entry)
        found.prune_at_times()
    except OSError as reason:
        _full = True
        warn(f"the compile cache in {found.folder} cannot be written to: {reason.strerror or reason}")


def kept(key: str, header: Mapping[str, Any], make: Callable[[], bytes]) -> bytes:
    """The bytes of a key, made where the cache has none."""
    found = get(key)
    if found is not None and "object" in found.parts:
        return found.parts["object"]
    made = make()
    put(key, Entry(header, {"object": made}))
    return made


# Another place.


def export(entries: Sequence[Found], file: Path) -> int:
    """Write entries to a zip file; how many."""
    import zipfile

    count = 0
    with zipfile.ZipFile(file, "w") as archive:
        for found in entries:
            with contextlib.suppress(OSError, ValueError, KeyError):
                data = _read(found.path)
                decoded(data, found.key)
                archive.writestr(found.path.name, data)
                count += 1
    return count


def bring(file: Path, into: Store) -> tuple[int, int]:
    """Take the entries of a zip file; (how many, how many others there were that are no entries). OSError or zipfile.BadZipFile."""
    import zipfile

    taken = refused = 0
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            key = info.filename.removesuffix(SUFFIX)
            try:
                if len(key) != 2 * DIGEST or not set(key) <= set("0123456789abcdef"):
                    raise ValueError("it has no entry's name")
                into.put(key, decoded(archive.read(info), key))
                taken += 1
            except (ValueError, KeyError, TypeError, AttributeError, struct.error, zlib.error, zipfile.BadZipFile):
                refused += 1
    return taken, refused
