"""`tensorc explore`: the source and what each stage makes of it, on one page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tensorc.cli.output import Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.api.lowered import Lowered
    from tensorc.cli.program import Several
    from tensorc.syntax import tree

Texts = tuple[str, ...]


@click.command("explore", short_help="Show source, IR and code on one linked page.")
@click.argument("place", metavar="FILE[:FN]")
@click.option(
    "--output", "-o", "path", metavar="FILE.html", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the page."
)
@click.option("--shape", "shapes", multiple=True, metavar="NAME=TYPE", help="The dtype and shape of a parameter: x=f32[4,8].")
@click.option("--arg", "-a", "texts", multiple=True, metavar="NAME=VALUE", help="The value of a static parameter.")
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@json_option
@click.pass_obj
def command(session: Session, place: str, path: Path | None, shapes: Texts, texts: Texts, opens: bool) -> Report:
    """Write a page with the source, the typed IR, the same simplified, its graph, the kernels, their loops, LLVM IR and assembly, in which
    what belongs together lights up. It is one HTML file that needs no network. Without FN it has every function of the file.

    \b
    tensorc explore softmax.tx
    tensorc explore model.tx:loss -o loss.html --shape x=f32[4096,1024]
    """
    from tensorc.cli.explorer import page
    from tensorc.cli.program import several

    with settings():
        meant = several(session, place, shapes, texts)
        functions = _functions(session, meant, shapes, texts)
        content = page(meant.unit.source.name, functions)
    try:
        if path is None:
            with tempfile.NamedTemporaryFile("wb", prefix="tensorc-", suffix=".html", delete=False) as file:
                file.write(content.encode())
            path = Path(file.name)
        else:
            path.write_bytes(content.encode())
    except OSError as reason:
        raise Refused(f"cannot write `{path or 'a temporary file'}`: {reason.strerror or reason}") from None
    if opens:
        import webbrowser

        webbrowser.open(path.absolute().as_uri())
    return Report(str(path), {"functions": list(functions), "path": str(path)}, "\n".join(meant.left_out))


def _functions(session: Session, meant: Several, shapes: Texts, texts: Texts) -> dict[str, tuple[tree.Function, Lowered]]:
    """The functions, each for parameters of the given or representative types."""
    from tensorc.cli.ir import arguments
    from tensorc.cli.program import call_errors, function, own_options
    from tensorc.elaborate import MISSING, parameters

    found = {}
    for name in meant.names:
        declared = parameters(meant.unit, name)
        values = arguments(session, declared, own_options(declared, shapes), own_options(declared, texts))
        with call_errors():
            lowered = function(meant.unit, name).lower(*(values.get(p.name, MISSING) for p in declared), target="cpu")
        found[name] = (meant.unit.functions[name], lowered)
    return found
