"""The tape: a node for each recorded operation, and the walk over them that carries gradients from results to leaves."""

from __future__ import annotations

import heapq
import itertools
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tensorc.eager import modes

if TYPE_CHECKING:
    from tensorc.eager.tensor import Tensor
    from tensorc.runtime.arrays import Array

Edge = tuple["Node", int]
"""A result of a node, by its number."""

ONE = (0,)

Cotangents = Sequence["Tensor | None"]
"""None stands for zeros."""

Needed = tuple[bool, ...] | None
"""Which inputs' cotangents are needed; None where it is those of all that have an edge."""

numbered = itertools.count().__next__


class Version:
    """Counts the in-place changes of some memory. Tensors that share memory share it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


Hooks = dict[int, list[Callable[["Tensor"], "Tensor | None"]]]
"""By the number of the result whose gradient they see."""


class Node(ABC):
    """An operation that was recorded. `next_edges` are those that its inputs come from, None for an input without a gradient.

    It shows as PyTorch's do: `<MulBackward0>`, with `next_functions`.
    """

    __slots__ = ("__weakref__", "hooks", "name", "next_edges", "sequence")

    @property
    def outputs(self) -> Sequence[int]:
        """The numbers of its results."""
        return ONE

    def __init__(self, name: str, next_edges: Sequence[Edge | None]) -> None:
        self.name = name
        self.next_edges = next_edges
        self.sequence = numbered()
        self.hooks: Hooks | None = None

    @abstractmethod
    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        """The cotangents of the inputs, for those that are needed at least, from those of the results, of which one is not None."""

    def needs(self, needed: Needed) -> Sequence[bool]:
        """The same for each input."""
        return [e is not None for e in self.next_edges] if needed is None else needed

    def release(self) -> None:
        """Forget what was saved, which most nodes do not."""
        return

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        return tuple((None, 0) if e is None else e for e in self.next_edges)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Accumulate(Node):
    """The end of a walk: adds to the gradient of a leaf. The leaf holds its node, which outlives it where a graph ends there."""

    __slots__ = ("_array", "_kept", "_leaf")

    def __init__(self, leaf: Tensor) -> None:
        super().__init__("AccumulateGrad", ())
        self._leaf = weakref.ref(leaf)
        self._array = leaf._array
        self._kept: Tensor | None = None

    @property
    def variable(self) -> Tensor:
        """The leaf. Where it is gone, which nobody saw, another one takes its place."""
        found = self._leaf()
        if found is None:
            from tensorc.eager.tensor import Tensor

            found = self._kept = Tensor._of(self._array).requires_grad_()
            found._leaf = self, 0
            self._leaf = weakref.ref(found)
        return found

    def moved(self, array: Array) -> None:
        """The leaf has another memory now."""
        self._array = array

    def backward(self, cotangents: Cotangents, needed: Needed) -> Cotangents:
        (gradient,) = cotangents
        if gradient is not None:
            self.variable.accumulate(gradient)
        return ()


class Saved:
    """The memory of a tensor that a node needs again, and the state in which it needs it."""

    __slots__ = ("array", "count", "version")

    def __init__(self, tensor: Tensor) -> None:
        self.array = tensor._array
        self.version = version = tensor._changes or tensor._shared_version()
        self.count = version.count

    def current(self, reader: Node) -> Array:
        """The memory. RuntimeError where it was overwritten since."""
        if self.version.count != self.count:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"a tensor of shape {list(self.array.shape)}, which {reader.name} needs, is at version {self.version.count}; "
                f"expected version {self.count} instead"
            )
        return self.array


FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). "
    "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you "
    "need to backward through the graph a second time or if you need to access saved tensors after calling backward."
)


class Walk:
    """One backward pass. `targets` are the edges whose cotangents are wanted; without them, every leaf that is reached accumulates one."""

    def __init__(self, roots: Sequence[tuple[Edge, Tensor]], targets: Sequence[Edge] | None, retain: bool, create: bool) -> None:
        self.roots = roots
        self.targets = None if targets is None else set(targets)
        self.retain = retain
        self.create = create
        self.captured: dict[Edge, Tensor] = {}
        self.waiting: dict[Node, int] = {}
        self.gradients: dict[Edge, Tensor] = {}
        self.needed: set[Node] = set()
        """The nodes from which a target is reached, where there are targets."""

    def run(self) -> dict[Edge, Tensor]:
        """The cotangents of the targets that were reached."""
        self._discover()
        before = modes.state.recording, modes.state.inference
        modes.state.recording, modes.state.inference = self.create, False
        try:
            for edge, gradient in self.roots:
                self._receive(edge, gradient)
            self._process()
        finally:
            modes.state.recording, modes.state.inference = before
        return self.captured

    def _discover(self) -> None:
        """Count the edges into each node that is reached, and find those from which a target is reached."""
        waiting = self.waiting
        order = [*dict.fromkeys(node for (node, _), _ in self.roots)]
        seen = set(order)
        for node in order:  # which grows
            for edge in node.next_edges:
                if edge is not None:
                    follower = edge[0]
                    if follower in seen:
                        waiting[follower] = waiting.get(follower, 0) + 1
                    else:
                        waiting[follower] = 1
                        seen.add(follower)
                        order.append(follower)
        if self.targets is not None:
            self.needed = {node for node, _ in self.targets}
            for node in sorted(order, key=lambda n: n.sequence):
                if any(e is not None and e[0] in self.needed for e in node.next_edges):
                    self.needed.add(node)

    def _receive(self, edge: Edge, gradient: Tensor) -> None:
        found = self.gradients.get(edge)
        self.gradients[edge] = gradient if found is None else found + gradient

    def _process(self) -> None:
        """Run each node when all of its cotangents are there, the latest recorded first."""
        waiting, gradients = self.waiting, self.gradients
        ready = [(-node.sequence, node) for node in dict.fromkeys(n for (n, _), _ in self.roots) if node not in waiting]
        heapq.heapify(ready)
        while ready:
            node = heapq.heappop(ready)[1]
            edges = node.next_edges
            parts = self._step(node)
            for edge, part in zip(edges, (None,) * len(edges) if parts is None else parts, strict=True):
                if edge is None:
                    continue
                if part is not None:
                    found = gradients.get(edge)
                    gradients[edge] = part if found is None else found + part
                follower = edge[0]
                left = waiting[follower] = waiting[follower] - 1
                if not left:
                    heapq.heappush(ready, (-follower.sequence, follower))

    def _step(self, node: Node) -> Cotangents | None:
        """The cotangents of a node's inputs; None where there are none."""
        gradients = self.gradients
        given: Cotangents = [gradients.pop((node, n), None) for n in node.outputs]
        if node.hooks is not None:
            given = _hooked(node.hooks, given)
        needed = None
        if self.targets is not None:
            for number, gradient in enumerate(given):
                if gradient is not None and (node, number) in self.targets:
                    self.captured[node, number] = gradient
            needed = tuple([e is not None and e[0] in self.needed for e in node.next_edges])
            if True not in needed:
                return None
        if given.count(None) == len(given):
            return None
        parts = node.backward(given, needed)
        if not self.retain:
            node.release()
        return parts


def _hooked(hooks: Hooks, cotangents: Cotangents) -> Cotangents:
    """The gradients as hooks change them, which see them all. RuntimeError where one gives a gradient of another shape."""
    given = list(cotangents)
    for number, several in sorted(hooks.items()):
        for hook in list(several):
            gradient = given[number]
            changed = None if gradient is None else hook(gradient)
            if gradient is not None and changed is not None:
                if changed._array.shape != gradient._array.shape:
                    raise RuntimeError(f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value")
                given[number] = changed
    return given


def remove_hook(hooks: list[Any], hook: Any) -> None:
    if hook in hooks:
        hooks.remove(hook)
