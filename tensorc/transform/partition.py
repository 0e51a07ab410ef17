"""What a backward pass keeps of the forward pass and what it computes again: a minimum cut between stored bytes and recomputation.

A graph of the tensors that do not depend on a cotangent: on the source's side of the cut a tensor is computed by the forward pass alone, on
the sink's side by the backward pass. One on the source's side that something on the other needs is kept, at the cost of its bytes; one on
the sink's side costs its instructions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from math import inf, prod

from tensorc import algebra
from tensorc.algebra import Poly, Size
from tensorc.ir import walk
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Define, Input, Load, Scalar, Scan, Scatter, Select, Sort, Stop, Tensor, View
from tensorc.transform.graph import substituted
from tensorc.transform.ties import Ties, ties

NOMINAL = 256
"""What every size is taken to be where costs are compared: the choice does not depend on the sizes of a call."""

TRAFFIC = 2.0
"""Bytes moved for each byte that is kept: written, and read again."""

INSTRUCTION = 0.25
"""Bytes that could be moved in the time of one instruction on one element."""


@dataclass(frozen=True)
class Partition:
    """`forward` gives the results, then what is `kept`; `backward` the cotangents from `inputs`, what is kept, and the results' cotangents.

    `recomputed` are the tensors of the forward pass that the backward pass computes too.
    """

    forward: Program
    backward: Program
    inputs: tuple[Input, ...]
    kept: tuple[Tensor, ...]
    recomputed: tuple[Tensor, ...]


def partition(
    program: Program, results: int, cotangents: Sequence[Input], moves: Callable[[Tensor], float] = lambda t: TRAFFIC
) -> Partition:
    """Split a pullback, whose first `results` results are the function's and whose other results depend on the cotangents.

    `moves` says how often the bytes of a tensor move where it is kept, `inf` of one that may not be.
    """
    outputs, gradients = program.results[:results], program.results[results:]
    order = walk.topological((*cotangents, *program.outputs))
    behind: set[Tensor] = set(cotangents)
    for t in order:
        if any(s in behind for s in walk.sources(t)):
            behind.add(t)
    ahead = [t for t in order if t not in behind]
    needed = {s for t in order if t in behind for s in walk.sources(t)} | set(gradients)
    shared = frozenset(walk.topological(outputs))
    flow = _flow(ahead, needed - behind, moves)
    _tie(flow, ahead, shared, ties(order))
    again, kept = _cut(flow, ahead)
    names = dict(program.names)
    taken = {i.name for i in program.inputs}
    saved: dict[Tensor, Input] = {}
    for t in kept:
        names.setdefault(t, f"kept{len(saved)}")
        saved[t] = Input(_unique(names[t], taken), t.extents, t.dtype)
    own = [i for i in program.inputs if i not in cotangents]
    recomputed = tuple(t for t in ahead if t in again and t in shared and not isinstance(t, Input))
    for t in recomputed:
        names.setdefault(t, _unique("again", taken))
    forward = replace(program, inputs=tuple(own), results=(*outputs, *kept), names=names)
    backward, inputs = _backward(replace(program, names=names), gradients, saved, own, cotangents)
    return Partition(forward, backward, inputs, tuple(kept), recomputed)


def _backward(
    program: Program, gradients: Sequence[Tensor], saved: dict[Tensor, Input], own: Sequence[Input], cotangents: Sequence[Input]
) -> tuple[Program, tuple[Input, ...]]:
    """(the program of the gradients from what is saved, the inputs of the function that it has too)."""
    new = substituted(gradients, saved)
    results = tuple(new[t] for t in gradients)
    used = frozenset(walk.topological(results))
    kept = tuple(saved.values())
    inputs = [i for i in own if i in used]
    while True:  # those that are read, and those that give a size
        every = (*inputs, *kept, *cotangents)
        known = frozenset[Size]().union(*map(_given, every))
        missing = (walk.sizes(results) | walk.sizes(every)) - known
        further = next((i for i in own if i not in inputs and _given(i) & missing), None)
        if further is None:
            break
        inputs.append(further)
    inputs.sort(key=own.index)
    conditions = tuple(c for c in program.conditions if algebra.sizes(c.value) <= known)
    names = {new[t]: name for t, name in program.names.items() if t in new} | {i: i.name for i in kept}
    made = replace(
        program,
        name=f"{program.name}_backward",
        inputs=(*inputs, *kept, *cotangents),
        results=results,
        conditions=conditions,
        checks=(),
        names=names,
    )
    return made, tuple(inputs)


def _given(i: Input) -> frozenset[Size]:
    """The sizes that an input's shape tells: those that are an extent of their own."""
    return frozenset(e.atom for e in i.extents if isinstance(e.atom, Size))


