"""Units: parsed files with their imports resolved, the library that is shipped, and instances of functions as programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorc.collector import seldom
from tensorc.diagnostics import CompileError, error
from tensorc.elaborate.declarations import declaration_errors, defined_twice
from tensorc.recursion import roomy
from tensorc.source import Source
from tensorc.syntax import tree
from tensorc.syntax.parse import parse

if TYPE_CHECKING:
    from tensorc.elaborate.instances import Instance

Resolver = Callable[[str, Source], Source]
"""Gives the text of an imported path, as seen from the file that imports it. OSError where there is none."""


@dataclass(eq=False)
class Unit:
    """A file and what it imports. `errors` are those of heads and imports; nothing is said about the uses of the `broken` names.

    `instances` are those of its functions that were made of tensors alone, or while the file was checked.
    """

    source: Source
    functions: Mapping[str, tree.Function]
    imports: dict[str, Unit] = field(default_factory=dict)
    errors: list[CompileError] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    instances: dict[Hashable, Instance] = field(default_factory=dict)
    is_library: bool = False
    is_internal: bool = False  # of the library, for its own files only


def resolve_path(path: str, importer: Source) -> Source:
    """The imported file, relative to the file that imports it."""
    target = Path(normpath(Path(importer.name).parent / path))
    return Source(str(target), target.read_text(encoding="utf-8-sig"))


@roomy
@seldom()
def load_unit(source: Source, resolver: Resolver | None = None) -> Unit:
    """The unit of a source. CompileError with its mistakes of syntax; `check` gives all others."""
    return _Loader(resolver or resolve_path).load(source, ())


MOST_FILES = 100
"""That import one another in a chain."""


class _Loader:
    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.done: dict[str, Unit] = {}

    def load(self, source: Source, importers: tuple[str, ...]) -> Unit:
        if source.name in self.done:
            return self.done[source.name]
        unit, file = _unit(source)
        self.done[source.name] = unit
        names = {n: f.name_span for n, f in unit.functions.items()}
        for i in file.imports:
            try:
                first = names.get(i.alias)
                if first is not None:
                    raise defined_twice(i.alias, i.span, first)
                names[i.alias] = i.span
                unit.imports[i.alias] = self._import(i, source, (*importers, source.name))
            except CompileError as e:
                unit.errors.append(e)
                unit.broken.add(i.alias)
        return unit

    def _import(self, i: tree.Import, source: Source, importers: tuple[str, ...]) -> Unit:
        if i.module is not None:
            return _library_module(i)
        assert i.path is not None
        try:
            found = self.resolver(i.path, source)
        except (OSError, UnicodeDecodeError, ValueError) as e:
            reason = (
                e.strerror
                if isinstance(e, OSError) and e.strerror
                else "it is not UTF-8 text"
                if isinstance(e, UnicodeDecodeError)
                else str(e)
            )
            help = f'the path is relative to the folder of "{source.name}"'
            raise error(
                "E0801", f'cannot import "{i.path}": {reason}', i.span, "not found" if isinstance(e, OSError) else "", help=help
            ) from None
        if len(importers) == MOST_FILES:
            raise error("E0801", f'cannot import "{i.path}": {MOST_FILES} files import one another', i.span, "one too many")
        if found.name in importers:
            chain = " imports ".join(f'"{n}"' for n in [*importers[importers.index(found.name) :], found.name])
            help = "move what both need into a third file"
            raise error("E0802", "files import each other", i.span, "leads back to this file", notes=(chain,), help=help)
        return self.load(found, importers)


def _unit(source: Source) -> tuple[Unit, tree.File]:
    """The unit of a source without its imports."""
    file = parse(source)
    functions: dict[str, tree.Function] = {}
    unit = Unit(source, functions)
    for f in file.functions:
        if f.name in functions:
            unit.errors.append(defined_twice(f.name, f.name_span, functions[f.name].name_span))
            continue
        functions[f.name] = f
        wrong = declaration_errors(f)
        if wrong:
            unit.errors.extend(wrong)
            unit.broken.add(f.name)
    return unit, file


# The library that is shipped: tensorc/std/*.tx. A function is parsed when it is first used.

_HEAD = re.compile(r"^fn +([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)


class _Functions(Mapping[str, tree.Function]):
    """The functions of a library file by name, each parsed on its own when it is first asked for."""

    def __init__(self, source: Source) -> None:
        self.source = source
        heads = list(_HEAD.finditer(source.text))
        ends = [*(_doc_start(source.text, h.start()) for h in heads[1:]), len(source.text)]
        self.ranges = {h.group(1): (_doc_start(source.text, h.start()), end) for h, end in zip(heads, ends, strict=True)}
        self.parsed: dict[str, tree.Function] = {}

    def __getitem__(self, name: str) -> tree.Function:
        if name not in self.parsed:
            start, end = self.ranges[name]
            lines = self.source.text.count("\n", 0, start)
            text = "\n" * lines + self.source.text[start:end]
            self.parsed[name] = parse(Source(self.source.name, text)).functions[0]
        return self.parsed[name]

    def __iter__(self) -> Any:
        return iter(self.ranges)

    def __len__(self) -> int:
        return len(self.ranges)


def _doc_start(text: str, head: int) -> int:
    """The start of the comment lines directly above a function."""
    start = head
    while start > 0:
        line = text.rfind("\n", 0, start - 1) + 1
        if not text[line:start].startswith("#"):
            break
        start = line
    return start


@cache
def library_units() -> dict[str, Unit]:
    """The files of the library by name."""
    units = {}
    for file in sorted(resources.files("tensorc").joinpath("std").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".tx"):
            name = file.name.removesuffix(".tx")
            source = Source(f"std/{file.name}", file.read_text(encoding="utf-8"))
            units[name] = Unit(source, _Functions(source), is_library=True, is_internal=name == "internal")
    return units


def _library_module(i: tree.Import) -> Unit:
    from difflib import get_close_matches

    assert i.module is not None
    name = i.module.removeprefix("std.")
    units = {name: unit for name, unit in library_units().items() if not unit.is_internal}
    if not i.module.startswith("std.") or name not in units:
        close = get_close_matches(name, units, 1)
        hint = f"did you mean `std.{close[0]}`?" if close else f"the modules are {', '.join(f'std.{u}' for u in units)}"
        raise error("E0803", f"there is no module `{i.module}`", i.span, "not in the library", help=hint)
    return units[name]
