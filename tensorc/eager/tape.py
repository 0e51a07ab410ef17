"""The tape: a node for each recorded operation, and the walk over them that carries gradients from results to leaves."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tensorc.eager import modes

if TYPE_CHECKING:
    from tensorc.eager.tensor import Tensor

Edge = tuple["Node", int]
"""A result of a node, by its number."""

Cotangents = Sequence["Tensor | None"]
"""None stands for zeros."""

_sequence = itertools.count()


class Version:
    """Counts the in-place changes of some memory. Tensors that share memory share it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Node:
    """An operation that was recorded. `next_edges` are those that its inputs come from, None for an input without a gradient.

    It shows as PyTorch's do: `<MulBackward0>`, with `next_functions`.
    """

    def __init__(self, name: str, next_edges: Sequence[Edge | None]) -> None:
        self.name = name
        self.next_edges = tuple(next_edges)
        self.sequence = next(_sequence)
        self.hooks: dict[int, list[Callable[[Tensor], Tensor | None]]] = {}

    def backward(self, cotangents: Cotangents, needed: Sequence[bool]) -> Cotangents:
        """The cotangents of the inputs, for those that are needed, from those of the results."""
        raise NotImplementedError

    def release(self) -> None:
        """Forget what was saved."""

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        return tuple((None, 0) if e is None else e for e in self.next_edges)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Accumulate(Node):
    """The end of a walk: adds to the gradient of a leaf."""

    def __init__(self, leaf: Tensor) -> None:
        super().__init__("AccumulateGrad", ())
        self.leaf = leaf

    @property
    def variable(self) -> Tensor:
        """The leaf."""
        return self.leaf

    def backward(self, cotangents: Cotangents, needed: Sequence[bool]) -> Cotangents:
        (gradient,) = cotangents
        if gradient is not None:
            self.leaf.accumulate(gradient)
        return ()


class Saved:
    """A tensor that a node needs again, and the state in which it needs it."""

    __slots__ = ("array", "count", "edge", "shape_of", "version")

    def __init__(self, tensor: Tensor, edge: Edge | None) -> None:
        self.array = tensor._array
        self.edge = edge
        self.version = tensor._shared_version()
        self.count = self.version.count

    def tensor(self, reader: str) -> Tensor:
        """The tensor. RuntimeError where it was overwritten since."""
        from tensorc.eager.tensor import Tensor

        if self.version.count != self.count:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"a tensor of shape {list(self.array.shape)}, which {reader} needs, is at version {self.version.count}; "
                f"expected version {self.count} instead"
            )
        made = Tensor._of(self.array)
        if self.edge is not None:
            made._follow(self.edge)
        made._version = self.version
        return made


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
        self.buffers: dict[Node, dict[int, Tensor]] = {}
        self.needed: set[Node] = set()

    def run(self) -> dict[Edge, Tensor]:
        """The cotangents of the targets that were reached."""
        self._discover()
        before = modes.state.recording, modes.state.inference
        modes.state.recording, modes.state.inference = self.create, False
        try:
            for (node, number), gradient in self.roots:
                self._receive(node, number, gradient)
            self._process()
        finally:
            modes.state.recording, modes.state.inference = before
        return self.captured

    def _discover(self) -> None:
        """Count the edges into each node that is reached, and find those from which a target is reached."""
        order: list[Node] = []
        stack = list(dict.fromkeys(node for (node, _), _ in self.roots))
        seen = set(stack)
        while stack:
            node = stack.pop()
            order.append(node)
            for edge in node.next_edges:
                if edge is not None:
                    self.waiting[edge[0]] = self.waiting.get(edge[0], 0) + 1
                    if edge[0] not in seen:
                        seen.add(edge[0])
                        stack.append(edge[0])
        if self.targets is None:
            self.needed = seen
            return
        wanted = {node for node, _ in self.targets}
        for node in sorted(order, key=lambda n: n.sequence):
            if node in wanted or any(e is not None and e[0] in self.needed for e in node.next_edges):
                self.needed.add(node)

    def _receive(self, node: Node, number: int, gradient: Tensor) -> None:
        buffer = self.buffers.setdefault(node, {})
        buffer[number] = buffer[number] + gradient if number in buffer else gradient

    def _process(self) -> None:
        """Run each node when all of its cotangents are there, the latest recorded first."""
        ready = [(-node.sequence, node) for node in dict.fromkeys(n for (n, _), _ in self.roots) if not self.waiting.get(node)]
        heapq.heapify(ready)
        while ready:
            _, node = heapq.heappop(ready)
            for edge, part in self._step(node):
                if part is not None:
                    self._receive(*edge, part)
                self.waiting[edge[0]] -= 1
                if not self.waiting[edge[0]]:
                    heapq.heappush(ready, (-edge[0].sequence, edge[0]))

    def _step(self, node: Node) -> list[tuple[Edge, Tensor | None]]:
        """What a node passes on along each of its edges."""
        buffer = self.buffers.pop(node, {})
        for number, hooks in sorted(node.hooks.items()):
            for hook in list(hooks) if number in buffer else ():
                changed = hook(buffer[number])
                buffer[number] = buffer[number] if changed is None else changed
        for number, gradient in buffer.items():
            if self.targets is not None and (node, number) in self.targets:
                self.captured[node, number] = gradient
        edges = [e for e in node.next_edges if e is not None]
        parts: Cotangents = [None] * len(node.next_edges)
        wanted = [e is not None and e[0] in self.needed for e in node.next_edges]
        ends = self.targets is not None and not any(wanted)
        if buffer and not ends and node in self.needed:
            given = [buffer.get(n) for n in range(max(buffer) + 1)]
            parts = node.backward(given, wanted)
            if not self.retain:
                node.release()
        passed = [p for p, e in zip(parts, node.next_edges, strict=True) if e is not None] if edges else []
        return list(zip(edges, passed, strict=True))


def remove_hook(hooks: list[Any], hook: Any) -> None:
    if hook in hooks:
        hooks.remove(hook)
