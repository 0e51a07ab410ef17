"""What a call raises: the call is wrong, the target is missing, or tensorc itself is wrong. That the program is wrong is a CompileError."""

from __future__ import annotations

from collections.abc import Iterable

from tensorc.diagnostics import CompileError


class ShapeError(ValueError):
    """An argument has the wrong rank or size, or the sizes break what the program requires of them."""


class DTypeError(TypeError):
    """An argument is of the wrong dtype, or is not an array that tensorc takes."""


class TargetUnavailable(RuntimeError):
    """The device or the code generator that was asked for is not there."""


class ConfigError(ValueError):
    """A setting is unknown, or its value is not one that it can have."""


class CompileForbidden(CompileError, RuntimeError):
    """A compile was needed inside of `tc.no_compile()`."""


class InternalError(RuntimeError):
    """tensorc is wrong. `stage` is where, and `reproducer` a file with what it was working on (None where none could be written)."""

    def __init__(self, message: str, stage: str | None = None, reproducer: str | None = None) -> None:
        super().__init__(message, stage, reproducer)
        self.message = message
        self.stage = stage
        self.reproducer = reproducer

    def __str__(self) -> str:
        text = f"internal error in stage `{self.stage}`: {self.message}" if self.stage else f"internal error: {self.message}"
        return f"{text}\nplease report it with {self.reproducer}" if self.reproducer else text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely means."""
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), n=1)
    return found[0] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing."""
    found = nearest(name, known)
    return f"; did you mean `{found}`?" if found else ""


__all__ = [
    "CompileError",
    "CompileForbidden",
    "ConfigError",
    "DTypeError",
    "InternalError",
    "ShapeError",
    "TargetUnavailable",
    "nearest",
    "suggestion",
]
