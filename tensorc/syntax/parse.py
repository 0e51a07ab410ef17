"""Text to syntax tree: every independent syntax error of a file is found in one go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tensorc.diagnostics import CompileError, Diagnostic, Label, error
from tensorc.source import Source, Span
from tensorc.syntax import tree
from tensorc.syntax.build import Builder, Signature
from tensorc.syntax.machine import Machine
from tensorc.syntax.mistakes import Mistake, explain
from tensorc.syntax.tables import END
from tensorc.syntax.tokens import Token, tokenize

# Enough to see what is wrong with a file; the rest of noise is noise.
MOST_ERRORS = 20

_STATEMENTS = ("let", "require", "return")
_RESTARTS = frozenset(("fn", "import", "}", *_STATEMENTS))

# Never part of a text, and the last ones make it read otherwise than it looks.
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+|\r(?!\n)")


def parse(source: Source) -> tree.File:
    """The tree of a .tx file. Raises CompileError with all of its syntax errors."""
    file = _run(source, "file")
    assert isinstance(file, tree.File)
    if not file.functions:
        label = "nothing is defined here" if source.text.strip() else "the file is empty"
        raise error("E0110", "a file without a function", Span(source, 0, 0), label, help="write `fn name(x: f32[N]) -> f32[N] = ...`")
    return file


def parse_type(source: Source) -> tree.TensorType:
    """A tensor type alone: `f32[B, 1024]`."""
    found = _run(source, "only_type")
    if isinstance(found, tree.StaticType) and found.name == "bool":
        return tree.TensorType(found.span, "bool", found.span, ())
    if not isinstance(found, tree.TensorType):
        raise error("E0113", "not a tensor type", found.span, "a dtype and dims are expected here", help="write `f32[B, 1024]`")
    return found


def parse_signature(source: Source) -> tuple[tuple[tree.Type, ...], tree.Type | None]:
    """`f32[B, N], f32[N] -> f32[B, N]` as parameter types and, after the arrow, the return type."""
    signature = _run(source, "signature")
    assert isinstance(signature, Signature)
    return signature.parameters, signature.returns


def parse_expression(source: Source) -> tree.Expr:
    """An expression alone."""
    found: tree.Expr = _run(source, "only_expression")
    return found


def read_source(path: Path | str, name: str | None = None) -> Source:
    """The text of a file. Raises CompileError if it cannot be read or is not UTF-8."""
    name = str(path) if name is None else name
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or str(failure)
        raise error("E0100", f"cannot read `{name}`: {reason}", None) from None
    return decode_source(data, name)


def decode_source(data: bytes, name: str) -> Source:
    """The bytes of a file as a source. Raises CompileError if they are not UTF-8."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return Source(name, data.decode())
    except UnicodeDecodeError as failure:
        source = Source(name, data.decode(errors="replace"))
        offset = len(data[: failure.start].decode())
        byte = data[failure.start]
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        help = "it looks like UTF-16: save it as UTF-8" if utf16 else "save the file as UTF-8"
        label = f"the byte 0x{byte:02x} cannot stand here"
        raise error("E0101", "the file is not UTF-8", Span(source, offset, offset + 1), label, help=help) from None


def _run(source: Source, start: str) -> Any:
    """The value of the start rule; raises CompileError with what went wrong."""
    found = _control_characters(source)
    if found:
        raise CompileError(found)
    builder = Builder(source)
    machine = Machine(builder, start)
    tokens = tokenize(source)
    mistakes = builder.diagnostics
    position = 0
    while position < len(tokens) and len(mistakes) < MOST_ERRORS:
        if machine.feed(tokens[position]):
            position += 1
            continue
        mistakes.append(explain(Mistake(source, tokens, position, machine.expected(), start)))
        position = position + 1 if _repair(machine, source, tokens[position], mistakes[-1].code) else _restart(machine, tokens, position)
    if mistakes:
        raise CompileError(sorted(mistakes, key=_place))
    return machine.result


def _repair(machine: Machine, source: Source, token: Token, code: str) -> bool:
    """Go on as if the right token stood there, where it is clear which one."""
    if source.text[token.start : token.end] == ";":
        return True
    meant = {"E0107": "NAME", "E0111": "COMPARE" if token.kind == "=" else "="}.get(code)
    return meant is not None and machine.feed(token._replace(kind=meant))


def _restart(machine: Machine, tokens: list[Token], position: int) -> int:
    """Bring the machine to where it can go on after the error at a token; gives the first token that it can take."""
    in_head = any(isinstance(value, Token) and value.kind == "fn" for value in machine.values)
    depths = machine.depths(_RESTARTS)
    closing = _closing_braces(tokens, position)
    while tokens[position].kind != END:
        kind = tokens[position].kind
        if in_head and kind == "{":
            machine.unwind(depths["fn"])
            # A head in place of the broken one, so that the errors in the body are found too.
            for pretended in ("fn", "NAME", "(", ")"):
                machine.feed(Token(pretended, tokens[position].start, tokens[position].start))
            return position
        if kind in depths:
            machine.unwind(depths[kind])
            return position
        position = closing.get(position, position) + 1
    return len(tokens)


def _closing_braces(tokens: list[Token], start: int) -> dict[int, int]:
    """Where the braces from a token on are closed, as far as that is within one function: a block that is skipped is skipped whole."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for position in range(start, len(tokens)):
        kind = tokens[position].kind
        if kind == "{":
            opened.append(position)
        elif kind == "}" and opened:
            found[opened.pop()] = position
        elif kind in ("fn", "import"):
            break
    return found


def _control_characters(source: Source) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for match in _CONTROL.finditer(source.text):
        if len(found) == MOST_ERRORS:
            break
        code = ord(match[0][0])
        what = "a carriage return without a line feed" if code == 13 else f"the character U+{code:04X}"
        label = Label(Span(source, *match.span()), "cannot stand in a program", primary=True)
        found.append(Diagnostic("E0101", f"{what} in the text", (label,), help="remove it; the file may not be a text"))
    return found


def _place(mistake: Diagnostic) -> int:
    return mistake.labels[0].span.start
