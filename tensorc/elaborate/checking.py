"""Checks a file without arguments: each function in representative instances of its dtypes, ranks and static values."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from tensorc.collector import seldom
from tensorc.diagnostics import CompileError, Diagnostic
from tensorc.dtypes import DTYPES, DType
from tensorc.elaborate.context import merge
from tensorc.elaborate.instances import ArgumentType, Instance, check_instance, instantiate
from tensorc.elaborate.signatures import Signatures, key_of
from tensorc.elaborate.units import Unit
from tensorc.elaborate.values import MISSING
from tensorc.recursion import roomy
from tensorc.syntax import tree


@roomy
@seldom()
def check(unit: Unit) -> list[Diagnostic]:
    """The diagnostics of a unit, in the order of the text; a mistake that calls lead to as well is reported once."""
    signatures = Signatures(frozenset(key for name in unit.functions for key in _reported(unit, name)))
    errors = [e for name in unit.functions for e in check_function(unit, name, signatures)]
    seen: list[Unit] = [unit]
    for u in seen:
        errors += u.errors
        seen += [i for i in u.imports.values() if i not in seen and not i.is_library]
    found = merge(errors)
    return sorted(found, key=lambda d: (d.span is None, d.span.start if d.span is not None and d.span.source is unit.source else 0))


def _reported(unit: Unit, name: str) -> Iterator[Hashable]:
    """The instances of a function of which `check_function` says whatever is wrong."""
    function = unit.functions[name]
    if name not in unit.broken and _attempts(function) == 1 and not _any_rank(function):
        for dtypes in _representative_dtypes(function):
            yield key_of(function, _arguments(function, dtypes, 0, 0))


def check_function(unit: Unit, name: str, signatures: Signatures | None = None) -> list[CompileError]:
    """What is wrong with a function for every static value that its parameters might have, for some of the dtypes."""
    signatures = signatures or Signatures(frozenset())
    failures: list[CompileError] = []
    if name in unit.broken:
        return failures
    for dtypes in _representative_dtypes(unit.functions[name]):
        found = _mistakes(unit, name, dtypes, 2, signatures)
        if any(d.code in _OF_RANKS for d in found) and _any_rank(unit.functions[name]):
            others = (_mistakes(unit, name, dtypes, axes, signatures) for axes in (3, 4, 1, 0, 5))
            found = [] if any(not other for other in others) else found
        if found:
            failures.append(CompileError(found))
    return failures


def representative(unit: Unit, name: str) -> Instance | None:
    """An instance of a function, each `...` one axis, for dtypes and static values that it is checked for; None if none is right."""
    function = unit.functions[name]
    for dtypes in _representative_dtypes(function) if name not in unit.broken else ():
        for statics in range(_attempts(function)):
            try:
                return instantiate(unit, name, _arguments(function, dtypes, statics, 1))
            except CompileError:
                continue
    return None


def _mistakes(unit: Unit, name: str, dtypes: dict[str, DType], axes: int, signatures: Signatures) -> list[Diagnostic]:
    """What is wrong with a function where each `...` stands for so many axes, for every guess of its static values."""
    function = unit.functions[name]
    attempts: list[list[Diagnostic]] = []
    for statics in range(_attempts(function)):
        try:
            check_instance(unit, name, _arguments(function, dtypes, statics, axes), signatures)
        except CompileError as e:
            attempts.append(list(e.diagnostics))
        else:
            return []
    return _common(attempts)


def _common(attempts: Sequence[Sequence[Diagnostic]]) -> list[Diagnostic]:
    """What went wrong in every attempt. With guessed static values a condition on them may well not hold."""
    if not attempts:
        return []
    places = [{(d.code, d.span) for d in attempt} for attempt in attempts]
    everywhere = set.intersection(*places)
    guessed = len(attempts) > 1
    return [d for d in attempts[0] if (d.code, d.span) in everywhere and not (guessed and d.code in _OF_VALUES)]


_OF_VALUES = ("E0304", "E0305", "E0308", "E0611")
"""Codes of mistakes that another static value would not make."""

_OF_RANKS = ("E0303", "E0304", "E0504", "E0510")
"""Codes of mistakes that another number of axes would not make."""


def _any_rank(function: tree.Function) -> bool:
    """Whether `...` stands in the type of a parameter."""
    types = (p.type for p in function.parameters if isinstance(p.type, tree.TensorType))
    return any(isinstance(d, tree.Splice) for t in types for d in t.dims)


def _representative_dtypes(function: tree.Function) -> list[dict[str, DType]]:
    choices = {"float": ("f32",), "int": ("i64",), "num": ("f32", "i64"), "any": ("f32", "i64", "bool")}
    count = max((len(choices[t.kind]) for t in function.type_parameters), default=1)
    return [{t.name: DTYPES[choices[t.kind][min(n, len(choices[t.kind]) - 1)]] for t in function.type_parameters} for n in range(count)]


def _attempts(function: tree.Function) -> int:
    """How many guesses there are for the static parameters that have no default."""
    kinds = [p.type.name for p in function.parameters if isinstance(p.type, tree.StaticType) and p.default is None]
    return max((len(_strings(function)) if k == "str" else len(_STATICS[k]) for k in kinds), default=1)


_STATICS: dict[str, tuple[Any, ...]] = {
    "int": (1, 2, 0, 4, 16),
    "float": (0.5, 1.0, 2.0),
    "bool": (False, True),
    "dtype": (DTYPES["f32"], DTYPES["i64"], DTYPES["bool"]),
    "dims": ([1], [1, 1], [1, 1, 1]),
    "axes": (-1, 0, None),
}


def _arguments(function: tree.Function, dtypes: dict[str, DType], statics: int, axes: int) -> list[Any]:
    return [_representative(p, dtypes, statics, axes, function) for p in function.parameters]


def _representative(p: tree.Parameter, dtypes: dict[str, DType], statics: int, axes: int, function: tree.Function) -> Any:
    if isinstance(p.type, tree.TensorType):
        dtype = dtypes.get(p.type.dtype) or DTYPES[p.type.dtype]
        loose = sum(isinstance(d, tree.Splice) for d in p.type.dims)
        return ArgumentType(dtype, len(p.type.dims) - loose + axes * loose)
    if p.default is not None:
        return MISSING
    assert isinstance(p.type, tree.StaticType)
    choices = _strings(function) if p.type.name == "str" else _STATICS[p.type.name]
    return choices[statics % len(choices)]


def _strings(function: tree.Function) -> list[str]:
    """What a static string may be: the strings that the function speaks of, and the library's usual options."""
    text = function.span.text
    quoted = [part for quote in "\"'" for part in text.split(quote)[1::2] if "\n" not in part and len(part) < 40]
    return list(dict.fromkeys([*quoted, "none", "mean", "sum"]))[:8]
