"""Reads number and string literals, or says what is wrong with one."""

from __future__ import annotations

import math
import re

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
            raise LiteralError(
                "E0103", f"`{_shortened(text)}` has leading zeros", "not an integer literal", f"write `{_shortened(digits.lstrip('0'))}`"
            )
        significant, base, most = digits.lstrip("0"), 10, 20
    if len(significant) > most or int(significant or "0", base) > _LARGEST_INTEGER:
        raise LiteralError(
            "E0104", f"the integer `{_shortened(text)}` does not fit in 64 bits", "larger than 2**64 - 1, the largest u64", "write it as a float"
        )
    return int(significant or "0", base)


def floating(text: str) -> float:
    """The value of a FLOAT token, rounded to the nearest f64."""
    value = float(text)
    if math.isinf(value):
        raise LiteralError(
            "E0104", f"the float `{_shortened(text)}` is out of range", f"larger than {1.7976931348623157e308}, the largest f64", "write `inf`"
        )
    return value


def string(text: str) -> str:
    """The value of a STRING token, its quotes included in the text."""

    def unescaped(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise LiteralError(
                "E0102", f"unknown escape `\\{match[1]}` in a string", "in this string", 'the escapes are `\\n \\t \\r \\0 \\\\ \\" \\\'`'
            )
        return _ESCAPES[match[1]]

    return _ESCAPE.sub(unescaped, text[1:-1])


def _shortened(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:10]}...{text[-6:]}"