def _unique(name: str, taken: set[str]) -> str:
    stem, n = name, 2
    while name in taken:
        name, n = f"{stem}_{n}", n + 1
    taken.add(name)
    return name


def describe(found: Partition) -> list[str]:
    """What is kept and what is computed again, in lines for people."""

    def listed(ts: Sequence[Tensor]) -> str:
        shown = []
        for t in ts:
            extents = f"[{', '.join(map(str, t.extents))}]" if t.extents else ""
            shown.append(f"{found.forward.names.get(t, 'unnamed')}: {t.dtype}{extents}")
        return ", ".join(shown) or "nothing"

    total = sum((algebra.poly(t.dtype.bytes) * _elements(t.extents) for t in found.kept), algebra.ZERO)
    return [
        f"inputs that the backward pass reads: {listed(found.inputs)}",
        f"kept of the forward pass ({total} bytes): {listed(found.kept)}",
        f"computed again: {listed(found.recomputed)}",
    ]


def _elements(extents: Sequence[Poly]) -> Poly:
    total = algebra.ONE
    for e in extents:
        total = total * e
    return total


# Costs.


def _count(extents: Sequence[Poly]) -> float:
    values = {s.name: NOMINAL for e in extents for s in algebra.sizes(e)}
    return float(prod(max(algebra.evaluate(e, values), 0) for e in extents))


def _bytes(t: Tensor, moves: float) -> float:
    """What keeping a tensor costs; an input is there anyway."""
    return 0.0 if isinstance(t, Input) or not moves else moves * t.dtype.bytes * _count(t.extents)


def _instructions(t: Tensor) -> float:
    """What computing a tensor again costs, in bytes."""
    match t:
        case Input():
            return 0.0
        case Define():
            return INSTRUCTION * _count(t.extents + t.bound) * (_body(t.body) + bool(t.bound))
        case Scatter():
            return INSTRUCTION * (_count(t.iteration) * (8 + _body(t.body)) + _count(t.extents))
        case Scan():
            return INSTRUCTION * 8 * _count(t.extents)
        case Sort():
            return INSTRUCTION * 100 * _count(t.extents)
        case View() | Stop():
            return 0.0


def _body(s: Scalar) -> float:
    """Instructions for one element."""
    total = 0.0
    for part in walk.postorder(s):
        match part:
            case Apply(operation, _, _):
                total += OPERATIONS[operation].cost
            case Select() | Load():
                total += 1
            case _:
                pass
    return total


# The cut.


def _flow(ahead: Sequence[Tensor], needed: set[Tensor], moves: Callable[[Tensor], float]) -> Flow:
    """The graph of the tensors that both passes could compute, sources first. Each has an edge that is cut where it is kept."""
    flow = Flow("forward", "backward")
    for t in ahead:
        flow.edge("forward", (t, 0), inf if isinstance(t, Input) else _instructions(t))
        flow.edge((t, 0), (t, 1), _bytes(t, moves(t)))
        for s in walk.sources(t):
            flow.edge((s, 1), (t, 0), inf)
        if t in needed:
            flow.edge((t, 1), "backward", inf)
    return flow


