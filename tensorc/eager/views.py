"""Views: tensors on the memory of others. Their gradients move elements and, where an axis was repeated, add them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tensorc.eager.modes import state
from tensorc.eager.tape import Cotangents, Edge, Needed, Node
from tensorc.eager.tensor import Tensor
from tensorc.runtime.arrays import Array

Look = Callable[[Array], Array]
"""A view of an array of a given shape, by NumPy."""


class Chain:
    """How a view is made of a base: the last step, and those before it."""

    __slots__ = ("before", "look", "repeats", "title")

    def __init__(self, before: Chain | None, title: str, look: Look, repeats: bool) -> None:
        self.before = before
        self.title = title
        self.look = look
        self.repeats = repeats  # whether an element of the base may be seen several times

    def steps(self) -> list[Chain]:
        """All steps, the first one first."""
        found: list[Chain] = []
        step: Chain | None = self
        while step is not None:
            found.append(step)
            step = step.before
        return found[::-1]


def view(x: Tensor, title: str, look: Look, repeats: bool = False, fixed: str | None = None) -> Tensor:
    """A view of x. `fixed` says why it cannot be changed in place, where it cannot."""
    made: Tensor = object.__new__(Tensor)
    made._array = look(x._array)
    base, version = x._base, x._changes or x._shared_version()
    made._changes = version
    if base is None:
        made._chain, made._base = Chain(None, title, look, repeats), x
    else:
        made._chain, made._base = Chain(x._chain, title, look, repeats), base
    made._watched = True
    if fixed is not None or x._fixed is not None:
        made._fixed = fixed or x._fixed
    edge = x._gradient_edge() if x._watched else None
    if edge is not None:
        if not state.recording:
            made._fixed = UNRECORDED
        else:
            made._follow((_node(x, edge, made, title, look, repeats), 0))
    made._seen = version.count
    return made


UNRECORDED = (
    "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use case is ambiguous and "
    "error-prone, it is forbidden. Make the view and the change both inside of the no_grad block, or both outside of it."
)


def share(made: Tensor, x: Tensor) -> None:
    """Make two tensors on the same memory count its changes together."""
    made._changes = x._shared_version()


def replayed(base: Tensor, chain: Chain) -> Tensor:
    """The view of the base as it is now, recorded."""
    before = state.recording
    state.recording = True
    try:
        made = base
        for step in chain.steps():
            made = view(made, step.title, step.look, step.repeats)
        return made
    finally:
        state.recording = before


def _node(x: Tensor, edge: Edge, made: Tensor, title: str, look: Look, repeats: bool) -> Node:
    return Repeated(title, edge, x._array.shape) if repeats else Moved(title, edge, x._array, look)


class Moved(Node):
    """A view in which every element of the source is seen once at most: its gradient goes back to where it was."""

    def __init__(self, title: str, edge: Edge, source: Array, look: Look) -> None:
        super().__init__(f"{title}Backward0", [edge])
        self.layout = Layout(source)
        self.look = look

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        (gradient,) = cotangents
        return (None if gradient is None else placed(self.layout, self.look, gradient),)


class Repeated(Node):
    """A view with repeated axes, whose gradient is summed along them."""

    def __init__(self, title: str, edge: Edge, shape: tuple[int, ...]) -> None:
        super().__init__(f"{title}Backward0", [edge])
        self.shape = shape

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        (gradient,) = cotangents
        return (None if gradient is None else gradient.sum_to_size(self.shape),)


class Layout:
    """The shape and dtype of an array, and in which order its axes lie in memory."""

    __slots__ = ("dtype", "order", "shape")

    def __init__(self, array: Array) -> None:
        self.shape = array.shape
        self.dtype = array.dtype
        self.order = None if array.flags.c_contiguous else sorted(range(array.ndim), key=lambda n: -abs(array.strides[n]))

    def zeros(self) -> Array:
        """A new array, laid out in the same order, so that what was a view of the first is a view of this."""
        if self.order is None:
            return np.zeros(self.shape, self.dtype)
        made = np.zeros([self.shape[n] for n in self.order], self.dtype)
        return made.transpose(np.argsort(self.order))


def write(target: Array, look: Look, values: Array) -> None:
    """Write the values into the elements that the view shows."""
    place = look(target)
    if np.may_share_memory(place, target):
        np.copyto(place, values)
    elif target.size:  # the view is of another layout: write by the elements' numbers
        numbers = look(np.arange(target.size).reshape(target.shape))
        flat = target.reshape(-1)
        flat[numbers.reshape(-1)] = values.reshape(-1)
        np.copyto(target, flat.reshape(target.shape))


def placed(layout: Layout, look: Look, values: Tensor) -> Tensor:
    """Zeros with the values where the view shows."""
    array = layout.zeros()
    write(array, look, values._array)
    made = Tensor._of(array)
    edge = values._gradient_edge() if state.recording else None
    if edge is not None:
        made._follow((Picked(edge, look), 0))
    return made


class Picked(Node):
    """The gradient of `placed`: what the view shows of it."""

    def __init__(self, edge: Edge, look: Look) -> None:
        super().__init__("PlacedBackward0", [edge])
        self.look = look

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        (gradient,) = cotangents
        return (None if gradient is None else view(gradient, "Picked", self.look),)


class Replaced(Node):
    """A tensor, a part of which was overwritten: its gradient is that of the old elements, and that of the new ones."""

    def __init__(self, edges: Sequence[Edge | None], base: Array, look: Look) -> None:
        super().__init__("CopySlices", edges)
        self.layout = Layout(base)
        self.look = look

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        (gradient,) = cotangents
        if gradient is None:
            return (None, None)
        old, changed = self.needs(needed)
        new = view(gradient, "Slice", self.look).clone() if changed else None
        return (self._kept(gradient) if old else None, new)

    def _kept(self, gradient: Tensor) -> Tensor:
        """The gradient with zeros where the base was overwritten."""
        array = self.layout.zeros()
        np.copyto(array, gradient._array)
        part = self.look(gradient._array)
        write(array, self.look, np.zeros(part.shape, part.dtype))
        made = Tensor._of(array)
        edge = gradient._gradient_edge() if state.recording else None
        if edge is not None:
            made._follow((Masked(edge, self), 0))
        return made


class Masked(Node):
    """The gradient of what `Replaced` keeps, which is kept likewise."""

    def __init__(self, edge: Edge, replaced: Replaced) -> None:
        super().__init__("MaskedBackward0", [edge])
        self.replaced = replaced

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        (gradient,) = cotangents
        return (None if gradient is None else self.replaced._kept(gradient),)


def look_of(chain: Chain) -> Look:
    """All steps of a chain as one."""
    steps = [step.look for step in chain.steps()]

    def look(array: Array) -> Array:
        for step in steps:
            array = step(array)
        return array

    return look
