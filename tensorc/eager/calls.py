"""Functions and jitted functions that are called with tensors: run like any operation, and recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tensorc.api.library import LibraryFunction
from tensorc.api.taken import TakenCall
from tensorc.eager import inplace
from tensorc.eager.applied import kind_of
from tensorc.eager.methods import function as operation
from tensorc.eager.modes import state
from tensorc.eager.operations import run
from tensorc.eager.tensor import Tensor
from tensorc.runtime import arrays
from tensorc.runtime.call import flatten, rebuild


def _array(value: Any) -> Any:
    return value._array if isinstance(value, Tensor) else None


def call(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The value of a Function for arguments of which some are tensors."""
    if isinstance(function, LibraryFunction):
        found = operation(function.name)
        if found is not None:
            return found(*args, **kwargs)
    taken = TakenCall(function, args, kwargs, _array)
    tensors = [v if isinstance(v, Tensor) else Tensor._of(arrays.view(v, "an argument")) for v in taken.leaves]
    shapes = [t._array.shape for t in tensors]
    results = run(kind_of(taken.primitive, f"{function.name}Backward0", shapes), tensors)
    if taken.out is not None:
        return _into(taken, results, function.name)
    return rebuild(taken.tree, results)


def _into(taken: TakenCall, results: Sequence[Tensor], name: str) -> Any:
    if state.recording and any(r.requires_grad for r in results):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad."
        )
    numbered, leaves = _numbered(taken.tree)
    for target, result in zip(flatten(numbered, taken.out, name), leaves, strict=True):
        inplace.copy_(target, results[result])
    return taken.out


def _numbered(tree: Any) -> tuple[Any, list[int]]:
    leaves: list[int] = []

    def go(t: Any) -> Any:
        if isinstance(t, int):
            leaves.append(t)
            return len(leaves) - 1
        return tuple(map(go, t))

    return go(tree), leaves
