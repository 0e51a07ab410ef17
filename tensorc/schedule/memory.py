"""Where the values of rules are stored: a result's buffer, an intermediate, or nowhere; and what a load of another kernel's value reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from tensorc import algebra
from tensorc.algebra import Atom, Element, Index, Poly, poly
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Load, Scalar, Tensor, View
from tensorc.loops.nest import Buffer, Memory
from tensorc.schedule.rules import AnyRule
from tensorc.schedule.views import stored

if TYPE_CHECKING:
    from tensorc.schedule.group import Group

Place = tuple[Memory, tuple[Poly, ...]]


@dataclass(frozen=True)
class Storage:
    """`places`: the memory of a rule's value, at subscripts of the rule's axes; a rule that only its own kernel reads has none.

    `tensors`: the same by the tensor that loads name, with the axes; and `aliases`, of tensors that are another shape of an intermediate.
    """

    results: tuple[Buffer, ...]
    places: Mapping[AnyRule, Place]
    tensors: Mapping[Tensor, tuple[tuple[Index, ...], Place]]
    aliases: Mapping[Buffer, Buffer]
    intermediates: tuple[Buffer, ...]

    def load(self, load: Load) -> Load:
        """A load of memory in place of one of a tensor: of an input, or of what another kernel stored."""
        found = self.tensors.get(load.tensor)
        if found is None:
            return load
        axes, (memory, subscripts) = found
        values: dict[Atom, Poly] = dict(zip(axes, load.subscripts, strict=True))
        return Load(memory, tuple(algebra.substitute(s, values) for s in subscripts))


class Names:
    """Gives out names, each once; they are identifiers."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def unique(self, name: str) -> str:
        name = re.sub(r"\W", "_", name)
        made = name
        for n in count(2):
            if made not in self.taken:
                break
            made = f"{name}_{n}"
        self.taken.add(made)
        return made

    def letters(self, axes: Iterable[Index]) -> dict[Index, str]:
        """A letter for each axis, of those that nothing is called by."""
        free = (name for n in count() if (name := algebra.letter(n)) not in self.taken)
        return dict(zip(axes, free, strict=False))


def store(program: Program, outputs: Sequence[Tensor], groups: Sequence[Group], aliases: Sequence[View], names: Names) -> Storage:
    """A buffer for each output, and one for each rule's value that another kernel reads and that is no result."""
    result_names = [program.names.get(t) for t in program.results]
    labels = [name or f"result{n}" for n, name in enumerate(result_names)] + [f"check{n}" for n in range(len(outputs) - len(result_names))]
    results = tuple(Buffer(names.unique(label), t.extents, t.dtype) for label, t in zip(labels, outputs, strict=True))
    outside = _read_outside(groups)
    places: dict[AnyRule, Place] = {}
    tensors: dict[Tensor, tuple[tuple[Index, ...], Place]] = {}
    intermediates: list[Buffer] = []
    for r in (r for g in groups for r in g.rules):
        if r.targets:
            places[r] = (results[r.targets[0].result], r.targets[0].subscripts)
        elif r.tensor is not None and r.tensor in outside:
            buffer = Buffer(names.unique(r.name), tuple(a.extent for a in r.axes), r.tensor.dtype)
            intermediates.append(buffer)
            places[r] = (buffer, tuple(map(poly, r.axes)))
        if r.tensor is not None and r in places:
            tensors[r.tensor] = (r.axes, places[r])
    shapes: dict[Buffer, Buffer] = {}
    for view in aliases:
        if stored(view) in tensors:
            base = tensors[stored(view)][1][0]
            assert isinstance(base, Buffer)
            alias = Buffer(names.unique(f"{base.name}_view"), view.extents, view.dtype)
            shapes[alias] = base
            axes = tuple(Index(level, e) for level, e in enumerate(view.extents))
            tensors[view] = (axes, (alias, tuple(map(poly, axes))))
    return Storage(results, places, tensors, shapes, tuple(intermediates))


def _read_outside(groups: Sequence[Group]) -> set[Tensor]:
    """The tensors that are read from memory: by another group than the one that makes them, or through a view."""
    outside: set[Tensor] = set()
    for g in groups:
        inside = {r.tensor for r in g.rules} if g.space is not None else set()
        for r in g.rules:
            outside |= {stored(load.tensor) for load in r.loads if load.tensor not in inside}
    return outside


def lower(body: Scalar, values: Mapping[Atom, Poly], memory: Callable[[Load], Load]) -> Scalar:
    """The body with its indices replaced by `values` and then each tensor's element, in subscripts too, by memory(load)."""

    def change(a: Atom) -> Poly | None:
        if isinstance(a, Element):
            load = memory(Load(a.tensor, tuple(algebra.rebuild(s, change) for s in a.subscripts)))
            return poly(Element(load.tensor, load.subscripts))
        return values.get(a)

    has_elements = any(isinstance(a, Element) for a in walk.atoms(body))
    return walk.rewrite(body, values, memory, change if has_elements else None)


def lower_places(subscripts: Sequence[Poly], values: Mapping[Atom, Poly], memory: Callable[[Load], Load]) -> tuple[Poly, ...]:
    """The same for subscripts alone."""
    from tensorc.ir.build import integer, number

    found = [number(lower(integer(s), values, memory)) for s in subscripts]
    assert all(p is not None for p in found)
    return tuple(p for p in found if p is not None)
