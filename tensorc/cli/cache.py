"""`tensorc cache`: what the compile cache on disk holds, and what becomes of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tensorc.cli.output import Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.runtime.cache import Found, Store

SHORT = 12
"""So many digits of a key are shown; any number of them that only one entry begins with names it."""

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.group("cache", short_help="Look at the compile cache, and tidy it up.")
def command() -> None:
    """Look at the compile cache on disk, and tidy it up. It holds what was compiled, so that no process compiles it again."""


def _with_store(writes: bool) -> Callable[[Callable[..., Report]], Callable[..., Report]]:
    """Gives a command the cache in the settings; Refused where it cannot be used."""

    def around(function: Callable[..., Report]) -> Callable[..., Report]:
        @wraps(function)
        def run(*args: Any, **options: Any) -> Report:
            from tensorc.runtime.cache import Store, Unusable, folder

            with settings():
                found = Store(folder(), writes)
                try:
                    if writes or found.folder.exists():
                        found.check()
                    return function(found, *args, **options)
                except Unusable as reason:
                    raise Refused(f"the compile cache cannot be used: {reason}") from None
                except OSError as reason:
                    raise Refused(f"the compile cache in {found.folder}: {reason.strerror or reason}") from None

        return run

    return around


@command.command("info")
@json_option
@click.pass_obj
def info(session: Session) -> Report:
    """Where the cache is, whether it is used, and how much is in it."""
    from tensorc.config import config
    from tensorc.runtime.cache import LIMIT, Store, Unusable, folder

    with settings():
        place, mode = folder(), config.cache
    store, problem = Store(place, False), None
    try:
        if place.exists():
            store.check()
    except Unusable as reason:
        problem = str(reason)
    found = [] if problem else store.found()
    size = sum(f.bytes for f in found)
    data = {"folder": str(place), "mode": mode, "problem": problem, "entries": len(found), "bytes": size, "limit": LIMIT}
    rows = {
        "folder": str(place),
        "mode": mode + (f", but it is not used: {problem}" if problem else ""),
        "entries": str(len(found)),
        "size": f"{_size(size)} of at most {_size(LIMIT)}",
    }
    return Report("\n".join(f"{name:<8} {value}" for name, value in rows.items()), data)


@command.command("ls")
@json_option
@_with_store(writes=False)
def ls(store: Store) -> Report:
    """List the entries, the one that was used last first."""
    rows = [_row(f, store.header(f.path) or {}) for f in store.found()]
    lines = [f"{r['key'][:SHORT]}  {_size(r['bytes']):>9}  {_ago(r['used']):>9}  {r['cpu'] or '-':<14}  {r['name'] or '?'}" for r in rows]
    return Report("\n".join(line.rstrip() for line in lines), rows, "" if rows else "the cache is empty")


def _row(found: Found, header: Mapping[str, Any]) -> dict[str, Any]:
    target = header.get("target") or {}
    return {
        "key": found.key,
        "bytes": found.bytes,
        "used": round(found.used),
        "kind": header.get("kind"),
        "name": header.get("name"),
        "strides": header.get("strides"),
        "cpu": target.get("cpu"),
        "tensorc": header.get("tensorc"),
    }


@command.command("show")
@click.argument("key")
@click.option("--stage", help="Print this stage: typed opt schedule loops llvm asm.")
@json_option
@_with_store(writes=False)
def show(store: Store, key: str, stage: str | None) -> Report:
    """What an entry was made from and holds, by the first digits of its key; with --stage, that stage's text."""
    found = _one(store, key)
    entry = store.get(found.key)
    if entry is None:
        raise Refused(f"the entry {found.key[:SHORT]} is damaged; it will be made anew when it is needed")
    texts = [name for name in entry.parts if name != "object"]
    stages = texts + ["asm"] * ("llvm" in texts)
    if stage is not None:
        if stage not in stages:
            raise Refused(f"the entry has no stage `{stage}`; it has {' '.join(stages) or 'none'}")
        text = _assembly(entry) if stage == "asm" else entry.parts[stage].decode()
        return Report(text, {"key": found.key, "stage": stage, "text": text})
    data = {**_row(found, entry.header), "llvm": entry.header.get("llvm"), "object_bytes": len(entry.parts["object"]), "stages": stages}
    rows = {
        "key": found.key,
        "name": data["name"] or "?",
        "strides": data["strides"] or "-",
        "cpu": data["cpu"] or "-",
        "versions": f"tensorc {data['tensorc']}, LLVM {data['llvm']}" if data["tensorc"] else "-",
        "used": f"{_ago(found.used)} ago",
        "size": f"{_size(found.bytes)}, with {_size(data['object_bytes'])} of code",
        "stages": " ".join(stages) or "-",
    }
    return Report("\n".join(f"{name:<9} {value}" for name, value in rows.items()), data)


