"""`backward` and `grad`: the faces of the walk along the tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorc.eager.tape import Edge, Walk
from tensorc.eager.tensor import Tensor


def _sequence(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _roots(outputs: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[tuple[Edge, Tensor]]:
    """Where the walk begins, with which cotangents. RuntimeError where one is missing, or does not fit."""
    if len(gradients) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    found = []
    for output, gradient in zip(outputs, gradients, strict=True):
        edge = output._gradient_edge()
        if edge is None:
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
        if gradient is None:
            if output._array.size != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            gradient = Tensor._of(np.ones(output._array.shape, output._array.dtype))
        if gradient._array.shape != output._array.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[0] has a shape of {gradient.shape} and output[0] has a shape of {output.shape}."
            )
        if gradient._array.dtype != output._array.dtype:
            gradient = gradient.to(output.dtype)
        found.append((edge, gradient))
    return found


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the derivatives of the tensors to the `.grad` of the leaves, or of `inputs` alone."""
    outputs = _sequence(tensors)
    given = grad_tensors if grad_tensors is not None else grad_variables
    gradients = (None,) * len(outputs) if given is None else _sequence(given)
    roots = _roots(outputs, gradients)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        Walk(roots, None, retain, create_graph).run()
        return
    wanted = _sequence(inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    edges = [_wanted_edge(t) for t in wanted]
    found = Walk(roots, edges, retain, create_graph).run()
    from tensorc.eager.modes import set_grad_enabled

    with set_grad_enabled(create_graph):
        for tensor, edge in zip(wanted, edges, strict=True):
            if edge in found:
                tensor.accumulate(found[edge])


def _wanted_edge(tensor: Tensor) -> Edge:
    edge = tensor._gradient_edge()
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The derivatives of the outputs, weighted and summed, for each of the inputs; nothing is accumulated.

    RuntimeError for an input that the outputs do not depend on, unless `allow_unused` (which gives None) or `materialize_grads` (zeros).
    """
    results, wanted = _sequence(outputs), _sequence(inputs)
    if is_grads_batched:
        return _batched(results, wanted, _sequence(grad_outputs), retain_graph, create_graph, allow_unused, materialize_grads)
    gradients = (None,) * len(results) if grad_outputs is None else _sequence(grad_outputs)
    roots = _roots(results, gradients)
    edges = [_wanted_edge(t) for t in wanted]
    found = Walk(roots, edges, create_graph if retain_graph is None else retain_graph, create_graph).run()
    parts = [found.get(e) for e in edges]
    if materialize_grads:
        return tuple(Tensor._of(np.zeros_like(t._array)) if p is None else p for p, t in zip(parts, wanted, strict=True))
    if None in [p if p is None else 0 for p in parts] and not allow_unused:
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return tuple(parts)


def _batched(
    results: Sequence[Tensor],
    wanted: Sequence[Tensor],
    gradients: Sequence[Tensor],
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool | None,
    materialize: bool,
) -> tuple[Tensor | None, ...]:
    """One walk for each element of the cotangents' first axis."""
    from tensorc.eager.named import call

    count = len(gradients[0])
    rows = []
    for n in range(count):
        last = n == count - 1
        retain = (create_graph if retain_graph is None else retain_graph) if last else True
        rows.append(grad(results, wanted, [g[n] for g in gradients], retain, create_graph, True, allow_unused, False, materialize))
    return tuple(None if any(p is None for p in parts) else call("stack", list(parts)) for parts in zip(*rows, strict=True))
