"""Names for what the program gives none: a reduction is called by what it reduces and how, a kernel by its program and what it stores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tensorc.ir.program import Program
from tensorc.ir.tensor import Input, Tensor
from tensorc.schedule.memory import Names, Storage
from tensorc.schedule.rules import AnyRule, Rule, ScanRule, SortRule

LONGEST = 24
"""Letters of a value's name, at most."""

TITLE = 60
"""Letters of a kernel's name, at most."""

NUMBERED = re.compile(r"t\d+|view\d+")


def named(rules: Sequence[AnyRule], program: Program) -> list[AnyRule]:
    """The rules, those that have only a number with names that say what they are."""
    names = Names(i.name for i in program.inputs)
    names.taken.update(program.names.values())
    called: dict[Tensor, str] = {}
    found: list[AnyRule] = []
    for r in rules:
        if isinstance(r, (Rule, ScanRule, SortRule)) and NUMBERED.fullmatch(r.name):
            wanted = _wanted(r, called)
            if wanted is not None and len(wanted) <= LONGEST:
                r = replace(r, name=names.unique(wanted))
        if r.tensor is not None:
            called[r.tensor] = r.name
        found.append(r)
    return found


def _wanted(r: Rule | ScanRule | SortRule, called: dict[Tensor, str]) -> str | None:
    axes = {*r.axes, *(r.reduced if isinstance(r, Rule) else ())}
    read = dict.fromkeys(
        name
        for load in sorted(r.loads, key=lambda load: -len({s.atom for s in load.subscripts} & axes))
        if (name := load.tensor.name if isinstance(load.tensor, Input) else called.get(load.tensor)) is not None
    )
    if not read:
        return None
    first, *others = read
    match r:
        case SortRule():
            return f"{first}_order"
        case ScanRule():
            return f"{first}_cum{r.monoid}"
        case Rule():
            if r.monoid is None:
                return None
            return f"{first}_dot_{others[0]}" if others and r.is_contraction else f"{first}_{r.monoid}"


def title(program: Program, rules: Iterable[AnyRule], storage: Storage) -> str:
    """The name of the kernel of some rules, where the program has several."""
    stored = dict.fromkeys(storage.places[r][0].name for r in rules if r in storage.places)
    name = "_".join((program.name, *stored))
    return name if len(name) <= TITLE else f"{name[:TITLE]}_"
