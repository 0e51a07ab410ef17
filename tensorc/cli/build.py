"""`tensorc build`: a function as files that need no tensorc: a module of Triton kernels, or their machine code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tensorc.cli.output import USAGE, Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.api.lowered import Lowered

KINDS = ("triton", "ptx", "cubin")


@click.command("build", short_help="Write a function as files that need no tensorc.")
@click.argument("place", metavar="FILE[:FN]")
@click.option(
    "--output", "-o", "folder", required=True, metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path), help="Where to."
)
@click.option("--emit", "kinds", default="triton", show_default=True, metavar="KIND,...", help=f"What to write: {', '.join(KINDS)}.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=TYPE", help="The dtype and sizes of a parameter: x=f32[4096,1024].")
@click.option("--arg", "-a", "texts", multiple=True, metavar="NAME=VALUE", help="The value of a static parameter.")
@click.option("--target", "-t", default="cuda:sm_90", show_default=True, metavar="TARGET", help="The GPU of ptx and cubin.")
@json_option
@click.pass_obj
def command(session: Session, place: str, folder: Path, kinds: str, shapes: tuple[str, ...], texts: tuple[str, ...], target: str) -> Report:
    """Write one function as files that need no tensorc. No GPU is needed.

    \b
    triton  NAME.py, which needs Triton and torch alone: kernels for sizes such as --shape has and for any others,
            and a function of CUDA tensors
    ptx cubin  NAME.KERNEL.ptx, NAME.KERNEL.cubin for sizes such as --shape has

    \b
    tensorc build softmax.tx:softmax -o out --shape x=f32[4096,1024]
    """
    from tensorc.backends.triton.compile import parse
    from tensorc.cli.ir import lowered_of

    wanted = [k.strip() for k in kinds.split(",")]
    for kind in wanted:
        if kind not in KINDS:
            raise Refused(f"there is no kind of file `{kind}`", f"the kinds are {', '.join(KINDS)}", code=USAGE)
    with settings():
        goal = str(parse(target))
        lowered = lowered_of(session, place, shapes, texts, goal)
        files = {name: content for kind in wanted for name, content in _files(lowered, kind, goal).items()}
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    paths = [str(folder / name) for name in files]
    return Report("\n".join(paths), {"function": lowered.program.name, "files": paths})


def _files(lowered: Lowered, kind: str, target: str) -> dict[str, bytes]:
    """Names and contents."""
    from tensorc.runtime.gpu import machine_code

    name = lowered.program.name
    if kind == "triton":
        return {f"{name}.py": (lowered.as_text("triton") + "\n").encode()}
    found = {}
    for c in machine_code(lowered.optimised, target, lowered.sizes):
        if kind not in c.asm:
            raise Refused(f"the target {target} has no {kind}", "ptx and cubin are of CUDA", code=USAGE)
        content = c.asm[kind]
        found[f"{name}.{c.kernel.name}.{kind}"] = content if isinstance(content, bytes) else str(content).encode()
    return found
