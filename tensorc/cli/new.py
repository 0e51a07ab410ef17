"""`tensorc new`: a small documented file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from tensorc.cli.output import Refused, Report, Session, json_option
from tensorc.cli.templates import TEMPLATES


@click.command("new", short_help="Write a small file to start from.")
@click.argument("name")
@click.option("--template", "-t", type=click.Choice(tuple(TEMPLATES)), default="basic", show_default=True, help="What to start from.")
@json_option
@click.pass_obj
def command(session: Session, name: str, template: str) -> Report:
    """Write NAME.tx, a small file with comments that can be run as it is. A file that exists is left alone.

    \b
    basic  a function in array notation
    model  a network and its loss
    index  functions in index notation
    """
    path = Path(name if name.endswith(".tx") else f"{name}.tx")
    chosen = TEMPLATES[template]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(chosen.text)
    except FileExistsError:
        raise Refused(f"`{path}` exists already, and is left as it is") from None
    except (OSError, ValueError) as reason:
        raise Refused(f"cannot write `{path}`: {getattr(reason, 'strerror', None) or reason}") from None
    run = f"tensorc run {path} {chosen.arguments}"
    return Report(f"wrote {path}; run it with\n  {run}", {"path": str(path), "template": template, "run": run})
