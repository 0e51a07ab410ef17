"""Prints a syntax tree as indented text, one node a line."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tensorc.syntax import tree

_INDENT = "  "
_DEEPEST = 60  # a sum of 100,000 terms is a tree as deep


def show(node: tree.Node) -> str:
    """A line for each node: its class, its plain fields, and the line and column where it starts; its parts are indented below.

    A part is preceded by its field's name. Beyond 60 levels the indentation stays and the level is written in front.
    """
    lines = []
    pending: list[tuple[int, str, tree.Node]] = [(0, "", node)]
    while pending:
        depth, label, current = pending.pop()
        plain, parts = content(current)
        line, column = current.span.source.position(current.span.start)
        words = " ".join([type(current).__name__, *plain, f"@{line}:{column}"])
        indent = _INDENT * depth if depth <= _DEEPEST else f"{_INDENT * _DEEPEST}({depth}) "
        lines.append(f"{indent}{label}{words}")
        pending += [(depth + 1, name, part) for name, part in reversed(parts)]
    return "\n".join(lines)


def content(node: tree.Node) -> tuple[list[str], list[tuple[str, tree.Node]]]:
    """The plain fields as `name=value`, and the nodes among the others with their labels."""
    plain = []
    parts = []
    for field in fields(node):
        value: Any = getattr(node, field.name)
        match value:
            case tree.Node():
                parts.append((f"{field.name}: ", value))
            case tuple():
                parts += [(f"{field.name}[{number}]: ", part) for number, part in enumerate(value)]
            case str() | int() | float() if field.name == "value" or value:
                plain.append(f"{field.name}={value!r}")
            case _:
                pass  # a place, or nothing
    return plain, parts
