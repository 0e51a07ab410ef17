"""The command line: finds the command, runs it, and prints what it reports."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from tensorc.cli.output import USAGE, Report, Session, failure, present
from tensorc.cli.program import STDIN
from tensorc.errors import nearest
from tensorc.version import __version__

COMMANDS = ("check", "fmt", "run", "ir", "build", "grad", "explain", "explore", "bench", "new", "rule", "doctor", "cache", "lsp")
"""The commands in the order of `--help`; each is the `command` of the module of its name, imported when it is used."""


class CommandLine(click.Group):
    """The group of all commands, with one way out: a report becomes text and an exit code, whatever happened."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found: click.Command = import_module(f"tensorc.cli.{name}").command
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = nearest(name, COMMANDS)
            raise click.UsageError(f"there is no command `{name}`{f'; did you mean `{near}`?' if near else ''}", ctx)
        ctx.obj.command = name
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **extra: Any) -> NoReturn:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal that lacks a character shows its code
                stream.reconfigure(errors="backslashreplace")
        words = sys.argv[1:] if args is None else args
        session = Session([f"{STDIN}{word[1:]}" if word.startswith("-:") else word for word in words])  # `-:f` is no option
        extra.pop("standalone_mode", None)
        try:
            found = super().main(session.arguments, "tensorc", standalone_mode=False, obj=session, **extra)
            sys.exit(present(found, session) if isinstance(found, Report) else found)
        except (Exception, KeyboardInterrupt) as error:
            sys.exit(present(failure(error, session), session))


@click.group(cls=CommandLine, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="tensorc %(version)s")
@click.pass_context
def main(ctx: click.Context) -> Report | None:
    """Compiles tensor expressions (.tx files) to fused kernels."""
    return Report(message=ctx.get_help(), code=USAGE) if ctx.invoked_subcommand is None else None
