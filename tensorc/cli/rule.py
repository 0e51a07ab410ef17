"""`tensorc rule`: what a diagnostic's code means, with a wrong and a right program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tensorc.cli.output import Refused, Report, Session, json_option

if TYPE_CHECKING:
    from tensorc.diagnostics import Diagnostic
    from tensorc.rules import Rule

WIDTH = 88


@click.command("rule", short_help="Explain the code of a diagnostic.")
@click.argument("code", required=False)
@json_option
@click.pass_obj
def command(session: Session, code: str | None) -> Report:
    """Explain a code such as E0301, with a wrong program, what is said of it, and a right one. Without a code, list them all."""
    from tensorc.errors import nearest
    from tensorc.rules import RULES, rule

    if code is None:
        rows = sorted(RULES.values(), key=lambda row: row.code)
        return Report("\n".join(f"{row.code}  {row.title}" for row in rows), {"rules": [_data(row) for row in rows]})
    found = rule(code)
    if found is None:
        near = nearest(code.strip().upper(), RULES)
        raise Refused(f"there is no code `{code}`", f"{f'did you mean {near}? ' if near else ''}`tensorc rule` lists them all")
    return Report(explain(found), _data(found))


def explain(rule: Rule) -> str:
    """The page of one rule."""
    from textwrap import fill, indent

    from tensorc.cli.highlight import highlight
    from tensorc.cli.output import in_color
    from tensorc.render import render

    parts = [f"{rule.code}: {rule.title}", fill(rule.explanation, WIDTH, break_long_words=False, break_on_hyphens=False)]
    if rule.wrong:
        said = render(diagnose(rule.wrong), in_color(sys.stdout))
        parts += ["Wrong:", indent(highlight(rule.wrong).rstrip("\n"), "    "), indent(said, "    ")]
    if rule.right:
        parts += ["Right:", indent(highlight(rule.right).rstrip("\n"), "    ")]
    return "\n\n".join(parts)


def diagnose(program: str) -> tuple[Diagnostic, ...]:
    """What is said of a program."""
    from tensorc.diagnostics import CompileError
    from tensorc.elaborate import check, load_unit
    from tensorc.source import Source

    try:
        return tuple(check(load_unit(Source("wrong.tx", program))))
    except CompileError as error:
        return error.diagnostics


def _data(rule: Rule) -> dict[str, str]:
    return {"code": rule.code, "title": rule.title, "explanation": rule.explanation, "wrong": rule.wrong, "right": rule.right}
