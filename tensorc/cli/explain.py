"""`tensorc explain`: how a function runs, and why."""

from __future__ import annotations

from typing import Any

import click

from tensorc.cli.output import Report, Session, json_option, settings


@click.command("explain", short_help="Say which kernels a function becomes, what they cost, and why.")
@click.argument("place", metavar="FILE[:FN]")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=TYPE", help="The dtype and shape of a parameter: x=f32[4,8].")
@click.option("--arg", "-a", "texts", multiple=True, metavar="NAME=VALUE", help="The value of a static parameter.")
@json_option
@click.pass_obj
def command(session: Session, place: str, shapes: tuple[str, ...], texts: tuple[str, ...]) -> Report:
    """Print the kernels of one function: what was fused into each and why not the rest, its flops and the bytes that it moves, what is
    stored in between, and what a backward pass keeps and computes again. Figures are in the sizes that --shape leaves open.

    \b
    tensorc explain softmax.tx:softmax
    tensorc explain softmax.tx:softmax --shape x=f32[4096,1024]
    """
    from tensorc.cli.ir import lowered_of

    with settings():
        lowered = lowered_of(session, place, shapes, texts)
        found = lowered.explain()

    def work(figures: Any) -> dict[str, int | str]:
        return {"flops": found.number(figures.flops), "bytes": found.number(figures.bytes)}

    kernels = [
        {"name": k.name, "fused": k.fused, "reads": k.reads, "writes": k.writes, **work(k), "apart": dict(k.apart)} for k in found.kernels
    ]
    stored = {name: found.number(count) for name, count in found.stored.items()}
    data = {"function": lowered.program.name, "kernels": kernels, "stored": stored, "backward": found.saved, **work(found.cost)}
    return Report(str(found), data)
