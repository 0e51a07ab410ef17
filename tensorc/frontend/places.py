"""Where in the user's Python the code that is traced stands, as a span of its source."""

from __future__ import annotations

import linecache
import re
import sys
from functools import cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType

from tensorc.source import Source, Span

_PACKAGE = str(Path(__file__).resolve().parent.parent) + "/"


@cache
def _is_foreign(filename: str) -> bool:
    """Whether a file is the user's: neither tensorc's, nor a library's through which calls come to us, nor Python's own machinery."""
    if filename.startswith((_PACKAGE, "<__array_function__")):
        return False
    for library in ("numpy", "torch"):
        module = sys.modules.get(library)
        file = getattr(module, "__file__", None)
        if file and filename.startswith(str(Path(file).parent) + "/"):
            return False
    return True


def user_span() -> Span | None:
    """The expression that the innermost frame of the user's code is evaluating; None where its source is not to be had."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_foreign(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else _span(frame.f_code, frame.f_lasti, frame.f_lineno)


@cache
def _source(filename: str) -> Source | None:
    text = "".join(linecache.getlines(filename))
    return Source(filename, text) if text else None


def _span(code: CodeType, instruction: int, line: int) -> Span | None:
    source = _source(code.co_filename)
    if source is None or line > len(source.line_starts):
        return None
    positions = next(islice(code.co_positions(), instruction // 2, None), None)
    if positions is not None:
        first, last, start, end = positions
        if first is not None and last is not None and start is not None and end is not None:
            return Span(source, _offset(source, first, start), _offset(source, last, end))
    return line_span(source, line)


def _offset(source: Source, line: int, column: int) -> int:
    """The offset of a column that is counted in UTF-8 bytes."""
    text = source.line(line)
    return source.line_starts[line - 1] + len(text.encode()[:column].decode(errors="ignore"))


def line_span(source: Source, line: int) -> Span:
    """A whole line, without its indentation."""
    text = source.line(line)
    start = source.line_starts[line - 1] + len(text) - len(text.lstrip())
    return Span(source, start, source.line_starts[line - 1] + len(text))


def definition_span(code: CodeType) -> Span | None:
    """The line on which a Python function is defined, behind its decorators."""
    source = _source(code.co_filename)
    if source is None or code.co_firstlineno > len(source.line_starts):
        return None
    last = min(code.co_firstlineno + 50, len(source.line_starts))
    lines = (n for n in range(code.co_firstlineno, last + 1) if re.match(r"\s*(async\s+)?def\s", source.line(n)))
    return line_span(source, code.co_firstlineno if code.co_name == "<lambda>" else next(lines, code.co_firstlineno))
