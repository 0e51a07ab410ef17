"""Why a rule is not in the kernel of what it reads, in words."""

from __future__ import annotations

from tensorc.ir.tensor import View
from tensorc.schedule.axes import unify
from tensorc.schedule.group import INSTRUCTIONS, RULES, Group
from tensorc.schedule.rules import AnyRule, Rule, ScanRule, ScatterRule, SortRule
from tensorc.schedule.views import stored


def reason(producer: Group, reader: Group) -> str | None:
    """Why two groups are not one kernel; None where the second reads nothing that the first makes."""
    made = {r.tensor: r for r in producer.rules if r.tensor is not None}
    loads = [load for r in reader.rules for load in r.loads if stored(load.tensor) in made]
    if not loads:
        return None
    name = made[stored(loads[0].tensor)].name
    for r in (*producer.rules, *reader.rules):
        if not isinstance(r, Rule):
            return f"{_kind(r)} `{r.name}` has a kernel of its own"
    if any(isinstance(load.tensor, View) for load in loads):
        return f"`{name}` is read under another shape, when all of it is stored"
    both = [r for g in (producer, reader) for r in g.rules if isinstance(r, Rule)]
    if len(both) > RULES or sum(r.work for r in both) > INSTRUCTIONS:
        return "together they are too much for the registers and the instruction cache of a processor"
    if unify(both) is None:
        return f"`{name}` is read at other places than it is made at, so that all of it must be there first"
    if any(r.is_contraction for r in reader.rules if isinstance(r, Rule)):
        return "a contraction reads each element many times, and begins a kernel"
    return f"`{name}` is complete only after the loop that would be around both"


def _kind(rule: AnyRule) -> str:
    match rule:
        case ScanRule():
            return "the scan"
        case ScatterRule():
            return "the scatter"
        case SortRule():
            return "the sort"
        case _:
            return "the rule"
