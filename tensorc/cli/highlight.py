"""Colours programs for terminals: .tx text and the stages that look like it by words, LLVM IR and assembly by their lexers."""

from __future__ import annotations

import io
import sys

from tensorc.cli.output import in_color

_LEXERS = {"llvm": "llvm", "llvm-opt": "llvm", "asm": "gas"}
_STYLES = (
    (r"(?<![.\w])(?:0x[0-9a-fA-F]+|[0-9][0-9_]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\b", "cyan"),
    (r"\b(?:bool|[iu](?:8|16|32|64)|f(?:16|32|64)|bf16)\b", "green"),
    (r"\b(?:fn|let|require|return|import|as|in|else|and|or|not|true|false|none|inf|nan|pi|kernel|for|acc|done)\b", "bold magenta"),
    (r"#.*", "bright_black"),
)


def highlight(text: str, language: str = "tx") -> str:
    """The text with colour codes where standard output shows them, else as it is."""
    if not in_color(sys.stdout):
        return text
    from rich.console import Console
    from rich.syntax import Syntax
    from rich.text import Text

    if language in _LEXERS:
        shown = Syntax("", _LEXERS[language], theme="ansi_dark", background_color="default").highlight(text)
    else:
        shown = Text(text)
        for pattern, style in _STYLES:
            shown.highlight_regex(pattern, style)
    file = io.StringIO()
    Console(file=file, force_terminal=True, color_system="standard", soft_wrap=True).print(shown, highlight=False)
    return file.getvalue()
