"""`tensorc run`: one function of a file applied to values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tensorc.cli.output import FAILED, OK, Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.api.function import Function
    from tensorc.cli.results import Comparison

Texts = tuple[str, ...]

KINDS = ("grad", "value_and_grad", "jacrev", "jacfwd", "hessian")

TARGETS = ("cpu", "triton", "reference")


@click.command("run", short_help="Run a function on files, random arrays or numbers.")
@click.argument("place", metavar="FILE[:FN]")
@click.option("--arg", "-a", "args", multiple=True, metavar="NAME=VALUE", help="The value of a parameter.")
@click.option("--out", "-o", "outs", multiple=True, metavar="@FILE", help="Write the result to a file instead of printing it.")
@click.option("--target", type=click.Choice(TARGETS), help="What runs it: machine code, or plain NumPy (reference).")
@click.option("--verify", is_flag=True, help="Compare with plain NumPy; exit with 1 if they differ.")
@click.option("--grad", "wrt", is_flag=False, flag_value="", metavar="[NAME,...]", help="The gradient of a scalar result instead.")
@click.option("--as", "kind", type=click.Choice(KINDS), default="grad", show_default=True, help="With --grad: which derivative.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Settles the random values.")
@json_option
@click.pass_obj
def command(
    session: Session, place: str, args: Texts, outs: Texts, target: str | None, verify: bool, wrt: str | None, kind: str, seed: int
) -> Report:
    """Run one function and print its result. FN may be left out if the file has one function, or one called main.

    \b
    VALUE is one of
      @x.npy  @x.npz:key  @x.safetensors:key  @x.csv  @x.parquet
      rand:f32[4,8]  randn:f32[4,8]  zeros:[4]  ones:[4]  arange:i64[10]
      2.5  true  [1,2,3]  [[1,2],[3,4]]

    \b
    tensorc run softmax.tx:softmax --arg x=randn:f32[4,10]
    tensorc run model.tx --arg x=@x.npy --arg lr=0.1 --out @y.npy
    tensorc run model.tx:loss --arg w=@w.npy --arg x=@x.npy --grad w
    tensorc run model.tx:loss --arg w=@w.npy --arg x=@x.npy --grad w --as hessian
    """
    from tensorc.cli.arguments import describe, read_arguments
    from tensorc.cli.program import function, load
    from tensorc.cli.results import check_targets, compare, flatten, show, to_json, write
    from tensorc.elaborate import MISSING, parameters

    check_targets(outs)
    with settings(target=target):
        unit, name = load(place, session)
        declared = parameters(unit, name)
        values = read_arguments(declared, args, seed)
        session.inputs = {key: describe(value) for key, value in values.items()}
        arguments = [values.get(p.name, MISSING) for p in declared]
        called = function(unit, name) if wrt is None else gradient(function(unit, name), wrt, kind)
        results = flatten(call(called, arguments))
        comparison = compare(results, flatten(called.reference(*arguments))) if verify else None
    data: dict[str, Any] = {"function": name, "results": to_json(results, with_data=not outs)}
    written = write(outs, results) if outs else []
    data["files"] = [path for path, _ in written]
    message = [f"wrote {path}: {', '.join(map(describe, share))}" for path, share in written]
    if comparison is not None:
        data["verified"] = {"agrees": comparison.agrees, "largest_difference": _finite(comparison)}
        message.append(comparison.text)
    code = OK if comparison is None or comparison.agrees else FAILED
    return Report("" if outs else show(results), data, "\n".join(message), code=code)


def call(function: Function, arguments: list[Any]) -> Any:
    """The value of a call."""
    from tensorc.cli.program import call_errors

    with call_errors():
        compiled = function.lower(*arguments).compile()
        try:
            return compiled(*arguments)
        except IndexError as error:  # raised here alone it speaks of the data
            raise Refused(str(error), kind="IndexError", code=FAILED) from None


def gradient(function: Function, wrt: str, kind: str) -> Function:
    """The function that gives the derivative of a kind, by the parameters named or by every float one."""
    from tensorc.api import derivatives

    names = tuple(part.strip() for part in wrt.split(",")) if wrt else None
    try:
        return getattr(derivatives, kind)(function, names)  # type: ignore[no-any-return]
    except TypeError as error:
        raise Refused(f"--grad: {error}") from None


def _finite(comparison: Comparison) -> float | str:
    """The difference as JSON has it."""
    return comparison.difference if comparison.difference != float("inf") else "inf"
