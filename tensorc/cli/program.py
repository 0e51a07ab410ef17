"""Finds the source that a path names and the function that FILE:FN names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tensorc.cli.output import FAILED, Refused, Session
from tensorc.diagnostics import CompileError
from tensorc.errors import nearest
from tensorc.source import Source

if TYPE_CHECKING:
    from tensorc.api.function import Function
    from tensorc.elaborate import ParameterInfo, Unit

STDIN = "<stdin>"
"""What standard input is called in messages; `-` and this stand for it on the command line."""


def read(path: str, session: Session) -> Source:
    """The source at a path, or from standard input for `-`. CompileError if it cannot be read."""
    from tensorc.syntax.parse import decode_source, read_source

    if path in ("-", STDIN):
        source = decode_source(sys.stdin.buffer.read() if sys.stdin is not None else b"", STDIN)
    else:
        try:
            source = read_source(path)
        except CompileError as error:
            raise CompileError([replace(d, help=d.help or _meant(path)) for d in error.diagnostics]) from None
    session.source = source
    return source


def _meant(path: str) -> str | None:
    """The file beside a missing one that was most likely meant."""
    wanted = Path(path)
    if os.path.exists(wanted) or not os.path.isdir(wanted.parent):
        return None
    try:
        near = nearest(wanted.name, os.listdir(wanted.parent))
    except OSError:  # a folder that may not be listed
        return None
    return f"did you mean `{wanted.parent / near}`?" if near else None


def split_place(place: str) -> tuple[str, str | None]:
    """FILE:FN as both parts. A file whose own name has a colon is found under the whole text."""
    path, colon, name = place.rpartition(":")
    if not colon or os.path.exists(place):
        return place, None
    if not name:
        raise Refused(f"`{place}` names no function after its colon", f"write {path} or {path}:name")
    return (path, name) if path and name.isidentifier() else (place, None)


def choose(names: list[str], name: str | None, place: str) -> str:
    """The function that was asked for: by name, or the only one, or `main`."""
    if name is None:
        if len(names) == 1 or "main" in names:
            return names[0] if len(names) == 1 else "main"
        raise Refused(f"`{place}` has {len(names)} functions: {', '.join(names)}", f"choose one: {place}:{names[0]}")
    if name not in names:
        near = nearest(name, names)
        help = f"did you mean `{near}`?" if near else f"it has {', '.join(names)}"
        raise Refused(f"there is no function `{name}` in {place.rpartition(':')[0]}", help)
    return name


def load(place: str, session: Session) -> tuple[Unit, str]:
    """The checked unit of FILE:FN and the function's name. CompileError with every mistake of the file."""
    path, name = split_place(place)
    unit = load_whole(path, session)
    return unit, choose(list(unit.functions), name, place)


def load_whole(path: str, session: Session) -> Unit:
    """The checked unit of a file. CompileError with every mistake of it."""
    from tensorc.elaborate import check, load_unit

    unit = load_unit(read(path, session))
    errors = [d for d in check(unit) if d.severity == "error"]
    if errors:
        raise CompileError(errors)
    return unit


@dataclass(frozen=True)
class Several:
    """The functions of a file that a place means: every one where none is named, but those that cannot be made as the command is written.
    `left_out` says why not.
    """

    unit: Unit
    names: list[str]
    named: str | None
    left_out: list[str]


def several(session: Session, place: str, shapes: Sequence[str], texts: Sequence[str]) -> Several:
    """The functions of a place. Refused for an option NAME=TEXT of a parameter that none of them has."""
    from tensorc.elaborate import parameters

    path, name = split_place(place)
    unit = load_whole(path, session)
    every = list(unit.functions)
    names = every if name is None else [choose(every, name, place)]
    refuse_unknown(unit, names, (*shapes, *texts))
    given = {text.partition("=")[0].strip() for text in texts}
    needed = {n: [p.name for p in parameters(unit, n) if p.is_static and not p.has_default and p.name not in given] for n in names}
    left = [f"left out `{n}`, which needs {' '.join(f'--arg {p}=VALUE' for p in needed[n])}" for n in names if needed[n]]
    kept = [n for n in names if not needed[n]]
    return Several(unit, kept, name, left) if name is None and kept else Several(unit, names, name, [])


def refuse_unknown(unit: Unit, names: Sequence[str], options: Sequence[str]) -> None:
    """Refused for an option NAME or NAME=TEXT of a parameter that none of the functions has."""
    from tensorc.elaborate import parameters

    known = {p.name for n in names for p in parameters(unit, n)}
    for text in options:
        option = text.partition("=")[0].strip()
        if option not in known:
            raise Refused(f"there is no parameter `{option}`", f"the parameters are {', '.join(sorted(known))}" if known else None)


def own_options(declared: Sequence[ParameterInfo], options: Sequence[str]) -> tuple[str, ...]:
    """The options NAME=TEXT for the parameters of one function."""
    own = {p.name for p in declared}
    return tuple(text for text in options if text.partition("=")[0].strip() in own)


def function(unit: Unit, name: str) -> Function:
    """The function as Python has it."""
    from tensorc.api.module import Module

    return Module(unit)[name]


@contextmanager
def call_errors() -> Iterator[None]:
    """What is wrong with a call's arguments becomes Refused; anything else that compiling raises is tensorc's own mistake."""
    from tensorc.errors import DTypeError, ShapeError

    try:
        yield
    except (ShapeError, DTypeError) as error:
        raise Refused(str(error), kind=type(error).__name__, code=FAILED) from None
