"""The page on which a file's source, and what each stage makes of it, point at each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from tensorc.source import Span
from tensorc.syntax import tree

if TYPE_CHECKING:
    from tensorc.api.lowered import Lowered
    from tensorc.ir.program import Program
    from tensorc.ir.tensor import Tensor
    from tensorc.loops.nest import Schedule

STAGES = ("source", "typed", "opt", "graph", "schedule", "loops", "llvm", "asm")

MOST_LINES = 20_000
"""Lines of a stage that the page holds."""

_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Line:
    """A line of a stage as HTML, and the keys of what it is of."""

    html: str
    keys: Sequence[str] = ()


def page(title: str, functions: Mapping[str, tuple[tree.Function, Lowered]]) -> str:
    """The HTML page of a file's functions. It needs nothing but a browser."""
    texts = []
    for name, (function, lowered) in functions.items():
        links = _Links(function, lowered)
        texts += [_text(name, stage, links.stage(stage)) for stage in STAGES if stage != "graph"]
        texts.append(f'<div class="text" data-function="{name}" data-stage="graph">{links.graph()}</div>')
    options = "".join(f"<option>{name}</option>" for name in functions)
    template = resources.files("tensorc.cli").joinpath("page.html").read_text(encoding="utf-8")
    parts = {"title": escape(title), "options": options, "texts": "\n".join(texts), "stages": json.dumps(STAGES)}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def _text(function: str, stage: str, lines: Sequence[Line]) -> str:
    """A stage with numbered lines."""
    rows = []
    for number, line in enumerate(lines[:MOST_LINES], 1):
        keys = f' data-k="{" ".join(line.keys)}"' if line.keys else ""
        rows.append(f'<div class="l" data-n="{number}"{keys}>{line.html or " "}</div>')
    if len(lines) > MOST_LINES:
        rows.append(f'<p class="note">{len(lines) - MOST_LINES} more lines</p>')
    return f'<div class="text" data-function="{function}" data-stage="{stage}">{"".join(rows)}</div>'


