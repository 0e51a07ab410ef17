"""`tensorc grad`: a function's derivative as source."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tensorc.cli.output import FAILED, Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.ir.program import Program
    from tensorc.ir.tensor import Input

Texts = tuple[str, ...]

KINDS = ("grad", "value_and_grad", "vjp", "jvp", "hvp", "jacrev", "jacfwd", "hessian", "vmap")


@click.command("grad", short_help="Print the derivative of a function as .tx source.")
@click.argument("place", metavar="FILE[:FN]")
@click.option("--wrt", "-w", metavar="NAME,...", help="The parameters to differentiate by; every float tensor without it.")
@click.option("--as", "kinds", multiple=True, type=click.Choice(KINDS), help="Another transform than that; several nest, the first inside.")
@click.option("--value", "with_value", is_flag=True, help="Return the function's results too, before the derivatives.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=TYPE", help="The dtype and rank of a parameter: x=f32[4,8].")
@click.option("--arg", "-a", "texts", multiple=True, metavar="NAME=VALUE", help="The value of a static parameter.")
@json_option
@click.pass_obj
def command(session: Session, place: str, wrt: str | None, kinds: Texts, with_value: bool, shapes: Texts, texts: Texts) -> Report:
    """Print the derivative of one function. Of a float scalar it is the gradient; else it takes a cotangent of each result, `dy`, and
    gives those of the parameters. It compiles as it stands.

    \b
    tensorc grad model.tx:loss --wrt w,b
    tensorc grad model.tx:loss --wrt w --as hessian
    tensorc grad model.tx:loss --as grad --as vmap
    """
    from tensorc.cli.highlight import highlight

    name, text = grad_text(session, place, wrt, with_value, shapes, texts, kinds)
    return Report(highlight(text, "typed"), {"function": name, "text": text})


def grad_text(
    session: Session, place: str, wrt: str | None, with_value: bool, shapes: Texts, texts: Texts, kinds: Texts = ()
) -> tuple[str, str]:
    """The derivative's name and its source."""
    from tensorc.cli.ir import lowered_of
    from tensorc.ir.source import source
    from tensorc.transform.readable import readable

    with settings():
        program = lowered_of(session, place, shapes, texts).program
        if not kinds:
            kinds = ("grad",) if is_scalar(program) else ("vjp",)
        name = "_".join((program.name, *kinds))
        for kind in kinds:
            program = derived(program, kind, wrt, with_value)
        return name, source(readable(replace(program, name=name)))


def is_scalar(program: Program) -> bool:
    """Whether the program's result is one float."""
    (first, *others) = program.results
    return first.dtype.is_float and not first.extents and not others


def derived(program: Program, kind: str, wrt: str | None, with_value: bool) -> Program:
    """The program that a transform makes, with the results of the one that it is made of where these are wanted."""
    from tensorc.transform import programs

    if kind == "vmap":
        return programs.batched(program, [0] * len(program.inputs))
    inputs = chosen(program, wrt)
    if not programs.float_results(program):
        raise Refused(f"`{program.name}` returns no float, and integers and bools have no derivative", code=FAILED)
    if kind in ("grad", "value_and_grad", "hvp", "hessian") and not is_scalar(program):
        shown = ", ".join(f"{t.dtype}[{', '.join(map(str, t.extents))}]" if t.extents else str(t.dtype) for t in program.results)
        help = "return its sum, or use vjp, jvp, jacrev or jacfwd"
        raise Refused(f"--as {kind} wants one float scalar, and `{program.name}` returns {shown}", help, code=FAILED)
    if kind in ("hvp", "hessian"):
        gradient = derived(program, "grad", wrt, False)
        if kind == "hvp":
            made = programs.pushforward(gradient, inputs)
            made = replace(made, results=(*program.results, *made.results[len(gradient.results) :]))
        else:
            made = programs.jacobian(gradient, inputs, forward=True)
            made = replace(made, results=(*program.results, *made.results))
    elif kind in ("jacrev", "jacfwd"):
        made = programs.jacobian(program, inputs, forward=kind == "jacfwd")
        made = replace(made, results=(*program.results, *made.results))
    else:
        make = {"vjp": programs.pullback, "jvp": programs.pushforward}.get(kind, programs.value_and_grad)
        made = make(program, inputs)
    return made if with_value or kind == "value_and_grad" else replace(made, results=made.results[len(program.results) :])


def chosen(program: Program, wrt: str | None) -> list[Input]:
    """The inputs that a text names, or every float one."""
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