def _tie(flow: Flow, ahead: Sequence[Tensor], shared: frozenset[Tensor], every: Sequence[Ties]) -> None:
    """Have what is compared on one side; on the backward pass's with all that was rounded on the way there.

    What follows from comparisons and is not the forward pass's own, as the number of ties, is then the backward pass's too.
    """
    own: set[Tensor] = {t for t in ahead if not isinstance(t, Input)}
    follows: dict[Tensor, Hashable] = {}
    for tie in every:
        compared = [t for t in tie.compared if t in own]
        rounded = [t for t in tie.rounded if t in own]
        if len(compared) < len(tie.compared) or (tie.here and tie.reader not in own):
            for t in rounded:  # the backward pass alone has the rest
                flow.edge((t, 0), "backward", inf)
            continue
        first = tie.reader if tie.here else compared[0]
        for t in rounded:
            flow.edge((t, 0), (first, 0), inf)
        for t in () if tie.here else compared:
            flow.edge((first, 0), (t, 0), inf)
        follows[tie.reader] = first
    for t in ahead:
        if t in own and t not in shared:
            for s in (follows.get(t), *(s for s in walk.sources(t) if s in follows and s not in shared)):
                if s is not None:
                    flow.edge((t, 0), (s, 0), inf)
                    follows.setdefault(t, s)


def _cut(flow: Flow, ahead: Sequence[Tensor]) -> tuple[set[Tensor], list[Tensor]]:
    """(what the backward pass computes again, what is kept)."""
    near = flow.source_side()
    again = {t for t in ahead if (t, 0) not in near}
    return again, [t for t in ahead if (t, 0) in near and (t, 1) not in near and not isinstance(t, Input)]


class Flow:
    """A maximum flow by Dinic's algorithm: "Algorithm for solution of a problem of maximum flow in networks", 1970."""

    def __init__(self, source: Hashable, sink: Hashable) -> None:
        self.source, self.sink = source, sink
        self.edges: list[list[float]] = []  # capacity left of each edge; an edge and its reverse are neighbours
        self.ends: list[Hashable] = []
        self.out: dict[Hashable, list[int]] = {source: [], sink: []}

    def edge(self, a: Hashable, b: Hashable, capacity: float) -> None:
        for start, end, c in ((a, b, capacity), (b, a, 0.0)):
            self.out.setdefault(start, []).append(len(self.ends))
            self.ends.append(end)
            self.edges.append([c])

    def source_side(self) -> set[Hashable]:
        """The nodes on the source's side of a minimum cut: as few as can be, so that as much as can be is computed by the backward pass."""
        while True:
            levels = self._levels()
            if self.sink not in levels:
                return set(levels)
            cursor = dict.fromkeys(self.out, 0)
            while self._augment(levels, cursor):
                pass

    def _levels(self) -> dict[Hashable, int]:
        levels = {self.source: 0}
        queue = deque([self.source])
        while queue:
            a = queue.popleft()
            for e in self.out[a]:
                if self.edges[e][0] > 0 and self.ends[e] not in levels:
                    levels[self.ends[e]] = levels[a] + 1
                    queue.append(self.ends[e])
        return levels

    def _augment(self, levels: dict[Hashable, int], cursor: dict[Hashable, int]) -> bool:
        """Send what one path of ascending levels can carry."""
        path: list[int] = []
        at = self.source
        while at != self.sink:
            while cursor[at] < len(self.out[at]):
                e = self.out[at][cursor[at]]
                if self.edges[e][0] > 0 and levels.get(self.ends[e]) == levels[at] + 1:
                    break
                cursor[at] += 1
            else:
                if not path:
                    return False
                e = path.pop()
                at = self.ends[e ^ 1]
                cursor[at] += 1
                continue
            path.append(e)
            at = self.ends[e]
        amount = min(self.edges[e][0] for e in path)
        for e in path:
            self.edges[e][0] -= amount
            self.edges[e ^ 1][0] += amount
        return True
