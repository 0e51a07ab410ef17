"""PyTorch's split of a joint graph into a forward and a backward graph, where what is compared comes from one of the two.

A derivative of amax finds the elements that are equal to the maximum. Of a maximum that the forward graph computed and elements that the
backward graph computes again, none need be: a program may compute `log(1 + exp(x))` otherwise where its parts are read elsewhere too.
"""

from __future__ import annotations

from typing import Any

from torch.fx import GraphModule, Node
from torch.utils.checkpoint import CheckpointPolicy

from tensorc.torch_bridge.aten import VIEWS
from tensorc.torch_bridge.graphs import operator_name

EXTREMES = frozenset({"amax", "amin", "max", "min"})


def partition(joint: GraphModule, *args: Any, **options: Any) -> tuple[GraphModule, GraphModule]:
    """The forward and the backward graph, by PyTorch's minimum cut."""
    from functorch.compile import min_cut_rematerialization_partition

    for node in joint.graph.nodes:
        if operator_name(node) == "eq" and all(isinstance(a, Node) for a in node.args):
            one, other = (_behind_views(a) for a in node.args)
            if any(_is_extreme(a) and b in _terms(a) for a, b in ((one, other), (other, one))):
                for compared in (one, other):
                    compared.meta["recompute"] = CheckpointPolicy.MUST_SAVE
    return min_cut_rematerialization_partition(joint, *args, **options)  # type: ignore[no-any-return]


def _behind_views(node: Node) -> Node:
    """The node whose elements a node has."""
    while node.op == "call_function" and operator_name(node) in VIEWS:
        node = node.all_input_nodes[0]
    return node


def _is_extreme(node: Node) -> bool:
    return node.op == "call_function" and operator_name(node) in EXTREMES


def _terms(extreme: Node) -> set[Node]:
    """What a maximum is of."""
    return {_behind_views(a) for a in extreme.all_input_nodes}
