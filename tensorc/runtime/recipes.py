"""Writes recipes: how the frame of a call, and the shapes of its results, follow from the dims and strides of its arguments.

The words are read by `recipe`, in this order: the sizes, what must hold of them, those that are derived from them, the work, the results'
dims, the frame's sizes, the arrays, the workspace, the regions, the switches, the kernels that do not always run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from tensorc.algebra import Atom, Poly, Quotient, Remainder, Size
from tensorc.loops.nest import Switch
from tensorc.runtime import words
from tensorc.runtime.call import Call
from tensorc.runtime.plan import Owned, Plan, Strides


class Unwritten(Exception):
    """There is no recipe for the program."""


@dataclass(frozen=True)
class Place:
    """Where in the structure the axes of an array are described, `words.NEW` for a result that is made.

    `unit` is what a stride of one element is there, `ones` which axes are of one point.
    """

    at: int
    unit: int
    itemsize: int
    ones: tuple[bool, ...]


def recipe(call: Call, plan: Plan, inputs: Sequence[Place], outputs: Sequence[Place]) -> list[int]:
    """The recipe of a program whose inputs and results are described at these places. Raises Unwritten."""
    names = [*call.binders, *(name for name, _ in plan.derived)]
    if len(names) > words.MOST_SIZES:
        raise Unwritten("there are too many sizes")
    slots = {name: slot for slot, name in enumerate(names)}
    bound = [_axis(inputs[number], axis) for number, axis in call.binders.values()]
    constraints = [(_axis(inputs[c.input], c.axis), *_number(c.extent, slots)) for c, _ in call.constraints]
    conditions = [(int(c.relation == "=="), *_number(c.value, slots)) for c, _ in call.conditions]
    dims = [_number(extent, slots) for t in call.program.results for extent in t.extents]
    frame = [slots[name] for name in (*plan.sizes, *(name for name, _ in plan.derived))]
    arrays = zip((*inputs, *outputs), plan.usual, strict=True)
    if len(plan.switches) > words.MOST_SWITCHES:
        raise Unwritten("there are too many switches")
    switched = [when for when in plan.when if when]
    parts = [
        [len(bound), *bound],
        [len(constraints), *chain(*constraints)],
        [len(conditions), *chain(*conditions)],
        [len(plan.derived), *chain(*(_number(value, slots) for _, value in plan.derived))],
        _number(plan.work, slots),
        chain(*dims),
        [len(frame), *frame],
        chain(*(_array(place, facts, number < len(inputs)) for number, (place, facts) in enumerate(arrays))),
        [plan.intermediates],
        _memories(plan.owned[: plan.shared], slots),
        _memories(plan.owned[plan.shared :], slots),
        [len(plan.regions)],
        *([len(r.loops), *chain(*((step, *_number(extent, slots)) for extent, step in r.loops))] for r in plan.regions),
        [len(plan.switches), *chain(*(_switch(s, slots) for s in plan.switches))],
        [len(switched), *chain(*([len(when), *chain(*when)] for when in switched))],
    ]
    return list(chain(*parts))


def _axis(place: Place, axis: int) -> int:
    if place.at == words.NEW:
        raise Unwritten("a size is known from a constant")
    return place.at + 2 * axis


def _array(place: Place, facts: Strides, is_input: bool) -> list[int]:
    """The axes, the last one first: what the code relies on of the stride, and of an input's whether it has one point."""
    found = [place.at, len(facts), place.unit, place.itemsize]
    for fact, one in zip(reversed(facts), reversed(place.ones), strict=True):
        found.append(words.ANY if fact is None else fact)
        if is_input:
            found.append(int(one))
    return found


def _memories(owned: Sequence[Owned], slots: Mapping[str, int]) -> list[int]:
    found = [len(owned)]
    for memory in owned:
        found += memory.itemsize, len(memory.extents)
        for extent in memory.extents:
            found += _number(extent, slots)
    return found


def _switch(switch: Switch, slots: Mapping[str, int]) -> list[int]:
    found = [len(switch.ways)]
    for tests in switch.ways:
        found += [len(tests), *chain(*((t.least, t.most, *_number(t.value, slots)) for t in tests))]
    return found


# Numbers.


def _number(p: Poly, slots: Mapping[str, int]) -> list[int]:
    """The steps that compute a polynomial of sizes, with how many there are."""
    steps = _sum(p, slots)
    if _depth(steps) > words.DEEPEST:
        raise Unwritten("a size is computed in too many steps")
    return [len(steps), *chain(*steps)]


def _sum(p: Poly, slots: Mapping[str, int]) -> list[tuple[int, int]]:
    if not p.terms:
        return [(words.CONSTANT, 0)]
    steps: list[tuple[int, int]] = []
    for number, (atoms, coefficient) in enumerate(p.terms):
        factors = [_factor(a, slots) for a in atoms]
        if coefficient != 1 or not factors:
            if not -(1 << 62) < coefficient < 1 << 62:
                raise Unwritten("a number is too large")
            factors.append([(words.CONSTANT, coefficient)])
        steps += factors[0]
        for factor in factors[1:]:
            steps += [*factor, (words.MULTIPLY, 0)]
        if number:
            steps.append((words.ADD, 0))
    return steps


def _factor(a: Atom, slots: Mapping[str, int]) -> list[tuple[int, int]]:
    match a:
        case Size(name):
            return [(words.SIZE, slots[name])]
        case Quotient(numerator, divisor):
            return [*_sum(numerator, slots), *_sum(divisor, slots), (words.QUOTIENT, 0)]
        case Remainder(numerator, divisor):
            return [*_sum(numerator, slots), *_sum(divisor, slots), (words.REMAINDER, 0)]
        case _:
            raise Unwritten("a size depends on data")


def _depth(steps: Sequence[tuple[int, int]]) -> int:
    height = deepest = 0
    for operation, _ in steps:
        height += 1 if operation in (words.CONSTANT, words.SIZE) else -1
        deepest = max(deepest, height)
    return deepest
