"""`tensorc fmt`: formats files."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tensorc.cli.check import count, find_files
from tensorc.cli.output import FAILED, OK, USAGE, Refused, Report, Session, json_option
from tensorc.diagnostics import CompileError

if TYPE_CHECKING:
    from tensorc.source import Source


@click.command("fmt", short_help="Format files; comments are kept.")
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is not formatted.")
@click.option("--diff", is_flag=True, help="The same, and print what would change.")
@json_option
@click.pass_obj
def command(session: Session, paths: tuple[str, ...], check: bool, diff: bool) -> Report:
    """Format .tx files, and all of them in folders: only white space changes. A file is replaced at once, after its new text has been
    parsed to the same tree; one that cannot be parsed is left alone. - formats standard input to standard output.

    \b
    tensorc fmt model.tx
    tensorc fmt src/ --check
    tensorc fmt - < model.tx
    """
    files = find_files(paths)
    if "-" in files and len(files) > 1:
        raise Refused("standard input is formatted alone", "write tensorc fmt -")
    dry = check or diff
    formatted: list[_Formatted] = []
    errors: list[CompileError] = []
    for path in files:
        try:
            formatted.append(_format(path, session))
            if formatted[-1].changed and path != "-" and not dry:
                _replace(path, formatted[-1].text)
        except CompileError as error:
            errors.append(error)
    diagnostics = tuple(d for error in errors for d in error.diagnostics)
    changed = [f for f in formatted if f.changed]
    code = USAGE if any(d.code == "E0100" for d in diagnostics) else FAILED if errors or (changed and dry) else OK
    data: dict[str, Any] = {"files": [{"path": f.path, "changed": f.changed} for f in formatted]}
    if files == ["-"] and not dry:
        text = formatted[0].text if formatted else ""
        return Report(text, data | {"text": text or None}, diagnostics=diagnostics, code=code)
    said = _said(len(changed), len(formatted) - len(changed), dry)
    if diff:
        return Report("".join(f.difference() for f in changed), data, said, diagnostics, code)
    listed = [f"would format {f.path}" for f in changed] if check else []
    return Report("\n".join([*listed, said]), data, diagnostics=diagnostics, code=code)


@dataclass(frozen=True)
class _Formatted:
    """A file before and after."""

    path: str
    before: str
    text: str

    @property
    def changed(self) -> bool:
        return self.before != self.text

    def difference(self) -> str:
        """As `diff -u` shows it."""
        before, after = (t.replace("\r\n", "\n").splitlines(keepends=True) for t in (self.before, self.text))
        lines = difflib.unified_diff(before, after, self.path, f"{self.path} (formatted)")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _format(path: str, session: Session) -> _Formatted:
    from tensorc.cli.program import read
    from tensorc.syntax.format import format_source

    source: Source = read(path, session)
    return _Formatted(path, source.text, format_source(source))


def _replace(path: str, text: str) -> None:
    """Put a text in a file's place, at once and with its mode; a link goes on leading to it."""
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    if not os.access(path, os.W_OK):
        raise Refused(f"cannot write `{path}`: it may not be written")
    made = None
    try:
        with tempfile.NamedTemporaryFile("wb", dir=folder, prefix=".tensorc-", suffix=".tx", delete=False) as file:
            made = file.name
            file.write(text.encode())
        shutil.copymode(path, made)
        os.replace(made, path)
    except OSError as reason:
        if made is not None and os.path.exists(made):
            os.unlink(made)
        raise Refused(f"cannot write `{path}`: {reason.strerror or reason}") from None


def _said(changed: int, same: int, dry: bool) -> str:
    parts = []
    if changed:
        parts.append(f"{count(changed, 'file')} {'would be ' if dry else ''}formatted")
    if same or not changed:
        parts.append(f"{count(same, 'file')} left as {'it is' if same == 1 else 'they are'}")
    return ", ".join(parts)
