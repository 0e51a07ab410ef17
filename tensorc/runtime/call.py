"""One call of a compiled program: sizes from shapes, what must hold of them, memory for the results, the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tensorc import algebra
from tensorc.algebra import Poly, Size
from tensorc.elaborate import ResultTree
from tensorc.errors import DTypeError, ShapeError
from tensorc.ir.program import Condition, Program
from tensorc.runtime import arrays, large, tensors
from tensorc.runtime.arrays import Array
from tensorc.source import Span

LARGEST = (1 << 63) - 1

MOST_SHAPES = 256
"""For so many combinations of shapes, what follows from them is remembered."""


class Executable(Protocol):
    """A program as machine code (or as its oracle)."""

    def run(self, inputs: Sequence[Array], sizes: Mapping[str, int], outputs: Sequence[Array]) -> int | None:
        """Write the results; the index of a check of the program that failed, if one did."""
        ...


@runtime_checkable
class Further(Protocol):
    """An executable that makes more code when arrays with other strides come."""

    further: int
    seconds: float


@dataclass(frozen=True)
class Constraint:
    """The axis of an input must have the extent that `extent` comes to."""

    input: int
    axis: int
    extent: Poly


class Call:
    """What a call of one instance does, worked out once. `names` are what messages call the inputs."""

    def __init__(
        self, program: Program, tree: ResultTree, executable: Executable, names: Sequence[str], extra: Sequence[Constraint] = ()
    ) -> None:
        self.program = program
        self.leaves, self.tree = _numbered(tree)
        self.executable = executable
        self.names = tuple(names)
        self.binders: dict[str, tuple[int, int]] = {}
        constraints: list[Constraint] = []
        for number, tensor in enumerate(program.inputs):
            for axis, extent in enumerate(tensor.extents):
                if isinstance(extent.atom, Size) and extent.atom.name not in self.binders:
                    self.binders[extent.atom.name] = (number, axis)
                else:
                    constraints.append(Constraint(number, axis, extent))
        self.constraints = [(c, _evaluator(c.extent)) for c in (*constraints, *extra)]
        self.conditions = [(c, _evaluator(c.value)) for c in program.conditions]
        self.results = tuple((t.dtype.numpy, tuple(map(_evaluator, t.extents))) for t in program.results)
        self.is_plain = self.leaves == (*range(len(self.results)),)
        self._known: dict[tuple[tuple[int, ...], ...], tuple[dict[str, int], list[tuple[int, ...]]]] = {}

    def __call__(self, inputs: Sequence[Array], out: Any = None, torch: bool = False) -> Any:
        """The value of the function for arrays whose dtypes and ranks are the instance's own; into `out` where that is given."""
        sizes, shapes = self.sizes_and_shapes(inputs)
        if out is not None:
            return self._into(inputs, sizes, shapes, out)
        make = tensors.empty if torch else large.empty
        made: list[Any] = [make(shape, result[0]) for shape, result in zip(shapes, self.results, strict=True)]
        self._run(inputs, sizes, [arrays.view(m, "a result") for m in made] if torch else made)
        if not self.is_plain:
            made = [made[r] if r not in self.leaves[:n] else copy(made[r]) for n, r in enumerate(self.leaves)]
        return made[0] if self.tree == 0 else rebuild(self.tree, made)

    def sizes_and_shapes(self, inputs: Sequence[Array]) -> tuple[dict[str, int], list[tuple[int, ...]]]:
        """The sizes and the shapes of the results for shapes of the inputs; kept, since the next call most likely has the same ones."""
        key = tuple([a.shape for a in inputs])
        found = self._known.get(key)
        if found is None:
            sizes = self.bind(inputs)
            found = sizes, [self._shape(number, sizes) for number in range(len(self.results))]
            if len(self._known) >= MOST_SHAPES:
                self._known.clear()
            self._known[key] = found
        return found

    # Sizes.

    def bind(self, inputs: Sequence[Array]) -> dict[str, int]:
        """The sizes of a call. Raises ShapeError where an axis or a condition of the program is not met."""
        sizes = {name: inputs[number].shape[axis] for name, (number, axis) in self.binders.items()}
        for c, extent in self.constraints:
            found = inputs[c.input].shape[c.axis]
            if found != extent(sizes):
                raise ShapeError(self._wrong_size(c, found, sizes))
        for condition, evaluate in self.conditions:
            value = evaluate(sizes)
            if value < 0 or (value and condition.relation == "=="):
                raise ShapeError(self._broken(condition, sizes))
        return sizes

    def _wrong_size(self, c: Constraint, found: int, sizes: Mapping[str, int]) -> str:
        label = f"parameter `{self.names[c.input]}` of `{self.program.name}`: axis {c.axis}"
        atom = c.extent.atom
        if isinstance(atom, Size):
            number, axis = self.binders[atom.name]
            return f"{label} is {atom.name} = {found}, but {self._short(number)} (axis {axis}) has {atom.name} = {sizes[atom.name]}"
        if c.extent.constant is not None:
            return f"{label} has {found}, but must have {c.extent.constant}"
        return f"{label} has {found}, but must have {c.extent} = {algebra.evaluate(c.extent, sizes)}, where {self._where(c.extent, sizes)}"

    def _short(self, number: int) -> str:
        return f"`{self.names[number]}`"

    def _where(self, p: Poly, sizes: Mapping[str, int]) -> str:
        """Where the sizes in p come from: `N = 3 is axis 0 of \\`x\\``."""
        parts = []
        for name in sorted({s.name for s in algebra.sizes(p)}):
            number, axis = self.binders[name]
            parts.append(f"{name} = {sizes[name]} is axis {axis} of {self._short(number)}")
        return " and ".join(parts)

    def _broken(self, condition: Condition, sizes: Mapping[str, int]) -> str:
        message = re.sub(r"\{(\w+)\}", lambda m: str(sizes.get(m[1], m[0])), condition.message)
        where = self._where(condition.value, sizes)
        return f"{self.program.name}: {message}{f', but {where}' if where else ''}{_at(condition.span)}"

    # Memory.

    def _shape(self, number: int, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of a result. Raises ShapeError for a size that is negative or too great to address."""
        dtype, extents = self.results[number]
        shape = tuple(e(sizes) for e in extents)
        elements = dtype.itemsize
        for extent in shape:
            elements *= extent
            if extent < 0:
                raise ShapeError(
                    f"{self.program.name}: {self._result_name(number)} would have the shape {list(shape)}, and a size is at least 0"
                )
        if elements > LARGEST or max(shape, default=0) > LARGEST:
            raise ShapeError(f"{self.program.name}: {self._result_name(number)} of shape {list(shape)} is larger than any memory")
        return shape

    def _result_name(self, number: int) -> str:
        return "the result" if len(self.results) == 1 else f"result {number}"

    def _into(self, inputs: Sequence[Array], sizes: Mapping[str, int], shapes: Sequence[tuple[int, ...]], out: Any) -> Any:
        given = flatten(self.tree, out, self.program.name)
        targets = [self._target(leaf, o, shapes[self.leaves[leaf]]) for leaf, o in enumerate(given)]
        outputs = []
        for result in range(len(self.results)):
            leaf = self.leaves.index(result) if result in self.leaves else None
            target = None if leaf is None else targets[leaf]
            others = (*inputs, *(t for t in targets if t is not target))
            usable = target is not None and not arrays.repeats_itself(target) and not any(arrays.may_overlap(target, o) for o in others)
            outputs.append(target if usable and target is not None else large.empty(shapes[result], self.results[result][0]))
        self._run(inputs, sizes, outputs)
        for target, result in zip(targets, self.leaves, strict=True):
            if target is not outputs[result]:
                np.copyto(target, outputs[result])
        return rebuild(self.tree, given)

    def _target(self, leaf: int, given: Any, shape: tuple[int, ...]) -> Array:
        """The memory of one `out` array, which must be what the result would be."""
        what = f"`out` of `{self.program.name}`" if self.tree == 0 else f"`out[{leaf}]` of `{self.program.name}`"
        number = self.leaves[leaf]
        if arrays.is_number(given) or isinstance(given, np.generic):
            raise DTypeError(f"{what} must be an array, not the number {given!r}")
        if arrays.is_torch(given) and given.requires_grad:
            raise ValueError(f"{what} requires a gradient, and is written to; pass `out.detach()`")
        array = arrays.view(given, what)
        dtype = self.results[number][0]
        if array.dtype != dtype:
            raise DTypeError(f"{what} is {arrays.dtype_of(array)}, but the result is {self.program.results[number].dtype}")
        if array.shape != shape:
            raise ShapeError(f"{what} has the shape {list(array.shape)}, but the result has {list(shape)}")
        if not array.flags.writeable:
            raise ValueError(f"{what} is read-only")
        if array.size and any(stride == 0 and extent > 1 for stride, extent in zip(array.strides, array.shape, strict=True)):
            raise ValueError(f"{what} has one element in several places (a broadcast view), so it cannot be written to; pass a copy")
        return array

    # Running.

    def _run(self, inputs: Sequence[Array], sizes: Mapping[str, int], outputs: Sequence[Array]) -> None:
        failed = self.executable.run(inputs, sizes, outputs)
        if failed is not None:
            raise IndexError(self.out_of_range(failed, inputs, sizes))

    def out_of_range(self, failed: int, inputs: Sequence[Array], sizes: Mapping[str, int]) -> str:
        """Which element was out of range: the oracle says it, since the kernels only know that one was."""
        from tensorc.backends.reference.evaluate import failed_check

        found = failed_check(self.program, inputs)
        check = self.program.checks[failed] if found is None else found[0]
        extent = algebra.evaluate(check.extent, sizes)
        place = (
            f"axis {check.axis} of `{check.subject}`, which has {check.extent}{'' if check.extent.constant is not None else f' = {extent}'}"
        )
        value = "" if found is None else f" {found[1]}"
        return f"{self.program.name}: index{value} is out of range for {place}{_at(check.span)}"


def _at(span: Span | None) -> str:
    """The source line, with its place underlined as in every other message."""
    if span is None:
        return ""
    line, column = span.source.position(span.start)
    text = span.source.line(line)
    shown = text.strip()
    start = column - 1 - (len(text) - len(text.lstrip()))
    width = max(1, min(span.end - span.start, len(shown) - start))
    return f"\n  --> {span}\n   | {shown}\n   | {' ' * start}{'^' * width}"


def _evaluator(p: Poly) -> Callable[[Mapping[str, int]], int]:
    """p as a function of the sizes; the common cases without a walk."""
    constant, atom = p.constant, p.atom
    if constant is not None:
        return lambda sizes: constant
    if isinstance(atom, Size):
        name = atom.name
        return lambda sizes: sizes[name]
    return lambda sizes: algebra.evaluate(p, sizes)


def copy(array: Any) -> Any:
    """The same elements in memory of its own."""
    return array.clone() if arrays.is_torch(array) else array.copy()


# Trees of results.


def _numbered(tree: ResultTree) -> tuple[tuple[int, ...], ResultTree]:
    """The results at the tree's leaves, in order, and the tree with the leaves' numbers in their place: one result may stand at several."""
    leaves: list[int] = []

    def go(t: ResultTree) -> ResultTree:
        if isinstance(t, int):
            leaves.append(t)
            return len(leaves) - 1
        return tuple(map(go, t))

    numbered = go(tree)
    return tuple(leaves), numbered


def rebuild(tree: ResultTree, values: Sequence[Any]) -> Any:
    """The values in the places that the tree gives them."""
    return values[tree] if isinstance(tree, int) else tuple(rebuild(t, values) for t in tree)


def flatten(tree: ResultTree, value: Any, function: str) -> list[Any]:
    """The parts of a value that has the form of a tree of numbered leaves, in their order."""
    found: list[Any] = []

    def go(t: ResultTree, v: Any, path: str) -> None:
        if isinstance(t, int):
            found.append(v)
        elif not isinstance(v, (tuple, list)) or len(v) != len(t):
            given = f"{len(v)} arrays" if isinstance(v, (tuple, list)) else f"a {type(v).__name__}"
            raise TypeError(f"`{path}` of `{function}` must be a tuple of {len(t)} arrays, one for each result; it is {given}")
        else:
            for number, (part, given_part) in enumerate(zip(t, v, strict=True)):
                go(part, given_part, f"{path}[{number}]")

    go(tree, value, "out")
    return found


__all__ = ["Call", "Constraint", "Executable", "flatten", "rebuild"]
