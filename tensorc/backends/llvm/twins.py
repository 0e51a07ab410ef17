"""Functions of a module that are alike but for the words of the frame that they read: one of them is compiled, which all others call.

A model's layers, and the rows of a long program, come to the same kernels again and again, on other memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tensorc.backends.llvm.code import Module

LONG = 4000
"""Characters of a function that is worth sharing: a call through words of its own takes a few nanoseconds more."""

_WORD = re.compile(r"getelementptr i64, ptr %frame, i64 (\d+)\b")


def share(module: Module, heads: Mapping[str, str]) -> dict[str, str]:
    """Makes those of the functions that are alike calls of one of a new name. By name, the new ones that they call.

    `heads` are their parameters, by name: the first is the frame, of which they may read words.
    """
    alike: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}
    for name, parameters in heads.items():
        body = _body(module.functions[name])
        if len(body) >= LONG:
            same = _WORD.sub("WORD", body)
            if "%frame" not in same:
                alike.setdefault((same, parameters), []).append((name, _WORD.findall(body)))
    called: dict[str, str] = {}
    for (same, parameters), twins in alike.items():
        if len(twins) > 1:
            shared = f"shared.{twins[0][0]}"
            first, *rest = same.split("WORD")
            text = first + "".join(f"getelementptr i64, ptr %frame, i64 {n}{part}" for n, part in enumerate(rest))
            module.functions[shared] = f"define void @{shared}({parameters}) #0 {{\n{text}"
            module.called[shared] = module.called[twins[0][0]]
            for name, words in twins:
                module.functions[name] = _caller(name, parameters, shared, words)
                module.called[name] = set()
                called[name] = shared
    return called


def _body(function: str) -> str:
    """What follows the head of a function."""
    return function.partition("\n")[2]


def _caller(name: str, parameters: str, shared: str, words: Sequence[str]) -> str:
    """A function that calls another with a frame of these words."""
    lines = [f"define void @{name}({parameters}) #0 {{", f"  %words = alloca [{len(words)} x i64], align 8"]
    for n, word in enumerate(words):
        lines += [
            f"  %from{n} = getelementptr i64, ptr %frame, i64 {word}",
            f"  %word{n} = load i64, ptr %from{n}, align 8",
            f"  %to{n} = getelementptr i64, ptr %words, i64 {n}",
            f"  store i64 %word{n}, ptr %to{n}, align 8",
        ]
    _, *others = parameters.split(", ")
    return "\n".join([*lines, f"  call void @{shared}({', '.join(['ptr %words', *others])})", "  ret void", "}", ""])
