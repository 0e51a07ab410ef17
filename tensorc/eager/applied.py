"""Programs on the tape: what a recorded operation saves, and its backward program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.api.primitive import Primitive, bools
from tensorc.diagnostics import CompileError
from tensorc.eager.modes import state
from tensorc.eager.tape import FREED, Cotangents, Edge, Needed, Node, Saved, Version, numbered
from tensorc.eager.tensor import Tensor
from tensorc.runtime.arrays import Array

Shape = tuple[int, ...]


class Kind:
    """A program for arrays of given shapes, and what is worked out once of recording it."""

    __slots__ = ("plans", "primitive", "run", "shapes", "title")

    def __init__(self, primitive: Primitive, title: str, shapes: Sequence[Shape]) -> None:
        self.primitive = primitive
        self.title = title
        self.shapes = tuple(shapes)
        self.plans: dict[tuple[bool, ...], Plan] = {}
        function, read, _ = primitive.core
        self.run = function if len(read) == len(shapes) else self._run
        """Gives the results for the inputs' arrays."""

    def _run(self, *inputs: Array) -> tuple[Array, ...]:
        return self.primitive(inputs, self.shapes)


class Plan:
    """How an operation is recorded where these of its inputs need gradients."""

    __slots__ = ("derivations", "given", "kept", "needs", "outputs", "primitive", "shapes", "title", "usual", "wanted")

    def __init__(self, kind: Kind, needs: Sequence[bool], results: Sequence[Tensor]) -> None:
        self.primitive = kind.primitive
        self.title = kind.title
        self.shapes = (*kind.shapes, *(r._array.shape for r in results))
        self.needs = tuple(needs)
        self.outputs = tuple(range(len(results)))
        self.wanted = tuple(n for n, need in enumerate(needs) if need)
        self.given = tuple(n for n, is_float in enumerate(kind.primitive.floats) if is_float)
        self.derivations: dict[tuple[tuple[bool, ...], tuple[bool, ...]], Derivation] = {}
        self.usual: Derivation | None = None
        """For cotangents of all results, and all that can be wanted."""
        self.kept = self._kept() if self.given and self.wanted else ()
        """The inputs and results, numbered behind them, that the backward program reads."""

    def _kept(self) -> tuple[int, ...]:
        everything = range(len(self.shapes))
        try:
            reads = self.primitive.vjp(self.wanted, self.given).reads
        except CompileError:  # there is no derivative, which the backward pass says
            return tuple(everything)
        return tuple(n for n in everything if reads[n])

    def derivation(self, cotangents: Cotangents, needed: Needed) -> Derivation:
        """The backward program for these cotangents."""
        if needed is None and None not in cotangents:
            if self.usual is None:
                self.usual = self._derivation((True,) * len(cotangents), self.needs)
            return self.usual
        return self._derivation(tuple([c is not None for c in cotangents]), self.needs if needed is None else needed)

    def _derivation(self, known: tuple[bool, ...], needed: tuple[bool, ...]) -> Derivation:
        found = self.derivations.get((known, needed))
        if found is None:
            given = tuple(n for n, is_known in enumerate(known) if is_known)
            wanted = tuple(n for n in self.wanted if needed[n])
            found = Derivation(self, wanted, given)
            if any(n not in self.kept for n in found.reads):
                found = Derivation(self, self.wanted, self.given)
            self.derivations[known, needed] = found
        return found


class Derivation:
    """A backward program: `reads` are the inputs and results that it reads, `passed` the cotangents that its results are as they are."""

    __slots__ = ("given", "passed", "primitive", "reads", "rest", "run", "shapes", "wanted")

    def __init__(self, plan: Plan, wanted: tuple[int, ...], given: tuple[int, ...]) -> None:
        self.primitive = derived = plan.primitive.vjp(wanted, given)
        self.wanted, self.given = wanted, given
        first = len(plan.shapes)
        inputs = len(plan.primitive.program.inputs)
        self.shapes = (*plan.shapes, *(plan.shapes[inputs + n] for n in given))
        self.run, read, sizes = derived.core
        self.reads = tuple(n for n in read if n < first)
        self.rest = tuple(n - first for n in read if n >= first), tuple(bools(self.shapes[n][axis]) for n, axis in sizes)
        passed = [-1 if p is None else p - first for p in derived.passed]
        same = min(passed, default=-1) >= 0 and derived.shapes(self.shapes) == tuple(self.shapes[first + p] for p in passed)
        self.passed = passed if same else None


def record(kind: Kind, tensors: Sequence[Tensor], results: Sequence[Tensor]) -> None:
    """Put a node for an operation on the tape, where one of the tensors asks for a gradient."""
    edges = [t._gradient_edge() for t in tensors]
    needs = tuple([e is not None for e in edges])
    if True in needs:
        plan = kind.plans.get(needs)
        if plan is None:
            plan = kind.plans[needs] = Plan(kind, needs, results)
        if plan.given:
            node = Applied(plan, edges, (*tensors, *results))
            for number in plan.given:
                results[number]._edge = node, number
                results[number]._watched = True


