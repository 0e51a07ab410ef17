"""`tensorc check`: every mistake of files and folders."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tensorc.cli.output import FAILED, OK, USAGE, Refused, Report, Session, json_option, present, settings

if TYPE_CHECKING:
    from tensorc.diagnostics import Diagnostic

POLL = 0.3  # seconds


@click.command("check", short_help="Check files: syntax, types, shapes and index ranges.")
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until interrupted.")
@json_option
@click.pass_obj
def command(session: Session, paths: tuple[str, ...], watch: bool) -> Report:
    """Check .tx files, and all of them in folders. Prints every mistake and exits with 1 if there is one; - reads standard input.

    \b
    tensorc check model.tx
    tensorc check src/ --json
    """
    if not watch:
        with settings():  # of which a wrong one is a mistake too
            return check_paths(paths, session)
    if session.json or "-" in paths:
        raise Refused(f"--watch goes with no {'--json' if session.json else 'standard input'}")
    return _watch(paths, session)


def check_paths(paths: Sequence[str], session: Session) -> Report:
    """The report on all files that the paths name."""
    rows: list[dict[str, Any]] = []
    found: dict[Any, Diagnostic] = {}
    unreadable = False
    for path in find_files(paths):
        file = check_file(path, session)
        rows.append(file.row())
        unreadable = unreadable or any(d.code == "E0100" for d in file.diagnostics)
        found.update({_identity(d): d for d in file.diagnostics})  # a file that several import shows its mistakes once
    errors = sum(d.severity == "error" for d in found.values())
    warnings = len(found) - errors
    faulty = sum(row["errors"] > 0 for row in rows)
    counted = [count(errors, "error") if errors else "no errors", *([count(warnings, "warning")] if warnings else [])]
    within = f" in {count(faulty, 'file')}" if errors and len(rows) > 1 else ""
    text = f"checked {count(len(rows), 'file')}: {', '.join(counted)}{within}"
    return Report(text, {"files": rows}, diagnostics=tuple(found.values()), code=USAGE if unreadable else FAILED if errors else OK)


@dataclass(frozen=True)
class Checked:
    """A file, its functions (none if it cannot be parsed), and what is wrong in it."""

    path: str
    functions: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]

    def row(self) -> dict[str, Any]:
        errors = sum(d.severity == "error" for d in self.diagnostics)
        return {"path": self.path, "functions": list(self.functions), "errors": errors, "warnings": len(self.diagnostics) - errors}


def check_file(path: str, session: Session) -> Checked:
    """All mistakes of one file."""
    from tensorc.cli.program import read
    from tensorc.diagnostics import CompileError
    from tensorc.elaborate import check, load_unit

    try:
        unit = load_unit(read(path, session))
        return Checked(path, tuple(unit.functions), tuple(check(unit)))
    except CompileError as error:
        return Checked(path, (), error.diagnostics)


def find_files(paths: Sequence[str]) -> list[str]:
    """The files that the paths name, each once: folders stand for the .tx files in them, hidden folders left out."""
    found: dict[str, None] = {}
    for path in paths:
        if path == "-" or not os.path.isdir(path):
            found[path] = None
            continue
        inside = _in_folder(path)
        if not inside:
            raise Refused(f"there are no .tx files in {path}")
        found.update(dict.fromkeys(inside))
    return list(found)


def _in_folder(folder: str) -> list[str]:
    def failed(reason: OSError) -> None:
        raise Refused(f"cannot read the folder {reason.filename}: {reason.strerror}")

    found = []
    for root, folders, files in os.walk(folder, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [str(Path(root, name)) for name in sorted(files) if name.endswith(".tx")]
    return found


def _identity(d: Diagnostic) -> Any:
    places = tuple((label.span.source.name, label.span.start, label.span.end) for label in d.labels)
    return d.code, d.message, places


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


# Watching.


def _watch(paths: Sequence[str], session: Session) -> Report:
    """Check again at every change; an interrupt ends it."""
    before = None
    while True:
        now = _stamps(paths)
        if now != before:
            if before is not None:
                click.clear()  # on terminals alone
            present(_checked_now(paths, session), session)
            before = now
        time.sleep(POLL)


def _checked_now(paths: Sequence[str], session: Session) -> Report:
    """The report, where a folder may be empty for now."""
    from tensorc.cli.output import failure

    try:
        return check_paths(paths, session)
    except Refused as error:
        return failure(error, session)


def _stamps(paths: Sequence[str]) -> dict[str, tuple[int, int] | None]:
    """The times and sizes of the files that the paths name, and of the .tx files beside them, which they may import."""
    folders = [path if os.path.isdir(path) else os.path.dirname(path) or "." for path in paths]
    stamps: dict[str, tuple[int, int] | None] = {}
    for path in {*paths, *(file for folder in folders for file in _listed(folder))}:
        try:
            found = os.stat(path)
            stamps[path] = None if os.path.isdir(path) else (found.st_mtime_ns, found.st_size)
        except (OSError, ValueError):
            stamps[path] = None
    return stamps


def _listed(folder: str) -> list[str]:
    try:
        return _in_folder(folder)
    except Refused:
        return []
