"""Reads number and string literals, or says what is wrong with one."""

from __future__ import annotations

import math
import re
import sys

from tensorc.syntax.expectation import shortened

_LARGEST_INTEGER = 2**64 - 1
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "'": "'"}
_ESCAPE = re.compile(r"\\(.)")


class LiteralError(Exception):
    """The literal has no value: its code, message, label and help."""

    def __init__(self, code: str, message: str, label: str, help: str | None = None) -> None:
        super().__init__(code, message, label, help)
        self.code, self.message, self.label, self.help = code, message, label, help


def integer(text: str) -> int:
    """The value of an INTEGER token, at most that of the largest u64."""
    digits = text.replace("_", "")
    if digits[:2] in ("0x", "0X"):
        significant, base, most = digits[2:].lstrip("0"), 16, 16
    else:
        if digits.startswith("0") and digits.strip("0"):
            help = f"write `{shortened(digits.lstrip('0'))}`"
            raise LiteralError("E0103", f"`{shortened(text)}` has leading zeros", "not an integer literal", help)
        significant, base, most = digits.lstrip("0"), 10, 20
    if len(significant) > most or int(significant or "0", base) > _LARGEST_INTEGER:
        label = "larger than 2**64 - 1, the largest u64"
        raise LiteralError("E0104", f"the integer `{shortened(text)}` does not fit in 64 bits", label, "write it as a float")
    return int(significant or "0", base)


def floating(text: str) -> float:
    """The value of a FLOAT token, rounded to the nearest f64."""
    value = float(text)
    if math.isinf(value):
        label = f"larger than {sys.float_info.max}, the largest f64"
        raise LiteralError("E0104", f"the float `{shortened(text)}` is out of range", label, "write `inf`")
    return value


def string(text: str) -> str:
    """The value of a STRING token, its quotes included in the text."""

    def unescaped(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            help = """the escapes are `\\n \\t \\r \\0 \\\\ \\" \\'`"""
            raise LiteralError("E0102", f"unknown escape `\\{match[1]}` in a string", "in this string", help)
        return _ESCAPES[match[1]]

    return _ESCAPE.sub(unescaped, text[1:-1])
