"""`tensorc ir`: what each stage of the compiler makes of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from tensorc.cli.output import USAGE, Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.api.lowered import Lowered
    from tensorc.api.specs import Spec
    from tensorc.cli.values import Value
    from tensorc.dtypes import DType
    from tensorc.elaborate import ParameterInfo
    from tensorc.syntax import tree

Texts = tuple[str, ...]

STAGES = ("ast", "typed", "grad", "opt", "schedule", "loops", "llvm", "llvm-opt", "asm", "triton", "ttir", "ttgir", "ptx", "sass")


@click.command("ir", short_help="Print a stage of the compiler, from the syntax tree to assembly.")
@click.argument("place", metavar="FILE[:FN]")
@click.option("--stage", "-s", type=click.Choice(STAGES), default="typed", show_default=True, help="What to print.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=TYPE", help="The dtype and rank of a parameter: x=f32[4,8].")
@click.option("--arg", "-a", "texts", multiple=True, metavar="NAME=VALUE", help="The value of a static parameter.")
@click.option("--target", "-t", metavar="TARGET", help="A GPU, which need not be there: cuda:sm_90, hip:gfx942.")
@click.option("--graph", "form", type=click.Choice(("svg",)), help="Draw the stage as a graph instead of printing it.")
@json_option
@click.pass_obj
def command(session: Session, place: str, stage: str, shapes: Texts, texts: Texts, target: str | None, form: str | None) -> Report:
    """Print what a stage makes of one function. A parameter without --shape has its declared rank, and f32 or i64 for a dtype variable.

    \b
    ast       the syntax tree
    typed     definitions with dtypes, symbolic shapes and ranges
    grad      the backward pass, and what it keeps of the forward pass
    opt       typed, simplified
    schedule  the kernels, and what is stored between them
    loops     the loop nest of each kernel
    llvm      LLVM IR
    llvm-opt  the same as LLVM hands it to its code generator
    asm       this processor's assembly
    triton    a module of Triton kernels with a function that launches them, for sizes such as --shape has
    ttir ttgir ptx sass  what Triton makes of the kernels

    \b
    tensorc ir softmax.tx:softmax --stage loops --shape x=f32[N,1024]
    tensorc ir softmax.tx:softmax --stage ptx --shape x=f32[4096,1024] --target cuda:sm_90
    tensorc ir softmax.tx:softmax --stage opt --graph svg > softmax.svg
    """
    from tensorc.cli.highlight import highlight

    if form is not None:
        name, text = stage_graph(session, place, stage, shapes, texts, target)
        return Report(text, {"function": name, "stage": stage, "graph": form, "text": text})
    name, text = stage_text(session, place, stage, shapes, texts, target)
    return Report(highlight(text, stage), {"function": name, "stage": stage, "text": text})


def stage_text(
    session: Session, place: str, stage: str, shapes: Sequence[str], texts: Sequence[str], target: str | None = None
) -> tuple[str, str]:
    """The function's name and the stage's text."""
    from tensorc.syntax.show import show

    if stage == "ast":
        function = _tree(session, place)
        return function.name, show(function)
    with settings():
        lowered = lowered_of(session, place, shapes, texts, _target(stage, target))
        return lowered.program.name, lowered.as_text(stage)


def _tree(session: Session, place: str) -> tree.Function:
    """The syntax tree of a function, of files that go no further too."""
    from tensorc.cli.program import choose, read, split_place
    from tensorc.syntax.parse import parse

    path, wanted = split_place(place)
    functions = {f.name: f for f in parse(read(path, session)).functions}
    return functions[choose(list(functions), wanted, place)]


def stage_graph(session: Session, place: str, stage: str, shapes: Texts, texts: Texts, target: str | None) -> tuple[str, str]:
    """The function's name and the stage's graph as SVG."""
    from tensorc.cli.graph import graph, tree_graph

    if stage == "ast":
        function = _tree(session, place)
        return function.name, tree_graph(f"{function.name}: {stage}", function)
    with settings():
        lowered = lowered_of(session, place, shapes, texts, _target(stage, target))
        return lowered.program.name, graph(lowered.compilation, stage)


def _target(stage: str, target: str | None) -> str:
    """The target of a stage; a GPU has stages of its own."""
    if target is None or target == "cpu":
        return "cpu"
    from tensorc.backends.triton.compile import parse

    if stage in ("llvm", "llvm-opt", "asm"):
        raise Refused(f"a GPU has no stage `{stage}`", "its stages are triton ttir ttgir ptx sass", code=USAGE)
    return str(parse(target))


def lowered_of(session: Session, place: str, shapes: Sequence[str], texts: Sequence[str], target: str = "cpu") -> Lowered:
    """The function of a place for parameters of the given or representative types."""
    from tensorc.cli.program import call_errors, function, load
    from tensorc.elaborate import MISSING, parameters

    unit, name = load(place, session)
    declared = parameters(unit, name)
    values = arguments(session, declared, shapes, texts)
    with call_errors():
        return function(unit, name).lower(*(values.get(p.name, MISSING) for p in declared), target=target)


def arguments(
    session: Session,
    declared: Sequence[ParameterInfo],
    shapes: Sequence[str],
    texts: Sequence[str],
    dtypes: Mapping[str, DType] = MappingProxyType({}),
) -> dict[str, Spec | Value]:
    """What the parameters of a function are taken to be, by name; a dtype variable that no shape binds is what `dtypes` says."""
    values: dict[str, Spec | Value] = {**_specs(declared, shapes, dtypes), **_statics(declared, texts)}
    session.inputs = {key: str(value) for key, value in values.items()}
    return values


def _specs(parameters: Sequence[ParameterInfo], shapes: Sequence[str], dtypes: Mapping[str, DType]) -> dict[str, Spec]:
    """A spec for each tensor parameter without a default: the given one, or one of the declared rank."""
    from tensorc.algebra import size
    from tensorc.api.specs import Spec
    from tensorc.cli.arguments import split_texts
    from tensorc.dtypes import DTYPES

    given = {name: _spec(name, text) for name, text in split_texts(parameters, shapes, "--shape").items()}
    variables: dict[str, DType] = {}
    for p in parameters:
        if p.is_static and p.name in given:
            raise Refused(f"`{p.name}` is static and has no shape", f"give its value: --arg {p.name}=VALUE")
        if p.name in given:
            variables.setdefault(p.dtype_text, given[p.name].dtype)
    variables = {**dtypes, **variables}
    found = {}
    for p in parameters:
        if p.name in given:
            found[p.name] = given[p.name]
        elif not p.is_static and not p.has_default:
            dtype = DTYPES.get(p.dtype_text) or variables.get(p.dtype_text) or p.dtypes[0]
            found[p.name] = Spec(dtype, tuple(size(f"{p.name}_{axis}") for axis in range(p.rank + p.more_axes)))
    return found


def _spec(name: str, text: str) -> Spec:
    from tensorc.api.specs import spec
    from tensorc.diagnostics import CompileError

    try:
        return spec(text)
    except CompileError as error:
        first = error.diagnostics[0]
        raise Refused(f"--shape {name}={text}: {first.message}", first.help or "write a type such as f32[4,8]", code=USAGE) from None


def _statics(parameters: Sequence[ParameterInfo], texts: Sequence[str]) -> dict[str, Value]:
    """The values of the static parameters; those of tensors matter to no stage."""
    from tensorc.cli.arguments import read_arguments, split_texts

    for name in split_texts(parameters, texts):
        if not next(p for p in parameters if p.name == name).is_static:
            raise Refused(f"`{name}` is a tensor, of which only the type matters here", f"write --shape {name}=f32[4,8]")
    return read_arguments([p for p in parameters if p.is_static], texts, 0)
