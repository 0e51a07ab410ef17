"""Kernels that are alike: the code of one of them serves all, each of which gives it words of its own in place of the frame.

A model's layers, and the rows of a long program, come to the same kernels again and again, on other memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tensorc.backends.llvm.code import Module
from tensorc.backends.llvm.frame import Frame, Strides
from tensorc.ir.tensor import Input
from tensorc.loops.alike import form
from tensorc.loops.nest import Buffer, Kernel, Memory, Scratch

SAVED = 2500
"""Characters of functions that are worth leaving out: a call through words of its own takes a few nanoseconds more."""

SHORT = 500
"""A function of so few is written where it is needed."""

_WORD = re.compile(r"getelementptr i64, ptr %frame, i64 (\d+)\b")


def twins(frame: Frame, strides: Mapping[Input, Strides]) -> dict[int, tuple[int, dict[int, int]]]:
    """The kernels that others of a schedule are like, by number: the first that is like it, itself where it is that, and for each word of
    the frame that speaks of the first one's memory the word that speaks of its own.
    """
    kernels = frame.schedule.kernels
    aliases = frame.schedule.aliases

    def about(m: Memory) -> tuple[object, Memory]:
        return strides.get(m), aliases.get(m, m) if isinstance(m, Buffer) else m

    found: dict[int, tuple[int, dict[int, int]]] = {}
    numbers = sorted(range(len(kernels)), key=lambda n: _shape(kernels[n]))
    for _, similar in groupby(numbers, key=lambda n: _shape(kernels[n])):
        several = sorted(similar)
        alike: dict[object, list[tuple[int, list[int]]]] = {}
        for number in several if len(several) > 1 else ():
            said, memory = form(kernels[number], about)
            alike.setdefault(said, []).append((number, _words(frame, number, memory, strides)))
        for same in alike.values():
            if len(same) > 1:
                first, own = same[0]
                found |= {number: (first, dict(zip(own, words, strict=True))) for number, words in same}
    return found


def _shape(kernel: Kernel) -> tuple[int, ...]:
    return kernel.is_usual, len(kernel.reads), len(kernel.writes), len(kernel.scratch), len(kernel.body)


def _words(frame: Frame, number: int, every: Sequence[Memory], strides: Mapping[Input, Strides]) -> list[int]:
    """The words of the frame that speak of a kernel's memory, in order."""
    found: list[int] = []
    for m in every:
        if m in strides:
            found += [frame.pointer(m), *(frame.stride(m, axis) for axis in range(len(m.extents)))]
        elif m not in frame.schedule.aliases:
            assert isinstance(m, (Buffer, Scratch))
            found.append(frame.offset(number, m))
    return found


@dataclass(frozen=True)
class Outline:
    """A function that reads its kernel's own words, and the words of the frame that these are for the kernel that it was written for."""

    name: str
    words: tuple[int, ...]


def outlined(module: Module, frame: Frame, name: str, times: int) -> Outline | None:
    """Has a function read words of its own in place of the frame's. None, and nothing changes, where that is not worth it for a function
    that is needed so many times.
    """
    head, _, body = module.functions[name].partition("entry:\n")
    if len(body) < SHORT or len(body) * (times - 1) < SAVED:
        return None
    words: dict[str, int] = {}
    body = _WORD.sub(lambda m: f"getelementptr i64, ptr %own, i64 {words.setdefault(m[1], len(words))}", body)
    assert "%frame" not in body, "a kernel knows the frame by its words alone"
    own = f"  %own.at = getelementptr i64, ptr %frame, i64 {frame.own}\n  %own = load ptr, ptr %own.at, align 8\n"
    module.functions[name] = f"{head}entry:\n{own}{body}"
    return Outline(name, tuple(map(int, words)))


def words_table(table: Sequence[int]) -> str:
    """The words of all kernels that have their own, one after the other."""
    return f"@words = private constant [{len(table)} x i32] [{', '.join(f'i32 {word}' for word in table)}]\n" if table else ""


def copies_words(module: Module) -> str:
    """The function that copies words of the frame: so many of the table, from a place in it on."""
    module.once("copy.words", lambda: _COPY)
    return "copy.words"


_COPY = """define internal void @copy.words(ptr %frame, i64 %start, i64 %count, ptr %own) #0 {
entry:
  %first = getelementptr i32, ptr @words, i64 %start
  br label %next
next:
  %n = phi i64 [ 0, %entry ], [ %after, %next ]
  %number.at = getelementptr i32, ptr %first, i64 %n
  %number = load i32, ptr %number.at, align 4
  %from = getelementptr i64, ptr %frame, i32 %number
  %word = load i64, ptr %from, align 8
  %to = getelementptr i64, ptr %own, i64 %n
  store i64 %word, ptr %to, align 8
  %after = add i64 %n, 1
  %again = icmp slt i64 %after, %count
  br i1 %again, label %next, label %done
done:
  ret void
}
"""
