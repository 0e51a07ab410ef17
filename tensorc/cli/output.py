"""What the commands share: the report that each gives, as text or as a JSON envelope, and failures as messages with exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import click

from tensorc.diagnostics import CompileError, Diagnostic
from tensorc.errors import ConfigError, InternalError, TargetUnavailable
from tensorc.source import Source
from tensorc.version import __version__

OK = 0
FAILED = 1  # the input has errors, or a comparison failed
USAGE = 2  # the command is wrong, or a file cannot be read or written
UNAVAILABLE = 69
INTERNAL = 70
INTERRUPTED = 130

LONGEST = 600
"""Characters of a message that speaks of the command line."""

ENVELOPE = 1
"""The version of the JSON envelope: a higher one where a key changes its meaning or goes."""


@dataclass(frozen=True)
class Report:
    """What a command has to say. `text` and `data` are its result, for people and for programs; `message` is said beside the result."""

    text: str = ""
    data: Any = None
    message: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    code: int = OK


@dataclass
class Session:
    """One run of the command line: how it was called, and what it is working on, which an internal error is reported with."""

    arguments: list[str]
    command: str | None = None
    source: Source | None = None
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> bool:
        """Whether the report is wanted as JSON; asked of the plain words, so that it holds where they cannot be understood."""
        words = self.arguments
        return "--json" in words[: words.index("--") if "--" in words else len(words)]


class Refused(Exception):
    """The command cannot be carried out as it is written, or its call failed. `kind` is the exception's name in Python, if it has one."""

    def __init__(self, message: str, help: str | None = None, kind: str = "", code: int = USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.kind = kind
        self.code = code


json_option = click.option("--json", is_flag=True, expose_value=False, help="Print one JSON object.")


@contextmanager
def settings(**flags: Any) -> Iterator[None]:
    """For the code inside, the configuration as the environment and pyproject.toml have it now; flags that are given (not None) win."""
    from tensorc.config import NAMES, Configuration, config

    fresh = Configuration()
    fresh.reload()
    found = {name: getattr(fresh, name) for name in NAMES}
    with config.scope(**{**found, **{name: value for name, value in flags.items() if value is not None}}):
        yield


# Failures.


def failure(error: BaseException, session: Session) -> Report:
    """The report of what was raised; nothing that a user can do shows a traceback."""
    match error:
        case CompileError(diagnostics=diagnostics):
            return Report(diagnostics=diagnostics, code=USAGE if any(d.code == "E0100" for d in diagnostics) else FAILED)
        case Refused():
            return plain(error.kind, error.message, error.code, error.help)
        case click.UsageError():
            command = error.ctx.command_path if error.ctx is not None else "tensorc"
            message = error.format_message().rstrip(".")
            return plain("", message[:1].lower() + message[1:], USAGE, f"`{command} --help` shows what there is")
        case click.ClickException():
            return plain("", error.format_message(), USAGE)
        case ConfigError():
            return plain("", str(error), USAGE)
        case TargetUnavailable():
            return plain("TargetUnavailable", str(error), UNAVAILABLE)
        case MemoryError():
            return plain("MemoryError", f"out of memory{f': {error}' if str(error) else ''}", FAILED)
        case KeyboardInterrupt() | click.Abort():
            return Report(code=INTERRUPTED)
        case _:
            return internal(error, session)


def plain(kind: str, message: str, code: int, help: str | None = None) -> Report:
    """The report of a failure without a place in a program. Further lines of the message, such as a source line, are shown as they are."""
    first, _, rest = message.partition("\n")
    return Report(diagnostics=(Diagnostic(kind, _cut(first), help=help and _cut(help)),), message=rest, code=code)


def _cut(text: str) -> str:
    """A text without the middle of what is too long to be read, such as a value of ten thousand digits."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST * 2 // 3]}...{text[-LONGEST // 3 :]}"


def internal(error: BaseException, session: Session) -> Report:
    """The report of an error of tensorc's own, with the file that it can be reproduced from."""
    from tensorc.cli.reproducer import write_reproducer

    where = f" in stage `{error.stage}`" if isinstance(error, InternalError) and error.stage else ""
    what = error.message if isinstance(error, InternalError) else f"{type(error).__name__}: {error}"
    path = write_reproducer(error, session)
    help = "this is a mistake in tensorc; please report it" + (f" with {path}" if path else "")
    return plain("InternalError", f"internal error{where}: {what}", INTERNAL, help)


# Presenting.


def in_color(stream: IO[str] | None) -> bool:
    """Whether colour is wanted on a stream: on terminals that know it, unless NO_COLOR is set."""
    return stream is not None and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def present(report: Report, session: Session) -> int:
    """Print a report: results to standard output, messages to standard error. Gives the exit code."""
    if session.json:
        written = _write(sys.stdout, json.dumps(envelope(report, session), allow_nan=False) + "\n")
    else:
        from tensorc.render import render

        found = render(report.diagnostics, in_color(sys.stderr))
        _write(sys.stderr, f"{found}\n\n" if found and report.text else found and f"{found}\n")
        written = _write(sys.stdout, report.text and report.text.rstrip("\n") + "\n")
        _write(sys.stderr, report.message and report.message.rstrip("\n") + "\n")
    return report.code if written else USAGE


def envelope(report: Report, session: Session) -> dict[str, Any]:
    """The one form of all output with --json."""
    from tensorc.render import to_json

    diagnostics = to_json(report.diagnostics)
    if diagnostics and report.message:
        diagnostics[-1]["notes"].append(report.message)
    return {
        "tensorc": __version__,
        "command": session.command,
        "version": ENVELOPE,
        "ok": report.code == OK,
        "diagnostics": diagnostics,
        "result": report.data,
    }


def _write(stream: IO[str] | None, text: str) -> bool:
    """Write a text. False where the stream takes no more, a pipe that its reader closed aside: whoever closed it has enough."""
    if stream is None or not text:
        return True
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
    except OSError as reason:
        _discard(stream)
        if stream is not sys.stderr:
            _write(sys.stderr, f"error: cannot write the result: {reason.strerror or reason}\n")
        return False
    return True


def _discard(stream: IO[str]) -> None:
    """Let the stream end in nothing, so that Python does not fail once more when it closes it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
