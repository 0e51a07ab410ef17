"""The files of a C library: which functions of a file it has, and for which dtypes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tensorc.cli.output import FAILED, USAGE, Refused, Session

if TYPE_CHECKING:
    from tensorc.cli.program import Several
    from tensorc.dtypes import DType
    from tensorc.ir.program import Program
    from tensorc.runtime.ahead.library import Function, Library

Texts = tuple[str, ...]

SUFFIXES = {"so": "lib{}.so", "h": "{}.h", "o": "{}.o", "ll": "{}.ll", "asm": "{}.s"}


@dataclass(frozen=True)
class Made:
    """The functions' names, the files by name, and what is to be said of what was left out."""

    functions: list[str]
    files: dict[str, bytes]
    notes: list[str]


def c_files(session: Session, place: str, kinds: Sequence[str], shapes: Texts, texts: Texts, dtypes: str | None, wrt: str | None) -> Made:
    """The files of a library of the functions that a place means."""
    from tensorc.backends.llvm import target
    from tensorc.cli.program import refuse_unknown, several
    from tensorc.config import config
    from tensorc.runtime.ahead.library import Library

    meant = several(session, place, shapes, texts)
    if wrt and meant.named is None:
        refuse_unknown(meant.unit, meant.names, wrt.split(","))
    maker = _Maker(session, meant, shapes, texts, _read_dtypes(dtypes), wrt)
    functions = tuple(f for name in meant.names for f in maker.functions(name))
    source = meant.unit.source.name
    stem = meant.named or (Path(source).stem if source.endswith(".tx") else "library")
    machine = replace(target.host(config.cpu), fast=config.math == "fast")
    library = Library(re.sub(r"\W", "_", stem), functions, machine)
    twice = [name for name in library.exports if library.exports.count(name) > 1]
    if twice:
        raise Refused(f"two functions of the library would be called `{twice[0]}`", f"choose one: {place}:{meant.names[0]}")
    files = {SUFFIXES[kind].format(library.name): _content(library, kind) for kind in kinds}
    return Made([c.name for c in library.contracts], files, [*meant.left_out, *maker.notes])


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


@dataclass
class _Maker:
    """Makes the functions of a library. Where a single function is named, what cannot be made of it is an error; else a note."""

    session: Session
    meant: Several
    shapes: Texts
    texts: Texts
    dtypes: list[DType] | None
    wrt: str | None
    notes: list[str] = field(default_factory=list)

    def functions(self, name: str) -> Iterator[Function]:
        """A function for each dtype, and its gradient."""
        from tensorc.api.specs import Spec
        from tensorc.cli.arguments import variable_kind
        from tensorc.cli.ir import arguments
        from tensorc.cli.program import call_errors, function, own_options
        from tensorc.elaborate import MISSING, parameters

        unit = self.meant.unit
        declared = parameters(unit, name)
        shapes, texts = own_options(declared, self.shapes), own_options(declared, self.texts)
        variables = {p.dtype_text: p.dtypes for p in declared if variable_kind(p) is not None}
        for chosen in self._chosen(name, variables):
            bound = {v: chosen for v, taken in variables.items() if chosen is not None and chosen in taken}
            values = arguments(self.session, declared, shapes, texts, bound)
            with call_errors():
                lowered = function(unit, name).lower(*(values.get(p.name, MISSING) for p in declared), target="cpu")
            dtypes = {p.dtype_text: v.dtype for p in declared if isinstance(v := values.get(p.name), Spec)}
            whole = "_".join([name, *(str(dtypes[v]) for v in variables if v in dtypes)])
            yield _made(lowered.program, whole, unit.functions[name].doc)
            if self.wrt is not None:
                yield from self._gradient(lowered.program, f"{whole}_grad")

    def _chosen(self, name: str, variables: Mapping[str, tuple[DType, ...]]) -> Sequence[DType | None]:
        """What dtype variables stand for in turn; None for what they stand for without being told."""
        if self.dtypes is None or not variables:
            return [None]
        found = [d for d in self.dtypes if any(d in taken for taken in variables.values())]
        if not found and self.meant.named is not None:
            variable, taken = next(iter(variables.items()))
            message = f"--dtype: `{variable}` of `{name}` is not {self.dtypes[0]}"
            raise Refused(message, f"it is one of {', '.join(d.name for d in taken)}", code=USAGE)
        return found or [None]

    def _gradient(self, program: Program, name: str) -> Iterator[Function]:
        """The gradient of a scalar, else the function that takes a cotangent of each float result too."""
        from tensorc.cli.grad import chosen, derived, is_scalar

        names = [part.strip() for part in (self.wrt or "").split(",") if part.strip()]
        if self.meant.named is None:
            names = [n for n in names if any(i.name == n and i.dtype.is_float for i in program.inputs)]
        why = _no_gradient(program, bool(self.wrt) and not names)
        if why and self.meant.named is not None:
            raise Refused(f"--grad: `{program.name}` {why}, and so has no derivative", code=FAILED)
        if why:
            self.notes.append(f"no gradient of `{program.name}`, which {why}")
            return
        wrt = ",".join(names) or None
        inputs = chosen(program, wrt)
        made = derived(program, "grad" if is_scalar(program) else "vjp", wrt, False)
        what = "The gradient" if is_scalar(program) else "The cotangents of the parameters for those of the results"
        doc = f"{what} of {program.name} by {', '.join(i.name for i in inputs)}."
        yield _made(made, name, doc, tuple(f"d{i.name}" for i in inputs))


def _no_gradient(program: Program, unnamed: bool) -> str:
    """Why a program has no gradient; empty where it has one."""
    from tensorc.transform.programs import float_inputs, float_results

    if not float_results(program):
        return "returns no float"
    if not float_inputs(program):
        return "has no float parameter"
    return "has none of the parameters" if unnamed else ""


def _made(program: Program, name: str, doc: str, results: tuple[str, ...] = ()) -> Function:
    from tensorc.compiler import Compilation
    from tensorc.runtime.ahead.library import Function

    return Function(name, program, Compilation(program, "cpu").schedule, doc, results)