class _Links:
    """What of the stages of a function belongs together. Each tensor has a key: its place in the source, or its own name for want of one.

    In kernels tensors go by name, and only the names that the program gives them are theirs there.
    """

    def __init__(self, function: tree.Function, lowered: Lowered) -> None:
        from tensorc.ir.text import types

        self.source = function.span.source
        self.returned = _returned(function)
        self.lowered = lowered
        self.spans: dict[tuple[int, int], str] = {}
        self.names: dict[str, str] = {}
        for program in (lowered.program, lowered.optimised):
            self._number(program)
        optimised = types(lowered.optimised)
        for buffer, result in zip(lowered.compilation.schedule.results, lowered.optimised.results, strict=True):
            self.names[buffer.name] = self.key(lowered.optimised, result, optimised[result][0])

    def _number(self, program: Program) -> None:
        from tensorc.ir.text import types

        given = {name: t for t, name in program.names.items()} | {i.name: i for i in program.inputs}
        for t, (name, _) in types(program).items():
            key = self.key(program, t, name)
            if given.get(name) is t:
                self.names.setdefault(name, key)

    def key(self, program: Program, t: Tensor, name: str) -> str:
        """The key of a tensor of one of the programs."""
        span = program.spans.get(t)
        if span is None and t in program.results and len(self.returned) == len(program.results):
            span = self.returned[program.results.index(t)]
        if span is not None and span.source is self.source:
            return self.spans.setdefault((span.start, span.end), f"s{span.start}-{span.end}")
        return f"{'o' if program is self.lowered.optimised else 't'}-{name}"

    # Stages.

    def stage(self, stage: str) -> list[Line]:
        match stage:
            case "source":
                return self._source()
            case "typed":
                return self._program(self.lowered.program)
            case "opt":
                return self._program(self.lowered.optimised)
            case "schedule" | "loops":
                return self._kernels(self.lowered.as_text(stage).splitlines())
            case _:
                return self._code(self.lowered.as_text(stage).splitlines())

    def graph(self) -> str:
        """The simplified program as a graph, whose boxes have keys too."""
        from tensorc.cli.graph import program_graph
        from tensorc.cli.output import Refused
        from tensorc.ir.text import types

        program = self.lowered.optimised
        keys = {t: self.key(program, t, name) for t, (name, _) in types(program).items()}
        try:
            return program_graph("opt", program, keys)
        except Refused as error:
            return f'<p class="note">{escape(error.message)}</p>'

    def _source(self) -> list[Line]:
        """The source, in which every place of a tensor is an element; places lie within each other or apart."""
        text = self.source.text
        opened: dict[int, list[tuple[int, int]]] = {}
        for start, end in self.spans:
            opened.setdefault(start, []).append((start, end))
        lines: list[Line] = []
        inside: list[tuple[int, int]] = []
        parts: list[str] = []
        for position in range(len(text) + 1):
            while inside and inside[-1][1] <= position:
                inside.pop()
                parts.append("</span>")
            for span in sorted(opened.get(position, ()), key=lambda s: -s[1]):
                if span[1] > position and (not inside or span[1] <= inside[-1][1]):
                    inside.append(span)
                    parts.append(f'<span data-k="{self.spans[span]}">')
            if position == len(text) or text[position] == "\n":
                lines.append(Line("".join(parts) + "</span>" * len(inside)))
                parts = [f'<span data-k="{self.spans[span]}">' for span in inside]
            else:
                parts.append(escape(text[position]))
        return lines[:-1] if lines and not lines[-1].html else lines

    def _program(self, program: Program) -> list[Line]:
        from tensorc.ir.text import lines, types

        names = types(program)
        head = [self.key(program, i, i.name) for i in program.inputs]
        found = []
        for n, (tensor, text) in enumerate(lines(program)):
            keys = [self.key(program, tensor, names[tensor][0])] if tensor is not None else head if n == 0 else []
            found.append(Line(escape(text), keys))
        return found

    def _kernels(self, lines: Iterable[str]) -> list[Line]:
        """Lines of kernels: one that writes belongs to what it writes, a head to all that it names."""
        found = []
        for text in lines:
            written = re.match(r"\s*(?:acc |done )?([A-Za-z_]\w*)(?:\[.*?\])? (?:\w*=|\w+=) ", text)
            words = [written[1]] if written else _WORD.findall(text) if " for " not in f" {text.lstrip()} " else []
            found.append(Line(escape(text), self._named(words)))
        return found

    def _code(self, lines: Iterable[str]) -> list[Line]:
        """Code: what stands in a kernel's function belongs to all that the kernel writes."""
        kernels = _written(self.lowered.compilation.schedule)
        keys: list[str] = []
        found = []
        for text in lines:
            head = re.match(r'(?:define .*@)?"?kernel\.(\d+)\.[\w.]+"?(?::|\()', text)
            if head is not None and int(head[1]) < len(kernels):
                keys = self._named(kernels[int(head[1])])
            elif re.match(r"define |[^\s.#;}][^\s]*:", text):
                keys = []
            found.append(Line(escape(text), keys if text.strip() else ()))
            if text == "}":
                keys = []
        return found

    def _named(self, words: Iterable[str]) -> list[str]:
        """The keys of names, of which a kernel makes others: `score_row` is of `score`."""
        found: dict[str, None] = {}
        for word in words:
            known = self.names.get(word) or self.names.get(re.sub(r"_(row|tile|panel|merge|part)s?(_\w+)?$", "", word))
            if known is not None:
                found[known] = None
        return list(found)


def _returned(function: tree.Function) -> list[Span]:
    """The places of what a function returns."""
    last = function.body[-1] if function.body else None
    if not isinstance(last, tree.Return):
        return []
    return [item.span for item in last.value.items] if isinstance(last.value, tree.TupleLiteral) else [last.value.span]


def _written(schedule: Schedule) -> list[list[str]]:
    """The words of each kernel's name and of what it writes."""
    from tensorc.loops.text import show

    return [_WORD.findall(show(kernel)) for kernel in schedule.kernels]
