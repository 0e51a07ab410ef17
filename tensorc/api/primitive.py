"""A program as a differentiable operation: it is run, and its backward, tangent and batched programs are made when they are needed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tensorc import algebra, compiler
from tensorc.algebra import Poly, Size, poly, size
from tensorc.api.programs import ProgramDefinition, ProgramFunction
from tensorc.dtypes import bool_
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Define, Input, Load, Tensor
from tensorc.locks import BRIEF
from tensorc.runtime.arrays import Array
from tensorc.runtime.call import MOST_SHAPES, Call
from tensorc.transform.batch import batch
from tensorc.transform.derive import jvp, vjp
from tensorc.transform.graph import substitute
from tensorc.transform.ties import separable

BATCH = "batch"
"""What the size of the new axis of a batched program is called, unless the program has such a size."""


class Primitive:
    """A program and those that derive from it. `names` are what messages call its inputs.

    The last `kept` results are for its backward pass alone; `own` is the number of the others.
    Derived programs take the inputs of this one first; `reads` says which of them are read at all, so that a caller knows what to keep.
    """

    def __init__(
        self, program: Program, names: Sequence[str] | None = None, target: str | None = None, is_derived: bool = False, kept: int = 0
    ) -> None:
        self.program = program
        self.own = len(program.results) - kept
        self.keeps = frozenset(program.results)  # what backward passes read of the results, where they would compute it again
        self.names = tuple(i.name for i in program.inputs) if names is None else tuple(names)
        self.compilation = compiler.Compilation(program, target)
        self.is_derived = is_derived
        self.memory: dict[Hashable, Any] = {}  # what the callers work out once
        self._derived: dict[Hashable, Primitive] = {}
        self._shapes: dict[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]] = {}

    # Running.

    @cached_property
    def _optimised(self) -> Program:
        return self.compilation.optimised

    @cached_property
    def reads(self) -> tuple[bool, ...]:
        """Which inputs have elements that are read; of the others only the sizes matter."""
        read = set(walk.topological(self._optimised.outputs))
        return tuple(i in read for i in self.program.inputs)

    @cached_property
    def passed(self) -> tuple[int | None, ...]:
        """For each result the input that it is as it stands, where the shapes are the same; None for what is computed."""
        places: dict[Tensor, int] = {i: n for n, i in enumerate(self.program.inputs)}
        return tuple(places.get(_source(r)) for r in self._optimised.results)

    def shapes(self, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        """The shapes of the results. Nothing is compiled for it. Raises ShapeError where those of the inputs do not fit."""
        found = self._shapes.get(shapes)
        if found is None:
            call = self._shape_call
            sizes = call.bind([_Shape(s) for s in shapes])  # type: ignore[misc]
            found = tuple(call._shape(n, sizes) for n in range(len(self.program.results)))
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            self._shapes[shapes] = found
        return found

    @cached_property
    def _shape_call(self) -> Call:
        return Call(self.program, tuple(range(len(self.program.results))), _NoCode(), self.names)

    @cached_property
    def core(self) -> tuple[ProgramFunction, tuple[int, ...], tuple[tuple[int, int], ...]]:
        """(the program of the inputs that are read, their numbers, where its other sizes stand: (input, axis)).

        The program has an input of so many bools for each such size.
        """
        p, optimised = self.program, self._optimised
        read = tuple(n for n, r in enumerate(self.reads) if r)
        kept = [p.inputs[n] for n in read]
        bound = {e.atom.name for i in kept for e in i.extents if isinstance(e.atom, Size)}
        used = {s.name for s in walk.sizes(walk.topological((*kept, *optimised.outputs)))}
        used |= {s.name for c in optimised.conditions for s in algebra.sizes(c.value)}
        missing = [name for name in self._shape_call.binders if name in used - bound]
        names = _Names(p.inputs)
        sizes = [Input(names.fresh(f"size_{name}"), (size(name),), bool_) for name in missing]
        core = replace(optimised, inputs=(*kept, *sizes))
        labels = [*(self.names[n] for n in read), *(s.name for s in sizes)]
        made = ProgramFunction(ProgramDefinition(core, labels), self.compilation.target)
        return made, read, tuple(self._shape_call.binders[name] for name in missing)

    def __call__(self, values: Sequence[Any], shapes: Sequence[Sequence[int]]) -> tuple[Any, ...]:
        """The results for arrays of NumPy or plain tensors of torch, all of one kind, and their shapes.

        What is not read may be None. IndexError where a check of the program fails, ShapeError for shapes that do not fit.
        """
        function, read, sizes = self.core
        if len(read) == len(values):
            return function(*values)  # type: ignore[no-any-return]
        if not self.is_derived:  # what is derived is called with shapes that its primitive was called with
            self.shapes(tuple(map(tuple, shapes)))
        given = [values[n] for n in read]
        return function(*given, *(bools(shapes[n][axis]) for n, axis in sizes))  # type: ignore[no-any-return]

    # Keeping.

    @cached_property
    def recording(self) -> Primitive:
        """The primitive with further results, where its backward pass had better read these than compute them again."""
        found = None if self.is_derived else self.compilation.passes
        kept = () if found is None else tuple(t for t in found.kept if t not in self.program.results)
        if found is None or not kept:
            return self
        more = replace(self.program, results=(*self.program.results, *kept))
        made = Primitive(more, self.names, self.compilation.target, kept=len(kept))
        made.keeps = frozenset(found.kept)
        return made

    # Deriving.

    def _made(self, key: tuple[Hashable, ...], make: Any) -> Primitive:
        with BRIEF:
            found = self._derived.get(key)
        if found is None:
            with compiler.LOCK:
                compiler.refuse_compile(self.program.name)
                found = self._derived.get(key)
                if found is None:
                    program, names = make()
                    found = self._derived[key] = Primitive(program, names, self.compilation.target, key[0] != "vmap")
        return found

    @cached_property
    def floats(self) -> tuple[bool, ...]:
        """Which results are floats, and so have derivatives."""
        return tuple(r.dtype.is_float for r in self.program.results)

    def vjp(self, wanted: tuple[int, ...], given: tuple[int, ...]) -> Primitive:
        """Cotangents of the wanted inputs, of (inputs, results, a cotangent of each given result); other results have zeros."""
        return self._made(("vjp", wanted, given), lambda: self._vjp(wanted, given))

    def _vjp(self, wanted: tuple[int, ...], given: tuple[int, ...]) -> tuple[Program, Sequence[str]]:
        p, names = self.program, _Names(self.program.inputs)
        outputs = [p.results[n] for n in given]
        seeds = [Input(names.fresh(f"cotangent{n}"), p.results[n].extents, p.results[n].dtype) for n in given]
        found = vjp(outputs, seeds, [p.inputs[n] for n in wanted], p.facts)
        # A result is read where it would be computed again, unless it is compared with what is.
        results = [Input(names.fresh(f"result{n}"), r.extents, r.dtype) for n, r in enumerate(p.results)]
        known = separable(walk.topological(found), (r for r in p.results if r in self.keeps and not isinstance(r, Input)))
        stored = {r: i for r, i in zip(p.results, results, strict=True) if r in known}
        inputs = (*p.inputs, *results, *seeds)
        program = Program(f"{p.name}_vjp", inputs, tuple(substitute(found, stored)), p.conditions, (), p.names, p.spans)
        labels = [*(f"result {n}" for n in range(len(results))), *(f"the cotangent of result {n}" for n in given)]
        return program, [*self.names, *labels]

    def jvp(self, given: tuple[int, ...], wanted: tuple[int, ...]) -> Primitive:
        """Tangents of the wanted results, of (inputs, a tangent of each given input); inputs that are not given have zeros."""
        return self._made(("jvp", given, wanted), lambda: self._jvp(given, wanted))

    def _jvp(self, given: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[Program, Sequence[str]]:
        p, names = self.program, _Names(self.program.inputs)
        moved = [p.inputs[n] for n in given]
        seeds = [Input(names.fresh(f"tangent{n}"), t.extents, t.dtype) for n, t in zip(given, moved, strict=True)]
        found = jvp([p.results[n] for n in wanted], dict(zip(moved, seeds, strict=True)))
        program = Program(f"{p.name}_jvp", (*p.inputs, *seeds), tuple(found), p.conditions, (), p.names, p.spans)
        return program, [*self.names, *(f"the tangent of `{self.names[n]}`" for n in given)]

    def vmap(self, batched: tuple[int, ...]) -> Primitive:
        """The program with a new first axis in the given inputs and in all results."""
        return self._made(("vmap", batched), lambda: self._vmap(batched))

    def _vmap(self, batched: tuple[int, ...]) -> tuple[Program, Sequence[str]]:
        p = self.program
        taken = {s.name for s in walk.sizes(walk.topological((*p.inputs, *p.outputs)))}
        lead = size(next(n for n in (BATCH, *(f"{BATCH}{k}" for k in range(len(taken) + 1))) if n not in taken))
        inputs = [Input(i.name, (lead, *i.extents), i.dtype) if n in batched else i for n, i in enumerate(p.inputs)]
        wider: dict[Tensor, Tensor] = {i: w for i, w in zip(p.inputs, inputs, strict=True) if i is not w}
        return _batched(p, f"{p.name}_vmap", inputs, wider, lead), self.names


def _batched(p: Program, name: str, inputs: Sequence[Input], wider: Mapping[Tensor, Tensor], lead: Poly) -> Program:
    """The program for wider inputs. A place to check that is the same for the whole batch is checked once."""
    results = batch(p.results, wider, (lead,))
    checks = []
    for c in p.checks:
        depends = any(t in wider for t in walk.topological([c.place]))
        checks.append(replace(c, place=batch([c.place], wider, (lead,))[0]) if depends else c)
    names: dict[Tensor, str] = {t: n for t, n in p.names.items() if not isinstance(t, Input)}
    names |= {i: i.name for i in inputs}
    return Program(name, tuple(inputs), tuple(results), p.conditions, tuple(checks), names, p.spans)


class _Names:
    """Names for inputs that are new to a program."""

    def __init__(self, inputs: Iterable[Input]) -> None:
        self.taken = {i.name for i in inputs}

    def fresh(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


class _Shape:
    """Stands for an array of which only the shape is asked."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


class _NoCode:
    """In the place of machine code where only shapes are worked out."""

    def run(self, inputs: Any, sizes: Any, outputs: Any) -> int | None:
        raise AssertionError("only shapes are worked out")


def _source(t: Tensor) -> Tensor:
    """The tensor whose elements t has at the same places."""
    while isinstance(t, Define) and t.monoid is None and isinstance(t.body, Load) and t.body.subscripts == tuple(map(poly, t.indices)):
        t = t.body.tensor
    return t


_bools = np.zeros(1 << 16, np.bool_)


def bools(count: int) -> Array:
    """An array of so many elements, of which only that matters."""
    return _bools[:count] if count <= len(_bools) else np.zeros(count, np.bool_)


_of_entries: WeakKeyDictionary[Any, Primitive] = WeakKeyDictionary()


def primitive_of(entry: Any) -> Primitive:
    """The primitive of a Function's program for one kind of arguments."""
    found = _of_entries.get(entry)
    if found is None:
        with compiler.LOCK:
            found = _of_entries.get(entry)
            if found is None:
                instance = entry.instance
                found = _of_entries[entry] = Primitive(instance.program, instance.names, entry.compilation.target)
    return found
