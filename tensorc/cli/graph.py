"""A stage as a graph: tensors and how they are made of each other, kernels and their memory, or the syntax tree."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from tensorc.cli.drawing import Box, draw
from tensorc.cli.output import FAILED, USAGE, Refused

if TYPE_CHECKING:
    from tensorc.compiler import Compilation
    from tensorc.ir.program import Program
    from tensorc.ir.tensor import Tensor
    from tensorc.loops.nest import Schedule
    from tensorc.syntax import tree

MOST = 1500
"""Boxes of a graph; more are no picture."""

WIDEST = 52
"""Characters of a line in a box; the whole of it is shown where the pointer is."""

STAGES = ("ast", "typed", "grad", "opt", "schedule", "loops")


def graph(compilation: Compilation, stage: str) -> str:
    """The SVG of a stage."""
    name = compilation.typed.name
    match stage:
        case "typed":
            return program_graph(f"{name}: {stage}", compilation.typed)
        case "opt":
            return program_graph(f"{name}: {stage}", compilation.optimised)
        case "grad":
            passes = compilation.passes
            if passes is None:
                raise Refused(f"`{name}` has no derivative", code=FAILED)
            return program_graph(f"{name}: {stage}", passes.backward)
        case "schedule" | "loops":
            if compilation.target not in ("cpu", "cpu:fast"):
                raise Refused(f"the stage `{stage}` is drawn for the cpu alone", "print it without --graph", code=USAGE)
            return schedule_graph(f"{name}: {stage}", compilation.schedule)
        case _:
            raise Refused(f"the stage `{stage}` is no graph", f"those that are drawn are {' '.join(STAGES)}", code=USAGE)


def tree_graph(title: str, root: tree.Node) -> str:
    """A box for each node of a syntax tree: its class, its plain fields, and its place."""
    from tensorc.syntax.show import content

    boxes: list[Box] = []
    edges: list[tuple[int, int]] = []
    pending: list[tuple[int | None, str, tree.Node]] = [(None, "", root)]
    while pending and len(boxes) <= MOST:
        above, label, node = pending.pop()
        plain, parts = content(node)
        fields = [_short(text) for text in (label.removesuffix(": "), *plain) if text]
        if above is not None:
            edges.append((above, len(boxes)))
        pending += [(len(boxes), name, part) for name, part in reversed(parts)]
        boxes.append(Box((type(node).__name__, *fields), "", node.span.text, _short(str(node.span))))
    return _drawn(title, boxes, edges)


def program_graph(title: str, program: Program, keys: Mapping[Tensor, str] = MappingProxyType({})) -> str:
    """A box for each tensor: its name and type, what it is, and where it comes from; with its key, if it has one."""
    from tensorc.ir import walk
    from tensorc.ir.text import lines, types

    texts: dict[object, list[str]] = {}
    for tensor, line in lines(program):
        texts.setdefault(tensor, []).append(line.strip())
    named = types(program)
    numbers = {t: n for n, t in enumerate(named)}
    boxes = []
    for t, (name, type) in named.items():
        text = texts.get(t, [])
        formula = text[-1].partition(" = ")[2] if text else ""
        kind = " ".join(["input"] * (t in program.inputs) + ["result"] * (t in program.results))
        span = program.spans.get(t)
        place = _short(str(span)) if span is not None else ""
        boxes.append(
            Box(
                (f"{name}: {type}", *([_short(formula)] if formula else [])),
                kind,
                "\n".join(text),
                place,
                {"k": keys[t]} if t in keys else None,
            )
        )
    edges = [(numbers[s], numbers[t]) for t in named for s in walk.sources(t)]
    return _drawn(title, boxes, edges)


def schedule_graph(title: str, schedule: Schedule) -> str:
    """A box for each kernel and for each memory between them, in the order in which they are run."""
    from tensorc.loops.nest import Buffer, Memory
    from tensorc.loops.text import declared, show

    boxes: list[Box] = []
    edges: list[tuple[int, int]] = []
    numbers: dict[Memory, int] = {}

    def memory(m: Memory) -> int:
        owner = schedule.aliases.get(m, m) if isinstance(m, Buffer) else m
        if owner not in numbers:
            kind = "input" if owner in schedule.inputs else "result" if owner in schedule.results else ""
            numbers[owner] = len(boxes)
            boxes.append(Box((_short(declared(owner)),), kind))
        return numbers[owner]

    for kernel in schedule.kernels:
        read = [memory(m) for m in kernel.reads if m not in kernel.writes]
        boxes.append(Box(("kernel", _short(kernel.name)), "kernel", show(kernel)))
        number = len(boxes) - 1
        edges += [(r, number) for r in read]
        for m in kernel.writes:  # what is written once more is drawn once more
            numbers.pop(schedule.aliases.get(m, m), None)
            edges.append((number, memory(m)))
    return _drawn(title, boxes, edges)


def _drawn(title: str, boxes: list[Box], edges: list[tuple[int, int]]) -> str:
    if len(boxes) > MOST:
        raise Refused(f"a graph of more than {MOST} boxes is too large to be drawn", code=FAILED)
    return draw(title, boxes, edges)


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
