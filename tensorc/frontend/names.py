"""Rows that say how a function of another library is called in tensorc's: `sum: a axis> keepdims> dtype^`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tensorc.diagnostics import error
from tensorc.errors import suggestion
from tensorc.frontend.places import user_span
from tensorc.frontend.trace import Trace, current_trace

Special = Callable[..., Any]


@dataclass(frozen=True)
class Parameter:
    """One parameter of the other library's function.

    `ours` is the keyword that it becomes, None where it goes by position. `default` stands where it is not given; a `usual` value is
    tensorc's own default too, and is not passed on. A `refused` one must be left at a value that changes nothing, an `ignored` one never
    changes anything, and a `cast` one is the dtype that the first argument is computed in.
    """

    name: str
    ours: str | None = None
    default: Any = None
    usual: Any = None
    refused: bool = False
    ignored: bool = False
    cast: bool = False


@dataclass(frozen=True)
class Row:
    """The library function `call`, with the other library's parameters in their order."""

    call: str
    parameters: tuple[Parameter, ...]


def row(text: str) -> Row:
    """A row from `call: parameters`.

    `a` goes by position, `a>b` as keyword b, `a>` as keyword a; `=0` is a default, `~0` the usual value; `a!` is refused, `a?` ignored,
    `dtype^` casts.
    """
    call, _, rest = text.partition(":")
    return Row(call.strip(), tuple(map(_parameter, rest.split())))


def _parameter(text: str) -> Parameter:
    match text[-1]:
        case "!":
            return Parameter(text[:-1], refused=True)
        case "?":
            return Parameter(text[:-1], ignored=True)
        case "^":
            return Parameter(text[:-1], cast=True)
    text, _, default = text.partition("=")
    text, _, usual = text.partition("~")
    name, keyword, ours = text.partition(">")
    keyword_name = (ours or name) if keyword else None
    return Parameter(name, keyword_name, _literal(default), _literal(usual))


def rows(text: str) -> dict[str, Row]:
    """A table: a line for each function, `its name(s) = call: parameters`."""
    found = {}
    for line in text.strip().splitlines():
        names, _, rest = line.partition(" = ")
        for name in names.split():
            found[name] = row(rest)
    return found


def _literal(text: str) -> Any:
    return ast.literal_eval(text) if text else None


# Values that say "not given" or "as usual".
_NOTHING = (None, False, "none", "C", "K", "unsafe", "same_kind")


def _is_nothing(value: Any) -> bool:
    return type(value).__name__ == "_NoValueType" or any(
        value is n or (isinstance(n, str) and isinstance(value, str) and value == n) for n in _NOTHING
    )


def _same(value: Any, usual: Any) -> bool:
    return type(value) in (int, float, bool, str) and value == usual


def apply(library: str, name: str, found: Row, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The row's function on the arguments."""
    trace = current_trace(args, kwargs)
    if len(args) > len(found.parameters):
        raise TypeError(
            f"`{library}.{name}` takes at most {len(found.parameters)} arguments on arrays that are traced, but {len(args)} were given"
        )
    given = dict(zip((p.name for p in found.parameters), args, strict=False))
    known = [p.name for p in found.parameters]
    for key, value in kwargs.items():
        if key not in known:
            if _is_nothing(value):
                continue
            raise error("E0908", f"`{library}.{name}` cannot be traced with `{key}`{suggestion(key, known)}", user_span())
        if key in given:
            raise TypeError(f"`{library}.{name}` was given `{key}` twice")
        given[key] = value
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for p in found.parameters:
        value = given.get(p.name, p.default)
        if p.ignored:
            continue
        if p.refused:
            if not _is_nothing(value):
                raise error("E0908", f"`{library}.{name}` cannot be traced with `{p.name}={value!r}`", user_span())
        elif p.cast:
            if value is not None and not _is_nothing(value):
                positional[0] = trace.call("cast", positional[0], value)
        elif p.ours is None:
            positional.append(value)
        elif value is not None and type(value).__name__ != "_NoValueType" and not _same(value, p.usual):
            keywords[p.ours] = value
    while positional and positional[-1] is None:
        positional.pop()
    return trace.call(found.call, *positional, **keywords)


def unknown(library: str, name: str, table: Mapping[str, Any]) -> Any:
    """The error for a function that is in no table."""
    return error(
        "E0907",
        f"`{library}.{name}` cannot be traced{suggestion(name, table)}",
        user_span(),
        "applied to an array that is traced",
        help="write it with operators and the functions of `tc`, or call it outside of the traced function",
    )


__all__ = ["Parameter", "Row", "Special", "Trace", "apply", "row", "rows", "unknown"]