def record_one(kind: Kind, a: Tensor, result: Tensor) -> None:
    """`record` of an operation of one tensor with one result."""
    edge = a._gradient_edge()
    if edge is not None:
        plan = kind.plans.get(_NEEDED)
        if plan is None:
            record(kind, (a,), (result,))
        elif plan.given:
            result._edge = Applied(plan, (edge,), (a, result)), 0
            result._watched = True


_NEEDED = (True,)


def record_two(kind: Kind, a: Tensor, b: Tensor, result: Tensor) -> None:
    """`record` of an operation of two tensors with one result."""
    edges = a._gradient_edge() if a._watched else None, b._gradient_edge() if b._watched else None
    plan = kind.plans.get((edges[0] is not None, edges[1] is not None))
    if plan is None:
        record(kind, (a, b), (result,))
    elif plan.given and plan.wanted:
        result._edge = Applied(plan, edges, (a, b, result)), 0
        result._watched = True


class Applied(Node):
    """A program that was run. `values` are its inputs and results."""

    __slots__ = ("plan", "saved")

    def __init__(self, plan: Plan, edges: Sequence[Edge | None], values: Sequence[Tensor]) -> None:
        self.name = plan.title
        self.next_edges = edges
        self.sequence = numbered()
        self.hooks = None
        self.plan = plan
        self.saved: dict[int, Saved] | None = {n: Saved(values[n]) for n in plan.kept} if plan.kept else _NOTHING
        """None when it was released."""

    @property
    def outputs(self) -> Sequence[int]:
        return self.plan.outputs

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        saved = self.saved
        if saved is None:
            raise RuntimeError(FREED)
        plan = self.plan
        found = plan.usual if needed is None and None not in cotangents else None
        if found is None:
            found = plan.derivation(cotangents, needed)
        seeds = [c if (c := cotangents[n]) is not None else self._zeros(n) for n in found.given]
        if found.passed is not None:
            results: Sequence[Tensor] = [seeds[p] for p in found.passed]
        elif state.recording:
            results = self._recorded(found, seeds)
        else:
            values = [saved[n].current(self) for n in found.reads]
            last, sizes = found.rest
            results = [Tensor._of(a) for a in found.run(*values, *[seeds[n]._array for n in last], *sizes)]
        if len(results) == len(plan.needs):
            return results
        by_number = dict(zip(found.wanted, results, strict=True))
        return [by_number.get(n) for n in range(len(plan.needs))]

    def _zeros(self, result: int) -> Tensor:
        dtype = self.plan.primitive.program.results[result].dtype.numpy
        return Tensor._of(np.zeros(self.plan.shapes[len(self.next_edges) + result], dtype))

    def _recorded(self, found: Derivation, seeds: Sequence[Tensor]) -> list[Tensor]:
        """The results of the backward program, on the tape too."""
        count = len(self.plan.shapes)
        values = {n: self._value(n) for n in found.reads}
        inputs = found.primitive.program.inputs
        given = [values[n] if n in values else _shape_only(found.shapes[n], inputs[n].dtype.numpy) for n in range(count)]
        kind = kind_of(found.primitive, f"{self.name.removesuffix('0')}Backward0", found.shapes)
        last, sizes = found.rest
        arrays = found.run(*(values[n]._array for n in found.reads), *[seeds[n]._array for n in last], *sizes)
        results = [Tensor._of(a) for a in arrays]
        record(kind, [*given, *seeds], results)
        return results

    def _value(self, number: int) -> Tensor:
        """A tensor that was saved, with the history that it had."""
        assert self.saved is not None
        saved = self.saved[number]
        made = Tensor._of(saved.current(self))
        made._changes = saved.version
        inputs = len(self.next_edges)
        edge = self.next_edges[number] if number < inputs else (self, number - inputs)
        if edge is not None:
            made._follow(edge)
        return made

    def release(self) -> None:
        if self.saved:
            self.saved = None

    # In-place operations.

    def overwrite(self, target: Tensor) -> None:
        """The only result is about to be written over `target`: keep what was saved of it, and save the result where it will be."""
        version = target._shared_version()
        for number, saved in (self.saved or {}).items():
            if saved.version is version:
                saved.array, saved.version, saved.count = saved.array.copy(), Version(), 0
            elif number == len(self.next_edges):
                saved.array, saved.version, saved.count = target._array, version, version.count + 1


_NOTHING: dict[int, Saved] = {}


def kind_of(primitive: Primitive, title: str, shapes: Sequence[Shape]) -> Kind:
    """The kind of a primitive for inputs of these shapes, kept with it."""
    kinds = primitive.memory.setdefault("kinds", {})
    key = title, *shapes
    found = kinds.get(key)
    if found is None:
        if len(kinds) >= MOST:
            kinds.clear()
        found = kinds[key] = Kind(primitive, title, shapes)
    assert isinstance(found, Kind)
    return found


MOST = 1024
"""So many kinds are kept of one primitive; then they are forgotten, all of them."""


def _shape_only(shape: Shape, dtype: Any) -> Tensor:
    """Stands for a tensor of which nothing but the shape matters."""
    return Tensor._of(np.lib.stride_tricks.as_strided(np.zeros(1, dtype), shape, (0,) * len(shape), writeable=False))
