"""Writes the file that an internal error is reported with: source, arguments, traceback, and the versions of all that took part."""

from __future__ import annotations

import platform
import shlex
import tempfile
import traceback
from pathlib import Path

from tensorc.cli.output import Session, settings


def write_reproducer(error: BaseException, session: Session) -> str | None:
    """The path of the file, a .tx file that the same command can be run on; None where none can be written."""
    header = [
        "An internal error of tensorc, to be reported with this file.",
        f"command: tensorc {shlex.join(session.arguments)}",
        *(f"argument {name}: {value}" for name, value in session.inputs.items()),
        *(f"{name} {version}" for name, version in versions().items()),
        *"".join(traceback.format_exception(error)).splitlines(),
    ]
    source = session.source.text if session.source is not None else ""
    text = "".join(f"# {_printable(line)}\n" for line in header) + "\n" + source
    try:
        handle, path = tempfile.mkstemp(dir=_folder(), prefix=f"tensorc-{session.command}-", suffix=".tx")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return path
    except OSError:
        return None


def _printable(line: str) -> str:
    """The line with what cannot stand in a comment escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _folder() -> Path | None:
    """The folder of the setting `dump`; None for the system's own for such files."""
    from tensorc.config import config
    from tensorc.errors import ConfigError

    try:
        with settings():
            folder: Path | None = config.dump
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        return folder
    except (ConfigError, OSError):
        return None


def versions() -> dict[str, str]:
    """The versions of tensorc and of what it stands on; packages that are not installed are left out. None of them is imported."""
    from importlib.metadata import PackageNotFoundError, version

    from tensorc.version import __version__

    found = {"tensorc": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in ("numpy", "llvmlite", "ml_dtypes", "torch", "triton"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
