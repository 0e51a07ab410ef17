"""Tells groups of rules that are alike but for what their tensors are called, so that a question is answered once for all of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from tensorc.algebra import Atom, Index, Poly, poly, substitute
from tensorc.ir.tensor import Input, Load, Tensor
from tensorc.schedule.memory import lower
from tensorc.schedule.rules import Rule
from tensorc.schedule.views import stored


@dataclass(frozen=True)
class Form:
    """A rule but for its tensors: `said` is what it does to the first, the second and so on of `tensors`."""

    said: Hashable
    tensors: tuple[Tensor, ...]


class Forms:
    """The forms of groups of rules; of each rule it is made once."""

    def __init__(self) -> None:
        self._forms: dict[Rule, Form] = {}

    def of(self, rules: Sequence[Rule]) -> Hashable:
        """What the rules do, in order: equal for groups between which no decision about nests can tell."""
        made = {r.tensor: number for number, r in enumerate(rules) if r.tensor is not None}
        outside: dict[Tensor, int] = {}

        def number(t: Tensor) -> Hashable:
            inside = made.get(t)
            return (inside,) if inside is not None else outside.setdefault(t, len(outside))

        said: list[Hashable] = []
        for r in rules:
            form = self._form(r)
            said.append(form.said)
            for t in form.tensors:
                base = stored(t)
                said.append((number(t), type(t)) if base is t else (number(t), type(t), number(base)))
        return tuple(said)

    def _form(self, r: Rule) -> Form:
        found = self._forms.get(r)
        if found is None:
            found = self._forms[r] = _form(r)
        return found


def _form(r: Rule) -> Form:
    axes: dict[Atom, Poly] = {a: poly(Index(level, a.extent)) for level, a in enumerate((*r.axes, *r.reduced))}
    tensors: dict[Tensor, Input] = {}

    def named(load: Load) -> Load:
        t = load.tensor
        found = tensors.get(t)
        if found is None:
            found = tensors[t] = Input(f"#{len(tensors)}", t.extents, t.dtype)
        return Load(found, load.subscripts)

    body = lower(r.body, axes, named)
    targets = tuple(tuple(substitute(s, axes) for s in t.subscripts) for t in r.targets)
    extents = tuple(a.extent for a in r.axes), tuple(a.extent for a in r.reduced)
    return Form((body, *extents, r.monoid, targets, r.cluster, r.tensor is None), tuple(tensors))
