"""Derivatives of graphs of tensors, simplified and in ordinary form: what every face of differentiation is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorc.ir import walk
from tensorc.ir.tensor import Tensor
from tensorc.transform.forward import tangents
from tensorc.transform.lower import lower
from tensorc.transform.reverse import cotangents
from tensorc.transform.tidy import tidy
from tensorc.transform.workspace import Workspace


def vjp(outputs: Sequence[Tensor], seeds: Sequence[Tensor], wrt: Sequence[Tensor]) -> list[Tensor]:
    """The cotangent of each tensor of `wrt`, given one of each output (of its extents and dtype). Tensors that nothing depends on get zeros."""
    work = Workspace(walk.topological((*outputs, *seeds, *wrt)))
    return lower(work, tidy(work, cotangents(work, outputs, seeds, wrt)))


def jvp(outputs: Sequence[Tensor], given: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """The tangent of each output, for given tangents of some tensors."""
    work = Workspace(walk.topological((*outputs, *given, *given.values())))
    return lower(work, tidy(work, tangents(work, outputs, given)))
