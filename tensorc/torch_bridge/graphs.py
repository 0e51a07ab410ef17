"""A graph of PyTorch's core operators as a program: node by node, each result held against what torch says it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy
import torch
from torch.fx import Graph, Node

from tensorc import algebra, compiler
from tensorc.algebra import Poly, poly, size
from tensorc.api.primitive import Primitive
from tensorc.diagnostics import CompileError
from tensorc.dtypes import bool_, f64, i64
from tensorc.errors import DTypeError, ShapeError
from tensorc.frontend.trace import Trace, tracing
from tensorc.frontend.tracers import Tracer, dim
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Input
from tensorc.torch_bridge.aten import TABLE, Refused
from tensorc.torch_bridge.memory import DTYPE_OF


def operator_name(node: Node) -> str | None:
    """The name of the core operator that a node calls; None for anything else."""
    target = node.target
    if node.op != "call_function" or not isinstance(target, torch._ops.OpOverload) or target.namespace not in ("aten", "prims"):
        return None
    return target._schema.name.partition("::")[2]


def is_known(node: Node) -> str | None:
    """Why a node cannot be part of a program; None where nothing is known against it."""
    if node.op == "call_function" and getattr(node.target, "__name__", "") == "getitem":
        return None if isinstance(node.args[0], Node) and operator_name(node.args[0]) is not None else "an element of what is no tensor"
    name = operator_name(node)
    if name is None:
        return "no core operator"
    if name not in TABLE:
        return "no translation"
    for value in _tensors(node.meta.get("val")) + [v for n in node.all_input_nodes for v in _tensors(n.meta.get("val"))]:
        if value.device.type != "cpu":
            return f"a tensor on the device {value.device}"
        if value.dtype not in DTYPE_OF or value.layout != torch.strided:
            return f"a tensor of {str(value.dtype).removeprefix('torch.')}, {str(value.layout).removeprefix('torch.')}"
    return None


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for v in value for t in _tensors(v)] if isinstance(value, (tuple, list)) else []


class NodeRefused(Exception):
    """A node that cannot be translated, found only when it was tried."""

    def __init__(self, node: Node, reason: str) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason


class Translator:
    """Makes a program of a graph whose placeholders are tensors and numbers."""

    def __init__(self, name: str, known: Mapping[str, Any]) -> None:
        self.name = name
        self.known = known  # sizes that can be had from outside of the graph
        self.trace = Trace(name)
        self.values: dict[Node, Any] = {}

    def translate(self, graph: Graph) -> tuple[Primitive, list[str]]:
        """The program of the graph, with its results in order, and the sizes that are further inputs of it: arrays of so many elements.

        NodeRefused for a node that is in the way.
        """
        with compiler.LOCK, tracing(self.trace):
            try:
                results: Sequence[Any] = ()
                for node in graph.nodes:
                    if node.op == "placeholder":
                        self.values[node] = self._input(node)
                    elif node.op == "output":
                        results = [self.values[n] for n in _listed(node.args[0])]
                    else:
                        self._node(node)
                program, _ = self.trace.finish(tuple(results))
            finally:
                self.trace.finished = True
        missing = _unbound(program)
        for name in missing:
            if name not in self.known:
                raise NodeRefused(next(n for n in graph.nodes if n.op == "call_function"), f"the size {name}, which no axis has")
        extra = tuple(Input(f"size_{name}", (size(name),), bool_) for name in missing)
        return Primitive(replace(program, inputs=(*program.inputs, *extra))), missing

    def _input(self, node: Node) -> Any:
        value = node.meta["val"]
        name = f"{node.name}"
        if isinstance(value, (torch.SymInt, int)) and not isinstance(value, bool):
            return self.trace.weak_input(name, i64)
        if isinstance(value, (torch.SymFloat, float)):
            return self.trace.weak_input(name, f64)
        if not isinstance(value, torch.Tensor):
            raise NodeRefused(next(iter(node.users)), f"an argument of the type {type(value).__name__}")
        extents = [self._extent(e, next(iter(node.users), node)) for e in value.shape]
        self.trace.not_one.update(e for e in extents if e.constant is None)
        return self.trace.input(name, DTYPE_OF[value.dtype], extents)

    def _extent(self, extent: Any, node: Node) -> Poly:
        try:
            return extent_of(extent)
        except Refused as reason:
            raise NodeRefused(node, str(reason)) from None

    def _node(self, node: Node) -> None:
        try:
            if getattr(node.target, "__name__", "") == "getitem" and operator_name(node) is None:
                self.values[node] = self.values[node.args[0]][node.args[1]]  # type: ignore[index]
            else:
                name = operator_name(node)
                assert name is not None
                args = [self._argument(a) for a in node.args]
                self.values[node] = TABLE[name](*args, **{k: self._argument(v) for k, v in node.kwargs.items()})
            self._check(self.values[node], node.meta["val"])
        except (Refused, CompileError, ShapeError, DTypeError, TypeError, KeyError, AttributeError, IndexError) as reason:
            text = reason.diagnostics[0].message if isinstance(reason, CompileError) and reason.diagnostics else str(reason)
            raise NodeRefused(node, text) from None

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Node):
            if value in self.values:
                return self._as_size(value)
            raise Refused("an argument that is not part of the program")
        if isinstance(value, (list, tuple)):
            return [self._argument(v) for v in value]
        if isinstance(value, torch.SymInt):
            return dim(self.trace, extent_of(value))
        return value

    def _as_size(self, node: Node) -> Any:
        """A symbolic integer as the size that it is, where it is one."""
        value = node.meta["val"]
        if isinstance(value, torch.SymInt):
            try:
                return dim(self.trace, extent_of(value))
            except Refused:
                return self.values[node]
        return self.values[node]

    def _check(self, found: Any, expected: Any) -> None:
        """Refuse a result that is not of the dtype and shape that torch says it has."""
        if isinstance(expected, (tuple, list)):
            for f, e in zip(found, expected, strict=True):
                if e is not None:
                    self._check(f, e)
            return
        if not isinstance(found, Tracer):
            raise Refused("no array")
        dtype = DTYPE_OF.get(expected.dtype)
        if found.value.weak or found.dtype is not dtype:
            raise Refused(f"a result of {found.dtype}, which is {dtype} in PyTorch")
        if found.ndim != expected.dim():
            raise Refused(f"a result of {found.ndim} axes, which has {expected.dim()} in PyTorch")
        for own, extent in zip(found.value.extents, expected.shape, strict=True):
            wanted = extent_of(extent)
            if own is not wanted and not self._equal(own, wanted):
                raise Refused(f"an extent of {own}, which is {wanted} in PyTorch")

    def _equal(self, a: Poly, b: Poly) -> bool:
        return self.trace.elaboration.context.meet(a, b) is not None if a.constant is None or b.constant is None else a is b


def _listed(value: Any) -> list[Node]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def extent_of(extent: Any) -> Poly:
    """A size of torch's as a polynomial. Refused where it is none."""
    if isinstance(extent, int):
        return poly(extent)
    return _of_expression(extent.node.expr)


