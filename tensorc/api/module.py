"""Module: a .tx file as a Python object, with a Function for each `fn` in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorc.api.function import Function
from tensorc.api.tx import TxDefinition
from tensorc.diagnostics import CompileError
from tensorc.elaborate import check, load_unit
from tensorc.errors import suggestion
from tensorc.source import Source
from tensorc.syntax.parse import read_source

if TYPE_CHECKING:
    from tensorc.elaborate import Unit


class Module:
    """The functions of a file: `module.softmax`, `module["softmax"]`, and `for name in module`."""

    def __init__(self, unit: Unit) -> None:
        functions = {name: Function(TxDefinition(unit, name)) for name in unit.functions}
        vars(self).update(functions)  # so that looking one up takes no time
        self._unit = unit
        self._functions = functions

    @property
    def source(self) -> str:
        """The text of the file."""
        return self._unit.source.text

    def __getattr__(self, name: str) -> Function:
        functions: Mapping[str, Function] = self.__dict__.get("_functions", {})
        if name in functions:
            return functions[name]
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"`{self._unit.source.name}` has no function `{name}`{suggestion(name, functions)}")

    def __getitem__(self, name: str) -> Function:
        if name not in self._functions:
            raise KeyError(f"`{self._unit.source.name}` has no function `{name}`{suggestion(name, self._functions)}")
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._functions]

    def __repr__(self) -> str:
        return f"<tensorc module {self._unit.source.name!r}: {', '.join(self._functions)}>"

    def __reduce__(self) -> Any:
        return _restored_module, packed(self._unit)


def load(path: str | Path) -> Module:
    """The functions of a .tx file. CompileError with all of its mistakes."""
    return _module(load_unit(read_source(path)))


def compile(source: str, name: str = "<string>") -> Module:
    """The functions of a program's text; `name` is what messages call it. CompileError with all of its mistakes."""
    return _module(load_unit(Source(name, source)))


def _module(unit: Unit) -> Module:
    errors = [d for d in check(unit) if d.severity == "error"]
    if errors:
        raise CompileError(errors)
    return Module(unit)


# Pickling: the texts travel, and are parsed again where they arrive.

Packed = tuple[tuple[tuple[str, str], ...], str]


def packed(unit: Unit) -> Packed:
    """The texts of a unit and of all that it imports by their names, and the unit's own name."""
    texts: dict[str, str] = {}
    stack = [unit]
    while stack:
        u = stack.pop()
        if not u.is_library and u.source.name not in texts:
            texts[u.source.name] = u.source.text
            stack += u.imports.values()
    return tuple(texts.items()), unit.source.name


@lru_cache(maxsize=64)
def unpacked(texts: tuple[tuple[str, str], ...], name: str) -> Unit:
    """The unit of packed texts."""
    sources = {n: Source(n, text) for n, text in texts}
    return load_unit(sources[name], _resolver(sources))


def _resolver(sources: Mapping[str, Source]) -> Callable[[str, Source], Source]:
    def resolve(path: str, importer: Source) -> Source:
        name = str(Path(importer.name).parent / path)
        if name not in sources:
            raise FileNotFoundError(f"{path} did not travel with {importer.name}")
        return sources[name]

    return resolve


def _restored_module(texts: tuple[tuple[str, str], ...], name: str) -> Module:
    return Module(unpacked(texts, name))
