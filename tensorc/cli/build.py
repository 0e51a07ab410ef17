"""`tensorc build`: functions as files that need no tensorc: a C library, Triton kernels, or a GPU's machine code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tensorc.cli.output import USAGE, Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.api.lowered import Lowered

C_KINDS = ("so", "h", "o", "ll", "asm")
GPU_KINDS = ("triton", "ptx", "cubin")
KINDS = (*C_KINDS, *GPU_KINDS)

Texts = tuple[str, ...]


@click.command("build", short_help="Write a function as files that need no tensorc, such as a C library.")
@click.argument("place", metavar="FILE[:FN]")
@click.option(
    "--output", "-o", "folder", required=True, metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path), help="Where to."
)
@click.option("--emit", "kinds", default="so,h", show_default=True, metavar="KIND,...", help=f"What to write: {', '.join(KINDS)}.")
@click.option("--grad", "wrt", is_flag=False, flag_value="", metavar="[NAME,...]", help="With the gradient, by these parameters.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=TYPE", help="The dtype and sizes of a parameter: x=f32[4096,1024].")
@click.option("--arg", "-a", "texts", multiple=True, metavar="NAME=VALUE", help="The value of a static parameter.")
@click.option("--dtype", "dtypes", metavar="DTYPE,...", help="What dtype variables stand for: f32,f64 makes a function of each.")
@click.option("--cpu", metavar="NAME", help="The processor of the C library, by LLVM's name: host, x86-64-v3, generic.")
@click.option("--target", "-t", default="cuda:sm_90", show_default=True, metavar="TARGET", help="The GPU of triton, ptx and cubin.")
@json_option
@click.pass_obj
def command(
    session: Session,
    place: str,
    folder: Path,
    kinds: str,
    wrt: str | None,
    shapes: Texts,
    texts: Texts,
    dtypes: str | None,
    cpu: str | None,
    target: str,
) -> Report:
    """Write functions as files that need no tensorc and no Python. Without FN a C library has every function of the file.

    \b
    so h   libNAME.so and its header NAME.h, which says how each function is called
    o ll asm  NAME.o, NAME.ll, NAME.s: the same as an object file, LLVM IR and assembly
    triton  NAME.py, which needs Triton and torch alone: kernels for sizes such as --shape has and for any others,
            and a function of CUDA tensors
    ptx cubin  NAME.KERNEL.ptx, NAME.KERNEL.cubin for sizes such as --shape has

    \b
    tensorc build softmax.tx:softmax -o out
    tensorc build model.tx:loss -o out --emit so,h,o --grad w,b --cpu x86-64-v3
    """
    wanted = [k.strip() for k in kinds.split(",")]
    for kind in wanted:
        if kind not in KINDS:
            raise Refused(f"there is no kind of file `{kind}`", f"the kinds are {', '.join(KINDS)}", code=USAGE)
    in_c = [k for k in wanted if k in C_KINDS]
    on_gpu = [k for k in wanted if k in GPU_KINDS]
    if on_gpu and (wrt is not None or dtypes is not None):
        raise Refused(f"--{'grad' if wrt is not None else 'dtype'} goes with {', '.join(C_KINDS)} alone", code=USAGE)
    with settings(cpu=None if cpu == "host" else cpu):
        files: dict[str, bytes] = {}
        functions: list[str] = []
        notes: list[str] = []
        if in_c:
            from tensorc.cli.library import c_files

            made = c_files(session, place, in_c, shapes, texts, dtypes, wrt)
            functions, files, notes = made.functions, made.files, made.notes
        if on_gpu:
            name, found = _gpu_files(session, place, on_gpu, shapes, texts, target)
            functions, files = [*functions, *([] if name in functions else [name])], files | found
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file, content in files.items():
                (folder / file).write_bytes(content)
        except OSError as reason:
            raise Refused(f"cannot write to `{folder}`: {reason.strerror or reason}") from None
    paths = [str(folder / file) for file in files]
    return Report("\n".join(paths), {"functions": functions, "files": paths}, "\n".join(notes))


def _gpu_files(session: Session, place: str, kinds: list[str], shapes: Texts, texts: Texts, target: str) -> tuple[str, dict[str, bytes]]:
    from tensorc.backends.triton.compile import parse
    from tensorc.cli.ir import lowered_of

    goal = str(parse(target))
    lowered = lowered_of(session, place, shapes, texts, goal)
    return lowered.program.name, {name: content for kind in kinds for name, content in _files(lowered, kind, goal).items()}


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