def _one(store: Store, key: str) -> Found:
    found = [f for f in store.found() if f.key.startswith(key.lower())]
    if len(found) != 1:
        raise Refused(f"no entry's key begins with {key}" if not found else f"the keys of {len(found)} entries begin with {key}")
    return found[0]


def _assembly(entry: Any) -> str:
    from tensorc.backends.llvm import target

    machine = target.Target(**entry.header["target"])
    return target.emit_assembly(entry.parts["llvm"].decode(), machine)


@command.command("clear")
@json_option
@_with_store(writes=True)
def clear(store: Store) -> Report:
    """Remove every entry."""
    return _removed(store.clear())


@command.command("prune")
@click.option("--max-size", "limit", help="What may stay, such as 200MB; what was used last stays.")
@click.option("--older-than", "older", help="Remove also what was not used for so long, such as 30d.")
@json_option
@_with_store(writes=True)
def prune(store: Store, limit: str | None, older: str | None) -> Report:
    """Remove what was not used for the longest time, until the rest is no larger than the cache may be."""
    from tensorc.runtime.cache import LIMIT

    size = LIMIT if limit is None else _measured(limit, UNITS, "--max-size", "200MB")
    span = None if older is None else _measured(older, SPANS, "--older-than", "30d")
    return _removed(store.prune(size, span))


def _measured(text: str, units: Mapping[str, int], option: str, example: str) -> int:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", text.strip())
    if found is None or found[2].lower() not in units:
        raise Refused(f"{option} is `{text}`; it must be like {example}")
    return int(float(found[1]) * units[found[2].lower()])


def _removed(done: tuple[int, int]) -> Report:
    count, size = done
    return Report(f"removed {count} {_entries(count)}, {_size(size)}", {"removed": count, "bytes": size})


@command.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("keys", nargs=-1)
@json_option
@_with_store(writes=False)
def export_(store: Store, file: Path, keys: tuple[str, ...]) -> Report:
    """Write entries to a zip file, all of them or those whose keys begin so."""
    from tensorc.runtime.cache import export

    found = [_one(store, key) for key in keys] if keys else store.found()
    try:
        count = export(found, file)
    except OSError as reason:
        raise Refused(f"cannot write {file}: {reason.strerror or reason}") from None
    return Report(f"wrote {count} {_entries(count)} to {file}", {"written": count, "file": str(file)})


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@_with_store(writes=True)
def import_(store: Store, file: Path) -> Report:
    """Take the entries of a zip file into the cache. What is in it will be run: take it from nobody whom you do not trust."""
    from zipfile import BadZipFile

    from tensorc.runtime.cache import bring

    try:
        taken, refused = bring(file, store)
    except BadZipFile:
        raise Refused(f"{file} is no zip file") from None
    message = f"{refused} other files in it are no entries" if refused else ""
    return Report(f"took {taken} {_entries(taken)}", {"taken": taken, "refused": refused}, message)


def _entries(count: int) -> str:
    return "entry" if count == 1 else "entries"


def _size(count: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def _ago(then: float) -> str:
    seconds = max(0, time.time() - then)
    for unit, scale in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= scale:
            return f"{seconds / scale:.0f} {unit}"
    return f"{seconds:.0f} s"
