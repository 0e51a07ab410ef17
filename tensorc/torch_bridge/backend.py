"""`torch.compile(model, backend="tensorc")`: parts of the graph become programs, and what has no translation stays PyTorch's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.passes.infra.partitioner import CapabilityBasedPartitioner
from torch.fx.passes.operator_support import OperatorSupportBase
from torch.fx.passes.utils.fuser_utils import fuse_by_partitions

from tensorc.api.primitive import Primitive
from tensorc.compiler import log
from tensorc.torch_bridge.aten import VIEWS
from tensorc.torch_bridge.graphs import NodeRefused, Translator, is_known, operator_name, sources
from tensorc.torch_bridge.joint import partition
from tensorc.torch_bridge.memory import execute

MORE = [torch.ops.aten._native_batch_norm_legit_functional, torch.ops.aten.native_group_norm, torch.ops.aten.native_batch_norm]
"""Operators that PyTorch counts as core, and can be taken apart all the same."""

FUSED = [torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default]
"""Operators whose decompositions do not have all of their results."""

_numbers = itertools.count()


def backend(module: GraphModule, inputs: Sequence[Any], **options: Any) -> Any:
    """Compiles what Dynamo captured: the graph and, for training, its backward graph."""
    from torch._decomp import core_aten_decompositions, get_decompositions
    from torch._dynamo.backends.common import aot_autograd
    from torch.nn.attention import SDPBackend, sdpa_kernel

    known = {**core_aten_decompositions(), **get_decompositions(MORE)}
    compiled: Any = aot_autograd(
        fw_compiler=_compiler("forward"),
        bw_compiler=_compiler("backward"),
        inference_compiler=_compiler("inference"),
        decompositions={op: f for op, f in known.items() if op not in FUSED},
        partition_fn=partition,
    )
    with sdpa_kernel(SDPBackend.MATH):  # attention in its parts: of the fused kernels only the forward pass could be taken apart
        return compiled(module, inputs)


def _compiler(kind: str) -> Any:
    def compile_graph(module: GraphModule, inputs: Sequence[Any]) -> Any:
        from functorch.compile import make_boxed_func

        return make_boxed_func(compiled(module, kind).forward)

    return compile_graph


class _Supported(OperatorSupportBase):
    """The nodes that may be part of a program: all that nothing is known against."""

    def __init__(self, refused: Mapping[Node, str]) -> None:
        self.refused = refused

    def is_node_supported(self, submodules: Any, node: Node) -> bool:
        return node not in self.refused and node.op == "call_function"


def compiled(module: GraphModule, kind: str = "graph") -> GraphModule:
    """The module with parts of its graph as programs."""
    name = f"{kind} {next(_numbers)}"
    refused = {n: reason for n in module.graph.nodes if n.op == "call_function" and (reason := is_known(n)) is not None}
    while True:
        partitions = [p for p in _partitions(module, refused) if any(_computes(n) for n in p.nodes)]
        try:
            parts = [_checked(module, list(p.nodes), f"part{n}") for n, p in enumerate(partitions)]
            break
        except NodeRefused as reason:
            refused[reason.node] = reason.reason
    _report(name, module, refused, parts)
    return _replaced(module, parts)


def _partitions(module: GraphModule, refused: Mapping[Node, str]) -> list[Any]:
    partitioner = CapabilityBasedPartitioner(module, _Supported(refused), allows_single_node_partition=True)
    return partitioner.propose_partitions()


def _computes(node: Node) -> bool:
    """Whether a node does more than to move elements."""
    name = operator_name(node)
    return name is not None and name not in VIEWS


def _checked(module: GraphModule, members: Sequence[Node], name: str) -> list[Node]:
    """The nodes of a part, in order. NodeRefused where they make no program, for the one that is in the way."""
    inside = set(members)
    nodes = [n for n in module.graph.nodes if n in inside]
    inputs = list(dict.fromkeys(i for n in nodes for i in n.all_input_nodes if i not in inside))
    outputs = [n for n in nodes if any(u not in inside for u in n.users)]
    for n in outputs:
        if not isinstance(n.meta.get("val"), Tensor):
            raise NodeRefused(n, "several results, of which one is taken outside of its part")
    graph = torch.fx.Graph()
    made: dict[Node, Node] = {}
    for i in inputs:
        made[i] = graph.placeholder(i.name)
        made[i].meta = i.meta
    for n in nodes:
        made[n] = graph.node_copy(n, lambda a: made[a])
        made[n].meta = n.meta
    graph.output([made[n] for n in outputs])
    origin = {copy: n for n, copy in made.items()}
    try:
        Translator(name, sources(module.graph)).translate(graph)
    except NodeRefused as reason:
        found = origin.get(reason.node, nodes[0])
        raise NodeRefused(found if found in inside else nodes[0], reason.reason) from None
    return nodes


def _report(name: str, module: GraphModule, refused: Mapping[Node, str], parts: Sequence[Sequence[Node]]) -> None:
    calls = [n for n in module.graph.nodes if n.op == "call_function" and _is_tensor(n)]
    taken = sum(_is_tensor(n) for p in parts for n in p)
    log("fusion", f"torch.compile, {name}: {taken} of {len(calls)} operators in {len(parts)} programs")
    for node, reason in refused.items():
        if _is_tensor(node):
            log("fusion", f"torch.compile, {name}: {node.target} stays PyTorch's: {reason}")


def _is_tensor(node: Node) -> bool:
    """Whether a node calls an operator that makes tensors."""
    value = node.meta.get("val")
    return operator_name(node) is not None and isinstance(value, (Tensor, tuple, list))


class Kernel(torch.nn.Module):
    """A program in the place of some nodes. `orders` says of each result in which order its axes lie in memory, where that is seen.

    The last inputs are only there for sizes: of each, `axes` says which of its axes; None where it is the size itself.
    """

    def __init__(self, primitive: Primitive, orders: Sequence[tuple[int, ...] | None], axes: Sequence[int | None]) -> None:
        super().__init__()
        self.primitive = primitive
        self.orders = orders
        self.axes = axes

    def forward(self, *inputs: Any) -> Any:
        first = len(inputs) - len(self.axes)
        tensors = [t if isinstance(t, Tensor) else _number(t) for t in inputs[:first]]
        tensors += [_witness(t if axis is None else t.shape[axis]) for t, axis in zip(inputs[first:], self.axes, strict=True)]
        results = execute(self.primitive, tensors)
        laid_out = [r if order is None else _laid_out(r, order) for r, order in zip(results, self.orders, strict=True)]
        return laid_out[0] if len(laid_out) == 1 else tuple(laid_out)


def _number(value: int | float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else torch.int64)


def _witness(size: int) -> Tensor:
    """An array of so many elements, of which only that matters."""
    return torch.empty((), dtype=torch.bool).expand(size)


def _laid_out(x: Tensor, order: tuple[int, ...]) -> Tensor:
    """x with its axes in this order in memory."""
    return x.permute(order).contiguous().permute([order.index(n) for n in range(len(order))])


def _order(node: Node) -> tuple[int, ...] | None:
    """The order of a result's axes in memory, where the graph gives it away and they do not lie in their own."""
    value = node.meta["val"]
    if value.is_contiguous() or not any(u.op == "output" for u in node.users):
        return None
    strides = [s.node.hint if isinstance(s, torch.SymInt) else s for s in value.stride()]
    return tuple(sorted(range(value.dim()), key=lambda n: (-strides[n], n)))


def _replaced(module: GraphModule, parts: Sequence[Sequence[Node]]) -> GraphModule:
    """The module with each part's nodes replaced by a call of its program."""
    orders = {n.name: _order(n) for p in parts for n in p if isinstance(n.meta.get("val"), Tensor)}
    fused = fuse_by_partitions(module, [dict.fromkeys(p) for p in parts], prefix="tensorc_")
    known = sources(fused.graph)
    for call in fused.graph.nodes:
        if call.op == "call_module" and call.target.startswith("tensorc_"):
            part: Any = fused.get_submodule(call.target)
            (output,) = (n for n in part.graph.nodes if n.op == "output")
            results = output.args[0] if isinstance(output.args[0], (tuple, list)) else [output.args[0]]
            primitive, missing = Translator(call.target, known).translate(part.graph)
            call.args = (*call.args, *(known[m][0] for m in missing))
            setattr(fused, call.target, Kernel(primitive, [orders[r.name] for r in results], [known[m][1] for m in missing]))
    fused.recompile()
    return fused