def _of_expression(e: Any) -> Poly:
    if isinstance(e, sympy.Integer):
        return poly(int(e))
    if isinstance(e, sympy.Symbol):
        return size(str(e))
    name = type(e).__name__
    if name in ("Add", "Mul"):
        parts = [_of_expression(a) for a in e.args]
        total = parts[0]
        for p in parts[1:]:
            total = total + p if name == "Add" else total * p
        return total
    if name == "Pow" and isinstance(e.args[1], sympy.Integer) and 0 < int(e.args[1]) < 5:
        base = _of_expression(e.args[0])
        total = base
        for _ in range(int(e.args[1]) - 1):
            total = total * base
        return total
    if name in ("FloorDiv", "CleanDiv", "PythonMod", "Mod"):
        a, b = map(_of_expression, e.args)
        return algebra.mod(a, b) if name.endswith("Mod") else algebra.floordiv(a, b)
    raise Refused(f"the size {e}")


def _unbound(program: Program) -> list[str]:
    """The sizes of a program that no axis of an input is."""
    plain = {e.atom.name for i in program.inputs for e in i.extents if isinstance(e.atom, algebra.Size)}
    return sorted(s.name for s in walk.sizes(walk.topological((*program.inputs, *program.outputs))) if s.name not in plain)


def sources(graph: Graph) -> dict[str, tuple[Node, int | None]]:
    """Where the sizes of a graph's symbols can be read: a number among its arguments, or an axis of a tensor."""
    found: dict[str, tuple[Node, int | None]] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            value = node.meta.get("val")
            if isinstance(value, torch.SymInt) and isinstance(value.node.expr, sympy.Symbol):
                found[str(value.node.expr)] = node, None
            shape: Sequence[Any] = value.shape if isinstance(value, torch.Tensor) else ()
            for axis, extent in enumerate(shape):
                if isinstance(extent, torch.SymInt) and isinstance(extent.node.expr, sympy.Symbol):
                    found.setdefault(str(extent.node.expr), (node, axis))
    return found
