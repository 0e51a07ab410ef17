"""`tensorc lsp`: the server that editors talk to."""

from __future__ import annotations

import contextlib
import sys

import click

from tensorc.cli.output import FAILED, OK, Refused, Report, Session, json_option


@click.command("lsp", short_help="Serve an editor over standard input and output.")
@click.option("--stdio", is_flag=True, help="What editors may say; there is no other way.")
@json_option
@click.pass_obj
def command(session: Session, stdio: bool) -> Report:
    """Serve an editor by the Language Server Protocol, over standard input and output: diagnostics while a file is edited, types and
    documentation of what the pointer is on, definitions, symbols, completion and formatting. Editors start it; it ends when they say so.
    """
    from tensorc.cli.editor.server import Server

    if session.json:
        raise Refused("the server speaks JSON of its own", "leave --json out")
    given, taken = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.redirect_stdout(sys.stderr):  # whatever is printed must not come between messages
        orderly = Server(given, taken).run()
    return Report(code=OK if orderly else FAILED)
