"""The files of a C library: which functions of a file it has, and for which dtypes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tensorc.cli.output import FAILED, USAGE, Refused, Session

if TYPE_CHECKING:
    from tensorc.dtypes import DType
    from tensorc.elaborate import ParameterInfo, Unit
    from tensorc.ir.program import Program
    from tensorc.runtime.ahead.library import Function, Library

Texts = tuple[str, ...]

SUFFIXES = {"so": "lib{}.so", "h": "{}.h", "o": "{}.o", "ll": "{}.ll", "asm": "{}.s"}


def c_files(
    session: Session, place: str, kinds: Sequence[str], shapes: Texts, texts: Texts, dtypes: str | None, wrt: str | None
) -> tuple[list[str], dict[str, bytes]]:
    """(the functions' names, the files by name)."""
    from tensorc.backends.llvm import target
    from tensorc.cli.program import several
    from tensorc.config import config
    from tensorc.runtime.ahead.library import Library

    unit, names, wanted = several(session, place, (*shapes, *texts))
    functions = tuple(f for name in names for f in _functions(session, unit, name, shapes, texts, _read_dtypes(dtypes), wrt))
    stem = wanted or (Path(unit.source.name).stem if unit.source.name.endswith(".tx") else "library")
    machine = replace(target.host(config.cpu), fast=config.math == "fast")
    library = Library(re.sub(r"\W", "_", stem), functions, machine)
    twice = [name for name in library.exports if library.exports.count(name) > 1]
    if twice:
        raise Refused(f"two functions of the library would be called `{twice[0]}`", f"choose one: {place}:{names[0]}")
    return [c.name for c in library.contracts], {SUFFIXES[kind].format(library.name): _content(library, kind) for kind in kinds}


def _content(library: Library, kind: str) -> bytes:
    match kind:
        case "so":
            return library.shared
        case "o":
            return library.object
        case "ll":
            return library.llvm.encode()
        case "asm":
            return library.assembly.encode()
        case _:
            return library.header.encode()


def _read_dtypes(text: str | None) -> list[DType] | None:
    from tensorc.dtypes import DTYPES
    from tensorc.errors import suggestion

    if text is None:
        return None
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in DTYPES:
            raise Refused(f"--dtype: there is no dtype `{name}`{suggestion(name, DTYPES)}", code=USAGE)
    return [DTYPES[name] for name in names]


def _functions(
    session: Session, unit: Unit, name: str, shapes: Texts, texts: Texts, dtypes: list[DType] | None, wrt: str | None
) -> Iterator[Function]:
    """A function for each dtype, and its gradient."""
    from tensorc.cli.arguments import variable_kind
    from tensorc.cli.ir import arguments
    from tensorc.cli.program import call_errors, function, own_options
    from tensorc.elaborate import MISSING, parameters

    declared = parameters(unit, name)
    shapes, texts = own_options(declared, shapes), own_options(declared, texts)
    variables = list(dict.fromkeys(p.dtype_text for p in declared if variable_kind(p) is not None))
    for chosen in dtypes if dtypes is not None and variables else [None]:
        values = arguments(session, declared, shapes, texts, _bound(name, declared, variables, chosen))
        with call_errors():
            lowered = function(unit, name).lower(*(values.get(p.name, MISSING) for p in declared), target="cpu")
        bound = {p.dtype_text: value.dtype for p in declared if (value := values.get(p.name)) is not None and hasattr(value, "dtype")}
        suffix = "".join(f"_{bound[v]}" for v in variables if v in bound)
        doc = unit.functions[name].doc
        yield _made(lowered.program, f"{name}{suffix}", doc, lowered.sizes)
        if wrt is not None:
            yield _gradient(lowered.program, f"{name}{suffix}_grad", wrt, lowered.sizes)


def _bound(name: str, declared: Sequence[ParameterInfo], variables: Sequence[str], dtype: DType | None) -> dict[str, DType]:
    """The dtype of each variable, where one was asked for."""
    if dtype is None:
        return {}
    for p in declared:
        if p.dtype_text in variables and dtype not in p.dtypes:
            taken = ", ".join(d.name for d in p.dtypes)
            raise Refused(f"--dtype: `{p.dtype_text}` of `{name}` is not {dtype}", f"it is one of {taken}", code=USAGE)
    return dict.fromkeys(variables, dtype)


def _made(program: Program, name: str, doc: str, sizes: Mapping[str, int], results: tuple[str, ...] = ()) -> Function:
    """The program, scheduled for sizes of which some may be known."""
    from tensorc.compiler import Compilation
    from tensorc.runtime.ahead.library import Function
    from tensorc.schedule.sizes import deciding

    decides = deciding(program)
    schedule = Compilation(program, "cpu").scheduled(() if decides is None else decides.class_of(sizes))
    return Function(name, program, schedule, doc, results)


def _gradient(program: Program, name: str, wrt: str, sizes: Mapping[str, int]) -> Function:
    """The gradient of a scalar, else the function that takes a cotangent of each float result too."""
    from tensorc.cli.grad import chosen, derived, is_scalar
    from tensorc.transform.programs import float_results

    names = wrt or None
    if not float_results(program):
        raise Refused(f"--grad: `{program.name}` returns no float, and integers and bools have no derivative", code=FAILED)
    inputs = chosen(program, names)
    made = derived(program, "grad" if is_scalar(program) else "vjp", names, False)
    what = "The gradient" if is_scalar(program) else "The cotangents of the parameters for those of the results"
    doc = f"{what} of {program.name} by {', '.join(i.name for i in inputs)}."
    return _made(made, name, doc, sizes, tuple(f"d{i.name}" for i in inputs))
