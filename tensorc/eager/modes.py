"""Whether operations on tensors are recorded for derivatives: a state of each thread, changed for a block or for a function."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any


class _State(threading.local):
    recording = True
    inference = False


state = _State()


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded."""
    return state.recording


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside of `inference_mode`."""
    return state.inference


class _Mode:
    """A block (`with no_grad():`) or a decorator (`@no_grad()`) in which recording is on or off."""

    recording = True

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((state.recording, state.inference))
        self._enter()

    def _enter(self) -> None:
        state.recording = self.recording

    def __exit__(self, *reason: object) -> None:
        state.recording, state.inference = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return inside

    def _again(self) -> _Mode:
        return type(self)()


class no_grad(_Mode):
    """Inside, nothing is recorded: results require no gradient."""

    recording = False

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """`@no_grad` and `@no_grad()` are the same."""
        made = super().__new__(cls)
        if function is None:
            return made
        cls.__init__(made)
        return made(function)


class enable_grad(no_grad):
    """Inside, operations are recorded, even within `no_grad`."""

    recording = True


class set_grad_enabled(_Mode):
    """Recording on or off, from now on; as a block, until its end."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.recording = bool(mode)
        self._outer = state.recording, state.inference
        state.recording = self.recording

    def __enter__(self) -> None:
        self._before.append(self._outer)
        state.recording = self.recording

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        state.recording, state.inference = self._outer
        return super().__call__(function)

    def _again(self) -> _Mode:
        return set_grad_enabled(self.recording)


class inference_mode(_Mode):
    """Inside, nothing is recorded; `inference_mode(False)` records again."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.recording = not mode

    def _enter(self) -> None:
        state.recording, state.inference = self.recording, not self.recording

    def _again(self) -> _Mode:
        return inference_mode(not self.recording)
