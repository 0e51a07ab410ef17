"""`tensorc grad`: a function's derivative as source."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tensorc.cli.output import FAILED, Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.ir.program import Program
    from tensorc.ir.tensor import Input


@click.command("grad", short_help="Print the derivative of a function as .tx source.")
@click.argument("place", metavar="FILE[:FN]")
@click.option("--wrt", "-w", metavar="NAME,...", help="The parameters to differentiate by; every float tensor without it.")
@click.option("--value", "with_value", is_flag=True, help="Return the function's results too, before the derivatives.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=TYPE", help="The dtype and rank of a parameter: x=f32[4,8].")
@click.option("--arg", "-a", "texts", multiple=True, metavar="NAME=VALUE", help="The value of a static parameter.")
@json_option
@click.pass_obj
def command(session: Session, place: str, wrt: str | None, with_value: bool, shapes: tuple[str, ...], texts: tuple[str, ...]) -> Report:
    """Print the derivative of one function. Of a float scalar it is the gradient; else it takes a cotangent of each result, `dy`, and
    gives those of the parameters. It compiles as it stands.

    \b
    tensorc grad model.tx:loss --wrt w,b
    """
    from tensorc.cli.highlight import highlight

    name, text = grad_text(session, place, wrt, with_value, shapes, texts)
    return Report(highlight(text, "typed"), {"function": name, "text": text})


def grad_text(
    session: Session, place: str, wrt: str | None, with_value: bool, shapes: tuple[str, ...], texts: tuple[str, ...]
) -> tuple[str, str]:
    """The derivative's name and its source."""
    from tensorc.cli.ir import lowered_of
    from tensorc.ir.source import source
    from tensorc.transform import programs
    from tensorc.transform.readable import readable

    with settings():
        program = lowered_of(session, place, shapes, texts).program
        chosen = _chosen(program, wrt)
        (first, *others) = program.results
        if first.dtype.is_float and not first.extents and not others:
            made, name = programs.value_and_grad(program, chosen), f"{program.name}_grad"
        else:
            made, name = programs.pullback(program, chosen), f"{program.name}_vjp"
        results = made.results if with_value else made.results[len(program.results) :]
        return name, source(readable(replace(made, name=name, results=results)))


def _chosen(program: Program, wrt: str | None) -> list[Input]:
    from tensorc.errors import nearest
    from tensorc.transform.programs import float_inputs

    floats = float_inputs(program)
    if wrt is None:
        if not floats:
            raise Refused(f"`{program.name}` has no float parameter, and integers and bools have no derivative", code=FAILED)
        return floats
    found = []
    by_name = {i.name: i for i in program.inputs}
    for name in (part.strip() for part in wrt.split(",")):
        if name not in by_name:
            near = nearest(name, by_name)
            raise Refused(f"--wrt: `{program.name}` has no tensor parameter `{name}`", f"did you mean `{near}`?" if near else None)
        if not by_name[name].dtype.is_float:
            raise Refused(f"--wrt: `{name}` is {by_name[name].dtype}, which has no derivative", code=FAILED)
        found.append(by_name[name])
    return found
